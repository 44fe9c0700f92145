//! Random words that are instructions more often than random words are.

use crate::random::Random;
use rmcp_code::isa::format::Format;
use rmcp_code::isa::{Isa, Row};

/// A source of instructions of one target.
pub(crate) struct Source {
    random: Random,
    rows: Vec<&'static Row>,
}

impl Source {
    /// Begins at a seed.
    pub(crate) fn new(seed: u64, isa: &Isa) -> Self {
        Self { random: Random(seed), rows: isa.rows().collect() }
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.random.next().is_multiple_of(count)
    }

    /// Returns so many samples of two or more words each.
    pub(crate) fn words(&mut self, samples: u64) -> Vec<u32> {
        let mut words = Vec::new();
        for _ in 0..samples {
            let word = if self.one_in(20) { self.random.next() } else { self.instruction() };
            let word = without_crash(word);
            #[expect(clippy::cast_possible_truncation, reason = "the halves of the word")]
            words.extend([word as u32, (word >> 32) as u32]);
            // Now and then a literal, or more addresses.
            let more = self.random.next() % 4;
            for _ in 0..more {
                #[expect(clippy::cast_possible_truncation, reason = "a word of it")]
                words.push(plain(self.random.next() as u32));
            }
        }
        words
    }

    /// An instruction with an opcode that the target has (mostly), and random bits in its fields.
    fn instruction(&mut self) -> u64 {
        let at = self.random.next() % self.rows.len() as u64;
        let row = self.rows[usize::try_from(at).unwrap_or(0)];
        let format = row.format;
        let (mask, value) = format.signature();
        let opcode = if self.one_in(16) {
            self.random.next() & ((1 << format.opcode_bits()) - 1)
        } else {
            u64::from(row.opcode)
        };
        let places = format.place_opcode((1 << format.opcode_bits()) - 1);
        let mut bits = self.random.next();
        // Bits whose value is fixed mostly have it, or nothing would ever decode.
        if !self.one_in(8) {
            let (fixed, value) = row.fixed_bits();
            bits = (bits & !fixed) | value;
        }
        (bits & !mask & !places) | value | format.place_opcode(opcode)
    }
}

/// LLVM 22 crashes on SDWA with a selection of 7, and on the unused-part rule 3; such words are changed.
fn without_crash(mut word: u64) -> u64 {
    #[expect(clippy::cast_possible_truncation, reason = "the halves of the word")]
    let (low, high) = (word as u32, (word >> 32) as u32);
    match Format::of(word) {
        Some(Format::Vop1Sdwa | Format::Vop2Sdwa | Format::VopcSdwa) => {
            for (place, all) in [(40, 7), (43, 3), (48, 7), (56, 7)] {
                if word >> place & all == all {
                    word &= !(1 << place);
                }
            }
            word
        }
        _ => u64::from(low) | u64::from(plain(high)) << 32,
    }
}

/// A word that does not begin an SDWA instruction.
fn plain(word: u32) -> u32 {
    if word >> 31 == 0 && word & 0x1ff == 0xf9 { word ^ 0x100 } else { word }
}
