//! A machine on which changes are planned, made and taken back.

use crate::{Caller, InspectError, Inspection, diagnose, inspect};
use rmcp_change::plan::{PlanError, Planner};
use rmcp_change::{
    ApplyError, CommandRunner, Disk as _, Entry, Journal, JournalError, LiveWitness, Lock,
    NoCommands, NoWitness, PlanFile, RealDisk, Recovery, SystemCommands, UndoError, Witness, apply,
    recover, standing, undo,
};
use rmcp_knowledge::Knowledge;
use rmcp_model::{Advice, ChangeState, Diagnosis, HostFacts, PciId, Plan, Standing, Step, Wish};
use std::io;
use std::path::{Path, PathBuf};

/// The system's journal.
const SYSTEM_JOURNAL: &str = "/var/lib/rmcp/journal";

/// Where RMCP's library for programs that use the GPU may be.
const INTERPOSER: &str = "librmcp_interposer.so";
const INTERPOSER_FOLDER: &str = "/usr/lib/rmcp";

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

/// A change that was made, and what had to be put right before.
#[derive(Debug)]
pub struct Made {
    /// Its entry; none where there was nothing to do.
    pub entry: Option<Entry>,
    /// Where it stands right after it was made.
    pub standing: Option<Standing>,
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
    root: Option<PathBuf>,
    caller: Caller,
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
        caller: Caller,
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
        let mut caller = caller;
        let behalf = behalf.and_then(|uid| Some((uid, account(&disk, uid)?)));
        if let Some((_, account)) = &behalf {
            caller.home = Some(account.home.clone());
        }
        let host = inspect(&Inspection { root, pythons: &[], caller: caller.clone() })?;
        let uid = match (&behalf, root) {
            (Some((uid, _)), _) => Some(*uid),
            (None, Some(_)) => host.access.user.value().map(|user| user.uid),
            (None, None) => caller.uid,
        };
        let known = uid.and_then(|uid| account(&disk, uid));
        let home = match root {
            None => caller.home.clone(),
            // The machine's own user counts, not who looks at it.
            Some(_) => known.as_ref().map(|account| account.home.clone()).or(caller.home.clone()),
        };
        let witness = root.is_none().then(|| LiveWitness {
            home: home.clone(),
            user: known.as_ref().map(|account| account.name.clone()),
            shell: known.map(|account| account.shell),
        });
        let diagnosis = diagnose(&host, Knowledge::embedded());
        Ok(Self {
            root: root.map(Path::to_owned),
            interposer: interposer(&disk, root.is_none()),
            caller,
            disk,
            journal: Journal::new(own_journal.unwrap_or_else(|| SYSTEM_JOURNAL.to_owned())),
            cards: diagnosis.gpus.iter().filter_map(|gpu| gpu.pci_id).collect(),
            diagnosis,
            host,
            uid,
            home,
            witness,
        })
    }

    fn planner(&self, allowed: Allowed) -> Planner<'_> {
        Planner {
            disk: &self.disk,
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
        }
    }

    /// Plans wishes as one change. What does harm here is refused, and what does nothing unless it is allowed.
    ///
    /// # Errors
    /// [`SiteError::Plan`].
    pub fn plan(&self, wishes: &[Wish], allowed: Allowed) -> Result<Plan, SiteError> {
        Ok(self.planner(allowed).plan(wishes)?)
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

    /// Splits a plan into what this process can do and what root must do.
    pub fn split(&self, plan: Plan) -> Split {
        if self.root.is_some() || self.caller.uid == Some(0) {
            return Split { own: Some(plan), for_root: None };
        }
        let (own, rest) = self.parts(&plan);
        let part = |steps: Vec<Step>| (!steps.is_empty()).then(|| Plan { steps, ..plan.clone() });
        Split { own: part(own), for_root: part(rest) }
    }

    /// Returns the part of a plan that root does for a user.
    fn for_root(&self, plan: Plan) -> Plan {
        let (_, steps) = self.parts(&plan);
        Plan { steps, ..plan }
    }

    /// Returns the steps within the home folder of the user who asks, and the others.
    fn parts(&self, plan: &Plan) -> (Vec<Step>, Vec<Step>) {
        let Some(home) = &self.home else { return (Vec::new(), plan.steps.clone()) };
        let home = format!("{}/", home.trim_end_matches('/'));
        plan.steps.iter().cloned().partition(|step| match step {
            Step::MakeFolder { path, .. } | Step::Write { path, .. } => path.starts_with(&home),
            Step::Move { from, to } => from.starts_with(&home) && to.starts_with(&home),
            Step::Run { .. } => false,
        })
    }

    /// Keeps a plan for root in the user's own folder, and returns its path.
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
        let plan = self.for_root(self.plan(&file.plan.wishes, allowed)?);
        if plan == file.plan { Ok(plan) } else { Err(SiteError::Outdated) }
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
        let standing = match &entry {
            Some(entry) => Some(self.standing(entry, ChangeState::Applied, &[])?),
            None => None,
        };
        Ok(Made { entry, standing, recovered })
    }

    /// Takes a change back; with `keep_edits` also where somebody has edited its files since.
    ///
    /// # Errors
    /// [`SiteError::Undo`] where that is not safe.
    pub fn undo(&self, id: u32, keep_edits: bool) -> Result<(Entry, Recovery), SiteError> {
        let _lock = self.lock()?;
        recover(&self.disk, &self.journal)?;
        Ok(undo(&self.disk, &self.journal, id, keep_edits)?)
    }

    /// Makes a change for good that is in force for this start of the machine alone: it is taken back, and
    /// made anew. Returns the old and the new entry.
    ///
    /// # Errors
    /// [`SiteError`]; where the second half fails, the change is taken back.
    pub fn confirm(&self, time: &str) -> Result<(Entry, Made), SiteError> {
        let (changes, _) = self.status()?;
        let waiting = changes
            .into_iter()
            .rfind(|change| change.standing == Standing::Unconfirmed)
            .ok_or(SiteError::NothingToConfirm)?;
        let (entry, _) = self.undo(waiting.entry.id, false)?;
        // What is configured now must be read anew.
        let after = Self::open(self.root.as_deref(), self.caller.clone(), None)?;
        let allowed = Allowed { inert: true, permanent: true };
        let plan = after.plan(&entry.plan.wishes, allowed)?;
        let made = after.apply(&plan, time)?;
        Ok((entry, made))
    }

    /// Returns the changes in force, latest first.
    ///
    /// # Errors
    /// [`SiteError::Journal`].
    pub fn applied(&self) -> Result<Vec<Entry>, SiteError> {
        let entries = self.journal.entries(&self.disk)?.into_iter().rev();
        Ok(entries
            .filter(|(_, state)| *state == ChangeState::Applied)
            .map(|(entry, _)| entry)
            .collect())
    }

    /// Takes back what was interrupted, and returns every change with where it stands.
    ///
    /// # Errors
    /// [`SiteError`].
    pub fn status(&self) -> Result<(Vec<StandingChange>, Vec<Recovery>), SiteError> {
        let interrupted = |entries: &[(Entry, ChangeState)]| {
            entries.iter().any(|(_, state)| *state == ChangeState::Interrupted)
        };
        let mut entries = self.journal.entries(&self.disk)?;
        let mut recovered = Vec::new();
        if interrupted(&entries) {
            let _lock = self.lock()?;
            recovered = recover(&self.disk, &self.journal)?;
            entries = self.journal.entries(&self.disk)?;
        }
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
        Ok((changes, recovered))
    }

    fn standing(
        &self,
        entry: &Entry,
        state: ChangeState,
        later: &[&Entry],
    ) -> Result<Standing, SiteError> {
        let planner = self.planner(Allowed::default());
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
}

