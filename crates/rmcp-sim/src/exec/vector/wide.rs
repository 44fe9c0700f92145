//! 64 bits: floats, shifts, products.
//!
//! Precision: reciprocals and roots are rounded correctly; the hardware's have about 29 right bits less, which code
//! mends with Newton's method.
//!
//! Source: "RDNA 2 Instruction Set Architecture" (AMD), chapter "Instructions".

use super::{by_mode, map_wide};
use crate::exec::exec_state::Exec;
use crate::exec::lower::{Table, add};
use crate::exec::number::{greatest64, least64, made64, quiet64, scale64, split64};
use crate::exec::op::{Handler, Number, Op, Step};
use crate::exec::wave::ZERO;

/// A handler with sources of 64 bits.
macro_rules! wides {
    (|$a:ident| $e:expr) => {
        (|x: &mut Exec<'_>, op: &Op| {
            map_wide(x, op, |x, half| x.wave.read64(op, 0, half).map(|$a| $e))
        }) as Handler
    };
    (|$a:ident, $b:ident| $e:expr) => {
        (|x: &mut Exec<'_>, op: &Op| {
            map_wide(x, op, |x, half| {
                let (a, b) = (x.wave.read64(op, 0, half), x.wave.read64(op, 1, half));
                std::array::from_fn(|lane| {
                    let ($a, $b) = (a[lane], b[lane]);
                    $e
                })
            })
        }) as Handler
    };
    (|$a:ident, $b:ident, $c:ident| $e:expr) => {
        (|x: &mut Exec<'_>, op: &Op| {
            map_wide(x, op, |x, half| {
                let (a, b) = (x.wave.read64(op, 0, half), x.wave.read64(op, 1, half));
                let c = x.wave.read64(op, 2, half);
                std::array::from_fn(|lane| {
                    let ($a, $b, $c) = (a[lane], b[lane], c[lane]);
                    $e
                })
            })
        }) as Handler
    };
}

/// The same with 64-bit floats.
macro_rules! doubles {
    (|$a:ident| $e:expr) => {
        wides!(|$a| {
            let $a = f64::from_bits($a);
            let value: f64 = $e;
            value.to_bits()
        })
    };
    (|$a:ident, $b:ident| $e:expr) => {
        wides!(|$a, $b| {
            let ($a, $b) = (f64::from_bits($a), f64::from_bits($b));
            let value: f64 = $e;
            value.to_bits()
        })
    };
    (|$a:ident, $b:ident, $c:ident| $e:expr) => {
        wides!(|$a, $b, $c| {
            let ($a, $b, $c) = (f64::from_bits($a), f64::from_bits($b), f64::from_bits($c));
            let value: f64 = $e;
            value.to_bits()
        })
    };
}

/// A first source of 32 bits and a second of 64.
macro_rules! shifts {
    (|$by:ident, $value:ident| $e:expr) => {
        (|x: &mut Exec<'_>, op: &Op| {
            map_wide(x, op, |x, half| {
                let (by, value) = (x.wave.lanes_of(op, 0, half), x.wave.read64(op, 1, half));
                std::array::from_fn(|lane| {
                    let ($by, $value) = (by.0[lane] & 63, value[lane]);
                    $e
                })
            })
        }) as Handler
    };
}

/// A source of 64 bits, a result of 32.
macro_rules! narrows {
    (|$a:ident| $e:expr) => {
        (|x: &mut Exec<'_>, op: &Op| {
            for half in 0..x.wave.halves {
                let wide = x.wave.read64(op, 0, half);
                let mut result = ZERO;
                for lane in 0..32 {
                    let $a = f64::from_bits(wide[lane]);
                    result.0[lane] = $e;
                }
                x.wave.write(op, half, &result);
            }
            Step::Next
        }) as Handler
    };
}

/// A source of 32 bits, a result of 64.
macro_rules! widens {
    (|$a:ident| $e:expr) => {
        (|x: &mut Exec<'_>, op: &Op| {
            map_wide(x, op, |x, half| {
                x.wave.lanes_of(op, 0, half).0.map(|$a| {
                    let value: f64 = $e;
                    value.to_bits()
                })
            })
        }) as Handler
    };
}

