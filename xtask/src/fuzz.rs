//! Fuzzes the parsers with libFuzzer, on the stable toolchain.

use crate::run::top;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the targets are listed.
const TARGETS: &str = "fuzz/src/targets.rs";

/// What `cargo fuzz` passes on nightly too: coverage counters for libFuzzer. Source: LLVM
/// `docs/SanitizerCoverage.rst`.
const RUSTFLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing";

/// Largest input in bytes: above that libFuzzer finds nothing that a smaller one would not show.
const MAX_BYTES: u32 = 64 << 10;

/// Fuzzes one target or all of them, each for `seconds`.
pub(crate) fn run(target: Option<&str>, seconds: u64) -> Result<()> {
    let known = targets()?;
    let chosen: Vec<&String> =
        known.iter().filter(|name| target.is_none_or(|wanted| wanted == *name)).collect();
    if chosen.is_empty() {
        bail!("no such target; expected one of {}", known.join(", "));
    }
    let binary = build()?;
    for name in chosen {
        let corpus = top().join("target/fuzz-corpus").join(name);
        std::fs::create_dir_all(&corpus)?;
        seed(&corpus)?;
        println!("\n{name}: {seconds} s");
        let status = Command::new(&binary)
            .env("RMCP_FUZZ_TARGET", name)
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-max_len={MAX_BYTES}"))
            .args(["-timeout=5", "-rss_limit_mb=1024", "-print_final_stats=1", "-verbosity=0"])
            .arg(format!("-artifact_prefix={}/crash-", corpus.display()))
            .arg(&corpus)
            .current_dir(top())
            .status()?;
        if !status.success() {
            bail!("{name} failed ({status}); the input is beside {}", corpus.display());
        }
    }
    Ok(())
}

fn build() -> Result<PathBuf> {
    let target = top().join("target/fuzz");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let status = Command::new(cargo)
        // Naming the platform keeps the flags away from build scripts.
        .args(["build", "--release", "--manifest-path", "fuzz/Cargo.toml"])
        .args(["--target", "x86_64-unknown-linux-gnu", "--target-dir"])
        .arg(&target)
        .env("RUSTFLAGS", RUSTFLAGS)
        .current_dir(top())
        .status()?;
    if !status.success() {
        bail!("the fuzz targets do not build ({status})");
    }
    Ok(target.join("x86_64-unknown-linux-gnu/release/rmcp-fuzz"))
}

/// The names in the list of targets.
fn targets() -> Result<Vec<String>> {
    let text = std::fs::read_to_string(top().join(TARGETS)).context(TARGETS)?;
    let list = text.split_once("const ALL").context(TARGETS)?.1;
    let list = list.split_once("];").context(TARGETS)?.0;
    Ok(list
        .lines()
        .filter_map(|line| Some(line.trim().strip_prefix("(\"")?.split_once('"')?.0.to_owned()))
        .collect())
}

/// Starts from the shipped logs, code objects and machines: every small file of them.
fn seed(corpus: &Path) -> Result<()> {
    let mut folders: Vec<_> = ["logs", "code-objects", "machines/rx5600xt-override-torch"]
        .map(|folder| top().join("testdata").join(folder))
        .into();
    let mut number = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)?.flatten() {
            let path = entry.path();
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && entry.metadata()?.len() <= u64::from(MAX_BYTES) {
                std::fs::copy(&path, corpus.join(format!("seed-{number:04}")))?;
                number += 1;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_list_of_targets_is_read() {
        let names = super::targets().unwrap();
        for wanted in ["kfd_properties", "kernel_log", "kernel_cmdline", "signatures"] {
            assert!(names.iter().any(|name| name == wanted), "{wanted} is not in {names:?}");
        }
    }
}
