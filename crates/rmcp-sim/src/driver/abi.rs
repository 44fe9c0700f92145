//! The driver's interface: numbers and arguments of its calls.
//!
//! Source: Linux `include/uapi/linux/kfd_ioctl.h`, version 1.11 of the interface.

/// `AMDKFD_IOCTL_BASE`: the letter of all its calls.
pub const LETTER: u64 = b'K' as u64;

/// Numbers of the calls.
pub(crate) mod nr {
    pub(crate) const GET_VERSION: u64 = 0x01;
    pub(crate) const CREATE_QUEUE: u64 = 0x02;
    pub(crate) const DESTROY_QUEUE: u64 = 0x03;
    pub(crate) const SET_MEMORY_POLICY: u64 = 0x04;
    pub(crate) const GET_CLOCK_COUNTERS: u64 = 0x05;
    pub(crate) const UPDATE_QUEUE: u64 = 0x07;
    pub(crate) const CREATE_EVENT: u64 = 0x08;
    pub(crate) const DESTROY_EVENT: u64 = 0x09;
    pub(crate) const SET_EVENT: u64 = 0x0a;
    pub(crate) const RESET_EVENT: u64 = 0x0b;
    pub(crate) const WAIT_EVENTS: u64 = 0x0c;
    pub(crate) const SET_SCRATCH_BACKING_VA: u64 = 0x11;
    pub(crate) const GET_TILE_CONFIG: u64 = 0x12;
    pub(crate) const SET_TRAP_HANDLER: u64 = 0x13;
    pub(crate) const GET_PROCESS_APERTURES_NEW: u64 = 0x14;
    pub(crate) const ACQUIRE_VM: u64 = 0x15;
    pub(crate) const ALLOC_MEMORY_OF_GPU: u64 = 0x16;
    pub(crate) const FREE_MEMORY_OF_GPU: u64 = 0x17;
    pub(crate) const MAP_MEMORY_TO_GPU: u64 = 0x18;
    pub(crate) const UNMAP_MEMORY_FROM_GPU: u64 = 0x19;
    pub(crate) const SET_CU_MASK: u64 = 0x1a;
    pub(crate) const SET_XNACK_MODE: u64 = 0x21;
    pub(crate) const AVAILABLE_MEMORY: u64 = 0x23;
}

/// Flags of `ALLOC_MEMORY_OF_GPU`.
pub(crate) mod flag {
    pub(crate) const VRAM: u32 = 1;
    pub(crate) const GTT: u32 = 1 << 1;
    pub(crate) const USERPTR: u32 = 1 << 2;
    pub(crate) const DOORBELL: u32 = 1 << 3;
    pub(crate) const MMIO_REMAP: u32 = 1 << 4;
    pub(crate) const WRITABLE: u32 = 1 << 31;
    pub(crate) const EXECUTABLE: u32 = 1 << 30;
    pub(crate) const PUBLIC: u32 = 1 << 29;
    pub(crate) const COHERENT: u32 = 1 << 26;
    pub(crate) const UNCACHED: u32 = 1 << 25;
}

/// `KFD_IOC_QUEUE_TYPE_*`.
pub(crate) mod queue_type {
    pub(crate) const SDMA: u32 = 1;
    pub(crate) const COMPUTE_AQL: u32 = 2;
}

/// `KFD_IOC_EVENT_*`.
pub(crate) mod event_type {
    pub(crate) const SIGNAL: u32 = 0;
    pub(crate) const HW_EXCEPTION: u32 = 3;
    pub(crate) const MEMORY: u32 = 8;
}

/// `KFD_IOC_WAIT_RESULT_*`.
pub(crate) mod wait_result {
    pub(crate) const COMPLETE: u32 = 0;
    pub(crate) const TIMEOUT: u32 = 1;
    pub(crate) const FAIL: u32 = 2;
}

macro_rules! arguments {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[repr(C)]
        #[derive(Debug, Clone, Copy, Default)]
        pub(crate) struct $name { $(pub(crate) $field: $type,)* }
    )*};
}

