//! Integers of every width.

use crate::compare::{N, compare};
use crate::support::Numbers;

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
