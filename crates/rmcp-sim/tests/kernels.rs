//! Kernels compiled by clang, run here and computed again by Rust: each for gfx1010, for gfx1030, and for wavefronts
//! of 64 lanes.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use rmcp_code::isa::Target;
use rmcp_sim::exec::FaultKind;
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use support::Argument::{Address, Word};
use support::{Card, Numbers, Plain};

const N: usize = 256;
const GRID: [u32; 3] = [N as u32, 1, 1];
const GROUP: [u32; 3] = [64, 1, 1];

/// The cards on which each kernel runs, and their lanes.
fn cards() -> Vec<(Card, usize)> {
    vec![
        (Card::new(Target::Gfx1010, "gfx1010"), 32),
        (Card::new(Target::Gfx1030, "gfx1030"), 32),
        (Card::new(Target::Gfx1030, "gfx1030-wave64"), 64),
    ]
}

/// Runs a kernel of two sources and compares each of its results.
fn compare<T: Plain, R: Plain + Debug>(
    kernel: &str,
    a: &[T],
    b: &[T],
    expected: impl Fn(usize) -> Vec<R>,
    same: impl Fn(R, R) -> bool,
) {
    let slots = expected(0).len();
    for (mut card, lanes) in cards() {
        let (from, other) = (card.put(a), card.put(b));
        let to = card.put(&vec![0_u8; slots * N * size_of::<R>()]);
        let arguments = [Address(from), Address(other), Address(to), Word(N as u32)];
        card.run(kernel, GRID, GROUP, &arguments).unwrap();
        let found: Vec<R> = card.get(to, slots * N);
        for at in 0..N {
            for (slot, expected) in expected(at).into_iter().enumerate() {
                let found = found[slot * N + at];
                assert!(
                    same(found, expected),
                    "{kernel}, {:?} wave{lanes}: result {slot} of work-item {at}: {found:?}, expected {expected:?}",
                    card.device.target,
                );
            }
        }
    }
}

fn same_float(a: f32, b: f32) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

