//! All facts of a machine into findings, a verdict for each GPU, and routes.

use crate::advice;
use crate::codes;
use crate::evidence::Draft;
use crate::gfx_override;
use crate::gpu::{Gpu, identify};
use crate::log_findings::{CardContext, findings as log_findings, kernel_log_findings};
use crate::reach;
use crate::routes::routes;
use crate::software::{self, Software};
use crate::switches;
use rmcp_knowledge::Knowledge;
use rmcp_model::{
    Diagnosis, Fact, Finding, GfxTarget, HostFacts, Origin, PciId, Severity, Verdict,
};

/// Generations that this tool is about.
const SCOPE: [&str; 2] = ["RDNA1", "RDNA2"];

/// Returns what is wrong with a machine, why, and which ways there are.
pub fn diagnose(host: &HostFacts, knowledge: &Knowledge) -> Diagnosis {
    let mut gpus = identify(host, knowledge);
    let software = Software::of(host);
    let mut findings = gfx_override::judge(host, &mut gpus, &software, knowledge);
    findings.extend(identity(host, &gpus, knowledge));
    findings.extend(reach::findings(host, &gpus, knowledge));
    findings.extend(software::findings(host, &gpus, &software, knowledge));
    findings.extend(switches::findings(host, &gpus, software.rocm, knowledge));
    findings.extend(integrated(host, &gpus, knowledge));
    let context = context_of(host, &gpus);
    if let Fact::Known { value, origin } = &host.kernel_log {
        findings.extend(kernel_log_findings(value, &origin.path, &context, knowledge));
    }
    if let Some(log) = &host.user_log {
        findings.extend(log_findings(log, "the log", codes::LOG, &context, knowledge));
    }
    block(&mut gpus, &findings);
    merge_identical(&mut findings);
    findings.sort_by_key(|finding| (finding.severity, codes::rank(&finding.code), finding.gpu));
    let routes = routes(&gpus, &software, knowledge);
    let plan = advice::plan(host, &findings, knowledge);
    Diagnosis {
        provenance: host.provenance,
        gpus: gpus.into_iter().map(|gpu| gpu.report).collect(),
        findings,
        plan,
        routes,
        unchecked: unchecked(host),
    }
}

/// Returns what is known of the card of a machine, for judging a log.
pub(crate) fn card_context(host: &HostFacts, knowledge: &Knowledge) -> CardContext {
    let mut gpus = identify(host, knowledge);
    let software = Software::of(host);
    gfx_override::judge(host, &mut gpus, &software, knowledge);
    context_of(host, &gpus)
}

