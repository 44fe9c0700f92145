//! Where a change stands on the machine now, which the journal alone cannot say.

use crate::disk::{Disk, folder_of};
use crate::journal::Entry;
use crate::plan::Planner;
use crate::transaction::boot_id;
use rmcp_model::{ChangeState, Check, HostFacts, Reader, Standing, Step, TakesEffect};
use std::collections::BTreeMap;
use std::io;

/// Shows what somebody would find in the environment who reads it now; none where that cannot be seen.
pub trait Witness {
    /// Returns the environment in which this reader's programs would start.
    fn environment(&self, reader: &Reader) -> Option<BTreeMap<String, String>>;
}

/// Sees nothing: for a folder that stands for a machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoWitness;

impl Witness for NoWitness {
    fn environment(&self, _: &Reader) -> Option<BTreeMap<String, String>> {
        None
    }
}

/// Returns where a change stands. `later` are the changes in force that were made after it: files that they
/// wrote are theirs to answer for.
///
/// # Errors
/// The system's error where a file cannot be read.
pub fn standing(
    planner: &Planner<'_>,
    witness: &dyn Witness,
    entry: &Entry,
    state: ChangeState,
    later: &[&Entry],
) -> io::Result<Standing> {
    match state {
        ChangeState::Undone => return Ok(Standing::Undone),
        ChangeState::Interrupted => return Ok(Standing::Interrupted),
        ChangeState::Applied => {}
    }
    let (dropped, edited) = files(planner.disk, entry, later)?;
    if !dropped.is_empty() {
        return Ok(Standing::Dropped { paths: dropped });
    }
    if !edited.is_empty() {
        return Ok(Standing::Edited { paths: edited });
    }
    let seen = Seen::of(planner, witness, entry)?;
    if !seen.lost.is_empty() {
        return Ok(Standing::Dropped { paths: seen.lost });
    }
    if let Some(why) = expired(planner, entry) {
        return Ok(Standing::Expired { why });
    }
    let restarted = entry.boot_id.is_some() && boot_id(planner.disk) != entry.boot_id;
    let plan = &entry.plan;
    Ok(if plan.one_start {
        match (restarted, seen.missing.is_empty() && !seen.there.is_empty()) {
            (false, _) => Standing::Pending { until: plan.takes_effect },
            (true, true) => Standing::Unconfirmed,
            (true, false) => Standing::NotConfirmed,
        }
    } else if !seen.missing.is_empty() {
        let waited = restarted || plan.takes_effect == TakesEffect::Now;
        if waited && plan.takes_effect != TakesEffect::NextStart {
            Standing::WithoutEffect { missing: seen.missing }
        } else {
            Standing::Pending { until: plan.takes_effect }
        }
    } else if seen.unknown || seen.there.is_empty() {
        match plan.takes_effect {
            TakesEffect::Now => Standing::Written,
            until if restarted && until == TakesEffect::NextBoot => Standing::Written,
            until => Standing::Pending { until },
        }
    } else {
        Standing::Active { seen: seen.there }
    })
}

/// Returns the files of a change that are as before it or gone, and those that were edited.
fn files(
    disk: &dyn Disk,
    entry: &Entry,
    later: &[&Entry],
) -> io::Result<(Vec<String>, Vec<String>)> {
    let (mut dropped, mut edited) = (Vec::new(), Vec::new());
    for step in &entry.plan.steps {
        let Step::Write { path, before, after, .. } = step else { continue };
        if later.iter().any(|later| later.written().any(|written| written == path)) {
            continue;
        }
        let now = match disk.exists(folder_of(path))? {
            true => disk.read(path)?.map(|state| state.bytes),
            false => None,
        };
        if now.as_deref() == after.as_ref().map(String::as_bytes) {
            continue;
        }
        let gone = now.is_none() || now.as_deref() == before.as_ref().map(String::as_bytes);
        if gone { &mut dropped } else { &mut edited }.push(path.clone());
    }
    Ok((dropped, edited))
}

/// Returns what is known now against what was wished, and was not known when it was made.
fn expired(planner: &Planner<'_>, entry: &Entry) -> Option<String> {
    let now = entry.plan.wishes.iter().flat_map(|wish| planner.objections(wish));
    now.into_iter().find(|objection| !entry.plan.known.contains(objection))
}

/// What the checks of a change found.
#[derive(Default)]
struct Seen {
    there: Vec<String>,
    missing: Vec<String>,
    /// Files that a program wrote with our text in it, and from which it has gone.
    lost: Vec<String>,
    unknown: bool,
}

impl Seen {
    fn of(planner: &Planner<'_>, witness: &dyn Witness, entry: &Entry) -> io::Result<Self> {
        let mut seen = Self::default();
        let mut environments: Vec<(&Reader, Option<BTreeMap<String, String>>)> = Vec::new();
        for check in &entry.plan.checks {
            match check {
                // Nobody has started the program that would have written it.
                Check::Contains { .. } if entry.without_programs => {}
                Check::Contains { path, text } => {
                    let there = planner.disk.exists(folder_of(path))?;
                    let state = if there { planner.disk.read(path).ok().flatten() } else { None };
                    let holds = state
                        .is_some_and(|state| String::from_utf8_lossy(&state.bytes).contains(text));
                    if !holds && !seen.lost.contains(path) && entry.rewritten.contains_key(path) {
                        seen.lost.push(path.clone());
                    }
                }
                Check::Variable { name, value, reader } => {
                    if !environments.iter().any(|(known, _)| *known == reader) {
                        environments.push((reader, witness.environment(reader)));
                    }
                    let found = environments.iter().find(|(known, _)| *known == reader);
                    let holds = found
                        .and_then(|(_, environment)| environment.as_ref())
                        .map(|environment| environment.get(name) == value.as_ref());
                    seen.note(holds, &format!("{name} for {reader}"));
                }
                Check::KernelWord { word } => {
                    let words = planner.host.kernel.command_line.value();
                    let holds = words.map(|words| words.contains(word));
                    seen.note(holds, &format!("{word} in /proc/cmdline"));
                }
                Check::ModuleParameter { name, value } => {
                    let place = format!("/sys/module/amdgpu/parameters/{name}");
                    seen.note(parameter(planner.host, name, value), &place);
                }
                Check::Member { user, group } => {
                    let text = planner.disk.read("/etc/group")?.map(|state| state.bytes);
                    let text = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
                    let member = text.lines().any(|line| {
                        let fields: Vec<&str> = line.split(':').collect();
                        fields.first() == Some(&group.as_str())
                            && fields
                                .get(3)
                                .is_some_and(|all| all.split(',').any(|one| one == user))
                    });
                    seen.note(Some(member), &format!("{user} in the group {group}"));
                }
            }
        }
        Ok(seen)
    }

    fn note(&mut self, holds: Option<bool>, what: &str) {
        match holds {
            Some(true) => self.there.push(what.to_owned()),
            Some(false) => self.missing.push(what.to_owned()),
            None => self.unknown = true,
        }
    }
}

/// Returns whether a parameter of amdgpu has a value; numbers are compared as numbers.
fn parameter(host: &HostFacts, name: &str, value: &str) -> Option<bool> {
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => text.parse::<i64>().ok(),
    };
    let parameter = host.driver.parameters.iter().find(|known| known.name == name)?;
    let live = parameter.live.value()?;
    Some(match (number(live), number(value)) {
        (Some(live), Some(value)) => live == value,
        _ => live == value,
    })
}
