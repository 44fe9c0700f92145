//! The packet processor of a compute queue: takes AQL packets from a ring and runs kernels.
//!
//! Source: "HSA Platform System Architecture Specification" 1.2, section 2.9 (packets); HSA runtime
//! `amd_hsa_queue.h` (`amd_queue_t`); ROCr `amd_aql_queue.cpp`, `DynamicScratchHandler` (what it does with the codes
//! that a card leaves in `queue_inactive_signal`).

use super::Driver;
use super::kernel_name::kernel_name;
use super::queue::{Control, Ring, Step};
use super::record::Event;
use super::signal::Signal;
use crate::exec::{Counters, Fault, FaultKind, Launch, Scratch, run};
use crate::inject::{Kind, now};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Bytes of a packet.
const PACKET_BYTES: u64 = 64;

/// Kinds of packets.
mod packet_type {
    pub(super) const VENDOR: u16 = 0;
    pub(super) const INVALID: u16 = 1;
    pub(super) const KERNEL_DISPATCH: u16 = 2;
    pub(super) const BARRIER_AND: u16 = 3;
    pub(super) const BARRIER_OR: u16 = 5;
}

/// Places in `amd_queue_t`, from its read index on.
mod offset {
    pub(super) const READ_INDEX: u64 = 128;
    pub(super) const TMPRING_SIZE: u64 = 140;
    pub(super) const SCRATCH_DESCRIPTOR: u64 = 144;
    pub(super) const PROPERTIES: u64 = 180;
    pub(super) const INACTIVE_SIGNAL: u64 = 192;
}

/// What a card leaves in `queue_inactive_signal`.
mod inactive {
    pub(super) const SCRATCH_WAVE64: i64 = 1;
    pub(super) const SCRATCH_WAVE32: i64 = 0x400;
    pub(super) const SCRATCH_ONCE: i64 = 512;
    pub(super) const INVALID_CODE: i64 = 8;
    pub(super) const INVALID_PACKET: i64 = 32;
    pub(super) const MEMORY_VIOLATION: i64 = 0x2000_0000;
    pub(super) const ILLEGAL_INSTRUCTION: i64 = 0x4000_0000;
    pub(super) const TRAP: i64 = 0x8000_0000;
}

/// `AMD_QUEUE_PROPERTIES_USE_SCRATCH_ONCE`.
const USE_SCRATCH_ONCE: u32 = 1 << 4;

/// How long a card is left alone before the driver resets it. Real drivers take seconds; what matters is that a
/// program sees the reset.
const RESET_AFTER: Duration = Duration::from_millis(200);

/// A compute queue.
#[derive(Debug)]
pub(crate) struct Aql {
    driver: &'static Driver,
    ring: Ring,
    /// Address of the runtime's `amd_queue_t`.
    queue: u64,
    dead: bool,
    names: HashMap<u64, Arc<str>>,
}

/// A packet that starts a kernel.
#[derive(Debug, Clone, Copy)]
struct Dispatch {
    grid: [u32; 3],
    workgroup: [u32; 3],
    private_segment_bytes: u32,
    group_segment_bytes: u32,
    kernel_object: u64,
    kernarg: u64,
}

impl Aql {
    pub(crate) fn new(driver: &'static Driver, ring: Ring) -> Self {
        let queue = ring.read - offset::READ_INDEX;
        Self { driver, ring, queue, dead: false, names: HashMap::new() }
    }

