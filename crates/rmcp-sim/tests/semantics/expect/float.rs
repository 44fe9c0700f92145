//! Vector arithmetic on floats that IEEE 754 fixes bit by bit, and what AMD adds to it.

use super::Case;
use super::number::{F16, F32, F64, Layout};
use super::operand::Ty;
use super::vector::{Lane, Op, Out};

/// The type of operands of a layout.
pub(super) const fn ty(layout: Layout) -> Ty {
    match layout.bits {
        16 => Ty::F16,
        32 => Ty::F32,
        _ => Ty::F64,
    }
}

/// An operation on floats of one layout; inputs lose their denormals where the mode says so, and results do where
/// they are written.
pub(super) fn floats(
    layout: Layout,
    sources: usize,
    run: impl Fn(&Lane<'_>, &[u64]) -> u64 + 'static,
) -> Op {
    Op::new(ty(layout), &vec![ty(layout); sources], move |lane, from| {
        let mode = lane.case.mode;
        let from: Vec<u64> = from.iter().map(|&value| layout.input(mode, value as u64)).collect();
        Out::new(run(lane, &from))
    })
}

/// Less, where -0 is less than +0.
fn less(layout: Layout, a: u64, b: u64) -> bool {
    let (x, y) = (layout.value(a), layout.value(b));
    x < y || x == 0.0 && y == 0.0 && layout.is_negative(a) && !layout.is_negative(b)
}

/// Source: the pseudocode of V_MIN_F32 and V_MAX_F32.
pub(super) fn minimum(layout: Layout, ieee: bool, a: u64, b: u64, maximum: bool) -> u64 {
    let quiet = 1 << (layout.fraction - 1);
    if ieee && layout.is_signalling(a) {
        return a | quiet;
    }
    if ieee && layout.is_signalling(b) {
        return b | quiet;
    }
    if layout.is_nan(b) {
        return a;
    }
    if layout.is_nan(a) {
        return b;
    }
    let first = if maximum { less(layout, b, a) } else { less(layout, a, b) };
    if first { a } else { b }
}

fn median(layout: Layout, ieee: bool, s: &[u64]) -> u64 {
    let min = |a, b| minimum(layout, ieee, a, b, false);
    let max = |a, b| minimum(layout, ieee, a, b, true);
    if s.iter().any(|&value| layout.is_nan(value)) {
        return min(min(s[0], s[1]), s[2]);
    }
    let largest = layout.value(max(max(s[0], s[1]), s[2]));
    if largest == layout.value(s[0]) {
        max(s[1], s[2])
    } else if largest == layout.value(s[1]) {
        max(s[0], s[2])
    } else {
        max(s[0], s[1])
    }
}

/// Rounds to a whole number; exact in the layout of its source.
fn whole(layout: Layout, run: fn(f64) -> f64) -> Op {
    floats(layout, 1, move |_, s| {
        if layout.is_nan(s[0]) {
            s[0] | 1 << (layout.fraction - 1)
        } else {
            layout.round(run(layout.value(s[0])))
        }
    })
}

/// Multiplies and adds with a rounding in between; denormals are never kept.
///
/// Source: LLVM `AMDGPU.td`, `FeatureMadMacF32Insts`, and `SIISelLowering.cpp` ("v_mad_f32 does not support
/// denormals").
fn unfused(a: u64, b: u64, c: u64) -> u64 {
    let flush = |value| F32.flush(value);
    flush(F32.add(flush(F32.mul(flush(a), flush(b))), flush(c)))
}

/// A product in which zero wins, as DirectX 9 had it.
fn legacy(a: u64, b: u64) -> bool {
    F32.is_zero(a) || F32.is_zero(b)
}

fn raw(run: fn(&Lane<'_>, &[u64]) -> Out, sources: usize) -> Op {
    Op::new(Ty::F32, &vec![Ty::F32; sources], move |lane, from| {
        let from: Vec<u64> = from.iter().map(|&value| value as u64).collect();
        run(lane, &from)
    })
}

pub(super) fn op(case: &Case<'_>, name: &str) -> Option<Op> {
    let ieee = case.mode.ieee;
    let layout = Layout::of(name)?;
    let verb = name.strip_prefix("v_")?;
    let verb = &verb[..verb.len() - 4];
    if name == "v_pk_fmac_f16" || name == "v_dot2c_f32_f16" {
        return Some(pairs(name == "v_pk_fmac_f16"));
    }
    let negative = move |value: u64| value ^ layout.sign();
    let old = |lane: &Lane<'_>| lane.old as u64;
    Some(match verb {
        "add" => floats(layout, 2, move |_, s| layout.add(s[0], s[1])),
        "sub" => floats(layout, 2, move |_, s| layout.add(s[0], negative(s[1]))),
        "subrev" => floats(layout, 2, move |_, s| layout.add(s[1], negative(s[0]))),
        "mul" => floats(layout, 2, move |_, s| layout.mul(s[0], s[1])),
        "min" => floats(layout, 2, move |_, s| minimum(layout, ieee, s[0], s[1], false)),
        "max" => floats(layout, 2, move |_, s| minimum(layout, ieee, s[0], s[1], true)),
        "min3" => floats(layout, 3, move |_, s| {
            minimum(layout, ieee, minimum(layout, ieee, s[0], s[1], false), s[2], false)
        }),
        "max3" => floats(layout, 3, move |_, s| {
            minimum(layout, ieee, minimum(layout, ieee, s[0], s[1], true), s[2], true)
        }),
        "med3" => Op::new(ty(layout), &[ty(layout); 3], move |lane, s| {
            let mode = lane.case.mode;
            let s: Vec<u64> = s.iter().map(|&value| layout.input(mode, value as u64)).collect();
            let value = median(layout, ieee, &s);
            // Which of two zeros is the middle one does not follow from the pseudocode's comparisons.
            let out = Out::new(value);
            if layout.is_zero(value) { out.or(value ^ layout.sign()) } else { out }
        }),
        // The text has the sources in their places.
        "fma" | "fmamk" | "fmaak" => floats(layout, 3, move |_, s| layout.fma(s[0], s[1], s[2])),
        "fmac" => floats(layout, 2, move |lane, s| {
            layout.fma(s[0], s[1], layout.input(lane.case.mode, old(lane)))
        }),
        "mad" | "madmk" | "madak" if layout == F32 => {
            raw(|_, s| Out::new(unfused(s[0], s[1], s[2])), 3)
        }
        "mac" if layout == F32 => raw(|lane, s| Out::new(unfused(s[0], s[1], lane.old as u64)), 2),
        "trunc" => whole(layout, f64::trunc),
        "ceil" => whole(layout, f64::ceil),
        "floor" => whole(layout, f64::floor),
        "rndne" => whole(layout, f64::round_ties_even),
        "ldexp" => scaled(layout),
        "fract" => fraction(layout),
        "frexp_mant" => floats(layout, 1, move |_, s| mantissa(layout, s[0])),
        "div_fixup" => fixup(layout),
        "div_fmas" => fmas(layout),
        "div_scale" => scale_for_division(layout),
        _ if layout == F32 => return only_float(verb),
        _ => return None,
    })
}

/// Pairs of half floats: each times its like, or their dot product, added to the destination.
fn pairs(each: bool) -> Op {
    if each {
        return Op::new(Ty::Pair, &[Ty::Pair, Ty::Pair], |lane, s| {
            let mode = lane.case.mode;
            let one = |shift: u32| {
                let half = |value: u128| F16.input(mode, (value >> shift) as u64 & 0xffff);
                u128::from(F16.output(mode, F16.fma(half(s[0]), half(s[1]), half(lane.old))))
                    << shift
            };
            Out::new(one(0) | one(16))
        });
    }
    Op::new(Ty::F32, &[Ty::Pair, Ty::Pair], |lane, s| {
        let half = |value: u128, shift: u32| (value >> shift) as u16;
        let term = |shift: u32| {
            crate::state::half(half(s[0], shift)) * crate::state::half(half(s[1], shift))
        };
        let tiny = [0, 16]
            .iter()
            .any(|&shift| s.iter().any(|&value| F16.is_denormal(half(value, shift).into())));
        let third = f32::from_bits(lane.old as u32);
        let (value, off) = super::packed::near_dot(term(0), term(16), third, tiny);
        let mut out = Out::new(F32.round(value));
        out.absolute = if off.is_finite() { off } else { 0.0 };
        out
    })
}

fn only_float(verb: &str) -> Option<Op> {
    Some(match verb {
        "mul_legacy" => {
            floats(F32, 2, |_, s| if legacy(s[0], s[1]) { 0 } else { F32.mul(s[0], s[1]) })
        }
        "mad_legacy" => raw(
            |_, s| {
                let [a, b, c] = [s[0], s[1], s[2]].map(|value| F32.flush(value));
                // The sum of the zero and the third source.
                Out::new(if legacy(a, b) { F32.add(0, c) } else { unfused(a, b, c) }).or(c)
            },
            3,
        ),
        "mac_legacy" => raw(
            |lane, s| {
                let [a, b, c] = [s[0], s[1], lane.old as u64].map(|value| F32.flush(value));
                Out::new(if legacy(a, b) { F32.add(0, c) } else { unfused(a, b, c) })
            },
            2,
        ),
        "fma_legacy" => {
            floats(F32, 3, |_, s| if legacy(s[0], s[1]) { s[2] } else { F32.fma(s[0], s[1], s[2]) })
        }
        "fmac_legacy" => floats(F32, 2, |lane, s| {
            let old = F32.input(lane.case.mode, lane.old as u64);
            if legacy(s[0], s[1]) { old } else { F32.fma(s[0], s[1], old) }
        }),
        "mullit" => mullit(),
        "cubeid" | "cubesc" | "cubetc" | "cubema" => cube(verb),
        _ => return None,
    })
}

/// Times two to the power of an integer.
fn scaled(layout: Layout) -> Op {
    let power = if layout == F16 { Ty::B16 } else { Ty::B32 };
    Op::new(ty(layout), &[ty(layout), power], move |lane, s| {
        let mode = lane.case.mode;
        let value = layout.input(mode, s[0] as u64);
        let power = if layout == F16 { i32::from(s[1] as u16 as i16) } else { s[1] as u32 as i32 };
        Out::new(layout.scale(value, power))
    })
}

/// What is behind the point, always below 1. Source: LLVM `ConstantFolding.cpp`, `amdgcn_fract`; of an infinity
/// it is a NaN there, and the largest float below 1 by the pattern in `AMDGPUCodeGenPrepare.cpp`.
fn fraction(layout: Layout) -> Op {
    Op::new(ty(layout), &[ty(layout)], move |lane, s| {
        let value = layout.input(lane.case.mode, s[0] as u64);
        let below_one = layout.round(1.0) - 1;
        if layout.is_nan(value) {
            return Out::new(layout.quiet());
        }
        if layout.is_infinite(value) {
            return Out::new(layout.quiet()).or(below_one);
        }
        let floor = layout.round(layout.value(value).floor());
        let fraction = layout.add(value, floor ^ layout.sign());
        Out::new(fraction.min(below_one))
    })
}

/// The fraction of a float, from a half to one.
fn mantissa(layout: Layout, value: u64) -> u64 {
    if layout.is_nan(value) || layout.is_infinite(value) || layout.is_zero(value) {
        return value;
    }
    layout.scale(value, -exponent(layout, value))
}

/// The exponent that belongs to [`mantissa`].
pub(super) fn exponent(layout: Layout, value: u64) -> i32 {
    if layout.is_nan(value) || layout.is_infinite(value) || layout.is_zero(value) {
        return 0;
    }
    let exponent = layout.exponent(value);
    if exponent > 0 {
        return exponent - layout.bias() + 1;
    }
    let leading = 63 - layout.size(value).leading_zeros() as i32;
    leading - layout.fraction as i32 + 2 - layout.bias()
}

/// Source: the pseudocode of V_DIV_FIXUP_F32.
fn fixup(layout: Layout) -> Op {
    Op::new(ty(layout), &[ty(layout); 3], move |lane, s| {
        let mode = lane.case.mode;
        let [quotient, below, above] =
            [s[0], s[1], s[2]].map(|value| layout.input(mode, value as u64));
        let sign = (below ^ above) & layout.sign();
        let out = match () {
            () if layout.is_nan(above) => Out::new(above),
            () if layout.is_nan(below) => Out::new(below),
            () if layout.is_zero(below) && layout.is_zero(above) => Out::new(layout.quiet()),
            () if layout.is_infinite(below) && layout.is_infinite(above) => {
                Out::new(layout.quiet())
            }
            () if layout.is_zero(below) || layout.is_infinite(above) => {
                Out::new(sign | layout.infinity())
            }
            () if layout.is_infinite(below) || layout.is_zero(above) => Out::new(sign),
            // Of a quotient that overflowed on the way.
            () if layout.is_nan(quotient) => Out::new(layout.quiet()).or(sign | layout.infinity()),
            () => Out::new(layout.size(quotient) | sign),
        };
        let limit = match layout.bits {
            32 => -150,
            64 => -1075,
            _ => return out,
        };
        let ordinary =
            |value| !layout.is_nan(value) && !layout.is_infinite(value) && !layout.is_zero(value);
        let distance = layout.exponent(above) - layout.exponent(below);
        if ordinary(below) && ordinary(above) && distance < limit {
            // What underflows is 0 or the smallest denormal.
            return Out::new(sign).or(sign | 1);
        }
        out
    })
}

/// A fused product and sum that undoes the scaling of V_DIV_SCALE. Whether a denormal result is rounded once or
/// twice, the manuals do not say.
///
/// Source: the pseudocode of V_DIV_FMAS_F32 of "RDNA 4 ISA" (AMD): older ones have a power of 32 or 64 and one
/// direction, with which no quotient would come out right.
fn fmas(layout: Layout) -> Op {
    Op::new(ty(layout), &[ty(layout); 3], move |lane, s| {
        let mode = lane.case.mode;
        let [a, b, c] = [s[0], s[1], s[2]].map(|value| layout.input(mode, value as u64));
        let value = layout.fma(a, b, c);
        if !lane.carry {
            return Out::new(value);
        }
        if layout.is_infinite(value) {
            // One that is too large only before it is scaled back.
            return Out::unclear();
        }
        let by = if layout == F32 { 64 } else { 128 };
        let up = layout.exponent(c) > layout.bias();
        let value = layout.scale(value, if up { by } else { -by });
        let mut out = Out::new(value);
        out.ulp = u64::from(layout.exponent(value) == 0);
        out
    })
}

/// Source: the pseudocode of V_DIV_SCALE_F32; it says nothing useful of infinities and NaNs, for which
/// V_DIV_FIXUP makes up, and nothing of quotients that become zero.
fn scale_for_division(layout: Layout) -> Op {
    Op::new(ty(layout), &[ty(layout); 3], move |lane, s| {
        let [value, below, above] = [s[0], s[1], s[2]].map(|value| value as u64);
        let strange = |value| layout.is_nan(value) || layout.is_infinite(value);
        if strange(below) || strange(above) || layout.denormals(lane.case.mode) != 3 {
            return Out::unclear();
        }
        let by = if layout == F32 { 64 } else { 128 };
        let (far, tiny) = if layout == F32 { (96, 23) } else { (768, 53) };
        let inverse = layout.value(below).recip();
        // That of a float is no denormal of 64 bits: what is meant is a denormal float.
        let inverse = layout.is_denormal(layout.round(inverse));
        let quotient = match layout.bits {
            32 => {
                u64::from((f32::from_bits(above as u32) / f32::from_bits(below as u32)).to_bits())
            }
            _ => (f64::from_bits(above) / f64::from_bits(below)).to_bits(),
        };
        let is_zero = layout.is_zero(below) || layout.is_zero(above);
        if layout.is_zero(quotient) && !is_zero {
            return Out::unclear();
        }
        let quotient = layout.is_denormal(quotient);
        let same = |other: u64| layout.value(value) == layout.value(other);
        let scaled = |yes: bool, by: i32| if yes { layout.scale(value, by) } else { value };
        let (result, carry) = match () {
            () if is_zero => (layout.quiet(), false),
            () if layout.exponent(above) - layout.exponent(below) >= far => {
                (scaled(same(below), by), true)
            }
            () if layout.is_denormal(below) => (scaled(true, by), false),
            () if inverse && quotient => {
                // Upwards, as the manuals have it, the denominator would overflow.
                let out = Out::new(scaled(same(below), by)).or(scaled(same(below), -by));
                return Out { carry: Some(true), ..out };
            }
            () if inverse => (scaled(true, -by), false),
            () if quotient => (scaled(same(above), by), true),
            () if layout.exponent(above) <= tiny => (scaled(true, by), false),
            () => (value, false),
        };
        Out { carry: Some(carry), ..Out::new(result) }
    })
}

fn mullit() -> Op {
    Op::new(Ty::F32, &[Ty::F32; 3], |lane, s| {
        let mode = lane.case.mode;
        let [a, b, c] = [s[0], s[1], s[2]].map(|value| F32.input(mode, value as u64));
        let least = F32.largest() | F32.sign();
        let below = b == least || b == F32.infinity() | F32.sign() || F32.is_nan(b);
        if below || F32.value(c) <= 0.0 || F32.is_nan(c) {
            return Out::new(least);
        }
        let product = F32.mul(a, b);
        // Older manuals have the product in which zero wins.
        if legacy(a, b) { Out::new(0_u32).or(product) } else { Out::new(product) }
    })
}

fn cube(verb: &str) -> Op {
    #[derive(Clone, Copy)]
    enum Part {
        Face,
        S,
        T,
        Major,
    }
    let part = match verb {
        "cubeid" => Part::Face,
        "cubesc" => Part::S,
        "cubetc" => Part::T,
        _ => Part::Major,
    };
    floats(F32, 3, move |_, s| {
        let [x, y, z] = [s[0], s[1], s[2]].map(|value| F32.value(value));
        let minus = |value: u64| value ^ F32.sign();
        let face = if z.abs() >= x.abs() && z.abs() >= y.abs() {
            if z < 0.0 { 5 } else { 4 }
        } else if y.abs() >= x.abs() {
            if y < 0.0 { 3 } else { 2 }
        } else {
            u32::from(x < 0.0)
        };
        match (part, face) {
            (Part::Face, face) => F32.round(face.into()),
            (Part::S, 5) => minus(s[0]),
            (Part::S, 2..=4) => s[0],
            (Part::S, 1) => s[2],
            (Part::S, _) => minus(s[2]),
            (Part::T, 3) => minus(s[2]),
            (Part::T, 2) => s[2],
            (Part::T, _) => minus(s[1]),
            (Part::Major, 4 | 5) => F32.mul(s[2], F32.round(2.0)),
            (Part::Major, 2 | 3) => F32.mul(s[1], F32.round(2.0)),
            (Part::Major, _) => F32.mul(s[0], F32.round(2.0)),
        }
    })
}

const _: () = assert!(F64.fraction == 52);
