//! A machine on which changes are planned, made and taken back.

use crate::{Caller, InspectError, Inspection, diagnose, inspect};
use rmcp_change::plan::{
    PlanError, Reader, plan_kernel_words, plan_module_option, plan_unset, plan_variable,
};
use rmcp_change::{
    ApplyError, CommandRunner, Entry, Journal, JournalError, Lock, NoCommands, RealDisk, Recovery,
    Standing, SystemCommands, UndoError, apply, recover, standing, undo,
};
use rmcp_knowledge::Knowledge;
use rmcp_model::{ChangeState, GfxTarget, HostFacts, PciId, Plan};
use std::io;
use std::path::Path;

/// The system's journal.
const SYSTEM_JOURNAL: &str = "/var/lib/rmcp/journal";

/// What somebody wants changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Kernel words such as `amdgpu.noretry=1`.
    KernelWords(Vec<String>),
    /// An option of the amdgpu module.
    ModuleOption(String, String),
    /// A variable, for somebody.
    Variable(String, String, Reader),
    /// A variable that is no longer to be set anywhere.
    Unset(String),
}

/// Why a machine cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// It cannot be read.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// It cannot be opened for changes.
    #[error("cannot open the machine for changes: {0}")]
    Open(io::Error),
    /// Another process is at it.
    #[error("another rmcp is changing this machine; wait until it has ended")]
    Busy,
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// There is no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The change was not made.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The change was not taken back.
    #[error(transparent)]
    Undo(#[from] UndoError),
}

/// A change that was made, and what had to be put right before.
#[derive(Debug)]
pub struct Made {
    /// Its entry; none where there was nothing to do.
    pub entry: Option<Entry>,
    /// Interrupted changes that were taken back first.
    pub recovered: Vec<Recovery>,
}

/// A change with where it stands.
#[derive(Debug)]
pub struct StandingChange {
    /// The entry.
    pub entry: Entry,
    /// Where it stands.
    pub standing: Standing,
}

/// A machine, its journal and its facts.
#[derive(Debug)]
pub struct Site {
    disk: RealDisk<Box<dyn CommandRunner>>,
    journal: Journal,
    host: HostFacts,
    gfx: Option<GfxTarget>,
    cards: Vec<PciId>,
}

impl Site {
    /// Opens a machine folder, or the running machine: as root with the system's journal, else with the
    /// user's own.
    ///
    /// # Errors
    /// [`SiteError`] when it cannot be read or opened.
    pub fn open(root: Option<&Path>, caller: Caller) -> Result<Self, SiteError> {
        let folder = match (root, caller.uid, &caller.home) {
            (None, Some(1..), Some(home)) => {
                format!("{}/.local/state/rmcp/journal", home.trim_end_matches('/'))
            }
            _ => SYSTEM_JOURNAL.to_owned(),
        };
        let host = inspect(&Inspection { root, pythons: &[], caller })?;
        let runner: Box<dyn CommandRunner> =
            if root.is_some() { Box::new(NoCommands) } else { Box::new(SystemCommands) };
        let disk =
            RealDisk::open(root.unwrap_or(Path::new("/")), runner).map_err(SiteError::Open)?;
        let gpus = diagnose(&host, Knowledge::embedded()).gpus;
        Ok(Self {
            disk,
            journal: Journal::new(folder),
            gfx: gpus.first().and_then(|gpu| gpu.gfx),
            cards: gpus.iter().filter_map(|gpu| gpu.pci_id).collect(),
            host,
        })
    }

    /// Plans a change. What does harm here is refused, and what does nothing unless `allow_inert`.
    ///
    /// # Errors
    /// [`SiteError::Plan`].
    pub fn plan(&self, wanted: &Wanted, allow_inert: bool) -> Result<Plan, SiteError> {
        let (disk, knowledge) = (&self.disk, Knowledge::embedded());
        Ok(match wanted {
            Wanted::KernelWords(words) => {
                plan_kernel_words(disk, &self.host, self.gfx, words, allow_inert, knowledge)
            }
            Wanted::ModuleOption(name, value) => plan_module_option(
                disk,
                &self.host,
                self.gfx,
                (name, value),
                allow_inert,
                knowledge,
            ),
            Wanted::Variable(name, value, reader) => plan_variable(
                disk,
                self.gfx,
                &self.cards,
                reader,
                (name, value),
                allow_inert,
                knowledge,
            ),
            Wanted::Unset(name) => plan_unset(disk, &self.host, name),
        }?)
    }

    fn lock(&self) -> Result<Lock, SiteError> {
        self.disk.lock(&self.journal).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => SiteError::Busy,
            _ => SiteError::Open(error),
        })
    }

    /// Makes a change. `time` is now, as RFC 3339.
    ///
    /// # Errors
    /// [`SiteError`]; but for `Apply(Stuck)` the machine is then as before.
    pub fn apply(&self, plan: &Plan, time: &str) -> Result<Made, SiteError> {
        let _lock = self.lock()?;
        let recovered = recover(&self.disk, &self.journal)?;
        let entry = apply(&self.disk, &self.journal, plan, time)?;
        Ok(Made { entry, recovered })
    }

    /// Takes a change back.
    ///
    /// # Errors
    /// [`SiteError::Undo`] where that is not safe.
    pub fn undo(&self, id: u32) -> Result<Entry, SiteError> {
        let _lock = self.lock()?;
        recover(&self.disk, &self.journal)?;
        Ok(undo(&self.disk, &self.journal, id)?)
    }

    /// Returns the numbers of the changes in force, latest first.
    ///
    /// # Errors
    /// [`SiteError::Journal`].
    pub fn applied(&self) -> Result<Vec<u32>, SiteError> {
        let entries = self.journal.entries(&self.disk)?;
        let applied = entries.iter().rev().filter(|(_, state)| *state == ChangeState::Applied);
        Ok(applied.map(|(entry, _)| entry.id).collect())
    }

    /// Takes back what was interrupted, and returns every change with where it stands.
    ///
    /// # Errors
    /// [`SiteError`].
    pub fn status(&self) -> Result<(Vec<StandingChange>, Vec<Recovery>), SiteError> {
        let entries = self.journal.entries(&self.disk)?;
        let recovered = if entries.iter().any(|(_, state)| *state == ChangeState::Interrupted) {
            let _lock = self.lock()?;
            recover(&self.disk, &self.journal)?
        } else {
            Vec::new()
        };
        let changes = self
            .journal
            .entries(&self.disk)?
            .into_iter()
            .map(|(entry, state)| {
                let standing =
                    standing(&self.disk, &self.host, &entry, state).map_err(SiteError::Open)?;
                Ok(StandingChange { entry, standing })
            })
            .collect::<Result<_, SiteError>>()?;
        Ok((changes, recovered))
    }
}
