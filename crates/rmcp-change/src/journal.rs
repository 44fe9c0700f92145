//! What was done to a machine: one file for each change, written before the change, and a marker for each
//! thing that became of it. Entries are never rewritten.
//!
//! ```text
//! 0001.json      the change, with the old bytes, modes and owners
//! 0001.applied   it was made
//! 0001.merge     edits of others that are kept when it is taken back
//! 0001.undoing   it is being taken back
//! 0001.undone    it was taken back
//! ```

use crate::disk::{Disk, FileMeta, write_atomically};
use rmcp_model::{ChangeState, Plan, Step};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;

/// Longest entry: some configuration files of 4 MiB, before and after, in JSON.
const MAX_ENTRY_BYTES: u64 = 64 << 20;

/// The version of the format that this program writes. Newer ones are refused.
const FORMAT: u32 = 1;

/// Mode of the journal's folder: what stands in old files concerns nobody else.
const FOLDER_MODE: u32 = 0o700;

/// Mode of the folders above it, where they are made.
const PARENT_MODE: u32 = 0o755;

/// Mode of its files.
const FILE_MODE: u32 = 0o600;

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk.
    #[error("the journal {path}: {source}")]
    Io {
        /// File or folder.
        path: String,
        /// The system's error.
        source: io::Error,
    },
    /// An entry does not fit the format.
    #[error("the journal {path}: {what}; expected an entry that rmcp wrote")]
    Invalid {
        /// The entry.
        path: String,
        /// What is wrong with it.
        what: String,
    },
    /// An entry is newer than this program.
    #[error(
        "the journal {path}: format {found} is newer than the {FORMAT} that this rmcp reads; update rmcp"
    )]
    Newer {
        /// The entry.
        path: String,
        /// Its format.
        found: u32,
    },
}

/// A change in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Version of this format.
    pub format: u32,
    /// Number, from 1.
    pub id: u32,
    /// When it was begun, RFC 3339.
    pub time: String,
    /// What was to be done, with what stood in each file before.
    pub plan: Plan,
    /// Owner, mode and attributes of the files before, by path.
    pub before: BTreeMap<String, FileMeta>,
    /// What stood in the files that programs of the plan rewrite, where it could be kept; none for those that
    /// were not there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rewritten: BTreeMap<String, Option<Kept>>,
    /// Whether its programs were only noted: the machine is a folder.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub without_programs: bool,
    /// The kernel's id of the start of the machine during which it was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<String>,
}

/// A file as it was, to be put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// Its text.
    pub text: String,
    /// Owner, mode and attributes.
    pub meta: FileMeta,
}

/// What the mark of a finished change holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Finished {
    /// SHA-256 of the rewritten files as the programs left them, in hexadecimal, by path.
    #[serde(default)]
    pub(crate) rewritten: BTreeMap<String, String>,
}

impl Entry {
    /// Returns the steps that write files.
    pub(crate) fn written(&self) -> impl Iterator<Item = &str> {
        self.plan.steps.iter().filter_map(Step::written_path)
    }
}

/// A file that was edited since a change, and what it will be without the change but with the edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Merge {
    /// What stands in it now.
    pub(crate) now: String,
    /// What will stand in it.
    pub(crate) then: String,
}

/// What became of an entry.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Marker {
    Applied,
    Merge,
    Undoing,
    Undone,
}

impl Marker {
    fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Merge => "merge",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
        }
    }
}

/// The journal of a machine or of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    folder: String,
}

impl Journal {
    /// Returns the journal in that folder, such as `/var/lib/rmcp/journal`. It is made with the first entry.
    pub fn new(folder: impl Into<String>) -> Self {
        Self { folder: folder.into() }
    }

    /// Returns its folder.
    pub fn folder(&self) -> &str {
        &self.folder
    }

    fn path(&self, id: u32, ending: &str) -> String {
        format!("{}/{id:04}.{ending}", self.folder)
    }

    fn io(path: &str) -> impl FnOnce(io::Error) -> JournalError {
        let path = path.to_owned();
        move |source| JournalError::Io { path, source }
    }

    /// Returns every change with its state, oldest first.
    ///
    /// # Errors
    /// [`JournalError`] when the folder or an entry cannot be used.
    pub fn entries(&self, disk: &dyn Disk) -> Result<Vec<(Entry, ChangeState)>, JournalError> {
        if !disk.exists(&self.folder).map_err(Self::io(&self.folder))? {
            return Ok(Vec::new());
        }
        let names = disk.list(&self.folder).map_err(Self::io(&self.folder))?;
        let has = |id: u32, marker: Marker| names.contains(&format!("{id:04}.{}", marker.name()));
        let mut entries = Vec::new();
        for name in &names {
            let Some(id) = name.strip_suffix(".json").and_then(|id| id.parse().ok()) else {
                continue;
            };
            let entry = self.read(disk, id)?;
            let state = if has(id, Marker::Undone) {
                ChangeState::Undone
            } else if has(id, Marker::Applied) && !has(id, Marker::Undoing) {
                ChangeState::Applied
            } else {
                ChangeState::Interrupted
            };
            entries.push((entry, state));
        }
        entries.sort_by_key(|(entry, _)| entry.id);
        Ok(entries)
    }

