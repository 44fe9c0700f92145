//! Variables and kernel parameters: which of those that are set do something, and which do harm.

use crate::codes;
use crate::evidence::{Draft, environment};
use crate::gpu::Gpu;
use rmcp_knowledge::schema::Effect;
use rmcp_knowledge::{Knowledge, SwitchVerdict};
use rmcp_model::{EvidenceItem, Finding, GfxTarget, HostFacts, Origin, SettingKind, Version};
use std::collections::BTreeMap;

/// Variables that the override's own rules judge, or that say where things are rather than what to do.
const NOT_JUDGED: [&str; 1] = ["HSA_OVERRIDE_GFX_VERSION"];

/// One thing that is set: what it says, what that does, and where it stands.
struct Judged<'k> {
    shown: String,
    verdict: SwitchVerdict<'k>,
    places: Vec<Origin>,
}

/// Returns what is to be said about variables and parameters.
pub(crate) fn findings(
    host: &HostFacts,
    gpus: &[Gpu<'_>],
    rocm: Option<Version>,
    knowledge: &Knowledge,
) -> Vec<Finding> {
    // Without a card of ours there is nothing that the settings could be right or wrong for.
    let Some(gfx) = gpus.iter().find_map(|gpu| gpu.report.gfx) else { return Vec::new() };
    let variables = variables(host, gfx, rocm, knowledge);
    let parameters = parameters(host, gfx, knowledge);
    let mut drafts: Vec<Draft> = Vec::new();
    for (judged, code, what) in [
        (&variables, codes::VARIABLE_HARMFUL, "variable"),
        (&parameters, codes::PARAMETER_HARMFUL, "parameter"),
    ] {
        for it in judged.iter().filter(|it| it.verdict.effect == Effect::Harmful) {
            let draft = Draft::warning(code, format!("the {what} {} does harm", it.shown))
                .meaning(it.verdict.why)
                .sources(&it.verdict.switch.sources);
            let draft =
                it.places.iter().fold(draft, |draft, origin| draft.evidence(origin, &*it.shown));
            drafts.push(draft.next(way_back(what, it)));
        }
    }
    drafts.extend(group(&variables, Effect::Inert, codes::VARIABLES_INERT, |names| {
        format!("{names} change nothing on this card")
    }));
    drafts.extend(group(&parameters, Effect::Inert, codes::PARAMETERS_INERT, |names| {
        format!("{names} change nothing on this card")
    }));
    drafts.extend(group(&variables, Effect::Diagnostic, codes::VARIABLES_DIAGNOSTIC, |names| {
        format!("{names} are for finding faults, and slow things down")
    }));
    drafts.extend(not_live(host));
    drafts.into_iter().map(|draft| draft.finish(knowledge)).collect()
}

fn way_back(what: &str, it: &Judged<'_>) -> String {
    let name = it.shown.split('=').next().unwrap_or(&it.shown);
    let place = it.places.iter().find(|origin| origin.line.is_some());
    match (what, place) {
        ("variable", Some(origin)) => format!("remove the line from {origin}, and `unset {name}`"),
        ("variable", None) => format!("unset {name}"),
        (_, Some(origin)) if origin.path.contains("/modprobe.d/") => format!(
            "remove {} from {origin}, make the initramfs anew (update-initramfs -u, dracut -f or mkinitcpio -P), and reboot",
            it.shown
        ),
        (_, Some(origin)) => {
            format!("remove {} from {origin}, update the boot loader, and reboot", it.shown)
        }
        (_, None) => format!("remove {} from the kernel command line, and reboot", it.shown),
    }
}

/// One finding for all switches of one effect: a list of ten placebos is one message, not ten.
fn group(
    judged: &[Judged<'_>],
    effect: Effect,
    code: &str,
    title: impl Fn(&str) -> String,
) -> Option<Draft> {
    let of_effect: Vec<&Judged<'_>> =
        judged.iter().filter(|it| it.verdict.effect == effect).collect();
    let (first, rest) = of_effect.split_first()?;
    let names = match rest.len() {
        0 => first.shown.clone(),
        1 => format!("{} and {}", first.shown, rest[0].shown),
        more => format!("{} and {more} others", first.shown),
    };
    let title = if rest.is_empty() {
        title(&names)
            .replace(" change ", " changes ")
            .replace(" are for", " is for")
            .replace("and slow ", "and slows ")
    } else {
        title(&names)
    };
    let earlier = of_effect.iter().any(|it| it.verdict.switch.from_earlier_fix);
    let mut meaning: Vec<String> =
        of_effect.iter().map(|it| format!("{}: {}", it.shown, it.verdict.why)).collect();
    if earlier && effect == Effect::Inert {
        meaning.push("Some of these come from an earlier RX 5600 XT investigation, whose table shows that they changed nothing.".to_owned());
    }
    let mut draft = Draft::note(code, title).meaning(meaning.join("\n"));
    for it in &of_effect {
        draft = it.places.iter().fold(draft, |draft, origin| draft.evidence(origin, &*it.shown));
        draft = draft.sources(&it.verdict.switch.sources);
    }
    Some(draft)
}

fn variables<'k>(
    host: &HostFacts,
    gfx: GfxTarget,
    rocm: Option<Version>,
    knowledge: &'k Knowledge,
) -> Vec<Judged<'k>> {
    // In force first, then what is set for later; the same name and value is one thing with several places.
    let mut set: BTreeMap<(String, String), Vec<Origin>> = BTreeMap::new();
    for (name, value) in &host.environment {
        set.entry((name.clone(), value.clone())).or_default().push(environment());
    }
    for setting in host.settings.iter().filter(|setting| setting.kind == SettingKind::Exported) {
        set.entry((setting.name.clone(), setting.value.clone()))
            .or_default()
            .push(setting.origin.clone());
    }
    set.into_iter()
        .filter(|((name, value), _)| {
            !value.is_empty() && !NOT_JUDGED.iter().any(|judged| name.starts_with(judged))
        })
        .filter_map(|((name, value), places)| {
            let verdict = knowledge.judge_variable(&name, &value, Some(gfx), rocm)?;
            Some(Judged { shown: format!("{name}={value}"), verdict, places })
        })
        .collect()
}

