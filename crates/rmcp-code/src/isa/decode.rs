//! Reads one instruction from words.
//!
//! Designed for a pass over hundreds of megabytes: one load from a table by format and opcode, one mask, and
//! one look at each operand that may be a literal. Nothing is allocated.

use super::fast::{self, Fast};
use super::format::{FIELDS, FORMATS, Format};
use super::operand::Operand;
use super::row::{CATEGORY, Kind, Row, Slot, implicit};
use super::tables::{ADDRESSES, MASKS, NAMES, ROWS, SLOTS};
use super::target::Target;
use std::sync::OnceLock;

/// How many lanes a wavefront has; it decides how many registers a mask of lanes takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wave {
    /// 32 lanes.
    Wave32,
    /// 64 lanes.
    Wave64,
}

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

/// One instruction.
#[derive(Debug, Clone, Copy)]
pub struct Instruction {
    pub(crate) index: u16,
    pub(crate) target: Target,
    pub(crate) row: &'static Row,
    pub(crate) word: u64,
    pub(crate) extra: [u32; 3],
    pub(crate) dwords: u8,
}

/// The instruction set of one target.
#[derive(Debug)]
pub struct Isa {
    target: Target,
    /// For each format the row of each opcode, `NONE` where there is none.
    index: [Vec<u16>; FORMATS],
    fast: &'static [Fast],
}

const NONE: u16 = u16::MAX;

