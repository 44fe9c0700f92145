//! What a log's messages mean, narrowed by what is known of the card.

use crate::codes;
use crate::evidence::Draft;
use rmcp_knowledge::Knowledge;
use rmcp_knowledge::schema::Role;
use rmcp_model::{EvidenceItem, Finding, GfxTarget, LogFacts, LogKind, LogMatch, Origin, Severity};

/// What is known of the card when a message is judged.
#[derive(Debug, Clone, Default)]
pub(crate) struct CardContext {
    /// The card's real target, where it is known.
    pub(crate) gfx: Option<GfxTarget>,
    /// Where the target stands.
    pub(crate) origin: Option<Origin>,
    /// The override in force, where it parses.
    pub(crate) target: Option<GfxTarget>,
    /// Whether the environment is known in which it happened: only then does no override mean none.
    pub(crate) environment_known: bool,
    /// Where the override stands.
    pub(crate) target_origin: Option<Origin>,
}

impl CardContext {
    fn runs_wrong_code(&self, knowledge: &Knowledge) -> Option<(GfxTarget, GfxTarget)> {
        let (gfx, target) = (self.gfx?, self.target?);
        (knowledge.target(gfx).is_some() && !knowledge.runs(gfx, target)).then_some((gfx, target))
    }

    fn is_rdna1(&self, knowledge: &Knowledge) -> bool {
        self.gfx
            .and_then(|gfx| knowledge.target(gfx))
            .is_some_and(|target| target.generation == "RDNA1")
    }
}

/// Returns the kinds found, the primary one first.
///
/// The rule: messages that are harmless by themselves, or that follow from others, count only where nothing
/// else is found; of the rest the kind of lowest rank is the cause, since ranks are given so that causes
/// come before what follows from them.
pub(crate) fn order_kinds(log: &LogFacts, knowledge: &Knowledge) -> Vec<LogKind> {
    let role = |found: &LogMatch| {
        knowledge.signature(&found.signature).map_or(Role::Failure, |signature| signature.role)
    };
    let mut ranked: Vec<(u8, u32, u64, LogKind)> = log
        .matches
        .iter()
        .map(|found| {
            let class = match role(found) {
                Role::Failure => 0,
                Role::Consequence => 1,
                Role::Warning => 2,
            };
            let rank = knowledge.kind(found.kind).map_or(u32::MAX, |kind| kind.rank);
            // A consequence of a GPU fault still comes before an error of Python that merely reports it.
            let class =
                if class == 0 && !found.kind.blames_amd() && found.kind != LogKind::HardwareMce {
                    1
                } else {
                    class
                };
            (class, rank, found.offset, found.kind)
        })
        .collect();
    ranked.sort_unstable();
    let mut kinds = Vec::new();
    for (.., kind) in ranked {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
}

/// Returns one finding for each kind in a log, the primary one first.
pub(crate) fn findings(
    log: &LogFacts,
    log_origin: &str,
    code: &str,
    context: &CardContext,
    knowledge: &Knowledge,
) -> Vec<Finding> {
    order_kinds(log, knowledge)
        .into_iter()
        .map(|kind| finding(kind, log, log_origin, code, context, knowledge))
        .collect()
}

fn finding(
    kind: LogKind,
    log: &LogFacts,
    log_origin: &str,
    code: &str,
    context: &CardContext,
    knowledge: &Knowledge,
) -> Finding {
    let of_kind: Vec<&LogMatch> = log.matches.iter().filter(|found| found.kind == kind).collect();
    let signatures: Vec<_> =
        of_kind.iter().filter_map(|found| knowledge.signature(&found.signature)).collect();
    let only_warnings = signatures.iter().all(|signature| signature.role == Role::Warning);
    let severity = match kind {
        _ if only_warnings => Severity::Note,
        LogKind::PythonOther | LogKind::NvidiaCuda => Severity::Note,
        _ => Severity::Error,
    };
    let row = knowledge.kind(kind);
    let title = match (row, only_warnings) {
        (Some(_), true) => format!("{kind}: only a warning, which explains no failure by itself"),
        (Some(row), false) => row.title.clone(),
        (None, _) => kind.to_string(),
    };
    let mut meaning = row.map(|row| row.meaning.clone()).unwrap_or_default();
    for note in signatures.iter().filter_map(|signature| signature.note.as_deref()) {
        meaning.push_str(&format!(" ({note})"));
    }
    let mut draft = Draft::new(code, severity, title);
    let mut narrowed = None;
    if let Some(narrow) = narrow(kind, &of_kind, context, knowledge) {
        meaning = format!("{} {meaning}", narrow.text);
        draft = draft.sources(narrow.sources);
        narrowed = Some(narrow);
    }
    for found in &of_kind {
        let line = found.lines.first().and_then(|&line| u32::try_from(line).ok());
        draft = draft.evidence(&Origin { path: log_origin.to_owned(), line }, &*found.excerpt);
    }
    let (facts, narrowed) =
        narrowed.map_or((Vec::new(), None), |narrow| (narrow.evidence, narrow.next));
    let draft = draft.evidence_of(facts);
    let sources: Vec<String> = row
        .into_iter()
        .flat_map(|row| row.sources.clone())
        .chain(signatures.iter().flat_map(|signature| signature.sources.clone()))
        .collect();
    let draft = draft.meaning(meaning).sources(sources);
    let draft = match (narrowed, row) {
        (Some(next), _) => draft.next(next),
        (None, Some(row)) if !only_warnings => draft.next(row.next.clone()),
        _ => draft,
    };
    draft.finish(knowledge)
}

/// What facts of the card add to a kind.
struct Narrow {
    text: String,
    sources: &'static [&'static str],
    evidence: Vec<EvidenceItem>,
    next: Option<String>,
}

