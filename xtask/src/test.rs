//! Everything that a change must pass.

use crate::python;
use crate::rocm;
use crate::run::{cargo, cargo_output, run};
use crate::{data, layers};
use anyhow::Result;

/// Runs the checks from the quickest to the longest, and stops at the first that fails.
pub(crate) fn test() -> Result<()> {
    need_component("rustfmt", &["fmt", "--version"])?;
    need_component("clippy", &["clippy", "--version"])?;
    cargo(&["fmt", "--all", "--check"])?;
    layers::run()?;
    data::run()?;
    cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"])?;
    // The runtime that finds a simulated card, the compiler for its programs, and what shows it to them.
    rocm::need()?;
    // PyTorch, in which the workloads are computed on the processor.
    python::need()?;
    let programs = ["rmcp", "rmcp-sim-preload", "rmcp-interposer"];
    let packages: Vec<&str> = programs.iter().flat_map(|name| ["--package", name]).collect();
    cargo(&[&["build", "--quiet"], &packages[..]].concat())?;
    cargo(&["test", "--workspace", "--quiet"])?;
    python::test(60)
}

/// Makes sure that a part of the Rust toolchain is there.
fn need_component(component: &str, probe: &[&str]) -> Result<()> {
    if cargo_output(probe).is_ok() {
        return Ok(());
    }
    run("rustup", &["component", "add", component])
}
