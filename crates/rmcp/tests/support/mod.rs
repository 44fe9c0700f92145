//! Where the shipped machines and logs are, how the program is started, and copies of machines to be changed.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests read the project's own files"
)]

use assert_cmd::Command;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Returns the folder `testdata/NAME`.
pub(crate) fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata").join(name)
}

/// Returns the entries of a folder of `testdata`, sorted.
pub(crate) fn entries(name: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        fs::read_dir(testdata(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
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

/// Copies a machine that is to be changed.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_symlink() {
            symlink(fs::read_link(&path).unwrap(), target).unwrap();
        } else if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

pub(crate) fn machine_copy(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(&testdata("machines").join(name), folder.path());
    folder
}

/// Every file, folder and link but the journal.
pub(crate) fn contents(root: &Path) -> BTreeMap<String, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            if name == "var/lib/rmcp" {
                continue;
            }
            if path.is_symlink() {
                let target = fs::read_link(&path).unwrap().display().to_string();
                found.insert(name, (0, target.into_bytes()));
                continue;
            }
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            if path.is_dir() {
                found.insert(name, (mode, Vec::new()));
                folders.push(path);
            } else {
                found.insert(name, (mode, fs::read(&path).unwrap()));
            }
        }
    }
    // Folders in which a journal was made for the first time.
    found.remove("var/lib");
    found.remove("var");
    found
}

/// A user with a home of his own, in which `rmcp` keeps what it keeps of a user.
pub(crate) struct User(tempfile::TempDir);

impl User {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    /// The program as this user starts it, without what the person who runs the tests has set for a card of his own.
    pub(crate) fn rmcp(&self, arguments: &[&str]) -> std::process::Command {
        let mut rmcp = std::process::Command::new(env!("CARGO_BIN_EXE_rmcp"));
        rmcp.args(arguments).current_dir(self.folder()).stdin(std::process::Stdio::null());
        rmcp.env("HOME", self.folder()).env_remove("XDG_STATE_HOME");
        for name in [
            "HSA_OVERRIDE_GFX_VERSION",
            "HSA_ENABLE_SDMA",
            "HIP_VISIBLE_DEVICES",
            "ROCR_VISIBLE_DEVICES",
            "RMCP_DEVICE",
        ] {
            rmcp.env_remove(name);
        }
        rmcp
    }

    /// How often a script was started that adds a line to the file `starts` each time.
    pub(crate) fn starts(&self) -> usize {
        fs::read_to_string(self.folder().join("starts")).unwrap_or_default().lines().count()
    }
}
