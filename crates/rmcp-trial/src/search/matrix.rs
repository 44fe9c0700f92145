//! The matrix of all that was asked, and the verdict.

use super::candidate_set::{is_baseline, is_fix, knobs_of};
use super::evidence::cell;
use super::sentence::sentence;
use super::trial::Trial;
use rmcp_model::{Candidate, Knob, Outcome, Row, Test, TrialMatrix, TrialVerdict, Way};

/// Returns the matrix.
pub(super) fn matrix(trial: &Trial<'_>) -> TrialMatrix {
    let verdict = verdict(trial);
    let is_other = |one: &&Candidate| !is_baseline(one) && !is_fix(one);
    let rows: Vec<Row> = [&trial.baseline]
        .into_iter()
        .chain(trial.fixes())
        .chain(&trial.sets)
        .chain(trial.what.candidates.iter().filter(is_other))
        .map(|candidate| row(trial, candidate))
        .collect();
    let minimal = trial.found.as_ref().map_or_else(Vec::new, |found| found.candidates.clone());
    let sentence = sentence(trial, &rows, verdict);
    TrialMatrix { device: trial.what.device.clone(), rows, minimal, verdict, sentence }
}

fn row(trial: &Trial<'_>, candidate: &Candidate) -> Row {
    let knobs = knobs_of(candidate);
    let cells = trial
        .what
        .tests
        .iter()
        .map(|test| {
            // A candidate that is not tried here may share its changes with one that is.
            let attempts = match candidate.way {
                Way::Here => trial.asker.known(&knobs, test),
                Way::Apply { .. } | Way::Environment { .. } => &[],
            };
            cell(test, attempts, &why_not_run(trial, candidate, test))
        })
        .collect();
    Row { candidate: candidate.clone(), cells }
}

/// Returns why a test was not run under a candidate.
fn why_not_run(trial: &Trial<'_>, candidate: &Candidate, test: &Test) -> String {
    match &candidate.way {
        Way::Apply { command } => return format!("the machine has to be changed first: {command}"),
        Way::Environment { how } => return how.clone(),
        Way::Here => {}
    }
    let is_wanted = trial.goal.tests.iter().any(|needed| needed.test == *test);
    let knobs = knobs_of(candidate);
    let was_tried = trial.what.tests.iter().any(|test| !trial.asker.known(&knobs, test).is_empty());
    let found = trial.found.as_ref();
    match found {
        _ if is_baseline(candidate) => "the time was over".to_owned(),
        _ if !is_wanted && !trial.asker.known(&[], test).is_empty() => {
            "it could not be run on the machine as it is".to_owned()
        }
        _ if was_tried => "another test had failed".to_owned(),
        Some(found) => format!("not needed: enough is {}", titles(&found.candidates)),
        None if trial.asker.is_over() => "the time was over".to_owned(),
        None => "everything passes as the machine is".to_owned(),
    }
}

/// Returns titles as a list.
pub(super) fn titles(candidates: &[Candidate]) -> String {
    candidates.iter().map(|one| one.title.as_str()).collect::<Vec<_>>().join("; ")
}

fn verdict(trial: &Trial<'_>) -> TrialVerdict {
    let failed = trial.goal.failed().count();
    let complete = trial.what.tests.iter().all(|test| !trial.asker.known(&[], test).is_empty());
    let checks = trial.what.tests.iter().flat_map(|test| trial.asker.known(&[], test));
    let checked =
        checks.filter(|one| one.outcome.passed()).map(|one| u64::from(one.checks)).sum::<u64>() > 0;
    match (&trial.found, &trial.best) {
        (Some(_), _) => TrialVerdict::Fixed,
        (None, Some(_)) => TrialVerdict::Improved,
        (None, None) if failed == 0 && complete && checked => TrialVerdict::WorksAlready,
        (None, None) if failed > 0 && !trial.asker.is_over() => TrialVerdict::NothingHelps,
        (None, None) => TrialVerdict::Unknown,
    }
}

/// Returns whether every test that could be run passes in a row that has this alone.
pub(super) fn passes_with(knob: &Knob, trial: &Trial<'_>, rows: &[Row]) -> bool {
    let wanted = |test: &Test| trial.goal.tests.iter().any(|needed| needed.test == *test);
    rows.iter().filter(|row| row.candidate.knobs == [knob.clone()]).any(|row| {
        let mut cells = row.cells.iter().filter(|cell| wanted(&cell.test));
        cells.all(|cell| cell.outcome == Outcome::Passed)
    })
}
