//! The page of `rmcp try`: one screen, whatever the size of the matrix.

use super::{device, how_often, is_flaky, letter, short};
use crate::clean::clean;
use crate::style::Palette;
use crate::text::Detail;
use crate::wrap::{WIDTH, wrapped};
use rmcp_model::{Cell, Outcome, Row, TrialMatrix, TrialVerdict, Way};
use std::collections::BTreeSet;

/// Longest name of a candidate in the matrix.
const NAME: usize = 50;

/// Rows of the matrix on the short page.
const SHORT_ROWS: usize = 20;

/// Failures that the short page explains.
const SHORT_FAILURES: usize = 3;

/// Reasons for skipped tests that the short page gives.
const SHORT_REASONS: usize = 4;

/// Returns the page of a matrix.
pub fn trial_text(matrix: &TrialMatrix, detail: Detail, palette: Palette) -> String {
    let header = clean(&device(&matrix.device)).replace('\n', " ");
    let mut lines: Vec<String> =
        wrapped("", &header).iter().map(|line| palette.bold(line)).collect();
    lines.push(String::new());
    let tried: Vec<&Row> = matrix.rows.iter().filter(|row| was_tried(row)).collect();
    let shown = match detail {
        Detail::Full => tried.clone(),
        Detail::Short => chosen(&tried, matrix),
    };
    if tried.is_empty() {
        lines.push("no test was run".to_owned());
        let baseline: Vec<&Row> = matrix.rows.iter().take(1).collect();
        lines.extend(legend(&baseline, matrix));
    } else {
        lines.extend(table(&shown, matrix, palette));
        let hidden = tried.len() - shown.len();
        if hidden > 0 {
            lines.push(palette.faint(&format!("  {hidden} more rows: --verbose")));
        }
        lines.extend(legend(&shown, matrix));
    }
    lines.extend(failures(matrix, detail, palette));
    lines.extend(skipped(matrix, detail, palette));
    lines.extend(not_tried(matrix, detail, palette));
    lines.push(String::new());
    lines.extend(conclusion(matrix, palette));
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn was_tried(row: &Row) -> bool {
    row.cells.iter().any(|cell| cell.n > 0)
}

/// The rows that matter where there are too many: the first, those with a pass where it has none, and what was found.
fn chosen<'a>(tried: &[&'a Row], matrix: &TrialMatrix) -> Vec<&'a Row> {
    let baseline = matrix.rows.first();
    let mends = |row: &Row| {
        let before = baseline.into_iter().flat_map(|row| &row.cells);
        row.cells.iter().zip(before).any(|(cell, before)| cell.k > 0 && before.k < before.n)
    };
    let is_found = |row: &Row| matrix.minimal.iter().any(|one| one.id == row.candidate.id);
    let mut order: Vec<usize> = (0..tried.len()).collect();
    order.sort_by_key(|at| match tried[*at] {
        row if *at == 0 || is_found(row) => 0,
        row if mends(row) => 1,
        _ => 2,
    });
    order.truncate(SHORT_ROWS);
    order.sort_unstable();
    order.into_iter().map(|at| tried[at]).collect()
}

/// The matrix, in as many blocks of columns as it takes to stay within the width.
fn table(rows: &[&Row], matrix: &TrialMatrix, palette: Palette) -> Vec<String> {
    let names: Vec<String> = rows.iter().map(|row| name(&row.candidate.title)).collect();
    let wide = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let columns = rows.first().map_or(0, |row| row.cells.len());
    let cell_width =
        rows.iter().flat_map(|row| &row.cells).map(|cell| short(cell).chars().count()).max();
    let cell_width = cell_width.unwrap_or(1).max(columns.to_string().len()) + 1;
    let in_block = ((WIDTH - wide - 2) / cell_width).max(1);
    let mut lines = Vec::new();
    for first in (0..columns).step_by(in_block) {
        let last = columns.min(first + in_block);
        if first > 0 {
            lines.push(String::new());
        }
        let numbers: String =
            (first..last).map(|column| format!("{:>cell_width$}", column + 1)).collect();
        lines.push(palette.faint(&format!("  {:wide$}{numbers}", "")));
        for (row, name) in rows.iter().zip(&names) {
            let is_found = matrix.minimal.iter().any(|one| one.id == row.candidate.id);
            let mark = if is_found { palette.good("→") } else { " ".to_owned() };
            let padded = format!("{name:wide$}");
            let cells: String = row.cells[first..last]
                .iter()
                .map(|cell| painted(cell, cell_width, palette))
                .collect();
            lines.push(format!("{mark} {padded}{cells}"));
        }
    }
    lines
}

