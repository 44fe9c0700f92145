//! Makes instructions from the rows of the tables: one with given fields, or a random one.

use crate::random::Random;
use crate::state::{SCALARS, VECTORS};
use rmcp_code::isa::format::{self, FIELDS, Format};
use rmcp_code::isa::{Access, CATEGORIES, Kind, Row, Slot, Type, Wave};

/// An instruction under construction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draft {
    /// Its row.
    pub(crate) row: &'static Row,
    /// Its first 64 bits.
    pub(crate) word: u64,
    /// The literal behind it.
    pub(crate) literal: Option<u32>,
}

impl Draft {
    /// The instruction with all fields 0.
    pub(crate) fn new(row: &'static Row) -> Self {
        let (_, signature) = row.format.signature();
        let (_, fixed) = row.fixed_bits();
        let word = signature | fixed | row.format.place_opcode(u64::from(row.opcode));
        Self { row, word, literal: None }
    }

    /// Sets a field.
    pub(crate) fn set(&mut self, field: u8, value: u32) {
        let field = &FIELDS[usize::from(field)];
        self.bits(field.low.into(), field.bits.into(), u64::from(value / u32::from(field.scale)));
        assert_eq!(field.get(self.word), value, "{}", field.name);
    }

    /// Sets bits.
    pub(crate) const fn bits(&mut self, low: u32, count: u32, value: u64) {
        let mask = ((1 << count) - 1) << low;
        self.word = self.word & !mask | value << low & mask;
    }

    /// Its words.
    pub(crate) fn words(&self) -> Vec<u32> {
        let mut words = vec![self.word as u32];
        if self.row.format.dwords() == 2 {
            words.push((self.word >> 32) as u32);
        }
        words.extend(self.literal);
        words
    }
}

/// Whether the row takes this value of a field.
fn allows(slot: &Slot, value: u32) -> bool {
    let category = CATEGORIES.iter().position(|&(first, last)| (first..=last).contains(&value));
    category.is_some_and(|at| (slot.reject | slot.foreign) >> at & 1 == 0)
}

/// The name without the suffix of its encoding.
pub(crate) fn base_name(name: &str) -> &str {
    let suffixes = ["_e32", "_e64", "_dpp", "_sdwa"];
    suffixes.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name)
}

/// Makes random instructions of one wavefront size.
pub(crate) struct Drafter<'a> {
    /// Where the numbers come from.
    pub(crate) random: &'a mut Random,
    /// The size of a wavefront.
    pub(crate) wave: Wave,
    /// Scalar registers and literals read so far: two at most on RDNA.
    scalars: Vec<u32>,
}

impl<'a> Drafter<'a> {
    /// Makes a drafter.
    pub(crate) const fn new(random: &'a mut Random, wave: Wave) -> Self {
        Self { random, wave, scalars: Vec::new() }
    }

    /// A random instruction of a row.
    pub(crate) fn draft(&mut self, row: &'static Row) -> Draft {
        let mut draft = Draft::new(row);
        self.scalars.clear();
        // Masks first, as no constant will do for them.
        let (masks, others): (Vec<_>, Vec<_>) = row.slots().iter().partition(|slot| slot.lane_mask);
        for slot in masks.into_iter().chain(others) {
            self.operand(&mut draft, slot);
        }
        self.modifiers(&mut draft);
        self.correct(&mut draft);
        draft
    }

    fn width(&self, slot: &Slot) -> u32 {
        let doubled = slot.lane_mask && self.wave == Wave::Wave64;
        if doubled { 2 } else { u32::from(slot.width) }
    }

    fn vector(&mut self, width: u32) -> u32 {
        self.random.below(VECTORS as u32 - width + 1)
    }

    fn operand(&mut self, draft: &mut Draft, slot: &Slot) {
        let width = self.width(slot);
        match slot.kind {
            Kind::Vector | Kind::Returned => {
                let value = self.vector(width.max(1));
                draft.set(slot.field, value);
            }
            Kind::Source if slot.access == Access::Use => {
                let value = self.source(draft, slot, width);
                draft.set(slot.field, value);
            }
            Kind::Source if slot.field == format::SRC0 => {
                // That of a swap is a destination as well.
                let value = 256 + self.vector(width);
                draft.set(slot.field, value);
            }
            Kind::Source => {
                let value = self.destination(draft.row, slot, width);
                draft.set(slot.field, value);
            }
            Kind::Literal => draft.literal = Some(self.random.interesting()),
            Kind::Hex | Kind::Small | Kind::Decimal => {
                let value = self.random.interesting() & 0xffff;
                draft.set(slot.field, value);
            }
            Kind::Branch => draft.set(slot.field, 2),
            Kind::Sdwa => self.sdwa(draft, slot),
            Kind::SdwaMask => {
                let value = self.scalar(width);
                draft.set(slot.field, value);
            }
            _ => {}
        }
    }

