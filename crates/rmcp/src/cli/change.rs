//! `rmcp apply`, `undo` and `status`.

use crate::cli::Failure;
use crate::cli::args::{Apply, ApplyWhat, Confirm, Format, Status, Undo};
use crate::cli::output::Output;
use rmcp::model::{ExitCode, Plan};
use rmcp::{Caller, Site, SiteError, StandingChange, Wanted};
use rmcp_change::plan::{PlanError, Reader};
use rmcp_change::{ApplyError, Standing, UndoError};
use rmcp_report::plan_text;
use serde_json::json;
use std::io::{BufRead, IsTerminal, Write};

pub(crate) fn apply(arguments: &Apply, output: &Output) -> Result<ExitCode, Failure> {
    let caller = Caller::from_process();
    let wanted = wanted(&arguments.what, &caller)?;
    let site = Site::open(arguments.how.root.as_deref(), caller).map_err(failure)?;
    let plan = site.plan(&wanted, arguments.inert).map_err(failure)?;
    let nothing = plan.steps.is_empty();
    if output.format == Format::Text {
        if nothing {
            output.write(&format!("nothing to do: {} already\n", plan.title));
        } else {
            output.write(&plan_text(&plan, output.palette));
        }
    }
    let mut made = None;
    if !nothing && !arguments.dry_run {
        confirm(&arguments.how, "Make this change?")?;
        let time = jiff::Timestamp::now().to_string();
        made = site.apply(&plan, &time).map_err(failure)?.entry;
    }
    match (output.format, &made) {
        (Format::Json, _) => {
            output.write_json(&plan_json(&plan, made.as_ref().map(|entry| entry.id)))
        }
        (Format::Text, Some(entry)) => {
            let id = entry.id;
            let commands =
                plan.steps.iter().any(|step| matches!(step, rmcp::model::Step::Run { .. }));
            if commands && arguments.how.root.is_some() {
                output.note("no program was started: this is a machine folder");
            }
            output.note(&format!("change {id} is made; `rmcp undo {id}` takes it back, `rmcp status` shows where it stands"));
        }
        (Format::Text, None) => {}
    }
    Ok(ExitCode::Success)
}

fn plan_json(plan: &Plan, change: Option<u32>) -> serde_json::Value {
    json!({ "schema": "rmcp.apply/1", "plan": plan, "change": change })
}

fn wanted(what: &ApplyWhat, caller: &Caller) -> Result<Wanted, Failure> {
    Ok(match what {
        ApplyWhat::KernelParameter { words } => Wanted::KernelWords(words.clone()),
        ApplyWhat::ModuleOption { option: (name, value) } => {
            Wanted::ModuleOption(name.clone(), value.clone())
        }
        ApplyWhat::UnsetVariable { name } => Wanted::Unset(name.clone()),
        ApplyWhat::Variable { variable: (name, value), unit, everybody } => {
            let reader = match (unit, everybody) {
                (Some(unit), _) => Reader::Unit { unit: unit.clone() },
                (None, true) => Reader::Everybody,
                (None, false) => {
                    let home = caller.home.clone().ok_or_else(|| {
                        Failure::usage("HOME is not set, so there is no user to set it for")
                            .hint("use --everybody or --unit")
                    })?;
                    Reader::User { home }
                }
            };
            Wanted::Variable(name.clone(), value.clone(), reader)
        }
    })
}

/// Asks at a terminal; elsewhere `--yes` must have been given.
fn confirm(how: &Confirm, question: &str) -> Result<(), Failure> {
    if how.yes {
        return Ok(());
    }
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(Failure::refused("nothing is changed without a yes")
            .hint("look at the difference, and run it again with --yes"));
    }
    let mut stderr = std::io::stderr();
    let asked = write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush());
    let mut answer = String::new();
    asked
        .and_then(|()| stdin.lock().read_line(&mut answer).map(|_| ()))
        .map_err(Failure::could_not_check)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failure::refused("not confirmed, nothing was changed")),
    }
}

