//! The file of a record: made complete under another name, then put where it is to be. Nothing that is not a record of the
//! same user is ever written to or replaced.
//!
//! Nothing in here allocates: it is also called in a child that was forked.

use rmcp_record::layout::{MAGIC, place};
use std::ffi::{CStr, c_int};

/// Longest path, with its terminating NUL. Source: Linux `limits.h`, `PATH_MAX`.
const LONGEST: usize = 4096;

/// How often a place is tried for which others try too.
const TRIES: u32 = 8;

/// Why there is no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Another process is writing it.
    Held,
    /// It cannot be written, or is something else than a record of ours.
    Other,
}

/// The name of a file, without memory of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Name {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Name {
    /// A name; `None` where it is too long.
    pub(crate) fn of(name: &CStr) -> Option<Self> {
        Self { bytes: [0; LONGEST], length: 0 }.put(name.to_bytes())
    }

    fn put(mut self, more: &[u8]) -> Option<Self> {
        let end = self.length.checked_add(more.len()).filter(|&end| end < LONGEST)?;
        self.bytes.get_mut(self.length..end)?.copy_from_slice(more);
        self.length = end;
        Some(self)
    }

    /// The name with a text and a number behind it.
    pub(crate) fn with(self, text: &[u8], mut number: u64) -> Option<Self> {
        let mut digits = [b'0'; 20];
        let mut first = digits.len();
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + u8::try_from(number % 10).ok()?;
            number /= 10;
            first -= 1;
            if number == 0 {
                break;
            }
        }
        self.put(text)?.put(digits.get(first..)?)
    }

    fn as_c(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or_default()
    }
}

/// A file that is open.
struct File(c_int);

impl File {
    fn open(name: &CStr, flags: c_int) -> Result<Self, c_int> {
        let always = libc::O_CLOEXEC | libc::O_NOFOLLOW | libc::O_NOCTTY | libc::O_NONBLOCK;
        // SAFETY: the name is a C string; what comes back is seen.
        let file = unsafe { libc::open(name.as_ptr(), flags | always, 0o600) };
        if file < 0 { Err(error()) } else { Ok(Self(file)) }
    }

    /// Locks it for as long as it is open. `Held` where another process has it.
    fn lock(&self, kind: c_int) -> Result<(), Refused> {
        // SAFETY: a file that is open.
        if unsafe { libc::flock(self.0, kind | libc::LOCK_NB) } == 0 {
            return Ok(());
        }
        Err(if error() == libc::EWOULDBLOCK { Refused::Held } else { Refused::Other })
    }

    fn about(&self) -> Option<libc::stat> {
        // SAFETY: the kernel fills what is made of numbers alone.
        unsafe {
            let mut about: libc::stat = std::mem::zeroed();
            (libc::fstat(self.0, &mut about) == 0).then_some(about)
        }
    }

    /// Whether this is a plain file under one name that its owner alone may write, who is the user of this process.
    fn is_own(&self) -> bool {
        // SAFETY: asks for a number.
        let user = unsafe { libc::geteuid() };
        self.about().is_some_and(|about| {
            about.st_mode & libc::S_IFMT == libc::S_IFREG
                && about.st_uid == user
                && about.st_nlink == 1
                && about.st_mode & 0o022 == 0
        })
    }

    /// Whether nothing is in it, or a record.
    fn is_replaceable(&self) -> bool {
        let mut first = [0_u8; MAGIC.len()];
        // SAFETY: at most as many bytes as there are.
        let got = unsafe { libc::pread(self.0, first.as_mut_ptr().cast(), first.len(), 0) };
        got == 0 || (usize::try_from(got) == Ok(first.len()) && first == MAGIC)
    }

