//! Agents and their memory pools, read once, before the program lists agents itself.

use crate::hsa::{self, Agent, Status, agent_info, isa_info, pool_flag, pool_info};
use crate::record::record;
use crate::table::{
    AGENT_GET_INFO, ISA_GET_INFO, ITERATE_AGENTS, ITERATE_POOLS, POOL_GET_INFO, Table,
};
use rmcp_record::layout::{Text, count};
use rmcp_record::words::NO_ROW;
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// Longest name of an instruction set that is asked for.
const LONGEST: usize = 128;

/// Bytes of an agent's name, which is not longer. Source: `hsa.h`, `HSA_AGENT_INFO_NAME`.
const NAME_BYTES: usize = 64;

/// No handle: those are pointers.
const GONE: u64 = u64::MAX;

/// A pool as policies see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pool {
    pub(crate) handle: u64,
    pub(crate) row: u32,
    pub(crate) agent: u32,
    pub(crate) segment: u32,
    pub(crate) flags: u32,
}

/// The pools of this process, which stay although the record goes.
struct Known {
    handle: AtomicU64,
    agent: AtomicU32,
    segment: AtomicU32,
    flags: AtomicU32,
}

static POOLS: [Known; count::POOLS] = [const {
    Known {
        handle: AtomicU64::new(0),
        agent: AtomicU32::new(NO_ROW),
        segment: AtomicU32::new(0),
        flags: AtomicU32::new(0),
    }
}; count::POOLS];
static AGENTS: [AtomicU64; count::AGENTS] = [const { AtomicU64::new(0) }; count::AGENTS];
/// How many agents and pools have a row here, which has the same number in the record.
static AGENTS_USED: AtomicU32 = AtomicU32::new(0);
static POOLS_USED: AtomicU32 = AtomicU32::new(0);
static READ: AtomicBool = AtomicBool::new(false);

pub(crate) fn hook(tables: (Table, Table)) {
    READ.store(false, Ordering::Release);
    for entry in [&AGENT_GET_INFO, &ISA_GET_INFO, &POOL_GET_INFO] {
        entry.keep(tables);
    }
    ITERATE_POOLS.keep(tables);
    ITERATE_AGENTS.replace(tables, iterate_agents);
}

unsafe extern "C" fn iterate_agents(
    callback: Option<hsa::AgentCallback>,
    data: *mut c_void,
) -> Status {
    let Some(before) = ITERATE_AGENTS.before() else { return hsa::ERROR };
    if !READ.swap(true, Ordering::AcqRel) {
        crate::faults::listen();
        // SAFETY: our own function, which wants no data.
        unsafe { before(Some(read_agent), std::ptr::null_mut()) };
    }
    // SAFETY: the program's own arguments.
    unsafe { before(callback, data) }
}

/// The next row of a table that is only ever filled.
fn next(used: &AtomicU32, rows: usize) -> Option<usize> {
    let more = |used: u32| ((used as usize) < rows).then_some(used + 1);
    let taken = used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    taken.ok().map(|row| row as usize)
}

/// Agents and pools are known also where nothing is recorded: where memory goes depends on them.
unsafe extern "C" fn read_agent(agent: Agent, _: *mut c_void) -> Status {
    if row_of(agent) != NO_ROW {
        return hsa::SUCCESS;
    }
    let Some(number) = next(&AGENTS_USED, count::AGENTS) else { return hsa::BREAK };
    if let Some(known) = AGENTS.get(number) {
        known.store(agent.handle, Ordering::Relaxed);
    }
    if let Some(record) = record()
        && let Some(row) = record.agents().get(number)
    {
        record.head().agents.store(AGENTS_USED.load(Ordering::Relaxed), Ordering::Relaxed);
        row.handle.store(agent.handle, Ordering::Relaxed);
        row.kind.store(asked(&AGENT_GET_INFO, agent.handle, agent_info::DEVICE), Ordering::Relaxed);
        let mut name = [0_u8; NAME_BYTES];
        if let Some(get) = AGENT_GET_INFO.before() {
            // SAFETY: the runtime writes at most as many bytes as the header says.
            unsafe { get(agent.handle, agent_info::NAME, name.as_mut_ptr().cast()) };
        }
        record.put(until_nul(&name), &row.name);
        put_isa(agent, &row.isa);
        row.mark.store(1, Ordering::Release);
    }
    if let Some(pools) = ITERATE_POOLS.before() {
        // SAFETY: our own function; its data is the agent's number.
        unsafe { pools(agent, Some(read_pool), number as *mut c_void) };
    }
    hsa::SUCCESS
}

/// The name of an agent's instruction set, where it has one.
fn put_isa(agent: Agent, into: &Text) {
    let (Some(get), Some(get_isa), Some(record)) =
        (AGENT_GET_INFO.before(), ISA_GET_INFO.before(), record())
    else {
        return;
    };
    let (mut isa, mut length, mut name) = (0_u64, 0_u32, [0_u8; LONGEST]);
    // SAFETY: each is written to as the header says; the name only where it has room, with its terminating NUL.
    let got = unsafe {
        get(agent.handle, agent_info::ISA, (&raw mut isa).cast()) == hsa::SUCCESS
            && isa != 0
            && get_isa(isa, isa_info::NAME_LENGTH, (&raw mut length).cast()) == hsa::SUCCESS
            && (length as usize) < LONGEST
            && get_isa(isa, isa_info::NAME, name.as_mut_ptr().cast()) == hsa::SUCCESS
    };
    if got {
        record.put(until_nul(&name), into);
    }
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or(&[])
}

