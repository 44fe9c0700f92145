//! A plan while it is being made: what has been planned so far is what the next wish finds.

use super::{Part, PlanError};
use crate::disk::{Disk, FileState, folder_of};
use rmcp_model::{Check, Plan, Step, TakesEffect};

/// Permission bits of files and folders that are made.
const FILE_MODE: u32 = 0o644;
const PROGRAM_MODE: u32 = 0o755;
const FOLDER_MODE: u32 = 0o755;

/// A plan under construction over a machine.
pub(super) struct Draft<'d> {
    disk: &'d dyn Disk,
    /// Which part of the machine is planned for, and the folders that are the user's own.
    part: Part<'d>,
    plan: Plan,
    /// Programs start once everything is written.
    commands: Vec<Step>,
}

impl<'d> Draft<'d> {
    pub(super) fn new(disk: &'d dyn Disk, part: Part<'d>) -> Self {
        Self { disk, part, plan: Plan::nothing(String::new()), commands: Vec::new() }
    }

    /// Returns how many steps are planned.
    pub(super) fn steps(&self) -> usize {
        self.plan.steps.len() + self.commands.len()
    }

    /// Forgets checks of a wish that needs nothing in this part.
    pub(super) fn forget_checks(&mut self, kept: usize) {
        self.plan.checks.truncate(kept);
    }

    pub(super) fn checks(&self) -> usize {
        self.plan.checks.len()
    }

    /// Returns the plan.
    pub(super) fn finish(mut self) -> Plan {
        self.plan.steps.append(&mut self.commands);
        self.plan
    }

    /// Reads a text file as it will be; none where it is not there.
    pub(super) fn read(&self, path: &str) -> Result<Option<String>, PlanError> {
        if let Some((_, after)) = self.planned(path) {
            return Ok(after.clone());
        }
        if self.part.is_out_of_sight(path) {
            return Ok(None);
        }
        // Reading in a folder that is not there is an error of its own.
        if !self.exists(folder_of(path))? {
            return Ok(None);
        }
        let state =
            self.disk.read(path).map_err(|source| PlanError::Io { path: path.into(), source })?;
        let text = |state: FileState| {
            String::from_utf8(state.bytes).map_err(|_| PlanError::NotText { path: path.into() })
        };
        state.map(text).transpose()
    }

    /// Returns whether anything is at that path of the machine.
    pub(super) fn exists(&self, path: &str) -> Result<bool, PlanError> {
        if path == "/" {
            return Ok(true);
        }
        if self.part.is_out_of_sight(path) {
            return Ok(false);
        }
        self.disk.exists(path).map_err(|source| PlanError::Io { path: path.into(), source })
    }

    /// Returns whether a path leads to something, links followed: for programs, and files of which only the presence
    /// tells something.
    pub(super) fn leads_somewhere(&self, path: &str) -> Result<bool, PlanError> {
        Ok(self.look(path)?.is_some())
    }

    /// Looks at what a path leads to, links followed.
    pub(super) fn look(&self, path: &str) -> Result<Option<String>, PlanError> {
        let bytes =
            self.disk.look(path).map_err(|source| PlanError::Io { path: path.into(), source })?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Returns the file that a path names: where it is a symbolic link, the file that this leads to.
    pub(super) fn target(&self, path: &str) -> Result<String, PlanError> {
        if self.part.is_out_of_sight(path) || !self.exists(folder_of(path))? {
            return Ok(path.to_owned());
        }
        let target = self.disk.link_target(path);
        let target = target.map_err(|source| PlanError::Io { path: path.into(), source })?;
        Ok(target.unwrap_or_else(|| path.to_owned()))
    }

    /// Returns the names in a folder, sorted; none where it is not there.
    pub(super) fn list(&self, folder: &str) -> Result<Vec<String>, PlanError> {
        if !self.exists(folder)? {
            return Ok(Vec::new());
        }
        self.disk.list(folder).map_err(|source| PlanError::Io { path: folder.into(), source })
    }

    fn planned(&self, wanted: &str) -> Option<(usize, &Option<String>)> {
        self.plan.steps.iter().enumerate().find_map(|(at, step)| match step {
            Step::Write { path, after, .. } if path == wanted => Some((at, after)),
            _ => None,
        })
    }

    /// Plans that a file holds this text.
    pub(super) fn write(&mut self, path: &str, text: String) -> Result<(), PlanError> {
        self.put(path, Some(text), FILE_MODE)
    }

    /// Plans that a program of our own holds this text.
    pub(super) fn write_program(&mut self, path: &str, text: String) -> Result<(), PlanError> {
        self.put(path, Some(text), PROGRAM_MODE)
    }

    /// Plans that a file is gone.
    pub(super) fn remove(&mut self, path: &str) -> Result<(), PlanError> {
        self.put(path, None, FILE_MODE)
    }

    fn put(&mut self, path: &str, after: Option<String>, mode: u32) -> Result<(), PlanError> {
        if let Some((at, _)) = self.planned(path) {
            // What stood there before the whole plan stays what is put back.
            if let Step::Write { after: planned, .. } = &mut self.plan.steps[at] {
                *planned = after;
            }
            return Ok(());
        }
        let before = self.read(path)?;
        if before != after && self.part.writes(path) {
            self.make_folder(folder_of(path))?;
            self.plan.steps.push(Step::Write { path: path.to_owned(), before, after, mode });
        }
        Ok(())
    }

    /// Plans the folders that are not there, from the top down.
    fn make_folder(&mut self, folder: &str) -> Result<(), PlanError> {
        let planned = |step: &Step| matches!(step, Step::MakeFolder { path, .. } if path == folder);
        if self.plan.steps.iter().any(planned) || self.exists(folder)? {
            return Ok(());
        }
        self.make_folder(folder_of(folder))?;
        self.plan.steps.push(Step::MakeFolder { path: folder.to_owned(), mode: FOLDER_MODE });
        Ok(())
    }

    /// Plans that a file or folder stands elsewhere.
    pub(super) fn move_aside(&mut self, from: &str, to: &str) {
        if !self.part.writes(from) {
            return;
        }
        self.plan.steps.push(Step::Move { from: from.to_owned(), to: to.to_owned() });
    }

    /// Plans to start a program behind all else; one that is planned already is not started twice.
    pub(super) fn run<W: AsRef<str>>(&mut self, argv: &[W], undo: &[W], rewrites: &[String]) {
        if matches!(self.part, Part::Own(_)) {
            return;
        }
        let owned = |words: &[W]| words.iter().map(|word| word.as_ref().to_owned()).collect();
        let step = Step::Run { argv: owned(argv), undo: owned(undo), rewrites: rewrites.to_vec() };
        if !self.commands.contains(&step) {
            self.commands.push(step);
        }
    }

    pub(super) fn check(&mut self, check: Check) {
        if !self.plan.checks.contains(&check) {
            self.plan.checks.push(check);
        }
    }

    /// The latest of all wishes counts.
    pub(super) fn takes_effect(&mut self, when: TakesEffect) {
        self.plan.takes_effect = self.plan.takes_effect.max(when);
    }

    pub(super) fn one_start(&mut self) {
        self.plan.one_start = true;
    }

    pub(super) fn is_for_one_start(&self) -> bool {
        self.plan.one_start
    }

    pub(super) fn way_back(&mut self, line: String) {
        if !self.plan.way_back.contains(&line) {
            self.plan.way_back.push(line);
        }
    }
}
