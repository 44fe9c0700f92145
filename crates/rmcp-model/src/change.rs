//! Changes to a machine: what is wished, what is planned, and what the journal says of it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What somebody wants of a machine. A wish names no file: the planner finds out what it takes here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "wish", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Wish {
    /// Start the kernel with these words.
    KernelWords {
        /// Words such as `amdgpu.noretry=1`.
        words: Vec<String>,
    },
    /// Load amdgpu with an option.
    ModuleOption {
        /// Name without `amdgpu.`.
        name: String,
        /// Value.
        value: String,
    },
    /// Set an environment variable.
    Variable {
        /// Name.
        name: String,
        /// Value.
        value: String,
        /// For whom.
        reader: Reader,
    },
    /// Switch off every line that sets a variable.
    UnsetVariable {
        /// Name.
        name: String,
    },
    /// Make a user a member of the groups that own the GPU's device files.
    Groups {
        /// Groups; empty for those that the device files of this machine need.
        groups: Vec<String>,
    },
    /// Move MIOpen's cache of compiled kernels and its choices of solvers aside.
    MiopenCache,
    /// Load RMCP's library into programs that use the GPU.
    Interposer {
        /// Into whose.
        reader: Reader,
    },
}

/// For whom a variable is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "for", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Reader {
    /// The user who asks: sessions and login shells.
    User,
    /// One Python environment, whoever starts it and however.
    Python {
        /// Its folder.
        prefix: String,
    },
    /// One systemd unit.
    Unit {
        /// Its name, such as `ollama.service`.
        unit: String,
    },
    /// All users' login shells.
    Everybody,
    /// One program of the user who asks, through a script that starts it.
    Command {
        /// The program's name, such as `ollama`.
        name: String,
    },
}

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
        /// Files that it rewrites from others, such as `/boot/grub/grub.cfg`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        rewrites: Vec<String>,
    },
}

/// When a change takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
    /// A variable has a value where it is read next; none where it must not be set.
    Variable {
        /// Name.
        name: String,
        /// Value.
        value: Option<String>,
        /// Who reads it.
        reader: Reader,
    },
    /// A user is in a group.
    Member {
        /// The user.
        user: String,
        /// The group.
        group: String,
    },
    /// A file that a program writes holds a text.
    Contains {
        /// The file.
        path: String,
        /// The text.
        text: String,
    },
}

/// A change, ready to be shown and made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// One line: what it does.
    pub title: String,
    /// What was wished.
    pub wishes: Vec<Wish>,
    /// What is done, in this order. Empty where the machine is so already.
    pub steps: Vec<Step>,
    /// When it takes effect.
    pub takes_effect: TakesEffect,
    /// Whether it holds for one start of the machine only, until somebody confirms that all is well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub one_start: bool,
    /// How that is seen.
    pub checks: Vec<Check>,
    /// What was known against it when it was planned, and was accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<String>,
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

/// Where a change stands on the machine now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "standing", rename_all = "kebab-case")]
pub enum Standing {
    /// It is in force, and that was seen.
    Active {
        /// Where it was seen.
        seen: Vec<String>,
    },
    /// It is written, and waits for a start of the machine, session or program.
    Pending {
        /// What it waits for.
        until: TakesEffect,
    },
    /// It is in force for this start of the machine alone, and waits for a confirmation.
    Unconfirmed,
    /// It was to hold for one start of the machine, which is over or did not take place.
    NotConfirmed,
    /// It is written; whether it is in force cannot be seen from here.
    Written,
    /// It should be in force by now, and is not.
    WithoutEffect {
        /// Where it was looked for in vain.
        missing: Vec<String>,
    },
    /// Files that it wrote are as before it, or gone: an update or a person has dropped it.
    Dropped {
        /// The files.
        paths: Vec<String>,
    },
    /// Files that it wrote were edited since.
    Edited {
        /// The files.
        paths: Vec<String>,
    },
    /// It is in force, and no longer any good: on this kernel or with this card it does nothing, or harm.
    Expired {
        /// What is known now.
        why: String,
    },
    /// It was begun and neither finished nor taken back.
    Interrupted,
    /// It is taken back.
    Undone,
}

impl Standing {
    /// Returns whether somebody should look at it.
    pub fn is_off(&self) -> bool {
        match self {
            Self::NotConfirmed
            | Self::WithoutEffect { .. }
            | Self::Dropped { .. }
            | Self::Edited { .. }
            | Self::Expired { .. }
            | Self::Interrupted => true,
            Self::Active { .. }
            | Self::Pending { .. }
            | Self::Unconfirmed
            | Self::Written
            | Self::Undone => false,
        }
    }
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

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KernelWords { words } => write!(f, "start the kernel with {}", words.join(" ")),
            Self::ModuleOption { name, value } => write!(f, "load amdgpu with {name}={value}"),
            Self::Variable { name, value, reader } => write!(f, "set {name}={value} for {reader}"),
            Self::UnsetVariable { name } => write!(f, "no longer set {name}"),
            Self::Groups { groups } if groups.is_empty() => {
                f.write_str("join the groups that own the GPU's device files")
            }
            Self::Groups { groups } => write!(f, "join {}", groups.join(", ")),
            Self::MiopenCache => f.write_str("move MIOpen's cache aside"),
            Self::Interposer { reader } => write!(f, "load RMCP's library for {reader}"),
        }
    }
}

impl fmt::Display for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User => f.write_str("this user"),
            Self::Python { prefix } => write!(f, "the Python environment {prefix}"),
            Self::Unit { unit } => write!(f, "the unit {unit}"),
            Self::Everybody => f.write_str("everybody"),
            Self::Command { name } => write!(f, "{name}"),
        }
    }
}

impl Plan {
    /// Returns a plan that does nothing yet.
    pub fn nothing(title: String) -> Self {
        Self {
            title,
            wishes: Vec::new(),
            steps: Vec::new(),
            takes_effect: TakesEffect::Now,
            one_start: false,
            checks: Vec::new(),
            known: Vec::new(),
            way_back: Vec::new(),
        }
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
