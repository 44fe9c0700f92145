//! Makes a change whole or not at all, and takes it back.
//!
//! The order is: write the change into the journal with the old bytes; do the steps; mark it as applied. A
//! process that dies in between leaves an entry without its mark, and [`recover`] puts the old bytes back.

use crate::disk::{Disk, FileMeta, folder_of, temporary, write_atomically};
use crate::journal::{Entry, Journal, JournalError, Marker};
use rmcp_model::{ChangeState, Plan, Step};
use std::collections::BTreeMap;
use std::io;

/// Why a change was not made. The machine is as before, unless it says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A file is no longer as it was when the plan was made.
    #[error("{path} was changed after the plan was made; make the plan anew")]
    Stale {
        /// The file.
        path: String,
    },
    /// A step failed, and everything was put back.
    #[error("{what} failed: {source}; everything is as before")]
    Step {
        /// The step.
        what: String,
        /// The system's error.
        source: io::Error,
    },
    /// A step failed, and so did putting things back.
    #[error(
        "{what} failed: {source}; and putting things back failed: {second}. Run `rmcp status` to try that again"
    )]
    Stuck {
        /// The step.
        what: String,
        /// The system's error.
        source: io::Error,
        /// What stood in the way of putting back.
        second: String,
    },
}

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
    /// It is not in force.
    #[error("change {id} is {state}")]
    NotApplied {
        /// Its number.
        id: u32,
        /// Its state.
        state: ChangeState,
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
    #[error("{path} was edited since change {id}")]
    Edited {
        /// The change.
        id: u32,
        /// The file.
        path: String,
        /// What stood in it before the change.
        before: Option<String>,
        /// What the change wrote.
        after: Option<String>,
        /// What stands in it now; bytes that are no UTF-8 are replaced.
        now: Option<String>,
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

/// What [`recover`] did about one interrupted change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The change.
    pub id: u32,
    /// Files that somebody has edited meanwhile, and which were left alone.
    pub left: Vec<String>,
}

/// Makes a change. `time` is when, as RFC 3339. Returns its entry, or none where there was nothing to do.
///
/// Interrupted changes must have been [recovered](recover) before.
///
/// # Errors
/// [`ApplyError`]; in all cases but `Stuck` the machine is then as before.
pub fn apply(
    disk: &dyn Disk,
    journal: &Journal,
    plan: &Plan,
    time: &str,
) -> Result<Option<Entry>, ApplyError> {
    if plan.steps.is_empty() {
        return Ok(None);
    }
    let before = check_before(disk, plan)?;
    let entry = journal.begin(disk, plan, before, time)?;
    let done = do_steps(disk, &entry).and_then(|()| {
        journal.mark(disk, entry.id, Marker::Applied).map_err(|error| match error {
            JournalError::Io { path, source } => (format!("writing {path}"), source),
            other => (other.to_string(), io::ErrorKind::InvalidData.into()),
        })
    });
    match done {
        Ok(()) => Ok(Some(entry)),
        Err((what, source)) => match take_back(disk, journal, &entry) {
            Ok(left) if left.is_empty() => Err(ApplyError::Step { what, source }),
            Ok(left) => Err(ApplyError::Stuck {
                what,
                source,
                second: format!("{} was edited meanwhile", left.join(", ")),
            }),
            Err(second) => Err(ApplyError::Stuck { what, source, second: second.to_string() }),
        },
    }
}

/// Checks that every file is as the plan saw it; returns owners and modes.
fn check_before(disk: &dyn Disk, plan: &Plan) -> Result<BTreeMap<String, FileMeta>, ApplyError> {
    let mut metas = BTreeMap::new();
    for step in &plan.steps {
        let failed = |what: &str| {
            let what = format!("reading {what}");
            move |source| ApplyError::Step { what, source }
        };
        match step {
            Step::Write { path, before, .. } => {
                let now = disk.read(path).map_err(failed(path))?;
                let same = now.as_ref().map(|state| &*state.bytes)
                    == before.as_ref().map(String::as_bytes);
                if !same {
                    return Err(ApplyError::Stale { path: path.clone() });
                }
                metas.extend(now.map(|state| (path.clone(), state.meta)));
            }
            Step::Move { from, to } => {
                if !disk.exists(from).map_err(failed(from))? {
                    return Err(ApplyError::Stale { path: from.clone() });
                }
                if disk.exists(to).map_err(failed(to))? {
                    return Err(ApplyError::Stale { path: to.clone() });
                }
            }
            Step::MakeFolder { path, .. } => {
                if disk.exists(path).map_err(failed(path))? {
                    return Err(ApplyError::Stale { path: path.clone() });
                }
            }
            Step::Run { .. } => {}
        }
    }
    Ok(metas)
}

fn do_steps(disk: &dyn Disk, entry: &Entry) -> Result<(), (String, io::Error)> {
    for step in &entry.plan.steps {
        match step {
            Step::MakeFolder { path, mode } => disk
                .make_folder(path, *mode)
                .and_then(|()| disk.sync_folder(folder_of(path)))
                .map_err(|error| (format!("making {path}"), error)),
            Step::Write { path, after: Some(after), mode, .. } => {
                let meta = entry.before.get(path);
                write_atomically(disk, path, after.as_bytes(), meta, *mode)
                    .map_err(|error| (format!("writing {path}"), error))
            }
            Step::Write { path, after: None, .. } => disk
                .remove(path)
                .and_then(|()| disk.sync_folder(folder_of(path)))
                .map_err(|error| (format!("removing {path}"), error)),
            Step::Move { from, to } => {
                move_durably(disk, from, to).map_err(|error| (format!("moving {from}"), error))
            }
            Step::Run { argv, .. } => {
                disk.run(argv).map_err(|error| (format!("`{}`", argv.join(" ")), error))
            }
        }?;
    }
    Ok(())
}

fn move_durably(disk: &dyn Disk, from: &str, to: &str) -> io::Result<()> {
    disk.rename(from, to)?;
    disk.sync_folder(folder_of(from))?;
    if folder_of(from) != folder_of(to) {
        disk.sync_folder(folder_of(to))?;
    }
    Ok(())
}

/// Puts the old bytes back, and marks the entry as undone where nothing was left. Whatever was done of the
/// steps, and whatever of this very function before it was interrupted: what is as before stays so.
///
/// Returns the files that somebody has edited meanwhile; they are left alone.
fn take_back(disk: &dyn Disk, journal: &Journal, entry: &Entry) -> Result<Vec<String>, UndoError> {
    journal.mark(disk, entry.id, Marker::Undoing)?;
    let mut left = Vec::new();
    for step in entry.plan.steps.iter().rev() {
        let failed = |what: String| move |source| UndoError::Step { what, source };
        match step {
            Step::Write { path, before, after, .. } => {
                let restored = restore_file(disk, path, before.as_deref(), after.as_deref(), entry)
                    .map_err(failed(format!("restoring {path}")))?;
                if !restored {
                    left.push(path.clone());
                }
            }
            Step::Move { from, to } => {
                let moved = (|| Ok(disk.exists(to)? && !disk.exists(from)?))()
                    .map_err(failed(format!("looking at {to}")))?;
                if moved {
                    move_durably(disk, to, from).map_err(failed(format!("moving {to} back")))?;
                }
            }
            Step::MakeFolder { path, .. } => remove_if_empty(disk, path)
                .map_err(failed(format!("removing the folder {path}")))?,
            Step::Run { .. } => {}
        }
    }
    // Programs that derive files from these (grub-mkconfig) must see the old ones.
    for step in &entry.plan.steps {
        if let Step::Run { undo, .. } = step
            && !undo.is_empty()
        {
            disk.run(undo).map_err(|source| UndoError::Step {
                what: format!("`{}`", undo.join(" ")),
                source,
            })?;
        }
    }
    if left.is_empty() {
        journal.mark(disk, entry.id, Marker::Undone)?;
    }
    Ok(left)
}

/// Returns false where the file is neither as before nor as after.
fn restore_file(
    disk: &dyn Disk,
    path: &str,
    before: Option<&str>,
    after: Option<&str>,
    entry: &Entry,
) -> io::Result<bool> {
    // A folder of the plan that was never made has no files.
    if !disk.exists(folder_of(path))? {
        return Ok(before.is_none());
    }
    let new = temporary(path);
    if disk.exists(&new)? {
        disk.remove(&new)?;
    }
    let now = disk.read(path)?;
    let bytes = now.as_ref().map(|state| &*state.bytes);
    if bytes == before.map(str::as_bytes) {
        return Ok(true);
    }
    if bytes != after.map(str::as_bytes) {
        return Ok(false);
    }
    match before {
        Some(before) => {
            let meta = entry.before.get(path);
            write_atomically(disk, path, before.as_bytes(), meta, 0o600)?;
        }
        None => {
            disk.remove(path)?;
            disk.sync_folder(folder_of(path))?;
        }
    }
    Ok(true)
}

/// A folder in which somebody has put something meanwhile stays.
fn remove_if_empty(disk: &dyn Disk, path: &str) -> io::Result<()> {
    if !disk.exists(path)? || !disk.list(path)?.is_empty() {
        return Ok(());
    }
    disk.remove_folder(path)?;
    disk.sync_folder(folder_of(path))
}

/// Takes a change back.
///
/// # Errors
/// [`UndoError`]: refused where it is not in force, where a later change wrote the same file, and where
/// somebody has edited a file since.
pub fn undo(disk: &dyn Disk, journal: &Journal, id: u32) -> Result<Entry, UndoError> {
    let entries = journal.entries(disk)?;
    let position = entries.iter().position(|(entry, _)| entry.id == id);
    let Some((entry, state)) = position.and_then(|at| entries.get(at)) else {
        return Err(UndoError::Unknown { id });
    };
    if *state != ChangeState::Applied {
        return Err(UndoError::NotApplied { id, state: *state });
    }
    let later =
        entries.iter().filter(|(other, state)| other.id > id && *state == ChangeState::Applied);
    for (other, _) in later {
        let both = entry.written().find(|path| other.written().any(|written| written == *path));
        if let Some(path) = both {
            return Err(UndoError::Covered { id, later: other.id, path: path.to_owned() });
        }
    }
    for step in &entry.plan.steps {
        let Step::Write { path, before, after, .. } = step else { continue };
        let now = disk
            .read(path)
            .map_err(|source| UndoError::Step { what: format!("reading {path}"), source })?;
        if now.as_ref().map(|state| &*state.bytes) != after.as_ref().map(String::as_bytes) {
            return Err(UndoError::Edited {
                id,
                path: path.clone(),
                before: before.clone(),
                after: after.clone(),
                now: now.map(|state| String::from_utf8_lossy(&state.bytes).into_owned()),
            });
        }
    }
    take_back(disk, journal, entry)?;
    Ok(entry.clone())
}

/// Takes back every change that was interrupted. Safe to run again and again.
///
/// # Errors
/// [`UndoError`] when the disk or the journal fails; running it again goes on where it stopped.
pub fn recover(disk: &dyn Disk, journal: &Journal) -> Result<Vec<Recovery>, UndoError> {
    let mut recovered = Vec::new();
    for (entry, state) in journal.entries(disk)?.iter().rev() {
        if *state == ChangeState::Interrupted {
            let left = take_back(disk, journal, entry)?;
            recovered.push(Recovery { id: entry.id, left });
        }
    }
    Ok(recovered)
}
