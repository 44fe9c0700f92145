//! The environment that programs would start with now: asked of a fresh login shell, of systemd, of Python.
//!
//! What stands in a start file proves little: a later line, another file or an early return may win. So the
//! real reader is started and asked, with a time limit, and its answer is only looked at.

#![expect(
    clippy::disallowed_methods,
    reason = "the reader of a variable is the only one who can say what it reads"
)]

use crate::standing::Witness;
use rmcp_model::Reader;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How long a reader may take. Start files with version managers in them take seconds.
const LIMIT: Duration = Duration::from_secs(5);

/// Longest environment that is looked at. Source: Linux `ARG_MAX` as execve(2) gives it, a quarter of the stack.
const MAX_BYTES: u64 = 2 << 20;

/// The running machine, for one user.
#[derive(Debug, Clone, Default)]
pub struct LiveWitness {
    /// Home folder.
    pub home: Option<String>,
    /// Name.
    pub user: Option<String>,
    /// Login shell.
    pub shell: Option<String>,
}

impl Witness for LiveWitness {
    fn environment(&self, reader: &Reader) -> Option<BTreeMap<String, String>> {
        match reader {
            Reader::User | Reader::Everybody => {
                let shell = self.shell.as_deref().filter(|shell| Path::new(shell).is_file());
                let shell = shell.unwrap_or("/bin/sh");
                parse(&self.ask(Command::new(shell).args(["-l", "-c", "env -0"]))?, 0)
            }
            Reader::Python { prefix } => {
                let print =
                    "import os,sys\nfor n,v in os.environ.items(): sys.stdout.write(n+'='+v+'\\0')";
                parse(
                    &self.ask(Command::new(format!("{prefix}/bin/python3")).args(["-c", print]))?,
                    0,
                )
            }
            Reader::Unit { unit } => {
                let show = ["show", "--property=Environment", "--value", "--", unit];
                parse(&self.ask(Command::new("systemctl").args(show))?, b' ')
            }
            // The script that we wrote is the reader, and its file is checked already.
            Reader::Command { .. } => None,
        }
    }
}

impl LiveWitness {
    /// Runs a program with the environment of a new login, and returns what it prints; none where it fails or
    /// takes too long.
    fn ask(&self, command: &mut Command) -> Option<Vec<u8>> {
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
        let known = [("HOME", &self.home), ("USER", &self.user), ("LOGNAME", &self.user)];
        for (name, value) in known {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        answer(child.ok()?)
    }
}

/// Waits for the answer of a program, and ends it and what it started where it takes too long.
fn answer(mut child: Child) -> Option<Vec<u8>> {
    let stdout = child.stdout.take()?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stdout.take(MAX_BYTES).read_to_end(&mut bytes);
        // Nobody listens any more where the time is up.
        let _ = sender.send(read.map(|_| bytes));
    });
    let answer = receiver.recv_timeout(LIMIT);
    if answer.is_err() {
        let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw)?;
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let ended = child.wait().ok()?;
    answer.ok()?.ok().filter(|_| ended.success())
}

/// Splits `NAME=VALUE` at a separator.
fn parse(bytes: &[u8], separator: u8) -> Option<BTreeMap<String, String>> {
    let text = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
    let pairs = bytes.split(|&byte| byte == separator).filter_map(|part| {
        let part = part.trim_ascii_end();
        let at = part.iter().position(|&byte| byte == b'=')?;
        Some((text(&part[..at]), text(&part[at + 1..])))
    });
    Some(pairs.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_shell_is_asked_and_a_slow_one_is_ended() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join(".profile"), "export RMCP_TEST='a b'\n").unwrap();
        let witness = LiveWitness {
            home: Some(home.path().display().to_string()),
            user: Some("somebody".to_owned()),
            shell: Some("/bin/sh".to_owned()),
        };
        let environment = witness.environment(&Reader::User).unwrap();
        assert_eq!(environment.get("RMCP_TEST").map(String::as_str), Some("a b"));
        std::fs::write(home.path().join(".profile"), "exit 3\n").unwrap();
        assert_eq!(witness.environment(&Reader::User), None, "a shell that fails says nothing");
    }
}
