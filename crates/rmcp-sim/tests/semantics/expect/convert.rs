//! Conversions between numbers.

use super::float::exponent;
use super::number::{F16, F32, F64, Layout, round_half};
use super::operand::Ty::{self, B16, B32, F16 as H, F32 as F, F64 as D};
use super::vector::{Op, Out};

/// A float as an integer: towards zero, held in range, 0 for a NaN.
fn integer(value: f64, low: f64, high: f64) -> i64 {
    if value.is_nan() { 0 } else { value.clamp(low, high).trunc() as i64 }
}

fn to_integer(layout: Layout, from: Ty, to: Ty, low: f64, high: f64) -> Op {
    Op::new(to, &[from], move |lane, s| {
        let value = layout.value(layout.input(lane.case.mode, s[0] as u64));
        Out::new(integer(value, low, high) as u128 & to.mask())
    })
}

fn from_integer(layout: Layout, from: Ty, to: Ty, read: fn(u32) -> f64) -> Op {
    Op::new(to, &[from], move |_, s| Out::new(layout.round(read(s[0] as u32))))
}

/// A float as another; the input and the result each follow the mode of their size.
fn float(from: (Layout, Ty), to: (Layout, Ty)) -> Op {
    Op::new(to.1, &[from.1], move |lane, s| {
        let value = from.0.input(lane.case.mode, s[0] as u64);
        let value =
            if from.0.is_nan(value) { to.0.quiet() } else { to.0.round(from.0.value(value)) };
        Out::new(value)
    })
}

/// Whole numbers of a step of a normalized integer, to the nearest: even where two are equally near, or up.
///
/// The product may be a float: that, too, is not said.
fn normalized(value: f64, steps: f64, signed: bool) -> [u64; 4] {
    let value =
        if value.is_nan() { 0.0 } else { value.clamp(if signed { -1.0 } else { 0.0 }, 1.0) };
    let steps = value * steps;
    let cut = |value: f64| value as i64 as u64 & 0xffff;
    let float = f64::from(steps as f32);
    [steps, float]
        .map(|steps| [cut(steps.round_ties_even()), cut((steps + 0.5).floor())])
        .concat()
        .try_into()
        .unwrap_or_default()
}

fn norm(layout: Layout, from: Ty, signed: bool, pair: bool) -> Op {
    let steps = if signed { 32767.0 } else { 65535.0 };
    let (to, sources) = if pair { (B32, 2) } else { (B16, 1) };
    Op::new(to, &vec![from; sources], move |lane, s| {
        let mut all = [0; 4];
        for (at, &value) in s.iter().enumerate() {
            let value = layout.value(layout.input(lane.case.mode, value as u64));
            let ways = normalized(value, steps, signed);
            all.iter_mut().zip(ways).for_each(|(all, way)| *all |= way << (16 * at));
        }
        let mut out = Out::new(all[0]);
        out.others
            .extend(all[1..].iter().filter(|&&way| way != all[0]).map(|&way| u128::from(way)));
        out
    })
}

