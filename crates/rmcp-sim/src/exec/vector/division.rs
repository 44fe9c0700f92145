//! The three steps of a correct division beside Newton's method: scale, multiply and scale back, fix up.
//!
//! Source: "RDNA 2 ISA" (AMD), `V_DIV_SCALE_F32`, `V_DIV_FMAS_F32`, `V_DIV_FIXUP_F32` and those of 64 bits. Where both the
//! quotient and the reciprocal of the denominator would be denormal, the manual says that the denominator is
//! scaled up; it is scaled down here, as scaling up would overflow and give a wrong quotient. The manual has a
//! quotient that overflowed on the way stay a NaN, too; here it becomes infinite, as division must.

use super::map_wide;
use crate::exec::exec_state::Exec;
use crate::exec::lower::{Table, add};
use crate::exec::number::{quiet, quiet64, scale32, scale64};
use crate::exec::op::{Handler, Number, Op, Step};
use crate::exec::wave::{VCC, ZERO};

/// `a * b + c` rounded, and something of the sign of what was lost.
fn fused(a: f64, b: f64, c: f64) -> (f64, f64) {
    let product = a * b;
    let lost_of_product = a.mul_add(b, -product);
    let value = product + c;
    if !value.is_finite() {
        return (a.mul_add(b, c), 0.0);
    }
    let part = value - product;
    (value, (product - (value - part)) + (c - part) + lost_of_product)
}

/// The neighbour of a number that is not 0, towards a sign.
const fn next(value: f64, up: bool) -> f64 {
    if up { value.next_up() } else { value.next_down() }
}

/// `a * b + c` of numbers of 32 bits, scaled and rounded once: with 64 bits and the last one set where anything was
/// lost, so that rounding again rounds right.
fn scaled_sum32(a: f32, b: f32, c: f32, by: i32) -> f32 {
    let (value, lost) = fused(f64::from(a), f64::from(b), f64::from(c));
    let exact = lost == 0.0 || value == 0.0 || value.to_bits() & 1 == 1;
    scale64(if exact { value } else { next(value, lost > 0.0) }, by) as f32
}

/// The same with 64 bits: where a denormal result lies in the middle, what was lost decides.
fn scaled_sum64(a: f64, b: f64, c: f64, by: i32) -> f64 {
    let plain = scale64(a.mul_add(b, c), by);
    if plain.is_normal() || !plain.is_finite() {
        return plain;
    }
    let (value, lost) = fused(a, b, c);
    let scaled = scale64(value, by);
    let rest = value - scale64(scaled, -by);
    // Half of the smallest denormal.
    let is_middle = rest.abs() == scale64(1.0, -1075 - by);
    if is_middle && lost != 0.0 && (lost > 0.0) == (rest > 0.0) {
        return next(scaled, rest > 0.0);
    }
    scaled
}

fn exponent32(value: f32) -> i32 {
    (value.to_bits() >> 23 & 0xff) as i32
}

fn exponent64(value: f64) -> i32 {
    (value.to_bits() >> 52 & 0x7ff) as i32
}

/// Whether a number is smaller than the least normal one, and not 0.
fn is_tiny(value: f64) -> bool {
    value != 0.0 && value.abs() < f64::from(f32::MIN_POSITIVE)
}

/// The scaled one of denominator or numerator, and whether the quotient must be scaled back.
fn scaled32(value: f32, denominator: f32, numerator: f32) -> (f32, bool) {
    let (d, n) = (f64::from(denominator), f64::from(numerator));
    if numerator == 0.0 || denominator == 0.0 {
        (f32::NAN, false)
    } else if exponent32(numerator) - exponent32(denominator) >= 96 {
        (if value == denominator { scale32(value, 64) } else { value }, true)
    } else if denominator.is_subnormal() {
        (scale32(value, 64), false)
    } else if is_tiny(1.0 / d) && is_tiny(n / d) {
        (if value == denominator { scale32(value, -64) } else { value }, true)
    } else if is_tiny(1.0 / d) {
        (scale32(value, -64), false)
    } else if is_tiny(n / d) {
        (if value == numerator { scale32(value, 64) } else { value }, true)
    } else if exponent32(numerator) <= 23 {
        (scale32(value, 64), false)
    } else {
        (value, false)
    }
}

