//! Two 16-bit numbers in a register, sums of products, and fused products of mixed floats.
//!
//! How the hardware rounds within `v_dot2_f32_f16` is not documented; here the products are exact and the sum is
//! rounded once.
//!
//! Source: "RDNA 2 Instruction Set Architecture" (AMD), VOP3P.

use super::float::fused;
use super::half::fma;
use super::{by_mode, words};
use crate::exec::exec_state::Exec;
use crate::exec::lower::{Table, add};
use crate::exec::mode::FLUSH_16_64;
use crate::exec::number::{f32_of_half, greatest32, half_of_f32, least32};
use crate::exec::op::{Handler, Number, Op, Step};
use crate::exec::wave::{Lanes, ZERO};

/// Does something with the lower halves and with the upper ones.
#[inline(always)]
fn each(a: u32, b: u32, f: impl Fn(u32, u32) -> u32) -> u32 {
    f(a & 0xffff, b & 0xffff) & 0xffff | f(a >> 16, b >> 16) << 16
}

#[inline(always)]
fn each3(a: u32, b: u32, c: u32, f: impl Fn(u32, u32, u32) -> u32) -> u32 {
    f(a & 0xffff, b & 0xffff, c & 0xffff) & 0xffff | f(a >> 16, b >> 16, c >> 16) << 16
}

/// Does something with pairs of 16-bit floats, and what the mode asks for with denormals and NaNs.
#[inline(always)]
fn pairs<const CLAMP: bool>(x: &mut Exec<'_>, op: &Op, f: impl Fn(u32, u32, u32) -> u32) -> Step {
    let mode = x.wave.mode;
    let (flushes_in, flushes_out) =
        (mode.flushes_in & FLUSH_16_64 != 0, mode.flushes_out & FLUSH_16_64 != 0);
    let without = |flushes: bool, half: u32| {
        if flushes && half & 0x7c00 == 0 { half & 0x8000 } else { half }
    };
    for half in 0..x.wave.halves {
        let [a, b, c] = [0, 1, 2].map(|source| x.wave.lanes_of(op, source, half));
        let mut result = ZERO;
        for lane in 0..32 {
            result.0[lane] = each3(a.0[lane], b.0[lane], c.0[lane], |a, b, c| {
                let [a, b, c] = [a, b, c].map(|half| without(flushes_in, half));
                let value = f(a, b, c);
                let value = if CLAMP { clamped(value, mode.clamps_nan()) } else { value };
                without(flushes_out, value)
            });
        }
        x.wave.write(op, half, &result);
    }
    Step::Next
}

/// The names of an instruction of pairs, plain and clamped, and its handlers.
macro_rules! pairs {
    ($name:literal, |$a:ident, $b:ident| $e:expr) => {
        pairs!($name, |a, b, _c| {
            let ($a, $b) = (f32_of_half(a), f32_of_half(b));
            half_of_f32($e)
        })
    };
    ($name:literal, |$a:ident, $b:ident, $c:ident| $e:expr) => {
        [
            ($name, (|x, op| pairs::<false>(x, op, |$a, $b, $c| $e)) as Handler),
            (concat!($name, "!"), (|x, op| pairs::<true>(x, op, |$a, $b, $c| $e)) as Handler),
        ]
    };
    (@mode $name:literal, $f:ident) => {
        [
            (
                $name,
                by_mode!(|IEEE| |x, op| pairs::<false>(x, op, |a, b, _| {
                    half_of_f32($f::<IEEE>(f32_of_half(a), f32_of_half(b)))
                })),
            ),
            (
                concat!($name, "!"),
                by_mode!(|IEEE| |x, op| pairs::<true>(x, op, |a, b, _| {
                    half_of_f32($f::<IEEE>(f32_of_half(a), f32_of_half(b)))
                })),
            ),
        ]
    };
}

#[inline(always)]
fn signed(value: u32) -> i32 {
    i32::from(value as i16)
}

/// A number from 0 to 1 as it is, and one outside at the nearer end; a NaN as the mode says.
#[inline(always)]
fn clamped(half: u32, nan_to_zero: bool) -> u32 {
    let value = f32_of_half(half);
    half_of_f32(if value.is_nan() && nan_to_zero { 0.0 } else { value.clamp(0.0, 1.0) })
}

