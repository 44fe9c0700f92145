//! A wavefront: registers, masks, and how vector operands are read and written.

use super::mode::{FLUSH_16_64, FLUSH_32, FLUSH_ALWAYS, Mode};
use super::number;
use super::op::{
    ABSOLUTE, CROSS, Commit, Cross, NEGATE, Number, Op, Origin, PACKED, PART, SIGNED, Source,
};
use rmcp_code::rules::Path;

/// One register for 32 lanes.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Lanes(pub(super) [u32; 32]);

/// 64 bits for each of 32 lanes.
pub(super) type Wide = [u64; 32];

pub(super) const ZERO: Lanes = Lanes([0; 32]);

/// Numbers of scalar registers in an encoding.
pub(super) const VCC: usize = 106;
pub(super) const M0: usize = 124;
pub(super) const NULL: usize = 125;
pub(super) const EXEC: usize = 126;

/// A wavefront.
pub(super) struct Wave {
    pub(super) pc: u64,
    /// By the number in an encoding; 125 stays 0.
    pub(super) scalars: [u32; 128],
    /// In wave64 a register is two, for the lower and the upper lanes.
    pub(super) vectors: Vec<Lanes>,
    /// 1 in wave32, 2 in wave64.
    pub(super) halves: usize,
    pub(super) scc: bool,
    pub(super) mode: Mode,
    /// Lanes that a DPP source left alone.
    pub(super) crossed: [u32; 2],
    pub(super) flat_scratch: u64,
    pub(super) group: [u32; 3],
    pub(super) number: u32,
    /// Slot of private memory, and its number for `HW_ID`.
    pub(super) slot: u32,
    pub(super) done: bool,
    pub(super) waits: bool,
    pub(super) lds_apertures: [u64; 2],
    /// What hazards depend on; only kept where they are looked for.
    pub(super) path: Path,
    /// Instructions passed while hazards were looked for.
    pub(super) passed: u64,
}

impl Wave {
    /// Number of lanes.
    #[inline(always)]
    pub(super) const fn lanes(&self) -> u32 {
        32 * self.halves as u32
    }

    /// The lanes of a half that are on.
    #[inline(always)]
    pub(super) const fn exec(&self, half: usize) -> u32 {
        self.scalars[EXEC + half]
    }

    /// A mask of all lanes in scalar registers.
    #[inline(always)]
    pub(super) fn mask(&self, first: usize) -> u64 {
        let low = u64::from(self.scalars[first]);
        if self.halves == 2 { low | u64::from(self.scalars[first + 1]) << 32 } else { low }
    }

    /// Writes a scalar register.
    #[inline(always)]
    pub(super) const fn set(&mut self, at: usize, value: u32) {
        self.scalars[at & 127] = value;
        self.scalars[NULL] = 0;
    }

    /// Writes two scalar registers.
    #[inline(always)]
    pub(super) const fn set64(&mut self, at: usize, value: u64) {
        self.scalars[at & 127] = value as u32;
        if at != NULL {
            self.scalars[(at + 1) & 127] = (value >> 32) as u32;
        }
        self.scalars[NULL] = 0;
    }

    /// Writes masks of lanes, one register or two.
    #[inline(always)]
    pub(super) const fn set_mask(&mut self, at: usize, mask: [u32; 2]) {
        if self.halves == 2 {
            self.set64(at, mask[0] as u64 | (mask[1] as u64) << 32);
        } else {
            self.set(at, mask[0]);
        }
    }

    fn special(&self, number: u16) -> u64 {
        match number {
            // src_shared_base, _limit, src_private_base, _limit: the value stands in the upper half.
            235 => self.lds_apertures[0],
            236 => self.lds_apertures[0] | 0xffff_ffff,
            237 => self.lds_apertures[1],
            238 => self.lds_apertures[1] | 0xffff_ffff,
            251 => u64::from(self.mask(VCC) == 0),
            252 => u64::from(self.mask(EXEC) == 0),
            253 => u64::from(self.scc),
            _ => 0,
        }
    }

    /// Reads a scalar source.
    #[inline(always)]
    pub(super) fn scalar(&self, source: &Source) -> u32 {
        match source.origin {
            Origin::Scalar => self.scalars[usize::from(source.at) & 127],
            Origin::Constant => source.value as u32,
            Origin::Special => self.special(source.at) as u32,
            Origin::Vector => 0,
        }
    }

