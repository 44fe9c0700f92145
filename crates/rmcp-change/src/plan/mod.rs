//! From what somebody wishes to the steps that do it on this machine.

mod cache;
mod draft;
mod groups;
mod interposer;
mod kernel;
mod module;
mod once;
mod python;
mod variable;

use crate::disk::Disk;
use crate::edit::EditError;
use draft::Draft;
use rmcp_knowledge::Knowledge;
use rmcp_knowledge::schema::Effect;
use rmcp_model::{Advice, GfxTarget, HostFacts, PciId, Plan, Version, Wish};
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
    /// The system is one whose settings this program does not write.
    #[error("{what} here is {name}, which rmcp does not change; add by hand: {by_hand}")]
    ByHand {
        /// What part of the system.
        what: &'static str,
        /// Its name, or "unknown".
        name: String,
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

/// A machine on which changes are planned, and what the user allows.
#[derive(Clone, Copy)]
pub struct Planner<'a> {
    /// The machine's files; they are only read.
    pub disk: &'a dyn Disk,
    /// Its facts.
    pub host: &'a HostFacts,
    /// Target of its card.
    pub gfx: Option<GfxTarget>,
    /// Its AMD cards: a setting for all users holds only where one of them is there.
    pub cards: &'a [PciId],
    /// The user who asks.
    pub uid: Option<u32>,
    /// That user's home folder.
    pub home: Option<&'a str>,
    /// RMCP's library for programs that use the GPU, where it is installed.
    pub interposer: Option<&'a str>,
    /// What is known.
    pub knowledge: &'a Knowledge,
    /// What the diagnosis of the machine advises.
    pub advice: &'a [Advice],
    /// Whether to plan what is known to do nothing here.
    pub allow_inert: bool,
    /// Whether kernel words hold for good at once, rather than for one start until they are confirmed.
    pub permanent: bool,
    /// For which part of the machine plans are made.
    pub part: Part<'a>,
}

