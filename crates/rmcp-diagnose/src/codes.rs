//! The codes of all findings. They are an interface: scripts and remedies name them.
//!
//! The order is the order of importance among findings of one severity.

/// A card is made to run code of another instruction set.
pub const OVERRIDE_WRONG_ISA: &str = "override-wrong-isa";
/// The value of the override is one that the runtime refuses.
pub const OVERRIDE_MALFORMED: &str = "override-malformed";
/// The override belongs to another card.
pub const OVERRIDE_STALE: &str = "override-stale";
/// The override names a target that no runtime knows.
pub const OVERRIDE_UNKNOWN_ISA: &str = "override-unknown-isa";
/// The kernel module is blacklisted.
pub const DRIVER_BLACKLISTED: &str = "driver-blacklisted";
/// The kernel was started without graphics drivers.
pub const NOMODESET: &str = "nomodeset";
/// The kernel module is not loaded.
pub const DRIVER_NOT_LOADED: &str = "driver-not-loaded";
/// The card is bound to another driver.
pub const DRIVER_OTHER: &str = "driver-other";
/// KFD left the card out for want of PCIe atomics.
pub const PCIE_ATOMICS: &str = "pcie-atomics";
/// The card is not in the KFD topology.
pub const GPU_NOT_IN_KFD: &str = "gpu-not-in-kfd";
/// This is Windows Subsystem for Linux.
pub const WSL: &str = "wsl";
/// The container was not given the GPU's device files.
pub const CONTAINER_NO_DEVICE: &str = "container-no-device";
/// `/dev/kfd` is not there.
pub const KFD_MISSING: &str = "kfd-missing";
/// The user may not open a device file.
pub const NO_PERMISSION: &str = "no-permission";
/// The user was added to the group, but this session does not have it.
pub const GROUP_NOT_ACTIVE: &str = "group-not-active";
/// The device's group has no name inside this container.
pub const CONTAINER_GROUP: &str = "container-group";
/// PyTorch is a build for NVIDIA.
pub const TORCH_CUDA_BUILD: &str = "torch-cuda-build";
/// PyTorch is a build for the CPU.
pub const TORCH_CPU_BUILD: &str = "torch-cpu-build";
/// PyTorch has no code that this card can run.
pub const TORCH_LACKS_CARD: &str = "torch-lacks-card";
/// PyTorch needs an override of the same instruction set, and has none.
pub const OVERRIDE_MISSING: &str = "override-missing";
/// The override needed is set, but not exported.
pub const OVERRIDE_NOT_EXPORTED: &str = "override-not-exported";
/// The override needed is set for a unit alone.
pub const OVERRIDE_ONLY_IN_UNIT: &str = "override-only-in-unit";
/// The override needed is set, but this process does not see it.
pub const OVERRIDE_NOT_SEEN: &str = "override-not-seen";
/// The override for one node names a node without a GPU.
pub const OVERRIDE_WRONG_NODE: &str = "override-wrong-node";
/// The runtime here is too old for overrides of one node.
pub const OVERRIDE_NODE_UNSUPPORTED: &str = "override-node-unsupported";
/// The override points at code that the library does not have either.
pub const OVERRIDE_WITHOUT_CODE: &str = "override-without-code";
/// Some of the library's code lacks this card.
pub const TORCH_PARTIAL_CODE: &str = "torch-partial-code";
/// The rocBLAS in the package lacks this card.
pub const ROCBLAS_LACKS_CARD: &str = "rocblas-lacks-card";
/// Libraries of two ROCm versions meet in one process.
pub const ROCM_MIXED: &str = "rocm-mixed";
/// The GPU's hardware reported an error, or the kernel log shows a fault.
pub const KERNEL_LOG: &str = "kernel-log";
/// The log handed in shows a fault.
pub const LOG: &str = "log";
/// A variable does harm.
pub const VARIABLE_HARMFUL: &str = "variable-harmful";
/// A kernel or module parameter does harm.
pub const PARAMETER_HARMFUL: &str = "parameter-harmful";
/// An integrated GPU is visible beside the card.
pub const IGPU_VISIBLE: &str = "igpu-visible";
/// Another package is a build for NVIDIA or the CPU.
pub const PACKAGE_OTHER_BUILD: &str = "package-other-build";
/// The override does nothing: the library has native code.
pub const OVERRIDE_UNNEEDED: &str = "override-unneeded";
/// A wrong override is set somewhere, but not in force here.
pub const OVERRIDE_WAITING: &str = "override-waiting";
/// The card has no name in the knowledge base.
pub const GPU_UNKNOWN: &str = "gpu-unknown";
/// ROCm never supported this card.
pub const GPU_UNSUPPORTED: &str = "gpu-unsupported";
/// No AMD GPU is in the machine.
pub const NO_AMD_GPU: &str = "no-amd-gpu";
/// No GPU software was found.
pub const NO_SOFTWARE: &str = "no-software";
/// The library's code could not be read.
pub const CODE_UNREADABLE: &str = "code-unreadable";
/// The override is right here.
pub const OVERRIDE_RIGHT: &str = "override-right";
/// Variables that change nothing here.
pub const VARIABLES_INERT: &str = "variables-inert";
/// Kernel or module parameters that change nothing here.
pub const PARAMETERS_INERT: &str = "parameters-inert";
/// Variables left on that are for finding faults.
pub const VARIABLES_DIAGNOSTIC: &str = "variables-diagnostic";
/// Words configured for the boot that are not in force.
pub const PARAMETERS_NOT_LIVE: &str = "parameters-not-live";
/// The PCIe link is narrower or slower than it could be.
pub const LINK_DEGRADED: &str = "link-degraded";
/// The card is not one of those that this tool is about.
pub const OUTSIDE_SCOPE: &str = "outside-scope";

