//! Constants, as LLVM prints them for each type of operand.

use crate::isa::Type;
use std::fmt::{self, Write};

/// Names of the constants from 240 on: halves of powers of two, and 1/(2π).
const FLOATS: [&str; 9] =
    ["0.5", "-0.5", "1.0", "-1.0", "2.0", "-2.0", "4.0", "-4.0", "0.15915494"];

/// The constants from 240 on as 16-bit floats: 0.5, 1, 2 and 4 with both signs, and 1/(2π). Source: IEEE 754.
pub const INLINE_F16: [u16; 9] =
    [0x3800, 0xb800, 0x3c00, 0xbc00, 0x4000, 0xc000, 0x4400, 0xc400, 0x3118];

/// The same as 32-bit floats.
pub const INLINE_F32: [u32; 9] = [
    0x3f00_0000,
    0xbf00_0000,
    0x3f80_0000,
    0xbf80_0000,
    0x4000_0000,
    0xc000_0000,
    0x4080_0000,
    0xc080_0000,
    0x3e22_f983,
];

/// The upper halves of the same as 64-bit floats; the lower half of 1/(2π) is not 0.
const F64_HIGH: [u32; 8] = [
    0x3fe0_0000,
    0xbfe0_0000,
    0x3ff0_0000,
    0xbff0_0000,
    0x4000_0000,
    0xc000_0000,
    0x4010_0000,
    0xc010_0000,
];

/// Writes the constant of a source field's value.
pub(super) fn write_inline(value: u32, ty: Type, f: &mut impl Write) -> fmt::Result {
    match value {
        128..=192 => write!(f, "{}", value - 128),
        193..=208 => write!(f, "-{}", value - 192),
        230 => f.write_str("src_flat_scratch_base_lo"),
        231 => f.write_str("src_flat_scratch_base_hi"),
        235 => f.write_str("src_shared_base"),
        236 => f.write_str("src_shared_limit"),
        237 => f.write_str("src_private_base"),
        238 => f.write_str("src_private_limit"),
        239 => f.write_str("src_pops_exiting_wave_id"),
        240..=248 => {
            let at = (value - 240) as usize;
            match ty {
                Type::I16 => write!(f, "{:#x}", INLINE_F16[at]),
                Type::B64 | Type::F64 if at == 8 => f.write_str("0.15915494309189532"),
                _ => f.write_str(FLOATS[at]),
            }
        }
        251 => f.write_str("src_vccz"),
        252 => f.write_str("src_execz"),
        253 => f.write_str("src_scc"),
        254 => f.write_str("src_lds_direct"),
        _ => write!(f, "{value}"),
    }
}

fn is_small(value: i32) -> bool {
    (-16..=64).contains(&value)
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is meant")]
const fn lower(value: u32) -> u16 {
    value as u16
}

/// Returns whether a literal is a value that a field could have held. LLVM marks such as `lit(...)`.
pub(super) fn is_marked(value: u32, ty: Type) -> bool {
    let half = lower(value);
    match ty {
        Type::B32 | Type::I16 => is_small(value.cast_signed()) || INLINE_F32.contains(&value),
        Type::B64 => value <= 64,
        Type::F64 => false,
        Type::F16 => is_small(i32::from(half.cast_signed())) || INLINE_F16.contains(&half),
        Type::V2f16 => {
            is_small(value.cast_signed()) || (value >> 16 == 0 && INLINE_F16.contains(&half))
        }
    }
}

/// Writes a literal, as an operand of this type sees it.
pub(super) fn write_literal(value: u32, ty: Type, f: &mut impl Write) -> fmt::Result {
    if is_marked(value, ty) {
        return write!(f, "lit({value:#x})");
    }
    match ty {
        Type::F64 => match F64_HIGH.iter().position(|&high| high == value) {
            Some(at) => f.write_str(FLOATS[at]),
            None if value == 0 => f.write_str("0"),
            None => write!(f, "{value:#x}"),
        },
        Type::I16 | Type::F16 => write!(f, "{:#x}", lower(value)),
        Type::B32 | Type::B64 | Type::V2f16 => write!(f, "{value:#x}"),
    }
}
