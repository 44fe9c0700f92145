//! The interpreter: runs one dispatch of RDNA1 or RDNA2 code on the processor.
//!
//! Designed for 20 million instructions of a wavefront in a second on one core: an instruction is decoded once
//! for each address, becomes a function pointer with resolved operands ([`op::Op`]), and works on arrays of 32
//! lanes that the compiler turns into vector code. A wavefront of 64 lanes is two such halves.
//!
//! Hazards of gfx10.1 are looked for where a dispatch asks for it ([`Strict`]), in a loop of their own.
//!
//! What a target lacks is [`FaultKind::Illegal`], what is missing here is [`FaultKind::Unimplemented`]; no
//! instruction is passed over in silence.

#![allow(clippy::needless_range_loop, reason = "a lane is an index of several arrays")]

mod atomic;
mod buffer;
mod code;
mod control;
mod device;
mod exec_state;
mod fault;
mod flat;
mod launch;
mod lds;
mod lower;
mod memory;
mod mode;
mod number;
mod op;
mod scalar;
mod schedule;
mod smem;
mod strict;
mod vector;
mod wave;

#[cfg(test)]
mod tests;

pub use device::Device;
pub use fault::{Fault, FaultKind};
pub use launch::{Launch, Scratch};
pub use lower::check;
pub use memory::{Memory, Range};
pub use schedule::{Counters, run};
pub use strict::{Hazard, Strict};
