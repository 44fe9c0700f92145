//! What a log says: which known messages stand where, and what they contain.

use crate::{GfxTarget, Version};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// What kind of failure a message reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "the kinds are described, with their rank, in knowledge data/kinds.toml"
)]
pub enum LogKind {
    ApertureViolation,
    PageFault,
    IllegalAddress,
    NoBinary,
    IllegalInstruction,
    CodeObjectLoad,
    Oom,
    TensileMissing,
    Miopen,
    CompileError,
    HangTimeout,
    Permission,
    PcieAtomics,
    DriverNotLoaded,
    HsaInit,
    CpuOrCudaWheel,
    VersionMismatch,
    DmesgGcvm,
    Segfault,
    HardwareMce,
    HardwareRas,
    PythonOther,
    NvidiaCuda,
    None,
}

impl LogKind {
    /// Every kind, in the order of the enumeration.
    pub const ALL: [Self; 24] = [
        Self::ApertureViolation,
        Self::PageFault,
        Self::IllegalAddress,
        Self::NoBinary,
        Self::IllegalInstruction,
        Self::CodeObjectLoad,
        Self::Oom,
        Self::TensileMissing,
        Self::Miopen,
        Self::CompileError,
        Self::HangTimeout,
        Self::Permission,
        Self::PcieAtomics,
        Self::DriverNotLoaded,
        Self::HsaInit,
        Self::CpuOrCudaWheel,
        Self::VersionMismatch,
        Self::DmesgGcvm,
        Self::Segfault,
        Self::HardwareMce,
        Self::HardwareRas,
        Self::PythonOther,
        Self::NvidiaCuda,
        Self::None,
    ];

    /// Returns the kind's name in data and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::ApertureViolation => "aperture_violation",
            Self::PageFault => "page_fault",
            Self::IllegalAddress => "illegal_address",
            Self::NoBinary => "no_binary",
            Self::IllegalInstruction => "illegal_instruction",
            Self::CodeObjectLoad => "code_object_load",
            Self::Oom => "oom",
            Self::TensileMissing => "tensile_missing",
            Self::Miopen => "miopen",
            Self::CompileError => "compile_error",
            Self::HangTimeout => "hang_timeout",
            Self::Permission => "permission",
            Self::PcieAtomics => "pcie_atomics",
            Self::DriverNotLoaded => "driver_not_loaded",
            Self::HsaInit => "hsa_init",
            Self::CpuOrCudaWheel => "cpu_or_cuda_wheel",
            Self::VersionMismatch => "version_mismatch",
            Self::DmesgGcvm => "dmesg_gcvm",
            Self::Segfault => "segfault",
            Self::HardwareMce => "hardware_mce",
            Self::HardwareRas => "hardware_ras",
            Self::PythonOther => "python_other",
            Self::NvidiaCuda => "nvidia_cuda",
            Self::None => "none",
        }
    }

    /// Returns whether this kind speaks of AMD's hardware or software.
    pub fn blames_amd(self) -> bool {
        !matches!(
            self,
            Self::PythonOther | Self::NvidiaCuda | Self::None | Self::Segfault | Self::HardwareMce
        )
    }
}

impl fmt::Display for LogKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One signature found in a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogMatch {
    /// Id of the signature in the knowledge base.
    pub signature: String,
    /// What it reports.
    pub kind: LogKind,
    /// Lines on which it begins, counted from 1; only the first ones are kept.
    pub lines: Vec<u64>,
    /// Byte offset of the first one, which orders matches on one line.
    pub offset: u64,
    /// The text of the first one, made printable and cut to one screen line or so.
    pub excerpt: String,
    /// What the text holds: address, node, queue, kernel, pid, status bits and so on.
    pub fields: BTreeMap<String, String>,
}

/// A GPU named in a pasted report such as rocminfo's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastedGpu {
    /// The target that the report names; under an override this is the one pretended.
    pub gfx: Option<GfxTarget>,
    /// The card's name where it stands beside the target.
    pub name: Option<String>,
    /// Line, counted from 1.
    pub line: u64,
}

/// Facts about a machine that people paste together with a crash: rocminfo, rocm-smi, `collect_env`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastedFacts {
    /// GPUs in the order of the text.
    pub gpus: Vec<PastedGpu>,
    /// Version of PyTorch, as written.
    pub torch: Option<String>,
    /// Version of ROCm or HIP that PyTorch was built with.
    pub rocm: Option<Version>,
    /// Value of `HSA_OVERRIDE_GFX_VERSION` in the text.
    pub gfx_override: Option<String>,
}

/// Everything recognised in one log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogFacts {
    /// Bytes read.
    pub bytes: u64,
    /// Lines read.
    pub lines: u64,
    /// Signatures found, in the order of their first line.
    pub matches: Vec<LogMatch>,
    /// Facts pasted beside them.
    pub pasted: PastedFacts,
}
