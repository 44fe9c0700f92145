//! `rmcp run --record`: a job with RMCP's library in it, and what its record tells after a fault.

use crate::cli::Failure;
use crate::cli::args::Run;
use crate::cli::output::Output;
use crate::cli::records::records_folder;
use rmcp::flight::{flight, flight_rank, judge_suspects, read_left};
use rmcp::model::{Ending, FlightExplanation, FlightRecord, LogFacts};
use rmcp::{Caller, Knowledge, explain, interposer_here};
use rmcp_report::{flight_text, one_line};
use rmcp_trial::isolation::Invocation;
use std::cmp::Reverse;
use std::path::{Path, PathBuf};

/// Other processes of a job that are named.
const OTHERS: usize = 8;

/// What the runtime loads. Source: ROCr `core/runtime/runtime.cpp`, `Runtime::LoadTools`.
const TOOLS: &str = "HSA_TOOLS_LIB";

/// Has newer runtimes load them although a profiler could be registered. Source: ROCr `core/util/flag.h`.
const NO_REGISTER: (&str, &str) = ("HSA_TOOLS_DISABLE_REGISTER", "1");

/// Gives every allocation a block of the driver's, so that it can be guarded. Source: ROCr `core/util/flag.h`.
const NO_FRAGMENTS: (&str, &str) = ("HSA_DISABLE_FRAGMENT_ALLOCATOR", "1");

/// Records of one attempt of a job: one for each of its processes that uses the GPU.
pub(crate) struct Recorder {
    tools: String,
    folder: PathBuf,
    guard: bool,
}

impl Recorder {
    /// What a job is recorded with, where that was asked for.
    pub(crate) fn of(
        arguments: &Run,
        caller: &Caller,
        job: i64,
        attempt: u32,
    ) -> Result<Option<Self>, Failure> {
        if !arguments.record {
            return Ok(None);
        }
        let library = interposer_here().ok_or_else(|| {
            Failure::could_not_check("RMCP's library librmcp_hsa.so is not there")
                .hint("cargo build --release makes it; it has to stay beside rmcp")
        })?;
        let library = library.display().to_string();
        if library.contains(char::is_whitespace) {
            return Err(Failure::could_not_check(format!(
                "{TOOLS} separates its libraries by blanks, and `{library}` has one in its path"
            )));
        }
        // Tools of others stay, in front.
        let others = caller.variable(TOOLS).unwrap_or_default();
        let mut tools: Vec<&str> =
            others.split_whitespace().filter(|other| *other != library).collect();
        tools.push(&library);
        let folder = fresh(&records_folder(caller)?.join("flight"), job, attempt);
        Ok(Some(Self { tools: tools.join(" "), folder, guard: arguments.guard }))
    }

    /// Puts the library into a job.
    pub(crate) fn set(&self, invocation: &mut Invocation) {
        let mut set = |(name, value): (&str, &str)| {
            invocation.set.push((name.to_owned(), value.to_owned()));
        };
        set((TOOLS, &self.tools));
        set(NO_REGISTER);
        // The slash says that it is a folder, which the library makes.
        set(("RMCP_RECORD", &format!("{}/", self.folder.display())));
        if self.guard {
            set(NO_FRAGMENTS);
            set(("RMCP_GUARD", "1"));
        }
    }

    /// Says after a failure of the GPU what the records tell. Those of a job that ended otherwise are not kept. `log` is what
    /// the job and the kernel have said.
    pub(crate) fn tell(&self, ending: &Ending, log: &[u8], output: &Output) {
        if !ending.is_gpu_failure() {
            // One that is not there was never made.
            let _ = std::fs::remove_dir_all(&self.folder);
            return;
        }
        let log = explain(log, Some(log.len() as u64), "the job", None).ok();
        let log = log.as_ref().map(|(facts, _)| facts);
        let paths = self.ranked(log);
        // They are large, so that one at a time is held.
        let mut read = paths.iter().filter_map(|path| Some((path, tells(path, log)?)));
        let Some((path, (record, mut explanation))) = read.next() else {
            output
                .note("rmcp run: nothing was recorded: the job has not used the GPU through ROCr");
            return;
        };
        judge_suspects(&record, &mut explanation, None, Knowledge::embedded());
        let path = path.display().to_string();
        let page = flight_text(&record, &explanation, &path, output.detail, output.palette);
        output.note(page.trim_end());
        output.note(&format!("rmcp run: the record: rmcp explain --record {}", one_line(&path)));
        for (path, (record, explanation)) in read.take(OTHERS) {
            output.note(&format!("rmcp run: {}", other(path, &record, &explanation)));
        }
        if let Some(more) = paths.len().checked_sub(1 + OTHERS).filter(|more| *more > 0) {
            let folder = self.folder.display().to_string();
            output.note(&format!("rmcp run: and {more} more in {}", one_line(&folder)));
        }
    }

    /// The records of this attempt that can be read, the one that says most first.
    #[expect(clippy::disallowed_methods, reason = "a folder of our own")]
    fn ranked(&self, log: Option<&LogFacts>) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut found: Vec<_> = entries
            .map(|entry| entry.path())
            .filter_map(|path| Some((Reverse(flight_rank(&tells(&path, log)?.1)), path)))
            .collect();
        found.sort();
        found.into_iter().map(|(_, path)| path).collect()
    }
}

/// A folder that is not there yet. The numbers of jobs begin again when the database was lost, and what an older job has
/// left would be taken for this one's.
fn fresh(folder: &Path, job: i64, attempt: u32) -> PathBuf {
    let name = format!("job-{job}-{attempt}");
    let names = std::iter::once(name.clone()).chain((2..).map(|again| format!("{name}-{again}")));
    let mut paths = names.map(|name| folder.join(name));
    let is_free = |path: &PathBuf| path.symlink_metadata().is_err();
    paths.find(is_free).unwrap_or_else(|| folder.join(name))
}

/// What a file that a job left tells, where it is a record.
fn tells(path: &Path, log: Option<&LogFacts>) -> Option<(FlightRecord, FlightExplanation)> {
    flight(&read_left(path).ok()?, log).ok()
}

/// What is said of another process of the job.
fn other(path: &Path, record: &FlightRecord, explanation: &FlightExplanation) -> String {
    let seen = explanation.fault.as_ref().is_some_and(|fault| fault.seen);
    let seen = if seen { "has met a fault too" } else { "has seen no fault itself" };
    let path = path.display().to_string();
    format!("process {} {seen}: rmcp explain --record {}", record.pid, one_line(&path))
}
