//! Every parser of bytes that strangers write, as a function that panics where it breaks a promise.
//!
//! libFuzzer runs them for as long as one likes (`cargo xtask fuzz`), and `crates/rmcp/tests/hostile.rs` for
//! some seconds in every test run.

use rmcp_code::CodeObject;
use rmcp_code::container::{ContainerError, Group, ReadAt, Visitor, walk};
use rmcp_code::isa::{self, Isa, Wave, words_of};
use rmcp_code::rules::judge;
use rmcp_code::scan::{Collector, Depth, verdict_of};
use rmcp_diagnose::LogContext;
use rmcp_host::log::{LogScanner, parse_kmsg, parse_pasted};
use rmcp_host::{hardware, settings, stack, system};
use rmcp_knowledge::Knowledge;
use rmcp_model::{CodeScan, GfxTarget, Place, ScanCard, Setting};
use std::sync::LazyLock;

/// A name, what the target eats, and the target.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// All of them.
pub(crate) const ALL: [Target; 19] = [
    ("kfd_properties", kfd_properties),
    ("kernel_log", kernel_log),
    ("kernel_cmdline", kernel_cmdline),
    ("signatures", signatures),
    ("pasted", pasted),
    ("bundles", bundles),
    ("containers", containers),
    ("scans", scans),
    ("instructions", instructions),
    ("code_objects", code_objects),
    ("boot_files", boot_files),
    ("modprobe", modprobe),
    ("shell_settings", shell_settings),
    ("fish_settings", fish_settings),
    ("systemd_settings", systemd_settings),
    ("pci_files", pci_files),
    ("package_files", package_files),
    ("edits", edits),
    ("flight_records", flight_records),
];

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

fn kfd_properties(bytes: &[u8]) {
    if let Ok(properties) = hardware::kfd::parse_properties(bytes) {
        let lines = bytes.iter().filter(|&&byte| byte == b'\n').count() + 1;
        assert!(properties.len() <= lines, "one property a line at most");
        assert!(properties.keys().all(|name| !name.is_empty()), "every property has a name");
    }
}

fn kernel_log(bytes: &[u8]) {
    let log = parse_kmsg(bytes);
    let again = parse_kmsg(log.as_bytes());
    assert_eq!(log, again, "what has been read once reads the same again");
}

fn kernel_cmdline(bytes: &[u8]) {
    let words = system::kernel::parse_command_line(&text(bytes));
    assert!(words.iter().all(|word| !word.is_empty()), "a word has letters");
}

static SCANNER: LazyLock<LogScanner<'static>> =
    LazyLock::new(|| LogScanner::new(Knowledge::embedded()));

fn signatures(bytes: &[u8]) {
    let Ok(facts) = SCANNER.scan(bytes, Some(bytes.len() as u64)) else {
        return;
    };
    for found in &facts.matches {
        assert!(!found.lines.is_empty(), "{}: a match has a line", found.signature);
        assert!(
            found.lines.iter().all(|line| (1..=facts.lines).contains(line)),
            "{}: lines {:?} of {}",
            found.signature,
            found.lines,
            facts.lines
        );
        let shown = found.fields.values().chain([&found.excerpt]);
        for value in shown {
            assert!(!value.chars().any(char::is_control), "{value:?} would order a terminal about");
        }
    }
    let from = LogContext { name: "fuzz", host: None };
    let explained = rmcp_diagnose::explain(&facts, from, Knowledge::embedded());
    assert!(!explained.also.contains(&explained.kind), "the primary kind is not listed twice");
}

fn pasted(bytes: &[u8]) {
    let facts = parse_pasted(&text(bytes));
    assert!(facts.gpus.len() <= 64, "a paste is no way to fill memory");
}

fn bundles(bytes: &[u8]) {
    if let Ok(Some(summary)) = rmcp_code::summarize_bundles(&bytes) {
        assert!(summary.targets.values().all(|&count| count <= summary.bundles));
    }
}

/// Wants everything, reads it, and adds it up.
struct Greedy {
    read: u64,
}

impl Visitor for Greedy {
    fn group(&mut self, group: &Group<'_>) -> Vec<usize> {
        (0..group.members.len()).collect()
    }

    fn object(&mut self, group: &Group<'_>, member: usize, object: &dyn ReadAt) {
        assert_eq!(group.members[member].bytes, object.length(), "{group:?}");
        let bytes = object.bytes_at(0, object.length()).expect("what is shown is there");
        self.read += bytes.len() as u64;
    }

