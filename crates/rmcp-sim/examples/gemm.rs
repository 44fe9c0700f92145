//! Prints how many instructions of a wavefront run in a second: a product of matrices of 256 x 256 in tiles, on one
//! thread. `cargo run --release -p rmcp-sim --example gemm [gfx1010|gfx1030|gfx1030-wave64] [threads]`
#![allow(clippy::unwrap_used, reason = "a benchmark stops where something is wrong")]
#![allow(clippy::print_stdout, reason = "that is what it is for")]

#[path = "../tests/support/mod.rs"]
mod support;

use rmcp_code::isa::Target;
use std::time::Instant;
use support::Argument::{Address, Word};
use support::Card;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let object = arguments.next().unwrap_or_else(|| "gfx1030".to_owned());
    let threads = arguments.next().map_or(1, |threads| threads.parse().unwrap());
    let target = if object.starts_with("gfx101") { Target::Gfx1010 } else { Target::Gfx1030 };
    let mut card = Card::new(target, &object);
    card.device.threads = threads;
    let n = 256_u32;
    let values: Vec<f32> = (0..n * n).map(|at| (at % 13) as f32).collect();
    let (a, b) = (card.put(&values), card.put(&values));
    let to = card.put(&vec![0.0_f32; values.len()]);
    for _ in 0..5 {
        let begin = Instant::now();
        let arguments = [Address(a), Address(b), Address(to), Word(n)];
        let counters = card.run("gemm", [n, n, 1], [16, 16, 1], &arguments).unwrap();
        let seconds = begin.elapsed().as_secs_f64();
        let rate = counters.wave_instructions as f64 / seconds / 1e6;
        println!(
            "{} instructions in {seconds:.3} s: {rate:.1} million a second",
            counters.wave_instructions
        );
    }
}
