//! PCI identity and address, as sysfs writes them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Vendor and device id, written `1002:731f`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PciId {
    /// Vendor: 0x1002 is AMD.
    pub vendor: u16,
    /// Device.
    pub device: u16,
}

impl PciId {
    /// AMD's vendor id for graphics. Source: `pci.ids`.
    pub const AMD: u16 = 0x1002;
    /// NVIDIA's vendor id. Source: `pci.ids`.
    pub const NVIDIA: u16 = 0x10de;
    /// Intel's vendor id. Source: `pci.ids`.
    pub const INTEL: u16 = 0x8086;
}

impl fmt::Display for PciId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:04x}", self.vendor, self.device)
    }
}

impl FromStr for PciId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = |part: &str| {
            (part.len() <= 4 && part.bytes().all(|byte| byte.is_ascii_hexdigit()))
                .then(|| u16::from_str_radix(part, 16).ok())
                .flatten()
        };
        text.split_once(':')
            .and_then(|(vendor, device)| {
                Some(Self { vendor: parse(vendor)?, device: parse(device)? })
            })
            .ok_or_else(|| format!("`{text}` is not a PCI id such as 1002:731f"))
    }
}

/// Position on the PCI bus, written `0000:0b:00.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PciAddress {
    /// Domain (segment).
    pub domain: u32,
    /// Bus.
    pub bus: u8,
    /// Device (slot), 0 to 31.
    pub device: u8,
    /// Function, 0 to 7.
    pub function: u8,
}

impl PciAddress {
    /// Returns the address in KFD's `location_id` (bus in bits 8 to 15, device and function below) and
    /// `domain`.
    ///
    /// Source: Linux `kfd_topology.c`, `kfd_topology_add_device` (`pci_dev_id`).
    pub fn from_kfd(location_id: u64, domain: u64) -> Option<Self> {
        let low = u16::try_from(location_id & 0xffff).ok()?;
        let [bus, slot] = low.to_be_bytes();
        Some(Self {
            domain: u32::try_from(domain).ok()?,
            bus,
            device: slot >> 3,
            function: slot & 7,
        })
    }
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:02x}:{:02x}.{}", self.domain, self.bus, self.device, self.function)
    }
}

impl FromStr for PciAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (rest, function) = text.split_once('.')?;
            let mut parts = rest.split(':');
            let domain = u32::from_str_radix(parts.next()?, 16).ok()?;
            let bus = u8::from_str_radix(parts.next()?, 16).ok()?;
            let device =
                u8::from_str_radix(parts.next()?, 16).ok().filter(|&device| device < 32)?;
            let function = function.parse().ok().filter(|&function| function < 8)?;
            parts.next().is_none().then_some(Self { domain, bus, device, function })
        };
        parse().ok_or_else(|| format!("`{text}` is not a PCI address such as 0000:0b:00.0"))
    }
}

macro_rules! serde_by_text {
    ($($type:ty),*) => {$(
        impl Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
serde_by_text!(PciId, PciAddress);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_addresses_round_trip() {
        assert_eq!("1002:731F".parse::<PciId>().unwrap().to_string(), "1002:731f");
        assert_eq!("0000:0b:00.0".parse::<PciAddress>().unwrap().to_string(), "0000:0b:00.0");
        assert_eq!(PciAddress::from_kfd(0x0b00, 0).unwrap().to_string(), "0000:0b:00.0");
        for bad in ["", "1002", "10020:1", "1002:+31f", "1002:731g"] {
            assert!(bad.parse::<PciId>().is_err(), "{bad}");
        }
        for bad in ["0b:00.0", "0000:0b:20.0", "0000:0b:00.8", "0000:0b:00", "0:0:0:0.0"] {
            assert!(bad.parse::<PciAddress>().is_err(), "{bad}");
        }
    }
}
