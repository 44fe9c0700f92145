//! Packets of a queue's ring, copied into the record before the card hears of them, and what is known of their end.
//!
//! The packet processor writes into the ring too: a packet that it has taken has an invalid header, as has one that is not
//! written yet. Only the last number rung, and packets before the queue's read index, are certainly written; where it
//! is not certain, reading stops and goes on at the next ring.

use crate::hsa::{Packet, Queue, Signal, packet};
use crate::queues::Live;
use crate::record::{Record, now, put, record};
use crate::table::{LOAD_READ_INDEX, LOAD_WRITE_INDEX, SIGNAL_LOAD};
use crate::{kernels, record};
use rmcp_record::layout::{PacketRow, QueueRow, count};
use rmcp_record::words::{BARRIER, ENDED, LOST_KERNEL, NO_KERNEL};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering, fence};

/// Packets with a completion signal of which the end was not seen, for each queue. HIP keeps fewer signals for a queue.
const SIGNALS: usize = 64;

/// How often the processor is handed to a thread that reads, before the packets are left to it: some milliseconds.
const PATIENCE: u32 = 1000;

/// Packets whose end a signal will show, oldest first. Used by who holds `Live::busy` alone.
pub(crate) struct Pending {
    first: AtomicU64,
    end: AtomicU64,
    signals: [AtomicU64; SIGNALS],
    packets: [AtomicU64; SIGNALS],
    /// What each signal was before its packet was taken; it is over when the signal is less, and not above 0.
    values: [AtomicI64; SIGNALS],
    /// Signals of packets before this one are not looked at: one of them may be gone.
    silent: AtomicU64,
}

impl Pending {
    pub(crate) const fn new() -> Self {
        Self {
            first: AtomicU64::new(0),
            end: AtomicU64::new(0),
            signals: [const { AtomicU64::new(0) }; SIGNALS],
            packets: [const { AtomicU64::new(0) }; SIGNALS],
            values: [const { AtomicI64::new(0) }; SIGNALS],
            silent: AtomicU64::new(0),
        }
    }

    pub(crate) fn clear(&self) {
        self.first.store(0, Ordering::Relaxed);
        self.end.store(0, Ordering::Relaxed);
        self.silent.store(0, Ordering::Relaxed);
    }

    /// Adds the signal of a packet, which the processor may have taken.
    fn add(&self, signal: u64, packet: u64, is_taken: bool) {
        if signal == 0 || packet < self.silent.load(Ordering::Relaxed) {
            return;
        }
        // Of a packet that was taken, the signal says no more what it was.
        let value = if is_taken { None } else { load(signal) };
        let end = self.end.load(Ordering::Relaxed);
        self.signals[place_of(end)].store(signal, Ordering::Relaxed);
        self.packets[place_of(end)].store(packet, Ordering::Relaxed);
        self.values[place_of(end)].store(value.unwrap_or(i64::MAX), Ordering::Relaxed);
        self.end.store(end + 1, Ordering::Relaxed);
        let first = self.first.load(Ordering::Relaxed);
        // The oldest is forgotten: nobody will say of it that it has ended.
        if end + 1 - first > SIGNALS as u64 {
            self.first.store(first + 1, Ordering::Relaxed);
        }
    }

    /// Whether a packet has ended, by its place among those that are waited for.
    fn is_over(&self, place: usize) -> bool {
        let signal = self.signals[place].load(Ordering::Relaxed);
        if signal == GONE {
            return true;
        }
        let value = load(signal);
        value.is_some_and(|value| value <= 0 && value < self.values[place].load(Ordering::Relaxed))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low bits are wanted")]
#[inline]
fn place_of(number: u64) -> usize {
    number as usize & (SIGNALS - 1)
}

#[expect(clippy::cast_possible_truncation, reason = "the low bits are wanted")]
#[inline]
fn row_of(number: u64) -> usize {
    number as usize & (count::PACKETS - 1)
}

/// The row of a packet.
pub(crate) fn row(record: Record, queue: usize, packet: u64) -> &'static PacketRow {
    &record.packets(queue)[row_of(packet)]
}

/// Which packets are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// Those of which the doorbell has said.
    Rung,
    /// All that are written, whether or not the doorbell was rung.
    Written,
}

/// Puts the packets of which the doorbell has said into the record.
#[inline]
pub(crate) fn read(number: usize, live: &Live) {
    loop {
        if live.busy.swap(true, Ordering::SeqCst) {
            if is_kept_up_with(live) {
                return;
            }
            continue;
        }
        let told = take(number, live, Until::Rung);
        live.busy.swap(false, Ordering::SeqCst);
        // Somebody may have rung while this was going on. That there is more to read than was rung says nothing: a
        // program may ring with any number, and packets that are not there are not waited for.
        if told.is_none_or(|told| live.rung.load(Ordering::SeqCst) == told) {
            return;
        }
    }
}

