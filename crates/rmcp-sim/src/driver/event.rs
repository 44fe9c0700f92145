//! Events: how a program sleeps until a card has something to say.

use super::abi::{EventData, MemoryException, event_type, wait_result};
use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Most events of a process. Source: Linux `kfd_ioctl.h`, `KFD_SIGNAL_EVENT_LIMIT`.
const MOST: usize = 4096;

#[derive(Debug, Clone, Copy, Default)]
struct Event {
    event_type: u32,
    auto_reset: bool,
    set: bool,
    exception: MemoryException,
}

/// The events of a process.
#[derive(Debug, Default)]
pub(crate) struct Events {
    events: Mutex<BTreeMap<u32, Event>>,
    changed: Condvar,
}

impl Events {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes an event and returns its number, `None` where there are too many.
    pub(crate) fn create(&self, event_type: u32, auto_reset: bool) -> Option<u32> {
        let mut events = self.lock();
        let number = (1..).find(|number| !events.contains_key(number))?;
        if events.len() + 1 >= MOST {
            return None;
        }
        events.insert(number, Event { event_type, auto_reset, ..Event::default() });
        Some(number)
    }

    /// Ends an event; whoever waits for it is told.
    pub(crate) fn destroy(&self, number: u32) -> bool {
        let found = self.lock().remove(&number).is_some();
        self.changed.notify_all();
        found
    }

    /// Sets an event.
    pub(crate) fn set(&self, number: u32) -> bool {
        let found = self.lock().get_mut(&number).map(|event| event.set = true).is_some();
        self.changed.notify_all();
        found
    }

    /// Takes an event back.
    pub(crate) fn reset(&self, number: u32) -> bool {
        self.lock().get_mut(&number).map(|event| event.set = false).is_some()
    }

    /// Sets the events of signals that a kernel may mean: it sends the lowest eight bits of a number.
    ///
    /// Source: ROCm device libraries, `__ockl_hsa_signal_store` and the like.
    pub(crate) fn interrupt(&self, bits: u32) {
        for (number, event) in self.lock().iter_mut() {
            if number & 0xff == bits & 0xff && event.event_type == event_type::SIGNAL {
                event.set = true;
            }
        }
        self.changed.notify_all();
    }

    /// Tells all that wait for memory faults.
    pub(crate) fn memory_fault(&self, exception: MemoryException) {
        self.raise(event_type::MEMORY, exception);
    }

    /// Tells all that wait for the card to be reset. `kfd_hsa_hw_exception_data` lies in the same words: kind of
    /// reset, its cause, whether memory is lost, and the card.
    pub(crate) fn reset_of_card(&self, cause: u32, gpu_id: u32) {
        let exception = MemoryException {
            not_present: 0,
            read_only: cause,
            no_execute: 1,
            imprecise: gpu_id,
            ..MemoryException::default()
        };
        self.raise(event_type::HW_EXCEPTION, exception);
    }

    fn raise(&self, event_type: u32, exception: MemoryException) {
        let mut events = self.lock();
        for event in events.values_mut().filter(|event| event.event_type == event_type) {
            event.exception = exception;
            event.set = true;
        }
        drop(events);
        self.changed.notify_all();
    }

    /// Waits for one of some events, or for all, and returns the result for the caller. `timeout` is `None` for ever.
    pub(crate) fn wait(
        &self,
        wanted: &mut [EventData],
        all: bool,
        timeout: Option<Duration>,
    ) -> u32 {
        let end = timeout.map(|timeout| Instant::now() + timeout);
        let mut events = self.lock();
        loop {
            if wanted.iter().any(|wanted| !events.contains_key(&wanted.event_id)) {
                return wait_result::FAIL;
            }
            let set = wanted.iter().filter(|wanted| events[&wanted.event_id].set).count();
            if if all { set == wanted.len() } else { set > 0 } {
                for wanted in wanted {
                    let Some(event) = events.get_mut(&wanted.event_id) else { continue };
                    if event.set {
                        if matches!(event.event_type, event_type::MEMORY | event_type::HW_EXCEPTION)
                        {
                            wanted.exception = event.exception;
                        }
                        event.set = !event.auto_reset;
                    }
                }
                return wait_result::COMPLETE;
            }
            events = match end {
                None => self.changed.wait(events).unwrap_or_else(PoisonError::into_inner),
                Some(end) => {
                    let left = end.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return wait_result::TIMEOUT;
                    }
                    self.changed
                        .wait_timeout(events, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting_for(number: u32) -> [EventData; 1] {
        [EventData { event_id: number, ..EventData::default() }]
    }

    #[test]
    fn an_event_that_resets_itself_is_seen_once() {
        let events = Events::default();
        let number = events.create(0, true).unwrap();
        let none = Some(Duration::ZERO);
        assert_eq!(events.wait(&mut waiting_for(number), false, none), wait_result::TIMEOUT);
        events.set(number);
        assert_eq!(events.wait(&mut waiting_for(number), false, none), wait_result::COMPLETE);
        assert_eq!(events.wait(&mut waiting_for(number), false, none), wait_result::TIMEOUT);
        assert!(events.destroy(number));
        assert_eq!(events.wait(&mut waiting_for(number), false, none), wait_result::FAIL);
    }

    #[test]
    fn a_memory_fault_reaches_those_that_wait_for_one() {
        let events = Events::default();
        let other = events.create(0, true).unwrap();
        let memory = events.create(event_type::MEMORY, false).unwrap();
        events.memory_fault(MemoryException { va: 0x1000, ..MemoryException::default() });
        let mut wanted = [waiting_for(other)[0], waiting_for(memory)[0]];
        assert_eq!(events.wait(&mut wanted, false, None), wait_result::COMPLETE);
        assert_eq!((wanted[0].exception.va, wanted[1].exception.va), (0, 0x1000));
    }
}
