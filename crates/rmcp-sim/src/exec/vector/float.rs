//! 32-bit floats.
//!
//! Precision: sums, products, fused products, square roots and reciprocals are rounded correctly; `exp`, `log`, `sin`,
//! `cos` and `rsq` are computed with 64 bits and rounded. The hardware allows itself an error of one unit in the
//! last place there, so its last bit may differ.
//!
//! Source: "RDNA 2 Instruction Set Architecture" (AMD), chapter "Instructions".

use super::{by_mode, floats, map1, words};
use crate::exec::exec_state::Exec;
use crate::exec::lower::{Table, add};
use crate::exec::number::{NAN, greatest32, least32, made, quiet, scale32};
use crate::exec::op::{Handler, Number, Op, Step};
use crate::exec::wave::{Lanes, ZERO};

/// `a * b + c` rounded once, for all lanes.
#[inline(always)]
fn fuse(a: &Lanes, b: &Lanes, c: &Lanes) -> Lanes {
    let mut result = ZERO;
    for lane in 0..32 {
        let [a, b, c] = [a.0[lane], b.0[lane], c.0[lane]].map(f32::from_bits);
        let value = a.mul_add(b, c);
        let made = value.is_nan() && !a.is_nan() && !b.is_nan() && !c.is_nan();
        result.0[lane] = if made { NAN } else { value.to_bits() };
    }
    result
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn fuse_fast(a: &Lanes, b: &Lanes, c: &Lanes) -> Lanes {
    fuse(a, b, c)
}

/// `a * b + c` rounded once, for all lanes, with the processor's own instruction where it has one.
#[inline(always)]
pub(super) fn fused(a: &Lanes, b: &Lanes, c: &Lanes) -> Lanes {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
        // SAFETY: the processor has the features.
        return unsafe { fuse_fast(a, b, c) };
    }
    fuse(a, b, c)
}

fn fma(x: &mut Exec<'_>, op: &Op) -> Step {
    for half in 0..x.wave.halves {
        let (a, b) = (x.wave.lanes_of(op, 0, half), x.wave.lanes_of(op, 1, half));
        let c = x.wave.lanes_of(op, 2, half);
        let result = fused(&a, &b, &c);
        x.wave.write(op, half, &result);
    }
    Step::Next
}

/// Not fused: `v_mad_f32` rounds the product, and keeps no denormal there either.
///
/// Source: LLVM `ISDOpcodes.h`, `FMAD`: the result of the operations rounded one by one, which flush.
#[inline(always)]
fn mad(a: f32, b: f32, c: f32) -> f32 {
    sum(made(a * b, a, b), c)
}

#[inline(always)]
fn sum(product: f32, c: f32) -> f32 {
    let product = if product.is_subnormal() { 0_f32.copysign(product) } else { product };
    made(product + c, product, c)
}

/// 0 times anything is 0.
#[inline(always)]
fn legacy(a: f32, b: f32) -> f32 {
    if a == 0.0 || b == 0.0 { 0.0 } else { made(a * b, a, b) }
}

#[inline(always)]
fn legacy_fma(a: f32, b: f32, c: f32) -> f32 {
    if a == 0.0 || b == 0.0 { c } else { a.mul_add(b, c) }
}

/// The middle one; with a NaN the least of the others.
#[inline(always)]
pub(super) fn median<const IEEE: bool>(a: f32, b: f32, c: f32) -> f32 {
    let (least, greatest) = (least32::<IEEE>, greatest32::<IEEE>);
    if a.is_nan() || b.is_nan() || c.is_nan() {
        return least(least(a, b), c);
    }
    greatest(least(a, b), least(greatest(a, b), c))
}

/// What is behind the point, less than 1.
#[inline(always)]
pub(super) fn fraction(value: f32) -> f32 {
    if value.is_infinite() {
        return f32::from_bits(NAN);
    }
    let part = value - value.floor();
    if part >= 1.0 { f32::from_bits(0x3f7f_ffff) } else { part }
}

/// An exact value by a function of 64 bits.
#[inline(always)]
pub(super) fn through64(value: f32, f: impl Fn(f64) -> f64) -> f32 {
    let result = f(f64::from(value)) as f32;
    if result.is_nan() && !value.is_nan() { f32::from_bits(NAN) } else { result }
}

/// An angle in turns: only what is behind the point matters.
#[inline(always)]
pub(super) fn turns(value: f64, f: impl Fn(f64) -> f64) -> f64 {
    f((value - value.floor()) * std::f64::consts::TAU)
}

pub(super) fn sine(value: f64) -> f64 {
    // At quarters of a turn the result is exact.
    let part = value - value.floor();
    if part == 0.0 || part == 0.5 {
        return 0.0_f64.copysign(value);
    }
    turns(value, f64::sin)
}

pub(super) fn cosine(value: f64) -> f64 {
    let part = value - value.floor();
    if part == 0.25 || part == 0.75 {
        return 0.0;
    }
    turns(value, f64::cos)
}

