//! Reads one instruction from words.
//!
//! Designed for a pass over hundreds of megabytes: one load from a table by format and opcode, one mask, and
//! one look at each operand that may be a literal. Nothing is allocated.

use super::fast::{self, Fast};
use super::format::{FIELDS, Format, LAYOUTS, OPCODES};
use super::instruction::{Instruction, sdwa_bit};
use super::row::{CATEGORY, Kind, Row, Slot};
use super::tables::ROWS;
use super::target::Target;
use std::sync::OnceLock;

/// Why words are no instruction of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// No encoding begins so.
    #[error("no encoding")]
    Encoding,
    /// The target has no such opcode.
    #[error("{} has no opcode {opcode:#x}", format.name())]
    Opcode {
        /// The encoding.
        format: Format,
        /// The opcode.
        opcode: u16,
    },
    /// A bit has not the value that it must have with this opcode.
    #[error("{name}: bits {bits:#x} must not be so")]
    Reserved {
        /// The instruction.
        name: &'static str,
        /// Those that are wrong.
        bits: u64,
    },
    /// A field has a value that names nothing.
    #[error("{name}: {field} cannot be {value}")]
    Operand {
        /// The instruction.
        name: &'static str,
        /// The field.
        field: &'static str,
        /// Its value.
        value: u32,
    },
    /// The words end within the instruction.
    #[error("the code ends within an instruction")]
    Truncated,
}

/// The instruction set of one target.
#[derive(Debug)]
pub struct Isa {
    target: Target,
    /// The row of each opcode of each format, `NONE` where there is none.
    index: Vec<u16>,
    fast: &'static [Fast],
}

const NONE: u16 = u16::MAX;

/// The place of an opcode in [`Isa::index`].
#[inline]
fn place(format: Format, opcode: usize) -> usize {
    usize::from(LAYOUTS[format as usize].base) + opcode
}

/// The format and the opcode of the instruction that begins with these words.
#[inline]
fn locate(word: u64) -> Option<(Format, usize)> {
    let format = Format::of(word)?;
    let layout = &LAYOUTS[format as usize];
    let opcode = match layout.pieces {
        #[expect(clippy::cast_possible_truncation, reason = "ten bits at most")]
        false => ((word >> (layout.low & 63)) & u64::from(layout.mask)) as usize,
        true => format.opcode(word),
    };
    Some((format, opcode))
}

/// A table with one value for each opcode of each format.
#[derive(Debug)]
pub(crate) struct ByOpcode<T>(Vec<T>);

impl<T> ByOpcode<T> {
    /// Returns the value for the instruction that begins with these words, `None` where no format begins so.
    #[inline]
    pub(crate) fn get(&self, word: u64) -> Option<&T> {
        let (format, opcode) = locate(word)?;
        self.0.get(place(format, opcode))
    }
}

impl Isa {
    /// Makes a table with a value for each opcode of each format, from its row if the target has one.
    pub(crate) fn by_opcode<T>(
        &self,
        mut value: impl FnMut(Format, Option<&'static Row>) -> T,
    ) -> ByOpcode<T> {
        let mut table = Vec::with_capacity(OPCODES);
        for &format in Format::ALL {
            for opcode in 0..1 << format.opcode_bits() {
                let at = self.index[place(format, opcode)];
                table.push(value(format, ROWS.get(usize::from(at))));
            }
        }
        ByOpcode(table)
    }

    /// Returns the instruction set of a target; it is made once.
    pub fn of(target: Target) -> &'static Self {
        static ALL: [OnceLock<Isa>; Target::ALL.len()] = [const { OnceLock::new() }; 11];
        ALL[target as usize].get_or_init(|| Self::new(target))
    }

    fn new(target: Target) -> Self {
        let mut index = vec![NONE; OPCODES];
        for (row, at) in ROWS.iter().zip(0..) {
            if row.targets & target.bit() != 0 {
                index[place(row.format, usize::from(row.opcode))] = at;
            }
        }
        Self { target, index, fast: fast::rows() }
    }

    /// The target.
    pub const fn target(&self) -> Target {
        self.target
    }

