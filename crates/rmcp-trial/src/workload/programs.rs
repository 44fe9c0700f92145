//! Questions in, processes and outcomes out: of the software that is installed, and of a user's own command.

use super::{Judged, KernelLog, Kit, commands, judge, workload};
use crate::isolation::{Ended, Invocation, Limits};
use crate::search::Question;
use rmcp_model::{Outcome, Test, Tool};
use std::io;
use std::path::{Path, PathBuf};
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
    fn judge(&self, question: &Question, invocation: &Invocation, ended: &Ended) -> Judged;
}

/// The workloads, as the installed software computes them.
#[derive(Debug)]
pub struct Installed {
    /// The software.
    pub kit: Kit,
    /// Where the user's MIOpen keeps what it finds out about solvers.
    ///
    /// Each question has a copy: what one candidate's MIOpen finds out would decide which kernels run under the next, and
    /// the user's own would not be as it was.
    pub miopen_databases: Option<PathBuf>,
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
        let miopen_databases = match question.test.tool {
            Tool::Torch | Tool::Miopen => {
                let copy = folder.join("miopen-databases");
                copy_files(self.miopen_databases.as_deref(), &copy).map_err(|error| {
                    let what = format!("MIOpen's databases could not be copied: {error}");
                    Outcome::CouldNotStart { what }
                })?;
                Some(copy)
            }
            _ => None,
        };
        let empty_cache = Some(folder.join("miopen"));
        let kit = Kit { miopen_databases, empty_cache, ..self.kit.clone() };
        commands(workload, question.test.tool, &kit, &question.knobs)
    }

    fn limits(&self, test: &Test) -> Limits {
        let own = workload(&test.workload).map(|workload| workload.limits(OUTPUT));
        let hour = Duration::from_secs(3600);
        let limits =
            own.unwrap_or(Limits { wall: hour, silence: None, memory: None, output: OUTPUT });
        Limits { wall: self.limit.unwrap_or(limits.wall), ..limits }
    }

    fn judge(&self, question: &Question, invocation: &Invocation, ended: &Ended) -> Judged {
        // The session looks at the kernel log of the whole test.
        let log = KernelLog::Faults(Vec::new());
        let test = &question.test;
        match workload(&test.workload) {
            Some(workload) => judge(workload, test.tool, &question.knobs, invocation, ended, &log),
            None => Judged::of(Outcome::NotRun { what: "there is no such workload".to_owned() }),
        }
    }
}

/// Makes a folder with copies of the files of another; an empty one where that is not there.
fn copy_files(from: Option<&Path>, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    let entries = match from.map(std::fs::read_dir) {
        Some(Ok(entries)) => entries,
        None => return Ok(()),
        Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Some(Err(error)) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rmcp_model::Knob;

    #[test]
    fn what_miopen_finds_out_stays_in_its_question() {
        let user = tempfile::tempdir().unwrap();
        std::fs::write(user.path().join("gfx1010.ufdb.txt"), "naive").unwrap();
        let programs = Installed {
            kit: Kit { miopen_driver: Some("driver".into()), ..Kit::default() },
            miopen_databases: Some(user.path().to_owned()),
            kernel_log_unreadable: None,
            limit: None,
        };
        let test = Test { workload: "convolutions".to_owned(), tool: Tool::Miopen };
        let place = |knobs: Vec<Knob>| {
            let folder = tempfile::tempdir().unwrap();
            let question = Question { knobs, test: test.clone(), repeat: 0 };
            let started = programs.commands(&question, folder.path()).unwrap();
            let name = super::super::MIOPEN_DATABASES;
            let places = started.iter().map(|one| one.set.iter().find(|(known, _)| known == name));
            let mut places: Vec<PathBuf> =
                places.map(|place| PathBuf::from(&place.unwrap().1)).collect();
            places.dedup();
            assert!(places.len() == 1 && places[0].starts_with(folder.path()), "{places:?}");
            let text = std::fs::read_to_string(places[0].join("gfx1010.ufdb.txt")).ok();
            let _ = std::fs::write(places[0].join("gfx1010.ufdb.txt"), "gemm");
            text
        };
        assert_eq!(place(Vec::new()).as_deref(), Some("naive"));
        assert_eq!(place(Vec::new()).as_deref(), Some("naive"));
        assert_eq!(place(vec![Knob::EmptyCache]), None);
        let own = std::fs::read_to_string(user.path().join("gfx1010.ufdb.txt")).unwrap();
        assert_eq!(own, "naive");
    }
}
