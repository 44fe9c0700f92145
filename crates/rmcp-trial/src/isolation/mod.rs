//! One child under limits: what it is started with, and what became of it.
//!
//! [`run`] starts a [`keep`]er, which starts the child: whatever happens to either of them, nothing goes on running.

mod capture;
mod keeper;
mod lock;
mod run;

pub(crate) use capture::Capture;
pub use keeper::keep;
pub use lock::{CardLock, LockError};
pub use run::{IsolationError, Keeper, run};

use rmcp_model::Knob;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// The variable in which a child finds the file that it writes its results to, one JSON document on each line.
pub const RESULTS: &str = "RMCP_RESULTS";

/// What is started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invocation {
    /// The program; looked for on `PATH` where it is a bare name.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Variables that are set for it.
    pub set: Vec<(String, String)>,
    /// Variables of our own environment that it does not get.
    pub unset: Vec<String>,
    /// Its working folder; ours where none is given.
    pub folder: Option<PathBuf>,
}

/// Variables by which a GPU is hidden from HIP, ROCr and CUDA, and by which `rmcp.get_device()` is told.
const PROCESSOR: [(&str, &str); 4] = [
    ("HIP_VISIBLE_DEVICES", "-1"),
    ("ROCR_VISIBLE_DEVICES", "-1"),
    ("CUDA_VISIBLE_DEVICES", "-1"),
    ("RMCP_DEVICE", "cpu"),
];

/// The variable that carries settings of PyTorch into programs of ours, as a JSON object of names and values.
pub const TORCH_SETTINGS: &str = "RMCP_TORCH";

impl Invocation {
    /// Makes what is different for a candidate different for this process; the last word on a variable counts. An empty
    /// cache of MIOpen is made by the caller, who knows where, and what is computed is the caller's too.
    pub fn apply(&mut self, knobs: &[Knob]) {
        let mut torch = serde_json::Map::new();
        for knob in knobs {
            match knob {
                Knob::Set { name, value } => self.set(name, value),
                Knob::Unset { name } => {
                    self.set.retain(|(other, _)| other != name);
                    self.unset.push(name.clone());
                }
                Knob::Torch { name, value } => {
                    torch.insert(name.clone(), value.clone().into());
                }
                Knob::EmptyCache | Knob::SinglePrecision => {}
                Knob::Processor => PROCESSOR.iter().for_each(|(name, value)| self.set(name, value)),
            }
        }
        if !torch.is_empty() {
            self.set(TORCH_SETTINGS, &serde_json::Value::Object(torch).to_string());
        }
    }

    /// Sets a variable, whatever was said of it before.
    pub fn set(&mut self, name: &str, value: &str) {
        self.set.retain(|(other, _)| other != name);
        self.unset.retain(|other| other != name);
        self.set.push((name.to_owned(), value.to_owned()));
    }
}

/// How far it may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest time.
    pub wall: Duration,
    /// Longest time without a byte of output or results.
    pub silence: Option<Duration>,
    /// Most bytes that one process may map, for `RLIMIT_DATA`.
    pub memory: Option<u64>,
    /// Bytes of each output that are kept: the first half and the last.
    pub output: usize,
}

/// What was written to one output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captured {
    /// What was kept of it: all, or its beginning and its end with a line between that says how much is missing.
    pub bytes: Vec<u8>,
    /// Bytes that were written.
    pub total: u64,
}

/// How a child ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It was ended because its time was over.
    TimeOver,
    /// It was ended because it was silent for too long.
    Silent,
    /// It was never there.
    NotStarted(String),
}

/// What became of a child.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// How it ended.
    pub end: End,
    /// Its standard output.
    pub stdout: Captured,
    /// Its standard error.
    pub stderr: Captured,
    /// What it wrote to the file that [`RESULTS`] names, as far as it is kept.
    pub results: Vec<u8>,
    /// How long it took.
    pub time: Duration,
    /// Most memory that one of its processes held, in bytes.
    pub peak_bytes: Option<u64>,
    /// Processes that outlived it, and were ended.
    pub left_behind: Vec<String>,
    /// Processes that cannot be ended: they hang in the driver.
    pub stuck: Vec<String>,
}
