//! From a question to a choice.

use super::candidates::{Backend, Candidate, candidates};
use super::choice::{Basis, CPU, Choice, Outcome, Tried};
use super::probe::{Asker, Probed, probe};
use super::sight::Sight;
use super::verdict::{VerdictCache, key, witnesses};
use crate::inspect::InspectError;
use crate::{Caller, Inspection, Knowledge, diagnose, inspect};
use rmcp_host::Machine;
use rmcp_model::Version;
use rmcp_trial::isolation::{CardLock, Keeper, LockError};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The variable that overrides everything.
const OVERRIDE: &str = "RMCP_DEVICE";

/// How often it is looked whether another process has found the verdict that is waited for.
const LOOK: Duration = Duration::from_millis(100);

/// When a probe is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Where nothing else makes it certain.
    Auto,
    /// Now, whatever is known, and even where no card is seen.
    Always,
    /// Never: what is neither certain nor known from before is not known.
    Never,
}

/// What is asked.
#[derive(Debug)]
pub struct Question<'a> {
    /// A machine folder; the running machine where none is given. The probe runs on the running machine all the same.
    pub root: Option<&'a Path>,
    /// The process that asks.
    pub caller: Caller,
    /// When a probe is run.
    pub policy: Policy,
    /// How long the answer may take.
    pub timeout: Duration,
    /// Devices to take before others, such as `vulkan`.
    pub prefer: &'a [String],
    /// The Python of the program that asks.
    pub python: &'a Path,
    /// The folder in which that program finds torch.
    pub torch: Option<&'a Path>,
    /// Whether all devices are tried, and not only those before the first that works.
    pub all: bool,
    /// Now, in seconds since 1970.
    pub now: i64,
    /// How the process that watches over the probe is started.
    pub keeper: Keeper,
}

/// Why no answer could be found at all. All that is wrong with a device is an answer.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// The machine cannot be opened.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// There is no such device.
    #[error("{by} is `{device}`; expected cpu, cuda, cuda:N, vulkan or mps")]
    NoDevice {
        /// Where it was asked for.
        by: &'static str,
        /// What was asked for.
        device: String,
    },
}

/// Chooses a device.
///
/// # Errors
/// [`DeviceError`] when the machine cannot be opened, or the question is none.
pub fn choose(
    question: &Question<'_>,
    cache: Option<&VerdictCache>,
) -> Result<Choice, DeviceError> {
    let deadline = Instant::now() + question.timeout;
    for device in question.prefer {
        check(device, "--prefer")?;
    }
    if let Some(device) = question.caller.variable(OVERRIDE) {
        check(device, OVERRIDE)?;
        return Ok(Choice::asked(device, OVERRIDE));
    }
    if question.prefer.first().is_some_and(|device| device == CPU) {
        return Ok(Choice::asked(CPU, "the program"));
    }
    let knowledge = Knowledge::embedded();
    let machine = match question.root {
        Some(root) => Machine::at(root, &question.caller, knowledge),
        None => Machine::live(question.caller.clone()),
    }
    .map_err(InspectError::Open)?;
    let sight = Sight::read(&machine);
    let search = Search { question, sight, deadline };
    let choice = search.choose(cache)?;
    Ok(Choice { provenance: machine.provenance, ..choice })
}

fn check(device: &str, by: &'static str) -> Result<(), DeviceError> {
    let (kind, index) = device.split_once(':').unwrap_or((device, "0"));
    let known = matches!(kind, "cuda" | "vulkan" | "mps" | CPU) && index.parse::<u16>().is_ok();
    known.then_some(()).ok_or_else(|| DeviceError::NoDevice { by, device: device.to_owned() })
}

struct Search<'a> {
    question: &'a Question<'a>,
    sight: Sight,
    deadline: Instant,
}

