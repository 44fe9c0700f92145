//! Memory of every kind, and functions that reach it.

use crate::compare::{GRID, GROUP, N, cards};
use crate::support::Argument::{Address, Word};
use crate::support::Card;
use rmcp_code::isa::Target;

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