/// Whether who is reading can be left alone with it. Where he was interrupted and half the ring has not been read, what
/// comes next would soon overwrite it: then the processor is handed to him, but not for ever.
#[cold]
fn is_kept_up_with(live: &Live) -> bool {
    for _ in 0..PATIENCE {
        let (rung, seen) = (live.rung.load(Ordering::SeqCst), live.seen.load(Ordering::Relaxed));
        if rung.saturating_sub(seen) <= live.patience.load(Ordering::Relaxed) {
            return true;
        }
        if !live.busy.load(Ordering::SeqCst) {
            return false;
        }
        std::thread::yield_now();
    }
    true
}

/// Looks at a queue again: packets that were not read, those taken, and those that have ended. Leaves it where another
/// thread is at it.
pub(crate) fn look(number: usize, live: &Live) {
    if live.busy.swap(true, Ordering::SeqCst) {
        return;
    }
    take(number, live, Until::Written);
    if let Some(record) = record::present() {
        settle_all(record, number, live);
    }
    live.busy.swap(false, Ordering::SeqCst);
}

/// A signal that is about to be destroyed: its owner needs it no more, so what it stood for is over.
///
/// Nobody looks at it afterwards: packets that name it and were not read are read here, and where that cannot be, the
/// signals of all that are written are left alone.
pub(crate) fn forget_signal(number: usize, live: &Live, signal: u64) {
    while live.busy.swap(true, Ordering::SeqCst) {
        std::thread::yield_now();
    }
    if let Some(written) = written(live)
        && live.seen.load(Ordering::Relaxed) < written
    {
        take(number, live, Until::Written);
        if live.seen.load(Ordering::Relaxed) < written {
            live.pending.silent.store(written, Ordering::Relaxed);
        }
    }
    for known in &live.pending.signals {
        // Signals are pointers: none is 1. It reads as one that has ended.
        let _ = known.compare_exchange(signal, GONE, Ordering::Relaxed, Ordering::Relaxed);
    }
    live.busy.swap(false, Ordering::SeqCst);
}

/// How many packets of a queue are written or about to be. For who holds `Live::busy`.
fn written(live: &Live) -> Option<u64> {
    let handle = live.queue.load(Ordering::Acquire);
    let write_index = LOAD_WRITE_INDEX.before().filter(|_| !handle.is_null())?;
    // SAFETY: the runtime's function; a queue stays until `queue_destroy`, which takes the pointer away and then waits
    // until nobody is here.
    Some(unsafe { write_index(handle) })
}

/// What stands for a signal that was destroyed.
const GONE: u64 = 1;

/// Reads packets, for who holds `Live::busy`. Returns the number up to which the doorbell had said that they are written;
/// `None` where there is no queue.
fn take(number: usize, live: &Live, until: Until) -> Option<u64> {
    let record = record()?;
    let handle = live.queue.load(Ordering::Acquire);
    // SAFETY: a queue stays until `queue_destroy`, which takes the pointer away and then waits until nobody is here.
    let queue = unsafe { handle.as_ref() }?;
    let (read_index, write_index) = (LOAD_READ_INDEX.before()?, LOAD_WRITE_INDEX.before()?);
    // SAFETY: the runtime's functions, on a queue that is there.
    let (taken, written) = unsafe { (read_index(handle), write_index(handle)) };
    let rung = live.rung.load(Ordering::SeqCst);
    let end = if until == Until::Rung { rung.min(written) } else { written };
    let size = u64::from(queue.size);
    // Packets before this one may have been overwritten: a later one has their place, and theirs was taken.
    let lost_before = || {
        // SAFETY: as above.
        let bound = unsafe { write_index(handle) }.saturating_sub(size);
        // SAFETY: as above.
        if bound == 0 { 0 } else { bound.min(unsafe { read_index(handle) }) }
    };
    let row = &record.queues()[number];
    let mut seen = live.seen.load(Ordering::Relaxed);
    let first = seen.max(written.saturating_sub(size).min(taken).min(end));
    if first != seen {
        row.missed.fetch_add(first - seen, Ordering::Relaxed);
        seen = first;
        live.seen.store(seen, Ordering::Relaxed);
    }
    if seen < end {
        let time = now();
        while seen < end {
            let Some(packet) = packet_at(queue, seen) else { break };
            let certain = seen < taken || (until == Until::Rung && seen + 1 == rung);
            if packet.header & 0xff == packet::INVALID && !certain {
                break;
            }
            // Where it was overwritten while it was copied, it is no more the one of this number.
            fence(Ordering::Acquire);
            if seen < lost_before() {
                row.missed.fetch_add(1, Ordering::Relaxed);
            } else {
                put_packet(record, number, seen, &packet, time);
                live.pending.add(packet.signal, seen, seen < taken);
            }
            seen += 1;
            live.seen.store(seen, Ordering::Relaxed);
        }
        put(&row.written, seen);
        put(&record.head().seen, time);
    }
    put(&row.taken, taken);
    settle_first(record, number, live);
    Some(rung)
}

