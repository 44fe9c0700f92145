//! Version numbers as ROCm, PyTorch and kernels write them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A version of up to four numbers; what stands behind them is ignored in comparisons.
///
/// `6.2` is equal to `6.2.0`: missing numbers count as 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version([u32; 4]);

impl Version {
    /// Returns the version of these numbers.
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self([major, minor, patch, 0])
    }

    /// Returns the version at the start of `text`, such as `6.2.41133` of `6.2.41133-dd7f95766`.
    pub fn parse_prefix(text: &str) -> Option<Self> {
        let mut parts = [0; 4];
        let mut rest = text;
        for (index, part) in parts.iter_mut().enumerate() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            match rest[..digits].parse() {
                Ok(number) => *part = number,
                Err(_) if index == 0 => return None,
                Err(_) => break,
            }
            match rest[digits..].strip_prefix('.') {
                Some(next) => rest = next,
                None => break,
            }
        }
        Some(Self(parts))
    }

    /// Returns the first number.
    pub fn major(self) -> u32 {
        self.0[0]
    }

    /// Returns the second number.
    pub fn minor(self) -> u32 {
        self.0[1]
    }

    /// Returns whether the first two numbers are the same: ROCm keeps its library interfaces within them.
    pub fn same_release(self, other: Self) -> bool {
        self.0[..2] == other.0[..2]
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = if self.0[3] > 0 {
            4
        } else if self.0[2] > 0 {
            3
        } else {
            2
        };
        for (index, number) in self.0[..shown].iter().enumerate() {
            write!(f, "{}{number}", if index > 0 { "." } else { "" })?;
        }
        Ok(())
    }
}

impl Serialize for Version {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse_prefix(&text).ok_or_else(|| {
            serde::de::Error::custom(format!("`{text}` is not a version such as 6.2"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        let v = |text| Version::parse_prefix(text).unwrap();
        assert!(v("6.10") > v("6.9.3"));
        assert_eq!(v("6.2"), v("6.2.0"));
        assert_eq!(v("6.2.41133-dd7f95766").to_string(), "6.2.41133");
        assert_eq!(v("7.14.0a20260801").to_string(), "7.14");
        assert!(v("6.2.4").same_release(v("6.2")));
        assert_eq!(Version::parse_prefix("rocm"), None);
    }
}
