//! A plan that a user was shown and that root carries out. The hash of the file stands in its name, and so in
//! the command that the user was shown: whoever alters the file alters the command that it needs.

use crate::disk::{Disk, write_atomically};
use crate::journal::JournalError;
use crate::transaction::sha256;
use rmcp_model::Plan;
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Name of the form.
const SCHEMA: &str = "rmcp.plan/1";

/// How names of plan files begin.
const PREFIX: &str = "plan-";

/// Longest plan file. A plan holds the texts of some configuration files twice.
const MAX_BYTES: u64 = 16 << 20;

/// Nobody else needs to see what stands in the user's files.
const FILE_MODE: u32 = 0o600;

/// A plan for root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanFile {
    /// `rmcp.plan/1`.
    pub schema: String,
    /// The user who was shown it.
    pub uid: u32,
    /// Whether that user allowed what is known to do nothing.
    pub inert: bool,
    /// Whether kernel words are to hold for good at once.
    pub permanent: bool,
    /// What root does.
    pub plan: Plan,
}

/// Why a plan file is not carried out.
#[derive(Debug, thiserror::Error)]
pub enum PlanFileError {
    /// It cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// The system's error.
        source: io::Error,
    },
    /// It is not what was shown.
    #[error("{path} is not the plan that was shown: its hash is not the one in its name")]
    Altered {
        /// The file.
        path: String,
    },
    /// It is no plan.
    #[error("{path}: {what}; expected a plan that `rmcp apply` wrote")]
    Invalid {
        /// The file.
        path: String,
        /// What is wrong.
        what: String,
    },
}

impl PlanFile {
    /// Returns a plan for root.
    pub fn new(uid: u32, inert: bool, permanent: bool, plan: Plan) -> Self {
        Self { schema: SCHEMA.to_owned(), uid, inert, permanent, plan }
    }

    /// Writes it into a folder, which is made where it is not there, and returns its path.
    ///
    /// # Errors
    /// [`JournalError`] where the disk does not allow it.
    pub fn write(&self, disk: &dyn Disk, folder: &str) -> Result<String, JournalError> {
        let invalid = |error: serde_json::Error| JournalError::Invalid {
            path: folder.to_owned(),
            what: error.to_string(),
        };
        let bytes = serde_json::to_vec(self).map_err(invalid)?;
        let path = format!("{folder}/{}", name_for(&bytes));
        crate::Journal::new(folder).make_folder(disk)?;
        // Plans that were never carried out, or long ago.
        let names =
            disk.list(folder).map_err(|source| JournalError::Io { path: folder.into(), source })?;
        for name in names.iter().filter(|name| name.starts_with(PREFIX) && name.ends_with(".json"))
        {
            let path = format!("{folder}/{name}");
            disk.remove(&path).map_err(|source| JournalError::Io { path, source })?;
        }
        write_atomically(disk, &path, &bytes, None, FILE_MODE)
            .map_err(|source| JournalError::Io { path: path.clone(), source })?;
        Ok(path)
    }

    /// Reads one, and makes sure that it is the one that was shown.
    ///
    /// # Errors
    /// [`PlanFileError`].
    pub fn read(path: &Path) -> Result<Self, PlanFileError> {
        let shown = || path.display().to_string();
        let io = |source: io::Error| PlanFileError::Io { path: shown(), source };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file =
            rustix::fs::open(path, flags, Mode::empty()).map_err(|error| io(error.into()))?;
        let mut bytes = Vec::new();
        File::from(file).take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(io)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(PlanFileError::Invalid {
                path: shown(),
                what: "longer than 16 MiB".into(),
            });
        }
        let name = path.file_name().and_then(|name| name.to_str());
        if name != Some(&name_for(&bytes)) {
            return Err(PlanFileError::Altered { path: shown() });
        }
        let plan: Self = serde_json::from_slice(&bytes)
            .map_err(|error| PlanFileError::Invalid { path: shown(), what: error.to_string() })?;
        if plan.schema != SCHEMA {
            let what = format!("it is `{}`, not `{SCHEMA}`", plan.schema.escape_debug());
            return Err(PlanFileError::Invalid { path: shown(), what });
        }
        Ok(plan)
    }
}

fn name_for(bytes: &[u8]) -> String {
    format!("{PREFIX}{}.json", sha256(bytes))
}
