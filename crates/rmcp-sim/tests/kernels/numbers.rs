//! Numbers that kernels are given, special ones among them, and when two are the same.

use crate::compare::N;
use crate::support::Numbers;

pub(crate) fn same_float(a: f32, b: f32) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

pub(crate) fn same_double(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

pub(crate) fn random_floats(seed: u64) -> Vec<f32> {
    let special = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        1.5,
        2.5,
        -2.5,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        f32::MIN_POSITIVE,
        f32::MAX,
        f32::MIN,
        1e-40,
        -3e-42,
        f32::from_bits(1),
        1e-38,
        8_388_609.0,
        2_147_483_648.0,
        -2_147_483_648.0,
        4_294_967_296.0,
        1e30,
        1e-30,
        1.8e38,
        1.2e-38,
    ];
    let mut numbers = Numbers(seed);
    (0..N)
        .map(|at| match at % 4 {
            0 => special[(numbers.next() % special.len() as u64) as usize],
            1 => f32::from_bits(numbers.next() as u32),
            2 => (numbers.next() as i32) as f32 / 65536.0,
            _ => (numbers.next() % 4096) as f32 / 16.0 - 128.0,
        })
        .collect()
}

pub(crate) fn random_doubles(seed: u64) -> Vec<f64> {
    let special = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        2.5,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        f64::MAX,
        f64::MIN_POSITIVE,
        5e-324,
        1e-310,
        1e300,
        1e-300,
        4_503_599_627_370_497.5,
        8e307,
        2.3e-308,
    ];
    let mut numbers = Numbers(seed);
    (0..N)
        .map(|at| match at % 4 {
            0 => special[(numbers.next() % special.len() as u64) as usize],
            1 => f64::from_bits(numbers.next()),
            _ => (numbers.next() as i64) as f64 / 4_294_967_296.0 / 1024.0,
        })
        .collect()
}

/// A 16-bit float by its definition.
pub(crate) fn value_of(half: u16) -> f64 {
    let (sign, exponent, fraction) =
        (half >> 15, i32::from(half >> 10 & 31), f64::from(half & 1023));
    let magnitude = match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2_f64.powi(exponent - 15),
    };
    if sign == 1 { -magnitude } else { magnitude }
}

/// The nearest 16-bit float, looked for among all of them.
pub(crate) fn half_of(value: f64) -> u16 {
    if value.is_nan() {
        return 0x7e00;
    }
    let sign = if value.is_sign_negative() { 0x8000 } else { 0 };
    let magnitude = value.abs();
    let (mut low, mut high) = (0_u16, 0x7c00);
    while high - low > 1 {
        let middle = (low + high) / 2;
        if value_of(middle) <= magnitude { low = middle } else { high = middle }
    }
    let above = if high == 0x7c00 { 65536.0 } else { value_of(high) };
    let (down, up) = (magnitude - value_of(low), above - magnitude);
    let nearest = if down < up || (down == up && low & 1 == 0) { low } else { high };
    sign | nearest
}

pub(crate) fn same_half(found: u16, expected: u16) -> bool {
    found == expected || (value_of(found).is_nan() && value_of(expected).is_nan())
}

pub(crate) fn random_halves(seed: u64) -> Vec<u16> {
    let mut numbers = Numbers(seed);
    let special =
        [0, 0x8000, 0x3c00, 0xbc00, 0x7c00, 0xfc00, 0x7e00, 1, 0x3ff, 0x400, 0x7bff, 0x3800];
    (0..N)
        .map(|at| match at % 3 {
            0 => special[(numbers.next() % special.len() as u64) as usize],
            1 => numbers.next() as u16,
            _ => half_of((numbers.next() % 2048) as f64 / 32.0 - 32.0),
        })
        .collect()
}