    /// Returns all rows of the tables, of every target, by their index.
    pub(crate) fn all_rows(&self) -> impl Iterator<Item = &'static Row> {
        ROWS.iter()
    }

    /// The row of an instruction for the hot path.
    #[inline]
    pub(crate) fn fast(&self, instruction: &Instruction) -> &'static Fast {
        &self.fast[usize::from(instruction.index)]
    }

    /// Returns whether the target has the very row of an instruction of another target: then it decodes to
    /// the same.
    #[inline]
    pub(crate) const fn has_row(&self, instruction: &Instruction) -> bool {
        instruction.row.targets & self.target.bit() != 0
    }

    /// Returns all instructions of the target.
    pub fn rows(&self) -> impl Iterator<Item = &'static Row> {
        let bit = self.target.bit();
        ROWS.iter().filter(move |row| row.targets & bit != 0)
    }

    /// Decodes the instruction at the start of `words`.
    ///
    /// Fields that the opcode does not use are not looked at: newer assemblers fill them.
    ///
    /// # Errors
    /// [`DecodeError`] where the target has no such instruction, as LLVM's disassembler sees it.
    #[inline]
    pub fn decode(&self, words: &[u32]) -> Result<Instruction, DecodeError> {
        let mut instruction = self.nothing();
        self.decode_into(words, &mut instruction)?;
        Ok(instruction)
    }

    /// Returns an instruction to decode into.
    pub(crate) fn nothing(&self) -> Instruction {
        Instruction {
            index: 0,
            target: self.target,
            row: &ROWS[0],
            word: 0,
            extra: [0; 3],
            dwords: 0,
        }
    }

    /// Decodes into an instruction that is there already: copying one takes as long as decoding it. On an
    /// error what is there means nothing.
    #[inline]
    pub(crate) fn decode_into(
        &self,
        words: &[u32],
        into: &mut Instruction,
    ) -> Result<(), DecodeError> {
        let Some(&first) = words.first() else { return Err(DecodeError::Truncated) };
        let second = words.get(1).copied().unwrap_or(0);
        let mut word = u64::from(first) | u64::from(second) << 32;
        let (format, opcode) = locate(word).ok_or(DecodeError::Encoding)?;
        let mut dwords = LAYOUTS[format as usize].dwords;
        if usize::from(dwords) > words.len() {
            return Err(DecodeError::Truncated);
        }
        if dwords == 1 {
            word &= 0xffff_ffff;
        }
        let at = self.index[place(format, opcode)];
        let Some(row) = ROWS.get(usize::from(at)) else {
            return self.decode_bare(format, opcode, first, into);
        };
        let fast = &self.fast[usize::from(at)];
        let reserved = fast.reserved(word);
        if reserved != 0 {
            if row.slots == 0 && format.dwords() == 2 && format.is_vector_arithmetic() {
                return self.decode_bare(format, opcode, first, into);
            }
            return Err(DecodeError::Reserved { name: row.name(), bits: reserved });
        }
        if format == Format::Mubuf && word >> 16 & word >> 55 & 1 != 0 {
            // A load into LDS has no register for a status.
            return Err(DecodeError::Reserved { name: row.name(), bits: 1 << 55 });
        }
        let Some(literal) = fast.reads(word) else { return Err(bad_operand(row, word)) };
        if fast.slow {
            check_sdwa(row, word)?;
        }
        let mut extra = [0; 3];
        if format == Format::Mimg {
            (extra, dwords) = further_addresses(words)?;
        } else if literal {
            let Some(&value) = words.get(usize::from(dwords)) else {
                return Err(DecodeError::Truncated);
            };
            extra[0] = value;
            dwords += 1;
        }
        into.index = at;
        into.target = self.target;
        into.row = row;
        into.word = word;
        into.extra = extra;
        into.dwords = dwords;
        Ok(())
    }

    /// Decodes VOP1's opcodes without operands (`v_nop`): what stands in their source does not matter, even
    /// where it would be another format.
    #[cold]
    fn decode_bare(
        &self,
        format: Format,
        opcode: usize,
        first: u32,
        into: &mut Instruction,
    ) -> Result<(), DecodeError> {
        #[expect(clippy::cast_possible_truncation, reason = "ten bits at most")]
        let error = DecodeError::Opcode { format, opcode: opcode as u16 };
        if !matches!(format, Format::Vop1Dpp | Format::Vop1Dpp8 | Format::Vop1Sdwa) {
            return Err(error);
        }
        let word = u64::from(first & !0x1ff);
        let at = self.index[place(Format::Vop1, Format::Vop1.opcode(word))];
        let row = ROWS.get(usize::from(at)).filter(|row| row.slots == 0).ok_or(error)?;
        let (fixed, value) = row.fixed_bits();
        match (word ^ value) & fixed {
            0 => {
                *into = Instruction { index: at, row, word, dwords: 1, ..self.nothing() };
                Ok(())
            }
            bits => Err(DecodeError::Reserved { name: row.name(), bits }),
        }
    }
}

/// Reads the further addresses of an image instruction, four to a dword, and returns its length with them.
fn further_addresses(words: &[u32]) -> Result<([u32; 3], u8), DecodeError> {
    let mut extra = [0; 3];
    let more = ((words[0] >> 1) & 3) as usize;
    let behind = words.get(2..2 + more).ok_or(DecodeError::Truncated)?;
    extra[..more].copy_from_slice(behind);
    #[expect(clippy::cast_possible_truncation, reason = "three at most")]
    Ok((extra, 2 + more as u8))
}

/// Looks at SDWA's scalar sources, which cannot be literals.
fn check_sdwa(row: &'static Row, word: u64) -> Result<(), DecodeError> {
    for slot in row.slots().iter().filter(|slot| slot.kind == Kind::Sdwa) {
        let value = FIELDS[usize::from(slot.field)].get(word);
        let scalar = word >> sdwa_bit(slot) & 1 != 0;
        if scalar && (CATEGORY[(value & 0x1ff) as usize] > 15 || value == 255) {
            let field = FIELDS[usize::from(slot.field)].name;
            return Err(DecodeError::Operand { name: row.name(), field, value });
        }
    }
    Ok(())
}

/// Finds the operand that is none.
#[cold]
fn bad_operand(row: &'static Row, word: u64) -> DecodeError {
    let named = |slot: &&Slot| matches!(slot.kind, Kind::Source | Kind::ScalarAddress);
    let value = |slot: &Slot| FIELDS[usize::from(slot.field)].get(word);
    let bad = |slot: &&Slot| {
        let category = CATEGORY[(value(slot) & 0x1ff) as usize];
        category > 15 || slot.reject >> category & 1 != 0
    };
    // Where no category is wrong, it is the first tuple that does not fit.
    let slots = row.slots();
    let slot = slots.iter().filter(named).find(bad);
    let slot = slot.or_else(|| slots.iter().find(|slot| slot.width > 1));
    let (field, value) =
        slot.map_or(("operand", 0), |slot| (FIELDS[usize::from(slot.field)].name, value(slot)));
    DecodeError::Operand { name: row.name(), field, value }
}