    /// The first of so many scalar registers.
    fn scalar(&mut self, width: u32) -> u32 {
        let step = width.next_power_of_two().min(4);
        self.random.below((SCALARS as u32 - width) / step + 1) * step
    }

    fn destination(&mut self, row: &Row, slot: &Slot, width: u32) -> u32 {
        // A scalar register in a field that may also hold a vector one.
        let value = match self.random.below(10) {
            0 if width <= 2 => 106,
            1 if width <= 2 && matches!(row.format, Format::Sop1 | Format::Sop2) => 126,
            2 if width == 1 && matches!(row.format, Format::Sop1 | Format::Sop2 | Format::Sopk) => {
                124
            }
            _ => self.scalar(width),
        };
        if allows(slot, value) { value } else { self.scalar(width) }
    }

    fn source(&mut self, draft: &mut Draft, slot: &Slot, width: u32) -> u32 {
        for _ in 0..64 {
            let value = self.any_source(draft, slot, width);
            if !allows(slot, value) || value >> FIELDS[usize::from(slot.field)].bits != 0 {
                continue;
            }
            let scalar = value < 128 || value == 255 || value == 253;
            let known = self.scalars.contains(&value);
            if draft.row.format.is_vector_arithmetic()
                && scalar
                && !known
                && self.scalars.len() == 2
            {
                continue;
            }
            if scalar && !known {
                self.scalars.push(value);
            }
            if value == 255 && draft.literal.is_none() {
                draft.literal = Some(self.literal(draft.row, slot));
            }
            return value;
        }
        panic!("{}: no value for a source", draft.row.name())
    }

    fn any_source(&mut self, draft: &Draft, slot: &Slot, width: u32) -> u32 {
        let vectors = draft.row.format.is_vector_arithmetic() && slot.field != format::SSRC0;
        if slot.lane_mask {
            return if self.random.chance(30) { 106 } else { self.scalar(width) };
        }
        // What a float constant is to packed and 16-bit integers, the manuals do not say.
        let integers =
            draft.row.format == Format::Vop3p && slot.ty == Type::B32 || slot.ty == Type::I16;
        match self.random.below(100) {
            0..=59 if vectors => 256 + self.vector(width),
            0..=74 => self.scalar(width),
            75..=78 if width <= 2 => 106,
            79 if width <= 2 => 126,
            80 if width == 1 => 124,
            81 if width == 1 => 253,
            82..=86 if !integers => 240 + self.random.below(9),
            82..=92 => 128 + self.random.below(81),
            93..=94 if width == 1 => 125,
            95..=99 if slot.width < 4 && !matches!(draft.row.format, Format::Vop3p) => 255,
            _ => self.scalar(width),
        }
    }

    fn literal(&mut self, row: &Row, slot: &Slot) -> u32 {
        let value = self.random.interesting();
        match slot.ty {
            Type::I16 | Type::F16 => value & 0xffff,
            // Whether the upper half of a 64-bit integer is its sign, the manuals do not agree on.
            _ if row.slots().iter().any(|slot| slot.ty == Type::B64) => value & 0x7fff_ffff,
            _ => value,
        }
    }

    fn sdwa(&mut self, draft: &mut Draft, slot: &Slot) {
        let bit = if slot.field == format::X_SRC0 { 55 } else { 63 };
        let value = match self.random.below(10) {
            0 | 1 if self.scalars.len() < 2 => {
                draft.bits(bit, 1, 1);
                self.scalar(1)
            }
            _ => self.vector(1),
        };
        draft.set(slot.field, value);
    }

