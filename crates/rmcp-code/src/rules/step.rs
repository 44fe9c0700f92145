//! One instruction as the rules see it.

use super::flow::NONE;
use crate::isa::format::Format;
use crate::isa::{Instruction, Isa, M0, Row, ScalarSet, Wave};

/// What an instruction is to the rules, as bits.
pub(super) mod class {
    /// Scalar arithmetic and control.
    pub(crate) const SALU: u32 = 1;
    /// Scalar memory.
    pub(crate) const SMEM: u32 = 1 << 1;
    /// Vector arithmetic.
    pub(crate) const VALU: u32 = 1 << 2;
    /// LDS and GDS.
    pub(crate) const DS: u32 = 1 << 3;
    /// Buffers and images.
    pub(crate) const VMEM: u32 = 1 << 4;
    /// FLAT, GLOBAL and SCRATCH.
    pub(crate) const FLAT: u32 = 1 << 5;
    /// GLOBAL and SCRATCH: what counts with buffers where LDS is the other side.
    pub(crate) const SEGMENT: u32 = 1 << 6;
    /// A branch to a place that the instruction names.
    pub(crate) const BRANCH: u32 = 1 << 7;
    /// Control does not go on behind it.
    pub(crate) const ENDS: u32 = 1 << 8;
    /// `s_waitcnt 0`.
    pub(crate) const WAITS_ALL: u32 = 1 << 9;
    /// Waits until memory instructions have read their registers.
    pub(crate) const WAITS_VSRC: u32 = 1 << 10;
    /// Waits until scalar instructions have written theirs.
    pub(crate) const WAITS_SDST: u32 = 1 << 11;
    /// Waits until all stores are done.
    pub(crate) const WAITS_STORES: u32 = 1 << 12;
    /// Makes sure that scalar loads have read their registers.
    pub(crate) const AFTER_SMEM: u32 = 1 << 13;
    /// A comparison that writes EXEC.
    pub(crate) const CMPX: u32 = 1 << 14;
    /// `v_permlane16` and `v_permlanex16`.
    pub(crate) const PERMLANE: u32 = 1 << 15;
    /// `v_nop`.
    pub(crate) const VNOP: u32 = 1 << 16;
    /// Reads one lane into a scalar register.
    pub(crate) const READLANE: u32 = 1 << 17;
    /// MUBUF or MTBUF.
    pub(crate) const BUFFER: u32 = 1 << 18;
    /// An image instruction with separate addresses of 16 bytes or more.
    pub(crate) const LONG_NSA: u32 = 1 << 19;
    /// An image instruction with separate addresses.
    pub(crate) const NSA: u32 = 1 << 20;
    /// `s_clause`.
    pub(crate) const CLAUSE: u32 = 1 << 21;
    /// `s_inst_prefetch`.
    pub(crate) const PREFETCH: u32 = 1 << 22;
    /// More than one dword of LDS at once.
    pub(crate) const MULTI_DWORD: u32 = 1 << 23;
    /// What takes part in calls: `s_getpc`, `s_swappc`, `s_setpc`, `s_call`, and adds.
    pub(crate) const CALLS: u32 = 1 << 24;
    /// `s_getreg_b32`.
    pub(crate) const GETREG: u32 = 1 << 25;
    /// Looks at its constant before the rest is known.
    pub(crate) const COUNTER: u32 = 1 << 26;
    /// A wait that does not keep scalar loads from anything.
    pub(crate) const NO_SMEM_WAIT: u32 = 1 << 27;
    /// What puts the program counter into registers, or takes it from there.
    pub(crate) const JUMPS: u32 = 1 << 28;
    /// No instruction: does not decode.
    pub(crate) const BAD: u32 = 1 << 31;

    /// All memory that the vector unit addresses.
    pub(crate) const MEMORY: u32 = DS | VMEM | FLAT;
}

/// One instruction, in 48 bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    /// Registers it writes: for scalar instructions the ones named, for vector ones all.
    pub(super) defs: ScalarSet,
    /// Registers it reads.
    pub(super) uses: ScalarSet,
    /// Its class.
    pub(super) class: u32,
    /// Its place in dwords from the start of the function.
    pub(super) place: u32,
    /// Where a branch goes: in dwords from the start of the function, later the number of the instruction. Of a
    /// clause, its length in instructions.
    pub(super) target: i32,
    /// The number among the instructions to which branches go.
    pub(super) join: u32,
}

