//! Flight records: read, explained, and joined with what a scan says of the kernels in question.

use crate::scan::scan_card;
use rmcp_code::CodeObject;
use rmcp_code::container::walk;
use rmcp_code::scan::{Collector, Depth};
use rmcp_knowledge::Knowledge;
use rmcp_model::{
    FlightCode, FlightExplanation, FlightRecord, FlightSuspect, GfxTarget, KernelScan, LogFacts,
    LogKind,
};
use rmcp_record::RecordError;
use std::collections::HashMap;
use std::os::unix::fs::FileExt;

/// Largest code object that is judged: those of whole libraries are smaller.
const LARGEST: u64 = 512 << 20;

/// Reads a record and says what it tells. `log` is what was found in the program's output.
///
/// # Errors
/// [`RecordError`] for what is no record of a version that is known.
pub fn flight(
    bytes: &[u8],
    log: Option<&LogFacts>,
) -> Result<(FlightRecord, FlightExplanation), RecordError> {
    let record = rmcp_record::read(bytes)?;
    let explanation = rmcp_diagnose::explain_flight(&record, log.and_then(fault_address));
    Ok((record, explanation))
}

/// The address of a fault of the card in a log. With several the first, which is what the others follow from.
fn fault_address(log: &LogFacts) -> Option<u64> {
    let of_card = |kind: LogKind| matches!(kind, LogKind::PageFault | LogKind::DmesgGcvm);
    log.matches.iter().filter(|found| of_card(found.kind)).find_map(|found| {
        let digits = found.fields.get("address")?.strip_prefix("0x")?;
        u64::from_str_radix(digits, 16).ok()
    })
}

/// Adds to each suspect the target of its code, and what a scan for a card says of it, where its file is still there and
/// still holds the same bytes. `card` is the card's target; without it that of the record's first GPU.
pub fn judge_suspects(
    record: &FlightRecord,
    explanation: &mut FlightExplanation,
    card: Option<GfxTarget>,
    knowledge: &Knowledge,
) {
    let gpus = record.agents.iter().filter(|agent| agent.gpu);
    let card = card.or_else(|| gpus.filter_map(|agent| agent.name.parse().ok()).next());
    let mut judged = HashMap::new();
    for suspect in &mut explanation.suspects {
        let kernel = suspect.dispatch.kernel.and_then(|row| record.kernels.get(row));
        let Some(code) = kernel.and_then(|kernel| kernel.code) else { continue };
        let judgement = judged
            .entry(code)
            .or_insert_with(|| record.codes.get(code).map(|code| judge(code, card, knowledge)));
        if let Some(judgement) = judgement {
            add(suspect, judgement);
        }
    }
}

/// What is known of a code object.
#[derive(Debug, Default)]
struct Judgement {
    target: Option<String>,
    kernels: Vec<KernelScan>,
}

fn add(suspect: &mut FlightSuspect, judgement: &Judgement) {
    suspect.target.clone_from(&judgement.target);
    let same = |kernel: &&KernelScan| Some(&kernel.name) == suspect.name.as_ref();
    suspect.scan = judgement.kernels.iter().find(same).cloned();
}

fn judge(code: &FlightCode, card: Option<GfxTarget>, knowledge: &Knowledge) -> Judgement {
    let Some(bytes) = content(code) else { return Judgement::default() };
    let target = CodeObject::parse(&bytes).ok().map(|object| object.target().to_string());
    let Some(card) = card else { return Judgement { target, kernels: Vec::new() } };
    let card = scan_card(card, knowledge);
    let mut collector = Collector::new(&card, Depth::Kernels);
    walk("record", &&bytes[..], &mut collector);
    let kernels = collector.finish().kernels.into_values().flatten().collect();
    Judgement { target, kernels }
}

/// The bytes of a code object, where the file still holds those that were loaded.
#[expect(clippy::disallowed_methods, reason = "the file that the record names, as a scan reads it")]
fn content(code: &FlightCode) -> Option<Vec<u8>> {
    if code.bytes > LARGEST {
        return None;
    }
    let file = std::fs::File::open(code.file.as_ref()?).ok()?;
    // A pipe or a device would not be what it was then.
    let length = file.metadata().ok().filter(std::fs::Metadata::is_file)?.len();
    if code.offset.checked_add(code.bytes)? > length {
        return None;
    }
    let mut bytes = vec![0; usize::try_from(code.bytes).ok()?];
    file.read_exact_at(&mut bytes, code.offset).ok()?;
    blake3::hash(&bytes).to_hex().starts_with(&code.hash).then_some(bytes)
}