    fn problem(&mut self, _place: &str, error: ContainerError) {
        assert!(!error.to_string().is_empty());
    }
}

/// Whatever stands in a file, what comes out of it is bounded by its size.
fn containers(bytes: &[u8]) {
    let magics: [&[u8]; 5] =
        [b"", b"CCOB", b"PK\x03\x04", b"!<arch>\ndebian-binary", b"SQLite format 3\0"];
    for magic in magics {
        let mut file = bytes.to_vec();
        let length = magic.len().min(file.len());
        file[..length].copy_from_slice(&magic[..length]);
        let mut greedy = Greedy { read: 0 };
        walk("fuzz", &file, &mut greedy);
        let limit = (file.len() as u64 * 250).max(64 << 20) + file.len() as u64;
        assert!(greedy.read <= limit, "{} bytes of {}", greedy.read, file.len());
    }
}

/// No part is more than the whole, whatever the symbols and sections of an object say.
fn scans(bytes: &[u8]) {
    let gfx = GfxTarget::new(10, 1, 0);
    let card = ScanCard { gfx, runs: Vec::new(), generic: None };
    let mut collector = Collector::new(&card, Depth::Kernels);
    walk("fuzz", &bytes, &mut collector);
    let found = collector.finish();
    for library in &found.libraries {
        for row in library.targets.values() {
            assert!(row.bundles <= library.bundles, "{library:?}");
            assert!(row.stubs <= row.kernels, "{library:?}");
            let flagged = row.code.as_ref().map(CodeScan::flagged_kernels);
            assert!(flagged <= row.kernels, "{library:?}");
        }
        verdict_of(library, &card);
    }
}

/// An instruction is read from its own words alone, and every instruction has a text.
fn instructions(bytes: &[u8]) {
    let words = words_of(bytes);
    for target in [isa::Target::Gfx1010, isa::Target::Gfx1013, isa::Target::Gfx1030] {
        let isa = Isa::of(target);
        for at in 0..words.len().min(64) {
            let Ok(instruction) = isa.decode(&words[at..]) else { continue };
            let length = usize::from(instruction.dwords());
            assert!((1..=5).contains(&length), "{instruction:?}");
            let own = &words[at..at + length];
            assert_eq!(&instruction.words()[..length], own);
            let again = isa.decode(own).expect("it was read from these words");
            for wave in [Wave::Wave32, Wave::Wave64] {
                let text = instruction.text(wave).to_string();
                assert!(text.starts_with(instruction.name()), "{text}");
                assert_eq!(again.text(wave).to_string(), text);
                assert_eq!(again.scalars(wave), instruction.scalars(wave));
            }
        }
    }
}

/// What is found in an object is in the file, and judging it ends.
fn code_objects(bytes: &[u8]) {
    let Ok(object) = CodeObject::parse(bytes) else { return };
    for function in object.functions() {
        assert!(function.code.len() <= bytes.len());
    }
    let judgement = judge(&object, isa::Target::Gfx1030, isa::Target::Gfx1010);
    assert_eq!(judgement.kernels.len(), object.kernels().count());
    for kernel in &judgement.kernels {
        for (own, all) in kernel.own.iter().zip(&kernel.hits) {
            assert!(own <= all, "{kernel:?}");
        }
    }
}

fn boot_files(bytes: &[u8]) {
    let text = text(bytes);
    system::boot::parse_grub_default("grub", &text);
    system::boot::parse_loader_entry("entry", &text);
}

fn modprobe(bytes: &[u8]) {
    let options = system::driver::parse_modprobe("file", &text(bytes));
    assert!(options.iter().all(|option| option.origin.line.is_some()), "each option has a line");
}

fn shell_settings(bytes: &[u8]) {
    let text = text(bytes);
    check(&settings::shell::parse_settings("file", "bash", &text), &text);
}

fn fish_settings(bytes: &[u8]) {
    let text = text(bytes);
    check(&settings::fish::parse_settings("file", &text), &text);
    check(&settings::fish::parse_universal("file", &text), &text);
}

fn systemd_settings(bytes: &[u8]) {
    let text = text(bytes);
    let place = Place::Unit { unit: "a.service".to_owned(), user: false };
    check(&settings::systemd::parse_unit("file", &text, &place, "Environment").0, &text);
    check(&settings::systemd::parse_environment_file("file", &text, &place), &text);
}