    /// Takes one packet.
    pub(crate) fn step(&mut self, control: &Control) -> Step {
        if self.dead {
            return Step::Dead;
        }
        let index = self.ring.read_index().load(Ordering::Acquire);
        if index >= self.ring.write_index().load(Ordering::Acquire) {
            return Step::Nothing;
        }
        let place = self.ring.base + index % (self.ring.bytes / PACKET_BYTES) * PACKET_BYTES;
        let Some(packet) = self.driver.memory.host(place, PACKET_BYTES) else {
            self.fail(inactive::INVALID_PACKET);
            return Step::Dead;
        };
        // SAFETY: mapped and, as the ring, aligned.
        let header = unsafe { AtomicU16::from_ptr(packet.cast()) };
        let word = |at: usize| {
            // SAFETY: within the packet, whose header was read with acquire order.
            u32::from_le_bytes(unsafe { packet.add(at).cast::<[u8; 4]>().read() })
        };
        let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        let kind = header.load(Ordering::Acquire) & 0xff;
        let start = super::gpu_clock();
        let mut tell = true;
        match kind {
            packet_type::INVALID => return Step::Nothing,
            packet_type::KERNEL_DISPATCH => {
                let half = |at: usize| word(at & !3) >> (8 * (at & 2)) & 0xffff;
                let dispatch = Dispatch {
                    grid: [word(12), word(16), word(20)],
                    workgroup: [half(4), half(6), half(8)],
                    private_segment_bytes: word(24),
                    group_segment_bytes: word(28),
                    kernel_object: long(32),
                    kernarg: long(40),
                };
                match self.dispatch(&dispatch, place, index, control) {
                    Some(told) => tell = told,
                    None => {
                        self.dead = true;
                        return Step::Dead;
                    }
                }
            }
            packet_type::BARRIER_AND | packet_type::BARRIER_OR => {
                let zero = |at: usize| {
                    let handle = long(8 + 8 * at);
                    (handle != 0).then(|| self.signal(handle).is_none_or(|s| s.load() == 0))
                };
                let mut waited = (0..5).filter_map(zero).peekable();
                let open = waited.peek().is_none()
                    || if kind == packet_type::BARRIER_AND {
                        waited.all(|zero| zero)
                    } else {
                        waited.any(|zero| zero)
                    };
                if !open {
                    return Step::Nothing;
                }
            }
            packet_type::VENDOR if word(0) >> 16 & 0xff == 2 => {
                // Waits for a value under a mask. Source: ROCr `hsa_ext_amd.h`, `hsa_amd_barrier_value_packet_t`.
                let (value, mask) = (long(16).cast_signed(), long(24).cast_signed());
                let holds = self.signal(long(8)).is_none_or(|signal| {
                    let found = signal.load() & mask;
                    match word(32) {
                        0 => found == value,
                        1 => found != value,
                        2 => found < value,
                        _ => found >= value,
                    }
                });
                if !holds {
                    return Step::Nothing;
                }
            }
            // The runtime's own commands for caches and profiling: there is nothing that they would change here.
            packet_type::VENDOR => {}
            _ => {
                self.fail(inactive::INVALID_PACKET);
                return Step::Dead;
            }
        }
        let completion = long(56);
        header.store(packet_type::INVALID, Ordering::Release);
        self.ring.read_index().store(index + 1, Ordering::Release);
        if let Some(signal) = self.signal(completion) {
            signal.complete(self.driver, (start, super::gpu_clock()), tell);
        }
        Step::Done
    }

    fn signal(&self, handle: u64) -> Option<Signal> {
        Signal::of(self.driver, handle)
    }

    /// A word of `amd_queue_t`.
    fn queue_word(&self, at: u64) -> u32 {
        // SAFETY: the runtime keeps its queue, of which the read index is a part, until it destroys it.
        unsafe { AtomicU32::from_ptr((self.queue + at) as *mut u32) }.load(Ordering::Acquire)
    }

    fn inactive_signal(&self) -> Option<Signal> {
        let low = u64::from(self.queue_word(offset::INACTIVE_SIGNAL));
        let high = u64::from(self.queue_word(offset::INACTIVE_SIGNAL + 4));
        self.signal(low | high << 32)
    }

    /// Stops the queue with a code that tells the runtime why.
    fn fail(&mut self, code: i64) {
        self.dead = true;
        if let Some(signal) = self.inactive_signal() {
            signal.store(self.driver, code);
        }
    }