fn name(title: &str) -> String {
    let title = clean(title).replace('\n', " ");
    match title.chars().count() > NAME {
        true => title.chars().take(NAME - 1).chain(['…']).collect(),
        false => title,
    }
}

fn painted(cell: &Cell, width: usize, palette: Palette) -> String {
    let text = format!("{:>width$}", short(cell));
    match &cell.outcome {
        Outcome::Passed => palette.good(&text),
        Outcome::Skipped { .. } | Outcome::NotRun { .. } => palette.faint(&text),
        _ => palette.bad(&text),
    }
}

/// What the numbers and letters mean.
fn legend(rows: &[&Row], matrix: &TrialMatrix) -> Vec<String> {
    let tests = matrix.rows.first().map_or(&[][..], |row| &row.cells[..]);
    let tests: Vec<String> = tests
        .iter()
        .enumerate()
        .map(|(at, cell)| format!("{} {}", at + 1, clean(&cell.test.to_string())))
        .collect();
    let cells = || rows.iter().flat_map(|row| &row.cells);
    let letters: BTreeSet<String> = cells()
        .filter(|cell| !is_flaky(cell))
        .map(|cell| format!("{} {}", letter(&cell.outcome), cell.outcome.word()))
        .collect();
    let mut letters: Vec<String> = letters.into_iter().collect();
    if cells().any(is_flaky) {
        letters.push("2/3 passed in 2 of 3 runs".to_owned());
    }
    let mut lines = vec![String::new()];
    lines.extend(wrapped("  ", &tests.join("   ")));
    lines.extend(wrapped("  ", &letters.join("   ")));
    lines
}

/// What failed on the machine as it is, and what passes now and then anywhere.
fn failures(matrix: &TrialMatrix, detail: Detail, palette: Palette) -> Vec<String> {
    let Some(baseline) = matrix.rows.first() else { return Vec::new() };
    let failed = baseline.cells.iter().filter(|cell| cell.k < cell.n);
    let mut said: Vec<String> = failed
        .map(|cell| {
            let kind = cell.kind.map_or(String::new(), |kind| format!(", {kind}"));
            let what = cell.outcome.what().map_or(String::new(), |what| format!(": {what}"));
            let word = cell.outcome.word();
            format!("{} {word}{kind}, passed in {}{what}", cell.test, how_often(cell))
        })
        .collect();
    for row in &matrix.rows[1..] {
        for cell in row.cells.iter().filter(|cell| is_flaky(cell)) {
            let title = &row.candidate.title;
            said.push(format!("{} passed in {}: {title}", cell.test, how_often(cell)));
        }
    }
    let limit = if detail == Detail::Full { usize::MAX } else { SHORT_FAILURES };
    let mut lines = Vec::new();
    for (at, text) in said.iter().take(limit).enumerate() {
        if at == 0 {
            lines.push(String::new());
        }
        let text = clean(text).replace('\n', " ");
        let first = wrapped("    ", &text);
        let kept = if detail == Detail::Full { usize::MAX } else { 2 };
        for (number, line) in first.iter().take(kept).enumerate() {
            let mark = if number == 0 { palette.bad("✘") } else { " ".to_owned() };
            lines.push(format!("  {mark} {}", line.trim_start()));
        }
    }
    if said.len() > limit {
        lines.push(palette.faint(&format!("    and {} more: --verbose", said.len() - limit)));
    }
    lines
}

