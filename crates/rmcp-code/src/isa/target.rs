//! The targets whose instructions are known here, and the faults of their hardware.

use rmcp_model::GfxTarget;

/// A target of RDNA1 or RDNA2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are LLVM's")]
pub enum Target {
    Gfx1010,
    Gfx1011,
    Gfx1012,
    Gfx1013,
    Gfx1030,
    Gfx1031,
    Gfx1032,
    Gfx1033,
    Gfx1034,
    Gfx1035,
    Gfx1036,
}

impl Target {
    /// All of them, in the order of the tables' bits.
    pub const ALL: [Self; 11] = [
        Self::Gfx1010,
        Self::Gfx1011,
        Self::Gfx1012,
        Self::Gfx1013,
        Self::Gfx1030,
        Self::Gfx1031,
        Self::Gfx1032,
        Self::Gfx1033,
        Self::Gfx1034,
        Self::Gfx1035,
        Self::Gfx1036,
    ];

    /// LLVM's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gfx1010 => "gfx1010",
            Self::Gfx1011 => "gfx1011",
            Self::Gfx1012 => "gfx1012",
            Self::Gfx1013 => "gfx1013",
            Self::Gfx1030 => "gfx1030",
            Self::Gfx1031 => "gfx1031",
            Self::Gfx1032 => "gfx1032",
            Self::Gfx1033 => "gfx1033",
            Self::Gfx1034 => "gfx1034",
            Self::Gfx1035 => "gfx1035",
            Self::Gfx1036 => "gfx1036",
        }
    }

    /// Returns the target of this name or number, `None` where its instructions are not known here.
    pub fn from_gfx(target: GfxTarget) -> Option<Self> {
        let name = target.to_string();
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// This target's bit in the tables.
    pub(crate) const fn bit(self) -> u16 {
        1 << self as u16
    }

    /// Returns whether it is one of gfx1010 to gfx1013, on which LLVM works around the hardware faults named in
    /// [`crate::rules`].
    ///
    /// Source: LLVM `AMDGPU.td`, `FeatureGroup.GFX10_1_Bugs`, which is in the feature sets
    /// of gfx1010 to gfx1013 and of no other.
    pub const fn has_gfx10_1_faults(self) -> bool {
        matches!(self, Self::Gfx1010 | Self::Gfx1011 | Self::Gfx1012 | Self::Gfx1013)
    }
}
