//! What came of tests under candidate fixes: for a person, for a program, for an issue, a spreadsheet or a build server.
//!
//! The same rules hold in every form: what was skipped or not run is never shown as passed, a simulated card is named
//! as one, and what strangers' programs printed gives no orders to a terminal.

mod csv;
mod diff;
mod interval;
mod json;
mod junit;
mod markdown;
mod plan;
mod text;

pub use csv::trial_csv;
pub use diff::trial_diff;
pub use json::{TrialDocumentError, trial_from_json, trial_json};
pub use junit::trial_junit;
pub use markdown::trial_markdown;
pub use plan::{CostLine, attempt_line, trial_plan_text};
pub use text::trial_text;

use rmcp_model::{Cell, Outcome, TrialDevice};

/// What is said of every result of a simulated card.
const SIMULATED: &str = "SIMULATED: true of the software, nothing is said of silicon";

/// Names the device, and says where its numbers come from.
fn device(device: &TrialDevice) -> String {
    let gfx = device.gfx.as_ref().map_or(String::new(), |gfx| format!(" ({gfx})"));
    let origin = if device.simulated { SIMULATED } else { "measured on this machine" };
    format!("{}{gfx}, {origin}", device.name)
}

/// Returns the outcome in the fewest letters, which need no colour.
fn letter(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "✔",
        Outcome::WrongNumbers { .. } => "W",
        Outcome::Failed { .. } => "F",
        Outcome::Crashed { .. } => "C",
        Outcome::Hung { .. } => "H",
        Outcome::CouldNotStart { .. } => "N",
        Outcome::Skipped { .. } => "-",
        Outcome::NotRun { .. } => "·",
    }
}

/// Returns what a cell shows: a letter, or how many of its runs passed where not all came to the same.
fn short(cell: &Cell) -> String {
    match is_flaky(cell) {
        true => format!("{}/{}", cell.k, cell.n),
        false => letter(&cell.outcome).to_owned(),
    }
}

/// Returns whether some runs passed and some did not.
fn is_flaky(cell: &Cell) -> bool {
    cell.k > 0 && cell.k < cell.n
}

/// Returns how often a test passed, and between which rates that leaves the truth.
fn how_often(cell: &Cell) -> String {
    let passed = format!("{} of {}", cell.k, cell.n);
    match is_flaky(cell) {
        true => {
            let (low, high) = interval::wilson(cell.k, cell.n);
            format!("{passed}, so between {:.0} and {:.0} %", low * 100.0, high * 100.0)
        }
        false => passed,
    }
}

#[cfg(test)]
mod tests;
