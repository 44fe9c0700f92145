//! This process: whether it may be watched, where its record goes, and what happens when it forks.

use crate::record::{self, Record, now, today};
use rmcp_record::layout::{MAGIC, VERSION, place};
use std::ffi::{CStr, CString, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Where the record goes: a file, a folder for a file of each process, or `off`.
const VARIABLE: &str = "RMCP_RECORD";

/// How many records are kept in the folder that is ours.
const KEPT: usize = 16;

/// What a record is called in a folder, behind the number of its process.
const ENDING: &str = ".rec";

/// The file of the process that loaded this library, for a child that is forked.
static FILE: OnceLock<CString> = OnceLock::new();

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
    if let Some(present) = record::present() {
        present.head().ended.store(0, Ordering::Relaxed);
        return Some(present);
    }
    let file = choose()?;
    let made = open(&file)?;
    FILE.set(made.path).ok()?;
    // SAFETY: functions of this library, which is never unloaded.
    unsafe {
        libc::pthread_atfork(None, None, Some(after_fork));
        libc::atexit(at_exit);
    }
    start(made.mapping, 0)
}

/// The record of a child that was forked, from its first use on.
#[cold]
pub(crate) fn attach() -> Option<Record> {
    if !FORKED.swap(false, Ordering::AcqRel) {
        return None;
    }
    let parent = OWNER.load(Ordering::Relaxed);
    let mut path = [0; 4096];
    let made = open_beside(FILE.get()?, &mut path)?;
    crate::queues::forget();
    start(made, parent)
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

fn start(mapping: *mut u8, forked_from: u32) -> Option<Record> {
    record::set(mapping);
    let record = record::present()?;
    let head = record.head();
    OWNER.store(std::process::id(), Ordering::Relaxed);
    head.version.store(VERSION, Ordering::Relaxed);
    head.pid.store(std::process::id(), Ordering::Relaxed);
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
    Some(record)
}

/// A file that was made, and where it is in memory.
struct Made {
    path: CString,
    mapping: *mut u8,
}

/// Makes the file; beside it where another process is writing that.
fn open(path: &Path) -> Option<Made> {
    let name = CString::new(path.as_os_str().to_owned().into_vec()).ok()?;
    if let Some(mapping) = create(&name) {
        return Some(Made { path: name, mapping });
    }
    let mut beside = [0; 4096];
    let mapping = open_beside(&name, &mut beside)?;
    Some(Made { path: name, mapping })
}

/// Makes the file whose name ends in this process's number. Allocates nothing: it is called in a child.
fn open_beside(name: &CStr, path: &mut [u8; 4096]) -> Option<*mut u8> {
    let name = name.to_bytes();
    let (front, rest) = path.split_at_mut_checked(name.len())?;
    front.copy_from_slice(name);
    let mut digits = [0; 12];
    let mut number = std::process::id();
    let mut first = digits.len();
    while first > 1 {
        first -= 1;
        *digits.get_mut(first)? = b'0' + u8::try_from(number % 10).ok()?;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    first -= 1;
    *digits.get_mut(first)? = b'.';
    let digits = digits.get(first..)?;
    rest.get_mut(..digits.len())?.copy_from_slice(digits);
    create(CStr::from_bytes_until_nul(path).ok()?)
}

/// Makes a file of the record's length and maps it; `None` where that cannot be, or somebody else writes it.
///
/// All blocks are there before the first byte is written: a full disk would otherwise end the program with `SIGBUS`.
fn create(path: &CStr) -> Option<*mut u8> {
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_CLOEXEC | libc::O_NOFOLLOW | libc::O_NOCTTY;
    let length = libc::off_t::try_from(place::END).ok()?;
    // SAFETY: the name is a C string; what comes back is seen. The file's lock, which is kept as long as the file is open
    // in a process, is why the descriptor stays open.
    unsafe {
        let file = libc::open(path.as_ptr(), flags, 0o600);
        if file < 0 {
            return None;
        }
        let mut about: libc::stat = std::mem::zeroed();
        let usable = libc::fstat(file, &mut about) == 0
            && about.st_mode & libc::S_IFMT == libc::S_IFREG
            && libc::flock(file, libc::LOCK_EX | libc::LOCK_NB) == 0
            && libc::ftruncate(file, 0) == 0
            && libc::posix_fallocate(file, 0, length) == 0;
        if !usable {
            libc::close(file);
            return None;
        }
        let mapping = libc::mmap(
            std::ptr::null_mut(),
            place::END,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            file,
            0,
        );
        if mapping == libc::MAP_FAILED {
            libc::close(file);
            return None;
        }
        Some(mapping.cast())
    }
}

/// Where the record goes; `None` where there is to be none.
fn choose() -> Option<PathBuf> {
    let own = format!("{}{ENDING}", std::process::id());
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

/// Keeps the newest records of a folder of ours, one less than are to be there.
#[expect(clippy::disallowed_methods, reason = "records that this library wrote")]
fn forget_old(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let is_ours = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "rec");
    let mut records: Vec<_> = entries
        .filter_map(Result::ok)
        .filter(|entry| is_ours(&entry.path()))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    records.sort();
    let old = (records.len() + 1).saturating_sub(KEPT);
    for (_, path) in records.iter().take(old) {
        // One that somebody else has removed is gone as well.
        let _ = std::fs::remove_file(path);
    }
}
