//! The calls that programs make on an open device.

use super::Driver;
use super::abi::{
    AllocMemory, Apertures, AvailableMemory, CreateEvent, CreateQueue, EventData, FreeMemory,
    GetApertures, GetClockCounters, GetVersion, Id, MapMemory, TileConfig, UpdateQueue, WaitEvents,
    XnackMode, flag, nr, queue_type,
};
use super::memory::MemoryError;
use super::queue::{Queue, Ring};
use super::record::Event;
use crate::inject::{Kind, now};
use crate::machine::gpu_id;
use libc::{EFAULT, EINVAL, ENODEV, ENOMEM};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The version of the interface that is simulated. Source: Linux `kfd_ioctl.h`; 1.11 is that of Linux 6.1.
const VERSION: GetVersion = GetVersion { major: 1, minor: 11 };

/// Most queues of a process. Source: Linux `kfd_priv.h`, `KFD_MAX_NUM_OF_QUEUES_PER_PROCESS`.
const MOST_QUEUES: u32 = 1024;

/// Where in the file the page of events is; nothing is ever looked for in it.
const EVENT_PAGE: u64 = 1 << 19;

/// Ends of the address space of a card's programs. Source: Linux `kfd_flat_memory.c`.
const GPUVM: (u64, u64) = (0x0100_0000, (1 << 47) - 1);

impl From<MemoryError> for i32 {
    fn from(error: MemoryError) -> Self {
        match error {
            MemoryError::Full => ENOMEM,
            MemoryError::Invalid => EINVAL,
            MemoryError::Fault => EFAULT,
        }
    }
}

impl Driver {
    /// Carries a call out.
    ///
    /// # Errors
    /// An error number of the system.
    ///
    /// # Safety
    /// `argument` must point to what the call of this number takes, as for the system itself.
    pub unsafe fn ioctl(
        &'static self,
        number: u64,
        argument: *mut libc::c_void,
    ) -> Result<(), i32> {
        if argument.is_null() {
            return Err(EFAULT);
        }
        if now(&self.inject, &[Kind::Unload], "").is_some() {
            self.record.fault("injected fault Unload", "", 0);
            self.unloaded.store(true, Ordering::Release);
        }
        if self.unloaded.load(Ordering::Acquire) {
            return Err(ENODEV);
        }
        macro_rules! arguments {
            ($type:ty) => {
                // SAFETY: the caller's promise; the structures have the sizes of the kernel's.
                unsafe { &mut *argument.cast::<$type>() }
            };
        }
        match number {
            nr::GET_VERSION => *arguments!(GetVersion) = VERSION,
            nr::CREATE_QUEUE => self.create_queue(arguments!(CreateQueue))?,
            nr::DESTROY_QUEUE => {
                let queue = self.queues().remove(&arguments!(Id).id).ok_or(EINVAL)?;
                queue.end();
            }
            nr::UPDATE_QUEUE => {
                let update = arguments!(UpdateQueue);
                let queues = self.queues();
                let queue = queues.get(&update.queue_id).ok_or(EINVAL)?;
                queue.control.suspended.store(update.percentage == 0, Ordering::Release);
            }
            nr::GET_CLOCK_COUNTERS => {
                let (counters, time) = (arguments!(GetClockCounters), super::monotonic_ns());
                counters.gpu = time / 10;
                counters.cpu = time;
                counters.system = time;
                counters.system_frequency = 1_000_000_000;
            }
            nr::CREATE_EVENT => {
                let event = arguments!(CreateEvent);
                let number =
                    self.events.create(event.event_type, event.auto_reset != 0).ok_or(ENOMEM)?;
                event.event_id = number;
                event.slot_index = number;
                event.trigger_data = number;
                // Without one the runtime's signals have no mailbox, and queues could not report errors.
                event.page_offset = EVENT_PAGE;
            }
            nr::DESTROY_EVENT => found(self.events.destroy(arguments!(Id).id))?,
            nr::SET_EVENT => found(self.events.set(arguments!(Id).id))?,
            nr::RESET_EVENT => found(self.events.reset(arguments!(Id).id))?,
            nr::WAIT_EVENTS => {
                let wait = arguments!(WaitEvents);
                if wait.events == 0 || wait.count == 0 {
                    return Err(EFAULT);
                }
                // SAFETY: the caller's promise holds for the array that it names too.
                let events = unsafe {
                    std::slice::from_raw_parts_mut(
                        wait.events as *mut EventData,
                        wait.count as usize,
                    )
                };
                let timeout = match wait.timeout_ms {
                    u32::MAX => None,
                    milliseconds => Some(Duration::from_millis(milliseconds.into())),
                };
                self.doorbell.ring();
                wait.result = self.events.wait(events, wait.wait_for_all != 0, timeout);
            }
            nr::GET_TILE_CONFIG => {
                let tiles = arguments!(TileConfig);
                (tiles.tile_count, tiles.macro_tile_count) = (0, 0);
                (tiles.address_config, tiles.banks, tiles.ranks) = (0x44, 4, 1);
            }
            nr::GET_PROCESS_APERTURES_NEW => self.apertures(arguments!(GetApertures)),
            nr::ALLOC_MEMORY_OF_GPU => self.allocate(arguments!(AllocMemory))?,
            nr::FREE_MEMORY_OF_GPU => {
                let handle = arguments!(FreeMemory).handle;
                self.memory.free(handle)?;
                self.record.trace(&Event::Free { handle });
            }
            nr::MAP_MEMORY_TO_GPU | nr::UNMAP_MEMORY_FROM_GPU => {
                let map = arguments!(MapMemory);
                self.memory.set_mapped(map.handle, number == nr::MAP_MEMORY_TO_GPU)?;
                map.succeeded = map.count;
            }
            // These cards cannot resume after a page fault.
            nr::SET_XNACK_MODE => arguments!(XnackMode).enabled = 0,
            nr::AVAILABLE_MEMORY => {
                let memory = arguments!(AvailableMemory);
                memory.available = self.memory.available(self.card(memory.gpu_id)?);
            }
            nr::SET_MEMORY_POLICY
            | nr::SET_SCRATCH_BACKING_VA
            | nr::SET_TRAP_HANDLER
            | nr::ACQUIRE_VM
            | nr::SET_CU_MASK => {}
            _ => return Err(EINVAL),
        }
        Ok(())
    }

