//! Makes a change whole or not at all, and takes it back.
//!
//! The order is: write the change into the journal with the old bytes; do the steps; mark it as applied. A
//! process that dies in between leaves an entry without its mark, and [`recover`] puts the old bytes back.

use crate::disk::{Disk, FileMeta, folder_of, temporary, write_atomically};
use crate::journal::{Entry, Finished, Journal, JournalError, Kept, Marker, Merge};
use rmcp_model::{ChangeState, Plan, Step};
use sha2::{Digest as _, Sha256};
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
    #[error("{} was edited since change {}", .0.path, .0.id)]
    Edited(Box<EditedFile>),
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The change.
    pub id: u32,
    /// Files that somebody has edited meanwhile, and which were left alone.
    pub left: Vec<String>,
    /// Files and folders that were made anew in the place of what had been moved aside, and where they are now.
    pub aside: Vec<String>,
}

/// The kernel's id of the running start of the machine. Source: random(4), `boot_id`.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Returns the kernel's id of the running start of the machine; none in a machine folder without it.
pub(crate) fn boot_id(disk: &dyn Disk) -> Option<String> {
    let state = disk.read(BOOT_ID).ok()??;
    Some(String::from_utf8(state.bytes).ok()?.trim().to_owned())
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
    let entry = Entry {
        format: 0,
        id: 0,
        time: time.to_owned(),
        plan: plan.clone(),
        before: check_before(disk, plan)?,
        rewritten: keep_rewritten(disk, plan),
        without_programs: !disk.starts_programs(),
        boot_id: boot_id(disk),
    };
    let entry = journal.begin(disk, entry)?;
    let mut started = 0;
    let done = do_steps(disk, &entry, &mut started).and_then(|()| {
        let finished = Finished { rewritten: hashes(disk, &entry) };
        journal.finish(disk, entry.id, &finished).map_err(|error| match error {
            JournalError::Io { path, source } => (format!("writing {path}"), source),
            other => (other.to_string(), io::ErrorKind::InvalidData.into()),
        })
    });
    match done {
        Ok(()) => Ok(Some(entry)),
        Err((what, source)) => {
            match take_back(disk, journal, &entry, Situation::Failed { started }) {
                Ok(recovery) if recovery.left.is_empty() => Err(ApplyError::Step { what, source }),
                Ok(recovery) => Err(ApplyError::Stuck {
                    what,
                    source,
                    second: format!("{} was edited meanwhile", recovery.left.join(", ")),
                }),
                Err(second) => Err(ApplyError::Stuck { what, source, second: second.to_string() }),
            }
        }
    }
}

/// Checks that every file is as the plan saw it; returns owners and modes.
fn check_before(disk: &dyn Disk, plan: &Plan) -> Result<BTreeMap<String, FileMeta>, ApplyError> {
    let mut metas = BTreeMap::new();
    let failed = |what: &str| {
        let what = format!("reading {what}");
        move |source| ApplyError::Step { what, source }
    };
    let stale = |path: &str| Err(ApplyError::Stale { path: path.to_owned() });
    for step in &plan.steps {
        match step {
            Step::Write { path, before, .. } => {
                // In a folder that is not there is no file.
                let now = match disk.exists(folder_of(path)).map_err(failed(path))? {
                    true => disk.read(path).map_err(failed(path))?,
                    false => None,
                };
                let bytes = now.as_ref().map(|state| &*state.bytes);
                if bytes != before.as_ref().map(String::as_bytes) {
                    return stale(path);
                }
                metas.extend(now.map(|state| (path.clone(), state.meta)));
            }
            Step::Move { from, to } => {
                if !disk.exists(from).map_err(failed(from))? {
                    return stale(from);
                }
                if disk.exists(to).map_err(failed(to))? {
                    return stale(to);
                }
            }
            Step::MakeFolder { path, .. } => {
                if disk.exists(path).map_err(failed(path))? {
                    return stale(path);
                }
            }
            Step::Run { .. } => {}
        }
    }
    Ok(metas)
}

fn rewrites(plan: &Plan) -> impl Iterator<Item = &String> {
    plan.steps.iter().flat_map(|step| match step {
        Step::Run { rewrites, .. } => rewrites.as_slice(),
        _ => &[],
    })
}

