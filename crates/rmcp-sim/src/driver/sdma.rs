//! The copy engine: takes packets of words from a ring and copies.
//!
//! Source: Linux `navi10_sdma_pkt_open.h` (fields of the packets); ROCr `amd_blit_sdma.cpp` (which of them it sends).

use super::Driver;
use super::queue::{Ring, Step};
use super::record::Event;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Operations of a packet's first byte.
mod op {
    pub(super) const NOP: u32 = 0;
    pub(super) const COPY: u32 = 1;
    pub(super) const FENCE: u32 = 5;
    pub(super) const TRAP: u32 = 6;
    pub(super) const POLL_REGMEM: u32 = 8;
    pub(super) const ATOMIC: u32 = 10;
    pub(super) const CONST_FILL: u32 = 11;
    pub(super) const TIMESTAMP: u32 = 13;
    pub(super) const GCR: u32 = 17;
}

/// Words of the longest packet that is read.
const LONGEST: usize = 15;

/// A copy engine's queue.
#[derive(Debug)]
pub(crate) struct Sdma {
    driver: &'static Driver,
    ring: Ring,
    dead: bool,
}

/// Why a packet ends the queue.
enum Failure {
    /// An address that is not mapped.
    Address { va: u64, write: bool },
    /// A packet that is none, or that is not simulated.
    Packet(u32),
}

impl Sdma {
    pub(crate) fn new(driver: &'static Driver, ring: Ring) -> Self {
        Self { driver, ring, dead: false }
    }

    /// Takes one packet.
    pub(crate) fn step(&mut self) -> Step {
        if self.dead {
            return Step::Dead;
        }
        let read = self.ring.read_index().load(Ordering::Acquire);
        if read >= self.ring.write_index().load(Ordering::Acquire) {
            return Step::Nothing;
        }
        let words = self.packet(read);
        match self.run(&words) {
            Ok(0) => Step::Nothing,
            Ok(length) => {
                self.ring.read_index().store(read + 4 * length, Ordering::Release);
                Step::Done
            }
            Err(failure) => {
                self.dead = true;
                match failure {
                    Failure::Address { va, write } => {
                        self.driver.page_fault(self.ring, va, write, "SDMA");
                    }
                    Failure::Packet(word) => {
                        let what = format!("copy packet {word:#010x} that is not simulated");
                        self.driver.record.fault(&what, "SDMA", self.ring.number);
                    }
                }
                Step::Dead
            }
        }
    }

    /// Reads the words from an index on, around the end of the ring.
    fn packet(&self, read: u64) -> [u32; LONGEST] {
        let mut words = [0; LONGEST];
        for (word, at) in words.iter_mut().zip(0_u64..) {
            let place = (read + 4 * at) % self.ring.bytes;
            if let Some(host) = self.driver.memory.host(self.ring.base + place, 4) {
                // SAFETY: mapped, and rings are aligned.
                *word = unsafe { AtomicU32::from_ptr(host.cast()) }.load(Ordering::Relaxed);
            }
        }
        words
    }

    fn at(&self, va: u64, bytes: u64, write: bool) -> Result<*mut u8, Failure> {
        self.driver.memory.host(va, bytes).ok_or(Failure::Address { va, write })
    }

    fn word32(&self, va: u64) -> Result<&AtomicU32, Failure> {
        let host = self.at(va & !3, 4, true)?;
        // SAFETY: mapped and aligned.
        Ok(unsafe { AtomicU32::from_ptr(host.cast()) })
    }

    fn word64(&self, va: u64) -> Result<&AtomicU64, Failure> {
        let host = self.at(va & !7, 8, true)?;
        // SAFETY: mapped and aligned.
        Ok(unsafe { AtomicU64::from_ptr(host.cast()) })
    }

