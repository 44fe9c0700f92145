//! `HSA_OVERRIDE_GFX_VERSION`: whether it is right for this card and this library.
//!
//! Source of the rules: rocr-runtime `libhsakmt/src/topology.c`; the variable for one node wins over the
//! global one and takes the KFD node number, processors included.

use crate::codes;
use crate::evidence::{Draft, environment};
use crate::gpu::Gpu;
use crate::software::{Software, targets_of};
use rmcp_knowledge::Knowledge;
use rmcp_model::{
    CodeCoverage, EvidenceItem, Finding, GfxTarget, HostFacts, Place, Setting, SettingKind,
    Verdict, Version,
};
use std::collections::BTreeMap;

const GLOBAL: &str = "HSA_OVERRIDE_GFX_VERSION";

/// First ROCm whose thunk reads the variable for one node. Source: ROCR-Runtime commit 84567b64, in the
/// releases from 6.3 on.
const PER_NODE_SINCE: Version = Version::new(6, 3, 0);

/// The sources of the statement that gfx10.3 code is wrong on gfx10.1. One of them is an inference, since
/// nobody has published a proof on hardware, and the confidence shows it.
const WRONG_ISA_SOURCES: [&str; 5] =
    ["llvm-amdgpu-td", "isa-comparison", "log-2527", "log-887", "inference-rdna1-cause"];

/// An override as it would reach one card.
#[derive(Clone)]
struct InForce<'a> {
    name: String,
    value: &'a str,
}

/// Sets each card's override and verdict, and returns what is to be said about them.
pub(crate) fn judge(
    host: &HostFacts,
    gpus: &mut [Gpu<'_>],
    software: &Software<'_>,
    knowledge: &Knowledge,
) -> Vec<Finding> {
    let mut drafts = Vec::new();
    drafts.extend(per_node_problems(host, gpus, software, knowledge));
    let mut malformed_said = false;
    for (index, gpu) in gpus.iter_mut().enumerate() {
        let in_force = in_force(host, gpu.report.node, software.rocm);
        gpu.report.gfx_override = in_force.as_ref().map(|it| it.value.to_owned());
        let (verdict, mut found) = match in_force {
            Some(it) => match GfxTarget::parse_override(it.value) {
                Ok(target) => judge_target(host, gpu, index, &it, target, software, knowledge),
                // One malformed value breaks the runtime for all cards: say it once.
                Err(_) if malformed_said => (Verdict::Blocked, Vec::new()),
                Err(_) => {
                    malformed_said = true;
                    (Verdict::Blocked, vec![malformed(host, gpu, index, &it, knowledge)])
                }
            },
            None => judge_without(host, gpu, index, software, knowledge),
        };
        gpu.report.verdict = verdict;
        drafts.append(&mut found);
    }
    if gpus.is_empty() {
        return Vec::new();
    }
    let mut findings: Vec<Finding> =
        drafts.into_iter().map(|draft| draft.finish(knowledge)).collect();
    spare_the_others(host, gpus, software, &mut findings);
    findings
}

/// Taking a global override away for one card would stop another card that needs it: that one gets its own.
fn spare_the_others(
    host: &HostFacts,
    gpus: &[Gpu<'_>],
    software: &Software<'_>,
    findings: &mut [Finding],
) {
    let Some(value) = host.environment.get(GLOBAL) else { return };
    // A card with native code does without.
    let needs_it = |gpu: &&Gpu<'_>| {
        gpu.report.verdict == Verdict::SameIsa
            && gpu.report.gfx.is_some_and(|gfx| software.coverage(gfx) != Some(CodeCoverage::Full))
    };
    let exports: Vec<String> = gpus
        .iter()
        .filter(needs_it)
        .filter_map(|gpu| Some(format!("export {GLOBAL}_{}={value}", gpu.report.node?)))
        .collect();
    if exports.is_empty() {
        return;
    }
    let next = if software.rocm.is_none_or(|rocm| rocm >= PER_NODE_SINCE) {
        format!("unset {GLOBAL}; {}", exports.join("; "))
    } else {
        format!(
            "{GLOBAL} is right for another card here, and this ROCm cannot override one card alone (6.3 and newer can): hide this one with ROCR_VISIBLE_DEVICES, or update ROCm"
        )
    };
    let about_it = [codes::OVERRIDE_WRONG_ISA, codes::OVERRIDE_STALE];
    for finding in findings.iter_mut().filter(|finding| about_it.contains(&finding.code.as_str())) {
        finding.next = Some(next.clone());
    }
}

/// Returns the override that the runtime would apply to a node.
fn in_force<'a>(
    host: &'a HostFacts,
    node: Option<u32>,
    rocm: Option<Version>,
) -> Option<InForce<'a>> {
    let per_node = node
        .filter(|_| rocm.is_none_or(|rocm| rocm >= PER_NODE_SINCE))
        .map(|node| format!("{GLOBAL}_{node}"));
    per_node.into_iter().chain([GLOBAL.to_owned()]).find_map(|name| {
        let value = host.environment.get(&name)?;
        Some(InForce { name, value })
    })
}

