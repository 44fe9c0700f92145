//! Any instruction, on any state.

use super::bench::bench_of;
use crate::exec::lower::lower;
use crate::exec::wave::{EXEC, M0};
use rmcp_code::isa::{Isa, Target, Wave as Size};

#[test]
fn no_instruction_panics() {
    use rmcp_code::isa::format::Format;
    let mut state = 7_u64;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state ^ state >> 31
    };
    let mut ran = 0;
    for (target, size) in [
        (Target::Gfx1010, Size::Wave32),
        (Target::Gfx1030, Size::Wave32),
        (Target::Gfx1030, Size::Wave64),
    ] {
        let mut b = bench_of(target, size);
        for round in 0..400_000 {
            if round % 50 == 0 {
                b.x.wave.vectors.iter_mut().for_each(|lanes| {
                    lanes.0.iter_mut().for_each(|lane| *lane = next() as u32 >> (next() % 32));
                });
                for at in 0..124 {
                    b.x.wave.set(at, next() as u32 >> (next() % 32));
                }
                b.s(M0, (next() % 8) as u32).s(EXEC, next() as u32 | 1);
            }
            let (mask, value) =
                Format::ALL[(next() % Format::ALL.len() as u64) as usize].signature();
            // Registers that are there, mostly.
            let word = next() & !mask & 0x3fff_ff3f_ffff_ff3f | value;
            let words = [word as u32, (word >> 32) as u32, next() as u32, 0, 0];
            let Ok(instruction) = Isa::of(target).decode(&words) else { continue };
            let Ok(op) = lower(&instruction, size, 64) else { continue };
            ran += 1;
            let _ = (op.run)(&mut b.x, &op);
            b.x.fault = None;
            assert_eq!(b.x.wave.scalars[125], 0, "{}", instruction.text(size));
        }
    }
    assert!(ran > 50_000, "only {ran} were instructions");
}
