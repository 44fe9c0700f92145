//! `cargo xtask run-soak`: a training on the simulated card with a fault at a random kernel, over and over; then one in
//! PyTorch on the processor, which stands for a device that is lost at a random step.
//!
//! Each time `rmcp run` has to bring it to its end, with the losses of a training that nothing happened to, and less
//! than one interval between checkpoints computed twice.

use crate::python;
use crate::random::Random;
use crate::rocm;
use crate::run::{cargo, release_binary, top};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Steps of the training, and between its checkpoints.
const STEPS: u64 = 45;
const INTERVAL: u64 = 10;

/// Kernels of one step.
const KERNELS: u64 = 10;

const FAULTS: [&str; 6] = ["page-fault", "aperture", "illegal", "trap", "ecc", "reset"];

/// Runs the training so many times; the same faults with the same seed.
pub(crate) fn run(runs: u64, seed: u64) -> Result<()> {
    rocm::need()?;
    cargo(&["build", "--release", "--quiet"])?;
    let folder = top().join("target/run-soak");
    let program = rocm::compile("training", &folder)?;
    let whole = Command::new(&program).arg(STEPS.to_string()).env("RMCP_DEVICE", "cpu").output()?;
    let expected = losses(&whole.stdout);
    ensure!(expected.len() as u64 == STEPS, "the training fails by itself");
    let (start, mut random, mut twice) = (Instant::now(), Random(seed), Vec::new());
    for run in 0..runs {
        let kind = FAULTS[usize::try_from(random.next() % FAULTS.len() as u64)?];
        let fault = format!("{kind}@{}", random.next() % (STEPS * KERNELS));
        let lost = once(&program, &folder, &fault, &expected)
            .with_context(|| format!("run {run} of seed {seed}: {fault}"))?;
        twice.push(lost);
        if (run + 1) % 10 == 0 || run + 1 == runs {
            println!("{} of {runs} runs, {} s", run + 1, start.elapsed().as_secs());
        }
    }
    let most = twice.iter().max().copied().unwrap_or_default();
    println!(
        "{runs} of {runs} trainings reached their end with the same losses; at most {most} of {STEPS} steps were computed twice"
    );
    python::soak(&release_binary(), runs)
}

/// One training; gives how many steps were computed twice.
fn once(
    program: &Path,
    folder: &Path,
    fault: &str,
    expected: &BTreeMap<u64, String>,
) -> Result<u64> {
    let home = tempfile::tempdir_in(folder)?;
    let output = Command::new(release_binary())
        .args(["run", "--simulate", "rx5600xt", "--inject", fault, "--"])
        .arg(program)
        .arg(STEPS.to_string())
        .env("HOME", home.path())
        .env_remove("XDG_STATE_HOME")
        .env_remove("HSA_OVERRIDE_GFX_VERSION")
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ended with {}: {said}", output.status);
    ensure!(losses(&output.stdout) == *expected, "other losses");
    let lines = String::from_utf8_lossy(&output.stdout);
    let steps = lines.lines().filter(|line| line.starts_with("step ")).count() as u64;
    let twice = steps.saturating_sub(STEPS);
    ensure!(twice < INTERVAL, "{twice} steps were computed twice");
    Ok(twice)
}

/// Steps and their losses; of a step that stands there twice, the later.
fn losses(output: &[u8]) -> BTreeMap<u64, String> {
    let parse = |line: &str| {
        let (step, loss) = line.strip_prefix("step ")?.split_once(" loss ")?;
        Some((step.parse().ok()?, loss.to_owned()))
    };
    String::from_utf8_lossy(output).lines().filter_map(parse).collect()
}
