//! Work-groups over threads, wavefronts of a work-group in turn, and the state in which each begins.
//!
//! A worker takes work-groups in their order and runs the wavefronts of each for a slice of instructions. Where
//! none of its work-groups gets done for a while it takes another one beside them, so that a work-group may wait
//! for any other.

use super::code::Code;
use super::device::Device;
use super::exec_state::Exec;
use super::fault::{Fault, FaultKind};
use super::launch::Launch;
use super::memory::{Memory, Translation};
use super::mode::Mode;
use super::op::Step;
use super::strict::{self, Watch};
use super::wave::{EXEC, Lanes, Wave, ZERO};
use rmcp_code::KernelDescriptor;
use rmcp_code::isa::{Isa, Wave as Size};
use rmcp_code::rules::{Path, PathReader};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Instructions that a wavefront runs before others have their turn.
pub(super) const SLICE: u64 = 20_000;
/// Turns without progress after which a worker takes another work-group.
const PATIENCE: u32 = 4;
/// Work-groups that a worker runs side by side at most.
const RESIDENT: usize = 64;

/// The most LDS that a work-group can have.
///
/// Source: "RDNA 2 ISA" (AMD), "Local Data Share": 64 KiB for a work-group, of the 128 of a work-group processor.
const LDS_BYTES: u32 = 0x1_0000;

/// What LDS is given out in. A work-group that reads behind what it asked for, as kernels of MIOpen do, finds its own
/// memory up to the next such boundary.
///
/// Source: LLVM `AMDGPUUsage.rst`, `GRANULATED_LDS_SIZE`: 128 words.
const LDS_GRANULE: u32 = 512;

/// What a dispatch did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Instructions, each counted once for a wavefront.
    pub wave_instructions: u64,
    /// Wavefronts.
    pub waves: u64,
    /// Work-groups.
    pub workgroups: u64,
    /// Accesses of DS instructions outside the work-group's LDS, which the hardware drops.
    pub lds_out_of_range: u64,
}

/// What the workers share.
struct Shared {
    next: u64,
    free_slots: Vec<u32>,
    fault: Option<Fault>,
    counters: Counters,
}

/// One dispatch under way.
struct Dispatch<'m> {
    device: &'m Device,
    memory: &'m dyn Memory,
    launch: &'m Launch<'m>,
    descriptor: KernelDescriptor,
    groups: [u64; 3],
    stop: AtomicBool,
    shared: Mutex<Shared>,
}

/// A work-group under way.
struct Group {
    #[expect(clippy::vec_box, reason = "the one whose turn it is changes places by its pointer")]
    waves: Vec<Box<Wave>>,
    lds: Vec<u8>,
    slots: Vec<u32>,
}

/// Runs a dispatch to its end.
///
/// # Errors
/// The first [`Fault`] of any wavefront; the other wavefronts stop soon after.
pub fn run(device: &Device, memory: &dyn Memory, launch: &Launch<'_>) -> Result<Counters, Fault> {
    let dispatch = Dispatch::new(device, memory, launch)?;
    let total = dispatch.groups.iter().product::<u64>();
    let threads = (device.threads.max(1) as u64).min(total.max(1));
    if threads == 1 {
        dispatch.work();
    } else {
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| dispatch.work());
            }
        });
    }
    let shared = dispatch.shared.into_inner().unwrap_or_else(PoisonError::into_inner);
    match shared.fault {
        Some(fault) => Err(fault),
        None => Ok(shared.counters),
    }
}

fn bad_dispatch(kind: FaultKind, text: &str) -> Fault {
    Fault { kind, pc: 0, group: [0; 3], wave: 0, lane: None, text: text.to_owned() }
}

