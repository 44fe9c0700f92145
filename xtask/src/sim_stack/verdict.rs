//! What became of a program on a simulated card, from what it said and how it ended.

use super::system::{End, Said};
use std::fmt;

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It compared its results with the host's, and they agree.
    Verified,
    /// They do not.
    Wrong,
    /// The runtime's abort with this code, such as 0x29.
    Abort(&'static str),
    /// A memory access fault.
    PageFault,
    /// MIOpen does not offer this solver here.
    NotOffered,
    /// The source of its kernel is not in the package.
    NoSource(String),
    /// A library has no code for this target.
    NoCode(String),
    /// The simulator does not know this instruction or call.
    Gap(String),
    /// It was stopped when its time was over.
    TimeOver,
    /// It ended in another way, and this is its last word.
    Ended(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verified => f.write_str("verified"),
            Self::Wrong => f.write_str("**wrong**"),
            Self::Abort(code) => write!(f, "**{code}**"),
            Self::PageFault => f.write_str("**page fault**"),
            Self::NotOffered => f.write_str("not offered"),
            Self::NoSource(name) => write!(f, "its source is not packaged: {name}"),
            Self::NoCode(target) => write!(f, "no code for {target}"),
            Self::Gap(text) => write!(f, "gap of the simulator: `{text}`"),
            Self::TimeOver => f.write_str("time over"),
            Self::Ended(text) => f.write_str(text),
        }
    }
}

impl Verdict {
    /// What ended a program, whatever it is; `Ended` where nothing of the card did.
    pub(super) fn of(said: &Said) -> Self {
        let text = &said.text;
        let has = |words: &str| text.contains(words);
        if let Some(gap) = gap(text) {
            return Self::Gap(gap);
        }
        for (words, code) in [
            ("HSA_STATUS_ERROR_MEMORY_APERTURE_VIOLATION", "0x29"),
            ("HSA_STATUS_ERROR_ILLEGAL_INSTRUCTION", "0x2a"),
            ("HSA_STATUS_ERROR_EXCEPTION", "0x1016"),
        ] {
            if has(words) {
                return Self::Abort(code);
            }
        }
        // The second from HIP 7 on, which tells the program instead of aborting it.
        if has("Memory access fault by GPU") || has("hipErrorIllegalAddress") {
            return Self::PageFault;
        }
        if let Some(target) = uncoded(text).filter(|_| said.end != End::Code(0)) {
            return Self::NoCode(target.to_owned());
        }
        if said.end == End::TimeOver {
            return Self::TimeOver;
        }
        let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let last: String = last.chars().take(160).collect();
        Self::Ended(match said.end {
            End::Code(code) => format!("ended with {code}: {last}"),
            End::Signal(signal) => format!("ended by signal {signal}: {last}"),
            End::TimeOver => last,
        })
    }

    /// The same of a program of `workloads`, which counts its passed and failed tests.
    pub(super) fn of_program(said: &Said) -> Self {
        match Self::of(said) {
            Self::Ended(text) => {
                let passed = said.text.contains(" failed=0");
                match said.end {
                    End::Code(0) if passed => Self::Verified,
                    End::Code(1) => Self::Wrong,
                    _ => Self::Ended(text),
                }
            }
            other => other,
        }
    }
}

/// The instruction that the simulator has said it does not know.
fn gap(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.contains("is not simulated"))?;
    let start = line.find('`')? + 1;
    let end = start + line[start..].find('`')?;
    Some(line[start..end].to_owned())
}

/// The target for which rocBLAS or, at its log level 1, HIP has found no code.
fn uncoded(text: &str) -> Option<&str> {
    ["Illegal seek for GPU arch : ", "No compatible code objects found for: "].iter().find_map(
        |words| text.split_once(words)?.1.split(|c: char| !c.is_ascii_alphanumeric()).next(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn verdict(text: &str, end: End) -> Verdict {
        Verdict::of_program(&Said { text: text.to_owned(), end, time: Duration::ZERO })
    }

    #[test]
    fn what_a_program_said_is_judged() {
        let abort = ":0:rocdevice.cpp: HSA_STATUS_ERROR_MEMORY_APERTURE_VIOLATION: ... code: 0x29";
        assert_eq!(verdict(abort, End::Signal(6)), Verdict::Abort("0x29"));
        let gap = "rmcp sim: this is a gap of the simulator, not an error of the program: `s_foo s0` is not simulated. The program ends here.";
        assert_eq!(verdict(gap, End::Signal(6)), Verdict::Gap("s_foo s0".to_owned()));
        assert_eq!(verdict("# blas: passed=4 failed=0", End::Code(0)), Verdict::Verified);
        assert_eq!(verdict("# blas: passed=3 failed=1", End::Code(1)), Verdict::Wrong);
        let none = "rocBLAS error: Cannot read a.dat: Illegal seek for GPU arch : gfx1032\nAborted";
        assert_eq!(verdict(none, End::Signal(6)), Verdict::NoCode("gfx1032".to_owned()));
        let other = Verdict::Ended("ended with 2: error hipErrorNoBinaryForGpu".to_owned());
        assert_eq!(verdict("error hipErrorNoBinaryForGpu\n", End::Code(2)), other);
    }
}