/// Keeps what programs will rewrite. What cannot be kept (too long, no text, behind a link) is made anew by the
/// program when the change is taken back.
fn keep_rewritten(disk: &dyn Disk, plan: &Plan) -> BTreeMap<String, Kept> {
    let keep = |path: &String| {
        let state = disk.read(path).ok()??;
        let text = String::from_utf8(state.bytes).ok()?;
        Some((path.clone(), Kept { text, meta: state.meta }))
    };
    rewrites(plan).filter_map(keep).collect()
}

/// SHA-256 of the files that programs rewrote and whose old text is kept.
fn hashes(disk: &dyn Disk, entry: &Entry) -> BTreeMap<String, String> {
    let hash = |path: &String| {
        let state = disk.read(path).ok()??;
        Some((path.clone(), sha256(&state.bytes)))
    };
    entry.rewritten.keys().filter_map(hash).collect()
}

/// Does the steps in their order, and counts the programs that were started.
fn do_steps(
    disk: &dyn Disk,
    entry: &Entry,
    started: &mut usize,
) -> Result<(), (String, io::Error)> {
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
                let done = disk.run(argv);
                // A program that is not there has done nothing.
                let absent = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
                *started += usize::from(!done.as_ref().is_err_and(absent));
                done.map_err(|error| (format!("`{}`", argv.join(" ")), error))
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

/// How a change comes to be taken back, on which it depends what is known of the files that programs wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Situation {
    /// A step of this very process failed: nobody else has written since.
    Failed {
        /// How many programs of the plan were started before.
        started: usize,
    },
    /// A process died at some time, and others may have written since.
    Interrupted,
    /// It was made, and somebody no longer wants it.
    Unwanted,
}

/// Puts the old bytes back, and marks the entry as undone where nothing was left. Whatever was done of the
/// steps, and whatever of this very function before it was interrupted: what is as before stays so.
fn take_back(
    disk: &dyn Disk,
    journal: &Journal,
    entry: &Entry,
    situation: Situation,
) -> Result<Recovery, UndoError> {
    let finished = journal.finished(disk, entry.id)?;
    let merges = journal.merges(disk, entry.id)?;
    journal.mark(disk, entry.id, Marker::Undoing)?;
    let mut recovery = Recovery { id: entry.id, left: Vec::new(), aside: Vec::new() };
    for step in entry.plan.steps.iter().rev() {
        let failed = |what: String| move |source| UndoError::Step { what, source };
        match step {
            Step::Write { path, before, after, .. } => {
                let merge = merges.get(path);
                let (then, now) = match merge {
                    Some(merge) => (Some(&merge.then), Some(&merge.now)),
                    None => (before.as_ref(), after.as_ref()),
                };
                let texts = (then.map(String::as_str), now.map(String::as_str));
                let restored = restore_file(disk, path, texts, entry)
                    .map_err(failed(format!("restoring {path}")))?;
                if !restored {
                    recovery.left.push(path.clone());
                }
            }
            Step::Move { from, to } => {
                let newer =
                    move_back(disk, from, to).map_err(failed(format!("moving {to} back")))?;
                recovery.aside.extend(newer);
            }
            Step::MakeFolder { path, .. } => remove_if_empty(disk, path)
                .map_err(failed(format!("removing the folder {path}")))?,
            Step::Run { .. } => {}
        }
    }
    // Programs that derive files from these (grub-mkconfig) must see the old ones.
    let commands = entry.plan.steps.iter().filter_map(|step| match step {
        Step::Run { undo, rewrites, .. } => Some((undo, rewrites)),
        _ => None,
    });
    let started = match situation {
        Situation::Failed { started } => started,
        Situation::Interrupted | Situation::Unwanted => usize::MAX,
    };
    let commands: Vec<_> = commands.take(started).collect();
    for (undo, rewrites) in commands.into_iter().rev() {
        take_back_command(disk, entry, &finished, undo, rewrites, situation)?;
    }
    if recovery.left.is_empty() {
        journal.mark(disk, entry.id, Marker::Undone)?;
    }
    Ok(recovery)
}

