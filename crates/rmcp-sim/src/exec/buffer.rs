//! Buffer addressing: resource descriptors, ranges and swizzling.
//!
//! Source: "RDNA 2 ISA" (AMD), "Vector Memory Buffer Instructions": "Buffer Addressing", "Range Checking",
//! "Swizzled Buffer Addressing", "Buffer Resource Descriptor".

use super::exec_state::Exec;
use super::flat::each_lane;
use super::lower::{Table, add};
use super::op::{Handler, INDEX_ENABLED, Number, OFFSET_ENABLED, Op, Step};
use super::wave::Wave;
use std::sync::atomic::{Ordering::Acquire, fence};

/// A resource descriptor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Descriptor {
    pub(super) base: u64,
    stride: u64,
    records: u64,
    swizzled: bool,
    index_stride: u64,
    adds_lane: bool,
    /// How ranges are checked: 0 structured, by index and offset; 1 by index; 2 not; 3 raw, by bytes.
    check: u32,
}

impl Descriptor {
    /// Reads four scalar registers.
    pub(super) fn of(wave: &Wave, at: usize) -> Self {
        let word = |n: usize| wave.scalars[(at + n) & 127];
        let base = u64::from(word(0)) | u64::from(word(1) & 0xffff) << 32;
        Self {
            // 48 bits, the highest of which stands for those above.
            base: (base << 16).cast_signed().wrapping_shr(16).cast_unsigned(),
            stride: u64::from(word(1) >> 16 & 0x3fff),
            records: u64::from(word(2)),
            swizzled: word(1) >> 31 != 0,
            index_stride: 8 << (word(3) >> 21 & 3),
            adds_lane: word(3) >> 23 & 1 != 0,
            check: word(3) >> 28 & 3,
        }
    }

    /// Size in bytes, for scalar loads.
    pub(super) const fn bytes(&self) -> u64 {
        if self.stride == 0 { self.records } else { self.records * self.stride }
    }

    /// Returns the address of `bytes` bytes, `None` where they are out of range.
    fn address(&self, index: u64, offset: u64, scalar: u64, bytes: u64) -> Option<u64> {
        let structured = index >= self.records || offset + bytes > self.stride;
        let outside = match self.check {
            0 => structured,
            1 => index >= self.records,
            2 => self.records == 0,
            _ if self.swizzled && self.stride != 0 => structured,
            _ => index * self.stride + offset + bytes + scalar > self.records,
        };
        if outside {
            return None;
        }
        let within = if self.swizzled {
            // Elements have four bytes on gfx10.
            let (row, column) = (index / self.index_stride, index % self.index_stride);
            (row * self.stride + (offset & !3)) * self.index_stride + column * 4 + (offset & 3)
        } else {
            index * self.stride + offset
        };
        Some(self.base.wrapping_add(scalar).wrapping_add(within))
    }
}

/// What all lanes of an access share.
pub(super) struct Access {
    descriptor: Descriptor,
    scalar: u64,
}

impl Access {
    pub(super) fn of(x: &Exec<'_>, op: &Op) -> Self {
        Self {
            descriptor: Descriptor::of(&x.wave, usize::from(op.sdst)),
            scalar: u64::from(x.wave.scalar(&op.sources[2])),
        }
    }

    /// Returns the address of a word of a lane, `None` where it is out of range.
    #[inline(always)]
    pub(super) fn address(
        &self,
        x: &Exec<'_>,
        op: &Op,
        half: usize,
        lane: usize,
        word: usize,
        bytes: u64,
    ) -> Option<u64> {
        let mut at = usize::from(op.sources[0].at) + half;
        let mut index = 0;
        if op.flags & INDEX_ENABLED != 0 {
            index = u64::from(x.wave.vectors[at].0[lane]);
            at += x.wave.halves;
        }
        let mut offset = op.constant.cast_unsigned();
        if op.flags & OFFSET_ENABLED != 0 {
            offset = offset.wrapping_add(x.wave.vectors[at].0[lane]);
        }
        if self.descriptor.adds_lane {
            index += (lane + 32 * half) as u64;
        }
        self.descriptor.address(index, u64::from(offset) + 4 * word as u64, self.scalar, bytes)
    }
}

/// Loads words; those out of range are 0.
pub(super) fn load<const N: usize>(x: &mut Exec<'_>, op: &Op) -> Step {
    let access = Access::of(x, op);
    for half in 0..x.wave.halves {
        each_lane!(x.wave.exec(half), lane => {
            let mut words = [0; N];
            for (at, word) in words.iter_mut().enumerate() {
                let Some(va) = access.address(x, op, half, lane, at, 4) else { continue };
                let read = match x.not_global(va) {
                    Some(fault) => Err(fault),
                    None => x.memory.read_words::<1>(va),
                };
                match read {
                    Ok([value]) => *word = value,
                    Err(kind) => return x.fail(kind, (lane + 32 * half) as u32),
                }
            }
            x.put(op, half, lane, words);
        });
    }
    Step::Next
}

/// Stores words; those out of range are dropped.
pub(super) fn store<const N: usize>(x: &mut Exec<'_>, op: &Op) -> Step {
    let access = Access::of(x, op);
    for half in 0..x.wave.halves {
        each_lane!(x.wave.exec(half), lane => {
            let words = x.data::<N>(op, half, lane);
            for (at, word) in words.into_iter().enumerate() {
                let Some(va) = access.address(x, op, half, lane, at, 4) else { continue };
                let written = match x.not_global(va) {
                    Some(fault) => Err(fault),
                    None => x.memory.write_words(va, [word]),
                };
                if let Err(kind) = written {
                    return x.fail(kind, (lane + 32 * half) as u32);
                }
            }
        });
    }
    Step::Next
}

/// Adds what only buffers have.
pub(super) fn add_to(table: &mut Table) {
    // Caches are not simulated; what follows must not be read before what came first.
    let forget: Handler = |_, _| {
        fence(Acquire);
        Step::Next
    };
    let rows: &[(&'static str, Handler)] = &[("gl0_inv", forget), ("gl1_inv", forget)];
    add(table, Number::Bits, Number::Bits, 0, rows);
}
