//! The rules that look at what came before an instruction.
//!
//! LLVM looks backwards from an instruction along all paths, until it finds what makes a workaround necessary,
//! or what makes it unnecessary. Here the same is carried forwards: a [`State`] says what would be found on
//! some path that leads here. Where paths meet, states are joined; a function is gone through until nothing
//! changes any more, which for one without loops is once. So the time does not grow with the distances.
//!
//! Source: LLVM `GCNHazardRecognizer.cpp`: for each hazard the instruction at which a workaround is inserted,
//! what before it makes it necessary, and what in between makes it unnecessary. Written anew from that.

use super::flow::{Flow, NONE};
use super::rule::Rule;
use super::step::{Step, class};
use crate::isa::ScalarSet;

/// Most times a function is gone through. States only grow, so it ends anyway; nested loops need as many passes
/// as they are deep, and this is deeper than any compiler's output.
const MAX_PASSES: usize = 64;

/// Flags of [`State`].
mod flag {
    /// Something else than the vector unit has read EXEC.
    pub(super) const EXEC_READ: u8 = 1;
    /// A comparison has written EXEC.
    pub(super) const CMPX: u8 = 2;
    /// The instruction before was an image one with many addresses.
    pub(super) const LONG_NSA: u8 = 4;
    /// LDS was the last memory used. Twice that: other memory was.
    pub(super) const LDS: u8 = 8;
    /// LDS was the last memory used before a branch. Twice that: other memory was.
    pub(super) const LDS_BRANCH: u8 = 32;
    /// All that is known of sides.
    pub(super) const SIDES: u8 = (3 * LDS) | (3 * LDS_BRANCH);
}

/// What has happened on some path that leads to an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct State {
    /// Registers that memory instructions may not have read yet.
    memory: u128,
    /// Registers that scalar loads may not have read yet.
    scalar: u128,
    flags: u8,
}

impl State {
    /// Adds what has happened on another path.
    fn join(&mut self, other: &Self) {
        self.memory |= other.memory;
        self.scalar |= other.scalar;
        self.flags |= other.flags;
    }

    /// Goes over an instruction of the class `PLAIN`, at which no rule hits.
    #[inline]
    pub(super) fn pass_plain(&mut self) {
        self.memory = 0;
        self.flags &= !(flag::LONG_NSA | flag::CMPX);
    }

    /// Goes over an instruction.
    #[inline]
    pub(super) fn pass(&mut self, step: &Step) {
        use class::*;
        self.flags &= !flag::LONG_NSA;
        if step.is(VALU) {
            self.memory = 0;
            if step.is(CMPX) {
                self.flags |= flag::CMPX;
            } else if !step.is(VNOP) {
                self.flags &= !flag::CMPX;
            }
            // Reading a lane into a scalar register does not count, as LLVM has it.
            if !step.defs.is_empty() && !step.is(READLANE) {
                self.flags &= !flag::EXEC_READ;
            }
            return;
        }
        if step.uses.meets(ScalarSet::EXEC) {
            self.flags |= flag::EXEC_READ;
        }
        if step.is(MEMORY) {
            self.memory |= step.uses.0;
            if step.is(LONG_NSA) {
                self.flags |= flag::LONG_NSA;
            }
            let side = side(step);
            if side != 0 {
                self.flags &= !flag::SIDES;
                self.flags |= side * flag::LDS;
            }
        } else if step.is(SMEM) {
            self.scalar |= step.uses.0;
        } else {
            self.pass_scalar(step);
        }
    }

    #[inline]
    fn pass_scalar(&mut self, step: &Step) {
        use class::*;
        if step.is(AFTER_SMEM) {
            self.scalar = 0;
        }
        if step.is(BRANCH) {
            let last = (self.flags / flag::LDS) & 3;
            self.flags |= last * flag::LDS_BRANCH;
        }
        if step.is(WAITS_ALL | WAITS_VSRC) {
            self.memory = 0;
        }
        if step.is(WAITS_SDST) {
            self.flags &= !flag::EXEC_READ;
        }
        if step.is(WAITS_STORES) {
            self.flags &= !flag::SIDES;
        }
    }