/// Every code, most important first.
pub const ALL: [&str; 49] = [
    OVERRIDE_WRONG_ISA,
    OVERRIDE_MALFORMED,
    OVERRIDE_STALE,
    OVERRIDE_UNKNOWN_ISA,
    DRIVER_BLACKLISTED,
    NOMODESET,
    DRIVER_NOT_LOADED,
    DRIVER_OTHER,
    PCIE_ATOMICS,
    GPU_NOT_IN_KFD,
    WSL,
    CONTAINER_NO_DEVICE,
    KFD_MISSING,
    NO_PERMISSION,
    GROUP_NOT_ACTIVE,
    CONTAINER_GROUP,
    TORCH_CUDA_BUILD,
    TORCH_CPU_BUILD,
    TORCH_LACKS_CARD,
    OVERRIDE_MISSING,
    OVERRIDE_NOT_EXPORTED,
    OVERRIDE_ONLY_IN_UNIT,
    OVERRIDE_NOT_SEEN,
    OVERRIDE_WRONG_NODE,
    OVERRIDE_NODE_UNSUPPORTED,
    OVERRIDE_WITHOUT_CODE,
    TORCH_PARTIAL_CODE,
    ROCBLAS_LACKS_CARD,
    ROCM_MIXED,
    KERNEL_LOG,
    LOG,
    VARIABLE_HARMFUL,
    PARAMETER_HARMFUL,
    IGPU_VISIBLE,
    PACKAGE_OTHER_BUILD,
    OVERRIDE_UNNEEDED,
    OVERRIDE_WAITING,
    GPU_UNKNOWN,
    GPU_UNSUPPORTED,
    NO_AMD_GPU,
    NO_SOFTWARE,
    CODE_UNREADABLE,
    OVERRIDE_RIGHT,
    VARIABLES_INERT,
    PARAMETERS_INERT,
    VARIABLES_DIAGNOSTIC,
    PARAMETERS_NOT_LIVE,
    LINK_DEGRADED,
    OUTSIDE_SCOPE,
];

/// Returns the place of a code in the order of importance.
pub(crate) fn rank(code: &str) -> usize {
    ALL.iter().position(|known| *known == code).unwrap_or(ALL.len())
}
