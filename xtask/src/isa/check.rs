//! `cargo xtask check-isa`: compares our reading of instructions with LLVM's, on objects and on random words.

use super::probe::{Line, disassemble_file, disassemble_words, need_llvm};
use super::random;
use crate::packages::{Source, download, write_objects};
use anyhow::{Context, Result, bail};
use object::{Object, ObjectSymbol};
use rmcp_code::isa::format::Format;
use rmcp_code::isa::{DecodeError, Instruction, Isa, Target, Wave, words_of};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// Samples given to LLVM at a time: bounds the memory.
const CHUNK: u64 = 50_000;

/// Differences of one kind: how many, and the first.
#[derive(Debug, Default)]
struct Difference {
    count: u64,
    example: String,
}

/// What has been compared.
#[derive(Debug, Default)]
struct Tally {
    instructions: u64,
    undecodable: u64,
    /// Instructions whose text in LLVM means nothing.
    explained: u64,
    /// Crashes of LLVM.
    crashes: u64,
    /// Kind of difference and mnemonic.
    differences: BTreeMap<(&'static str, String), Difference>,
}

/// Libraries whose code is compared where none is named, how their files' names begin, and the targets: Debian's
/// rocSPARSE, and what llama.cpp, bitsandbytes and rocBLAS are made of. The last is in Debian's suite unstable alone,
/// and its code for other targets is the same again.
const LIBRARIES: [(Source, &str, &[&str]); 4] = [
    (Source::Apt("librocsparse0"), "librocsparse0", &["gfx10"]),
    (Source::Pip("ftllm-rocm==0.1.5.1"), "ftllm_rocm", &["gfx10"]),
    (Source::Pip("bitsandbytes==0.50.2"), "bitsandbytes", &["gfx10"]),
    (Source::AptUnstable("librocblas4"), "librocblas4", &["gfx1010", "gfx1030"]),
];

/// Random instructions for each target where nothing else is asked for.
const RANDOM: u64 = 1_000_000;

/// Compares, prints the differences by mnemonic, and fails where there are any that are not explained.
pub(crate) fn check(
    files: &[PathBuf],
    random: Option<u64>,
    only: Option<&str>,
    seed: u64,
) -> Result<()> {
    need_llvm()?;
    let mut failed = 0;
    let everything = files.is_empty() && random.is_none();
    if everything {
        for library in &LIBRARIES {
            failed += check_library(library)?;
        }
    }
    let random = random.unwrap_or(if everything { RANDOM } else { 0 });
    for file in files {
        failed += check_file(file, only)?;
    }
    if random > 0 {
        for target in Target::ALL {
            if only.is_none_or(|only| only == target.name()) {
                for wave in [Wave::Wave32, Wave::Wave64] {
                    let name = format!("{} {wave:?}", target.name());
                    // Wave64 differs in the width of masks alone: a tenth is enough.
                    let count = if wave == Wave::Wave64 { random / 10 } else { random };
                    failed += check_random(target, wave, count, seed)?.print(&name);
                }
            }
        }
    }
    if failed > 0 {
        bail!("{failed} differences from LLVM");
    }
    Ok(())
}

fn check_random(target: Target, wave: Wave, count: u64, seed: u64) -> Result<Tally> {
    let isa = Isa::of(target);
    let mut tally = Tally::default();
    let mut source = random::Source::new(seed ^ target as u64, isa);
    let mut left = count;
    while left > 0 {
        let samples = left.min(CHUNK);
        left -= samples;
        let words = source.words(samples);
        compare_words(isa, wave, &words, &mut tally);
    }
    Ok(tally)
}

/// Compares words. Where LLVM crashes, the words are halved until it is known on which.
fn compare_words(isa: &Isa, wave: Wave, words: &[u32], tally: &mut Tally) {
    let mut lines = Vec::new();
    let mcpu = isa.target().name();
    match disassemble_words(mcpu, wave == Wave::Wave64, words, |line| lines.push(line)) {
        Ok(()) => {
            for line in &lines {
                tally.compare(isa, wave, words, line.offset, line);
            }
        }
        Err(_) if words.len() <= 8 => {
            eprintln!("{mcpu}: LLVM crashes on {words:08x?}");
            tally.crashes += 1;
        }
        Err(_) => {
            let (front, back) = words.split_at(words.len() / 2);
            compare_words(isa, wave, front, tally);
            compare_words(isa, wave, back, tally);
        }
    }
}

/// Compares all objects of a library that are for one of some targets.
fn check_library((source, file, targets): &(Source, &str, &[&str])) -> Result<u64> {
    let folder = tempfile::tempdir()?;
    let package = match download(source, file, folder.path()) {
        // The suite unstable goes on.
        Err(error) if matches!(source, Source::AptUnstable(_)) => {
            println!("{file}: left out: {error:#}");
            return Ok(0);
        }
        package => package?,
    };
    let objects = folder.path().join("objects");
    let wanted = |target: &str| {
        targets.iter().any(|wanted| target.starts_with(wanted))
            && Target::ALL.iter().any(|known| known.name() == target)
    };
    let count = write_objects(&package, &objects, &wanted)?;
    let mut tally = Tally::default();
    for object in 0..count {
        compare_file(&objects.join(format!("{object:04}.co")), None, &mut tally)?;
    }
    Ok(tally.print(&format!("{file}, {count} objects")))
}

fn check_file(path: &Path, only: Option<&str>) -> Result<u64> {
    let mut tally = Tally::default();
    compare_file(path, only, &mut tally)?;
    Ok(tally.print(&path.display().to_string()))
}

fn compare_file(path: &Path, only: Option<&str>, tally: &mut Tally) -> Result<()> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    let object =
        rmcp_code::CodeObject::parse(&bytes).with_context(|| path.display().to_string())?;
    let name = only.map_or_else(|| object.target().to_string(), str::to_owned);
    let target = Target::ALL.into_iter().find(|target| target.name() == name);
    let target = target.with_context(|| format!("{}: {name} is not of gfx10", path.display()))?;
    let texts: Vec<(u64, Vec<u32>)> =
        object.text().map(|(address, bytes)| (address, words_of(bytes))).collect();
    let labels = labels(&bytes)?;
    disassemble_file(target.name(), path, |mut line| {
        let part = texts.iter().find(|(address, words)| {
            (*address..address + 4 * words.len() as u64).contains(&line.offset)
        });
        if let Some((address, words)) = part {
            let at = usize::try_from((line.offset - address) / 4).unwrap_or(0);
            without_label(&mut line, words[at], &labels);
            tally.compare(Isa::of(target), Wave::Wave32, words, line.offset - address, &line);
        }
    })
}

