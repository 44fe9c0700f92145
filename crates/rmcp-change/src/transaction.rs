//! Makes a change whole or not at all.
//!
//! The order is: write the change into the journal with the old bytes; do the steps; mark it as applied. A
//! process that dies in between leaves an entry without its mark, and [`recover`](crate::recover) puts the old
//! bytes back.

use crate::disk::{Disk, FileMeta, MAX_FILE_BYTES, folder_of, write_atomically};
use crate::journal::{Entry, Finished, Journal, JournalError, Kept};
use crate::take_back::{Situation, take_back};
use rmcp_model::{Plan, Step};
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
            Step::Write { path, before, after, .. } => {
                if after.as_ref().is_some_and(|after| after.len() as u64 > MAX_FILE_BYTES) {
                    // What is longer could not be read again to take it back.
                    let what = format!("writing {path}");
                    let source = io::Error::other("it would be longer than 4 MiB");
                    return Err(ApplyError::Step { what, source });
                }
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
fn keep_rewritten(disk: &dyn Disk, plan: &Plan) -> BTreeMap<String, Option<Kept>> {
    let keep = |path: &String| {
        let there = disk.exists(folder_of(path)).ok()?;
        let state = if there { disk.read(path).ok()? } else { None };
        let kept = match state {
            Some(state) => {
                Some(Kept { text: String::from_utf8(state.bytes).ok()?, meta: state.meta })
            }
            None => None,
        };
        Some((path.clone(), kept))
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

pub(crate) fn move_durably(disk: &dyn Disk, from: &str, to: &str) -> io::Result<()> {
    disk.rename(from, to)?;
    disk.sync_folder(folder_of(from))?;
    if folder_of(from) != folder_of(to) {
        disk.sync_folder(folder_of(to))?;
    }
    Ok(())
}

/// Returns the SHA-256 of bytes in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
