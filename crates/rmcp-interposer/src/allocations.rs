//! Allocations in the record, found by their address.
//!
//! An allocation is one of eight rows that its address allows, so that nothing is searched for long. One that finds only
//! living ones there is counted as lost; a freed one gives way to a new one when there is no empty row, the oldest first.

use crate::record::{Record, put};
use rmcp_record::layout::{AllocationRow, count};
use rmcp_record::words::{NO_ROW, allocation};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Rows that an address allows, and how many such groups there are.
const WAYS: usize = 8;
const PLACES: usize = count::ALLOCATIONS / WAYS;

/// Set in the key of an allocation that was freed. Addresses of allocations are even.
const FREED: u64 = 1;

/// In `Own::flags`: it was made before this process was forked, and has no row in its record.
const OF_PARENT: u32 = 1 << 31;

/// Addresses by row, together, so that a search touches one line of the cache.
#[repr(align(64))]
struct Keys([AtomicU64; WAYS]);

static KEYS: [Keys; PLACES] = [const { Keys([const { AtomicU64::new(0) }; WAYS]) }; PLACES];

/// When what was in a row was freed, together as well.
static FREED_AT: [Keys; PLACES] = [const { Keys([const { AtomicU64::new(0) }; WAYS]) }; PLACES];

/// What frees and guards need of an allocation, by row. It is kept here and not read from the record, whose file others can
/// write as well: an address that is wrong would be the program's end.
struct Own {
    bytes: AtomicU64,
    lead: AtomicU64,
    pool: AtomicU32,
    flags: AtomicU32,
}

static OWN: [[Own; WAYS]; PLACES] = [const {
    [const {
        Own {
            bytes: AtomicU64::new(0),
            lead: AtomicU64::new(0),
            pool: AtomicU32::new(NO_ROW),
            flags: AtomicU32::new(0),
        }
    }; WAYS]
}; PLACES];

/// What is recorded of an allocation when it is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Made {
    pub(crate) base: u64,
    pub(crate) bytes: u64,
    pub(crate) pool: u32,
    pub(crate) asked: u32,
    pub(crate) flags: u32,
    /// Bytes between where the runtime's allocation begins and `base`.
    pub(crate) lead: u64,
}

/// An allocation that was found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    key: u64,
    way: usize,
    pub(crate) bytes: u64,
    pub(crate) pool: u32,
    pub(crate) flags: u32,
    pub(crate) lead: u64,
}

/// Allocations differ in bits 12 and higher mostly; guarded ones also below.
fn place_of(base: u64) -> usize {
    ((base >> 8).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize & (PLACES - 1)
}

fn rows(record: Record, place: usize) -> &'static [AllocationRow] {
    record.allocations().get(place * WAYS..(place + 1) * WAYS).unwrap_or(&[])
}

/// Adds an allocation under the address by which it will be freed. Returns whether there was a row for it.
pub(crate) fn add(record: Record, key: u64, made: &Made, time: u64) -> bool {
    let key = key & !FREED;
    let place = place_of(key);
    let (keys, rows) = (&KEYS[place].0, rows(record, place));
    let claim = |way: usize, old: u64| {
        keys[way].compare_exchange(old, key, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    };
    let has = |way: usize| keys[way].load(Ordering::Relaxed);
    // The same address again: of the old one nothing is left.
    let again = |way: &usize| has(*way) | FREED == key | FREED && claim(*way, has(*way));
    let empty = || (0..WAYS).find(|&way| has(way) == 0 && claim(way, 0));
    let oldest = || {
        let freed = (0..WAYS).filter(|&way| has(way) & FREED != 0);
        let way = freed.min_by_key(|&way| FREED_AT[place].0[way].load(Ordering::Relaxed))?;
        claim(way, has(way) | FREED).then_some(way)
    };
    let way = (0..WAYS).find(again).or_else(empty).or_else(oldest);
    let Some((row, own)) = way.and_then(|way| Some((rows.get(way)?, OWN[place].get(way)?))) else {
        record.head().lost_allocations.fetch_add(1, Ordering::Relaxed);
        return false;
    };
    put(&own.bytes, made.bytes);
    put(&own.lead, made.lead);
    own.pool.store(made.pool, Ordering::Relaxed);
    own.flags.store(made.flags, Ordering::Relaxed);
    row.mark.store(0, Ordering::Release);
    put(&row.base, made.base);
    put(&row.bytes, made.bytes);
    put(&row.time, time);
    put(&row.freed, 0);
    row.pool.store(made.pool, Ordering::Relaxed);
    row.asked.store(made.asked, Ordering::Relaxed);
    row.flags.store(made.flags, Ordering::Relaxed);
    put(&row.lead, made.lead);
    row.mark.store(1, Ordering::Release);
    true
}

/// Finds an allocation that is there by the address under which it was added.
pub(crate) fn find(key: u64) -> Option<Found> {
    let key = key & !FREED;
    if key == 0 {
        return None;
    }
    let place = place_of(key);
    let way = KEYS[place].0.iter().position(|known| known.load(Ordering::Acquire) == key)?;
    let own = OWN[place].get(way)?;
    Some(Found {
        key,
        way,
        bytes: own.bytes.load(Ordering::Relaxed),
        pool: own.pool.load(Ordering::Relaxed),
        flags: own.flags.load(Ordering::Relaxed),
        lead: own.lead.load(Ordering::Relaxed),
    })
}

/// Forgets all allocations, in a child that was forked: their rows are in its parent's record. Of guarded ones the runtime
/// has another address than the program, which stays known.
pub(crate) fn forget() {
    let keys = KEYS.iter().flat_map(|keys| &keys.0);
    for (key, own) in keys.zip(OWN.iter().flatten()) {
        let known = key.load(Ordering::Relaxed);
        if known & FREED == 0 && own.flags.load(Ordering::Relaxed) & allocation::GUARDED != 0 {
            own.flags.fetch_or(OF_PARENT, Ordering::Relaxed);
            own.pool.store(NOWHERE, Ordering::Relaxed);
        } else {
            key.store(0, Ordering::Relaxed);
        }
    }
}

/// Whether an address is that of an allocation that was freed and not made again.
pub(crate) fn was_freed(key: u64) -> bool {
    key != 0
        && KEYS[place_of(key)].0.iter().any(|known| known.load(Ordering::Acquire) == key | FREED)
}

/// The row of an allocation, where it has one.
fn row(record: Option<Record>, found: &Found) -> Option<&'static AllocationRow> {
    let record = record.filter(|_| found.flags & OF_PARENT == 0)?;
    rows(record, place_of(found.key)).get(found.way)
}

/// Notes that an allocation was freed.
pub(crate) fn remove(record: Option<Record>, found: &Found, time: u64) {
    if let Some(row) = row(record, found) {
        put(&row.freed, time);
        row.mark.store(2, Ordering::Release);
    }
    let place = place_of(found.key);
    if let (Some(known), Some(at)) =
        (KEYS[place].0.get(found.way), FREED_AT[place].0.get(found.way))
    {
        put(at, time);
        known.store(found.key | FREED, Ordering::Release);
    }
}

/// Notes that the addresses of what was freed are kept from being used again.
pub(crate) fn note_quarantine(record: Option<Record>, found: &Found) {
    if let Some(row) = row(record, found) {
        row.flags.fetch_or(allocation::QUARANTINED, Ordering::Relaxed);
    }
}

/// No pool.
pub(crate) const NOWHERE: u32 = NO_ROW;
