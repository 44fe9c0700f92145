//! What is simulated: handed from `rmcp sim` to the library in the program's process through one variable.

use crate::ledger::Place;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The variable, which holds [`Settings`] as JSON.
pub const VARIABLE: &str = "RMCP_SIM";

/// What is simulated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Short names of the cards.
    pub cards: Vec<String>,
    /// Faults to inject.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inject: Vec<String>,
    /// Where dispatches, allocations and faults are written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<PathBuf>,
    /// The file that stands for the kernel log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel_log: Option<PathBuf>,
    /// Threads that one queue's work-groups are spread over; 0 is as many as there are processors.
    #[serde(default)]
    pub threads: usize,
    /// Whether to say at the end what was run.
    #[serde(default)]
    pub counters: bool,
    /// Whether to look for hazards of gfx10.1, and say at the end which were met.
    #[serde(default)]
    pub strict: bool,
    /// With `strict`: lets hazards have their effect, the same ones with the same number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Where processes count together what they take of a card's memory; without it each has all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<Place>,
}
