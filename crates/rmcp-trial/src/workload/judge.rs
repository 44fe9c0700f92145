//! What became of a child, whatever it computed. Pure.

use crate::isolation::{End, Ended};
use rmcp_model::Outcome;

/// Longest last word, in characters.
const LONGEST: usize = 160;

/// A shell gives a signal of its child as a code above this. Source: POSIX, Shell Command Language, 2.8.2.
const SIGNAL_CODES: std::ops::RangeInclusive<i32> = 129..=192;

/// What is made of a test.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// What became of it.
    pub outcome: Outcome,
    /// Largest relative error of its checks.
    pub max_rel_error: Option<f64>,
    /// Checks that were made.
    pub checks: u32,
}

/// Returns the exit code of a child that ended by itself and left nothing behind.
///
/// # Errors
/// The outcome of any other end, whatever it had computed.
pub fn judge_end(ended: &Ended) -> Result<i32, Outcome> {
    let stuck = match &ended.stuck[..] {
        [] => String::new(),
        stuck => format!("; stuck in the driver: {}", stuck.join(", ")),
    };
    match &ended.end {
        End::NotStarted(why) => Err(Outcome::CouldNotStart { what: why.clone() }),
        End::TimeOver => Err(Outcome::Hung {
            what: format!("its time was over after {:.0} s{stuck}", ended.time.as_secs_f64()),
        }),
        End::Silent => Err(Outcome::Hung {
            what: format!(
                "silent until it was ended after {:.0} s{stuck}",
                ended.time.as_secs_f64()
            ),
        }),
        End::Signal(signal) => {
            Err(Outcome::Crashed { signal: Some(*signal), what: last_word(ended) })
        }
        End::Code(code) if SIGNAL_CODES.contains(code) => {
            Err(Outcome::Crashed { signal: Some(code - 128), what: last_word(ended) })
        }
        End::Code(code) if !ended.left_behind.is_empty() => Err(Outcome::Failed {
            code: *code,
            what: format!("it left processes behind: {}", ended.left_behind.join(", ")),
        }),
        End::Code(code) => Ok(*code),
    }
}

/// The last line that was said, on standard error where there is one.
pub fn last_word(ended: &Ended) -> String {
    let last = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let line = text.lines().rev().find(|line| !line.trim().is_empty())?;
        Some(line.trim().chars().take(LONGEST).collect::<String>())
    };
    last(&ended.stderr.bytes)
        .or_else(|| last(&ended.stdout.bytes))
        .unwrap_or_else(|| "without a word".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isolation::Captured;
    use crate::workload::{Programs, UserCommand};
    use rmcp_model::{Test, Tool};
    use std::time::Duration;

    fn ended(end: End, stderr: &str, left_behind: &[&str]) -> Ended {
        let said = |text: &str| Captured { bytes: text.into(), total: text.len() as u64 };
        Ended {
            end,
            stdout: said("out\n"),
            stderr: said(stderr),
            results: Vec::new(),
            time: Duration::from_secs(5),
            peak_bytes: None,
            left_behind: left_behind.iter().map(|&name| name.to_owned()).collect(),
            stuck: Vec::new(),
        }
    }

    #[test]
    fn every_end_has_its_outcome() {
        let command = UserCommand {
            program: "true".to_owned(),
            arguments: Vec::new(),
            folder: None,
            wall: Duration::from_secs(1),
        };
        let test = Test { workload: "command".to_owned(), tool: Tool::Command };
        let crashed =
            |signal, what: &str| Outcome::Crashed { signal: Some(signal), what: what.to_owned() };
        for (ended, expected) in [
            (ended(End::Code(0), "a warning\n", &[]), Outcome::Passed),
            (ended(End::Code(3), "", &[]), Outcome::Failed { code: 3, what: "out".to_owned() }),
            (ended(End::Signal(6), "first\nlast\n\n", &[]), crashed(6, "last")),
            (ended(End::Code(139), "", &[]), crashed(11, "out")),
            (
                ended(End::Code(0), "", &["7 sleep"]),
                Outcome::Failed { code: 0, what: "it left processes behind: 7 sleep".to_owned() },
            ),
            (
                ended(End::TimeOver, "", &[]),
                Outcome::Hung { what: "its time was over after 5 s".to_owned() },
            ),
            (
                ended(End::NotStarted("x: no such file".to_owned()), "", &[]),
                Outcome::CouldNotStart { what: "x: no such file".to_owned() },
            ),
        ] {
            assert_eq!(command.judge(&test, &ended).outcome, expected, "{ended:?}");
        }
    }
}
