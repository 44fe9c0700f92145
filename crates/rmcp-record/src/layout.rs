//! The file, byte for byte: a head, and tables of rows of fixed size.
//!
//! All numbers are little-endian. Every field is an atomic, because the writer's threads store while nobody waits for them;
//! the reader never makes these types out of bytes, and uses their offsets alone. A row is valid when its `mark` says so,
//! which is stored last: a program that dies in the middle of a row leaves one that is not.

use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64};

/// The first bytes of the file.
pub const MAGIC: [u8; 8] = *b"RMCPFLT\n";

/// The version of this layout. A reader knows one.
pub const VERSION: u32 = 1;

/// How many rows each table has, and how much text there is.
pub mod count {
    /// Bytes of text.
    pub const TEXT: usize = 1 << 20;
    /// Agents: processors and cards.
    pub const AGENTS: usize = 32;
    /// Memory pools of all agents.
    pub const POOLS: usize = 64;
    /// Queues. The row of a destroyed one is used again.
    pub const QUEUES: usize = 64;
    /// The latest packets of each queue. A power of two.
    pub const PACKETS: usize = 512;
    /// Code objects.
    pub const CODES: usize = 2048;
    /// Kernels that the program has looked up.
    pub const KERNELS: usize = 4096;
    /// Allocations, living and freed. A power of two.
    pub const ALLOCATIONS: usize = 16384;
    /// The latest events. A power of two.
    pub const EVENTS: usize = 8192;
    /// Arguments of kernels that had not ended at a fault.
    pub const ARGUMENTS: usize = 64;
}

/// A part of the text: where it begins, and its bytes.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Text {
    /// From the beginning of the text's table.
    pub at: AtomicU32,
    /// Bytes; 0 where there is none.
    pub bytes: AtomicU32,
}

/// The head of the file. What stands in it at the beginning never changes with the version, but for the version.
#[derive(Debug)]
#[repr(C)]
pub struct Head {
    /// [`MAGIC`], stored last.
    pub magic: AtomicU64,
    /// [`VERSION`].
    pub version: AtomicU32,
    /// The process that wrote this.
    pub pid: AtomicU32,
    /// Bytes of the whole file.
    pub bytes: AtomicU64,
    /// Nanoseconds since 1970 at the beginning.
    pub started: AtomicU64,
    /// The monotonic clock at that moment; all times of rows are of that clock, in nanoseconds.
    pub clock: AtomicU64,
    /// The process from which this one was forked with the library in it; 0 where it was not.
    pub forked_from: AtomicU32,
    /// 1 when the runtime has ended in good order.
    pub ended: AtomicU32,
    /// One of `words::MEMORY`.
    pub memory: AtomicU32,
    /// 1 where allocations are guarded.
    pub guard: AtomicU32,
    /// Where the next text goes.
    pub text_used: AtomicU32,
    /// Agents that are known.
    pub agents: AtomicU32,
    /// Pools that are known.
    pub pools: AtomicU32,
    /// Code objects that were loaded.
    pub codes: AtomicU32,
    /// Kernels that were looked up.
    pub kernels: AtomicU32,
    /// Queues that had no row.
    pub lost_queues: AtomicU32,
    /// Allocations that had no row.
    pub lost_allocations: AtomicU32,
    /// Texts that had no room.
    pub lost_texts: AtomicU32,
    /// Events that have begun to be written, ever.
    pub events: AtomicU64,
    /// The clock when something was last seen, also by a thread that waits.
    pub seen: AtomicU64,
    /// 1 where the card is a simulated one.
    pub simulated: AtomicU32,
    /// Kernels and code objects that had no row.
    pub lost_kernels: AtomicU32,
    /// The program's file.
    pub program: Text,
    /// The value of `HSA_OVERRIDE_GFX_VERSION`.
    pub gfx_override: Text,
    /// Sizes of the runtime's tables and how they were used.
    pub runtime: Text,
}

/// An agent.
#[derive(Debug)]
#[repr(C)]
pub struct AgentRow {
    /// 1 when valid.
    pub mark: AtomicU32,
    /// 0 a processor, 1 a GPU, 2 anything else.
    pub kind: AtomicU32,
    /// The runtime's handle.
    pub handle: AtomicU64,
    /// Its name, such as `gfx1010`.
    pub name: Text,
    /// Its instruction set, such as `amdgcn-amd-amdhsa--gfx1010:xnack-`.
    pub isa: Text,
}

