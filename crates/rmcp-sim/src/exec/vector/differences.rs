//! Sums of absolute differences of bytes at four places of eight, as videos are compared.
//!
//! Source: "RDNA 2 ISA" (AMD), `V_QSAD_PK_U16_U8` and its kin.

use super::map_wide;
use crate::exec::exec_state::Exec;
use crate::exec::fault::FaultKind;
use crate::exec::lower::{Table, add};
use crate::exec::op::{Handler, Number, Op, Origin, Step};
use crate::exec::wave::{Lanes, blend};

/// Sum of the absolute differences of four bytes; bytes of 0 in the reference may be left out.
fn difference(bytes: u32, reference: u32, skip_zero: bool) -> u32 {
    let pairs = bytes.to_le_bytes().into_iter().zip(reference.to_le_bytes());
    pairs.map(|(a, b)| if skip_zero && b == 0 { 0 } else { u32::from(a.abs_diff(b)) }).sum()
}

/// The same at four places of eight bytes, added to 16 bits each.
fn differences(bytes: u64, reference: u32, sum: u64, skip_zero: bool) -> u64 {
    (0..4).fold(0, |result, at| {
        let difference = difference((bytes >> (8 * at)) as u32, reference, skip_zero);
        let total = (sum >> (16 * at) & 0xffff) + u64::from(difference);
        result | (total & 0xffff) << (16 * at)
    })
}

#[inline(always)]
fn quads<const SKIP: bool>(x: &mut Exec<'_>, op: &Op) -> Step {
    map_wide(x, op, |x, half| {
        let (a, b) = (x.wave.read64(op, 0, half), x.wave.lanes_of(op, 1, half));
        let c = x.wave.read64(op, 2, half);
        std::array::from_fn(|lane| differences(a[lane], b.0[lane], c[lane], SKIP))
    })
}

/// The same, added to 32 bits each, which take four registers.
fn quads_of_words(x: &mut Exec<'_>, op: &Op) -> Step {
    if op.sources[2].origin != Origin::Vector {
        return x.stop(FaultKind::Unimplemented);
    }
    let halves = x.wave.halves;
    let register = |first: u16, word: usize, half| usize::from(first) + word * halves + half;
    for half in 0..halves {
        let (a, b) = (x.wave.read64(op, 0, half), x.wave.lanes_of(op, 1, half));
        let mut sums: [Lanes; 4] =
            std::array::from_fn(|word| x.wave.vectors[register(op.sources[2].at, word, half)]);
        for (word, sums) in sums.iter_mut().enumerate() {
            for lane in 0..32 {
                let difference = difference((a[lane] >> (8 * word)) as u32, b.0[lane], true);
                let sum = sums.0[lane];
                sums.0[lane] = if op.clamp {
                    sum.saturating_add(difference)
                } else {
                    sum.wrapping_add(difference)
                };
            }
        }
        let exec = x.wave.exec(half);
        for (word, sums) in sums.iter().enumerate() {
            blend(&mut x.wave.vectors[register(op.vdst, word, half)], sums, exec);
        }
    }
    Step::Next
}

/// Adds the sums of differences.
pub(super) fn add_to(table: &mut Table) {
    let rows: &[(&'static str, Handler)] = &[
        ("v_qsad_pk_u16_u8", quads::<false>),
        ("v_mqsad_pk_u16_u8", quads::<true>),
        ("v_mqsad_u32_u8", quads_of_words),
    ];
    add(table, Number::Bits, Number::Bits, 0, rows);
}
