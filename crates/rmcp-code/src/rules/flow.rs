//! The control-flow graph of a function, made for looking backwards.
//!
//! Almost every instruction has one predecessor, the one before it. So only the others are stored: a sorted
//! list of branches by their target.

use super::step::{Step, class};

/// No instruction.
const NONE: u32 = u32::MAX;

/// The instructions of a function and what leads to each. Kept from function to function for its buffers.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Instructions in the order of their places.
    pub(super) steps: Vec<Step>,
    /// The instruction at each dword.
    at: Vec<u32>,
    /// Target and origin of each branch within the function, sorted.
    branches: Vec<(u32, u32)>,
    /// Whether an instruction is the target of a branch.
    is_target: Vec<bool>,
    visited: Vec<u32>,
    stamp: u32,
    stack: Vec<u32>,
}

impl Flow {
    /// Empties it for a function of so many dwords.
    pub(super) fn clear(&mut self, dwords: usize) {
        self.steps.clear();
        self.at.clear();
        self.at.resize(dwords, NONE);
        self.branches.clear();
    }

    /// Adds the next instruction.
    pub(super) fn push(&mut self, step: Step) {
        if let (Some(at), Ok(index)) =
            (self.at.get_mut(step.place as usize), u32::try_from(self.steps.len()))
        {
            *at = index;
        }
        self.steps.push(step);
    }

    /// Finds where the branches go, after the last instruction has been added.
    pub(super) fn link(&mut self) {
        for (from, step) in (0..).zip(&self.steps) {
            let target = usize::try_from(step.target).ok().and_then(|place| self.at.get(place));
            if step.is(class::BRANCH)
                && let Some(&target) = target
                && target != NONE
            {
                self.branches.push((target, from));
            }
        }
        self.branches.sort_unstable();
        self.is_target.clear();
        self.is_target.resize(self.steps.len(), false);
        for &(target, _) in &self.branches {
            self.is_target[target as usize] = true;
        }
        self.visited.clear();
        self.visited.resize(self.steps.len(), 0);
        self.stamp = 0;
    }

    /// Calls `each` with every instruction that may run right before this one.
    #[inline]
    pub(super) fn predecessors(&self, index: u32, mut each: impl FnMut(u32)) {
        if let Some(before) = index.checked_sub(1)
            && !self.steps[before as usize].is(class::ENDS)
        {
            each(before);
        }
        if self.is_target[index as usize] {
            let first = self.branches.partition_point(|&(target, _)| target < index);
            for &(target, from) in &self.branches[first..] {
                if target != index {
                    break;
                }
                each(from);
            }
        }
    }

    /// Looks backwards from an instruction along all paths: true where `found` holds on one of them before
    /// `ends` does. On one instruction `found` is asked first.
    #[inline]
    pub(super) fn looks_back(
        &mut self,
        from: u32,
        found: impl Fn(u32, &Step) -> bool,
        ends: impl Fn(&Step) -> bool,
    ) -> bool {
        // Most searches end within straight code, without anything to remember.
        let mut index = from;
        while !self.is_target[index as usize] {
            let Some(before) = index.checked_sub(1) else { return false };
            if self.steps[before as usize].is(class::ENDS) {
                return false;
            }
            let step = &self.steps[before as usize];
            if found(before, step) {
                return true;
            }
            if ends(step) {
                return false;
            }
            index = before;
        }
        self.search(index, found, ends)
    }

    fn search(
        &mut self,
        from: u32,
        found: impl Fn(u32, &Step) -> bool,
        ends: impl Fn(&Step) -> bool,
    ) -> bool {
        self.stamp += 1;
        let stamp = self.stamp;
        let mut stack = std::mem::take(&mut self.stack);
        stack.clear();
        self.predecessors(from, |before| stack.push(before));
        let mut result = false;
        while let Some(index) = stack.pop() {
            if std::mem::replace(&mut self.visited[index as usize], stamp) == stamp {
                continue;
            }
            let step = &self.steps[index as usize];
            if found(index, step) {
                result = true;
                break;
            }
            if !ends(step) {
                self.predecessors(index, |before| stack.push(before));
            }
        }
        self.stack = stack;
        result
    }
}