/// A memory pool.
#[derive(Debug)]
#[repr(C)]
pub struct PoolRow {
    /// 1 when valid.
    pub mark: AtomicU32,
    /// The row of its agent.
    pub agent: AtomicU32,
    /// The runtime's handle.
    pub handle: AtomicU64,
    /// Bytes.
    pub bytes: AtomicU64,
    /// `hsa_amd_segment_t`.
    pub segment: AtomicU32,
    /// `hsa_amd_memory_pool_global_flag_t`.
    pub flags: AtomicU32,
}

/// A queue.
#[derive(Debug)]
#[repr(C)]
pub struct QueueRow {
    /// 0 never used, 1 there, 2 destroyed.
    pub mark: AtomicU32,
    /// The row of its agent.
    pub agent: AtomicU32,
    /// The runtime's number.
    pub id: AtomicU64,
    /// Address of `hsa_queue_t`.
    pub handle: AtomicU64,
    /// Packets that its ring holds.
    pub size: AtomicU32,
    /// `hsa_status_t` that its error callback was given; 0 where it was not called.
    pub error: AtomicU32,
    /// When it was made.
    pub created: AtomicU64,
    /// When it was destroyed.
    pub destroyed: AtomicU64,
    /// When its error callback was called.
    pub failed: AtomicU64,
    /// Packets written by the program, as far as they are in this record.
    pub written: AtomicU64,
    /// Packets that the card had taken when this was last looked at.
    pub taken: AtomicU64,
    /// All packets before this one have ended, as signals have shown.
    pub ended: AtomicU64,
    /// Kernels among the packets written.
    pub dispatches: AtomicU64,
    /// Packets that were overwritten in the ring before they could be read.
    pub missed: AtomicU64,
}

/// A packet of a queue, in row `number % PACKETS` of the queue's own table.
#[derive(Debug)]
#[repr(C)]
pub struct PacketRow {
    /// The packet's number in its queue plus one; 0 while it is being written.
    pub mark: AtomicU64,
    /// When the doorbell was rung.
    pub time: AtomicU64,
    /// Address of the arguments; of a barrier its first signal.
    pub kernarg: AtomicU64,
    /// The completion signal; 0 where there is none.
    pub signal: AtomicU64,
    /// The row of the kernel; one of `words::NO_KERNEL` and `words::LOST_KERNEL` where there is none.
    pub kernel: AtomicU32,
    /// Work-items in each direction.
    pub grid: [AtomicU32; 3],
    /// Work-items of a group in each direction.
    pub group: [AtomicU16; 3],
    /// The packet's header (13 bits), and `words::ENDED`.
    pub header: AtomicU16,
    /// Private memory of a work-item, in bytes.
    pub private: AtomicU32,
    /// LDS of a group, in bytes.
    pub lds: AtomicU32,
}

/// A code object that was loaded.
#[derive(Debug)]
#[repr(C)]
pub struct CodeRow {
    /// 1 when valid, 2 when it was unloaded.
    pub mark: AtomicU32,
    /// `e_flags` of its ELF header, which holds its target; 0 where it has none.
    pub elf_flags: AtomicU32,
    /// Its bytes.
    pub bytes: AtomicU64,
    /// Half of the BLAKE3 hash of its bytes.
    pub hash: [AtomicU64; 2],
    /// The file from which it was loaded, where it was one.
    pub file: Text,
    /// Where it begins in that file.
    pub offset: AtomicU64,
    /// Where it was loaded to.
    pub base: AtomicU64,
    /// Bytes there.
    pub span: AtomicU64,
    /// When.
    pub time: AtomicU64,
    /// The row of the agent for which it was loaded.
    pub agent: AtomicU32,
    /// 1 where its kernels may call the processor while they run.
    pub calls_host: AtomicU32,
    /// The runtime's handle of its executable.
    pub executable: AtomicU64,
}

/// A kernel that the program has looked up.
#[derive(Debug)]
#[repr(C)]
pub struct KernelRow {
    /// 1 when valid.
    pub mark: AtomicU32,
    /// The row of its code object; `words::NO_ROW` where it is not known.
    pub code: AtomicU32,
    /// Its name, without `.kd`.
    pub name: Text,
    /// Address of its descriptor.
    pub object: AtomicU64,
    /// Bytes of arguments.
    pub kernarg_bytes: AtomicU32,
    /// Bytes of LDS that it needs.
    pub lds: AtomicU32,
    /// Bytes of private memory that a work-item needs.
    pub private: AtomicU32,
    /// Unused.
    pub reserved: AtomicU32,
}