/// Variables for one node that name no GPU, or that this runtime does not read.
fn per_node_problems(
    host: &HostFacts,
    gpus: &[Gpu<'_>],
    software: &Software<'_>,
    knowledge: &Knowledge,
) -> Vec<Draft> {
    let mut drafts = Vec::new();
    let gpu_nodes: Vec<u32> = gpus.iter().filter_map(|gpu| gpu.report.node).collect();
    for (name, value) in &host.environment {
        let Some(node) = name.strip_prefix(GLOBAL).and_then(|rest| rest.strip_prefix('_')) else {
            continue;
        };
        let shown = format!("{name}={value}");
        if software.rocm.is_some_and(|rocm| rocm < PER_NODE_SINCE) {
            drafts.push(
                Draft::error(codes::OVERRIDE_NODE_UNSUPPORTED, format!("{name} is not read by this ROCm: it needs 6.3 or newer"))
                    .meaning("Older runtimes know only the variable without a number, which holds for every card.")
                    .evidence(&environment(), shown)
                    .sources(["libhsakmt-override-rules"])
                    .next(format!("unset {name}")),
            );
        } else if !gpu_nodes.is_empty() && !node.parse().is_ok_and(|node| gpu_nodes.contains(&node))
        {
            let nodes: Vec<String> = gpus
                .iter()
                .filter_map(|gpu| Some(format!("{} is node {}", gpu.report.name, gpu.report.node?)))
                .collect();
            let target = GfxTarget::parse_override(value).ok();
            // Another node is named only where the value is right for its card, and needed.
            let needs = |gfx: GfxTarget| {
                target.is_some_and(|target| {
                    gfx != target
                        && knowledge.runs(gfx, target)
                        && software.coverage(target) == Some(CodeCoverage::Full)
                        && software.coverage(gfx) != Some(CodeCoverage::Full)
                })
            };
            let right = gpus
                .iter()
                .find(|gpu| gpu.report.gfx.is_some_and(needs))
                .and_then(|gpu| gpu.report.node);
            drafts.push(
                Draft::error(codes::OVERRIDE_WRONG_NODE, format!("{name} names node {node}, which is no GPU"))
                    .meaning(format!("The number is the KFD node, and processors are nodes too: node 0 is nearly always the processor. Here {}.", nodes.join(", ")))
                    .evidence(&environment(), shown)
                    .sources(["libhsakmt-override-rules", "log-5069"])
                    .next(right.map_or(format!("unset {name}"), |node| format!("unset {name}; export {GLOBAL}_{node}={value}"))),
            );
        }
    }
    drafts
}

fn malformed(
    host: &HostFacts,
    gpu: &Gpu<'_>,
    index: usize,
    it: &InForce<'_>,
    knowledge: &Knowledge,
) -> Draft {
    let meant = meant(it.value);
    let next = match (meant, gpu.report.gfx) {
        (Some(target), Some(gfx)) if target != gfx && knowledge.runs(gfx, target) => {
            format!("export {}={}", it.name, target.dotted())
        }
        _ => format!("unset {}", it.name),
    };
    let form = if it.value.contains(['"', '\'']) {
        "The quotes are part of the value: env files of containers and quotes within quotes leave them there."
    } else {
        "Names such as gfx1030, two numbers, and blanks behind the value are all refused."
    };
    Draft::error(codes::OVERRIDE_MALFORMED, format!("{} is `{}`, which the runtime refuses", it.name, it.value))
        .meaning(format!("It must be three decimal numbers such as 10.3.0 and nothing else; otherwise ROCm does not start for any card. {form}"))
        .evidence(&environment(), format!("{}={}", it.name, it.value))
        .evidence_of(places(host, &it.name, Some(it.value)))
        .sources(["libhsakmt-override-rules"])
        .gpu(index, gpu.report.gfx)
        .next(next)
}

/// Returns the target that a malformed value means.
fn meant(value: &str) -> Option<GfxTarget> {
    let value = value.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\''));
    value
        .parse()
        .ok()
        .or_else(|| GfxTarget::parse_override(value).ok())
        .or_else(|| GfxTarget::parse_override(&format!("{value}.0")).ok())
}

