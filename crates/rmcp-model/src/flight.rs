//! Flight records: what a program did with the GPU until it ended, and what that tells of a fault.

use crate::KernelScan;
use serde::{Deserialize, Serialize};

/// A record, as it was read. Times are nanoseconds since the record was begun; rows are numbers in the vectors here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlightRecord {
    /// The process.
    pub pid: u32,
    /// The process from which it was forked while it was recorded.
    pub forked_from: Option<u32>,
    /// The program's file.
    pub program: String,
    /// When it was begun, in nanoseconds since 1970.
    pub started: u64,
    /// When something was last seen.
    pub seen: u64,
    /// Whether the process came to its own end.
    pub ended: bool,
    /// The setting of `RMCP_MEMORY`.
    pub memory: String,
    /// Whether allocations were guarded.
    pub guard: bool,
    /// Whether the card was a simulated one.
    pub simulated: bool,
    /// `HSA_OVERRIDE_GFX_VERSION`, where it was set.
    pub gfx_override: Option<String>,
    /// Versions and sizes of the runtime's tables.
    pub runtime: String,
    /// Processors and cards.
    pub agents: Vec<FlightAgent>,
    /// Their memory.
    pub pools: Vec<FlightPool>,
    /// Code objects that were loaded.
    pub codes: Vec<FlightCode>,
    /// Kernels that were looked up.
    pub kernels: Vec<FlightKernel>,
    /// Queues with their latest packets.
    pub queues: Vec<FlightQueue>,
    /// Allocations, living and freed, by address.
    pub allocations: Vec<FlightAllocation>,
    /// The latest events, oldest first.
    pub events: Vec<FlightEvent>,
    /// What had no room or was torn.
    pub lost: FlightLosses,
}

/// An agent of the runtime.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlightAgent {
    /// The runtime's handle.
    pub handle: u64,
    /// Whether it is a GPU.
    pub gpu: bool,
    /// Its name, such as `gfx1010`.
    pub name: String,
    /// Its instruction set, as the runtime names it.
    pub isa: Option<String>,
}

/// A memory pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlightPool {
    /// The agent's row.
    pub agent: Option<usize>,
    /// Its size in bytes.
    pub bytes: u64,
    /// What it is, such as `fine-grained` or `kernel arguments`.
    pub kind: String,
}

/// A code object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlightCode {
    /// Flags of its ELF header, which name its target.
    pub elf_flags: u32,
    /// Its bytes.
    pub bytes: u64,
    /// Half of the BLAKE3 hash of its bytes, in hexadecimal digits.
    pub hash: String,
    /// The file it was loaded from.
    pub file: Option<String>,
    /// Where it begins in that file.
    pub offset: u64,
    /// Where it was loaded to.
    pub base: u64,
    /// Bytes there.
    pub span: u64,
    /// When.
    pub time: u64,
    /// Whether its kernels may call the processor while they run.
    pub calls_host: bool,
    /// Whether it was unloaded.
    pub unloaded: bool,
}

/// A kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlightKernel {
    /// The row of its code object.
    pub code: Option<usize>,
    /// The name of its symbol.
    pub name: String,
    /// Address of its descriptor.
    pub object: u64,
    /// Bytes of its arguments.
    pub kernarg_bytes: u32,
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlightQueue {
    /// Its number in the record.
    pub row: usize,
    /// The runtime's number.
    pub id: u64,
    /// The agent's row.
    pub agent: Option<usize>,
    /// When it was made.
    pub created: u64,
    /// When it was destroyed.
    pub destroyed: Option<u64>,
    /// What the runtime said when it failed (`hsa_status_t`).
    pub error: Option<u32>,
    /// Packets that the program wrote.
    pub written: u64,
    /// Packets that the card had taken when this was last looked at.
    pub taken: u64,
    /// All packets before this one are known to have ended.
    pub ended: u64,
    /// Kernels among the packets written.
    pub dispatches: u64,
    /// Packets that are not in the record, because they were overwritten before they could be read.
    pub missed: u64,
    /// The latest kernels, oldest first.
    pub latest: Vec<FlightDispatch>,
}

/// A kernel that was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlightDispatch {
    /// The packet's number in its queue.
    pub packet: u64,
    /// When the card was told of it.
    pub time: u64,
    /// The kernel's row; none where the record had no room for it.
    pub kernel: Option<usize>,
    /// Work-items.
    pub grid: [u32; 3],
    /// Work-items of a group.
    pub group: [u16; 3],
    /// Address of the arguments.
    pub kernarg: u64,
    /// Bytes of LDS of a group.
    pub lds: u32,
    /// Bytes of private memory of a work-item.
    pub private: u32,
    /// Whether it begins only when all before it have ended.
    pub barrier: bool,
    /// Whether its end was seen.
    pub ended: bool,
    /// Its arguments as words of 8 bytes, where they were kept at a fault.
    pub arguments: Option<FlightArguments>,
}

/// Arguments of a kernel, kept at a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlightArguments {
    /// Bytes that the kernel takes.
    pub wanted: u32,
    /// Words of which all bytes could be read.
    pub words: Vec<u64>,
}

