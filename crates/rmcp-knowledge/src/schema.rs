//! The shape of every row of knowledge. `build.rs` reads the TOML files with these types, the library reads
//! the embedded copy with the same ones, so there is one definition of what a row may hold.

use rmcp_model::{Confidence, GfxTarget, LogKind, PciId, Tool, Version};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything that is known.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Knowledge {
    /// Where statements come from.
    pub source: Vec<Source>,
    /// Instruction-set targets.
    pub target: Vec<Target>,
    /// Chips and the cards built with them.
    pub chip: Vec<Chip>,
    /// Kinds of failure.
    pub kind: Vec<Kind>,
    /// Messages that are recognised in logs.
    pub signature: Vec<Signature>,
    /// Ways to write about a message without having met it.
    pub mention: Vec<Mention>,
    /// Words that tell of whose GPU a text speaks.
    pub vendor: Vec<Vendor>,
    /// Environment variables.
    pub variable: Vec<Switch>,
    /// Parameters of the amdgpu module and of the kernel.
    pub parameter: Vec<Switch>,
    /// What can be done.
    pub remedy: Vec<Remedy>,
    /// Software stacks and the targets they hold code for.
    pub stack: Vec<Stack>,
    /// Changes that are tried to learn something.
    pub experiment: Vec<Experiment>,
    /// Solvers of MIOpen that can be switched off singly.
    pub solver: Vec<Solver>,
    /// Packages that load with certain versions of another alone.
    pub pin: Vec<Pin>,
}

/// What kind of witness a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// Source text of the component itself.
    SourceCode,
    /// Something measured, with the command named.
    Measured,
    /// A document of the vendor or the project.
    Document,
    /// A maintainer's statement.
    Maintainer,
    /// A user's report.
    Report,
    /// A conclusion from other facts; nobody has confirmed it.
    Inference,
}

/// One source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Id by which rows name it.
    pub id: String,
    /// What kind of witness it is.
    pub kind: SourceKind,
    /// Title, with file and symbol for source code.
    pub title: String,
    /// Address, or repository and path.
    pub address: String,
    /// Version or date of the text that was read.
    pub read: String,
    /// What it says, in our own words.
    pub supports: String,
}

/// One instruction-set target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Name.
    pub gfx: GfxTarget,
    /// `RDNA1`, `RDNA2` and so on.
    pub generation: String,
    /// Targets whose code is right on this one, itself left out, best first.
    #[serde(default)]
    pub runs: Vec<GfxTarget>,
    /// The family whose code the runtime takes for it where there is none of its own, such as `gfx10-1-generic`.
    #[serde(default)]
    pub generic: Option<String>,
    /// Ids of sources.
    pub sources: Vec<String>,
}

/// One chip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chip {
    /// AMD's name, such as `Navi 10`.
    pub name: String,
    /// Target; none for chips that ROCm has never known.
    #[serde(default)]
    pub gfx: Option<GfxTarget>,
    /// Whether it is part of a processor.
    pub integrated: bool,
    /// PCI ids that the kernel driver gives to it.
    pub pci_ids: Vec<PciId>,
    /// MEC firmware from which PCIe atomics are no longer needed; none where they always are, or where the
    /// chip hangs on no PCIe link.
    #[serde(default)]
    pub atomics_waived_from_mec: Option<u32>,
    /// Cards, told apart by revision.
    #[serde(default)]
    pub cards: Vec<Card>,
    /// Ids of sources.
    pub sources: Vec<String>,
}

/// One card as sold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// PCI id.
    pub id: PciId,
    /// PCI revision.
    pub revision: u8,
    /// Name.
    pub name: String,
}

/// A kind of failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kind {
    /// The kind.
    pub kind: LogKind,
    /// Where several kinds stand in one log, the one of lowest rank is the primary one: causes come before
    /// what follows from them.
    pub rank: u32,
    /// One line in plain words.
    pub title: String,
    /// What it means, in a few sentences.
    pub meaning: String,
    /// The best next step when nothing is known of the machine.
    pub next: String,
    /// Ids of sources.
    pub sources: Vec<String>,
}

/// What a message is within its kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It reports the failure itself.
    #[default]
    Failure,
    /// It usually follows from another failure: primary only where nothing else is found.
    Consequence,
    /// It is harmless by itself: primary only where nothing else is found, and never an error.
    Warning,
}

