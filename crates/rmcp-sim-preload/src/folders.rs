//! Listing folders of the simulated machine.

use crate::real::real;
use crate::{driver, set_errno};
use libc::{DIR, c_char, c_int, dirent, dirent64};
use rmcp_sim::machine::Entry;
use std::collections::BTreeMap;
use std::ffi::CStr;
use std::sync::{Mutex, PoisonError};

/// An open folder: its names, how many have been read, and the entry that was given last.
struct Folder {
    names: Vec<String>,
    next: usize,
    entry: Box<dirent64>,
}

/// Open folders by the address that stands for them. It is the address of a byte of ours, so that the C library has
/// none like it.
static OPEN: Mutex<BTreeMap<usize, Folder>> = Mutex::new(BTreeMap::new());

fn open_folders() -> std::sync::MutexGuard<'static, BTreeMap<usize, Folder>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The C library's function.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn opendir(path: *const c_char) -> *mut DIR {
    // SAFETY: the caller's path.
    let text = (!path.is_null()).then(|| unsafe { CStr::from_ptr(path) }.to_str().ok()).flatten();
    let entry = text
        .filter(|path| path.starts_with("/sys/") || path.starts_with("/dev/"))
        .and_then(|path| driver()?.machine().entry(path));
    match entry {
        None => real!(opendir(path): fn(*const c_char) -> *mut DIR, or std::ptr::null_mut()),
        Some(Entry::Folder(names)) => {
            let dots = [".", ".."].into_iter().map(str::to_owned);
            // SAFETY: a structure of numbers and bytes, for which all zeros are a value.
            let entry = Box::new(unsafe { std::mem::zeroed::<dirent64>() });
            let folder =
                Folder { names: dots.chain(names.iter().cloned()).collect(), next: 0, entry };
            let address = Box::into_raw(Box::new(0_u8)) as usize;
            open_folders().insert(address, folder);
            address as *mut DIR
        }
        Some(entry) => {
            set_errno(if entry == Entry::Missing { libc::ENOENT } else { libc::ENOTDIR });
            std::ptr::null_mut()
        }
    }
}

/// The next entry of a folder of ours; `None` where it is not ours.
fn next(folder: *mut DIR) -> Option<*mut dirent64> {
    let mut open = open_folders();
    let folder = open.get_mut(&(folder as usize))?;
    let Some(name) = folder.names.get(folder.next) else { return Some(std::ptr::null_mut()) };
    folder.next += 1;
    let entry = &mut *folder.entry;
    entry.d_ino = folder.next as u64;
    entry.d_off = folder.next as i64;
    entry.d_reclen = u16::try_from(size_of::<dirent64>()).unwrap_or(0);
    entry.d_type = libc::DT_UNKNOWN;
    let bytes = name.as_bytes();
    let length = bytes.len().min(entry.d_name.len() - 1);
    for (to, from) in entry.d_name.iter_mut().zip(&bytes[..length]) {
        *to = from.cast_signed();
    }
    entry.d_name[length] = 0;
    Some(entry)
}

/// The C library's function.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn readdir(folder: *mut DIR) -> *mut dirent {
    match next(folder) {
        // On 64-bit machines the two structures are the same.
        Some(entry) => entry.cast(),
        None => real!(readdir(folder): fn(*mut DIR) -> *mut dirent, or std::ptr::null_mut()),
    }
}

/// The C library's function.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn readdir64(folder: *mut DIR) -> *mut dirent64 {
    match next(folder) {
        Some(entry) => entry,
        None => real!(readdir64(folder): fn(*mut DIR) -> *mut dirent64, or std::ptr::null_mut()),
    }
}

/// The C library's function.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn closedir(folder: *mut DIR) -> c_int {
    if open_folders().remove(&(folder as usize)).is_some() {
        // SAFETY: made by `opendir` from a box, and no longer in the map.
        drop(unsafe { Box::from_raw(folder.cast::<u8>()) });
        return 0;
    }
    real!(closedir(folder): fn(*mut DIR) -> c_int, or -1)
}
