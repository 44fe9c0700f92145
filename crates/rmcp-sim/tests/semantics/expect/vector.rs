//! Vector arithmetic: sources with their modifiers, lane by lane, and the way of a result into a register.

use super::number::{F16, F32, F64, Layout};
use super::operand::Ty;
use super::{After, Answer, Case, convert, float, integer, transcendental};
use crate::encode::base_name;
use crate::state::{Kind, Loose};
use rmcp_code::isa::format::{self, Format};
use rmcp_code::isa::{Access, Operand, Slot, implicit};

/// One lane of an instruction.
pub(super) struct Lane<'a> {
    pub(super) case: &'a Case<'a>,
    pub(super) lane: usize,
    /// What the destination held.
    pub(super) old: u128,
    /// The lane's bit of the mask that is read.
    pub(super) carry: bool,
    /// Whether integers are to stay in their range.
    pub(super) clamp: bool,
}

/// What comes out for one lane.
#[derive(Default)]
pub(super) struct Out {
    pub(super) value: u128,
    /// Results that are as good.
    pub(super) others: Vec<u128>,
    /// The lane's bit of the mask that is written.
    pub(super) carry: Option<bool>,
    pub(super) ulp: u64,
    pub(super) absolute: f64,
    /// Nothing is known.
    pub(super) unclear: bool,
}

impl Out {
    pub(super) fn new(value: impl Into<u128>) -> Self {
        Self { value: value.into(), ..Self::default() }
    }

    pub(super) fn or(mut self, other: impl Into<u128>) -> Self {
        self.others.push(other.into());
        self
    }

    pub(super) fn unclear() -> Self {
        Self { unclear: true, ..Self::default() }
    }
}

