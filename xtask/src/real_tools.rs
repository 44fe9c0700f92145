//! What `rmcp apply` writes, read by the real programs that will read it.

use crate::run::{cargo, need_package};
use anyhow::Result;

/// Programs, and the Debian packages that hold them.
const TOOLS: [(&str, &str); 6] = [
    ("dash", "dash"),
    ("bash", "bash"),
    ("zsh", "zsh"),
    ("fish", "fish"),
    ("modprobe", "kmod"),
    ("systemd-analyze", "systemd"),
];

/// Installs what is missing and runs the tests that need it.
pub(crate) fn run() -> Result<()> {
    for (program, package) in TOOLS {
        need_package(program, package)?;
    }
    cargo(&["test", "--package", "rmcp-change", "--test", "real_tools", "--", "--ignored"])
}