/// Puts back what a program rewrote: the kept text where nobody has written since, for which no program is
/// needed; otherwise the program that takes the effect back works on what is there now.
fn take_back_command(
    disk: &dyn Disk,
    entry: &Entry,
    finished: &Finished,
    undo: &[String],
    rewrites: &[String],
    situation: Situation,
) -> Result<(), UndoError> {
    let mut all_kept = !rewrites.is_empty();
    let mut to_restore = Vec::new();
    for path in rewrites {
        let step = |source| UndoError::Step { what: format!("restoring {path}"), source };
        let there = disk.exists(folder_of(path)).map_err(step)?;
        let now = if there { disk.read(path).ok().flatten() } else { None };
        let Some(kept) = entry.rewritten.get(path) else {
            // A file that was not there and is not there needs nothing.
            all_kept &= now.is_none();
            continue;
        };
        let bytes = now.map(|state| state.bytes);
        if bytes.as_deref() == Some(kept.text.as_bytes()) {
            continue;
        }
        let as_left = finished
            .rewritten
            .get(path)
            .is_some_and(|left| bytes.is_some_and(|bytes| sha256(&bytes) == *left));
        if matches!(situation, Situation::Failed { .. }) || as_left {
            to_restore.push((path, kept));
        } else {
            all_kept = false;
        }
    }
    if !all_kept && !undo.is_empty() {
        return disk
            .run(undo)
            .map_err(|source| UndoError::Step { what: format!("`{}`", undo.join(" ")), source });
    }
    for (path, kept) in to_restore {
        write_atomically(disk, path, kept.text.as_bytes(), Some(&kept.meta), kept.meta.mode)
            .map_err(|source| UndoError::Step { what: format!("restoring {path}"), source })?;
    }
    Ok(())
}

/// Turns a file that is as after into one that is as before. Returns false where it is neither.
fn restore_file(
    disk: &dyn Disk,
    path: &str,
    (before, after): (Option<&str>, Option<&str>),
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

/// Moves back what was moved aside. What was made anew in its place meanwhile is moved aside in its turn, and
/// its new place is returned: nothing is lost.
fn move_back(disk: &dyn Disk, from: &str, to: &str) -> io::Result<Option<String>> {
    if !disk.exists(to)? {
        return Ok(None);
    }
    let mut newer = None;
    if disk.exists(from)? {
        let mut place = format!("{to}-newer");
        while disk.exists(&place)? {
            place.push('+');
        }
        move_durably(disk, from, &place)?;
        newer = Some(place);
    }
    move_durably(disk, to, from)?;
    Ok(newer)
}

/// A folder in which somebody has put something meanwhile stays.
fn remove_if_empty(disk: &dyn Disk, path: &str) -> io::Result<()> {
    if !disk.exists(path)? || !disk.list(path)?.is_empty() {
        return Ok(());
    }
    disk.remove_folder(path)?;
    disk.sync_folder(folder_of(path))
}

/// Returns the SHA-256 of bytes in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Takes a change back. With `keep_edits`, files that somebody has edited since lose what the change put into
/// them and keep the edit, where that can be told apart.
///
/// # Errors
/// [`UndoError`]: refused where it is not in force, where a later change wrote the same file, and where
/// somebody has edited a file since.
pub fn undo(
    disk: &dyn Disk,
    journal: &Journal,
    id: u32,
    keep_edits: bool,
) -> Result<(Entry, Recovery), UndoError> {
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
    let merges = merge_edits(disk, entry, keep_edits)?;
    // An earlier attempt may have written down what no longer holds.
    if merges != journal.merges(disk, id)? {
        journal.merge(disk, id, &merges)?;
    }
    let recovery = take_back(disk, journal, entry, Situation::Unwanted)?;
    Ok((entry.clone(), recovery))
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
        let failed = |source| UndoError::Step { what: format!("reading {path}"), source };
        let now = match disk.exists(folder_of(path)).map_err(failed)? {
            true => disk.read(path).map_err(failed)?,
            false => None,
        };
        if now.as_ref().map(|state| &*state.bytes) == after.as_ref().map(String::as_bytes) {
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

/// Takes back every change that was interrupted. Safe to run again and again.
///
/// # Errors
/// [`UndoError`] when the disk or the journal fails; running it again goes on where it stopped.
pub fn recover(disk: &dyn Disk, journal: &Journal) -> Result<Vec<Recovery>, UndoError> {
    let mut recovered = Vec::new();
    for (entry, state) in journal.entries(disk)?.iter().rev() {
        if *state == ChangeState::Interrupted {
            recovered.push(take_back(disk, journal, entry, Situation::Interrupted)?);
        }
    }
    Ok(recovered)
}
