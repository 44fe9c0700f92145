//! Kernels of two sources, on each card, beside what Rust computes.

use crate::support::Argument::{Address, Word};
use crate::support::{Card, Plain};
use rmcp_code::isa::Target;
use std::fmt::Debug;

pub(crate) const N: usize = 256;
pub(crate) const GRID: [u32; 3] = [N as u32, 1, 1];
pub(crate) const GROUP: [u32; 3] = [64, 1, 1];

/// The cards on which each kernel runs, and their lanes.
pub(crate) fn cards() -> Vec<(Card, usize)> {
    vec![
        (Card::new(Target::Gfx1010, "gfx1010"), 32),
        (Card::new(Target::Gfx1030, "gfx1030"), 32),
        (Card::new(Target::Gfx1030, "gfx1030-wave64"), 64),
    ]
}

/// Runs a kernel of two sources and compares each of its results.
pub(crate) fn compare<T: Plain, R: Plain + Debug>(
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