fn judge_target(
    host: &HostFacts,
    gpu: &Gpu<'_>,
    index: usize,
    it: &InForce<'_>,
    target: GfxTarget,
    software: &Software<'_>,
    knowledge: &Knowledge,
) -> (Verdict, Vec<Draft>) {
    let shown = format!("{}={}", it.name, it.value);
    let start = |draft: Draft| {
        let draft = draft.evidence(&environment(), shown.clone()).evidence_of(places(
            host,
            &it.name,
            Some(it.value),
        ));
        let draft = match (&gpu.report.gfx_origin, gpu.report.gfx) {
            (Some(origin), Some(gfx)) => draft.evidence(origin, format!("the card is {gfx}")),
            _ => draft,
        };
        draft.gpu(index, gpu.report.gfx)
    };
    let Some(gfx) = gpu.report.gfx else {
        return (Verdict::Unknown, Vec::new());
    };
    if knowledge.target(target).is_none() {
        let draft = Draft::error(
            codes::OVERRIDE_UNKNOWN_ISA,
            format!("{shown} names {target}, which is not known here"),
        )
        .meaning("Where the runtime does not know a target it gives up on the card. The knowledge base of this program has no such target; a mistake in the number is likelier than a new one.")
        .sources(["libhsakmt-override-rules"])
        .next(format!("unset {}", it.name));
        return (Verdict::Blocked, vec![start(draft)]);
    }
    if knowledge.target(gfx).is_none() {
        return (Verdict::Unknown, Vec::new());
    }
    let name = &gpu.report.name;
    // Which sets are alike is known of gfx10 alone; elsewhere only that generations differ.
    if gfx.major == target.major && gfx.major != 10 && gfx != target {
        return (Verdict::Unknown, Vec::new());
    }
    if !knowledge.runs(gfx, target) {
        let rdna1_as_rdna2 =
            (gfx.major, gfx.minor) == (10, 1) && (target.major, target.minor) == (10, 3);
        let draft = if rdna1_as_rdna2 {
            Draft::error(codes::OVERRIDE_WRONG_ISA, format!("{name} is {gfx}, but {shown} makes it run {target} code"))
                .meaning(format!("{gfx} and {target} are two instruction sets. Code for {target} lacks workarounds for hardware bugs of {gfx} and may use instructions that it does not have: aperture violations (0x29), hangs and wrong numbers follow. This is the likeliest cause of crashes in convolutions on this card; it has been concluded from LLVM and from reports, not proved on hardware."))
                .sources(WRONG_ISA_SOURCES)
        } else if gfx.major == target.major {
            Draft::error(codes::OVERRIDE_WRONG_ISA, format!("{name} is {gfx}, but {shown} makes it run {target} code"))
                .meaning(format!("{target} has instructions or hardware behaviour that {gfx} does not have, so its code is not right on this card."))
                .sources(["llvm-amdgpu-td", "isa-comparison"])
        } else {
            Draft::error(codes::OVERRIDE_STALE, format!("{shown} belongs to another card: this one is {gfx}"))
                .meaning(format!("{name} cannot run {target} code at all. The setting was left from another card, or taken from advice for one."))
                .sources(["log-5238", "llvm-amdgpu-usage"])
        };
        return (Verdict::WrongIsa, vec![start(draft.next(format!("unset {}", it.name)))]);
    }
    let native = software.coverage(gfx);
    if target == gfx || native == Some(CodeCoverage::Full) {
        // What the card already is changes nothing: it is judged as if nothing were set.
        let (verdict, others) = match target == gfx {
            true => judge_without(host, gpu, index, software, knowledge),
            false => (Verdict::SameIsa, Vec::new()),
        };
        let title = if target == gfx {
            format!("{shown} says what {name} already is")
        } else {
            format!("{shown} is not needed: PyTorch has native {gfx} code")
        };
        let draft = Draft::warning(codes::OVERRIDE_UNNEEDED, title)
            .meaning("It does no harm today, but it hides the card's name from the software and breaks with the next card or wheel.")
            .sources(["debian-cgmb"])
            .next(format!("unset {}", it.name));
        let draft = code_evidence(draft, software);
        return (verdict, others.into_iter().chain([start(draft)]).collect());
    }
    match software.coverage(target) {
        Some(CodeCoverage::None) => {
            let draft = Draft::error(
                codes::OVERRIDE_WITHOUT_CODE,
                format!("{shown} points at {target} code, and PyTorch has none"),
            )
            .meaning(format!(
                "{target} has the instruction set of {gfx}, but this library holds neither."
            ));
            (Verdict::NoCode, vec![start(code_evidence(draft, software))])
        }
        Some(_) => {
            let draft = Draft::note(codes::OVERRIDE_RIGHT, format!("{shown} is right here: {gfx} has the instruction set of {target}"))
                .meaning("PyTorch has no native code for this card, and the code that it has runs as it stands.")
                .sources(["llvm-amdgpu-td", "isa-comparison", "debian-cgmb"]);
            (Verdict::SameIsa, vec![start(code_evidence(draft, software))])
        }
        None if software.is_rocm() => (Verdict::SameIsa, Vec::new()),
        None if software.torch.is_some() => (Verdict::NoCode, Vec::new()),
        None => (system_verdict(host, gfx, knowledge), Vec::new()),
    }
}