    fn queues(&self) -> std::sync::MutexGuard<'_, std::collections::BTreeMap<u32, Queue>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns which card has this id.
    fn card(&self, id: u32) -> Result<usize, i32> {
        (0..self.cards.len()).find(|&card| gpu_id(card) == id).ok_or(EINVAL)
    }

    fn create_queue(&'static self, queue: &mut CreateQueue) -> Result<(), i32> {
        let card = self.card(queue.gpu_id)?;
        if queue.ring_size == 0
            || !matches!(queue.queue_type, queue_type::COMPUTE_AQL | queue_type::SDMA)
        {
            return Err(EINVAL);
        }
        let mut queues = self.queues();
        let number = (0..MOST_QUEUES).find(|number| !queues.contains_key(number)).ok_or(ENOMEM)?;
        // The indices are addresses of the program, or of the card.
        let here = |va: u64| self.memory.host(va, 8).map_or(va, |host| host as u64);
        let aql = queue.queue_type == queue_type::COMPUTE_AQL;
        let index = |va: u64| if aql { va } else { here(va) };
        let ring = Ring {
            number,
            card,
            queue_type: queue.queue_type,
            base: queue.ring_base,
            bytes: queue.ring_size.into(),
            read: index(queue.read_pointer),
            write: index(queue.write_pointer),
        };
        queues.insert(number, Queue::start(self, ring).map_err(|_| ENOMEM)?);
        queue.queue_id = number;
        queue.doorbell_offset = u64::from(number) * 8;
        Ok(())
    }

    fn apertures(&self, arguments: &mut GetApertures) {
        let wanted = arguments.nodes as usize;
        arguments.nodes = u32::try_from(self.cards.len()).unwrap_or(0);
        if arguments.apertures == 0 {
            return;
        }
        for card in 0..self.cards.len().min(wanted) {
            let (lds, private) =
                (self.devices[card].lds_aperture, self.devices[card].private_aperture);
            let aperture = Apertures {
                lds_base: lds,
                lds_limit: lds | 0xffff_ffff,
                scratch_base: private,
                scratch_limit: private | 0xffff_ffff,
                gpuvm_base: GPUVM.0,
                gpuvm_limit: GPUVM.1,
                gpu_id: gpu_id(card),
                pad: 0,
            };
            // SAFETY: the program says that there is room for so many.
            unsafe { (arguments.apertures as *mut Apertures).add(card).write_unaligned(aperture) };
        }
    }

    fn allocate(&self, arguments: &mut AllocMemory) -> Result<(), i32> {
        let card = self.card(arguments.gpu_id)?;
        if arguments.flags & flag::VRAM != 0 {
            match now(&self.inject, &[Kind::OutOfMemory, Kind::SlowAllocation], "") {
                Some(Kind::OutOfMemory) => {
                    self.record.fault("injected fault OutOfMemory", "", 0);
                    return Err(ENOMEM);
                }
                Some(_) => std::thread::sleep(Duration::from_secs(1)),
                None => {}
            }
        }
        let AllocMemory { va, size, flags, mmap_offset, .. } = *arguments;
        let (handle, offset) = self.memory.allocate(card, va, size, flags, mmap_offset)?;
        (arguments.handle, arguments.mmap_offset) = (handle, offset);
        let names = [
            (flag::VRAM, "vram"),
            (flag::GTT, "gtt"),
            (flag::USERPTR, "userptr"),
            (flag::DOORBELL, "doorbell"),
            (flag::MMIO_REMAP, "mmio"),
            (flag::UNCACHED, "uncached"),
            (flag::COHERENT, "coherent"),
            (flag::PUBLIC, "public"),
            (flag::EXECUTABLE, "executable"),
            (flag::WRITABLE, "writable"),
        ];
        let flags =
            names.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| *name).collect();
        self.record.trace(&Event::Allocate { handle, va, bytes: size, flags });
        Ok(())
    }
}

fn found(found: bool) -> Result<(), i32> {
    if found { Ok(()) } else { Err(EINVAL) }
}
