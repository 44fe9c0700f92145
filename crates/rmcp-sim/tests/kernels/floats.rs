//! Floats of every width.

use crate::compare::{N, compare};
use crate::numbers::{
    half_of, random_doubles, random_floats, random_halves, same_double, same_float, same_half,
    value_of,
};

#[test]
fn floats() {
    for seed in 10..20 {
        let (a, b) = (random_floats(seed), random_floats(seed + 100));
        let expected = |at: usize| -> Vec<f32> {
            let (a, b) = (a[at], b[at]);
            let clamped = if (a + b).is_nan() { 1.0 } else { (a + b).clamp(0.0, 1.0) };
            let mut sorted = [a, b, 1.0];
            sorted.sort_by(f32::total_cmp);
            let median = if a.is_nan() || b.is_nan() { a.min(b).min(1.0) } else { sorted[1] };
            vec![
                a + b,
                a - b,
                a * b,
                a / b,
                a.sqrt(),
                a.mul_add(b, 1.5),
                larger(a, b),
                smaller(a, b),
                a.floor(),
                a.ceil(),
                a.trunc(),
                a.round_ties_even(),
                a.abs(),
                -a,
                if a < b { a } else { -b },
                (a as i32) as f32,
                (b as u32) as f32,
                a,
                (a as i64) as f32,
                median,
                a * 8.0,
                a.copysign(b),
                clamped,
                f32::from(u8::from(a.is_nan())),
                (a + b) * 2.0,
            ]
        };
        let checked = |at: usize| {
            let mut values = expected(at);
            // Conversions out of range are undefined to the compiler.
            let defined = |value: f32| value.abs() < 2_147_483_648.0;
            for (slot, ok) in
                [(15, defined(a[at])), (16, defined(b[at]) && b[at] > -1.0), (18, defined(a[at]))]
            {
                if !ok {
                    values[slot] = f32::from_bits(UNDEFINED);
                }
            }
            values
        };
        compare("floats", &a, &b, checked, |found, expected| {
            expected.to_bits() == UNDEFINED || same_float(found, expected)
        });
    }
}

const UNDEFINED: u32 = 0x7fad_beef;

fn larger(a: f32, b: f32) -> f32 {
    if a.is_nan() {
        b
    } else if b.is_nan() || a > b || (a == b && b.is_sign_negative()) {
        a
    } else {
        b
    }
}

fn smaller(a: f32, b: f32) -> f32 {
    if a.is_nan() {
        b
    } else if b.is_nan() || a < b || (a == b && a.is_sign_negative()) {
        a
    } else {
        b
    }
}

#[test]
fn doubles() {
    for seed in 30..40 {
        let (a, b) = (random_doubles(seed), random_doubles(seed + 100));
        let expected = |at: usize| -> Vec<f64> {
            let (a, b) = (a[at], b[at]);
            let max = if a.is_nan() {
                b
            } else if b.is_nan() || a > b || (a == b && b.is_sign_negative()) {
                a
            } else {
                b
            };
            let min = if a.is_nan() {
                b
            } else if b.is_nan() || a < b || (a == b && a.is_sign_negative()) {
                a
            } else {
                b
            };
            vec![
                a + b,
                a - b,
                a * b,
                a / b,
                a.sqrt(),
                a.mul_add(b, 1.5),
                max,
                min,
                a.floor(),
                a.round_ties_even(),
                f64::from(a as i32),
                f64::from(b as u32),
                (a as i64) as f64,
                f64::from(a as f32),
                if a < b { a } else { -b },
                a * 0.125,
                (b.abs() as u64) as f64,
            ]
        };
        let in_range = |value: f64| value.abs() < 2_147_483_000.0;
        let checked = |at: usize| {
            let mut values = expected(at);
            // Conversions out of range are undefined to the compiler.
            for (slot, source) in [(10, a[at]), (11, b[at]), (12, a[at]), (16, b[at])] {
                if !in_range(source) || (slot == 11 && source < 0.0) {
                    values[slot] = f64::from_bits(0x7ff0_dead_beef_0000);
                }
            }
            values
        };
        compare("doubles", &a, &b, checked, |found, expected| {
            expected.to_bits() == 0x7ff0_dead_beef_0000 || same_double(found, expected)
        });
    }
}

#[test]
fn halves() {
    for seed in 50..56 {
        let (a, b) = (random_halves(seed), random_halves(seed + 100));
        let expected = |at: usize| -> Vec<u16> {
            let (x, y) = (value_of(a[at]), value_of(b[at]));
            let short =
                if x.is_finite() && x.abs() < 32768.0 { half_of(x.trunc() + 0.0) } else { 0xdead };
            let product = ((x * y) as f32 + 0.25) as f64;
            vec![
                half_of(x + y),
                half_of(x - y),
                half_of(x * y),
                half_of(x * y + 1.5),
                a[at],
                if x < y { a[at] } else { b[at] ^ 0x8000 },
                short,
                half_of(product),
                half_of(x / y),
            ]
        };
        compare("halves", &a, &b, expected, |found, expected| {
            expected == 0xdead
                || same_half(found, expected)
                || (found & 0x7fff == 0 && expected & 0x7fff == 0)
        });
    }
}

#[test]
fn packed_halves() {
    let pack = |low: u16, high: u16| u32::from(low) | u32::from(high) << 16;
    for seed in 60..64 {
        let join = |seed| -> Vec<u32> {
            random_halves(seed)
                .into_iter()
                .zip(random_halves(seed + 7))
                .map(|(l, h)| pack(l, h))
                .collect()
        };
        let (a, b) = (join(seed), join(seed + 100));
        let expected = |at: usize| -> Vec<u32> {
            let [x, y, u, v] =
                [a[at] as u16, (a[at] >> 16) as u16, b[at] as u16, (b[at] >> 16) as u16]
                    .map(value_of);
            vec![
                pack(half_of(x + u), half_of(y + v)),
                pack(half_of(x * u), half_of(y * v)),
                pack(half_of(x * u + y), half_of(y * v + x)),
                pack(half_of(x - v), half_of(y - u)),
                pack(half_of(y * u), half_of(-u * v)),
            ]
        };
        compare("packed", &a, &b, expected, |found: u32, expected| {
            same_half(found as u16, expected as u16)
                && same_half((found >> 16) as u16, (expected >> 16) as u16)
        });
    }
}

#[test]
fn mixed_floats() {
    let (a, b) = (random_halves(70), random_halves(71));
    let single = |half: u16| value_of(half) as f32;
    let expected = |at: usize| {
        vec![(0..4).fold(0.5_f32, |sum, k| {
            single(a[(at + k) % N]).mul_add(single(b[(at + 2 * k) % N]), sum)
        })]
    };
    compare("mixed", &a, &b, expected, same_float);
}
