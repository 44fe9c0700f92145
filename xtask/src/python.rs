//! Tests of the Python package: with Debian's Python and PyTorch, and without PyTorch on whatever other Python is here.

use crate::run::{cargo, need_packages, top};
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::Command;

/// What is looked for, and the package that holds it.
const PARTS: [(&str, &str); 2] = [
    ("/usr/bin/python3", "python3"),
    ("/usr/lib/python3/dist-packages/torch/__init__.py", "python3-torch"),
];

/// Debian's Python, the one that has Debian's PyTorch.
const PYTHON: &str = "/usr/bin/python3";

/// Tests that need no PyTorch, for the oldest and the newest Python that the package is for.
const WITHOUT_TORCH: [&str; 2] = ["test_checkpoint.py", "test_device.py"];
const OTHERS: [&str; 2] = ["python3.9", "python3.13"];

/// Installs what is missing of them.
pub(crate) fn need() -> Result<()> {
    need_packages(&PARTS)
}

/// Runs all tests; `kills` is how many processes are killed while they save.
pub(crate) fn test(kills: u32) -> Result<()> {
    need()?;
    cargo(&["build", "--package", "rmcp", "--quiet"])?;
    let folder = top().join("python/tests");
    let mut files: Vec<String> = std::fs::read_dir(&folder)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_>>()?;
    files.retain(|name| name.starts_with("test_") && name.ends_with(".py"));
    files.sort();
    for name in &files {
        unittest(PYTHON, &folder.join(name), kills)?;
    }
    for python in OTHERS {
        // There need not be another one, and one may be a script that starts none.
        let there = Command::new(python).arg("--version").output();
        if there.is_ok_and(|output| output.status.success()) {
            for name in WITHOUT_TORCH {
                unittest(python, &folder.join(name), kills / 10)?;
            }
        } else {
            println!("python-test: not run with {python}, which is not here");
        }
    }
    Ok(())
}

/// One file, in a process of its own: a PyTorch that one has imported would be the one that the next finds.
fn unittest(python: &str, file: &Path, kills: u32) -> Result<()> {
    let program = top().join(std::env::var("CARGO_TARGET_DIR").unwrap_or("target".to_owned()));
    println!("python-test: {} with {python}", file.file_name().unwrap_or_default().display());
    let status = Command::new(python)
        .args(["-W", "ignore", "-B", "-m", "unittest", "--quiet"])
        .arg(file)
        .current_dir(top().join("python"))
        .env("PYTHONPATH", top().join("python/src"))
        .env("RMCP_BINARY", program.join("debug/rmcp"))
        .env("RMCP_KILLS", kills.to_string())
        .status()
        .with_context(|| format!("start {python}"))?;
    ensure!(status.success(), "{} failed with {python} ({status})", file.display());
    Ok(())
}

/// Runs trainings in PyTorch that lose their device at a random step; the processor stands for it.
pub(crate) fn soak(rmcp: &Path, runs: u64) -> Result<()> {
    need_packages(&PARTS)?;
    let status = Command::new(PYTHON)
        .args(["-W", "ignore", "-B", "python/faults/soak.py"])
        .arg(rmcp)
        .arg(runs.to_string())
        .current_dir(top())
        .status()
        .context("start python3")?;
    ensure!(status.success(), "a training in PyTorch was not as it should be ({status})");
    Ok(())
}

/// Measures the tuned processor beside the plain one.
pub(crate) fn bench(seconds: f64) -> Result<()> {
    need_packages(&PARTS)?;
    let status = Command::new(PYTHON)
        .args(["-W", "ignore", "-B", "benchmarks/cpu.py", &seconds.to_string()])
        .current_dir(top().join("python"))
        .env("PYTHONPATH", top().join("python/src"))
        .status()
        .context("start python3")?;
    ensure!(status.success(), "the benchmark failed ({status})");
    Ok(())
}