    fn modifiers(&mut self, draft: &mut Draft) {
        let live = draft.row.live_bits();
        let some = |random: &mut Random, percent, mask: u64| {
            if random.chance(percent) { random.next() & mask & live } else { 0 }
        };
        let random = &mut *self.random;
        draft.word |= match draft.row.format {
            Format::Vop3 => {
                some(random, 40, 7 << 61)
                    | some(random, 40, 7 << 8)
                    | some(random, 25, 3 << 59)
                    | some(random, 40, 1 << 15)
                    | some(random, 50, 0xf << 11)
            }
            Format::Vop3p => {
                // Usually both halves, each from its own; the third source's bit stands apart.
                let usual = if draft.row.name().contains("mix") { 0 } else { 3 << 59 | 1 << 14 };
                let halves = (usual & live) ^ some(random, 50, 3 << 59 | 1 << 14);
                halves
                    | some(random, 40, 7 << 11)
                    | some(random, 40, 7 << 61)
                    | some(random, 40, 7 << 8)
                    | some(random, 40, 1 << 15)
            }
            Format::Vop1Dpp | Format::Vop2Dpp => {
                let masks = if random.chance(40) { random.next() & 0xff << 56 } else { 0xff << 56 };
                let control = match random.below(8) {
                    0 | 1 => random.below(256),
                    2 => 0x100 + random.below(15) + 1,
                    3 => 0x110 + random.below(15) + 1,
                    4 => 0x120 + random.below(15) + 1,
                    5 => 0x140 + random.below(2),
                    6 => 0x150 + random.below(16),
                    _ => 0x160 + random.below(16),
                };
                masks
                    | u64::from(control) << 40
                    | some(random, 50, 3 << 50)
                    | some(random, 40, 0xf << 52)
            }
            Format::Vop1Dpp8 | Format::Vop2Dpp8 => {
                // 0xe9 and 0xea: the latter reads lanes that are off.
                (random.next() & 0xff_ffff) << 40 | if random.chance(50) { 3 } else { 0 }
            }
            Format::Vop1Sdwa | Format::Vop2Sdwa | Format::VopcSdwa => {
                u64::from(random.below(7)) << 48 & live
                    | u64::from(random.below(7)) << 56 & live
                    | some(random, 40, 1 << 51 | 1 << 59)
                    | some(random, 40, 3 << 52 | 3 << 60)
                    | if draft.row.format == Format::VopcSdwa {
                        some(random, 50, 1 << 47)
                    } else {
                        (u64::from(random.below(7)) << 40 | u64::from(random.below(3)) << 43) & live
                            | some(random, 30, 1 << 45)
                            | some(random, 30, 3 << 46)
                    }
            }
            _ => 0,
        };
        if matches!(draft.row.format, Format::Vop1Dpp8 | Format::Vop2Dpp8) && draft.word & 3 == 3 {
            // 0xe9 | 3 is 0xeb: the number behind 0xe9 is meant.
            draft.bits(0, 9, 0xea);
        }
    }

    /// Makes sense of what would make none.
    fn correct(&mut self, draft: &mut Draft) {
        let name = draft.row.name();
        if name.starts_with("v_div_scale") {
            // The first source is the denominator or the numerator.
            let same = if self.random.chance(50) { format::V3_SRC1 } else { format::V3_SRC2 };
            let value = FIELDS[usize::from(same)].get(draft.word);
            draft.set(format::V3_SRC0, value);
            let bit = if same == format::V3_SRC1 { 62 } else { 63 };
            draft.bits(61, 1, draft.word >> bit);
            let read = |field| FIELDS[usize::from(field)].get(draft.word) == 255;
            if ![format::V3_SRC0, format::V3_SRC1, format::V3_SRC2].into_iter().any(read) {
                draft.literal = None;
            }
        }
        if name == "s_getreg_b32" {
            // A field of MODE.
            let offset = self.random.below(10);
            let width = 1 + self.random.below(10 - offset);
            draft.set(format::SIMM16, 1 | offset << 6 | (width - 1) << 11);
        }
        if name.contains("movrel") || name == "v_swaprel_b32" {
            // The register meant lies up to three behind the one named.
            for slot in draft.row.slots() {
                let value = FIELDS[usize::from(slot.field)].get(draft.word);
                if value >= 256 {
                    draft.set(slot.field, 256 + (value & 7));
                } else if value < 128 {
                    draft.set(slot.field, value & 6);
                }
            }
        }
        if matches!(draft.row.format, Format::Vop3) {
            self.no_high_half_of_constants(draft);
        }
        // Modifiers of which the manuals do not say what they would do.
        let integers = draft.row.format == Format::Vop3p
            && !name.ends_with("f16")
            && !name.starts_with("v_fma_mix");
        let cleared = match name {
            "v_alignbit_b32" | "v_alignbyte_b32" | "v_pack_b32_f16" => 0x3e << 10 & !(3 << 11),
            // The third source and the result have 32 bits.
            "v_mad_u32_u16" | "v_mad_i32_i16" => 3 << 13,
            "v_dot2_f32_f16" => 1 << 10 | 1 << 13,
            "v_dot2_i32_i16" | "v_dot2_u32_u16" => 7 << 61 | 7 << 8 | 1 << 13,
            _ if integers => 7 << 61 | 7 << 8,
            _ => 0,
        };
        let cleared = if name.starts_with("v_align") { cleared | 3 << 11 } else { cleared };
        draft.word &= !(cleared & draft.row.live_bits());
        if name.starts_with("v_dot2_") && draft.row.format == Format::Vop3p {
            draft.bits(14, 1, 1);
        }
    }

    /// The upper half of a constant or literal is whatever the assembler makes of it.
    fn no_high_half_of_constants(&self, draft: &mut Draft) {
        for (source, field) in
            [format::V3_SRC0, format::V3_SRC1, format::V3_SRC2].into_iter().enumerate()
        {
            let value = FIELDS[usize::from(field)].get(draft.word);
            if (125..256).contains(&value) && !draft.row.name().starts_with("v_permlane") {
                // Elsewhere the bits are those of a scalar destination.
                draft.word &= !(1 << (11 + source) & draft.row.live_bits());
            }
        }
    }
}