pub(super) fn op(name: &str) -> Option<Op> {
    const I32: (f64, f64) = (-2_147_483_648.0, 2_147_483_647.0);
    const U32: (f64, f64) = (0.0, 4_294_967_295.0);
    let signed: fn(u32) -> f64 = |value| value.cast_signed().into();
    let unsigned: fn(u32) -> f64 = f64::from;
    Some(match name {
        "v_cvt_i32_f32" => to_integer(F32, F, B32, I32.0, I32.1),
        "v_cvt_u32_f32" => to_integer(F32, F, B32, U32.0, U32.1),
        "v_cvt_i32_f64" => to_integer(F64, D, B32, I32.0, I32.1),
        "v_cvt_u32_f64" => to_integer(F64, D, B32, U32.0, U32.1),
        "v_cvt_i16_f16" => to_integer(F16, H, B16, -32768.0, 32767.0),
        "v_cvt_u16_f16" => to_integer(F16, H, B16, 0.0, 65535.0),
        "v_cvt_f32_i32" => from_integer(F32, B32, F, signed),
        "v_cvt_f32_u32" => from_integer(F32, B32, F, unsigned),
        "v_cvt_f64_i32" => from_integer(F64, B32, D, signed),
        "v_cvt_f64_u32" => from_integer(F64, B32, D, unsigned),
        "v_cvt_f16_i16" => from_integer(F16, B16, H, |value| f64::from(value as i16)),
        "v_cvt_f16_u16" => from_integer(F16, B16, H, |value| f64::from(value as u16)),
        "v_cvt_f32_ubyte0" => from_integer(F32, B32, F, |value| f64::from(value & 0xff)),
        "v_cvt_f32_ubyte1" => from_integer(F32, B32, F, |value| f64::from(value >> 8 & 0xff)),
        "v_cvt_f32_ubyte2" => from_integer(F32, B32, F, |value| f64::from(value >> 16 & 0xff)),
        "v_cvt_f32_ubyte3" => from_integer(F32, B32, F, |value| f64::from(value >> 24)),
        // Source: LLVM's and AMD's texts: the numbers from -0.5 to 0.4375 in steps of 1 / 16.
        "v_cvt_off_f32_i4" => {
            from_integer(F32, B32, F, |value| f64::from((value << 28).cast_signed() >> 28) / 16.0)
        }
        "v_cvt_f16_f32" => float((F32, F), (F16, H)),
        "v_cvt_f32_f16" => float((F16, H), (F32, F)),
        "v_cvt_f32_f64" => float((F64, D), (F32, F)),
        "v_cvt_f64_f32" => float((F32, F), (F64, D)),
        "v_cvt_flr_i32_f32" => Op::new(B32, &[F], |lane, s| {
            let value = F32.value(F32.input(lane.case.mode, s[0] as u64));
            Out::new(integer(value.floor(), I32.0, I32.1) as u32)
        }),
        "v_cvt_rpi_i32_f32" => Op::new(B32, &[F], |lane, s| {
            let value = F32.value(F32.input(lane.case.mode, s[0] as u64));
            let exact = integer((value + 0.5).floor(), I32.0, I32.1) as u32;
            // Whether the sum is rounded to a float first is not said.
            let rounded = integer(f64::from(((value as f32) + 0.5).floor()), I32.0, I32.1) as u32;
            Out::new(exact).or(rounded)
        }),
        "v_cvt_pkrtz_f16_f32" => Op::new(Ty::Pair, &[F, F], |lane, s| {
            let mode = lane.case.mode;
            let one = |value: u128| {
                let value = F32.value(F32.input(mode, value as u64));
                u64::from(round_half(value, true))
            };
            let both = |finish: &dyn Fn(u64) -> u64| {
                u128::from(finish(one(s[0])) | finish(one(s[1])) << 16)
            };
            // Whether it loses denormal results is not said.
            Out::new(both(&|value| F16.output(mode, value))).or(both(&|value| value))
        }),
        "v_cvt_norm_i16_f16" => norm(F16, H, true, false),
        "v_cvt_norm_u16_f16" => norm(F16, H, false, false),
        "v_cvt_pknorm_i16_f16" => norm(F16, H, true, true),
        "v_cvt_pknorm_u16_f16" => norm(F16, H, false, true),
        "v_cvt_pknorm_i16_f32" => norm(F32, F, true, true),
        "v_cvt_pknorm_u16_f32" => norm(F32, F, false, true),
        "v_cvt_pk_u8_f32" => Op::new(B32, &[F, B32, B32], |lane, s| {
            let value = F32.value(F32.input(lane.case.mode, s[0] as u64));
            let shift = 8 * (s[1] as u32 & 3);
            let rest = s[2] as u32 & !(0xff << shift);
            // Whether it is rounded or cut off is not said.
            let cut = integer(value, 0.0, 255.0) as u32;
            let near = integer(value.round_ties_even(), 0.0, 255.0) as u32;
            Out::new(rest | near << shift).or(rest | cut << shift)
        }),
        "v_frexp_exp_i32_f32" => Op::new(B32, &[F], |lane, s| {
            Out::new(exponent(F32, F32.input(lane.case.mode, s[0] as u64)) as u32)
        }),
        "v_frexp_exp_i32_f64" => Op::new(B32, &[D], |lane, s| {
            Out::new(exponent(F64, F64.input(lane.case.mode, s[0] as u64)) as u32)
        }),
        "v_frexp_exp_i16_f16" => Op::new(B16, &[H], |lane, s| {
            Out::new(exponent(F16, F16.input(lane.case.mode, s[0] as u64)) as u16)
        }),
        "v_pack_b32_f16" => Op::new(Ty::Pair, &[H, H], |lane, s| {
            let flushed = s.iter().zip([0, 16]).map(|(&value, shift)| {
                u128::from(F16.input(lane.case.mode, value as u64)) << shift
            });
            // Whether it moves or canonicalizes is not said.
            Out::new(s[0] | s[1] << 16).or(flushed.sum::<u128>())
        }),
        _ => return None,
    })
}
