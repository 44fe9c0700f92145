//! Where the shipped machines and logs are, and how the program is started.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests read the project's own files"
)]

use assert_cmd::Command;
use std::path::{Path, PathBuf};

/// Returns the folder `testdata/NAME`.
pub(crate) fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata").join(name)
}

/// Returns the entries of a folder of `testdata`, sorted.
pub(crate) fn entries(name: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(testdata(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

/// Returns the last part of a path without its ending.
pub(crate) fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_str().unwrap().to_owned()
}

/// Returns the program, in the top folder of the project and with nothing of this machine's environment.
pub(crate) fn rmcp(arguments: &[&str]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("rmcp"));
    command.args(arguments).env_clear().current_dir(testdata("..").canonicalize().unwrap());
    command
}
