//! The local data share: DS instructions.
//!
//! What is out of range reads 0 and is not written, as on the hardware, and is counted.
//!
//! Source: "RDNA 2 ISA" (AMD), "Data Share Operations" and the DS instructions.

use super::atomic::Combine;
use super::exec_state::Exec;
use super::fault::FaultKind;
use super::flat::{HIGH, LOW, WHOLE, each_lane, placed};
use super::lower::{Table, add};
use super::op::{Handler, Number, Op, RETURNS, Step};
use super::wave::{EXEC, Lanes, M0, ZERO, blend};

impl Exec<'_> {
    /// A word that is in range.
    #[inline(always)]
    pub(super) fn lds_word(&self, at: usize) -> u32 {
        match self.lds.get(at..at + 4) {
            Some(bytes) => u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
            None => 0,
        }
    }

    #[inline(always)]
    pub(super) fn set_lds_word(&mut self, at: usize, value: u32) {
        if let Some(bytes) = self.lds.get_mut(at..at + 4) {
            bytes.copy_from_slice(&value.to_le_bytes());
        }
    }

    #[inline(always)]
    fn holds(&mut self, at: usize, bytes: usize) -> bool {
        let holds = at + bytes <= self.lds.len();
        self.counters.lds_out_of_range += u64::from(!holds);
        holds
    }

    #[inline(always)]
    fn lds_address(&self, op: &Op, half: usize, lane: usize, offset: usize) -> usize {
        place(self.wave.vectors[usize::from(op.sources[0].at) + half].0[lane], offset)
    }

    fn lds_data<const N: usize>(
        &self,
        op: &Op,
        source: usize,
        half: usize,
        lane: usize,
    ) -> [u32; N] {
        let at = usize::from(op.sources[source].at) + half;
        std::array::from_fn(|word| self.wave.vectors[at + word * self.wave.halves].0[lane])
    }

    /// Reads `N` words for each lane of a half, `None` where any lane is out of range.
    #[inline(always)]
    fn gather<const N: usize>(&self, base: &Lanes, exec: u32, offset: usize) -> Option<[Lanes; N]> {
        let mut addresses = [0_usize; 32];
        let mut highest = 0;
        for lane in 0..32 {
            // Lanes that are off read what they do not keep.
            addresses[lane] = if exec >> lane & 1 != 0 { place(base.0[lane], offset) } else { 0 };
            highest = highest.max(addresses[lane]);
        }
        if highest + 4 * N > self.lds.len() {
            return None;
        }
        let mut words = [ZERO; N];
        for lane in 0..32 {
            let at = addresses[lane];
            for (word, to) in words.iter_mut().enumerate() {
                // SAFETY: no lane's address is above the highest, behind which all words are within LDS.
                let value =
                    unsafe { self.lds.as_ptr().add(at + 4 * word).cast::<u32>().read_unaligned() };
                to.0[lane] = u32::from_le(value);
            }
        }
        Some(words)
    }

    fn read_lds<const N: usize>(&mut self, at: usize) -> [u32; N] {
        if !self.holds(at, 4 * N) {
            return [0; N];
        }
        std::array::from_fn(|word| self.lds_word(at + 4 * word))
    }

    fn write_lds<const N: usize>(&mut self, at: usize, words: [u32; N]) {
        if self.holds(at, 4 * N) {
            for (word, value) in words.into_iter().enumerate() {
                self.set_lds_word(at + 4 * word, value);
            }
        }
    }
}

/// An address and an offset, in 32 bits: the address may be negative, as compilers make it where the sum is not.
///
/// Source: LLVM `SIISelLowering`/`SIISelDAGToDAG`, `isDSOffsetLegal`: only cards before Sea Islands cannot.
#[inline(always)]
const fn place(address: u32, offset: usize) -> usize {
    address.wrapping_add(offset as u32) as usize
}

/// The whole offset of an instruction with one address.
const fn offset(op: &Op) -> usize {
    (op.constant & 0xffff) as usize
}

/// The two offsets of an instruction with two, each of `unit` bytes.
const fn offsets(op: &Op, unit: usize) -> [usize; 2] {
    [(op.constant & 0xff) as usize * unit, (op.constant >> 8 & 0xff) as usize * unit]
}

fn read<const N: usize>(x: &mut Exec<'_>, op: &Op) -> Step {
    for half in 0..x.wave.halves {
        let (exec, halves) = (x.wave.exec(half), x.wave.halves);
        let base = x.wave.vectors[usize::from(op.sources[0].at) + half];
        if let Some(words) = x.gather::<N>(&base, exec, offset(op)) {
            for (word, lanes) in words.iter().enumerate() {
                blend(
                    &mut x.wave.vectors[usize::from(op.vdst) + half + word * halves],
                    lanes,
                    exec,
                );
            }
            continue;
        }
        each_lane!(exec, lane => {
            let words = x.read_lds::<N>(place(base.0[lane], offset(op)));
            x.put(op, half, lane, words);
        });
    }
    Step::Next
}

