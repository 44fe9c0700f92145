//! What became of a test, from how its process ended and what it wrote. Pure, on bytes of another process.

use super::results::{Lines, Measured, parse_lines};
use super::schema::{Check, Workload};
use super::{hip, miopen, rocblas};
use crate::isolation::{End, Ended};
use rmcp_host::log::printable;
use rmcp_model::{Outcome, Tool};

/// A shell gives a signal of its child as a code above this. Source: POSIX, Shell Command Language, 2.8.2.
const SIGNAL_CODES: std::ops::RangeInclusive<i32> = 129..=192;

/// What the kernel logged while a test ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KernelLog {
    /// Nobody may read it, or it does not reach back: the reason.
    Unreadable(String),
    /// It was read: its lines that tell of a fault of the GPU.
    Faults(Vec<String>),
}

/// What became of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The outcome.
    pub outcome: Outcome,
    /// Largest relative error of what was compared, where all of it is a number.
    pub max_rel_error: Option<f64>,
    /// Results that were compared or looked at.
    pub checks: u32,
    /// What was compared, with its times.
    pub measured: Vec<Measured>,
    /// Checks that were left out, and why.
    pub left_out: Vec<String>,
}

impl Judged {
    pub(super) fn of(outcome: Outcome) -> Self {
        Self { outcome, max_rel_error: None, checks: 0, measured: Vec::new(), left_out: Vec::new() }
    }

    pub(super) fn add(&mut self, measured: Option<Measured>) {
        let Some(measured) = measured else { return };
        self.checks += 1;
        if let Some(error) = measured.max_rel_error {
            self.max_rel_error = Some(self.max_rel_error.map_or(error, |most| most.max(error)));
        }
        self.measured.push(measured);
    }

    /// Joins what became of the processes of one test, in their order: the first that did not pass decides, a skip less than a
    /// pass. Without any, nothing was run.
    pub fn join(all: Vec<Self>) -> Self {
        let mut joined = Self::of(Outcome::NotRun { what: "there was nothing to run".to_owned() });
        for judged in all {
            let rank = |outcome: &Outcome| match outcome {
                Outcome::NotRun { .. } => 0,
                Outcome::Skipped { .. } => 1,
                Outcome::Passed => 2,
                _ => 3,
            };
            if let Outcome::Skipped { what } = &judged.outcome {
                joined.left_out.push(what.clone());
            }
            if rank(&judged.outcome) > rank(&joined.outcome) {
                joined.outcome = judged.outcome;
            }
            joined.left_out.extend(judged.left_out);
            for measured in judged.measured {
                joined.add(Some(measured));
            }
        }
        joined
    }
}

/// Returns what became of one process of a test.
pub fn judge(workload: &Workload, tool: Tool, ended: &Ended, log: &KernelLog) -> Judged {
    let mut judged = match early(ended) {
        Some(outcome) => with_lines(outcome, &parse_lines(&ended.results)),
        None => by_itself(workload, tool, ended),
    };
    if (judged.outcome.passed() || matches!(judged.outcome, Outcome::Skipped { .. }))
        && let Some(outcome) = outside(workload, ended, log, judged.outcome.passed())
    {
        judged.outcome = outcome;
    }
    judged
}

/// Returns what became of a user's own command: it passes when it ends with 0 and leaves nothing behind.
pub(super) fn judge_command(ended: &Ended) -> Judged {
    let code = match ended.end {
        End::Code(code) => code,
        _ => 0,
    };
    let outcome = early(ended).or_else(|| left_behind(ended)).unwrap_or_else(|| match code {
        0 => Outcome::Passed,
        code => Outcome::Failed { code, what: last_word(ended) },
    });
    Judged { checks: 1, ..Judged::of(outcome) }
}

/// What ended a process that did not end by itself.
fn early(ended: &Ended) -> Option<Outcome> {
    let open = parse_lines(&ended.results).open;
    let at = |what: String| match &open {
        Some(check) => format!("in {}: {what}", word(check)),
        None => what,
    };
    let stuck = |what: &str| match &ended.stuck[..] {
        [] => at(what.to_owned()),
        stuck => at(format!("{what}; stuck in the driver: {}", word(&stuck.join(", ")))),
    };
    match &ended.end {
        End::NotStarted(why) => Some(Outcome::CouldNotStart { what: word(why) }),
        End::Signal(signal) => {
            Some(Outcome::Crashed { signal: Some(*signal), what: at(last_word(ended)) })
        }
        End::Code(code) if SIGNAL_CODES.contains(code) => {
            Some(Outcome::Crashed { signal: Some(code - 128), what: at(last_word(ended)) })
        }
        End::TimeOver => Some(Outcome::Hung { what: stuck("its time was over") }),
        End::Silent => Some(Outcome::Hung { what: stuck("it was silent for too long") }),
        End::Code(_) => None,
    }
}

