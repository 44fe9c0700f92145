//! `cargo xtask gen-isa`: makes the instruction tables by asking LLVM's disassembler.
//!
//! LLVM's own tables (`AMDGPU*.td`) are in no Debian package, but its disassembler is a function of them. So:
//!
//! 1. Every opcode of every format is tried on every target with all combinations of a few values for each
//!    field (`candidates`), until one decodes without a remark.
//! 2. Every bit of that encoding outside opcode and format is turned over. Where the result does not decode,
//!    the bit must be zero; where the text changes, it belongs to an operand or a modifier; where nothing
//!    changes, it does not matter.
//! 3. Every field is given another value: the word of the text that changes is its operand (`shape`).
//! 4. Every operand that is a scalar source is given one value of each category (SGPR, VCC, M0, constants,
//!    VGPR, ...), and four literals that tell apart the types as which LLVM prints constants.
//! 5. Rows that are equal on several targets become one, with a bit for each of them.
//!
//! What a text cannot show (which operands are written, EXEC, M0, memory) comes from AMD's manuals by the
//! instruction's name (`access`).

use super::candidates::{encodings, words};
use super::probe::{Line, need_llvm, probe};
use super::shape::{Found, Shape, find};
use super::{access, emit};
use anyhow::Result;
use rmcp_code::isa::Target;
use rmcp_code::isa::format::Format;

/// One row, and the targets that have it.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) format: Format,
    pub(crate) opcode: u64,
    pub(crate) shape: Shape,
    pub(crate) targets: u16,
    pub(crate) implicit: u16,
}

/// Probes all targets and writes the tables.
pub(crate) fn generate() -> Result<()> {
    need_llvm()?;
    let mut rows: Vec<Row> = Vec::new();
    for (bit, &target) in Target::ALL.iter().enumerate() {
        eprintln!("probing {}", target.name());
        let found = opcodes(target.name())?;
        let shapes = find(target.name(), &found)?;
        for (found, shape) in found.into_iter().zip(shapes) {
            let same = rows.iter_mut().find(|row| {
                row.format == found.format && row.opcode == found.opcode && row.shape == shape
            });
            if let Some(row) = same {
                row.targets |= 1 << bit;
                continue;
            }
            let implicit = access::implicit(found.format, &shape.name);
            let (format, opcode) = (found.format, found.opcode);
            rows.push(Row { format, opcode, shape, targets: 1 << bit, implicit });
        }
    }
    rows.sort_by_key(|row| (row.format, row.opcode, row.targets));
    eprintln!("{} rows", rows.len());
    emit::write(&rows)
}

/// Returns the opcodes that a target decodes, each with the fullest encoding that it takes.
fn opcodes(mcpu: &str) -> Result<Vec<Found>> {
    let mut tries = Vec::new();
    for &format in Format::ALL {
        for opcode in 0..1_u64 << format.opcode_bits() {
            for word in encodings(format, opcode) {
                if Format::of(word) == Some(format) {
                    tries.push((format, opcode, word));
                }
            }
        }
    }
    let mut found: Vec<Found> = Vec::new();
    // Some 100,000 at a time bound the memory.
    for part in tries.chunks(100_000) {
        let probes: Vec<_> = part.iter().map(|&(format, _, word)| words(format, word)).collect();
        let lines = probe(mcpu, false, &probes)?;
        for (&(format, opcode, word), line) in part.iter().zip(&lines) {
            let known =
                found.last().is_some_and(|last| (last.format, last.opcode) == (format, opcode));
            if !known && clean(line, format) {
                found.push(Found { format, opcode, word, text: line.text.clone() });
            }
        }
    }
    Ok(found)
}

/// Returns whether LLVM decoded it, all of it, without a remark.
fn clean(line: &Line, format: Format) -> bool {
    line.decoded() && line.dwords >= usize::from(format.dwords()) && !line.text.contains("/*")
}