fn write<const N: usize>(x: &mut Exec<'_>, op: &Op) -> Step {
    for half in 0..x.wave.halves {
        each_lane!(x.wave.exec(half), lane => {
            let at = x.lds_address(op, half, lane, offset(op));
            let words = x.data::<N>(op, half, lane);
            x.write_lds(at, words);
        });
    }
    Step::Next
}

/// `N` words from each of two addresses, which are apart in units of `UNIT` bytes.
fn read_two<const N: usize, const UNIT: usize>(x: &mut Exec<'_>, op: &Op) -> Step {
    let [first, second] = offsets(op, UNIT);
    for half in 0..x.wave.halves {
        // The address may be overwritten by the first result.
        let base: Lanes = x.wave.vectors[usize::from(op.sources[0].at) + half];
        let (exec, halves) = (x.wave.exec(half), x.wave.halves);
        let to = usize::from(op.vdst) + half;
        let both = (x.gather::<N>(&base, exec, first), x.gather::<N>(&base, exec, second));
        if let (Some(one), Some(two)) = both {
            for (word, lanes) in one.iter().chain(&two).enumerate() {
                blend(&mut x.wave.vectors[to + word * halves], lanes, exec);
            }
            continue;
        }
        each_lane!(exec, lane => {
            let [first, second] = [first, second].map(|offset| place(base.0[lane], offset));
            let (one, two) = (x.read_lds::<N>(first), x.read_lds::<N>(second));
            for word in 0..N {
                x.wave.vectors[to + word * halves].0[lane] = one[word];
                x.wave.vectors[to + (N + word) * halves].0[lane] = two[word];
            }
        });
    }
    Step::Next
}

fn write_two<const N: usize, const UNIT: usize>(x: &mut Exec<'_>, op: &Op) -> Step {
    let [first, second] = offsets(op, UNIT);
    for half in 0..x.wave.halves {
        each_lane!(x.wave.exec(half), lane => {
            let [first, second] = [first, second].map(|at| x.lds_address(op, half, lane, at));
            let (one, two) = (x.lds_data::<N>(op, 1, half, lane), x.lds_data::<N>(op, 2, half, lane));
            x.write_lds(first, one);
            x.write_lds(second, two);
        });
    }
    Step::Next
}

/// `ds_wrxchg2`: exchanges `N` words at two addresses.
fn exchange_two<const N: usize, const UNIT: usize>(x: &mut Exec<'_>, op: &Op) -> Step {
    let [first, second] = offsets(op, UNIT);
    for half in 0..x.wave.halves {
        let base: Lanes = x.wave.vectors[usize::from(op.sources[0].at) + half];
        each_lane!(x.wave.exec(half), lane => {
            let [first, second] = [first, second].map(|offset| place(base.0[lane], offset));
            let halves = x.wave.halves;
            let new = (x.lds_data::<N>(op, 1, half, lane), x.lds_data::<N>(op, 2, half, lane));
            let (one, two) = (x.read_lds::<N>(first), x.read_lds::<N>(second));
            x.write_lds(first, new.0);
            x.write_lds(second, new.1);
            let to = usize::from(op.vdst) + half;
            for word in 0..N {
                x.wave.vectors[to + word * halves].0[lane] = one[word];
                x.wave.vectors[to + (N + word) * halves].0[lane] = two[word];
            }
        });
    }
    Step::Next
}

fn read_small<const N: usize, const SIGNED: bool, const HALF: u8>(
    x: &mut Exec<'_>,
    op: &Op,
) -> Step {
    for half in 0..x.wave.halves {
        each_lane!(x.wave.exec(half), lane => {
            let at = x.lds_address(op, half, lane, offset(op));
            let value = if x.holds(at, N) {
                (0..N).fold(0, |value, k| value | u32::from(x.lds[at + k]) << (8 * k))
            } else {
                0
            };
            let old = x.wave.vectors[usize::from(op.vdst) + half].0[lane];
            x.put(op, half, lane, [placed::<N, SIGNED, HALF>(value, old)]);
        });
    }
    Step::Next
}

fn write_small<const N: usize, const HALF: u8>(x: &mut Exec<'_>, op: &Op) -> Step {
    for half in 0..x.wave.halves {
        each_lane!(x.wave.exec(half), lane => {
            let at = x.lds_address(op, half, lane, offset(op));
            let [value] = x.data::<1>(op, half, lane);
            let value = if HALF == HIGH { value >> 16 } else { value };
            if x.holds(at, N) {
                x.lds[at..at + N].copy_from_slice(&value.to_le_bytes()[..N]);
            }
        });
    }
    Step::Next
}