/// What a process that ended by itself has computed.
fn by_itself(workload: &Workload, tool: Tool, ended: &Ended) -> Judged {
    let End::Code(code) = ended.end else { return Judged::of(Outcome::Passed) };
    let text = || {
        let both = [&ended.stdout.bytes[..], b"\n", &ended.stderr.bytes[..]].concat();
        String::from_utf8_lossy(&both).into_owned()
    };
    match tool {
        Tool::Miopen => miopen::judge(&text(), code),
        Tool::Rocblas => rocblas::judge(workload, &text(), code),
        Tool::Command => judge_command(ended),
        Tool::Torch | Tool::Hip | Tool::Machine => {
            let lines = parse_lines(&ended.results);
            with_lines(outcome_of(workload, tool, ended, code, &lines), &lines)
        }
    }
}

fn outcome_of(workload: &Workload, tool: Tool, ended: &Ended, code: i32, lines: &Lines) -> Outcome {
    let failed = |what: String| Outcome::Failed { code, what };
    if let Some(what) = &lines.missing {
        return Outcome::CouldNotStart { what: word(what) };
    }
    if let Some((check, why)) = lines.failed.first() {
        return failed(word(&format!("{check}: {why}")));
    }
    if let Some(wrong) = lines.measured.iter().find(|measured| !measured.is_right()) {
        return Outcome::WrongNumbers { what: word(&wrong.to_string()) };
    }
    if code != 0 {
        return failed(last_word(ended));
    }
    if let Some(damage) = &lines.damage {
        return failed(damage.clone());
    }
    if lines.end != Some(lines.count) {
        let at = lines.open.as_deref().map(|check| format!(" in {}", word(check)));
        return failed(format!("its results are cut short{}", at.unwrap_or_default()));
    }
    let of_tool =
        |check: &&Check| tool != Tool::Hip || hip::specification(workload, check).is_some();
    let left_out = workload.check.iter().filter(of_tool).find(|check| !lines.know(&check.name));
    if let Some(check) = left_out {
        return failed(format!("there is no result of {}", check.name));
    }
    match (lines.measured.len() + lines.passed.len(), lines.skipped.first()) {
        (0, Some((_, why))) => Outcome::Skipped { what: word(why) },
        _ => Outcome::Passed,
    }
}

fn with_lines(outcome: Outcome, lines: &Lines) -> Judged {
    let mut judged = Judged::of(outcome);
    for measured in &lines.measured {
        judged.add(Some(measured.clone()));
    }
    judged.checks += u32::try_from(lines.passed.len()).unwrap_or(u32::MAX);
    let say = |(check, why): &(Option<String>, String)| match check {
        Some(check) => word(&format!("{check}: {why}")),
        None => word(why),
    };
    judged.left_out = lines.skipped.iter().map(say).collect();
    judged
}

/// What speaks against a test that passed or was skipped by its own account.
fn outside(workload: &Workload, ended: &Ended, log: &KernelLog, passed: bool) -> Option<Outcome> {
    if let Some(outcome) = left_behind(ended) {
        return Some(outcome);
    }
    match log {
        KernelLog::Faults(lines) => {
            let line = lines.first()?;
            let what = format!("the kernel log has a fault of the GPU: {}", word(line));
            Some(Outcome::Failed { code: 0, what })
        }
        KernelLog::Unreadable(why) if workload.kernel_log && passed => {
            Some(Outcome::Skipped { what: format!("the kernel log cannot be read: {}", word(why)) })
        }
        KernelLog::Unreadable(_) => None,
    }
}

/// Processes that outlived a test speak against it.
fn left_behind(ended: &Ended) -> Option<Outcome> {
    let all: Vec<&str> = ended.left_behind.iter().chain(&ended.stuck).map(String::as_str).collect();
    let what = format!("it left processes behind: {}", word(&all.join(", ")));
    (!all.is_empty()).then_some(Outcome::Failed { code: 0, what })
}

/// A text of another process in one line that prints.
pub(super) fn word(text: &str) -> String {
    printable(text.trim(), 240)
}

pub(super) fn last_line(text: &str) -> &str {
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing")
}

/// The line of standard error that tells most, or the last one, or the last one of standard output.
fn last_word(ended: &Ended) -> String {
    let stderr = String::from_utf8_lossy(&ended.stderr.bytes);
    let telling = [
        "is not simulated",
        "HSA_STATUS_ERROR",
        "Memory access fault by GPU",
        "HIP error",
        "error hip",
        "MemoryError",
    ];
    for words in telling {
        if let Some(line) = stderr.lines().find(|line| line.contains(words)) {
            return word(line);
        }
    }
    if stderr.trim().is_empty() {
        return word(last_line(&String::from_utf8_lossy(&ended.stdout.bytes)));
    }
    word(last_line(&stderr))
}
