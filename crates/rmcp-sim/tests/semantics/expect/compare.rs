//! Vector comparisons: one bit for each lane, in VCC, other scalar registers or EXEC.

use super::number::{F16, F32, F64, Layout};
use super::operand::Ty;
use super::vector::Operands;
use super::{Answer, Case};
use crate::encode::base_name;
use std::cmp::Ordering;

/// The number of a 16, 32 or 64-bit integer.
const fn integer(value: u128, signed: bool, bits: u32) -> i128 {
    if signed { (value << (128 - bits)).cast_signed() >> (128 - bits) } else { value as i128 }
}

/// The answer to a comparison, by its name; nothing compares with a NaN.
fn holds(verb: &str, order: Option<Ordering>) -> Option<bool> {
    use Ordering::{Equal, Greater, Less};
    Some(match verb {
        "f" => false,
        "t" | "tru" => true,
        "lt" => order == Some(Less),
        "eq" => order == Some(Equal),
        "le" => matches!(order, Some(Less | Equal)),
        "gt" => order == Some(Greater),
        "lg" => matches!(order, Some(Less | Greater)),
        "ne" | "neq" => order != Some(Equal),
        "ge" => matches!(order, Some(Greater | Equal)),
        "o" => order.is_some(),
        "u" => order.is_none(),
        "nge" => !matches!(order, Some(Greater | Equal)),
        "nlg" => !matches!(order, Some(Less | Greater)),
        "ngt" => order != Some(Greater),
        "nle" => !matches!(order, Some(Less | Equal)),
        "nlt" => order != Some(Less),
        _ => return None,
    })
}

/// The class of a float as a bit of V_CMP_CLASS's mask; denormals are told apart whatever the mode is.
const fn class(layout: Layout, value: u64) -> u32 {
    let negative = layout.is_negative(value);
    if layout.is_signalling(value) {
        0
    } else if layout.is_nan(value) {
        1
    } else if layout.is_infinite(value) {
        if negative { 2 } else { 9 }
    } else if layout.is_denormal(value) {
        if negative { 4 } else { 7 }
    } else if layout.is_zero(value) {
        if negative { 5 } else { 6 }
    } else if negative {
        3
    } else {
        8
    }
}

pub(super) fn expect(case: &Case<'_>) -> Answer {
    let name = base_name(case.instruction.name());
    let mut words = name.split('_').skip(2);
    let (Some(verb), Some(kind)) = (words.next(), words.next()) else { return Answer::Unknown };
    let float = match kind {
        "f16" => Some((F16, Ty::F16)),
        "f32" => Some((F32, Ty::F32)),
        "f64" => Some((F64, Ty::F64)),
        _ => None,
    };
    let ty = match (float, &kind[1..]) {
        (Some((_, ty)), _) => ty,
        (None, "16") => Ty::B16,
        (None, "32") => Ty::B32,
        _ => Ty::B64,
    };
    let operands = Operands::of(case);
    let mut bits = 0;
    for lane in (0..case.lanes()).filter(|lane| case.active() >> lane & 1 != 0) {
        let read = |at: usize, ty| {
            let (slot, operand) = operands.from[at];
            case.source(slot, operand, ty, lane).unwrap_or(0)
        };
        let answer = match float {
            Some((layout, ty)) if verb == "class" => {
                let mask = read(1, Ty::B32);
                mask >> class(layout, read(0, ty) as u64) & 1 != 0
            }
            Some((layout, ty)) => {
                let [a, b] =
                    [0, 1].map(|at| layout.value(layout.input(case.mode, read(at, ty) as u64)));
                match holds(verb, a.partial_cmp(&b)) {
                    Some(answer) => answer,
                    None => return Answer::Unknown,
                }
            }
            None => {
                let [a, b] =
                    [0, 1].map(|at| integer(read(at, ty), kind.starts_with('i'), ty.bits()));
                match holds(verb, Some(a.cmp(&b))) {
                    Some(answer) => answer,
                    None => return Answer::Unknown,
                }
            }
        };
        bits |= u64::from(answer) << lane;
    }
    let mut after = case.after();
    if name.starts_with("v_cmpx") {
        after.state.exec = after.state.exec & !case.all() | bits;
    } else if let Some(to) = operands.mask_to {
        after.set_scalars(to, bits);
    }
    Answer::Known(after)
}