    /// Carries a packet out and returns its length in words, 0 where it waits.
    fn run(&self, words: &[u32; LONGEST]) -> Result<u64, Failure> {
        let address = |at: usize| u64::from(words[at]) | u64::from(words[at + 1]) << 32;
        let sub = words[0] >> 8 & 0xff;
        Ok(match words[0] & 0xff {
            op::NOP => 1 + u64::from(words[0] >> 16 & 0x3fff),
            op::COPY if sub == 0 => {
                // 22 bits on RDNA1; ROCr never asks for more at once.
                let bytes = u64::from(words[1] & 0x3f_ffff) + 1;
                self.copy(address(5), address(3), bytes)?;
                7
            }
            op::COPY if sub == 4 => {
                self.copy_rectangle(words)?;
                13
            }
            op::FENCE => {
                self.word32(address(1))?.store(words[3], Ordering::Release);
                4
            }
            op::TRAP => {
                self.driver.events.set(words[1] & 0x0fff_ffff);
                2
            }
            op::POLL_REGMEM => {
                let value = self.word32(address(1))?.load(Ordering::Acquire) & words[4];
                let holds = match words[0] >> 28 & 7 {
                    0 => true,
                    1 => value < words[3],
                    2 => value <= words[3],
                    3 => value == words[3],
                    4 => value != words[3],
                    5 => value >= words[3],
                    _ => value > words[3],
                };
                if holds { 6 } else { 0 }
            }
            op::ATOMIC => {
                // The only one that ROCr sends adds 64 bits (47).
                self.word64(address(1))?.fetch_add(address(3), Ordering::AcqRel);
                8
            }
            op::CONST_FILL => {
                let bytes = u64::from(words[4] & 0x3f_ffff) + 1;
                let host = self.at(address(1), bytes, true)?;
                for at in (0..bytes & !3).step_by(4) {
                    // SAFETY: within what is mapped; a program that looks at the same time sees either word.
                    unsafe { host.add(at as usize).cast::<u32>().write_unaligned(words[3]) };
                }
                5
            }
            op::TIMESTAMP => {
                self.word64(address(1))?.store(super::gpu_clock(), Ordering::Release);
                3
            }
            op::GCR => 5,
            _ => return Err(Failure::Packet(words[0])),
        })
    }

    fn copy(&self, to: u64, from: u64, bytes: u64) -> Result<(), Failure> {
        let mut done = 0;
        while done < bytes {
            // Several allocations may lie side by side.
            let (to, from) = (to + done, from + done);
            let part = self.reach(to).min(self.reach(from)).min(bytes - done).max(1);
            let (target, source) = (self.at(to, part, true)?, self.at(from, part, false)?);
            // SAFETY: both are mapped for so many bytes; they may overlap, and a program that writes to the source
            // at the same time gets what it would from a card.
            unsafe { std::ptr::copy(source, target, part as usize) };
            done += part;
        }
        self.driver.record.trace(&Event::Copy { to, from, bytes });
        Ok(())
    }

    /// Bytes from an address to the end of its allocation.
    fn reach(&self, va: u64) -> u64 {
        use crate::exec::Memory;
        self.driver.memory.range(va).map_or(0, |range| range.end - va)
    }

    /// Copies a box between two pictures without tiles (`COPY_LINEAR_SUB_WINDOW`): addresses, places in them, pitches
    /// in elements, and the size of the box; the element is a power of two of bytes.
    fn copy_rectangle(&self, words: &[u32; LONGEST]) -> Result<(), Failure> {
        let element = 1_u64 << (words[0] >> 29);
        let side = |at: usize| {
            let address = u64::from(words[at]) | u64::from(words[at + 1]) << 32;
            let (x, y) =
                (u64::from(words[at + 2] & 0x3fff), u64::from(words[at + 2] >> 16 & 0x3fff));
            let z = u64::from(words[at + 3] & 0x7ff);
            let pitch = u64::from(words[at + 3] >> 13) + 1;
            let slice = u64::from(words[at + 4] & 0x0fff_ffff) + 1;
            (address + element * (x + pitch * y + slice * z), pitch, slice)
        };
        let (from, from_pitch, from_slice) = side(1);
        let (to, to_pitch, to_slice) = side(6);
        let width = u64::from(words[11] & 0x3fff) + 1;
        let height = u64::from(words[11] >> 16 & 0x3fff) + 1;
        let depth = u64::from(words[12] & 0x7ff) + 1;
        for (slice, row) in (0..depth).flat_map(|slice| (0..height).map(move |row| (slice, row))) {
            let to = to + element * (to_pitch * row + to_slice * slice);
            let from = from + element * (from_pitch * row + from_slice * slice);
            self.copy(to, from, element * width)?;
        }
        Ok(())
    }
}
