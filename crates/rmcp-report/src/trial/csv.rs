//! The matrix for a spreadsheet, one line for each cell.

use crate::clean::clean;
use rmcp_model::TrialMatrix;

/// Returns the matrix as CSV.
///
/// Source: RFC 4180.
pub fn trial_csv(matrix: &TrialMatrix) -> String {
    let mut out = "device,simulated,candidate,title,workload,tool,outcome,k,n,kind,seconds,max_rel_error,what\r\n".to_owned();
    for row in &matrix.rows {
        for cell in &row.cells {
            let fields = [
                field(&matrix.device.name),
                matrix.device.simulated.to_string(),
                field(&row.candidate.id),
                field(&row.candidate.title),
                field(&cell.test.workload),
                cell.test.tool.to_string(),
                cell.outcome.word().to_owned(),
                cell.k.to_string(),
                cell.n.to_string(),
                cell.kind.map_or(String::new(), |kind| kind.to_string()),
                // Nothing was measured where nothing ran.
                if cell.n > 0 { format!("{:.3}", cell.seconds) } else { String::new() },
                cell.max_rel_error.map_or(String::new(), |error| format!("{error:e}")),
                field(cell.outcome.what().unwrap_or_default()),
            ];
            out += &fields.join(",");
            out += "\r\n";
        }
    }
    out
}

/// Returns a text as a field. A spreadsheet would calculate what begins like a formula.
fn field(text: &str) -> String {
    let text = clean(text);
    let guard = if text.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
    match text.contains([',', '"', '\n']) {
        true => format!("\"{guard}{}\"", text.replace('"', "\"\"")),
        false => format!("{guard}{text}"),
    }
}