/// A setting has a name without blanks, and a line of the file.
fn check(settings: &[Setting], text: &str) {
    let lines = text.lines().count();
    for setting in settings {
        assert!(!setting.name.contains(char::is_whitespace), "{setting:?}");
        let line = setting.origin.line.expect("a setting stands on a line") as usize;
        assert!((1..=lines).contains(&line), "{setting:?} of {lines} lines");
    }
}

fn pci_files(bytes: &[u8]) {
    let _ = hardware::pci::parse_uevent(bytes);
    hardware::pci::parse_firmware_info(&text(bytes));
}

fn package_files(bytes: &[u8]) {
    let text = text(bytes);
    stack::python::parse_torch_version(&text);
    stack::rocm::parse_dpkg_version(&text, "libhsa-runtime64-1");
    system::access::parse_groups(&text);
}

/// A record of a program that died, which anything may have written over: it is read as far as it makes sense, and explained.
fn flight_records(bytes: &[u8]) {
    use rmcp_record::layout::{MAGIC, VERSION, place};
    // Of bytes that are few, each is put where rows of each kind begin, as a whole record would be too long to be tried often.
    let mut file = vec![0; place::END];
    let tables = [
        MAGIC.len() + 4,
        place::AGENTS,
        place::POOLS,
        place::QUEUES,
        place::ARGUMENTS,
        place::CODES,
        place::KERNELS,
        place::ALLOCATIONS,
        place::EVENTS,
        place::PACKETS,
        place::TEXT,
    ];
    for at in tables {
        let length = bytes.len().min(place::END - at);
        file[at..at + length].copy_from_slice(&bytes[..length]);
    }
    file[..MAGIC.len()].copy_from_slice(&MAGIC);
    file[MAGIC.len()..MAGIC.len() + 4].copy_from_slice(&VERSION.to_le_bytes());
    for length in [file.len(), bytes.len().min(file.len())] {
        let Ok(record) = rmcp_record::read(&file[..length]) else { continue };
        // A log's address is a stranger's word too; here the first allocation's or the bytes' own.
        let word = bytes.first_chunk().map(|word| u64::from_le_bytes(*word));
        let base = record.allocations.first().map(|allocation| allocation.base);
        for address in [None, word, base] {
            explain_flight_record(&record, address);
        }
    }
    let _ = rmcp_record::read(bytes);
}

fn explain_flight_record(record: &rmcp_model::FlightRecord, address: Option<u64>) {
    let mut explained = rmcp_diagnose::explain_flight(record, address);
    assert!(explained.suspects.len() <= 8, "a page is no longer than a reader has time for");
    assert!(explained.suspects.len() <= explained.not_ended, "the suspects are among those");
    for suspect in &explained.suspects {
        assert!(!suspect.dispatch.ended, "what has ended is not suspected");
    }
    let weights = explained.suspects.iter().map(|suspect| suspect.weight);
    assert!(weights.is_sorted_by(|one, next| one >= next), "the likeliest comes first");
    rmcp::flight::judge_suspects(record, &mut explained, None, Knowledge::embedded());
    let text = rmcp_report::flight_text(
        record,
        &explained,
        "fuzz",
        rmcp_report::Detail::Full,
        rmcp_report::Palette::new(false),
    );
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "it would order a terminal about");
}

/// Files of others, into which we write: what stands there stays, and twice is once.
fn edits(bytes: &[u8]) {
    use rmcp_change::edit::{activate, entry, grub, variables};
    let text = text(bytes);
    let words = ["iommu=pt".to_owned()];
    if let Ok(new) = grub::add_words(&text, &words) {
        assert!(new.starts_with(&*text), "what was there stands there still");
    }
    if let Ok(new) = variables::set_block(&text, "RMCP_TEST", "1", &[]) {
        let again = variables::set_block(&new, "RMCP_TEST", "1", &[]);
        assert_eq!(again.as_ref(), Ok(&new), "twice is once");
    }
    for line in 1..8 {
        let off = variables::comment_out(variables::Dialect::Shell, &text, line, "RMCP_TEST");
        if let Ok(new) = off {
            assert_eq!(new.lines().count(), text.lines().count(), "no line comes or goes");
        }
    }
    for hook in [activate::set_in_sh, activate::set_in_fish] {
        if let Ok(new) = hook(&text, "RMCP_TEST", "1") {
            assert_eq!(hook(&new, "RMCP_TEST", "1").as_ref(), Ok(&new), "twice is once");
        }
    }
    let options = entry::options(&entry::copy_for_once(&text, &words));
    assert!(options.split_whitespace().any(|word| word == "iommu=pt"), "the word is there");
}
