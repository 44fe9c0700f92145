//! Changes to a machine: what is planned, and what the journal says of it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One step of a change. Every step can be taken back from what stands in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Step {
    /// Makes a folder that is not there yet.
    MakeFolder {
        /// Absolute path in the machine.
        path: String,
        /// Permission bits.
        mode: u32,
    },
    /// Writes, makes or removes a text file.
    Write {
        /// Absolute path in the machine.
        path: String,
        /// What stands in it now; none where there is no such file.
        before: Option<String>,
        /// What will stand in it; none where it is removed.
        after: Option<String>,
        /// Permission bits of a file that is made; one that is there keeps its own.
        mode: u32,
    },
    /// Moves a file or folder aside.
    Move {
        /// Where it is.
        from: String,
        /// Where it will be; nothing is there yet.
        to: String,
    },
    /// Starts a program. No shell is involved.
    Run {
        /// Program and arguments.
        argv: Vec<String>,
        /// What takes its effect back once the files are as before; empty where nothing need be done.
        undo: Vec<String>,
    },
}

/// When a change takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TakesEffect {
    /// At once.
    Now,
    /// When a program, unit or environment is started anew.
    NextStart,
    /// In the next login session.
    NextSession,
    /// At the next start of the machine.
    NextBoot,
}

/// How it is seen that a change is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "check", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Check {
    /// A word stands in `/proc/cmdline`.
    KernelWord {
        /// The word, such as `amdgpu.noretry=0`.
        word: String,
    },
    /// A module parameter has a value.
    ModuleParameter {
        /// Name without `amdgpu.`.
        name: String,
        /// Value as sysfs prints it.
        value: String,
    },
    /// A variable has a value in a new session; none where it must not be set.
    Variable {
        /// Name.
        name: String,
        /// Value.
        value: Option<String>,
    },
}

/// A change, ready to be shown and made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// One line: what it does.
    pub title: String,
    /// The remedy that it carries out, where it came from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// What is done, in this order. Empty where the machine is so already.
    pub steps: Vec<Step>,
    /// When it takes effect.
    pub takes_effect: TakesEffect,
    /// How that is seen.
    pub checks: Vec<Check>,
    /// What to do where the machine does not come up with it, for a person at the boot menu.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub way_back: Vec<String>,
}

/// Where a change stands, as the journal has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeState {
    /// It was begun, and neither finished nor taken back.
    Interrupted,
    /// It is made.
    Applied,
    /// It is taken back.
    Undone,
}

impl fmt::Display for ChangeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupted => "interrupted",
            Self::Applied => "applied",
            Self::Undone => "undone",
        })
    }
}

impl Step {
    /// Returns the file that it writes.
    pub fn written_path(&self) -> Option<&str> {
        match self {
            Self::Write { path, .. } => Some(path),
            Self::MakeFolder { .. } | Self::Move { .. } | Self::Run { .. } => None,
        }
    }
}
