//! Puts back what stood before a change, from what the journal kept: after a step that failed, after an
//! interruption, and when it is no longer wanted.

use crate::disk::{Disk, folder_of, temporary, write_atomically};
use crate::journal::{Entry, Finished, Journal, Kept, Marker};
use crate::members::is_member;
use crate::transaction::{move_durably, sha256};
use crate::undo::{Recovery, UndoError};
use rmcp_model::{Check, Plan, Step};
use std::io;

/// How a change comes to be taken back, on which it depends what is known of the files that programs wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Situation {
    /// A step of this very process failed: nobody else has written since.
    Failed {
        /// How many programs of the plan were started before.
        started: usize,
    },
    /// A process died at some time, and others may have written since.
    Interrupted,
    /// It was made, and somebody no longer wants it.
    Unwanted {
        /// Whether its programs are left alone.
        skip_programs: bool,
    },
}

/// Puts the old bytes back, and marks the entry as undone where nothing was left. Whatever was done of the
/// steps, and whatever of this very function before it was interrupted: what is as before stays so.
pub(crate) fn take_back(
    disk: &dyn Disk,
    journal: &Journal,
    entry: &Entry,
    situation: Situation,
) -> Result<Recovery, UndoError> {
    let finished = journal.finished(disk, entry.id)?;
    let merges = journal.merges(disk, entry.id)?;
    journal.mark(disk, entry.id, Marker::Undoing)?;
    let mut recovery = Recovery { id: entry.id, ..Recovery::default() };
    for step in entry.plan.steps.iter().rev() {
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
                let newer = move_back(disk, from, to);
                recovery.aside.extend(newer.map_err(failed(format!("moving {to} back")))?);
            }
            Step::MakeFolder { path, .. } => {
                remove_if_empty(disk, path)
                    .map_err(failed(format!("removing the folder {path}")))?;
            }
            Step::Run { .. } => {}
        }
    }
    // Programs that derive files from these (grub-mkconfig) must see the old ones.
    take_back_programs(disk, entry, &finished, situation)?;
    if recovery.left.is_empty() {
        journal.mark(disk, entry.id, Marker::Undone)?;
    }
    Ok(recovery)
}

/// Takes back what the programs of a plan did, the last first.
fn take_back_programs(
    disk: &dyn Disk,
    entry: &Entry,
    finished: &Finished,
    situation: Situation,
) -> Result<(), UndoError> {
    let started = match situation {
        Situation::Failed { started } => started,
        Situation::Unwanted { skip_programs: true } => 0,
        Situation::Interrupted | Situation::Unwanted { .. } => usize::MAX,
    };
    let programs = entry.plan.steps.iter().filter_map(|step| match step {
        Step::Run { undo, rewrites, .. } => Some((undo, rewrites)),
        _ => None,
    });
    let programs: Vec<_> = programs.take(started).collect();
    for (undo, rewrites) in programs.into_iter().rev() {
        let Some(to_restore) = kept_files(disk, entry, finished, rewrites, situation)? else {
            if undo.is_empty() {
                continue;
            }
            match disk.run(undo) {
                Ok(()) => continue,
                // Somebody has done it already: gpasswd fails where the user is no member.
                Err(_) if effect_is_gone(disk, &entry.plan, undo, rewrites) => continue,
                Err(source) => {
                    let command = undo.join(" ");
                    return Err(UndoError::Program { id: entry.id, command, source });
                }
            }
        };
        for (path, kept) in to_restore {
            let restored = match kept {
                Some(Kept { text, meta }) => {
                    write_atomically(disk, path, text.as_bytes(), Some(meta), meta.mode)
                }
                None => disk.remove(path).and_then(|()| disk.sync_folder(folder_of(path))),
            };
            restored.map_err(failed(format!("restoring {path}")))?;
        }
    }
    Ok(())
}

/// Files of a program that are to be put back, and what stood in them.
type ToRestore<'e> = Vec<(&'e String, &'e Option<Kept>)>;

/// Returns which files of a program are to be put back from what was kept, for which no program is needed; none
/// where somebody has written since, so that the program has to take its effect back from what is there now.
fn kept_files<'e>(
    disk: &dyn Disk,
    entry: &'e Entry,
    finished: &Finished,
    rewrites: &'e [String],
    situation: Situation,
) -> Result<Option<ToRestore<'e>>, UndoError> {
    if rewrites.is_empty() {
        return Ok(None);
    }
    let mut to_restore = Vec::new();
    for path in rewrites {
        let there = disk.exists(folder_of(path)).map_err(failed(format!("looking for {path}")))?;
        let now = if there { disk.read(path).ok().flatten() } else { None };
        let bytes = now.map(|state| state.bytes);
        let Some(kept) = entry.rewritten.get(path) else { return Ok(None) };
        let before = kept.as_ref().map(|kept| kept.text.as_bytes());
        if bytes.as_deref() == before {
            continue;
        }
        let as_left = match (&bytes, finished.rewritten.get(path)) {
            (Some(bytes), Some(left)) => sha256(bytes) == *left,
            _ => false,
        };
        if !matches!(situation, Situation::Failed { .. }) && !as_left {
            return Ok(None);
        }
        to_restore.push((path, kept));
    }
    Ok(Some(to_restore))
}

/// Returns whether what a program was to bring about is not there, where that can be seen in its files.
fn effect_is_gone(disk: &dyn Disk, plan: &Plan, undo: &[String], rewrites: &[String]) -> bool {
    let text = |path: &str| {
        let state = disk.read(path).ok().flatten();
        state.map(|state| String::from_utf8_lossy(&state.bytes).into_owned()).unwrap_or_default()
    };
    let is_rewritten = |path: &str| rewrites.iter().any(|file| file == path);
    let mut seen = false;
    let gone = plan.checks.iter().all(|check| match check {
        Check::Member { user, group } if is_rewritten("/etc/group") && undo.contains(group) => {
            seen = true;
            !is_member(&text("/etc/group"), user, group)
        }
        Check::Contains { path, text: words } if is_rewritten(path) => {
            seen = true;
            !text(path).contains(words)
        }
        _ => true,
    });
    seen && gone
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
pub(crate) fn remove_if_empty(disk: &dyn Disk, path: &str) -> io::Result<()> {
    if !disk.exists(path)? || !disk.list(path)?.is_empty() {
        return Ok(());
    }
    disk.remove_folder(path)?;
    disk.sync_folder(folder_of(path))
}

pub(crate) fn failed(what: String) -> impl FnOnce(io::Error) -> UndoError {
    move |source| UndoError::Step { what, source }
}
