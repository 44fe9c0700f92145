//! The search: the machine as it is, candidates one by one, unions of them, and the smallest part of what passes.

use super::asker::{Asker, Runner, TimeOver};
use super::candidate_set::{
    compatible_lists, is_baseline, is_fix, is_stand_in, knobs_of, together, union,
};
use super::goal::Goal;
use super::matrix::matrix;
use super::minimise::minimise;
use crate::candidates::{as_it_is, candidate_of};
use rmcp_model::{Candidate, Knob, Outcome, Test, TrialDevice, TrialMatrix};

/// What is searched.
#[derive(Debug, Clone)]
pub struct Search<'a> {
    /// What the tests are run on.
    pub device: TrialDevice,
    /// The columns of the matrix.
    pub tests: &'a [Test],
    /// The rows, in the order in which they are tried.
    pub candidates: &'a [Candidate],
    /// How often each test is run on the machine as it is. A test that hangs is not run again: that costs its whole
    /// time each time, and one that hung once has to pass the more often later (`passes_needed`).
    pub repeats: u32,
    /// Whether every cell is wanted, also where a candidate has failed and where one was found that is enough.
    pub whole: bool,
}

/// Finds the smallest set of candidates under which every test passes that can be run.
pub fn search(what: &Search<'_>, runner: &mut dyn Runner) -> TrialMatrix {
    let mut trial = Trial::new(what, runner);
    // Where the time is over, what was found by then stands.
    let _ = trial.find();
    matrix(&trial)
}

/// What was found out so far.
pub(super) struct Trial<'a> {
    pub(super) what: &'a Search<'a>,
    pub(super) asker: Asker<'a>,
    pub(super) baseline: Candidate,
    pub(super) goal: Goal,
    /// The candidates that are enough together, and whether none of them can be left out.
    pub(super) found: Option<Found>,
    /// What mends most of the failed tests where nothing mends all, and how many.
    pub(super) best: Option<(Candidate, usize)>,
    /// Sets of changes that were tried and are no candidate: the union that is enough, and what was tried of it.
    pub(super) sets: Vec<Candidate>,
    /// Unions of candidates that were tried in vain.
    pub(super) vain: usize,
    /// Whether the machine as it is was looked at again.
    controlled: bool,
}

/// A set of changes that is enough.
pub(super) struct Found {
    pub(super) candidates: Vec<Candidate>,
    pub(super) minimal: bool,
}

impl<'a> Trial<'a> {
    fn new(what: &'a Search<'a>, runner: &'a mut dyn Runner) -> Self {
        let baseline = what.candidates.iter().find(|one| is_baseline(one));
        Self {
            what,
            asker: Asker::new(runner),
            baseline: baseline.cloned().unwrap_or_else(as_it_is),
            goal: Goal { tests: Vec::new() },
            found: None,
            best: None,
            sets: Vec::new(),
            vain: 0,
            controlled: false,
        }
    }