fn scaled64(value: f64, denominator: f64, numerator: f64) -> (f64, bool) {
    let tiny = |value: f64| value.is_subnormal();
    let quotient = numerator / denominator;
    if numerator == 0.0 || denominator == 0.0 {
        (f64::NAN, false)
    } else if exponent64(numerator) - exponent64(denominator) >= 768 {
        (if value == denominator { scale64(value, 128) } else { value }, true)
    } else if denominator.is_subnormal() {
        (scale64(value, 128), false)
    } else if tiny(1.0 / denominator) && (tiny(quotient) || quotient == 0.0) {
        (if value == denominator { scale64(value, -128) } else { value }, true)
    } else if tiny(1.0 / denominator) {
        (scale64(value, -128), false)
    } else if tiny(quotient) || quotient == 0.0 {
        (if value == numerator { scale64(value, 128) } else { value }, true)
    } else if exponent64(numerator) <= 53 {
        (scale64(value, 128), false)
    } else {
        (value, false)
    }
}

fn scale_words(x: &mut Exec<'_>, op: &Op) -> Step {
    let mut masks = [0; 2];
    for half in 0..x.wave.halves {
        let sources = [0, 1, 2].map(|at| x.wave.lanes_of(op, at, half));
        let mut result = ZERO;
        for lane in 0..32 {
            let [value, d, n] = [0, 1, 2].map(|at: usize| f32::from_bits(sources[at].0[lane]));
            let (value, back) = scaled32(value, d, n);
            result.0[lane] = value.to_bits();
            masks[half] |= u32::from(back) << lane;
        }
        masks[half] &= x.wave.exec(half);
        x.wave.write(op, half, &result);
    }
    x.wave.set_mask(usize::from(op.sdst), masks);
    Step::Next
}

fn scale_wide(x: &mut Exec<'_>, op: &Op) -> Step {
    let mut masks = [0; 2];
    for half in 0..x.wave.halves {
        let sources = [0, 1, 2].map(|at| x.wave.read64(op, at, half));
        let mut result = [0; 32];
        for lane in 0..32 {
            let [value, d, n] = [0, 1, 2].map(|at: usize| f64::from_bits(sources[at][lane]));
            let (value, back) = scaled64(value, d, n);
            result[lane] = value.to_bits();
            masks[half] |= u32::from(back) << lane;
        }
        masks[half] &= x.wave.exec(half);
        x.wave.write64(op, half, &result);
    }
    x.wave.set_mask(usize::from(op.sdst), masks);
    Step::Next
}

/// The last multiply-add, scaled back.
fn multiplied32(a: f32, b: f32, c: f32, back: bool) -> f32 {
    let by = if exponent32(c) > 127 { 64 } else { -64 };
    quiet(if back { scaled_sum32(a, b, c, by) } else { a.mul_add(b, c) })
}

fn multiplied64(a: f64, b: f64, c: f64, back: bool) -> f64 {
    let by = if exponent64(c) > 1023 { 128 } else { -128 };
    quiet64(if back { scaled_sum64(a, b, c, by) } else { a.mul_add(b, c) })
}

fn multiply_words(x: &mut Exec<'_>, op: &Op) -> Step {
    for half in 0..x.wave.halves {
        let back = x.wave.scalars[VCC + half];
        let sources = [0, 1, 2].map(|at| x.wave.lanes_of(op, at, half));
        let mut result = ZERO;
        for lane in 0..32 {
            let [a, b, c] = [0, 1, 2].map(|at: usize| f32::from_bits(sources[at].0[lane]));
            result.0[lane] = multiplied32(a, b, c, back >> lane & 1 != 0).to_bits();
        }
        x.wave.write(op, half, &result);
    }
    Step::Next
}

fn multiply_wide(x: &mut Exec<'_>, op: &Op) -> Step {
    map_wide(x, op, |x, half| {
        let back = x.wave.scalars[VCC + half];
        let sources = [0, 1, 2].map(|at| x.wave.read64(op, at, half));
        std::array::from_fn(|lane| {
            let [a, b, c] = [0, 1, 2].map(|at: usize| f64::from_bits(sources[at][lane]));
            multiplied64(a, b, c, back >> lane & 1 != 0).to_bits()
        })
    })
}

