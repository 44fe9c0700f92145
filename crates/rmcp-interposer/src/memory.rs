//! Allocations: where they go, what is recorded of them, and that a guarded one is known by the address the program has.
//!
//! Signals are memory that the runtime takes without these calls, so every setting leaves them alone.

use crate::agents::{self, Pool};
use crate::allocations::{self, Found, Made, NOWHERE};
use crate::hsa::{self, Agent, PointerInfoOut, Region, Status, SvmAttribute, svm};
use crate::record::{now, record};
use crate::table::{
    ALLOW_ACCESS, Entry, IPC_ATTACH, IPC_DETACH, LOCK_TO_POOL, MEMORY_ALLOCATE, MEMORY_FREE,
    MEMORY_LOCK, MEMORY_UNLOCK, POINTER_INFO, POOL_ALLOCATE, POOL_FREE, SET_USER_DATA, SVM_SET,
    Table,
};
use crate::{code, guard, policy};
use rmcp_record::words::{allocation, event, reason};
use std::ffi::{c_int, c_void};

/// Attributes of managed memory that are looked at; calls with more of them go through as they are.
const ATTRIBUTES: usize = 16;

pub(crate) fn hook(tables: (Table, Table)) {
    POOL_ALLOCATE.replace(tables, pool_allocate);
    POOL_FREE.replace(tables, pool_free);
    MEMORY_ALLOCATE.replace(tables, memory_allocate);
    MEMORY_FREE.replace(tables, memory_free);
    MEMORY_LOCK.replace(tables, memory_lock);
    LOCK_TO_POOL.replace(tables, lock_to_pool);
    MEMORY_UNLOCK.replace(tables, memory_unlock);
    IPC_ATTACH.replace(tables, ipc_attach);
    IPC_DETACH.replace(tables, ipc_detach);
    SVM_SET.replace(tables, svm_set);
    if policy::guards() {
        ALLOW_ACCESS.replace(tables, allow_access);
        POINTER_INFO.replace(tables, pointer_info);
        SET_USER_DATA.replace(tables, set_user_data);
    }
}

unsafe extern "C" fn pool_allocate(
    pool: hsa::Pool,
    bytes: usize,
    flags: u32,
    out: *mut *mut c_void,
) -> Status {
    let Some(before) = POOL_ALLOCATE.before() else { return hsa::ERROR };
    let asked = agents::pool(pool.handle);
    let (used, why) = policy::choose(asked, bytes, flags, code::calls_host());
    let marks = if used.handle == asked.handle { 0 } else { allocation::REDIRECTED };
    let chosen = hsa::Pool { handle: used.handle };
    // Where nothing is recorded there is no row for it.
    if let Some(guarded) = record().and_then(|_| guard::around(used, bytes, flags)) {
        // SAFETY: the program's own arguments, but for the pool, which is another of the same agent, and the size, which is
        // not smaller.
        let status = unsafe { before(chosen, guarded.bytes, flags, out) };
        if status == hsa::SUCCESS && !out.is_null() {
            // SAFETY: the runtime has just written there.
            let got = unsafe { out.read() };
            let base = (got as u64).wrapping_add(guarded.lead);
            if add(base, base, bytes, (used, asked), marks | allocation::GUARDED, guarded.lead, why)
            {
                // SAFETY: as above; the lead is smaller than what was allocated.
                unsafe { out.write(base as *mut c_void) };
                return status;
            }
            // Without a row nobody would know later where it begins: it goes back, and one without a guard is made.
            if let Some(free) = POOL_FREE.before() {
                // SAFETY: what was just allocated, of which nobody knows.
                unsafe { free(got) };
            }
        }
    }
    // SAFETY: the program's own arguments, but for the pool, which is another of the same agent.
    let status = unsafe { before(chosen, bytes, flags, out) };
    if status == hsa::SUCCESS && !out.is_null() {
        // SAFETY: the runtime has just written there.
        let base = unsafe { out.read() } as u64;
        add(base, base, bytes, (used, asked), marks, 0, why);
    } else {
        note(status, 0, bytes, used, asked, why);
    }
    status
}

/// Records an allocation under the address by which it will be freed. Returns whether there was a row for it.
fn add(
    key: u64,
    base: u64,
    bytes: usize,
    (used, asked): (Pool, Pool),
    flags: u32,
    lead: u64,
    why: u64,
) -> bool {
    let Some(record) = record() else { return false };
    let time = now();
    let bytes = bytes as u64;
    let made = Made { base, bytes, pool: used.row, asked: asked.row, flags, lead };
    let has_row = allocations::add(record, key, &made, time);
    let values = [base, bytes, u64::from(used.row), u64::from(asked.row), why];
    record.event_at(time, event::ALLOCATE, hsa::SUCCESS, values);
    has_row
}

