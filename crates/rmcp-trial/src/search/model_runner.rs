//! A machine that is made up: which tests need which fixes, and how they fail without.

use super::{Question, Runner};
use rmcp_model::{Attempt, Candidate, Knob, Outcome, Test, Tool, Way};
use std::collections::BTreeMap;

/// How a test fails without what it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failing {
    Crash,
    Hang,
    WrongNumbers,
    /// It passes so many times of a hundred all the same.
    Flaky(u32),
}

/// What a test needs.
#[derive(Debug, Clone)]
pub(super) struct Need {
    pub(super) knobs: Vec<Knob>,
    pub(super) failing: Failing,
}

/// Answers questions from a rule, keeps what was asked, and can be out of time.
#[derive(Debug, Clone, Default)]
pub(super) struct ModelRunner {
    pub(super) needs: BTreeMap<Test, Vec<Need>>,
    /// Tests that make no sense on this machine.
    pub(super) skipped: Vec<Test>,
    /// Changes under which everything fails.
    pub(super) harmful: Vec<Vec<Knob>>,
    pub(super) seed: u64,
    /// New runs that there is time for.
    pub(super) time: Option<usize>,
    /// What was answered before: a store.
    pub(super) store: BTreeMap<Question, Attempt>,
    /// The questions in their order.
    pub(super) asked: Vec<Question>,
    pub(super) spent: f64,
}

/// Time that a hang costs.
pub(super) const TIME_OUT: f64 = 60.0;

pub(super) fn test(name: &str) -> Test {
    Test { workload: name.to_owned(), tool: Tool::Torch }
}

pub(super) fn set(name: &str, value: &str) -> Knob {
    Knob::Set { name: name.to_owned(), value: value.to_owned() }
}

pub(super) fn candidate(id: &str, knobs: Vec<Knob>) -> Candidate {
    Candidate {
        id: id.to_owned(),
        title: format!("with {id}"),
        knobs,
        way: Way::Here,
        why: String::new(),
        wishes: Vec::new(),
        sources: Vec::new(),
    }
}

pub(super) fn crash() -> Outcome {
    Outcome::Crashed { signal: Some(6), what: "aborted".to_owned() }
}

impl ModelRunner {
    pub(super) fn need(mut self, of: &Test, knobs: Vec<Knob>, failing: Failing) -> Self {
        self.needs.entry(of.clone()).or_default().push(Need { knobs, failing });
        self
    }

    /// Returns whether everything passes under these changes, luck left out.
    pub(super) fn is_enough(&self, knobs: &[Knob]) -> bool {
        self.needs.values().flatten().all(|need| need.knobs.iter().all(|knob| knobs.contains(knob)))
            && !self.does_harm(knobs)
    }

    fn does_harm(&self, knobs: &[Knob]) -> bool {
        self.harmful.iter().any(|harm| harm.iter().all(|knob| knobs.contains(knob)))
    }

    fn answer(&self, question: &Question) -> Attempt {
        let passed = Attempt {
            checks: 3,
            seconds: 1.0,
            max_rel_error: Some(1e-6),
            ..Attempt::without_run(Outcome::Passed)
        };
        if self.skipped.contains(&question.test) {
            return Attempt::without_run(Outcome::Skipped { what: "not here".to_owned() });
        }
        if question.knobs.iter().any(|knob| matches!(knob, Knob::Processor | Knob::SinglePrecision))
        {
            return passed;
        }
        if self.does_harm(&question.knobs) {
            let what = "no suitable algorithm was found".to_owned();
            return Attempt { outcome: Outcome::Failed { code: 1, what }, ..passed };
        }
        let needs = self.needs.get(&question.test).map_or(&[][..], Vec::as_slice);
        let missing =
            needs.iter().find(|need| !need.knobs.iter().all(|knob| question.knobs.contains(knob)));
        match missing.map(|need| need.failing) {
            None => passed,
            Some(Failing::Flaky(percent)) if self.luck(question) < percent => passed,
            Some(Failing::Crash | Failing::Flaky(_)) => Attempt { outcome: crash(), ..passed },
            Some(Failing::WrongNumbers) => {
                let outcome = Outcome::WrongNumbers { what: "output[0]".to_owned() };
                Attempt { outcome, ..passed }
            }
            Some(Failing::Hang) => {
                let outcome = Outcome::Hung { what: "its time was over".to_owned() };
                Attempt { outcome, seconds: TIME_OUT, ..passed }
            }
        }
    }

    /// Returns a number below 100 that depends on the seed and the question alone.
    fn luck(&self, question: &Question) -> u32 {
        let text = format!("{}{question:?}", self.seed);
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        u32::try_from((hash >> 20) % 100).unwrap_or_default()
    }
}

impl Runner for ModelRunner {
    fn run(&mut self, question: &Question) -> Option<Attempt> {
        if let Some(known) = self.store.get(question) {
            self.asked.push(question.clone());
            return Some(known.clone());
        }
        if self.time == Some(0) {
            return None;
        }
        self.time = self.time.map(|time| time - 1);
        self.asked.push(question.clone());
        let attempt = self.answer(question);
        self.spent += attempt.seconds;
        self.store.insert(question.clone(), attempt.clone());
        Some(attempt)
    }
}
