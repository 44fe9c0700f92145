//! A user's own command as a workload: it passes when it ends with 0. What the kernel log says counts as well, as with
//! every test.

use super::{Judged, OUTPUT, Programs, judge_end, last_word};
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
        if question.knobs.iter().any(|knob| matches!(knob, Knob::Torch { .. } | Knob::EmptyCache)) {
            let what = "it is for the program itself to do".to_owned();
            return Err(Outcome::Skipped { what });
        }
        invocation.apply(&question.knobs);
        Ok(vec![invocation])
    }

    fn limits(&self, _: &Test) -> Limits {
        Limits { wall: self.wall, silence: None, memory: None, output: OUTPUT }
    }

    fn judge(&self, _: &Test, ended: &Ended) -> Judged {
        let outcome = match judge_end(ended) {
            Ok(0) => Outcome::Passed,
            Ok(code) => Outcome::Failed { code, what: last_word(ended) },
            Err(outcome) => outcome,
        };
        Judged { outcome, max_rel_error: None, checks: 1 }
    }
}
