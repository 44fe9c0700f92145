//! The instructions of a function, and where its branches go.

use super::step::{Step, class};

/// No instruction, or no place to join.
pub(super) const NONE: u32 = u32::MAX;

/// The instructions of a function. Kept from function to function for its buffers.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Instructions in the order of their places.
    pub(super) steps: Vec<Step>,
    /// Number of instructions to which branches go; [`Step::join`] numbers them.
    pub(super) joins: usize,
    /// The branches among the instructions.
    branches: Vec<u32>,
    /// The instruction at each dword.
    at: Vec<u32>,
}

impl Flow {
    /// Empties it for a function of so many dwords.
    pub(super) fn clear(&mut self, dwords: usize) {
        self.steps.clear();
        self.at.clear();
        self.at.resize(dwords, NONE);
        self.branches.clear();
        self.joins = 0;
    }

    /// Adds the next instruction.
    pub(super) fn push(&mut self, step: Step) {
        if let (Some(at), Ok(index)) =
            (self.at.get_mut(step.place as usize), u32::try_from(self.steps.len()))
        {
            *at = index;
            if step.is(class::BRANCH) {
                self.branches.push(index);
            }
        }
        self.steps.push(step);
    }

    /// Turns the targets of branches from dwords into instructions, after the last one has been added. A
    /// branch out of the function, or into the middle of an instruction, has none.
    pub(super) fn link(&mut self) {
        for &from in &self.branches {
            let from = from as usize;
            let target =
                usize::try_from(self.steps[from].target).ok().and_then(|place| self.at.get(place));
            let target = target.copied().unwrap_or(NONE);
            self.steps[from].target = target.cast_signed();
            if let Some(step) = self.steps.get_mut(target as usize)
                && step.join == NONE
            {
                step.join = u32::try_from(self.joins).unwrap_or(NONE);
                self.joins += 1;
            }
        }
    }
}
