//! Integers of 32 and 16 bits, with carries, and bits.
//!
//! Source: "RDNA 2 Instruction Set Architecture" (AMD), chapter "Instructions", VOP formats.

use super::{map1, words};
use crate::exec::exec_state::Exec;
use crate::exec::lower::{Table, add};
use crate::exec::op::{Handler, Number, Op, Step};
use crate::exec::wave::ZERO;

const fn low24(value: u32) -> u32 {
    value & 0xff_ffff
}

const fn signed24(value: u32) -> i32 {
    (value << 8).cast_signed() >> 8
}

const fn signed(value: u32) -> i64 {
    value.cast_signed() as i64
}

const fn short(value: u32) -> i32 {
    value as i16 as i32
}

fn clamp_unsigned(value: u64) -> u32 {
    value.min(u64::from(u32::MAX)) as u32
}

fn clamp_signed(value: i64) -> u32 {
    (value.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32).cast_unsigned()
}

fn clamp_short(value: i32) -> u32 {
    value.clamp(-0x8000, 0x7fff).cast_unsigned() & 0xffff
}

#[inline(always)]
fn bytes(a: u32, b: u32, f: impl Fn(u32, u32) -> u32) -> u32 {
    (0..4).map(|at| f(a >> (8 * at) & 0xff, b >> (8 * at) & 0xff)).sum()
}

#[inline(always)]
fn field(value: u32, first: u32, width: u32) -> u32 {
    let (first, width) = (first & 31, width & 31);
    (value >> first) & ((1_u32 << width) - 1)
}

#[inline(always)]
fn signed_field(value: u32, first: u32, width: u32) -> u32 {
    let (first, width) = (first & 31, width & 31);
    if width == 0 {
        return 0;
    }
    if first + width >= 32 {
        return (value.cast_signed() >> first).cast_unsigned();
    }
    ((value << (32 - first - width)).cast_signed() >> (32 - width)).cast_unsigned()
}

/// One byte of eight, or a constant.
///
/// Source: "RDNA 2 ISA" (AMD), `V_PERM_B32`.
#[inline(always)]
fn permuted(high: u32, low: u32, select: u32) -> u32 {
    let all = u64::from(high) << 32 | u64::from(low);
    (0..4).fold(0, |result, at| {
        let byte = match select >> (8 * at) & 0xff {
            which @ 0..=7 => (all >> (8 * which)) as u32 & 0xff,
            // The sign of one of the four words.
            which @ 8..=11 => (all >> (16 * (which - 8) + 15) & 1) as u32 * 0xff,
            12 => 0,
            _ => 0xff,
        };
        result | byte << (8 * at)
    })
}

const fn leading_signs(value: u32) -> u32 {
    let turned = if value >> 31 == 1 { !value } else { value };
    if turned == 0 { u32::MAX } else { turned.leading_zeros() }
}

const fn found(position: u32) -> u32 {
    if position == 32 { u32::MAX } else { position }
}

fn median<T: Ord>(a: T, b: T, c: T) -> T {
    if a > b {
        if b > c { b } else { a.min(c) }
    } else if a > c {
        a
    } else {
        b.min(c)
    }
}

/// With a carry out, and one in where there is a third source.
#[inline(always)]
fn carried<const IN: bool>(
    x: &mut Exec<'_>,
    op: &Op,
    f: impl Fn(u32, u32, u32) -> (u32, bool),
) -> Step {
    let mut masks = [0; 2];
    let halves = x.wave.halves;
    let carries = [0, 1].map(|half| match IN && half < halves {
        true => x.wave.source_mask(&op.sources[2], half),
        false => 0,
    });
    for half in 0..halves {
        let (a, b) = (x.wave.lanes_of(op, 0, half), x.wave.lanes_of(op, 1, half));
        let mut result = ZERO;
        for lane in 0..32 {
            let (value, carry) = f(a.0[lane], b.0[lane], carries[half] >> lane & 1);
            result.0[lane] = value;
            masks[half] |= u32::from(carry) << lane;
        }
        masks[half] &= x.wave.exec(half);
        x.wave.write(op, half, &result);
    }
    x.wave.set_mask(usize::from(op.sdst), masks);
    Step::Next
}

#[inline(always)]
const fn sum(a: u32, b: u32, carry: u32) -> (u32, bool) {
    let total = a as u64 + b as u64 + carry as u64;
    (total as u32, total >> 32 != 0)
}

#[inline(always)]
const fn difference(a: u32, b: u32, borrow: u32) -> (u32, bool) {
    let taken = b as u64 + borrow as u64;
    (a.wrapping_sub(b).wrapping_sub(borrow), taken > a as u64)
}