fn fused(a: f64, b: f64, c: f64) -> f64 {
    let value = a.mul_add(b, c);
    if value.is_nan() && !c.is_nan() { made64(value, a, b) } else { value }
}

fn fraction(value: f64) -> f64 {
    if value.is_infinite() {
        return f64::from_bits(0x7ff8_0000_0000_0000);
    }
    let part = value - value.floor();
    if part >= 1.0 { 1_f64.next_down() } else { part }
}

/// `v_mad_u64_u32` and its kin: a product of 32-bit numbers and a sum of 64 bits, with a carry.
#[inline(always)]
fn product_and_sum(x: &mut Exec<'_>, op: &Op, f: impl Fn(u32, u32, u64) -> (u64, bool)) -> Step {
    let mut masks = [0; 2];
    for half in 0..x.wave.halves {
        let (a, b) = (x.wave.lanes_of(op, 0, half), x.wave.lanes_of(op, 1, half));
        let c = x.wave.read64(op, 2, half);
        let mut result = [0; 32];
        for lane in 0..32 {
            let (value, carry) = f(a.0[lane], b.0[lane], c[lane]);
            result[lane] = value;
            masks[half] |= u32::from(carry) << lane;
        }
        masks[half] &= x.wave.exec(half);
        x.wave.write64(op, half, &result);
    }
    x.wave.set_mask(usize::from(op.sdst), masks);
    Step::Next
}

fn scale(x: &mut Exec<'_>, op: &Op) -> Step {
    map_wide(x, op, |x, half| {
        let (value, exponent) = (x.wave.read64(op, 0, half), x.wave.lanes_of(op, 1, half));
        std::array::from_fn(|lane| {
            let value = quiet64(f64::from_bits(value[lane]));
            scale64(value, exponent.0[lane].cast_signed()).to_bits()
        })
    })
}

fn mantissa(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() { quiet64(value) } else { split64(value).0 }
}

fn exponent(value: f64) -> u32 {
    if value == 0.0 || !value.is_finite() { 0 } else { split64(value).1.cast_unsigned() }
}

/// Bits of 2/pi, 1201 of them, as the argument reduction of large angles takes them.
///
/// Source: "RDNA 2 ISA" (AMD), `V_TRIG_PREOP_F64`; the digits are those of 2/pi.
const TWO_OVER_PI: [u32; 38] = [
    0xa2f9_836e,
    0x4e44_1529,
    0xfc27_57d1,
    0xf534_ddc0,
    0xdb62_9599,
    0x3c43_9041,
    0xfe51_63ab,
    0xdebb_c561,
    0xb724_6e3a,
    0x424d_d2e0,
    0x0649_2eea,
    0x09d1_921c,
    0xfe1d_eb1c,
    0xb129_a73e,
    0xe882_35f5,
    0x2ebb_4484,
    0xe99c_7026,
    0xb45f_7e41,
    0x3991_d639,
    0x8353_39f4,
    0x9c84_5f8b,
    0xbdf9_283b,
    0x1ff8_97ff,
    0xde05_980f,
    0xef2f_118b,
    0x5a0a_6d1f,
    0x6d36_7ecf,
    0x27cb_09b7,
    0x4f46_3f66,
    0x9e5f_ea2d,
    0x7527_bac7,
    0xebe5_f17b,
    0x3d07_39f7,
    0x8a52_92ea,
    0x6bfb_5fb1,
    0x1f8d_5d08,
    0x5603_3046,
    // The last 17 bits that there are.
    0xfc7b_0000,
];

fn reduction(value: u64, segment: u32) -> u64 {
    let exponent = (value >> 52 & 0x7ff) as i32;
    let mut shift = (segment & 31) as i32 * 53;
    if exponent > 1077 {
        shift += exponent - 1077;
    }
    // 53 bits from there on.
    let bit = |at: i32| {
        let word = TWO_OVER_PI.get((at / 32) as usize).copied().unwrap_or(0);
        u64::from(word >> (31 - at % 32) & 1)
    };
    let bits = (shift..shift + 53).fold(0, |bits, at| bits << 1 | bit(at));
    let mut scale = -53 - shift;
    if exponent >= 1968 {
        scale += 128;
    }
    scale64(bits as f64, scale).to_bits()
}

