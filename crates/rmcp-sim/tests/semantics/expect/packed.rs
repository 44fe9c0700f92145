//! VOP3P: two operations at once, dot products, and products of mixed sizes.

use super::float::minimum;
use super::number::{F16, F32};
use super::operand::Ty;
use super::vector::{Operands, clamp};
use super::{After, Answer, Case};
use crate::state::{Kind, Loose};
use rmcp_code::isa::{Access, Operand};

impl Case<'_> {
    /// Which half of a source the lower or the upper operation reads.
    const fn upper(&self, source: u32, high: bool) -> bool {
        match (high, source) {
            (false, _) => self.bit(11 + source),
            (true, 2) => self.bit(14),
            (true, _) => self.bit(59 + source),
        }
    }

    const fn sign(&self, source: u32, high: bool) -> bool {
        self.bit(if high { 8 } else { 61 } + source)
    }

    const fn clamps(&self) -> bool {
        self.bit(15)
    }
}

pub(super) fn expect(case: &Case<'_>) -> Answer {
    let name = case.instruction.name();
    let operands = Operands::of(case);
    let Some((slot, Operand::Vector { first, .. })) = operands.to else { return Answer::Unknown };
    let register = usize::from(first);
    let sources: Vec<Operand> = operands.from.iter().map(|&(_, operand)| operand).collect();
    let is_constant = |source: u32| {
        matches!(
            sources[source as usize],
            Operand::Constant(_) | Operand::Literal(_) | Operand::Null
        )
    };
    let floats = name.ends_with("_f16") && name.starts_with("v_pk") || name == "v_dot2_f32_f16";
    let mix = name.starts_with("v_fma_mix");
    for source in 0..sources.len() as u32 {
        // What stands in the upper half of a constant, the manuals do not say.
        if is_constant(source)
            && (mix || case.upper(source, false) || floats && case.upper(source, true))
        {
            return Answer::Unclear;
        }
    }
    let mut after = case.after();
    for lane in (0..case.lanes()).filter(|lane| case.active() >> lane & 1 != 0) {
        let ty = if floats { Ty::Pair } else { Ty::B32 };
        let third = if name == "v_dot2_f32_f16" { Ty::F32 } else { ty };
        let values: Vec<u32> = sources
            .iter()
            .enumerate()
            .map(|(at, &operand)| case.read(operand, if at == 2 { third } else { ty }, lane) as u32)
            .collect();
        let known = match name {
            _ if mix => mixed(case, &mut after, name, register, lane, &values),
            _ if name.starts_with("v_dot") => dot(case, &mut after, name, register, lane, &values),
            _ if floats => pair_of_floats(case, &mut after, name, register, lane, &values),
            _ => pair_of_integers(case, &mut after, name, register, lane, &values),
        };
        if !known {
            return Answer::Unknown;
        }
    }
    assert!(slot.access != Access::Use);
    Answer::Known(after)
}

fn half(case: &Case<'_>, values: &[u32], source: usize, high: bool) -> u16 {
    (values[source] >> if case.upper(source as u32, high) { 16 } else { 0 }) as u16
}

fn loose(register: usize, lane: usize, shift: u32, kind: Kind) -> Loose {
    Loose { register, lane, shift, kind, others: Vec::new(), ulp: 0, absolute: 0.0, ignore: 0 }
}

fn pair_of_floats(
    case: &Case<'_>,
    after: &mut After,
    name: &str,
    register: usize,
    lane: usize,
    values: &[u32],
) -> bool {
    for high in [false, true] {
        let s: Vec<u64> = (0..values.len())
            .map(|source| {
                let value = half(case, values, source, high);
                let value = value ^ u16::from(case.sign(source as u32, high)) << 15;
                F16.input(case.mode, value.into())
            })
            .collect();
        let ieee = case.mode.ieee;
        let result = match name {
            "v_pk_fma_f16" => F16.fma(s[0], s[1], s[2]),
            "v_pk_add_f16" => F16.add(s[0], s[1]),
            "v_pk_mul_f16" => F16.mul(s[0], s[1]),
            "v_pk_min_f16" => minimum(F16, ieee, s[0], s[1], false),
            "v_pk_max_f16" => minimum(F16, ieee, s[0], s[1], true),
            _ => return false,
        };
        let shift = if high { 16 } else { 0 };
        let mut loose = loose(register, lane, shift, Kind::F16);
        let mut result = F16.output(case.mode, result);
        if case.clamps() {
            result = clamp(case, F16, result);
            if result == 0 {
                loose.others.push(0x8000);
            }
        }
        let to = &mut after.state.v[register][lane];
        *to = *to & !(0xffff << shift) | (result as u32) << shift;
        after.loose.push(loose);
    }
    true
}