fn short(value: i64) -> u32 {
    (value.clamp(-0x8000, 0x7fff) as i32).cast_unsigned() & 0xffff
}

fn dot2(a: u32, b: u32, c: u32) -> u32 {
    let product =
        |a: u32, b: u32| f64::from(f32_of_half(a & 0xffff)) * f64::from(f32_of_half(b & 0xffff));
    let total = product(a, b) + product(a >> 16, b >> 16) + f64::from(f32::from_bits(c));
    (total as f32).to_bits()
}

fn nibbles(a: u32, b: u32, f: impl Fn(u32) -> i64) -> i64 {
    (0..8).map(|at| f(a >> (4 * at) & 15) * f(b >> (4 * at) & 15)).sum()
}

fn bytes(a: u32, b: u32) -> i64 {
    (0..4).map(|at| i64::from(a >> (8 * at) & 0xff) * i64::from(b >> (8 * at) & 0xff)).sum()
}

fn shorts(a: u32, b: u32) -> i64 {
    let product = |a: u32, b: u32| i64::from(signed(a)) * i64::from(signed(b));
    product(a, b) + product(a >> 16, b >> 16)
}

fn unsigned_shorts(a: u32, b: u32) -> i64 {
    i64::from(a & 0xffff) * i64::from(b & 0xffff) + i64::from(a >> 16) * i64::from(b >> 16)
}

const fn nibble(value: u32) -> i64 {
    ((value << 28).cast_signed() >> 28) as i64
}

fn add_signed(sum: i64, c: u32, clamp: bool) -> u32 {
    let total = sum + i64::from(c.cast_signed());
    if clamp {
        return (total.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32).cast_unsigned();
    }
    total as u32
}

fn add_unsigned(sum: i64, c: u32, clamp: bool) -> u32 {
    let total = sum.cast_unsigned() + u64::from(c);
    if clamp { total.min(u64::from(u32::MAX)) as u32 } else { total as u32 }
}

/// A source of `v_fma_mix` as 32-bit floats.
fn single(x: &mut Exec<'_>, op: &Op, source: usize, half: usize) -> Lanes {
    let lanes = x.wave.lanes_of(op, source, half);
    if op.flags >> source & 1 == 0 {
        return lanes;
    }
    Lanes(lanes.0.map(|half| f32_of_half(half).to_bits()))
}

fn mix(x: &mut Exec<'_>, op: &Op) -> Step {
    for half in 0..x.wave.halves {
        let [a, b, c] = [0, 1, 2].map(|source| single(x, op, source, half));
        let result = fused(&a, &b, &c);
        x.wave.write(op, half, &result);
    }
    Step::Next
}

fn mix_to_half(x: &mut Exec<'_>, op: &Op) -> Step {
    for half in 0..x.wave.halves {
        let [a, b, c] = [0, 1, 2].map(|source| single(x, op, source, half));
        let mut result = ZERO;
        // Rounded to 32 bits, then to 16.
        let sums = fused(&a, &b, &c);
        for lane in 0..32 {
            result.0[lane] = half_of_f32(f32::from_bits(sums.0[lane]));
        }
        x.wave.write(op, half, &result);
    }
    Step::Next
}

