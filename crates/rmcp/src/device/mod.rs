//! Which device a PyTorch program should use, found out without risk to the program that asks.
//!
//! What is certain without running anything is said at once ([`Sight`]); all else is tried by a program in a process of
//! its own (`probe.py`), and kept ([`VerdictCache`]) for as long as what it rests on stays the same. Whatever is not
//! known to work is the processor.

mod candidates;
mod choice;
mod choose;
mod probe;
mod sight;
mod verdict;

pub use choice::{Basis, Choice, Outcome, Tried};
pub use choose::{DeviceError, Policy, Question, choose};
pub use sight::Sight;
pub use verdict::VerdictCache;
