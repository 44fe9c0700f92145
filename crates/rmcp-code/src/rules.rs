//! What can go wrong when code built for one target runs on another.
//!
//! A rule says what to look for, how certain its harm is, and who says so ([`Rule`]). [`judge`] applies all of
//! them to the kernels of a code object. A hazard is looked for backwards over the control-flow graph of each
//! function, as LLVM's hazard recogniser does when it builds for the target; like there, the search does not
//! cross the border of a function. Calls are followed otherwise: a kernel is charged with every hit in every
//! function that it can reach.
//!
//! Bound: everything together, decoding with it, is designed to take less than a fiftieth of the time of
//! `llvm-objdump -d` on one thread. Rows of the tables are classified once ([`step`]), each instruction
//! becomes 48 bytes, and buffers are kept from function to function.

mod calls;
mod flow;
mod hazards;
mod judge;
mod memo;
mod rule;
mod step;
#[cfg(test)]
mod tests;

pub use judge::{Judge, Judgement, KernelJudgement, RuleHits, Site, judge};
pub use rule::{RULES, Rule, Severity};
