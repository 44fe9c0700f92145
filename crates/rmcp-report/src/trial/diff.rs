//! What is different between two matrices.

use super::{device, interval};
use crate::clean::clean;
use rmcp_model::{Cell, Row, TrialMatrix};

/// Returns the differences between an older and a newer matrix, one a line.
pub fn trial_diff(old: &TrialMatrix, new: &TrialMatrix) -> String {
    let mut lines = Vec::new();
    if old.device != new.device {
        lines.push(format!("other device: {} → {}", device(&old.device), device(&new.device)));
    }
    for row in &new.rows {
        match old.rows.iter().find(|one| one.candidate.id == row.candidate.id) {
            Some(before) => lines.extend(cells(before, row)),
            None => lines.push(format!("new: {}", row.candidate.title)),
        }
    }
    for row in &old.rows {
        if !new.rows.iter().any(|one| one.candidate.id == row.candidate.id) {
            lines.push(format!("no longer: {}", row.candidate.title));
        }
    }
    if lines.is_empty() {
        lines.push("every cell is as before".to_owned());
    }
    if old.sentence != new.sentence {
        lines.push(format!("before: {}", old.sentence));
        lines.push(format!("now:    {}", new.sentence));
    }
    lines.iter().map(|line| format!("{}\n", clean(&line.replace('\n', " ")))).collect()
}

fn cells(before: &Row, now: &Row) -> Vec<String> {
    let title = &now.candidate.title;
    let mut lines = Vec::new();
    for cell in &now.cells {
        let old = before.cells.iter().find(|old| old.test == cell.test);
        match old {
            Some(old) if shown(old) == shown(cell) => {}
            Some(old) => {
                let luck = match may_be_luck(old, cell) {
                    true => " (so few runs that it may be luck)",
                    false => "",
                };
                lines.push(format!(
                    "{}, {title}: {} → {}{luck}",
                    cell.test,
                    shown(old),
                    shown(cell)
                ));
            }
            None => lines.push(format!("{}, {title}: new, {}", cell.test, shown(cell))),
        }
    }
    for old in &before.cells {
        if !now.cells.iter().any(|cell| cell.test == old.test) {
            lines.push(format!("{}, {title}: no longer there", old.test));
        }
    }
    lines
}

fn shown(cell: &Cell) -> String {
    match cell.n {
        0 => cell.outcome.word().to_owned(),
        n => format!("{} {}/{n}", cell.outcome.word(), cell.k),
    }
}

/// Returns whether both may have passed equally often in truth.
fn may_be_luck(old: &Cell, new: &Cell) -> bool {
    let (old_low, old_high) = interval::wilson(old.k, old.n);
    let (new_low, new_high) = interval::wilson(new.k, new.n);
    old.n > 0 && new.n > 0 && old_low <= new_high && new_low <= old_high
}
