//! Lets LLVM's disassembler read made-up instructions.
//!
//! One ELF file holds all of them, each followed by enough `s_nop` that the next one is read from its own
//! start whatever the one before was taken for.

use crate::run::need_package;
use anyhow::{Context, Result, bail};
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

/// The disassembler: the newest in the Debian release this was made on.
pub(crate) const OBJDUMP: &str = "llvm-objdump-22";

/// `s_nop` with a constant that no probe has; as a literal it is no inline constant of any type.
pub(crate) const PAD: u32 = 0xbf80_5678;

/// Dwords of padding: the longest instruction has five.
const PAD_DWORDS: usize = 4;

/// One line of disassembly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// Offset in the text section.
    pub(crate) offset: u64,
    /// The instruction as LLVM writes it.
    pub(crate) text: String,
    /// Its length.
    pub(crate) dwords: usize,
}

impl Line {
    /// Returns whether LLVM decoded it.
    pub(crate) fn decoded(&self) -> bool {
        // LLVM has a name for the word 0, which is no instruction.
        !self.text.starts_with(".long") && self.text != "v_illegal" && self.dwords > 0
    }
}

/// Makes sure that the disassembler is there.
pub(crate) fn need_llvm() -> Result<()> {
    need_package(OBJDUMP, "llvm-22")
}

/// Returns LLVM's reading of each probe, in their order.
///
/// Some words make LLVM crash. They are looked for by halving, and count as not decoded.
pub(crate) fn probe(mcpu: &str, wave64: bool, probes: &[Vec<u32>]) -> Result<Vec<Line>> {
    match probe_at_once(mcpu, wave64, probes) {
        Ok(lines) => Ok(lines),
        Err(_) if probes.len() == 1 => {
            eprintln!("{mcpu}: LLVM crashes on {:08x?}", probes[0]);
            Ok(vec![Line { offset: 0, text: String::new(), dwords: 0 }])
        }
        Err(_) => {
            let (front, back) = probes.split_at(probes.len() / 2);
            let mut lines = probe(mcpu, wave64, front)?;
            lines.extend(probe(mcpu, wave64, back)?);
            Ok(lines)
        }
    }
}

fn probe_at_once(mcpu: &str, wave64: bool, probes: &[Vec<u32>]) -> Result<Vec<Line>> {
    let mut words = Vec::new();
    let mut starts = Vec::with_capacity(probes.len());
    for probe in probes {
        starts.push(words.len() as u64 * 4);
        words.extend_from_slice(probe);
        words.extend([PAD; PAD_DWORDS]);
    }
    let mut wanted = starts.iter().copied().peekable();
    let mut found = Vec::with_capacity(probes.len());
    disassemble_words(mcpu, wave64, &words, |line| {
        while wanted.peek().is_some_and(|&start| start < line.offset) {
            let offset = wanted.next().unwrap_or(0);
            found.push(Line { offset, text: String::new(), dwords: 0 });
        }
        if wanted.next_if_eq(&line.offset).is_some() {
            found.push(line);
        }
    })?;
    found.extend(wanted.map(|offset| Line { offset, text: String::new(), dwords: 0 }));
    Ok(found)
}

/// Disassembles words, and gives each line to `each`.
pub(crate) fn disassemble_words(
    mcpu: &str,
    wave64: bool,
    words: &[u32],
    each: impl FnMut(Line),
) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("probe.o");
    std::fs::write(&path, elf(words))?;
    let mut command = Command::new(OBJDUMP);
    command.args(["-d", "-z", &format!("--mcpu={mcpu}")]);
    if wave64 {
        command.arg("--mattr=-wavefrontsize32,+wavefrontsize64");
    }
    run(command.arg(&path), each)
}

/// Disassembles the text of an object, and gives each line to `each`.
pub(crate) fn disassemble_file(
    mcpu: &str,
    path: &std::path::Path,
    each: impl FnMut(Line),
) -> Result<()> {
    run(Command::new(OBJDUMP).args(["-d", "-z", &format!("--mcpu={mcpu}")]).arg(path), each)
}

fn run(command: &mut Command, mut each: impl FnMut(Line)) -> Result<()> {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {OBJDUMP}"))?;
    let output = child.stdout.take().context("no output")?;
    for line in BufReader::with_capacity(1 << 20, output).lines() {
        if let Some(line) = parse_line(&line?) {
            each(line);
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("{OBJDUMP} failed ({status})");
    }
    Ok(())
}

/// Parses a line such as `\ts_nop 0   // 000000000010: BF800000 <label>`.
fn parse_line(line: &str) -> Option<Line> {
    let (text, rest) = line.strip_prefix('\t')?.rsplit_once("// ")?;
    let (offset, words) = rest.split_once(": ")?;
    Some(Line {
        offset: u64::from_str_radix(offset, 16).ok()?,
        text: text.trim_end().to_owned(),
        dwords: words.split(' ').take_while(|word| word.len() == 8).count(),
    })
}

/// An AMDGPU object with one text section. Source: ELF-64 object file format; e_flags and OSABI from LLVM
/// `AMDGPUUsage.rst`.
fn elf(words: &[u32]) -> Vec<u8> {
    const NAMES: &[u8] = b"\0.text\0.shstrtab\0";
    let text = 64_u64;
    let names = text + words.len() as u64 * 4;
    let headers = (names + NAMES.len() as u64).next_multiple_of(8);
    let mut file = b"\x7fELF\x02\x01\x01\x40\x02\0\0\0\0\0\0\0".to_vec();
    let half = |file: &mut Vec<u8>, value: u16| file.extend(value.to_le_bytes());
    half(&mut file, 1);
    half(&mut file, 224);
    file.extend(1_u32.to_le_bytes());
    for value in [0, 0, headers] {
        file.extend(value.to_le_bytes());
    }
    // gfx1010's machine; --mcpu overrides it.
    file.extend(0x33_u32.to_le_bytes());
    for value in [64, 0, 0, 64, 3, 2] {
        half(&mut file, value);
    }
    file.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    file.extend(NAMES);
    file.resize(usize::try_from(headers).unwrap_or(0), 0);
    file.extend([0; 64]);
    let mut section = |name: u32, kind: u32, flags: u64, offset: u64, size: u64| {
        file.extend(name.to_le_bytes());
        file.extend(kind.to_le_bytes());
        for value in [flags, 0, offset, size, 0, 4, 0] {
            file.extend(value.to_le_bytes());
        }
    };
    section(1, 1, 6, text, names - text);
    section(7, 3, 0, names, NAMES.len() as u64);
    file
}