impl Search<'_> {
    fn choose(&self, cache: Option<&VerdictCache>) -> Result<Choice, DeviceError> {
        let always = self.question.policy == Policy::Always;
        if let Some(choice) = self.certain()
            && !always
        {
            return Ok(choice);
        }
        let key = key(self.question, &self.sight);
        let kept = || {
            let cache = cache.filter(|_| !always)?;
            let (choice, age) =
                cache.look_up(&key, self.question.now, self.sight.boot.as_deref())?;
            let mut evidence = choice.evidence.clone();
            evidence.push(format!("found {age} s ago by a probe"));
            Some(Choice { basis: Basis::Cache, evidence, ..choice })
        };
        if let Some(choice) = kept() {
            return Ok(choice);
        }
        let candidates = self.candidates()?;
        if self.question.policy == Policy::Never {
            let certain = candidates.iter().find_map(|one| Some((one, one.blocked.as_ref()?)));
            return Ok(match certain {
                Some((one, why)) => {
                    Choice::cpu(format!("{}: {why}", one.name), Basis::Machine, Outcome::Problem)
                }
                None => Choice::cpu(
                    "no device was tried, and none is known to work",
                    Basis::Machine,
                    Outcome::Unknown,
                ),
            });
        }
        // One probe for all processes of a program that ask at once.
        let lock = match cache.map(|cache| self.wait(cache, &key, &kept)).transpose() {
            Ok(lock) => lock,
            Err(Waited::Found(choice)) => return Ok(*choice),
            Err(Waited::InVain(why)) => {
                return Ok(Choice::cpu(why, Basis::Machine, Outcome::Unknown));
            }
        };
        let (tried, files) = self.try_all(&candidates);
        let mut choice = Choice::of(tried);
        if candidates.iter().all(|one| one.blocked.is_some()) {
            choice.basis = Basis::Machine;
        }
        if let (Some(cache), Some(files)) = (cache, files) {
            cache.keep(&key, self.question.now, self.sight.boot.as_deref(), files, &choice);
        }
        drop(lock);
        Ok(choice)
    }

    /// What needs no probe and no further reading: there is no GPU, or it cannot be seen.
    fn certain(&self) -> Option<Choice> {
        let sight = &self.sight;
        let asked = self.question.prefer.iter().any(|device| device != CPU);
        if asked || sight.has_amd() || sight.has_nvidia() || sight.may_have_another() {
            return None;
        }
        let unreadable = sight.unreadable();
        if !unreadable.is_empty() {
            let choice = Choice::cpu(
                "no GPU was seen, but not everything could be read",
                Basis::Machine,
                Outcome::Unknown,
            );
            return Some(Choice { evidence: unreadable, ..choice });
        }
        // Vulkan's drivers serve cards of other makers too.
        if !sight.cards.is_empty() && sight.has_vulkan() {
            return None;
        }
        let evidence = sight
            .cards
            .iter()
            .filter_map(|card| Some(format!("{}: {}", card.id.origin()?, card.id.value()?)));
        let choice =
            Choice::cpu("this machine has no GPU of AMD or NVIDIA", Basis::Machine, Outcome::NoGpu);
        Some(Choice { evidence: evidence.collect(), ..choice })
    }

    fn candidates(&self) -> Result<Vec<Candidate>, DeviceError> {
        let python = self.question.python.display().to_string();
        // A Python of this machine is none of the folder's.
        let pythons = if self.question.root.is_none() { vec![python] } else { Vec::new() };
        let caller = self.question.caller.clone();
        let facts = inspect(&Inspection { root: self.question.root, pythons: &pythons, caller })?;
        let diagnosis = diagnose(&facts, Knowledge::embedded());
        let unasked = self.question.policy == Policy::Always || self.prefers("cuda");
        let mut all = candidates(&self.sight, &diagnosis, &self.question.caller, unasked);
        let vulkan = self.sight.has_vulkan() || self.prefers("vulkan");
        all.retain(|one| one.backend != Backend::Vulkan || vulkan);
        let place = |one: &Candidate| {
            let named = |prefer: &String| *prefer == one.device() || prefer == one.backend.device();
            self.question.prefer.iter().position(named).unwrap_or(usize::MAX)
        };
        all.sort_by_key(place);
        Ok(all)
    }

    fn prefers(&self, kind: &str) -> bool {
        let is = |device: &String| device.split(':').next() == Some(kind);
        self.question.prefer.iter().any(is)
    }

    /// Tries devices until one works, or all. Gives the files on which the answer rests; none where nothing was run, or
    /// what was run tells of no device.
    fn try_all(&self, candidates: &[Candidate]) -> (Vec<Tried>, Option<BTreeSet<PathBuf>>) {
        let mut tried: Vec<Tried> = Vec::new();
        let mut files = Some(BTreeSet::new());
        let mut count = None;
        let mut ran = false;
        for (at, one) in candidates.iter().enumerate() {
            if tried.iter().any(|tried| tried.works) && !self.question.all {
                break;
            }
            if one.backend == Backend::Cuda && count.is_some_and(|count| one.index >= count) {
                // The bus shows more cards than this container may use.
                continue;
            }
            if let Some(why) = &one.blocked {
                tried.push(of_probe(one, Probed { fault: Some(why.clone()), ..Probed::default() }));
                continue;
            }
            let left = self.deadline.saturating_duration_since(Instant::now());
            let waiting = candidates[at..].iter().filter(|one| one.blocked.is_none()).count();
            let time = left / u32::try_from(waiting.max(1)).unwrap_or(u32::MAX);
            let asker = Asker {
                keeper: &self.question.keeper,
                python: self.question.python,
                torch: self.question.torch,
            };
            ran = true;
            let probed = probe(asker, one, time).unwrap_or_else(|error| Probed {
                fault: Some(format!("it could not be tried: {error}")),
                ..Probed::default()
            });
            count = count.or(probed.count.filter(|_| one.backend == Backend::Cuda));
            files = match (files, &probed.torch) {
                (Some(mut files), Some(torch)) => {
                    files.extend(witnesses(torch, &probed.path, &probed.libraries));
                    Some(files)
                }
                // Without torch a probe is quick, and what makes it come is not known.
                _ => None,
            };
            tried.push(of_probe(one, probed));
        }
        (tried, files.filter(|_| ran))
    }

    fn wait(
        &self,
        cache: &VerdictCache,
        key: &str,
        kept: &impl Fn() -> Option<Choice>,
    ) -> Result<Option<CardLock>, Waited> {
        loop {
            match CardLock::take(cache.folder(), &key[..key.len().min(24)]) {
                Ok(lock) => {
                    return kept().map_or(Ok(Some(lock)), |choice| Err(Waited::found(choice)));
                }
                // Without a place for the lock everybody tries for himself.
                Err(LockError::File { .. }) => return Ok(None),
                Err(error @ LockError::Held { .. }) => {
                    if Instant::now() + LOOK > self.deadline {
                        return Err(Waited::InVain(error.to_string()));
                    }
                    std::thread::sleep(LOOK);
                    if let Some(choice) = kept() {
                        return Err(Waited::found(choice));
                    }
                }
            }
        }
    }
}

