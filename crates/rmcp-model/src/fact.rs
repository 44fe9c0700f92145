//! A fact knows where it was read, or why it could not be.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a fact was read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// Path inside the machine, always with a leading slash, or a name such as `environment`.
    pub path: String,
    /// Line in that file, counted from 1, where the fact is a line of a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

impl Origin {
    /// Returns the origin of a whole file.
    pub fn file(path: impl Into<String>) -> Self {
        Self { path: path.into(), line: None }
    }

    /// Returns the origin of one line, counted from 1.
    pub fn line(path: impl Into<String>, line: u32) -> Self {
        Self { path: path.into(), line: Some(line) }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.path),
            None => f.write_str(&self.path),
        }
    }
}

/// A value read from a machine: known, absent, or unreadable with the reason.
///
/// "Absent" is an observation (the file is not there); "unreadable" is the lack of one. Nothing in RMCP
/// treats the two alike.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Fact<T> {
    /// The value and where it was read.
    Known {
        /// The value.
        value: T,
        /// Where it was read.
        origin: Origin,
    },
    /// It was looked for and is not there.
    #[default]
    Absent,
    /// It could not be read.
    Unreadable {
        /// What stood in the way: path and system error, or what was expected.
        why: String,
    },
}

impl<T> Fact<T> {
    /// Returns a known fact.
    pub fn known(value: T, origin: Origin) -> Self {
        Self::Known { value, origin }
    }

    /// Returns an unreadable fact with its reason.
    pub fn unreadable(why: impl Into<String>) -> Self {
        Self::Unreadable { why: why.into() }
    }

    /// Returns the value where it is known.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Known { value, .. } => Some(value),
            Self::Absent | Self::Unreadable { .. } => None,
        }
    }

    /// Returns where the value was read.
    pub fn origin(&self) -> Option<&Origin> {
        match self {
            Self::Known { origin, .. } => Some(origin),
            Self::Absent | Self::Unreadable { .. } => None,
        }
    }

    /// Returns why the fact could not be read.
    pub fn why_unreadable(&self) -> Option<&str> {
        match self {
            Self::Unreadable { why } => Some(why),
            Self::Known { .. } | Self::Absent => None,
        }
    }

    /// Returns whether the fact was looked for and is not there.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Returns the fact with its value changed by `f`.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Fact<U> {
        match self {
            Self::Known { value, origin } => Fact::Known { value: f(value), origin },
            Self::Absent => Fact::Absent,
            Self::Unreadable { why } => Fact::Unreadable { why },
        }
    }

    /// Returns the fact parsed by `f`; a value that does not parse becomes unreadable, named by its origin.
    pub fn parse<U>(self, f: impl FnOnce(&T) -> Result<U, String>) -> Fact<U> {
        match self {
            Self::Known { value, origin } => match f(&value) {
                Ok(value) => Fact::Known { value, origin },
                Err(why) => Fact::Unreadable { why: format!("{origin}: {why}") },
            },
            Self::Absent => Fact::Absent,
            Self::Unreadable { why } => Fact::Unreadable { why },
        }
    }
}

/// Where the facts of a machine come from. A made-up machine is never shown as a recorded one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Provenance {
    /// Read now from the running machine.
    Live,
    /// Read from a folder written by `rmcp doctor --record` on a real machine.
    Recorded,
    /// Read from a folder that somebody made up, for tests and demonstrations.
    Synthetic,
    /// Read from a folder that does not say what it is, such as a mounted root file system.
    Tree,
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Live => "this machine",
            Self::Recorded => "a recorded machine",
            Self::Synthetic => "a made-up (synthetic) machine",
            Self::Tree => "a machine tree",
        })
    }
}
