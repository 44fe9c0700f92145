//! Faults of memory, and what is written down when one comes: how far every queue was, and the arguments of the kernels that
//! had not ended.

use crate::hsa::{self, EventCallback, MEMORY_FAULT_EVENT, Status, SystemEvent};
use crate::record::{Record, present, put};
use crate::table::{REGISTER_EVENTS, Table};
use rmcp_record::layout::{ArgumentsRow, count};
use rmcp_record::words::{NO_ROW, event};
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Our own function is registered, and in front of the program's.
static LISTENING: AtomicBool = AtomicBool::new(false);

/// Rows of arguments that were written. The newest take the place of the oldest.
static ARGUMENTS: AtomicU32 = AtomicU32::new(0);

/// How many kernels before the one whose turn it is may run beside it. A queue has no more at once that matter.
const BESIDE: u64 = 32;

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

/// Writes down how far each queue was, and with what.
pub(crate) fn look_at_everything() {
    let Some(record) = present() else { return };
    for (number, live) in crate::queues::live() {
        crate::packets::look(number, live);
        put_arguments(record, number);
    }
}

/// Keeps the arguments of kernels that the card may be at: written, not ended, and not behind the one whose turn it is.
fn put_arguments(record: Record, number: usize) {
    let queue = &record.queues()[number];
    let (ended, taken) = (queue.ended.load(Ordering::Relaxed), queue.taken.load(Ordering::Relaxed));
    // The two whose turn it can be, and those that may run beside them.
    let first = ended.max(taken.saturating_sub(BESIDE));
    for at in first..=taken {
        let packet = crate::packets::row(record, number, at);
        let kernel = packet.kernel.load(Ordering::Relaxed);
        let Some(kernel) = record.kernels().get(kernel as usize) else { continue };
        let address = packet.kernarg.load(Ordering::Relaxed);
        let Ok(wanted) = usize::try_from(kernel.kernarg_bytes.load(Ordering::Relaxed)) else {
            continue;
        };
        if packet.mark.load(Ordering::Acquire) == at + 1 && wanted > 0 {
            put_argument(record, number, at, address, wanted);
        }
    }
}

/// Forgets the arguments of a queue whose row another one gets.
pub(crate) fn forget_arguments(record: Record, number: usize) {
    let of_queue = |row: &&ArgumentsRow| row.queue.load(Ordering::Relaxed) as usize == number;
    record.arguments().iter().filter(of_queue).for_each(|row| row.mark.store(0, Ordering::Release));
}

fn put_argument(record: Record, number: usize, packet: u64, address: u64, wanted: usize) {
    let queue = u32::try_from(number).unwrap_or(NO_ROW);
    let is_kept = |row: &ArgumentsRow| {
        row.mark.load(Ordering::Acquire) != 0
            && row.queue.load(Ordering::Relaxed) == queue
            && row.packet.load(Ordering::Relaxed) == packet
    };
    if record.arguments().iter().any(is_kept) {
        return;
    }
    let used = ARGUMENTS.fetch_add(1, Ordering::Relaxed) as usize % count::ARGUMENTS;
    let row = &record.arguments()[used];
    row.mark.store(0, Ordering::Release);
    let mut words = [0_u64; 32];
    let (bytes, mark) = match read_memory(address, &mut words, wanted) {
        Ok(bytes) => (bytes, 1),
        Err(error) => (error, 2),
    };
    row.queue.store(queue, Ordering::Relaxed);
    put(&row.packet, packet);
    row.bytes.store(bytes, Ordering::Relaxed);
    row.wanted.store(u32::try_from(wanted).unwrap_or(u32::MAX), Ordering::Relaxed);
    for (place, word) in row.words.iter().zip(words) {
        put(place, word);
    }
    row.mark.store(mark, Ordering::Release);
}

/// Reads memory that may not be there: the kernel does it for us, and says so. Returns how many bytes there were; the number
/// of the error where the kernel does not let us ask, as in a sandbox, which says nothing about the memory.
fn read_memory(address: u64, into: &mut [u64; 32], wanted: usize) -> Result<u32, u32> {
    let length = wanted.min(size_of_val(into));
    let local = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: length };
    let remote = libc::iovec { iov_base: address as *mut c_void, iov_len: length };
    // SAFETY: writes at most `length` bytes, for which there is room; any address may be asked for.
    let got = unsafe { libc::process_vm_readv(libc::getpid(), &local, 1, &remote, 1, 0) };
    u32::try_from(got).or_else(|_| {
        // SAFETY: this thread's own number.
        match unsafe { *libc::__errno_location() } {
            libc::EFAULT => Ok(0),
            other => Err(other.unsigned_abs()),
        }
    })
}
