//! What a search will cost, for a dry run.

use super::candidate_set::is_fix;
use super::trial::Search;
use rmcp_model::Test;

/// Runs and their time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// Runs.
    pub runs: u32,
    /// Time in seconds.
    pub seconds: f64,
}

/// What a search will cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expected {
    /// Where everything passes as the machine is.
    pub least: Cost,
    /// Where the first candidate is enough.
    pub likely: Cost,
    /// Where every candidate is run through every test and none is enough; unions of candidates come on top.
    pub most: Cost,
}

/// Returns what a search will cost when a test takes so many seconds.
pub fn expected(what: &Search<'_>, seconds: impl Fn(&Test) -> f64) -> Expected {
    let once: f64 = what.tests.iter().map(seconds).sum();
    let tests = u32::try_from(what.tests.len()).unwrap_or(u32::MAX);
    let fixes = what.candidates.iter().filter(|one| is_fix(one)).count();
    let fixes = u32::try_from(fixes).unwrap_or(u32::MAX);
    let cost = |rounds: u32| Cost {
        runs: tests.saturating_mul(rounds),
        seconds: once * f64::from(rounds),
    };
    Expected {
        least: cost(what.repeats.max(1)),
        likely: cost(what.repeats.max(1).saturating_add(2)),
        most: cost(what.repeats.max(1).saturating_add(fixes.saturating_mul(2))),
    }
}
