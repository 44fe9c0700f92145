//! Guards: an allocation ends where its last page ends, behind which nothing is mapped, and what was freed stays unmapped
//! for a while. Then an access beyond the end, or to what is no more, is a fault at once, with its address.

use crate::agents::Pool;
use crate::hsa::{EXECUTABLE_FLAG, pool_flag};
use crate::policy;
use std::ffi::c_void;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Pages of the card and of the processor.
const PAGE: u64 = 4096;

/// What HIP promises of an address, and so the most that an access may go beyond the end unnoticed, less one.
/// Source: HIP `hip_memory.cpp`, allocations are aligned to 256 bytes.
const ALIGNMENT: u64 = 256;

/// Blocks out of which ROCr gives several small allocations, where it is not told to leave that.
/// Source: ROCr `core/inc/amd_memory_region.h`, `BlockAllocator::block_size`.
const BLOCK: u64 = 2 << 20;

/// How many freed allocations stay unmapped.
const KEPT: usize = 1024;

static BASES: [AtomicU64; KEPT] = [const { AtomicU64::new(0) }; KEPT];
static LENGTHS: [AtomicU64; KEPT] = [const { AtomicU64::new(0) }; KEPT];
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// How an allocation is guarded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guarded {
    /// Bytes to ask for.
    pub(crate) bytes: usize,
    /// Where in them the program's own begin.
    pub(crate) lead: u64,
}

/// What to ask for instead; `None` where nothing is guarded, or the size is none that could be.
pub(crate) fn around(pool: Pool, bytes: usize, flags: u32) -> Option<Guarded> {
    // Of arguments HIP keeps a ring of its own; code is not written to.
    let leave = pool.flags & pool_flag::KERNARG != 0 || flags & EXECUTABLE_FLAG != 0;
    if !policy::guards() || leave || bytes == 0 {
        return None;
    }
    let unit = if policy::are_alone() { PAGE } else { BLOCK };
    let wanted = u64::try_from(bytes).ok()?;
    let whole = wanted.checked_next_multiple_of(unit)?;
    let lead = whole - wanted.checked_next_multiple_of(ALIGNMENT)?.min(whole);
    Some(Guarded { bytes: usize::try_from(whole).ok()?, lead })
}

/// Keeps the addresses of what was freed from being used again, for as long as not too many others were freed. Returns
/// whether they could be kept.
pub(crate) fn quarantine(base: u64, bytes: u64) -> bool {
    let Some(length) = bytes.checked_next_multiple_of(PAGE) else { return false };
    let flags =
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED_NOREPLACE;
    let Ok(size) = usize::try_from(length) else { return false };
    // SAFETY: where something else is mapped already the call fails, and nothing changes.
    let got = unsafe { libc::mmap(base as *mut c_void, size, libc::PROT_NONE, flags, -1, 0) };
    if got == libc::MAP_FAILED {
        return false;
    }
    if got as u64 != base {
        // A kernel before 4.17 took the address for a wish.
        // SAFETY: what was just mapped, of which nobody knows.
        unsafe { libc::munmap(got, size) };
        return false;
    }
    let at = NEXT.fetch_add(1, Ordering::Relaxed) % KEPT;
    let (old, old_length) =
        (BASES[at].swap(base, Ordering::AcqRel), LENGTHS[at].swap(length, Ordering::AcqRel));
    if let Ok(old_size) = usize::try_from(old_length)
        && old != 0
    {
        // SAFETY: a mapping of ours without access, in which nothing can be.
        unsafe { libc::munmap(old as *mut c_void, old_size) };
    }
    true
}
