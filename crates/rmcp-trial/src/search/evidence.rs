//! What several runs of one test amount to.

use rmcp_model::{Attempt, Cell, Outcome, Test};

/// A fix may not look like one by luck more often than this.
const LUCK: f64 = 0.05;

/// Passes that every claim needs, whatever the test did before.
const TWICE: u32 = 2;

/// Returns how often a test has to pass under a candidate before that says something, when it passed `k` of `n` times
/// without it and there are that many candidates.
///
/// How often it passes by itself is taken to be `(k + 1) / (n + 2)`, Laplace's rule of succession. A test that was seen
/// to pass by itself can pass by luck under any of the candidates, so all of them together share the luck allowed.
pub(super) fn passes_needed(k: u32, n: u32, candidates: usize) -> u32 {
    if k == n {
        return TWICE;
    }
    let by_itself = f64::from(k + 1) / f64::from(n + 2);
    let sharing = if k == 0 { 1 } else { u32::try_from(candidates.max(1)).unwrap_or(u32::MAX) };
    let allowed = LUCK / f64::from(sharing);
    // n is a number of runs that were made, and `by_itself` is at most n / (n + 1): the loop ends.
    (TWICE..).find(|&passes| by_itself.powf(f64::from(passes)) <= allowed).unwrap_or(u32::MAX)
}

/// How bad an outcome is; the worst stands for all runs of a test.
fn badness(outcome: &Outcome) -> u8 {
    match outcome {
        Outcome::Crashed { .. } => 7,
        Outcome::Hung { .. } => 6,
        Outcome::WrongNumbers { .. } => 5,
        Outcome::Failed { .. } => 4,
        Outcome::CouldNotStart { .. } => 3,
        Outcome::Passed => 2,
        Outcome::Skipped { .. } => 1,
        Outcome::NotRun { .. } => 0,
    }
}

/// Returns the cell for runs of one test, or for the reason why there are none.
pub(super) fn cell(test: &Test, attempts: &[Attempt], not_run: &str) -> Cell {
    let worst = attempts.iter().rev().max_by_key(|attempt| badness(&attempt.outcome));
    let outcome = worst.map_or_else(
        || Outcome::NotRun { what: not_run.to_owned() },
        |worst| worst.outcome.clone(),
    );
    let ran: Vec<&Attempt> = attempts.iter().filter(|attempt| attempt.outcome.ran()).collect();
    let passed = ran.iter().filter(|attempt| attempt.outcome.passed()).count();
    Cell {
        test: test.clone(),
        outcome,
        k: count(passed),
        n: count(ran.len()),
        kind: worst.and_then(|worst| worst.kind),
        seconds: median(ran.iter().map(|attempt| attempt.seconds).collect()),
        max_rel_error: ran
            .iter()
            .filter_map(|attempt| attempt.max_rel_error)
            .max_by(f64::total_cmp),
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        even if even % 2 == 0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_now_and_then_has_to_pass_more_often() {
        // It passed k of n times by itself, there are so many candidates: so many passes are asked for.
        let cases = [
            ((3, 3, 40), 2),
            ((0, 3, 40), 2),
            ((0, 1, 40), 3),
            ((0, 2, 40), 3),
            ((1, 3, 1), 4),
            ((2, 3, 1), 6),
            ((1, 3, 40), 8),
            ((2, 3, 40), 14),
            ((9, 10, 1), 17),
        ];
        for ((k, n, candidates), passes) in cases {
            assert_eq!(passes_needed(k, n, candidates), passes, "{k} of {n}, {candidates}");
        }
    }
}
