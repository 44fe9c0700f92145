//! What is used of the runtime's types, as its headers have them.
//!
//! Source for all of this file: HSA runtime `hsa.h` and `hsa_ext_amd.h`, ROCr 5.2.3 to 6.4.

use std::ffi::{c_char, c_int, c_void};

/// `hsa_status_t`.
pub(crate) type Status = u32;

/// `HSA_STATUS_SUCCESS`.
pub(crate) const SUCCESS: Status = 0;
/// `HSA_STATUS_INFO_BREAK`: an iteration was ended by who had asked for it.
pub(crate) const BREAK: Status = 1;
/// `HSA_STATUS_ERROR`.
pub(crate) const ERROR: Status = 0x1000;

/// `hsa_agent_t`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Agent {
    pub(crate) handle: u64,
}

/// `hsa_amd_memory_pool_t`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct Pool {
    pub(crate) handle: u64,
}

/// `hsa_region_t`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct Region {
    pub(crate) handle: u64,
}

/// `hsa_signal_t`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct Signal {
    pub(crate) handle: u64,
}

/// `hsa_executable_t`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct Executable {
    pub(crate) handle: u64,
}

/// `hsa_code_object_reader_t`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct Reader {
    pub(crate) handle: u64,
}

/// `hsa_loaded_code_object_t`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct LoadedCode {
    pub(crate) handle: u64,
}

/// `hsa_queue_t`.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Queue {
    pub(crate) kind: u32,
    pub(crate) features: u32,
    pub(crate) base: *mut c_void,
    pub(crate) doorbell: Signal,
    pub(crate) size: u32,
    pub(crate) reserved: u32,
    pub(crate) id: u64,
}

/// `hsa_kernel_dispatch_packet_t`, which of the packets has the most fields.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct Packet {
    pub(crate) header: u16,
    pub(crate) setup: u16,
    pub(crate) group: [u16; 3],
    pub(crate) reserved: u16,
    pub(crate) grid: [u32; 3],
    pub(crate) private: u32,
    pub(crate) lds: u32,
    pub(crate) kernel_object: u64,
    pub(crate) kernarg: u64,
    pub(crate) reserved2: u64,
    pub(crate) signal: u64,
}

/// `hsa_packet_type_t`, the low byte of a header.
pub(crate) mod packet {
    pub(crate) const INVALID: u16 = 1;
    pub(crate) const KERNEL_DISPATCH: u16 = 2;
}

/// `hsa_pitched_ptr_t`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct Pitched {
    pub(crate) base: *mut c_void,
    pub(crate) pitch: usize,
    pub(crate) slice: usize,
}

/// `hsa_dim3_t`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct Dim3 {
    pub(crate) x: u32,
    pub(crate) y: u32,
    pub(crate) z: u32,
}

/// `hsa_amd_event_t`, for the one kind that 5.2.3 knows.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct SystemEvent {
    pub(crate) kind: u32,
    pub(crate) agent: Agent,
    pub(crate) address: u64,
    pub(crate) reasons: u32,
}

/// `HSA_AMD_GPU_MEMORY_FAULT_EVENT`.
pub(crate) const MEMORY_FAULT_EVENT: u32 = 0;

/// `hsa_amd_svm_attribute_pair_t`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct SvmAttribute {
    pub(crate) attribute: u64,
    pub(crate) value: u64,
}

/// `HSA_AMD_SVM_ATTRIB_GLOBAL_FLAG` and its values.
pub(crate) mod svm {
    pub(crate) const GLOBAL_FLAG: u64 = 0;
    pub(crate) const FINE: u64 = 0;
    pub(crate) const COARSE: u64 = 1;
}

/// `hsa_amd_memory_pool_info_t`, and the same numbers in `hsa_region_info_t`.
pub(crate) mod pool_info {
    pub(crate) const SEGMENT: u32 = 0;
    pub(crate) const FLAGS: u32 = 1;
    pub(crate) const BYTES: u32 = 2;
}

