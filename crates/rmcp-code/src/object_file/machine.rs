//! The target in an ELF header's flags.

use crate::isa::Target;
use rmcp_model::GfxTarget;
use std::fmt;

/// What a code object was built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CodeTarget {
    /// One target.
    Gfx(GfxTarget),
    /// A family: code that all of its targets run. The name is LLVM's.
    Generic(&'static str),
    /// A number that is not known here.
    Unknown(u8),
}

/// Numbers of targets. Source: LLVM `AMDGPUUsage.rst`, table "AMDGPU ELF Header `e_flags`".
const TARGETS: [(u8, u8, u8, u8); 41] = [
    (0x28, 8, 0, 1),
    (0x29, 8, 0, 2),
    (0x2a, 8, 0, 3),
    (0x2b, 8, 1, 0),
    (0x2c, 9, 0, 0),
    (0x2d, 9, 0, 2),
    (0x2e, 9, 0, 4),
    (0x2f, 9, 0, 6),
    (0x30, 9, 0, 8),
    (0x31, 9, 0, 9),
    (0x32, 9, 0, 0xc),
    (0x33, 10, 1, 0),
    (0x34, 10, 1, 1),
    (0x35, 10, 1, 2),
    (0x36, 10, 3, 0),
    (0x37, 10, 3, 1),
    (0x38, 10, 3, 2),
    (0x39, 10, 3, 3),
    (0x3d, 10, 3, 5),
    (0x3e, 10, 3, 4),
    (0x3f, 9, 0, 0xa),
    (0x41, 11, 0, 0),
    (0x42, 10, 1, 3),
    (0x43, 11, 5, 0),
    (0x44, 11, 0, 3),
    (0x45, 10, 3, 6),
    (0x46, 11, 0, 1),
    (0x47, 11, 0, 2),
    (0x48, 12, 0, 0),
    (0x49, 12, 5, 0),
    (0x4a, 11, 5, 1),
    (0x4c, 9, 4, 2),
    (0x4e, 12, 0, 1),
    (0x4f, 9, 5, 0),
    (0x50, 13, 1, 0),
    (0x55, 11, 5, 2),
    (0x58, 11, 5, 3),
    (0x5a, 12, 5, 1),
    (0x5c, 11, 7, 2),
    (0x5d, 11, 7, 0),
    (0x5e, 11, 7, 1),
];

/// Numbers of families. Source: the same table.
const GENERIC: [(u8, &str); 7] = [
    (0x51, "gfx9-generic"),
    (0x52, "gfx10-1-generic"),
    (0x53, "gfx10-3-generic"),
    (0x54, "gfx11-generic"),
    (0x59, "gfx12-generic"),
    (0x5b, "gfx12-5-generic"),
    (0x5f, "gfx9-4-generic"),
];

impl CodeTarget {
    /// Returns the target of `e_flags`, of which the low eight bits name it from code object version 3 on.
    #[expect(clippy::cast_possible_truncation, reason = "the low eight bits are what is meant")]
    pub(super) fn from_flags(flags: u32, _abi_version: u8) -> Self {
        let number = flags as u8;
        let target = TARGETS.iter().find(|target| target.0 == number);
        let generic = GENERIC.iter().find(|generic| generic.0 == number);
        match (target, generic) {
            (Some(&(_, major, minor, stepping)), _) => {
                Self::Gfx(GfxTarget::new(major, minor, stepping))
            }
            (None, Some(&(_, name))) => Self::Generic(name),
            (None, None) => Self::Unknown(number),
        }
    }

    /// Returns the family at the end of a bundle entry's id.
    pub(crate) fn generic_of_bundle_id(id: &str) -> Option<Self> {
        let (_, name) = id.split_once("-amdhsa-")?;
        let name = name.trim_start_matches('-').split(':').next()?;
        GENERIC.iter().find(|generic| generic.1 == name).map(|generic| Self::Generic(generic.1))
    }

    /// Returns the target whose instructions the code has, where they are known here. A family has those that
    /// all of its targets share: these are gfx1010's for the older, and gfx1030's for the newer one.
    ///
    /// Source: LLVM `AMDGPUUsage.rst`, table "AMDGPU Generic Processors".
    pub fn instructions(self) -> Option<Target> {
        match self {
            Self::Gfx(target) => Target::from_gfx(target),
            Self::Generic("gfx10-1-generic") => Some(Target::Gfx1010),
            Self::Generic("gfx10-3-generic") => Some(Target::Gfx1030),
            Self::Generic(_) | Self::Unknown(_) => None,
        }
    }

    /// The target, where it is a single one.
    pub const fn gfx(self) -> Option<GfxTarget> {
        match self {
            Self::Gfx(target) => Some(target),
            _ => None,
        }
    }
}

impl fmt::Display for CodeTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gfx(target) => target.fmt(f),
            Self::Generic(name) => f.write_str(name),
            Self::Unknown(number) => write!(f, "unknown target {number:#04x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_name_targets_and_families() {
        for (flags, name, instructions) in [
            (0x133, "gfx1010", Some(Target::Gfx1010)),
            (0x42, "gfx1013", Some(Target::Gfx1013)),
            (0x36, "gfx1030", Some(Target::Gfx1030)),
            (0x45, "gfx1036", Some(Target::Gfx1036)),
            (0x0100_0052, "gfx10-1-generic", Some(Target::Gfx1010)),
            (0x0100_0053, "gfx10-3-generic", Some(Target::Gfx1030)),
            (0x3f, "gfx90a", None),
            (0x41, "gfx1100", None),
            (0x48, "gfx1200", None),
            (0xff, "unknown target 0xff", None),
        ] {
            let target = CodeTarget::from_flags(flags, 4);
            assert_eq!(target.to_string(), name);
            assert_eq!(target.instructions(), instructions, "{name}");
        }
        let mut numbers: Vec<u8> = TARGETS.iter().map(|target| target.0).collect();
        numbers.extend(GENERIC.iter().map(|generic| generic.0));
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), count, "a number stands for one target");
    }
}
