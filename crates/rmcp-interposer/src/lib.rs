//! Inside a program that uses the GPU: a flight recorder, experiments with memory, and guards behind allocations.
//!
//! ROCr loads this library when `HSA_TOOLS_LIB` names it, and hands it the tables of functions through which every call of a
//! program goes, HIP's among them, however HIP itself was loaded. `docs/flight-recorder.md` is for users;
//! `rmcp-record` has the file that is written.
//!
//! What is in here runs in a stranger's process, in the middle of his calls. So nothing in here prints or ends the process;
//! what is on the way of a dispatch, an allocation or a fault neither allocates nor waits for a lock; what the runtime
//! answers goes back as it is. No function that C calls can panic: rows are found by masked numbers and `get`, sums wrap.

mod agents;
mod allocations;
mod code;
mod copies;
mod faults;
mod file;
mod guard;
mod hsa;
mod kernels;
mod lock;
mod maps;
mod memory;
mod packets;
mod policy;
mod process;
mod queues;
mod record;
mod table;
mod waits;

use std::ffi::{c_char, c_void};
use std::sync::atomic::Ordering;
use table::Tables;

/// The runtime's call when it loads this library. `false` has it let go of it again.
///
/// Source: ROCr `core/runtime/runtime.cpp`, `Runtime::LoadTools`.
///
/// # Safety
/// `tables` is what the runtime hands to its tools.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OnLoad(
    tables: *mut c_void,
    _runtime: u64,
    _failed: u64,
    _names: *const *const c_char,
) -> bool {
    if process::has_others_rights() {
        return false;
    }
    let tables: *const Tables = tables.cast_const().cast();
    policy::read();
    if let Some(record) = process::begin() {
        policy::describe_runtime(record, table::versions(tables));
    }
    if let Some(known) = table::tables(tables) {
        agents::hook(known);
        code::hook(known);
        copies::hook(known);
        faults::hook(known);
        memory::hook(known);
        queues::hook(known);
        waits::hook(known);
    }
    true
}

/// The runtime's call when it has shut down in good order.
#[unsafe(no_mangle)]
pub extern "C" fn OnUnload() {
    // What the runtime had is gone with it; it may be started again.
    queues::forget();
    agents::forget();
    if let Some(record) = record::present() {
        record.head().ended.store(1, Ordering::Relaxed);
    }
}