fn code_evidence(draft: Draft, software: &Software<'_>) -> Draft {
    match software.torch.and_then(|torch| torch.code.origin()).zip(software.code()) {
        Some((origin, code)) => {
            draft.evidence(origin, format!("holds code for {}", targets_of(code)))
        }
        None => draft,
    }
}

/// No override in force: is there native code, or is an override needed and perhaps set elsewhere?
fn judge_without(
    host: &HostFacts,
    gpu: &Gpu<'_>,
    index: usize,
    software: &Software<'_>,
    knowledge: &Knowledge,
) -> (Verdict, Vec<Draft>) {
    let Some(gfx) = gpu.report.gfx else {
        return (if gpu.chip_known { Verdict::Unsupported } else { Verdict::Unknown }, Vec::new());
    };
    let waiting = waiting(host, gpu, index, gfx, knowledge);
    let Some(code) = software.code() else {
        let verdict = match software.torch {
            Some(_) if software.is_rocm() => Verdict::Unknown,
            Some(_) => Verdict::NoCode,
            None => system_verdict(host, gfx, knowledge),
        };
        return (verdict, waiting);
    };
    if code.coverage(gfx) == CodeCoverage::Full {
        return (Verdict::Native, waiting);
    }
    if knowledge.target(gfx).is_none() {
        return (Verdict::Unknown, waiting);
    }
    let name = &gpu.report.name;
    let (with, most) = code.share(gfx);
    if code.coverage(gfx) == CodeCoverage::Partial {
        let title = format!("{with} of {most} parts of PyTorch's code are there for {gfx}");
        // A kernel or two for other cards alone are usual; a library with little for this one is not for it.
        let (verdict, draft) = if with * 2 > most {
            (Verdict::Native, Draft::warning(codes::TORCH_PARTIAL_CODE, title))
        } else {
            (Verdict::NoCode, Draft::error(codes::TORCH_PARTIAL_CODE, title))
        };
        let draft =
            draft.meaning("Operations of the other parts end in `invalid device function`.");
        return (verdict, vec![code_evidence(draft, software).gpu(index, Some(gfx))]);
    }
    let same_isa =
        knowledge.best_code(gfx, |target| code.coverage(target)).filter(|&(target, _)| {
            let (with, most) = code.share(target);
            with * 2 > most
        });
    let Some((target, _)) = same_isa else {
        let draft = Draft::error(codes::TORCH_LACKS_CARD, format!("PyTorch has no code for {name} ({gfx})"))
            .meaning(format!("Every kernel ends in `invalid device function`. None of the targets inside has the instruction set of {gfx}, so no override is right."))
            .sources(["pytorch-wheel-archs", "log-pytorch-132570"]);
        let mut drafts = vec![code_evidence(draft, software).gpu(index, Some(gfx))];
        drafts.extend(waiting);
        return (Verdict::NoCode, drafts);
    };
    // Set for the wrong node: that is a finding already, and says what is right.
    let read = software.rocm.is_none_or(|rocm| rocm >= PER_NODE_SINCE);
    let misplaced = read
        && host.environment.iter().any(|(name, value)| {
            name.starts_with("HSA_OVERRIDE_GFX_VERSION_")
                && GfxTarget::parse_override(value) == Ok(target)
        });
    if misplaced {
        return (Verdict::NoCode, Vec::new());
    }
    (Verdict::NoCode, vec![code_evidence(missing(host, gpu, index, gfx, target), software)])
}

