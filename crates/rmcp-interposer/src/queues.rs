//! The program's queues: found by the doorbell that is rung.
//!
//! A queue that ROCr intercepts costs microseconds for each packet. The store to the doorbell is a call that every user
//! of a queue makes anyway, after the packets are written and before the card may see them; reading them there costs some
//! tens of nanoseconds, and nothing is changed.

use crate::hsa::{self, Agent, Queue, QueueCallback, Signal, Status};
use crate::packets::Pending;
use crate::record::{now, record};
use crate::table::{
    LOAD_READ_INDEX, LOAD_WRITE_INDEX, QUEUE_CREATE, QUEUE_DESTROY, SIGNAL_STORE_RELAXED,
    SIGNAL_STORE_SCRELEASE, Table,
};
use rmcp_record::layout::{QueueRow, count};
use rmcp_record::words::event;
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// A queue of this process.
#[repr(align(64))]
pub(crate) struct Live {
    /// 1 while the row is taken.
    taken: AtomicBool,
    pub(crate) queue: AtomicPtr<Queue>,
    /// One more than the highest number that the doorbell was rung with.
    pub(crate) rung: AtomicU64,
    /// Packets that are in the record.
    pub(crate) seen: AtomicU64,
    /// Somebody is reading packets; whoever comes meanwhile leaves his to him.
    pub(crate) busy: AtomicBool,
    /// Packets that may wait to be read: half of what the ring holds.
    pub(crate) patience: AtomicU64,
    pub(crate) pending: Pending,
    /// What the program wants called when the queue fails.
    callback: AtomicUsize,
    data: AtomicPtr<c_void>,
}

static LIVE: [Live; count::QUEUES] = [const {
    Live {
        taken: AtomicBool::new(false),
        queue: AtomicPtr::new(std::ptr::null_mut()),
        rung: AtomicU64::new(0),
        seen: AtomicU64::new(0),
        busy: AtomicBool::new(false),
        patience: AtomicU64::new(0),
        pending: Pending::new(),
        callback: AtomicUsize::new(0),
        data: AtomicPtr::new(std::ptr::null_mut()),
    }
}; count::QUEUES];

/// Doorbells that share a place, and places.
const WAYS: usize = 8;
const PLACES: usize = 64;

#[repr(align(64))]
struct Doorbells([AtomicU64; WAYS]);

static DOORBELLS: [Doorbells; PLACES] =
    [const { Doorbells([const { AtomicU64::new(0) }; WAYS]) }; PLACES];
static NUMBERS: [[AtomicU8; WAYS]; PLACES] = [const { [const { AtomicU8::new(0) }; WAYS] }; PLACES];

pub(crate) fn hook(tables: (Table, Table)) {
    LOAD_READ_INDEX.keep(tables);
    LOAD_WRITE_INDEX.keep(tables);
    QUEUE_CREATE.replace(tables, queue_create);
    QUEUE_DESTROY.replace(tables, queue_destroy);
    SIGNAL_STORE_RELAXED.replace(tables, signal_store_relaxed);
    SIGNAL_STORE_SCRELEASE.replace(tables, signal_store_screlease);
}

/// The queues that are there, with their numbers.
pub(crate) fn live() -> impl Iterator<Item = (usize, &'static Live)> {
    LIVE.iter().enumerate().filter(|(_, live)| !live.queue.load(Ordering::Acquire).is_null())
}

/// For how many milliseconds threads that read packets are waited for when the runtime has shut down.
const PATIENCE: u32 = 1000;

/// Forgets all queues, when the runtime has shut down. Who reads packets of one is waited for; a row that he does not leave
/// is used no more.
pub(crate) fn forget() {
    forget_doorbells();
    let mut waited = 0;
    for live in &LIVE {
        live.queue.store(std::ptr::null_mut(), Ordering::SeqCst);
        let mut is_left = !live.busy.swap(true, Ordering::SeqCst);
        while !is_left && waited < PATIENCE {
            std::thread::sleep(Duration::from_millis(1));
            waited += 1;
            is_left = !live.busy.swap(true, Ordering::SeqCst);
        }
        if is_left {
            live.pending.clear();
            live.taken.store(false, Ordering::Relaxed);
            live.busy.store(false, Ordering::SeqCst);
        }
    }
}

/// Forgets all queues in a child that was forked, which cannot use them, and in which no other thread is.
pub(crate) fn forget_parents() {
    forget_doorbells();
    for live in &LIVE {
        live.queue.store(std::ptr::null_mut(), Ordering::SeqCst);
        live.pending.clear();
        live.taken.store(false, Ordering::Relaxed);
        live.busy.store(false, Ordering::SeqCst);
    }
}