impl Isa {
    /// Returns the instruction set of a target; it is made once.
    pub fn of(target: Target) -> &'static Self {
        static ALL: [OnceLock<Isa>; Target::ALL.len()] = [const { OnceLock::new() }; 11];
        ALL[target as usize].get_or_init(|| Self::new(target))
    }

    fn new(target: Target) -> Self {
        let mut index: [Vec<u16>; FORMATS] =
            std::array::from_fn(|format| vec![NONE; 1 << Format::ALL[format].opcode_bits()]);
        for (row, at) in ROWS.iter().zip(0..) {
            if row.targets & target.bit() != 0 {
                let of_format = &mut index[row.format as usize];
                of_format[usize::from(row.opcode)] = at;
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
        let format = Format::of(word).ok_or(DecodeError::Encoding)?;
        let mut dwords = format.dwords();
        if usize::from(dwords) > words.len() {
            return Err(DecodeError::Truncated);
        }
        if dwords == 1 {
            word &= 0xffff_ffff;
        }
        let opcode = format.opcode(word);
        let at = self.index[format as usize].get(opcode).copied().unwrap_or(NONE);
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
        let at = self.index[Format::Vop1 as usize][Format::Vop1.opcode(word)];
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

/// SDWA's bit that makes a source scalar.
const fn sdwa_bit(slot: &Slot) -> u32 {
    if slot.field == super::format::X_SRC0 { 55 } else { 63 }
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

impl Row {
    /// The name as LLVM writes it.
    pub fn name(&self) -> &'static str {
        NAMES[usize::from(self.name)]
    }

    /// The operands in the order of the text.
    #[inline]
    pub fn slots(&self) -> &'static [Slot] {
        &SLOTS[usize::from(self.slot)..usize::from(self.slot) + usize::from(self.slots)]
    }

    /// The bits outside the operands whose value is fixed, and that value.
    pub fn fixed_bits(&self) -> (u64, u64) {
        (MASKS[usize::from(self.fixed)], MASKS[usize::from(self.value)])
    }

    /// The bits outside the operands that mean something.
    pub fn live_bits(&self) -> u64 {
        MASKS[usize::from(self.live)]
    }
}

/// The word or class of a slot.
pub(crate) fn word_of(slot: &Slot) -> &'static str {
    NAMES[usize::from(slot.class)]
}

impl Instruction {
    /// The index of its row.
    #[inline]
    pub(crate) const fn index(&self) -> u16 {
        self.index
    }

    /// Returns its words.
    pub fn words(&self) -> [u32; 5] {
        #[expect(clippy::cast_possible_truncation, reason = "the halves of the word")]
        let (low, high) = (self.word as u32, (self.word >> 32) as u32);
        let [first, second, third] = self.extra;
        match self.row.format.dwords() {
            1 => [low, first, second, third, 0],
            _ => [low, high, first, second, third],
        }
    }

    /// Returns whether an instruction of another target, read from the same words, is the same.
    pub fn means_the_same(&self, other: &Self) -> bool {
        self.dwords == other.dwords
            && self.text(Wave::Wave32).to_string() == other.text(Wave::Wave32).to_string()
    }

    /// Returns whether it has a private address in a vector register.
    pub const fn has_private_vector_address(&self) -> bool {
        matches!(self.row.format, Format::Scratch) && !self.private_address_is_off()
    }

    /// Its row in the tables.
    pub const fn row(&self) -> &'static Row {
        self.row
    }

    /// Its name as LLVM writes it.
    pub fn name(&self) -> &'static str {
        self.row.name()
    }

    /// Its encoding.
    pub const fn format(&self) -> Format {
        self.row.format
    }

    /// Its length in dwords, literal and further addresses with it.
    pub const fn dwords(&self) -> u8 {
        self.dwords
    }

    /// Its operands in the order of the text.
    #[inline]
    pub fn slots(&self) -> &'static [Slot] {
        self.row.slots()
    }

    /// Returns the 16-bit constant of SOPK and SOPP.
    #[expect(clippy::cast_possible_truncation, reason = "16 bits")]
    pub const fn constant(&self) -> u16 {
        self.word as u16
    }

    /// Returns the distance of a branch in dwords from the next instruction, `None` where it is none.
    pub fn branch(&self) -> Option<i16> {
        let branches = matches!(self.row.format, Format::Sopp | Format::Sopk)
            && self.slots().iter().any(|slot| slot.kind == Kind::Branch);
        branches.then_some(self.constant().cast_signed())
    }

    /// Returns whether the masks of lanes are in registers that can hold one of this size: in wave64 they are
    /// pairs, and the upper half of VCC, EXEC or FLAT_SCRATCH begins none.
    pub fn fits_wave(&self, wave: Wave) -> bool {
        wave == Wave::Wave32
            || self.slots().iter().filter(|slot| slot.lane_mask).all(|slot| {
                !matches!(
                    FIELDS[usize::from(slot.field)].get(self.word),
                    107 | 124 | 127 | 231 | 251..=254
                )
            })
    }

    /// Returns whether an atomic gives back what was in memory (`glc`).
    pub(crate) fn returns(&self) -> bool {
        let bit = match self.row.format {
            Format::Mubuf | Format::Mtbuf => 14,
            Format::Mimg => 13,
            Format::Smem | Format::Flat | Format::Global | Format::Scratch => 16,
            // A DS instruction that returns has a destination.
            _ => return true,
        };
        self.word >> bit & 1 != 0
    }

    /// Returns whether it is an image instruction whose addresses need not be consecutive.
    pub const fn is_nsa(&self) -> bool {
        matches!(self.row.format, Format::Mimg) && self.word & 6 != 0
    }

    /// Returns the constant added to an address: signed for FLAT, GLOBAL and SCRATCH.
    #[expect(clippy::cast_possible_truncation, reason = "12 bits")]
    pub const fn flat_offset(&self) -> i32 {
        ((self.word as u32 & 0xfff) << 20).cast_signed() >> 20
    }

    pub(crate) const fn scalar_address_is_off(&self, value: u32) -> bool {
        // gfx10.3 can do without either part of a private address, and loads into LDS always can.
        let neither = matches!(self.row.format, Format::Scratch)
            && (!self.target.has_gfx10_1_faults() || self.loads_lds());
        value == super::operand::NULL || (neither && value == 127)
    }

    /// Returns whether a global address is all in vector registers.
    pub(crate) const fn global_address_is_whole(&self) -> bool {
        self.scalar_address_is_off((self.word >> 48) as u32 & 0x7f)
    }

    pub(crate) const fn private_address_is_off(&self) -> bool {
        // Only without a scalar address is it in the vector register; 127 stands for neither.
        (self.word >> 48) as u32 & 0x7f != super::operand::NULL
    }

    /// Returns whether a load writes LDS instead of registers.
    pub(crate) const fn loads_lds(&self) -> bool {
        match self.row.format {
            Format::Mubuf => self.word >> 16 & 1 != 0,
            Format::Global | Format::Scratch | Format::Flat => self.word >> 13 & 1 != 0,
            _ => false,
        }
    }

    pub(crate) fn sdwa_is_scalar(&self, slot: &Slot) -> bool {
        self.word >> sdwa_bit(slot) & 1 != 0
    }

    /// Returns whether dimension, mask and addresses fit the opcode of an image instruction.
    pub fn image_registers_fit(&self) -> bool {
        let name = self.name();
        let needed = self.image_address_registers();
        let dwords = u8::try_from(self.word >> 1 & 3).unwrap_or(0);
        let channels = (self.word >> 8 & 15).count_ones();
        let atomic = self.row.implicit & implicit::ATOMIC != 0;
        let double = u32::from(name.contains("cmpswap")) + 1;
        // Atomics work on one register or two; those that compare, on twice as many.
        let data = !atomic || channels == double || channels == 2 * double;
        // Only what loads and stores without levels of detail knows samples.
        let multisample = self.word >> 3 & 7 >= 6;
        let levels = self.slots().len() == 4 || name.contains("_mip");
        // Separate addresses take the fewest dwords that hold them.
        let addresses = dwords == 0 || (needed >= 2 && dwords == (needed - 1).div_ceil(4));
        // Nothing wraps around behind the last register.
        let registers = |slot: &Slot| match self.operand(slot, Wave::Wave32) {
            _ if dwords != 0 && slot.kind == Kind::ImageAddress => true,
            Operand::Vector { first, count } => first + u16::from(count) <= 256,
            _ => true,
        };
        let inside = self.slots().iter().all(registers);
        let gather = !(name.starts_with("image_gather4")
            && self.word >> 63 != 0
            && self.word >> 16 & 1 != 0);
        needed > 0 && data && addresses && inside && gather && !(multisample && levels)
    }

    /// Number of address registers of an image instruction with consecutive addresses.
    pub(crate) fn image_address_registers(&self) -> u8 {
        let (dimension, short) = ((self.word >> 3 & 7) as usize, (self.word >> 62 & 1) as usize);
        ADDRESSES[usize::from(self.row.address)][dimension + 8 * short]
    }

    /// Number of data registers of an image instruction: one for each channel of the mask, half of that with
    /// `d16`, one more for the status that `tfe` asks for.
    pub(crate) fn image_data_registers(&self, width: u8) -> u8 {
        let name = self.name();
        if name.starts_with("image_bvh") {
            return width;
        }
        #[expect(clippy::cast_possible_truncation, reason = "four bits")]
        let channels = match (self.word >> 8 & 15).count_ones() as u8 {
            _ if name.starts_with("image_gather4") => 4,
            0 => 1,
            some => some,
        };
        let packed = self.word >> 63 & 1 != 0;
        let registers = if packed { channels.div_ceil(2) } else { channels };
        registers + u8::from(self.word >> 16 & 1 != 0)
    }

    /// What it does with memory, EXEC and M0; bits of [`implicit`].
    pub const fn implicit(&self) -> u16 {
        self.row.implicit
    }

    /// Returns whether the vector unit runs it.
    pub const fn is_vector(&self) -> bool {
        self.row.format.is_vector_arithmetic()
    }

    /// Returns whether it writes EXEC.
    pub const fn writes_exec_implicitly(&self) -> bool {
        self.row.implicit & implicit::WRITES_EXEC != 0
    }
}