fn select(x: &mut Exec<'_>, op: &Op) -> Step {
    for half in 0..x.wave.halves {
        let mask = x.wave.source_mask(&op.sources[2], half);
        let (a, b) = (x.wave.lanes_of(op, 0, half), x.wave.lanes_of(op, 1, half));
        let mut result = ZERO;
        for lane in 0..32 {
            result.0[lane] = if mask >> lane & 1 != 0 { b.0[lane] } else { a.0[lane] };
        }
        x.wave.write(op, half, &result);
    }
    Step::Next
}

fn dot4(a: u32, b: u32, c: u32) -> u32 {
    let byte = |value: u32, at: u32| i32::from((value >> (8 * at)) as i8);
    (0..4)
        .map(|at| byte(a, at) * byte(b, at))
        .sum::<i32>()
        .wrapping_add(c.cast_signed())
        .cast_unsigned()
}

/// Adds the integer instructions.
pub(super) fn add_to(table: &mut Table) {
    let rows: &[(&'static str, Handler)] = &[
        ("v_nop", |_, _| Step::Next),
        ("v_mov_b32", |x, op| map1(x, op, |a| a)),
        ("v_not_b32", words!(|a| !a)),
        ("v_bfrev_b32", words!(|a| a.reverse_bits())),
        ("v_ffbh_u32", words!(|a| found(a.leading_zeros()))),
        ("v_ffbl_b32", words!(|a| found(a.trailing_zeros()))),
        ("v_ffbh_i32", words!(|a| leading_signs(a))),
        ("v_and_b32", words!(|a, b| a & b)),
        ("v_or_b32", words!(|a, b| a | b)),
        ("v_xor_b32", words!(|a, b| a ^ b)),
        ("v_xnor_b32", words!(|a, b| !(a ^ b))),
        ("v_lshlrev_b32", words!(|a, b| b << (a & 31))),
        ("v_lshrrev_b32", words!(|a, b| b >> (a & 31))),
        ("v_ashrrev_i32", words!(|a, b| (b.cast_signed() >> (a & 31)).cast_unsigned())),
        ("v_add_nc_u32", words!(|a, b| a.wrapping_add(b))),
        ("v_sub_nc_u32", words!(|a, b| a.wrapping_sub(b))),
        ("v_subrev_nc_u32", words!(|a, b| b.wrapping_sub(a))),
        ("v_add_nc_i32", words!(|a, b| a.wrapping_add(b))),
        ("v_sub_nc_i32", words!(|a, b| a.wrapping_sub(b))),
        ("v_add_nc_u32!", words!(|a, b| a.saturating_add(b))),
        ("v_sub_nc_u32!", words!(|a, b| a.saturating_sub(b))),
        ("v_subrev_nc_u32!", words!(|a, b| b.saturating_sub(a))),
        ("v_add_nc_i32!", words!(|a, b| clamp_signed(signed(a) + signed(b)))),
        ("v_sub_nc_i32!", words!(|a, b| clamp_signed(signed(a) - signed(b)))),
        ("v_mul_u32_u24", words!(|a, b| low24(a).wrapping_mul(low24(b)))),
        ("v_mul_i32_i24", words!(|a, b| signed24(a).wrapping_mul(signed24(b)).cast_unsigned())),
        (
            "v_mul_hi_u32_u24",
            words!(|a, b| ((u64::from(low24(a)) * u64::from(low24(b))) >> 32) as u32),
        ),
        (
            "v_mul_hi_i32_i24",
            words!(|a, b| ((i64::from(signed24(a)) * i64::from(signed24(b))) >> 32) as u32),
        ),
        ("v_mul_lo_u32", words!(|a, b| a.wrapping_mul(b))),
        ("v_mul_lo_i32", words!(|a, b| a.wrapping_mul(b))),
        ("v_mul_hi_u32", words!(|a, b| ((u64::from(a) * u64::from(b)) >> 32) as u32)),
        ("v_mul_hi_i32", words!(|a, b| ((signed(a) * signed(b)) >> 32) as u32)),
        ("v_mad_u32_u24", words!(|a, b, c| low24(a).wrapping_mul(low24(b)).wrapping_add(c))),
        (
            "v_mad_u32_u24!",
            words!(|a, b, c| clamp_unsigned(
                u64::from(low24(a)) * u64::from(low24(b)) + u64::from(c)
            )),
        ),
        (
            "v_mad_i32_i24",
            words!(|a, b, c| {
                signed24(a).wrapping_mul(signed24(b)).cast_unsigned().wrapping_add(c)
            }),
        ),
        (
            "v_mad_i32_i24!",
            words!(|a, b, c| clamp_signed(
                i64::from(signed24(a)) * i64::from(signed24(b)) + signed(c)
            )),
        ),
        ("v_min_u32", words!(|a, b| a.min(b))),
        ("v_max_u32", words!(|a, b| a.max(b))),
        ("v_min_i32", words!(|a, b| a.cast_signed().min(b.cast_signed()).cast_unsigned())),
        ("v_max_i32", words!(|a, b| a.cast_signed().max(b.cast_signed()).cast_unsigned())),
        ("v_min3_u32", words!(|a, b, c| a.min(b).min(c))),
        ("v_max3_u32", words!(|a, b, c| a.max(b).max(c))),
        ("v_med3_u32", words!(|a, b, c| median(a, b, c))),
        ("v_min3_i32", words!(|a, b, c| signed(a).min(signed(b)).min(signed(c)) as u32)),
        ("v_max3_i32", words!(|a, b, c| signed(a).max(signed(b)).max(signed(c)) as u32)),
        ("v_med3_i32", words!(|a, b, c| median(signed(a), signed(b), signed(c)) as u32)),
        ("v_bfe_u32", words!(|a, b, c| field(a, b, c))),
        ("v_bfe_i32", words!(|a, b, c| signed_field(a, b, c))),
        ("v_bfi_b32", words!(|a, b, c| a & b | !a & c)),
        ("v_bfm_b32", words!(|a, b| ((1_u32 << (a & 31)) - 1) << (b & 31))),
        ("v_bcnt_u32_b32", words!(|a, b| a.count_ones().wrapping_add(b))),
        (
            "v_alignbit_b32",
            words!(|a, b, c| ((u64::from(a) << 32 | u64::from(b)) >> (c & 31)) as u32),
        ),
        (
            "v_alignbyte_b32",
            words!(|a, b, c| ((u64::from(a) << 32 | u64::from(b)) >> (8 * (c & 3))) as u32),
        ),
        ("v_perm_b32", words!(|a, b, c| permuted(a, b, c))),
        ("v_lerp_u8", words!(|a, b, c| lerp(a, b, c))),
        ("v_sad_u8", words!(|a, b, c| bytes(a, b, u32::abs_diff).wrapping_add(c))),
        ("v_sad_hi_u8", words!(|a, b, c| (bytes(a, b, u32::abs_diff) << 16).wrapping_add(c))),
        (
            "v_sad_u16",
            words!(|a, b, c| (a & 0xffff)
                .abs_diff(b & 0xffff)
                .wrapping_add((a >> 16).abs_diff(b >> 16))
                .wrapping_add(c)),
        ),
        ("v_sad_u32", words!(|a, b, c| a.abs_diff(b).wrapping_add(c))),
        (
            "v_msad_u8",
            words!(|a, b, c| bytes(a, b, |a, b| if b == 0 { 0 } else { a.abs_diff(b) })
                .wrapping_add(c)),
        ),
        ("v_xad_u32", words!(|a, b, c| (a ^ b).wrapping_add(c))),
        ("v_lshl_add_u32", words!(|a, b, c| (a << (b & 31)).wrapping_add(c))),
        ("v_add_lshl_u32", words!(|a, b, c| a.wrapping_add(b) << (c & 31))),
        ("v_add3_u32", words!(|a, b, c| a.wrapping_add(b).wrapping_add(c))),
        ("v_lshl_or_b32", words!(|a, b, c| a << (b & 31) | c)),
        ("v_and_or_b32", words!(|a, b, c| a & b | c)),
        ("v_or3_b32", words!(|a, b, c| a | b | c)),
        ("v_xor3_b32", words!(|a, b, c| a ^ b ^ c)),
        ("v_add_co_u32", |x, op| carried::<false>(x, op, sum)),
        ("v_sub_co_u32", |x, op| carried::<false>(x, op, difference)),
        ("v_subrev_co_u32", |x, op| carried::<false>(x, op, |a, b, c| difference(b, a, c))),
        ("v_add_co_ci_u32", |x, op| carried::<true>(x, op, sum)),
        ("v_sub_co_ci_u32", |x, op| carried::<true>(x, op, difference)),
        ("v_subrev_co_ci_u32", |x, op| carried::<true>(x, op, |a, b, c| difference(b, a, c))),
        ("v_dot4c_i32_i8", words!(|a, b, c| dot4(a, b, c))),
        ("v_dot4_i32_i8", words!(|a, b, c| dot4(a, b, c))),
        ("v_dot4_i32_i8!", words!(|a, b, c| clamp_signed(signed(dot4(a, b, 0)) + signed(c)))),
        ("v_mad_u32_u16", words!(|a, b, c| (a & 0xffff).wrapping_mul(b & 0xffff).wrapping_add(c))),
        (
            "v_mad_i32_i16",
            words!(|a, b, c| short(a).wrapping_mul(short(b)).cast_unsigned().wrapping_add(c)),
        ),
    ];
    add(table, Number::Bits, Number::Bits, 0, rows);
    // Its signs are those of 32-bit floats, but no denormal is flushed.
    add(table, Number::Bits, Number::Bits, 0, &[("v_cndmask_b32", select)]);
    add(table, Number::Bits16, Number::Bits16, 0, &shorts());
}

fn lerp(a: u32, b: u32, c: u32) -> u32 {
    (0..4).fold(0, |result, at| {
        let byte = |value: u32| value >> (8 * at) & 0xff;
        result | (byte(a) + byte(b) + (byte(c) & 1)) >> 1 << (8 * at)
    })
}

fn shorts() -> Vec<(&'static str, Handler)> {
    vec![
        ("v_add_nc_u16", words!(|a, b| a.wrapping_add(b) & 0xffff)),
        ("v_sub_nc_u16", words!(|a, b| a.wrapping_sub(b) & 0xffff)),
        ("v_add_nc_u16!", words!(|a, b| ((a & 0xffff) + (b & 0xffff)).min(0xffff))),
        ("v_sub_nc_u16!", words!(|a, b| (a & 0xffff).saturating_sub(b & 0xffff))),
        ("v_add_nc_i16", words!(|a, b| a.wrapping_add(b) & 0xffff)),
        ("v_sub_nc_i16", words!(|a, b| a.wrapping_sub(b) & 0xffff)),
        ("v_add_nc_i16!", words!(|a, b| clamp_short(short(a) + short(b)))),
        ("v_sub_nc_i16!", words!(|a, b| clamp_short(short(a) - short(b)))),
        ("v_mul_lo_u16", words!(|a, b| a.wrapping_mul(b) & 0xffff)),
        ("v_lshlrev_b16", words!(|a, b| b << (a & 15) & 0xffff)),
        ("v_lshrrev_b16", words!(|a, b| (b & 0xffff) >> (a & 15))),
        ("v_ashrrev_i16", words!(|a, b| (short(b) >> (a & 15)).cast_unsigned() & 0xffff)),
        ("v_max_u16", words!(|a, b| (a & 0xffff).max(b & 0xffff))),
        ("v_min_u16", words!(|a, b| (a & 0xffff).min(b & 0xffff))),
        ("v_max_i16", words!(|a, b| short(a).max(short(b)).cast_unsigned() & 0xffff)),
        ("v_min_i16", words!(|a, b| short(a).min(short(b)).cast_unsigned() & 0xffff)),
        ("v_mad_u16", words!(|a, b, c| a.wrapping_mul(b).wrapping_add(c) & 0xffff)),
        ("v_mad_i16", words!(|a, b, c| a.wrapping_mul(b).wrapping_add(c) & 0xffff)),
        (
            "v_mad_u16!",
            words!(|a, b, c| {
                let product = u64::from(a & 0xffff) * u64::from(b & 0xffff);
                (product + u64::from(c & 0xffff)).min(0xffff) as u32
            }),
        ),
        (
            "v_mad_i16!",
            words!(|a, b, c| {
                let total = i64::from(short(a)) * i64::from(short(b)) + i64::from(short(c));
                clamp_short(total.clamp(-0x8000, 0x7fff) as i32)
            }),
        ),
        ("v_min3_u16", words!(|a, b, c| (a & 0xffff).min(b & 0xffff).min(c & 0xffff))),
        ("v_max3_u16", words!(|a, b, c| (a & 0xffff).max(b & 0xffff).max(c & 0xffff))),
        ("v_med3_u16", words!(|a, b, c| median(a & 0xffff, b & 0xffff, c & 0xffff))),
        (
            "v_min3_i16",
            words!(|a, b, c| short(a).min(short(b)).min(short(c)).cast_unsigned() & 0xffff),
        ),
        (
            "v_max3_i16",
            words!(|a, b, c| short(a).max(short(b)).max(short(c)).cast_unsigned() & 0xffff),
        ),
        (
            "v_med3_i16",
            words!(|a, b, c| median(short(a), short(b), short(c)).cast_unsigned() & 0xffff),
        ),
    ]
}
