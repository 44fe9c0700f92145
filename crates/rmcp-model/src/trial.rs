//! Tests of a machine under candidate fixes: what is run, what became of it, and the matrix.

use crate::{LogKind, Wish};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The software that computes in a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tool {
    /// PyTorch.
    Torch,
    /// A HIP program of our own, compiled on this machine.
    Hip,
    /// AMD's `MIOpenDriver`.
    Miopen,
    /// AMD's `rocblas-bench`.
    Rocblas,
    /// No GPU software: a look at the installation, the kernel log or a user's folder.
    Machine,
    /// A user's own command.
    Command,
}

impl Tool {
    /// Returns the name in data, JSON and flags.
    pub fn name(self) -> &'static str {
        match self {
            Self::Torch => "torch",
            Self::Hip => "hip",
            Self::Miopen => "miopen",
            Self::Rocblas => "rocblas",
            Self::Machine => "machine",
            Self::Command => "command",
        }
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One column of the matrix: a workload as one software computes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Test {
    /// Name of the workload.
    pub workload: String,
    /// What computes it.
    pub tool: Tool,
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.workload, self.tool)
    }
}

/// One thing that is different for the process of a test. Nothing outside it changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "knob", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Knob {
    /// An environment variable is set.
    Set {
        /// Name.
        name: String,
        /// Value.
        value: String,
    },
    /// An environment variable is not there.
    Unset {
        /// Name.
        name: String,
    },
    /// A setting of PyTorch inside the program, such as `backends.cudnn.enabled`.
    Torch {
        /// Path below `torch`.
        name: String,
        /// Value as Python writes it.
        value: String,
    },
    /// MIOpen begins with an empty cache of kernels and no choices of solvers.
    EmptyCache,
    /// What is computed in half precision is computed in single precision.
    SinglePrecision,
    /// The processor computes.
    Processor,
}

impl fmt::Display for Knob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set { name, value } => write!(f, "{name}={value}"),
            Self::Unset { name } => write!(f, "without {name}"),
            Self::Torch { name, value } => write!(f, "torch.{name} = {value}"),
            Self::EmptyCache => f.write_str("empty MIOpen cache"),
            Self::SinglePrecision => f.write_str("single precision instead of half"),
            Self::Processor => f.write_str("on the processor"),
        }
    }
}

/// Whether a candidate can be tried in a process of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "way", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Way {
    /// Yes.
    Here,
    /// The machine has to be changed first, with `rmcp apply`.
    Apply {
        /// The command.
        command: String,
    },
    /// It needs other software, for instance another Python environment.
    Environment {
        /// What to do.
        how: String,
    },
}

/// One candidate fix: a row of the matrix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Stable id such as `unset-override`.
    pub id: String,
    /// One line in plain words.
    pub title: String,
    /// What is different.
    pub knobs: Vec<Knob>,
    /// Whether it can be tried here.
    pub way: Way,
    /// Why it is tried.
    pub why: String,
    /// What makes it last, for `rmcp apply`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wishes: Vec<Wish>,
    /// Ids of the sources of the knowledge used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
}

/// What became of a test. The set is closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Outcome {
    /// Every check was made and every number is right.
    Passed,
    /// It ran to its end with numbers outside their tolerance.
    WrongNumbers {
        /// The first of them.
        what: String,
    },
    /// It ended with an error of its own.
    Failed {
        /// Exit code.
        code: i32,
        /// Its last word.
        what: String,
    },
    /// It was ended by a signal, or the machine went down with it.
    Crashed {
        /// The signal; none where the machine went down.
        signal: Option<i32>,
        /// Its last word.
        what: String,
    },
    /// Its time was over, or it was silent for too long, and it was ended.
    Hung {
        /// Why it was ended, and whether a process is stuck in the driver.
        what: String,
    },
    /// It could not be started.
    CouldNotStart {
        /// Why.
        what: String,
    },
    /// It makes no sense here. Not a pass.
    Skipped {
        /// Why.
        what: String,
    },
    /// It was not run. Not a failure.
    NotRun {
        /// Why.
        what: String,
    },
}

