//! What a program of ours wrote down: a line of JSON for each comparison, and one that says that these are all. Pure.

use super::{Judged, judge_end, last_word};
use crate::isolation::Ended;
use rmcp_model::Outcome;
use serde::Deserialize;

/// Longest reason that is kept, in characters.
const LONGEST: usize = 200;

/// One line. Unknown fields are no error: an older program reads what a newer one wrote.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Line {
    check: String,
    what: String,
    dtype: String,
    max_rel_error: Option<f64>,
    tolerance: Option<f64>,
    /// The check could not be made, and why.
    failed: Option<String>,
    /// It makes no sense here, and why.
    skipped: Option<String>,
    /// So many lines were before this one, and no other follows.
    end: Option<u64>,
}

/// Says what a program of ours came to.
pub(super) fn judge_results(ended: &Ended) -> Judged {
    let mut sum = Sum::default();
    let text = String::from_utf8_lossy(&ended.results);
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match serde_json::from_str::<Line>(line) {
            Ok(line) => sum.add(line),
            Err(error) => {
                sum.broken = Some(format!("a line of its results cannot be read: {error}"))
            }
        }
    }
    let outcome = match judge_end(ended) {
        Err(outcome) => outcome,
        Ok(code) => sum.outcome(code, ended),
    };
    Judged { outcome, max_rel_error: sum.max_rel_error, checks: sum.compared }
}

#[derive(Debug, Default)]
struct Sum {
    lines: u64,
    compared: u32,
    max_rel_error: Option<f64>,
    wrong: Option<String>,
    failed: Option<String>,
    skipped: Option<String>,
    broken: Option<String>,
    end: Option<u64>,
}

impl Sum {
    fn add(&mut self, line: Line) {
        if let Some(end) = line.end {
            self.end = Some(end);
            return;
        }
        self.lines += 1;
        let name = [line.check, line.what, line.dtype].join(" ");
        let name = name.trim();
        if let Some(why) = line.failed {
            self.failed.get_or_insert_with(|| format!("{name}: {why}"));
        } else if let Some(why) = line.skipped {
            self.skipped.get_or_insert(why);
        } else if let (Some(error), Some(tolerance)) = (line.max_rel_error, line.tolerance) {
            self.compared += 1;
            self.max_rel_error = Some(self.max_rel_error.map_or(error, |max| max.max(error)));
            if error > tolerance {
                self.wrong.get_or_insert_with(|| {
                    format!("{name}: relative error {error:.2e}, {tolerance:.1e} is allowed")
                });
            }
        } else {
            self.broken = Some(format!("{name}: neither a comparison nor a reason"));
        }
    }

    fn outcome(&self, code: i32, ended: &Ended) -> Outcome {
        let cut = |text: &str| text.chars().take(LONGEST).collect::<String>();
        let failed = |what: &str| Outcome::Failed { code, what: cut(what) };
        if code != 0 {
            return failed(&self.failed.clone().unwrap_or_else(|| last_word(ended)));
        }
        if let Some(what) = self.failed.as_ref().or(self.broken.as_ref()) {
            return failed(what);
        }
        if self.end != Some(self.lines) {
            return failed("its results are cut short");
        }
        if let Some(what) = &self.wrong {
            return Outcome::WrongNumbers { what: cut(what) };
        }
        match (&self.skipped, self.compared) {
            (Some(what), 0) => Outcome::Skipped { what: cut(what) },
            (None, 0) => failed("it compared nothing"),
            _ => Outcome::Passed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isolation::{Captured, End};
    use proptest::prelude::*;
    use std::time::Duration;

    fn judged(code: i32, results: &[u8]) -> Judged {
        judge_results(&Ended {
            end: End::Code(code),
            stdout: Captured::default(),
            stderr: Captured { bytes: b"ValueError: 3\n".to_vec(), total: 14 },
            results: results.to_vec(),
            time: Duration::ZERO,
            peak_bytes: None,
            left_behind: Vec::new(),
            stuck: Vec::new(),
        })
    }

    const GOOD: &str = r#"{"check":"a","what":"forward","dtype":"float32","max_rel_error":1e-7,"tolerance":1e-5,"seconds":1}"#;

    #[test]
    fn results_decide_and_only_whole_ones_pass() {
        let wrong = GOOD.replace("1e-7", "0.5");
        for (code, results, word, words) in [
            (0, format!("{GOOD}\n{{\"end\":1}}\n"), "passed", ""),
            (0, format!("{GOOD}\n{wrong}\n{{\"end\":2}}\n"), "wrong numbers", "a forward float32"),
            (0, GOOD.to_owned(), "failed", "cut short"),
            (0, format!("{GOOD}\n{{\"end\":2}}"), "failed", "cut short"),
            (0, String::new(), "failed", "cut short"),
            (0, "{\"end\":0}".to_owned(), "failed", "compared nothing"),
            (0, format!("{GOOD}\n{{\"che"), "failed", "cannot be read"),
            (0, "{\"check\":\"a\"}\n{\"end\":1}".to_owned(), "failed", "neither"),
            (0, "{\"skipped\":\"no GPU\"}\n{\"end\":1}".to_owned(), "skipped", "no GPU"),
            (
                0,
                format!("{{\"check\":\"b\",\"failed\":\"no loss\"}}\n{GOOD}\n{{\"end\":2}}"),
                "failed",
                "b: no loss",
            ),
            (1, format!("{GOOD}\n{{\"end\":1}}"), "failed", "ValueError: 3"),
        ] {
            let judged = judged(code, results.as_bytes());
            assert_eq!(judged.outcome.word(), word, "{results}");
            assert!(judged.outcome.what().unwrap_or_default().contains(words), "{judged:?}");
        }
        let both = judged(0, format!("{GOOD}\n{wrong}\n{{\"end\":2}}\n").as_bytes());
        assert_eq!((both.checks, both.max_rel_error), (2, Some(0.5)));
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(results in prop::collection::vec(any::<u8>(), 0..400), code in any::<i32>()) {
            let judged = judged(code, &results);
            // What was not written by a program of ours never passes.
            prop_assert!(!judged.outcome.passed());
        }
    }
}