fn atomic(x: &mut Exec<'_>, op: &Op) -> Step {
    let Combine::Word(combine, compares) = op.combine else {
        return x.stop(FaultKind::Unimplemented);
    };
    for half in 0..x.wave.halves {
        each_lane!(x.wave.exec(half), lane => {
            let at = x.lds_address(op, half, lane, offset(op));
            if !at.is_multiple_of(4) {
                return x.fail(FaultKind::Misaligned { va: at as u64 }, (lane + 32 * half) as u32);
            }
            // Where two come, the first is what is compared with.
            let [first] = x.lds_data::<1>(op, 1, half, lane);
            let data = if compares { x.lds_data::<1>(op, 2, half, lane)[0] } else { first };
            let [old] = x.read_lds::<1>(at);
            x.set_lds_word(at, combine(old, data, first));
            if op.flags & RETURNS != 0 {
                x.put(op, half, lane, [old]);
            }
        });
    }
    Step::Next
}

fn atomic_wide(x: &mut Exec<'_>, op: &Op) -> Step {
    let Combine::Wide(combine, compares) = op.combine else {
        return x.stop(FaultKind::Unimplemented);
    };
    let wide = |[low, high]: [u32; 2]| u64::from(low) | u64::from(high) << 32;
    for half in 0..x.wave.halves {
        each_lane!(x.wave.exec(half), lane => {
            let at = x.lds_address(op, half, lane, offset(op));
            if !at.is_multiple_of(8) {
                return x.fail(FaultKind::Misaligned { va: at as u64 }, (lane + 32 * half) as u32);
            }
            let first = wide(x.lds_data(op, 1, half, lane));
            let data = if compares { wide(x.lds_data(op, 2, half, lane)) } else { first };
            let words = x.read_lds::<2>(at);
            let new = combine(wide(words), data, first);
            if at + 8 <= x.lds.len() {
                x.set_lds_word(at, new as u32);
                x.set_lds_word(at + 4, (new >> 32) as u32);
            }
            if op.flags & RETURNS != 0 {
                x.put(op, half, lane, words);
            }
        });
    }
    Step::Next
}

/// `ds_bpermute_b32`: each lane takes from another one of its half.
///
/// Source: LLVM `AMDGPUUsage.rst` and Mesa `aco_lower_to_hw_instr.cpp` (on GFX10 the halves of wave64 are apart).
fn permute_back(x: &mut Exec<'_>, op: &Op) -> Step {
    for half in 0..x.wave.halves {
        let exec = x.wave.exec(half);
        let from = x.wave.vectors[usize::from(op.sources[0].at) + half];
        let data = x.wave.vectors[usize::from(op.sources[1].at) + half];
        let mut result = ZERO;
        for lane in 0..32 {
            let other = ((from.0[lane] as usize + offset(op)) >> 2) & 31;
            result.0[lane] = if exec >> other & 1 != 0 { data.0[other] } else { 0 };
        }
        blend(&mut x.wave.vectors[usize::from(op.vdst) + half], &result, exec);
    }
    Step::Next
}

/// `ds_permute_b32`: each lane gives to another one of its half; the highest lane wins.
fn permute(x: &mut Exec<'_>, op: &Op) -> Step {
    for half in 0..x.wave.halves {
        let exec = x.wave.exec(half);
        let to = x.wave.vectors[usize::from(op.sources[0].at) + half];
        let data = x.wave.vectors[usize::from(op.sources[1].at) + half];
        let mut result = ZERO;
        each_lane!(exec, lane => {
            let other = ((to.0[lane] as usize + offset(op)) >> 2) & 31;
            result.0[other] = data.0[lane];
        });
        blend(&mut x.wave.vectors[usize::from(op.vdst) + half], &result, exec);
    }
    Step::Next
}

/// `ds_swizzle_b32`: quads, masks, or turning.
fn swizzle(x: &mut Exec<'_>, op: &Op) -> Step {
    let pattern = offset(op);
    if pattern >= 0xe000 {
        // The order of a Fourier transform.
        return x.stop(FaultKind::Unimplemented);
    }
    for half in 0..x.wave.halves {
        let exec = x.wave.exec(half);
        let data = x.wave.vectors[usize::from(op.sources[0].at) + half];
        let mut result = ZERO;
        for lane in 0..32_usize {
            let other = if pattern >= 0xc000 {
                let (mask, by) = (pattern & 31, pattern >> 5 & 31);
                let turned = if pattern >> 10 & 1 == 0 { lane + by } else { lane + 32 - by };
                lane & mask | turned & 31 & !mask
            } else if pattern >> 15 & 1 != 0 {
                lane & !3 | pattern >> (2 * (lane & 3)) & 3
            } else {
                (lane & (pattern & 31) | pattern >> 5 & 31) ^ (pattern >> 10 & 31)
            };
            result.0[lane] = if exec >> other & 1 != 0 { data.0[other] } else { 0 };
        }
        blend(&mut x.wave.vectors[usize::from(op.vdst) + half], &result, exec);
    }
    Step::Next
}

