//! The copy engine: takes packets of words from a ring and copies.
//!
//! Source: Linux `navi10_sdma_pkt_open.h` (fields of the packets); ROCr `amd_blit_sdma.cpp` (which of them it sends).

use super::Driver;
use super::queue::{Ring, Step};
use super::record::Event;
use crate::inject::{Kind, now};
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

/// Bits of a copy's length: the engines of RDNA1 have 22, those of RDNA2 30, and from ROCr 5.5 on the runtime uses them.
/// Where it takes an RDNA1 card for another, a copy of more than 4 MiB is therefore cut short.
///
/// Source: `navi10_sdma_pkt_open.h`, `SDMA_PKT_COPY_LINEAR_COUNT_count_mask`; ROCr `GpuAgent::CreateBlitSdma`,
/// `copy_size_overrides`.
const LENGTH_OF_RDNA1: u32 = 0x003f_ffff;
const LENGTH_OF_RDNA2: u32 = 0x3fff_ffff;

/// A copy engine's queue.
#[derive(Debug)]
pub(crate) struct Sdma {
    driver: &'static Driver,
    ring: Ring,
    /// Bits of a copy's length.
    most: u32,
    dead: bool,
}

/// Why a packet ends the queue.
#[derive(Debug, PartialEq, Eq)]
enum Failure {
    /// An address that is not mapped.
    Address { va: u64, write: bool },
    /// A packet that is none, or that is not simulated.
    Packet(u32),
}

impl Sdma {
    pub(crate) fn new(driver: &'static Driver, ring: Ring) -> Self {
        let rdna2 = driver.cards()[ring.card].target.starts_with("gfx103");
        let most = if rdna2 { LENGTH_OF_RDNA2 } else { LENGTH_OF_RDNA1 };
        Self { driver, ring, most, dead: false }
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
                        let does = if write { "writing" } else { "reading" };
                        let what =
                            format!("page fault {does} {va:#x} by copy packet {:#010x}", words[0]);
                        self.driver.record.fault(&what, "SDMA", self.ring.number);
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
                let bytes = u64::from(words[1] & self.most) + 1;
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
            // Without bit 31 it waits for a register of the card, and by function 0 for no value of it: so the runtime
            // has the host's writes arrive before what follows (`SDMA_PKT_HDP_FLUSH`). Here they are there at once.
            op::POLL_REGMEM if words[0] >> 31 == 0 => match words[0] >> 28 & 7 {
                0 => 6,
                _ => return Err(Failure::Packet(words[0])),
            },
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
        if now(&self.driver.inject, &[Kind::LostCopy], "").is_some() {
            self.driver.record.fault("injected fault LostCopy", "SDMA", self.ring.number);
            return Ok(());
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::abi::{flag, queue_type};
    use crate::settings::Settings;

    /// A copy engine whose ring nobody writes to: packets are handed to it.
    fn engine(card: &str) -> Sdma {
        let settings = Settings { cards: vec![card.to_owned()], ..Settings::default() };
        let driver: &'static Driver = Box::leak(Box::new(Driver::new(&settings).unwrap()));
        let ring = Ring {
            number: 0,
            card: 0,
            queue_type: queue_type::SDMA,
            base: 0,
            bytes: 4096,
            read: 0,
            write: 0,
        };
        Sdma::new(driver, ring)
    }

    fn packet(words: &[u32]) -> [u32; LONGEST] {
        let mut packet = [0; LONGEST];
        packet[..words.len()].copy_from_slice(words);
        packet
    }

    #[test]
    fn a_flush_of_the_hosts_writes_waits_for_nothing() {
        // The words of ROCr's `hdp_flush_cmd`.
        assert_eq!(engine("rx6700xt").run(&packet(&[8, 0, 0x8000_0000, 0, 0, 0])), Ok(6));
        let equal = 8 | 3 << 28;
        let other = engine("rx6700xt").run(&packet(&[equal, 0x40, 0, 1, 1, 0]));
        assert_eq!(other, Err(Failure::Packet(equal)));
    }

    #[test]
    fn polling_memory_that_is_not_there_is_a_fault() {
        let poll = 8 | 3 << 28 | 1 << 31;
        let fault = engine("rx6700xt").run(&packet(&[poll, 0x1000, 0, 1, 1, 0]));
        assert_eq!(fault, Err(Failure::Address { va: 0x1000, write: true }));
    }

    /// Five MiB of zeros over as many bytes of 1; returns how many became 0.
    fn copied(card: &str) -> usize {
        const BYTES: u64 = 5 << 20;
        let engine = engine(card);
        let memory = &engine.driver.memory;
        for va in [0x10_0000_0000, 0x20_0000_0000] {
            let flags = flag::VRAM | flag::WRITABLE;
            let (handle, _) = memory.allocate(0, va, BYTES, flags, 0).unwrap();
            memory.set_mapped(handle, true).unwrap();
        }
        let to = memory.host(0x20_0000_0000, BYTES).unwrap();
        // SAFETY: mapped for so many bytes, and nobody else knows of them.
        let to = unsafe { std::slice::from_raw_parts_mut(to, 5 << 20) };
        to.fill(1);
        let length = u32::try_from(BYTES - 1).unwrap();
        let copy = packet(&[1, length, 0, 0, 0x10, 0, 0x20]);
        assert_eq!(engine.run(&copy), Ok(7));
        to.iter().filter(|byte| **byte == 0).count()
    }

    #[test]
    fn an_engine_of_rdna1_reads_22_bits_of_a_length() {
        assert_eq!(copied("rx6700xt"), 5 << 20);
        assert_eq!(copied("rx5600xt"), 1 << 20);
    }
}
