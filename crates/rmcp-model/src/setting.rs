//! Where an environment variable is set to last.

use crate::Origin;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a line does to the variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SettingKind {
    /// Sets it for the programs that are started from there.
    Exported,
    /// Sets it for the shell alone: programs started from there do not see it.
    NotExported,
    /// Removes it.
    Unset,
}

/// For whom a file's settings hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Place {
    /// Every session of every user (`/etc/environment`, environment.d).
    System,
    /// Shells of this kind.
    Shell {
        /// `sh`, `bash`, `zsh` or `fish`.
        shell: String,
    },
    /// One systemd unit, such as `ollama.service`.
    Unit {
        /// Name of the unit.
        unit: String,
        /// Whether it belongs to the user's manager rather than the system's.
        user: bool,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("every session"),
            Self::Shell { shell } => write!(f, "{shell} shells"),
            Self::Unit { unit, user: false } => write!(f, "the unit {unit}"),
            Self::Unit { unit, user: true } => write!(f, "the user unit {unit}"),
        }
    }
}

/// One line that sets a variable for later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Name of the variable.
    pub name: String,
    /// Value after quotes are taken away; `$` expressions stand as written.
    pub value: String,
    /// What the line does.
    pub kind: SettingKind,
    /// For whom.
    pub place: Place,
    /// File and line.
    pub origin: Origin,
}
