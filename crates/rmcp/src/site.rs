//! A machine on which changes are planned, made and taken back.

use crate::as_before::AsBefore;
use crate::places::{SYSTEM_JOURNAL, interposer, state_folder};
use crate::{Caller, InspectError, Inspection, diagnose, inspect};
use rmcp_change::plan::{Part, PlanError, Planner};
use rmcp_change::{
    Account, ApplyError, CommandRunner, Disk, Entry, Journal, JournalError, LiveWitness, Lock,
    NoCommands, NoWitness, PlanFile, RealDisk, Recovery, SystemCommands, UndoChoice, UndoError,
    Witness, apply, parse_account, recover, standing, undo,
};
use rmcp_knowledge::Knowledge;
use rmcp_model::{Advice, ChangeState, Diagnosis, HostFacts, PciId, Plan, Reader, Standing, Wish};
use std::io;
use std::path::{Path, PathBuf};

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
    /// The knowledge base has no remedy of that name.
    #[error("there is no remedy `{0}`; those for this machine are in `rmcp doctor --verbose`")]
    UnknownRemedy(String),
    /// A remedy is for a person to carry out.
    #[error("`{id}` is for you to carry out: {steps}")]
    ByHand {
        /// The remedy.
        id: String,
        /// What to do.
        steps: String,
    },
    /// A plan is no longer the right one for this machine.
    #[error("the machine is no longer as it was when this plan was shown; make the plan anew")]
    Outdated,
    /// No change waits for a confirmation.
    #[error("no change is in force that waits for a confirmation")]
    NothingToConfirm,
}

/// What the user allows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Allowed {
    /// To plan what is known to do nothing here.
    pub inert: bool,
    /// That kernel words hold for good at once.
    pub permanent: bool,
}

/// A change that was made.
#[derive(Debug)]
pub struct Made {
    /// Its entry; none where there was nothing to do.
    pub entry: Option<Entry>,
    /// Where it stands right after it was made.
    pub standing: Option<Standing>,
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
    root: Option<PathBuf>,
    caller: Caller,
    behalf: Option<u32>,
    disk: RealDisk<Box<dyn CommandRunner>>,
    journal: Journal,
    host: HostFacts,
    diagnosis: Diagnosis,
    cards: Vec<PciId>,
    uid: Option<u32>,
    home: Option<String>,
    interposer: Option<String>,
    witness: Option<LiveWitness>,
}

impl Site {
    /// Opens a machine folder, or the running machine: as root with the system's journal, else with the
    /// user's own. `behalf` is the user for whom root acts.
    ///
    /// # Errors
    /// [`SiteError`] when it cannot be read or opened.
    pub fn open(
        root: Option<&Path>,
        mut caller: Caller,
        behalf: Option<u32>,
    ) -> Result<Self, SiteError> {
        let runner: Box<dyn CommandRunner> =
            if root.is_some() { Box::new(NoCommands) } else { Box::new(SystemCommands) };
        let disk =
            RealDisk::open(root.unwrap_or(Path::new("/")), runner).map_err(SiteError::Open)?;
        let own_journal = match (root, caller.uid, &caller.home) {
            (None, Some(1..), Some(home)) => Some(state_folder(home) + "/journal"),
            _ => None,
        };
        let passwd = disk.look("/etc/passwd").ok().flatten().unwrap_or_default();
        let passwd = String::from_utf8_lossy(&passwd);
        if let Some(uid) = behalf {
            // A user whose home is not known has none: it must not become root's.
            caller.home = parse_account(&passwd, uid).map(|account| account.home);
        }
        let host = inspect(&Inspection { root, pythons: &[], caller: caller.clone() })?;
        let uid = match (behalf, root) {
            (Some(uid), _) => Some(uid),
            (None, Some(_)) => host.access.user.value().map(|user| user.uid),
            (None, None) => caller.uid,
        };
        let account = uid.and_then(|uid| parse_account(&passwd, uid));
        let home = match root {
            None => caller.home.clone(),
            // The machine's own user counts, not who looks at it.
            Some(_) => account.as_ref().map(|account| account.home.clone()).or(caller.home.clone()),
        };
        let witness = |account: Account| {
            Some(LiveWitness { account, us: caller.uid.filter(|_| root.is_none())? })
        };
        let diagnosis = diagnose(&host, Knowledge::embedded());
        Ok(Self {
            interposer: interposer(&disk, root.is_none()),
            journal: Journal::new(own_journal.unwrap_or_else(|| SYSTEM_JOURNAL.to_owned())),
            cards: diagnosis.gpus.iter().filter_map(|gpu| gpu.pci_id).collect(),
            witness: account.and_then(witness),
            root: root.map(Path::to_owned),
            caller,
            behalf,
            disk,
            diagnosis,
            host,
            uid,
            home: home.map(|home| home.trim_end_matches('/').to_owned()),
        })
    }

