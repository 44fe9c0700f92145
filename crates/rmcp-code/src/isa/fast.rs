//! A row of the tables as the hot path wants it: everything in two cache lines, nothing behind an index.
//!
//! Made from the tables once for each process. What is rare stays with the slots.

use super::format::{FIELDS, Format, SOFFSET7};
use super::instruction::Wave;
use super::operand::{EXEC, M0, NULL, ScalarSet, TTMP, VCC, aligned};
use super::row::{Access, CATEGORY, Kind, Row, Slot, implicit};
use super::tables::{MASKS, ROWS};
use std::sync::OnceLock;

/// Most scalar operands of an instruction: the destination and the three sources of VOP3.
const MOST: usize = 4;

/// A scalar operand of a row.
#[derive(Debug, Clone, Copy, Default)]
struct Scalar {
    low: u8,
    bits: u8,
    scale: u8,
    /// Registers in wave32 and wave64.
    width: [u8; 2],
    /// Whether it is read (1), written (2) or both; 4 where a literal may stand behind, 8 where the whole tuple
    /// must be registers that there are.
    access: u8,
    /// Categories with which the instruction does not decode; what is in none never does.
    reject: u32,
}

/// A row of the tables.
#[derive(Debug)]
pub(crate) struct Fast {
    fixed: u64,
    value: u64,
    scalars: [Scalar; MOST],
    count: u8,
    /// Whether a literal always follows.
    pub(super) literal: bool,
    /// Whether there are operands that only the slots describe.
    pub(super) slow: bool,
    /// What is written and read beside the operands, registers 96 to 127, in wave32 and wave64.
    defs: [u32; 2],
    uses: [u32; 2],
}

/// All rows, by their index.
pub(super) fn rows() -> &'static [Fast] {
    static ALL: OnceLock<Vec<Fast>> = OnceLock::new();
    ALL.get_or_init(|| ROWS.iter().map(Fast::new).collect())
}

/// Registers 96 to 127 of a set.
fn upper(first: u32, count: u32) -> u32 {
    // The upper quarter of 128 bits.
    u32::try_from(ScalarSet::range(first, count).0 >> 96).unwrap_or(0)
}

impl Fast {
    fn new(row: &Row) -> Self {
        let mut fast = Self {
            fixed: MASKS[usize::from(row.fixed)],
            value: MASKS[usize::from(row.value)],
            scalars: [Scalar::default(); MOST],
            count: 0,
            literal: false,
            slow: false,
            defs: [0; 2],
            uses: [0; 2],
        };
        for slot in row.slots() {
            fast.add(row, slot);
        }
        let exec = upper(EXEC, 2);
        for (at, lanes) in [(0, 1), (1, 2)] {
            let bits = row.implicit;
            let when = |bit: u16, set: u32| if bits & bit != 0 { set } else { 0 };
            fast.defs[at] |= when(implicit::WRITES_EXEC, exec);
            fast.uses[at] |= when(implicit::READS_EXEC, exec)
                | when(implicit::READS_VCC, upper(VCC, lanes))
                | when(implicit::READS_M0, upper(M0, 1));
        }
        fast
    }

    fn add(&mut self, row: &Row, slot: &Slot) {
        let field = match slot.kind {
            Kind::Source | Kind::Scaled | Kind::ScalarAddress => FIELDS[usize::from(slot.field)],
            Kind::ScalarOffset => FIELDS[usize::from(SOFFSET7)],
            Kind::Literal => return self.literal = true,
            Kind::Vcc => {
                for (at, lanes) in [(0, 1), (1, 2)] {
                    let set = upper(VCC, lanes);
                    self.defs[at] |= if slot.access == Access::Use { 0 } else { set };
                    self.uses[at] |= if slot.access == Access::Def { 0 } else { set };
                }
                return;
            }
            Kind::Sdwa | Kind::SdwaMask => return self.slow = true,
            _ => return,
        };
        // Whether an atomic writes its data depends on a bit.
        self.slow |= row.implicit & implicit::ATOMIC != 0 && slot.access == Access::Both;
        if usize::from(self.count) == MOST {
            return self.slow = true;
        }
        let access = match slot.access {
            Access::Use => 1,
            Access::Def => 2,
            Access::Both => 3,
        };
        let literal = if slot.kind == Kind::Source { 4 } else { 0 };
        let tuple = if slot.kind == Kind::Scaled || slot.width > 2 { 8 } else { 0 };
        let width = match (slot.kind, row.format) {
            (Kind::ScalarOffset, _) => 1,
            // The address of global memory is a pair.
            (Kind::ScalarAddress, Format::Global) => 2,
            _ => slot.width,
        };
        self.scalars[usize::from(self.count)] = Scalar {
            low: field.low,
            bits: field.bits,
            scale: field.scale,
            width: [width, if slot.lane_mask { 2 } else { width }],
            access: access | literal | tuple,
            reject: match slot.kind {
                // These are looked at as tuples, or may be anything.
                Kind::Scaled | Kind::ScalarOffset => 0,
                _ => u32::from(slot.reject) | 1 << 16,
            },
        };
        self.count += 1;
    }

