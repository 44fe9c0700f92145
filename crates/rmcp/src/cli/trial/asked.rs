//! What was asked for: everything that decides which questions come, so that a session can go on later.

use crate::cli::Failure;
use crate::cli::args::Try;
use rmcp::model::Tool;
use rmcp::{Caller, Inspection, Knowledge, diagnose, inspect};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The card that stands in where the machine has no AMD GPU.
const STAND_IN: &str = "rx5600xt";

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// The simulated card; none for the machine's own.
    pub(super) simulate: Option<String>,
    /// Whether somebody named it, or it stands in.
    pub(super) named: bool,
    pub(super) inject: Vec<String>,
    pub(super) workload: Vec<String>,
    pub(super) suite: Option<String>,
    pub(super) tool: Vec<Tool>,
    pub(super) candidate: Vec<String>,
    pub(super) repeats: u32,
    pub(super) all: bool,
    /// Longest time of one process, in milliseconds.
    pub(super) limit: Option<u64>,
    pub(super) python: Option<PathBuf>,
    /// Folders of projects, as they were written.
    pub(super) project: Vec<String>,
    /// A command of the user's.
    pub(super) command: Vec<String>,
}

impl Asked {
    pub(super) fn of(arguments: &Try, caller: &Caller) -> Result<Self, Failure> {
        let absolute = |path: &Option<PathBuf>| {
            path.as_ref().map(std::path::absolute).transpose().map_err(Failure::usage)
        };
        let command = arguments.command.iter().map(|word| {
            word.clone()
                .into_string()
                .map_err(|word| Failure::usage(format!("{} is no text", word.display())))
        });
        let simulate = match &arguments.simulate {
            Some(card) => Some(card.clone()),
            None if has_card(caller)? => None,
            None => Some(STAND_IN.to_owned()),
        };
        if simulate.is_none() && !arguments.inject.is_empty() {
            return Err(Failure::usage("a fault can only be injected into a simulated card")
                .hint("name one: --simulate rx5600xt"));
        }
        Ok(Self {
            simulate,
            named: arguments.simulate.is_some(),
            inject: arguments.inject.clone(),
            workload: arguments.workload.clone(),
            suite: arguments.suite.clone(),
            tool: arguments.tool.clone(),
            candidate: arguments.candidate.clone(),
            repeats: arguments.repeats,
            all: arguments.all,
            limit: arguments.limit.and_then(|limit| u64::try_from(limit.as_millis()).ok()),
            python: absolute(&arguments.python)?,
            project: arguments.project.clone(),
            command: command.collect::<Result<_, _>>()?,
        })
    }
}

impl Asked {
    /// The names by which tests are chosen: of workloads, of a suite, of software.
    pub(super) fn names(&self) -> Vec<String> {
        let tools = self.tool.iter().map(|tool| tool.name().to_owned());
        self.workload.iter().cloned().chain(self.suite.clone()).chain(tools).collect()
    }
}

fn has_card(caller: &Caller) -> Result<bool, Failure> {
    let what = Inspection { root: None, pythons: &[], caller: caller.clone() };
    let facts = inspect(&what).map_err(Failure::could_not_check)?;
    Ok(!diagnose(&facts, Knowledge::embedded()).gpus.is_empty())
}
