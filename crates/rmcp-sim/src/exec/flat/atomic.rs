//! Atomics of memory, LDS and private memory by address. Those of memory are the processor's own, as the program on
//! the host may wait for them.

use super::super::atomic::Combine;
use super::super::buffer;
use super::super::exec_state::Exec;
use super::super::fault::FaultKind;
use super::super::op::{Op, RETURNS, Space, Step};
use super::super::wave::Wide;
use super::{Place, each_lane};
use std::sync::atomic::Ordering::SeqCst;

impl Exec<'_> {
    /// The address of an atomic of a lane: `None` where a buffer leaves it out.
    fn atomic_address(
        &self,
        op: &Op,
        half: usize,
        lane: usize,
        bytes: u64,
        flat: &Wide,
        buffer: Option<&buffer::Access>,
    ) -> Option<u64> {
        match buffer {
            Some(access) => access.address(self, op, half, lane, 0, bytes),
            None => Some(flat[lane]),
        }
    }

    fn atomic32(
        &mut self,
        va: u64,
        lane: usize,
        combine: impl Fn(u32) -> u32,
    ) -> Result<u32, FaultKind> {
        match self.place(va, 4)? {
            Place::Lds(_) | Place::Private(_) if va & 3 != 0 => Err(FaultKind::Misaligned { va }),
            Place::Lds(at) => {
                let old = self.lds_word(at);
                self.set_lds_word(at, combine(old));
                Ok(old)
            }
            place => {
                let va = match place {
                    Place::Private(offset) => self.private_byte(offset, lane),
                    _ => va,
                };
                let memory = self.memory.atomic32(va)?;
                let old = memory.fetch_update(SeqCst, SeqCst, |old| Some(combine(old)));
                Ok(old.unwrap_or_else(|old| old))
            }
        }
    }

    fn atomic64(
        &mut self,
        va: u64,
        lane: usize,
        combine: impl Fn(u64) -> u64,
    ) -> Result<u64, FaultKind> {
        match self.place(va, 8)? {
            Place::Lds(_) if va & 7 != 0 => Err(FaultKind::Misaligned { va }),
            Place::Lds(at) => {
                let low = u64::from(self.lds_word(at));
                let old = low | u64::from(self.lds_word(at + 4)) << 32;
                let new = combine(old);
                self.set_lds_word(at, new as u32);
                self.set_lds_word(at + 4, (new >> 32) as u32);
                Ok(old)
            }
            // Nobody else sees private memory: the two dwords, which lie apart, need not change as one.
            Place::Private(offset) => {
                let low = u64::from(self.read_private(offset, 4, lane)?);
                let old = low | u64::from(self.read_private(offset + 4, 4, lane)?) << 32;
                let new = combine(old);
                self.write_private(offset, 4, lane, new as u32)?;
                self.write_private(offset + 4, 4, lane, (new >> 32) as u32)?;
                Ok(old)
            }
            Place::Global => {
                let memory = self.memory.atomic64(va)?;
                let old = memory.fetch_update(SeqCst, SeqCst, |old| Some(combine(old)));
                Ok(old.unwrap_or_else(|old| old))
            }
        }
    }
}

pub(super) fn words(x: &mut Exec<'_>, op: &Op) -> Step {
    let Combine::Word(combine, _) = op.combine else { return x.stop(FaultKind::Unimplemented) };
    let buffer = (op.space == Space::Buffer).then(|| buffer::Access::of(x, op));
    for half in 0..x.wave.halves {
        let flat = if buffer.is_some() { [0; 32] } else { x.addresses(op, half) };
        each_lane!(x.wave.exec(half), lane => {
            let [data] = x.data::<1>(op, half, lane);
            let with = if op.combine.compares() { x.data::<2>(op, half, lane)[1] } else { 0 };
            let old = match x.atomic_address(op, half, lane, 4, &flat, buffer.as_ref()) {
                None => Ok(0),
                Some(va) => x.atomic32(va, lane + 32 * half, |old| combine(old, data, with)),
            };
            match old {
                Ok(old) if op.flags & RETURNS != 0 => x.put(op, half, lane, [old]),
                Ok(_) => {}
                Err(kind) => return x.fail(kind, (lane + 32 * half) as u32),
            }
        });
    }
    Step::Next
}

pub(super) fn wide(x: &mut Exec<'_>, op: &Op) -> Step {
    let Combine::Wide(combine, _) = op.combine else { return x.stop(FaultKind::Unimplemented) };
    let buffer = (op.space == Space::Buffer).then(|| buffer::Access::of(x, op));
    for half in 0..x.wave.halves {
        let flat = if buffer.is_some() { [0; 32] } else { x.addresses(op, half) };
        each_lane!(x.wave.exec(half), lane => {
            let [low, high] = x.data::<2>(op, half, lane);
            let data = u64::from(low) | u64::from(high) << 32;
            let with = if op.combine.compares() {
                let [_, _, low, high] = x.data::<4>(op, half, lane);
                u64::from(low) | u64::from(high) << 32
            } else {
                0
            };
            let old = match x.atomic_address(op, half, lane, 8, &flat, buffer.as_ref()) {
                None => Ok(0),
                Some(va) => x.atomic64(va, lane + 32 * half, |old| combine(old, data, with)),
            };
            match old {
                Ok(old) if op.flags & RETURNS != 0 => {
                    x.put(op, half, lane, [old as u32, (old >> 32) as u32]);
                }
                Ok(_) => {}
                Err(kind) => return x.fail(kind, (lane + 32 * half) as u32),
            }
        });
    }
    Step::Next
}
