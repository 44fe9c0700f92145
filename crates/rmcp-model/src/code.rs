//! What GPU code a library holds, read from its bundle headers.

use crate::GfxTarget;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The targets of the offload bundles in one file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleSummary {
    /// Number of bundles in the file; each is one translation unit's code for several targets.
    pub bundles: u32,
    /// In how many of them each target has code of at least one byte.
    pub targets: BTreeMap<GfxTarget, u32>,
    /// Entries that are not for one gfx target: generic targets, SPIR-V, other devices.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub other: BTreeMap<String, u32>,
}

/// How much of a library's code a target has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CodeCoverage {
    /// None of the bundles has code for it.
    None,
    /// Some have, some have not: the program dies when it reaches one of the others.
    Partial,
    /// As many bundles have code for it as for any other target.
    Full,
}

impl BundleSummary {
    /// Returns in how many bundles `target` has code, and in how many the best served target has.
    pub fn share(&self, target: GfxTarget) -> (u32, u32) {
        let with = self.targets.get(&target).copied().unwrap_or(0);
        (with, self.targets.values().copied().max().unwrap_or(0))
    }

    /// Returns how much of the file's code `target` has, measured against the best served target.
    pub fn coverage(&self, target: GfxTarget) -> CodeCoverage {
        let most = self.targets.values().copied().max().unwrap_or(0);
        match self.targets.get(&target).copied().unwrap_or(0) {
            0 => CodeCoverage::None,
            count if count == most => CodeCoverage::Full,
            _ => CodeCoverage::Partial,
        }
    }
}
