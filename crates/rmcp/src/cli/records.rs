//! Where RMCP's records of a user are, and what an output is called in them.

use crate::cli::Failure;
use rmcp::Caller;
use rmcp::model::LogKind;
use rmcp_diagnose::LogContext;
use rmcp_host::log::LogScanner;
use rmcp_knowledge::Knowledge;
use rmcp_trial::database::Database;
use std::path::PathBuf;
use std::sync::LazyLock;

/// The user's folder for what is to be kept.
pub(crate) fn records_folder(caller: &Caller) -> Result<PathBuf, Failure> {
    rmcp::records_folder(caller)
        .ok_or_else(|| Failure::could_not_check("there is no home folder to keep records in"))
        .map_err(|failure| failure.hint("set HOME, or XDG_STATE_HOME"))
}

/// Opens the user's records.
pub(crate) fn open_records(caller: &Caller) -> Result<Database, Failure> {
    Database::open(&records_folder(caller)?.join("records.sqlite"))
        .map_err(Failure::could_not_check)
}

/// Made once: its automaton takes a moment.
static SCANNER: LazyLock<LogScanner<'_>> = LazyLock::new(|| LogScanner::new(Knowledge::embedded()));

/// What `explain` calls the fault in an output. NVIDIA's words are taken for the fault that they report.
pub(crate) fn fault_kind(text: &[u8]) -> LogKind {
    let knowledge = Knowledge::embedded();
    let Ok(facts) = SCANNER.scan(text, Some(text.len() as u64)) else {
        return LogKind::None;
    };
    let context = LogContext { name: "the output", host: None };
    let kind = rmcp_diagnose::explain(&facts, context, knowledge).kind;
    if kind != LogKind::NvidiaCuda {
        return kind;
    }
    let signatures = facts.matches.iter().filter_map(|found| {
        knowledge.signature.iter().find(|signature| signature.id == found.signature)
    });
    signatures.filter_map(|signature| signature.kind_on_amd).next().unwrap_or(kind)
}