    /// Reads a scalar source of 64 bits.
    #[inline(always)]
    pub(super) fn scalar64(&self, source: &Source) -> u64 {
        match source.origin {
            Origin::Scalar => {
                let at = usize::from(source.at);
                if at == NULL {
                    return 0;
                }
                u64::from(self.scalars[at & 127]) | u64::from(self.scalars[(at + 1) & 127]) << 32
            }
            Origin::Constant => source.value,
            Origin::Special => self.special(source.at),
            Origin::Vector => 0,
        }
    }

    /// Reads a mask of the lanes of a half from a scalar source.
    #[inline(always)]
    pub(super) fn source_mask(&self, source: &Source, half: usize) -> u32 {
        match source.origin {
            Origin::Scalar if usize::from(source.at) == NULL => 0,
            Origin::Scalar => self.scalars[(usize::from(source.at) + half) & 127],
            _ => (self.scalar64(source) >> (32 * half)) as u32,
        }
    }

    /// Reads a source of 32 bits or fewer for the lanes of a half.
    #[inline(always)]
    pub(super) fn lanes_of(&mut self, op: &Op, source: usize, half: usize) -> Lanes {
        let from = &op.sources[source];
        if from.change != 0 || from.flush & self.mode.flushes_in != 0 {
            return self.read_changed(op, from, half);
        }
        if from.origin == Origin::Vector {
            return self.vectors[usize::from(from.at) + half];
        }
        Lanes([self.scalar(from); 32])
    }

    fn raw(&self, from: &Source, half: usize) -> Lanes {
        match from.origin {
            Origin::Vector => self.vectors[usize::from(from.at) + half],
            _ => Lanes([self.scalar(from); 32]),
        }
    }

    #[inline(never)]
    fn read_changed(&mut self, op: &Op, from: &Source, half: usize) -> Lanes {
        let mut lanes = self.raw(from, half);
        if from.change & CROSS != 0 {
            lanes = self.crossed(op.cross, &lanes, half);
        }
        if from.change & PART != 0 {
            let (shift, bits) = part_of(from.part);
            for lane in &mut lanes.0 {
                let up = *lane << (32 - shift - bits);
                *lane = if from.change & SIGNED != 0 {
                    (up.cast_signed() >> (32 - bits)).cast_unsigned()
                } else {
                    up >> (32 - bits)
                };
            }
        }
        if from.change & PACKED != 0 {
            let part = u32::from(from.part);
            let signs = (part >> 2 & 1) << 15 | (part >> 3 & 1) << 31;
            for lane in &mut lanes.0 {
                let half = |high: u32| (*lane >> (16 * high)) & 0xffff;
                *lane = (half(part & 1) | half(part >> 1 & 1) << 16) ^ signs;
            }
        }
        if from.flush & self.mode.flushes_in != 0 {
            flush(&mut lanes, from.number);
        }
        let sign = match from.number {
            Number::F16 | Number::Bits16 => 0x8000,
            _ => 0x8000_0000_u32,
        };
        let keep = if from.change & ABSOLUTE != 0 { !sign } else { u32::MAX };
        let turn = if from.change & NEGATE != 0 { sign } else { 0 };
        lanes.0.iter_mut().for_each(|lane| *lane = (*lane & keep) ^ turn);
        lanes
    }

    /// Returns a source across lanes, and remembers which lanes get none.
    fn crossed(&mut self, cross: Cross, lanes: &Lanes, half: usize) -> Lanes {
        let exec = self.exec(half);
        let mut result = ZERO;
        let mut written = 0;
        match cross {
            Cross::No => return *lanes,
            Cross::Dpp8 { lanes: select, fetch_inactive } => {
                for lane in 0..32 {
                    let from = lane & !7 | (select >> (3 * (lane & 7)) & 7) as usize;
                    if fetch_inactive || exec >> from & 1 != 0 {
                        result.0[lane] = lanes.0[from];
                    }
                }
                written = u32::MAX;
            }
            Cross::Dpp16 { control, rows, banks, bound, fetch_inactive } => {
                for lane in 0..32_u32 {
                    let row = 2 * half as u32 + lane / 16;
                    let enabled = rows >> row & 1 != 0 && banks >> (lane / 4 % 4) & 1 != 0;
                    let from = dpp_lane(control, lane & 15).map(|from| lane & 16 | from);
                    match from.filter(|from| fetch_inactive || exec >> from & 1 != 0) {
                        Some(from) => result.0[lane as usize] = lanes.0[from as usize],
                        None if !bound => continue,
                        None => {}
                    }
                    written |= u32::from(enabled) << lane;
                }
            }
        }
        self.crossed[half] = written;
        result
    }

