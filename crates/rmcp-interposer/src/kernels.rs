//! Which kernel an address in a packet is: found in some nanoseconds, without a lock.

use rmcp_record::words::LOST_KERNEL;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Kernels that share a place.
const WAYS: usize = 8;

/// Places; a power of two.
const PLACES: usize = 1024;

/// One line of the cache.
#[repr(align(64))]
struct Keys([AtomicU64; WAYS]);

static KEYS: [Keys; PLACES] = [const { Keys([const { AtomicU64::new(0) }; WAYS]) }; PLACES];
static ROWS: [[AtomicU32; WAYS]; PLACES] =
    [const { [const { AtomicU32::new(LOST_KERNEL) }; WAYS] }; PLACES];

/// Descriptors of kernels are aligned to 64 bytes. Source: LLVM `AMDGPUUsage.rst`, "Kernel Descriptor".
fn place_of(object: u64) -> usize {
    ((object >> 6).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize & (PLACES - 1)
}

/// The row of a kernel.
#[inline]
pub(crate) fn row_of(object: u64) -> Option<u32> {
    // What is 0 is no kernel's, and would be found in every empty place.
    if object == 0 {
        return None;
    }
    let place = place_of(object);
    let way = KEYS[place].0.iter().position(|key| key.load(Ordering::Acquire) == object)?;
    Some(ROWS[place][way].load(Ordering::Relaxed))
}

/// Remembers the row of a kernel; a later one at the same address takes its place.
pub(crate) fn remember(object: u64, row: u32) {
    let place = place_of(object);
    let keys = &KEYS[place].0;
    let same = keys.iter().position(|key| key.load(Ordering::Relaxed) == object);
    let way = same.or_else(|| {
        let free = |key: &AtomicU64| {
            key.compare_exchange(0, object, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        };
        keys.iter().position(free)
    });
    // Where all ways are taken, one of them is forgotten, and found again when it is looked up again.
    let way = way.unwrap_or(row as usize % WAYS);
    // Who looks for another one meanwhile does not find this row.
    keys[way].store(0, Ordering::Release);
    ROWS[place][way].store(row, Ordering::Release);
    keys[way].store(object, Ordering::Release);
}

/// Forgets all kernels, in a child that was forked: their rows are in its parent's record.
pub(crate) fn forget() {
    KEYS.iter().flat_map(|keys| &keys.0).for_each(|key| key.store(0, Ordering::Relaxed));
}