fn narrow(
    kind: LogKind,
    found: &[&LogMatch],
    context: &CardContext,
    knowledge: &Knowledge,
) -> Option<Narrow> {
    let mut evidence = Vec::new();
    for (origin, value) in [
        (&context.origin, context.gfx.map(|gfx| format!("the card is {gfx}"))),
        (
            &context.target_origin,
            context.target.map(|target| format!("the override is {}", target.dotted())),
        ),
    ] {
        if let (Some(origin), Some(value)) = (origin, value) {
            evidence.push(EvidenceItem { origin: origin.clone(), value });
        }
    }
    let code_fault = matches!(
        kind,
        LogKind::ApertureViolation
            | LogKind::IllegalInstruction
            | LogKind::PageFault
            | LogKind::DmesgGcvm
            | LogKind::HangTimeout
            | LogKind::IllegalAddress
            | LogKind::CodeObjectLoad
    );
    if code_fault && let Some((gfx, target)) = context.runs_wrong_code(knowledge) {
        let strength = match kind {
            LogKind::IllegalInstruction => "and an illegal instruction is what that leads to",
            LogKind::ApertureViolation => "which is the likeliest cause of this fault",
            _ => "which is a likely cause",
        };
        return Some(Narrow {
            text: format!("The card is {gfx} and is made to run {target} code, {strength}."),
            sources: &["llvm-amdgpu-td", "isa-comparison", "log-2527", "inference-rdna1-cause"],
            evidence,
            next: Some("unset HSA_OVERRIDE_GFX_VERSION, and use software with code for the card itself (see `rmcp doctor`)".to_owned()),
        });
    }
    let gfx = context.gfx?;
    match kind {
        LogKind::ApertureViolation if context.target.is_none() && !context.environment_known => {
            let (text, next) = if context.is_rdna1(knowledge) {
                (
                    format!("The card is {gfx}; whether HSA_OVERRIDE_GFX_VERSION was set where it happened is not known here."),
                    "look there: `echo $HSA_OVERRIDE_GFX_VERSION`; where it says 10.3.0, unset it and use software with code for the card itself",
                )
            } else if gfx.major == 10 {
                // Under an override this is what the runtime would print of an RDNA1 card too.
                return None;
            } else {
                (
                    format!("The card is {gfx}, on which an override to 10.3.0 is not to be expected: the kernel that ran computed a bad address (a bug in it, in its compiler, or failing hardware)."),
                    "run once with AMD_SERIALIZE_KERNEL=3 AMD_LOG_LEVEL=3: the last ShaderName before the fault is the kernel",
                )
            };
            Some(Narrow { text, sources: &["rocr-aql-queue"], evidence, next: Some(next.to_owned()) })
        }
        LogKind::ApertureViolation if context.target.is_none_or(|target| knowledge.runs(gfx, target)) => Some(Narrow {
            text: format!("On this {gfx} no override to another instruction set is in force, so that cause is out: the kernel that ran computed a bad address (a bug in it, in its compiler, or failing hardware)."),
            sources: &["rocr-aql-queue"],
            evidence,
            next: Some("run once with AMD_SERIALIZE_KERNEL=3 AMD_LOG_LEVEL=3: the last ShaderName before the fault is the kernel".to_owned()),
        }),
        LogKind::PageFault | LogKind::DmesgGcvm if (gfx.major, gfx.minor) == (10, 3) => Some(Narrow {
            text: format!("On gfx103x some GEMM convolution solvers of MIOpen are known to do this, natively too; this card is {gfx}."),
            sources: &["log-miopen-3540"],
            evidence,
            next: Some("if it happens in a convolution, try MIOPEN_DEBUG_CONV_GEMM=0".to_owned()),
        }),
        LogKind::NoBinary | LogKind::TensileMissing => {
            let same: Vec<GfxTarget> = knowledge.target(gfx).map(|target| target.runs.clone()).unwrap_or_default();
            let asked = found.iter().find_map(|found| found.fields.get("gfx")).cloned();
            let about = asked.map_or(String::new(), |asked| format!(" The text names {asked}."));
            let gfx1030 = GfxTarget::new(10, 3, 0);
            let next = if same.contains(&gfx1030) && gfx != gfx1030 {
                "export HSA_OVERRIDE_GFX_VERSION=10.3.0 (the same instruction set), or install software with native code".to_owned()
            } else if context.is_rdna1(knowledge) {
                format!("install software with native {gfx} code; no override to 10.3.0 is right on this card")
            } else {
                format!("install software with native {gfx} code")
            };
            Some(Narrow { text: format!("The card is {gfx}.{about}"), sources: &["llvm-amdgpu-td"], evidence, next: Some(next) })
        }
        _ => None,
    }
}

/// Returns the findings of the kernel log, which are about the past: warnings rather than errors, and only
/// the failures in it.
pub(crate) fn kernel_log_findings(
    log: &LogFacts,
    origin: &str,
    context: &CardContext,
    knowledge: &Knowledge,
) -> Vec<Finding> {
    let wanted = |kind: LogKind| {
        matches!(
            kind,
            LogKind::DmesgGcvm
                | LogKind::HangTimeout
                | LogKind::HardwareMce
                | LogKind::HardwareRas
                | LogKind::DriverNotLoaded
                | LogKind::Segfault
        )
    };
    let mut found = findings(log, origin, codes::KERNEL_LOG, context, knowledge);
    let kinds = order_kinds(log, knowledge);
    let mut index = 0;
    found.retain(|_| {
        index += 1;
        wanted(kinds[index - 1])
    });
    for finding in &mut found {
        // Lines are counted in what was kept of the log, and would be looked for in vain.
        finding
            .evidence
            .iter_mut()
            .filter(|item| item.origin.path == origin)
            .for_each(|item| item.origin.line = None);
        finding.title = format!("the kernel log of this boot: {}", finding.title);
        finding.severity = finding.severity.max(Severity::Warning);
    }
    found
}
