//! Our signals, handed on to the job.
//!
//! What the terminal sends (Ctrl-C, Ctrl-Z) goes to the job and to us alike, as both are in the terminal's foreground;
//! it is only noted. What somebody sends to us alone is handed on.

use super::channel::{Channel, Resizer};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::iterator::{Handle, SignalsInfo};
use signal_hook::low_level::siginfo::Cause;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread::JoinHandle;

const SIGNALS: [i32; 7] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH];

/// Those by which somebody wants a program to end.
const ENDING: [i32; 4] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT];

/// Signals that wait for a job to be there.
pub(super) struct Signals(SignalsInfo<WithOrigin>);

/// Signals that are handed on until this is dropped.
pub(super) struct HandedOn {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
    interrupted: Arc<AtomicI32>,
}

impl Signals {
    /// From here on no signal ends us. What we were started to ignore, as by `nohup`, the job shall ignore too: a handler
    /// of ours would take that from it.
    pub(super) fn expect() -> io::Result<Self> {
        let ignored = ignored();
        let wanted = SIGNALS.into_iter().filter(|signal| ignored & (1 << (signal - 1)) == 0);
        SignalsInfo::new(wanted).map(Self)
    }

    /// Hands them on to a process.
    pub(super) fn hand_on(mut self, job: Pid, channels: &[Channel]) -> io::Result<HandedOn> {
        let terminals: Vec<Resizer> = channels
            .iter()
            .filter_map(|channel| channel.resizer().transpose())
            .collect::<io::Result<_>>()?;
        let interrupted = Arc::new(AtomicI32::new(0));
        let (handle, noted) = (self.0.handle(), Arc::clone(&interrupted));
        let thread = std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for origin in self.0.forever() {
                if origin.signal == SIGWINCH {
                    terminals.iter().for_each(Resizer::resize);
                    continue;
                }
                if ENDING.contains(&origin.signal) {
                    noted.store(origin.signal, Ordering::Relaxed);
                }
                let from_terminal = matches!(origin.cause, Cause::Kernel);
                if let Some(signal) =
                    Signal::from_named_raw(origin.signal).filter(|_| !from_terminal)
                {
                    // A job that has just ended is no error.
                    let _ = kill_process(job, signal);
                }
            }
        })?;
        Ok(HandedOn { handle, thread: Some(thread), interrupted })
    }
}

/// The signals that we ignore, one bit each from signal 1 on. Source: proc(5), `SigIgn`.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

impl HandedOn {
    /// Returns the last signal by which somebody wanted an end.
    pub(super) fn interrupted(&self) -> Option<i32> {
        Some(self.interrupted.load(Ordering::Relaxed)).filter(|signal| *signal != 0)
    }
}

impl Drop for HandedOn {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // It only forwards; that it panicked changes nothing any more.
            let _ = thread.join();
        }
    }
}
