//! What a session of trials would do, and what it does while a person waits.

use super::{device, letter};
use crate::clean::clean;
use crate::style::Palette;
use crate::wrap::wrapped;
use rmcp_model::{Attempt, Candidate, Test, TrialDevice, Way};
use std::time::Duration;

/// How much a session may cost: what for, runs, and their time.
pub type CostLine<'a> = (&'a str, u32, Duration);

/// Longest name of a candidate in a line of progress.
const NAME: usize = 44;

/// Returns the page of a dry run.
pub fn trial_plan_text(
    on: &TrialDevice,
    tests: &[Test],
    candidates: &[Candidate],
    costs: &[CostLine<'_>],
    palette: Palette,
) -> String {
    let mut lines = vec![palette.bold(&clean(&device(on))), String::new()];
    let names: Vec<String> = tests.iter().map(ToString::to_string).collect();
    lines.extend(wrapped("tests: ", &clean(&names.join(", "))));
    lines.push(String::new());
    lines.push(
        "tried in this order, each test in a process of its own, until one is enough:".to_owned(),
    );
    let (here, elsewhere): (Vec<&Candidate>, Vec<&Candidate>) =
        candidates.iter().partition(|candidate| candidate.way == Way::Here);
    for (candidate, number) in here.iter().zip(1..) {
        lines.push(format!(
            "  {number:>2}. {} ({})",
            clean(&candidate.title),
            clean(&candidate.id)
        ));
    }
    if !elsewhere.is_empty() {
        lines.push("not tried here:".to_owned());
        for candidate in elsewhere {
            let how = match &candidate.way {
                Way::Apply { command } => command,
                Way::Environment { how } => how,
                Way::Here => "",
            };
            lines.push(format!("      {}: {}", clean(&candidate.title), clean(how)));
        }
    }
    lines.push(String::new());
    for (what, runs, time) in costs {
        lines.push(format!("{what}: {runs} runs, about {}", about(*time)));
    }
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Returns one line for one run that is over.
pub fn attempt_line(title: &str, test: &Test, attempt: &Attempt, palette: Palette) -> String {
    let title: String = clean(title).replace('\n', " ").chars().take(NAME).collect();
    let mark = letter(&attempt.outcome);
    let mark = match (attempt.outcome.passed(), attempt.outcome.ran()) {
        (true, _) => palette.good(mark),
        (false, true) => palette.bad(mark),
        (false, false) => palette.faint(mark),
    };
    let what = attempt.outcome.what().map(|what| format!(": {}", clean(what).replace('\n', " ")));
    let what: String = what.unwrap_or_default().chars().take(100).collect();
    let kind = attempt.kind.map(|kind| format!(" [{kind}]")).unwrap_or_default();
    let word = attempt.outcome.word();
    format!(
        "{mark} {title:NAME$} {test:<28} {:>6.1} s  {word}{kind}{what}",
        attempt.seconds,
        test = test.to_string()
    )
}

/// A time as people say it.
fn about(time: Duration) -> String {
    match time.as_secs() {
        seconds @ ..=99 => format!("{seconds} s"),
        seconds @ 100..=5999 => format!("{} min", seconds.div_ceil(60)),
        seconds => format!("{} h", seconds.div_ceil(3600)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rmcp_model::{Outcome, Tool};

    #[test]
    fn a_run_is_one_line_without_orders_to_the_terminal() {
        let test = Test { workload: "basic".to_owned(), tool: Tool::Hip };
        let what = "first\nsecond\u{1b}[2J".to_owned();
        let attempt = Attempt::without_run(Outcome::Failed { code: 1, what });
        let line = attempt_line("as it is", &test, &attempt, Palette::new(false));
        assert!(line.starts_with("F as it is "), "{line}");
        assert!(line.ends_with("0.0 s  failed: first second\u{fffd}[2J"), "{line}");
    }

    #[test]
    fn times_are_rounded_up() {
        let texts = [0, 99, 100, 121, 6000].map(|seconds| about(Duration::from_secs(seconds)));
        assert_eq!(texts, ["0 s", "99 s", "2 min", "3 min", "2 h"]);
    }
}
