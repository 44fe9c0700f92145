//! The program itself is killed by the kernel, and its system calls are made to fail, at every call by which it changes
//! a machine: the machine is then as before or as after, and `rmcp status` says which. `cargo xtask real-tools`
//! installs strace, which does it, and runs this.

#![expect(clippy::disallowed_methods, reason = "tests copy machines")]

mod support;

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;
use support::{contents, machine_copy, rmcp};

/// The calls by which files are written.
const CALLS: [&str; 6] = ["write", "fsync", "fchmod", "renameat", "unlinkat", "mkdirat"];

/// What happens at the call: the process is killed as it makes it, or the call fails.
const INJECTED: [&str; 4] = ["signal=KILL", "error=ENOSPC", "error=EIO", "error=EROFS"];

const CHANGES: [&[&str]; 3] = [
    &["kernel-parameter", "pcie_aspm=off"],
    &["variable", "HIP_VISIBLE_DEVICES=0"],
    &["unset-variable", "HSA_OVERRIDE_GFX_VERSION"],
];

fn arguments(root: &Path, change: &[&str]) -> Vec<String> {
    let root = root.display().to_string();
    let mut arguments = vec!["apply".to_owned()];
    arguments.extend(change.iter().map(|word| (*word).to_owned()));
    arguments.extend(["--yes".to_owned(), "--root".to_owned(), root]);
    arguments
}

#[test]
#[ignore = "needs strace: cargo xtask real-tools"]
fn the_machine_is_as_before_or_as_after() {
    let mut points = 0;
    for change in CHANGES {
        let before_and_after = {
            let machine = machine_copy("rx5600xt-override-torch");
            let before = contents(machine.path());
            let arguments = arguments(machine.path(), change);
            let made =
                rmcp(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).output().unwrap();
            assert!(made.status.success(), "{change:?}: {}", String::from_utf8_lossy(&made.stderr));
            [before, contents(machine.path())]
        };
        for (call, injected) in CALLS.iter().flat_map(|call| INJECTED.map(|what| (call, what))) {
            for at in 1.. {
                let machine = machine_copy("rx5600xt-override-torch");
                let log = machine.path().with_extension("strace");
                let status = Command::new("strace")
                    .args(["-q", "-e", "signal=none", "-o"])
                    .arg(&log)
                    .arg(format!("--trace={call}"))
                    .arg(format!("--inject={call}:{injected}:when={at}"))
                    .arg(env!("CARGO_BIN_EXE_rmcp"))
                    .args(arguments(machine.path(), change))
                    .env("HOME", "/home/user")
                    .output()
                    .unwrap_or_else(|error| {
                        panic!("strace: {error}; run `cargo xtask real-tools`")
                    });
                let calls = std::fs::read_to_string(&log).unwrap();
                std::fs::remove_file(&log).unwrap();
                // strace ends as the program did.
                let met = calls.contains("(INJECTED)") || status.status.signal() == Some(9);
                if !met {
                    assert!(status.status.success(), "{change:?}, {call} {at}");
                    break;
                }
                points += 1;
                let case = format!("{change:?}: {injected} at {call} {at}");
                let root = machine.path().display().to_string();
                let said = rmcp(&["status", "--root", &root]).output().unwrap();
                let text = String::from_utf8_lossy(&said.stdout);
                assert_eq!(
                    said.status.code(),
                    Some(0),
                    "{case}: {text}{}",
                    String::from_utf8_lossy(&said.stderr)
                );
                let in_force = text.contains("pending");
                let now = contents(machine.path());
                assert!(
                    now == before_and_after[usize::from(in_force)],
                    "{case}: neither before nor after, or not the one that status says: {text}"
                );
            }
        }
    }
    println!("{points} kills and failures of system calls");
    assert!(points >= 300, "{points}");
}
