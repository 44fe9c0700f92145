//! Remembers instructions that have been looked at.
//!
//! Code repeats itself: the same instruction with the same registers comes again and again, within a kernel and
//! from one instance of a template to the next. What is remembered is found by its words, without decoding.
//! Only instructions about which no rule wants to know more than their [`Step`] are remembered.

use super::step::Step;
use crate::isa::Wave;

/// Entries: half a megabyte, which fits the second cache of any CPU that has a Radeon beside it.
const ENTRIES: usize = 8192;

/// An instruction, in one line of the cache.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(super) struct Entry {
    first: u32,
    second: u32,
    /// All ones where the second word belongs to the instruction itself, and not to what follows.
    mask: u32,
    /// Length in dwords, 0 where the entry is empty.
    pub(super) dwords: u32,
    /// What it is, but for its place.
    pub(super) step: Step,
}

/// The entries.
#[derive(Debug)]
pub(super) struct Memo {
    wave: Wave,
    entries: Vec<Entry>,
}

const EMPTY: Entry = Entry { first: 0, second: 0, mask: 0, dwords: 0, step: Step::bad(0) };

impl Default for Memo {
    fn default() -> Self {
        Self { wave: Wave::Wave32, entries: vec![EMPTY; ENTRIES] }
    }
}

/// The place of an instruction. The multiplier is Knuth's, 2³² divided by the golden ratio.
#[inline]
fn place(first: u32) -> usize {
    (first.wrapping_mul(0x9e37_79b1) >> 19) as usize & (ENTRIES - 1)
}

impl Memo {
    /// Makes it ready for code of this kind of wavefront.
    pub(super) fn start(&mut self, wave: Wave) {
        if self.wave != wave {
            self.wave = wave;
            self.entries.fill(EMPTY);
        }
    }

    /// Returns what is remembered of the instruction at the start of these words, if all of it is there.
    #[inline]
    pub(super) fn get(&self, words: &[u32]) -> Option<&Entry> {
        let (&first, &second) = (words.first()?, words.get(1).unwrap_or(&0));
        let entry = self.entries.get(place(first))?;
        let same = entry.first == first && (entry.second ^ second) & entry.mask == 0;
        (same && entry.dwords != 0 && entry.dwords as usize <= words.len()).then_some(entry)
    }

    /// Remembers an instruction.
    pub(super) fn put(&mut self, words: &[u32], single: bool, dwords: u8, step: Step) {
        let first = words[0];
        let (second, mask) = if single { (0, 0) } else { (words[1], u32::MAX) };
        self.entries[place(first)] = Entry { first, second, mask, dwords: dwords.into(), step };
    }
}

const _: () = assert!(size_of::<Entry>() == 64, "an entry is a line of the cache");