    /// Returns the candidates that can be tried as fixes.
    pub(super) fn fixes(&self) -> Vec<&'a Candidate> {
        self.what.candidates.iter().filter(|one| is_fix(one)).collect()
    }

    fn find(&mut self) -> Result<(), TimeOver> {
        let baseline = run_baseline(&mut self.asker, self.what.tests, self.what.repeats);
        self.goal = Goal::from_baseline(&self.asker, self.what.tests, self.fixes().len());
        baseline?;
        let broken = self.goal.failed().next().is_some();
        if !broken && !self.what.whole {
            return Ok(());
        }
        self.try_each(broken)?;
        if broken && self.found.is_none() {
            self.try_together()?;
        }
        self.reduce()?;
        if self.what.whole || self.found.is_none() {
            for stand_in in self.what.candidates.iter().filter(|one| is_stand_in(one)) {
                let knobs = knobs_of(stand_in);
                self.goal.fill(&mut self.asker, &knobs)?;
                // The proof that the tests themselves are right is wanted where no GPU can be tested, too.
                for test in self.what.tests.iter().filter(|_| self.what.whole) {
                    self.asker.ask(&knobs, test, 0)?;
                }
            }
        }
        Ok(())
    }

    /// Tries candidates one by one, up to the first that is enough.
    fn try_each(&mut self, broken: bool) -> Result<(), TimeOver> {
        for candidate in self.fixes() {
            let knobs = knobs_of(candidate);
            if self.what.whole {
                self.goal.fill(&mut self.asker, &knobs)?;
            }
            if !broken || self.found.is_some() {
                continue;
            }
            if self.is_enough(&knobs)? {
                self.found = Some(Found { candidates: vec![candidate.clone()], minimal: false });
                if !self.what.whole {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Returns whether everything passes under a set of changes.
    ///
    /// Before that is said for the first time, what failed is run again on the machine as it is: it may have failed
    /// because it was the first, while a cache was empty, or be a test that passes now and then.
    fn is_enough(&mut self, knobs: &[Knob]) -> Result<bool, TimeOver> {
        let is_met = self.goal.is_met(&mut self.asker, knobs)?;
        if !is_met || self.controlled {
            return Ok(is_met);
        }
        let repeats = self.what.repeats.max(1);
        let failed: Vec<Test> = self.goal.failed().map(|needed| needed.test.clone()).collect();
        for round in repeats..repeats * 2 {
            for test in &failed {
                let known = self.asker.known(&[], test);
                let never_passed = known.iter().all(|attempt| !attempt.outcome.passed());
                if never_passed && known.last().is_some_and(is_worth_repeating) {
                    self.asker.ask(&[], test, round)?;
                }
            }
        }
        settle(&mut self.asker, self.what.tests)?;
        self.controlled = true;
        self.goal = Goal::from_baseline(&self.asker, self.what.tests, self.fixes().len());
        self.goal.is_met(&mut self.asker, knobs)
    }

    /// Tries growing unions of candidates: those first that mend something, then the others.
    fn try_together(&mut self) -> Result<(), TimeOver> {
        let mut order: Vec<(&Candidate, usize)> = Vec::new();
        for candidate in self.fixes() {
            let mended = self.goal.mended(&mut self.asker, &knobs_of(candidate))?;
            order.push((candidate, mended.into_iter().filter(|mended| *mended).count()));
        }
        order.sort_by_key(|(_, mended)| std::cmp::Reverse(*mended));
        let helps = |candidate: &Candidate| {
            order.iter().any(|(one, mended)| *mended > 0 && one.id == candidate.id)
        };
        self.choose_best(&order)?;
        let all: Vec<&Candidate> = order.iter().map(|(one, _)| *one).collect();
        for list in compatible_lists(&all, &helps) {
            let helpful = list.iter().filter(|one| helps(one)).count();
            for size in growing(list.len(), helpful) {
                let set = &list[..size];
                let knobs = union(set.iter().copied());
                if self.is_enough(&knobs)? {
                    self.note(together(set));
                    let candidates = set.iter().map(|one| (*one).clone()).collect();
                    self.found = Some(Found { candidates, minimal: false });
                    return Ok(());
                }
                self.vain += 1;
            }
        }
        Ok(())
    }

    /// Chooses what mends most of the failed tests, each as often as a claim needs.
    fn choose_best(&mut self, order: &[(&Candidate, usize)]) -> Result<(), TimeOver> {
        for (candidate, mended) in order {
            if *mended == 0 || self.best.as_ref().is_some_and(|(_, best)| best >= mended) {
                continue;
            }
            let knobs = knobs_of(candidate);
            let mut sure = 0;
            for needed in self.goal.failed() {
                let mut passes = true;
                for round in 0..needed.passes {
                    passes =
                        passes && self.asker.ask(&knobs, &needed.test, round)?.outcome.passed();
                }
                sure += usize::from(passes);
            }
            if sure > self.best.as_ref().map_or(0, |(_, best)| *best) {
                self.best = Some(((*candidate).clone(), sure));
            }
        }
        Ok(())
    }

    /// Leaves out what is not needed of the set that was found.
    fn reduce(&mut self) -> Result<(), TimeOver> {
        let Some(found) = &self.found else { return Ok(()) };
        let knobs = union(&found.candidates);
        let (goal, asker) = (&self.goal, &mut self.asker);
        let mut tried: Vec<Vec<Knob>> = Vec::new();
        let result = minimise(&knobs, |part| {
            tried.push(part.to_vec());
            goal.is_met(asker, part)
        });
        let (left, over) = match result {
            Ok(left) => (left, None),
            Err((over, left)) => (left, Some(over)),
        };
        for part in tried {
            self.note(candidate_of(part));
        }
        let candidates = self.named(&left);
        self.found = Some(Found { candidates, minimal: over.is_none() });
        over.map_or(Ok(()), Err)
    }

    /// Returns changes as candidates: those of the list that are wholly among them, and what is left over.
    fn named(&self, knobs: &[Knob]) -> Vec<Candidate> {
        let mut left = knobs.to_vec();
        let mut named = Vec::new();
        for candidate in self.fixes() {
            let of = knobs_of(candidate);
            if of.iter().all(|knob| left.contains(knob)) {
                left.retain(|knob| !of.contains(knob));
                named.push(candidate.clone());
            }
        }
        named.extend(left.into_iter().map(|knob| candidate_of(vec![knob])));
        named
    }

    /// Keeps a set of changes that is tried, for its row in the matrix.
    fn note(&mut self, set: Candidate) {
        let is_known = |one: &Candidate| knobs_of(one) == knobs_of(&set);
        if !self.what.candidates.iter().any(is_known) && !self.sets.iter().any(is_known) {
            self.sets.push(set);
        }
    }
}

/// Runs every test on the machine as it is: all of them once, then all of them again.
pub(super) fn run_baseline(
    asker: &mut Asker<'_>,
    tests: &[Test],
    repeats: u32,
) -> Result<(), TimeOver> {
    for round in 0..repeats.max(1) {
        for test in tests {
            let again = round == 0 || asker.known(&[], test).last().is_some_and(is_worth_repeating);
            if again {
                asker.ask(&[], test, round)?;
            }
        }
    }
    settle(asker, tests)
}

/// Runs of a test on the machine as it is that passes now and then: how often it does so decides what is luck.
const RUNS_OF_FLAKY: u32 = 10;

/// Runs tests that passed and failed some times more, up to the first hang.
fn settle(asker: &mut Asker<'_>, tests: &[Test]) -> Result<(), TimeOver> {
    for test in tests {
        for round in 0..RUNS_OF_FLAKY {
            let known = asker.known(&[], test);
            let passed = known.iter().filter(|attempt| attempt.outcome.passed()).count();
            let is_flaky = passed > 0 && passed < known.len();
            if is_flaky && known.last().is_some_and(is_worth_repeating) {
                asker.ask(&[], test, round)?;
            }
        }
    }
    Ok(())
}

/// What hung would cost its whole time again; what could not be run could not be run again.
fn is_worth_repeating(attempt: &rmcp_model::Attempt) -> bool {
    attempt.outcome.ran()
        && !matches!(attempt.outcome, Outcome::Hung { .. } | Outcome::CouldNotStart { .. })
}

/// Returns the sizes in which a list of candidates is tried together.
fn growing(all: usize, helpful: usize) -> Vec<usize> {
    let doubling = std::iter::successors(Some(2), |size| Some(size * 2));
    let mut sizes: Vec<usize> =
        doubling.take_while(|size| *size < all).chain([helpful, all]).collect();
    sizes.retain(|size| (2..=all).contains(size));
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}
