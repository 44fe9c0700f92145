//! Jobs that survive: how they ended, and what happened to them.

use crate::{Knob, LogKind};
use serde::{Deserialize, Serialize};

/// What kind of end a job came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ending", rename_all = "kebab-case")]
pub enum Ending {
    /// It ended well.
    Done,
    /// Somebody wanted it to end.
    Interrupted {
        /// The signal.
        signal: i32,
    },
    /// The kernel killed it for want of memory.
    OutOfMemory,
    /// It ended with an error of its own, which another device would not spare it.
    Error,
    /// The GPU or its software failed it.
    GpuFault {
        /// What `explain` calls it.
        kind: LogKind,
    },
    /// It was silent for too long.
    Hang,
}

impl Ending {
    /// Whether the job is worth another start.
    pub fn is_gpu_failure(&self) -> bool {
        matches!(self, Self::GpuFault { .. } | Self::Hang)
    }
}

/// One way to run a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRoute {
    /// Id of the candidate, such as `unset-override`.
    pub id: String,
    /// One line in plain words.
    pub title: String,
    /// What is different.
    pub knobs: Vec<Knob>,
}

/// What happened to a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum JobEvent {
    /// An attempt begins.
    Started {
        /// From 1.
        attempt: u32,
        /// On which route.
        route: JobRoute,
        /// The checkpoint that it was handed.
        checkpoint: Option<String>,
    },
    /// An attempt is over.
    Ended {
        /// From 1.
        attempt: u32,
        /// The route's id.
        route: String,
        /// How.
        #[serde(flatten)]
        ending: Ending,
        /// The process's own word: code, or 128 and the signal.
        code: i32,
        /// How long it ran.
        seconds: f64,
    },
    /// Nothing more is tried.
    GaveUp {
        /// Why.
        why: String,
    },
}

/// A job and all that happened to it.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRecord {
    /// Its number.
    pub id: i64,
    /// The command, with its folder.
    pub command: String,
    /// What decided how it ran.
    pub stack: String,
    /// When it was started, as RFC 3339.
    pub started: String,
    /// What happened, with its times.
    pub events: Vec<(String, JobEvent)>,
}
