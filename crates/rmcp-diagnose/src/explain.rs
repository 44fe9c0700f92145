//! A log into its kind, its fields and what they mean here.

use crate::codes;
use crate::diagnose::card_context;
use crate::log_findings::{CardContext, findings, order_kinds};
use rmcp_knowledge::Knowledge;
use rmcp_model::{Explanation, GfxTarget, HostFacts, LogFacts, LogKind, Origin};
use std::collections::BTreeMap;

/// Where a log comes from, and the machine that it may be of.
#[derive(Debug, Clone, Copy)]
pub struct LogContext<'a> {
    /// The log's name, for evidence.
    pub name: &'a str,
    /// The machine on which it was asked; its facts count only where the text names no other card.
    pub host: Option<&'a HostFacts>,
}

/// Returns what a log says.
pub fn explain(log: &LogFacts, from: LogContext<'_>, knowledge: &Knowledge) -> Explanation {
    let kinds = order_kinds(log, knowledge);
    let (kind, also) = match kinds.split_first() {
        Some((first, rest)) => (*first, rest.to_vec()),
        None => (LogKind::None, Vec::new()),
    };
    let mut matched: Vec<u64> = log
        .matches
        .iter()
        .filter(|found| found.kind == kind)
        .flat_map(|found| found.lines.iter().copied())
        .collect();
    matched.sort_unstable();
    matched.dedup();
    let context = context(log, from, knowledge);
    Explanation {
        kind,
        also,
        matched,
        fields: fields(log, kind, &kinds),
        findings: findings(log, from.name, codes::LOG, &context, knowledge),
    }
}

/// Fields of the primary kind first; others add what it does not have.
fn fields(log: &LogFacts, primary: LogKind, kinds: &[LogKind]) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    let order = std::iter::once(&primary).chain(kinds);
    for kind in order {
        for found in log.matches.iter().filter(|found| found.kind == *kind) {
            for (name, value) in &found.fields {
                fields.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
    }
    if let Some(status) = fields
        .get("status")
        .and_then(|status| u32::from_str_radix(status.trim_start_matches("0x"), 16).ok())
    {
        fields.extend(decode_l2_status(status));
    }
    if let Some(number) = log.pasted.torch.clone() {
        fields.entry("torch".to_owned()).or_insert(number);
    }
    if let Some(rocm) = log.pasted.rocm {
        fields.entry("rocm".to_owned()).or_insert_with(|| rocm.to_string());
    }
    fields
}

/// Decodes `GCVM_L2_PROTECTION_FAULT_STATUS` of gfx10.
///
/// All ones means that the register could not be read because the device had left the bus; its bits say
/// nothing then.
///
/// Source: Linux `gc_10_1_0_sh_mask.h`, `GCVM_L2_PROTECTION_FAULT_STATUS`; the lines that
/// `gfxhub_v2_0_print_l2_protection_fault_status` prints.
fn decode_l2_status(status: u32) -> Vec<(String, String)> {
    let field = |name: &str, value: String| (format!("status_{name}"), value);
    if status == u32::MAX {
        return vec![field(
            "meaning",
            "all ones: the GPU had dropped off the bus, the bits say nothing".to_owned(),
        )];
    }
    let bits = |shift: u32, mask: u32| status >> shift & mask;
    vec![
        field("more_faults", bits(0, 1).to_string()),
        field("walker_error", format!("{:#x}", bits(1, 7))),
        field("permission_faults", format!("{:#x}", bits(4, 0xf))),
        field("mapping_error", bits(8, 1).to_string()),
        field("client", format!("{:#x}", bits(9, 0x1ff))),
        field("access", if bits(18, 1) == 1 { "write" } else { "read" }.to_owned()),
        field("vmid", bits(20, 0xf).to_string()),
    ]
}

/// The card that a log is about: the one named in the text, else the one of the machine.
fn context(log: &LogFacts, from: LogContext<'_>, knowledge: &Knowledge) -> CardContext {
    let target =
        log.pasted.gfx_override.as_deref().and_then(|value| GfxTarget::parse_override(value).ok());
    // Of several cards the one counts for which the override is wrong; it is the others that are in order.
    let wrong = |gfx: GfxTarget| {
        target.is_some_and(|target| knowledge.target(gfx).is_some() && !knowledge.runs(gfx, target))
    };
    let mut cards = log.pasted.gpus.iter().filter(|gpu| gpu.gfx.is_some());
    let pasted = cards.clone().find(|gpu| gpu.gfx.is_some_and(wrong)).or_else(|| cards.next());
    let origin = |line: u64| Origin { path: from.name.to_owned(), line: u32::try_from(line).ok() };
    let host = from.host.map(|host| card_context(host, knowledge));
    match pasted {
        Some(gpu) => {
            // Under an override rocminfo prints the target that is pretended; the card's name tells the truth.
            let by_name = gpu
                .name
                .as_deref()
                .and_then(|name| knowledge.card_named(name))
                .and_then(|(chip, _)| chip.gfx);
            let pretended = gpu.gfx.filter(|gfx| by_name.is_some_and(|real| real != *gfx));
            CardContext {
                gfx: by_name.or(gpu.gfx),
                origin: Some(origin(gpu.line)),
                target: target.or(pretended),
                environment_known: false,
                target_origin: target.or(pretended).map(|_| origin(gpu.line)),
            }
        }
        None => match host {
            Some(host) if target.is_none() => host,
            host => CardContext {
                target,
                target_origin: target.map(|_| Origin::file(from.name)),
                ..host.unwrap_or_default()
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_bits_agree_with_what_the_driver_prints() {
        // The driver's own lines for 0x00841B5B: client SDMA0 (0xd), more faults 1, walker error 5,
        // permission faults 5, mapping error 1, write.
        let decoded: BTreeMap<_, _> = decode_l2_status(0x0084_1B5B).into_iter().collect();
        for (name, value) in [
            ("more_faults", "1"),
            ("walker_error", "0x5"),
            ("permission_faults", "0x5"),
            ("mapping_error", "1"),
            ("client", "0xd"),
            ("access", "write"),
            ("vmid", "8"),
        ] {
            assert_eq!(decoded[&format!("status_{name}")], value, "{name}");
        }
        assert_eq!(decode_l2_status(u32::MAX).len(), 1);
    }
}
