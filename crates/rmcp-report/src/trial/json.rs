//! The document `rmcp.try/1`. Its shape is an interface: it changes only with the number behind the slash.

use rmcp_model::{Advice, Cell, Row, TrialDevice, TrialMatrix};
use serde_json::{Value, json};

/// Name of the form.
const SCHEMA: &str = "rmcp.try/1";

/// Returns the document `rmcp.try/1`, whose `plan` is for `rmcp apply --from`.
pub fn trial_json(matrix: &TrialMatrix) -> Value {
    json!({
        "schema": SCHEMA,
        "device": { "name": matrix.device.name, "gfx": matrix.device.gfx },
        "simulated": matrix.device.simulated,
        "verdict": matrix.verdict,
        "sentence": matrix.sentence,
        "minimal": matrix.minimal,
        "plan": plan(matrix),
        "rows": matrix.rows.iter().map(row).collect::<Vec<Value>>(),
    })
}

/// Returns what `rmcp apply` can do to make the result last.
fn plan(matrix: &TrialMatrix) -> Vec<Advice> {
    let lasting = matrix.minimal.iter().filter(|candidate| !candidate.wishes.is_empty());
    lasting
        .map(|candidate| Advice {
            finding: "measured-by-try".to_owned(),
            remedy: candidate.id.clone(),
            wishes: candidate.wishes.clone(),
        })
        .collect()
}

fn row(row: &Row) -> Value {
    json!({
        "candidate": row.candidate,
        "cells": row.cells.iter().map(cell).collect::<Vec<Value>>(),
    })
}

/// A cell with all its fields, also those that are not known.
fn cell(cell: &Cell) -> Value {
    let mut value = json!(cell);
    for name in ["kind", "max_rel_error"] {
        if value.get(name).is_none() {
            value[name] = Value::Null;
        }
    }
    value
}

/// A document that is none of a trial.
#[derive(Debug, thiserror::Error)]
pub enum TrialDocumentError {
    /// It has another form.
    #[error("its schema is `{}`, expected {SCHEMA}", .0.escape_debug())]
    Schema(String),
    /// A part of it is missing or of another shape.
    #[error("not a document of {SCHEMA}: {0}")]
    Shape(#[from] serde_json::Error),
}

/// Returns the matrix that a document `rmcp.try/1` was made from.
///
/// # Errors
/// [`TrialDocumentError`] where it is another document.
pub fn trial_from_json(document: &Value) -> Result<TrialMatrix, TrialDocumentError> {
    let schema = document["schema"].as_str().unwrap_or_default();
    if schema != SCHEMA {
        return Err(TrialDocumentError::Schema(schema.to_owned()));
    }
    let device = TrialDevice {
        name: part(&document["device"], "name")?,
        gfx: part(&document["device"], "gfx")?,
        simulated: part(document, "simulated")?,
    };
    Ok(TrialMatrix {
        device,
        rows: part(document, "rows")?,
        minimal: part(document, "minimal")?,
        verdict: part(document, "verdict")?,
        sentence: part(document, "sentence")?,
    })
}

fn part<T: serde::de::DeserializeOwned>(
    value: &Value,
    name: &str,
) -> Result<T, TrialDocumentError> {
    Ok(serde_json::from_value(value[name].clone())?)
}
