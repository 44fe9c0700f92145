//! Registers and constants of an instruction.

use super::format::{FIELDS, Format, VDATA};
use super::row::{Access, Kind, Slot, implicit};
use super::{Instruction, Wave};

/// Scalar registers by their number in an encoding: SGPRs, VCC (106 and 107), TTMP (108 to 123), M0 (124) and
/// EXEC (126 and 127). The null register (125) is never in a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct ScalarSet(pub u128);

/// Number of VCC's lower half.
pub const VCC: u32 = 106;
/// Number of the first trap register.
pub const TTMP: u32 = 108;
/// Number of M0.
pub const M0: u32 = 124;
/// Number of the null register.
pub const NULL: u32 = 125;
/// Number of EXEC's lower half.
pub const EXEC: u32 = 126;

impl ScalarSet {
    /// Both halves of EXEC.
    pub const EXEC: Self = Self(0b11 << EXEC);

    /// Returns the set of `count` registers from `first` on.
    #[inline]
    pub const fn range(first: u32, count: u32) -> Self {
        if first > 127 || count == 0 {
            return Self(0);
        }
        let bits = if count >= 32 { u128::MAX } else { (1 << count) - 1 };
        Self((bits << first) & !(1 << NULL))
    }

    /// Returns whether the sets have a register in common.
    #[inline]
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Returns whether there is none.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Adds the registers of another set.
    #[inline]
    pub const fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// One operand of an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operand {
    /// Vector registers.
    Vector {
        /// Number of the first.
        first: u16,
        /// How many.
        count: u8,
    },
    /// Scalar registers, by their number in an encoding.
    Scalar {
        /// Number of the first.
        first: u32,
        /// How many.
        count: u8,
    },
    /// The null register: reads 0, takes anything.
    Null,
    /// A constant that the field itself stands for, by its value: integers from 128, floats from 240, and
    /// read-only registers of the hardware between and behind.
    Constant(u32),
    /// A literal behind the instruction.
    Literal(u32),
    /// A number in the instruction.
    Number(u32),
    /// So many vector registers that are not one behind the other: [`Instruction::image_addresses`] has them.
    Separate(u8),
    /// None, such as an address that is off.
    None,
}

impl Operand {
    /// Returns the scalar registers of it.
    pub const fn scalars(self) -> ScalarSet {
        match self {
            Self::Scalar { first, count } => ScalarSet::range(first, count as u32),
            _ => ScalarSet(0),
        }
    }

    /// Returns the operand of a value of a source field.
    #[inline]
    pub(crate) fn from_source(value: u32, width: u8, literal: u32) -> Self {
        match value {
            0..=106 | 108..=123 => Self::Scalar { first: aligned(value, width), count: width },
            NULL => Self::Null,
            107..=127 => Self::Scalar { first: value, count: width },
            255 => Self::Literal(literal),
            128..=254 => Self::Constant(value),
            #[expect(clippy::cast_possible_truncation, reason = "nine bits")]
            _ => Self::Vector { first: (value - 256) as u16, count: width },
        }
    }
}

/// The first register of a tuple: pairs begin at even numbers, longer ones at multiples of four, and LLVM and
/// the hardware do not look at the lower bits.
pub(crate) const fn aligned(value: u32, width: u8) -> u32 {
    let mask = match width {
        0 | 1 => 0,
        2 => 1,
        _ => 3,
    };
    if value >= TTMP { TTMP + ((value - TTMP) & !mask) } else { value & !mask }
}

impl Instruction {
    /// Returns the width of an operand in registers.
    #[inline]
    pub(crate) fn width(&self, slot: &Slot, wave: Wave) -> u8 {
        if slot.lane_mask && wave == Wave::Wave64 { 2 } else { slot.width }
    }

