//! `rmcp apply`.

use crate::cli::Failure;
use crate::cli::args::{Apply, ApplyWhat, Confirm, Format};
use crate::cli::doctor;
use crate::cli::explain::open_log;
use crate::cli::output::Output;
use rmcp::model::{Advice, ExitCode, Plan, Standing, Step, Wish};
use rmcp::{Allowed, Caller, Made, Site, SiteError, Split};
use rmcp_change::plan::PlanError;
use rmcp_change::{ApplyError, EditedFile, PlanFile, PlanFileError, Recovery, UndoError};
use rmcp_report::{edited_text, plan_text, standing_text};
use serde_json::json;
use std::io::{BufRead, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

/// Longest document with advice that is read.
const MAX_DOCUMENT_BYTES: u64 = 16 << 20;

pub(crate) fn apply(arguments: &Apply, output: &Output) -> Result<ExitCode, Failure> {
    let allowed = Allowed { inert: arguments.inert, permanent: arguments.permanent };
    let root = arguments.how.root.as_deref();
    if let Some(path) = &arguments.plan {
        if arguments.what.is_some() {
            return Err(Failure::usage("--plan holds the whole change; name no other"));
        }
        let file = PlanFile::read(path).map_err(plan_file_failure)?;
        let site = Site::open(root, Caller::from_process(), Some(file.uid)).map_err(failure)?;
        let site = settled(site, arguments.dry_run, output)?;
        let plan = site.plan_of(&file).map_err(failure)?;
        let split = Split { own: Some(plan), for_root: None };
        return carry_out(arguments, output, &site, split, allowed);
    }
    let site = settled(open(root)?, arguments.dry_run, output)?;
    let wishes = match (&arguments.what, &arguments.remedy, &arguments.from) {
        (None, None, None) if site.advice().is_empty() => {
            return Ok(nothing_advised(&site, output));
        }
        (None, None, None) => all_wishes(site.advice()),
        (Some(what), None, None) => vec![wish(what, root)],
        (None, Some(id), None) => site.remedy(id).map_err(failure)?,
        (None, None, Some(path)) => wishes_of_document(path)?,
        _ => return Err(Failure::usage("one change at a time")),
    };
    let split = site.plan(&wishes, allowed).map_err(|error| unreadable(error, &site))?;
    if split.own.as_ref().is_some_and(|plan| plan.steps.is_empty()) {
        if output.format == Format::Text {
            let titles: Vec<String> = wishes.iter().map(Wish::to_string).collect();
            output.write(&format!("nothing to do: {} already\n", titles.join("; ")));
        } else {
            output.write_json(&document(&split, None, None));
        }
        return Ok(ExitCode::Success);
    }
    carry_out(arguments, output, &site, split, allowed)
}

/// Takes back what was interrupted, before anything is planned on top of it.
pub(crate) fn settled(site: Site, only_look: bool, output: &Output) -> Result<Site, Failure> {
    if only_look {
        return Ok(site);
    }
    let recovered = site.recover().map_err(failure)?;
    recovered.iter().for_each(|recovery| say_recovered(recovery, output));
    if recovered.is_empty() { Ok(site) } else { site.reopen().map_err(failure) }
}

fn say_recovered(recovery: &Recovery, output: &Output) {
    let id = recovery.id;
    let how = match (&recovery.stuck, recovery.left.as_slice()) {
        (Some(why), _) => format!(
            "and cannot be taken back: {why}\n  `rmcp undo {id} --skip-programs` gives up on programs"
        ),
        (None, []) => "and was taken back: everything is as before it".to_owned(),
        (None, left) => format!(
            "and was taken back, but {} was edited meanwhile and left alone: `rmcp undo {id} --keep-edits`",
            left.join(", ")
        ),
    };
    output.note(&format!("change {id} had been interrupted, {how}"));
}

/// As a user, files of the boot loader may not even be readable.
fn unreadable(error: SiteError, site: &Site) -> Failure {
    let (_, host) = site.diagnosis();
    let is_user = host.access.user.value().is_some_and(|user| user.uid != 0);
    let blind = match &error {
        SiteError::Plan(PlanError::Io { source, .. }) => {
            source.kind() == std::io::ErrorKind::PermissionDenied && source.raw_os_error().is_some()
        }
        SiteError::Plan(PlanError::ByHand { name, .. }) => name == "unknown",
        _ => false,
    };
    let failure = failure(error);
    if blind && is_user {
        return failure.hint("perhaps only root can read what this needs: run the same with sudo, which plans it, shows it and asks");
    }
    failure
}

/// Opens the running machine, as root for the user who asked root, or a machine folder.
pub(crate) fn open(root: Option<&Path>) -> Result<Site, Failure> {
    let caller = Caller::from_process();
    // Set by sudo and pkexec themselves. Source: sudo(8), pkexec(1), section ENVIRONMENT.
    let asker = ["SUDO_UID", "PKEXEC_UID"].iter().find_map(|name| caller.variable(name));
    let behalf = asker.filter(|_| caller.uid == Some(0) && root.is_none());
    let behalf = behalf.and_then(|uid| uid.parse().ok()).filter(|uid| *uid != 0);
    Site::open(root, caller, behalf).map_err(failure)
}

/// Shows a plan, asks, makes what this process can make, and names the command for the rest.
fn carry_out(
    arguments: &Apply,
    output: &Output,
    site: &Site,
    split: Split,
    allowed: Allowed,
) -> Result<ExitCode, Failure> {
    let text = output.format == Format::Text;
    if text {
        for plan in split.own.iter().chain(&split.for_root) {
            output.write(&plan_text(plan, output.palette));
        }
    }
    let mut code = ExitCode::Success;
    let (mut change, mut command) = (None, None);
    if !arguments.dry_run {
        if let Some(plan) = &split.own {
            confirm(&arguments.how, "Make this change?")?;
            let done = site.apply(plan, &now()).map_err(failure)?;
            if text {
                say_made(site, plan, &done, arguments.how.root.is_some(), output);
            }
            if done.standing.as_ref().is_some_and(Standing::is_off) {
                code = ExitCode::Problem;
            }
            change = done.entry.map(|entry| entry.id);
        }
        if let Some(plan) = &split.for_root {
            let path = site.keep_for_root(plan, allowed).map_err(failure)?;
            command = Some(root_command(&path));
            code = ExitCode::Refused;
        }
    }
    match &command {
        Some(command) if text => output.note(&format!(
            "this part is for root, who runs exactly what is shown above:\n    {}",
            command.join(" ")
        )),
        _ if text => {}
        _ => output.write_json(&document(&split, change, command.as_deref())),
    }
    Ok(code)
}

/// Returns the command by which root carries out a kept plan.
fn root_command(path: &str) -> Vec<String> {
    let program = std::env::current_exe().ok().and_then(|path| path.to_str().map(str::to_owned));
    let has = |name: &str| Path::new("/usr/bin").join(name).exists();
    let by = if !has("sudo") && has("pkexec") { "pkexec" } else { "sudo" };
    let program = program.unwrap_or_else(|| "rmcp".to_owned());
    [by, &program, "apply", "--plan", path].map(str::to_owned).to_vec()
}

fn say_made(site: &Site, plan: &Plan, made: &Made, in_folder: bool, output: &Output) {
    let Some(entry) = &made.entry else { return };
    if in_folder && plan.steps.iter().any(|step| matches!(step, Step::Run { .. })) {
        output.note("no program was started: this is a machine folder");
    }
    let (id, called) = (entry.id, site.called());
    let standing = made.standing.as_ref().map(standing_text).unwrap_or_default();
    output.note(&format!("change {id} is made: {standing}; `{called} undo {id}` takes it back"));
    if plan.one_start {
        output.note(&format!(
            "It holds for the next start alone. Reboot, see that all is well, and keep it with `{called} status --confirm`; otherwise the start after that is as before."
        ));
    }
}

/// Returns the document `rmcp.apply/1`: what this process does, and what root is to do.
fn document(split: &Split, change: Option<u32>, command: Option<&[String]>) -> serde_json::Value {
    let for_root = split.for_root.as_ref().map(|plan| json!({ "plan": plan, "command": command }));
    json!({
        "schema": "rmcp.apply/1",
        "plan": split.own,
        "change": change,
        "for_root": for_root,
    })
}

/// Returns the time to the second, which is what people compare.
pub(crate) fn now() -> String {
    let now = jiff::Timestamp::now();
    now.round(jiff::Unit::Second).unwrap_or(now).to_string()
}

/// Returns the wish that was typed.
fn wish(what: &ApplyWhat, root: Option<&Path>) -> Wish {
    match what {
        ApplyWhat::KernelParameter { words } => Wish::KernelWords { words: words.clone() },
        ApplyWhat::ModuleOption { option: (name, value) } => {
            Wish::ModuleOption { name: name.clone(), value: value.clone() }
        }
        ApplyWhat::Variable { variable: (name, value), reader } => {
            let (name, value) = (name.clone(), value.clone());
            Wish::Variable { name, value, reader: reader.reader(root) }
        }
        ApplyWhat::UnsetVariable { name } => Wish::UnsetVariable { name: name.clone() },
        ApplyWhat::Group { groups } => Wish::Groups { groups: groups.clone() },
        ApplyWhat::MiopenCache => Wish::MiopenCache,
        ApplyWhat::Interposer { reader } => Wish::Interposer { reader: reader.reader(root) },
    }
}

/// Says that there is nothing to do, with the exit code that `doctor` has for such a machine.
fn nothing_advised(site: &Site, output: &Output) -> ExitCode {
    match output.format {
        Format::Text => output.write("rmcp doctor finds nothing here that rmcp could change\n"),
        Format::Json => {
            output.write_json(&document(&Split { own: None, for_root: None }, None, None));
        }
    }
    let (diagnosis, host) = site.diagnosis();
    match doctor::exit_code(diagnosis, host) {
        // There may be problems that a person has to solve; here nothing was to be done.
        ExitCode::Problem => ExitCode::Success,
        other => other,
    }
}

fn all_wishes(advice: &[Advice]) -> Vec<Wish> {
    advice.iter().flat_map(|advice| advice.wishes.clone()).collect()
}

/// Returns what a document of `doctor` or `try` advises.
fn wishes_of_document(path: &PathBuf) -> Result<Vec<Wish>, Failure> {
    let log = open_log(Some(path))?;
    let mut text = String::new();
    log.reader
        .take(MAX_DOCUMENT_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| Failure::could_not_check(format!("cannot read {}: {error}", log.name)))?;
    let wrong = |what: String| {
        Failure::usage(format!("{}: {what}", log.name))
            .hint("expected what `rmcp doctor --format json` or `rmcp try --format json` prints")
    };
    let mut document: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let schema = document["schema"].as_str().unwrap_or_default();
    if !matches!(schema, "rmcp.doctor/1" | "rmcp.try/1") {
        return Err(wrong(format!("its schema is `{}`", schema.escape_debug())));
    }
    let advice: Vec<Advice> = serde_json::from_value(document["plan"].take())
        .map_err(|error| wrong(format!("its `plan`: {error}")))?;
    if advice.is_empty() {
        return Err(Failure::refused(format!(
            "{} advises no change that rmcp could make",
            log.name
        )));
    }
    Ok(all_wishes(&advice))
}

/// Asks at a terminal; elsewhere `--yes` must have been given.
pub(crate) fn confirm(how: &Confirm, question: &str) -> Result<(), Failure> {
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

/// Who changes what.
const OWNERS: &str =
    "files of the system are changed by root, those of a user by that user, without sudo";

fn plan_file_failure(error: PlanFileError) -> Failure {
    match error {
        PlanFileError::Io { .. } => Failure::could_not_check(error),
        PlanFileError::Altered { .. } | PlanFileError::Invalid { .. } => Failure::refused(error)
            .hint("run the command again that showed the plan, and compare what it shows"),
    }
}

/// Puts an error on the table of exit codes, with a hint.
pub(crate) fn failure(error: SiteError) -> Failure {
    match &error {
        SiteError::Plan(PlanError::Io { source, .. })
            if source.kind() == std::io::ErrorKind::PermissionDenied =>
        {
            Failure::refused(error).hint(OWNERS)
        }
        SiteError::Plan(PlanError::Io { .. })
        | SiteError::Inspect(_)
        | SiteError::Open(_)
        | SiteError::Journal(_) => Failure::could_not_check(error),
        SiteError::UnknownRemedy(_) => Failure::usage(error),
        SiteError::Undo(UndoError::Edited(file)) => {
            let EditedFile { id, before, after, now, merged, .. } = &**file;
            let shown = edited_text(before.as_deref(), after.as_deref(), now.as_deref());
            let next = if merged.is_some() {
                format!(
                    "`rmcp undo {id} --keep-edits` takes out what rmcp wrote and keeps the edit"
                )
            } else {
                "both are about the same lines: change the file by hand to what stood before or to what rmcp wrote".to_owned()
            };
            Failure::refused(&error).hint(format!("{next}\n{shown}"))
        }
        SiteError::Apply(ApplyError::Step { source, .. })
            if source.kind() == std::io::ErrorKind::PermissionDenied =>
        {
            Failure::refused(&error).hint(OWNERS)
        }
        SiteError::Undo(UndoError::Program { id, .. }) => {
            let next = format!(
                "solve that and run it again, or give up on the program: rmcp undo {id} --skip-programs"
            );
            Failure::could_not_check(&error).hint(next)
        }
        SiteError::Apply(ApplyError::Step { .. } | ApplyError::Stuck { .. })
        | SiteError::Undo(UndoError::Step { .. } | UndoError::Journal(_)) => {
            Failure::could_not_check(error)
        }
        SiteError::Busy
        | SiteError::Plan(_)
        | SiteError::Apply(_)
        | SiteError::Undo(_)
        | SiteError::ByHand { .. }
        | SiteError::Outdated
        | SiteError::NothingToConfirm => Failure::refused(error),
    }
}
