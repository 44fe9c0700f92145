//! Takes changes back that are no longer wanted, and those of which nobody knows how far they came.

use crate::disk::{Disk, folder_of};
use crate::journal::{Entry, Journal, JournalError, Merge};
use crate::take_back::{Situation, failed, remove_if_empty, take_back};
use rmcp_model::{ChangeState, Step};
use std::collections::BTreeMap;
use std::io;

/// Why a change was not taken back.
#[derive(Debug, thiserror::Error)]
pub enum UndoError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// There is no such change.
    #[error("there is no change {id} in the journal")]
    Unknown {
        /// Its number.
        id: u32,
    },
    /// It is taken back already.
    #[error("change {id} is taken back already")]
    Undone {
        /// Its number.
        id: u32,
    },
    /// A later change wrote the same file.
    #[error("change {later} was made to {path} after change {id}; take {later} back first")]
    Covered {
        /// The change to be taken back.
        id: u32,
        /// The later one.
        later: u32,
        /// The file that both wrote.
        path: String,
    },
    /// Somebody has edited a file since.
    #[error("{} was edited since change {}", .0.path, .0.id)]
    Edited(Box<EditedFile>),
    /// A program does not take its effect back; the files are as before.
    #[error("change {id}: `{command}` failed: {source}; the files are as before the change")]
    Program {
        /// The change.
        id: u32,
        /// The program and its arguments.
        command: String,
        /// The system's error.
        source: io::Error,
    },
    /// The disk.
    #[error("{what}: {source}")]
    Step {
        /// What was being done.
        what: String,
        /// The system's error.
        source: io::Error,
    },
}

/// A file that somebody has edited since a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditedFile {
    /// The change.
    pub id: u32,
    /// The file.
    pub path: String,
    /// What stood in it before the change.
    pub before: Option<String>,
    /// What the change wrote.
    pub after: Option<String>,
    /// What stands in it now; bytes that are no UTF-8 are replaced.
    pub now: Option<String>,
    /// What would stand in it without the change but with the edit; none where both are about the same lines.
    pub merged: Option<String>,
}

/// What became of a change that was taken back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// The change.
    pub id: u32,
    /// Files that somebody has edited meanwhile, and which were left alone.
    pub left: Vec<String>,
    /// Where things are now that were made anew in the place of what had been moved aside.
    pub aside: Vec<String>,
    /// Why it could not be taken back wholly; the next one tries again.
    pub stuck: Option<String>,
}

/// How a change is to be taken back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UndoChoice {
    /// Files that somebody has edited since lose what the change put into them and keep the edit, where that can
    /// be told apart.
    pub keep_edits: bool,
    /// Programs are not started: what they made is left as it is.
    pub skip_programs: bool,
}

/// Takes a change back. One that was interrupted is taken back too, where [`recover`] could not do it alone.
///
/// # Errors
/// [`UndoError`]: refused where a later change wrote the same file, and where somebody has edited a file since.
pub fn undo(
    disk: &dyn Disk,
    journal: &Journal,
    id: u32,
    choice: UndoChoice,
) -> Result<(Entry, Recovery), UndoError> {
    let entries = journal.entries(disk)?;
    let position = entries.iter().position(|(entry, _)| entry.id == id);
    let Some((entry, state)) = position.and_then(|at| entries.get(at)) else {
        return Err(UndoError::Unknown { id });
    };
    if *state == ChangeState::Undone {
        return Err(UndoError::Undone { id });
    }
    let later =
        entries.iter().filter(|(other, state)| other.id > id && *state == ChangeState::Applied);
    for (other, _) in later {
        let both = entry.written().find(|path| other.written().any(|written| written == *path));
        if let Some(path) = both {
            return Err(UndoError::Covered { id, later: other.id, path: path.to_owned() });
        }
    }
    let merges = merge_edits(disk, entry, choice.keep_edits)?;
    // An earlier attempt may have written down what no longer holds.
    if merges != journal.merges(disk, id)? {
        journal.merge(disk, id, &merges)?;
    }
    let situation = match state {
        ChangeState::Interrupted if !choice.skip_programs => Situation::Interrupted,
        _ => Situation::Unwanted { skip_programs: choice.skip_programs },
    };
    let recovery = take_back(disk, journal, entry, situation)?;
    remove_left_folders(disk, journal)?;
    Ok((entry.clone(), recovery))
}

/// Takes back every change that was interrupted. Safe to run again and again. One that cannot be taken back
/// stands in the way of no other.
///
/// # Errors
/// [`JournalError`] when the journal cannot be read.
pub fn recover(disk: &dyn Disk, journal: &Journal) -> Result<Vec<Recovery>, JournalError> {
    let mut recovered = Vec::new();
    for (entry, state) in journal.entries(disk)?.iter().rev() {
        if *state != ChangeState::Interrupted {
            continue;
        }
        let id = entry.id;
        recovered.push(take_back(disk, journal, entry, Situation::Interrupted).unwrap_or_else(
            |error| Recovery { id, stuck: Some(error.to_string()), ..Recovery::default() },
        ));
    }
    Ok(recovered)
}

/// Removes folders of changes that are taken back, which were still used by others when that was done.
fn remove_left_folders(disk: &dyn Disk, journal: &Journal) -> Result<(), UndoError> {
    for (entry, state) in journal.entries(disk)?.iter().rev() {
        if *state != ChangeState::Undone {
            continue;
        }
        for step in entry.plan.steps.iter().rev() {
            if let Step::MakeFolder { path, .. } = step {
                remove_if_empty(disk, path)
                    .map_err(failed(format!("removing the folder {path}")))?;
            }
        }
    }
    Ok(())
}

/// Returns what the files will be that somebody has edited since; an error where that is not wanted or cannot be.
fn merge_edits(
    disk: &dyn Disk,
    entry: &Entry,
    keep_edits: bool,
) -> Result<BTreeMap<String, Merge>, UndoError> {
    let mut merges = BTreeMap::new();
    for step in &entry.plan.steps {
        let Step::Write { path, before, after, .. } = step else { continue };
        let read = || -> io::Result<_> {
            if disk.exists(folder_of(path))? { disk.read(path) } else { Ok(None) }
        };
        let now = read().map_err(failed(format!("reading {path}")))?;
        let bytes = now.as_ref().map(|state| &*state.bytes);
        // As written, or as before it: an update or a person has dropped it.
        if [before, after].iter().any(|text| bytes == text.as_ref().map(String::as_bytes)) {
            continue;
        }
        let text = now.map(|state| String::from_utf8(state.bytes));
        let merged = match (&text, before, after) {
            (Some(Ok(now)), Some(before), Some(after)) => diffy::merge(after, now, before).ok(),
            _ => None,
        };
        match (keep_edits, &text, merged) {
            (true, Some(Ok(now)), Some(then)) => {
                merges.insert(path.clone(), Merge { now: now.clone(), then });
            }
            (_, _, merged) => {
                let shown = |text: Result<String, std::string::FromUtf8Error>| match text {
                    Ok(text) => text,
                    Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
                };
                return Err(UndoError::Edited(Box::new(EditedFile {
                    id: entry.id,
                    path: path.clone(),
                    before: before.clone(),
                    after: after.clone(),
                    now: text.map(shown),
                    merged,
                })));
            }
        }
    }
    Ok(merges)
}
