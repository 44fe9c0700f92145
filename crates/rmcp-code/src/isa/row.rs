//! What the tables say of one instruction: its name, its operands in the order of the text, and its bits.

use super::format::Format;
use super::tables::{MASKS, NAMES, SLOTS};

/// How an operand is read and written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Vector registers.
    Vector,
    /// Scalar register, constant or literal; vector register where the field is wide enough.
    Source,
    /// Scalar registers, the field being divided by a scale.
    Scaled,
    /// VCC, which stands in no field.
    Vcc,
    /// A word that is always there; it is the name with the slot's class as its index.
    Word,
    /// 16-bit constant, hexadecimal.
    Hex,
    /// 16-bit constant, decimal up to 64.
    Small,
    /// 16-bit constant, decimal; left out where it is 0.
    Decimal,
    /// Distance of a branch in dwords from the next instruction.
    Branch,
    /// `s_waitcnt`'s counters.
    Waitcnt,
    /// A message.
    Message,
    /// `s_waitcnt_depctr`'s counters.
    Depctr,
    /// A hardware register and the bits of it.
    Hwreg,
    /// A 32-bit literal that always stands behind the instruction.
    Literal,
    /// SMEM's offset: register, constant or both.
    ScalarOffset,
    /// What an atomic returns, where it does.
    Returned,
    /// `s_version`'s number and flags.
    Version,
    /// A small number in a register's field.
    Number,
    /// An interpolated attribute and its channel.
    Attribute,
    /// One of the three parameters of `v_interp_mov`.
    Parameter,
    /// A buffer's address: none, one or two vector registers.
    BufferAddress,
    /// An image's address: as many vector registers as dimension and opcode need.
    ImageAddress,
    /// An image's data: as many vector registers as the mask has channels.
    ImageData,
    /// The scalar part of a global or private address, or `off`.
    ScalarAddress,
    /// A global address: in two vector registers, or one added to scalar ones.
    GlobalAddress,
    /// A private address in a vector register, or `off`.
    PrivateAddress,
    /// A vector register, or a scalar one where SDWA's bit says so.
    Sdwa,
    /// SDWA's destination of a comparison: VCC or scalar registers.
    SdwaMask,
}

/// The type as which LLVM prints a constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Type {
    /// 32 bits of any type, and packed integers.
    B32,
    /// 64-bit integer.
    B64,
    /// 64-bit float: a literal is its upper half.
    F64,
    /// 16-bit integer.
    I16,
    /// 16-bit float.
    F16,
    /// Two 16-bit floats.
    V2f16,
}

/// What an instruction does with an operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// Reads it.
    Use,
    /// Writes it.
    Def,
    /// Reads and writes it.
    Both,
}

/// Kinds of values of a source field, as bits of [`Slot::reject`] and [`Slot::foreign`].
pub const CATEGORIES: [(u32, u32); 16] = [
    (0, 103),
    (104, 105),
    (106, 106),
    (107, 107),
    (108, 123),
    (124, 124),
    (125, 125),
    (126, 126),
    (127, 127),
    (128, 208),
    (235, 239),
    (240, 248),
    (251, 253),
    (254, 254),
    (255, 255),
    (256, 511),
];

/// The category of each value, 16 where it is none.
pub(crate) static CATEGORY: [u8; 512] = categories();

const fn categories() -> [u8; 512] {
    let mut table = [16; 512];
    let mut category = 0;
    while category < CATEGORIES.len() {
        let (mut value, last) = CATEGORIES[category];
        while value <= last {
            #[expect(clippy::cast_possible_truncation, reason = "there are 16 categories")]
            {
                table[value as usize] = category as u8;
            }
            value += 1;
        }
        category += 1;
    }
    // FLAT_SCRATCH, as LLVM's disassembler calls them.
    table[230] = 10;
    table[231] = 10;
    table
}

/// One operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// How it is read.
    pub kind: Kind,
    /// Its field, as an index of [`super::format::FIELDS`].
    pub field: u8,
    /// Registers, of 32 bits each; for a lane mask the number in wave32.
    pub width: u8,
    /// As what a constant is printed.
    pub ty: Type,
    /// Whether the instruction reads or writes it.
    pub access: Access,
    /// One bit for each lane: two registers in wave64.
    pub lane_mask: bool,
    /// Categories of values with which LLVM does not decode the instruction.
    pub reject: u16,
    /// Categories of values that LLVM decodes and marks as foreign to the register class.
    pub foreign: u16,
    /// Name of the register class, or the word; an index of the names.
    pub class: u16,
}

/// What an instruction reads and writes beside its operands.
pub mod implicit {
    /// Reads EXEC.
    pub const READS_EXEC: u16 = 1;
    /// Writes EXEC.
    pub const WRITES_EXEC: u16 = 2;
    /// Reads VCC.
    pub const READS_VCC: u16 = 4;
    /// Reads M0.
    pub const READS_M0: u16 = 8;
    /// Reads memory into the data field (loads, and atomics that return).
    pub const LOADS: u16 = 16;
    /// Writes memory from the data field.
    pub const STORES: u16 = 32;
    /// Reads, changes and writes memory.
    pub const ATOMIC: u16 = 64;
    /// The only source is the destination too, or more registers move than the text shows.
    pub const RELATIVE: u16 = 128;
}

/// One instruction of the tables.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Encoding.
    pub format: Format,
    /// Opcode within the encoding.
    pub opcode: u16,
    /// Index of the name as LLVM writes it.
    pub name: u16,
    /// First slot.
    pub slot: u16,
    /// Number of slots.
    pub slots: u8,
    /// Targets that have it, one bit each in the order of [`super::Target::ALL`].
    pub targets: u16,
    /// Index of the mask of bits whose value is fixed.
    pub fixed: u16,
    /// Index of their value.
    pub value: u16,
    /// Index of the mask of bits outside the operands' fields that the text shows.
    pub live: u16,
    /// What it reads and writes beside its operands; bits of [`implicit`].
    pub implicit: u16,
    /// MIMG: index of the numbers of address registers.
    pub address: u8,
}

/// Makes a row; short, for the tables.
#[expect(clippy::too_many_arguments, reason = "one for each column of a table")]
pub(super) const fn row(
    format: Format,
    opcode: u16,
    name: u16,
    slot: u16,
    slots: u8,
    targets: u16,
    fixed: u16,
    value: u16,
    live: u16,
    implicit: u16,
    address: u8,
) -> Row {
    Row { format, opcode, name, slot, slots, targets, fixed, value, live, implicit, address }
}

/// Makes a slot; short, for the tables.
#[expect(clippy::too_many_arguments, reason = "one for each column of a table")]
pub(super) const fn slot(
    kind: Kind,
    field: u8,
    width: u8,
    ty: Type,
    access: Access,
    lane_mask: bool,
    reject: u16,
    foreign: u16,
    class: u16,
) -> Slot {
    Slot { kind, field, width, ty, access, lane_mask, reject, foreign, class }
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