/// `hsa_amd_memory_pool_global_flag_t`, and the same numbers in `hsa_region_global_flag_t`.
pub(crate) mod pool_flag {
    pub(crate) const KERNARG: u32 = 1;
    pub(crate) const FINE: u32 = 2;
    pub(crate) const COARSE: u32 = 4;
}

/// `HSA_AMD_SEGMENT_GLOBAL`.
pub(crate) const GLOBAL_SEGMENT: u32 = 0;

/// `HSA_AMD_MEMORY_POOL_EXECUTABLE_FLAG`, in the flags of an allocation.
pub(crate) const EXECUTABLE_FLAG: u32 = 1 << 2;

/// `hsa_agent_info_t`.
pub(crate) mod agent_info {
    pub(crate) const NAME: u32 = 0;
    pub(crate) const DEVICE: u32 = 17;
    pub(crate) const ISA: u32 = 19;
}

/// `hsa_isa_info_t`.
pub(crate) mod isa_info {
    pub(crate) const NAME_LENGTH: u32 = 0;
    pub(crate) const NAME: u32 = 1;
}

/// `hsa_executable_symbol_info_t`.
pub(crate) mod symbol_info {
    pub(crate) const NAME_LENGTH: u32 = 1;
    pub(crate) const NAME: u32 = 2;
    pub(crate) const KERNARG_BYTES: u32 = 11;
    pub(crate) const LDS_BYTES: u32 = 13;
    pub(crate) const PRIVATE_BYTES: u32 = 14;
    pub(crate) const KERNEL_OBJECT: u32 = 22;
}

/// `HSA_EXTENSION_AMD_LOADER`, and of `hsa_ven_amd_loader.h` what is asked.
pub(crate) mod loader {
    pub(crate) const EXTENSION: u16 = 0x201;
    pub(crate) const LOAD_BASE: u32 = 9;
    pub(crate) const LOAD_SIZE: u32 = 10;
    /// Place of `hsa_ven_amd_loader_loaded_code_object_get_info` in `hsa_ven_amd_loader_1_01_pfn_t`, which begins with
    /// three functions of version 1.00 and one that lists loaded code objects.
    pub(crate) const GET_INFO: usize = 4;
    pub(crate) const FUNCTIONS: usize = 5;
}

/// `hsa_signal_condition_t`.
pub(crate) mod condition {
    pub(crate) const EQ: u32 = 0;
    pub(crate) const NE: u32 = 1;
    pub(crate) const LT: u32 = 2;
}

// Types of functions, by what they do.
pub(crate) type AgentCallback = unsafe extern "C" fn(Agent, *mut c_void) -> Status;
pub(crate) type PoolCallback = unsafe extern "C" fn(Pool, *mut c_void) -> Status;
pub(crate) type QueueCallback = unsafe extern "C" fn(Status, *mut Queue, *mut c_void);
pub(crate) type EventCallback = unsafe extern "C" fn(*const SystemEvent, *mut c_void) -> Status;
pub(crate) type IterateAgents = unsafe extern "C" fn(Option<AgentCallback>, *mut c_void) -> Status;
pub(crate) type IteratePools =
    unsafe extern "C" fn(Agent, Option<PoolCallback>, *mut c_void) -> Status;
