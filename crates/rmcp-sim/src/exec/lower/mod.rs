//! From a decoded instruction to one that is ready to run: the handler is chosen by the row's name, and every
//! operand gets its place.

mod constant;
mod vector;

use self::constant::constant;
use super::atomic::{self, Combine};
use super::fault::FaultKind;
use super::op::{
    Commit, Cross, HAS_SCALAR, Handler, INDEX_ENABLED, NO_VECTOR, Number, OFFSET_ENABLED, Op,
    Origin, RETURNS, Source, Space,
};
use super::wave::flush_bits;
use super::{buffer, flat, lds, scalar, smem, vector as vector_unit};
use rmcp_code::isa::format::{self, Format};
use rmcp_code::isa::{Access, Instruction, Kind, Operand, Slot, Type, Wave};
use std::collections::HashMap;
use std::sync::OnceLock;

/// How the instructions of a name run.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) run: Handler,
    /// What the sources are.
    pub(super) input: Number,
    /// What the result is.
    pub(super) output: Number,
    /// One bit for each source that is no such number, whatever the others are.
    pub(super) bits: u8,
}

/// How instructions run, by their name without the encoding; with `!` behind it where the result of an integer
/// instruction is clamped.
pub(super) type Table = HashMap<&'static str, Entry>;

/// Adds instructions whose sources and results are such numbers.
pub(super) fn add(
    table: &mut Table,
    input: Number,
    output: Number,
    bits: u8,
    rows: &[(&'static str, Handler)],
) {
    for &(name, run) in rows {
        table.insert(name, Entry { run, input, output, bits });
    }
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table = Table::new();
        scalar::add_to(&mut table);
        smem::add_to(&mut table);
        vector_unit::add_to(&mut table);
        lds::add_to(&mut table);
        flat::add_to(&mut table);
        buffer::add_to(&mut table);
        table
    })
}

/// Returns the name without the encoding.
fn base_of(name: &str) -> &str {
    let suffixes = ["_e32", "_e64", "_dpp", "_sdwa"];
    suffixes.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name)
}

/// What an instruction says beside its row, while it is lowered.
struct Reader<'a> {
    instruction: &'a Instruction,
    word: u64,
    /// The bits outside the operands that mean something.
    live: u64,
    wave: Wave,
    halves: u16,
    registers: u32,
}

/// Returns whether an instruction can run here, whatever its registers are.
///
/// # Errors
/// [`FaultKind::Unimplemented`] where it is not simulated.
pub fn check(instruction: &Instruction, wave: Wave) -> Result<(), FaultKind> {
    lower(instruction, wave, 512).map(|_op| ())
}

/// Makes an instruction ready to run.
pub(super) fn lower(
    instruction: &Instruction,
    wave: Wave,
    registers: u32,
) -> Result<Op, FaultKind> {
    let [low, high, ..] = instruction.words();
    let word = u64::from(low) | u64::from(high) << 32;
    let halves = if wave == Wave::Wave64 { 2 } else { 1 };
    let live = word & instruction.row().live_bits();
    let reader = Reader { instruction, word, live, wave, halves, registers };
    match instruction.format() {
        Format::Sop1 | Format::Sop2 | Format::Sopc | Format::Sopk | Format::Sopp => reader.scalar(),
        Format::Smem => reader.smem(),
        Format::Ds => reader.lds(),
        Format::Flat | Format::Global | Format::Scratch => reader.flat(),
        Format::Mubuf => reader.buffer(),
        format if format.is_vector_arithmetic() && format != Format::Vintrp => reader.vector(),
        _ => Err(FaultKind::Unimplemented),
    }
}