/// One message that is recognised in logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// Id.
    pub id: String,
    /// What it reports.
    pub kind: LogKind,
    /// What it reports where the text speaks of AMD's software and of no NVIDIA GPU: programs built for both
    /// print NVIDIA's words on AMD too.
    #[serde(default)]
    pub kind_on_amd: Option<LogKind>,
    /// Whether it counts only in such a text: a message that any software could print.
    #[serde(default)]
    pub only_on_amd: bool,
    /// What it is within its kind.
    #[serde(default)]
    pub role: Role,
    /// Fixed texts, one of which stands unbroken in every form of the message. Case does not matter.
    pub needles: Vec<String>,
    /// Regular expression that decides, over the lines around the needle with runs of blanks made one. Case
    /// matters unless it says `(?i)`.
    pub pattern: String,
    /// Regular expression that must not match there.
    #[serde(default)]
    pub unless: Option<String>,
    /// Regular expressions whose named groups become fields, each looked for once.
    #[serde(default)]
    pub extract: Vec<String>,
    /// How many lines the message may be broken over.
    #[serde(default = "three")]
    pub lines: u32,
    /// What this form means beyond its kind.
    #[serde(default)]
    pub note: Option<String>,
    /// Texts that must match.
    pub matching: Vec<String>,
    /// Texts that look alike and must not match.
    pub near_miss: Vec<String>,
    /// Ids of sources.
    pub sources: Vec<String>,
}

/// Who made the GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VendorName {
    /// AMD.
    Amd,
    /// NVIDIA.
    Nvidia,
}

/// Words that tell of whose GPU a text speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vendor {
    /// Whose.
    pub name: VendorName,
    /// Fixed texts; case does not matter.
    pub words: Vec<String>,
    /// Ids of sources.
    pub sources: Vec<String>,
}

/// A way to write about a message without having met it: a header, source code, a list of changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mention {
    /// Id.
    pub id: String,
    /// Regular expression. Where it matches, no signature counts.
    pub pattern: String,
    /// Whether it is looked for in all lines that the message may be broken over, or in the first alone.
    #[serde(default)]
    pub all_lines: bool,
    /// Texts with a signature's words in which none may be found.
    pub matching: Vec<String>,
    /// Texts that look alike and are messages.
    pub near_miss: Vec<String>,
    /// Ids of sources.
    pub sources: Vec<String>,
}

fn three() -> u32 {
    3
}

/// What a variable or parameter does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It does what it is used for.
    Effective,
    /// It helps to find a fault but cures nothing.
    Diagnostic,
    /// It is read but changes nothing here, or nothing reads it.
    Inert,
    /// It makes things worse.
    Harmful,
    /// Nobody has found out.
    Unknown,
}

/// One case of a variable or parameter; the first that applies decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Values for which it holds; empty for all.
    #[serde(default)]
    pub values: Vec<String>,
    /// Targets for which it holds; empty for all.
    #[serde(default)]
    pub targets: Vec<GfxTarget>,
    /// First ROCm (or kernel, for parameters) for which it holds.
    #[serde(default)]
    pub since: Option<Version>,
    /// First ROCm (or kernel) for which it no longer holds.
    #[serde(default)]
    pub until: Option<Version>,
    /// What it does.
    pub effect: Effect,
    /// Why, in one sentence.
    pub why: String,
}

/// An environment variable or a kernel parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switch {
    /// Name; a trailing `*` stands for any ending.
    pub name: String,
    /// The component that reads it, or `nothing`.
    pub read_by: String,
    /// What it is for, in one sentence.
    pub meaning: String,
    /// Cases, most specific first.
    pub cases: Vec<Case>,
    /// Whether the earlier RX 5600 XT investigation recommended it.
    #[serde(default)]
    pub from_earlier_fix: bool,
    /// Ids of sources.
    pub sources: Vec<String>,
}

/// What can go wrong with a remedy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Risk {
    /// Nothing.
    None,
    /// Slower, or some function missing.
    Low,
    /// Software has to be replaced.
    Medium,
    /// The machine may not start, or results may be wrong.
    High,
}

/// How far a remedy reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// One process or program.
    Process,
    /// One Python environment.
    PythonEnvironment,
    /// One user.
    User,
    /// The whole machine.
    Machine,
    /// The hardware itself.
    Hardware,
}

/// Something that can be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remedy {
    /// Id.
    pub id: String,
    /// One line in plain words.
    pub title: String,
    /// Codes of the findings that it answers.
    pub answers: Vec<String>,
    /// Targets for which it holds; empty for all.
    #[serde(default)]
    pub targets: Vec<GfxTarget>,
    /// What to do. `{gfx}` and `{override}` stand for the card's target and the right override.
    pub steps: Vec<String>,
    /// Variables to set.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
    /// Variables to unset.
    #[serde(default)]
    pub unset: Vec<String>,
    /// Whether the settings that the finding names as evidence are to be switched off.
    #[serde(default)]
    pub unset_evidence: bool,
    /// Whether the user is to join the groups that own the GPU's device files.
    #[serde(default)]
    pub join_groups: bool,
    /// What can go wrong.
    pub risk: Risk,
    /// Why the risk is what it is.
    pub risk_why: String,
    /// How far it reaches.
    pub scope: Scope,
    /// How to take it back.
    pub undo: String,
    /// Day after which somebody must read the sources again, `YYYY-MM-DD`.
    pub review: String,
    /// Ids of sources.
    pub sources: Vec<String>,
}

