//! `rmcp doctor`.

use crate::cli::Failure;
use crate::cli::args::{Doctor, Format};
use crate::cli::explain::open_log;
use crate::cli::output::Output;
use crate::cli::simulated_machine::simulated_machine;
use crate::cli::write_recording::write_recording;
use rmcp::model::{Diagnosis, ExitCode, HostFacts, Severity, Verdict};
use rmcp::{Caller, InspectError, Inspection, Knowledge, diagnose, explain, inspect, record};
use rmcp_report::{diagnosis_json, diagnosis_text};
use std::path::Path;
use tempfile::TempDir;

pub(crate) fn run(arguments: &Doctor, output: &Output) -> Result<ExitCode, Failure> {
    let pythons = arguments
        .python
        .iter()
        .map(|python| named_python(python, arguments.root.as_deref()))
        .collect::<Result<Vec<_>, _>>()?;
    let simulated = arguments.simulate.as_deref().map(simulated_machine).transpose()?;
    let what = Inspection {
        root: simulated.as_ref().map(TempDir::path).or(arguments.root.as_deref()),
        pythons: &pythons,
        caller: Caller::from_process(),
    };
    let mut facts = match &arguments.record {
        Some(folder) => {
            let (facts, recording) = record(&what).map_err(|error| cannot_open(&error))?;
            write_recording(folder, &recording)?;
            facts
        }
        None => inspect(&what).map_err(|error| cannot_open(&error))?,
    };
    if let Some(path) = &arguments.log {
        let log = open_log(Some(path))?;
        let (log, _) =
            explain(log.reader, log.size, &log.name, None).map_err(Failure::could_not_check)?;
        facts.user_log = Some(log);
    }
    let diagnosis = diagnose(&facts, Knowledge::embedded());
    match output.format {
        Format::Json => {
            output.write_json(&diagnosis_json(&diagnosis, arguments.facts.then_some(&facts)))
        }
        Format::Text => output.write(&diagnosis_text(&diagnosis, output.detail, output.palette)),
    }
    if let Some(folder) = &arguments.record {
        let shown = folder.display();
        output.note(&format!("recorded to {shown}; look through it before you share it, then: rmcp doctor --root {shown}"));
    }
    Ok(exit_code(&diagnosis, &facts))
}

/// Returns the Python or environment that the user named, as an absolute path in the machine.
fn named_python(python: &str, root: Option<&Path>) -> Result<String, Failure> {
    let unknown = || {
        Failure::usage(format!("--python {python}: there is no such Python or environment"))
            .hint("name a file such as ~/venv/bin/python, or the folder of an environment")
    };
    match root {
        None => {
            let path = std::path::absolute(python).map_err(|_| unknown())?;
            if path.exists() { Ok(path.display().to_string()) } else { Err(unknown()) }
        }
        Some(root) => {
            let inside = python.trim_start_matches('/');
            // A link inside the folder may point at a file that was not recorded.
            let there = root.join(inside).symlink_metadata().is_ok();
            if there { Ok(format!("/{inside}")) } else { Err(unknown()) }
        }
    }
}

fn cannot_open(error: &InspectError) -> Failure {
    let failure = Failure::could_not_check(error);
    match error {
        InspectError::Open(_) => failure.hint("--root takes a folder that holds sys/, proc/, etc/ of a machine, such as one written by --record"),
        InspectError::Log { .. } | InspectError::Record(_) => failure,
    }
}

/// The table of exit codes, for `doctor`: unknown is not the same as fine.
pub(crate) fn exit_code(diagnosis: &Diagnosis, facts: &HostFacts) -> ExitCode {
    let unreadable = facts.nodes.why_unreadable().is_some()
        || facts.cards.iter().any(|card| card.id.why_unreadable().is_some());
    // A card that is unknown is no problem found: it could not be checked.
    let problem = diagnosis
        .findings
        .iter()
        .any(|finding| finding.severity < Severity::Note && finding.code != "gpu-unknown");
    if diagnosis.gpus.is_empty() && !problem {
        return if unreadable { ExitCode::CouldNotCheck } else { ExitCode::NoAmdGpu };
    }
    if problem {
        return ExitCode::Problem;
    }
    if diagnosis.gpus.iter().any(|gpu| gpu.verdict == Verdict::Unknown) {
        return ExitCode::CouldNotCheck;
    }
    ExitCode::Success
}