    /// Reads the machine anew, after something was changed.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn reopen(&self) -> Result<Self, SiteError> {
        Self::open(self.root.as_deref(), self.caller.clone(), self.behalf)
    }

    fn planner<'a>(&'a self, disk: &'a dyn Disk, allowed: Allowed, part: Part<'a>) -> Planner<'a> {
        Planner {
            disk,
            host: &self.host,
            gfx: self.diagnosis.gpus.first().and_then(|gpu| gpu.gfx),
            cards: &self.cards,
            uid: self.uid,
            home: self.home.as_deref(),
            interposer: self.interposer.as_deref(),
            knowledge: Knowledge::embedded(),
            advice: &self.diagnosis.plan,
            allow_inert: allowed.inert,
            permanent: allowed.permanent,
            part,
        }
    }

    /// Plans wishes: what this process can do, and what root must do. What does harm here is refused, and what
    /// does nothing unless it is allowed.
    ///
    /// # Errors
    /// [`SiteError::Plan`].
    pub fn plan(&self, wishes: &[Wish], allowed: Allowed) -> Result<Split, SiteError> {
        let plan = |part| -> Result<Plan, SiteError> {
            Ok(self.planner(&self.disk, allowed, part).plan(wishes)?)
        };
        if self.root.is_some() || self.caller.uid == Some(0) {
            return Ok(Split { own: Some(plan(Part::Whole)?), for_root: None });
        }
        let own = self.own_folders(wishes);
        let some = |plan: Plan| (!plan.steps.is_empty()).then_some(plan);
        let (for_root, own) = (some(plan(Part::System(&own))?), plan(Part::Own(&own))?);
        // Nothing at all to do is a plan too.
        Ok(if for_root.is_some() {
            Split { own: some(own), for_root }
        } else {
            Split { own: Some(own), for_root }
        })
    }

    /// Returns the folders that are the user's own: the home folder, and Python environments elsewhere.
    fn own_folders(&self, wishes: &[Wish]) -> Vec<String> {
        use std::os::unix::fs::MetadataExt as _;
        let is_own = |path: &&str| {
            let owner = Path::new(path).symlink_metadata().map(|metadata| metadata.uid());
            self.root.is_none() && owner.is_ok_and(|owner| Some(owner) == self.uid)
        };
        let environments = wishes.iter().filter_map(|wish| match wish {
            Wish::Variable { reader: Reader::Python { prefix }, .. }
            | Wish::Interposer { reader: Reader::Python { prefix } } => Some(prefix.as_str()),
            _ => None,
        });
        let environments = environments.filter(is_own);
        let folders = self.home.as_deref().into_iter().chain(environments);
        folders.map(|folder| folder.trim_end_matches('/').to_owned()).collect()
    }

    /// Returns what RMCP can do about what is wrong with this machine.
    pub fn advice(&self) -> &[Advice] {
        &self.diagnosis.plan
    }

    /// Returns what a remedy of the knowledge base wishes of this machine.
    ///
    /// # Errors
    /// [`SiteError::UnknownRemedy`], and [`SiteError::ByHand`] where a person has to carry it out.
    pub fn remedy(&self, id: &str) -> Result<Vec<Wish>, SiteError> {
        let knowledge = Knowledge::embedded();
        let remedy = knowledge.remedy(id).ok_or_else(|| SiteError::UnknownRemedy(id.to_owned()))?;
        let found = self
            .diagnosis
            .findings
            .iter()
            .filter(|finding| finding.remedies.iter().any(|remedy| remedy == id));
        let mut wishes: Vec<Wish> = Vec::new();
        for finding in found.map(Some).chain([None]) {
            for wish in rmcp_diagnose::wishes(&self.host, remedy, finding, knowledge) {
                if !wishes.contains(&wish) {
                    wishes.push(wish);
                }
            }
        }
        if wishes.is_empty() {
            return Err(SiteError::ByHand { id: id.to_owned(), steps: remedy.steps.join("; ") });
        }
        Ok(wishes)
    }

    /// Keeps a plan for root in the user's own folder, in the place of earlier ones, and returns its path.
    ///
    /// # Errors
    /// [`SiteError::Journal`] where it cannot be written.
    pub fn keep_for_root(&self, plan: &Plan, allowed: Allowed) -> Result<String, SiteError> {
        let (Some(uid), Some(home)) = (self.uid, &self.home) else {
            return Err(SiteError::Open(io::Error::other("it is not known which user asks")));
        };
        let file = PlanFile::new(uid, allowed.inert, allowed.permanent, plan.clone());
        Ok(file.write(&self.disk, &(state_folder(home) + "/plans"))?)
    }

    /// Returns the plan of a file, after making sure that the wishes in it lead to the same plan on this
    /// machine: whatever stands in the file, root does only what it would have planned itself.
    ///
    /// # Errors
    /// [`SiteError::Plan`], and [`SiteError::Outdated`] where the plan is another one.
    pub fn plan_of(&self, file: &PlanFile) -> Result<Plan, SiteError> {
        let allowed = Allowed { inert: file.inert, permanent: file.permanent };
        let own = self.own_folders(&file.plan.wishes);
        let planner = self.planner(&self.disk, allowed, Part::System(&own));
        let plan = planner.plan(&file.plan.wishes)?;
        if plan == file.plan { Ok(plan) } else { Err(SiteError::Outdated) }
    }

    fn lock(&self) -> Result<Lock, SiteError> {
        self.disk.lock(&self.journal).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => SiteError::Busy,
            _ => SiteError::Open(error),
        })
    }

    /// Takes back what was interrupted; what stands in the way of one is told in its row.
    ///
    /// # Errors
    /// [`SiteError`] where the journal cannot be read, or another process is at it.
    pub fn recover(&self) -> Result<Vec<Recovery>, SiteError> {
        let entries = self.journal.entries(&self.disk)?;
        if entries.iter().all(|(_, state)| *state != ChangeState::Interrupted) {
            return Ok(Vec::new());
        }
        let _lock = self.lock()?;
        Ok(recover(&self.disk, &self.journal)?)
    }

    /// Makes a change. `time` is now, as RFC 3339.
    ///
    /// # Errors
    /// [`SiteError`]; but for `Apply(Stuck)` the machine is then as before.
    pub fn apply(&self, plan: &Plan, time: &str) -> Result<Made, SiteError> {
        let _lock = self.lock()?;
        let entry = apply(&self.disk, &self.journal, plan, time)?;
        let standing = match &entry {
            // What is true now must be read anew.
            Some(entry) => Some(self.reopen()?.standing(entry, ChangeState::Applied, &[])?),
            None => None,
        };
        Ok(Made { entry, standing })
    }

    /// Takes a change back.
    ///
    /// # Errors
    /// [`SiteError::Undo`] where that is not safe.
    pub fn undo(&self, id: u32, choice: UndoChoice) -> Result<(Entry, Recovery), SiteError> {
        let _lock = self.lock()?;
        Ok(undo(&self.disk, &self.journal, id, choice)?)
    }

    /// Returns the change that holds for this start of the machine alone, and the plan that makes it last, as it
    /// will be once the change is taken back.
    ///
    /// # Errors
    /// [`SiteError::NothingToConfirm`], and [`SiteError::Plan`].
    pub fn confirmation(&self) -> Result<(Entry, Plan), SiteError> {
        let waiting = self
            .status()?
            .into_iter()
            .rfind(|change| change.standing == Standing::Unconfirmed)
            .ok_or(SiteError::NothingToConfirm)?;
        let disk = AsBefore { disk: &self.disk, entry: &waiting.entry };
        let allowed = Allowed { inert: true, permanent: true };
        let plan = self.planner(&disk, allowed, Part::Whole).plan(&waiting.entry.plan.wishes)?;
        Ok((waiting.entry, plan))
    }

    /// Returns the changes that are not taken back, latest first.
    ///
    /// # Errors
    /// [`SiteError::Journal`].
    pub fn not_undone(&self) -> Result<Vec<Entry>, SiteError> {
        let entries = self.journal.entries(&self.disk)?.into_iter().rev();
        Ok(entries
            .filter(|(_, state)| *state != ChangeState::Undone)
            .map(|(entry, _)| entry)
            .collect())
    }

    /// Returns every change with where it stands.
    ///
    /// # Errors
    /// [`SiteError`].
    pub fn status(&self) -> Result<Vec<StandingChange>, SiteError> {
        let entries = self.journal.entries(&self.disk)?;
        let mut changes = Vec::new();
        for (at, (entry, state)) in entries.iter().enumerate() {
            let later: Vec<&Entry> = entries[at + 1..]
                .iter()
                .filter(|(_, state)| *state == ChangeState::Applied)
                .map(|(entry, _)| entry)
                .collect();
            let standing = self.standing(entry, *state, &later)?;
            changes.push(StandingChange { entry: entry.clone(), standing });
        }
        Ok(changes)
    }

    fn standing(
        &self,
        entry: &Entry,
        state: ChangeState,
        later: &[&Entry],
    ) -> Result<Standing, SiteError> {
        let planner = self.planner(&self.disk, Allowed::default(), Part::Whole);
        let witness: &dyn Witness = match &self.witness {
            Some(live) => live,
            None => &NoWitness,
        };
        standing(&planner, witness, entry, state, later).map_err(SiteError::Open)
    }

    /// Returns whether the system has a journal that this process does not look into.
    pub fn system_has_changes(&self) -> bool {
        self.journal.folder() != SYSTEM_JOURNAL && self.disk.exists(SYSTEM_JOURNAL).unwrap_or(true)
    }

    /// Returns how this program was called, for commands that a person is to type: numbers of changes are those of
    /// one journal.
    pub fn called(&self) -> &'static str {
        if self.behalf.is_some() { "sudo rmcp" } else { "rmcp" }
    }

    /// Returns the diagnosis of the machine, and its facts.
    pub fn diagnosis(&self) -> (&Diagnosis, &HostFacts) {
        (&self.diagnosis, &self.host)
    }
}

/// A plan in two parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// What this process can do.
    pub own: Option<Plan>,
    /// What root must do.
    pub for_root: Option<Plan>,
}