/// Without PyTorch the rocBLAS of the system tells for which cards its ROCm was built.
fn system_verdict(host: &HostFacts, gfx: GfxTarget, knowledge: &Knowledge) -> Verdict {
    let targets: Vec<GfxTarget> =
        host.rocm.iter().flat_map(|install| install.rocblas.iter().copied()).collect();
    match (host.rocm.is_empty(), targets.is_empty()) {
        (true, _) => Verdict::NoSoftware,
        (false, true) => Verdict::Unknown,
        (false, false) if targets.contains(&gfx) => Verdict::Native,
        (false, false) if targets.iter().any(|&target| knowledge.runs(gfx, target)) => {
            Verdict::SameIsa
        }
        (false, false) => Verdict::NoCode,
    }
}

/// An override of the same instruction set is needed. It may be set where this process does not see it.
fn missing(
    host: &HostFacts,
    gpu: &Gpu<'_>,
    index: usize,
    gfx: GfxTarget,
    target: GfxTarget,
) -> Draft {
    let right = |setting: &&Setting| {
        setting.name == GLOBAL
            && GfxTarget::parse_override(&setting.value) == Ok(target)
            && setting.kind != SettingKind::Unset
    };
    let settings: Vec<&Setting> =
        effective(host, |name| name == GLOBAL).into_iter().filter(right).collect();
    let is_unit = |setting: &&&Setting| matches!(setting.place, Place::Unit { .. });
    let set = format!("{GLOBAL}={}", target.dotted());
    let hidden = settings.iter().find(|setting| setting.kind == SettingKind::NotExported);
    let visible = settings
        .iter()
        .filter(|setting| setting.kind == SettingKind::Exported)
        .find(|setting| !is_unit(setting));
    let unit = settings.iter().find(is_unit);
    let draft = match (visible, hidden, unit) {
        (Some(setting), ..) => Draft::error(codes::OVERRIDE_NOT_SEEN, format!("{set} is set for {}, but this process does not see it", setting.place))
            .meaning("Start files are read when a shell or session starts; this one began before, or is of another kind.")
            .next("open a new session, or set it here: ".to_owned() + &export(target)),
        (None, Some(setting), _) => Draft::error(codes::OVERRIDE_NOT_EXPORTED, format!("{set} is set but not exported, so no program sees it"))
            .meaning("A variable of the shell reaches programs only when it is exported.")
            .sources(["log-invokeai-3967"])
            .next(match &setting.place {
                Place::Shell { shell } if shell == "fish" => format!("set -Ux {GLOBAL} {}", target.dotted()),
                _ => export(target),
            }),
        (None, None, Some(setting)) => Draft::error(codes::OVERRIDE_ONLY_IN_UNIT, format!("{set} is set for {} alone; programs started here do not have it", setting.place))
            .meaning("A service has an environment of its own. What works there fails in this shell, and the other way round.")
            .sources(["log-ollama-8679"])
            .next(export(target)),
        (None, None, None) => Draft::error(codes::OVERRIDE_MISSING, format!("PyTorch has {target} code but no {gfx} code: {} needs {set}", gpu.report.name))
            .meaning(format!("{gfx} has the very instruction set of {target}, so the override is right here and safe; without it every kernel ends in `invalid device function`. Native code is better still."))
            .sources(["llvm-amdgpu-td", "isa-comparison", "debian-cgmb"])
            .next(export(target)),
    };
    let seen = settings.iter().map(|setting| EvidenceItem {
        origin: setting.origin.clone(),
        value: format!("{}={}", setting.name, setting.value),
    });
    draft
        .evidence(&environment(), format!("{GLOBAL} is not set"))
        .evidence_of(seen)
        .gpu(index, Some(gfx))
}

