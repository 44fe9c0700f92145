//! Environment variables.

use super::draft::Draft;
use super::{PlanError, Planner, edit_error, python};
use crate::edit::variables::{self, Dialect, comment_out, file_for};
use rmcp_model::{Check, GfxTarget, Place, Reader, Setting, SettingKind, TakesEffect};
use std::collections::BTreeMap;

/// Names of files of our own begin so, whatever their kind.
const OWN: &str = "60-rmcp-";

/// Start files of bash for login shells; the first that is there is read, and no other. Source: bash(1).
const BASH_LOGIN: [&str; 3] = [".bash_profile", ".bash_login", ".profile"];

/// Files that show that somebody uses zsh.
const ZSH: [&str; 4] = [".zshrc", ".zprofile", ".zshenv", ".zlogin"];

/// Plans to set a variable.
pub(super) fn plan_set(
    planner: &Planner<'_>,
    draft: &mut Draft<'_>,
    name: &str,
    value: &str,
    reader: &Reader,
) -> Result<(), PlanError> {
    refuse_harm(planner, name, value)?;
    match reader {
        Reader::User => set_for_user(planner, draft, name, value)?,
        Reader::Everybody => set_for_everybody(planner, draft, name, value)?,
        Reader::Unit { unit } => set_for_unit(draft, unit, name, value)?,
        Reader::Python { prefix } => python::set(planner, draft, prefix, name, value)?,
        Reader::Command { name: command } => {
            set_for_command(planner, draft, command, name, value)?;
        }
    }
    draft.check(Check::Variable {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        reader: reader.clone(),
    });
    Ok(())
}

fn refuse_harm(planner: &Planner<'_>, name: &str, value: &str) -> Result<(), PlanError> {
    if let Some(verdict) = planner.knowledge.judge_variable(name, value, planner.gfx, None) {
        planner.judge(&format!("{name}={value}"), verdict.effect, verdict.why)?;
    }
    let target = GfxTarget::parse_override(value);
    if let ("HSA_OVERRIDE_GFX_VERSION", Some(gfx), Ok(target)) = (name, planner.gfx, target)
        && !planner.knowledge.runs(gfx, target)
    {
        return Err(PlanError::Refused(format!(
            "{name}={value} would make a {gfx} card run {target} code, which it cannot run rightly"
        )));
    }
    Ok(())
}

/// Returns the name of a file of our own for a variable.
fn own_file(name: &str) -> String {
    format!("{OWN}{}", name.to_lowercase().replace('_', "-"))
}

/// The user's systemd, and so desktop sessions; login shells of bash, and of zsh and fish where they are used.
fn set_for_user(
    planner: &Planner<'_>,
    draft: &mut Draft<'_>,
    name: &str,
    value: &str,
) -> Result<(), PlanError> {
    let home = planner.home()?.to_owned();
    if planner.is_elsewhere(&home) {
        return Ok(());
    }
    switch_off_others(planner, draft, &home, name, value)?;
    let file = own_file(name);
    let write = |draft: &mut Draft<'_>, path: String, dialect| {
        let text = file_for(dialect, name, value, planner.cards).map_err(edit_error(&path))?;
        draft.write(&path, text)
    };
    write(draft, format!("{home}/.config/environment.d/{file}.conf"), Dialect::EnvironmentD)?;
    let mut login = format!("{home}/.profile");
    for candidate in BASH_LOGIN {
        let path = format!("{home}/{candidate}");
        if draft.exists(&path)? {
            login = path;
            break;
        }
    }
    write_block(planner, draft, &login, name, value)?;
    for used in ZSH {
        if draft.exists(&format!("{home}/{used}"))? {
            write_block(planner, draft, &format!("{home}/.zprofile"), name, value)?;
            break;
        }
    }
    if draft.exists(&format!("{home}/.config/fish"))? || draft.leads_somewhere("/usr/bin/fish")? {
        write(draft, format!("{home}/.config/fish/conf.d/{file}.fish"), Dialect::Fish)?;
    }
    draft.takes_effect(TakesEffect::NextSession);
    Ok(())
}

/// Lines of the user's own that set another value, or none, and are read later would win.
fn switch_off_others(
    planner: &Planner<'_>,
    draft: &mut Draft<'_>,
    home: &str,
    name: &str,
    value: &str,
) -> Result<(), PlanError> {
    let home = format!("{home}/");
    let contrary: Vec<&Setting> = planner
        .host
        .settings
        .iter()
        .filter(|setting| {
            setting.name == name
                && (setting.value != value || setting.kind == SettingKind::Unset)
                && !matches!(setting.place, Place::Unit { .. })
                && setting.origin.path.starts_with(&home)
        })
        .collect();
    switch_off(draft, name, &contrary, Ours::Stay)
}

/// All users' login shells, where one of the cards is in the machine.
fn set_for_everybody(
    planner: &Planner<'_>,
    draft: &mut Draft<'_>,
    name: &str,
    value: &str,
) -> Result<(), PlanError> {
    let file = own_file(name);
    let path = format!("/etc/profile.d/{file}.sh");
    let text = file_for(Dialect::Shell, name, value, planner.cards).map_err(edit_error(&path))?;
    draft.write(&path, text)?;
    // Debian's zsh reads no profile of sh.
    if draft.exists("/etc/zsh/zprofile")? {
        write_block(planner, draft, "/etc/zsh/zprofile", name, value)?;
    }
    if draft.exists("/etc/fish")? {
        let path = format!("/etc/fish/conf.d/{file}.fish");
        let text =
            file_for(Dialect::Fish, name, value, planner.cards).map_err(edit_error(&path))?;
        draft.write(&path, text)?;
    }
    draft.takes_effect(TakesEffect::NextSession);
    Ok(())
}

