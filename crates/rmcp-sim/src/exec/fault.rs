//! Why a dispatch stopped.

use std::fmt;

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    /// Nothing is mapped there, or code is not executable.
    #[error("page fault {} {va:#x}", if *write { "writing" } else { "reading" })]
    PageFault {
        /// The address.
        va: u64,
        /// Whether it was a store or an atomic.
        write: bool,
    },
    /// A store to memory that is only readable.
    #[error("write to read-only memory at {va:#x}")]
    ReadOnly {
        /// The address.
        va: u64,
    },
    /// An address that is neither canonical nor in an aperture, or outside what the aperture holds.
    #[error("aperture violation at {va:#x}")]
    Aperture {
        /// The address.
        va: u64,
    },
    /// An atomic at an address that is not a multiple of its size.
    #[error("misaligned atomic at {va:#x}")]
    Misaligned {
        /// The address.
        va: u64,
    },
    /// The target has no such instruction.
    #[error("illegal instruction")]
    Illegal,
    /// The target has it, this interpreter has not.
    #[error("instruction not simulated")]
    Unimplemented,
    /// `s_trap`; 2 is `abort` and failed assertions, 3 is a break point.
    #[error("trap {0}")]
    Trap(u8),
    /// A wavefront halted itself and nothing can wake it.
    #[error("halted")]
    Halted,
    /// The caller stopped the dispatch.
    #[error("cancelled")]
    Cancelled,
    /// The kernel descriptor cannot be read, or the dispatch makes no sense.
    #[error("bad dispatch")]
    Dispatch,
}

/// A dispatch that stopped, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Fault {
    /// What went wrong.
    pub kind: FaultKind,
    /// Address of the instruction.
    pub pc: u64,
    /// The work-group, x, y, z.
    pub group: [u32; 3],
    /// The wavefront within the work-group.
    pub wave: u32,
    /// The lane, where one is to blame.
    pub lane: Option<u32>,
    /// The instruction as LLVM writes it, or its words.
    pub text: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, pc, group: [x, y, z], wave, lane, text } = self;
        write!(f, "{kind} at pc {pc:#x} ({text}), work-group {x},{y},{z}, wavefront {wave}")?;
        if let Some(lane) = lane { write!(f, ", lane {lane}") } else { Ok(()) }
    }
}
