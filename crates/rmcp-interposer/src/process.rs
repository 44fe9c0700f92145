//! This process: whether it may be watched, where its record goes, and what happens when it forks.

use crate::file::{self, Name, Refused};
use crate::record::{self, Record, now, today};
use rmcp_record::layout::{MAGIC, VERSION, place};
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Where the record goes: a file, a folder for a file of each process, or `off`.
const VARIABLE: &str = "RMCP_RECORD";

/// How many records are kept in the folder that is ours.
const KEPT: usize = 16;

/// What a record is called in a folder, behind the number of its process and when it began. The number of a child follows.
const ENDING: &str = ".rec";

/// The file of the process that loaded this library, for a child that is forked.
static FILE: OnceLock<CString> = OnceLock::new();

/// What is to be called when this process forks and ends is known.
static WATCHED: AtomicBool = AtomicBool::new(false);

/// A child that was forked, and has written nothing yet.
static FORKED: AtomicBool = AtomicBool::new(false);

/// The process to which the record belongs.
static OWNER: AtomicU32 = AtomicU32::new(0);

/// Whether this program runs with the rights of somebody else than who started it, and must not be told where to write.
pub(crate) fn has_others_rights() -> bool {
    // SAFETY: reads a word that the kernel gave this process.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// Begins the record where there is none. What cannot be written is not recorded, and the program goes on.
pub(crate) fn begin() -> Option<Record> {
    if !WATCHED.swap(true, Ordering::AcqRel) {
        // SAFETY: functions of this library, which is never unloaded.
        unsafe {
            libc::pthread_atfork(None, None, Some(after_fork));
            libc::atexit(at_exit);
        }
    }
    // In a child that was forked, this makes its own.
    if let Some(present) = record::record() {
        present.head().ended.store(0, Ordering::Relaxed);
        return Some(present);
    }
    // A child that could not make its own.
    if FILE.get().is_some() {
        return None;
    }
    let name = CString::new(choose()?.into_os_string().into_vec()).ok()?;
    let made = match create(&Name::of(&name)?, 0) {
        Err(Refused::Held) => create(&Name::of(&name)?.with(b".", pid().into())?, 0),
        other => other,
    };
    let mapping = made.ok()?;
    FILE.set(name).ok()?;
    begin_with(mapping)
}

/// The record of a child that was forked, from its first use on. Allocates nothing: a lock of the allocator may have been
/// held by a thread that is not here.
#[cold]
pub(crate) fn attach() -> Option<Record> {
    if !FORKED.swap(false, Ordering::AcqRel) {
        return None;
    }
    // What is known is in the parent's record, under numbers of its rows; locks may be held by threads that are not here.
    crate::queues::forget_parents();
    crate::kernels::forget();
    crate::allocations::forget();
    crate::agents::forget_parents();
    crate::code::forget_parents();
    crate::maps::forget_parents();
    let parent = OWNER.load(Ordering::Relaxed);
    let name = Name::of(FILE.get()?)?.with(b".", pid().into())?;
    begin_with(create(&name, parent).ok()?)
}

/// Nothing of the parent is written by its child. Only calls that POSIX allows here.
extern "C" fn after_fork() {
    record::set(std::ptr::null_mut());
    FORKED.store(true, Ordering::Release);
}

/// The program has come to its own end: few shut the runtime down before.
extern "C" fn at_exit() {
    if let Some(record) = record::present() {
        record.head().ended.store(1, Ordering::Relaxed);
    }
}

fn begin_with(mapping: *mut u8) -> Option<Record> {
    OWNER.store(pid(), Ordering::Relaxed);
    record::set(mapping);
    record::present()
}

fn pid() -> u32 {
    std::process::id()
}

/// Writes the head of a record that nobody sees yet.
fn describe(record: Record, forked_from: u32) {
    let head = record.head();
    head.version.store(VERSION, Ordering::Relaxed);
    head.pid.store(pid(), Ordering::Relaxed);
    head.bytes.store(place::END as u64, Ordering::Relaxed);
    head.started.store(today(), Ordering::Relaxed);
    head.clock.store(now(), Ordering::Relaxed);
    head.seen.store(now(), Ordering::Relaxed);
    head.forked_from.store(forked_from, Ordering::Relaxed);
    let mut path = [0_u8; 4096];
    // SAFETY: at most as many bytes as there are.
    let length =
        unsafe { libc::readlink(c"/proc/self/exe".as_ptr(), path.as_mut_ptr().cast(), path.len()) };
    record.put(path.get(..usize::try_from(length).unwrap_or(0)).unwrap_or(&[]), &head.program);
    crate::policy::describe(record);
    head.magic.store(u64::from_le_bytes(MAGIC), Ordering::Release);
}

/// Where the record goes; `None` where there is to be none.
fn choose() -> Option<PathBuf> {
    // A number is given again to another process, the more often in a container.
    let own = format!("{}-{}{ENDING}", pid(), today() / 1_000_000_000);
    match crate::policy::variable(VARIABLE) {
        Some(off) if off == "off" => None,
        Some(named) => {
            let path = PathBuf::from(&named);
            let folder = named.as_encoded_bytes().ends_with(b"/") || path.is_dir();
            if folder {
                make_private(&path)?;
            }
            Some(if folder { path.join(own) } else { path })
        }
        None => {
            let folder = state_folder()?.join("rmcp/flight");
            make_private(&folder)?;
            forget_old(&folder);
            Some(folder.join(own))
        }
    }
}

/// Source: XDG Base Directory Specification, `XDG_STATE_HOME`, which has relative paths ignored.
fn state_folder() -> Option<PathBuf> {
    let absolute = |text: OsString| Some(PathBuf::from(text)).filter(|path| path.is_absolute());
    crate::policy::variable("XDG_STATE_HOME").and_then(absolute).or_else(|| {
        crate::policy::variable("HOME").and_then(absolute).map(|home| home.join(".local/state"))
    })
}

/// Makes a folder that only its owner may enter, where it is not there.
fn make_private(folder: &Path) -> Option<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).ok()
}

/// Keeps the newest records of a folder of ours, one less than are to be there, and those that are being written.
#[expect(clippy::disallowed_methods, reason = "records that this library wrote")]
fn forget_old(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let is_ours = |name: OsString| name.to_string_lossy().contains(ENDING);
    let mut records: Vec<_> = entries
        .filter_map(Result::ok)
        .filter(|entry| is_ours(entry.file_name()))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    records.sort();
    let old = (records.len() + 1).saturating_sub(KEPT);
    let not_held = records.iter().filter(|(_, path)| {
        CString::new(path.as_os_str().as_encoded_bytes()).is_ok_and(|name| !file::is_held(&name))
    });
    for (_, path) in not_held.take(old) {
        // One that somebody else has removed is gone as well.
        let _ = std::fs::remove_file(path);
    }
}

/// Makes a record's file, with its head.
fn create(name: &Name, forked_from: u32) -> Result<*mut u8, Refused> {
    let fill = |mapping| describe(Record::at_place(mapping), forked_from);
    file::create(name, u64::from(pid()), today(), fill)
}
