//! The 64 bytes that tell the hardware how to start a kernel.
//!
//! Source: LLVM `AMDGPUUsage.rst`, "Kernel Descriptor", for GFX10.

use crate::isa::Wave;

/// Size of a descriptor in bytes.
pub const DESCRIPTOR_BYTES: usize = 64;

/// A kernel descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelDescriptor {
    /// LDS that the kernel has from its start, in bytes.
    pub group_segment_bytes: u32,
    /// Private memory of each work-item, in bytes.
    pub private_segment_bytes: u32,
    /// Size of the arguments in bytes.
    pub kernarg_bytes: u32,
    /// First instruction, in bytes from the descriptor itself.
    pub entry_offset: i64,
    /// `COMPUTE_PGM_RSRC3`.
    pub resources3: u32,
    /// `COMPUTE_PGM_RSRC1`.
    pub resources1: u32,
    /// `COMPUTE_PGM_RSRC2`.
    pub resources2: u32,
    /// Which registers are set at the start, and the size of a wavefront.
    pub properties: u16,
}

impl KernelDescriptor {
    /// Parses a descriptor, `None` where bytes are missing.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; DESCRIPTOR_BYTES] = bytes.get(..DESCRIPTOR_BYTES)?.try_into().ok()?;
        let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let word = |at: usize| u32::from(half(at)) | u32::from(half(at + 2)) << 16;
        let entry = u64::from(word(16)) | u64::from(word(20)) << 32;
        Some(Self {
            group_segment_bytes: word(0),
            private_segment_bytes: word(4),
            kernarg_bytes: word(8),
            entry_offset: entry.cast_signed(),
            resources3: word(44),
            resources1: word(48),
            resources2: word(52),
            properties: half(56),
        })
    }

    /// `ENABLE_WAVEFRONT_SIZE32`, bit 10 of the properties.
    pub const fn wave(&self) -> Wave {
        if self.properties >> 10 & 1 != 0 { Wave::Wave32 } else { Wave::Wave64 }
    }

    /// `WGP_MODE`, bit 29 of `COMPUTE_PGM_RSRC1`: a work-group uses both compute units of a pair.
    pub const fn is_wgp_mode(&self) -> bool {
        self.resources1 >> 29 & 1 != 0
    }

    /// `USES_DYNAMIC_STACK`, bit 11 of the properties.
    pub const fn uses_dynamic_stack(&self) -> bool {
        self.properties >> 11 & 1 != 0
    }

    /// Vector registers that are allocated: granules of 8 in wave32, of 4 in wave64.
    pub const fn vector_registers(&self) -> u32 {
        let granule = match self.wave() {
            Wave::Wave32 => 8,
            Wave::Wave64 => 4,
        };
        ((self.resources1 & 0x3f) + 1) * granule
    }
}