fn context_of(host: &HostFacts, gpus: &[Gpu<'_>]) -> CardContext {
    // With several cards, the one that is made to run the wrong code explains a fault best.
    let gpu = gpus
        .iter()
        .find(|gpu| gpu.report.verdict == Verdict::WrongIsa)
        .or_else(|| gpus.iter().find(|gpu| gpu.report.gfx.is_some()));
    let Some(gpu) = gpu else { return CardContext::default() };
    let target =
        gpu.report.gfx_override.as_deref().and_then(|value| GfxTarget::parse_override(value).ok());
    let place = host.settings.iter().find(|setting| setting.name == "HSA_OVERRIDE_GFX_VERSION");
    CardContext {
        gfx: gpu.report.gfx,
        origin: gpu.report.gfx_origin.clone(),
        target,
        environment_known: host.access.user.value().is_some(),
        target_origin: target.map(|_| {
            place.map_or_else(crate::evidence::environment, |setting| setting.origin.clone())
        }),
    }
}

/// Cards that are unknown, unsupported or not of those that this tool is about; and machines without any.
fn identity(host: &HostFacts, gpus: &[Gpu<'_>], knowledge: &Knowledge) -> Vec<Finding> {
    let mut drafts = Vec::new();
    if gpus.is_empty() && !host.platform.wsl {
        drafts.push(no_gpu(host));
    }
    for (index, gpu) in gpus.iter().enumerate() {
        let name = &gpu.report.name;
        let origin = gpu
            .report
            .gfx_origin
            .clone()
            .or_else(|| gpu.card.and_then(|card| card.id.origin().cloned()))
            .unwrap_or_else(|| Origin::file("/sys/bus/pci/devices"));
        let shown = match (gpu.report.pci_id, gpu.report.gfx) {
            (Some(id), Some(gfx)) => format!("{id}, {gfx}"),
            (Some(id), None) => id.to_string(),
            (None, Some(gfx)) => gfx.to_string(),
            (None, None) => "neither PCI id nor target".to_owned(),
        };
        let draft = match gpu.generation(knowledge) {
            Some(generation) if SCOPE.contains(&generation) => continue,
            Some(generation) => Draft::note(codes::OUTSIDE_SCOPE, format!("{name} is {generation}: RMCP's advice is made for RX 5000 and 6000 cards"))
                .meaning("What can be read (code, permission, driver) is still read; advice for this generation is not."),
            None if gpu.chip_known && gpu.report.gfx.is_none() => Draft::warning(codes::GPU_UNSUPPORTED, format!("{name} is older than anything that ROCm ever supported"))
                .meaning("KFD does not know this chip. Vulkan or the processor are the ways."),
            None => Draft::warning(codes::GPU_UNKNOWN, format!("{name} is not known here"))
                .meaning("Nothing is said about which code is right on it: unknown is not the same as fine. A newer RMCP may know it."),
        };
        drafts.push(draft.evidence(&origin, shown).gpu(index, gpu.report.gfx));
    }
    drafts.into_iter().map(|draft| draft.finish(knowledge)).collect()
}

fn no_gpu(host: &HostFacts) -> Draft {
    let others: Vec<&str> = host
        .cards
        .iter()
        .filter_map(|card| card.id.value())
        .map(|id| match id.vendor {
            PciId::NVIDIA => "an NVIDIA GPU",
            PciId::INTEL => "an Intel GPU",
            _ => "a display controller of another maker",
        })
        .collect();
    let mut unique: Vec<&str> = Vec::new();
    for other in others {
        if !unique.contains(&other) {
            unique.push(other);
        }
    }
    let unreadable = !unchecked(host).is_empty();
    let title = match unique.as_slice() {
        [] if unreadable => "no AMD GPU was found, but not everything could be read".to_owned(),
        [] => "no AMD GPU was found".to_owned(),
        others => format!("no AMD GPU was found; there is {}", others.join(" and ")),
    };
    let draft = Draft::note(codes::NO_AMD_GPU, title).meaning(
        "RMCP is about Radeon cards under ROCm; there is nothing here for it to diagnose.",
    );
    host.cards
        .iter()
        .filter_map(|card| Some((card.id.origin()?, card.id.value()?)))
        .fold(draft, |draft, (origin, id)| draft.evidence(origin, id.to_string()))
}

/// An integrated GPU that programs see beside a card.
fn integrated(host: &HostFacts, gpus: &[Gpu<'_>], knowledge: &Knowledge) -> Option<Finding> {
    let hidden = [
        "HIP_VISIBLE_DEVICES",
        "ROCR_VISIBLE_DEVICES",
        "CUDA_VISIBLE_DEVICES",
        "GPU_DEVICE_ORDINAL",
    ]
    .iter()
    .any(|name| host.environment.contains_key(*name));
    let card = gpus.iter().find(|gpu| gpu.is_discrete() && gpu.node.is_some())?;
    let (index, small) = gpus
        .iter()
        .enumerate()
        .find(|(_, gpu)| gpu.report.integrated == Some(true) && gpu.node.is_some())?;
    if hidden {
        return None;
    }
    // HIP numbers the devices in the order of the KFD nodes.
    let ordinal =
        gpus.iter().filter(|gpu| gpu.report.node < card.report.node && gpu.node.is_some()).count();
    let discrete = gpus.iter().filter(|gpu| gpu.is_discrete() && gpu.node.is_some()).count();
    let origin = small.report.gfx_origin.clone()?;
    Some(
        Draft::warning(codes::IGPU_VISIBLE, format!("the processor's own GPU ({}) is visible beside {}", small.report.name, card.report.name))
            .meaning("Programs and libraries built for one target fail or pick the wrong device when they see both.")
            .evidence(&origin, format!("KFD node {}", small.report.node.unwrap_or(0)))
            .sources(["log-therock-5543"])
            .gpu(index, small.report.gfx)
            .next(if discrete == 1 {
                format!("export HIP_VISIBLE_DEVICES={ordinal}")
            } else {
                "set HIP_VISIBLE_DEVICES to the numbers of the cards that are to be used".to_owned()
            })
            .finish(knowledge),
    )
}

/// Two identical cards have one finding, about the first of them.
fn merge_identical(findings: &mut Vec<Finding>) {
    let mut seen: Vec<(String, String)> = Vec::new();
    findings.retain(|finding| {
        let key = (finding.code.clone(), finding.title.clone());
        let new = !seen.contains(&key);
        if new {
            seen.push(key);
        }
        new
    });
}

/// Errors that keep a GPU from being used outweigh what its code would say.
fn block(gpus: &mut [Gpu<'_>], findings: &[Finding]) {
    const BLOCKING: [&str; 10] = [
        codes::DRIVER_BLACKLISTED,
        codes::NOMODESET,
        codes::DRIVER_NOT_LOADED,
        codes::DRIVER_OTHER,
        codes::PCIE_ATOMICS,
        codes::GPU_NOT_IN_KFD,
        codes::CONTAINER_NO_DEVICE,
        codes::KFD_MISSING,
        codes::NO_PERMISSION,
        codes::GROUP_NOT_ACTIVE,
    ];
    let blocking = findings.iter().filter(|finding| {
        finding.severity == Severity::Error && BLOCKING.contains(&finding.code.as_str())
    });
    for finding in blocking {
        let concerned = gpus
            .iter_mut()
            .enumerate()
            .filter(|(index, _)| finding.gpu.is_none_or(|gpu| gpu == *index));
        for (_, gpu) in concerned {
            if !matches!(gpu.report.verdict, Verdict::WrongIsa | Verdict::Unsupported) {
                gpu.report.verdict = Verdict::Blocked;
            }
        }
    }
}

/// What could not be checked, with the reason.
fn unchecked(host: &HostFacts) -> Vec<String> {
    let mut unchecked: Vec<String> = Vec::new();
    let mut add = |what: &str, why: Option<&str>| {
        if let Some(why) = why {
            unchecked.push(format!("{what}: {why}"));
        }
    };
    add("KFD topology", host.nodes.why_unreadable());
    for node in host.nodes.value().into_iter().flatten() {
        add(&format!("KFD node {}", node.node), node.properties.why_unreadable());
        add(&format!("links of KFD node {}", node.node), node.io_links.why_unreadable());
        add(&format!("memory of KFD node {}", node.node), node.memory_banks.why_unreadable());
    }
    for card in &host.cards {
        add(
            &format!("card at {}", card.path),
            card.id.why_unreadable().or(card.driver.why_unreadable()),
        );
    }
    add("kernel command line", host.kernel.command_line.why_unreadable());
    add("kernel log", host.kernel_log.why_unreadable());
    add("driver", host.driver.loaded.why_unreadable());
    add("Secure Boot", host.boot.secure_boot.why_unreadable());
    for env in &host.python {
        env.unreadable.iter().for_each(|why| add(&env.prefix, Some(why)));
        for package in &env.packages {
            add(&format!("GPU code of {}", package.name), package.code.why_unreadable());
        }
    }
    host.unreadable.iter().for_each(|why| add("settings", Some(why)));
    unchecked
}