fn pair_of_integers(
    case: &Case<'_>,
    after: &mut After,
    name: &str,
    register: usize,
    lane: usize,
    values: &[u32],
) -> bool {
    let signed = name.ends_with("i16");
    for high in [false, true] {
        let s: Vec<i64> = (0..values.len())
            .map(|source| {
                let value = half(case, values, source, high);
                if signed { i64::from(value.cast_signed()) } else { i64::from(value) }
            })
            .collect();
        let result = match name {
            "v_pk_mad_i16" | "v_pk_mad_u16" => s[0] * s[1] + s[2],
            "v_pk_mul_lo_u16" => s[0] * s[1],
            "v_pk_add_i16" | "v_pk_add_u16" => s[0] + s[1],
            "v_pk_sub_i16" | "v_pk_sub_u16" => s[0] - s[1],
            // The bits that are shifted out do not count as too much.
            "v_pk_lshlrev_b16" => (s[1] << (s[0] & 15)) & 0xffff,
            "v_pk_lshrrev_b16" => s[1] >> (s[0] & 15),
            "v_pk_ashrrev_i16" => s[1] >> (s[0] & 15),
            "v_pk_max_i16" | "v_pk_max_u16" => s[0].max(s[1]),
            "v_pk_min_i16" | "v_pk_min_u16" => s[0].min(s[1]),
            _ => return false,
        };
        let result = match (case.clamps(), signed) {
            (false, _) => result,
            (true, true) => result.clamp(-0x8000, 0x7fff),
            (true, false) => result.clamp(0, 0xffff),
        };
        let shift = if high { 16 } else { 0 };
        let to = &mut after.state.v[register][lane];
        *to = *to & !(0xffff << shift) | (result as u32 & 0xffff) << shift;
    }
    true
}

fn dot(
    case: &Case<'_>,
    after: &mut After,
    name: &str,
    register: usize,
    lane: usize,
    values: &[u32],
) -> bool {
    if name == "v_dot2_f32_f16" {
        let term = |high: bool| {
            let one = |source: usize| {
                let value = half(case, values, source, high);
                crate::state::half(value ^ u16::from(case.sign(source as u32, high)) << 15)
            };
            one(0) * one(1)
        };
        let third = f32::from_bits(values[2] ^ u32::from(case.sign(2, false)) << 31);
        let tiny = |source: usize| {
            [false, true]
                .iter()
                .any(|&high| F16.is_denormal(half(case, values, source, high).into()))
        };
        let (result, kind) = near_dot(term(false), term(true), third, tiny(0) || tiny(1));
        put_near(case, after, register, lane, result, kind);
        return true;
    }
    let (bits, signed) = match name {
        "v_dot2_i32_i16" => (16, true),
        "v_dot2_u32_u16" => (16, false),
        "v_dot4_i32_i8" => (8, true),
        "v_dot4_u32_u8" => (8, false),
        "v_dot8_i32_i4" => (4, true),
        "v_dot8_u32_u4" => (4, false),
        _ => return false,
    };
    let part = |source: usize, at: u32| {
        let value = if bits == 16 {
            u32::from(half(case, values, source, at == 1))
        } else {
            values[source] >> (bits * at)
        };
        let value = value << (32 - bits);
        if signed {
            i64::from(value.cast_signed() >> (32 - bits))
        } else {
            i64::from(value >> (32 - bits))
        }
    };
    let third = if signed { i64::from(values[2].cast_signed()) } else { i64::from(values[2]) };
    let sum = (0..32 / bits).map(|at| part(0, at) * part(1, at)).sum::<i64>() + third;
    let sum = match (case.clamps(), signed) {
        (false, _) => sum,
        (true, true) => sum.clamp(i32::MIN.into(), i32::MAX.into()),
        (true, false) => sum.clamp(0, u32::MAX.into()),
    };
    after.state.v[register][lane] = sum as u32;
    true
}

