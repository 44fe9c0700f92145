//! Starts a child through its keeper, listens to it, and ends it when it goes too far.

use super::capture::Capture;
use super::keeper::{Fate, Report, Request};
use super::{Captured, End, Ended, Invocation, Limits, RESULTS};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Most bytes of results that are read: some ten thousand checks.
const MAX_RESULTS: u64 = 4 << 20;

/// How often the file of results is looked at for signs of life.
const LOOK: Duration = Duration::from_millis(250);

/// How long outputs may stay open after the keeper has ended: a stuck process holds them for ever.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// How the keeper is started: a program that calls [`keep`](super::keep).
#[derive(Debug, Clone)]
pub struct Keeper {
    /// The program, normally `rmcp` itself.
    pub program: PathBuf,
    /// The arguments by which it knows what it is for.
    pub arguments: Vec<OsString>,
}

/// Why a child could not be isolated: not its fault.
#[derive(Debug, thiserror::Error)]
pub enum IsolationError {
    /// There is no room for its files.
    #[error("no folder for the files of a test: {0}")]
    Folder(std::io::Error),
    /// The keeper cannot be started.
    #[error("{}: {source}", program.display())]
    Keeper {
        /// The program.
        program: PathBuf,
        /// What is wrong.
        source: std::io::Error,
    },
    /// The keeper ended without a report.
    #[error("the process that watches over a test was ended ({0}); what it watched may still run")]
    NoReport(String),
}

/// Runs one child to its end. Its files are in a folder of this test alone, which is removed should we be killed.
///
/// # Errors
/// [`IsolationError`] when it could not be watched over. Whatever the child itself does is in [`Ended`].
pub fn run(
    keeper: &Keeper,
    invocation: &Invocation,
    limits: &Limits,
    folder: &Path,
) -> Result<Ended, IsolationError> {
    let (results, report) = (folder.join("results"), folder.join("report"));
    std::fs::write(&results, "").map_err(IsolationError::Folder)?;
    let mut invocation = invocation.clone();
    invocation.set.push((RESULTS.to_owned(), results.display().to_string()));
    let start = Instant::now();
    let request = Request {
        invocation,
        memory: limits.memory,
        report: report.clone(),
        caller: std::process::id(),
        folder: folder.to_owned(),
    };
    let listened = listen(keeper, &request, limits, &results);
    let time = start.elapsed();
    let Heard { ended_for, stdout, stderr, status } = listened
        .map_err(|source| IsolationError::Keeper { program: keeper.program.clone(), source })?;
    let written = std::fs::read(&report).ok();
    // The next child of the same test writes its own.
    let _ = std::fs::remove_file(&report);
    let report: Report = written
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or(IsolationError::NoReport(status))?;
    let end = match (ended_for, report.fate) {
        (_, Fate::NotStarted(why)) => End::NotStarted(why),
        (Some(end), _) => end,
        (None, Fate::Code(code)) => End::Code(code),
        (None, Fate::Signal(signal)) => End::Signal(signal),
        // It was not we who ended it, and it cannot be waited for.
        (None, Fate::Stuck) => End::TimeOver,
    };
    Ok(Ended {
        end,
        stdout,
        stderr,
        results: read_results(&results),
        time,
        peak_bytes: report.peak_bytes,
        left_behind: report.left_behind,
        stuck: report.stuck,
    })
}

/// What was heard of a child and its keeper.
struct Heard {
    ended_for: Option<End>,
    stdout: Captured,
    stderr: Captured,
    status: String,
}

