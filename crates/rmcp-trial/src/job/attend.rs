//! Starts a job, hands its output and our signals through, and waits for its end.
//!
//! Cost: one copy of each byte of output; nothing while the job computes.

use super::channel::{Channel, open};
use super::signals::Signals;
use crate::isolation::{Capture, Captured, Invocation};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

/// Bytes of output that are kept.
const KEPT: usize = 256 << 10;

/// How long a job that hangs may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(5);

/// How long what the job has left running may go on writing.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// How the process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// With this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// What became of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attended {
    /// How its process ended.
    pub status: Status,
    /// Its output, beginning and end.
    pub output: Captured,
    /// Whether it was silent for too long and was ended.
    pub hung: bool,
    /// The signal by which somebody wanted it to end.
    pub interrupted: Option<i32>,
    /// How long it took.
    pub time: Duration,
}

/// Why a job could not be attended.
#[derive(Debug, thiserror::Error)]
pub enum AttendError {
    /// It cannot be started.
    #[error("cannot start {program}: {source}")]
    Start {
        /// The program.
        program: String,
        /// What is wrong.
        source: io::Error,
    },
    /// It cannot be watched.
    #[error("the job cannot be watched: {0}")]
    Watch(#[from] io::Error),
}

/// Runs a job to its end. One that is silent for longer than `hang_after` is ended.
///
/// # Errors
/// [`AttendError`] when it cannot be started or watched.
pub fn attend(
    invocation: &Invocation,
    hang_after: Option<Duration>,
) -> Result<Attended, AttendError> {
    let start = Instant::now();
    let channels = open()?;
    // Before the job is there: a signal that comes at once is not lost.
    let signals = Signals::expect()?;
    let mut command = Command::new(&invocation.program);
    command.args(&invocation.arguments).stdout(channels.stdout).stderr(channels.stderr);
    for name in &invocation.unset {
        command.env_remove(name);
    }
    command.envs(invocation.set.iter().map(|(name, value)| (name, value)));
    if let Some(folder) = &invocation.folder {
        command.current_dir(folder);
    }
    let mut child = command.spawn().map_err(|source| AttendError::Start {
        program: invocation.program.display().to_string(),
        source,
    })?;
    // It holds the job's ends of the outputs.
    drop(command);
    let pid = Pid::from_child(&child);
    let signals = signals.hand_on(pid, &channels.ours)?;
    let mut watch = Watch {
        process: pidfd_open(pid, PidfdFlags::empty()).map_err(io::Error::from)?,
        channels: channels.ours,
        output: Capture::new(KEPT),
        heard: start,
    };
    let hung = watch.until_the_end(pid, hang_after)?;
    let status = child.wait()?;
    watch.last_words()?;
    Ok(Attended {
        status: Status::from(status),
        output: watch.output.finish(),
        hung,
        interrupted: signals.interrupted(),
        time: start.elapsed(),
    })
}

impl From<ExitStatus> for Status {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, signal) => Self::Signal(signal.unwrap_or_default()),
        }
    }
}

/// Who listens to a job.
struct Watch {
    process: OwnedFd,
    channels: Vec<Channel>,
    output: Capture,
    heard: Instant,
}

impl Watch {
    /// Listens until the process ends, and says whether it had to be ended.
    fn until_the_end(&mut self, pid: Pid, hang_after: Option<Duration>) -> io::Result<bool> {
        let mut asked: Option<Instant> = None;
        loop {
            let patience = match (asked, hang_after) {
                (Some(asked), _) => Some(GRACE.saturating_sub(asked.elapsed())),
                (None, Some(limit)) => Some(limit.saturating_sub(self.heard.elapsed())),
                (None, None) => None,
            };
            if self.wait(patience, true)? {
                return Ok(asked.is_some());
            }
            match asked {
                None if hang_after.is_some_and(|limit| self.heard.elapsed() >= limit) => {
                    let _ = kill_process(pid, Signal::TERM);
                    asked = Some(Instant::now());
                }
                Some(since) if since.elapsed() >= GRACE => {
                    let _ = kill_process(pid, Signal::KILL);
                }
                _ => {}
            }
        }
    }

    /// Takes what is still on its way.
    fn last_words(&mut self) -> io::Result<()> {
        let end = Instant::now() + LAST_WORDS;
        while self.channels.iter().any(|channel| channel.from.is_some()) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            self.wait(Some(left), false)?;
        }
        Ok(())
    }

    /// Waits for something, hands it on, and says whether the process has ended.
    fn wait(&mut self, patience: Option<Duration>, process: bool) -> io::Result<bool> {
        let (ready, ended) = {
            let open = self.channels.iter().enumerate();
            let open = open.filter_map(|(at, channel)| Some((at, channel.from.as_ref()?)));
            let (names, mut fds): (Vec<usize>, Vec<PollFd<'_>>) =
                open.map(|(at, from)| (at, PollFd::new(from, PollFlags::IN))).unzip();
            if process {
                fds.push(PollFd::new(&self.process, PollFlags::IN));
            }
            let timeout = patience.map(|patience| Timespec {
                tv_sec: i64::try_from(patience.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(patience.subsec_nanos()),
            });
            match poll(&mut fds, timeout.as_ref()) {
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
            let ended = process && fds.last().is_some_and(|fd| !fd.revents().is_empty());
            let ready = names.into_iter().zip(fds).filter(|(_, fd)| !fd.revents().is_empty());
            (ready.map(|(at, _)| at).collect::<Vec<_>>(), ended)
        };
        // As much as a pipe holds. Source: pipe(7).
        let mut buffer = [0; 65536];
        for at in ready {
            let bytes = self.channels[at].hand_on(&mut buffer)?;
            self.output.add(bytes);
            self.heard = Instant::now();
        }
        Ok(ended)
    }
}
