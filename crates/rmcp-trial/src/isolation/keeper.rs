//! The keeper: a process of our own between `rmcp` and a test.
//!
//! It sets the limits, starts the test in a process group of its own, and is the foster parent of whatever the test
//! leaves behind (`PR_SET_CHILD_SUBREAPER`), so that nothing can run away from it. Its standard input is the one thing
//! it listens to: when that closes, because the time is over or because `rmcp` was killed, it ends the whole tree.
//! Output goes past it, from the test straight to `rmcp`.

use super::Invocation;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, WaitOptions, getpid, kill_process, pidfd_open,
    set_child_subreaper, setrlimit, wait,
};
use serde::{Deserialize, Serialize};
use std::io::BufRead;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a process may take to end after it was asked to, before it is killed.
const GRACE: Duration = Duration::from_millis(500);

/// How long a killed process may take to be gone, before it is called stuck.
const STUCK: Duration = Duration::from_secs(3);

/// How long processes that outlive the test may take to end by themselves.
const LINGER: Duration = Duration::from_secs(1);

/// What the keeper is asked for, as one line of JSON on its standard input.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    /// What is started.
    pub(super) invocation: Invocation,
    /// Most bytes for `RLIMIT_DATA`.
    pub(super) memory: Option<u64>,
    /// Where the report goes.
    pub(super) report: PathBuf,
    /// Who asks.
    pub(super) caller: u32,
    /// The folder of the test, which nobody else removes once the caller was killed.
    pub(super) folder: PathBuf,
}

/// How the test's first process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Fate {
    Code(i32),
    Signal(i32),
    NotStarted(String),
    /// It cannot be ended.
    Stuck,
}

/// What the keeper writes at the end.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) fate: Fate,
    /// Most memory that one of the processes held, in bytes.
    pub(super) peak_bytes: Option<u64>,
    /// Processes that outlived the test.
    pub(super) left_behind: Vec<String>,
    /// Processes that are still there after they were killed.
    pub(super) stuck: Vec<String>,
}

/// Keeps one test: the whole life of the process that [`run`](super::run) starts.
///
/// # Errors
/// When the request is none, or the report cannot be written.
pub fn keep() -> std::io::Result<()> {
    let mut line = String::new();
    // Not more than the line is read, and nothing follows it.
    std::io::stdin().lock().read_line(&mut line)?;
    let request: Request = serde_json::from_str(&line)?;
    let report = serve(&request);
    if std::os::unix::process::parent_id() != request.caller {
        return std::fs::remove_dir_all(request.folder);
    }
    // Under another name first: a report is whole or not there.
    let unfinished = request.report.with_extension("unfinished");
    std::fs::write(&unfinished, serde_json::to_vec(&report)?)?;
    std::fs::rename(unfinished, &request.report)
}

fn serve(request: &Request) -> Report {
    let not_started = |why: String| Report {
        fate: Fate::NotStarted(why),
        peak_bytes: None,
        left_behind: Vec::new(),
        stuck: Vec::new(),
    };
    if let Err(error) = set_child_subreaper(Some(getpid())) {
        return not_started(format!("its processes could not be kept together: {error}"));
    }
    limit(Resource::Core, Some(0));
    limit(Resource::Data, request.memory);
    let mut child = match command(&request.invocation).spawn() {
        Ok(child) => child,
        Err(error) => {
            return not_started(format!("{}: {error}", request.invocation.program.display()));
        }
    };
    let pid = Pid::from_child(&child);
    let by_itself = wait_for_end(pid);
    if !by_itself {
        end_all(&tree(getpid()), Signal::TERM);
        let _ = wait_until(GRACE, || !alive(pid));
        end_all(&tree(getpid()), Signal::KILL);
    }
    let gone = wait_until(STUCK, || !alive(pid));
    let fate = match child.try_wait() {
        Ok(Some(status)) => fate(status),
        Ok(None) | Err(_) => Fate::Stuck,
    };
    let (left_behind, mut stuck) = end_the_rest(by_itself);
    if !gone && stuck.is_empty() {
        stuck.push(describe(pid));
    }
    Report { fate, peak_bytes: peak_bytes(), left_behind, stuck }
}

fn command(invocation: &Invocation) -> Command {
    let mut command = Command::new(&invocation.program);
    command.args(&invocation.arguments).stdin(Stdio::null()).process_group(0);
    for name in &invocation.unset {
        command.env_remove(name);
    }
    command.envs(invocation.set.iter().map(|(name, value)| (name, value)));
    if let Some(folder) = &invocation.folder {
        command.current_dir(folder);
    }
    command
}