    /// Returns the operand in a slot.
    pub fn operand(&self, slot: &Slot, wave: Wave) -> Operand {
        let field = &FIELDS[usize::from(slot.field)];
        let value = field.get(self.word);
        let width = self.width(slot, wave);
        #[expect(clippy::cast_possible_truncation, reason = "vector fields have eight bits")]
        let vector = |count| Operand::Vector { first: value as u16, count };
        match slot.kind {
            Kind::Vector if slot.field == VDATA => {
                // Buffers put the status that tfe asks for behind the data.
                vector(width + u8::from(self.word >> 55 & 1 != 0))
            }
            Kind::Vector => vector(width),
            Kind::Returned if !self.returns() => Operand::None,
            Kind::Returned => vector(width),
            Kind::Source => Operand::from_source(value, width, self.extra[0]),
            Kind::Scaled => Operand::from_source(value, width, 0),
            Kind::Vcc => Operand::Scalar { first: VCC, count: width },
            Kind::Literal => Operand::Literal(self.extra[0]),
            Kind::ScalarOffset => match (self.word >> 57) & 0x7f {
                125 => Operand::Null,
                #[expect(clippy::cast_possible_truncation, reason = "seven bits")]
                register => Operand::from_source(register as u32, 1, 0),
            },
            Kind::BufferAddress => match (self.word >> 12) & 3 {
                0 => Operand::None,
                3 => vector(2),
                _ => vector(1),
            },
            Kind::ImageAddress if self.is_nsa() => {
                Operand::Separate(self.image_address_registers())
            }
            Kind::ImageAddress => vector(self.image_address_registers()),
            Kind::ImageData => vector(self.image_data_registers(width)),
            Kind::ScalarAddress if self.scalar_address_is_off(value) => Operand::None,
            Kind::ScalarAddress => {
                Operand::from_source(value, if self.format() == Format::Scratch { 1 } else { 2 }, 0)
            }
            Kind::GlobalAddress if self.global_address_is_whole() => vector(2),
            Kind::GlobalAddress => vector(1),
            Kind::PrivateAddress if self.private_address_is_off() => Operand::None,
            Kind::PrivateAddress => vector(1),
            Kind::Sdwa if self.sdwa_is_scalar(slot) => Operand::from_source(value, width, 0),
            Kind::Sdwa => vector(width),
            Kind::SdwaMask if self.word >> 47 & 1 == 0 => {
                Operand::Scalar { first: VCC, count: if wave == Wave::Wave64 { 2 } else { 1 } }
            }
            Kind::SdwaMask => {
                Operand::from_source(value, if wave == Wave::Wave64 { 2 } else { 1 }, 0)
            }
            Kind::Word => Operand::None,
            _ => Operand::Number(value),
        }
    }

    /// Returns the operands in the order of the text, each with what the instruction does with it. Words that
    /// are always there are left out.
    pub fn operands(&self, wave: Wave) -> impl Iterator<Item = (Operand, Access)> + '_ {
        let slots = self.slots().iter().filter(|slot| slot.kind != Kind::Word);
        slots.map(move |slot| (self.operand(slot, wave), self.access(slot)))
    }

    /// Returns what the instruction does with the operand in a slot. An atomic that returns nothing only
    /// reads its data.
    pub fn access(&self, slot: &Slot) -> Access {
        let atomic = self.row.implicit & implicit::ATOMIC != 0;
        if slot.access == Access::Both && atomic && !self.returns() {
            Access::Use
        } else {
            slot.access
        }
    }

    /// Returns the scalar registers that the text names and the instruction writes.
    pub fn named_scalar_defs(&self, wave: Wave) -> ScalarSet {
        let mut defs = ScalarSet(0);
        for slot in self.slots().iter().filter(|slot| self.access(slot) != Access::Use) {
            defs.add(self.operand(slot, wave).scalars());
        }
        defs
    }

    /// Returns the scalar registers that the instruction writes and reads, its implicit ones with them.
    #[inline]
    pub fn scalars(&self, wave: Wave) -> (ScalarSet, ScalarSet) {
        let (mut defs, mut uses) = (ScalarSet(0), ScalarSet(0));
        for slot in self.slots() {
            if matches!(slot.kind, Kind::Vector | Kind::Word) {
                continue;
            }
            let set = match slot.kind {
                Kind::Source | Kind::Scaled => {
                    let value = FIELDS[usize::from(slot.field)].get(self.word);
                    if value > 127 || value == NULL {
                        continue;
                    }
                    let width = self.width(slot, wave);
                    ScalarSet::range(aligned(value, width), u32::from(width))
                }
                _ => self.operand(slot, wave).scalars(),
            };
            match self.access(slot) {
                Access::Def => defs.add(set),
                Access::Use => uses.add(set),
                Access::Both => {
                    defs.add(set);
                    uses.add(set);
                }
            }
        }
        // Loads into LDS take the address there from M0.
        if self.loads_lds() {
            uses.add(ScalarSet::range(M0, 1));
        }
        let implicit = self.row.implicit;
        // EXEC counts as a whole, whatever the number of lanes is.
        if implicit & implicit::READS_EXEC != 0 {
            uses.add(ScalarSet::EXEC);
        }
        if implicit & implicit::WRITES_EXEC != 0 {
            defs.add(ScalarSet::EXEC);
        }
        if implicit & (implicit::READS_VCC | implicit::READS_M0) != 0 {
            let lanes = if wave == Wave::Wave64 { 2 } else { 1 };
            if implicit & implicit::READS_VCC != 0 {
                uses.add(ScalarSet::range(VCC, lanes));
            }
            if implicit & implicit::READS_M0 != 0 {
                uses.add(ScalarSet::range(M0, 1));
            }
        }
        (defs, uses)
    }
}
