//! What became of a test, from how its process ended and what it wrote. Pure, on bytes of another process.

use super::results::{Lines, Measured, parse_lines};
use super::schema::{Check, Workload};
use super::{hip, miopen, rocblas};
use crate::isolation::{End, Ended, Invocation};
use rmcp_host::log::printable;
use rmcp_model::{Knob, Outcome, Tool};

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
            joined.checks += judged.checks;
            joined.max_rel_error = match (joined.max_rel_error, judged.max_rel_error) {
                (Some(one), Some(other)) => Some(one.max(other)),
                (one, other) => one.or(other),
            };
            joined.measured.extend(judged.measured);
        }
        joined
    }
}

/// Returns what became of one process of a test under the knobs of a candidate.
pub fn judge(
    workload: &Workload,
    tool: Tool,
    knobs: &[Knob],
    invocation: &Invocation,
    ended: &Ended,
    log: &KernelLog,
) -> Judged {
    let mut judged = match early(ended) {
        Some(outcome) => with_lines(outcome, &parse_lines(&ended.results)),
        None => by_itself(workload, tool, knobs, invocation, ended),
    };
    if matches!(tool, Tool::Miopen | Tool::Rocblas) {
        judged.outcome = at_command(judged.outcome, invocation);
    }
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

/// Names the call of a tool of AMD's at which a test of several calls ended: whoever reads it can make it again.
fn at_command(mut outcome: Outcome, invocation: &Invocation) -> Outcome {
    if let Outcome::WrongNumbers { what }
    | Outcome::Failed { what, .. }
    | Outcome::Crashed { what, .. }
    | Outcome::Hung { what } = &mut outcome
    {
        let words: Vec<_> =
            invocation.arguments.iter().map(|word| word.to_string_lossy()).collect();
        *what = format!("{what}; in {}", words.join(" "));
    }
    outcome
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
fn by_itself(
    workload: &Workload,
    tool: Tool,
    knobs: &[Knob],
    invocation: &Invocation,
    ended: &Ended,
) -> Judged {
    let End::Code(code) = ended.end else { return Judged::of(Outcome::Passed) };
    let text = || {
        let both = [&ended.stdout.bytes[..], b"\n", &ended.stderr.bytes[..]].concat();
        String::from_utf8_lossy(&both).into_owned()
    };
    match tool {
        Tool::Miopen => miopen::judge(&text(), code, knobs),
        Tool::Rocblas => rocblas::judge(workload, invocation, &text(), code),
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

#[cfg(test)]
mod tests {
    use super::super::workload;
    use super::*;
    use crate::isolation::Captured;
    use proptest::prelude::*;
    use std::time::Duration;

    fn ended(end: End, results: &str, stdout: &str, stderr: &str) -> Ended {
        let captured =
            |text: &str| Captured { bytes: text.as_bytes().to_vec(), total: text.len() as u64 };
        Ended {
            end,
            stdout: captured(stdout),
            stderr: captured(stderr),
            results: results.as_bytes().to_vec(),
            time: Duration::ZERO,
            peak_bytes: None,
            left_behind: Vec::new(),
            stuck: Vec::new(),
        }
    }

    fn quiet() -> KernelLog {
        KernelLog::Faults(Vec::new())
    }

    fn judged(name: &str, tool: Tool, ended: &Ended) -> Judged {
        judge(workload(name).unwrap(), tool, &[], &Invocation::default(), ended, &quiet())
    }

    const BEGIN: &str = r#"{"begin":"product of 100x100"}"#;
    const GOOD: &str = r#"{"check":"product of 100x100","what":"forward","dtype":"float32","max_rel_error":1e-7,"tolerance":1e-4,"seconds":0.5}"#;
    const END: &str = r#"{"end":1}"#;

    #[test]
    fn lines_of_results_are_judged() {
        let wrong = GOOD.replace("1e-7", "0.5");
        let nan = GOOD.replace("1e-7", "null");
        let none = GOOD.replace("100x100", "9x9");
        let failed = r#"{"check":"product of 100x100","failed":"RuntimeError: HIP error"}"#;
        let skipped = r#"{"skipped":"torch sees no GPU"}"#;
        let missing = r#"{"missing":"PyTorch cannot be imported"}"#;
        for (lines, code, word, what) in [
            (vec![BEGIN, GOOD, END], 0, "passed", ""),
            (vec![BEGIN, GOOD], 0, "failed", "cut short"),
            (vec![BEGIN], 0, "failed", "cut short in product of 100x100"),
            (vec![], 0, "failed", "cut short"),
            (vec![BEGIN, GOOD, r#"{"end":2}"#], 0, "failed", "cut short"),
            (vec![BEGIN, &wrong, END], 0, "wrong numbers", "off by 5.0e-1, 1e-4 at most"),
            (vec![BEGIN, &nan, END], 0, "wrong numbers", "not a number"),
            (vec![BEGIN, &none, END], 0, "failed", "there is no result of product of 100x100"),
            (vec![BEGIN, failed, END], 1, "failed", "RuntimeError: HIP error"),
            (vec![BEGIN, GOOD, END], 7, "failed", "the last line"),
            (vec![skipped, END], 0, "skipped", "torch sees no GPU"),
            (vec![missing, END], 0, "could not start", "cannot be imported"),
            (vec![BEGIN, GOOD, "{\"check\":", END], 0, "failed", "line 3 of its results"),
        ] {
            let ended = ended(End::Code(code), &lines.join("\n"), "", "first\nthe last line\n");
            let judged = judged("integration-quick", Tool::Torch, &ended);
            let found = judged.outcome.what().unwrap_or_default();
            assert!(judged.outcome.word() == word && found.contains(what), "{lines:?}: {judged:?}");
        }
    }

    #[test]
    fn ends_are_judged_and_name_the_check() {
        let abort =
            ":0:rocdevice.cpp: HSA_STATUS_ERROR_MEMORY_APERTURE_VIOLATION: code: 0x29\nmore";
        for (end, word, what) in [
            (End::Signal(6), "crashed", "in product of 100x100: :0:rocdevice.cpp"),
            (End::TimeOver, "hung", "in product of 100x100: its time was over"),
            (End::Silent, "hung", "silent for too long"),
            (End::NotStarted("no such file".to_owned()), "could not start", "no such file"),
        ] {
            let judged = judged("integration-quick", Tool::Hip, &ended(end, BEGIN, "", abort));
            let found = judged.outcome.what().unwrap();
            assert!(judged.outcome.word() == word && found.contains(what), "{judged:?}");
        }
    }

    #[test]
    fn what_stuck_or_stayed_behind_is_said() {
        let mut stuck = ended(End::TimeOver, "", "", "");
        stuck.stuck.push("suite (7)".to_owned());
        let judged_stuck = judged("integration-quick", Tool::Hip, &stuck);
        assert!(judged_stuck.outcome.what().unwrap().ends_with("stuck in the driver: suite (7)"));
        let mut behind = ended(End::Code(0), &[BEGIN, GOOD, END].join("\n"), "", "");
        behind.left_behind.push("sleep (8)".to_owned());
        assert_eq!(judged("integration-quick", Tool::Hip, &behind).outcome.word(), "failed");
    }

    #[test]
    fn the_text_of_amds_tools_is_judged() {
        let ok = "Forward Convolution Verifies OK on CPU reference (5e-08 < 1.5e-06)\n";
        let missing = "MIOpen Error: k.cpp:1: Failed to load kernel source: a.s\n";
        let bench = "transA,transB,M,N,K,alpha,lda,beta,ldb,ldc,rocblas-Gflops,us,norm_error_1\nN,N,1,1,1,1,1,0,1,1,2,3,";
        for (name, tool, text, word) in [
            ("convolutions", Tool::Miopen, ok.to_owned(), "passed"),
            (
                "convolutions",
                Tool::Miopen,
                "Forward Convolution FAILED: 0.5 > 1.5e-06".to_owned(),
                "wrong numbers",
            ),
            (
                "convolutions",
                Tool::Miopen,
                format!("{ok}Backward Convolution FAILED: 1.79769e+308 > 1"),
                "failed",
            ),
            ("convolutions", Tool::Miopen, missing.to_owned(), "failed"),
            ("convolutions", Tool::Miopen, String::new(), "failed"),
            ("basic", Tool::Rocblas, format!("{bench}1e-7\n"), "passed"),
            ("basic", Tool::Rocblas, format!("{bench}0.3\n"), "wrong numbers"),
            ("basic", Tool::Rocblas, format!("{bench}nan\n"), "wrong numbers"),
            ("basic", Tool::Rocblas, "nothing".to_owned(), "failed"),
        ] {
            let judged = judged(name, tool, &ended(End::Code(0), "", &text, ""));
            assert_eq!(judged.outcome.word(), word, "{text}: {judged:?}");
        }
    }

    #[test]
    fn the_call_at_which_a_tool_ended_is_named() {
        let call =
            Invocation { arguments: vec!["conv".into(), "-H".into()], ..Invocation::default() };
        let convolutions = workload("convolutions").unwrap();
        for end in [End::Signal(6), End::TimeOver, End::Code(7)] {
            let ended = ended(end, "", "", "code: 0x2a\n");
            let judged = judge(convolutions, Tool::Miopen, &[], &call, &ended, &quiet());
            assert!(judged.outcome.what().unwrap().ends_with("; in conv -H"), "{judged:?}");
        }
    }

    #[test]
    fn a_solver_that_is_not_offered_has_not_failed() {
        let alone = Knob::Set { name: miopen::ONLY.to_owned(), value: "ConvAsm3x3U".to_owned() };
        for text in [
            "MIOpen Error: a.cpp:275: No suitable algorithm was found to execute the required convolution",
            "MIOpen Error: b.cpp:143: Invalid value of MIOPEN_DEBUG_FIND_ONLY_SOLVER: ConvAsm3x3U",
        ] {
            let ended = ended(End::Code(7), "", text, "");
            let word = |knobs: &[Knob]| {
                let workload = workload("convolutions").unwrap();
                judge(workload, Tool::Miopen, knobs, &Invocation::default(), &ended, &quiet())
                    .outcome
                    .word()
            };
            assert_eq!((word(std::slice::from_ref(&alone)), word(&[])), ("skipped", "failed"));
        }
    }

    #[test]
    fn processes_of_one_test_are_joined() {
        let of = |outcome: Outcome| Judged::of(outcome);
        let skipped = Outcome::Skipped { what: "a".to_owned() };
        let hung = Outcome::Hung { what: "b".to_owned() };
        assert_eq!(Judged::join(Vec::new()).outcome.word(), "not run");
        let joined = Judged::join(vec![of(Outcome::Passed), of(skipped.clone())]);
        assert_eq!((joined.outcome.word(), joined.left_out), ("passed", vec!["a".to_owned()]));
        let joined = Judged::join(vec![of(Outcome::Passed), of(hung), of(skipped)]);
        assert_eq!(joined.outcome.word(), "hung");
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(results in any::<Vec<u8>>(), text in any::<Vec<u8>>(), cut in 0..200_usize, code in -1..3) {
            let whole = [BEGIN, GOOD, END].join("\n");
            let mut bytes = whole.as_bytes()[..cut.min(whole.len())].to_vec();
            bytes.extend(&results);
            let mut found = ended(End::Code(code), "", "", "");
            (found.results, found.stdout.bytes) = (bytes, text.clone());
            found.stderr.bytes = text;
            for tool in [Tool::Torch, Tool::Hip, Tool::Machine, Tool::Miopen, Tool::Rocblas, Tool::Command] {
                let judged = judged("integration-quick", tool, &found);
                // With an error code nothing has passed.
                prop_assert!(code == 0 || !judged.outcome.passed(), "{:?}", judged);
            }
        }
    }
}