/// A number of 32 bits about something; 0 where the runtime does not say.
fn asked(get: &crate::table::Entry<hsa::GetInfo>, handle: u64, what: u32) -> u32 {
    let mut value = 0_u32;
    if let Some(get) = get.before() {
        // SAFETY: the headers give these a `uint32_t`.
        unsafe { get(handle, what, (&raw mut value).cast()) };
    }
    value
}

unsafe extern "C" fn read_pool(pool: hsa::Pool, agent: *mut c_void) -> Status {
    let Some(number) = next(&POOLS_USED, count::POOLS) else { return hsa::BREAK };
    let agent = u32::try_from(agent as usize).unwrap_or(NO_ROW);
    let (segment, flags) = (
        asked(&POOL_GET_INFO, pool.handle, pool_info::SEGMENT),
        asked(&POOL_GET_INFO, pool.handle, pool_info::FLAGS),
    );
    let mut bytes = 0_usize;
    if let Some(get) = POOL_GET_INFO.before() {
        // SAFETY: the header gives it a `size_t`.
        unsafe { get(pool.handle, pool_info::BYTES, (&raw mut bytes).cast()) };
    }
    if let Some(known) = POOLS.get(number) {
        known.agent.store(agent, Ordering::Relaxed);
        known.segment.store(segment, Ordering::Relaxed);
        known.flags.store(flags, Ordering::Relaxed);
        known.handle.store(pool.handle, Ordering::Release);
    }
    if let Some(record) = record()
        && let Some(row) = record.pools().get(number)
    {
        record.head().pools.store(POOLS_USED.load(Ordering::Relaxed), Ordering::Relaxed);
        row.agent.store(agent, Ordering::Relaxed);
        row.handle.store(pool.handle, Ordering::Relaxed);
        row.bytes.store(bytes as u64, Ordering::Relaxed);
        row.segment.store(segment, Ordering::Relaxed);
        row.flags.store(flags, Ordering::Relaxed);
        row.mark.store(1, Ordering::Release);
    }
    hsa::SUCCESS
}

/// Forgets all agents and pools, which are gone with the runtime. Their rows stay.
pub(crate) fn forget() {
    AGENTS.iter().filter(|known| known.load(Ordering::Relaxed) != 0).for_each(|known| {
        known.store(GONE, Ordering::Relaxed);
    });
    POOLS.iter().filter(|known| known.handle.load(Ordering::Relaxed) != 0).for_each(|known| {
        known.handle.store(GONE, Ordering::Relaxed);
        known.agent.store(NO_ROW, Ordering::Relaxed);
    });
}

/// Forgets all agents and pools and their rows, in a child that was forked: they are in its parent's record.
pub(crate) fn forget_parents() {
    AGENTS.iter().for_each(|known| known.store(0, Ordering::Relaxed));
    POOLS.iter().for_each(|known| known.handle.store(0, Ordering::Relaxed));
    AGENTS_USED.store(0, Ordering::Relaxed);
    POOLS_USED.store(0, Ordering::Relaxed);
    READ.store(false, Ordering::Release);
}

fn pools() -> impl Iterator<Item = Pool> {
    POOLS.iter().zip(0..).map_while(|(known, row)| {
        let handle = known.handle.load(Ordering::Acquire);
        (handle != 0).then(|| Pool {
            handle,
            row,
            agent: known.agent.load(Ordering::Relaxed),
            segment: known.segment.load(Ordering::Relaxed),
            flags: known.flags.load(Ordering::Relaxed),
        })
    })
}

/// The pool of a handle. One that was not listed has no row and no flags.
pub(crate) fn pool(handle: u64) -> Pool {
    let unknown = Pool { handle, row: NO_ROW, agent: NO_ROW, segment: u32::MAX, flags: 0 };
    pools().find(|pool| pool.handle == handle).unwrap_or(unknown)
}

/// Another pool of the same agent with a flag, which is not for arguments of kernels.
pub(crate) fn pool_like(asked: Pool, flag: u32) -> Option<Pool> {
    pools().find(|pool| {
        pool.agent == asked.agent
            && pool.segment == asked.segment
            && pool.flags & flag != 0
            && pool.flags & pool_flag::KERNARG == 0
    })
}

/// The first pool of the same agent that is not for arguments of kernels.
pub(crate) fn first_pool(asked: Pool) -> Option<Pool> {
    pool_like(asked, pool_flag::FINE | pool_flag::COARSE)
}

/// The row of an agent.
pub(crate) fn row_of(agent: Agent) -> u32 {
    let found =
        AGENTS.iter().zip(0..).find(|(known, _)| known.load(Ordering::Relaxed) == agent.handle);
    found.map_or(NO_ROW, |(_, row)| row)
}