impl<'m> Dispatch<'m> {
    fn new(
        device: &'m Device,
        memory: &'m dyn Memory,
        launch: &'m Launch<'m>,
    ) -> Result<Self, Fault> {
        let words = Translation::new(memory)
            .read_words::<16>(launch.kernel_object)
            .map_err(|kind| bad_dispatch(kind, "kernel descriptor"))?;
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let descriptor = KernelDescriptor::parse(&bytes)
            .ok_or_else(|| bad_dispatch(FaultKind::Dispatch, "kernel descriptor"))?;
        if launch.workgroup.contains(&0)
            || launch.workgroup.iter().map(|&n| u64::from(n)).product::<u64>() > 1024
        {
            return Err(bad_dispatch(FaultKind::Dispatch, "size of a work-group"));
        }
        if launch.group_segment_bytes.max(descriptor.group_segment_bytes) > LDS_BYTES {
            return Err(bad_dispatch(FaultKind::Dispatch, "LDS of a work-group"));
        }
        if !Mode::of_resources(descriptor.resources1).rounds_to_nearest() {
            return Err(bad_dispatch(FaultKind::Unimplemented, "rounding mode"));
        }
        let mut groups = [0; 3];
        for (groups, (&grid, &size)) in
            groups.iter_mut().zip(launch.grid.iter().zip(&launch.workgroup))
        {
            *groups = u64::from(grid.div_ceil(size));
        }
        let free_slots = (0..launch.scratch.slots).rev().collect();
        let shared = Shared { next: 0, free_slots, fault: None, counters: Counters::default() };
        Ok(Self {
            device,
            memory,
            launch,
            descriptor,
            groups,
            stop: AtomicBool::new(false),
            shared: Mutex::new(shared),
        })
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    const fn halves(&self) -> usize {
        match self.descriptor.wave() {
            Size::Wave32 => 1,
            Size::Wave64 => 2,
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Relaxed) || self.launch.stop.is_some_and(|stop| stop.load(Relaxed))
    }

    fn work(&self) {
        let mut exec = Exec {
            wave: Box::new(self.blank(0)),
            lds: Vec::new(),
            memory: Translation::new(self.memory),
            device: self.device,
            launch: self.launch,
            counters: Counters::default(),
            fault: None,
        };
        let registers = self.descriptor.vector_registers();
        let (target, size) = (self.device.target, self.descriptor.wave());
        let strict = self.launch.strict.and_then(|strict| {
            let reader = PathReader::new(target, size, self.descriptor.is_wgp_mode())?;
            Some((reader, Watch::new(strict)))
        });
        let (reader, mut watch) = strict.unzip();
        let mut code = Code::new(Isa::of(target), size, registers, reader);
        let mut residents: Vec<Group> = Vec::new();
        let mut patience = 0;
        loop {
            if residents.is_empty() || (patience >= PATIENCE && residents.len() < RESIDENT) {
                patience = 0;
                match self.admit(&mut exec) {
                    Admission::Group(group) => residents.push(group),
                    Admission::Later if residents.is_empty() => std::thread::yield_now(),
                    Admission::Nothing if residents.is_empty() => break,
                    _ => {}
                }
            }
            let before = residents.len();
            let mut at = 0;
            while at < residents.len() {
                match self.turn(&mut code, &mut exec, watch.as_mut(), &mut residents[at]) {
                    Ok(true) => {
                        let group = residents.swap_remove(at);
                        self.shared().free_slots.extend(group.slots);
                    }
                    Ok(false) => at += 1,
                    Err(fault) => {
                        self.stop.store(true, Relaxed);
                        self.shared().fault.get_or_insert(fault);
                        break;
                    }
                }
            }
            patience = if residents.len() == before { patience + 1 } else { 0 };
            if self.is_stopped() {
                let cancelled = bad_dispatch(FaultKind::Cancelled, "stopped by the caller");
                self.shared().fault.get_or_insert(cancelled);
                break;
            }
        }
        if let Some(watch) = watch {
            watch.tell(|pc| code.text(pc, &mut exec));
        }
        let mut shared = self.shared();
        shared.counters.wave_instructions += exec.counters.wave_instructions;
        shared.counters.waves += exec.counters.waves;
        shared.counters.workgroups += exec.counters.workgroups;
        shared.counters.lds_out_of_range += exec.counters.lds_out_of_range;
    }

    /// Gives each wavefront of a work-group a slice, and returns whether all are done.
    fn turn(
        &self,
        code: &mut Code,
        exec: &mut Exec<'m>,
        mut watch: Option<&mut Watch<'_>>,
        group: &mut Group,
    ) -> Result<bool, Fault> {
        std::mem::swap(&mut exec.lds, &mut group.lds);
        let mut all_done = true;
        for wave in &mut group.waves {
            if wave.done || wave.waits {
                all_done &= wave.done;
                continue;
            }
            std::mem::swap(&mut exec.wave, wave);
            let result = match &mut watch {
                None => slice(code, exec),
                Some(watch) => strict::slice(code, exec, watch),
            };
            std::mem::swap(&mut exec.wave, wave);
            if let Err((kind, lane, pc)) = result {
                let text = code.text(pc, exec);
                let (group, wave) = (wave.group, wave.number);
                return Err(Fault { kind, pc, group, wave, lane, text });
            }
            all_done &= wave.done;
        }
        if group.waves.iter().all(|wave| wave.done || wave.waits) {
            group.waves.iter_mut().for_each(|wave| wave.waits = false);
        }
        std::mem::swap(&mut exec.lds, &mut group.lds);
        Ok(all_done)
    }

    /// Takes the next work-group.
    fn admit(&self, exec: &mut Exec<'_>) -> Admission {
        let number;
        let mut slots = Vec::new();
        let total = self.groups.iter().product::<u64>();
        let uses_scratch = self.launch.scratch.slots > 0;
        {
            let mut shared = self.shared();
            if shared.next >= total || self.is_stopped() {
                return Admission::Nothing;
            }
            let waves = self.waves_of(self.coordinates(shared.next));
            if uses_scratch {
                if waves > self.launch.scratch.slots as usize {
                    let text = "too few slots of private memory";
                    shared.fault.get_or_insert(bad_dispatch(FaultKind::Dispatch, text));
                    self.stop.store(true, Relaxed);
                    return Admission::Nothing;
                }
                let Some(rest) = shared.free_slots.len().checked_sub(waves) else {
                    return Admission::Later;
                };
                slots = shared.free_slots.split_off(rest);
            }
            number = shared.next;
            shared.next += 1;
        }
        let coordinates = self.coordinates(number);
        let count = self.waves_of(coordinates);
        let waves = (0..count)
            .map(|wave| {
                let slot = slots.get(wave).copied().unwrap_or(0);
                Box::new(self.start(coordinates, wave as u32, slot))
            })
            .collect();
        exec.counters.workgroups += 1;
        exec.counters.waves += count as u64;
        let lds = self.launch.group_segment_bytes.max(self.descriptor.group_segment_bytes);
        let lds = vec![0; lds.next_multiple_of(LDS_GRANULE) as usize];
        Admission::Group(Group { waves, lds, slots })
    }

    const fn coordinates(&self, number: u64) -> [u32; 3] {
        let [x, y, _] = self.groups;
        [(number % x) as u32, (number / x % y) as u32, (number / x / y) as u32]
    }

    /// The size of a work-group; those at the edge of the grid are smaller.
    fn size_of(&self, group: [u32; 3]) -> [u32; 3] {
        std::array::from_fn(|at| {
            let size = self.launch.workgroup[at];
            size.min(self.launch.grid[at] - group[at] * size)
        })
    }

    fn waves_of(&self, group: [u32; 3]) -> usize {
        let items = self.size_of(group).iter().product::<u32>();
        items.div_ceil(32 * self.halves() as u32) as usize
    }

    fn blank(&self, registers: usize) -> Wave {
        Wave {
            pc: self.launch.kernel_object.wrapping_add_signed(self.descriptor.entry_offset),
            scalars: [0; 128],
            vectors: vec![ZERO; registers * self.halves()],
            halves: self.halves(),
            scc: false,
            mode: Mode::of_resources(self.descriptor.resources1),
            crossed: [0; 2],
            flat_scratch: 0,
            group: [0; 3],
            number: 0,
            slot: 0,
            done: false,
            waits: false,
            lds_apertures: [self.device.lds_aperture, self.device.private_aperture],
            path: Path::default(),
            passed: 0,
        }
    }

    /// A wavefront as a kernel finds it.
    ///
    /// Source: LLVM `AMDGPUUsage.rst`, "Initial Kernel Execution State", for GFX10.
    fn start(&self, group: [u32; 3], number: u32, slot: u32) -> Wave {
        let mut wave = self.blank(self.descriptor.vector_registers() as usize);
        (wave.group, wave.number, wave.slot) = (group, number, slot);
        self.set_scalars(&mut wave);
        let [width, height, _] = self.size_of(group);
        let items = self.size_of(group).iter().product::<u32>();
        // How many of the work-item's coordinates are wanted beside x.
        let wanted = (self.descriptor.resources2 >> 11 & 3) as usize;
        for half in 0..wave.halves {
            let mut ids = [ZERO; 3];
            let mut on = 0;
            for lane in 0..32 {
                let item = number * wave.lanes() + 32 * half as u32 + lane;
                if item < items {
                    on |= 1 << lane;
                    let own = [item % width, item / width % height, item / width / height];
                    ids.iter_mut().zip(own).for_each(|(ids, own)| ids.0[lane as usize] = own);
                }
            }
            wave.scalars[EXEC + half] = on;
            for (at, ids) in ids.iter().enumerate().take(wanted + 1) {
                let register: Option<&mut Lanes> = wave.vectors.get_mut(at * wave.halves + half);
                if let Some(register) = register {
                    *register = *ids;
                }
            }
        }
        wave
    }

    fn set_scalars(&self, wave: &mut Wave) {
        let (launch, properties) = (self.launch, self.descriptor.properties);
        let mut values: Vec<u32> = Vec::new();
        let wide = |values: &mut Vec<u32>, value: u64| {
            values.extend([value as u32, (value >> 32) as u32]);
        };
        if properties & 1 != 0 {
            let mut descriptor = launch.scratch.descriptor;
            // Swizzled; the lane is added to the index, rows of as many elements as there are lanes.
            descriptor[1] |= 1 << 31;
            descriptor[3] = descriptor[3] & !(3 << 21) | 1 << 23 | (1 + self.halves() as u32) << 21;
            values.extend(descriptor);
        }
        for (bit, value) in [
            (1, launch.dispatch_ptr),
            (2, launch.queue_ptr),
            (3, launch.kernarg),
            (4, launch.dispatch_id),
            (5, launch.scratch.base),
        ] {
            if properties >> bit & 1 != 0 {
                wide(&mut values, value);
            }
        }
        if properties >> 6 & 1 != 0 {
            values.push(launch.private_segment_bytes.next_multiple_of(4));
        }
        // Only `amd_kernel_code_t` has these, which for all that is read here lies like a kernel descriptor: ROCr's own
        // copy kernels begin with one. Source: LLVM `AMDKernelCodeT.h`.
        for (at, &groups) in self.groups.iter().enumerate() {
            if properties >> (7 + at) & 1 != 0 {
                values.push(groups as u32);
            }
        }
        // The system's registers stand behind those that the kernel asked for.
        values.resize((self.descriptor.resources2 >> 1 & 31) as usize, 0);
        for (at, &id) in wave.group.iter().enumerate() {
            if self.descriptor.resources2 >> (7 + at) & 1 != 0 {
                values.push(id);
            }
        }
        if self.descriptor.resources2 >> 10 & 1 != 0 {
            values.push(wave.number);
        }
        if self.descriptor.resources2 & 1 != 0 {
            values.push((u64::from(wave.slot) * launch.scratch.slot_bytes) as u32);
        }
        wave.scalars[..values.len()].copy_from_slice(&values);
    }
}

enum Admission {
    Group(Group),
    /// There is one, but private memory must get free first.
    Later,
    Nothing,
}

/// What went wrong in a wavefront, in which lane, and the instruction.
pub(super) type Stop = (FaultKind, Option<u32>, u64);

/// Runs the wavefront at hand for a slice.
fn slice(code: &mut Code, exec: &mut Exec<'_>) -> Result<(), Stop> {
    let mut left = SLICE;
    while left > 0 {
        let pc = exec.wave.pc;
        let op = code.at(pc, exec).map_err(|kind| (kind, None, pc))?;
        exec.wave.pc = pc.wrapping_add(u64::from(op.bytes));
        exec.counters.wave_instructions += 1;
        left -= 1;
        match (op.run)(exec, op) {
            Step::Next => {}
            Step::Barrier => {
                exec.wave.waits = true;
                break;
            }
            Step::End => {
                exec.wave.done = true;
                break;
            }
            Step::Yield => break,
            Step::Fault => {
                let (kind, lane) = exec.fault.take().unwrap_or((FaultKind::Illegal, None));
                return Err((kind, lane, pc));
            }
        }
    }
    Ok(())
}
