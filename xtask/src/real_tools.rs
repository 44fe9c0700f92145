//! What `rmcp apply` writes, read by the real programs that will read it.

use crate::run::{cargo, need_packages};
use anyhow::Result;

/// Programs, and the Debian packages that hold them.
const TOOLS: [(&str, &str); 10] = [
    ("dash", "dash"),
    ("bash", "bash"),
    ("zsh", "zsh"),
    ("fish", "fish"),
    ("modprobe", "kmod"),
    ("systemd-analyze", "systemd"),
    ("grub-script-check", "grub-common"),
    ("bootctl", "systemd-boot"),
    ("python3", "python3-venv"),
    ("strace", "strace"),
];

/// Installs what is missing and runs the tests that need it.
pub(crate) fn run() -> Result<()> {
    need_packages(&TOOLS)?;
    let shown = ["--", "--ignored", "--nocapture"];
    for (package, test) in [("rmcp-change", "real_tools"), ("rmcp", "killed")] {
        cargo(&[&["test", "--package", package, "--test", test][..], &shown].concat())?;
    }
    Ok(())
}
