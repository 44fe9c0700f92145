//! What was concluded, and from what.

use crate::{GfxTarget, LogKind, Origin, PciAddress, PciId, Provenance, Wish};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The GPU cannot work, or works wrongly, until this is changed.
    Error,
    /// It can do harm, or hides something.
    Warning,
    /// Worth knowing.
    Note,
}

/// How sure a statement is. Computed from the kinds of its sources, never typed by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// Read in source code or measured, and confirmed by an independent source; or simply read here.
    High,
    /// Stated by source code, a vendor's document or a maintainer.
    Medium,
    /// Reported by users.
    Low,
    /// Reasoned from facts; nobody has confirmed it.
    Inferred,
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
            Self::Inferred => "inferred",
        })
    }
}

/// One thing that a person quoted as evidence could look up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceItem {
    /// Where it stands: file and line, `environment`, a line of the log, or a knowledge row.
    pub origin: Origin,
    /// What stands there.
    pub value: String,
}

/// One conclusion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable code such as `override-wrong-isa`.
    pub code: String,
    /// How much it matters.
    pub severity: Severity,
    /// One line in plain words.
    pub title: String,
    /// What it means, in a few sentences.
    pub meaning: String,
    /// What it rests on.
    pub evidence: Vec<EvidenceItem>,
    /// Ids of remedies in the knowledge base, best first.
    pub remedies: Vec<String>,
    /// The best next step, ready to be typed or read.
    pub next: Option<String>,
    /// How sure it is.
    pub confidence: Confidence,
    /// Ids of the sources of the knowledge used.
    pub sources: Vec<String>,
    /// The card it is about, as an index into `gpus`; `None` where it is about the machine.
    pub gpu: Option<usize>,
}

/// What can be said of a card without running anything on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The software that would run has code for this very card, and nothing stands in its way.
    Native,
    /// It runs another card's code of the same instruction set, which is right.
    SameIsa,
    /// It runs code of another instruction set.
    WrongIsa,
    /// No code that runs on this card was found in the software.
    NoCode,
    /// Something outside the GPU code stands in the way: permission, driver, PCIe, a malformed setting.
    Blocked,
    /// No GPU software was found to judge.
    NoSoftware,
    /// ROCm does not support this card at all.
    Unsupported,
    /// Not enough is known.
    Unknown,
}

impl Verdict {
    /// Returns the verdict in one plain sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Native => "the software here has code for this card",
            Self::SameIsa => "runs another card's code of the same instruction set, which is right",
            Self::WrongIsa => "is made to run code of another instruction set",
            Self::NoCode => "no code that this card can run was found",
            Self::Blocked => "cannot be used until the problem above is solved",
            Self::NoSoftware => "no GPU software was found to judge",
            Self::Unsupported => "is not supported by ROCm",
            Self::Unknown => "unknown: not enough could be read",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Native => "native",
            Self::SameIsa => "same-isa",
            Self::WrongIsa => "wrong-isa",
            Self::NoCode => "no-code",
            Self::Blocked => "blocked",
            Self::NoSoftware => "no-software",
            Self::Unsupported => "unsupported",
            Self::Unknown => "unknown",
        })
    }
}

/// One GPU as it was identified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuReport {
    /// The real target; never the one that an override pretends.
    pub gfx: Option<GfxTarget>,
    /// Where the target was read: a KFD file, or the PCI table.
    pub gfx_origin: Option<Origin>,
    /// Vendor and device.
    pub pci_id: Option<PciId>,
    /// PCI address.
    pub pci_address: Option<PciAddress>,
    /// Name as sold where the revision tells it, otherwise the chip's.
    pub name: String,
    /// KFD node number.
    pub node: Option<u32>,
    /// Bytes of VRAM.
    pub vram_bytes: Option<u64>,
    /// Whether it is part of a processor; `None` where the table does not say.
    pub integrated: Option<bool>,
    /// The override in force for it, as written.
    #[serde(rename = "override")]
    pub gfx_override: Option<String>,
    /// What can be said of it.
    pub verdict: Verdict,
}

/// Whether a route can be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RouteStatus {
    /// This is what the machine does now.
    Active,
    /// It can be taken with what is installed.
    Available,
    /// It needs something to be installed or changed.
    NeedsChange,
    /// It cannot work on this card.
    Impossible,
}

/// One way to get a model to run, best first in the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Id such as `native`, `override-same-isa`, `vulkan`, `cpu`.
    pub id: String,
    /// The card, as an index into `gpus`.
    pub gpu: Option<usize>,
    /// Whether it can be taken.
    pub status: RouteStatus,
    /// One line in plain words.
    pub title: String,
    /// Why it stands where it stands.
    pub reason: String,
    /// What to do for it.
    pub steps: Vec<String>,
    /// How sure it is.
    pub confidence: Confidence,
    /// Ids of the sources of the knowledge used.
    pub sources: Vec<String>,
}

/// What RMCP itself can do about a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advice {
    /// Code of the finding.
    pub finding: String,
    /// Id of the remedy in the knowledge base.
    pub remedy: String,
    /// What it wishes of the machine.
    pub wishes: Vec<Wish>,
}

/// The result of `doctor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// Where the facts come from.
    pub provenance: Provenance,
    /// AMD GPUs in the order of the bus.
    pub gpus: Vec<GpuReport>,
    /// Findings, most important first.
    pub findings: Vec<Finding>,
    /// What RMCP itself can do about the findings, in their order.
    pub plan: Vec<Advice>,
    /// Routes, best first.
    pub routes: Vec<Route>,
    /// What could not be checked, with the reason.
    pub unchecked: Vec<String>,
}

/// The result of `explain`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The primary kind.
    pub kind: LogKind,
    /// The other kinds found.
    pub also: Vec<LogKind>,
    /// Lines of the primary kind, counted from 1.
    pub matched: Vec<u64>,
    /// What the text holds.
    pub fields: BTreeMap<String, String>,
    /// What it means here.
    pub findings: Vec<Finding>,
}
