//! Copies and fills that the runtime does for the program.

use crate::hsa::{self, Agent, Dim3, Pitched, Signal, Status};
use crate::record::record;
use crate::table::{
    ASYNC_COPY, ASYNC_COPY_ON_ENGINE, ASYNC_COPY_RECT, MEMORY_COPY, MEMORY_FILL, Table,
};
use rmcp_record::words::event;
use std::ffi::c_void;

pub(crate) fn hook(tables: (Table, Table)) {
    MEMORY_COPY.replace(tables, memory_copy);
    MEMORY_FILL.replace(tables, memory_fill);
    ASYNC_COPY.replace(tables, async_copy);
    ASYNC_COPY_ON_ENGINE.replace(tables, async_copy_on_engine);
    ASYNC_COPY_RECT.replace(tables, async_copy_rect);
}

/// Written before the copy is begun: a copy may be what ends the program.
fn note(to: *const c_void, from: *const c_void, bytes: u64, agents: (u64, u64)) {
    if let Some(record) = record() {
        let values = [to as u64, from as u64, bytes, agents.0, agents.1];
        record.event(event::COPY, hsa::SUCCESS, values);
    }
}

unsafe extern "C" fn memory_copy(to: *mut c_void, from: *const c_void, bytes: usize) -> Status {
    let Some(before) = MEMORY_COPY.before() else { return hsa::ERROR };
    note(to, from, bytes as u64, (0, 0));
    // SAFETY: the program's own arguments.
    unsafe { before(to, from, bytes) }
}

unsafe extern "C" fn memory_fill(to: *mut c_void, value: u32, words: usize) -> Status {
    let Some(before) = MEMORY_FILL.before() else { return hsa::ERROR };
    if let Some(record) = record() {
        let values = [to as u64, u64::from(value), words as u64, 0, 0];
        record.event(event::FILL, hsa::SUCCESS, values);
    }
    // SAFETY: the program's own arguments.
    unsafe { before(to, value, words) }
}

unsafe extern "C" fn async_copy(
    to: *mut c_void,
    to_agent: Agent,
    from: *const c_void,
    from_agent: Agent,
    bytes: usize,
    count: u32,
    wait_for: *const Signal,
    done: Signal,
) -> Status {
    let Some(before) = ASYNC_COPY.before() else { return hsa::ERROR };
    note(to, from, bytes as u64, (to_agent.handle, from_agent.handle));
    // SAFETY: the program's own arguments.
    unsafe { before(to, to_agent, from, from_agent, bytes, count, wait_for, done) }
}

unsafe extern "C" fn async_copy_on_engine(
    to: *mut c_void,
    to_agent: Agent,
    from: *const c_void,
    from_agent: Agent,
    bytes: usize,
    count: u32,
    wait_for: *const Signal,
    done: Signal,
    engine: u32,
    force: bool,
) -> Status {
    let Some(before) = ASYNC_COPY_ON_ENGINE.before() else { return hsa::ERROR };
    note(to, from, bytes as u64, (to_agent.handle, from_agent.handle));
    // SAFETY: the program's own arguments.
    unsafe { before(to, to_agent, from, from_agent, bytes, count, wait_for, done, engine, force) }
}

unsafe extern "C" fn async_copy_rect(
    to: *const Pitched,
    to_offset: *const Dim3,
    from: *const Pitched,
    from_offset: *const Dim3,
    range: *const Dim3,
    agent: Agent,
    direction: u32,
    count: u32,
    wait_for: *const Signal,
    done: Signal,
) -> Status {
    let Some(before) = ASYNC_COPY_RECT.before() else { return hsa::ERROR };
    // SAFETY: the program's own; what is null is not read.
    let (target, source, size) = unsafe { (to.as_ref(), from.as_ref(), range.as_ref()) };
    if let (Some(target), Some(source), Some(size)) = (target, source, size) {
        let bytes = u64::from(size.x) * u64::from(size.y);
        note(target.base, source.base, bytes.wrapping_mul(u64::from(size.z)), (agent.handle, 0));
    }
    // SAFETY: the program's own arguments.
    unsafe {
        before(to, to_offset, from, from_offset, range, agent, direction, count, wait_for, done)
    }
}
