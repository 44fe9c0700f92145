//! What the card is made of, as far as running code depends on it.

use rmcp_code::isa::Target;

/// The card.
#[derive(Debug, Clone)]
pub struct Device {
    /// Whose instructions and faults.
    pub target: Target,
    /// Where the LDS stands among flat addresses; 4 GiB from there on.
    pub lds_aperture: u64,
    /// Where private memory stands among flat addresses; 4 GiB from there on.
    pub private_aperture: u64,
    /// Threads of the processor that work-groups are spread over; 0 counts as 1.
    pub threads: usize,
    /// Ticks of the clock that `s_memtime` and `s_memrealtime` read, added to what the dispatch counts itself.
    pub clock: u64,
}

impl Device {
    /// Returns a card with the apertures that the Linux driver sets: LDS at `1 << 48`, private at `2 << 48`.
    ///
    /// Source: Linux `kfd_flat_memory.c`, `MAKE_LDS_APP_BASE_V9` and `MAKE_SCRATCH_APP_BASE_V9`.
    pub fn new(target: Target, threads: usize) -> Self {
        Self { target, lds_aperture: 1 << 48, private_aperture: 2 << 48, threads, clock: 0 }
    }

    /// Returns whether FLAT instructions lose their offset where the address is in global memory.
    ///
    /// Source: LLVM `AMDGPU.td`, `FeatureFlatSegmentOffsetBug` ("GFX10 bug where inst_offset is ignored when
    /// flat instructions access global memory"), set for gfx1010 to gfx1013.
    pub const fn drops_flat_offset(&self) -> bool {
        self.target.has_gfx10_1_faults()
    }
}
