//! Reads and writes the operands of an instruction.

use super::{After, Case};
use crate::state::State;
use rmcp_code::isa::{EXEC, M0, Operand, VCC};

/// What an operand is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ty {
    /// 16 bits.
    B16,
    /// A half float.
    F16,
    /// 32 bits.
    B32,
    /// A float.
    F32,
    /// 64 bits.
    B64,
    /// A double.
    F64,
    /// Two half floats.
    Pair,
    /// 128 bits.
    B128,
}

impl Ty {
    pub(super) const fn bits(self) -> u32 {
        match self {
            Self::B16 | Self::F16 => 16,
            Self::B32 | Self::F32 | Self::Pair => 32,
            Self::B64 | Self::F64 => 64,
            Self::B128 => 128,
        }
    }

    pub(super) const fn mask(self) -> u128 {
        u128::MAX >> (128 - self.bits())
    }

    const fn words(self) -> usize {
        (self.bits() as usize).div_ceil(32)
    }
}

/// The constants from 240 on, as doubles; the last is 1 / (2 * pi).
const FLOATS: [f64; 8] = [0.5, -0.5, 1.0, -1.0, 2.0, -2.0, 4.0, -4.0];

/// Source: "RDNA 2 ISA" (AMD), table "Scalar operands"; 248 as half float, float and double.
fn float_constant(code: u32, ty: Ty) -> u64 {
    let value = FLOATS.get(code as usize - 240);
    match (ty, value) {
        (Ty::B16 | Ty::F16 | Ty::Pair, Some(&value)) => super::number::F16.round(value),
        (Ty::B16 | Ty::F16 | Ty::Pair, None) => 0x3118,
        (Ty::B64 | Ty::F64, Some(&value)) => value.to_bits(),
        (Ty::B64 | Ty::F64, None) => 0x3fc4_5f30_6dc9_c882,
        (_, Some(&value)) => u64::from((value as f32).to_bits()),
        (_, None) => 0x3e22_f983,
    }
}

/// One scalar register by its number.
pub(super) const fn scalar_register(state: &State, number: u32) -> u32 {
    match number {
        VCC => state.vcc as u32,
        107 => (state.vcc >> 32) as u32,
        M0 => state.m0,
        EXEC => state.exec as u32,
        127 => (state.exec >> 32) as u32,
        number => state.s[number as usize],
    }
}

/// Writes one scalar register.
pub(super) const fn set_scalar_register(state: &mut State, number: u32, value: u32) {
    const fn half(register: &mut u64, shift: u32, value: u32) {
        *register = *register & !((u32::MAX as u64) << shift) | (value as u64) << shift;
    }
    match number {
        VCC => half(&mut state.vcc, 0, value),
        107 => half(&mut state.vcc, 32, value),
        M0 => state.m0 = value,
        125 => {}
        EXEC => half(&mut state.exec, 0, value),
        127 => half(&mut state.exec, 32, value),
        number => state.s[number as usize] = value,
    }
}

impl Case<'_> {
    /// Reads an operand as one lane sees it.
    pub(super) fn read(&self, operand: Operand, ty: Ty, lane: usize) -> u128 {
        match operand {
            Operand::Vector { first, .. } => (0..ty.words()).fold(0, |value, at| {
                value | u128::from(self.before.v[usize::from(first) + at][lane]) << (32 * at)
            }),
            other => self.read_scalar(other, ty),
        }
    }

    /// Reads an operand that is the same for all lanes.
    pub(super) fn read_scalar(&self, operand: Operand, ty: Ty) -> u128 {
        match operand {
            Operand::Scalar { first, .. } => (0..ty.words()).fold(0, |value, at| {
                let register = scalar_register(self.before, first + at as u32);
                value | u128::from(register) << (32 * at)
            }),
            Operand::Constant(code @ 128..=192) => u128::from(code - 128),
            Operand::Constant(code @ 193..=208) => {
                (192 - i128::from(code)) as u128 & ty.mask().max(0xffff_ffff)
            }
            Operand::Constant(code @ 240..=248) => float_constant(code, ty).into(),
            Operand::Constant(253) => u128::from(self.before.scc),
            Operand::Literal(literal) if ty == Ty::F64 => u128::from(literal) << 32,
            Operand::Literal(literal) => literal.into(),
            Operand::Null | Operand::None => 0,
            other => panic!("{other:?} is not read"),
        }
    }

    /// A mask with one bit for each lane.
    pub(super) fn read_mask(&self, operand: Operand) -> u64 {
        let ty = if self.lanes() == 64 { Ty::B64 } else { Ty::B32 };
        self.read_scalar(operand, ty) as u64
    }
}

impl After {
    /// Writes scalar registers.
    pub(super) fn set_scalars(&mut self, operand: Operand, value: u64) {
        match operand {
            Operand::Scalar { first, count } => {
                for at in 0..u32::from(count) {
                    set_scalar_register(&mut self.state, first + at, (value >> (32 * at)) as u32);
                }
            }
            Operand::Null => {}
            other => panic!("{other:?} is not written"),
        }
    }
}