    /// Reads a source of 64 bits for the lanes of a half.
    #[inline(always)]
    pub(super) fn read64(&self, op: &Op, source: usize, half: usize) -> Wide {
        let from = &op.sources[source];
        let mut wide = [0; 32];
        if from.origin == Origin::Vector {
            let at = usize::from(from.at) + half;
            let (low, high) = (&self.vectors[at].0, &self.vectors[at + self.halves].0);
            for lane in 0..32 {
                wide[lane] = u64::from(low[lane]) | u64::from(high[lane]) << 32;
            }
        } else {
            wide = [self.scalar64(from); 32];
        }
        if from.change != 0 || from.flush & self.mode.flushes_in != 0 {
            let sign = 1_u64 << 63;
            let keep = if from.change & ABSOLUTE != 0 { !sign } else { u64::MAX };
            let turn = if from.change & NEGATE != 0 { sign } else { 0 };
            let flushes = from.flush & self.mode.flushes_in != 0;
            for lane in &mut wide {
                if flushes && *lane >> 52 & 0x7ff == 0 {
                    *lane &= sign;
                }
                *lane = (*lane & keep) ^ turn;
            }
        }
        wide
    }

    /// Writes the lanes of a half that are on.
    #[inline(always)]
    pub(super) fn write(&mut self, op: &Op, half: usize, lanes: &Lanes) {
        let exec = self.exec(half);
        let at = usize::from(op.vdst) + half;
        if op.commit == Commit::Other || op.flush & self.mode.flushes_out != 0 {
            self.write_changed(op, half, *lanes);
        } else if op.commit == Commit::Low {
            let to = &mut self.vectors[at].0;
            for lane in 0..32 {
                let mixed = to[lane] & 0xffff_0000 | lanes.0[lane] & 0xffff;
                to[lane] = if exec >> lane & 1 != 0 { mixed } else { to[lane] };
            }
        } else if exec == u32::MAX {
            self.vectors[at] = *lanes;
        } else {
            blend(&mut self.vectors[at], lanes, exec);
        }
    }

    /// What `mul:2`, `mul:4` and `div:2` multiply with, `None` where they do nothing.
    ///
    /// Source: "RDNA 2 ISA" (AMD), "Output modifiers": they are ignored in IEEE mode and where denormal results
    /// are kept. LLVM, `SIFoldOperands.cpp`, `isOMod`, makes none there.
    fn factor(&self, op: &Op) -> Option<f32> {
        let kind = match op.result {
            Number::Flushed32 => FLUSH_32,
            number => flush_bits(number),
        };
        let is_used = op.multiply != 0 && !self.mode.is_ieee() && self.mode.flushes_out & kind != 0;
        is_used.then(|| [1.0, 2.0, 4.0, 0.5][usize::from(op.multiply & 3)])
    }

    #[inline(never)]
    fn write_changed(&mut self, op: &Op, half: usize, mut lanes: Lanes) {
        // A sum with 0 makes 0 of -0, as the modifiers do.
        let factor = self.factor(op);
        match op.result {
            Number::F32 | Number::Flushed32 if factor.is_some() || op.clamp => {
                for lane in &mut lanes.0 {
                    let value = f32::from_bits(*lane);
                    let mut value = factor.map_or(value, |factor| value * factor + 0.0);
                    if op.clamp {
                        value = clamp32(value, self.mode.clamps_nan());
                    }
                    *lane = value.to_bits();
                }
            }
            Number::F16 if factor.is_some() || op.clamp => {
                for lane in &mut lanes.0 {
                    let value = number::f32_of_half(*lane);
                    let mut value = factor.map_or(value, |factor| value * factor + 0.0);
                    if op.clamp {
                        value = clamp32(value, self.mode.clamps_nan());
                    }
                    *lane = number::half_of_f32(value);
                }
            }
            _ => {}
        }
        if op.flush & self.mode.flushes_out != 0 {
            flush(&mut lanes, op.result);
        }
        let mut mask = self.exec(half);
        if op.cross != Cross::No {
            mask &= self.crossed[half];
        }
        let at = usize::from(op.vdst) + half;
        if op.part != 6 {
            let (shift, bits) = part_of(op.part);
            let field = (u32::MAX >> (32 - bits)) << shift;
            for (lane, old) in lanes.0.iter_mut().zip(&self.vectors[at].0) {
                let placed = *lane << shift & field;
                *lane = placed
                    | match op.unused {
                        0 => 0,
                        1 => {
                            let up = *lane << (32 - bits);
                            let sign = (up.cast_signed() >> 31).cast_unsigned();
                            let above = u32::MAX.checked_shl(shift + bits).unwrap_or(0);
                            sign & above
                        }
                        _ => old & !field,
                    };
            }
        }
        blend(&mut self.vectors[at], &lanes, mask);
    }

