//! `rmcp undo` and `rmcp status`.

use crate::cli::Failure;
use crate::cli::args::{Format, Status, Undo};
use crate::cli::change::{confirm, failure, now, open};
use crate::cli::output::Output;
use rmcp::model::ExitCode;
use rmcp::{Site, StandingChange};
use rmcp_change::Recovery;
use rmcp_report::{standing_text, undo_text};
use serde_json::json;

pub(crate) fn undo(arguments: &Undo, output: &Output) -> Result<ExitCode, Failure> {
    let site = open(arguments.how.root.as_deref())?;
    let applied = site.applied().map_err(failure)?;
    let ids: Vec<u32> = match (arguments.id, arguments.all) {
        (Some(id), _) => vec![id],
        (None, true) => applied.iter().map(|entry| entry.id).collect(),
        (None, false) => applied.iter().take(1).map(|entry| entry.id).collect(),
    };
    if output.format == Format::Text {
        for entry in applied.iter().filter(|entry| ids.contains(&entry.id)) {
            output.write(&undo_text(entry.id, &entry.plan, output.palette));
        }
    }
    if !ids.is_empty() {
        confirm(&arguments.how, "Take this back?")?;
    }
    let mut undone = Vec::new();
    for id in ids {
        let (entry, recovery) = site.undo(id, arguments.keep_edits).map_err(failure)?;
        if output.format == Format::Text {
            output.write(&format!("change {id} is taken back: {}\n", entry.plan.title));
        }
        for place in recovery.aside {
            output.note(&format!("what was made anew since is now {place}"));
        }
        undone.push(id);
    }
    match output.format {
        Format::Json => output.write_json(&json!({ "schema": "rmcp.undo/1", "undone": undone })),
        Format::Text if undone.is_empty() => output.write("no change is in force\n"),
        Format::Text => {}
    }
    Ok(ExitCode::Success)
}

pub(crate) fn status(arguments: &Status, output: &Output) -> Result<ExitCode, Failure> {
    let site = open(arguments.how.root.as_deref())?;
    if arguments.confirm {
        return keep(&site, arguments, output);
    }
    let (changes, recovered) = site.status().map_err(failure)?;
    recovered.iter().for_each(|recovery| say_recovered(recovery, output));
    match output.format {
        Format::Json => {
            let changes: Vec<_> = changes.iter().map(row_json).collect();
            output.write_json(&json!({ "schema": "rmcp.status/1", "changes": changes }));
        }
        Format::Text if changes.is_empty() => output.write("no change was ever made here\n"),
        Format::Text => changes.iter().for_each(|change| output.write(&row(change))),
    }
    if output.format == Format::Text && site.system_has_changes() {
        output.note("changes of the whole system: sudo rmcp status");
    }
    let off = changes.iter().any(|change| change.standing.is_off());
    Ok(if off { ExitCode::Problem } else { ExitCode::Success })
}

/// Keeps what is in force for this start of the machine alone.
fn keep(site: &Site, arguments: &Status, output: &Output) -> Result<ExitCode, Failure> {
    confirm(&arguments.how, "Start the kernel with these words from now on?")?;
    let (old, made) = site.confirm(&now()).map_err(failure)?;
    let new = made.entry.map(|entry| entry.id);
    match (output.format, new) {
        (Format::Json, _) => {
            output.write_json(
                &json!({ "schema": "rmcp.status/1", "confirmed": old.id, "change": new }),
            );
        }
        (Format::Text, Some(new)) => output
            .write(&format!("change {} is kept as change {new}: {}\n", old.id, old.plan.title)),
        (Format::Text, None) => output
            .write(&format!("change {} is no longer needed: {} already\n", old.id, old.plan.title)),
    }
    Ok(ExitCode::Success)
}

fn say_recovered(recovery: &Recovery, output: &Output) {
    let left = if recovery.left.is_empty() {
        "everything is as before it".to_owned()
    } else {
        format!("{} was edited meanwhile and left alone", recovery.left.join(", "))
    };
    output
        .note(&format!("change {} had been interrupted, and was taken back: {left}", recovery.id));
}

fn row_json(change: &StandingChange) -> serde_json::Value {
    let mut row = json!(change.standing);
    row["id"] = json!(change.entry.id);
    row["time"] = json!(change.entry.time);
    row["title"] = json!(change.entry.plan.title);
    row["off"] = json!(change.standing.is_off());
    row
}

fn row(change: &StandingChange) -> String {
    format!(
        "{:4}  {}  {}\n      {}\n",
        change.entry.id,
        change.entry.time,
        change.entry.plan.title,
        standing_text(&change.standing)
    )
}
