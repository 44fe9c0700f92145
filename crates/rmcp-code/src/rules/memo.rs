//! Remembers instructions that have been looked at.
//!
//! Code repeats itself: the same instruction with the same scalar registers comes again and again, within a
//! kernel and from one instance of a template to the next. What is remembered is found by its words without
//! decoding it, and without the bits that name vector registers: no rule asks for them. Only instructions about
//! which no rule wants to know more than their [`Step`] are remembered.

use super::step::Step;
use crate::isa::format::{FIELDS, Format, Space};
use crate::isa::{ByOpcode, Isa, Kind, Row, Wave};

/// Entries: half a megabyte, which fits the second cache of any CPU that has a Radeon beside it.
const ENTRIES: usize = 4096;

/// An instruction, in one line of the cache.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(super) struct Entry {
    key: u64,
    /// Length in dwords, 0 where the entry is empty.
    pub(super) dwords: u32,
    /// What it is, but for its place.
    pub(super) step: Step,
}

/// The bits of an instruction that no [`Step`] depends on.
#[derive(Debug, Clone, Copy)]
struct Indifferent {
    /// Fields of vector registers, and what follows an instruction of one dword.
    always: u64,
    /// The uppermost bits of nine-bit sources: where one is set, the eight below name a vector register.
    sources: u64,
}

/// The entries.
#[derive(Debug)]
pub(super) struct Memo {
    wave: Wave,
    indifferent: ByOpcode<Indifferent>,
    entries: Vec<Entry>,
}

const EMPTY: Entry = Entry { key: 0, dwords: 0, step: Step::bad(0) };

impl Indifferent {
    fn new(format: Format, row: Option<&Row>) -> Self {
        let behind = if format.dwords() == 1 { u64::MAX << 32 } else { 0 };
        let mut bits = Self { always: behind, sources: 0 };
        let Some(row) = row else { return bits };
        for slot in row.slots() {
            let field = &FIELDS[usize::from(slot.field)];
            match (slot.kind, field.space) {
                (Kind::Source, Space::Source) if field.bits == 9 => {
                    bits.sources |= 1 << (field.low + 8);
                }
                // A bit elsewhere says whether these are vector registers.
                (Kind::Sdwa, _) => {}
                (
                    Kind::Vector
                    | Kind::Returned
                    | Kind::BufferAddress
                    | Kind::ImageAddress
                    | Kind::ImageData
                    | Kind::GlobalAddress
                    | Kind::PrivateAddress,
                    Space::Vector,
                ) => bits.always |= field.mask(),
                _ => {}
            }
        }
        bits.always &= !row.fixed_bits().0;
        bits
    }

    /// Returns the bits that do not matter in an instruction.
    #[inline]
    const fn hidden(&self, word: u64) -> u64 {
        let vectors = word & self.sources;
        self.always | (vectors - (vectors >> 8))
    }

    /// Returns an instruction without the bits that do not matter.
    #[inline]
    const fn key(&self, word: u64) -> u64 {
        word & !self.hidden(word)
    }
}

/// The place of an instruction. The multiplier is Knuth's, 2^64 divided by the golden ratio.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "thirteen bits")]
const fn place(key: u64) -> usize {
    (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - ENTRIES.ilog2())) as usize
}

impl Memo {
    /// Makes one for code of a target.
    pub(super) fn new(isa: &Isa) -> Self {
        let indifferent = isa.by_opcode(Indifferent::new);
        Self { wave: Wave::Wave32, indifferent, entries: vec![EMPTY; ENTRIES] }
    }

    /// Makes it ready for code of this kind of wavefront.
    pub(super) fn start(&mut self, wave: Wave) {
        if self.wave != wave {
            self.wave = wave;
            self.entries.fill(EMPTY);
        }
    }

    /// Returns what is remembered of the instruction at the start of this code, if all of it is there.
    #[inline]
    pub(super) fn get(&self, code: &[[u8; 4]]) -> Option<&Entry> {
        let key = self.key(code)?;
        let entry = &self.entries[place(key)];
        let there = entry.dwords != 0 && entry.dwords as usize <= code.len();
        (entry.key == key && there).then_some(entry)
    }

    /// Remembers the instruction at the start of this code.
    pub(super) fn put(&mut self, code: &[[u8; 4]], dwords: u8, step: Step) {
        if let Some(key) = self.key(code) {
            self.entries[place(key)] = Entry { key, dwords: dwords.into(), step };
        }
    }

    #[inline]
    fn key(&self, code: &[[u8; 4]]) -> Option<u64> {
        let word = match code {
            [low, high, ..] => u64::from_le_bytes([
                low[0], low[1], low[2], low[3], high[0], high[1], high[2], high[3],
            ]),
            [low] => u64::from(u32::from_le_bytes(*low)),
            [] => return None,
        };
        Some(self.indifferent.get(word)?.key(word))
    }
}

const _: () = assert!(size_of::<Entry>() == 64, "an entry is a line of the cache");

#[cfg(test)]
mod tests {
    use super::super::step::classes;
    use super::*;
    use crate::isa::Target;

    /// Instructions with the same key are the same to the rules, and decode alike.
    #[test]
    fn vector_registers_do_not_matter() {
        let mut state = 1_u64;
        // A linear generator with Knuth's constants of MMIX.
        let mut random = || {
            let (factor, addend) = (6_364_136_223_846_793_005, 1_442_695_040_888_963_407);
            state = state.wrapping_mul(factor).wrapping_add(addend);
            state.rotate_left(17)
        };
        let halves =
            |word: u64| [word & 0xffff_ffff, word >> 32].map(|half| u32::try_from(half).unwrap());
        let mut compared = 0;
        for target in Target::ALL {
            let isa = Isa::of(target);
            let classes = classes(isa);
            let table = isa.by_opcode(Indifferent::new);
            for row in isa.rows() {
                for _ in 0..16 {
                    let (fixed, value) = row.fixed_bits();
                    let signature = row.format.signature();
                    let opcode = row.format.place_opcode(u64::from(row.opcode));
                    let all = row.format.place_opcode((1 << row.format.opcode_bits()) - 1);
                    let free = random() & !(fixed | signature.0 | all);
                    let word = free | value | signature.1 | opcode;
                    let Some(bits) = table.get(word) else { continue };
                    let other = word ^ (random() & bits.hidden(word));
                    assert_eq!(bits.key(word), bits.key(other), "{}", row.name());
                    let read = |word: u64| {
                        let [low, high] = halves(word);
                        isa.decode(&[low, high, 9, 9, 9])
                    };
                    let (Ok(one), Ok(two)) = (read(word), read(other)) else {
                        assert_eq!(read(word).is_ok(), read(other).is_ok(), "{}", row.name());
                        continue;
                    };
                    for wave in [Wave::Wave32, Wave::Wave64] {
                        let step = |instruction| {
                            let step = Step::new(
                                isa,
                                instruction,
                                classes[usize::from(one.index())],
                                0,
                                wave,
                            );
                            (instruction.dwords(), step.defs, step.uses, step.class, step.target)
                        };
                        assert_eq!(step(&one), step(&two), "{}", one.text(wave));
                    }
                    compared += u32::from(word != other);
                }
            }
        }
        assert!(compared > 100_000, "{compared} instructions");
    }
}
