//! The instructions of a function, and where its branches go.

use super::step::{Step, class};

/// No instruction, or no place to join.
pub(super) const NONE: u32 = u32::MAX;

/// The instructions of a function. Kept from function to function for its buffers.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Instructions in the order of their places. Of plain ones that follow each other only the first is there:
    /// to pass them all is to pass one, and a branch into their midst might as well go to the first.
    pub(super) steps: Vec<Step>,
    /// Number of instructions, all plain ones with them.
    pub(super) instructions: u32,
    /// Number of instructions to which branches go; [`Step::join`] numbers them.
    pub(super) joins: usize,
    /// The branches among the steps.
    branches: Vec<u32>,
    /// The steps that begin clauses.
    clauses: Vec<u32>,
    /// The step at each dword where an instruction begins.
    at: Vec<u32>,
}

impl Flow {
    /// Empties it for a function of so many dwords.
    pub(super) fn clear(&mut self, dwords: usize) {
        self.steps.clear();
        self.at.clear();
        self.at.resize(dwords, NONE);
        self.branches.clear();
        self.clauses.clear();
        self.instructions = 0;
        self.joins = 0;
    }

    /// Adds the next instruction.
    #[inline]
    pub(super) fn push(&mut self, step: Step) {
        if step.is(class::PLAIN) {
            return self.push_plain(step.place, || step);
        }
        let index = self.begin(step.place, self.steps.len());
        if step.is(class::BRANCH) {
            self.branches.push(index);
        } else if step.is(class::CLAUSE) {
            self.clauses.push(index);
        }
        self.steps.push(step);
    }

    /// Adds the next instruction, which is of the class `PLAIN`; it is asked for only where a run begins.
    #[inline]
    pub(super) fn push_plain(&mut self, place: u32, step: impl FnOnce() -> Step) {
        match self.steps.last() {
            Some(last) if last.is(class::PLAIN) => {
                self.begin(place, self.steps.len() - 1);
            }
            _ => {
                self.begin(place, self.steps.len());
                self.steps.push(step());
            }
        }
    }

    /// Notes down that an instruction begins at a dword, and which step it belongs to.
    #[inline]
    fn begin(&mut self, place: u32, step: usize) -> u32 {
        // Functions have fewer than 2^32 dwords, and no more steps than dwords.
        let index = u32::try_from(step).unwrap_or(NONE);
        self.instructions += 1;
        if let Some(at) = self.at.get_mut(place as usize) {
            *at = index;
        }
        index
    }

    /// Returns the instructions within each clause, as the steps they belong to.
    pub(super) fn clauses(&self) -> impl Iterator<Item = impl Iterator<Item = u32> + '_> {
        self.clauses.iter().filter_map(|&clause| self.steps.get(clause as usize)).map(|clause| {
            let behind = self.at.get(clause.place as usize + 1..).unwrap_or_default();
            let length = usize::try_from(clause.target).unwrap_or(0);
            behind.iter().copied().filter(|&step| step != NONE).take(length)
        })
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
