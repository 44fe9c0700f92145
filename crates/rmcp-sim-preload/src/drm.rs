//! libdrm: the few functions with which the runtime opens a card's render node.
//!
//! Source: libdrm `amdgpu.h`; ROCT `topology.c` and `fmm.c` (which of them the runtime calls, and that older ones
//! read the descriptor from the head of the structure).

use crate::devices::{card_of, open_render};
use crate::{driver, set_errno};
use libc::{c_char, c_int, c_void};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::sync::{Mutex, PoisonError};

/// The head of libdrm's `struct amdgpu_device`, and room for what nobody reads.
#[repr(C)]
struct Device {
    references: u32,
    next: usize,
    fd: c_int,
    flink_fd: c_int,
    major: u32,
    minor: u32,
    rest: [u64; 64],
    /// Not libdrm's.
    card: usize,
    name: CString,
}

/// Version of the render node's interface: one of amdgpu's of 2022. The runtime only prints it.
const VERSION: (u32, u32) = (3, 49);

/// Open devices by address.
static OPEN: Mutex<BTreeMap<usize, Box<Device>>> = Mutex::new(BTreeMap::new());

/// Opens a render node by its minor number.
#[unsafe(no_mangle)]
pub extern "C" fn drmOpenRender(minor: c_int) -> c_int {
    let card = usize::try_from(minor)
        .ok()
        .and_then(|minor| minor.checked_sub(rmcp_sim::machine::FIRST_RENDER_MINOR));
    match driver().zip(card) {
        Some((driver, card)) if card < driver.cards().len() => open_render(driver, card),
        _ => {
            set_errno(libc::ENODEV);
            -1
        }
    }
}

/// Opens a card.
///
/// # Safety
/// As libdrm's: the three pointers are good to write to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amdgpu_device_initialize(
    fd: c_int,
    major: *mut u32,
    minor: *mut u32,
    handle: *mut *mut c_void,
) -> c_int {
    let Some(driver) = driver() else { return -libc::ENODEV };
    let Some(card) = card_of(driver, fd) else { return -libc::EINVAL };
    // A descriptor of its own, as libdrm has: the runtime closes the one that it gave.
    let name = CString::new(driver.cards()[card].name.clone()).unwrap_or_default();
    let mut device = Box::new(Device {
        references: 1,
        next: 0,
        fd: open_render(driver, card),
        flink_fd: -1,
        major: VERSION.0,
        minor: VERSION.1,
        rest: [0; 64],
        card,
        name,
    });
    let address: *mut Device = &raw mut *device;
    OPEN.lock().unwrap_or_else(PoisonError::into_inner).insert(address as usize, device);
    // SAFETY: the caller's pointers.
    unsafe {
        *major = VERSION.0;
        *minor = VERSION.1;
        *handle = address.cast();
    }
    0
}

/// Does something with an open device.
fn with<T>(handle: *mut c_void, work: impl FnOnce(&Device) -> T) -> Option<T> {
    let open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.get(&(handle as usize)).map(|device| work(device))
}

/// Returns the descriptor of an open device.
#[unsafe(no_mangle)]
pub extern "C" fn amdgpu_device_get_fd(handle: *mut c_void) -> c_int {
    with(handle, |device| device.fd).unwrap_or(-1)
}

/// Closes a card.
#[unsafe(no_mangle)]
pub extern "C" fn amdgpu_device_deinitialize(handle: *mut c_void) -> c_int {
    let device = OPEN.lock().unwrap_or_else(PoisonError::into_inner).remove(&(handle as usize));
    if let Some(device) = device {
        // SAFETY: a descriptor of our own.
        unsafe { libc::close(device.fd) };
    }
    0
}

/// Returns the name under which a card is sold.
#[unsafe(no_mangle)]
pub extern "C" fn amdgpu_get_marketing_name(handle: *mut c_void) -> *const c_char {
    with(handle, |device| device.name.as_ptr()).unwrap_or(std::ptr::null())
}

/// Says what a card is: of libdrm's structure the first four words, which are all that the runtime reads.
///
/// # Safety
/// As libdrm's: `info` is good to write to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amdgpu_query_gpu_info(handle: *mut c_void, info: *mut u32) -> c_int {
    let Some(card) = with(handle, |device| device.card) else { return -libc::EINVAL };
    let Some(driver) = driver() else { return -libc::ENODEV };
    let card = &driver.cards()[card];
    // Device, revision of the chip, external revision, family (143: `AMDGPU_FAMILY_NV`).
    for (at, word) in [card.device_id, card.revision, 0x0a, 143].into_iter().enumerate() {
        // SAFETY: the caller's structure is longer than this.
        unsafe { *info.add(at) = word };
    }
    0
}
