//! Opening and looking at paths.

use crate::real::real;
use crate::{devices, driver, set_errno, within};
use libc::{FILE, c_char, c_int, mode_t, stat as Stat, stat64 as Stat64};
use rmcp_sim::driver::Driver;
use rmcp_sim::machine::Entry;
use std::ffi::CStr;

/// A path that the simulated machine knows.
struct Found {
    driver: &'static Driver,
    entry: Entry<'static>,
}

/// Asks the simulated machine about a path.
///
/// # Safety
/// `path` is null or a C string.
unsafe fn find(path: *const c_char) -> Option<Found> {
    if path.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    let path = unsafe { CStr::from_ptr(path) }.to_bytes();
    // Most paths are of no interest: nothing is made before one is.
    if !(path.starts_with(b"/dev/") || path.starts_with(b"/sys/") || path == b"/proc/modules") {
        return None;
    }
    let path = std::str::from_utf8(path).ok()?;
    let driver = driver()?;
    Some(Found { driver, entry: driver.machine().entry(path)? })
}

impl Found {
    /// Opens it, and returns the descriptor.
    fn open(&self) -> c_int {
        match self.entry {
            Entry::Kfd => devices::open_kfd(self.driver),
            Entry::Render(card) => devices::open_render(self.driver, card),
            Entry::File(contents) => within(|| file_of(contents)),
            Entry::Folder(_) => {
                set_errno(libc::EISDIR);
                -1
            }
            Entry::Missing => {
                set_errno(libc::ENOENT);
                -1
            }
        }
    }

    /// A path of the real machine that is of the same kind, to look at.
    fn stand_in(&self) -> Option<&'static CStr> {
        match self.entry {
            Entry::Kfd | Entry::Render(_) => Some(c"/dev/null"),
            Entry::File(_) => Some(c"/proc/version"),
            Entry::Folder(_) => Some(c"/proc"),
            Entry::Missing => None,
        }
    }
}

/// Makes a file in memory with some contents, at its beginning.
fn file_of(contents: &str) -> c_int {
    // SAFETY: a C string; then a descriptor that was just made, and bytes that are there.
    unsafe {
        let fd = libc::memfd_create(c"rmcp-sim-file".as_ptr(), libc::MFD_CLOEXEC);
        if fd >= 0 {
            libc::write(fd, contents.as_ptr().cast(), contents.len());
            libc::lseek(fd, 0, libc::SEEK_SET);
        }
        fd
    }
}

macro_rules! opens {
    ($($name:ident)*) => {$(
        /// The C library's function. The mode is taken only where the flags ask for one, and is passed on.
        ///
        /// # Safety
        /// As the C library's.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
            // SAFETY: the caller's path.
            match unsafe { find(path) } {
                Some(found) => found.open(),
                None => real!($name(path, flags, mode): fn(*const c_char, c_int, mode_t) -> c_int, or -1),
            }
        }
    )*};
}
opens! { open open64 }

macro_rules! opens_at {
    ($($name:ident)*) => {$(
        /// The C library's function; only whole paths are looked at.
        ///
        /// # Safety
        /// As the C library's.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(at: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
            // SAFETY: the caller's path.
            match unsafe { find(path) } {
                Some(found) => found.open(),
                None => real!($name(at, path, flags, mode): fn(c_int, *const c_char, c_int, mode_t) -> c_int, or -1),
            }
        }
    )*};
}
opens_at! { openat openat64 }

macro_rules! streams {
    ($($name:ident)*) => {$(
        /// The C library's function.
        ///
        /// # Safety
        /// As the C library's.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(path: *const c_char, mode: *const c_char) -> *mut FILE {
            // SAFETY: the caller's path.
            match unsafe { find(path) } {
                Some(found) => match found.open() {
                    fd if fd < 0 => std::ptr::null_mut(),
                    // SAFETY: a descriptor that nobody else has, and the caller's mode.
                    fd => unsafe { libc::fdopen(fd, mode) },
                },
                None => {
                    real!($name(path, mode): fn(*const c_char, *const c_char) -> *mut FILE, or std::ptr::null_mut())
                }
            }
        }
    )*};
}
streams! { fopen fopen64 }

/// Returns the path that is looked at instead of another, itself where it is not simulated. `None`, with the error
/// number set, where the simulated machine has no such path.
///
/// # Safety
/// `path` is null or a C string.
unsafe fn to_look_at(path: *const c_char) -> Option<*const c_char> {
    // SAFETY: the caller's promise.
    let Some(found) = (unsafe { find(path) }) else { return Some(path) };
    let stand_in = found.stand_in().map(CStr::as_ptr);
    if stand_in.is_none() {
        set_errno(libc::ENOENT);
    }
    stand_in
}

macro_rules! looks {
    ($($name:ident $type:ty;)*) => {$(
        /// The C library's function: what is simulated looks like something of the same kind.
        ///
        /// # Safety
        /// As the C library's.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(path: *const c_char, result: *mut $type) -> c_int {
            // SAFETY: the caller's path.
            let Some(path) = (unsafe { to_look_at(path) }) else { return -1 };
            real!($name(path, result): fn(*const c_char, *mut $type) -> c_int, or -1)
        }
    )*};
}
looks! { stat Stat; stat64 Stat64; lstat Stat; lstat64 Stat64; }

/// The C library's function.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn access(path: *const c_char, mode: c_int) -> c_int {
    // SAFETY: the caller's path.
    match unsafe { find(path) } {
        None => real!(access(path, mode): fn(*const c_char, c_int) -> c_int, or -1),
        Some(Found { entry: Entry::Missing, .. }) => {
            set_errno(libc::ENOENT);
            -1
        }
        // Devices may be read and written, the rest only read.
        Some(Found { entry: Entry::Kfd | Entry::Render(_), .. }) => 0,
        Some(_) if mode & libc::W_OK == 0 => 0,
        Some(_) => {
            set_errno(libc::EACCES);
            -1
        }
    }
}

/// The C library's function.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn statx(
    at: c_int,
    path: *const c_char,
    flags: c_int,
    mask: libc::c_uint,
    result: *mut libc::statx,
) -> c_int {
    // SAFETY: the caller's path.
    let Some(path) = (unsafe { to_look_at(path) }) else { return -1 };
    real!(statx(at, path, flags, mask, result): fn(c_int, *const c_char, c_int, libc::c_uint, *mut libc::statx) -> c_int, or -1)
}
