//! Faults on demand: `KIND@N[:KERNEL]`, the N-th time (from 0) that it could happen.

use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

/// What can be injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A kernel leaves every aperture.
    Aperture,
    /// A kernel meets an instruction that is none.
    Illegal,
    /// A kernel traps.
    Trap,
    /// A kernel touches a page that is not there.
    PageFault,
    /// The card's memory has an error that cannot be corrected.
    Ecc,
    /// A kernel never ends.
    Hang,
    /// A kernel hangs and the driver resets the card.
    Reset,
    /// A kernel ends and nobody is told.
    LostInterrupt,
    /// Memory of the card cannot be had, from then on.
    OutOfMemory,
    /// An allocation takes a second.
    SlowAllocation,
    /// What the copy engine copies does not arrive, from then on.
    LostCopy,
    /// The driver goes away.
    Unload,
}

const NAMES: [(&str, Kind); 12] = [
    ("aperture", Kind::Aperture),
    ("illegal", Kind::Illegal),
    ("trap", Kind::Trap),
    ("page-fault", Kind::PageFault),
    ("ecc", Kind::Ecc),
    ("hang", Kind::Hang),
    ("reset", Kind::Reset),
    ("lost-interrupt", Kind::LostInterrupt),
    ("out-of-memory", Kind::OutOfMemory),
    ("slow-allocation", Kind::SlowAllocation),
    ("lost-copy", Kind::LostCopy),
    ("unload", Kind::Unload),
];

/// One fault to inject.
#[derive(Debug)]
pub struct Injection {
    /// What.
    pub kind: Kind,
    /// How often it could have happened before it does.
    after: u64,
    /// A part of the kernel's name.
    kernel: Option<String>,
    seen: AtomicU64,
}

/// Why text names no fault to inject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InjectionError {
    /// There is no such kind.
    #[error("`{0}` is no fault that can be injected; there are {known}", known = NAMES.map(|(name, _)| name).join(", "))]
    Kind(String),
    /// The number is none.
    #[error("`{0}` in `{1}` is no number; expected KIND@N or KIND@N:KERNEL")]
    Number(String, String),
}

impl FromStr for Injection {
    type Err = InjectionError;

    fn from_str(text: &str) -> Result<Self, InjectionError> {
        let (kind, rest) = text.split_once('@').unwrap_or((text, "0"));
        let (after, kernel) = match rest.split_once(':') {
            Some((after, kernel)) => (after, Some(kernel.to_owned())),
            None => (rest, None),
        };
        let found = NAMES.iter().find(|(name, _)| *name == kind);
        let (_, kind) = found.ok_or_else(|| InjectionError::Kind(kind.to_owned()))?;
        let after =
            after.parse().map_err(|_| InjectionError::Number(after.to_owned(), text.to_owned()))?;
        Ok(Self { kind: *kind, after, kernel, seen: AtomicU64::new(0) })
    }
}

impl Injection {
    /// Returns whether it happens now, at a kernel of this name where one is running.
    pub(crate) fn happens(&self, kernel: &str) -> bool {
        if !self.kernel.as_ref().is_none_or(|part| kernel.contains(part.as_str())) {
            return false;
        }
        let seen = self.seen.fetch_add(1, Ordering::Relaxed);
        // Memory that is full stays full, as the runtime tries again, and an engine that is broken stays broken.
        let lasts = matches!(self.kind, Kind::OutOfMemory | Kind::LostCopy);
        if lasts { seen >= self.after } else { seen == self.after }
    }
}

/// Returns the fault of one of some kinds that happens now.
pub(crate) fn now(all: &[Injection], kinds: &[Kind], kernel: &str) -> Option<Kind> {
    all.iter()
        .filter(|injection| kinds.contains(&injection.kind))
        .filter(|injection| injection.happens(kernel))
        .map(|injection| injection.kind)
        .last()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_happens_once_at_its_kernel() {
        let all = ["hang@1:gemm".parse::<Injection>().unwrap()];
        let kinds = [Kind::Hang];
        let happens: Vec<bool> = ["gemm_a", "conv", "gemm_b", "gemm_c"]
            .map(|kernel| now(&all, &kinds, kernel).is_some())
            .to_vec();
        assert_eq!(happens, [false, false, true, false]);
    }

    #[test]
    fn what_is_none_is_said() {
        let error = "boom@1".parse::<Injection>().unwrap_err().to_string();
        assert!(error.starts_with("`boom` is no fault that can be injected; there are aperture, "));
        let error = "hang@x".parse::<Injection>().unwrap_err().to_string();
        assert_eq!(error, "`x` in `hang@x` is no number; expected KIND@N or KIND@N:KERNEL");
    }
}