/// A dot product of half floats: neither the order nor the roundings of its steps are said, so that it may be
/// off by as much as its largest term loses in a float.
pub(super) fn near_dot(first: f64, second: f64, third: f32, tiny: bool) -> (f64, f64) {
    let third = f64::from(third);
    let size = first.abs() + second.abs() + third.abs();
    let lost = if tiny { size.max(65504.0 * 2.0) / 16384.0 } else { size / 4_194_304.0 };
    (first + second + third, lost + f64::from(f32::MIN_POSITIVE))
}

fn put_near(
    case: &Case<'_>,
    after: &mut After,
    register: usize,
    lane: usize,
    value: f64,
    off: f64,
) {
    let result = F32.round(value);
    let result = if case.clamps() { clamp(case, F32, result) } else { result };
    after.state.v[register][lane] = result as u32;
    let mut loose = loose(register, lane, 0, Kind::F32);
    loose.absolute = if off.is_finite() { off } else { 0.0 };
    after.loose.push(loose);
}

/// Source: the pseudocode of V_FMA_MIX_F32. The upper operation's bits choose between a float and a half float,
/// and its signs are absolute values.
fn mixed(
    case: &Case<'_>,
    after: &mut After,
    name: &str,
    register: usize,
    lane: usize,
    values: &[u32],
) -> bool {
    let inputs: [u64; 3] = std::array::from_fn(|source| {
        let at = source as u32;
        let is_half = case.upper(at, true);
        let layout = if is_half { F16 } else { F32 };
        let mut value: u64 = match (is_half, case.bit(11 + at)) {
            (false, _) => values[source].into(),
            (true, false) => u64::from(values[source] & 0xffff),
            (true, true) => u64::from(values[source] >> 16),
        };
        if case.bit(8 + at) {
            value &= !layout.sign();
        }
        if case.bit(61 + at) {
            value ^= layout.sign();
        }
        let value = layout.input(case.mode, value);
        if layout.is_nan(value) { F32.quiet() } else { F32.round(layout.value(value)) }
    });
    let unrounded = F32.value(inputs[0]).mul_add(F32.value(inputs[1]), F32.value(inputs[2]));
    let float = F32.fma(inputs[0], inputs[1], inputs[2]);
    let shift = match name {
        "v_fma_mix_f32" => {
            let mut loose = loose(register, lane, 0, Kind::F32);
            let mut result = F32.output(case.mode, float);
            if case.clamps() {
                result = clamp(case, F32, result);
                if result == 0 {
                    loose.others.push(F32.sign());
                }
            }
            after.state.v[register][lane] = result as u32;
            after.loose.push(loose);
            return true;
        }
        "v_fma_mixlo_f16" => 0,
        "v_fma_mixhi_f16" => 16,
        _ => return false,
    };
    let mut loose = loose(register, lane, shift, Kind::F16);
    // Rounded to a float first or at once, with or without the float's denormals.
    let results = [
        F16.round(F32.value(float)),
        F16.round(unrounded),
        F16.round(F32.value(F32.output(case.mode, float))),
    ];
    let finish = |value| {
        let value = F16.output(case.mode, value);
        if case.clamps() { clamp(case, F16, value) } else { value }
    };
    let results = results.map(finish);
    loose.others.extend(&results[1..]);
    if case.clamps() && results.contains(&0) {
        loose.others.push(0x8000);
    }
    let to = &mut after.state.v[register][lane];
    *to = *to & !(0xffff << shift) | (results[0] as u32) << shift;
    after.loose.push(loose);
    true
}
