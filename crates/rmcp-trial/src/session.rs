//! One session of trials: answers questions by running tests, one after the other, and writes everything down.

use crate::database::{DatabaseError, Moment};
use crate::isolation::{Ended, Invocation, IsolationError, Keeper, run};
use crate::search::Question;
use crate::store::{Begun, Store};
use crate::workload::{Judged, Programs};
use rmcp_host::log::KernelLogWatch;
use rmcp_model::{Attempt, Fact, LogKind, Outcome};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Bytes of what a test said that are kept for good.
const KEPT: usize = 8 << 10;

/// How long a card is left alone after a test that did not end well.
const COOL_DOWN: Duration = Duration::from_secs(2);

/// What the tests are run on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Device {
    /// The machine's own card.
    Real,
    /// A simulated one.
    Simulated {
        /// `rmcp` itself.
        program: PathBuf,
        /// The card's short name.
        card: String,
        /// Faults to inject, as `rmcp sim --inject` takes them.
        inject: Vec<String>,
    },
}

/// What a session asks of the world outside.
pub trait Outside {
    /// What time it is, and since when the machine runs.
    fn now(&self) -> Moment;
    /// What `explain` makes of a text.
    fn kind(&self, text: &[u8]) -> Option<LogKind>;
    /// Whether the card can be used, or why not.
    fn health(&self) -> Result<(), String>;
    /// A test begins.
    fn begins(&mut self, question: &Question);
    /// A test is over, or was answered from the records.
    fn ends(&mut self, question: &Question, attempt: &Attempt);
}

/// Why a session cannot go on. What a test does is no reason.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Records cannot be kept, and without them nothing is run.
    #[error(transparent)]
    Records(#[from] DatabaseError),
    /// Tests cannot be watched over.
    #[error(transparent)]
    Isolation(#[from] IsolationError),
}

/// One session.
pub struct Session<'a> {
    /// The records.
    pub store: &'a Store,
    /// Its number in them.
    pub id: i64,
    /// How tests are watched over.
    pub keeper: Keeper,
    /// What is started for a question.
    pub programs: &'a dyn Programs,
    /// What they are run on.
    pub device: Device,
    /// The world outside.
    pub outside: &'a mut dyn Outside,
    /// Whether the last test left the card in doubt.
    doubt: bool,
    /// Why nothing can be run any more.
    lost: Option<String>,
}

impl std::fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}

impl<'a> Session<'a> {
    /// Begins or goes on with a session of this number.
    pub fn new(
        store: &'a Store,
        id: i64,
        keeper: Keeper,
        programs: &'a dyn Programs,
        device: Device,
        outside: &'a mut dyn Outside,
    ) -> Self {
        Self { store, id, keeper, programs, device, outside, doubt: false, lost: None }
    }

    /// Answers a question: from the records, or by running the test.
    ///
    /// # Errors
    /// [`SessionError`] when it could not be run or written down.
    pub fn ask(&mut self, question: &Question) -> Result<Attempt, SessionError> {
        let now = self.outside.now();
        let id = match self.store.start(self.id, question, &now)? {
            Begun::Answered(attempt) => {
                self.outside.ends(question, &attempt);
                return Ok(*attempt);
            }
            Begun::Run(id) => id,
        };
        self.outside.begins(question);
        let (attempt, output) = self.attempt(question)?;
        self.doubt |= matches!(attempt.outcome, Outcome::Crashed { .. } | Outcome::Hung { .. });
        self.store.finish(id, &attempt, &output)?;
        self.outside.ends(question, &attempt);
        Ok(attempt)
    }

    fn attempt(&mut self, question: &Question) -> Result<(Attempt, String), SessionError> {
        let without = |outcome| Ok((Attempt::without_run(outcome), String::new()));
        if let Err(why) = self.recover() {
            return without(Outcome::NotRun { what: why });
        }
        let folder = tempfile::Builder::new()
            .prefix("rmcp-trial-")
            .tempdir()
            .map_err(IsolationError::Folder)?;
        let test = &question.test;
        let invocations = match self.programs.commands(question, folder.path()) {
            Ok(invocations) => invocations,
            Err(outcome) => return without(outcome),
        };
        let limits = self.programs.limits(test);
        let kernel_log = folder.path().join("kernel-log");
        let mut log = self.kernel_log(&kernel_log)?;
        let mut sum = Sum::default();
        let start = Instant::now();
        for invocation in invocations {
            let wrapped = self.wrapped(invocation.clone(), &kernel_log);
            let ended = run(&self.keeper, &wrapped, &limits, folder.path())?;
            let judged = self.programs.judge(question, &invocation, &ended);
            let goes_on = matches!(judged.outcome, Outcome::Passed | Outcome::Skipped { .. });
            sum.add(&ended, judged);
            if !goes_on {
                break;
            }
        }
        sum.attempt.seconds = start.elapsed().as_secs_f64();
        if let Fact::Known { value: log, .. } = &mut log {
            sum.attempt.kernel_log = log.new_lines().value().cloned().unwrap_or_default();
        }
        Ok(self.finish(sum))
    }

