//! Environment variables.

use super::{PlanError, edit_error, empty, judged, push_write, read_text};
use crate::disk::Disk;
use crate::edit::variables::{Dialect, comment_out, file_for};
use rmcp_knowledge::Knowledge;
use rmcp_model::{
    Check, GfxTarget, HostFacts, PciId, Plan, Setting, SettingKind, Step, TakesEffect,
};
use std::collections::BTreeMap;

/// For whom a variable is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reader {
    /// One user: the user's systemd, and so desktop sessions, and fish.
    User {
        /// Home folder.
        home: String,
    },
    /// One systemd unit.
    Unit {
        /// Its name, such as `ollama.service`.
        unit: String,
    },
    /// All users' login shells.
    Everybody,
}

/// Plans to set a variable.
///
/// # Errors
/// [`PlanError`]: a variable that does harm or nothing, or a name or value that a reader would misread.
pub fn plan_variable(
    disk: &dyn Disk,
    gfx: Option<GfxTarget>,
    cards: &[PciId],
    reader: &Reader,
    (name, value): (&str, &str),
    allow_inert: bool,
    knowledge: &Knowledge,
) -> Result<Plan, PlanError> {
    if let Some(verdict) = knowledge.judge_variable(name, value, gfx, None) {
        judged(&format!("{name}={value}"), verdict.effect, verdict.why, allow_inert)?;
    }
    let target = rmcp_model::GfxTarget::parse_override(value);
    if let ("HSA_OVERRIDE_GFX_VERSION", Some(gfx), Ok(target)) = (name, gfx, target)
        && !knowledge.runs(gfx, target)
    {
        return Err(PlanError::Refused(format!(
            "{name}={value} would make a {gfx} card run {target} code, which it cannot run rightly"
        )));
    }
    let file = format!("60-rmcp-{}", name.to_lowercase().replace('_', "-"));
    let (files, takes_effect) = match reader {
        Reader::User { home } => (
            vec![
                (format!("{home}/.config/environment.d/{file}.conf"), Dialect::EnvironmentD),
                (format!("{home}/.config/fish/conf.d/{file}.fish"), Dialect::Fish),
            ],
            TakesEffect::NextSession,
        ),
        Reader::Unit { unit } => {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@:".contains(c);
            if !unit.chars().all(plain) || !unit.ends_with(".service") {
                return Err(PlanError::Refused(format!(
                    "`{unit}` is no unit such as ollama.service"
                )));
            }
            let path = format!("/etc/systemd/system/{unit}.d/{file}.conf");
            (vec![(path, Dialect::Unit)], TakesEffect::NextStart)
        }
        Reader::Everybody => {
            (vec![(format!("/etc/profile.d/{file}.sh"), Dialect::Shell)], TakesEffect::NextSession)
        }
    };
    let mut plan = empty(format!("set {name}={value}"), takes_effect);
    plan.checks = vec![Check::Variable { name: name.to_owned(), value: Some(value.to_owned()) }];
    for (path, dialect) in files {
        let text = file_for(dialect, name, value, cards).map_err(edit_error(&path))?;
        push_write(disk, &mut plan.steps, &path, text)?;
    }
    if matches!(reader, Reader::Unit { .. }) && !plan.steps.is_empty() {
        let reload = ["systemctl", "daemon-reload"].map(str::to_owned).to_vec();
        plan.steps.push(Step::Run { argv: reload.clone(), undo: reload });
    }
    Ok(plan)
}

/// Plans to switch off every line that sets a variable, in the files that were read.
///
/// # Errors
/// [`PlanError`] where a line sets other things too, or a file has changed since it was read.
pub fn plan_unset(disk: &dyn Disk, host: &HostFacts, name: &str) -> Result<Plan, PlanError> {
    let mut plan = empty(format!("no longer set {name}"), TakesEffect::NextSession);
    plan.checks = vec![Check::Variable { name: name.to_owned(), value: None }];
    let mut lines: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let sets = |setting: &&Setting| setting.name == name && setting.kind != SettingKind::Unset;
    for setting in host.settings.iter().filter(sets) {
        if let Some(line) = setting.origin.line {
            lines.entry(&setting.origin.path).or_default().push(line as usize);
        }
    }
    for (path, lines) in lines {
        let Some(before) = read_text(disk, path)? else { continue };
        let mut after = before.clone();
        for line in lines {
            after = comment_out(&after, line, name).map_err(edit_error(path))?;
        }
        push_write(disk, &mut plan.steps, path, after)?;
    }
    Ok(plan)
}
