//! Questions to whoever runs tests, each asked once.

use super::candidate_set::knobs_of;
use crate::candidates::{as_it_is, candidate_of};
use rmcp_model::{Attempt, Candidate, Knob, Test, Way};
use std::collections::BTreeMap;

/// One run that the search wants to know the result of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Question {
    /// What is different from the machine as it is, in a fixed order and without repetition.
    pub knobs: Vec<Knob>,
    /// The test.
    pub test: Test,
    /// Which run of it this is, counted from 0.
    pub repeat: u32,
}

impl Question {
    /// Returns in plain words what is different: the title of the candidate that changes exactly this, or the changes.
    pub fn title(&self, candidates: &[Candidate]) -> String {
        let named = candidates
            .iter()
            .find(|candidate| candidate.way == Way::Here && knobs_of(candidate) == self.knobs);
        match named {
            Some(candidate) => candidate.title.clone(),
            None if self.knobs.is_empty() => as_it_is().title,
            None => candidate_of(self.knobs.clone()).title,
        }
    }
}

/// Who runs tests, or knows what came of them.
pub trait Runner {
    /// Runs a test, or says what came of exactly this run when it was made before. None where the run was not made
    /// because the time that was given is over, or because the runner cannot go on: nothing more is asked then.
    fn run(&mut self, question: &Question) -> Option<Attempt>;
}

/// What came of the runs of one test under one set of changes.
type Attempts = BTreeMap<(Vec<Knob>, Test), Vec<Attempt>>;

/// Asks a runner, and never the same twice.
pub(super) struct Asker<'a> {
    runner: &'a mut dyn Runner,
    attempts: Attempts,
    over: bool,
}

/// The time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TimeOver;

impl<'a> Asker<'a> {
    pub(super) fn new(runner: &'a mut dyn Runner) -> Self {
        Self { runner, attempts: Attempts::new(), over: false }
    }

    /// Returns what came of a run. Runs before it are made first.
    pub(super) fn ask(
        &mut self,
        knobs: &[Knob],
        test: &Test,
        repeat: u32,
    ) -> Result<&Attempt, TimeOver> {
        let key = (knobs.to_vec(), test.clone());
        let known = self.attempts.entry(key).or_default();
        for next in (0..).skip(known.len()).take_while(|next| *next <= repeat) {
            if self.over {
                return Err(TimeOver);
            }
            let question = Question { knobs: knobs.to_vec(), test: test.clone(), repeat: next };
            match self.runner.run(&question) {
                Some(attempt) => known.push(attempt),
                None => self.over = true,
            }
        }
        known.get(repeat as usize).ok_or(TimeOver)
    }

    /// Returns all that is known of a test under a set of changes.
    pub(super) fn known(&self, knobs: &[Knob], test: &Test) -> &[Attempt] {
        self.attempts.get(&(knobs.to_vec(), test.clone())).map_or(&[], Vec::as_slice)
    }

    /// Returns whether the time was over before everything was asked.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }
}