    /// The bits that are not as this row wants them.
    #[inline]
    pub(super) const fn reserved(&self, word: u64) -> u64 {
        (word ^ self.value) & self.fixed
    }

    /// Returns whether a literal follows, `None` where an operand is none.
    #[inline]
    pub(super) fn reads(&self, word: u64) -> Option<bool> {
        let mut literal = self.literal;
        for scalar in self.scalars.iter().take(usize::from(self.count)) {
            let value = scalar.get(word);
            let category = CATEGORY[(value & 0x1ff) as usize];
            if scalar.reject >> category & 1 != 0 {
                return None;
            }
            if scalar.access & 8 != 0 && !tuple_fits(value, scalar.width[0]) {
                return None;
            }
            // The upper half of FLAT_SCRATCH begins no pair.
            if value == 231 && scalar.width[0] > 1 {
                return None;
            }
            literal |= value == 255 && scalar.access & 4 != 0;
        }
        Some(literal)
    }

    /// Returns the scalar registers that an instruction of this row names, and reads: written, then read.
    #[inline]
    pub(crate) fn scalars(&self, word: u64, wave: Wave) -> (ScalarSet, ScalarSet) {
        let (mut defs, mut uses) = (0, 0);
        let wave = usize::from(wave == Wave::Wave64);
        for scalar in self.scalars.iter().take(usize::from(self.count)) {
            let value = scalar.get(word);
            if value > 127 || value == NULL {
                continue;
            }
            let width = scalar.width[wave];
            let set = ScalarSet::range(aligned(value, width), u32::from(width)).0;
            defs |= if scalar.access & 2 != 0 { set } else { 0 };
            uses |= if scalar.access & 1 != 0 { set } else { 0 };
        }
        uses |= u128::from(self.uses[wave]) << 96;
        (ScalarSet(defs), ScalarSet(uses))
    }

    /// Returns the scalar registers that an instruction of this row writes without naming them.
    #[inline]
    pub(crate) fn implicit_defs(&self, wave: Wave) -> ScalarSet {
        ScalarSet(u128::from(self.defs[usize::from(wave == Wave::Wave64)]) << 96)
    }

    /// Returns whether only the slots know all scalar operands.
    #[inline]
    pub(crate) const fn is_slow(&self) -> bool {
        self.slow
    }
}

impl Scalar {
    #[inline]
    fn get(&self, word: u64) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "nine bits at most")]
        let raw = (word >> (self.low & 63)) as u32 & ((1 << (self.bits & 31)) - 1);
        raw * u32::from(self.scale)
    }
}

/// Returns whether a tuple of scalar registers ends before the SGPRs (106) or the TTMPs (124) do. VCC and EXEC
/// are pairs.
const fn tuple_fits(value: u32, width: u8) -> bool {
    if value > 127 || value == NULL {
        return true;
    }
    let first = aligned(value, width);
    let end = first + width as u32;
    match first {
        0..VCC => end <= VCC,
        TTMP..=123 => end <= M0,
        VCC | EXEC => width <= 2,
        _ => width == 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::{Isa, Target};

    /// What is made for the hot path says the same of the registers as the slots do.
    #[test]
    fn rows_agree_with_their_slots() {
        let mut state = 1_u64;
        let mut compared = 0;
        for target in [Target::Gfx1010, Target::Gfx1030] {
            let isa = Isa::of(target);
            for row in isa.rows() {
                for _ in 0..8 {
                    // A linear generator with Knuth's constants of MMIX.
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    let (fixed, value) = row.fixed_bits();
                    let signature = row.format.signature();
                    let opcode = row.format.place_opcode(u64::from(row.opcode));
                    let all = row.format.place_opcode((1 << row.format.opcode_bits()) - 1);
                    let free = state.rotate_left(17) & !(fixed | signature.0 | all);
                    let word = free | value | signature.1 | opcode;
                    let halves =
                        [word & 0xffff_ffff, word >> 32].map(|half| u32::try_from(half).unwrap());
                    let Ok(instruction) = isa.decode(&[halves[0], halves[1], 9, 9, 9]) else {
                        continue;
                    };
                    let fast = isa.fast(&instruction);
                    if fast.is_slow() || instruction.loads_lds() {
                        continue;
                    }
                    for wave in [Wave::Wave32, Wave::Wave64] {
                        let (mut defs, mut uses) = fast.scalars(instruction.word, wave);
                        defs.add(fast.implicit_defs(wave));
                        let (wanted_defs, wanted_uses) = instruction.scalars(wave);
                        // The upper half of EXEC stands for a private address that is off.
                        if row.format == Format::Scratch {
                            uses.add(ScalarSet::EXEC);
                        }
                        let text = instruction.text(wave).to_string();
                        assert_eq!((defs, uses), (wanted_defs, wanted_uses), "{text} {wave:?}");
                    }
                    compared += 1;
                }
            }
        }
        assert!(compared > 10_000, "{compared} instructions");
    }
}
