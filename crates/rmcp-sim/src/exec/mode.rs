//! The MODE register: rounding, denormals, and what happens to NaNs.
//!
//! Source: "RDNA 2 ISA" (AMD), "Mode register"; LLVM `AMDGPUUsage.rst`, `compute_pgm_rsrc1`.

/// 32-bit floats, as a bit of [`Mode::flushes_in`].
pub(super) const FLUSH_32: u8 = 1;
/// 16-bit and 64-bit floats.
pub(super) const FLUSH_16_64: u8 = 2;
/// Instructions that know no denormals, whatever the mode says: `v_mad_f32` and its kin.
pub(super) const FLUSH_ALWAYS: u8 = 4;

/// The MODE register and what follows from it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mode {
    pub(super) bits: u32,
    /// Kinds of floats whose denormals are 0 when read.
    pub(super) flushes_in: u8,
    /// Kinds of floats whose denormals are 0 when written.
    pub(super) flushes_out: u8,
}

impl Mode {
    pub(super) const fn new(bits: u32) -> Self {
        let (single, other) = (bits >> 4 & 3, bits >> 6 & 3);
        // Bit 0 lets denormals in, bit 1 lets them out.
        let mut flushes_in = FLUSH_ALWAYS;
        let mut flushes_out = FLUSH_ALWAYS;
        if single & 1 == 0 {
            flushes_in |= FLUSH_32;
        }
        if other & 1 == 0 {
            flushes_in |= FLUSH_16_64;
        }
        if single & 2 == 0 {
            flushes_out |= FLUSH_32;
        }
        if other & 2 == 0 {
            flushes_out |= FLUSH_16_64;
        }
        Self { bits, flushes_in, flushes_out }
    }

    /// MODE at the start of a kernel, from `COMPUTE_PGM_RSRC1`.
    pub(super) const fn of_resources(resources1: u32) -> Self {
        let float_mode = resources1 >> 12 & 0xff;
        let dx10_clamp = resources1 >> 21 & 1;
        let ieee = resources1 >> 23 & 1;
        Self::new(float_mode | dx10_clamp << 8 | ieee << 9)
    }

    /// Whether floats are rounded to the nearest, which is all that is simulated.
    pub(super) const fn rounds_to_nearest(self) -> bool {
        self.bits & 15 == 0
    }

    /// `IEEE`: signalling NaNs become quiet, and output modifiers do nothing.
    pub(super) const fn is_ieee(self) -> bool {
        self.bits >> 9 & 1 != 0
    }

    /// `DX10_CLAMP`: clamping makes NaN 0.
    pub(super) const fn clamps_nan(self) -> bool {
        self.bits >> 8 & 1 != 0
    }
}
