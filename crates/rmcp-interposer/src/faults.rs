//! Faults of memory, and what is written down when one comes: how far every queue was, and the arguments of the kernels that
//! had not ended.

use crate::hsa::{self, EventCallback, MEMORY_FAULT_EVENT, Status, SystemEvent};
use crate::record::{Record, present, put};
use crate::table::{REGISTER_EVENTS, Table};
use rmcp_record::layout::count;
use rmcp_record::words::event;
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Our own function is registered, and in front of the program's.
static LISTENING: AtomicBool = AtomicBool::new(false);

/// Rows of arguments that were written.
static ARGUMENTS: AtomicU32 = AtomicU32::new(0);

/// Bytes of arguments of which it is not known how many there are. HIP's own kernels have fewer.
const UNKNOWN_BYTES: usize = 64;

pub(crate) fn hook(tables: (Table, Table)) {
    LISTENING.store(false, Ordering::Release);
    REGISTER_EVENTS.replace(tables, register_events);
}

/// Has the runtime tell us of faults too.
pub(crate) fn listen() {
    if LISTENING.swap(true, Ordering::AcqRel) {
        return;
    }
    if let Some(before) = REGISTER_EVENTS.before() {
        // SAFETY: a function of this library, which is never unloaded, and which wants no data.
        unsafe { before(Some(on_event), std::ptr::null_mut()) };
    }
}

unsafe extern "C" fn register_events(callback: Option<EventCallback>, data: *mut c_void) -> Status {
    // The runtime calls them in the order in which they came, and the program's may end the process.
    listen();
    let Some(before) = REGISTER_EVENTS.before() else { return hsa::ERROR };
    // SAFETY: the program's own arguments.
    unsafe { before(callback, data) }
}

/// Says that it did nothing about the event, so that the runtime does what it would do without us.
unsafe extern "C" fn on_event(event: *const SystemEvent, _: *mut c_void) -> Status {
    // SAFETY: the runtime's event, for the time of this call.
    if let (Some(event), Some(record)) = (unsafe { event.as_ref() }, present())
        && event.kind == MEMORY_FAULT_EVENT
    {
        let values = [event.address, u64::from(event.reasons), event.agent.handle, 0, 0];
        record.event(event::MEMORY_FAULT, hsa::SUCCESS, values);
        look_at_everything();
    }
    hsa::ERROR
}

/// Writes down how far each queue was.
pub(crate) fn look_at_everything() {
    let Some(record) = present() else { return };
    for (number, live) in crate::queues::live() {
        crate::packets::look(number, live);
        put_arguments(record, number);
    }
}

/// Keeps the arguments of kernels that were written and have not ended, the oldest first.
fn put_arguments(record: Record, number: usize) {
    let queue = &record.queues()[number];
    let (ended, written) =
        (queue.ended.load(Ordering::Relaxed), queue.written.load(Ordering::Relaxed));
    let first = ended.max(written.saturating_sub(count::PACKETS as u64));
    for packet in &record.packets(number)[..] {
        let mark = packet.mark.load(Ordering::Acquire);
        let address = packet.kernarg.load(Ordering::Relaxed);
        let kernel = packet.kernel.load(Ordering::Relaxed);
        let Some(kernel) = record.kernels().get(kernel as usize) else { continue };
        if mark <= first || address == 0 {
            continue;
        }
        let Ok(wanted) = usize::try_from(kernel.kernarg_bytes.load(Ordering::Relaxed)) else {
            continue;
        };
        let used = ARGUMENTS.fetch_add(1, Ordering::Relaxed) as usize;
        let Some(row) = record.arguments().get(used) else { return };
        let wanted = if wanted == 0 { UNKNOWN_BYTES } else { wanted };
        let mut words = [0_u64; 32];
        let bytes = read_memory(address, &mut words, wanted);
        row.queue.store(u32::try_from(number).unwrap_or(u32::MAX), Ordering::Relaxed);
        put(&row.packet, mark - 1);
        row.bytes.store(bytes, Ordering::Relaxed);
        row.wanted.store(u32::try_from(wanted).unwrap_or(u32::MAX), Ordering::Relaxed);
        for (place, word) in row.words.iter().zip(words) {
            put(place, word);
        }
        row.mark.store(1, Ordering::Release);
    }
}

/// Reads memory that may not be there: the kernel does it for us, and says so. Returns how many bytes there were.
fn read_memory(address: u64, into: &mut [u64; 32], wanted: usize) -> u32 {
    let length = wanted.min(size_of_val(into));
    let local = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: length };
    let remote = libc::iovec { iov_base: address as *mut c_void, iov_len: length };
    // SAFETY: writes at most `length` bytes, for which there is room; any address may be asked for.
    let got = unsafe { libc::process_vm_readv(libc::getpid(), &local, 1, &remote, 1, 0) };
    u32::try_from(got).unwrap_or(0)
}
