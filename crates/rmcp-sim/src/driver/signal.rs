//! Signals of the runtime, which are memory: a value, and whom to tell when it changes.
//!
//! Source: HSA runtime `amd_hsa_signal.h`, `amd_signal_t`.

use super::Driver;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

mod offset {
    pub(super) const VALUE: u64 = 8;
    pub(super) const MAILBOX: u64 = 16;
    pub(super) const EVENT: u64 = 24;
    pub(super) const START: u64 = 32;
    pub(super) const END: u64 = 40;
    pub(super) const BYTES: u64 = 64;
}

/// A signal; its handle is its address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signal {
    host: *mut u8,
}

impl Signal {
    /// Returns the signal of a handle, `None` where there is none.
    pub(crate) fn of(driver: &Driver, handle: u64) -> Option<Self> {
        let host = driver.memory.host(handle, offset::BYTES)?;
        handle.is_multiple_of(8).then_some(Self { host })
    }

    fn value(&self) -> &AtomicI64 {
        // SAFETY: `of` found all of the signal mapped, and it is aligned.
        unsafe { AtomicI64::from_ptr(self.host.add(offset::VALUE as usize).cast()) }
    }

    fn word(&self, at: u64) -> &AtomicU64 {
        // SAFETY: as in `value`.
        unsafe { AtomicU64::from_ptr(self.host.add(at as usize).cast()) }
    }

    /// Its value.
    pub(crate) fn load(&self) -> i64 {
        self.value().load(Ordering::Acquire)
    }

    /// Gives it a value and tells whoever waits.
    pub(crate) fn store(&self, driver: &Driver, value: i64) {
        self.value().store(value, Ordering::Release);
        self.tell(driver);
    }

    /// Takes one from its value, with the times at which the work began and ended in ticks.
    pub(crate) fn complete(&self, driver: &Driver, (start, end): (u64, u64), tell: bool) {
        self.word(offset::START).store(start, Ordering::Relaxed);
        self.word(offset::END).store(end, Ordering::Relaxed);
        self.value().fetch_sub(1, Ordering::Release);
        if tell {
            self.tell(driver);
        }
    }

    fn tell(&self, driver: &Driver) {
        if self.word(offset::MAILBOX).load(Ordering::Relaxed) != 0 {
            // SAFETY: as in `value`.
            let event =
                unsafe { AtomicU32::from_ptr(self.host.add(offset::EVENT as usize).cast()) };
            driver.events.set(event.load(Ordering::Relaxed));
        }
    }
}
