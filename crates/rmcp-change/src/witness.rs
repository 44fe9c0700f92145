//! The environment that programs would start with now: asked of a fresh login shell, of systemd, of Python.
//!
//! What stands in a start file proves little: a later line, another file or an early return may win. So the
//! real reader is started and asked, with a time limit, and its answer is only looked at. Root asks as the user
//! whose files they are, never as itself: whoever can write a start file must not become root by it.

#![expect(
    clippy::disallowed_methods,
    reason = "the reader of a variable is the only one who can say what it reads"
)]

use crate::members::Account;
use crate::standing::Witness;
use rmcp_model::Reader;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long a reader may take, from its start to its end. Start files with version managers in them take seconds.
const LIMIT: Duration = Duration::from_secs(5);

/// How often it is looked whether it has ended.
const PAUSE: Duration = Duration::from_millis(1);

/// Longest environment that is looked at. Source: execve(2): argument and environment strings are limited to a
/// quarter of the stack, 2 MiB as a rule.
const MAX_BYTES: u64 = 4 << 20;

/// Stand around the answer: start files print things too.
const BEGIN: &[u8] = b"\0rmcp-begin\0";
const END: &[u8] = b"\0rmcp-end\0";

/// The running machine, for one user.
#[derive(Debug, Clone)]
pub struct LiveWitness {
    /// The user who reads.
    pub account: Account,
    /// The user who runs this program.
    pub us: u32,
}

impl Witness for LiveWitness {
    fn environment(&self, reader: &Reader) -> Option<BTreeMap<String, String>> {
        match reader {
            Reader::User | Reader::Everybody => {
                let shell = &self.account.shell;
                let shell = if Path::new(shell).is_file() { shell } else { "/bin/sh" };
                let script = r"printf '\000rmcp-begin\000'; env -0; printf '\000rmcp-end\000'";
                self.ask(Command::new(shell).args(["-l", "-c", script])).map(|all| pairs(&all))
            }
            // An environment of root's may hold links into anybody's folders.
            Reader::Python { .. } if self.account.uid == 0 => None,
            Reader::Python { prefix } => {
                let script = "import os,sys\n\
                              w=sys.stdout.buffer.write\n\
                              w(b'\\0rmcp-begin\\0')\n\
                              for n,v in os.environb.items(): w(n+b'='+v+b'\\0')\n\
                              w(b'\\0rmcp-end\\0')";
                let python = format!("{prefix}/bin/python3");
                self.ask(Command::new(python).args(["-c", script])).map(|all| pairs(&all))
            }
            Reader::Unit { unit } => {
                let show = ["show", "--property=Environment", "--value", "--", unit];
                let mut command = Command::new("systemctl");
                let output = run(command.args(show).env_clear().env("PATH", PATH))?;
                Some(parse_unit_environment(&String::from_utf8_lossy(&output)))
            }
            // The script that we wrote is the reader, and its file is checked already.
            Reader::Command { .. } => None,
        }
    }
}

/// Where a new login finds programs.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";

impl LiveWitness {
    /// Runs a program with the environment of a new login, as the user; returns what it prints between the marks.
    fn ask(&self, command: &mut Command) -> Option<Vec<u8>> {
        let Account { name, uid, gid, home, .. } = &self.account;
        command.env_clear().env("PATH", PATH);
        command.env("HOME", home).env("USER", name).env("LOGNAME", name);
        if self.us == 0 && *uid != 0 {
            // Groups of root are dropped with it. Source: std `CommandExt::uid`.
            command.uid(*uid).gid(*gid);
        }
        between_marks(&run(command)?)
    }
}

/// Runs a program and returns what it prints; none where it fails or takes too long. What it has started in its
/// own process group ends with it.
fn run(command: &mut Command) -> Option<Vec<u8>> {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .current_dir("/")
        .process_group(0)
        .spawn();
    answer(child.ok()?)
}

