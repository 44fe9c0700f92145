//! What is run: shapes, tolerances, and how each software is asked to compute it.
//!
//! [`all`] are the workloads of `workloads/*.toml`, whose shape is [`Workload`]; a [`Kit`] is the software there is. Both a kit
//! and a user's own command are [`Programs`]: questions in, processes and outcomes out.

mod amd;
mod catalogue;
mod command;
mod judge;
mod kit;
mod results;
mod schema;

pub use catalogue::{HIP_SOURCES, all};
pub use command::{COMMAND, UserCommand};
pub use judge::{Judged, judge_end, last_word};
pub use kit::Kit;
pub use schema::{Check, Conv2d, Matmul, Memory, Number, Suite, Workload};

use crate::isolation::{Ended, Invocation, Limits};
use crate::search::Question;
use rmcp_model::{Outcome, Test};
use std::path::Path;

/// Bytes of each output of a test that are kept while it runs.
pub const OUTPUT: usize = 256 << 10;

/// Turns questions into programs, and what became of these into outcomes.
pub trait Programs {
    /// Returns what is started for a question, one after the other. `folder` is there for this question alone.
    ///
    /// # Errors
    /// The outcome where nothing can be started or makes sense.
    fn commands(&self, question: &Question, folder: &Path) -> Result<Vec<Invocation>, Outcome>;

    /// Returns how far each of them may go.
    fn limits(&self, test: &Test) -> Limits;

    /// Says what became of one of them.
    fn judge(&self, test: &Test, ended: &Ended) -> Judged;
}