fn parameters<'k>(host: &HostFacts, gfx: GfxTarget, knowledge: &'k Knowledge) -> Vec<Judged<'k>> {
    let kernel = host.kernel.release.value().and_then(|release| Version::parse_prefix(release));
    let mut set: BTreeMap<(String, String), Vec<Origin>> = BTreeMap::new();
    for word in host.kernel.command_line.value().into_iter().flatten() {
        // Quotes around a word are the kernel's, and in a parameter's name `-` is `_`.
        let word = word.trim_matches('"');
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let name = if name.contains('.') { name.replace('-', "_") } else { name.to_owned() };
        // Whether the driver can start at all has a finding of its own.
        if name == "nomodeset" {
            continue;
        }
        set.entry((name, value.to_owned())).or_default().push(Origin::file("/proc/cmdline"));
    }
    for word in &host.boot.configured_words {
        if let Some(places) = set.get_mut(&(word.name.clone(), word.value.clone())) {
            places.push(word.origin.clone());
        }
    }
    for option in host
        .driver
        .options
        .iter()
        .filter(|option| !matches!(option.name.as_str(), "blacklist" | "install"))
    {
        set.entry((format!("amdgpu.{}", option.name), option.value.clone()))
            .or_default()
            .push(option.origin.clone());
    }
    set.into_iter()
        .filter_map(|((name, value), places)| {
            let verdict = knowledge.judge_parameter(&name, &value, Some(gfx), kernel)?;
            let shown = if value.is_empty() { name } else { format!("{name}={value}") };
            Some(Judged { shown, verdict, places })
        })
        .collect()
}

/// Returns a parameter as the driver holds it: 32 bits, however it was written.
fn number(text: &str) -> Option<u32> {
    let wide: i64 = match text.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok()?,
        None => match text {
            "Y" | "y" => 1,
            "N" | "n" => 0,
            digits => digits.parse().ok()?,
        },
    };
    u32::try_from(wide & 0xffff_ffff).ok()
}

/// Options in modprobe's files for which the running driver shows another value.
fn options_not_live(host: &HostFacts) -> impl Iterator<Item = EvidenceItem> {
    host.driver.options.iter().filter_map(|option| {
        let live = host.driver.parameters.iter().find(|live| live.name == option.name)?;
        let value = live.live.value()?;
        let same = *value == option.value
            || matches!((number(value), number(&option.value)), (Some(live), Some(set)) if live == set);
        (!same).then(|| EvidenceItem {
            origin: option.origin.clone(),
            value: format!("amdgpu.{}={} (live: {value})", option.name, option.value),
        })
    })
}

/// Words of the amdgpu driver that the boot loader is told to pass and the running kernel did not get.
fn not_live(host: &HostFacts) -> Option<Draft> {
    let live = host.kernel.command_line.value()?;
    let waiting: Vec<EvidenceItem> = host
        .boot
        .configured_words
        .iter()
        .filter(|word| word.name.starts_with("amdgpu."))
        .map(|word| EvidenceItem {
            origin: word.origin.clone(),
            value: format!("{}={}", word.name, word.value),
        })
        .filter(|item| !live.contains(&item.value))
        .chain(options_not_live(host))
        .collect();
    let first = waiting.first()?.clone();
    Some(
        Draft::note(codes::PARAMETERS_NOT_LIVE, format!("{} is configured for the boot, but the running kernel does not have it", first.value))
            .meaning("It counts after a reboot, for which a boot loader's file must be made anew (update-grub, grub2-mkconfig), and a file of modprobe be put into the initramfs (update-initramfs -u, dracut -f, mkinitcpio -P).")
            .evidence_of(waiting)
            .sources(["grub-manual"]),
    )
}