/// Records an allocation that failed.
fn note(status: Status, base: u64, bytes: usize, used: Pool, asked: Pool, why: u64) {
    if let Some(record) = record() {
        let values = [base, bytes as u64, u64::from(used.row), u64::from(asked.row), why];
        record.event(event::ALLOCATE, status, values);
    }
}

unsafe extern "C" fn pool_free(address: *mut c_void) -> Status {
    free(&POOL_FREE, address)
}

unsafe extern "C" fn memory_free(address: *mut c_void) -> Status {
    free(&MEMORY_FREE, address)
}

/// Frees an allocation by the address that the program has.
fn free(entry: &Entry<hsa::MemoryFree>, address: *mut c_void) -> Status {
    let Some(before) = entry.before() else { return hsa::ERROR };
    let base = address as u64;
    let record = record();
    let found = allocations::find(base);
    let again = found.is_none() && allocations::was_freed(base);
    let time = now();
    // What comes next at this address, perhaps from another thread, must find it free already.
    if let Some(found) = &found {
        allocations::remove(record, found, time);
    }
    let lead = found.map_or(0, |found| found.lead);
    // SAFETY: the program's own argument, or where the runtime's allocation around it begins.
    let status = unsafe { before(base.wrapping_sub(lead) as *mut c_void) };
    if let Some(found) = found.filter(|found| found.flags & allocation::GUARDED != 0)
        && status == hsa::SUCCESS
        && guard::quarantine(base.wrapping_sub(lead), found.bytes + lead)
    {
        allocations::note_quarantine(record, &found);
    }
    let Some(record) = record else { return status };
    let (bytes, pool) = found.map_or((0, NOWHERE), |found| (found.bytes, found.pool));
    let values = [base, bytes, u64::from(pool), u64::from(again), 0];
    record.event_at(time, event::FREE, status, values);
    status
}

/// Whether an allocation is none of the runtime's own.
fn is_foreign(found: &Found) -> bool {
    found.flags & (allocation::LOCKED | allocation::IMPORTED) != 0
}

/// Notes that memory is gone that was not the runtime's own.
fn remove_foreign(address: *mut c_void) {
    let record = record();
    if let Some(found) = allocations::find(address as u64).filter(is_foreign) {
        allocations::remove(record, &found, now());
    }
}

unsafe extern "C" fn memory_allocate(
    region: Region,
    bytes: usize,
    out: *mut *mut c_void,
) -> Status {
    let Some(before) = MEMORY_ALLOCATE.before() else { return hsa::ERROR };
    // SAFETY: the program's own arguments.
    let status = unsafe { before(region, bytes, out) };
    // Regions and pools are the same objects in ROCr, under the same handles.
    let pool = agents::pool(region.handle);
    if status == hsa::SUCCESS && !out.is_null() {
        // SAFETY: the runtime has just written there.
        let base = unsafe { out.read() } as u64;
        add(base, base, bytes, (pool, pool), allocation::REGION, 0, reason::OBSERVED);
    } else {
        note(status, 0, bytes, pool, pool, reason::OBSERVED);
    }
    status
}

/// Memory that is not the runtime's own, at the address that the card has for it. `host` is the program's own address.
fn add_foreign(
    status: Status,
    host: Option<*mut c_void>,
    bytes: usize,
    out: *mut *mut c_void,
    flags: u32,
) {
    if status == hsa::SUCCESS && !out.is_null() {
        // SAFETY: the runtime has just written there.
        let base = unsafe { out.read() } as u64;
        let nowhere = Pool { handle: 0, row: NOWHERE, agent: NOWHERE, segment: 0, flags: 0 };
        let key = host.map_or(base, |host| host as u64);
        // The runtime lets its own memory be locked as well: that stays what it is.
        if allocations::find(key).is_some_and(|found| !is_foreign(&found)) {
            return;
        }
        add(key, base, bytes, (nowhere, nowhere), flags, 0, reason::OBSERVED);
    }
}

unsafe extern "C" fn memory_lock(
    host: *mut c_void,
    bytes: usize,
    agents: *mut Agent,
    count: c_int,
    out: *mut *mut c_void,
) -> Status {
    let Some(before) = MEMORY_LOCK.before() else { return hsa::ERROR };
    // SAFETY: the program's own arguments.
    let status = unsafe { before(host, bytes, agents, count, out) };
    add_foreign(status, Some(host), bytes, out, allocation::LOCKED);
    status
}

unsafe extern "C" fn lock_to_pool(
    host: *mut c_void,
    bytes: usize,
    agents: *mut Agent,
    count: c_int,
    pool: hsa::Pool,
    flags: u32,
    out: *mut *mut c_void,
) -> Status {
    let Some(before) = LOCK_TO_POOL.before() else { return hsa::ERROR };
    // SAFETY: the program's own arguments.
    let status = unsafe { before(host, bytes, agents, count, pool, flags, out) };
    add_foreign(status, Some(host), bytes, out, allocation::LOCKED);
    status
}