arguments! {
    /// `kfd_ioctl_get_version_args`.
    GetVersion { major: u32, minor: u32, }
    /// `kfd_ioctl_create_queue_args`.
    CreateQueue {
        ring_base: u64,
        write_pointer: u64,
        read_pointer: u64,
        doorbell_offset: u64,
        ring_size: u32,
        gpu_id: u32,
        queue_type: u32,
        percentage: u32,
        priority: u32,
        queue_id: u32,
        eop_buffer: u64,
        eop_buffer_size: u64,
        save_restore: u64,
        save_restore_size: u32,
        control_stack_size: u32,
    }
    /// `kfd_ioctl_update_queue_args`.
    UpdateQueue {
        ring_base: u64,
        queue_id: u32,
        ring_size: u32,
        percentage: u32,
        priority: u32,
    }
    /// `kfd_ioctl_destroy_queue_args` and the like, and those that name an event.
    Id { id: u32, pad: u32, }
    /// `kfd_ioctl_get_clock_counters_args`.
    GetClockCounters {
        gpu: u64,
        cpu: u64,
        system: u64,
        system_frequency: u64,
        gpu_id: u32,
        pad: u32,
    }
    /// `kfd_process_device_apertures`.
    Apertures {
        lds_base: u64,
        lds_limit: u64,
        scratch_base: u64,
        scratch_limit: u64,
        gpuvm_base: u64,
        gpuvm_limit: u64,
        gpu_id: u32,
        pad: u32,
    }
    /// `kfd_ioctl_get_process_apertures_new_args`.
    GetApertures { apertures: u64, nodes: u32, pad: u32, }
    /// `kfd_ioctl_create_event_args`.
    CreateEvent {
        page_offset: u64,
        trigger_data: u32,
        event_type: u32,
        auto_reset: u32,
        node_id: u32,
        event_id: u32,
        slot_index: u32,
    }
    /// `kfd_hsa_memory_exception_data`.
    MemoryException {
        not_present: u32,
        read_only: u32,
        no_execute: u32,
        imprecise: u32,
        va: u64,
        gpu_id: u32,
        error_type: u32,
    }
    /// `kfd_event_data`. The exception is a union: that of the hardware lies in its first words.
    EventData {
        exception: MemoryException,
        extension: u64,
        event_id: u32,
        pad: u32,
    }
    /// `kfd_ioctl_wait_events_args`.
    WaitEvents {
        events: u64,
        count: u32,
        wait_for_all: u32,
        timeout_ms: u32,
        result: u32,
    }
    /// `kfd_ioctl_alloc_memory_of_gpu_args`.
    AllocMemory {
        va: u64,
        size: u64,
        handle: u64,
        mmap_offset: u64,
        gpu_id: u32,
        flags: u32,
    }
    /// `kfd_ioctl_free_memory_of_gpu_args`.
    FreeMemory { handle: u64, }
    /// `kfd_ioctl_map_memory_to_gpu_args`, and to unmap it.
    MapMemory { handle: u64, devices: u64, count: u32, succeeded: u32, }
    /// `kfd_ioctl_get_tile_config_args`.
    TileConfig {
        tiles: u64,
        macro_tiles: u64,
        tile_count: u32,
        macro_tile_count: u32,
        gpu_id: u32,
        address_config: u32,
        banks: u32,
        ranks: u32,
    }
    /// `kfd_ioctl_set_xnack_mode_args`.
    XnackMode { enabled: i32, }
    /// `kfd_ioctl_get_available_memory_args`.
    AvailableMemory { available: u64, gpu_id: u32, pad: u32, }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sizes stand in the numbers of the calls, so a wrong one would not be recognised.
    #[test]
    fn arguments_have_the_sizes_of_the_header() {
        let sizes = [
            size_of::<GetVersion>(),
            size_of::<CreateQueue>(),
            size_of::<Id>(),
            size_of::<UpdateQueue>(),
            size_of::<GetClockCounters>(),
            size_of::<Apertures>(),
            size_of::<GetApertures>(),
            size_of::<CreateEvent>(),
            size_of::<EventData>(),
            size_of::<WaitEvents>(),
            size_of::<AllocMemory>(),
            size_of::<MapMemory>(),
            size_of::<TileConfig>(),
            size_of::<AvailableMemory>(),
        ];
        assert_eq!(sizes, [8, 88, 8, 24, 40, 56, 16, 32, 48, 24, 40, 24, 40, 16]);
    }
}