fn export(target: GfxTarget) -> String {
    format!("export {GLOBAL}={}", target.dotted())
}

/// Returns what each place ends up with of these variables: what it sets last.
fn effective(host: &HostFacts, wanted: impl Fn(&str) -> bool) -> Vec<&Setting> {
    let mut last: BTreeMap<(String, &str), &Setting> = BTreeMap::new();
    for setting in host.settings.iter().filter(|setting| wanted(&setting.name)) {
        last.insert((setting.place.to_string(), &setting.name), setting);
    }
    last.into_values().collect()
}

/// A wrong override that is set somewhere but not in force here: it strikes at the next login or in a unit.
fn waiting(
    host: &HostFacts,
    gpu: &Gpu<'_>,
    index: usize,
    gfx: GfxTarget,
    knowledge: &Knowledge,
) -> Vec<Draft> {
    let per_node = gpu.report.node.map(|node| format!("{GLOBAL}_{node}"));
    let concerns = |name: &str| name == GLOBAL || Some(name) == per_node.as_deref();
    let set = effective(host, concerns);
    let refused = set.iter().find(|setting| {
        setting.kind == SettingKind::Exported
            && !setting.value.contains('$')
            && GfxTarget::parse_override(&setting.value).is_err()
    });
    if let Some(setting) = refused {
        let shown = format!("{}={}", setting.name, setting.value);
        return vec![
            Draft::warning(
                codes::OVERRIDE_WAITING,
                format!("{shown} is set for {}, and the runtime refuses it", setting.place),
            )
            .meaning("This process does not have it, but others will: ROCm does not start there for any card. It must be three decimal numbers such as 10.3.0 and nothing else.")
            .evidence(&setting.origin, shown)
            .sources(["libhsakmt-override-rules"])
            .gpu(index, Some(gfx))
            .next(format!("remove the line from {}", setting.origin)),
        ];
    }
    let wrong: Vec<(&Setting, GfxTarget)> = set
        .into_iter()
        .filter(|setting| setting.kind == SettingKind::Exported)
        .filter_map(|setting| {
            let target = GfxTarget::parse_override(&setting.value).ok()?;
            (knowledge.target(gfx).is_some() && !knowledge.runs(gfx, target))
                .then_some((setting, target))
        })
        .collect();
    let Some(&(setting, target)) = wrong.first() else { return Vec::new() };
    let places: Vec<String> = wrong.iter().map(|(setting, _)| setting.origin.to_string()).collect();
    let evidence = wrong.iter().map(|(setting, _)| EvidenceItem {
        origin: setting.origin.clone(),
        value: format!("{}={}", setting.name, setting.value),
    });
    vec![
        Draft::warning(
            codes::OVERRIDE_WAITING,
            format!(
                "{}={} is set for {}, and is wrong for {} ({gfx})",
                setting.name, setting.value, setting.place, gpu.report.name
            ),
        )
        .meaning(format!(
            "This process does not have it, but others will: it makes the card run {target} code."
        ))
        .evidence_of(evidence)
        .sources(WRONG_ISA_SOURCES)
        .gpu(index, Some(gfx))
        .next(format!("remove the line from {}", places.join(" and from "))),
    ]
}

/// Returns where a variable is set to a value, for evidence.
fn places(host: &HostFacts, name: &str, value: Option<&str>) -> Vec<EvidenceItem> {
    let plain = |text: &str| text.trim_matches(['"', '\'']).to_owned();
    host.settings
        .iter()
        .filter(|setting| setting.name == name && setting.kind != SettingKind::Unset)
        .filter(|setting| value.is_none_or(|value| plain(value) == plain(&setting.value)))
        .map(|setting| EvidenceItem {
            origin: setting.origin.clone(),
            value: format!("{}={}", setting.name, setting.value),
        })
        .collect()
}
