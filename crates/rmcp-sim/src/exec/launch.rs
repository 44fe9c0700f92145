//! One dispatch, as the packet processor hands it over.

use super::strict::Strict;
use std::sync::atomic::AtomicBool;

/// Private memory that backs the wavefronts of a dispatch.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scratch {
    /// Address of the first slot.
    pub base: u64,
    /// Bytes of one slot; a wavefront has one while it runs.
    pub slot_bytes: u64,
    /// Number of slots.
    pub slots: u32,
    /// The queue's resource descriptor. Swizzling, the index stride and `ADD_TID_ENABLE` are filled in at the start
    /// of a wavefront, as the packet processor does.
    ///
    /// Source: ROCr `amd_aql_queue.cpp`, `FillBufRsrcWord3_Gfx10` ("filled in by CP").
    pub descriptor: [u32; 4],
}

/// One dispatch.
#[derive(Debug, Clone, Copy, Default)]
pub struct Launch<'a> {
    /// Work-items in each dimension.
    pub grid: [u32; 3],
    /// Work-items of a work-group in each dimension.
    pub workgroup: [u32; 3],
    /// Address of the kernel descriptor.
    pub kernel_object: u64,
    /// Address of the arguments.
    pub kernarg: u64,
    /// LDS of a work-group in bytes, what is dynamic with it.
    pub group_segment_bytes: u32,
    /// Private memory of a work-item in bytes.
    pub private_segment_bytes: u32,
    /// Address of the AQL packet.
    pub dispatch_ptr: u64,
    /// Address of the queue (`amd_queue_t`).
    pub queue_ptr: u64,
    /// The number of the dispatch in its queue.
    pub dispatch_id: u64,
    /// Private memory.
    pub scratch: Scratch,
    /// Set by the caller to stop the dispatch.
    pub stop: Option<&'a AtomicBool>,
    /// Where hazards of gfx10.1 are noted down, where they are looked for.
    pub strict: Option<&'a Strict>,
}
