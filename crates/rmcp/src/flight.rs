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
use rustix::fs::OFlags;
use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

pub use rmcp_diagnose::flight_rank;

/// Largest code object that is judged: those of whole libraries are smaller.
const LARGEST: u64 = 512 << 20;

/// A record has one size; what is longer is something else.
const LONGEST: u64 = 64 << 20;

/// The bytes of a record that somebody named: also of a pipe.
///
/// # Errors
/// What the system says.
#[expect(clippy::disallowed_methods, reason = "a file that somebody named")]
pub fn read_named(path: &Path) -> std::io::Result<Vec<u8>> {
    bounded(File::open(path)?)
}

/// The bytes of a record among files that a program left, which may be anything.
///
/// # Errors
/// What the system says, and for what is no regular file.
pub fn read_left(path: &Path) -> std::io::Result<Vec<u8>> {
    bounded(open_regular(path)?)
}

fn bounded(file: File) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Opens a file whose path comes from a stranger. A pipe would have us wait for a writer, a device may do anything when it
/// is opened, and a terminal would become ours.
fn open_regular(path: &Path) -> std::io::Result<File> {
    let flags = i32::try_from((OFlags::NONBLOCK | OFlags::NOCTTY).bits()).unwrap_or(0);
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    Ok(file)
}

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
fn content(code: &FlightCode) -> Option<Vec<u8>> {
    if code.bytes > LARGEST {
        return None;
    }
    let file = open_regular(code.file.as_ref()?.as_ref()).ok()?;
    let length = file.metadata().ok()?.len();
    if code.offset.checked_add(code.bytes)? > length {
        return None;
    }
    let mut bytes = vec![0; usize::try_from(code.bytes).ok()?];
    file.read_exact_at(&mut bytes, code.offset).ok()?;
    blake3::hash(&bytes).to_hex().starts_with(&code.hash).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// A record may name any path. Opening a pipe would wait for one who writes to it.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "a tree of our own")]
    fn what_a_record_names_is_opened_only_where_it_is_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), rustix::fs::Mode::RWXU).unwrap();
        std::fs::write(at("file"), "code").unwrap();
        std::os::unix::fs::symlink("pipe", at("link")).unwrap();
        let file = |path: PathBuf| {
            let hash = blake3::hash(b"code").to_hex()[..32].to_owned();
            content(&FlightCode {
                elf_flags: 0,
                bytes: 4,
                hash,
                file: Some(path.display().to_string()),
                offset: 0,
                base: 0,
                span: 0,
                time: 0,
                calls_host: false,
                unloaded: false,
            })
        };
        let (send, received) = std::sync::mpsc::channel();
        let paths = ["pipe", "link", ".", "file"].map(at);
        let null = PathBuf::from("/dev/zero");
        std::thread::spawn(move || {
            for path in paths.into_iter().chain([null]) {
                let read = read_left(&path).is_ok();
                if send.send((path.display().to_string(), read, file(path).is_some())).is_err() {
                    return;
                }
            }
        });
        for expected in [false, false, false, true, false] {
            let minute = std::time::Duration::from_secs(60);
            let (path, read, found) = received.recv_timeout(minute).expect("it does not wait");
            assert_eq!((read, found), (expected, expected), "{path}");
        }
    }

    /// What the kernel says of a fault reaches a record too, where the program's own output says nothing of the address.
    #[test]
    fn the_address_of_a_fault_is_found_in_the_kernels_log() {
        let kernel = "amdgpu 0000:0b:00.0: amdgpu: [gfxhub] page fault (src_id:0 ring:24 vmid:8 pasid:32771, for process python pid 4711 thread python pid 4711)\n\
             amdgpu 0000:0b:00.0: amdgpu:   in page starting at address 0x00007f12a4c00000 from client 0x1b (UTCL2)\n";
        let runtime = "Memory access fault by GPU node-2 on address (nil). Reason: unknown\n";
        for (log, expected) in [
            (kernel.to_owned(), Some(0x7f12_a4c0_0000)),
            (format!("{runtime}{kernel}"), Some(0x7f12_a4c0_0000)),
            (runtime.to_owned(), None),
        ] {
            let size = Some(log.len() as u64);
            let (facts, _) = crate::explain(log.as_bytes(), size, "a test", None).unwrap();
            assert_eq!(fault_address(&facts), expected, "{log}");
        }
    }
}