/// Why tests were skipped on the machine as it is: a skip is no pass, and its reason often says what to do.
fn skipped(matrix: &TrialMatrix, detail: Detail, palette: Palette) -> Vec<String> {
    let cells = matrix.rows.first().map_or(&[][..], |row| &row.cells[..]);
    let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
    for (at, cell) in cells.iter().enumerate() {
        let Outcome::Skipped { what } = &cell.outcome else { continue };
        let number = (at + 1).to_string();
        match reasons.iter_mut().find(|(known, _)| known == what) {
            Some((_, numbers)) => numbers.push(number),
            None => reasons.push((what, vec![number])),
        }
    }
    let limit = if detail == Detail::Full { usize::MAX } else { SHORT_REASONS };
    let mut lines = Vec::new();
    for (at, (what, numbers)) in reasons.iter().take(limit).enumerate() {
        if at == 0 {
            lines.push(String::new());
        }
        let which = match &numbers[..] {
            [one] => format!("test {one} was"),
            more => format!("tests {} were", more.join(", ")),
        };
        let text = clean(&format!("{which} skipped: {what}")).replace('\n', " ");
        for (number, line) in wrapped("    ", &text).iter().enumerate() {
            let mark = if number == 0 { "-" } else { " " };
            lines.push(palette.faint(&format!("  {mark} {}", line.trim_start())));
        }
    }
    if reasons.len() > limit {
        lines.push(palette.faint(&format!("    and {} more: --verbose", reasons.len() - limit)));
    }
    lines
}

/// What needs a change of the machine or other software, and what was not needed.
fn not_tried(matrix: &TrialMatrix, detail: Detail, palette: Palette) -> Vec<String> {
    let rows: Vec<&Row> = matrix.rows.iter().filter(|row| !was_tried(row)).collect();
    let (here, elsewhere): (Vec<&Row>, Vec<&Row>) =
        rows.into_iter().partition(|row| row.candidate.way == Way::Here);
    let mut lines = Vec::new();
    let is_answered = matches!(matrix.verdict, TrialVerdict::WorksAlready | TrialVerdict::Fixed);
    if !elsewhere.is_empty() && (detail == Detail::Full || !is_answered) {
        lines.push(String::new());
        lines.push(palette.bold("Not tried, because the machine would have to be changed first"));
        for row in &elsewhere {
            let how = match &row.candidate.way {
                Way::Apply { command } => command,
                Way::Environment { how } => how,
                Way::Here => "",
            };
            lines.extend(wrapped("  ", &format!("· {}", clean(&row.candidate.title))));
            if detail == Detail::Full {
                let how = wrapped("    ", &clean(how));
                lines.extend(how.iter().map(|line| palette.command(line)));
            }
        }
    }
    if !here.is_empty() {
        lines.push(String::new());
        match detail {
            Detail::Short => {
                let rows = match here.len() {
                    1 => "1 row was".to_owned(),
                    more => format!("{more} rows were"),
                };
                lines.push(palette.faint(&format!("  {rows} not tried: --verbose")));
            }
            Detail::Full => {
                lines.push(palette.bold("Not tried"));
                for row in here {
                    let why = row.cells.first().and_then(|cell| cell.outcome.what());
                    let why = why.map_or(String::new(), |why| format!(": {why}"));
                    let text = format!("· {}{why}", row.candidate.title);
                    lines.extend(wrapped("  ", &clean(&text)));
                }
            }
        }
    }
    lines
}

fn conclusion(matrix: &TrialMatrix, palette: Palette) -> Vec<String> {
    let mark = match matrix.verdict {
        TrialVerdict::WorksAlready | TrialVerdict::Fixed => palette.good("✔"),
        TrialVerdict::NothingHelps => palette.bad("✘"),
        TrialVerdict::Improved | TrialVerdict::Unknown => "·".to_owned(),
    };
    let sentence = wrapped("  ", &clean(&matrix.sentence));
    let mut lines: Vec<String> = Vec::new();
    for (at, line) in sentence.iter().enumerate() {
        let mark = if at == 0 { mark.as_str() } else { " " };
        lines.push(format!("{mark} {}", palette.bold(line.trim_start())));
    }
    for candidate in &matrix.minimal {
        for wish in &candidate.wishes {
            let text = clean(&wish.to_string()).into_owned();
            lines.push(format!("  {} {}", palette.good("→"), palette.command(&text)));
        }
    }
    lines
}
