//! What is run: shapes, tolerances, and how each software is asked to compute it.

mod command;
mod judge;

pub use command::{COMMAND, UserCommand};
pub use judge::{Judged, judge_end, last_word};

use crate::isolation::{Ended, Invocation, Limits};
use crate::search::Question;
use rmcp_model::{Outcome, Test};
use std::path::Path;

/// Bytes of each output of a test that are kept while it runs.
pub const OUTPUT: usize = 256 << 10;

/// Turns questions into programs, and what became of these into outcomes.
pub trait Programs {
    /// Returns what is started for a question, one after the other. `folder` is empty and is there for this question
    /// alone.
    ///
    /// # Errors
    /// The outcome where nothing can be started or makes sense.
    fn commands(&self, question: &Question, folder: &Path) -> Result<Vec<Invocation>, Outcome>;

    /// Returns how far each of them may go.
    fn limits(&self, test: &Test) -> Limits;

    /// Says what became of one of them.
    fn judge(&self, test: &Test, ended: &Ended) -> Judged;
}
