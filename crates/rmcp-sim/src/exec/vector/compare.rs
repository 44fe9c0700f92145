//! Comparisons, whose results are masks of lanes.
//!
//! Source: "RDNA 2 Instruction Set Architecture" (AMD), `V_CMP_*`; on RDNA `v_cmpx` writes EXEC only.

#![allow(clippy::neg_cmp_op_on_partial_ord, reason = "`nlt` is true where one is a NaN")]

use crate::exec::exec_state::Exec;
use crate::exec::lower::{Table, add};
use crate::exec::number::{class, f32_of_half};
use crate::exec::op::{Handler, Number, Op, Step};

/// Compares lanes of 32 bits.
#[inline(always)]
fn compare(x: &mut Exec<'_>, op: &Op, f: impl Fn(u32, u32) -> bool) -> Step {
    let mut masks = [0; 2];
    for half in 0..x.wave.halves {
        let (a, b) = (x.wave.lanes_of(op, 0, half), x.wave.lanes_of(op, 1, half));
        let mut mask = 0;
        for lane in 0..32 {
            mask |= u32::from(f(a.0[lane], b.0[lane])) << lane;
        }
        masks[half] = mask & x.wave.exec(half);
    }
    x.wave.set_mask(usize::from(op.sdst), masks);
    Step::Next
}

/// Compares lanes of 64 bits.
#[inline(always)]
fn compare_wide(x: &mut Exec<'_>, op: &Op, f: impl Fn(u64, u64) -> bool) -> Step {
    let mut masks = [0; 2];
    for half in 0..x.wave.halves {
        let (a, b) = (x.wave.read64(op, 0, half), x.wave.read64(op, 1, half));
        let mut mask = 0;
        for lane in 0..32 {
            mask |= u32::from(f(a[lane], b[lane])) << lane;
        }
        masks[half] = mask & x.wave.exec(half);
    }
    x.wave.set_mask(usize::from(op.sdst), masks);
    Step::Next
}

/// All comparisons of floats of a type.
macro_rules! float_rows {
    ($suffix:literal, $compare:ident, $bits:ty, $of:expr) => {{
        const OF: fn($bits) -> Float<$bits> = $of;
        float_rows!(@rows $suffix, $compare, |a, b|
            "f" false, "lt" a < b, "eq" a == b, "le" a <= b, "gt" a > b, "lg" a.partial_cmp(&b).is_some_and(std::cmp::Ordering::is_ne),
            "ge" a >= b, "o" !a.is_nan() && !b.is_nan(), "u" a.is_nan() || b.is_nan(),
            "nge" !(a >= b), "nlg" !a.partial_cmp(&b).is_some_and(std::cmp::Ordering::is_ne), "ngt" !(a > b), "nle" !(a <= b),
            "neq" a != b, "nlt" !(a < b), "tru" true,
        )
    }};
    (@rows $suffix:literal, $compare:ident, |$a:ident, $b:ident| $($name:literal $e:expr,)*) => {
        vec![$((
            concat!("v_cmp_", $name, "_", $suffix),
            (|x: &mut Exec<'_>, op: &Op| {
                $compare(x, op, |a, b| {
                    let ($a, $b) = (OF(a).value, OF(b).value);
                    let _ = ($a, $b);
                    $e
                })
            }) as Handler,
        ),)*]
    };
}

/// A float and the bits of which it was made.
struct Float<B> {
    value: f64,
    bits: std::marker::PhantomData<B>,
}

const fn float<B>(value: f64) -> Float<B> {
    Float { value, bits: std::marker::PhantomData }
}

/// All comparisons of integers of a type.
macro_rules! integer_rows {
    ($suffix:literal, $compare:ident, $to:ty) => {
        integer_rows!(@rows $suffix, $compare, $to, |a, b|
            "f" false, "lt" a < b, "eq" a == b, "le" a <= b, "gt" a > b, "ne" a != b,
            "ge" a >= b, "t" true,
        )
    };
    (@rows $suffix:literal, $compare:ident, $to:ty, |$a:ident, $b:ident| $($name:literal $e:expr,)*) => {
        vec![$((
            concat!("v_cmp_", $name, "_", $suffix),
            (|x: &mut Exec<'_>, op: &Op| {
                $compare(x, op, |a, b| {
                    let ($a, $b) = (a as $to, b as $to);
                    let _ = ($a, $b);
                    $e
                })
            }) as Handler,
        ),)*]
    };
}

fn class32(bits: u32) -> u32 {
    let fraction = u64::from(bits & 0x7f_ffff);
    class(bits >> 31 != 0, bits >> 23 & 0xff, 0xff, fraction, bits >> 22 & 1 != 0)
}

fn class16(bits: u32) -> u32 {
    let fraction = u64::from(bits & 0x3ff);
    class(bits >> 15 & 1 != 0, bits >> 10 & 31, 31, fraction, bits >> 9 & 1 != 0)
}

fn class64(bits: u64) -> u32 {
    let fraction = bits & ((1 << 52) - 1);
    class(bits >> 63 != 0, (bits >> 52) as u32 & 0x7ff, 0x7ff, fraction, bits >> 51 & 1 != 0)
}

fn compare_class_wide(x: &mut Exec<'_>, op: &Op) -> Step {
    let mut masks = [0; 2];
    for half in 0..x.wave.halves {
        let (a, b) = (x.wave.read64(op, 0, half), x.wave.lanes_of(op, 1, half));
        let mask = (0..32).fold(0, |mask, lane: usize| {
            mask | u32::from(class64(a[lane]) & b.0[lane] != 0) << lane
        });
        masks[half] = mask & x.wave.exec(half);
    }
    x.wave.set_mask(usize::from(op.sdst), masks);
    Step::Next
}

/// Adds the comparisons.
pub(super) fn add_to(table: &mut Table) {
    let single: Vec<(&str, Handler)> =
        float_rows!("f32", compare, u32, |bits| float(f32::from_bits(bits) as f64));
    add(table, Number::F32, Number::Bits, 0, &single);
    let half: Vec<(&str, Handler)> =
        float_rows!("f16", compare, u32, |bits| float(f64::from(f32_of_half(bits))));
    add(table, Number::F16, Number::Bits, 0, &half);
    let double: Vec<(&str, Handler)> =
        float_rows!("f64", compare_wide, u64, |bits| float(f64::from_bits(bits)));
    add(table, Number::F64, Number::Bits, 0, &double);
    for rows in [
        integer_rows!("i32", compare, i32),
        integer_rows!("u32", compare, u32),
        integer_rows!("i64", compare_wide, i64),
        integer_rows!("u64", compare_wide, u64),
    ] {
        add(table, Number::Bits, Number::Bits, 0, &rows);
    }
    for mut rows in [integer_rows!("i16", compare, i16), integer_rows!("u16", compare, u16)] {
        // Those that are never and always true have no 16 bits.
        rows.retain(|(name, _)| !name.starts_with("v_cmp_f_") && !name.starts_with("v_cmp_t_"));
        add(table, Number::Bits16, Number::Bits, 0, &rows);
    }
    let classes: [(Number, &'static str, Handler); 3] = [
        (Number::F32, "v_cmp_class_f32", |x, op| compare(x, op, |a, b| class32(a) & b != 0)),
        (Number::F16, "v_cmp_class_f16", |x, op| compare(x, op, |a, b| class16(a) & b != 0)),
        (Number::F64, "v_cmp_class_f64", compare_class_wide),
    ];
    for (number, name, run) in classes {
        // The classes are no float, and a denormal keeps its class.
        add(table, number, Number::Bits, 2, &[(name, run)]);
    }
}