fn same_double(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

fn random_floats(seed: u64) -> Vec<f32> {
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

fn random_doubles(seed: u64) -> Vec<f64> {
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

#[test]
fn vectors_are_added_up_to_a_ragged_edge() {
    let (a, b) = (random_floats(1), random_floats(2));
    for (mut card, _) in cards() {
        let (from, other) = (card.put(&a), card.put(&b));
        let to = card.put(&vec![7.0_f32; N]);
        let count = 201;
        let grid = [count, 1, 1];
        let arguments = [Address(from), Address(other), Address(to), Word(count)];
        let counters = card.run("add", grid, GROUP, &arguments).unwrap();
        assert_eq!(counters.workgroups, 4);
        for (at, sum) in card.get::<f32>(to, N).into_iter().enumerate() {
            let expected = if at < count as usize { a[at] + b[at] } else { 7.0 };
            assert!(same_float(sum, expected), "{at}: {sum} is not {expected}");
        }
    }
}

#[test]
fn work_items_know_where_they_are() {
    for (mut card, _) in cards() {
        let (width, height, depth) = (10, 7, 5);
        let to = card.put(&vec![0_u32; width * height * depth]);
        let arguments =
            [Address(to), Word(width as u32), Word(height as u32), Word(4), Word(4), Word(3)];
        let grid = [width as u32, height as u32, depth as u32];
        card.run("where", grid, [4, 4, 3], &arguments).unwrap();
        for (at, found) in card.get::<u32>(to, width * height * depth).into_iter().enumerate() {
            let (x, y, z) = (at % width, at / width % height, at / width / height);
            assert_eq!(found as usize, x | y << 8 | z << 16);
        }
    }
}

#[test]
fn matrices_are_multiplied_in_tiles() {
    let n = 48;
    let mut numbers = Numbers(3);
    let mut matrix =
        || -> Vec<f32> { (0..n * n).map(|_| (numbers.next() % 64) as f32 / 8.0 - 4.0).collect() };
    let (a, b) = (matrix(), matrix());
    for (mut card, _) in cards() {
        let (left, right) = (card.put(&a), card.put(&b));
        let to = card.put(&vec![0.0_f32; n * n]);
        let arguments = [Address(left), Address(right), Address(to), Word(n as u32)];
        card.run("gemm", [n as u32, n as u32, 1], [16, 16, 1], &arguments).unwrap();
        let product = card.get::<f32>(to, n * n);
        for row in 0..n {
            for column in 0..n {
                let sum: f32 = (0..n).map(|k| a[row * n + k] * b[k * n + column]).sum();
                assert_eq!(product[row * n + column], sum);
            }
        }
    }
}

#[test]
fn sums_are_reduced_in_lds() {
    let length = 1000;
    let values: Vec<f32> = (0..3 * length).map(|at| (at % 17) as f32).collect();
    for (mut card, _) in cards() {
        let (from, to) = (card.put(&values), card.put(&[0.0_f32; 3]));
        let arguments = [Address(from), Address(to), Word(length as u32)];
        card.run("reduce", [768, 1, 1], [256, 1, 1], &arguments).unwrap();
        let sums = card.get::<f32>(to, 3);
        for (group, sum) in sums.into_iter().enumerate() {
            let own = &values[group * length..(group + 1) * length];
            assert_eq!(sum, own.iter().sum::<f32>());
        }
    }
}

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

/// A 16-bit float by its definition.
fn value_of(half: u16) -> f64 {
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
fn half_of(value: f64) -> u16 {
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

fn same_half(found: u16, expected: u16) -> bool {
    found == expected || (value_of(found).is_nan() && value_of(expected).is_nan())
}

fn random_halves(seed: u64) -> Vec<u16> {
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

#[test]
fn integers() {
    for seed in 80..84 {
        let mut numbers = Numbers(seed);
        let mut some = |least: u32| -> Vec<u32> {
            (0..N)
                .map(|at| match at % 3 {
                    0 => (numbers.next() % 100) as u32 + least,
                    1 => (numbers.next() as u32 | 1).rotate_left(at as u32),
                    _ => numbers.next() as u32 >> (at % 31) | least,
                })
                .collect()
        };
        let (a, b) = (some(0), some(1));
        let expected = |at: usize| -> Vec<u32> {
            let (a, b) = (a[at], b[at]);
            let (i, j) = (a as i32, b as i32);
            vec![
                a.wrapping_add(b),
                a.wrapping_sub(b),
                a.wrapping_mul(b),
                a / b,
                a % b,
                i.wrapping_div(j) as u32,
                i.wrapping_rem(j) as u32,
                ((u64::from(a) * u64::from(b)) >> 32) as u32,
                ((i64::from(i) * i64::from(j)) >> 32) as u32,
                a << (b & 31),
                a >> (b & 31),
                (i >> (j & 31)) as u32,
                a.count_ones(),
                if a == 0 { 99 } else { a.leading_zeros() },
                if a == 0 { 99 } else { a.trailing_zeros() },
                a.reverse_bits(),
                a.swap_bytes(),
                a.max(b),
                i.max(j) as u32,
                i.min(j) as u32,
                (a >> 5) & 0x7ff,
                ((i << 7) >> 20) as u32,
                a.rotate_left(13),
                (i32::from(a as i8) as u32).wrapping_add(i32::from(b as i16) as u32),
                a & b | !a & 0x12345,
                a.saturating_add(b),
                i.saturating_sub(j) as u32,
                (a & 0xff_ffff).wrapping_mul(b & 0xff_ffff).wrapping_add(at as u32),
            ]
        };
        compare("integers", &a, &b, expected, |found, expected| found == expected);
    }
}

#[test]
fn long_integers() {
    let mut numbers = Numbers(90);
    let mut some =
        || -> Vec<u64> { (0..N).map(|at| numbers.next() >> (at * 7 % 63) | 1).collect() };
    let (a, b) = (some(), some());
    let expected = |at: usize| -> Vec<u64> {
        let (a, b) = (a[at], b[at]);
        let (i, j) = (a as i64, b as i64);
        vec![
            a.wrapping_add(b),
            a.wrapping_sub(b),
            a.wrapping_mul(b),
            a / b,
            i.wrapping_rem(j) as u64,
            a << (b & 63),
            a >> (b & 63),
            (i >> (j & 63)) as u64,
            a.min(b),
            i.min(j) as u64,
            u64::from(a.count_ones()),
            // A `long long` of OpenCL has 128 bits.
            64 + u64::from((a | 1).leading_zeros()),
            u64::from(a as u32).wrapping_mul(u64::from(b as u32)).wrapping_add(a),
        ]
    };
    compare("longs", &a, &b, expected, |found, expected| found == expected);
}

#[test]
fn short_integers() {
    let mut numbers = Numbers(95);
    let mut some = || -> Vec<u32> { (0..N).map(|_| numbers.next() as u32).collect() };
    let (a, b) = (some(), some());
    let expected = |at: usize| -> Vec<u32> {
        let both = |f: fn(u16, u16) -> u16| {
            let (a, b) = (a[at], b[at]);
            u32::from(f(a as u16, b as u16))
                | u32::from(f((a >> 16) as u16, (b >> 16) as u16)) << 16
        };
        let (ax, ay, bx, by) =
            (a[at] as u16, (a[at] >> 16) as u16, b[at] as u16, (b[at] >> 16) as u16);
        vec![
            both(u16::wrapping_add),
            both(u16::wrapping_sub),
            both(u16::wrapping_mul),
            both(|a, b| a.wrapping_mul(b).wrapping_add(a)),
            both(|a, b| a << (b & 15)),
            both(|a, b| a >> (b & 15)),
            both(|a, b| ((a as i16) >> (b & 15)) as u16),
            both(u16::max),
            both(|a, b| (a as i16).min(b as i16) as u16),
            u32::from(ax.wrapping_add(by)) | u32::from(ay.wrapping_mul(bx)) << 16,
        ]
    };
    compare("shorts", &a, &b, expected, |found, expected| found == expected);
}

#[test]
fn bytes_are_multiplied_and_summed() {
    let mut numbers = Numbers(97);
    let mut some = || -> Vec<i8> { (0..16 * N).map(|_| numbers.next() as i8).collect() };
    let (a, b) = (some(), some());
    let expected = |at: usize| -> Vec<i32> {
        vec![(0..16).map(|k| i32::from(a[at * 16 + k]) * i32::from(b[at * 16 + k])).sum()]
    };
    compare("bytes", &a, &b, expected, |found, expected| found == expected);
}

#[test]
fn a_flat_offset_is_lost_on_gfx1010_where_the_address_is_global() {
    let pairs: Vec<f32> = (0..128).map(|at| at as f32 + 1000.0).collect();
    let which = 0x0f0f_3355_u32;
    let found = |target, object| {
        let mut card = Card::new(target, object);
        let (there, to) = (card.put(&pairs), card.put(&[0.0_f32; 64]));
        let arguments = [Address(there), Address(to), Word(which)];
        card.run("either", [64, 1, 1], GROUP, &arguments).unwrap();
        card.get::<f32>(to, 64)
    };
    let expected = |field: usize| -> Vec<f32> {
        let one =
            |at: usize| if which >> (at & 31) & 1 != 0 { pairs[2 * at + field] } else { at as f32 };
        (0..64).map(one).collect()
    };
    assert_eq!(found(Target::Gfx1030, "gfx1030"), expected(1));
    assert_eq!(found(Target::Gfx1030, "gfx1030-wave64"), expected(1));
    // What is compiled for gfx1010 has no such offset; what is compiled for gfx1030 reads the wrong field there.
    assert_eq!(found(Target::Gfx1010, "gfx1010"), expected(1));
    assert_eq!(found(Target::Gfx1010, "gfx1030"), expected(0));
}

#[test]
fn private_memory_is_indexed() {
    let values: Vec<u32> = (0..N as u32).map(|at| at * 37 % 101).collect();
    for (mut card, _) in cards() {
        let (from, to) = (card.put(&values), card.put(&[0_u32; N]));
        card.run("stack", GRID, GROUP, &[Address(from), Address(to)]).unwrap();
        for (at, found) in card.get::<u32>(to, N).into_iter().enumerate() {
            let (own, x) = (values[at], at as u32 % 64);
            let mut array: Vec<u32> = (0..20).map(|k| own * k + x).collect();
            let mut sum = 0_u32;
            for k in 0..8 {
                array[((own + 3 * k) % 20) as usize] += k;
                sum = sum.wrapping_mul(31).wrapping_add(array[((own * 7 + k) % 20) as usize]);
            }
            assert_eq!(found, sum, "{at}");
        }
    }
}

#[test]
fn functions_reach_private_memory_by_flat_addresses() {
    let values: Vec<u32> = (0..N as u32).map(|at| at * 31 % 97).collect();
    for (mut card, _) in cards() {
        let (from, to) = (card.put(&values), card.put(&[0_u32; N]));
        card.run("called", GRID, GROUP, &[Address(from), Address(to)]).unwrap();
        for (at, found) in card.get::<u32>(to, N).into_iter().enumerate() {
            let mut bytes: Vec<u8> = (0..16).map(|k| (k + at % 64) as u8).collect();
            for k in 0..5 {
                let index = values[at] + k;
                let one = &mut bytes[index as usize % 13];
                *one = one.wrapping_add(3);
                let short = u16::from_le_bytes([bytes[14], bytes[15]]).wrapping_add(index as u16);
                bytes[14..].copy_from_slice(&short.to_le_bytes());
            }
            let sum = bytes
                .iter()
                .fold(0_u32, |sum, &byte| sum.wrapping_mul(7).wrapping_add(byte.into()));
            assert_eq!(found, sum, "{at}");
        }
    }
}

#[test]
fn functions_call_themselves() {
    for (mut card, _) in cards() {
        let to = card.put(&[0_u32; N]);
        card.run("recursive", GRID, GROUP, &[Address(to)]).unwrap();
        let expected = [0, 1, 1, 2, 3, 5, 8, 13, 21];
        for (at, found) in card.get::<u32>(to, N).into_iter().enumerate() {
            assert_eq!(found, expected[at % 9]);
        }
    }
}

#[test]
fn atomics_lose_nothing() {
    for (mut card, _) in cards() {
        let counters = card.put(&[0_u32; 64 + N]);
        let (wide, most) = (card.put(&[0_u64; 1]), card.put(&[0.0_f32; 1]));
        card.run("atomics", GRID, GROUP, &[Address(counters), Address(wide), Address(most)])
            .unwrap();
        let found = card.get::<u32>(counters, 64 + N);
        assert_eq!(found[0], 4 * (1..=64).sum::<u32>());
        assert_eq!(found[1], N as u32 - 1);
        assert_eq!(found[2], u32::MAX);
        assert_eq!(found[3], N as u32);
        let mut seen = found[64..].to_vec();
        seen.sort_unstable();
        assert_eq!(seen, (0..N as u32).collect::<Vec<_>>());
        let steps = (0..N).fold(0_u32, |value, _| value.wrapping_mul(3).wrapping_add(1));
        assert_eq!(found[4], steps);
        for group in 0..4 {
            assert_eq!(found[5 + 2 * group], (0..64).sum::<u32>());
            assert_eq!(found[6 + 2 * group], group as u32 * 64);
        }
        assert_eq!(card.get::<u64>(wide, 1), [(4 * (0..64).sum::<u64>()) << 32]);
    }
}

#[test]
fn lanes_speak_to_each_other() {
    let mut numbers = Numbers(110);
    let values: Vec<u32> = (0..N).map(|_| numbers.next() as u32 & 0xffff_fffe | 1).collect();
    let mut values = values;
    values.iter_mut().step_by(3).for_each(|value| *value &= !1);
    for (mut card, lanes) in cards() {
        let slots = 19;
        let (from, to) = (card.put(&values), card.put(&vec![0_u32; slots * N]));
        card.run("lanes", GRID, GROUP, &[Address(from), Address(to), Word(N as u32)]).unwrap();
        let found = card.get::<u32>(to, slots * N);
        for at in 0..N {
            let (first, lane) = (at / lanes * lanes, at % lanes);
            let (row, in_row) = (at & !15, at & 15);
            let group = at & !63;
            let of = |at: usize| values[at];
            let half = at & !31;
            let reversed_nibbles = |sel: u64| (sel >> (4 * in_row) & 15) as usize;
            let expected = [
                lane as u32,
                of(first),
                of(first + 5),
                of(half | ((at % 64) ^ 7) & 31),
                of(half | ((at % 64) ^ 9) & 31),
                of(at & !3 | (3 - (at & 3))),
                if in_row >= 1 { of(at - 1) } else { 77 },
                if in_row + 3 < 16 { of(at + 3) } else { 0 },
                // Rows 0 and 2 of the wavefront.
                if (at - first) / 16 % 2 == 0 { of(row | ((in_row + 12) % 16)) } else { 77 },
                if matches!(in_row / 4, 1 | 2) { of(row | (15 - in_row)) } else { 77 },
                of(row | in_row & 8 | (7 - (in_row & 7))),
                of(row | 3),
                of(row | (in_row ^ 6)),
                of(at & !7 | (0x05_3977 >> (3 * (at & 7)) & 7)),
                of(row | reversed_nibbles(0xfedc_ba98_7654_3210)),
                of((row ^ 16) | reversed_nibbles(0x89ab_cdef_0123_4567)),
                of(at ^ 1),
                of(at & !3 | 0xb1 >> (2 * (at & 3)) & 3),
            ];
            for (slot, expected) in expected.into_iter().enumerate() {
                assert_eq!(
                    found[slot * N + at],
                    expected,
                    "wave{lanes}, result {slot}, work-item {at}"
                );
            }
            let odd = |at: usize| values[at] & 1 == 1;
            let leader = (first..first + lanes).find(|&at| odd(at)).unwrap();
            let partner = half | ((at % 64) ^ 1) & 31;
            let last = match (odd(at), odd(partner)) {
                (false, _) => 12345,
                (true, false) => of(leader),
                (true, true) => of(leader).wrapping_add(of(partner)),
            };
            assert_eq!(found[18 * N + at], last, "wave{lanes}, work-item {at} of {group}");
        }
    }
}

#[test]
fn every_width_is_loaded_and_stored() {
    let bytes: Vec<u8> = (0..N * 32).map(|at| (at * 7 + at / 256) as u8).collect();
    for (mut card, _) in cards() {
        let (from, to) = (card.put(&bytes), card.put(&vec![0_u8; N * 32]));
        card.run("widths", GRID, GROUP, &[Address(from), Address(to)]).unwrap();
        for (own, out) in bytes.chunks(32).zip(card.get::<u8>(to, N * 32).chunks(32)) {
            let mut expected = [0; 32];
            expected[0] = own[1];
            expected[2..4].copy_from_slice(&own[4..6]);
            expected[4..8].copy_from_slice(&i32::from(own[7] as i8).to_le_bytes());
            let short = i16::from_le_bytes([own[8], own[9]]);
            expected[8..12].copy_from_slice(&i32::from(short).to_le_bytes());
            expected[12..20].copy_from_slice(&own[13..21]);
            assert_eq!(out, expected);
        }
    }
}

#[test]
fn lanes_end_at_different_times() {
    let values: Vec<u32> = (1..=N as u32).collect();
    for (mut card, _) in cards() {
        let (from, to) = (card.put(&values), card.put(&[0_u32; N]));
        card.run("collatz", GRID, GROUP, &[Address(from), Address(to)]).unwrap();
        for (value, found) in values.iter().zip(card.get::<u32>(to, N)) {
            let (mut value, mut steps) = (*value, 0);
            while value != 1 {
                value = if value % 2 == 0 { value / 2 } else { 3 * value + 1 };
                steps += 1;
            }
            assert_eq!(found, steps);
        }
    }
}

#[test]
fn work_groups_wait_for_each_other_in_either_order() {
    for (mut card, _) in cards() {
        let groups = 20;
        let (flags, to) = (card.put(&vec![0_u32; groups]), card.put(&vec![0_u32; groups]));
        let grid = [64 * groups as u32, 1, 1];
        card.run("chain", grid, GROUP, &[Address(flags), Address(to)]).unwrap();
        let expected: Vec<u32> = (0..groups as u32).map(|group| group * (group + 1) / 2).collect();
        assert_eq!(card.get::<u32>(to, groups), expected);
        let flags = card.put(&vec![0_u32; groups]);
        card.run("backward", grid, GROUP, &[Address(flags), Word(groups as u32 - 1)]).unwrap();
        assert_eq!(card.get::<u32>(flags, groups), (1..=groups as u32).collect::<Vec<_>>());
    }
}

#[test]
fn a_trap_says_where() {
    for (mut card, _) in cards() {
        let to = card.put(&[0_u32; N]);
        let queue = card.put(&[0_u8; 256]);
        let _ = queue;
        let fault = card.run("traps", GRID, GROUP, &[Address(to), Word(130)]).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Trap(2), "{fault}");
        assert_eq!(fault.group, [2, 0, 0]);
        assert!(fault.text.starts_with("s_trap 2"), "{fault}");
    }
}

#[test]
fn buffers_end_at_their_last_byte() {
    let values: Vec<u32> = (0..N as u32).map(|at| at * 3).collect();
    for (mut card, _) in cards() {
        let (from, to) = (card.put(&values), card.put(&[9_u32; N]));
        let bytes = 4 * 100;
        card.run("buffers", GRID, GROUP, &[Address(from), Address(to), Word(bytes)]).unwrap();
        for (at, found) in card.get::<u32>(to, N).into_iter().enumerate() {
            let loaded = if at + 2 < 100 { values[at + 2] } else { 0 };
            assert_eq!(found, if at < 100 { loaded + 1 } else { 9 }, "{at}");
        }
    }
}

#[test]
fn faults_name_the_address() {
    for (mut card, _) in cards() {
        let good = card.put(&[0.0_f32; N]);
        let end = good + 4 * N as u64;
        let mut add = |a: u64, b: u64, c: u64| {
            let arguments = [Address(a), Address(b), Address(c), Word(N as u32)];
            card.run("add", GRID, GROUP, &arguments).unwrap_err()
        };
        let fault = add(good + 4 * 60, good, good);
        assert_eq!(fault.kind, FaultKind::PageFault { va: end, write: false }, "{fault}");
        assert_eq!(fault.group, [3, 0, 0]);
        assert!(fault.text.starts_with("global_load_dword"), "{fault}");
        let fault = add(good, good, good + 4 * 60);
        assert_eq!(fault.kind, FaultKind::PageFault { va: end, write: true });
        let fault = add(5 << 48, good, good);
        assert_eq!(fault.kind, FaultKind::Aperture { va: 5 << 48 });
        let constant = card.memory.add(4 * N, false, false);
        let arguments = [Address(good), Address(good), Address(constant), Word(N as u32)];
        let fault = card.run("add", GRID, GROUP, &arguments).unwrap_err();
        assert!(matches!(fault.kind, FaultKind::ReadOnly { .. }), "{fault}");
    }
}

#[test]
fn what_a_target_lacks_is_illegal() {
    let mut card = Card::new(Target::Gfx1010, "gfx1030");
    let from = card.put(&vec![1_u8; 16 * N]);
    let to = card.put(&[0_i32; N]);
    let arguments = [Address(from), Address(from), Address(to), Word(N as u32)];
    let fault = card.run("bytes", GRID, GROUP, &arguments).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Illegal, "{fault}");
}

#[test]
fn a_dispatch_that_never_ends_is_stopped() {
    for (mut card, _) in cards() {
        let stop: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
        card.stop = Some(stop);
        let flags = card.put(&[0_u32; 16]);
        // Each waits for the one behind it, and the last for one that there is not.
        let clock = std::thread::spawn(|| {
            std::thread::sleep(Duration::from_millis(50));
            stop.store(true, Relaxed);
        });
        let fault = card.run("backward", GRID, GROUP, &[Address(flags), Word(9)]).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Cancelled, "{fault}");
        clock.join().unwrap();
    }
}

#[test]
fn impossible_dispatches_are_refused() {
    let mut card = Card::new(Target::Gfx1030, "gfx1030");
    let to = card.put(&[0_u32; N]);
    let fault = card.run("recursive", GRID, [0, 1, 1], &[Address(to)]).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Dispatch);
    let fault = card.run("recursive", GRID, [64, 64, 1], &[Address(to)]).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Dispatch);
    // Nothing to do.
    let counters = card.run("recursive", [0, 1, 1], GROUP, &[Address(to)]).unwrap();
    assert_eq!(counters.waves, 0);
}
