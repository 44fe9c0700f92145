//! Kernels compiled by clang, run here and computed again by Rust: each for gfx1010, for gfx1030, and for wavefronts
//! of 64 lanes.
#![allow(clippy::unwrap_used, reason = "tests")]

mod compare;
mod faults;
mod floats;
mod integers;
mod memory;
mod numbers;
#[path = "../support/mod.rs"]
mod support;
mod work_groups;