/// An allocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlightAllocation {
    /// Where it begins.
    pub base: u64,
    /// Bytes.
    pub bytes: u64,
    /// When it was made.
    pub time: u64,
    /// When it was freed.
    pub freed: Option<u64>,
    /// The pool's row.
    pub pool: Option<usize>,
    /// The pool that the program had asked for, where it is another one.
    pub asked: Option<usize>,
    /// What it is beyond an allocation in a pool, such as `guarded` or `the program's own memory`.
    pub marks: Vec<String>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlightEvent {
    /// When.
    pub time: u64,
    /// What the runtime answered (`hsa_status_t`).
    pub status: u32,
    /// What.
    #[serde(flatten)]
    pub what: FlightHappening,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum FlightHappening {
    /// Memory was asked for.
    Allocate {
        /// Where it is; 0 where there is none.
        base: u64,
        /// Bytes.
        bytes: u64,
        /// The pool it was taken from.
        pool: Option<usize>,
        /// The pool that was asked for.
        asked: Option<usize>,
        /// Why it was redirected or left alone.
        why: String,
        /// Whether it was redirected.
        redirected: bool,
    },
    /// Memory was freed.
    Free {
        /// Where it was.
        base: u64,
        /// Its bytes; 0 where it is not known.
        bytes: u64,
        /// It had been freed before.
        again: bool,
    },
    /// Memory was copied by the runtime.
    Copy {
        /// Destination.
        to: u64,
        /// Source.
        from: u64,
        /// Bytes.
        bytes: u64,
    },
    /// Memory was filled by the runtime.
    Fill {
        /// Where.
        to: u64,
        /// Bytes.
        bytes: u64,
    },
    /// A code object was loaded.
    Load {
        /// Its row.
        code: Option<usize>,
    },
    /// Code objects were unloaded.
    Unload,
    /// A queue was made.
    Queue {
        /// Its row.
        queue: usize,
    },
    /// A queue was destroyed.
    QueueEnd {
        /// Its row.
        queue: usize,
    },
    /// The runtime stopped a queue; the event's status says why.
    QueueError {
        /// Its row.
        queue: usize,
    },
    /// The card met memory that it may not use.
    MemoryFault {
        /// The address, of which the card tells the page alone.
        address: u64,
        /// Bits of `hsa_amd_memory_fault_reason_t`.
        reasons: u64,
        /// The agent's row.
        agent: Option<usize>,
    },
    /// The coherency of managed memory was set.
    Coherency {
        /// Where.
        base: u64,
        /// Bytes.
        bytes: u64,
        /// What the program asked for.
        asked: u64,
        /// What was set.
        set: u64,
    },
    /// Something that this version does not know.
    Unknown {
        /// Its number.
        kind: u32,
    },
}

/// What a record does not hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlightLosses {
    /// Queues that had no row.
    pub queues: u32,
    /// Allocations that had no row.
    pub allocations: u32,
    /// Kernels and code objects that had no row.
    pub kernels: u32,
    /// Names and paths that had no room.
    pub texts: u32,
    /// Rows that were being written when the process ended, or that do not fit what stands around them.
    pub torn: u32,
}

/// What a record tells of how a program ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlightExplanation {
    /// What stopped it, as far as the record or a log says.
    pub fault: Option<FlightFault>,
    /// Kernels whose end was not seen, the likeliest first; no more than a reader has time for.
    pub suspects: Vec<FlightSuspect>,
    /// How many there are in all of which the end was not seen, on the card that met the fault.
    pub not_ended: usize,
    /// The allocation nearest to the address of the fault.
    pub nearest: Option<NearAllocation>,
    /// Memory that was freed a second time, by address.
    pub freed_twice: Vec<u64>,
    /// How many allocations among the record's events were redirected, or left alone and why.
    pub redirected: Vec<(String, u64)>,
}

/// What stopped a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlightFault {
    /// The address; with the record's own word only the page.
    pub address: Option<u64>,
    /// Who says so: `record` or `log`.
    pub from: String,
    /// What a log says of the address, which may be that of another process.
    pub log: Option<u64>,
    /// Whether the record's own events hold a fault. Otherwise all there is is the log's word.
    pub seen: bool,
    /// The row of the agent that met it.
    pub agent: Option<usize>,
    /// The queue that the runtime stopped.
    pub queue: Option<usize>,
    /// What the runtime said of that queue.
    pub status: Option<u32>,
    /// When, in nanoseconds since the beginning of the record.
    pub time: Option<u64>,
}

/// A kernel that may be the one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlightSuspect {
    /// Its queue's row.
    pub queue: usize,
    /// Its dispatch.
    pub dispatch: FlightDispatch,
    /// Its name.
    pub name: Option<String>,
    /// How much speaks for it; it means something only beside that of others.
    pub weight: u32,
    /// What speaks for it.
    pub why: Vec<String>,
    /// Arguments that are addresses, with the allocation they point into.
    pub pointers: Vec<NearAllocation>,
    /// The file of its code.
    pub file: Option<String>,
    /// The target of its code.
    pub target: Option<String>,
    /// What a scan says of this kernel.
    pub scan: Option<KernelScan>,
}

/// An address and the allocation nearest to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NearAllocation {
    /// The address.
    pub address: u64,
    /// The allocation.
    pub allocation: FlightAllocation,
    /// How the address lies to it.
    pub place: AllocationPlace,
    /// Bytes from its beginning, or behind its end, or before its beginning.
    pub distance: u64,
}

/// How an address lies to an allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AllocationPlace {
    /// Within it.
    Inside,
    /// Behind its end.
    Behind,
    /// Before its beginning.
    Before,
}
