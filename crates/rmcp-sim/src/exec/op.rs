//! One instruction, ready to run: a function and its operands.

use super::atomic::Combine;
use super::exec_state::Exec;

/// What runs an instruction.
pub(super) type Handler = fn(&mut Exec<'_>, &Op) -> Step;

/// How it goes on after an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// With the next one, or where the handler has put the program counter.
    Next,
    /// When all wavefronts of the work-group are here.
    Barrier,
    /// The wavefront is done.
    End,
    /// Others first: this one waits for something.
    Yield,
    /// [`Exec::fault`] says why.
    Fault,
}

/// Where a source comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Vector register [`Source::at`] of the register file of halves.
    Vector,
    /// Scalar register.
    Scalar,
    /// [`Source::value`].
    Constant,
    /// A read-only register of the hardware, by its number.
    Special,
}

/// What kind of number it is, for signs, denormals and clamping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    /// 32 or 64 bits without floats' ways.
    Bits,
    /// 16 bits; what is above is kept when written.
    Bits16,
    /// 32-bit float.
    F32,
    /// 32-bit float, never a denormal.
    Flushed32,
    /// 16-bit float.
    F16,
    /// 64-bit float.
    F64,
}

/// Negated, after [`ABSOLUTE`].
pub(super) const NEGATE: u8 = 1;
/// Without its sign.
pub(super) const ABSOLUTE: u8 = 2;
/// SDWA: the part's sign is extended.
pub(super) const SIGNED: u8 = 4;
/// Across lanes, by [`Op::cross`].
pub(super) const CROSS: u8 = 8;
/// A part of the register, [`Source::part`].
pub(super) const PART: u8 = 16;
/// Halves in an order of their own: bits 0 and 1 of [`Source::part`] say which is the low and the high one, bits 2 and 3
/// their signs.
pub(super) const PACKED: u8 = 32;

/// One source.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source {
    pub(super) origin: Origin,
    /// What is done to it; bits from [`NEGATE`] on.
    pub(super) change: u8,
    /// SDWA's selection, 6 being the whole register.
    pub(super) part: u8,
    /// Kinds of floats by the mode's bits, where denormals matter.
    pub(super) flush: u8,
    pub(super) number: Number,
    pub(super) at: u16,
    pub(super) value: u64,
}

impl Source {
    pub(super) const NONE: Self = Self {
        origin: Origin::Constant,
        change: 0,
        part: 6,
        flush: 0,
        number: Number::Bits,
        at: 0,
        value: 0,
    };
}

/// How a vector result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Commit {
    /// All 32 bits.
    Whole,
    /// The low 16 bits, the others stay.
    Low,
    /// In some other way.
    Other,
}

/// DPP's way across lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cross {
    /// None.
    No,
    /// `dpp_ctrl` of DPP16, masks of rows and banks, `bound_ctrl`, `fi`.
    Dpp16 { control: u16, rows: u8, banks: u8, bound: bool, fetch_inactive: bool },
    /// Lanes of DPP8, three bits each.
    Dpp8 { lanes: u32, fetch_inactive: bool },
}

/// Which memory an instruction addresses, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Space {
    /// By a flat address: global memory, LDS or private memory.
    Flat,
    /// By a global address.
    Global,
    /// By an offset in private memory.
    Private,
    /// By a resource descriptor.
    Buffer,
}

/// One instruction.
#[derive(Clone, Copy)]
pub(super) struct Op {
    pub(super) run: Handler,
    pub(super) sources: [Source; 3],
    /// First vector register of the result, times the halves.
    pub(super) vdst: u16,
    /// First scalar register of the result or of the mask of lanes.
    pub(super) sdst: u8,
    /// Length in bytes.
    pub(super) bytes: u8,
    pub(super) commit: Commit,
    pub(super) result: Number,
    /// `mul:2`, `mul:4`, `div:2`.
    pub(super) multiply: u8,
    pub(super) clamp: bool,
    /// Which part of the destination, as SDWA counts, and what becomes of the rest.
    pub(super) part: u8,
    pub(super) unused: u8,
    /// Kinds of floats by the mode's bits, where denormals of the result matter.
    pub(super) flush: u8,
    /// Bits of the instruction that have no other place: offset, 16-bit constant, `op_sel`.
    pub(super) constant: i32,
    pub(super) flags: u8,
    pub(super) cross: Cross,
    pub(super) combine: Combine,
    pub(super) space: Space,
}

/// A second register for the address (`idxen` and `offen` both, or a whole address in vector registers).
pub(super) const OFFSET_ENABLED: u8 = 1;
/// `idxen`.
pub(super) const INDEX_ENABLED: u8 = 2;
/// The atomic returns what was there.
pub(super) const RETURNS: u8 = 4;
/// The global or private address has no vector part.
pub(super) const NO_VECTOR: u8 = 8;
/// The global or private address has a scalar part.
pub(super) const HAS_SCALAR: u8 = 16;
/// A comparison writes EXEC, and this is one.
pub(super) const WRITES_EXEC: u8 = 32;
/// `bound_ctrl` and `fi` of `v_permlane16_b32`.
pub(super) const BOUND: u8 = 64;
/// `fi`.
pub(super) const FETCH_INACTIVE: u8 = 128;
