//! Where a change stands on the machine now, which the journal alone cannot say.

use crate::disk::Disk;
use crate::journal::Entry;
use rmcp_model::{ChangeState, Check, HostFacts, Step, TakesEffect};
use serde::Serialize;
use std::io;

/// Where a change stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "standing", rename_all = "kebab-case")]
pub enum Standing {
    /// It is in force, and that was seen.
    Active,
    /// It is written, and waits for a start of the machine, session or program.
    Pending,
    /// It is written; whether it is in force cannot be seen from here.
    Written,
    /// Files that it wrote are as before it, or gone: an update or a person has dropped it.
    Dropped {
        /// The files.
        paths: Vec<String>,
    },
    /// Files that it wrote were edited since.
    Edited {
        /// The files.
        paths: Vec<String>,
    },
    /// It was begun and neither finished nor taken back.
    Interrupted,
    /// It is taken back.
    Undone,
}

impl Standing {
    /// Returns whether somebody should look at it.
    pub fn is_off(&self) -> bool {
        matches!(self, Self::Dropped { .. } | Self::Edited { .. } | Self::Interrupted)
    }
}

/// Returns where a change stands.
///
/// # Errors
/// The system's error where a file cannot be read.
pub fn standing(
    disk: &dyn Disk,
    host: &HostFacts,
    entry: &Entry,
    state: ChangeState,
) -> io::Result<Standing> {
    match state {
        ChangeState::Undone => return Ok(Standing::Undone),
        ChangeState::Interrupted => return Ok(Standing::Interrupted),
        ChangeState::Applied => {}
    }
    let (mut dropped, mut edited) = (Vec::new(), Vec::new());
    for step in &entry.plan.steps {
        let Step::Write { path, before, after, .. } = step else { continue };
        let now = match disk.exists(crate::disk::folder_of(path))? {
            true => disk.read(path)?.map(|state| state.bytes),
            false => None,
        };
        if now.as_deref() == after.as_ref().map(String::as_bytes) {
            continue;
        }
        let gone = now.is_none() || now.as_deref() == before.as_ref().map(String::as_bytes);
        if gone { &mut dropped } else { &mut edited }.push(path.clone());
    }
    if !dropped.is_empty() {
        return Ok(Standing::Dropped { paths: dropped });
    }
    if !edited.is_empty() {
        return Ok(Standing::Edited { paths: edited });
    }
    let seen: Vec<Option<bool>> =
        entry.plan.checks.iter().map(|check| holds(check, host)).collect();
    Ok(if seen.iter().all(|seen| *seen == Some(true)) && !seen.is_empty() {
        Standing::Active
    } else if seen.contains(&Some(false)) || entry.plan.takes_effect != TakesEffect::Now {
        Standing::Pending
    } else {
        Standing::Written
    })
}

/// Returns whether a check holds on the machine, where that can be seen.
fn holds(check: &Check, host: &HostFacts) -> Option<bool> {
    match check {
        Check::KernelWord { word } => {
            Some(host.kernel.command_line.value()?.iter().any(|there| there == word))
        }
        Check::ModuleParameter { name, value } => {
            let parameter = host.driver.parameters.iter().find(|known| known.name == *name)?;
            Some(parameter.live.value()? == value)
        }
        Check::Variable { name, value } => Some(host.environment.get(name) == value.as_ref()),
    }
}
