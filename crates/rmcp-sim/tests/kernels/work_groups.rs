//! Work-items of a group and lanes of a wavefront together.

use crate::compare::{GRID, GROUP, N, cards};
use crate::numbers::{random_floats, same_float};
use crate::support::Argument::{Address, Word};
use crate::support::Numbers;

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
