//! Constants, as LLVM prints them for each type of operand.

use crate::isa::Type;
use std::fmt::{self, Write};

/// Names of the constants from 240 on: halves of powers of two, and 1/(2π).
const FLOATS: [&str; 9] =
    ["0.5", "-0.5", "1.0", "-1.0", "2.0", "-2.0", "4.0", "-4.0", "0.15915494"];

/// The same as 16-bit floats. Source: IEEE 754.
const F16: [u16; 9] = [0x3800, 0xb800, 0x3c00, 0xbc00, 0x4000, 0xc000, 0x4400, 0xc400, 0x3118];

/// The same as 32-bit floats.
const F32: [u32; 9] = [
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
                Type::I16 => write!(f, "{:#x}", F16[at]),
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

/// Writes a literal. Where it is one that a field could have held, LLVM says that it is none.
pub(super) fn write_literal(value: u32, ty: Type, f: &mut impl Write) -> fmt::Result {
    #[expect(clippy::cast_possible_truncation, reason = "the lower half is what is meant")]
    let half = value as u16;
    let b32 = is_small(value.cast_signed()) || F32.contains(&value);
    let (inline, shown) = match ty {
        Type::B32 => (b32, value),
        Type::B64 => (value <= 64, value),
        Type::F64 => match F64_HIGH.iter().position(|&high| high == value) {
            Some(at) => return f.write_str(FLOATS[at]),
            None if value == 0 => return f.write_str("0"),
            None => (false, value),
        },
        Type::I16 => (b32, u32::from(half)),
        Type::F16 => {
            (is_small(i32::from(half.cast_signed())) || F16.contains(&half), u32::from(half))
        }
        Type::V2f16 => {
            let float = value >> 16 == 0 && F16.contains(&half);
            (is_small(value.cast_signed()) || float, value)
        }
    };
    if inline { write!(f, "lit({value:#x})") } else { write!(f, "{shown:#x}") }
}
