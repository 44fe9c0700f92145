//! What the manuals say that an instruction does, written for the host and apart from the interpreter.
//!
//! Sources: "RDNA 1.0 Instruction Set Architecture", "RDNA 2 Instruction Set Architecture" and the pseudocode of
//! the "RDNA 3" one (AMD), which is the most exact of the three; Mesa's `README-ISA.md` where it corrects them.
//! What they leave open is accepted either way, or is [`Answer::Unclear`].

mod compare;
mod convert;
mod float;
mod integer;
mod lanes;
pub(crate) mod lds;
pub(crate) mod memory;
mod number;
mod operand;
mod packed;
pub(crate) mod scalar;
mod transcendental;
mod vector;

use crate::program::Mode;
use crate::state::{Loose, State};
use rmcp_code::isa::format::Format;
use rmcp_code::isa::{Instruction, Target, Wave};

/// One instruction and what it finds.
pub(crate) struct Case<'a> {
    /// The instruction.
    pub(crate) instruction: &'a Instruction,
    /// Its first 64 bits.
    pub(crate) word: u64,
    /// Its address.
    pub(crate) address: u64,
    /// The target.
    pub(crate) target: Target,
    /// The size of a wavefront.
    pub(crate) wave: Wave,
    /// The treatment of floats.
    pub(crate) mode: Mode,
    /// The state before.
    pub(crate) before: &'a State,
}

/// What is expected.
pub(crate) struct After {
    /// The state behind the instruction.
    pub(crate) state: State,
    /// What need not be so bit by bit.
    pub(crate) loose: Vec<Loose>,
}

/// What is known of a case.
pub(crate) enum Answer {
    /// This is to come out.
    Known(Box<After>),
    /// The sources do not say what comes out with these operands.
    Unclear,
    /// There is no expectation for the instruction.
    Unknown,
}

impl Case<'_> {
    /// The number of lanes.
    pub(crate) const fn lanes(&self) -> usize {
        match self.wave {
            Wave::Wave32 => 32,
            Wave::Wave64 => 64,
        }
    }

    /// The mask of all lanes.
    pub(crate) const fn all(&self) -> u64 {
        match self.wave {
            Wave::Wave32 => u32::MAX as u64,
            Wave::Wave64 => u64::MAX,
        }
    }

    /// The lanes that are on.
    pub(crate) const fn active(&self) -> u64 {
        self.before.exec & self.all()
    }

    /// One bit of the instruction.
    pub(crate) const fn bit(&self, at: u32) -> bool {
        self.word >> at & 1 != 0
    }

    /// Some bits of the instruction.
    pub(crate) const fn bits(&self, low: u32, count: u32) -> u32 {
        (self.word >> low) as u32 & ((1 << count) - 1)
    }

    /// An expectation that begins with nothing changed.
    pub(crate) fn after(&self) -> Box<After> {
        Box::new(After { state: self.before.clone(), loose: Vec::new() })
    }
}

/// What is to come out of a case.
pub(crate) fn expect(case: &Case<'_>) -> Answer {
    match case.instruction.format() {
        Format::Sop1 | Format::Sop2 | Format::Sopc | Format::Sopk | Format::Sopp => {
            scalar::expect(case)
        }
        Format::Smem => memory::scalar(case),
        Format::Ds => lds::expect(case),
        Format::Global | Format::Flat | Format::Mubuf => memory::vector(case),
        Format::Vopc | Format::VopcSdwa => compare::expect(case),
        Format::Vop3 if case.instruction.name().starts_with("v_cmp") => compare::expect(case),
        Format::Vop3p => packed::expect(case),
        format if format.is_vector_arithmetic() => {
            lanes::expect(case).unwrap_or_else(|| vector::expect(case))
        }
        _ => Answer::Unknown,
    }
}