    /// Writes 64 bits to the lanes of a half that are on.
    #[inline(always)]
    pub(super) fn write64(&mut self, op: &Op, half: usize, wide: &Wide) {
        let exec = self.exec(half);
        let (mut low, mut high) = (ZERO, ZERO);
        for lane in 0..32 {
            low.0[lane] = wide[lane] as u32;
            high.0[lane] = (wide[lane] >> 32) as u32;
        }
        if op.commit == Commit::Other || op.flush & self.mode.flushes_out != 0 {
            let factor = self.factor(op).map(f64::from);
            for lane in 0..32 {
                let bits = u64::from(low.0[lane]) | u64::from(high.0[lane]) << 32;
                let value = f64::from_bits(bits);
                let mut value = factor.map_or(value, |factor| value * factor + 0.0);
                if op.clamp {
                    value = if value.is_nan() && self.mode.clamps_nan() {
                        0.0
                    } else {
                        value.clamp(0.0, 1.0)
                    };
                }
                let mut bits = value.to_bits();
                if op.flush & self.mode.flushes_out != 0 && bits >> 52 & 0x7ff == 0 {
                    bits &= 1 << 63;
                }
                low.0[lane] = bits as u32;
                high.0[lane] = (bits >> 32) as u32;
            }
        }
        let at = usize::from(op.vdst) + half;
        blend(&mut self.vectors[at], &low, exec);
        blend(&mut self.vectors[at + self.halves], &high, exec);
    }
}

/// Writes the lanes of a mask.
#[inline(always)]
pub(super) fn blend(to: &mut Lanes, from: &Lanes, mask: u32) {
    if mask == u32::MAX {
        *to = *from;
        return;
    }
    for lane in 0..32 {
        to.0[lane] = if mask >> lane & 1 != 0 { from.0[lane] } else { to.0[lane] };
    }
}

/// First bit and width of a part of a register, as SDWA counts them.
///
/// Source: "RDNA 2 ISA" (AMD), "SDWA", `SRC0_SEL`.
const fn part_of(part: u8) -> (u32, u32) {
    match part {
        0..=3 => (8 * part as u32, 8),
        4 | 5 => (16 * (part as u32 - 4), 16),
        _ => (0, 32),
    }
}

/// The lane of a row of 16 that a lane reads, `None` where it would be outside.
///
/// Source: "RDNA 2 ISA" (AMD), "DPP", `DPP_CTRL`.
const fn dpp_lane(control: u16, lane: u32) -> Option<u32> {
    let by = (control & 15) as u32;
    match control {
        0..=0xff => Some(lane & 12 | (control as u32 >> (2 * (lane & 3)) & 3)),
        0x101..=0x10f if lane + by < 16 => Some(lane + by),
        0x111..=0x11f if lane >= by => Some(lane - by),
        0x121..=0x12f => Some((lane + 16 - by) & 15),
        0x140 => Some(15 - lane),
        0x141 => Some(lane & 8 | (7 - (lane & 7))),
        0x150..=0x15f => Some(by),
        0x160..=0x16f => Some(lane ^ by),
        _ => None,
    }
}

fn flush(lanes: &mut Lanes, number: Number) {
    match number {
        Number::F32 | Number::Flushed32 => {
            for lane in &mut lanes.0 {
                *lane = if *lane & 0x7f80_0000 == 0 { *lane & 0x8000_0000 } else { *lane };
            }
        }
        Number::F16 => {
            for lane in &mut lanes.0 {
                *lane = if *lane & 0x7c00 == 0 { *lane & !0x3ff } else { *lane };
            }
        }
        _ => {}
    }
}

/// The mode's bits that say whether denormals of such a number are flushed.
pub(super) const fn flush_bits(number: Number) -> u8 {
    match number {
        Number::F32 => FLUSH_32,
        Number::Flushed32 => FLUSH_ALWAYS,
        Number::F16 | Number::F64 => FLUSH_16_64,
        Number::Bits | Number::Bits16 => 0,
    }
}

fn clamp32(value: f32, nan_to_zero: bool) -> f32 {
    if value.is_nan() && nan_to_zero { 0.0 } else { value.clamp(0.0, 1.0) }
}