/// A part of the machine. What one user wishes may touch files of that user, which root does not write, and files
/// of the system, which that user cannot write.
#[derive(Debug, Clone, Copy)]
pub enum Part<'a> {
    /// All of it.
    Whole,
    /// What stands in these folders alone, and no program.
    Own(&'a [String]),
    /// What stands outside these folders, of which nothing is even read.
    System(&'a [String]),
}

impl Part<'_> {
    fn is_within(folders: &[String], path: &str) -> bool {
        folders.iter().any(|folder| {
            path.strip_prefix(folder.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    fn writes(self, path: &str) -> bool {
        match self {
            Self::Whole => true,
            Self::Own(folders) => Self::is_within(folders, path),
            Self::System(folders) => !Self::is_within(folders, path),
        }
    }

    fn is_out_of_sight(self, path: &str) -> bool {
        matches!(self, Self::System(folders) if Self::is_within(folders, path))
    }
}

impl Planner<'_> {
    /// Plans wishes as one change. What does harm is refused, and what does nothing unless it is allowed.
    ///
    /// # Errors
    /// [`PlanError`] for the first wish that cannot be planned.
    pub fn plan(&self, wishes: &[Wish]) -> Result<Plan, PlanError> {
        let mut draft = Draft::new(self.disk, self.part);
        let mut planned: Vec<Wish> = Vec::new();
        for wish in wishes {
            let (steps, checks) = (draft.steps(), draft.checks());
            let wish = match wish {
                Wish::Groups { groups } => {
                    Wish::Groups { groups: groups::plan(self, &mut draft, groups)? }
                }
                Wish::Interposer { reader } => interposer::plan(self, &mut draft, reader)?,
                wish => {
                    self.plan_one(&mut draft, wish)?;
                    wish.clone()
                }
            };
            // Of a wish that needs nothing in this part, nothing is said.
            if matches!(self.part, Part::Whole) || draft.steps() > steps {
                planned.push(wish);
            } else {
                draft.forget_checks(checks);
            }
        }
        let mut plan = draft.finish();
        plan.title = planned.iter().map(Wish::to_string).collect::<Vec<_>>().join("; ");
        plan.known = planned.iter().flat_map(|wish| self.objections(wish)).collect();
        plan.wishes = planned;
        Ok(plan)
    }

    fn plan_one(&self, draft: &mut Draft<'_>, wish: &Wish) -> Result<(), PlanError> {
        match wish {
            Wish::KernelWords { words } => kernel::plan(self, draft, words),
            Wish::ModuleOption { name, value } => module::plan(self, draft, name, value),
            Wish::Variable { name, value, reader } => {
                variable::plan_set(self, draft, name, value, reader)
            }
            Wish::UnsetVariable { name } => variable::plan_unset(self, draft, name),
            Wish::MiopenCache => cache::plan(self, draft),
            Wish::Groups { groups } => groups::plan(self, draft, groups).map(|_| ()),
            Wish::Interposer { reader } => interposer::plan(self, draft, reader).map(|_| ()),
        }
    }

    /// Returns whether a wish is about files of the other part alone.
    fn is_elsewhere(&self, path: &str) -> bool {
        self.part.is_out_of_sight(path)
    }

    /// Version of the running kernel, by which parameters are judged.
    fn kernel(&self) -> Option<Version> {
        self.host.kernel.release.value().and_then(|text| Version::parse_prefix(text))
    }

    /// Returns what speaks against a wish on this machine now: what it does by the knowledge base, and what the
    /// diagnosis advises to the contrary.
    pub fn objections(&self, wish: &Wish) -> Vec<String> {
        let parameter = |name: &str, value: &str| {
            self.knowledge.judge_parameter(name, value, self.gfx, self.kernel())
        };
        let verdicts: Vec<_> = match wish {
            Wish::KernelWords { words } => words
                .iter()
                .map(|word| word.split_once('=').unwrap_or((word, "")))
                .filter_map(|(name, value)| parameter(name, value))
                .collect(),
            Wish::ModuleOption { name, value } => {
                parameter(&format!("amdgpu.{name}"), value).into_iter().collect()
            }
            Wish::Variable { name, value, .. } => {
                self.knowledge.judge_variable(name, value, self.gfx, None).into_iter().collect()
            }
            Wish::UnsetVariable { .. }
            | Wish::Groups { .. }
            | Wish::MiopenCache
            | Wish::Interposer { .. } => Vec::new(),
        };
        let bad = verdicts
            .iter()
            .filter(|verdict| matches!(verdict.effect, Effect::Harmful | Effect::Inert))
            .map(|verdict| format!("{}: {}", verdict.switch.name, verdict.why));
        let contrary = self.advice.iter().filter(|advice| {
            let unset = |other: &Wish| match (wish, other) {
                (Wish::Variable { name, .. }, Wish::UnsetVariable { name: unset }) => name == unset,
                _ => false,
            };
            advice.wishes.iter().any(unset)
        });
        let contrary = contrary
            .map(|advice| format!("rmcp doctor advises the contrary here ({})", advice.finding));
        bad.chain(contrary).collect()
    }

    /// Refuses what does harm, and what does nothing unless that is allowed.
    fn judge(&self, what: &str, effect: Effect, why: &str) -> Result<(), PlanError> {
        let refused = match effect {
            Effect::Harmful => true,
            Effect::Inert => !self.allow_inert,
            Effect::Effective | Effect::Diagnostic | Effect::Unknown => false,
        };
        if refused {
            return Err(PlanError::Judged { what: what.to_owned(), effect, why: why.to_owned() });
        }
        Ok(())
    }

    /// Returns the home folder of the user who asks.
    fn home(&self) -> Result<&str, PlanError> {
        self.home.map(|home| home.trim_end_matches('/')).ok_or_else(|| {
            PlanError::Refused(
                "it is not known which user asks, so there is no home folder to write in".into(),
            )
        })
    }
}

/// What to type once a machine is up again that did not come up.
const WAY_BACK: &str = "then: sudo rmcp undo --last";

fn edit_error(path: &str) -> impl FnOnce(EditError) -> PlanError {
    let path = path.to_owned();
    move |source| PlanError::Edit { path, source }
}