macro_rules! fix_up {
    ($name:ident, $float:ty, $quiet:ident, $exponent:ident, $nan:literal, $least:literal) => {
        fn $name(quotient: $float, denominator: $float, numerator: $float) -> $float {
            let negative = denominator.is_sign_negative() != numerator.is_sign_negative();
            let signed = |value: $float| if negative { -value } else { value };
            let both = |f: fn($float) -> bool| f(denominator) && f(numerator);
            if numerator.is_nan() {
                $quiet(numerator)
            } else if denominator.is_nan() {
                $quiet(denominator)
            } else if both(|value| value == 0.0) || both(<$float>::is_infinite) {
                <$float>::from_bits($nan)
            } else if denominator == 0.0 || numerator.is_infinite() {
                signed(<$float>::INFINITY)
            } else if denominator.is_infinite() || numerator == 0.0 {
                signed(0.0)
            } else if $exponent(numerator) - $exponent(denominator) < $least {
                // Too small for any number: rounded to the nearest it is 0.
                signed(0.0)
            } else if quotient.is_nan() {
                // Both are numbers: the quotient overflowed on the way.
                signed(<$float>::INFINITY)
            } else {
                signed(quotient.abs())
            }
        }
    };
}
fix_up!(fixed32, f32, quiet, exponent32, 0xffc0_0000, -150);
fix_up!(fixed64, f64, quiet64, exponent64, 0xfff8_0000_0000_0000, -1075);

fn fix_wide(x: &mut Exec<'_>, op: &Op) -> Step {
    map_wide(x, op, |x, half| {
        let sources = [0, 1, 2].map(|at| x.wave.read64(op, at, half));
        std::array::from_fn(|lane| {
            let [q, d, n] = [0, 1, 2].map(|at: usize| f64::from_bits(sources[at][lane]));
            fixed64(q, d, n).to_bits()
        })
    })
}

/// Adds the steps of division.
pub(super) fn add_to(table: &mut Table) {
    let words: &[(&'static str, Handler)] = &[
        ("v_div_scale_f32", scale_words),
        ("v_div_fmas_f32", multiply_words),
        ("v_div_fixup_f32", |x, op| {
            super::map3(x, op, |q, d, n| {
                fixed32(f32::from_bits(q), f32::from_bits(d), f32::from_bits(n)).to_bits()
            })
        }),
    ];
    add(table, Number::F32, Number::F32, 0, words);
    let wides: &[(&'static str, Handler)] = &[
        ("v_div_scale_f64", scale_wide),
        ("v_div_fmas_f64", multiply_wide),
        ("v_div_fixup_f64", fix_wide),
    ];
    add(table, Number::F64, Number::F64, 0, wides);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The steps that LLVM makes a division of 64 bits of.
    fn divided64(n: f64, d: f64) -> f64 {
        let (sd, _) = scaled64(d, d, n);
        let (sn, back) = scaled64(n, d, n);
        let mut r = 1.0 / sd;
        r = r.mul_add((-sd).mul_add(r, 1.0), r);
        r = r.mul_add((-sd).mul_add(r, 1.0), r);
        let q = sn * r;
        fixed64(multiplied64((-sd).mul_add(q, sn), r, q, back), d, n)
    }

    /// And of 32 bits.
    fn divided32(n: f32, d: f32) -> f32 {
        let (sd, _) = scaled32(d, d, n);
        let (sn, back) = scaled32(n, d, n);
        let mut r = 1.0 / sd;
        r = r.mul_add((-sd).mul_add(r, 1.0), r);
        let mut q = sn * r;
        q = r.mul_add((-sd).mul_add(q, sn), q);
        fixed32(multiplied32((-sd).mul_add(q, sn), r, q, back), d, n)
    }

    #[test]
    fn quotients_are_rounded_correctly() {
        let mut state = 1_u64;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            state ^ state >> 29
        };
        for (n, d) in
            [(1.0, 8e307), (8e307, 0.736), (5e-324, 3.0), (1e-310, 1e300), (1e300, 1e-310)]
        {
            assert_eq!(divided64(n, d), n / d, "{n} / {d}");
        }
        for _ in 0..200_000 {
            let (n, d) = (f64::from_bits(next()), f64::from_bits(next()));
            let same = divided64(n, d).to_bits() == (n / d).to_bits() || (n / d).is_nan();
            assert!(same, "{n:e} / {d:e} is {:e}, not {:e}", n / d, divided64(n, d));
            let (n, d) = (f32::from_bits(next() as u32), f32::from_bits((next() >> 32) as u32));
            let same = divided32(n, d).to_bits() == (n / d).to_bits() || (n / d).is_nan();
            assert!(same, "{n:e} / {d:e} is {:e}, not {:e}", n / d, divided32(n, d));
        }
    }
}
