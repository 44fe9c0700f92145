//! Where a change stands on the machine now, which the journal alone cannot say.

use crate::disk::{Disk, folder_of};
use crate::journal::Entry;
use crate::members::is_member;
use crate::plan::Planner;
use crate::transaction::boot_id;
use rmcp_model::{
    ChangeState, Check, HostFacts, Place, Reader, SettingKind, Standing, Step, TakesEffect,
};
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
    let until = plan.takes_effect;
    Ok(if plan.one_start {
        match (restarted, seen.not_yet.is_empty() && !seen.there.is_empty()) {
            (false, _) => Standing::Pending { until },
            (true, true) => Standing::Unconfirmed,
            (true, false) => Standing::NotConfirmed,
        }
    } else if !seen.missing.is_empty() {
        Standing::WithoutEffect { missing: seen.missing }
    } else if !seen.not_yet.is_empty() {
        if restarted {
            Standing::WithoutEffect { missing: seen.not_yet }
        } else {
            Standing::Pending { until }
        }
    } else if seen.unknown || seen.there.is_empty() {
        match until {
            TakesEffect::Now => Standing::Written,
            TakesEffect::NextBoot if restarted => Standing::Written,
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
    /// What whoever will read it next does not see.
    missing: Vec<String>,
    /// What is not there, and comes with the next start of the machine.
    not_yet: Vec<String>,
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
                    let found = found.and_then(|(_, environment)| environment.as_ref());
                    seen.variable(planner.host, (name, value.as_deref(), reader), found);
                }
                Check::KernelWord { word } => seen.kernel_word(planner.host, word),
                Check::ModuleParameter { name, value } => {
                    let what = format!("{value} in /sys/module/amdgpu/parameters/{name}");
                    seen.at_next_start(parameter(planner.host, name, value), what);
                }
                Check::Member { user, group } => {
                    let text = planner.disk.read("/etc/group")?.map(|state| state.bytes);
                    let text = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
                    let what = format!("{user} in the group {group}");
                    // In a folder nobody has started usermod.
                    let holds = is_member(&text, user, group);
                    seen.now((holds || !entry.without_programs).then_some(holds), what);
                }
            }
        }
        Ok(seen)
    }

    /// A variable that its next reader would have. One that is not to be set must stand in no file either: a shell
    /// alone reads neither PAM's files nor systemd's.
    fn variable(
        &mut self,
        host: &HostFacts,
        (name, value, reader): (&str, Option<&str>, &Reader),
        environment: Option<&BTreeMap<String, String>>,
    ) {
        let found = environment.map(|environment| environment.get(name).map(String::as_str));
        let Some(value) = value else {
            let is_read = |place: &Place| match (place, reader) {
                (Place::Unit { unit, user: false }, Reader::Unit { unit: ours }) => unit == ours,
                (Place::Unit { .. }, _) => false,
                (_, Reader::User) => true,
                _ => false,
            };
            let still = host.settings.iter().find(|setting| {
                setting.name == name
                    && setting.kind != SettingKind::Unset
                    && is_read(&setting.place)
            });
            match (still, found) {
                (Some(setting), _) => {
                    self.missing.push(format!("no {name}, but {} sets it", setting.origin));
                }
                (None, Some(Some(value))) => {
                    self.missing.push(format!("no {name} for {reader}, but it is `{value}`"));
                }
                (None, Some(None)) => self.there.push(format!("no {name} for {reader}")),
                (None, None) => self.unknown = true,
            }
            return;
        };
        let what = format!("{name} for {reader}");
        self.now(found.map(|found| found == Some(value)), what);
    }

    /// Of several words of one name, and of a word and the module's option, the last decides; the module's own file
    /// tells it.
    fn kernel_word(&mut self, host: &HostFacts, word: &str) {
        let name = |word: &str| word.split_once('=').map_or(word, |(name, _)| name).to_owned();
        let ours = name(word);
        let words = host.kernel.command_line.value();
        let last = words.map(|words| words.iter().rfind(|there| name(there) == ours));
        let holds = last.map(|last| last.is_some_and(|last| last == word));
        self.at_next_start(holds, format!("{word} in /proc/cmdline"));
        if holds == Some(true)
            && let Some((name, value)) = word.split_once('=')
            && let Some(name) = name.strip_prefix("amdgpu.")
            && parameter(host, name, value) == Some(false)
        {
            self.missing.push(format!("{value} in /sys/module/amdgpu/parameters/{name}"));
        }
    }

    fn now(&mut self, holds: Option<bool>, what: String) {
        match holds {
            Some(true) => self.there.push(what),
            Some(false) => self.missing.push(what),
            None => self.unknown = true,
        }
    }

    fn at_next_start(&mut self, holds: Option<bool>, what: String) {
        match holds {
            Some(true) => self.there.push(what),
            Some(false) => self.not_yet.push(what),
            None => self.unknown = true,
        }
    }
}

/// Returns whether a parameter of amdgpu has a value. Numbers are compared as numbers, and what the kernel prints as
/// Y or N is 1 or 0. Source: Linux `kernel/params.c`, `param_get_bool`.
fn parameter(host: &HostFacts, name: &str, value: &str) -> Option<bool> {
    let number = |text: &str| match text {
        "Y" | "y" => Some(1),
        "N" | "n" => Some(0),
        _ => match text.strip_prefix("0x") {
            Some(digits) => i64::from_str_radix(digits, 16).ok(),
            None => text.parse::<i64>().ok(),
        },
    };
    let parameter = host.driver.parameters.iter().find(|known| known.name == name)?;
    let live = parameter.live.value()?;
    Some(match (number(live), number(value)) {
        (Some(live), Some(value)) => live == value,
        _ => live == value,
    })
}
