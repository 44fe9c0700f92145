//! The words of `rmcp try`.

use clap::{Args, ValueEnum};
use rmcp::model::Tool;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Args)]
pub(crate) struct Try {
    /// On this simulated card, such as rx5600xt; on an RX 5600 XT where the machine has no AMD GPU.
    #[arg(long, value_name = "CARD")]
    pub(crate) simulate: Option<String>,
    /// Make something go wrong in every test on the simulated card, as `rmcp sim --inject` does.
    #[arg(long, value_name = "KIND@N[:KERNEL]")]
    pub(crate) inject: Vec<String>,
    /// Only these workloads.
    #[arg(long, value_name = "NAME")]
    pub(crate) workload: Vec<String>,
    /// Workloads of this suite: workloads, integration, installation or probes.
    #[arg(long, value_name = "SUITE", conflicts_with = "workload")]
    pub(crate) suite: Option<String>,
    /// Only as this software computes them: torch, hip, miopen or rocblas.
    #[arg(long, value_name = "TOOL", value_parser = tool)]
    pub(crate) tool: Vec<Tool>,
    /// Only these candidates, besides the machine as it is.
    #[arg(long, value_name = "ID")]
    pub(crate) candidate: Vec<String>,
    /// How often the machine as it is runs each test.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) repeats: u32,
    /// Stop after so long, such as 20m.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) budget: Option<Duration>,
    /// Longest time of one process of a test, instead of the workload's own; an hour for a command of your own.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) limit: Option<Duration>,
    /// Run every test under every candidate, instead of stopping at the first that works.
    #[arg(long)]
    pub(crate) all: bool,
    /// Show what would be run and how long that takes, and run nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Go on with the latest session, behind the test at which it ended.
    #[arg(long, conflicts_with_all = ["dry_run", "last", "diff"])]
    pub(crate) resume: bool,
    /// Show the latest result again, or that of this session.
    #[arg(long, value_name = "SESSION", num_args = 0..=1, conflicts_with = "diff")]
    pub(crate) last: Option<Option<i64>>,
    /// Show what is different between two sessions.
    #[arg(long, value_names = ["SESSION", "SESSION"], num_args = 2)]
    pub(crate) diff: Vec<i64>,
    /// Test PyTorch in this Python or environment.
    #[arg(long, value_name = "PYTHON")]
    pub(crate) python: Option<PathBuf>,
    /// The folder in which a command of your own is started; or NAME=DIR, a project that a workload looks into.
    #[arg(long, value_name = "DIR")]
    pub(crate) project: Vec<String>,
    /// Write the matrix in this form.
    #[arg(long = "as", value_name = "FORM", value_enum)]
    pub(crate) form: Option<Form>,
    /// A command of your own to try, behind two dashes.
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

/// Forms of the matrix besides a page and JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// A table in Markdown.
    Markdown,
    /// One line for each cell.
    Csv,
    /// JUnit's XML, which CI services read.
    Junit,
}

fn tool(text: &str) -> Result<Tool, String> {
    let known = [Tool::Torch, Tool::Hip, Tool::Miopen, Tool::Rocblas, Tool::Machine];
    known.into_iter().find(|tool| tool.name() == text).ok_or_else(|| {
        let names = known.map(Tool::name).join(", ");
        format!("expected one of {names}")
    })
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let time: jiff::SignedDuration =
        text.parse().map_err(|_| "expected a time such as 20m or 1h30m".to_owned())?;
    Duration::try_from(time).map_err(|_| "a time is not negative".to_owned())
}
