//! `rmcp run --record`: a job with RMCP's library in it, and what its record tells after a fault.

use crate::cli::Failure;
use crate::cli::args::Run;
use crate::cli::output::Output;
use crate::cli::records::records_folder;
use rmcp::flight::{flight, judge_suspects};
use rmcp::model::{Ending, FlightExplanation, FlightRecord};
use rmcp::{Caller, Knowledge, explain, interposer_here};
use rmcp_report::flight_text;
use rmcp_trial::isolation::Invocation;
use std::path::PathBuf;

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
        let folder = records_folder(caller)?.join("flight").join(format!("job-{job}-{attempt}"));
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

    /// Says after a failure of the GPU what the records tell. Those of a job that ended otherwise are not kept.
    pub(crate) fn tell(&self, ending: &Ending, text: &[u8], output: &Output) {
        if !ending.is_gpu_failure() {
            // One that is not there was never made.
            let _ = std::fs::remove_dir_all(&self.folder);
            return;
        }
        let mut found = self.read(text);
        // The record that says most: one with a fault, then one with kernels that had not ended.
        found.sort_by_key(|(_, _, explanation)| {
            (explanation.fault.is_none(), explanation.suspects.is_empty())
        });
        let Some((path, record, mut explanation)) = found.into_iter().next() else {
            output
                .note("rmcp run: nothing was recorded: the job has not used the GPU through ROCr");
            return;
        };
        judge_suspects(&record, &mut explanation, None, Knowledge::embedded());
        let path = path.display().to_string();
        let page = flight_text(&record, &explanation, &path, output.detail, output.palette);
        output.note(page.trim_end());
        output.note(&format!("rmcp run: the record: rmcp explain --record {path}"));
    }

    /// The records of this attempt that can be read.
    #[expect(clippy::disallowed_methods, reason = "a folder of our own")]
    fn read(&self, text: &[u8]) -> Vec<(PathBuf, FlightRecord, FlightExplanation)> {
        let log = explain(text, Some(text.len() as u64), "the job", None).ok();
        let log = log.as_ref().map(|(facts, _)| facts);
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries
            .map(|entry| entry.path())
            .filter_map(|path| {
                let (record, explanation) = flight(&std::fs::read(&path).ok()?, log).ok()?;
                Some((path, record, explanation))
            })
            .collect()
    }
}
