//! Threads that wait for a signal, which is where a program is when the card hangs.
//!
//! A wait without end is made of shorter ones. Between them the queues are looked at, so that the record of a program that
//! is killed says how far the card had come.

use crate::hsa::{self, Signal, SignalWait, Status, condition};
use crate::record::{now, present, record};
use crate::table::{
    Entry, SIGNAL_DESTROY, SIGNAL_LOAD, SIGNAL_WAIT_RELAXED, SIGNAL_WAIT_SCACQUIRE, Table,
};
use std::sync::atomic::Ordering;

/// How long a part of an endless wait is: a quarter of a second at the runtime's clock of 1 GHz, and on no system
/// so short that it would cost. Source: ROCr `core/util/lnx/os_linux.cpp`, `SystemClockFrequency`.
const PART: u64 = 250_000_000;

/// After how many parts a wait is long enough that the card may hang.
const LONG: u32 = 4;

/// A wait without end. Source: `hsa.h`, `hsa_signal_wait_scacquire`.
const ENDLESS: u64 = u64::MAX;

pub(crate) fn hook(tables: (Table, Table)) {
    SIGNAL_LOAD.keep(tables);
    SIGNAL_DESTROY.replace(tables, signal_destroy);
    SIGNAL_WAIT_RELAXED.replace(tables, signal_wait_relaxed);
    SIGNAL_WAIT_SCACQUIRE.replace(tables, signal_wait_scacquire);
}

unsafe extern "C" fn signal_wait_relaxed(
    signal: Signal,
    condition: u32,
    value: i64,
    timeout: u64,
    state: u32,
) -> i64 {
    wait(&SIGNAL_WAIT_RELAXED, signal, condition, value, timeout, state)
}

unsafe extern "C" fn signal_wait_scacquire(
    signal: Signal,
    condition: u32,
    value: i64,
    timeout: u64,
    state: u32,
) -> i64 {
    wait(&SIGNAL_WAIT_SCACQUIRE, signal, condition, value, timeout, state)
}

fn wait(
    entry: &Entry<SignalWait>,
    signal: Signal,
    condition: u32,
    value: i64,
    timeout: u64,
    state: u32,
) -> i64 {
    let Some(before) = entry.before() else { return 0 };
    let mut parts = 0_u32;
    loop {
        // SAFETY: the program's own arguments, but for a shorter time.
        let got = unsafe { before(signal, condition, value, timeout.min(PART), state) };
        if record().is_some() {
            for (number, live) in crate::queues::live() {
                crate::packets::look(number, live);
            }
        }
        if timeout != ENDLESS || holds(condition, got, value) {
            return if timeout > PART && timeout != ENDLESS && !holds(condition, got, value) {
                // SAFETY: the program's own arguments.
                unsafe { before(signal, condition, value, timeout - PART, state) }
            } else {
                got
            };
        }
        if let Some(record) = present() {
            record.head().seen.store(now(), Ordering::Relaxed);
        }
        parts = parts.saturating_add(1);
        if parts >= LONG {
            crate::faults::look_at_everything();
        }
    }
}

fn holds(condition: u32, got: i64, value: i64) -> bool {
    match condition {
        condition::EQ => got == value,
        condition::NE => got != value,
        condition::LT => got < value,
        _ => got >= value,
    }
}

unsafe extern "C" fn signal_destroy(signal: Signal) -> Status {
    // In a child that was forked the queues of its parent are forgotten first: who held one of them is not there.
    if record().is_some() {
        for (number, live) in crate::queues::live() {
            crate::packets::forget_signal(number, live, signal.handle);
        }
    }
    let Some(before) = SIGNAL_DESTROY.before() else { return hsa::ERROR };
    // SAFETY: the program's own argument.
    unsafe { before(signal) }
}