fn listen(
    keeper: &Keeper,
    request: &Request,
    limits: &Limits,
    results: &Path,
) -> std::io::Result<Heard> {
    let mut child = Command::new(&keeper.program)
        .args(&keeper.arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Not ended by the terminal's Ctrl-C: it ends the test when we are gone.
        .process_group(0)
        .spawn()?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    let mut stdin = child.stdin.take();
    if let Some(stdin) = &mut stdin {
        stdin.write_all(&line)?;
    }
    let process = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
    let mut outputs = [
        Stream::new(child.stdout.take().map(OwnedFd::from), limits.output),
        Stream::new(child.stderr.take().map(OwnedFd::from), limits.output),
    ];
    let start = Instant::now();
    let mut life = Life { last: start, results: 0 };
    let mut ended_for = None;
    let mut keeper_gone: Option<Instant> = None;
    while !(keeper_gone.is_some() && outputs.iter().all(Stream::closed)) {
        let heard = wait(&mut outputs, keeper_gone.is_none().then_some(&process))?;
        if heard.outputs {
            life.last = Instant::now();
        }
        if heard.keeper {
            keeper_gone = Some(Instant::now());
        }
        if keeper_gone.is_some_and(|since| since.elapsed() > LAST_WORDS) {
            break;
        }
        if ended_for.is_none() && keeper_gone.is_none() {
            ended_for = life.over(start, limits, results);
            if ended_for.is_some() {
                // The keeper hears of it.
                stdin = None;
            }
        }
    }
    drop(stdin);
    let [stdout, stderr] = outputs.map(|output| output.capture.finish());
    Ok(Heard { ended_for, stdout, stderr, status: child.wait()?.to_string() })
}

/// Signs of life.
struct Life {
    last: Instant,
    results: u64,
}

impl Life {
    /// Says whether a child has to be ended, and why.
    fn over(&mut self, start: Instant, limits: &Limits, results: &Path) -> Option<End> {
        let length = std::fs::metadata(results).map_or(0, |file| file.len());
        if length != self.results {
            self.results = length;
            self.last = Instant::now();
        }
        if start.elapsed() > limits.wall {
            return Some(End::TimeOver);
        }
        limits.silence.filter(|silence| self.last.elapsed() > *silence).map(|_| End::Silent)
    }
}

/// One output and what was kept of it.
struct Stream {
    from: Option<std::fs::File>,
    capture: Capture,
}

impl Stream {
    fn new(from: Option<OwnedFd>, limit: usize) -> Self {
        Self { from: from.map(std::fs::File::from), capture: Capture::new(limit) }
    }

    fn closed(&self) -> bool {
        self.from.is_none()
    }

    /// Takes what is there; the pipe says that something is.
    fn take(&mut self, buffer: &mut [u8]) {
        let Some(from) = &mut self.from else { return };
        match from.read(buffer) {
            Ok(0) => self.from = None,
            Ok(count) => self.capture.add(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => self.from = None,
        }
    }
}

/// What came in one wait.
struct Came {
    outputs: bool,
    keeper: bool,
}

/// Waits for output, for the keeper's end, or for the next look at the clock.
fn wait(outputs: &mut [Stream; 2], keeper: Option<&OwnedFd>) -> std::io::Result<Came> {
    let ready = {
        let open = outputs
            .iter()
            .enumerate()
            .filter_map(|(at, output)| Some((Some(at), output.from.as_ref()?)));
        let mut watched: Vec<(Option<usize>, PollFd<'_>)> =
            open.map(|(at, file)| (at, PollFd::new(file, PollFlags::IN))).collect();
        watched.extend(keeper.map(|keeper| (None, PollFd::new(keeper, PollFlags::IN))));
        let (names, mut fds): (Vec<_>, Vec<_>) = watched.into_iter().unzip();
        let pause = Timespec { tv_sec: 0, tv_nsec: i64::from(LOOK.subsec_nanos()) };
        match poll(&mut fds, Some(&pause)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready = names.into_iter().zip(fds).filter(|(_, fd)| !fd.revents().is_empty());
        ready.map(|(name, _)| name).collect::<Vec<_>>()
    };
    // As much as a pipe holds. Source: pipe(7).
    let mut buffer = [0; 65536];
    let mut came = Came { outputs: false, keeper: false };
    for name in ready {
        match name {
            Some(at) => {
                outputs[at].take(&mut buffer);
                came.outputs |= !outputs[at].closed();
            }
            None => came.keeper = true,
        }
    }
    Ok(came)
}

fn read_results(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What cannot be read is missing, and so is the line that says that all is there.
    if let Ok(file) = std::fs::File::open(path) {
        let _ = file.take(MAX_RESULTS).read_to_end(&mut bytes);
    }
    bytes
}