fn answer(mut child: Child) -> Option<Vec<u8>> {
    let deadline = Instant::now() + LIMIT;
    let stdout = child.stdout.take()?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let mut stdout = stdout.take(MAX_BYTES);
        let mut part = [0; 16 << 10];
        // A process in the background may hold the other end for ever.
        while let Ok(read @ 1..) = stdout.read(&mut part) {
            bytes.extend_from_slice(&part[..read]);
            if bytes.ends_with(END) {
                break;
            }
        }
        // Nobody listens any more where the time is up.
        let _ = sender.send(bytes);
    });
    let answer = receiver.recv_timeout(LIMIT);
    let mut ended = None;
    while ended.is_none() && Instant::now() < deadline {
        ended = child.try_wait().ok()?;
        if ended.is_none() {
            std::thread::sleep(PAUSE);
        }
    }
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    // It is dead now in any case.
    child.wait().ok()?;
    answer.ok().filter(|_| ended.is_some_and(|status| status.success()))
}

fn between_marks(bytes: &[u8]) -> Option<Vec<u8>> {
    let find = |mark: &[u8]| bytes.windows(mark.len()).rposition(|part| part == mark);
    let (begin, end) = (find(BEGIN)? + BEGIN.len(), find(END)?);
    bytes.get(begin..end).map(<[u8]>::to_vec)
}

/// Splits `NAME=VALUE` at zero bytes.
fn pairs(bytes: &[u8]) -> BTreeMap<String, String> {
    let text = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
    let pairs = bytes.split(|&byte| byte == 0).filter_map(|part| {
        let at = part.iter().position(|&byte| byte == b'=')?;
        Some((text(&part[..at]), text(&part[at + 1..])))
    });
    pairs.collect()
}

/// Splits what `systemctl show` prints: assignments with blanks between, those with blanks in them in double
/// quotes. Source: systemctl(1); systemd `shell_escape`.
fn parse_unit_environment(text: &str) -> BTreeMap<String, String> {
    let (mut found, mut word, mut quoted) = (BTreeMap::new(), String::new(), false);
    let mut characters = text.trim_end().chars().chain([' ']);
    while let Some(character) = characters.next() {
        match character {
            '"' => quoted = !quoted,
            '\\' => word.extend(characters.next()),
            ' ' if !quoted => {
                if let Some((name, value)) = std::mem::take(&mut word).split_once('=') {
                    found.insert(name.to_owned(), value.to_owned());
                }
            }
            other => word.push(other),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A user whose start file is this, or none.
    fn witness(home: &Path, profile: &str) -> LiveWitness {
        std::fs::write(home.join(".profile"), profile).unwrap();
        let us = rustix::process::geteuid().as_raw();
        let account = Account {
            name: "somebody".to_owned(),
            uid: us,
            gid: rustix::process::getegid().as_raw(),
            home: home.display().to_string(),
            shell: "/bin/sh".to_owned(),
        };
        LiveWitness { account, us }
    }

    #[test]
    fn a_login_shell_is_asked_whatever_its_start_file_does() {
        let home = tempfile::tempdir().unwrap();
        for (profile, expected) in [
            ("export RMCP_TEST='a b '\n", Some("a b ")),
            ("echo hello; export RMCP_TEST='a b '\n", Some("a b ")),
            ("export RMCP_TEST='a b '\nsleep 60 &\n", Some("a b ")),
            ("exit 3\n", None),
            ("exec >/dev/null; export RMCP_TEST=1\n", None),
        ] {
            let start = Instant::now();
            let environment = witness(home.path(), profile).environment(&Reader::User);
            let found = environment.and_then(|all| all.get("RMCP_TEST").cloned());
            assert_eq!(found.as_deref(), expected, "{profile}");
            assert!(start.elapsed() < LIMIT, "{profile}: {:?}", start.elapsed());
        }
    }

    #[test]
    fn what_systemctl_prints_is_split() {
        let all = parse_unit_environment("A=1 \"B=x y\" C=\"a\\\"b\" D=\n");
        let expected = [("A", "1"), ("B", "x y"), ("C", "a\"b"), ("D", "")];
        assert_eq!(
            all.into_iter().collect::<Vec<_>>(),
            expected.map(|(a, b)| (a.into(), b.into()))
        );
    }
}
