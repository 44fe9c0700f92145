//! The one table of exit codes. They are an interface: scripts depend on them.

/// What `rmcp` says to the shell. `rmcp run` passes its child's code through instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Nothing wrong, or done.
    Success = 0,
    /// A problem was found; for `explain`, nothing was recognised (as grep).
    Problem = 1,
    /// The command was called wrongly.
    Usage = 2,
    /// It could not be checked.
    CouldNotCheck = 3,
    /// There is no AMD GPU.
    NoAmdGpu = 4,
    /// A change was refused.
    Refused = 5,
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}
