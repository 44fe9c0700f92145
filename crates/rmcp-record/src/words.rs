//! What the numbers in a record's rows mean.

/// No kernel: the packet is no dispatch.
pub const NO_KERNEL: u32 = u32::MAX;

/// A kernel for which the table had no room.
pub const LOST_KERNEL: u32 = u32::MAX - 1;

/// No row of a table.
pub const NO_ROW: u32 = u32::MAX;

/// In a packet's `header`: a signal has shown that it has ended. The header itself has 13 bits.
/// Source: HSA runtime `hsa.h`, `hsa_packet_header_width_t`.
pub const ENDED: u16 = 1 << 15;

/// In a packet's header: it begins when all before it have ended. Source: `hsa.h`, `HSA_PACKET_HEADER_BARRIER`.
pub const BARRIER: u16 = 1 << 8;

/// Names of the settings of `RMCP_MEMORY`, by their number.
pub const MEMORY: [&str; 4] = ["observe", "coarse", "fine", "system-default"];

/// Kinds of events, and what their values are.
pub mod event {
    /// Address, bytes, row of the pool, row of the pool that was asked for, one of [`super::REASONS`].
    pub const ALLOCATE: u32 = 1;
    /// Address, bytes (0 where the address is not known), row of the pool, 1 where it was freed before.
    pub const FREE: u32 = 2;
    /// Destination, source, bytes, handle of the destination's agent, of the source's agent.
    pub const COPY: u32 = 3;
    /// Row of the code object, base, bytes there.
    pub const LOAD: u32 = 4;
    /// Handle of the executable.
    pub const UNLOAD: u32 = 5;
    /// Row of the queue, its handle, packets of its ring.
    pub const QUEUE: u32 = 6;
    /// Row of the queue, its handle.
    pub const QUEUE_END: u32 = 7;
    /// Row of the queue, its handle; the status is what the queue's callback was given.
    pub const QUEUE_ERROR: u32 = 8;
    /// Address, reasons (`hsa_amd_memory_fault_reason_t`), handle of the agent.
    pub const MEMORY_FAULT: u32 = 9;
    /// Address, bytes, attribute, value that was asked for, value that was set.
    pub const SVM: u32 = 10;
    /// Address, value, how many words of 4 bytes.
    pub const FILL: u32 = 11;
}

/// Bits of an allocation's `flags`.
pub mod allocation {
    /// Made by `hsa_memory_allocate`, in a region.
    pub const REGION: u32 = 1;
    /// The program's own memory, made visible to the card.
    pub const LOCKED: u32 = 1 << 1;
    /// Imported from another process.
    pub const IMPORTED: u32 = 1 << 2;
    /// Its end is followed by memory that is not mapped.
    pub const GUARDED: u32 = 1 << 3;
    /// What was freed stays unmapped.
    pub const QUARANTINED: u32 = 1 << 4;
    /// In another pool than the program asked for.
    pub const REDIRECTED: u32 = 1 << 5;
}

/// Why an allocation was redirected or left alone, by its number.
pub const REASONS: [&str; 11] = [
    "nothing is redirected",
    "redirected: host memory that no kernel loaded so far needs while it runs",
    "redirected: the same memory of the card, fine-grained",
    "redirected: to the pool that the runtime lists first",
    "left alone: kernel arguments are read by the packet processor, which needs them coherent",
    "left alone: it is so already",
    "left alone: the agent has no such pool",
    "left alone: it is to be executable",
    "left alone: a kernel that is loaded talks to the processor while it runs, through fine-grained memory",
    "left alone: not global memory",
    "left alone: less than a page, as are the words by which kernels of several cards wait for each other",
];

/// Numbers of [`REASONS`].
pub mod reason {
    /// Observed alone.
    pub const OBSERVED: u64 = 0;
    /// Host memory made coarse-grained.
    pub const COARSE: u64 = 1;
    /// Memory made fine-grained.
    pub const FINE: u64 = 2;
    /// The agent's first pool.
    pub const DEFAULT: u64 = 3;
    /// A pool of kernel arguments.
    pub const KERNARG: u64 = 4;
    /// It is so already.
    pub const ALREADY: u64 = 5;
    /// No such pool.
    pub const NO_POOL: u64 = 6;
    /// Executable memory.
    pub const EXECUTABLE: u64 = 7;
    /// A kernel that calls the processor is loaded.
    pub const CALLS_HOST: u64 = 8;
    /// Not of the global segment.
    pub const SEGMENT: u64 = 9;
    /// Less than a page.
    pub const SMALL: u64 = 10;
}
