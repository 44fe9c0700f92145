//! The matrix for an issue.

use super::{device, how_often, is_flaky};
use crate::clean::clean;
use rmcp_model::{Cell, TrialMatrix};

/// Returns the matrix as Markdown.
pub fn trial_markdown(matrix: &TrialMatrix) -> String {
    let mut out = format!("**{}**\n\n", text(&device(&matrix.device)));
    let tests = matrix.rows.first().map_or(&[][..], |row| &row.cells[..]);
    let head: Vec<String> = tests.iter().map(|cell| text(&cell.test.to_string())).collect();
    let dashes = vec!["---"; tests.len() + 1];
    out += &format!("| candidate | {} |\n| {} |\n", head.join(" | "), dashes.join(" | "));
    for row in &matrix.rows {
        let found = matrix.minimal.iter().any(|one| one.id == row.candidate.id);
        let title = text(&row.candidate.title);
        let title = if found { format!("**{title}**") } else { title };
        let cells: Vec<String> = row.cells.iter().map(shown).collect();
        out += &format!("| {title} | {} |\n", cells.join(" | "));
    }
    let failed = tests.iter().filter(|cell| cell.k < cell.n).collect::<Vec<&Cell>>();
    if !failed.is_empty() {
        out += "\nAs the machine is:\n";
        for cell in failed {
            let what = cell.outcome.what().unwrap_or_default();
            out += &format!(
                "- {}: {} ({})\n",
                text(&cell.test.to_string()),
                text(what),
                how_often(cell)
            );
        }
    }
    out += &format!("\n{}\n", text(&matrix.sentence));
    out
}

fn shown(cell: &Cell) -> String {
    let kind = cell.kind.filter(|_| !cell.outcome.passed());
    let kind = kind.map_or(String::new(), |kind| format!(" `{kind}`"));
    match (cell.n, is_flaky(cell)) {
        (0, _) => cell.outcome.word().to_owned(),
        (_, true) => format!("{}{kind}, {}", cell.outcome.word(), how_often(cell)),
        (_, false) => format!("{}{kind} ({}/{})", cell.outcome.word(), cell.k, cell.n),
    }
}

/// Returns a text that is text in Markdown too, on one line: no table, link, image or tag can come of it.
fn text(text: &str) -> String {
    let mut out = String::new();
    for c in clean(text).chars() {
        match c {
            '\n' => out.push(' '),
            '<' => out += "&lt;",
            '&' => out += "&amp;",
            '|' | '\\' | '*' | '_' | '`' | '[' | ']' | '#' | '~' | '@' => out.extend(['\\', c]),
            _ => out.push(c),
        }
    }
    out
}
