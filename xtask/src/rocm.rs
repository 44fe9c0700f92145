//! Debian's ROCm, on which the simulated card is shown and tested.

use crate::run::{need_packages, top};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is looked for, and the package that holds it: the compiler, the headers and libraries that it links with,
/// and the tool that lists devices.
const PARTS: [(&str, &str); 5] = [
    ("hipcc", "hipcc"),
    ("/usr/include/hip/hip_runtime_api.h", "libamdhip64-dev"),
    ("/usr/include/hsa/hsa.h", "libhsa-runtime-dev"),
    ("rocminfo", "rocminfo"),
    // With which rocminfo asks whether the driver is loaded.
    ("lsmod", "kmod"),
];

/// Installs what is missing of it.
pub(crate) fn need() -> Result<()> {
    need_packages(&PARTS)
}

/// The programs of `workloads/hip` that compile with any ROCm.
pub(crate) const PROGRAMS: [&str; 7] =
    ["runtime", "arithmetic", "reduce_scan", "gemm", "convolution", "normalise", "generic_pointer"];

/// The one that names what later compilers have no more.
pub(crate) const INSTRUCTIONS: &str = "instructions";

/// The one that looks for leaks in itself, for a minute.
pub(crate) const ENDURANCE: &str = "endurance";

/// Compiles one of them for gfx1010 and gfx1030 into a folder.
pub(crate) fn compile(name: &str, folder: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let (source, made) =
        (top().join("workloads/hip").join(name).with_extension("hip"), folder.join(name));
    // Clang leaves empty folders behind where it puts its temporary files.
    let temporary = tempfile::tempdir()?;
    let output = Command::new("hipcc")
        .env("TMPDIR", temporary.path())
        .args(["--offload-arch=gfx1010", "--offload-arch=gfx1030", "-O3", "-std=c++17", "-o"])
        .args([&made, &source])
        .output()
        .context("start hipcc")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "hipcc failed on {}: {errors}", source.display());
    Ok(made)
}
