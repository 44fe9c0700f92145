//! The cards that can be simulated, from files of data.

use rmcp_code::isa::Target;
use serde::Deserialize;

/// One card. Its numbers are those that the Linux driver publishes of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// The name under which it is sold.
    pub name: String,
    /// What it may be called on a command line; the first is its short name.
    pub aliases: Vec<String>,
    /// The instruction set, such as `gfx1010`.
    pub target: String,
    /// The chip, as the driver names it.
    pub chip: String,
    /// PCI device id.
    pub device_id: u32,
    /// PCI revision.
    pub revision: u32,
    /// Whether it shares the processor's memory.
    pub integrated: bool,
    /// Compute units; each has two SIMDs.
    pub compute_units: u32,
    /// Shader arrays, of all engines together.
    pub shader_arrays: u32,
    /// Shader arrays of one engine.
    pub arrays_per_engine: u32,
    /// Compute units that an array has room for.
    pub units_per_array: u32,
    /// Its memory in KiB, as far as programs may have it.
    pub vram_kib: u64,
    /// Width of the memory's bus, 0 where no source says.
    pub vram_width_bits: u32,
    /// Highest clock of the compute units, 0 where no source says.
    pub engine_clock_mhz: u32,
    /// Second cache in KiB.
    pub l2_kib: u32,
    /// Third cache in KiB, 0 where there is none.
    pub l3_kib: u32,
    /// Bytes of a line of the second cache.
    pub cache_line: u32,
    /// Engines that copy.
    pub sdma_engines: u32,
    /// Wavefronts that a SIMD holds.
    pub waves_per_simd: u32,
    /// Where the numbers are from.
    pub sources: Vec<String>,
}

macro_rules! cards {
    ($($file:literal)*) => {
        const FILES: &[(&str, &str)] = &[$(($file, include_str!(concat!("../cards/", $file, ".toml")))),*];
    };
}

cards! {
    "rx5600xt" "rx5500xt" "rx5700xt" "rx6600" "rx6700xt" "rx6800xt" "rx6900xt" "steamdeck" "raphael"
}

/// Why there is no such card.
#[derive(Debug, thiserror::Error)]
pub enum CardError {
    /// Nothing is called so.
    #[error("no simulated card is called `{name}`; there are {known}")]
    Unknown {
        /// The name.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// A file of data is damaged.
    #[error("cards/{file}.toml: {error}")]
    Damaged {
        /// The file.
        file: &'static str,
        /// What is wrong.
        error: toml::de::Error,
    },
}

impl Card {
    /// Returns all cards.
    ///
    /// # Errors
    /// [`CardError::Damaged`] where a file does not hold a card.
    pub fn all() -> Result<Vec<Self>, CardError> {
        let read = |&(file, text): &(&'static str, &str)| {
            toml::from_str(text).map_err(|error| CardError::Damaged { file, error })
        };
        FILES.iter().map(read).collect()
    }

    /// Returns the card that is called so: `rx5600xt`, `RX 5600 XT`, or the first one of a target such as `gfx1010`.
    ///
    /// # Errors
    /// [`CardError`] where there is none.
    pub fn named(name: &str) -> Result<Self, CardError> {
        let plain = |text: &str| text.to_lowercase().replace([' ', '-', '_'], "");
        let wanted = plain(name);
        let wanted = wanted.trim_start_matches("amd").trim_start_matches("radeon");
        let mut all = Self::all()?;
        let found = all.iter().position(|card| card.aliases.iter().any(|alias| alias == wanted));
        match found {
            Some(at) => Ok(all.swap_remove(at)),
            None => {
                let known: Vec<String> =
                    all.into_iter().filter_map(|card| card.aliases.into_iter().next()).collect();
                Err(CardError::Unknown { name: name.to_owned(), known: known.join(", ") })
            }
        }
    }

    /// The short name.
    pub fn short_name(&self) -> &str {
        self.aliases.first().map_or(&self.name, String::as_str)
    }

    /// The instruction set.
    pub fn isa(&self) -> Option<Target> {
        Target::ALL.into_iter().find(|target| target.name() == self.target)
    }

    /// `gfx_target_version` of the topology: two decimal digits for each of major, minor and stepping; the last is a
    /// hexadecimal digit in a target's name.
    pub fn target_version(&self) -> u32 {
        let digits = self.target.trim_start_matches("gfx");
        let split = digits.len().saturating_sub(2);
        let major: u32 = digits[..split].parse().unwrap_or(0);
        let low = u32::from_str_radix(&digits[split..], 16).unwrap_or(0);
        major * 10_000 + (low >> 4) * 100 + (low & 15)
    }

    /// Its memory in bytes.
    pub const fn vram_bytes(&self) -> u64 {
        self.vram_kib * 1024
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_card_is_whole_and_has_sources() {
        let cards = Card::all().unwrap();
        assert_eq!(
            cards.len(),
            std::fs::read_dir("cards").unwrap().count(),
            "a file in cards/ is not read"
        );
        for card in cards {
            assert!(card.isa().is_some(), "{}", card.target);
            assert!(!card.sources.is_empty(), "{}", card.name);
            let room = card.shader_arrays * card.units_per_array;
            assert!(card.compute_units <= room, "{}: {room}", card.name);
        }
    }

    #[test]
    fn cards_are_known_by_several_names() {
        for name in ["rx5600xt", "RX 5600 XT", "AMD Radeon RX 5600 XT", "gfx1010"] {
            assert_eq!(Card::named(name).unwrap().short_name(), "rx5600xt");
        }
        let error = Card::named("rx9070").unwrap_err().to_string();
        assert!(error.starts_with("no simulated card is called `rx9070`; there are rx5600xt, "));
    }

    #[test]
    fn target_versions_are_the_drivers() {
        assert_eq!(Card::named("rx5600xt").unwrap().target_version(), 100_100);
        assert_eq!(Card::named("rx6700xt").unwrap().target_version(), 100_301);
    }
}
