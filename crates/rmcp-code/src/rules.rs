//! What can go wrong when code built for one target runs on another.
//!
//! A rule says what to look for, how certain its harm is, and who says so ([`Rule`]). [`judge`] applies all of
//! them to the kernels of a code object. Hazards are what LLVM's hazard recogniser would find when it builds for
//! the target: over all paths of a function, and like there not across its border. Calls are followed
//! otherwise: a kernel is charged with every hit in every function that it can reach.
//!
//! [`Path`] applies them to the instructions that one wavefront really executes, one after the other.
//!
//! That a rule hits means that LLVM would have inserted a workaround, or that the instruction is not there. It
//! does not mean that the kernel fails: nobody has measured that on hardware.
//!
//! Bound: everything together, decoding with it, is designed to take less than a fiftieth of the time of
//! `llvm-objdump -d` on one thread (`cargo xtask measure-isa --bench`). Rows of the tables are classified once,
//! each instruction becomes 48 bytes, instructions that come again are not decoded again, hazards are carried
//! forwards instead of searched backwards, and buffers are kept from function to function.

mod calls;
mod flow;
mod hazards;
mod judge;
mod memo;
mod path;
mod rule;
mod single;
mod step;
#[cfg(test)]
mod tests;

pub use judge::{Judge, Judgement, KernelJudgement, RuleHits, Site, judge};
pub use path::{Path, PathReader, PathStep, RuleSet, Shape, Unit};
pub use rule::{RULES, Rule, Severity};
