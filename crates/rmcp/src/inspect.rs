//! A machine or a log into facts.

use rmcp_diagnose::LogContext;
use rmcp_host::log::{LogScanner, ScanError};
use rmcp_host::{Caller, Machine, OpenError, Recording, Redaction};
use rmcp_knowledge::Knowledge;
use rmcp_model::{Explanation, HostFacts, LogFacts};
use std::io::Read;
use std::path::Path;

/// What to read.
#[derive(Debug, Default)]
pub struct Inspection<'a> {
    /// A machine folder; the running machine where none is given.
    pub root: Option<&'a Path>,
    /// Pythons or environments to look at, besides those in sight.
    pub pythons: &'a [String],
    /// The process that asks.
    pub caller: Caller,
}

/// Why a machine or log could not be read at all. What is unreadable inside a machine is a fact, not an
/// error.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The machine cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The log cannot be read.
    #[error("{name}: {source}")]
    Log {
        /// Its name.
        name: String,
        /// What is wrong.
        source: ScanError,
    },
    /// The recording cannot be written down.
    #[error("the recording cannot be written: {0}")]
    Record(String),
}

/// Reads a machine into facts.
///
/// # Errors
/// [`InspectError::Open`] when the machine cannot be opened.
pub fn inspect(what: &Inspection<'_>) -> Result<HostFacts, InspectError> {
    let knowledge = Knowledge::embedded();
    let machine = open(what, knowledge)?;
    Ok(machine.read(knowledge, &LogScanner::new(knowledge), what.pythons))
}

/// Reads a machine into facts, and into a folder that reads back to the same facts.
///
/// # Errors
/// [`InspectError::Open`] when the machine cannot be opened.
pub fn record(what: &Inspection<'_>) -> Result<(HostFacts, Recording), InspectError> {
    let knowledge = Knowledge::embedded();
    let mut machine = open(what, knowledge)?;
    machine.root.keep_transcript();
    let facts = machine.read(knowledge, &LogScanner::new(knowledge), what.pythons);
    let transcript = machine.root.take_transcript();
    let redaction = Redaction::of(&machine);
    let recording = Recording::of(&machine, &transcript, &redaction, &facts.environment)
        .map_err(|error| InspectError::Record(error.to_string()))?;
    Ok((facts, recording))
}

fn open(what: &Inspection<'_>, knowledge: &Knowledge) -> Result<Machine, InspectError> {
    Ok(match what.root {
        Some(path) => Machine::at(path, &what.caller, knowledge)?,
        None => Machine::live(what.caller.clone())?,
    })
}

/// Reads a log and says what it means. `size` is its length where it is known; `host` are facts of the
/// machine that it may be of.
///
/// # Errors
/// [`InspectError::Log`] when it cannot be read.
pub fn explain(
    log: impl Read,
    size: Option<u64>,
    name: &str,
    host: Option<&HostFacts>,
) -> Result<(LogFacts, Explanation), InspectError> {
    let knowledge = Knowledge::embedded();
    let facts = LogScanner::new(knowledge)
        .scan(log, size)
        .map_err(|source| InspectError::Log { name: name.to_owned(), source })?;
    let explanation = rmcp_diagnose::explain(&facts, LogContext { name, host }, knowledge);
    Ok((facts, explanation))
}