/// How a wait for another process ended.
enum Waited {
    Found(Box<Choice>),
    InVain(String),
}

impl Waited {
    fn found(choice: Choice) -> Self {
        Self::Found(Box::new(choice))
    }
}

fn of_probe(candidate: &Candidate, mut probed: Probed) -> Tried {
    let name = match candidate.backend {
        Backend::Rocm => candidate.name.clone(),
        _ => probed.name.clone().unwrap_or_else(|| candidate.name.clone()),
    };
    let (fault, known) = match candidate.backend {
        Backend::Vulkan => together(&probed),
        _ => (None, None),
    };
    probed.fault = probed.fault.or(fault);
    probed.evidence.extend(known);
    let works = probed.fault.is_none();
    let reason = probed.fault.unwrap_or_else(|| {
        format!("{name} computes a convolution, forward and backward, as the processor does")
    });
    let mut evidence = candidate.evidence.clone();
    evidence.extend(probed.evidence);
    Tried {
        device: candidate.device(),
        name,
        works,
        route: candidate.route.clone(),
        reason,
        evidence,
    }
}

/// Says why torchvulkan and torch are not known to work together, where they are not, and what is known.
fn together(probed: &Probed) -> (Option<String>, Option<String>) {
    let (Some(torch), Some(vulkan)) = &probed.versions else { return (None, None) };
    let unknown = format!("torchvulkan {vulkan} is not known to work with torch {torch}");
    let Some(pin) = Knowledge::embedded().pin("torchvulkan", vulkan) else {
        return (Some(unknown), None);
    };
    let known = format!(
        "torchvulkan {vulkan} is known to load with torch {} and newer below {} [{}]",
        pin.since, pin.until, pin.id
    );
    let fits = Version::parse_prefix(torch)
        .is_some_and(|version| pin.since <= version && version < pin.until);
    ((!fits).then_some(unknown), Some(known))
}
