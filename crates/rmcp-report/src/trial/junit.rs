//! The matrix for a build server: a suite for each candidate, a case for each test.

use super::{device, how_often};
use crate::clean::clean;
use rmcp_model::{Cell, Outcome, Row, TrialMatrix};

/// Returns the matrix as JUnit XML.
pub fn trial_junit(matrix: &TrialMatrix) -> String {
    let all: Vec<&Cell> = matrix.rows.iter().flat_map(|row| &row.cells).collect();
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"{}\" {}>\n",
        escaped(&format!("rmcp try: {}", device(&matrix.device))),
        counts(&all)
    );
    for row in &matrix.rows {
        out += &suite(row);
    }
    out + "</testsuites>\n"
}

fn suite(row: &Row) -> String {
    let cells: Vec<&Cell> = row.cells.iter().collect();
    let id = escaped(&row.candidate.id);
    let mut out = format!("  <testsuite name=\"{id}\" {}>\n", counts(&cells));
    for cell in cells {
        let head = format!(
            "    <testcase classname=\"{id}\" name=\"{}\" time=\"{:.3}\"",
            escaped(&cell.test.to_string()),
            cell.seconds
        );
        let what = escaped(cell.outcome.what().unwrap_or_default());
        out += &match kind_of(cell) {
            Case::Passed => format!("{head}/>\n"),
            Case::Skipped => format!(
                "{head}><skipped message=\"{}: {what}\"/></testcase>\n",
                cell.outcome.word()
            ),
            Case::Failed => {
                let kind = cell.kind.map_or(String::new(), |kind| format!(" ({kind})"));
                let word = cell.outcome.word();
                format!(
                    "{head}><failure type=\"{word}\" message=\"{word}{kind}, passed in {}\">{what}</failure></testcase>\n",
                    how_often(cell)
                )
            }
        };
    }
    out + "  </testsuite>\n"
}

enum Case {
    Passed,
    Failed,
    Skipped,
}

fn kind_of(cell: &Cell) -> Case {
    match &cell.outcome {
        Outcome::Skipped { .. } | Outcome::NotRun { .. } => Case::Skipped,
        // Nothing passes that was never run, whatever its outcome says.
        Outcome::Passed if cell.n > 0 && cell.k == cell.n => Case::Passed,
        _ => Case::Failed,
    }
}

fn counts(cells: &[&Cell]) -> String {
    let of = |wanted: fn(&Case) -> bool| cells.iter().filter(|cell| wanted(&kind_of(cell))).count();
    let time: f64 = cells.iter().map(|cell| cell.seconds * f64::from(cell.n)).sum();
    format!(
        "tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\" time=\"{time:.3}\"",
        cells.len(),
        of(|case| matches!(case, Case::Failed)),
        of(|case| matches!(case, Case::Skipped))
    )
}

/// Returns a text for an attribute or an element.
///
/// Source: Extensible Markup Language (XML) 1.0, section 2.2, which characters a document may hold.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in clean(text).chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\n' => out += "&#10;",
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
    out
}
