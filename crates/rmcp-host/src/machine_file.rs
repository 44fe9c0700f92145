//! `rmcp-machine.toml`: what a machine folder says of itself, and what a folder of files cannot hold.

use crate::caller::Caller;
use crate::host_root::{FileStat, HostRoot};
use rmcp_model::{Fact, Provenance};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Name of the file at the top of a machine folder.
pub const MACHINE_FILE: &str = "/rmcp-machine.toml";

/// The version of the format that this program writes. Newer ones are refused, older ones are read.
pub const FORMAT: u32 = 1;

/// Longest machine file read.
const MAX_BYTES: u64 = 1 << 20;

/// What a machine folder says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MachineFile {
    /// Version of this format.
    pub format: u32,
    /// `recorded` for a real machine, `synthetic` for a made-up one.
    pub provenance: Provenance,
    /// One sentence: what machine this is.
    #[serde(default)]
    pub description: Option<String>,
    /// The process for which it was read.
    #[serde(default)]
    pub process: Option<Process>,
    /// Owners and modes.
    #[serde(default, rename = "file", skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileRow>,
    /// What could not be read where the folder was recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<UnreadableRow>,
}

/// A path that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnreadableRow {
    /// Path.
    pub path: String,
    /// The system's reason.
    pub why: String,
}

/// The process for which a machine was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// All group ids.
    pub groups: Vec<u32>,
    /// Home folder.
    #[serde(default)]
    pub home: Option<String>,
    /// Working folder.
    #[serde(default)]
    pub cwd: Option<String>,
    /// Environment: the variables that matter here.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
}

/// Owner and mode of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRow {
    /// Path.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Why a machine folder was refused.
#[derive(Debug, thiserror::Error)]
pub enum MachineFileError {
    /// The file cannot be read.
    #[error("{why}")]
    Unreadable {
        /// Path and reason.
        why: String,
    },
    /// The file does not fit the format.
    #[error("/rmcp-machine.toml: {what}")]
    Invalid {
        /// Line and reason.
        what: String,
    },
    /// The file is newer than this program.
    #[error(
        "/rmcp-machine.toml: format {found} is newer than the {FORMAT} that this rmcp reads; update rmcp"
    )]
    Newer {
        /// Its format.
        found: u32,
    },
    /// It claims to be the running machine.
    #[error("/rmcp-machine.toml: `provenance` must be \"recorded\" or \"synthetic\"")]
    Provenance,
}

/// Reads the file of a machine folder; a folder without one is a plain tree.
///
/// # Errors
/// [`MachineFileError`] for a file that is there but cannot be used.
pub(crate) fn read_machine_file(root: &HostRoot) -> Result<Option<MachineFile>, MachineFileError> {
    let bytes = match root.read_up_to(MACHINE_FILE, MAX_BYTES) {
        Fact::Known { value, .. } => value,
        Fact::Absent => return Ok(None),
        Fact::Unreadable { why } => return Err(MachineFileError::Unreadable { why }),
    };
    let text = String::from_utf8(bytes)
        .map_err(|error| MachineFileError::Invalid { what: error.to_string() })?;
    let invalid = |error: toml::de::Error| MachineFileError::Invalid { what: error.to_string() };
    let table: toml::Table = text.parse().map_err(invalid)?;
    if let Some(found) = table
        .get("format")
        .and_then(toml::Value::as_integer)
        .and_then(|found| u32::try_from(found).ok())
        && found > FORMAT
    {
        return Err(MachineFileError::Newer { found });
    }
    let file: MachineFile = toml::from_str(&text).map_err(invalid)?;
    match file.provenance {
        Provenance::Recorded | Provenance::Synthetic => Ok(Some(file)),
        Provenance::Live | Provenance::Tree => Err(MachineFileError::Provenance),
    }
}

impl MachineFile {
    /// Returns the process, for which an absent one is nobody.
    pub fn caller(&self) -> Caller {
        let Some(process) = &self.process else { return Caller::default() };
        let mut groups = process.groups.clone();
        groups.push(process.gid);
        groups.sort_unstable();
        groups.dedup();
        Caller {
            uid: Some(process.uid),
            groups,
            home: process.home.clone(),
            cwd: process.cwd.clone(),
            environment: process.environment.clone(),
        }
    }

    /// Returns owners and modes by path.
    pub fn stats(&self) -> BTreeMap<String, FileStat> {
        let stat = |row: &FileRow| FileStat { mode: row.mode, uid: row.uid, gid: row.gid };
        self.files.iter().map(|row| (row.path.clone(), stat(row))).collect()
    }
}