pub(super) type Run = Box<dyn Fn(&Lane<'_>, &[u128]) -> Out>;

/// What an instruction does with the values of its sources.
pub(super) struct Op {
    pub(super) to: Ty,
    pub(super) from: Vec<Ty>,
    pub(super) run: Run,
}

impl Op {
    pub(super) fn new(
        to: Ty,
        from: &[Ty],
        run: impl Fn(&Lane<'_>, &[u128]) -> Out + 'static,
    ) -> Self {
        Self { to, from: from.to_vec(), run: Box::new(run) }
    }
}

fn find(case: &Case<'_>, name: &str) -> Option<Op> {
    integer::op(name)
        .or_else(|| float::op(case, name))
        .or_else(|| convert::op(name))
        .or_else(|| transcendental::op(name))
}

/// The operands of an instruction by what they are for.
pub(super) struct Operands<'a> {
    pub(super) to: Option<(&'a Slot, Operand)>,
    pub(super) mask_to: Option<Operand>,
    pub(super) mask_from: Option<Operand>,
    pub(super) from: Vec<(&'a Slot, Operand)>,
}

impl Operands<'_> {
    pub(super) fn of<'a>(case: &'a Case<'a>) -> Operands<'a> {
        let mut operands = Operands { to: None, mask_to: None, mask_from: None, from: Vec::new() };
        for slot in case.instruction.slots() {
            let operand = case.instruction.operand(slot, case.wave);
            match (slot.lane_mask, slot.access) {
                (true, Access::Use) => operands.mask_from = Some(operand),
                (true, _) => operands.mask_to = Some(operand),
                (false, Access::Use) => operands.from.push((slot, operand)),
                (false, _) => operands.to = Some((slot, operand)),
            }
        }
        operands
    }
}

/// What a lane of DPP reads.
enum Fetch {
    Lane(usize),
    Zero,
    /// The lane is left alone.
    Off,
}

impl Case<'_> {
    pub(super) const fn is_dpp16(&self) -> bool {
        matches!(self.instruction.format(), Format::Vop1Dpp | Format::Vop2Dpp)
    }

    const fn is_sdwa(&self) -> bool {
        matches!(self.instruction.format(), Format::Vop1Sdwa | Format::Vop2Sdwa | Format::VopcSdwa)
    }

    pub(super) fn live(&self, bit: u32) -> bool {
        (self.word & self.instruction.row().live_bits()) >> bit & 1 != 0
    }

    /// Where the first source of a lane comes from.
    fn fetch(&self, lane: usize) -> Fetch {
        let active = |lane: usize| self.active() >> lane & 1 != 0;
        match self.instruction.format() {
            Format::Vop1Dpp8 | Format::Vop2Dpp8 => {
                let from = lane & !7 | self.bits(40 + 3 * (lane as u32 & 7), 3) as usize;
                // Source field 234: lanes that are off are read as well.
                if active(from) || self.bits(0, 9) == 0xea {
                    Fetch::Lane(from)
                } else {
                    Fetch::Zero
                }
            }
            Format::Vop1Dpp | Format::Vop2Dpp => {
                let (row, at) = (lane / 16, lane % 16);
                if self.bits(60, 4) >> row & 1 == 0 || self.bits(56, 4) >> (at / 4) & 1 == 0 {
                    return Fetch::Off;
                }
                let control = self.bits(40, 9) as usize;
                let by = control & 15;
                let from = match control >> 4 {
                    0..=15 => Some(at & !3 | control >> (2 * (at & 3)) & 3),
                    0x10 => Some(at + by).filter(|&from| from < 16),
                    0x11 => at.checked_sub(by),
                    0x12 => Some((at + 16 - by) % 16),
                    0x14 if by == 0 => Some(15 - at),
                    0x14 => Some(at & 8 | (7 - (at & 7))),
                    0x15 => Some(by),
                    _ => Some(at ^ by),
                };
                let from = from.map(|from| 16 * row + from);
                match from.filter(|&from| self.bit(50) || active(from)) {
                    Some(from) => Fetch::Lane(from),
                    None if self.bit(51) => Fetch::Zero,
                    None => Fetch::Off,
                }
            }
            _ => Fetch::Lane(lane),
        }
    }

    /// The value of a source with its modifiers, `None` where DPP leaves the lane alone.
    pub(super) fn source(
        &self,
        slot: &Slot,
        operand: Operand,
        ty: Ty,
        lane: usize,
    ) -> Option<u128> {
        let lane = if slot.field == format::X_SRC0 && !self.is_sdwa() {
            match self.fetch(lane) {
                Fetch::Lane(lane) => Some(lane),
                Fetch::Zero => None,
                Fetch::Off => return None,
            }
        } else {
            Some(lane)
        };
        let wide = if ty.bits() < 32 { Ty::B32 } else { ty };
        let mut value = match lane {
            // A constant keeps its type where half of a register would be read.
            Some(lane) if matches!(operand, Operand::Constant(_)) => self.read(operand, ty, lane),
            Some(lane) => self.read(operand, wide, lane),
            None => 0,
        };
        let (negative, absolute) = match (self.instruction.format(), slot.field) {
            (Format::Vop3, format::V3_SRC0 | format::V3_SRC1 | format::V3_SRC2) => {
                let at = match slot.field {
                    format::V3_SRC0 => 0,
                    format::V3_SRC1 => 1,
                    _ => 2,
                };
                if ty.bits() == 16 && self.live(11 + at) {
                    value >>= 16;
                }
                (61 + at, 8 + at)
            }
            (_, format::X_SRC0) if self.is_sdwa() => {
                value = self.select(value, 48);
                (52, 53)
            }
            (_, format::VSRC1) if self.is_sdwa() => {
                value = self.select(value, 56);
                (60, 61)
            }
            (_, format::X_SRC0) if self.is_dpp16() => (52, 53),
            (_, format::VSRC1) if self.is_dpp16() => (54, 55),
            _ => return Some(value & ty.mask()),
        };
        let sign = 1 << (ty.bits() - 1);
        if self.live(absolute) {
            value &= !sign;
        }
        if self.live(negative) {
            value ^= sign;
        }
        Some(value & ty.mask())
    }

    /// SDWA: part of a register, with or without its sign.
    fn select(&self, value: u128, low: u32) -> u128 {
        let value = value as u32;
        let part = self.bits(low, 3);
        let (value, bits) = match part {
            0..=3 => (value >> (8 * part) & 0xff, 8),
            4 | 5 => (value >> (16 * (part - 4)) & 0xffff, 16),
            _ => (value, 32),
        };
        let sign = self.live(low + 3);
        u128::from(if sign {
            ((value << (32 - bits)).cast_signed() >> (32 - bits)).cast_unsigned()
        } else {
            value
        })
    }

    fn modifier_bits(&self) -> (bool, u32) {
        match self.instruction.format() {
            Format::Vop3 => {
                let live = self.instruction.row().live_bits();
                let omod = if live & 3 << 59 != 0 { self.bits(59, 2) } else { 0 };
                (self.live(15), omod)
            }
            Format::Vop1Sdwa | Format::Vop2Sdwa => {
                let live = self.instruction.row().live_bits();
                let omod = if live & 3 << 46 != 0 { self.bits(46, 2) } else { 0 };
                (self.live(45), omod)
            }
            _ => (false, 0),
        }
    }
}

/// The layout of a result, `None` where it is no float.
const fn layout(ty: Ty) -> Option<(Layout, Kind)> {
    match ty {
        Ty::F16 => Some((F16, Kind::F16)),
        Ty::F32 => Some((F32, Kind::F32)),
        Ty::F64 => Some((F64, Kind::F64)),
        _ => None,
    }
}

/// Holds a float between 0 and 1; a NaN becomes 0 where the mode says so.
pub(super) fn clamp(case: &Case<'_>, layout: Layout, value: u64) -> u64 {
    let one = layout.round(1.0);
    match value {
        value if layout.is_nan(value) => {
            if case.mode.dx10_clamp {
                0
            } else {
                value
            }
        }
        value if layout.is_negative(value) => 0,
        value => value.min(one),
    }
}

/// The result as it is written: without denormals where the mode says so, and with output modifiers. Source: "RDNA 2 ISA" (AMD), "Output modifiers": ignored in IEEE mode and where denormal
/// results are kept; they make +0 of -0.
fn modified(case: &Case<'_>, layout: Layout, value: u64, clamped: bool, omod: u32) -> Vec<u64> {
    let mut values = vec![layout.output(case.mode, value)];
    if omod != 0 && !case.mode.ieee && layout.denormals(case.mode) & 2 == 0 {
        let power = [0, 1, 2, -1][omod as usize];
        let scaled = layout.flush(layout.scale(value, power));
        values = vec![scaled];
        if layout.is_zero(scaled) {
            values.push(0);
        }
        values.push(layout.flush(layout.scale(layout.flush(value), power)));
    }
    if clamped {
        for at in 0..values.len() {
            let value = clamp(case, layout, values[at]);
            // Whether -0 is below 0 does not matter to those who compare.
            if layout.is_zero(value) {
                values.push(layout.sign());
            }
            values[at] = value;
        }
    }
    values
}

pub(super) fn expect(case: &Case<'_>) -> Answer {
    let name = base_name(case.instruction.name());
    let Some(op) = find(case, name) else { return Answer::Unknown };
    let operands = Operands::of(case);
    let Some((_, to)) = operands.to else { return Answer::Unknown };
    if op.from.len() != operands.from.len() {
        panic!("{name} has {} sources, not {}", operands.from.len(), op.from.len());
    }
    let is_constant =
        |operand: &Operand| matches!(operand, Operand::Constant(_) | Operand::Literal(_));
    let signs = (52..56).any(|bit| case.is_dpp16() && case.live(bit));
    let pairs = op.from.contains(&Ty::Pair);
    if pairs && (signs || operands.from.iter().any(|(_, operand)| is_constant(operand))) {
        // Neither what is in the upper half of a constant nor whose signs these are is said.
        return Answer::Unclear;
    }
    let (clamped, omod) = case.modifier_bits();
    let read_vcc = case.instruction.implicit() & implicit::READS_VCC != 0;
    let carry_in = match operands.mask_from {
        Some(operand) => case.read_mask(operand),
        None if read_vcc => case.before.vcc,
        None => 0,
    };
    let (mut after, mut carry_out) = (case.after(), 0);
    for lane in (0..case.lanes()).filter(|lane| case.active() >> lane & 1 != 0) {
        let off = matches!(case.fetch(lane), Fetch::Off);
        if off && operands.mask_to.is_some() {
            // What becomes of the bit of a lane that DPP leaves alone is not said.
            return Answer::Unclear;
        }
        if off {
            continue;
        }
        let values: Vec<u128> = operands
            .from
            .iter()
            .zip(&op.from)
            .filter_map(|(&(slot, operand), &ty)| case.source(slot, operand, ty, lane))
            .collect();
        let old = case.read(to, op.to, lane);
        let carry = carry_in >> lane & 1 != 0;
        let view = Lane { case, lane, old, carry, clamp: clamped };
        let out = (op.run)(&view, &values);
        if out.unclear {
            return Answer::Unclear;
        }
        carry_out |= u64::from(out.carry.unwrap_or(false)) << lane;
        write(case, &mut after, to, op.to, lane, &out, (clamped, omod));
    }
    if let Some(mask) = operands.mask_to {
        after.set_scalars(mask, carry_out);
    }
    Answer::Known(after)
}

fn write(
    case: &Case<'_>,
    after: &mut After,
    to: Operand,
    ty: Ty,
    lane: usize,
    out: &Out,
    (clamped, omod): (bool, u32),
) {
    let Operand::Vector { first, .. } = to else { panic!("{to:?} is written lane by lane") };
    let register = usize::from(first);
    let mut values = Vec::new();
    for &value in std::iter::once(&out.value).chain(&out.others) {
        match layout(ty) {
            Some((layout, _)) => {
                values.extend(
                    modified(case, layout, value as u64, clamped, omod).into_iter().map(u128::from),
                );
            }
            None => values.push(value & ty.mask()),
        }
    }
    let value = values[0];
    let is_nan = layout(ty).is_some_and(|(layout, _)| layout.is_nan(value as u64));
    let loose = values.len() > 1 || is_nan || out.ulp > 0 || out.absolute > 0.0;
    let kind = layout(ty).map_or(Kind::Bits, |(_, kind)| kind);
    let blank = |register, shift, kind, ignore| Loose {
        register,
        lane,
        shift,
        kind,
        others: values[1..].iter().map(|&value| value as u64).collect(),
        ulp: out.ulp,
        absolute: out.absolute,
        ignore,
    };
    let before = case.before.v[register][lane];
    if case.is_sdwa() && !matches!(case.instruction.format(), Format::VopcSdwa) {
        let (part, unused) = (case.bits(40, 3), case.bits(43, 2));
        let (shift, bits) = match part {
            0..=3 => (8 * part, 8),
            4 | 5 => (16 * (part - 4), 16),
            _ => (0, 32),
        };
        let mask = (u32::MAX >> (32 - bits)) << shift;
        let placed = (value as u32) << shift & mask;
        let above = !(u32::MAX >> (32 - bits - shift));
        let rest = match unused {
            _ if bits == 32 => 0,
            0 => 0,
            1 if (value >> (bits - 1)) & 1 != 0 => above,
            1 => 0,
            _ => before & !mask,
        };
        after.state.v[register][lane] = placed | rest;
        let nan_in_pair = ty == Ty::Pair
            && [0, 16].iter().any(|&shift| F16.is_nan((value >> shift) as u64 & 0xffff));
        if ty == Ty::Pair && bits == 32 {
            after
                .loose
                .extend([0, 16].map(|shift| half_of_pair(&blank(register, shift, Kind::F16, 0))));
        } else if loose && bits == ty.bits() {
            let kind = if bits == 16 { Kind::F16 } else { kind };
            after.loose.push(blank(register, shift, kind, 0));
        } else if loose || nan_in_pair {
            // Part of a value that is not known bit by bit.
            after.loose.push(blank(register, 0, Kind::Bits, u64::from(u32::MAX)));
        }
        if loose && unused == 1 && bits < 32 {
            // Nor is its sign.
            after.loose.push(blank(register, 0, Kind::Bits, above.into()));
        }
        if !loose && bits == 32 && ty.bits() == 16 {
            // Whether a 16-bit result fills the register is not said.
            after.loose.push(blank(register, 0, Kind::Bits, 0xffff_0000));
        }
        return;
    }
    if ty == Ty::Pair {
        after.state.v[register][lane] = value as u32;
        for shift in [0, 16] {
            let halves =
                values[1..].iter().map(|&value| (value >> shift) as u64 & 0xffff).collect();
            after.loose.push(Loose { others: halves, ..blank(register, shift, Kind::F16, 0) });
        }
        return;
    }
    if ty.bits() == 16 {
        let high = case.instruction.format() == Format::Vop3 && case.live(14);
        let shift = if high { 16 } else { 0 };
        after.state.v[register][lane] = before & !(0xffff << shift) | (value as u32) << shift;
        if loose {
            let kind = if kind == Kind::Bits { Kind::F16 } else { kind };
            after.loose.push(blank(register, shift, kind, 0));
        }
        return;
    }
    for at in 0..(ty.bits() as usize / 32) {
        after.state.v[register + at][lane] = (value >> (32 * at)) as u32;
    }
    if loose && ty.bits() <= 64 {
        let kind = if ty == Ty::B64 { Kind::F64 } else { kind };
        after.loose.push(blank(register, 0, kind, 0));
    }
}

/// One half of a pair of half floats.
fn half_of_pair(pair: &Loose) -> Loose {
    let others = pair.others.iter().map(|&value| value >> pair.shift & 0xffff).collect();
    Loose { others, ..pair.clone() }
}