    /// Calls `hit` with each rule that hits at an instruction reached in this state.
    #[inline]
    pub(super) fn judge(&self, step: &Step, mut hit: impl FnMut(Rule)) {
        use class::*;
        if step.is(VALU) {
            if step.defs.0 & self.scalar != 0 {
                hit(Rule::SmemToVectorWrite);
            }
            if self.flags & flag::EXEC_READ != 0 && step.defs.meets(ScalarSet::EXEC) {
                hit(Rule::VcmpxExec);
            }
            if step.is(PERMLANE) && self.flags & flag::CMPX != 0 {
                hit(Rule::VcmpxPermlane);
            }
            return;
        }
        if step.is(SALU | SMEM) && step.defs.0 & self.memory != 0 {
            hit(Rule::VmemToScalarWrite);
        }
        if step.is(MEMORY) {
            let other = match side(step) {
                0 => 0,
                side => 3 - side,
            };
            if self.flags & (other * flag::LDS_BRANCH) != 0 {
                hit(Rule::LdsBranchVmem);
            }
            if step.is(BUFFER) && self.flags & flag::LONG_NSA != 0 {
                hit(Rule::NsaToVmem);
            }
        }
    }
}

/// On which side of the LDS-branch-VMEM hazard an instruction is: 1 is LDS, 2 other memory, 0 neither.
fn side(step: &Step) -> u8 {
    if step.is(class::DS) {
        1
    } else if step.is(class::VMEM | class::SEGMENT) {
        2
    } else {
        0
    }
}

/// Buffers of the search, kept from function to function.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// The state in which each join is reached.
    joins: Vec<State>,
    /// What has been found: rules, and the instructions at which they hit.
    pub(super) found: Vec<(Rule, u32)>,
}

impl Search {
    /// Finds all hazards of a function.
    pub(super) fn run(&mut self, flow: &Flow) {
        self.joins.clear();
        self.joins.resize(flow.joins, State::default());
        self.found.clear();
        let mut start = Some(0);
        for _ in 0..MAX_PASSES {
            let Some(first) = start else { break };
            start = self.pass(flow, first);
        }
        for index in flow.clauses().flatten() {
            if flow.steps[index as usize].is(class::NSA) {
                self.found.push((Rule::NsaClause, index));
            }
        }
    }

    /// Goes through the function from an instruction on, which is its first or one to which branches go.
    /// Returns the first one to which a branch backwards brings something new.
    fn pass(&mut self, flow: &Flow, first: u32) -> Option<u32> {
        let kept = self.found.partition_point(|&(_, index)| index < first);
        self.found.truncate(kept);
        let mut state = State::default();
        let mut again: Option<u32> = None;
        let steps = flow.steps.get(first as usize..).unwrap_or_default();
        for (index, step) in (first..).zip(steps) {
            if step.is(class::PLAIN) && step.join == NONE {
                state.pass_plain();
                continue;
            }
            if let Some(join) = self.joins.get_mut(step.join as usize) {
                // What comes from the instruction before is kept, so that one can begin here again.
                state.join(join);
                *join = state;
            }
            let found = &mut self.found;
            state.judge(step, |rule| found.push((rule, index)));
            state.pass(step);
            if step.is(class::BRANCH | class::ENDS) {
                if step.is(class::BRANCH)
                    && let Some(target) = flow.steps.get(step.target.cast_unsigned() as usize)
                    && let Some(join) = self.joins.get_mut(target.join as usize)
                {
                    let before = *join;
                    join.join(&state);
                    let target = step.target.cast_unsigned();
                    if target <= index && before != *join {
                        again = Some(again.map_or(target, |other| other.min(target)));
                    }
                }
                if step.is(class::ENDS) {
                    state = State::default();
                }
            }
        }
        again
    }
}