/// An allocation.
#[derive(Debug)]
#[repr(C)]
pub struct AllocationRow {
    /// 0 while it is being written, 1 there, 2 freed.
    pub mark: AtomicU32,
    /// Bits of `words::allocation`.
    pub flags: AtomicU32,
    /// Where it begins, as the program knows it.
    pub base: AtomicU64,
    /// Bytes that the program asked for.
    pub bytes: AtomicU64,
    /// When.
    pub time: AtomicU64,
    /// When it was freed.
    pub freed: AtomicU64,
    /// The row of the pool that it was made in; `words::NO_ROW` where there is none.
    pub pool: AtomicU32,
    /// The row of the pool that the program had asked for.
    pub asked: AtomicU32,
    /// Bytes between where the runtime's allocation begins and `base`.
    pub lead: AtomicU64,
    /// Unused.
    pub reserved: AtomicU64,
}

/// An event.
#[derive(Debug)]
#[repr(C)]
pub struct EventRow {
    /// The event's number plus one; 0 while it is being written.
    pub mark: AtomicU64,
    /// When.
    pub time: AtomicU64,
    /// One of `words::event`.
    pub kind: AtomicU32,
    /// What the runtime answered, `hsa_status_t`.
    pub status: AtomicU32,
    /// What the kind says.
    pub values: [AtomicU64; 5],
}

/// Arguments of a kernel that had not ended at a fault.
#[derive(Debug)]
#[repr(C)]
pub struct ArgumentsRow {
    /// 1 when valid; 2 where the kernel did not let the memory be read at all, which says nothing about it.
    pub mark: AtomicU32,
    /// The row of the queue.
    pub queue: AtomicU32,
    /// The packet's number.
    pub packet: AtomicU64,
    /// Bytes that could be read: 0 where there is no memory. Where `mark` is 2, the number of the error.
    pub bytes: AtomicU32,
    /// Bytes that the kernel takes.
    pub wanted: AtomicU32,
    /// The arguments, in words of 8 bytes.
    pub words: [AtomicU64; 32],
}

/// Where each table begins.
pub mod place {
    use super::{
        AgentRow, AllocationRow, ArgumentsRow, CodeRow, EventRow, KernelRow, PacketRow, PoolRow,
        QueueRow, count,
    };
    use std::mem::size_of;

    /// The head has a page of its own.
    const HEAD: usize = 4096;
    /// Agents.
    pub const AGENTS: usize = HEAD;
    /// Pools.
    pub const POOLS: usize = AGENTS + count::AGENTS * size_of::<AgentRow>();
    /// Queues.
    pub const QUEUES: usize = POOLS + count::POOLS * size_of::<PoolRow>();
    /// Arguments.
    pub const ARGUMENTS: usize = QUEUES + count::QUEUES * size_of::<QueueRow>();
    /// Code objects.
    pub const CODES: usize = ARGUMENTS + count::ARGUMENTS * size_of::<ArgumentsRow>();
    /// Kernels.
    pub const KERNELS: usize = CODES + count::CODES * size_of::<CodeRow>();
    /// Allocations.
    pub const ALLOCATIONS: usize =
        (KERNELS + count::KERNELS * size_of::<KernelRow>()).next_multiple_of(64);
    /// Events.
    pub const EVENTS: usize = ALLOCATIONS + count::ALLOCATIONS * size_of::<AllocationRow>();
    /// Packets, queue after queue.
    pub const PACKETS: usize =
        (EVENTS + count::EVENTS * size_of::<EventRow>()).next_multiple_of(64);
    /// Text.
    pub const TEXT: usize = PACKETS + count::QUEUES * count::PACKETS * size_of::<PacketRow>();
    /// The end of the file.
    pub const END: usize = TEXT + count::TEXT;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the documentation says that they are.
    #[test]
    fn the_tables_lie_where_version_1_has_them() {
        let places = [
            place::AGENTS,
            place::POOLS,
            place::QUEUES,
            place::ARGUMENTS,
            place::CODES,
            place::KERNELS,
            place::ALLOCATIONS,
            place::EVENTS,
            place::PACKETS,
            place::TEXT,
            place::END,
        ];
        let documented = include_str!("../../../docs/flight-recorder.md");
        for at in places {
            assert!(documented.contains(&format!("| {at} |")), "{at} of {places:?}");
        }
        const { assert!(place::END < 8 << 20, "the bound of memory") };
        assert_eq!(size_of::<PacketRow>(), 64, "one line of the cache");
        assert!(size_of::<Head>() <= place::AGENTS);
    }
}