/// Lowers a limit of this process, which its children inherit. A limit that cannot be had is not had.
fn limit(resource: Resource, value: Option<u64>) {
    if let Some(value) = value {
        let _ = setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) });
    }
}

fn fate(status: std::process::ExitStatus) -> Fate {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => Fate::Code(code),
        (None, Some(signal)) => Fate::Signal(signal),
        (None, None) => Fate::Stuck,
    }
}

/// Waits until the process ends, and gives false when it is to be ended.
fn wait_for_end(pid: Pid) -> bool {
    let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else {
        return false;
    };
    let stdin = std::io::stdin();
    loop {
        let mut watched =
            [PollFd::new(&process, PollFlags::IN), PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut watched, None) {
            Ok(_) if !watched[0].revents().is_empty() => return true,
            Ok(_) if !watched[1].revents().is_empty() => return false,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

/// Waits so long for something to become true, and says whether it did.
fn wait_until(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    let pause = Timespec { tv_sec: 0, tv_nsec: 2_000_000 };
    loop {
        if done() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        let _ = poll(&mut [], Some(&pause));
    }
}

/// Ends what the test left behind. Gives what was still there after the test had ended by itself, and what cannot be
/// ended.
fn end_the_rest(by_itself: bool) -> (Vec<String>, Vec<String>) {
    let nothing_left = || {
        reap();
        tree(getpid()).is_empty()
    };
    if nothing_left() || (by_itself && wait_until(LINGER, nothing_left)) {
        return (Vec::new(), Vec::new());
    }
    let names = |pids: Vec<Pid>| pids.into_iter().map(describe).collect::<Vec<_>>();
    let left = if by_itself { names(tree(getpid())) } else { Vec::new() };
    end_all(&tree(getpid()), Signal::TERM);
    if !wait_until(GRACE, nothing_left) {
        // A process may start others while it is looked at.
        let gone = wait_until(STUCK, || {
            end_all(&tree(getpid()), Signal::KILL);
            nothing_left()
        });
        if !gone {
            return (left, names(tree(getpid())));
        }
    }
    (left, Vec::new())
}

/// Takes the exit codes of orphans that have ended.
fn reap() {
    while matches!(wait(WaitOptions::NOHANG), Ok(Some(_))) {}
}

fn end_all(processes: &[Pid], signal: Signal) {
    for process in processes {
        // One that has ended meanwhile is no error.
        let _ = kill_process(*process, signal);
    }
}

/// All processes below one, the nearest first.
fn tree(top: Pid) -> Vec<Pid> {
    let mut all = children(top);
    let mut next = 0;
    while next < all.len() {
        let below = children(all[next]);
        all.extend(below.into_iter().filter(|pid| !all.contains(pid)).collect::<Vec<_>>());
        next += 1;
    }
    all
}

/// Source: proc(5), `/proc/pid/task/tid/children`.
fn children(pid: Pid) -> Vec<Pid> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero()));
    let read = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("children")).ok();
    let lists = tasks.into_iter().flatten().flatten().filter_map(read);
    lists
        .flat_map(|list| {
            list.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<i32>>()
        })
        .filter_map(Pid::from_raw)
        .collect()
}

/// Whether a process still runs; a zombie does not.
fn alive(pid: Pid) -> bool {
    state(pid).is_some_and(|state| state != 'Z' && state != 'X')
}

/// Source: proc(5), `/proc/pid/stat`: the letter behind the name, which may hold brackets itself.
fn state(pid: Pid) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

/// A process by its number, name and state, and where in the kernel it waits.
fn describe(pid: Pid) -> String {
    let read = |file: &str| {
        std::fs::read_to_string(format!("/proc/{}/{file}", pid.as_raw_nonzero()))
            .map(|text| text.trim().to_owned())
            .unwrap_or_default()
    };
    let name = read("comm");
    match (state(pid), read("wchan")) {
        (Some('D'), place) => format!("{pid} {name}, which waits in the kernel ({place})"),
        _ => format!("{pid} {name}"),
    }
}

/// The most memory that any process held whose end was waited for.
fn peak_bytes() -> Option<u64> {
    let usage =
        nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN).ok()?;
    // KiB. Source: getrusage(2).
    u64::try_from(usage.max_rss()).ok().map(|kib| kib * 1024)
}
