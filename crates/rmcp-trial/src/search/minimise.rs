//! The smallest part that still passes.

/// Returns a part of `items` that passes and of which no single item can be left out, given that all of them pass.
///
/// This is delta debugging: it tries parts, then what is left without a part, then smaller parts. It asks about
/// `O(k log k)` sets where one of `k` items matters, and at most `k² + 3k`. The same set may be asked about twice; the
/// empty set is never asked about.
///
/// Source: A. Zeller and R. Hildebrandt, Simplifying and Isolating Failure-Inducing Input, IEEE Transactions on
/// Software Engineering 28(2), 2002, algorithm `ddmin`.
///
/// # Errors
/// What `passes` gives up with, together with the smallest part known by then.
pub(super) fn minimise<T: Clone, E>(
    items: &[T],
    mut passes: impl FnMut(&[T]) -> Result<bool, E>,
) -> Result<Vec<T>, (E, Vec<T>)> {
    let mut left = items.to_vec();
    let mut parts = 2;
    while left.len() > 1 {
        let size = left.len().div_ceil(parts);
        let chunks: Vec<Vec<T>> = left.chunks(size).map(<[T]>::to_vec).collect();
        // With two parts, what is left without one of them is the other.
        let without = (0..chunks.len()).filter(|_| chunks.len() > 2).map(|skipped| {
            let kept = chunks.iter().enumerate().filter(|(at, _)| *at != skipped);
            kept.flat_map(|(_, chunk)| chunk.clone()).collect::<Vec<T>>()
        });
        let tries = chunks.iter().cloned().map(|part| (part, 2));
        let tries = tries.chain(without.map(|rest| (rest, (parts - 1).max(2))));
        let mut smaller = None;
        for (part, parts) in tries {
            match passes(&part) {
                Ok(true) => {
                    smaller = Some((part, parts));
                    break;
                }
                Ok(false) => {}
                Err(error) => return Err((error, left)),
            }
        }
        match smaller {
            Some((part, fewer)) => (left, parts) = (part, fewer),
            None if size == 1 => break,
            None => parts = (parts * 2).min(left.len()),
        }
    }
    Ok(left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn smallest(items: u32, needed: &[u32]) -> (Vec<u32>, usize) {
        let mut asked = 0;
        let items: Vec<u32> = (0..items).collect();
        let found = minimise(&items, |part| {
            asked += 1;
            Ok::<bool, Infallible>(needed.iter().all(|item| part.contains(item)))
        });
        (found.unwrap_or_else(|(_, part)| part), asked)
    }

    #[test]
    fn exactly_what_is_needed_is_left() {
        for needed in [&[0][..], &[7], &[0, 7], &[3, 4, 5], &[0, 1, 2, 3, 4, 5, 6, 7]] {
            let (found, asked) = smallest(8, needed);
            assert_eq!(found, needed);
            assert!(asked <= 8 * 8 + 3 * 8, "{asked} sets for {needed:?}");
        }
    }

    #[test]
    fn one_of_many_is_found_in_the_logarithm_of_their_number() {
        for needed in [0, 500, 1023] {
            assert!(smallest(1024, &[needed]).1 <= 20);
        }
    }
}
