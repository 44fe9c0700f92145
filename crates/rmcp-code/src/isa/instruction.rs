//! One instruction: its row, its bits, and what they say beside the operands.

use super::format::{FIELDS, Format, X_SRC0};
use super::operand::NULL;
use super::row::{Kind, Row, Slot, implicit};
use super::target::Target;

/// How many lanes a wavefront has; it decides how many registers a mask of lanes takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wave {
    /// 32 lanes.
    Wave32,
    /// 64 lanes.
    Wave64,
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

/// SDWA's bit that makes a source scalar.
pub(super) const fn sdwa_bit(slot: &Slot) -> u32 {
    if slot.field == X_SRC0 { 55 } else { 63 }
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
        value == NULL || (neither && value == 127)
    }

    /// Returns whether a global address is all in vector registers.
    pub(crate) const fn global_address_is_whole(&self) -> bool {
        self.scalar_address_is_off((self.word >> 48) as u32 & 0x7f)
    }

    pub(crate) const fn private_address_is_off(&self) -> bool {
        // Only without a scalar address is it in the vector register; 127 stands for neither.
        (self.word >> 48) as u32 & 0x7f != NULL
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