    /// Opens the log that the kernel, or what stands for it, writes to.
    fn kernel_log(&self, simulated: &Path) -> Result<Fact<KernelLogWatch>, SessionError> {
        Ok(match self.device {
            Device::Real => KernelLogWatch::live(),
            Device::Simulated { .. } => {
                std::fs::write(simulated, "").map_err(IsolationError::Folder)?;
                KernelLogWatch::at_end(simulated)
            }
        })
    }

    /// What is made of the outputs and of the kernel log.
    fn finish(&self, sum: Sum) -> (Attempt, String) {
        let Sum { mut attempt, judged, output } = sum;
        let joined = Judged::join(judged);
        attempt.outcome = joined.outcome;
        attempt.checks = joined.checks;
        attempt.max_rel_error = joined.max_rel_error;
        let log = attempt.kernel_log.join("\n");
        if !attempt.outcome.passed() || !log.is_empty() {
            let all = [&output[..], log.as_bytes()].join(&b'\n');
            attempt.kind = self.outside.kind(&all).filter(|kind| *kind != LogKind::None);
        }
        // A fault that nobody but the kernel has noticed is one all the same.
        if attempt.outcome.passed() && attempt.kind.is_some_and(LogKind::blames_amd) {
            let what = attempt.kernel_log.first().cloned().unwrap_or_default();
            attempt.outcome = Outcome::Failed { code: 0, what: format!("the kernel log: {what}") };
        }
        let end = output.len().saturating_sub(KEPT);
        (attempt, String::from_utf8_lossy(&output[end..]).into_owned())
    }

    /// Waits for a card that was left in doubt, and looks whether it is there.
    fn recover(&mut self) -> Result<(), String> {
        if let Some(why) = &self.lost {
            return Err(why.clone());
        }
        if self.doubt && self.device == Device::Real {
            std::thread::sleep(COOL_DOWN);
            if let Err(why) = self.outside.health() {
                let why = format!("the card is lost: {why}");
                self.lost = Some(why.clone());
                return Err(why);
            }
        }
        self.doubt = false;
        Ok(())
    }

    /// The command as it is started: on a simulated card where there is one.
    fn wrapped(&self, invocation: Invocation, kernel_log: &Path) -> Invocation {
        let Device::Simulated { program, card, inject } = &self.device else {
            return invocation;
        };
        let mut arguments = vec!["sim".into(), "--quiet".into(), "--card".into(), card.into()];
        arguments.extend(["--kernel-log".into(), kernel_log.into()]);
        for fault in inject {
            arguments.extend(["--inject".into(), fault.into()]);
        }
        arguments.extend(["--".into(), invocation.program.into()]);
        arguments.extend(invocation.arguments);
        Invocation { program: program.clone(), arguments, ..invocation }
    }
}

/// What came of all commands of one attempt.
struct Sum {
    attempt: Attempt,
    judged: Vec<Judged>,
    output: Vec<u8>,
}

impl Default for Sum {
    fn default() -> Self {
        let attempt = Attempt::without_run(Judged::join(Vec::new()).outcome);
        Self { attempt, judged: Vec::new(), output: Vec::new() }
    }
}

impl Sum {
    fn add(&mut self, ended: &Ended, judged: Judged) {
        self.judged.push(judged);
        let attempt = &mut self.attempt;
        attempt.peak_bytes = attempt.peak_bytes.max(ended.peak_bytes);
        attempt.left_behind.extend(ended.left_behind.iter().cloned());
        for bytes in [&ended.stdout.bytes, &ended.stderr.bytes] {
            self.output.extend_from_slice(bytes);
            self.output.push(b'\n');
        }
    }
}
