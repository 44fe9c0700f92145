//! What stands in GPU code, and what that means for one card.

use crate::GfxTarget;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How certain a rule's harm is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleSeverity {
    /// The instruction is not there, or does something else.
    Certain,
    /// LLVM or Mesa write that it hangs.
    DocumentedHang,
    /// LLVM inserts a workaround; whether harm comes of leaving it out depends on timing.
    TimingHazard,
    /// Harmful only with addresses that the code does not show.
    Question,
}

impl RuleSeverity {
    /// All of them, the gravest first.
    pub const ALL: [Self; 4] =
        [Self::Certain, Self::DocumentedHang, Self::TimingHazard, Self::Question];

    /// The severity in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Certain => "certain",
            Self::DocumentedHang => "documented hang",
            Self::TimingHazard => "timing hazard",
            Self::Question => "question",
        }
    }
}

/// A card, and which code is right on it. The last two come from the knowledge base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanCard {
    /// Its target.
    pub gfx: GfxTarget,
    /// Other targets whose code is right on it, through `HSA_OVERRIDE_GFX_VERSION`, best first.
    pub runs: Vec<GfxTarget>,
    /// The family whose code the runtime takes without an override, such as `gfx10-1-generic`.
    pub generic: Option<String>,
}

/// How many kernels a rule hits, and at how many places.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleCount {
    /// Kernels that can reach a hit.
    pub kernels: u64,
    /// Hits in all functions.
    pub sites: u64,
}

/// What has been found out of code by running the rules over every instruction.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeScan {
    /// Instructions of all functions.
    pub instructions: u64,
    /// Instructions that the card does not have.
    pub undecodable: u64,
    /// Kernels that can reach such an instruction.
    pub undecodable_kernels: u64,
    /// Words that are no instruction of the target which the code was built for.
    pub unreadable: u64,
    /// Each rule that hits, by its name.
    pub rules: BTreeMap<String, RuleCount>,
    /// Kernels by the gravest rule that hits them; those that none hits are left out.
    pub kernels_by_severity: BTreeMap<RuleSeverity, u64>,
}

impl CodeScan {
    /// Returns the number of kernels whose gravest rule is this one or a graver one.
    pub fn kernels_from(&self, severity: RuleSeverity) -> u64 {
        self.kernels_by_severity.range(..=severity).map(|(_, count)| count).sum()
    }

    /// Kernels that a rule hits which is more than a question.
    pub fn flagged_kernels(&self) -> u64 {
        self.kernels_from(RuleSeverity::TimingHazard)
    }
}

/// The code objects of one target in a library.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetScan {
    /// In how many of the library's bundles the target has code.
    pub bundles: u64,
    /// Code objects.
    pub objects: u64,
    /// Kernels; none where only headers were read.
    pub kernels: Option<u64>,
    /// Kernels with nothing to run.
    pub stubs: Option<u64>,
    /// Stubs of which another target's object in the same bundle has the code.
    pub hollow: u64,
    /// The other way round: kernels with code which in another target's object are stubs.
    pub only_here: u64,
    /// What the rules say; none where they do not apply, or were not applied.
    pub code: Option<CodeScan>,
}

/// A library's GPU code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LibraryScan {
    /// Its path; behind each `!/` a path in an archive.
    pub path: String,
    /// Bundles: choices of which the runtime takes one for its card.
    pub bundles: u64,
    /// Its code objects by the name of their target.
    pub targets: BTreeMap<String, TargetScan>,
    /// Kernels named in Tensile's lists, by the target in the list's name; `any` where there is none.
    pub listed: BTreeMap<String, u64>,
}

/// One kernel that the rules have been applied to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelScan {
    /// Name of its symbol.
    pub name: String,
    /// The target it was built for.
    pub target: String,
    /// Its own instructions.
    pub instructions: u32,
    /// Whether there is nothing to run.
    pub stub: bool,
    /// Severity of the gravest rule that hits.
    pub severity: Option<RuleSeverity>,
    /// How often each rule hits in what it can reach.
    pub rules: BTreeMap<String, u32>,
    /// Calls whose target is not known.
    pub unknown_calls: u32,
}

/// A rule in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleNote {
    /// Short name, for programs.
    pub name: String,
    /// How certain its harm is.
    pub severity: RuleSeverity,
    /// What it means.
    pub sentence: String,
    /// Who says so.
    pub source: String,
}

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanProblem {
    /// Where.
    pub path: String,
    /// What is wrong.
    pub why: String,
}

/// Whether a card runs code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScanAnswer {
    /// There is code for the card itself, or for its family.
    Native,
    /// There is code of the same instruction set, taken through an override.
    SameInstructionSet,
    /// There is such code for a part, and none for another.
    Partial,
    /// There is only code of another instruction set, which an override would make the card run.
    OtherInstructionSet,
    /// There is no code that an override could make it run.
    Nothing,
}

/// Whether a card runs a library, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanVerdict {
    /// The answer.
    pub answer: ScanAnswer,
    /// Target of the code that is meant.
    pub code: Option<String>,
    /// `HSA_OVERRIDE_GFX_VERSION` through which the card takes that code. For another instruction set: what
    /// the advice would be that this speaks against.
    pub gfx_override: Option<String>,
    /// In how many bundles there is such code.
    pub bundles: u64,
    /// Of how many.
    pub of_bundles: u64,
}

/// Everything that a scan found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanReport {
    /// The card.
    pub card: ScanCard,
    /// The libraries, each with its verdict.
    pub libraries: Vec<(LibraryScan, ScanVerdict)>,
    /// What could not be read.
    pub problems: Vec<ScanProblem>,
    /// The verdict on all of them together; none where there is no GPU code.
    pub verdict: Option<ScanVerdict>,
    /// Kernels of each library, where they were asked for.
    pub kernels: BTreeMap<String, Vec<KernelScan>>,
    /// The rules that were applied.
    pub rules: Vec<RuleNote>,
}