/// The addresses of each symbol: assembly names its labels anew in each function.
type Labels = HashMap<String, Vec<u64>>;

fn labels(bytes: &[u8]) -> Result<Labels> {
    let mut labels = Labels::new();
    for symbol in object::File::parse(bytes)?.symbols() {
        if let Ok(name) = symbol.name() {
            labels.entry(name.to_owned()).or_default().push(symbol.address());
        }
    }
    Ok(labels)
}

/// Writes a branch to a label as LLVM does where there is none: the distance in dwords, of 16 bits without a sign.
/// `word` is the instruction: of labels of the same name, one that is where it goes is taken, if there is one.
fn without_label(line: &mut Line, word: u32, labels: &Labels) {
    let branch = line.text.split_once(' ').filter(|(name, _)| name.contains("branch"));
    let Some((name, addresses)) = branch.and_then(|(name, label)| Some((name, labels.get(label)?)))
    else {
        return;
    };
    let distance = |address: &u64| (address.wrapping_sub(line.offset + 4) / 4) & 0xffff;
    let goes_there = |address: &&u64| distance(address) == u64::from(word & 0xffff);
    if let Some(address) = addresses.iter().find(goes_there).or(addresses.first()) {
        line.text = format!("{name} {}", distance(address));
    }
}

/// Returns whether LLVM's text of an instruction means nothing. No assembler writes any of these.
///
/// - Images without room for the addresses that their dimension needs, or with a dimension or mask that their
///   opcode does not have: LLVM keeps the number of registers of whichever variant comes first in its tables.
/// - Parts of registers (SDWA) without a name: LLVM reads behind the end of its own table, or crashes.
/// - Selections of eight lanes (DPP8) whose 24 bits are 128 to 255: LLVM reads them as an inline constant.
fn is_explained(instruction: &Instruction) -> bool {
    let word = instruction.words();
    match instruction.format() {
        Format::Mimg => !instruction.image_registers_fit(),
        Format::Vop1Sdwa | Format::Vop2Sdwa | Format::VopcSdwa => {
            let (low, high) = (word[1] >> 8, word[1] >> 16);
            low & 7 == 7 || low >> 3 & 3 == 3 || high & 7 == 7 || high >> 8 & 7 == 7
        }
        Format::Vop1Dpp8 | Format::Vop2Dpp8 => (128..256).contains(&(word[1] >> 8)),
        _ => false,
    }
}

