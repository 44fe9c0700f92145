//! What the user has asked for in the environment, and which pool an allocation goes to.

use crate::agents::{self, Pool};
use crate::hsa::{EXECUTABLE_FLAG, GLOBAL_SEGMENT, pool_flag, svm};
use crate::record::Record;
use rmcp_record::words::reason;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The number of a setting in `rmcp_record::words::MEMORY`.
static MEMORY: AtomicU32 = AtomicU32::new(OBSERVE);
static GUARD: AtomicU32 = AtomicU32::new(0);
static SIMULATED: AtomicU32 = AtomicU32::new(0);
static ALONE: AtomicU32 = AtomicU32::new(0);
static OVERRIDE: OnceLock<OsString> = OnceLock::new();

const OBSERVE: u32 = 0;
const COARSE: u32 = 1;
const FINE: u32 = 2;
const SYSTEM_DEFAULT: u32 = 3;

/// Allocations smaller than this are not redirected to coarse-grained memory: a page.
const SMALL: usize = 4096;

/// The user's words for this library.
const MEMORY_VARIABLE: &str = "RMCP_MEMORY";
const GUARD_VARIABLE: &str = "RMCP_GUARD";

/// Set in programs that run on a simulated card: of that a record must say so.
const SIMULATED_VARIABLE: &str = "RMCP_SIM";

/// With it the runtime takes a card for another one.
const OVERRIDE_VARIABLE: &str = "HSA_OVERRIDE_GFX_VERSION";

/// With it every allocation is one of the driver's. Source: ROCr `core/util/flag.h`.
const FRAGMENTS_VARIABLE: &str = "HSA_DISABLE_FRAGMENT_ALLOCATOR";

/// A variable of the environment.
#[expect(
    clippy::disallowed_methods,
    reason = "its variables are how this library is told what to do"
)]
pub(crate) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Reads the settings, once: later the environment may be changed by other threads, or its lock be held where this process
/// forked. A word that is not known changes nothing.
pub(crate) fn read() {
    let word = variable(MEMORY_VARIABLE);
    let known = rmcp_record::words::MEMORY.iter().zip(0..);
    let found = known.filter(|(name, _)| word.as_ref().is_some_and(|word| word == *name));
    let number = found.map(|(_, number)| number).next().unwrap_or(OBSERVE);
    MEMORY.store(number, Ordering::Relaxed);
    let guard = variable(GUARD_VARIABLE).is_some_and(|word| word == "1");
    GUARD.store(u32::from(guard), Ordering::Relaxed);
    SIMULATED.store(u32::from(variable(SIMULATED_VARIABLE).is_some()), Ordering::Relaxed);
    let alone = variable(FRAGMENTS_VARIABLE).is_some_and(|word| word == "1");
    ALONE.store(u32::from(alone), Ordering::Relaxed);
    if let Some(value) = variable(OVERRIDE_VARIABLE) {
        // Where the runtime is started again it has the same.
        let _ = OVERRIDE.set(value);
    }
}

/// Whether every allocation is one of the driver's, and none shares a block with others.
#[inline]
pub(crate) fn are_alone() -> bool {
    ALONE.load(Ordering::Relaxed) != 0
}

/// Whether allocations are guarded.
#[inline]
pub(crate) fn guards() -> bool {
    GUARD.load(Ordering::Relaxed) != 0
}

/// Writes the settings into a record.
pub(crate) fn describe(record: Record) {
    let head = record.head();
    head.memory.store(MEMORY.load(Ordering::Relaxed), Ordering::Relaxed);
    head.guard.store(GUARD.load(Ordering::Relaxed), Ordering::Relaxed);
    head.simulated.store(SIMULATED.load(Ordering::Relaxed), Ordering::Relaxed);
    if let Some(value) = OVERRIDE.get() {
        record.put(value.as_bytes(), &head.gfx_override);
    }
}

/// Writes which tables the runtime has.
pub(crate) fn describe_runtime(record: Record, versions: [u32; 6]) {
    let [root, root_bytes, core, core_bytes, extension, extension_bytes] = versions;
    let text = format!(
        "tables {root}/{root_bytes}, core {core}/{core_bytes}, extensions {extension}/{extension_bytes}"
    );
    record.put(text.as_bytes(), &record.head().runtime);
}

/// The pool that an allocation goes to, and why: one of `rmcp_record::words::reason`.
pub(crate) fn choose(asked: Pool, bytes: usize, flags: u32, calls_host: bool) -> (Pool, u64) {
    let setting = MEMORY.load(Ordering::Relaxed);
    if setting == OBSERVE {
        return (asked, reason::OBSERVED);
    }
    if asked.segment != GLOBAL_SEGMENT {
        return (asked, reason::SEGMENT);
    }
    // The packet processor and the scalar caches read arguments while the program writes the next ones.
    if asked.flags & pool_flag::KERNARG != 0 {
        return (asked, reason::KERNARG);
    }
    if flags & EXECUTABLE_FLAG != 0 {
        return (asked, reason::EXECUTABLE);
    }
    let to = |wanted: u32, why: u64| match agents::pool_like(asked, wanted) {
        Some(pool) => (pool, why),
        None => (asked, reason::NO_POOL),
    };
    match setting {
        COARSE if asked.flags & pool_flag::COARSE != 0 => (asked, reason::ALREADY),
        // Device-side printf, assert and malloc ask the processor through a buffer of fine-grained memory and wait for its
        // answer: in memory that is coherent only when a kernel ends they would wait for ever.
        COARSE if calls_host => (asked, reason::CALLS_HOST),
        // HIP keeps the words of a grid over several cards in 40 bytes of fine-grained memory, which they poll.
        COARSE if bytes < SMALL => (asked, reason::SMALL),
        COARSE => to(pool_flag::COARSE, reason::COARSE),
        FINE if asked.flags & pool_flag::FINE != 0 => (asked, reason::ALREADY),
        FINE => to(pool_flag::FINE, reason::FINE),
        SYSTEM_DEFAULT => match agents::first_pool(asked) {
            Some(first) if first.handle == asked.handle => (asked, reason::ALREADY),
            Some(first) => (first, reason::DEFAULT),
            None => (asked, reason::NO_POOL),
        },
        _ => (asked, reason::OBSERVED),
    }
}

/// What the coherency of managed memory is set to instead of what was asked.
pub(crate) fn coherency(asked: u64, calls_host: bool) -> u64 {
    match MEMORY.load(Ordering::Relaxed) {
        COARSE if !calls_host => svm::COARSE,
        // Fine-grained is what the driver gives managed memory of which nobody said anything.
        FINE | SYSTEM_DEFAULT => svm::FINE,
        _ => asked,
    }
}