pub(crate) type GetInfo = unsafe extern "C" fn(u64, u32, *mut c_void) -> Status;
pub(crate) type QueueCreate = unsafe extern "C" fn(
    Agent,
    u32,
    u32,
    Option<QueueCallback>,
    *mut c_void,
    u32,
    u32,
    *mut *mut Queue,
) -> Status;
pub(crate) type QueueDestroy = unsafe extern "C" fn(*mut Queue) -> Status;
pub(crate) type LoadIndex = unsafe extern "C" fn(*const Queue) -> u64;
pub(crate) type MemoryAllocate = unsafe extern "C" fn(Region, usize, *mut *mut c_void) -> Status;
pub(crate) type MemoryFree = unsafe extern "C" fn(*mut c_void) -> Status;
pub(crate) type MemoryCopy = unsafe extern "C" fn(*mut c_void, *const c_void, usize) -> Status;
pub(crate) type SignalDestroy = unsafe extern "C" fn(Signal) -> Status;
pub(crate) type SignalLoad = unsafe extern "C" fn(Signal) -> i64;
pub(crate) type SignalStore = unsafe extern "C" fn(Signal, i64);
pub(crate) type SignalWait = unsafe extern "C" fn(Signal, u32, i64, u64, u32) -> i64;
pub(crate) type ExecutableDestroy = unsafe extern "C" fn(Executable) -> Status;
pub(crate) type LoadAgentCode =
    unsafe extern "C" fn(Executable, Agent, Reader, *const c_char, *mut LoadedCode) -> Status;
pub(crate) type ReaderFromFile = unsafe extern "C" fn(c_int, *mut Reader) -> Status;
pub(crate) type ReaderFromMemory =
    unsafe extern "C" fn(*const c_void, usize, *mut Reader) -> Status;
pub(crate) type ReaderDestroy = unsafe extern "C" fn(Reader) -> Status;
pub(crate) type MajorExtensionTable = unsafe extern "C" fn(u16, u16, usize, *mut c_void) -> Status;
pub(crate) type PoolAllocate = unsafe extern "C" fn(Pool, usize, u32, *mut *mut c_void) -> Status;
pub(crate) type AsyncCopy = unsafe extern "C" fn(
    *mut c_void,
    Agent,
    *const c_void,
    Agent,
    usize,
    u32,
    *const Signal,
    Signal,
) -> Status;
pub(crate) type AsyncCopyOnEngine = unsafe extern "C" fn(
    *mut c_void,
    Agent,
    *const c_void,
    Agent,
    usize,
    u32,
    *const Signal,
    Signal,
    u32,
    bool,
) -> Status;
pub(crate) type AsyncCopyRect = unsafe extern "C" fn(
    *const Pitched,
    *const Dim3,
    *const Pitched,
    *const Dim3,
    *const Dim3,
    Agent,
    u32,
    u32,
    *const Signal,
    Signal,
) -> Status;
pub(crate) type AllowAccess =
    unsafe extern "C" fn(u32, *const Agent, *const u32, *const c_void) -> Status;
pub(crate) type MemoryLock =
    unsafe extern "C" fn(*mut c_void, usize, *mut Agent, c_int, *mut *mut c_void) -> Status;
pub(crate) type MemoryLockToPool = unsafe extern "C" fn(
    *mut c_void,
    usize,
    *mut Agent,
    c_int,
    Pool,
    u32,
    *mut *mut c_void,
) -> Status;
pub(crate) type MemoryFill = unsafe extern "C" fn(*mut c_void, u32, usize) -> Status;
pub(crate) type PointerInfo = unsafe extern "C" fn(
    *const c_void,
    *mut PointerInfoOut,
    Option<unsafe extern "C" fn(usize) -> *mut c_void>,
    *mut u32,
    *mut *mut Agent,
) -> Status;
pub(crate) type SetUserData = unsafe extern "C" fn(*const c_void, *mut c_void) -> Status;
pub(crate) type IpcAttach =
    unsafe extern "C" fn(*const c_void, usize, u32, *const Agent, *mut *mut c_void) -> Status;
pub(crate) type RegisterEvents = unsafe extern "C" fn(Option<EventCallback>, *mut c_void) -> Status;
pub(crate) type SvmSet =
    unsafe extern "C" fn(*mut c_void, usize, *mut SvmAttribute, usize) -> Status;

/// The beginning of `hsa_amd_pointer_info_t`, which is as long as its first field says.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct PointerInfoOut {
    pub(crate) bytes: u32,
    pub(crate) kind: u32,
    pub(crate) agent_base: *mut c_void,
    pub(crate) host_base: *mut c_void,
    pub(crate) size: usize,
}