impl Tally {
    /// Compares the instruction at `offset` of `words`.
    fn compare(&mut self, isa: &Isa, wave: Wave, words: &[u32], offset: u64, line: &Line) {
        let at = usize::try_from(offset / 4).unwrap_or(usize::MAX);
        let Some(words) = words.get(at..) else { return };
        self.instructions += 1;
        let mnemonic = |text: &str| text.split(' ').next().unwrap_or_default().to_owned();
        match isa.decode(words) {
            Ok(ours) if !ours.fits_wave(wave) && !line.decoded() => self.undecodable += 1,
            Err(_) if !line.decoded() => self.undecodable += 1,
            // LLVM decodes gfx9's encoding of v_fma_mix here too.
            Err(DecodeError::Encoding) if words[0] >> 23 == 0x1a7 => self.undecodable += 1,
            Err(error) => {
                let what =
                    format!("{:08x?}: {error}; LLVM: {}", &words[..words.len().min(3)], line.text);
                self.add("only LLVM decodes", mnemonic(&line.text), what);
            }
            Ok(ours) if is_explained(&ours) => self.explained += 1,
            Ok(ours) if !line.decoded() => {
                let what = format!("{:08x?}: {}", &words[..words.len().min(3)], ours.text(wave));
                self.add("only we decode", ours.name().to_owned(), what);
            }
            Ok(ours) => {
                let text = ours.text(wave).to_string();
                let what = || {
                    format!(
                        "{:08x?}:\n        ours {text}\n        LLVM {}",
                        &words[..words.len().min(3)],
                        line.text
                    )
                };
                if usize::from(ours.dwords()) != line.dwords {
                    self.add("other length", ours.name().to_owned(), what());
                } else if text != line.text {
                    self.add("other text", ours.name().to_owned(), what());
                }
            }
        }
    }

    fn add(&mut self, kind: &'static str, mnemonic: String, example: String) {
        let difference = self.differences.entry((kind, mnemonic)).or_default();
        difference.count += 1;
        if difference.count == 1 {
            difference.example = example;
        }
    }

    /// Prints what differs and returns how many do.
    fn print(&self, name: &str) -> u64 {
        let total = self.differences.values().map(|difference| difference.count).sum();
        println!(
            "{name}: {} instructions ({} of them undecodable to both, {} without a meaning in LLVM, LLVM crashed {} times), {total} differences",
            self.instructions, self.undecodable, self.explained, self.crashes
        );
        for ((kind, mnemonic), difference) in &self.differences {
            println!("  {:7} {kind}: {mnemonic}\n        {}", difference.count, difference.example);
        }
        total
    }
}
