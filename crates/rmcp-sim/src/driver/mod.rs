//! The driver: what the kernel's compute driver (KFD) does for one process, and the card behind it.

mod abi;
mod aql;
mod event;
mod fault;
mod hazards;
mod ioctl;
mod kernel_name;
mod memory;
mod own_memory;
mod queue;
mod record;
mod sdma;
mod signal;

use crate::card::Card;
use crate::exec::{Device, Memory, Range};
use crate::inject::Injection;
use crate::ledger::Ledger;
use crate::machine::{Host, MODULES, Machine};
use crate::settings::Settings;
use event::Events;
use hazards::Hazards;
use memory::GpuMemory;
use queue::Queue;
use record::Record;
use std::collections::BTreeMap;
use std::fs::File;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

pub use abi::LETTER;

/// The driver of one process.
#[derive(Debug)]
pub struct Driver {
    process: u32,
    cards: Vec<Card>,
    machine: Machine,
    pub(crate) memory: Arc<GpuMemory>,
    pub(crate) events: Events,
    pub(crate) record: Record,
    pub(crate) hazards: Option<Hazards>,
    pub(crate) inject: Vec<Injection>,
    pub(crate) doorbell: Doorbell,
    devices: Vec<Device>,
    /// Every call fails from now on.
    unloaded: AtomicBool,
    queues: Mutex<BTreeMap<u32, Queue>>,
}

/// Wakes queues that sleep.
#[derive(Debug, Default)]
pub(crate) struct Doorbell {
    rings: Mutex<u64>,
    rung: Condvar,
}

impl Doorbell {
    /// Sleeps until it rings, or so long.
    pub(crate) fn sleep(&self, time: Duration) {
        let rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.rung.wait_timeout(rings, time));
    }

    /// Wakes all.
    pub(crate) fn ring(&self) {
        *self.rings.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.rung.notify_all();
    }
}

/// Why nothing can be simulated.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// There is no such card.
    #[error(transparent)]
    Card(#[from] crate::card::CardError),
    /// There is no such fault to inject.
    #[error(transparent)]
    Injection(#[from] crate::inject::InjectionError),
    /// The system gives no memory.
    #[error("memory of the card: {0}")]
    Memory(#[from] std::io::Error),
    /// Its code is not simulated.
    #[error("{0} runs no code that is simulated")]
    Target(String),
}

/// Nanoseconds since the machine started.
pub(crate) fn monotonic_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes to the one structure it is given.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

/// The card's clock. Its frequency is our choice: programs find it by reading this clock beside the host's.
pub(crate) fn gpu_clock() -> u64 {
    monotonic_ns() / 10
}

impl Driver {
    /// Makes the driver of this process.
    ///
    /// # Errors
    /// [`DriverError`] where the settings name what there is not, or the system gives no memory.
    pub fn new(settings: &Settings) -> Result<Self, DriverError> {
        let cards: Vec<Card> =
            settings.cards.iter().map(|name| Card::named(name)).collect::<Result<_, _>>()?;
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = if settings.threads == 0 { processors } else { settings.threads };
        let device = |card: &Card| {
            let target = card.isa().ok_or_else(|| DriverError::Target(card.name.clone()))?;
            Ok(Device::new(target, threads))
        };
        let devices = cards.iter().map(device).collect::<Result<Vec<_>, DriverError>>()?;
        let hazards = settings.strict.then(|| Hazards::new(settings.seed, &devices));
        let sizes = cards.iter().map(Card::vram_bytes).collect();
        // Containers often have none.
        let modules = std::fs::read_to_string(MODULES).unwrap_or_default();
        let host = Host { processors, memory: host_memory(), modules };
        Ok(Self {
            process: std::process::id(),
            machine: Machine::new(&cards, &host),
            memory: Arc::new(GpuMemory::new(sizes, Ledger::open(settings.ledger))?),
            events: Events::default(),
            record: Record::new(settings),
            hazards,
            inject: settings.inject.iter().map(|text| text.parse()).collect::<Result<_, _>>()?,
            doorbell: Doorbell::default(),
            devices,
            unloaded: AtomicBool::new(false),
            cards,
            queues: Mutex::default(),
        })
    }

    /// The process that it belongs to: a child that was forked has none yet.
    pub fn process(&self) -> u32 {
        self.process
    }

    /// The cards.
    pub fn cards(&self) -> &[Card] {
        &self.cards
    }

    /// What the machine looks like.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Says on standard error what was run, where that is wanted.
    pub fn say_counters(&self) {
        self.say_hazards();
        self.record.say_counters();
    }

    /// Says on standard error which hazards were met, where they are looked for.
    pub(crate) fn say_hazards(&self) {
        if let Some(text) = self.hazards.as_ref().and_then(Hazards::say) {
            eprint!("{text}");
        }
    }

    /// The file of which every open device is a copy.
    pub fn file(&self) -> &File {
        self.memory.file()
    }

    /// What a card is made of, with its clock as it is now.
    pub(crate) fn device(&self, card: usize) -> Device {
        Device { clock: gpu_clock(), ..self.devices[card].clone() }
    }
}

/// A message of a wavefront that interrupts the host. Source: LLVM `SIDefines.h`, `SendMsg::ID_INTERRUPT`.
const INTERRUPT: u16 = 1;

// SAFETY: the ranges are those of `GpuMemory`.
unsafe impl Memory for Driver {
    fn range(&self, va: u64) -> Option<Range> {
        self.memory.range(va)
    }

    fn message(&self, message: u16, m0: u32) {
        if message == INTERRUPT {
            self.events.interrupt(m0);
        }
    }
}

/// Bytes of memory of this machine.
fn host_memory() -> u64 {
    // SAFETY: takes a number.
    let (pages, bytes) =
        unsafe { (libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)) };
    u64::try_from(pages).unwrap_or(0) * u64::try_from(bytes).unwrap_or(0)
}
