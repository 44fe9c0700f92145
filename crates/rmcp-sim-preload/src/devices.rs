//! Open devices: every one is a copy of the driver's file, so that `mmap` needs no help.

use crate::real::real;
use crate::{driver, set_errno};
use libc::{c_int, c_ulong, c_void};
use rmcp_sim::driver::{Driver, LETTER};
use std::collections::BTreeMap;
use std::os::fd::AsRawFd;
use std::sync::{Mutex, PoisonError};

/// Which card's device a descriptor is, for those of render nodes.
static RENDER: Mutex<BTreeMap<c_int, usize>> = Mutex::new(BTreeMap::new());

/// Opens the driver's own device.
pub(crate) fn open_kfd(driver: &Driver) -> c_int {
    // SAFETY: takes numbers.
    unsafe { libc::fcntl(driver.file().as_raw_fd(), libc::F_DUPFD_CLOEXEC, 3) }
}

/// Opens a card's device.
pub(crate) fn open_render(driver: &Driver, card: usize) -> c_int {
    let fd = open_kfd(driver);
    if fd >= 0 {
        RENDER.lock().unwrap_or_else(PoisonError::into_inner).insert(fd, card);
    }
    fd
}

/// Returns which card's device a descriptor is. Descriptors are used again after `close`, which is not looked at: so
/// one that is no copy of the driver's file is none.
pub(crate) fn card_of(driver: &Driver, fd: c_int) -> Option<usize> {
    let card = RENDER.lock().unwrap_or_else(PoisonError::into_inner).get(&fd).copied();
    card.filter(|_| is_device(driver, fd))
}

/// Returns whether a descriptor is a copy of the driver's file.
fn is_device(driver: &Driver, fd: c_int) -> bool {
    let identity = |fd: c_int| {
        let mut stat = std::mem::MaybeUninit::<libc::stat>::uninit();
        // SAFETY: writes to the structure, which is read only where the call has succeeded.
        (unsafe { libc::fstat(fd, stat.as_mut_ptr()) } == 0).then(|| {
            // SAFETY: as above.
            let stat = unsafe { stat.assume_init() };
            (stat.st_dev, stat.st_ino)
        })
    };
    identity(fd).is_some_and(|found| Some(found) == identity(driver.file().as_raw_fd()))
}

/// `ioctl` of the C library, which takes one further argument at most.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ioctl(fd: c_int, request: c_ulong, argument: *mut c_void) -> c_int {
    let letter = request >> 8 & 0xff;
    if letter == LETTER
        && request >> 30 != 0
        && let Some(driver) = driver()
        && is_device(driver, fd)
    {
        // SAFETY: the caller's argument, as for the system.
        return match unsafe { driver.ioctl(request & 0xff, argument) } {
            Ok(()) => 0,
            Err(error) => {
                set_errno(error);
                -1
            }
        };
    }
    real!(ioctl(fd, request, argument): fn(c_int, c_ulong, *mut c_void) -> c_int, or -1)
}