    /// Maps it, with all its blocks: a full disk would otherwise end the program with `SIGBUS` at some store.
    fn map(&self) -> Option<*mut u8> {
        let length = libc::off_t::try_from(place::END).ok()?;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping, of a file that has these bytes.
        unsafe {
            if libc::posix_fallocate(self.0, 0, length) != 0 {
                return None;
            }
            let mapping =
                libc::mmap(std::ptr::null_mut(), place::END, access, libc::MAP_SHARED, self.0, 0);
            (mapping != libc::MAP_FAILED).then(|| mapping.cast())
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: nobody else has its number.
        unsafe { libc::close(self.0) };
    }
}

fn error() -> c_int {
    // SAFETY: this thread's own number.
    unsafe { *libc::__errno_location() }
}

/// Whether a process is writing a record.
pub(crate) fn is_held(name: &CStr) -> bool {
    let file = File::open(name, libc::O_RDONLY);
    // A shared lock: on network file systems, the other kind needs the right to write.
    file.is_ok_and(|file| file.lock(libc::LOCK_SH) == Err(Refused::Held))
}

/// Makes a file of the record's length, has it filled, and puts it under a name, in the place of an older record. Returns where
/// it is mapped. It stays open and locked until the process ends.
///
/// `number` and `time` are of this process, and make the name unique that it has until then.
///
/// # Errors
/// [`Refused`] where another process writes the file, where it is something else than a record, or cannot be written.
pub(crate) fn create(
    name: &Name,
    number: u64,
    time: u64,
    fill: impl Fn(*mut u8),
) -> Result<*mut u8, Refused> {
    // What is there is looked at first, so that nothing is made beside a device.
    drop(older(name)?);
    let unique = name.with(b".", number).and_then(|name| name.with(b".new-", time));
    let unique = unique.ok_or(Refused::Other)?;
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
    let file = File::open(unique.as_c(), flags).map_err(|_| Refused::Other)?;
    let made = file.lock(libc::LOCK_EX).and_then(|()| {
        let mapping = file.map().ok_or(Refused::Other)?;
        fill(mapping);
        let placed = place_at(&unique, name);
        if placed.is_err() {
            // SAFETY: what was just mapped, of which nobody knows.
            unsafe { libc::munmap(mapping.cast(), place::END) };
        }
        placed.map(|()| mapping)
    });
    match made {
        Ok(_) => std::mem::forget(file),
        // SAFETY: the name is a C string, and what is there was made above.
        Err(_) => unsafe {
            libc::unlink(unique.as_c().as_ptr());
        },
    }
    made
}

/// Whether a name is that of a plain file; `None` where nothing is there, or it cannot be seen.
fn is_plain(name: &CStr) -> Option<bool> {
    // SAFETY: the name is a C string; the kernel fills what is made of numbers alone.
    unsafe {
        let mut about: libc::stat = std::mem::zeroed();
        (libc::lstat(name.as_ptr(), &mut about) == 0)
            .then_some(about.st_mode & libc::S_IFMT == libc::S_IFREG)
    }
}

/// What is under a name already: a record that nobody writes, locked so that nobody begins to.
fn older(name: &Name) -> Result<Option<File>, Refused> {
    // To open a device may have it do something.
    if !is_plain(name.as_c()).unwrap_or(true) {
        return Err(Refused::Other);
    }
    let file = match File::open(name.as_c(), libc::O_RDWR) {
        Ok(file) => file,
        Err(libc::ENOENT) => return Ok(None),
        Err(_) => return Err(Refused::Other),
    };
    if !file.is_own() {
        return Err(Refused::Other);
    }
    file.lock(libc::LOCK_EX)?;
    // Seen again: it may have been replaced, or become another's, before it was locked.
    if file.is_own() && file.is_replaceable() { Ok(Some(file)) } else { Err(Refused::Other) }
}

/// Gives a file its name. An older record is locked while it is replaced; where there is none, none is replaced.
fn place_at(unique: &Name, name: &Name) -> Result<(), Refused> {
    let (from, to) = (unique.as_c().as_ptr(), name.as_c().as_ptr());
    for _ in 0..TRIES {
        if let Some(_locked) = older(name)? {
            // SAFETY: both names are C strings.
            let done = unsafe { libc::rename(from, to) } == 0;
            return if done { Ok(()) } else { Err(Refused::Other) };
        }
        // SAFETY: both names are C strings; one of a folder is not used, as one of them may be relative to where we are.
        let done = unsafe {
            libc::syscall(
                libc::SYS_renameat2,
                libc::AT_FDCWD,
                from,
                libc::AT_FDCWD,
                to,
                libc::RENAME_NOREPLACE,
            )
        } == 0;
        match (done, error()) {
            (true, _) => return Ok(()),
            // Another process was quicker.
            (false, libc::EEXIST) => {}
            // File systems that cannot do this.
            (false, libc::EINVAL | libc::ENOSYS | libc::EPERM) => {
                // SAFETY: as above.
                let done = unsafe { libc::rename(from, to) } == 0;
                return if done { Ok(()) } else { Err(Refused::Other) };
            }
            (false, _) => return Err(Refused::Other),
        }
    }
    Err(Refused::Held)
}