fn forget_doorbells() {
    for place in &DOORBELLS {
        place.0.iter().for_each(|doorbell| doorbell.store(0, Ordering::Relaxed));
    }
}

/// Handles of signals are addresses of objects of 64 bytes or more.
#[inline]
fn place_of(doorbell: u64) -> usize {
    ((doorbell >> 6).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as usize & (PLACES - 1)
}

#[inline]
fn find(doorbell: u64) -> Option<usize> {
    // 0 is an empty place, and 1 one that is being filled: neither is a signal.
    if doorbell <= 1 {
        return None;
    }
    let place = place_of(doorbell);
    let way =
        DOORBELLS[place].0.iter().position(|known| known.load(Ordering::Acquire) == doorbell)?;
    Some(usize::from(NUMBERS[place][way].load(Ordering::Relaxed)) % count::QUEUES)
}

/// Says at which doorbell a queue listens. `false` where there is no room.
fn remember(doorbell: u64, number: usize) -> bool {
    let place = place_of(doorbell);
    let free = |way: &usize| {
        DOORBELLS[place].0[*way].compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    };
    let Some(way) = (0..WAYS).find(free) else { return false };
    NUMBERS[place][way].store(u8::try_from(number).unwrap_or(0), Ordering::Relaxed);
    DOORBELLS[place].0[way].store(doorbell, Ordering::Release);
    true
}

fn forget_doorbell(doorbell: u64) {
    let known = &DOORBELLS[place_of(doorbell)].0;
    if let Some(found) = known.iter().find(|known| known.load(Ordering::Relaxed) == doorbell) {
        found.store(0, Ordering::Release);
    }
}

unsafe extern "C" fn signal_store_relaxed(signal: Signal, value: i64) {
    rung(signal, value);
    if let Some(before) = SIGNAL_STORE_RELAXED.before() {
        // SAFETY: the program's own arguments.
        unsafe { before(signal, value) }
    }
}

unsafe extern "C" fn signal_store_screlease(signal: Signal, value: i64) {
    rung(signal, value);
    if let Some(before) = SIGNAL_STORE_SCRELEASE.before() {
        // SAFETY: the program's own arguments.
        unsafe { before(signal, value) }
    }
}

/// A store to a signal, which may be the doorbell of a queue.
#[inline]
fn rung(signal: Signal, value: i64) {
    if let Some(number) = find(signal.handle)
        && record().is_some()
    {
        LIVE[number].rung.fetch_max(value.cast_unsigned().wrapping_add(1), Ordering::SeqCst);
        crate::packets::read(number, &LIVE[number]);
    }
}

unsafe extern "C" fn queue_create(
    agent: Agent,
    size: u32,
    kind: u32,
    callback: Option<QueueCallback>,
    data: *mut c_void,
    private: u32,
    group: u32,
    queue: *mut *mut Queue,
) -> Status {
    let Some(before) = QUEUE_CREATE.before() else { return hsa::ERROR };
    let Some(number) = take_row() else {
        // SAFETY: the program's own arguments.
        return unsafe { before(agent, size, kind, callback, data, private, group, queue) };
    };
    let live = &LIVE[number];
    live.callback.store(callback.map_or(0, |function| function as usize), Ordering::Relaxed);
    live.data.store(data, Ordering::Relaxed);
    // Where the program has no function, the runtime has one of its own, which it must not lose.
    let (called, with) = match callback {
        Some(_) => {
            (Some(queue_failed as QueueCallback), std::ptr::from_ref(live).cast_mut().cast())
        }
        None => (None, data),
    };
    // SAFETY: the program's own arguments, but for a function of ours that hands on to the program's, with data that stays.
    let status = unsafe { before(agent, size, kind, called, with, private, group, queue) };
    // SAFETY: the runtime has written the queue where it says that it was made.
    let made = if status == hsa::SUCCESS { unsafe { queue.as_ref() } } else { None };
    // SAFETY: as above.
    match made.and_then(|&made| Some((made, unsafe { made.as_ref() }?))) {
        Some((handle, made)) => begin(number, agent, handle, made),
        None => live.taken.store(false, Ordering::Release),
    }
    status
}

/// A row that no queue uses: one that was never used, or that of the queue that is gone longest.
fn take_row() -> Option<usize> {
    let record = record()?;
    let destroyed = |number: &usize| record.queues()[*number].destroyed.load(Ordering::Relaxed);
    for _ in 0..count::QUEUES {
        let free = (0..count::QUEUES).filter(|&number| !LIVE[number].taken.load(Ordering::Relaxed));
        let Some(number) = free.min_by_key(destroyed) else { break };
        // Another thread may have been quicker; then it is another row.
        if !LIVE[number].taken.swap(true, Ordering::AcqRel) {
            return Some(number);
        }
    }
    record.head().lost_queues.fetch_add(1, Ordering::Relaxed);
    None
}

fn begin(number: usize, agent: Agent, handle: *mut Queue, queue: &Queue) {
    let (Some(record), live) = (record(), &LIVE[number]) else { return };
    let row = &record.queues()[number];
    row.mark.store(0, Ordering::Release);
    for packet in record.packets(number) {
        packet.mark.store(0, Ordering::Relaxed);
        packet.time.store(0, Ordering::Relaxed);
    }
    crate::faults::forget_arguments(record, number);
    row.agent.store(crate::agents::row_of(agent), Ordering::Relaxed);
    row.id.store(queue.id, Ordering::Relaxed);
    row.handle.store(handle as u64, Ordering::Relaxed);
    row.size.store(queue.size, Ordering::Relaxed);
    row.error.store(0, Ordering::Relaxed);
    row.created.store(now(), Ordering::Relaxed);
    let zeroed = [
        &row.destroyed,
        &row.failed,
        &row.written,
        &row.taken,
        &row.ended,
        &row.dispatches,
        &row.missed,
    ];
    zeroed.iter().for_each(|place| place.store(0, Ordering::Relaxed));
    row.mark.store(1, Ordering::Release);
    live.patience.store(u64::from(queue.size) / 2, Ordering::Relaxed);
    live.rung.store(0, Ordering::Relaxed);
    live.seen.store(0, Ordering::Relaxed);
    live.pending.clear();
    live.queue.store(handle, Ordering::Release);
    if !remember(queue.doorbell.handle, number) {
        record.head().lost_queues.fetch_add(1, Ordering::Relaxed);
    }
    record.event(
        event::QUEUE,
        hsa::SUCCESS,
        [number as u64, handle as u64, u64::from(queue.size), 0, 0],
    );
}

unsafe extern "C" fn queue_destroy(queue: *mut Queue) -> Status {
    let Some(before) = QUEUE_DESTROY.before() else { return hsa::ERROR };
    // In a child that was forked, the queues of its parent are forgotten first: who held one of them is not there.
    let present = record();
    let found =
        live().find(|(_, live)| present.is_some() && live.queue.load(Ordering::Acquire) == queue);
    if let Some((number, live)) = found {
        // SAFETY: a queue of this process, which is still there.
        if let Some(queue) = unsafe { queue.as_ref() } {
            forget_doorbell(queue.doorbell.handle);
        }
        live.queue.store(std::ptr::null_mut(), Ordering::Release);
        // Who still reads its packets is done in some nanoseconds.
        while live.busy.swap(true, Ordering::SeqCst) {
            std::thread::yield_now();
        }
        if let Some(record) = present {
            let row = &record.queues()[number];
            end(row);
            record.event(event::QUEUE_END, hsa::SUCCESS, [number as u64, queue as u64, 0, 0, 0]);
        }
        live.busy.store(false, Ordering::SeqCst);
    }
    // SAFETY: the program's own argument.
    let status = unsafe { before(queue) };
    if let Some((_, live)) = found {
        live.taken.store(false, Ordering::Release);
    }
    status
}

fn end(row: &QueueRow) {
    row.destroyed.store(now(), Ordering::Relaxed);
    row.mark.store(2, Ordering::Release);
}

/// The runtime has stopped a queue. What was going on is written down, then the program's own function is called.
unsafe extern "C" fn queue_failed(status: Status, queue: *mut Queue, ours: *mut c_void) {
    // SAFETY: what `queue_create` gave: one of `LIVE`.
    let Some(live) = (unsafe { ours.cast::<Live>().as_ref() }) else { return };
    let number = LIVE.iter().position(|known| std::ptr::eq(known, live));
    if let (Some(record), Some(number)) = (record(), number) {
        let row = &record.queues()[number];
        row.error.store(status, Ordering::Relaxed);
        row.failed.store(now(), Ordering::Relaxed);
        record.event(event::QUEUE_ERROR, status, [number as u64, queue as u64, 0, 0, 0]);
    }
    crate::faults::look_at_everything();
    let callback = live.callback.load(Ordering::Relaxed);
    if callback != 0 {
        // SAFETY: the program's function, which it gave as one of this type.
        let callback = unsafe { std::mem::transmute::<usize, QueueCallback>(callback) };
        // SAFETY: the runtime's arguments, with the data that the program gave.
        unsafe { callback(status, queue, live.data.load(Ordering::Relaxed)) }
    }
}