/// A copy of a packet in the ring.
#[inline]
fn packet_at(queue: &Queue, number: u64) -> Option<Packet> {
    const WORDS: usize = size_of::<Packet>() / size_of::<u64>();
    let (size, base) = (u64::from(queue.size), queue.base.cast::<u64>());
    if size == 0 || base.is_null() || !base.is_aligned() {
        return None;
    }
    let at = usize::try_from(number % size).ok()?;
    // SAFETY: the ring has `size` packets of 64 bytes at `base`. The processor, and who writes a later packet, may store
    // there meanwhile: words are therefore read as atomics, and that of the header first, as the program wrote it last.
    let words = unsafe {
        let place = base.add(at * WORDS);
        let first = AtomicU64::from_ptr(place).load(Ordering::Acquire);
        let mut words = [first; WORDS];
        for (at, word) in words.iter_mut().enumerate().skip(1) {
            *word = AtomicU64::from_ptr(place.add(at)).load(Ordering::Relaxed);
        }
        words
    };
    // SAFETY: a packet is made of numbers alone, has no gaps, and as many bytes.
    Some(unsafe { std::mem::transmute::<[u64; WORDS], Packet>(words) })
}

#[inline]
fn put_packet(record: Record, number: usize, at: u64, packet: &Packet, time: u64) {
    let row = &record.packets(number)[row_of(at)];
    let kind = packet.header & 0xff;
    let found = kernels::row_of(packet.kernel_object);
    // Of a packet that the processor has taken, the header says no more what it was.
    let kernel = match (kind, found) {
        (packet::KERNEL_DISPATCH | packet::INVALID, Some(row)) => row,
        (packet::KERNEL_DISPATCH, None) => LOST_KERNEL,
        _ => NO_KERNEL,
    };
    row.mark.store(0, Ordering::Release);
    put(&row.time, time);
    put(&row.kernarg, packet.kernarg);
    put(&row.signal, packet.signal);
    row.kernel.store(kernel, Ordering::Relaxed);
    for (place, value) in row.grid.iter().zip(packet.grid) {
        place.store(value, Ordering::Relaxed);
    }
    for (place, value) in row.group.iter().zip(packet.group) {
        place.store(value, Ordering::Relaxed);
    }
    row.header.store(packet.header & !ENDED, Ordering::Relaxed);
    row.private.store(packet.private, Ordering::Relaxed);
    row.lds.store(packet.lds, Ordering::Relaxed);
    row.mark.store(at + 1, Ordering::Release);
    if kernel != NO_KERNEL {
        record.queues()[number].dispatches.fetch_add(1, Ordering::Relaxed);
    }
}

/// What a signal is.
fn load(signal: u64) -> Option<i64> {
    let load = SIGNAL_LOAD.before()?;
    // SAFETY: a signal of a packet of the program. It is there: who calls this holds `Live::busy`, and `forget_signal`,
    // which is called before it is destroyed, takes that too, reads the packets that name it, and takes it out.
    Some(unsafe { load(Signal { handle: signal }) })
}

/// Notes which of the oldest packets have ended.
#[inline]
fn settle_first(record: Record, number: usize, live: &Live) {
    let pending = &live.pending;
    let (mut first, end) =
        (pending.first.load(Ordering::Relaxed), pending.end.load(Ordering::Relaxed));
    while first < end && pending.is_over(place_of(first)) {
        note_end(record, number, pending.packets[place_of(first)].load(Ordering::Relaxed));
        first += 1;
    }
    pending.first.store(first, Ordering::Relaxed);
}

/// Notes of all packets whether they have ended: a signal that was used again hides what came before it.
fn settle_all(record: Record, number: usize, live: &Live) {
    let pending = &live.pending;
    for at in pending.first.load(Ordering::Relaxed)..pending.end.load(Ordering::Relaxed) {
        if pending.is_over(place_of(at)) {
            note_end(record, number, pending.packets[place_of(at)].load(Ordering::Relaxed));
        }
    }
}

/// A packet has ended; with its barrier bit, all before it as well.
fn note_end(record: Record, number: usize, packet: u64) {
    let queue: &QueueRow = &record.queues()[number];
    let row: &PacketRow = &record.packets(number)[row_of(packet)];
    let ended = queue.ended.load(Ordering::Relaxed);
    let in_order = if row.mark.load(Ordering::Relaxed) == packet + 1 {
        row.header.fetch_or(ENDED, Ordering::Relaxed) & BARRIER != 0
    } else {
        false
    };
    if packet >= ended && (in_order || packet == ended) {
        put(&queue.ended, packet + 1);
    }
}