impl Outcome {
    /// Returns the word for it in tables.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::WrongNumbers { .. } => "wrong numbers",
            Self::Failed { .. } => "failed",
            Self::Crashed { .. } => "crashed",
            Self::Hung { .. } => "hung",
            Self::CouldNotStart { .. } => "could not start",
            Self::Skipped { .. } => "skipped",
            Self::NotRun { .. } => "not run",
        }
    }

    /// Returns the reason, where there is one.
    pub fn what(&self) -> Option<&str> {
        match self {
            Self::Passed => None,
            Self::WrongNumbers { what }
            | Self::Failed { what, .. }
            | Self::Crashed { what, .. }
            | Self::Hung { what }
            | Self::CouldNotStart { what }
            | Self::Skipped { what }
            | Self::NotRun { what } => Some(what),
        }
    }

    /// Returns whether it passed.
    pub fn passed(&self) -> bool {
        matches!(self, Self::Passed)
    }

    /// Returns whether it says anything about the candidate: it was run, for better or worse.
    pub fn ran(&self) -> bool {
        !matches!(self, Self::Skipped { .. } | Self::NotRun { .. })
    }
}

/// One run of one test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// What `explain` makes of its output and of the kernel log in its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<LogKind>,
    /// How long it took.
    pub seconds: f64,
    /// Largest relative error of all its checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rel_error: Option<f64>,
    /// Checks that were made.
    #[serde(default)]
    pub checks: u32,
    /// Lines of the kernel log in its time that concern the GPU.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kernel_log: Vec<String>,
    /// Most memory that its processes held at once, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_bytes: Option<u64>,
    /// Processes that it left behind, and that were ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_behind: Vec<String>,
}

impl Attempt {
    /// An attempt that was not made.
    pub fn without_run(outcome: Outcome) -> Self {
        Self {
            outcome,
            kind: None,
            seconds: 0.0,
            max_rel_error: None,
            checks: 0,
            kernel_log: Vec::new(),
            peak_bytes: None,
            left_behind: Vec::new(),
        }
    }
}

/// What came of all runs of one test under one candidate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Which test.
    #[serde(flatten)]
    pub test: Test,
    /// The worst that became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Runs that passed.
    pub k: u32,
    /// Runs.
    pub n: u32,
    /// What `explain` makes of the worst one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<LogKind>,
    /// Median time of a run.
    pub seconds: f64,
    /// Largest relative error of all runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rel_error: Option<f64>,
}

/// One row of the matrix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The candidate.
    pub candidate: Candidate,
    /// One cell for each test.
    pub cells: Vec<Cell>,
}

/// What the tests were run on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialDevice {
    /// Name.
    pub name: String,
    /// Its real target.
    pub gfx: Option<String>,
    /// Where its numbers come from: the running machine, or a simulated card.
    pub simulated: bool,
}

/// What was found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrialVerdict {
    /// Everything passes as the machine is.
    WorksAlready,
    /// A set of changes was found under which everything passes.
    Fixed,
    /// Some tests pass under a set of changes that fail without it.
    Improved,
    /// Nothing that could be tried helps.
    NothingHelps,
    /// Too little was run to tell.
    Unknown,
}

/// The matrix, measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialMatrix {
    /// What the tests were run on.
    pub device: TrialDevice,
    /// Rows in the order in which they were tried; the first is the machine as it is.
    pub rows: Vec<Row>,
    /// The smallest set of candidates that was found to be enough.
    pub minimal: Vec<Candidate>,
    /// What was found out.
    pub verdict: TrialVerdict,
    /// The same in one sentence: what works, how sure, how to apply it.
    pub sentence: String,
}

impl TrialMatrix {
    /// Adds rows of candidates that have none yet.
    pub fn add_rows(&mut self, rows: Vec<Row>) {
        for row in rows {
            if self.rows.iter().all(|known| known.candidate.id != row.candidate.id) {
                self.rows.push(row);
            }
        }
    }
}
