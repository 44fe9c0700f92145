//! What is written down: a trace, the lines of the kernel log, and counters.

use crate::exec::Counters;
use crate::settings::Settings;
use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// One line of the trace. Every line says that it is simulated.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event<'a> {
    /// A kernel was started and has ended, well or not.
    Dispatch {
        kernel: &'a str,
        queue: u32,
        grid: [u32; 3],
        workgroup: [u32; 3],
        group_segment_bytes: u32,
        private_segment_bytes: u32,
        wave_instructions: u64,
        waves: u64,
        nanoseconds: u64,
    },
    /// Wavefronts of the kernel just ended have met a hazard of gfx10.1 at an instruction, and how often it had an
    /// effect.
    Hazard {
        kernel: &'a str,
        rule: &'static str,
        /// Address of the instruction from the kernel's first one on.
        offset: i64,
        instruction: &'a str,
        times: u64,
        bitten: u64,
    },
    /// Memory was allocated.
    Allocate { handle: u64, va: u64, bytes: u64, flags: Vec<&'static str> },
    /// Memory was given back.
    Free { handle: u64 },
    /// A copy engine has copied.
    Copy { to: u64, from: u64, bytes: u64 },
    /// A kernel or a copy has failed.
    Fault { what: &'a str, kernel: &'a str, queue: u32 },
}

#[derive(Serialize)]
struct Line<'a> {
    simulated: bool,
    process: u32,
    #[serde(flatten)]
    event: &'a Event<'a>,
}

/// Sums over all dispatches.
#[derive(Debug, Default)]
struct Sums {
    dispatches: u64,
    faults: u64,
    counters: Counters,
}

/// Where things are written down.
#[derive(Debug)]
pub(crate) struct Record {
    trace: Option<Mutex<File>>,
    kernel_log: Option<Mutex<File>>,
    counters: bool,
    sums: Mutex<Sums>,
}

/// Opens a file to add to; several processes may write lines to the same one.
fn append(path: &Path) -> Option<Mutex<File>> {
    match OpenOptions::new().append(true).create(true).open(path) {
        Ok(file) => Some(Mutex::new(file)),
        Err(error) => {
            eprintln!("rmcp sim: {} cannot be written: {error}", path.display());
            None
        }
    }
}

fn write_line(file: &Mutex<File>, mut line: Vec<u8>) {
    line.push(b'\n');
    // One call to the system for each line, so that lines of several processes do not mix. What cannot be written
    // is lost: a full disk must not end the program that is looked at.
    let _ = file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line);
}

impl Record {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            trace: settings.trace.as_deref().and_then(append),
            kernel_log: settings.kernel_log.as_deref().and_then(append),
            counters: settings.counters,
            sums: Mutex::default(),
        }
    }

    /// Adds a line to the trace.
    pub(crate) fn trace(&self, event: &Event<'_>) {
        let Some(trace) = &self.trace else { return };
        let line = Line { simulated: true, process: std::process::id(), event };
        if let Ok(line) = serde_json::to_vec(&line) {
            write_line(trace, line);
        }
    }

    /// Adds a line to the kernel log, with the time since the machine started.
    pub(crate) fn kernel_log(&self, text: &str) {
        let Some(log) = &self.kernel_log else { return };
        let since = super::monotonic_ns();
        let (seconds, micros) = (since / 1_000_000_000, since / 1000 % 1_000_000);
        write_line(log, format!("[{seconds:5}.{micros:06}] {text}").into_bytes());
    }

    /// Counts a dispatch.
    pub(crate) fn count(&self, counters: &Counters) {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        sums.dispatches += 1;
        sums.counters.wave_instructions += counters.wave_instructions;
        sums.counters.waves += counters.waves;
        sums.counters.workgroups += counters.workgroups;
        sums.counters.lds_out_of_range += counters.lds_out_of_range;
    }

    /// Counts a fault and says it on the program's standard error.
    pub(crate) fn fault(&self, what: &str, kernel: &str, queue: u32) {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner).faults += 1;
        self.trace(&Event::Fault { what, kernel, queue });
        let place = if kernel.is_empty() { String::new() } else { format!(" in kernel {kernel}") };
        eprintln!("rmcp sim: {what}{place} (simulated)");
    }

    /// Says at the end what was run.
    pub(crate) fn say_counters(&self) {
        let sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        if self.counters {
            let Sums { dispatches, faults, counters } = &*sums;
            eprintln!(
                "rmcp sim: {dispatches} dispatches, {} work-groups, {} wavefronts, {} wave instructions, {faults} faults; all simulated",
                counters.workgroups, counters.waves, counters.wave_instructions
            );
            if counters.lds_out_of_range > 0 {
                eprintln!(
                    "rmcp sim: {} accesses outside a work-group's LDS, which a card drops",
                    counters.lds_out_of_range
                );
            }
        }
    }
}
