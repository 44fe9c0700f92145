//! The record's file in this process's memory: the one place where its rows are found and texts are put.
//!
//! Every row is made of atomics, so any thread may store into it at any time. Nothing here allocates or locks.

use rmcp_record::layout::{
    AgentRow, AllocationRow, ArgumentsRow, CodeRow, EventRow, Head, KernelRow, PacketRow, PoolRow,
    QueueRow, Text, count, place,
};
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

/// Where the file is mapped; null where nothing is recorded.
static BASE: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());

/// A record that is being written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record {
    base: *mut u8,
}

/// The record of this process, where it has one.
#[inline]
pub(crate) fn record() -> Option<Record> {
    let base = BASE.load(Ordering::Acquire);
    if base.is_null() { crate::process::attach() } else { Some(Record { base }) }
}

/// Makes a mapping of [`place::END`] bytes the record of this process; null for none.
pub(crate) fn set(base: *mut u8) {
    BASE.store(base, Ordering::Release);
}

/// The record as it is, without making one.
pub(crate) fn present() -> Option<Record> {
    let base = BASE.load(Ordering::Acquire);
    (!base.is_null()).then_some(Record { base })
}

/// Nanoseconds of the clock that all times are of.
#[inline]
pub(crate) fn now() -> u64 {
    clock(libc::CLOCK_MONOTONIC)
}

/// Nanoseconds since 1970.
pub(crate) fn today() -> u64 {
    clock(libc::CLOCK_REALTIME)
}

#[inline]
fn clock(which: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes the time, through the page that it shares with every process.
    unsafe { libc::clock_gettime(which, &mut time) };
    time.tv_sec
        .cast_unsigned()
        .wrapping_mul(1_000_000_000)
        .wrapping_add(time.tv_nsec.cast_unsigned())
}

/// Names of tables, with what their rows are.
macro_rules! tables {
    ($($name:ident $type:ident $place:ident $count:ident;)*) => {
        $(pub(crate) fn $name(self) -> &'static [$type; count::$count] {
            self.at(place::$place)
        })*
    };
}

impl Record {
    /// The record in a mapping of [`place::END`] bytes.
    pub(crate) fn at_place(base: *mut u8) -> Self {
        Self { base }
    }

    /// A type of atomics at a place of the file.
    #[inline]
    fn at<T>(self, place: usize) -> &'static T {
        debug_assert!(place + size_of::<T>() <= place::END);
        // SAFETY: the mapping has `place::END` bytes, is as aligned as a page and never unmapped but in a child that was
        // forked, where no other thread is; the layout's tables lie within it, each aligned; atomics may be written by
        // several at once, and any bytes are a value of theirs.
        unsafe { &*self.base.add(place).cast::<T>() }
    }

    /// The head.
    #[inline]
    pub(crate) fn head(self) -> &'static Head {
        self.at(0)
    }

    tables! {
        agents AgentRow AGENTS AGENTS;
        pools PoolRow POOLS POOLS;
        queues QueueRow QUEUES QUEUES;
        arguments ArgumentsRow ARGUMENTS ARGUMENTS;
        codes CodeRow CODES CODES;
        kernels KernelRow KERNELS KERNELS;
        allocations AllocationRow ALLOCATIONS ALLOCATIONS;
        events EventRow EVENTS EVENTS;
    }

    /// The packets of a queue.
    #[inline]
    pub(crate) fn packets(self, queue: usize) -> &'static [PacketRow; count::PACKETS] {
        let queue = queue % count::QUEUES;
        self.at(place::PACKETS + queue * count::PACKETS * size_of::<PacketRow>())
    }

    /// Keeps a text and says where; what has no room is left out and counted.
    pub(crate) fn put(self, text: &[u8], into: &Text) {
        let head = self.head();
        let Ok(bytes) = u32::try_from(text.len()) else { return };
        let room = |used: u32| used.checked_add(bytes).filter(|&end| end as usize <= count::TEXT);
        let Ok(at) = head.text_used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room) else {
            head.lost_texts.fetch_add(1, Ordering::Relaxed);
            return;
        };
        // SAFETY: `bytes` bytes from `at` on lie within the text's table, and were given to nobody else.
        unsafe {
            let place = self.base.add(place::TEXT + at as usize);
            std::ptr::copy_nonoverlapping(text.as_ptr(), place, text.len());
        }
        into.at.store(at, Ordering::Relaxed);
        into.bytes.store(bytes, Ordering::Relaxed);
    }

    /// Takes the next row of a table that is only ever filled.
    pub(crate) fn next(self, used: &AtomicU32, rows: usize) -> Option<usize> {
        let taken = used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            ((used as usize) < rows).then_some(used + 1)
        });
        taken.ok().map(|row| row as usize)
    }

    /// Adds an event.
    pub(crate) fn event(self, kind: u32, status: u32, values: [u64; 5]) {
        let time = now();
        self.event_at(time, kind, status, values);
    }

    /// Adds an event of this time.
    pub(crate) fn event_at(self, time: u64, kind: u32, status: u32, values: [u64; 5]) {
        let head = self.head();
        let number = head.events.fetch_add(1, Ordering::Relaxed);
        let row = &self.events()[row_of(number)];
        row.mark.store(0, Ordering::Release);
        row.time.store(time, Ordering::Relaxed);
        row.kind.store(kind, Ordering::Relaxed);
        row.status.store(status, Ordering::Relaxed);
        for (place, value) in row.values.iter().zip(values) {
            place.store(value, Ordering::Relaxed);
        }
        row.mark.store(number.wrapping_add(1), Ordering::Release);
        head.seen.store(time, Ordering::Relaxed);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low bits are wanted")]
fn row_of(number: u64) -> usize {
    number as usize & (count::EVENTS - 1)
}

/// Stores a value that others see no later than what is stored after it.
#[inline]
pub(crate) fn put(place: &AtomicU64, value: u64) {
    place.store(value, Ordering::Relaxed);
}
