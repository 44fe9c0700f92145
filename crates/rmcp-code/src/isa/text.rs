//! The text of an instruction, as LLVM's disassembler writes it.
//!
//! Source: what `llvm-objdump` 22 prints; `cargo xtask check-isa` compares.

mod constant;
mod control;
mod modifiers;

pub use constant::{INLINE_F16, INLINE_F32};

use super::format::{FIELDS, Format, V3_SRC0, V3_SRC1, V3_SRC2};
use super::operand::{EXEC, M0, NULL, TTMP, VCC};
use super::row::{CATEGORY, Kind, Slot, Type, word_of};
use super::{Instruction, Operand, Wave};
use std::fmt::{self, Write};

/// An instruction that knows how many lanes there are, for [`fmt::Display`].
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    instruction: &'a Instruction,
    wave: Wave,
}

impl Instruction {
    /// Returns the text as LLVM writes it.
    pub const fn text(&self, wave: Wave) -> Text<'_> {
        Text { instruction: self, wave }
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { instruction, wave } = *self;
        f.write_str(instruction.name())?;
        if instruction.format() == Format::Exp {
            return modifiers::write_export(instruction, f);
        }
        // LLVM has two blanks where the addresses of a sampler are apart.
        let sampler = instruction.slots().len() == 4;
        let mut separator = if instruction.is_nsa() && sampler { "  " } else { " " };
        for slot in instruction.slots() {
            if is_left_out(instruction, slot) {
                continue;
            }
            f.write_str(separator)?;
            separator = ", ";
            write_slot(instruction, slot, wave, f)?;
        }
        modifiers::write(instruction, f)
    }
}

/// Operands that LLVM does not print though the opcode has them.
fn is_left_out(instruction: &Instruction, slot: &Slot) -> bool {
    match slot.kind {
        Kind::Decimal => instruction.constant() == 0,
        // A load into LDS has no destination in registers.
        Kind::Vector if matches!(slot.field, super::format::VDATA | super::format::M_VDST) => {
            instruction.loads_lds()
        }
        Kind::Returned => !instruction.returns(),
        _ => false,
    }
}

fn write_slot(
    instruction: &Instruction,
    slot: &Slot,
    wave: Wave,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let value = FIELDS[usize::from(slot.field)].get(instruction.word);
    match slot.kind {
        Kind::Word => f.write_str(word_of(slot)),
        Kind::Hex => write!(f, "{:#x}", instruction.constant()),
        Kind::Small if instruction.constant() > 64 => write!(f, "{:#x}", instruction.constant()),
        Kind::Small | Kind::Decimal | Kind::Branch => write!(f, "{}", instruction.constant()),
        Kind::Waitcnt => control::write_waitcnt(instruction.constant(), f),
        Kind::Message => control::write_message(instruction.constant(), f),
        Kind::Depctr => control::write_depctr(instruction, f),
        Kind::Hwreg => control::write_hwreg(instruction, f),
        Kind::Literal => write!(f, "{:#x}", instruction.extra[0]),
        Kind::ScalarOffset => write_scalar_offset(instruction, f),
        Kind::Attribute => write_attribute(instruction, value, f),
        Kind::Parameter => match value {
            0..=2 => f.write_str(["p10", "p20", "p0"][value as usize]),
            _ => write!(f, "invalid_param_{value}"),
        },
        Kind::ImageAddress if instruction.is_nsa() => write_addresses(instruction, f),
        Kind::Source | Kind::Sdwa | Kind::Vector => write_signed(instruction, slot, wave, f),
        Kind::ScalarAddress => {
            let operand = instruction.operand(slot, wave);
            write_operand(operand, slot.ty, f)?;
            // Loads into LDS take EXEC too.
            let checked = operand != Operand::None && !instruction.loads_lds();
            if checked { write_foreign(slot, value, f) } else { Ok(()) }
        }
        Kind::Version => control::write_version(instruction.constant(), f),
        Kind::Number if value > 64 => write!(f, "{value:#x}"),
        Kind::Vcc
        | Kind::SdwaMask
        | Kind::Scaled
        | Kind::Number
        | Kind::BufferAddress
        | Kind::ImageAddress
        | Kind::ImageData
        | Kind::Returned
        | Kind::GlobalAddress
        | Kind::PrivateAddress => write_operand(instruction.operand(slot, wave), slot.ty, f),
    }
}

/// An attribute of interpolation and its channel.
fn write_attribute(instruction: &Instruction, value: u32, f: &mut impl Write) -> fmt::Result {
    let low = if instruction.format() == Format::Vintrp { 8 } else { 38 };
    let channel = (instruction.word >> low & 3) as usize;
    write!(f, "attr{value}.{}", ["x", "y", "z", "w"][channel])
}

