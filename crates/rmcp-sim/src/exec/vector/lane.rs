//! From lane to lane, and by an index in M0.
//!
//! Source: "RDNA 2 Instruction Set Architecture" (AMD), chapter "Instructions".

use crate::exec::exec_state::Exec;
use crate::exec::fault::FaultKind;
use crate::exec::lower::{Table, add};
use crate::exec::op::{BOUND, FETCH_INACTIVE, Handler, Number, Op, Origin, Step};
use crate::exec::wave::{EXEC, M0, ZERO, blend};

/// A lane of a vector source, or a scalar one.
fn value_of(x: &Exec<'_>, op: &Op, lane: u32) -> u32 {
    let source = &op.sources[0];
    if source.origin != Origin::Vector {
        return x.wave.scalar(source);
    }
    let half = (lane / 32) as usize;
    x.wave.vectors[usize::from(source.at) + half].0[lane as usize & 31]
}

fn read_first(x: &mut Exec<'_>, op: &Op) -> Step {
    let exec = x.wave.mask(EXEC);
    let lane = if exec == 0 { 0 } else { exec.trailing_zeros() };
    let value = value_of(x, op, lane);
    x.wave.set(usize::from(op.sdst), value);
    Step::Next
}

fn read(x: &mut Exec<'_>, op: &Op) -> Step {
    let lane = x.wave.scalar(&op.sources[1]) & (x.wave.lanes() - 1);
    let value = value_of(x, op, lane);
    x.wave.set(usize::from(op.sdst), value);
    Step::Next
}

fn write(x: &mut Exec<'_>, op: &Op) -> Step {
    let lane = x.wave.scalar(&op.sources[1]) & (x.wave.lanes() - 1);
    let value = x.wave.scalar(&op.sources[0]);
    let half = (lane / 32) as usize;
    x.wave.vectors[usize::from(op.vdst) + half].0[lane as usize & 31] = value;
    Step::Next
}

/// `v_mbcnt`: bits of the mask below the lane, of the lower or the upper 32 lanes.
#[inline(always)]
fn count<const UPPER: bool>(x: &mut Exec<'_>, op: &Op) -> Step {
    for half in 0..x.wave.halves {
        let (mask, sum) = (x.wave.lanes_of(op, 0, half), x.wave.lanes_of(op, 1, half));
        let mut result = ZERO;
        for lane in 0..32 {
            let below = match (UPPER, half) {
                (false, 0) | (true, 1) => (1_u32 << lane) - 1,
                (false, _) => u32::MAX,
                (true, _) => 0,
            };
            result.0[lane] = (mask.0[lane] & below).count_ones().wrapping_add(sum.0[lane]);
        }
        x.wave.write(op, half, &result);
    }
    Step::Next
}

/// `v_permlane16` and `v_permlanex16`: within a row of 16, or from the other row.
fn permute<const OTHER: bool>(x: &mut Exec<'_>, op: &Op) -> Step {
    let select =
        u64::from(x.wave.scalar(&op.sources[1])) | u64::from(x.wave.scalar(&op.sources[2])) << 32;
    for half in 0..x.wave.halves {
        let exec = x.wave.exec(half);
        let data = x.wave.lanes_of(op, 0, half);
        let mut result = ZERO;
        let mut mask = exec;
        for lane in 0..32 {
            let row = (lane & 16) ^ if OTHER { 16 } else { 0 };
            let from = row | (select >> (4 * (lane & 15)) & 15) as usize;
            if op.flags & FETCH_INACTIVE != 0 || exec >> from & 1 != 0 {
                result.0[lane] = data.0[from];
            } else if op.flags & BOUND == 0 {
                mask &= !(1 << lane);
            }
        }
        blend(&mut x.wave.vectors[usize::from(op.vdst) + half], &result, mask);
    }
    Step::Next
}

fn swap(x: &mut Exec<'_>, op: &Op) -> Step {
    for half in 0..x.wave.halves {
        let exec = x.wave.exec(half);
        let (one, two) = (usize::from(op.vdst) + half, usize::from(op.sources[0].at) + half);
        let (a, b) = (x.wave.vectors[one], x.wave.vectors[two]);
        blend(&mut x.wave.vectors[one], &b, exec);
        blend(&mut x.wave.vectors[two], &a, exec);
    }
    Step::Next
}

/// Copies a register; either may be counted from an index.
fn copy(x: &mut Exec<'_>, op: &Op, from: u32, to: u32) -> Step {
    let halves = x.wave.halves;
    let at = |first: u16, by: u32| usize::from(first).checked_add(by as usize * halves);
    for half in 0..halves {
        let exec = x.wave.exec(half);
        let source = &op.sources[0];
        let lanes = match source.origin {
            Origin::Vector => {
                let Some(lanes) =
                    at(source.at, from).and_then(|at| x.wave.vectors.get(at + half)).copied()
                else {
                    return x.stop(FaultKind::Illegal);
                };
                lanes
            }
            _ => x.wave.lanes_of(op, 0, half),
        };
        let Some(to) = at(op.vdst, to).and_then(|at| x.wave.vectors.get_mut(at + half)) else {
            return x.stop(FaultKind::Illegal);
        };
        blend(to, &lanes, exec);
    }
    Step::Next
}

/// Adds the instructions that cross lanes.
pub(super) fn add_to(table: &mut Table) {
    let rows: &[(&'static str, Handler)] = &[
        ("v_readfirstlane_b32", read_first),
        ("v_readlane_b32", read),
        ("v_writelane_b32", write),
        ("v_mbcnt_lo_u32_b32", count::<false>),
        ("v_mbcnt_hi_u32_b32", count::<true>),
        ("v_permlane16_b32", permute::<false>),
        ("v_permlanex16_b32", permute::<true>),
        ("v_swap_b32", swap),
        ("v_movrels_b32", |x, op| {
            let by = x.wave.scalars[M0];
            copy(x, op, by, 0)
        }),
        ("v_movreld_b32", |x, op| {
            let by = x.wave.scalars[M0];
            copy(x, op, 0, by)
        }),
        ("v_movrelsd_b32", |x, op| {
            let by = x.wave.scalars[M0];
            copy(x, op, by, by)
        }),
        ("v_movrelsd_2_b32", |x, op| {
            let by = x.wave.scalars[M0];
            copy(x, op, by & 0x3ff, by >> 16 & 0x3ff)
        }),
    ];
    add(table, Number::Bits, Number::Bits, 0, rows);
}
