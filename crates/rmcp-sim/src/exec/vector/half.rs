//! 16-bit floats, one in a register. Each result is computed with more bits, of which enough are right that
//! rounding it gives the correctly rounded one.

use super::float::{cosine, fraction, median, sine};
use super::{by_mode, words};
use crate::exec::exec_state::Exec;
use crate::exec::lower::{Table, add};
use crate::exec::number::{
    f32_of_half, greatest32, half_is_nan, half_of_f32, half_of_f64, least32, split64,
};
use crate::exec::op::{Handler, Number, Op};

/// A handler whose sources are 16-bit floats, widened to 32 bits.
macro_rules! halves {
    (|$a:ident| $e:expr) => {
        words!(|$a| {
            let $a = f32_of_half($a);
            half_of_f32($e)
        })
    };
    (|$a:ident, $b:ident| $e:expr) => {
        words!(|$a, $b| {
            let ($a, $b) = (f32_of_half($a), f32_of_half($b));
            half_of_f32($e)
        })
    };
    (|$a:ident, $b:ident, $c:ident| $e:expr) => {
        words!(|$a, $b, $c| {
            let ($a, $b, $c) = (f32_of_half($a), f32_of_half($b), f32_of_half($c));
            half_of_f32($e)
        })
    };
}

/// `a * b + c` of 16-bit floats, rounded once: the product is exact with 64 bits, and what the sum loses is too
/// small to matter.
#[inline(always)]
pub(super) fn fma(a: u32, b: u32, c: u32) -> u32 {
    let [a, b, c] = [a, b, c].map(|half| f64::from(f32_of_half(half)));
    let value = a * b + c;
    if value.is_nan() && !a.is_nan() && !b.is_nan() && !c.is_nan() {
        return 0x7e00;
    }
    half_of_f64(value)
}

/// A function of 64 bits.
#[inline(always)]
fn exact(half: u32, f: impl Fn(f64) -> f64) -> u32 {
    let result = half_of_f64(f(f64::from(f32_of_half(half))));
    if half_is_nan(result) && !half_is_nan(half) { 0x7e00 } else { result }
}

fn scaled(half: u32, exponent: u32) -> u32 {
    let exponent = i32::from(exponent as i16).clamp(-64, 64);
    half_of_f64(f64::from(f32_of_half(half)) * 2_f64.powi(exponent))
}

fn mantissa(half: u32) -> u32 {
    let value = f32_of_half(half);
    if value == 0.0 || !value.is_finite() {
        return half & 0xffff;
    }
    half_of_f64(split64(f64::from(value)).0)
}

fn exponent(half: u32) -> u32 {
    let value = f32_of_half(half);
    if value == 0.0 || !value.is_finite() {
        return 0;
    }
    split64(f64::from(value)).1.cast_unsigned() & 0xffff
}

/// `v_div_fixup_f16`: the quotient, with what is special of denominator and numerator.
fn fixed(quotient: u32, denominator: u32, numerator: u32) -> u32 {
    let sign = (denominator ^ numerator) & 0x8000;
    let (d, n) = (f32_of_half(denominator), f32_of_half(numerator));
    if n.is_nan() {
        numerator & 0xffff | 0x200
    } else if d.is_nan() {
        denominator & 0xffff | 0x200
    } else if (d == 0.0 && n == 0.0) || (d.is_infinite() && n.is_infinite()) {
        0xfe00
    } else if d == 0.0 || n.is_infinite() {
        sign | 0x7c00
    } else if d.is_infinite() || n == 0.0 {
        sign
    } else {
        sign | quotient & 0x7fff
    }
}

/// Adds the instructions of 16-bit floats.
pub(super) fn add_to(table: &mut Table) {
    let rows: &[(&'static str, Handler)] = &[
        ("v_add_f16", halves!(|a, b| a + b)),
        ("v_sub_f16", halves!(|a, b| a - b)),
        ("v_subrev_f16", halves!(|a, b| b - a)),
        ("v_mul_f16", halves!(|a, b| a * b)),
        ("v_min_f16", by_mode!(|IEEE| halves!(|a, b| least32::<IEEE>(a, b)))),
        ("v_max_f16", by_mode!(|IEEE| halves!(|a, b| greatest32::<IEEE>(a, b)))),
        (
            "v_min3_f16",
            by_mode!(|IEEE| halves!(|a, b, c| least32::<IEEE>(least32::<IEEE>(a, b), c))),
        ),
        (
            "v_max3_f16",
            by_mode!(|IEEE| halves!(|a, b, c| greatest32::<IEEE>(greatest32::<IEEE>(a, b), c))),
        ),
        ("v_med3_f16", by_mode!(|IEEE| halves!(|a, b, c| median::<IEEE>(a, b, c)))),
        ("v_fma_f16", words!(|a, b, c| fma(a, b, c))),
        ("v_fmac_f16", words!(|a, b, c| fma(a, b, c))),
        ("v_fmamk_f16", words!(|a, b, c| fma(a, b, c))),
        ("v_fmaak_f16", words!(|a, b, c| fma(a, b, c))),
        ("v_trunc_f16", halves!(|a| a.trunc())),
        ("v_ceil_f16", halves!(|a| a.ceil())),
        ("v_floor_f16", halves!(|a| a.floor())),
        ("v_rndne_f16", halves!(|a| a.round_ties_even())),
        // What would round to 1 becomes the greatest 16-bit float below it.
        (
            "v_fract_f16",
            words!(|a| match half_of_f32(fraction(f32_of_half(a))) {
                0x3c00 => 0x3bff,
                part => part,
            }),
        ),
        ("v_rcp_f16", words!(|a| exact(a, |a| 1.0 / a))),
        ("v_rsq_f16", words!(|a| exact(a, |a| 1.0 / a.sqrt()))),
        ("v_sqrt_f16", words!(|a| exact(a, f64::sqrt))),
        ("v_exp_f16", words!(|a| exact(a, f64::exp2))),
        ("v_log_f16", words!(|a| exact(a, f64::log2))),
        ("v_sin_f16", words!(|a| exact(a, sine))),
        ("v_cos_f16", words!(|a| exact(a, cosine))),
        ("v_frexp_mant_f16", words!(|a| mantissa(a))),
        ("v_div_fixup_f16", words!(|a, b, c| fixed(a, b, c))),
    ];
    add(table, Number::F16, Number::F16, 0, rows);
    add(table, Number::F16, Number::F16, 2, &[("v_ldexp_f16", words!(|a, b| scaled(a, b)))]);
    add(table, Number::F16, Number::Bits16, 0, &[("v_frexp_exp_i16_f16", words!(|a| exponent(a)))]);
}
