//! `rmcp undo` and `rmcp status`.

use crate::cli::Failure;
use crate::cli::args::{Format, Status, Undo};
use crate::cli::change::{confirm, failure, now, open, settled};
use crate::cli::output::Output;
use rmcp::model::{ExitCode, Standing};
use rmcp::{Site, StandingChange};
use rmcp_change::UndoChoice;
use rmcp_report::{plan_text, standing_text, undo_text};
use serde_json::json;

pub(crate) fn undo(arguments: &Undo, output: &Output) -> Result<ExitCode, Failure> {
    // What was interrupted is taken back by the way.
    let site = settled(open(arguments.how.root.as_deref())?, false, output)?;
    let entries = site.not_undone().map_err(failure)?;
    let ids: Vec<u32> = match (arguments.id, arguments.all) {
        (Some(id), _) => vec![id],
        (None, true) => entries.iter().map(|entry| entry.id).collect(),
        (None, false) => entries.iter().take(1).map(|entry| entry.id).collect(),
    };
    if output.format == Format::Text {
        for entry in entries.iter().filter(|entry| ids.contains(&entry.id)) {
            output.write(&undo_text(entry.id, &entry.plan, output.palette));
        }
    }
    if !ids.is_empty() {
        confirm(&arguments.how, "Take this back?")?;
    }
    let choice =
        UndoChoice { keep_edits: arguments.keep_edits, skip_programs: arguments.skip_programs };
    let (mut undone, mut failures) = (Vec::new(), Vec::new());
    for id in ids {
        match site.undo(id, choice) {
            Ok((entry, recovery)) => {
                if output.format == Format::Text {
                    output.write(&format!("change {id} is taken back: {}\n", entry.plan.title));
                }
                for place in &recovery.aside {
                    output.note(&format!("what was made anew since is now {place}"));
                }
                undone.push(id);
            }
            // One that cannot be taken back does not keep the others.
            Err(error) => failures.push(failure(error)),
        }
    }
    match output.format {
        Format::Json => output.write_json(&json!({ "schema": "rmcp.undo/1", "undone": undone })),
        Format::Text if undone.is_empty() && failures.is_empty() => {
            output.write("no change is in force\n");
        }
        Format::Text => {}
    }
    let last = failures.pop();
    failures.iter().for_each(Failure::say);
    last.map_or(Ok(ExitCode::Success), Err)
}

pub(crate) fn status(arguments: &Status, output: &Output) -> Result<ExitCode, Failure> {
    let site = settled(open(arguments.how.root.as_deref())?, false, output)?;
    if arguments.confirm {
        return keep(&site, arguments, output);
    }
    let changes = site.status().map_err(failure)?;
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

/// Keeps what is in force for this start of the machine alone: it is taken back, and made anew for good.
fn keep(site: &Site, arguments: &Status, output: &Output) -> Result<ExitCode, Failure> {
    let (old, plan) = site.confirmation().map_err(|error| {
        let failure = failure(error);
        if site.system_has_changes() {
            return failure.hint("changes of the whole system: sudo rmcp status --confirm");
        }
        failure
    })?;
    if output.format == Format::Text {
        output.write(&undo_text(old.id, &old.plan, output.palette));
        output.write(&plan_text(&plan, output.palette));
    }
    confirm(&arguments.how, "Make these words last?")?;
    site.undo(old.id, UndoChoice::default()).map_err(failure)?;
    let made = site.apply(&plan, &now()).map_err(|error| {
        let id = old.id;
        failure(error).hint(format!("change {id} is taken back; make it anew with --permanent"))
    })?;
    let new = made.entry.map(|entry| entry.id);
    match (output.format, new) {
        (Format::Json, _) => output
            .write_json(&json!({ "schema": "rmcp.status/1", "confirmed": old.id, "change": new })),
        (Format::Text, Some(new)) => output
            .write(&format!("change {} is kept as change {new}: {}\n", old.id, old.plan.title)),
        (Format::Text, None) => output
            .write(&format!("change {} is no longer needed: {} already\n", old.id, old.plan.title)),
    }
    let off = made.standing.as_ref().is_some_and(Standing::is_off);
    Ok(if off { ExitCode::Problem } else { ExitCode::Success })
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
