//! The JSON documents. Their shape is an interface: it changes only with the number behind the slash.

use rmcp_model::{Diagnosis, Explanation, HostFacts};
use serde_json::{Value, json};

/// Returns the document `rmcp.doctor/1`.
///
/// # Panics
/// Never: the model holds nothing that JSON cannot.
pub fn diagnosis_json(diagnosis: &Diagnosis, facts: Option<&HostFacts>) -> Value {
    let mut document = json!({
        "schema": "rmcp.doctor/1",
        "provenance": diagnosis.provenance,
        "gpus": diagnosis.gpus,
        "findings": diagnosis.findings,
        "plan": diagnosis.plan,
        "routes": diagnosis.routes,
        "unchecked": diagnosis.unchecked,
    });
    if let Some(facts) = facts {
        document["facts"] = json!(facts);
    }
    document
}

/// Returns the document `rmcp.explain/1`.
pub fn explanation_json(explanation: &Explanation, source: &str) -> Value {
    json!({
        "schema": "rmcp.explain/1",
        "source": source,
        "kind": explanation.kind,
        "also": explanation.also,
        "matched": explanation.matched,
        "fields": explanation.fields,
        "findings": explanation.findings,
    })
}