/// What has been tested of a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StackStatus {
    /// Built and tested by its makers on these targets.
    Tested,
    /// Built for these targets, not tested on them.
    Built,
    /// Works by user reports.
    Reported,
}

/// A released set of software with code for certain targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stack {
    /// Id.
    pub id: String,
    /// One line in plain words.
    pub title: String,
    /// First ROCm of this row.
    pub since: Version,
    /// First ROCm that is no longer of this row.
    #[serde(default)]
    pub until: Option<Version>,
    /// Targets for which it holds native code.
    pub targets: Vec<GfxTarget>,
    /// What was tested.
    pub status: StackStatus,
    /// How to install it; `{gfx}` stands for the target. Empty where it is no longer to be advised.
    #[serde(default)]
    pub install: Vec<String>,
    /// Order among the stacks to advise, lowest first; none where it is no longer to be advised.
    #[serde(default)]
    pub preference: Option<u32>,
    /// What to know before.
    #[serde(default)]
    pub caveat: Option<String>,
    /// Ids of sources.
    pub sources: Vec<String>,
}

/// A change that is tried because what comes of it tells something; whether it also cures is then measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Id.
    pub id: String,
    /// One line in plain words.
    pub title: String,
    /// What its result tells.
    pub why: String,
    /// Software that it concerns; empty for all.
    #[serde(default)]
    pub tools: Vec<Tool>,
    /// Variables to set.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
    /// Settings below `torch` in the program, with values as Python writes them.
    #[serde(default)]
    pub torch: BTreeMap<String, String>,
    /// Whether MIOpen begins with an empty cache.
    #[serde(default)]
    pub empty_cache: bool,
    /// Whether what is computed in half precision is computed in single precision.
    #[serde(default)]
    pub single_precision: bool,
    /// Words for the kernel, which need a change of the machine.
    #[serde(default)]
    pub kernel_words: Vec<String>,
    /// What it is expected to do where that is not the effect of one variable.
    #[serde(default)]
    pub effect: Option<Effect>,
    /// Whether it leaves out a family of MIOpen's solvers.
    #[serde(default)]
    pub family: bool,
    /// Ids of sources.
    pub sources: Vec<String>,
}

/// A switch of MIOpen that switches off one solver, or several of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Solver {
    /// The variable that switches it off.
    pub switch: String,
    /// The variable of its family.
    pub family: String,
    /// Names, as `MIOPEN_DEBUG_FIND_ONLY_SOLVER` takes them.
    pub names: Vec<String>,
    /// Ids of sources.
    pub sources: Vec<String>,
}

/// One version of a package, and the versions of another with which it was seen to load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// Id.
    pub id: String,
    /// Name of the package.
    pub package: String,
    /// Its version, as written.
    pub version: String,
    /// Name of the other package.
    pub needs: String,
    /// First version of the other one.
    pub since: Version,
    /// First version of the other one with which it no longer loads, or was not tried.
    pub until: Version,
    /// Ids of sources.
    pub sources: Vec<String>,
}

impl SourceKind {
    fn is_first_hand(self) -> bool {
        matches!(self, Self::SourceCode | Self::Measured)
    }
}

/// Returns how sure a statement with these sources is.
///
/// High: read in source code or measured, and said by somebody independent too. Medium: source code, a
/// measurement, a document or a maintainer. Low: users' reports alone. Otherwise inferred; a statement that
/// needs an inference is never more than inferred unless something first-hand stands beside it.
pub fn confidence_of(kinds: &[SourceKind]) -> Confidence {
    let first_hand = kinds.iter().filter(|kind| kind.is_first_hand()).count();
    let official =
        kinds.iter().any(|kind| matches!(kind, SourceKind::Document | SourceKind::Maintainer));
    let reported = kinds.contains(&SourceKind::Report);
    let inferred = kinds.contains(&SourceKind::Inference);
    match (first_hand, inferred) {
        (1.., false) if official || reported || first_hand > 1 => Confidence::High,
        (1.., _) => Confidence::Medium,
        (0, true) => Confidence::Inferred,
        _ if official => Confidence::Medium,
        _ if reported => Confidence::Low,
        _ => Confidence::Inferred,
    }
}
