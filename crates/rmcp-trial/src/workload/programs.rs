//! Questions in, processes and outcomes out: of the software that is installed, and of a user's own command.

use super::{Judged, KernelLog, Kit, commands, judge, workload};
use crate::isolation::{Ended, Invocation, Limits};
use crate::search::Question;
use rmcp_model::{Outcome, Test};
use std::path::Path;
use std::time::Duration;

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

    /// Says what became of one of them, without the kernel log.
    fn judge(&self, test: &Test, ended: &Ended) -> Judged;
}

/// The workloads, as the installed software computes them.
#[derive(Debug)]
pub struct Installed {
    /// The software.
    pub kit: Kit,
    /// Why the kernel log cannot be read, where it cannot.
    pub kernel_log_unreadable: Option<String>,
    /// Longest time of one process, instead of the workload's own.
    pub limit: Option<Duration>,
}

impl Programs for Installed {
    fn commands(&self, question: &Question, folder: &Path) -> Result<Vec<Invocation>, Outcome> {
        let Some(workload) = workload(&question.test.workload) else {
            return Err(Outcome::NotRun { what: "there is no such workload".to_owned() });
        };
        if let Some(why) = self.kernel_log_unreadable.as_ref().filter(|_| workload.kernel_log) {
            return Err(Outcome::Skipped { what: format!("the kernel log cannot be read: {why}") });
        }
        let kit = Kit { empty_cache: Some(folder.join("miopen")), ..self.kit.clone() };
        commands(workload, question.test.tool, &kit, &question.knobs)
    }

    fn limits(&self, test: &Test) -> Limits {
        let own = workload(&test.workload).map(|workload| workload.limits(OUTPUT));
        let hour = Duration::from_secs(3600);
        let limits =
            own.unwrap_or(Limits { wall: hour, silence: None, memory: None, output: OUTPUT });
        Limits { wall: self.limit.unwrap_or(limits.wall), ..limits }
    }

    fn judge(&self, test: &Test, ended: &Ended) -> Judged {
        // The session looks at the kernel log of the whole test.
        let log = KernelLog::Faults(Vec::new());
        match workload(&test.workload) {
            Some(workload) => judge(workload, test.tool, ended, &log),
            None => Judged::of(Outcome::NotRun { what: "there is no such workload".to_owned() }),
        }
    }
}