/// A plan in two parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// What this process can do.
    pub own: Option<Plan>,
    /// What root must do.
    pub for_root: Option<Plan>,
}

/// Where a user's journal and plans are kept. Source: XDG Base Directory Specification, `XDG_STATE_HOME`.
fn state_folder(home: &str) -> String {
    format!("{}/.local/state/rmcp", home.trim_end_matches('/'))
}

/// A row of `/etc/passwd`.
struct Account {
    name: String,
    home: String,
    shell: String,
}

/// Returns the account of a user. Source of the fields: passwd(5).
fn account(disk: &RealDisk<Box<dyn CommandRunner>>, uid: u32) -> Option<Account> {
    let text = String::from_utf8(disk.read("/etc/passwd").ok()??.bytes).ok()?;
    text.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, id, _, _, home, shell] = fields.as_slice() else { return None };
        (id.parse() == Ok(uid)).then(|| Account {
            name: (*name).to_owned(),
            home: (*home).to_owned(),
            shell: (*shell).to_owned(),
        })
    })
}

/// Returns where RMCP's library is: beside the program on the running machine, or where packages put it.
fn interposer(disk: &RealDisk<Box<dyn CommandRunner>>, live: bool) -> Option<String> {
    let program = std::env::current_exe().ok().filter(|_| live);
    let folder = program.as_deref().and_then(Path::parent);
    let beside = folder.map(|folder| folder.join(INTERPOSER));
    let in_lib = folder.and_then(Path::parent).map(|top| top.join("lib/rmcp").join(INTERPOSER));
    let candidates = [beside, in_lib, Some(Path::new(INTERPOSER_FOLDER).join(INTERPOSER))];
    candidates
        .into_iter()
        .flatten()
        .filter_map(|path| path.to_str().map(str::to_owned))
        .find(|path| disk.exists(path).unwrap_or(false))
}