    /// Asks the runtime for something, and waits until it is done: the signal is 0 again.
    fn ask(&self, code: i64, control: &Control) -> bool {
        let Some(signal) = self.inactive_signal() else { return false };
        signal.store(self.driver, code);
        while !control.stop.load(Ordering::Acquire) {
            match signal.load() {
                0 => return true,
                value if value == code => std::thread::sleep(Duration::from_micros(50)),
                // The runtime could not help.
                _ => return false,
            }
        }
        false
    }

    /// Runs a kernel. Returns whether its end is to be told, `None` where the queue has failed.
    fn dispatch(
        &mut self,
        dispatch: &Dispatch,
        packet: u64,
        index: u64,
        control: &Control,
    ) -> Option<bool> {
        let driver = self.driver;
        let name = self.name(dispatch.kernel_object);
        let mut tell = true;
        let kinds = [
            Kind::Aperture,
            Kind::Illegal,
            Kind::Trap,
            Kind::PageFault,
            Kind::Ecc,
            Kind::Hang,
            Kind::Reset,
            Kind::LostInterrupt,
        ];
        match now(&driver.inject, &kinds, &name) {
            Some(Kind::LostInterrupt) => tell = false,
            Some(kind) => {
                self.inject(kind, &name, control);
                return None;
            }
            None => {}
        }
        let scratch = self.scratch(dispatch, control)?;
        let strict = driver.hazards.as_ref().map(|hazards| hazards.start(self.ring.number, index));
        let launch = Launch {
            grid: dispatch.grid,
            workgroup: dispatch.workgroup,
            kernel_object: dispatch.kernel_object,
            kernarg: dispatch.kernarg,
            group_segment_bytes: dispatch.group_segment_bytes,
            private_segment_bytes: dispatch.private_segment_bytes,
            dispatch_ptr: packet,
            queue_ptr: self.queue,
            dispatch_id: index,
            scratch,
            stop: Some(&control.stop),
            strict: strict.as_ref(),
        };
        let started = Instant::now();
        let result = run(&driver.device(self.ring.card), driver, &launch);
        let counters = *result.as_ref().unwrap_or(&Counters::default());
        driver.record.count(&counters);
        driver.record.trace(&Event::Dispatch {
            kernel: &name,
            queue: self.ring.number,
            grid: dispatch.grid,
            workgroup: dispatch.workgroup,
            group_segment_bytes: dispatch.group_segment_bytes,
            private_segment_bytes: dispatch.private_segment_bytes,
            wave_instructions: counters.wave_instructions,
            waves: counters.waves,
            nanoseconds: u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX),
        });
        if let (Some(hazards), Some(strict)) = (&driver.hazards, &strict) {
            let entry = self.entry(dispatch.kernel_object);
            hazards.add(&name, entry, &strict.hazards(), &driver.record);
        }
        if let Err(fault) = result {
            self.fault(&fault, &name);
            return None;
        }
        if self.queue_word(offset::PROPERTIES) & USE_SCRATCH_ONCE != 0
            && !self.ask(inactive::SCRATCH_ONCE, control)
        {
            return None;
        }
        Some(tell)
    }

    fn name(&mut self, kernel_object: u64) -> Arc<str> {
        let memory = &self.driver.memory;
        let name = self.names.entry(kernel_object).or_insert_with(|| {
            let unnamed = || format!("(without a name, at {kernel_object:#x})");
            kernel_name(memory, kernel_object).unwrap_or_else(unnamed).into()
        });
        name.clone()
    }

    /// The address of a kernel's first instruction.
    fn entry(&self, kernel_object: u64) -> u64 {
        // Source: LLVM `AMDGPUUsage.rst`, kernel descriptor, `KERNEL_CODE_ENTRY_BYTE_OFFSET`.
        let offset = self
            .driver
            .memory
            .host(kernel_object.wrapping_add(16), 8)
            // SAFETY: mapped.
            .map_or(0, |host| unsafe { host.cast::<i64>().read_unaligned() });
        kernel_object.wrapping_add_signed(offset)
    }

    /// Makes sure that there is enough private memory for a kernel.
    fn scratch(&mut self, dispatch: &Dispatch, control: &Control) -> Option<Scratch> {
        if dispatch.private_segment_bytes == 0 {
            return Some(Scratch::default());
        }
        // Bit 10 of the properties says that wavefronts have 32 lanes. Source: LLVM `AMDGPUUsage.rst`.
        let wave32 = self
            .driver
            .memory
            .host(dispatch.kernel_object.wrapping_add(56), 2)
            // SAFETY: mapped.
            .is_none_or(|host| unsafe { host.cast::<u16>().read_unaligned() } >> 10 & 1 != 0);
        let (lanes, code) = match wave32 {
            true => (32, inactive::SCRATCH_WAVE32),
            false => (64, inactive::SCRATCH_WAVE64),
        };
        let needed = (u64::from(dispatch.private_segment_bytes) * lanes).next_multiple_of(1024);
        for _ in 0..2 {
            // `COMPUTE_TMPRING_SIZE`: wavefronts in bits 0 to 11, KiB of each in bits 12 to 24.
            let ring = self.queue_word(offset::TMPRING_SIZE);
            let (slots, slot_bytes) = (ring & 0xfff, u64::from(ring >> 12 & 0x1fff) * 1024);
            if slots > 0 && slot_bytes >= needed {
                let words =
                    [0, 4, 8, 12].map(|at| self.queue_word(offset::SCRATCH_DESCRIPTOR + at));
                let base = u64::from(words[0]) | u64::from(words[1] & 0xffff) << 32;
                return Some(Scratch { base, slot_bytes, slots, descriptor: words });
            }
            if !self.ask(code, control) {
                return None;
            }
        }
        None
    }

    /// Tells the program of a kernel's fault as the hardware and the driver do.
    fn fault(&mut self, fault: &Fault, name: &str) {
        if fault.kind == FaultKind::Cancelled {
            return;
        }
        self.driver.record.fault(&fault.to_string(), name, self.ring.number);
        // Once the runtime is told, the program may end at any moment.
        self.driver.say_hazards();
        match fault.kind {
            FaultKind::PageFault { va, write } => {
                self.driver.page_fault(self.ring, va, write, name);
            }
            FaultKind::ReadOnly { va } => self.driver.read_only_fault(self.ring, va, name),
            FaultKind::Aperture { .. } | FaultKind::Misaligned { .. } => {
                self.fail(inactive::MEMORY_VIOLATION);
            }
            FaultKind::Illegal => self.fail(inactive::ILLEGAL_INSTRUCTION),
            FaultKind::Trap(_) | FaultKind::Halted => self.fail(inactive::TRAP),
            FaultKind::Dispatch => self.fail(inactive::INVALID_CODE),
            FaultKind::Unimplemented => {
                eprintln!(
                    "rmcp sim: this is a gap of the simulator, not an error of the program: `{}` is not simulated. The program ends here.",
                    fault.text
                );
                std::process::abort();
            }
            FaultKind::Cancelled => {}
        }
    }

    /// Makes a fault happen that was asked for.
    fn inject(&mut self, kind: Kind, name: &str, control: &Control) {
        let driver = self.driver;
        driver.record.fault(&format!("injected fault {kind:?}"), name, self.ring.number);
        /// An address that no program has.
        const NOWHERE: u64 = 0x7f00_dead_1000;
        match kind {
            Kind::Aperture => self.fail(inactive::MEMORY_VIOLATION),
            Kind::Illegal => self.fail(inactive::ILLEGAL_INSTRUCTION),
            Kind::Trap => self.fail(inactive::TRAP),
            Kind::PageFault => driver.page_fault(self.ring, NOWHERE, true, name),
            Kind::Ecc => driver.memory_error(self.ring, NOWHERE),
            Kind::Reset => {
                let end = Instant::now() + RESET_AFTER;
                while Instant::now() < end && !control.stop.load(Ordering::Acquire) {
                    std::thread::sleep(Duration::from_millis(5));
                }
                driver.reset(self.ring);
            }
            // The queue takes nothing more, and nobody is told.
            _ => {}
        }
    }
}
