//! The way of one output from the job to where our own output goes, with an ear on it.
//!
//! A terminal is replaced by one of our own (a pty), so that the job still draws its progress bars; what it writes is
//! handed on byte for byte. A file or a pipe is replaced by a pipe. Where both outputs go to the same place, they share
//! one way, and keep their order.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::fstat;
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{
    OptionalActions, OutputModes, isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize,
};
use std::io;

/// Where our own output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Stdout,
    Stderr,
}

impl Target {
    fn write(self, bytes: &[u8]) -> io::Result<()> {
        // Past the buffers of the standard library: a part of a line is shown at once.
        let mut rest = bytes;
        while !rest.is_empty() {
            let written = match self {
                Self::Stdout => rustix::io::write(rustix::stdio::stdout(), rest),
                Self::Stderr => rustix::io::write(rustix::stdio::stderr(), rest),
            };
            match written {
                Ok(count) => rest = &rest[count..],
                Err(rustix::io::Errno::INTR) => {}
                // Somebody made it non-blocking; what it goes to is slow.
                Err(rustix::io::Errno::AGAIN) => {
                    std::thread::sleep(std::time::Duration::from_millis(1))
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// One way.
#[derive(Debug)]
pub(super) struct Channel {
    /// Our end; none once the job's end is closed.
    pub(super) from: Option<OwnedFd>,
    target: Target,
    terminal: bool,
}

/// Our ends, and the ends for the job's standard output and standard error.
pub(super) struct Channels {
    pub(super) ours: Vec<Channel>,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
}

/// Opens the ways.
pub(super) fn open() -> io::Result<Channels> {
    let (first, stdout) = channel(Target::Stdout, rustix::stdio::stdout())?;
    if same(rustix::stdio::stdout(), rustix::stdio::stderr()) {
        let stderr = stdout.try_clone()?;
        return Ok(Channels { ours: vec![first], stdout, stderr });
    }
    let (second, stderr) = channel(Target::Stderr, rustix::stdio::stderr())?;
    Ok(Channels { ours: vec![first, second], stdout, stderr })
}

fn same(one: impl AsFd, other: impl AsFd) -> bool {
    match (fstat(one), fstat(other)) {
        (Ok(one), Ok(other)) => (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino),
        _ => false,
    }
}

fn channel(target: Target, ours: impl AsFd) -> io::Result<(Channel, OwnedFd)> {
    let terminal = isatty(&ours);
    let (from, theirs) = if terminal { pty(ours)? } else { pipe()? };
    Ok((Channel { from: Some(from), target, terminal }, theirs))
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = io::pipe()?;
    Ok((reader.into(), writer.into()))
}

/// A terminal as large and as set as ours that hands on what is written as it is: ours does the rest.
fn pty(ours: impl AsFd) -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let theirs = ioctl_tiocgptpeer(&master, flags)?;
    let mut modes = tcgetattr(&ours)?;
    modes.output_modes.remove(OutputModes::OPOST);
    tcsetattr(&theirs, OptionalActions::Now, &modes)?;
    tcsetwinsize(&theirs, tcgetwinsize(&ours)?)?;
    Ok((master, theirs))
}

impl Channel {
    /// Hands on what is there, and gives it; nothing once it is closed.
    pub(super) fn hand_on<'b>(&mut self, buffer: &'b mut [u8]) -> io::Result<&'b [u8]> {
        let Some(from) = &self.from else { return Ok(&[]) };
        match rustix::io::read(from, &mut *buffer) {
            Ok(0) => self.from = None,
            Ok(count) => {
                let bytes = &buffer[..count];
                if self.target.write(bytes).is_err() {
                    // Nobody reads us any more: the job shall see that too.
                    self.from = None;
                }
                return Ok(bytes);
            }
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            // What a terminal says when its other end is closed. Source: pty(7).
            Err(rustix::io::Errno::IO) => self.from = None,
            Err(error) => return Err(error.into()),
        }
        Ok(&[])
    }

    /// Returns what is needed to give the job's terminal the size of ours; none where it has no terminal.
    pub(super) fn resizer(&self) -> io::Result<Option<Resizer>> {
        let from = self.from.as_ref().filter(|_| self.terminal);
        from.map(|from| Ok(Resizer { theirs: from.try_clone()?, ours: self.target })).transpose()
    }
}

/// Keeps a terminal of the job as large as ours.
#[derive(Debug)]
pub(super) struct Resizer {
    theirs: OwnedFd,
    ours: Target,
}

impl Resizer {
    /// Gives it the size of ours. A size that cannot be given is not given.
    pub(super) fn resize(&self) {
        let size = match self.ours {
            Target::Stdout => tcgetwinsize(rustix::stdio::stdout()),
            Target::Stderr => tcgetwinsize(rustix::stdio::stderr()),
        };
        if let Ok(size) = size {
            let _ = tcsetwinsize(&self.theirs, size);
        }
    }
}
