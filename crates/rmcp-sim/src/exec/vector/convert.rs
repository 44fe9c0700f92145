//! From one kind of number to another.
//!
//! Rust's `as` cuts, saturates and makes 0 of NaN, which is what the hardware does; `v_cvt_pk_u8_f32` rounds first.
//!
//! Source: "RDNA 2 Instruction Set Architecture" (AMD), chapter "Instructions", `V_CVT_*`.

use super::words;
use crate::exec::exec_state::Exec;
use crate::exec::lower::{Table, add};
use crate::exec::number::{f32_of_half, half_of_f32, half_of_f32_toward_zero};
use crate::exec::op::{Handler, Number, Op};

fn float(bits: u32) -> f32 {
    f32::from_bits(bits)
}

/// From -1 to 1 onto the integers of 16 bits.
fn signed_norm(value: f32) -> u32 {
    let value = if value.is_nan() { 0.0 } else { value.clamp(-1.0, 1.0) };
    ((value * 32767.0).round_ties_even() as i32).cast_unsigned() & 0xffff
}

/// From 0 to 1 onto the integers of 16 bits without a sign.
fn unsigned_norm(value: f32) -> u32 {
    let value = if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) };
    (value * 65535.0).round_ties_even() as u32
}

fn signed_short(value: u32) -> u32 {
    value.cast_signed().clamp(-0x8000, 0x7fff).cast_unsigned() & 0xffff
}

fn byte_of_short(value: u32) -> u32 {
    i32::from(value as i16).clamp(0, 255).cast_unsigned()
}

/// Adds the conversions of 32 and 16 bits.
pub(super) fn add_to(table: &mut Table) {
    let integers: &[(&'static str, Handler)] = &[
        ("v_cvt_f32_i32", words!(|a| (a.cast_signed() as f32).to_bits())),
        ("v_cvt_f32_u32", words!(|a| (a as f32).to_bits())),
        ("v_cvt_f32_ubyte0", words!(|a| ((a & 0xff) as f32).to_bits())),
        ("v_cvt_f32_ubyte1", words!(|a| ((a >> 8 & 0xff) as f32).to_bits())),
        ("v_cvt_f32_ubyte2", words!(|a| ((a >> 16 & 0xff) as f32).to_bits())),
        ("v_cvt_f32_ubyte3", words!(|a| ((a >> 24) as f32).to_bits())),
        ("v_cvt_off_f32_i4", words!(|a| (((a << 28).cast_signed() >> 28) as f32 / 16.0).to_bits())),
    ];
    add(table, Number::Bits, Number::F32, 0, integers);
    let floats: &[(&'static str, Handler)] = &[
        ("v_cvt_u32_f32", words!(|a| float(a) as u32)),
        ("v_cvt_i32_f32", words!(|a| (float(a) as i32).cast_unsigned())),
        (
            "v_cvt_rpi_i32_f32",
            words!(|a| ((f64::from(float(a)) + 0.5).floor() as i32).cast_unsigned()),
        ),
        ("v_cvt_flr_i32_f32", words!(|a| (float(a).floor() as i32).cast_unsigned())),
        (
            "v_cvt_pkrtz_f16_f32",
            words!(|a, b| {
                half_of_f32_toward_zero(float(a)) | half_of_f32_toward_zero(float(b)) << 16
            }),
        ),
        (
            "v_cvt_pknorm_i16_f32",
            words!(|a, b| signed_norm(float(a)) | signed_norm(float(b)) << 16),
        ),
        (
            "v_cvt_pknorm_u16_f32",
            words!(|a, b| unsigned_norm(float(a)) | unsigned_norm(float(b)) << 16),
        ),
    ];
    add(table, Number::F32, Number::Bits, 0, floats);
    add(
        table,
        Number::F32,
        Number::Bits,
        6,
        &[(
            "v_cvt_pk_u8_f32",
            words!(|a, b, c| {
                let shift = 8 * (b & 3);
                c & !(0xff << shift) | u32::from(float(a).round_ties_even() as u8) << shift
            }),
        )],
    );
    add(
        table,
        Number::F32,
        Number::F16,
        0,
        &[("v_cvt_f16_f32", words!(|a| half_of_f32(float(a))))],
    );
    add(
        table,
        Number::F16,
        Number::F32,
        0,
        &[(
            "v_cvt_f32_f16",
            words!(|a| {
                let value = f32_of_half(a).to_bits();
                // A NaN becomes a quiet one.
                if a & 0x7fff > 0x7c00 { value | 0x40_0000 } else { value }
            }),
        )],
    );
    let halves: &[(&'static str, Handler)] = &[
        ("v_cvt_u16_f16", words!(|a| u32::from(f32_of_half(a) as u16))),
        ("v_cvt_i16_f16", words!(|a| u32::from((f32_of_half(a) as i16).cast_unsigned()))),
        ("v_cvt_norm_i16_f16", words!(|a| signed_norm(f32_of_half(a)))),
        ("v_cvt_norm_u16_f16", words!(|a| unsigned_norm(f32_of_half(a)))),
    ];
    add(table, Number::F16, Number::Bits16, 0, halves);
    let shorts: &[(&'static str, Handler)] = &[
        ("v_cvt_f16_u16", words!(|a| half_of_f32((a & 0xffff) as f32))),
        ("v_cvt_f16_i16", words!(|a| half_of_f32(f32::from(a as i16)))),
    ];
    add(table, Number::Bits16, Number::F16, 0, shorts);
    let halves_to_words: &[(&'static str, Handler)] = &[
        ("v_pack_b32_f16", words!(|a, b| a & 0xffff | b << 16)),
        (
            "v_cvt_pknorm_i16_f16",
            words!(|a, b| signed_norm(f32_of_half(a)) | signed_norm(f32_of_half(b)) << 16),
        ),
        (
            "v_cvt_pknorm_u16_f16",
            words!(|a, b| unsigned_norm(f32_of_half(a)) | unsigned_norm(f32_of_half(b)) << 16),
        ),
    ];
    add(table, Number::F16, Number::Bits, 0, halves_to_words);
    let words: &[(&'static str, Handler)] = &[
        ("v_cvt_pk_u16_u32", words!(|a, b| a.min(0xffff) | b.min(0xffff) << 16)),
        ("v_cvt_pk_i16_i32", words!(|a, b| signed_short(a) | signed_short(b) << 16)),
        ("v_sat_pk_u8_i16", words!(|a| byte_of_short(a) | byte_of_short(a >> 16) << 8)),
    ];
    add(table, Number::Bits, Number::Bits, 0, words);
}