pub(crate) fn undo(arguments: &Undo, output: &Output) -> Result<ExitCode, Failure> {
    let site =
        Site::open(arguments.how.root.as_deref(), Caller::from_process()).map_err(failure)?;
    let applied = site.applied().map_err(failure)?;
    let ids = match (arguments.id, arguments.all) {
        (Some(id), _) => vec![id],
        (None, true) => applied,
        (None, false) => applied.into_iter().take(1).collect(),
    };
    if !ids.is_empty() {
        let list: Vec<String> = ids.iter().map(ToString::to_string).collect();
        confirm(&arguments.how, &format!("Take back {}?", list.join(", ")))?;
    }
    let mut undone = Vec::new();
    for id in ids {
        let entry = site.undo(id).map_err(failure)?;
        if output.format == Format::Text {
            output.write(&format!("change {id} is taken back: {}\n", entry.plan.title));
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
    let site = Site::open(arguments.root.as_deref(), Caller::from_process()).map_err(failure)?;
    let (changes, recovered) = site.status().map_err(failure)?;
    for recovery in &recovered {
        let left = if recovery.left.is_empty() {
            "everything is as before it".to_owned()
        } else {
            format!("{} was edited meanwhile and left alone", recovery.left.join(", "))
        };
        output.note(&format!(
            "change {} had been interrupted, and was taken back: {left}",
            recovery.id
        ));
    }
    match output.format {
        Format::Json => {
            let changes: Vec<_> = changes
                .iter()
                .map(|change| {
                    let mut row = json!(change.standing);
                    row["id"] = json!(change.entry.id);
                    row["time"] = json!(change.entry.time);
                    row["title"] = json!(change.entry.plan.title);
                    row
                })
                .collect();
            output.write_json(&json!({ "schema": "rmcp.status/1", "changes": changes }));
        }
        Format::Text if changes.is_empty() => output.write("no change was ever made here\n"),
        Format::Text => changes.iter().for_each(|change| output.write(&row(change))),
    }
    let off = changes.iter().any(|change| change.standing.is_off());
    Ok(if off { ExitCode::Problem } else { ExitCode::Success })
}

fn row(change: &StandingChange) -> String {
    let standing = match &change.standing {
        Standing::Active => "active".to_owned(),
        Standing::Pending => "pending: takes effect at the next start".to_owned(),
        Standing::Written => "written".to_owned(),
        Standing::Dropped { paths } => format!("dropped: {} is as before it", paths.join(", ")),
        Standing::Edited { paths } => format!("edited since: {}", paths.join(", ")),
        Standing::Interrupted => "interrupted".to_owned(),
        Standing::Undone => "undone".to_owned(),
    };
    format!(
        "{:4}  {}  {}\n      {standing}\n",
        change.entry.id, change.entry.time, change.entry.plan.title
    )
}

/// Puts an error on the table of exit codes, with a hint.
fn failure(error: SiteError) -> Failure {
    match &error {
        SiteError::Plan(PlanError::Io { .. })
        | SiteError::Inspect(_)
        | SiteError::Open(_)
        | SiteError::Journal(_) => Failure::could_not_check(error),
        SiteError::Undo(UndoError::Edited { before, after, now, .. }) => {
            let shown =
                |text: &Option<String>| text.clone().unwrap_or_else(|| "(no file)".to_owned());
            let hint = format!(
                "put the file back to what rmcp wrote, or change it by hand.\n--- before the change\n{}\n--- what rmcp wrote\n{}\n--- now\n{}",
                shown(before),
                shown(after),
                shown(now)
            );
            Failure::refused(&error).hint(hint)
        }
        SiteError::Apply(ApplyError::Step { source, .. })
            if source.kind() == std::io::ErrorKind::PermissionDenied =>
        {
            Failure::refused(&error)
                .hint("files of the system are changed by root: run it with sudo")
        }
        SiteError::Apply(ApplyError::Step { .. } | ApplyError::Stuck { .. }) => {
            Failure::could_not_check(error)
        }
        SiteError::Busy | SiteError::Plan(_) | SiteError::Apply(_) | SiteError::Undo(_) => {
            Failure::refused(error)
        }
    }
}