/// `ds_append` and `ds_consume`: the number of lanes that are on is added to or taken from a counter.
///
/// Source: LLVM `llvm.amdgcn.ds.append.ll`: the pointer to LDS goes to M0 as it is.
fn count<const ADD: bool>(x: &mut Exec<'_>, op: &Op) -> Step {
    let at = (x.wave.scalars[M0] & 0xffff) as usize + offset(op);
    let lanes = x.wave.mask(EXEC).count_ones();
    let [old] = x.read_lds::<1>(at);
    x.set_lds_word(at, if ADD { old.wrapping_add(lanes) } else { old.wrapping_sub(lanes) });
    for half in 0..x.wave.halves {
        let exec = x.wave.exec(half);
        blend(&mut x.wave.vectors[usize::from(op.vdst) + half], &Lanes([old; 32]), exec);
    }
    Step::Next
}

/// `ds_read_addtid_b32` and its write: the lane's number is the index, M0 the base.
fn by_lane<const WRITE: bool>(x: &mut Exec<'_>, op: &Op) -> Step {
    let base = offset(op) + (x.wave.scalars[M0] & 0xffff) as usize;
    for half in 0..x.wave.halves {
        each_lane!(x.wave.exec(half), lane => {
            let at = base + 4 * (lane + 32 * half);
            if WRITE {
                let words = x.data::<1>(op, half, lane);
                x.write_lds(at, words);
            } else {
                let words = x.read_lds::<1>(at);
                x.put(op, half, lane, words);
            }
        });
    }
    Step::Next
}

/// Adds the DS instructions.
pub(super) fn add_to(table: &mut Table) {
    let rows: &[(&'static str, Handler)] = &[
        ("ds_read_b32", read::<1>),
        ("ds_read_b64", read::<2>),
        ("ds_read_b96", read::<3>),
        ("ds_read_b128", read::<4>),
        ("ds_write_b32", write::<1>),
        ("ds_write_b64", write::<2>),
        ("ds_write_b96", write::<3>),
        ("ds_write_b128", write::<4>),
        ("ds_read2_b32", read_two::<1, 4>),
        ("ds_read2st64_b32", read_two::<1, 256>),
        ("ds_read2_b64", read_two::<2, 8>),
        ("ds_read2st64_b64", read_two::<2, 512>),
        ("ds_write2_b32", write_two::<1, 4>),
        ("ds_write2st64_b32", write_two::<1, 256>),
        ("ds_write2_b64", write_two::<2, 8>),
        ("ds_write2st64_b64", write_two::<2, 512>),
        ("ds_wrxchg2_rtn_b32", exchange_two::<1, 4>),
        ("ds_wrxchg2st64_rtn_b32", exchange_two::<1, 256>),
        ("ds_wrxchg2_rtn_b64", exchange_two::<2, 8>),
        ("ds_wrxchg2st64_rtn_b64", exchange_two::<2, 512>),
        ("ds_read_u8", read_small::<1, false, WHOLE>),
        ("ds_read_i8", read_small::<1, true, WHOLE>),
        ("ds_read_u16", read_small::<2, false, WHOLE>),
        ("ds_read_i16", read_small::<2, true, WHOLE>),
        ("ds_read_u8_d16", read_small::<1, false, LOW>),
        ("ds_read_u8_d16_hi", read_small::<1, false, HIGH>),
        ("ds_read_i8_d16", read_small::<1, true, LOW>),
        ("ds_read_i8_d16_hi", read_small::<1, true, HIGH>),
        ("ds_read_u16_d16", read_small::<2, false, LOW>),
        ("ds_read_u16_d16_hi", read_small::<2, false, HIGH>),
        ("ds_write_b8", write_small::<1, LOW>),
        ("ds_write_b8_d16_hi", write_small::<1, HIGH>),
        ("ds_write_b16", write_small::<2, LOW>),
        ("ds_write_b16_d16_hi", write_small::<2, HIGH>),
        ("ds_atomic", atomic),
        ("ds_atomic64", atomic_wide),
        ("ds_bpermute_b32", permute_back),
        ("ds_permute_b32", permute),
        ("ds_swizzle_b32", swizzle),
        ("ds_append", count::<true>),
        ("ds_consume", count::<false>),
        ("ds_read_addtid_b32", by_lane::<false>),
        ("ds_write_addtid_b32", by_lane::<true>),
        ("ds_nop", |_, _| Step::Next),
    ];
    add(table, Number::Bits, Number::Bits, 0, rows);
}
