//! One output of a child, of which the beginning and the end are kept, whatever is written.

use super::Captured;

/// Keeps the first and the last bytes of what it is given, each up to half of the limit.
///
/// Memory is three halves of the limit at most, and a byte is moved once at most.
#[derive(Debug)]
pub(crate) struct Capture {
    half: usize,
    head: Vec<u8>,
    /// The last bytes: between `half` and twice as many once that much has come.
    tail: Vec<u8>,
    total: u64,
}

impl Capture {
    pub(crate) fn new(limit: usize) -> Self {
        Self { half: limit / 2, head: Vec::new(), tail: Vec::new(), total: 0 }
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let room = self.half - self.head.len();
        let (first, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(first);
        let rest = &rest[rest.len().saturating_sub(self.half)..];
        if self.tail.len() + rest.len() > 2 * self.half {
            let keep = self.half - rest.len();
            self.tail.drain(..self.tail.len() - keep);
        }
        self.tail.extend_from_slice(rest);
    }

    pub(crate) fn finish(mut self) -> Captured {
        let surplus = self.tail.len().saturating_sub(self.half);
        self.tail.drain(..surplus);
        let kept = (self.head.len() + self.tail.len()) as u64;
        let mut bytes = self.head;
        if kept < self.total {
            let missing = self.total - kept;
            bytes.extend_from_slice(format!("\n[... {missing} bytes left out ...]\n").as_bytes());
        }
        bytes.extend_from_slice(&self.tail);
        Captured { bytes, total: self.total }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn captured(limit: usize, pieces: &[&[u8]]) -> String {
        let mut capture = Capture::new(limit);
        pieces.iter().for_each(|piece| capture.add(piece));
        String::from_utf8(capture.finish().bytes).unwrap()
    }

    #[test]
    fn what_fits_is_kept_whole() {
        assert_eq!(captured(8, &[b"abc", b"defgh"]), "abcdefgh");
        assert_eq!(captured(8, &[]), "");
    }

    #[test]
    fn of_the_rest_the_beginning_and_the_end() {
        let note = "\n[... 3 bytes left out ...]\n";
        assert_eq!(captured(8, &[b"abc", b"defgh", b"ijk"]), format!("abcd{note}hijk"));
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(text in ".{0,200}", cuts in prop::collection::vec(1usize..20, 0..40), limit in 0usize..40) {
            let whole = {
                let mut capture = Capture::new(limit);
                capture.add(text.as_bytes());
                capture.finish()
            };
            let mut capture = Capture::new(limit);
            let mut rest = text.as_bytes();
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                capture.add(piece);
                prop_assert!(capture.head.len() + capture.tail.len() <= 3 * limit.max(1));
                rest = after;
            }
            capture.add(rest);
            prop_assert_eq!(capture.finish(), whole);
        }
    }
}