    fn read(&self, disk: &dyn Disk, id: u32) -> Result<Entry, JournalError> {
        let path = self.path(id, "json");
        let invalid = |what: String| JournalError::Invalid { path: path.clone(), what };
        let state = disk
            .read_up_to(&path, MAX_ENTRY_BYTES)
            .map_err(Self::io(&path))?
            .ok_or_else(|| invalid("went away while it was read".to_owned()))?;
        let value: serde_json::Value =
            serde_json::from_slice(&state.bytes).map_err(|error| invalid(error.to_string()))?;
        if let Some(found) = value["format"].as_u64().and_then(|found| u32::try_from(found).ok())
            && found > FORMAT
        {
            return Err(JournalError::Newer { path, found });
        }
        let entry: Entry =
            serde_json::from_value(value).map_err(|error| invalid(error.to_string()))?;
        if entry.id == id {
            Ok(entry)
        } else {
            Err(invalid(format!("it says that it is {}", entry.id)))
        }
    }

    /// Writes down a change that is about to be made, durably; it gets the next number.
    pub(crate) fn begin(&self, disk: &dyn Disk, mut entry: Entry) -> Result<Entry, JournalError> {
        self.make_folder(disk)?;
        let last = self.entries(disk)?.last().map_or(0, |(entry, _)| entry.id);
        let invalid =
            |what: &str| JournalError::Invalid { path: self.folder.clone(), what: what.to_owned() };
        entry.format = FORMAT;
        entry.id = last.checked_add(1).ok_or_else(|| invalid("has no numbers left"))?;
        let path = self.path(entry.id, "json");
        let bytes = serde_json::to_vec_pretty(&entry).map_err(|error| JournalError::Invalid {
            path: path.clone(),
            what: error.to_string(),
        })?;
        // What cannot be read again must not be begun.
        if bytes.len() as u64 > MAX_ENTRY_BYTES {
            return Err(invalid("would get an entry of more than 64 MiB"));
        }
        write_atomically(disk, &path, &bytes, None, FILE_MODE).map_err(Self::io(&path))?;
        Ok(entry)
    }

    /// Makes the folder, and those above it.
    pub(crate) fn make_folder(&self, disk: &dyn Disk) -> Result<(), JournalError> {
        let mut at = 0;
        // The folders above are made too, from the top down.
        while at < self.folder.len() {
            at = self.folder[at + 1..].find('/').map_or(self.folder.len(), |next| at + 1 + next);
            let path = &self.folder[..at];
            if !disk.exists(path).map_err(Self::io(path))? {
                let mode = if path == self.folder { FOLDER_MODE } else { PARENT_MODE };
                disk.make_folder(path, mode).map_err(Self::io(path))?;
                disk.sync_folder(crate::disk::folder_of(path)).map_err(Self::io(path))?;
            }
        }
        Ok(())
    }

    /// Writes down what became of a change, durably.
    pub(crate) fn mark(
        &self,
        disk: &dyn Disk,
        id: u32,
        marker: Marker,
    ) -> Result<(), JournalError> {
        self.write_mark(disk, id, marker, b"")
    }

    /// Writes down that a change is made, and how the files are that its programs wrote.
    pub(crate) fn finish(
        &self,
        disk: &dyn Disk,
        id: u32,
        finished: &Finished,
    ) -> Result<(), JournalError> {
        let bytes = serde_json::to_vec(finished).map_err(|error| JournalError::Invalid {
            path: self.path(id, Marker::Applied.name()),
            what: error.to_string(),
        })?;
        self.write_mark(disk, id, Marker::Applied, &bytes)
    }

    /// Returns how the files were that the programs of a change wrote; nothing for one that was not finished.
    pub(crate) fn finished(&self, disk: &dyn Disk, id: u32) -> Result<Finished, JournalError> {
        self.read_mark(disk, id, Marker::Applied)
    }

    /// Writes down which edits are to be kept when a change is taken back. Of an earlier attempt that was
    /// refused later, only the last counts.
    pub(crate) fn merge(
        &self,
        disk: &dyn Disk,
        id: u32,
        merges: &BTreeMap<String, Merge>,
    ) -> Result<(), JournalError> {
        let path = self.path(id, Marker::Merge.name());
        let bytes = serde_json::to_vec(merges).map_err(|error| JournalError::Invalid {
            path: path.clone(),
            what: error.to_string(),
        })?;
        write_atomically(disk, &path, &bytes, None, FILE_MODE).map_err(Self::io(&path))
    }

    /// Returns which edits are to be kept when a change is taken back.
    pub(crate) fn merges(
        &self,
        disk: &dyn Disk,
        id: u32,
    ) -> Result<BTreeMap<String, Merge>, JournalError> {
        self.read_mark(disk, id, Marker::Merge)
    }

    fn read_mark<T: Default + serde::de::DeserializeOwned>(
        &self,
        disk: &dyn Disk,
        id: u32,
        marker: Marker,
    ) -> Result<T, JournalError> {
        let path = self.path(id, marker.name());
        let state = disk.read_up_to(&path, MAX_ENTRY_BYTES).map_err(Self::io(&path))?;
        let Some(state) = state else {
            return Ok(T::default());
        };
        serde_json::from_slice(&state.bytes)
            .map_err(|error| JournalError::Invalid { path, what: error.to_string() })
    }

    fn write_mark(
        &self,
        disk: &dyn Disk,
        id: u32,
        marker: Marker,
        bytes: &[u8],
    ) -> Result<(), JournalError> {
        let path = self.path(id, marker.name());
        if disk.exists(&path).map_err(Self::io(&path))? {
            return Ok(());
        }
        write_atomically(disk, &path, bytes, None, FILE_MODE).map_err(Self::io(&path))
    }
}
