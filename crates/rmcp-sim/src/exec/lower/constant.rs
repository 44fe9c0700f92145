//! The constants that fields of sources stand for.

use rmcp_code::isa::{INLINE_F16, INLINE_F32, Slot, Type};

/// The value that a source field stands for, `None` where it is a register of the hardware.
///
/// Source: "RDNA 2 ISA" (AMD), "Scalar Operands"; of 16-bit operands: LLVM `AMDGPUBaseInfo.cpp`,
/// `getInlineEncodingV216` (integers have 32 bits, floats of a 16-bit float instruction the lower 16, of an integer
/// one all 32).
pub(super) fn constant(code: u32, slot: &Slot) -> Option<u64> {
    let integer = match code {
        128..=192 => i64::from(code) - 128,
        193..=208 => 192 - i64::from(code),
        _ => {
            let at = usize::try_from(code.checked_sub(240)?).ok().filter(|&at| at < 9)?;
            let half = matches!(slot.ty, Type::F16 | Type::V2f16);
            return Some(match (slot.width >= 2, half) {
                (true, _) => F64[at],
                (_, true) => u64::from(INLINE_F16[at]),
                _ => u64::from(INLINE_F32[at]),
            });
        }
    };
    let wide = integer.cast_unsigned();
    Some(if slot.width >= 2 { wide } else { wide & 0xffff_ffff })
}

/// The constants from 240 on as 64-bit floats.
const F64: [u64; 9] = [
    0x3fe0_0000_0000_0000,
    0xbfe0_0000_0000_0000,
    0x3ff0_0000_0000_0000,
    0xbff0_0000_0000_0000,
    0x4000_0000_0000_0000,
    0xc000_0000_0000_0000,
    0x4010_0000_0000_0000,
    0xc010_0000_0000_0000,
    0x3fc4_5f30_6dc9_c882,
];