unsafe extern "C" fn memory_unlock(host: *mut c_void) -> Status {
    let Some(before) = MEMORY_UNLOCK.before() else { return hsa::ERROR };
    // SAFETY: the program's own argument.
    let status = unsafe { before(host) };
    remove_foreign(host);
    status
}

unsafe extern "C" fn ipc_attach(
    handle: *const c_void,
    bytes: usize,
    count: u32,
    agents: *const Agent,
    out: *mut *mut c_void,
) -> Status {
    let Some(before) = IPC_ATTACH.before() else { return hsa::ERROR };
    // SAFETY: the program's own arguments.
    let status = unsafe { before(handle, bytes, count, agents, out) };
    add_foreign(status, None, bytes, out, allocation::IMPORTED);
    status
}

unsafe extern "C" fn ipc_detach(address: *mut c_void) -> Status {
    let Some(before) = IPC_DETACH.before() else { return hsa::ERROR };
    remove_foreign(address);
    // SAFETY: the program's own argument.
    unsafe { before(address) }
}

/// Where the runtime's allocation begins whose address the program has.
fn runtimes_own(address: *const c_void) -> *const c_void {
    let found = allocations::find(address as u64);
    let lead = found.map_or(0, |found| found.lead);
    (address as u64).wrapping_sub(lead) as *const c_void
}

unsafe extern "C" fn allow_access(
    count: u32,
    agents: *const Agent,
    flags: *const u32,
    address: *const c_void,
) -> Status {
    let Some(before) = ALLOW_ACCESS.before() else { return hsa::ERROR };
    // SAFETY: the program's own arguments, but for the address, which is that of the whole allocation.
    unsafe { before(count, agents, flags, runtimes_own(address)) }
}

unsafe extern "C" fn set_user_data(address: *const c_void, data: *mut c_void) -> Status {
    let Some(before) = SET_USER_DATA.before() else { return hsa::ERROR };
    // SAFETY: as in `allow_access`.
    unsafe { before(runtimes_own(address), data) }
}

unsafe extern "C" fn pointer_info(
    address: *const c_void,
    out: *mut PointerInfoOut,
    allocate: Option<unsafe extern "C" fn(usize) -> *mut c_void>,
    count: *mut u32,
    agents: *mut *mut Agent,
) -> Status {
    let Some(before) = POINTER_INFO.before() else { return hsa::ERROR };
    // SAFETY: the program's own arguments.
    let status = unsafe { before(address, out, allocate, count, agents) };
    let found = allocations::find(address as u64);
    // SAFETY: the runtime has written as many bytes as the first field says.
    if let (hsa::SUCCESS, Some(found), Some(out)) = (status, found, unsafe { out.as_mut() })
        && found.lead != 0
        && out.bytes as usize >= size_of::<PointerInfoOut>()
    {
        let lead = usize::try_from(found.lead).unwrap_or(0);
        out.agent_base = (out.agent_base as usize).wrapping_add(lead) as *mut c_void;
        out.host_base = (out.host_base as usize).wrapping_add(lead) as *mut c_void;
        out.size = usize::try_from(found.bytes).unwrap_or(out.size);
    }
    status
}

unsafe extern "C" fn svm_set(
    address: *mut c_void,
    bytes: usize,
    attributes: *mut SvmAttribute,
    count: usize,
) -> Status {
    let Some(before) = SVM_SET.before() else { return hsa::ERROR };
    let mut changed = [SvmAttribute { attribute: 0, value: 0 }; ATTRIBUTES];
    let Some(changed) = changed.get_mut(..count).filter(|_| !attributes.is_null()) else {
        // SAFETY: the program's own arguments.
        return unsafe { before(address, bytes, attributes, count) };
    };
    // SAFETY: the program gives as many as it says.
    changed.copy_from_slice(unsafe { std::slice::from_raw_parts(attributes, count) });
    let mut asked = None;
    for attribute in changed.iter_mut().filter(|one| one.attribute == svm::GLOBAL_FLAG) {
        let value = attribute.value;
        attribute.value = policy::coherency(value, code::calls_host());
        asked = Some((value, attribute.value));
    }
    // SAFETY: the program's own arguments, but for the value of one attribute.
    let status = unsafe { before(address, bytes, changed.as_mut_ptr(), count) };
    if let (Some((value, set)), Some(record)) = (asked, record()) {
        let values = [address as u64, bytes as u64, svm::GLOBAL_FLAG, value, set];
        record.event(event::SVM, status, values);
    }
    status
}