/// A source with its signs.
fn write_signed(
    instruction: &Instruction,
    slot: &Slot,
    wave: Wave,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let value = FIELDS[usize::from(slot.field)].get(instruction.word);
    let signs = modifiers::of_source(instruction, slot);
    let operand = instruction.operand(slot, wave);
    // Read-only registers of the hardware are no constants here.
    let bare = match operand {
        Operand::Constant(value) => !matches!(value, 128..=208 | 240..=248),
        // A literal that a field could have held is an expression to LLVM.
        Operand::Literal(value) => constant::is_marked(value, slot.ty),
        _ => true,
    };
    let (open, close) = match (signs.negative, signs.absolute) {
        (true, false) if !bare => ("neg(", ")"),
        (true, true) => ("-|", "|"),
        (true, false) => ("-", ""),
        (false, true) => ("|", "|"),
        (false, false) if signs.sign_extended => ("sext(", ")"),
        (false, false) => ("", ""),
    };
    f.write_str(open)?;
    write_operand(operand, slot.ty, f)?;
    write_foreign(slot, value, f)?;
    f.write_str(close)
}

/// LLVM's remark on a register that is not of the operand's class.
fn write_foreign(slot: &Slot, value: u32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let category = CATEGORY[(value & 0x1ff) as usize];
    let checked = matches!(slot.kind, Kind::Source | Kind::ScalarAddress);
    if checked && category < 16 && slot.foreign >> category & 1 != 0 {
        if matches!(value, 128..=208 | 240..=248 | 255) {
            return f.write_str("/*Invalid immediate*/");
        }
        let class = word_of(slot);
        write!(f, "/*Invalid register, operand has '{class}' register class*/")?;
    }
    Ok(())
}

/// Writes an operand.
pub(super) fn write_operand(operand: Operand, ty: Type, f: &mut impl Write) -> fmt::Result {
    match operand {
        Operand::Vector { first, count } => write_registers("v", u32::from(first), count, f),
        Operand::Scalar { first, count } => write_scalar(first, count, f),
        Operand::Null => f.write_str("null"),
        Operand::Constant(value) => constant::write_inline(value, ty, f),
        Operand::Literal(value) => constant::write_literal(value, ty, f),
        Operand::Number(value) => write!(f, "{value}"),
        Operand::Separate(count) => write!(f, "{count} registers"),
        Operand::None => f.write_str("off"),
    }
}

fn write_registers(prefix: &str, first: u32, count: u8, f: &mut impl Write) -> fmt::Result {
    if count <= 1 {
        write!(f, "{prefix}{first}")
    } else {
        write!(f, "{prefix}[{first}:{}]", first + u32::from(count) - 1)
    }
}

fn write_scalar(first: u32, count: u8, f: &mut impl Write) -> fmt::Result {
    const HALVES: [(u32, &str, &str); 4] = [
        (VCC, "vcc_lo", "vcc"),
        (VCC + 1, "vcc_hi", "vcc_hi"),
        (EXEC, "exec_lo", "exec"),
        (EXEC + 1, "exec_hi", "exec_hi"),
    ];
    if let Some((_, low, both)) = HALVES.iter().find(|half| half.0 == first && count <= 2) {
        return f.write_str(if count == 2 { both } else { low });
    }
    match first {
        M0 => f.write_str("m0"),
        NULL => f.write_str("null"),
        TTMP..M0 => write_registers("ttmp", first - TTMP, count, f),
        _ => write_registers("s", first, count, f),
    }
}

/// SMEM: a register, a constant, or both.
fn write_scalar_offset(instruction: &Instruction, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let offset = instruction.smem_offset();
    let register = (instruction.word >> 57 & 0x7f) as u32;
    let write_constant = |f: &mut fmt::Formatter<'_>| {
        let sign = if offset < 0 { "-" } else { "" };
        write!(f, "{sign}{:#x}", offset.unsigned_abs())
    };
    if register == NULL && offset != 0 {
        return write_constant(f);
    }
    write_operand(Operand::from_source(register, 1, 0), Type::B32, f)?;
    if offset != 0 {
        f.write_str(" offset:")?;
        write_constant(f)?;
    }
    Ok(())
}

/// An image's addresses, each in a register of its own.
fn write_addresses(instruction: &Instruction, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("[")?;
    for (at, register) in instruction.image_addresses().enumerate() {
        let separator = if at == 0 { "" } else { ", " };
        write!(f, "{separator}v{register}")?;
    }
    f.write_str("]")
}

impl Instruction {
    /// Returns SMEM's constant offset in bytes.
    pub fn smem_offset(&self) -> i32 {
        let raw = (self.word >> 32) as u32 & 0x1f_ffff;
        (raw << 11).cast_signed() >> 11
    }

    /// Returns which source of VOP3 a field is.
    pub(super) const fn source_number(field: u8) -> Option<u32> {
        match field {
            V3_SRC0 => Some(0),
            V3_SRC1 => Some(1),
            V3_SRC2 => Some(2),
            _ => None,
        }
    }
}
