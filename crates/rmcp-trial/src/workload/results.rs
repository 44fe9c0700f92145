//! The lines that our programs write to the file named in [`RESULTS`](crate::isolation::RESULTS). They come from another process:
//! whatever bytes they are, reading them ends and gives what can be told.

use serde::Deserialize;
use std::fmt;

/// Most lines that are read.
const LINES: usize = 20_000;

/// Longest line that is read.
const LENGTH: usize = 64 << 10;

/// One result that was compared with what is expected.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The check.
    pub check: String,
    /// What was compared: `forward`, `input_gradient`, ...
    pub what: String,
    /// The type of number.
    pub dtype: Option<String>,
    /// max|got - want| / max|want|; none where a result is not a number, or infinite.
    pub max_rel_error: Option<f64>,
    /// The largest that is right.
    pub tolerance: f64,
    /// How long it took.
    pub seconds: Option<f64>,
    /// How long it took the first time, with the search and compilation of kernels.
    pub first_seconds: Option<f64>,
    /// What part of the result was compared, where it was not all.
    pub sampled: Option<String>,
    /// The wider type in which it was computed, where the device has no such operation.
    pub emulated: Option<String>,
}

impl Measured {
    pub(super) fn new(check: &str, what: &str, error: Option<f64>, tolerance: f64) -> Self {
        Self {
            check: check.to_owned(),
            what: what.to_owned(),
            dtype: None,
            max_rel_error: error.filter(|error| error.is_finite()),
            tolerance,
            seconds: None,
            first_seconds: None,
            sampled: None,
            emulated: None,
        }
    }

    /// Returns whether it is within its tolerance.
    pub fn is_right(&self) -> bool {
        self.max_rel_error.is_some_and(|error| error <= self.tolerance)
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { check, what, tolerance, .. } = self;
        write!(f, "{check}: {}", what.replace('_', " "))?;
        if let Some(dtype) = &self.dtype {
            write!(f, " in {dtype}")?;
        }
        match self.max_rel_error {
            Some(error) => write!(f, " is off by {error:.1e}, {tolerance:.0e} at most is right"),
            None => f.write_str(" is not a number"),
        }
    }
}

/// What all lines say together.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Lines {
    pub(super) measured: Vec<Measured>,
    /// Checks that looked at something that is no number, and found it right.
    pub(super) passed: Vec<String>,
    /// Check and reason.
    pub(super) failed: Vec<(String, String)>,
    /// Check, or none for all, and reason.
    pub(super) skipped: Vec<(Option<String>, String)>,
    /// A package that is not there.
    pub(super) missing: Option<String>,
    /// The check that was begun last and of which nothing more is known.
    pub(super) open: Option<String>,
    /// How many results the last line says there are.
    pub(super) end: Option<u64>,
    /// Result lines that were read.
    pub(super) count: u64,
    /// The first line that cannot be read, or that there are too many.
    pub(super) damage: Option<String>,
}

/// One line. Unknown keys are for people.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Line {
    begin: Option<String>,
    check: Option<String>,
    what: Option<String>,
    dtype: Option<String>,
    max_rel_error: Option<f64>,
    tolerance: Option<f64>,
    seconds: Option<f64>,
    first_seconds: Option<f64>,
    sampled: Option<String>,
    emulated: Option<String>,
    passed: bool,
    failed: Option<String>,
    skipped: Option<String>,
    missing: Option<String>,
    end: Option<u64>,
}

/// Reads all lines.
pub(super) fn parse_lines(bytes: &[u8]) -> Lines {
    let mut lines = Lines::default();
    let pieces = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    for (at, bytes) in pieces.enumerate() {
        if at == LINES {
            lines.damage.get_or_insert_with(|| format!("there are more than {LINES} results"));
            break;
        }
        match serde_json::from_slice::<Line>(bytes) {
            Ok(line) if bytes.len() <= LENGTH => lines.add(line),
            _ => {
                lines.damage.get_or_insert_with(|| {
                    format!("line {} of its results cannot be read", at + 1)
                });
            }
        }
    }
    lines
}

impl Lines {
    fn add(&mut self, line: Line) {
        if let Some(name) = line.begin {
            self.open = Some(name);
            return;
        }
        if let Some(count) = line.end {
            self.end = Some(count);
            self.open = None;
            return;
        }
        let check = line.check.clone().unwrap_or_default();
        if let Some(why) = line.failed {
            self.failed.push((check, why));
        } else if let Some(why) = line.skipped {
            self.skipped.push((line.check, why));
        } else if let Some(what) = line.missing {
            self.missing = Some(what);
        } else if line.passed {
            self.passed.push(check);
        } else if let (Some(what), Some(tolerance)) = (line.what, line.tolerance) {
            let measured = Measured {
                dtype: line.dtype,
                seconds: line.seconds,
                first_seconds: line.first_seconds,
                sampled: line.sampled,
                emulated: line.emulated,
                ..Measured::new(&check, &what, line.max_rel_error, tolerance)
            };
            self.measured.push(measured);
        } else {
            // A sign of life.
            return;
        }
        self.count += 1;
    }

    /// Returns whether anything is known of a check, or of one of its parts.
    pub(super) fn know(&self, check: &str) -> bool {
        let of = |name: &str| {
            name.strip_prefix(check)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', ',']))
        };
        self.measured.iter().any(|measured| of(&measured.check))
            || self.passed.iter().any(|name| of(name))
            || self.failed.iter().any(|(name, _)| of(name))
            || self.skipped.iter().any(|(name, _)| name.as_deref().is_none_or(of))
    }
}
