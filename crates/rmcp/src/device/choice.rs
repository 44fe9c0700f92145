//! The answer: a device, and why.

use rmcp_model::{ExitCode, Provenance};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The route of a choice that a person made.
pub(super) const ASKED: &str = "asked";
/// Device and route of the processor.
pub(super) const CPU: &str = "cpu";

/// What an answer rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// Somebody asked for this device.
    Asked,
    /// What is certain from the machine's files.
    Machine,
    /// A probe that ran now.
    Probe,
    /// A probe that ran before.
    Cache,
}

/// What was found, for the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// A device that works, or that was asked for.
    Found,
    /// There is a GPU, and it cannot be used.
    Problem,
    /// It could not be found out.
    Unknown,
    /// There is no GPU.
    NoGpu,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Found => Self::Success,
            Outcome::Problem => Self::Problem,
            Outcome::Unknown => Self::CouldNotCheck,
            Outcome::NoGpu => Self::NoAmdGpu,
        }
    }
}

/// One device and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// As torch wants it, such as `cuda` or `cuda:1`.
    pub device: String,
    /// The card's name.
    pub name: String,
    /// Whether it computes right.
    pub works: bool,
    /// The way it is used: an id of a route of `doctor`, or `cuda`, `mps`.
    pub route: String,
    /// Why it works, or why not, in one sentence.
    pub reason: String,
    /// What that rests on.
    pub evidence: Vec<String>,
}

/// The device to use, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// As torch wants it: `cuda`, `cuda:1`, `vulkan`, `mps` or `cpu`.
    pub device: String,
    /// The way it is used.
    pub route: String,
    /// Why it and no other, in one sentence.
    pub reason: String,
    /// What that rests on.
    pub evidence: Vec<String>,
    /// What it rests on.
    pub basis: Basis,
    /// What was found.
    pub outcome: Outcome,
    /// Where the facts of the machine come from.
    pub provenance: Provenance,
    /// All devices that were looked at, best first.
    pub tried: Vec<Tried>,
}

impl Choice {
    /// Returns the processor, for this reason.
    pub(super) fn cpu(reason: impl Into<String>, basis: Basis, outcome: Outcome) -> Self {
        Self {
            device: CPU.to_owned(),
            route: CPU.to_owned(),
            reason: reason.into(),
            evidence: Vec::new(),
            basis,
            outcome,
            provenance: Provenance::Live,
            tried: Vec::new(),
        }
    }

    /// Returns what somebody asked for.
    pub(super) fn asked(device: &str, by: &str) -> Self {
        Self {
            device: device.to_owned(),
            route: if device == CPU { CPU } else { ASKED }.to_owned(),
            ..Self::cpu(format!("{by} asks for {device}"), Basis::Asked, Outcome::Found)
        }
    }

    /// Returns the first of these that works, else the processor with the reason of the first.
    pub(super) fn of(tried: Vec<Tried>) -> Self {
        let choice = match (tried.iter().find(|one| one.works), tried.first()) {
            (Some(best), _) => Self {
                device: best.device.clone(),
                route: best.route.clone(),
                evidence: best.evidence.clone(),
                ..Self::cpu(&best.reason, Basis::Probe, Outcome::Found)
            },
            (None, Some(first)) => Self {
                evidence: first.evidence.clone(),
                ..Self::cpu(
                    format!("{}: {}", first.name, first.reason),
                    Basis::Probe,
                    Outcome::Problem,
                )
            },
            (None, None) => {
                Self::cpu("no device could be looked at", Basis::Machine, Outcome::Unknown)
            }
        };
        Self { tried, ..choice }
    }

    /// Returns the document `rmcp.device/1`.
    pub fn json(&self) -> Value {
        let mut document = json!({ "schema": "rmcp.device/1" });
        if let (Value::Object(document), Value::Object(choice)) = (&mut document, json!(self)) {
            document.extend(choice);
        }
        document
    }
}