impl Reader<'_> {
    const fn bit(&self, at: u32) -> bool {
        self.word >> at & 1 != 0
    }

    const fn is_live(&self, at: u32) -> bool {
        self.live >> at & 1 != 0
    }

    fn entry(&self, name: &str) -> Result<Entry, FaultKind> {
        table().get(name).copied().ok_or(FaultKind::Unimplemented)
    }

    fn op(&self, entry: Entry) -> Op {
        Op {
            run: entry.run,
            sources: [Source::NONE; 3],
            vdst: 0,
            sdst: 125,
            bytes: 4 * self.instruction.dwords(),
            commit: Commit::Whole,
            result: entry.output,
            multiply: 0,
            clamp: false,
            part: 6,
            unused: 0,
            flush: flush_bits(entry.output),
            constant: 0,
            flags: 0,
            cross: Cross::No,
            combine: Combine::None,
            space: Space::Flat,
        }
    }

    /// The place of vector registers, which must be among those that the wavefront has.
    fn vector_at(&self, first: u16, count: u8) -> Result<u16, FaultKind> {
        if u32::from(first) + u32::from(count) > self.registers {
            return Err(FaultKind::Illegal);
        }
        Ok(first * self.halves)
    }

    fn source(&self, slot: &Slot, number: Number) -> Result<Source, FaultKind> {
        let operand = self.instruction.operand(slot, self.wave);
        let of = |origin, at, value| Source { origin, at, value, number, ..Source::NONE };
        Ok(match operand {
            Operand::Vector { first, count } => {
                of(Origin::Vector, self.vector_at(first, count)?, 0)
            }
            Operand::Scalar { first, .. } => of(Origin::Scalar, first as u16, 0),
            Operand::Null | Operand::None => of(Origin::Constant, 0, 0),
            Operand::Literal(value) => of(Origin::Constant, 0, self.literal(slot, value)),
            Operand::Number(value) => of(Origin::Constant, 0, u64::from(value)),
            Operand::Constant(code) => match constant(code, slot) {
                Some(value) => of(Origin::Constant, 0, value),
                None if matches!(code, 235..=238 | 251..=253) => {
                    of(Origin::Special, code as u16, 0)
                }
                None => return Err(FaultKind::Unimplemented),
            },
            Operand::Separate(_) => return Err(FaultKind::Unimplemented),
        })
    }

    /// A literal of 32 bits as the operand sees it: the upper half of a float of 64 bits, with its sign for a
    /// signed integer.
    ///
    /// Source: LLVM `AMDGPUOperandSyntax.rst`, "Conversion of integer values" and of floating-point values.
    fn literal(&self, slot: &Slot, value: u32) -> u64 {
        let signed = base_of(self.instruction.name()).ends_with("_i64");
        match slot.ty {
            Type::F64 => u64::from(value) << 32,
            _ if slot.width == 2 && signed => i64::from(value.cast_signed()).cast_unsigned(),
            _ => u64::from(value),
        }
    }

    fn scalar(&self) -> Result<Op, FaultKind> {
        let mut op = self.op(self.entry(self.instruction.name())?);
        op.constant = i32::from(self.instruction.constant().cast_signed());
        let mut next = 0;
        for slot in self.instruction.slots() {
            if !matches!(slot.kind, Kind::Source | Kind::Literal) {
                continue;
            }
            let source = self.source(slot, Number::Bits)?;
            if slot.access != Access::Use {
                op.sdst = if source.origin == Origin::Scalar { source.at as u8 } else { 125 };
            }
            // What SOP1 changes its handlers read where they write it.
            let reads = match slot.access {
                Access::Use => true,
                Access::Both => self.instruction.format() == Format::Sopk,
                Access::Def => false,
            };
            if reads {
                op.sources[next] = source;
                next += 1;
            }
        }
        Ok(op)
    }

    fn smem(&self) -> Result<Op, FaultKind> {
        let name = self.instruction.name();
        let mut op = self.op(self.entry(name)?);
        // 21 bits, signed.
        op.constant = ((self.word >> 32) as u32 & 0x1f_ffff).cast_signed() << 11 >> 11;
        for slot in self.instruction.slots() {
            let source = self.source(slot, Number::Bits)?;
            match slot.kind {
                Kind::Scaled => op.sources[0] = source,
                Kind::ScalarOffset => op.sources[1] = source,
                _ if source.origin == Origin::Scalar => op.sdst = source.at as u8,
                _ => {}
            }
        }
        Ok(op)
    }

    fn lds(&self) -> Result<Op, FaultKind> {
        let name = self.instruction.name();
        if self.bit(17) {
            return Err(FaultKind::Unimplemented);
        }
        let mut op = match atomic::of_lds(name) {
            Some((combine, returns)) => {
                let entry =
                    self.entry(if combine.is_wide() { "ds_atomic64" } else { "ds_atomic" })?;
                let mut op = self.op(entry);
                op.combine = combine;
                op.flags = if returns { RETURNS } else { 0 };
                op
            }
            None => self.op(self.entry(name)?),
        };
        op.constant = i32::from(self.instruction.constant());
        for slot in self.instruction.slots() {
            let Operand::Vector { first, count } = self.instruction.operand(slot, self.wave) else {
                return Err(FaultKind::Unimplemented);
            };
            let at = self.vector_at(first, count)?;
            let source = Source { origin: Origin::Vector, at, ..Source::NONE };
            match slot.field {
                format::ADDR => op.sources[0] = source,
                format::DATA0 => op.sources[1] = source,
                format::DATA1 => op.sources[2] = source,
                _ => op.vdst = at,
            }
        }
        Ok(op)
    }

    fn flat(&self) -> Result<Op, FaultKind> {
        let (space, name) = match self.instruction.format() {
            Format::Global => (Space::Global, self.instruction.name().strip_prefix("global_")),
            Format::Scratch => (Space::Private, self.instruction.name().strip_prefix("scratch_")),
            _ => (Space::Flat, self.instruction.name().strip_prefix("flat_")),
        };
        let mut op = self.memory(name.unwrap_or_default())?;
        op.space = space;
        op.constant = match space {
            // FLAT has no negative offsets: 11 bits.
            Space::Flat => i32::from(self.instruction.constant() & 0x7ff),
            _ => self.instruction.flat_offset(),
        };
        if self.bit(13) {
            return Err(FaultKind::Unimplemented);
        }
        let mut whole = true;
        op.flags |= NO_VECTOR;
        for slot in self.instruction.slots() {
            let source = self.source(slot, Number::Bits)?;
            let is_vector = source.origin == Origin::Vector;
            match (slot.kind, slot.field) {
                (Kind::ScalarAddress, _)
                    if self.instruction.operand(slot, self.wave) != Operand::None =>
                {
                    op.flags |= HAS_SCALAR;
                    op.sources[2] = source;
                }
                (_, format::ADDR) if is_vector => {
                    op.sources[0] = source;
                    op.flags &= !NO_VECTOR;
                    whole = matches!(
                        self.instruction.operand(slot, self.wave),
                        Operand::Vector { count: 2, .. }
                    );
                }
                (_, format::DATA0) if is_vector => op.sources[1] = source,
                (_, format::M_VDST) if is_vector => op.vdst = source.at,
                _ => {}
            }
        }
        debug_assert!(whole || op.flags & HAS_SCALAR != 0 || space == Space::Private);
        Ok(op)
    }

    fn buffer(&self) -> Result<Op, FaultKind> {
        let name = self.instruction.name().strip_prefix("buffer_").unwrap_or_default();
        let mut op = self.memory(name)?;
        op.space = Space::Buffer;
        op.constant = i32::from(self.instruction.constant() & 0xfff);
        // Loads into LDS, and with a status behind the data.
        if self.bit(16) || self.bit(55) {
            return Err(FaultKind::Unimplemented);
        }
        op.flags |= if self.bit(12) { OFFSET_ENABLED } else { 0 };
        op.flags |= if self.bit(13) { INDEX_ENABLED } else { 0 };
        for slot in self.instruction.slots() {
            let source = self.source(slot, Number::Bits)?;
            match slot.field {
                format::ADDR => op.sources[0] = source,
                format::VDATA => {
                    op.sources[1] = source;
                    op.vdst = source.at;
                }
                format::SRSRC => op.sdst = source.at as u8,
                _ => op.sources[2] = source,
            }
        }
        Ok(op)
    }

    /// The common part of flat and buffer instructions.
    fn memory(&self, name: &str) -> Result<Op, FaultKind> {
        let Some(combine) = atomic::of_memory(name) else {
            return Ok(self.op(self.entry(name)?));
        };
        let mut op = self.op(self.entry(if combine.is_wide() { "atomic64" } else { "atomic" })?);
        op.combine = combine;
        let bit = if self.instruction.format() == Format::Mubuf { 14 } else { 16 };
        op.flags = if self.bit(bit) { RETURNS } else { 0 };
        Ok(op)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rmcp_code::isa::{Isa, Target};
    use std::collections::BTreeSet;

    /// Whether there is a handler for a name.
    fn is_known(name: &str, format: Format) -> bool {
        let base = base_of(name);
        let memory = |prefix: &str| {
            let rest = name.strip_prefix(prefix).unwrap_or_default();
            table().contains_key(rest) || atomic::of_memory(rest).is_some()
        };
        match format {
            Format::Flat => memory("flat_"),
            Format::Global => memory("global_"),
            Format::Scratch => memory("scratch_"),
            Format::Mubuf => memory("buffer_"),
            Format::Ds => table().contains_key(name) || atomic::of_lds(name).is_some(),
            _ => table().contains_key(base.replace("v_cmpx_", "v_cmp_").as_str()),
        }
    }

    /// What is not simulated, by the first words of the name.
    const MISSING: &[&str] = &[
        // Graphics: images, interpolation, exports, typed and formatted buffers.
        "v_interp_",
        "v_mullit_f32",
        "load_format_",
        "store_format_",
        // The global data share, and what only drivers and debuggers use.
        "ds_gws_",
        "ds_ordered_count",
        "s_rfe_b64",
        "s_sendmsghalt",
        "s_setkill",
        "s_code_end",
        "s_endpgm_ordered_ps_done",
        "s_atc_probe",
        "s_dcache_discard",
        // gfx10.1 only, and never made by the compiler.
        "s_scratch_",
        "s_atomic_",
        "s_buffer_atomic_",
        "s_buffer_store_",
        "ds_*_src2_",
        // Rare.
        "s_subvector_loop_",
        "s_movrelsd_2_b32",
        "v_swaprel_b32",
        "v_pipeflush",
        "v_clrexcp",
        "ds_condxchg32_rtn_b64",
    ];

    fn is_listed(name: &str) -> bool {
        MISSING.iter().any(|missing| match missing.split_once('*') {
            Some((first, last)) => name.starts_with(first) && name.contains(last),
            None => name.starts_with(missing) || name.starts_with(&format!("buffer_{missing}")),
        })
    }

    #[test]
    fn what_is_not_simulated_is_listed() {
        let mut wrong = BTreeSet::new();
        for target in Target::ALL {
            for row in Isa::of(target).rows() {
                if matches!(row.format, Format::Mimg | Format::Mtbuf | Format::Exp | Format::Vintrp)
                {
                    continue;
                }
                if is_known(row.name(), row.format) == is_listed(row.name()) {
                    wrong.insert(row.name());
                }
            }
        }
        assert!(wrong.is_empty(), "known and listed as missing, or neither: {wrong:?}");
    }

    #[test]
    fn every_name_of_the_table_is_an_instruction() {
        let mut names = BTreeSet::new();
        for target in Target::ALL {
            for row in Isa::of(target).rows() {
                let base = base_of(row.name());
                names.insert(base.to_owned());
                for prefix in ["flat_", "global_", "scratch_", "buffer_"] {
                    names.extend(base.strip_prefix(prefix).map(str::to_owned));
                }
            }
        }
        let own = ["atomic", "atomic64", "ds_atomic", "ds_atomic64"];
        let strange: Vec<_> = table()
            .keys()
            .map(|name| name.trim_end_matches('!'))
            .filter(|&name| !names.contains(name) && !own.contains(&name))
            .collect();
        assert!(strange.is_empty(), "{strange:?}");
    }
}