fn mantissa(bits: u32) -> u32 {
    let value = f32::from_bits(bits);
    if value == 0.0 || !value.is_finite() {
        return quiet(value).to_bits();
    }
    let (bits, _) = split(value);
    bits
}

/// Fraction from 0.5 to 1, as bits, and exponent of a finite number other than 0.
fn split(value: f32) -> (u32, i32) {
    let bits = value.to_bits();
    let exponent = (bits >> 23 & 0xff) as i32;
    if exponent == 0 {
        let (bits, exponent) = split(value * 4_294_967_296.0);
        return (bits, exponent - 32);
    }
    (bits & 0x807f_ffff | 126 << 23, exponent - 126)
}

fn exponent(bits: u32) -> u32 {
    let value = f32::from_bits(bits);
    if value == 0.0 || !value.is_finite() { 0 } else { split(value).1.cast_unsigned() }
}

#[inline(always)]
fn rounded(value: f32, f: impl Fn(f32) -> f32) -> f32 {
    quiet(f(value))
}

/// Adds the instructions of 32-bit floats.
pub(super) fn add_to(table: &mut Table) {
    let rows: &[(&'static str, Handler)] = &[
        ("v_add_f32", floats!(|a, b| made(a + b, a, b))),
        ("v_sub_f32", floats!(|a, b| made(a - b, a, b))),
        ("v_subrev_f32", floats!(|a, b| made(b - a, a, b))),
        ("v_mul_f32", floats!(|a, b| made(a * b, a, b))),
        ("v_mul_legacy_f32", floats!(|a, b| legacy(a, b))),
        ("v_min_f32", by_mode!(|IEEE| floats!(|a, b| least32::<IEEE>(a, b)))),
        ("v_max_f32", by_mode!(|IEEE| floats!(|a, b| greatest32::<IEEE>(a, b)))),
        (
            "v_min3_f32",
            by_mode!(|IEEE| floats!(|a, b, c| least32::<IEEE>(least32::<IEEE>(a, b), c))),
        ),
        (
            "v_max3_f32",
            by_mode!(|IEEE| floats!(|a, b, c| greatest32::<IEEE>(greatest32::<IEEE>(a, b), c))),
        ),
        ("v_med3_f32", by_mode!(|IEEE| floats!(|a, b, c| median::<IEEE>(a, b, c)))),
        ("v_fma_f32", fma),
        ("v_fmac_f32", fma),
        ("v_fmamk_f32", fma),
        ("v_fmaak_f32", fma),
        ("v_fma_legacy_f32", floats!(|a, b, c| legacy_fma(a, b, c))),
        ("v_fmac_legacy_f32", floats!(|a, b, c| legacy_fma(a, b, c))),
        ("v_trunc_f32", floats!(|a| rounded(a, f32::trunc))),
        ("v_ceil_f32", floats!(|a| rounded(a, f32::ceil))),
        ("v_floor_f32", floats!(|a| rounded(a, f32::floor))),
        ("v_rndne_f32", floats!(|a| rounded(a, f32::round_ties_even))),
        ("v_fract_f32", floats!(|a| fraction(a))),
        ("v_rcp_f32", floats!(|a| quiet(1.0 / a))),
        ("v_rcp_iflag_f32", floats!(|a| quiet(1.0 / a))),
        ("v_rsq_f32", floats!(|a| through64(a, |a| 1.0 / a.sqrt()))),
        ("v_sqrt_f32", floats!(|a| through64(a, f64::sqrt))),
        ("v_exp_f32", floats!(|a| through64(a, f64::exp2))),
        ("v_log_f32", floats!(|a| through64(a, f64::log2))),
        ("v_sin_f32", floats!(|a| through64(a, sine))),
        ("v_cos_f32", floats!(|a| through64(a, cosine))),
        ("v_frexp_mant_f32", words!(|a| mantissa(a))),
    ];
    add(table, Number::F32, Number::F32, 0, rows);
    // The exponent is an integer.
    add(
        table,
        Number::F32,
        Number::F32,
        2,
        &[("v_ldexp_f32", |x, op| {
            super::map2(x, op, |a, b| scale32(f32::from_bits(a), b.cast_signed()).to_bits())
        })],
    );
    add(
        table,
        Number::F32,
        Number::Bits,
        0,
        &[("v_frexp_exp_i32_f32", |x, op| map1(x, op, exponent))],
    );
    let flushed: &[(&'static str, Handler)] = &[
        ("v_mad_f32", floats!(|a, b, c| mad(a, b, c))),
        ("v_mac_f32", floats!(|a, b, c| mad(a, b, c))),
        ("v_madmk_f32", floats!(|a, b, c| mad(a, b, c))),
        ("v_madak_f32", floats!(|a, b, c| mad(a, b, c))),
        ("v_mad_legacy_f32", floats!(|a, b, c| sum(legacy(a, b), c))),
        ("v_mac_legacy_f32", floats!(|a, b, c| sum(legacy(a, b), c))),
    ];
    add(table, Number::Flushed32, Number::Flushed32, 0, flushed);
}