/// Adds the packed instructions.
pub(super) fn add_to(table: &mut Table) {
    let rows: &[(&'static str, Handler)] = &[
        ("v_pk_mul_lo_u16", words!(|a, b| each(a, b, u32::wrapping_mul))),
        ("v_pk_add_u16", words!(|a, b| each(a, b, u32::wrapping_add))),
        ("v_pk_add_u16!", words!(|a, b| each(a, b, |a, b| (a + b).min(0xffff)))),
        ("v_pk_add_i16", words!(|a, b| each(a, b, u32::wrapping_add))),
        (
            "v_pk_add_i16!",
            words!(|a, b| each(a, b, |a, b| short(i64::from(signed(a)) + i64::from(signed(b))))),
        ),
        ("v_pk_sub_u16", words!(|a, b| each(a, b, u32::wrapping_sub))),
        ("v_pk_sub_u16!", words!(|a, b| each(a, b, u32::saturating_sub))),
        ("v_pk_sub_i16", words!(|a, b| each(a, b, u32::wrapping_sub))),
        (
            "v_pk_sub_i16!",
            words!(|a, b| each(a, b, |a, b| short(i64::from(signed(a)) - i64::from(signed(b))))),
        ),
        ("v_pk_min_u16", words!(|a, b| each(a, b, u32::min))),
        ("v_pk_max_u16", words!(|a, b| each(a, b, u32::max))),
        (
            "v_pk_min_i16",
            words!(|a, b| each(a, b, |a, b| signed(a).min(signed(b)).cast_unsigned())),
        ),
        (
            "v_pk_max_i16",
            words!(|a, b| each(a, b, |a, b| signed(a).max(signed(b)).cast_unsigned())),
        ),
        ("v_pk_lshlrev_b16", words!(|a, b| each(a, b, |a, b| b << (a & 15)))),
        ("v_pk_lshrrev_b16", words!(|a, b| each(a, b, |a, b| b >> (a & 15)))),
        (
            "v_pk_ashrrev_i16",
            words!(|a, b| each(a, b, |a, b| (signed(b) >> (a & 15)).cast_unsigned())),
        ),
        (
            "v_pk_mad_u16",
            words!(|a, b, c| each3(a, b, c, |a, b, c| a.wrapping_mul(b).wrapping_add(c))),
        ),
        (
            "v_pk_mad_u16!",
            words!(|a, b, c| each3(a, b, c, |a, b, c| {
                (u64::from(a) * u64::from(b) + u64::from(c)).min(0xffff) as u32
            })),
        ),
        (
            "v_pk_mad_i16",
            words!(|a, b, c| each3(a, b, c, |a, b, c| a.wrapping_mul(b).wrapping_add(c))),
        ),
        (
            "v_pk_mad_i16!",
            words!(|a, b, c| each3(a, b, c, |a, b, c| {
                short(i64::from(signed(a)) * i64::from(signed(b)) + i64::from(signed(c)))
            })),
        ),
        ("v_dot2_i32_i16", words!(|a, b, c| add_signed(shorts(a, b), c, false))),
        ("v_dot2_i32_i16!", words!(|a, b, c| add_signed(shorts(a, b), c, true))),
        ("v_dot2_u32_u16", words!(|a, b, c| add_unsigned(unsigned_shorts(a, b), c, false))),
        ("v_dot2_u32_u16!", words!(|a, b, c| add_unsigned(unsigned_shorts(a, b), c, true))),
        ("v_dot4_u32_u8", words!(|a, b, c| add_unsigned(bytes(a, b), c, false))),
        ("v_dot4_u32_u8!", words!(|a, b, c| add_unsigned(bytes(a, b), c, true))),
        ("v_dot8_i32_i4", words!(|a, b, c| add_signed(nibbles(a, b, nibble), c, false))),
        ("v_dot8_i32_i4!", words!(|a, b, c| add_signed(nibbles(a, b, nibble), c, true))),
        ("v_dot8_u32_u4", words!(|a, b, c| add_unsigned(nibbles(a, b, i64::from), c, false))),
        ("v_dot8_u32_u4!", words!(|a, b, c| add_unsigned(nibbles(a, b, i64::from), c, true))),
    ];
    add(table, Number::Bits, Number::Bits, 0, rows);
    for rows in [
        pairs!("v_pk_add_f16", |a, b| a + b),
        pairs!("v_pk_mul_f16", |a, b| a * b),
        pairs!(@mode "v_pk_min_f16", least32),
        pairs!(@mode "v_pk_max_f16", greatest32),
        pairs!("v_pk_fma_f16", |a, b, c| fma(a, b, c)),
        pairs!("v_pk_fmac_f16", |a, b, c| fma(a, b, c)),
    ] {
        add(table, Number::Bits, Number::Bits, 0, &rows);
    }
    let dots: &[(&'static str, Handler)] = &[
        ("v_dot2_f32_f16", words!(|a, b, c| dot2(a, b, c))),
        ("v_dot2c_f32_f16", words!(|a, b, c| dot2(a, b, c))),
    ];
    add(table, Number::Bits, Number::F32, 0, dots);
    add(table, Number::F32, Number::F32, 0, &[("v_fma_mix_f32", mix)]);
    add(
        table,
        Number::F32,
        Number::F16,
        0,
        &[("v_fma_mixlo_f16", mix_to_half), ("v_fma_mixhi_f16", mix_to_half)],
    );
}
