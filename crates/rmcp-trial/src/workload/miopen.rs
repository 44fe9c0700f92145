//! Convolutions as AMD's `MIOpenDriver` computes them, compares them with the processor and says so.

use super::judge::Judged;
use super::results::Measured;
use super::schema::{Check, Convolution, Dtype, Operation, Program, Workload};
use crate::isolation::Invocation;
use rmcp_model::{Knob, Outcome};
use std::path::Path;

/// What `-F` asks for.
const FORWARD: &str = "1";
const INPUT_GRADIENT: &str = "2";
const WEIGHT_GRADIENT: &str = "4";

/// The variable that names the only solver to look for.
///
/// Source: MIOpen documentation, Logging and debugging.
pub(crate) const ONLY: &str = "MIOPEN_DEBUG_FIND_ONLY_SOLVER";

/// What MIOpen 3.4 says where the named solver does not fit a convolution, and where it has none of that name.
///
/// Source: MIOpen, `src/ocl/convolutionocl.cpp` and `src/find_controls.cpp`.
const NOT_OFFERED: [&str; 2] =
    ["No suitable algorithm was found", "Invalid value of MIOPEN_DEBUG_FIND_ONLY_SOLVER"];

/// The error that the driver prints where nothing was computed: the largest double.
const NOTHING_COMPUTED: &str = "FAILED: 1.79769e+308";

/// The convolutions of a check as the driver's arguments, with their types; none where it has none.
pub(super) fn shapes(check: &Check) -> Vec<(Vec<String>, &[Dtype])> {
    if let Some(Program::SizeBoundary(it)) = &check.program {
        let all = it.convolutions().map(|(_, image)| arguments(&image, false));
        return all.map(|shape| (shape, &[Dtype::Float32][..])).collect();
    }
    let (it, transposed) = match &check.operation {
        Some(Operation::Conv1d(it) | Operation::Conv2d(it)) => (it, false),
        Some(Operation::ConvTranspose2d(it)) => (it, true),
        _ => return Vec::new(),
    };
    vec![(arguments(it, transposed), &check.dtypes)]
}

fn arguments(it: &Convolution, transposed: bool) -> Vec<String> {
    let signal = it.input.len() == 3;
    // A signal is an image of one row.
    let sizes = |shape: &[u64]| match shape {
        [a, b, width] => [*a, *b, 1, *width],
        [a, b, height, width] => [*a, *b, *height, *width],
        _ => [0; 4],
    };
    let both = |given: &[u64], usual: u64| match given {
        [along] if signal => [usual, *along],
        [down, along] => [*down, *along],
        _ => [usual, usual],
    };
    let ([n, c, h, w], [k, per_group, y, x]) = (sizes(&it.input), sizes(&it.weight));
    let filters = if transposed { per_group * it.groups } else { k };
    let ([p, q], [u, v]) = (both(&it.padding, 0), both(&it.stride, 1));
    let mut found = Vec::new();
    for (flag, value) in [
        ("-n", n),
        ("-c", c),
        ("-H", h),
        ("-W", w),
        ("-k", filters),
        ("-y", y),
        ("-x", x),
        ("-p", p),
        ("-q", q),
        ("-u", u),
        ("-v", v),
        ("-g", it.groups),
    ] {
        found.extend([flag.to_owned(), value.to_string()]);
    }
    if transposed {
        found.extend(["-m", "trans"].map(str::to_owned));
    }
    found
}

fn start(program: &Path, base: &str, shape: &[String], direction: &str) -> Invocation {
    let words = std::iter::once(base)
        .chain(shape.iter().map(String::as_str))
        .chain(["-F", direction, "-V", "1", "-t", "0", "-i", "1"]);
    Invocation {
        program: program.to_owned(),
        arguments: words.map(Into::into).collect(),
        // The processor compares: the other reference is a solver of the same library.
        set: vec![("MIOPEN_DRIVER_USE_GPU_REFERENCE".to_owned(), "0".to_owned())],
        ..Invocation::default()
    }
}

/// Starts the driver for each check, type and direction. A solver is named with `MIOPEN_DEBUG_FIND_ONLY_SOLVER`.
pub(super) fn invocations(workload: &Workload, program: &Path) -> Vec<Invocation> {
    let mut found = Vec::new();
    for check in &workload.check {
        let directions = match check.gradients {
            true => &[FORWARD, INPUT_GRADIENT, WEIGHT_GRADIENT][..],
            false => &[FORWARD],
        };
        for (shape, dtypes) in shapes(check) {
            for dtype in dtypes {
                let base = if *dtype == Dtype::Float16 { "convfp16" } else { "conv" };
                found.extend(
                    directions.iter().map(|direction| start(program, base, &shape, direction)),
                );
            }
        }
    }
    found
}

/// What the driver says of a run that ended by itself. Its own bounds decide.
///
/// A convolution for which the one solver that was named does not fit, or that this version does not have, says nothing of the
/// solver.
pub(super) fn judge(text: &str, code: i32, knobs: &[Knob]) -> Judged {
    let is_alone = knobs.iter().any(|knob| matches!(knob, Knob::Set { name, .. } if name == ONLY));
    let not_offered = NOT_OFFERED.iter().find(|words| is_alone && text.contains(**words));
    if let Some(words) = not_offered {
        return Judged::of(Outcome::Skipped { what: format!("MIOpen: {words}") });
    }
    if let Some(line) = text.lines().find(|line| line.contains("Failed to load kernel source: ")) {
        return Judged::of(Outcome::Failed { code, what: super::judge::word(line) });
    }
    if text.contains(NOTHING_COMPUTED) {
        let error = |line: &&str| line.contains("MIOpen Error") || line.contains(": Error [");
        let what = text.lines().rfind(error).unwrap_or("nothing was computed");
        return Judged::of(Outcome::Failed { code, what: super::judge::word(what) });
    }
    if let Some(line) = text.lines().find(|line| line.contains("FAILED")) {
        let mut judged = Judged::of(Outcome::WrongNumbers { what: super::judge::word(line) });
        judged.add(verified(line, "FAILED: ", " > "));
        return judged;
    }
    let words = "Verifies OK on CPU reference (";
    let found: Vec<Measured> = text
        .lines()
        .filter(|line| line.contains(words))
        .filter_map(|line| verified(line, words, " < "))
        .collect();
    if code != 0 || found.is_empty() {
        let what = if code == 0 {
            "it does not say that it has verified anything"
        } else {
            super::judge::last_line(text)
        };
        return Judged::of(Outcome::Failed { code, what: super::judge::word(what) });
    }
    let mut judged = Judged::of(Outcome::Passed);
    for measured in found {
        judged.add(Some(measured));
    }
    judged
}

/// Reads `Forward Convolution Verifies OK on CPU reference (1e-07 < 1.5e-06)`.
fn verified(line: &str, before: &str, between: &str) -> Option<Measured> {
    let (name, rest) = line.split_once(before)?;
    let (error, bound) = rest.split_once(between)?;
    let bound: String = bound.chars().take_while(|c| !matches!(c, ')' | ' ' | ',')).collect();
    let check = name.split(" Verifies").next().unwrap_or(name).trim();
    Some(Measured::new(check, "verified", error.trim().parse().ok(), bound.parse().ok()?))
}
