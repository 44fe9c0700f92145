//! The document `rmcp.scan/1`.

use super::{answer, demangle};
use rmcp_model::{CodeScan, KernelScan, LibraryScan, ScanReport, ScanVerdict};
use serde_json::{Value, json};

/// Returns the document `rmcp.scan/1`. Numbers that were not read are null, never 0.
///
/// # Panics
/// Never: the model holds nothing that JSON cannot.
pub fn scan_json(report: &ScanReport, subject: &str) -> Value {
    let library = |(library, verdict): &(LibraryScan, ScanVerdict)| {
        let mut value = json!({
            "path": library.path,
            "objects": objects(library),
            "verdict": verdict_with_kernels(library, verdict),
        });
        if let Some(kernels) = report.kernels.get(&library.path) {
            value["kernels"] = kernels.iter().map(kernel).collect();
        }
        value
    };
    let mut verdict = json!(report.verdict);
    if report.verdict.is_some() {
        verdict["sentence"] = json!(answer::of_report(report, subject));
    }
    json!({
        "schema": "rmcp.scan/1",
        "card": report.card.gfx,
        "libraries": report.libraries.iter().map(library).collect::<Vec<_>>(),
        "verdict": verdict,
        "problems": report.problems,
    })
}

/// The verdict, and the kernels of the code that it means by the gravest rule that hits them.
fn verdict_with_kernels(library: &LibraryScan, verdict: &ScanVerdict) -> Value {
    let code = verdict.code.as_ref().and_then(|name| library.targets.get(name)?.code.as_ref());
    let mut value = json!(verdict);
    value["kernels_by_severity"] = json!(code.map(|code| &code.kernels_by_severity));
    value
}

fn objects(library: &LibraryScan) -> Vec<Value> {
    let rows = library.targets.iter().map(|(target, row)| {
        let code = row.code.as_ref();
        json!({
            "target": target,
            "kernels": row.kernels,
            "stubs": row.stubs,
            "instructions": code.map(|code| code.instructions),
            "undecodable": code.map(|code| code.undecodable),
            "rules": code.map(|code| &code.rules),
            "flagged_kernels": code.map(CodeScan::flagged_kernels),
        })
    });
    rows.collect()
}

fn kernel(kernel: &KernelScan) -> Value {
    let mut value = json!(kernel);
    value["demangled"] = json!(demangle(&kernel.name));
    value
}
