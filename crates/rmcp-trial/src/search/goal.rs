//! What a set of changes has to show: every test that could be run, those that failed first.

use super::asker::{Asker, TimeOver};
use super::evidence::{cell, passes_needed};
use rmcp_model::{Knob, Test};

/// One test that has to pass.
pub(super) struct Needed {
    pub(super) test: Test,
    /// How often.
    pub(super) passes: u32,
    /// Whether it failed on the machine as it is.
    pub(super) failed: bool,
}

/// All tests that have to pass, the failed ones first, the cheapest of them first.
pub(super) struct Goal {
    pub(super) tests: Vec<Needed>,
}

impl Goal {
    /// Returns the goal that the runs on the machine as it is set. Tests that could not be run there say nothing of a
    /// fix.
    pub(super) fn from_baseline(asker: &Asker<'_>, tests: &[Test], candidates: usize) -> Self {
        let mut needed: Vec<(Needed, f64)> = tests
            .iter()
            .map(|test| cell(test, asker.known(&[], test), ""))
            .filter(says_something)
            .map(|cell| {
                let (failed, seconds) = (cell.k < cell.n, cell.seconds);
                let passes = passes_needed(cell.k, cell.n, candidates);
                (Needed { test: cell.test, passes, failed }, seconds)
            })
            .collect();
        needed.sort_by(|(a, a_seconds), (b, b_seconds)| {
            b.failed.cmp(&a.failed).then(a_seconds.total_cmp(b_seconds))
        });
        Self { tests: needed.into_iter().map(|(needed, _)| needed).collect() }
    }

    /// Returns the tests that failed on the machine as it is.
    pub(super) fn failed(&self) -> impl Iterator<Item = &Needed> {
        self.tests.iter().filter(|needed| needed.failed)
    }

    /// Returns whether every test passes under a set of changes, as often as it has to, and at least one check was
    /// made. Stops at the first failure.
    pub(super) fn is_met(&self, asker: &mut Asker<'_>, knobs: &[Knob]) -> Result<bool, TimeOver> {
        let rounds = self.tests.iter().map(|needed| needed.passes).max().unwrap_or(0);
        let mut checks = 0;
        for round in 0..rounds {
            for needed in self.tests.iter().filter(|needed| round < needed.passes) {
                let attempt = asker.ask(knobs, &needed.test, round)?;
                if !attempt.outcome.passed() {
                    return Ok(false);
                }
                checks += attempt.checks;
            }
        }
        Ok(checks > 0)
    }

    /// Returns which of the failed tests pass under a set of changes when they are run once.
    pub(super) fn mended(
        &self,
        asker: &mut Asker<'_>,
        knobs: &[Knob],
    ) -> Result<Vec<bool>, TimeOver> {
        self.failed()
            .map(|needed| Ok(asker.ask(knobs, &needed.test, 0)?.outcome.passed()))
            .collect()
    }

    /// Fills a whole row: every test until it fails, or has passed as often as it has to.
    pub(super) fn fill(&self, asker: &mut Asker<'_>, knobs: &[Knob]) -> Result<(), TimeOver> {
        for needed in &self.tests {
            for round in 0..needed.passes {
                if !asker.ask(knobs, &needed.test, round)?.outcome.passed() {
                    break;
                }
            }
        }
        Ok(())
    }
}

/// A test that could not be started, or makes no sense here, says nothing.
fn says_something(cell: &rmcp_model::Cell) -> bool {
    cell.n > 0 && !matches!(cell.outcome, rmcp_model::Outcome::CouldNotStart { .. })
}
