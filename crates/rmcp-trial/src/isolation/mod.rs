//! One child under limits: what it is started with, and what became of it.
//!
//! [`run`] starts a [`keep`]er, which starts the child: whatever happens to either of them, nothing goes on running.

mod capture;
mod keeper;
mod lock;
mod run;

pub use keeper::keep;
pub use lock::{CardLock, LockError};
pub use run::{IsolationError, Keeper, run};

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
