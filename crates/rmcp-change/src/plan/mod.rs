//! From what somebody wants to the steps that do it on this machine.

mod kernel;
mod module;
mod variable;

pub use kernel::plan_kernel_words;
pub use module::plan_module_option;
pub use variable::{Reader, plan_unset, plan_variable};

use crate::disk::{Disk, FileState, folder_of};
use crate::edit::EditError;
use rmcp_knowledge::schema::Effect;
use rmcp_model::{Plan, Step, TakesEffect};
use std::io;

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A word, value or file does not allow it.
    #[error("{path}: {source}")]
    Edit {
        /// The file that would be written.
        path: String,
        /// Why not.
        source: EditError,
    },
    /// A file cannot be read.
    #[error("reading {path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// The system's error.
        source: io::Error,
    },
    /// A file is no text.
    #[error("{path} is not UTF-8; change it by hand")]
    NotText {
        /// The file.
        path: String,
    },
    /// The knowledge base says that it does harm, or nothing.
    #[error("{what} {}: {why}", describe(*.effect))]
    Judged {
        /// What was wanted.
        what: String,
        /// What it does.
        effect: Effect,
        /// Why.
        why: String,
    },
    /// The boot loader is one that this program does not write.
    #[error("the boot loader here is {loader}, which rmcp does not change; add by hand: {by_hand}")]
    Loader {
        /// Its name, or "unknown".
        loader: String,
        /// What to add where.
        by_hand: String,
    },
    /// Something else stands in the way.
    #[error("{0}")]
    Refused(String),
}

fn describe(effect: Effect) -> &'static str {
    match effect {
        Effect::Harmful => "does harm",
        Effect::Inert => "does nothing here (`--inert` makes the change all the same)",
        Effect::Effective | Effect::Diagnostic | Effect::Unknown => "is judged",
    }
}

/// Refuses what does harm, and what does nothing unless that is wanted.
fn judged(what: &str, effect: Effect, why: &str, allow_inert: bool) -> Result<(), PlanError> {
    let refused = match effect {
        Effect::Harmful => true,
        Effect::Inert => !allow_inert,
        Effect::Effective | Effect::Diagnostic | Effect::Unknown => false,
    };
    if refused {
        return Err(PlanError::Judged { what: what.to_owned(), effect, why: why.to_owned() });
    }
    Ok(())
}

/// Reads a text file, none where it is not there.
fn read_text(disk: &dyn Disk, path: &str) -> Result<Option<String>, PlanError> {
    let state =
        disk.read(path).map_err(|source| PlanError::Io { path: path.to_owned(), source })?;
    let text = |state: FileState| {
        String::from_utf8(state.bytes).map_err(|_| PlanError::NotText { path: path.to_owned() })
    };
    state.map(text).transpose()
}

fn exists(disk: &dyn Disk, path: &str) -> Result<bool, PlanError> {
    disk.exists(path).map_err(|source| PlanError::Io { path: path.to_owned(), source })
}

fn edit_error(path: &str) -> impl FnOnce(EditError) -> PlanError {
    let path = path.to_owned();
    move |source| PlanError::Edit { path, source }
}

/// Appends the steps that write a file, with the folders that are not there. Nothing where it is so already.
fn push_write(
    disk: &dyn Disk,
    steps: &mut Vec<Step>,
    path: &str,
    after: String,
) -> Result<(), PlanError> {
    let before =
        if exists_folder(disk, folder_of(path), steps)? { read_text(disk, path)? } else { None };
    if before.as_deref() != Some(&after) {
        steps.push(Step::Write { path: path.to_owned(), before, after: Some(after), mode: 0o644 });
    }
    Ok(())
}

/// Returns whether a folder is there; appends the steps that make it and those above it where it is not.
fn exists_folder(disk: &dyn Disk, folder: &str, steps: &mut Vec<Step>) -> Result<bool, PlanError> {
    if folder == "/" || exists(disk, folder)? {
        return Ok(true);
    }
    exists_folder(disk, folder_of(folder), steps)?;
    let planned = |step: &Step| matches!(step, Step::MakeFolder { path, .. } if path == folder);
    if !steps.iter().any(planned) {
        steps.push(Step::MakeFolder { path: folder.to_owned(), mode: 0o755 });
    }
    Ok(false)
}

/// A plan that does nothing yet.
fn empty(title: String, takes_effect: TakesEffect) -> Plan {
    Plan {
        title,
        remedy: None,
        steps: Vec::new(),
        takes_effect,
        checks: Vec::new(),
        way_back: Vec::new(),
    }
}