/// Returns the class of a row: what its name and format say.
pub(super) fn classify(row: &Row) -> u32 {
    use class::*;
    let name = row.name();
    let mut class = match row.format {
        Format::Smem => SMEM,
        Format::Sop1 | Format::Sop2 | Format::Sopc | Format::Sopk | Format::Sopp => SALU,
        Format::Ds => DS,
        Format::Mubuf | Format::Mtbuf => VMEM | BUFFER,
        Format::Mimg => VMEM,
        Format::Flat => FLAT,
        Format::Global | Format::Scratch => FLAT | SEGMENT,
        Format::Exp => 0,
        _ => VALU,
    };
    class |= match name {
        "s_branch" => BRANCH | ENDS,
        "s_endpgm" | "s_endpgm_saved" | "s_endpgm_ordered_ps_done" | "s_code_end" => ENDS,
        "s_setpc_b64" | "s_rfe_b64" => ENDS | CALLS | JUMPS,
        "s_getpc_b64" | "s_swappc_b64" | "s_call_b64" => CALLS | JUMPS,
        "s_add_u32" | "s_addc_u32" => CALLS,
        "s_clause" => CLAUSE,
        "s_inst_prefetch" => PREFETCH,
        "s_getreg_b32" => GETREG,
        "s_waitcnt" | "s_waitcnt_depctr" | "s_waitcnt_lgkmcnt" | "s_waitcnt_vscnt" => COUNTER,
        "s_version" | "s_waitcnt_vmcnt" | "s_waitcnt_expcnt" => NO_SMEM_WAIT,
        "v_readfirstlane_b32" | "v_readlane_b32" => READLANE,
        _ if name.starts_with("v_nop") => VNOP,
        _ if name.starts_with("v_permlane") => PERMLANE,
        _ if name.starts_with("v_cmpx") => CMPX,
        _ if name.starts_with("s_cbranch") || name.starts_with("s_subvector") => BRANCH,
        _ => 0,
    };
    if matches!(row.format, Format::Sop1 | Format::Sop2 | Format::Sopc | Format::Sopk)
        && class & (COUNTER | NO_SMEM_WAIT) == 0
    {
        // A scalar instruction waits for what it depends on, or shows that there is nothing.
        class |= AFTER_SMEM;
    }
    let wide = ["_b64", "_b96", "_b128", "read2", "write2", "dwordx"];
    let lds_or_flat = matches!(row.format, Format::Ds | Format::Flat);
    if lds_or_flat && !name.contains("atomic") && wide.iter().any(|part| name.contains(part)) {
        class |= MULTI_DWORD;
    }
    class
}

impl Step {
    /// Makes the step of an instruction, whose row is of this class, at a place of its function.
    #[inline]
    pub(super) fn new(
        isa: &Isa,
        instruction: &Instruction,
        row: u32,
        place: u32,
        wave: Wave,
    ) -> Self {
        use class::*;
        let mut class = row;
        let mut target = -1;
        let (mut defs, mut uses) = (ScalarSet(0), ScalarSet(0));
        if class & COUNTER != 0 {
            class |= counters(instruction);
        } else if class & BRANCH != 0 {
            // Branches write nothing that a rule asks for.
            let next = place + u32::from(instruction.dwords());
            target = next.cast_signed() + i32::from(instruction.constant().cast_signed());
        } else {
            // LLVM asks for the registers that a scalar instruction names, and for all of a vector one.
            let fast = isa.fast(instruction);
            if fast.is_slow() {
                defs = instruction.named_scalar_defs(wave);
                uses = instruction.scalars(wave).1;
            } else {
                (defs, uses) = fast.scalars(instruction.word, wave);
            }
            if class & (VALU | SMEM) != 0 {
                defs.add(fast.implicit_defs(wave));
            }
            if class & (VMEM | FLAT) != 0 && instruction.loads_lds() {
                uses.add(ScalarSet::range(M0, 1));
            }
        }
        if class & CLAUSE != 0 {
            // Bits 0 to 5 hold the number of instructions, less one. Source: "RDNA 1.0 ISA", `S_CLAUSE`.
            target = i32::from(instruction.constant() & 0x3f) + 1;
        }
        if class & BUFFER != 0 && instruction.constant() & 6 == 0 {
            // Only these bits of the offset make a buffer instruction one that an image before it disturbs.
            class &= !BUFFER;
        }
        if instruction.is_nsa() {
            class |= if instruction.dwords() >= 4 { NSA | LONG_NSA } else { NSA };
        }
        Self { defs, uses, class, place, target, join: NONE }
    }

    /// The same instruction as one that stands at 0.
    pub(super) const fn taken_from(self, place: u32) -> Self {
        let target =
            if self.is(class::BRANCH) { self.target - place.cast_signed() } else { self.target };
        Self { place: 0, target, ..self }
    }

    /// The same instruction as one that stands elsewhere, for one that stands at 0.
    #[inline]
    pub(super) const fn moved_to(self, place: u32) -> Self {
        let target =
            if self.is(class::BRANCH) { self.target + place.cast_signed() } else { self.target };
        Self { place, target, ..self }
    }

    /// A word that is no instruction.
    pub(super) const fn bad(place: u32) -> Self {
        let none = ScalarSet(0);
        Self { defs: none, uses: none, class: class::BAD, place, target: -1, join: NONE }
    }

    /// Returns whether it is of one of these classes.
    #[inline]
    pub(super) const fn is(&self, classes: u32) -> bool {
        self.class & classes != 0
    }
}

/// What a wait waits for. Source: LLVM `AMDGPUUsage.rst` and "RDNA 1.0 ISA" (AMD), `S_WAITCNT`,
/// `S_WAITCNT_DEPCTR`.
fn counters(instruction: &Instruction) -> u32 {
    use class::*;
    let value = instruction.constant();
    let null = (instruction.scalars(Wave::Wave32).1).is_empty();
    match instruction.name() {
        "s_waitcnt" => {
            let all = if value == 0 { WAITS_ALL } else { 0 };
            let scalar = if value >> 8 & 0x3f == 0 { AFTER_SMEM } else { 0 };
            all | scalar
        }
        "s_waitcnt_depctr" => {
            let sources = if value >> 2 & 7 == 0 { WAITS_VSRC } else { 0 };
            let scalar = if value & 1 == 0 { WAITS_SDST } else { 0 };
            sources | scalar
        }
        "s_waitcnt_lgkmcnt" if value == 0 && null => AFTER_SMEM,
        "s_waitcnt_vscnt" if value == 0 && null => WAITS_STORES,
        _ => 0,
    }
}

/// The classes of all rows, by their index.
pub(super) fn classes(isa: &Isa) -> Vec<u32> {
    isa.all_rows().map(classify).collect()
}
