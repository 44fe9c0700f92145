//! The result in one sentence: what works, how sure that is, and how to make it last.

use super::candidate_set::{is_baseline, is_fix, knobs_of};
use super::matrix::{passes_with, titles};
use super::trial::Trial;
use crate::candidates::{candidate_of, how_to_apply};
use rmcp_model::{Knob, Outcome, Row, Test, TrialVerdict, Way};

pub(super) fn sentence(trial: &Trial<'_>, rows: &[Row], verdict: TrialVerdict) -> String {
    let tests = trial.goal.tests.len();
    let failed = trial.goal.failed().count();
    let fail = if failed == 1 { "fails" } else { "fail" };
    let broken = format!("as the machine is, {failed} of {} {fail}", count(tests, "test"));
    let mut said = match verdict {
        TrialVerdict::WorksAlready => {
            format!("{} as the machine is, {}.", all_pass(tests), least(trial, rows, &[]))
        }
        TrialVerdict::Fixed => {
            let found = trial.found.as_ref();
            let candidates = found.map_or(&[][..], |found| &found.candidates);
            let knobs = super::candidate_set::union(candidates);
            let mut said = format!(
                "With this {}, {}: {}; {broken}. {}",
                all_pass(tests).to_lowercase(),
                least(trial, rows, &knobs),
                titles(candidates),
                how_to_apply(candidates),
            );
            if found.is_some_and(|found| !found.minimal) {
                said += " The time was over before it could be reduced: less may be enough.";
            }
            said
        }
        TrialVerdict::Improved => {
            let (title, mended) =
                trial.best.as_ref().map_or(("", 0), |(best, mended)| (&best.title, *mended));
            let tried = match trial.asker.is_over() {
                true => "The time was over before everything was tried",
                false => "Nothing that could be tried makes everything pass",
            };
            let pass = if mended == 1 { "passes" } else { "pass" };
            format!("{tried}: {broken}; {mended} of these {pass} with this: {title}.")
        }
        TrialVerdict::NothingHelps => {
            let how = if trial.vain > 0 { ", alone or together" } else { "" };
            match trial.fixes().len() {
                0 => format!("No candidate could be tried here: {broken}."),
                1 => format!("The candidate that could be tried here does not help: {broken}."),
                more => format!(
                    "None of {more} candidates that could be tried here helps{how}: {broken}."
                ),
            }
        }
        TrialVerdict::Unknown => unknown(trial, &broken),
    };
    if matches!(verdict, TrialVerdict::Improved | TrialVerdict::NothingHelps) {
        if passes_with(&Knob::SinglePrecision, trial, rows) {
            said += " In single precision everything passes: half precision alone is at fault.";
            said = format!("{said} {}", how_to_apply(&[candidate_of(vec![Knob::SinglePrecision])]));
        }
        if passes_with(&Knob::Processor, trial, rows) {
            said += " On the processor everything passes: that is the last resort, and no fix of the GPU.";
        }
        let elsewhere =
            trial.what.candidates.iter().filter(|candidate| candidate.way != Way::Here).count();
        if elsewhere > 0 {
            said += &format!(
                " {} not tried, because the machine would have to be changed for it.",
                match elsewhere {
                    1 => "1 more was".to_owned(),
                    more => format!("{more} more were"),
                }
            );
        }
    }
    let silent = not_run(rows);
    if silent > 0 && verdict != TrialVerdict::Unknown {
        let say = if silent == 1 { "says" } else { "say" };
        said += &format!(" {} could not be run here and {say} nothing.", count(silent, "test"));
    }
    if trial.what.device.simulated {
        said += " This was measured on a simulated card: it is true of the software, and says nothing of silicon.";
    }
    said
}

fn unknown(trial: &Trial<'_>, broken: &str) -> String {
    if trial.asker.is_over() {
        let fixes = trial.fixes();
        let tried = fixes
            .iter()
            .filter(|one| {
                let knobs = knobs_of(one);
                trial.what.tests.iter().any(|test| !trial.asker.known(&knobs, test).is_empty())
            })
            .count();
        return format!(
            "The time was over before this could be told: {broken} so far, and {tried} of {} were tried.",
            count(fixes.len(), "candidate")
        );
    }
    let known = trial.what.tests.iter().flat_map(|test| trial.asker.known(&[], test));
    let why = known.filter_map(|attempt| attempt.outcome.what()).next();
    match why {
        Some(why) => format!(
            "Nothing is known of the GPU: no test could be run on it. The first says: {why}."
        ),
        None => "Nothing is known: no test made a check.".to_owned(),
    }
}

fn all_pass(tests: usize) -> String {
    match tests {
        1 => "The test passes".to_owned(),
        more => format!("All {more} tests pass"),
    }
}

/// Says how often each test passed at least.
fn least(trial: &Trial<'_>, rows: &[Row], knobs: &[rmcp_model::Knob]) -> String {
    let wanted = |test: &Test| trial.goal.tests.iter().any(|needed| needed.test == *test);
    let row = rows.iter().find(|row| {
        knobs_of(&row.candidate) == knobs && (is_baseline(&row.candidate) || is_fix(&row.candidate))
    });
    let cells = row.into_iter().flat_map(|row| &row.cells).filter(|cell| wanted(&cell.test));
    cells
        .min_by_key(|cell| cell.n)
        .map_or_else(String::new, |cell| format!("each in at least {} of {} runs", cell.k, cell.n))
}

/// Counts the tests that could not be run on the machine as it is.
fn not_run(rows: &[Row]) -> usize {
    let cells = rows.first().into_iter().flat_map(|row| &row.cells);
    cells
        .filter(|cell| !cell.outcome.ran() || matches!(cell.outcome, Outcome::CouldNotStart { .. }))
        .count()
}

fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
