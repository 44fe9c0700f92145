//! LLVM's name for a GPU's instruction set, and the forms in which ROCm writes it.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A gfx target such as `gfx1030`: major version in decimal, then minor and stepping as one hexadecimal
/// digit each.
///
/// Source: LLVM `AMDGPUUsage.rst`, table "AMDGPU Processors".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GfxTarget {
    /// Major version: 8 to 12 today.
    pub major: u8,
    /// Minor version.
    pub minor: u8,
    /// Stepping.
    pub stepping: u8,
}

/// Why a value of `HSA_OVERRIDE_GFX_VERSION` is not one that the runtime accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverrideSyntaxError;

impl fmt::Display for OverrideSyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected three decimal numbers such as 10.3.0 and nothing else")
    }
}

impl std::error::Error for OverrideSyntaxError {}

impl GfxTarget {
    /// Returns the target with these three parts.
    pub const fn new(major: u8, minor: u8, stepping: u8) -> Self {
        Self { major, minor, stepping }
    }

    /// Returns the target of KFD's decimal `gfx_target_version` (`MMmmss`, so 100300 is gfx1030); 0 is a
    /// node without a GPU.
    ///
    /// Source: Linux `drivers/gpu/drm/amd/amdkfd/kfd_device.c`, `kgd2kfd_probe`.
    pub fn from_kfd(version: u64) -> Option<Self> {
        let major = u8::try_from(version / 10_000).ok().filter(|&major| major > 0)?;
        let minor = u8::try_from(version / 100 % 100).ok()?;
        let stepping = u8::try_from(version % 100).ok()?;
        Some(Self { major, minor, stepping })
    }

    /// Parses a value of `HSA_OVERRIDE_GFX_VERSION` as libhsakmt does: exactly three decimal numbers,
    /// major at most 63, the others at most 255, nothing behind them.
    ///
    /// Like `sscanf("%u.%u.%u%c")`, blanks and a plus sign before a number are accepted.
    ///
    /// Source: rocr-runtime `libhsakmt/src/topology.c`, `topology_sysfs_get_node_props`.
    ///
    /// # Errors
    /// [`OverrideSyntaxError`] for every text on which the runtime gives up.
    pub fn parse_override(text: &str) -> Result<Self, OverrideSyntaxError> {
        let mut rest = text;
        let mut number = |last: bool| {
            let trimmed = rest.trim_start();
            let trimmed = trimmed.strip_prefix('+').unwrap_or(trimmed);
            let digits = trimmed.bytes().take_while(u8::is_ascii_digit).count();
            let value: u32 = trimmed[..digits].parse().map_err(|_| OverrideSyntaxError)?;
            rest = &trimmed[digits..];
            if !last {
                rest = rest.strip_prefix('.').ok_or(OverrideSyntaxError)?;
            }
            Ok(value)
        };
        let (major, minor, stepping) = (number(false)?, number(false)?, number(true)?);
        if !rest.is_empty() || major > 63 {
            return Err(OverrideSyntaxError);
        }
        let part = |value: u32| u8::try_from(value).map_err(|_| OverrideSyntaxError);
        Ok(Self { major: part(major)?, minor: part(minor)?, stepping: part(stepping)? })
    }

    /// Returns the target in the form that `HSA_OVERRIDE_GFX_VERSION` takes, such as `10.3.0`.
    pub fn dotted(self) -> String {
        format!("{}.{}.{}", self.major, self.minor, self.stepping)
    }

    /// Returns the target named at the start of a text such as `gfx1030`, `gfx90a:xnack-`, and the length
    /// of the name; feature suffixes are not part of it.
    pub fn parse_prefix(text: &str) -> Option<(Self, usize)> {
        let digits = text.strip_prefix("gfx")?;
        let len = digits.bytes().take_while(u8::is_ascii_hexdigit).count();
        let name = digits.get(..len)?;
        // The last two digits are hexadecimal and written in lower case; what stands before is decimal.
        if !(3..=4).contains(&len) || name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return None;
        }
        let (major, rest) = name.split_at(len - 2);
        let major = major.parse().ok()?;
        let minor = u8::from_str_radix(&rest[..1], 16).ok()?;
        let stepping = u8::from_str_radix(&rest[1..], 16).ok()?;
        Some((Self { major, minor, stepping }, 3 + len))
    }

    /// Returns the target at the end of a code object's id such as
    /// `hipv4-amdgcn-amd-amdhsa--gfx90a:xnack-`; older compilers wrote one dash in front of it.
    pub fn from_bundle_id(id: &str) -> Option<Self> {
        let (_, name) = id.split_once("-amdhsa-")?;
        let name = name.trim_start_matches('-');
        Self::parse_prefix(name)
            .filter(|&(_, len)| matches!(name.as_bytes().get(len), None | Some(b':')))
            .map(|(target, _)| target)
    }
}

impl fmt::Display for GfxTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gfx{}{:x}{:x}", self.major, self.minor, self.stepping)
    }
}

impl FromStr for GfxTarget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match Self::parse_prefix(text) {
            Some((target, len)) if len == text.len() => Ok(target),
            _ => Err(format!("`{text}` is not a gfx target such as gfx1030")),
        }
    }
}

impl Serialize for GfxTarget {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GfxTarget {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_target_agree() {
        for (name, dotted, kfd) in [
            ("gfx1010", "10.1.0", 100_100),
            ("gfx1030", "10.3.0", 100_300),
            ("gfx1036", "10.3.6", 100_306),
            ("gfx90a", "9.0.10", 90_010),
            ("gfx803", "8.0.3", 80_003),
            ("gfx1151", "11.5.1", 110_501),
            ("gfx1201", "12.0.1", 120_001),
        ] {
            let target: GfxTarget = name.parse().unwrap();
            assert_eq!(target.to_string(), name);
            assert_eq!(target.dotted(), dotted);
            assert_eq!(GfxTarget::from_kfd(kfd), Some(target), "{name}");
            assert_eq!(GfxTarget::parse_override(dotted), Ok(target), "{name}");
        }
        assert_eq!(GfxTarget::from_kfd(0), None);
    }

    #[test]
    fn override_is_read_as_libhsakmt_reads_it() {
        for bad in [
            "",
            "gfx1030",
            "10.3",
            "10.3.0 ",
            "10.3.0.0",
            "\"10.3.0\"",
            "10.3.x",
            "64.0.0",
            "10.256.0",
            "10,3,0",
            "-1.0.0",
            "10.3.0\n",
        ] {
            assert_eq!(GfxTarget::parse_override(bad), Err(OverrideSyntaxError), "{bad:?}");
        }
        for good in ["10.3.0", " 10.3.0", "010.3.0", "10. 3.0"] {
            assert_eq!(GfxTarget::parse_override(good), Ok(GfxTarget::new(10, 3, 0)), "{good:?}");
        }
    }

    #[test]
    fn names_that_are_no_targets() {
        for bad in
            ["gfx", "gfx10", "gfx10-3-generic", "gfx11002", "gfx90A", "GFX1030", "gfx1030x", "1030"]
        {
            assert!(bad.parse::<GfxTarget>().is_err(), "{bad}");
        }
        assert_eq!(GfxTarget::from_bundle_id("host-x86_64-unknown-linux--"), None);
        assert_eq!(
            GfxTarget::from_bundle_id("hipv4-amdgcn-amd-amdhsa--gfx90a:sramecc+:xnack-"),
            Some(GfxTarget::new(9, 0, 10))
        );
    }
}
