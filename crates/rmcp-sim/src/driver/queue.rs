//! A queue: a thread that takes packets from a ring, as the card's packet processor does.
//!
//! Programs write packets and ring a doorbell, which is a store to memory that nobody sees. So the ring's write index
//! is looked at all the time: often while there is work, every two milliseconds after a while without, and at once
//! when the program waits for an event, which it does after it has handed over work.

use super::Driver;
use super::abi::queue_type;
use super::aql::Aql;
use super::sdma::Sdma;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Looks at the ring before the thread sleeps for the first time.
const SPINS: u32 = 200;
/// Longest sleep between two looks.
const LONGEST_SLEEP: Duration = Duration::from_millis(2);

/// What the thread and the driver share.
#[derive(Debug, Default)]
pub(crate) struct Control {
    /// The queue is being destroyed.
    pub(crate) stop: AtomicBool,
    /// The program wants it to rest.
    pub(crate) suspended: AtomicBool,
}

/// A queue as a program created it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ring {
    pub(crate) number: u32,
    pub(crate) card: usize,
    pub(crate) queue_type: u32,
    pub(crate) base: u64,
    pub(crate) bytes: u64,
    /// Where the two indices are in this process.
    pub(crate) read: u64,
    pub(crate) write: u64,
}

impl Ring {
    /// The index of what has been taken last.
    pub(crate) fn read_index(&self) -> &AtomicU64 {
        // SAFETY: the program gave this address when it created the queue and keeps it until it destroys the queue,
        // which waits for this thread.
        unsafe { AtomicU64::from_ptr(self.read as *mut u64) }
    }

    /// The index behind what has been written last.
    pub(crate) fn write_index(&self) -> &AtomicU64 {
        // SAFETY: as in `read_index`.
        unsafe { AtomicU64::from_ptr(self.write as *mut u64) }
    }
}

/// A queue and its thread.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) control: std::sync::Arc<Control>,
    thread: Option<JoinHandle<()>>,
}

/// What came of looking at a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A packet was taken.
    Done,
    /// There is none, or it waits for something.
    Nothing,
    /// The queue has failed and takes no more.
    Dead,
}

impl Queue {
    /// Starts a queue.
    pub(crate) fn start(driver: &'static Driver, ring: Ring) -> std::io::Result<Self> {
        let control = std::sync::Arc::new(Control::default());
        let shared = control.clone();
        let thread = std::thread::Builder::new()
            .name(format!("rmcp-sim-queue-{}", ring.number))
            .spawn(move || run(driver, ring, &shared))?;
        Ok(Self { control, thread: Some(thread) })
    }

    /// Ends the queue: a kernel that runs is stopped.
    pub(crate) fn end(mut self) {
        self.control.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // It can only have panicked, and then it has said so.
            let _ = thread.join();
        }
    }
}

fn run(driver: &'static Driver, ring: Ring, control: &Control) {
    let mut engine = match ring.queue_type {
        queue_type::COMPUTE_AQL => Engine::Aql(Aql::new(driver, ring)),
        _ => Engine::Sdma(Sdma::new(driver, ring)),
    };
    let mut idle = 0_u32;
    while !control.stop.load(Ordering::Acquire) {
        let step = if control.suspended.load(Ordering::Acquire) {
            Step::Nothing
        } else {
            engine.step(control)
        };
        match step {
            Step::Done => idle = 0,
            Step::Dead => driver.doorbell.sleep(LONGEST_SLEEP),
            Step::Nothing if idle < SPINS => {
                idle += 1;
                std::thread::yield_now();
            }
            Step::Nothing => {
                let doublings = (idle - SPINS).min(7);
                idle += 1;
                driver
                    .doorbell
                    .sleep((Duration::from_micros(20) * (1 << doublings)).min(LONGEST_SLEEP));
            }
        }
    }
}

enum Engine {
    Aql(Aql),
    Sdma(Sdma),
}

impl Engine {
    fn step(&mut self, control: &Control) -> Step {
        match self {
            Self::Aql(aql) => aql.step(control),
            Self::Sdma(sdma) => sdma.step(),
        }
    }
}