fn set_for_unit(
    draft: &mut Draft<'_>,
    unit: &str,
    name: &str,
    value: &str,
) -> Result<(), PlanError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@:".contains(c);
    if !unit.chars().all(plain) || !unit.ends_with(".service") || unit.starts_with('.') {
        return Err(PlanError::Refused(format!("`{unit}` is no unit such as ollama.service")));
    }
    let path = format!("/etc/systemd/system/{unit}.d/{}.conf", own_file(name));
    let text = file_for(Dialect::Unit, name, value, &[]).map_err(edit_error(&path))?;
    if draft.read(&path)?.as_deref() == Some(&text) {
        return Ok(());
    }
    draft.write(&path, text)?;
    reload_units(draft)?;
    draft.takes_effect(TakesEffect::NextStart);
    Ok(())
}

/// A systemd that runs has read its units already. Source: sd_booted(3).
fn reload_units(draft: &mut Draft<'_>) -> Result<(), PlanError> {
    if draft.exists("/run/systemd/system")? {
        let reload = ["systemctl", "daemon-reload"];
        draft.run(&reload, &reload, &[]);
    }
    Ok(())
}

/// A script that sets the variables and starts one program.
fn set_for_command(
    planner: &Planner<'_>,
    draft: &mut Draft<'_>,
    command: &str,
    name: &str,
    value: &str,
) -> Result<(), PlanError> {
    let path = format!("{}/.local/bin/rmcp-{command}", planner.home()?);
    let before = draft.read(&path)?;
    let after = variables::script_for(before.as_deref(), command, name, value)
        .map_err(edit_error(&path))?;
    draft.write_program(&path, after)
}

fn write_block(
    planner: &Planner<'_>,
    draft: &mut Draft<'_>,
    path: &str,
    name: &str,
    value: &str,
) -> Result<(), PlanError> {
    let before = draft.read(path)?.unwrap_or_default();
    let after =
        variables::set_block(&before, name, value, planner.cards).map_err(edit_error(path))?;
    draft.write(path, after)
}

/// Plans to switch off every line that sets a variable, in the files that were read.
pub(super) fn plan_unset(
    planner: &Planner<'_>,
    draft: &mut Draft<'_>,
    name: &str,
) -> Result<(), PlanError> {
    let setting: Vec<&Setting> = planner
        .host
        .settings
        .iter()
        .filter(|setting| setting.name == name && setting.kind != SettingKind::Unset)
        .collect();
    switch_off(draft, name, &setting, Ours::Go)?;
    for setting in &setting {
        // A unit has an environment of its own.
        let reader = match &setting.place {
            Place::Unit { unit, user: false } => Reader::Unit { unit: unit.clone() },
            Place::Unit { user: true, .. } => continue,
            Place::System | Place::Shell { .. } => Reader::User,
        };
        let in_unit = matches!(reader, Reader::Unit { .. });
        draft.check(Check::Variable { name: name.to_owned(), value: None, reader });
        if in_unit {
            reload_units(draft)?;
            draft.takes_effect(TakesEffect::NextStart);
        } else {
            draft.takes_effect(TakesEffect::NextSession);
        }
    }
    Ok(())
}

/// What becomes of settings that RMCP itself has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ours {
    /// They are written anew.
    Stay,
    /// They go like all others.
    Go,
}

/// Switches lines off where they stand: in a file of our own all of it, elsewhere the line or our block.
fn switch_off(
    draft: &mut Draft<'_>,
    name: &str,
    settings: &[&Setting],
    ours: Ours,
) -> Result<(), PlanError> {
    let mut lines: BTreeMap<String, BTreeMap<usize, Dialect>> = BTreeMap::new();
    for setting in settings {
        let Some(line) = setting.origin.line else { continue };
        // systemd ships a link to /etc/environment: one line is then seen in two places.
        let path = draft.target(&setting.origin.path)?;
        let dialect = dialect_of(&setting.place, &path);
        lines.entry(path).or_default().insert(line as usize, dialect);
    }
    for (path, lines) in lines {
        if path.rsplit('/').next().is_some_and(|file| file.starts_with(OWN)) {
            if ours == Ours::Go {
                draft.remove(&path)?;
            }
            continue;
        }
        let Some(before) = draft.read(&path)? else { continue };
        let mut after = before.clone();
        // From the last line up, so that a block taken out moves no line that is still to be found.
        for (line, dialect) in lines.into_iter().rev() {
            after = match (variables::block_around(&after, line, name), ours) {
                (Some(_), Ours::Stay) => continue,
                (Some(block), Ours::Go) => variables::without_lines(&after, block),
                (None, _) => comment_out(dialect, &after, line, name).map_err(edit_error(&path))?,
            };
        }
        draft.write(&path, after)?;
    }
    Ok(())
}

fn dialect_of(place: &Place, path: &str) -> Dialect {
    match place {
        Place::Shell { shell } if shell == "fish" || path.ends_with(".fish") => Dialect::Fish,
        Place::Shell { .. } => Dialect::Shell,
        Place::Unit { .. } => Dialect::Unit,
        Place::System => Dialect::EnvironmentD,
    }
}
