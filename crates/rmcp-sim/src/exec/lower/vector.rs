//! Operands of the vector unit: which part of which register, signs, lanes, and what becomes of the result.

use super::super::op::{
    ABSOLUTE, BOUND, CROSS, Commit, Cross, FETCH_INACTIVE, NEGATE, Number, Op, Origin, PACKED,
    PART, SIGNED, Source, WRITES_EXEC,
};
use super::super::wave::flush_bits;
use super::constant::constant;
use super::{FaultKind, Reader, base_of};
use rmcp_code::isa::format::{self, Format};
use rmcp_code::isa::{Access, Kind, Operand, Slot, Type};

impl Reader<'_> {
    pub(super) fn vector(&self) -> Result<Op, FaultKind> {
        let format = self.instruction.format();
        let mut name = base_of(self.instruction.name());
        let comparison;
        let mut flags = 0;
        if let Some(rest) = name.strip_prefix("v_cmpx_") {
            comparison = format!("v_cmp_{rest}");
            name = &comparison;
            flags |= WRITES_EXEC;
        }
        let clamp = match format {
            Format::Vop3 | Format::Vop3p => self.is_live(15),
            Format::Vop1Sdwa | Format::Vop2Sdwa => self.is_live(45),
            _ => false,
        };
        let mut entry = self.entry(name)?;
        let float =
            matches!(entry.output, Number::F16 | Number::F32 | Number::F64 | Number::Flushed32);
        if clamp && !float {
            entry = self.entry(&format!("{name}!"))?;
        }
        let mut op = self.op(entry);
        op.flags = flags;
        op.clamp = clamp && float;
        self.destination(&mut op, name);
        self.cross(&mut op);
        let mut next = 0;
        let mut old = None;
        for slot in self.instruction.slots() {
            if matches!(slot.kind, Kind::Word) {
                continue;
            }
            let is_bits = entry.bits >> next & 1 != 0 || slot.lane_mask;
            let number = if is_bits { Number::Bits } else { entry.input };
            let both = slot.access == Access::Both;
            if slot.access == Access::Use {
                op.sources[next] = self.changed(&mut op, slot, next, number)?;
                next += 1;
                continue;
            }
            let source = self.source(slot, entry.output)?;
            match source.origin {
                Origin::Vector if old.is_some() => op.sources[0] = source,
                Origin::Vector => op.vdst = source.at,
                Origin::Scalar => op.sdst = source.at as u8,
                _ => {}
            }
            if both && old.is_none() {
                old = Some(Source { flush: flush_bits(entry.output), ..source });
            }
        }
        if let Some(old) = old.filter(|_| next < 3 && !name.starts_with("v_swap")) {
            op.sources[next] = old;
        }
        if flags & WRITES_EXEC != 0 {
            op.sdst = 126;
        }
        if name.starts_with("v_permlane") {
            op.flags |= if self.is_live(11) { FETCH_INACTIVE } else { 0 };
            op.flags |= if self.is_live(12) { BOUND } else { 0 };
        }
        if op.clamp || op.multiply != 0 || op.cross != Cross::No {
            op.commit = Commit::Other;
        }
        Ok(op)
    }

    /// Which part of the destination is written, and how.
    fn destination(&self, op: &mut Op, name: &str) {
        if matches!(op.result, Number::F16 | Number::Bits16) {
            // All 16-bit instructions of gfx10 keep the upper half.
            // Source: LLVM `GCNSubtarget.cpp`, `zeroesHigh16BitsOfDest`.
            (op.part, op.unused, op.commit) = (4, 2, Commit::Low);
        }
        match self.instruction.format() {
            Format::Vop3 => {
                op.multiply = (self.live >> 59 & 3) as u8;
                if self.is_live(14) && op.part == 4 {
                    (op.part, op.commit) = (5, Commit::Other);
                }
            }
            Format::Vop3p if name == "v_fma_mixhi_f16" => (op.part, op.commit) = (5, Commit::Other),
            Format::Vop1Sdwa | Format::Vop2Sdwa => {
                op.multiply = (self.live >> 46 & 3) as u8;
                (op.part, op.unused) = ((self.word >> 40 & 7) as u8, (self.word >> 43 & 3) as u8);
                op.commit = if op.part >= 6 { Commit::Whole } else { Commit::Other };
            }
            _ => {}
        }
    }

    fn cross(&self, op: &mut Op) {
        op.cross = match self.instruction.format() {
            Format::Vop1Dpp | Format::Vop2Dpp => Cross::Dpp16 {
                control: (self.word >> 40 & 0x1ff) as u16,
                rows: (self.word >> 60 & 15) as u8,
                banks: (self.word >> 56 & 15) as u8,
                bound: self.bit(51),
                fetch_inactive: self.bit(50),
            },
            Format::Vop1Dpp8 | Format::Vop2Dpp8 => Cross::Dpp8 {
                lanes: (self.word >> 40) as u32 & 0xff_ffff,
                fetch_inactive: self.word & 0x1ff == 0xea,
            },
            _ => Cross::No,
        };
    }

    /// A source with what the encoding does to it.
    fn changed(
        &self,
        op: &mut Op,
        slot: &Slot,
        next: usize,
        number: Number,
    ) -> Result<Source, FaultKind> {
        let mut source = self.source(slot, number)?;
        // A denormal has a class of its own, whatever the mode is.
        // Source: LLVM takes zeros and denormals for a zero that is asked for as a class where inputs are flushed
        // (`ValueTracking.cpp`, `fcmpToClassTest`), which only makes sense if the class sees both.
        let is_class = self.instruction.name().contains("_class_");
        source.flush = if is_class { 0 } else { flush_bits(number) };
        let mut signs = |negative: u32, absolute: u32| {
            source.change |= if self.is_live(negative) { NEGATE } else { 0 };
            source.change |= if self.is_live(absolute) { ABSOLUTE } else { 0 };
        };
        let n = match slot.field {
            format::V3_SRC0 | format::X_SRC0 => 0,
            format::V3_SRC1 | format::VSRC1 => 1,
            _ => 2,
        };
        match self.instruction.format() {
            Format::Vop3 if !slot.lane_mask => {
                signs(61 + n, 8 + n);
                let lanes = self.instruction.name().starts_with("v_permlane");
                if self.is_live(11 + n) && !lanes && source.origin != Origin::Constant {
                    (source.change, source.part) = (source.change | PART, 5);
                } else if self.is_live(11 + n) && !lanes {
                    source.value >>= 16;
                }
            }
            Format::Vop3p if self.instruction.name().starts_with("v_fma_mix") => {
                signs(61 + n, 8 + n);
                self.mixed(op, slot, n, next, &mut source)?;
            }
            // The third source of a dot product has 32 bits, and one sign at most.
            Format::Vop3p if self.instruction.name().starts_with("v_dot") && n == 2 => {
                let signs = self.instruction.name() == "v_dot2_f32_f16" && self.is_live(63);
                source.change |= if signs { NEGATE } else { 0 };
            }
            Format::Vop3p => self.packed(n, &mut source),
            Format::Vop1Dpp | Format::Vop2Dpp if slot.field == format::X_SRC0 => {
                signs(52, 53);
                source.change |= CROSS;
            }
            Format::Vop2Dpp if slot.field == format::VSRC1 => signs(54, 55),
            Format::Vop1Dpp8 | Format::Vop2Dpp8 if slot.field == format::X_SRC0 => {
                source.change |= CROSS;
            }
            Format::Vop1Sdwa | Format::Vop2Sdwa | Format::VopcSdwa if slot.kind == Kind::Sdwa => {
                let first = if n == 0 { 48 } else { 56 };
                signs(first + 4, first + 5);
                source.change |= if self.is_live(first + 3) { SIGNED } else { 0 };
                source.part = (self.word >> first & 7) as u8;
                source.change |= if source.part < 6 { PART } else { 0 };
                // Sign extension alone does nothing to all 32 bits.
                if source.part >= 6 {
                    source.change &= !SIGNED;
                }
            }
            _ => {}
        }
        Ok(source)
    }

    /// Halves of a packed instruction.
    fn packed(&self, n: u32, source: &mut Source) {
        let row = self.instruction.row().live_bits();
        if row & (7 << 11) == 0 {
            return;
        }
        let high = if n == 2 { self.bit(14) } else { self.bit(59 + n) };
        let part = self.bit(11 + n) as u8
            | (high as u8) << 1
            | (self.is_live(61 + n) as u8) << 2
            | (self.is_live(8 + n) as u8) << 3;
        if part != 2 {
            source.part = part;
            source.change |= PACKED;
        }
    }

    /// A source of `v_fma_mix`: 32 bits, or one half of a register.
    fn mixed(
        &self,
        op: &mut Op,
        slot: &Slot,
        n: u32,
        next: usize,
        source: &mut Source,
    ) -> Result<(), FaultKind> {
        let is_half = if n == 2 { self.bit(14) } else { self.bit(59 + n) };
        let upper = self.bit(11 + n);
        source.number = if is_half { Number::F16 } else { Number::F32 };
        source.flush = flush_bits(source.number);
        let operand = self.instruction.operand(slot, self.wave);
        if !is_half {
            if let Operand::Constant(code) = operand {
                let single = Slot { ty: Type::B32, ..*slot };
                source.value = constant(code, &single).ok_or(FaultKind::Unimplemented)?;
            }
            return Ok(());
        }
        op.flags |= 1 << next;
        if source.origin == Origin::Constant {
            source.value >>= if upper { 16 } else { 0 };
        } else {
            source.part = if upper { 5 } else { 4 };
            source.change |= PART;
        }
        Ok(())
    }
}