/// Adds the instructions of 64 bits.
pub(super) fn add_to(table: &mut Table) {
    let rows: &[(&'static str, Handler)] = &[
        ("v_add_f64", doubles!(|a, b| made64(a + b, a, b))),
        ("v_mul_f64", doubles!(|a, b| made64(a * b, a, b))),
        ("v_min_f64", by_mode!(|IEEE| doubles!(|a, b| least64::<IEEE>(a, b)))),
        ("v_max_f64", by_mode!(|IEEE| doubles!(|a, b| greatest64::<IEEE>(a, b)))),
        ("v_fma_f64", doubles!(|a, b, c| fused(a, b, c))),
        ("v_trunc_f64", doubles!(|a| quiet64(a.trunc()))),
        ("v_ceil_f64", doubles!(|a| quiet64(a.ceil()))),
        ("v_floor_f64", doubles!(|a| quiet64(a.floor()))),
        ("v_rndne_f64", doubles!(|a| quiet64(a.round_ties_even()))),
        ("v_fract_f64", doubles!(|a| fraction(a))),
        ("v_rcp_f64", doubles!(|a| quiet64(1.0 / a))),
        ("v_rsq_f64", doubles!(|a| made64(1.0 / a.sqrt(), a, a))),
        ("v_sqrt_f64", doubles!(|a| made64(a.sqrt(), a, a))),
        ("v_frexp_mant_f64", doubles!(|a| mantissa(a))),
    ];
    add(table, Number::F64, Number::F64, 0, rows);
    add(
        table,
        Number::F64,
        Number::F64,
        2,
        &[
            ("v_ldexp_f64", scale),
            ("v_trig_preop_f64", |x, op| {
                map_wide(x, op, |x, half| {
                    let (a, b) = (x.wave.read64(op, 0, half), x.wave.lanes_of(op, 1, half));
                    std::array::from_fn(|lane| reduction(a[lane], b.0[lane]))
                })
            }),
        ],
    );
    let bits: &[(&'static str, Handler)] = &[
        ("v_lshlrev_b64", shifts!(|by, value| value << by)),
        ("v_lshrrev_b64", shifts!(|by, value| value >> by)),
        ("v_ashrrev_i64", shifts!(|by, value| (value.cast_signed() >> by).cast_unsigned())),
        ("v_mad_u64_u32", |x, op| {
            product_and_sum(x, op, |a, b, c| (u64::from(a) * u64::from(b)).overflowing_add(c))
        }),
        ("v_mad_i64_i32", |x, op| {
            product_and_sum(x, op, |a, b, c| {
                let product = i64::from(a.cast_signed()) * i64::from(b.cast_signed());
                let sum = i128::from(product) + i128::from(c.cast_signed());
                // The mask of lanes is the 65th bit of the sum, which is its sign.
                (sum as u64, sum < 0)
            })
        }),
    ];
    add(table, Number::Bits, Number::Bits, 0, bits);
    let to_words: &[(&'static str, Handler)] = &[
        ("v_cvt_i32_f64", narrows!(|a| (a as i32).cast_unsigned())),
        ("v_cvt_u32_f64", narrows!(|a| a as u32)),
        ("v_frexp_exp_i32_f64", narrows!(|a| exponent(a))),
    ];
    add(table, Number::F64, Number::Bits, 0, to_words);
    add(
        table,
        Number::F64,
        Number::F32,
        0,
        &[("v_cvt_f32_f64", narrows!(|a| (a as f32).to_bits()))],
    );
    let from_words: &[(&'static str, Handler)] = &[
        ("v_cvt_f64_i32", widens!(|a| f64::from(a.cast_signed()))),
        ("v_cvt_f64_u32", widens!(|a| f64::from(a))),
    ];
    add(table, Number::Bits, Number::F64, 0, from_words);
    add(
        table,
        Number::F32,
        Number::F64,
        0,
        &[("v_cvt_f64_f32", widens!(|a| f64::from(f32::from_bits(a))))],
    );
}
