//! The rules that look at more than one instruction, and those that look at the bits of one.
//!
//! Source: LLVM `GCNHazardRecognizer.cpp`: for each hazard the instruction at which a workaround is inserted,
//! what before it makes it necessary, and what in between makes it unnecessary. Written anew from that.

use super::flow::Flow;
use super::rule::Rule;
use super::step::{Step, class};
use crate::isa::ScalarSet;

/// Calls `hit` with each rule that needs the flow of the function, and the instruction at which it hits.
pub(super) fn find(flow: &mut Flow, mut hit: impl FnMut(Rule, u32)) {
    let sides = Sides::new(flow);
    let count = u32::try_from(flow.steps.len()).unwrap_or(0);
    for index in 0..count {
        let step = flow.steps[index as usize];
        if step.is(class::SALU | class::SMEM)
            && !step.defs.is_empty()
            && reads_late(flow, index, &step)
        {
            hit(Rule::VmemToScalarWrite, index);
        }
        if step.is(class::VALU) {
            vector(flow, index, &step, &mut hit);
        }
        if let Some(sides) = &sides
            && side(&step) != 0
            && sides.crosses(flow, index, &step)
        {
            hit(Rule::LdsBranchVmem, index);
        }
        if step.is(class::BUFFER) && follows_long_nsa(flow, index) {
            hit(Rule::NsaToVmem, index);
        }
        if step.is(class::CLAUSE) {
            clause(flow, index, &step, &mut hit);
        }
    }
}

/// A scalar write while a memory instruction may not have read the register.
fn reads_late(flow: &mut Flow, index: u32, step: &Step) -> bool {
    let defs = step.defs;
    flow.looks_back(
        index,
        |_, before| before.is(class::MEMORY) && before.uses.meets(defs),
        |before| before.is(class::VALU | class::WAITS_ALL | class::WAITS_VSRC),
    )
}

/// The hazards at instructions of the vector unit.
fn vector(flow: &mut Flow, index: u32, step: &Step, hit: &mut impl FnMut(Rule, u32)) {
    let defs = step.defs;
    if !defs.is_empty()
        && flow.looks_back(
            index,
            |_, before| before.is(class::SMEM) && before.uses.meets(defs),
            |before| before.is(class::AFTER_SMEM),
        )
    {
        hit(Rule::SmemToVectorWrite, index);
    }
    if step.defs.meets(ScalarSet::EXEC)
        && flow.looks_back(
            index,
            |_, before| !before.is(class::VALU) && before.uses.meets(ScalarSet::EXEC),
            |before| {
                // Reading a lane into a scalar register does not count, as LLVM has it.
                let writes = before.is(class::VALU) && !before.is(class::READLANE);
                (writes && !before.defs.is_empty()) || before.is(class::WAITS_SDST)
            },
        )
    {
        hit(Rule::VcmpxExec, index);
    }
    if step.is(class::PERMLANE)
        && flow.looks_back(
            index,
            |_, before| before.is(class::CMPX),
            |before| before.is(class::VALU) && !before.is(class::VNOP),
        )
    {
        hit(Rule::VcmpxPermlane, index);
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

/// For each branch whether memory of a side may have been used before it, with nothing waiting in between.
struct Sides {
    /// Bits of sides by the index of the branch.
    before: Vec<u8>,
}

impl Sides {
    /// Returns `None` where the function has only one side: there is no hazard then.
    fn new(flow: &mut Flow) -> Option<Self> {
        let found = flow.steps.iter().fold(0, |found, step| found | side(step));
        if found != 3 {
            return None;
        }
        let mut before = vec![0; flow.steps.len()];
        for index in 0..u32::try_from(flow.steps.len()).unwrap_or(0) {
            if !flow.steps[index as usize].is(class::BRANCH) {
                continue;
            }
            for wanted in [1, 2] {
                // Seen from the other side, which ends the search.
                let other = 3 - wanted;
                let used = flow.looks_back(
                    index,
                    |_, before| side(before) == wanted,
                    |before| side(before) == other || before.is(class::WAITS_STORES),
                );
                before[index as usize] |= if used { wanted } else { 0 };
            }
        }
        Some(Self { before })
    }

    /// Returns whether the other side was used before a branch that leads here.
    fn crosses(&self, flow: &mut Flow, index: u32, step: &Step) -> bool {
        let other = 3 - side(step);
        flow.looks_back(
            index,
            |at, before| before.is(class::BRANCH) && self.before[at as usize] & other != 0,
            |before| side(before) != 0 || before.is(class::WAITS_STORES),
        )
    }
}

/// A buffer instruction right behind an image instruction with many addresses. The offset's bits have been
/// looked at by the caller.
fn follows_long_nsa(flow: &Flow, index: u32) -> bool {
    let mut found = false;
    flow.predecessors(index, |before| found |= flow.steps[before as usize].is(class::LONG_NSA));
    found
}

/// Image instructions with separate addresses within a clause, whose length its constant gives.
fn clause(flow: &Flow, index: u32, step: &Step, hit: &mut impl FnMut(Rule, u32)) {
    let length = usize::try_from(step.target).unwrap_or(0);
    let first = index as usize + 1;
    let inside = flow.steps.get(first..).unwrap_or_default();
    for (at, step) in (index + 1..).zip(inside.iter().take(length)) {
        if step.is(class::NSA) {
            hit(Rule::NsaClause, at);
        }
    }
}
