//! A user's own command as a workload: it passes when it ends with 0. What the kernel log says counts as well, as with
//! every test.

use super::judge::judge_command;
use super::{Judged, OUTPUT, Programs};
use crate::isolation::{Ended, Invocation, Limits};
use crate::search::Question;
use rmcp_model::{Knob, Outcome, Test};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The workload's name in the matrix.
pub const COMMAND: &str = "command";

/// A user's own command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserCommand {
    /// The program.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// The folder in which it is started.
    pub folder: Option<PathBuf>,
    /// Longest time.
    pub wall: Duration,
}

impl Programs for UserCommand {
    fn commands(&self, question: &Question, _: &Path) -> Result<Vec<Invocation>, Outcome> {
        let mut invocation = Invocation {
            program: PathBuf::from(&self.program),
            arguments: self.arguments.iter().map(Into::into).collect(),
            folder: self.folder.clone(),
            ..Invocation::default()
        };
        let is_its_own = |knob: &Knob| {
            matches!(knob, Knob::Torch { .. } | Knob::EmptyCache | Knob::SinglePrecision)
        };
        if question.knobs.iter().any(is_its_own) {
            let what = "it is for the program itself to do".to_owned();
            return Err(Outcome::Skipped { what });
        }
        invocation.apply(&question.knobs);
        Ok(vec![invocation])
    }

    fn limits(&self, _: &Test) -> Limits {
        Limits { wall: self.wall, silence: None, memory: None, output: OUTPUT }
    }

    fn judge(&self, _: &Question, _: &Invocation, ended: &Ended) -> Judged {
        judge_command(ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isolation::{Captured, End};
    use rmcp_model::Tool;

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
        let test = Test { workload: COMMAND.to_owned(), tool: Tool::Command };
        let question = Question { knobs: Vec::new(), test, repeat: 0 };
        for (ended, word, what) in [
            (ended(End::Code(0), "a warning\n", &[]), "passed", ""),
            (ended(End::Code(3), "", &[]), "failed", "out"),
            (ended(End::Signal(6), "first\nlast\n\n", &[]), "crashed", "last"),
            (ended(End::Code(139), "", &[]), "crashed", "out"),
            (ended(End::Code(0), "", &["7 sleep"]), "failed", "7 sleep"),
            (ended(End::TimeOver, "", &[]), "hung", "time was over"),
            (ended(End::Silent, "", &[]), "hung", "silent"),
            (ended(End::NotStarted("x: none".to_owned()), "", &[]), "could not start", "x: none"),
        ] {
            let outcome = command.judge(&question, &Invocation::default(), &ended).outcome;
            assert_eq!(outcome.word(), word, "{ended:?}");
            assert!(outcome.what().unwrap_or_default().contains(what), "{outcome:?}");
        }
    }
}
