//! `cargo xtask bench-sim`: how fast and how large the simulated card is.
//!
//! Designed for: 20 million instructions of a wavefront in a second on one core; a product of 256 x 256 x 256 floats in
//! tiles in a second, with the start of the runtime; and memory of what a program uses of the card's, and 200 MB.
//! Another simulator may run the same program in the same minutes: figures of a shared machine say less than ratios.

use crate::measure::{Bars, median, peak_mb, time};
use crate::rocm;
use crate::run::{cargo, need_package, release_binary, top};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Runs of each; they are taken in turn.
const RUNS: usize = 5;

/// The product of matrices with tiles in LDS: a test of `workloads/hip/gemm` that starts one kernel.
const TEST: &str = "gemm_256";

const MILLION_PER_S: f64 = 20.0;
const SECONDS: f64 = 1.0;
const BESIDE_MB: f64 = 200.0;

/// Measures, prints, and fails where the best of the runs misses a bar.
pub(crate) fn run(peer: Option<&Path>) -> Result<()> {
    rocm::need()?;
    need_package("/usr/bin/time", "time")?;
    cargo(&["build", "--release", "--quiet"])?;
    let folder = top().join("target/bench-sim");
    let compiled = |name: &str| rocm::compile(name, &folder);
    let mut bars = Bars::default();
    speed(&compiled("gemm")?, peer, &mut bars)?;
    for (name, test) in [("gemm", TEST), ("runtime", "copy_large")] {
        memory(&compiled(name)?, test, &mut bars)?;
    }
    println!("of what is in use, many pieces, one that is mostly untouched, and a large one:");
    let nowhere = Path::new("/dev/null");
    let said = simulated(&compiled(rocm::ENDURANCE)?, "memory_in_use", 0, nowhere)
        .stdout(Stdio::inherit())
        .status()?;
    ensure!(said.success(), "resident memory is over what is in use and {BESIDE_MB} MB ({said})");
    bars.end()
}

/// A program on the simulated card.
fn simulated(program: &Path, test: &str, threads: usize, trace: &Path) -> Command {
    let mut command = Command::new(release_binary());
    command.args(["sim", "--quiet", "--card", "rx5600xt", "--threads", &threads.to_string()]);
    command.arg("--trace").arg(trace).arg("--").arg(program).arg(test);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// The lines of a trace.
fn read_trace(trace: &Path) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(trace).context("the simulator has written no trace")?;
    text.lines().map(|line| serde_json::from_str(line).context("a line of the trace")).collect()
}

/// Times of one way to run the product.
#[derive(Debug, Default)]
struct Runs {
    /// Of the whole process.
    whole: Vec<Duration>,
    /// Of its kernels alone.
    kernels: Vec<Duration>,
    /// Of a wavefront, in one run.
    instructions: u64,
}

impl Runs {
    fn add(&mut self, program: &Path, threads: usize) -> Result<()> {
        let folder = tempfile::tempdir()?;
        let trace = folder.path().join("trace.jsonl");
        self.whole.push(time(&mut simulated(program, TEST, threads, &trace))?);
        let lines = read_trace(&trace)?;
        let sum = |key: &str| -> u64 { lines.iter().filter_map(|line| line[key].as_u64()).sum() };
        self.instructions = sum("wave_instructions");
        self.kernels.push(Duration::from_nanos(sum("nanoseconds")));
        Ok(())
    }
}

/// The best and the median in seconds.
fn seconds(times: &[Duration]) -> (f64, f64) {
    let best = times.iter().min().copied().unwrap_or_default();
    (best.as_secs_f64(), median(times.to_vec()).as_secs_f64())
}

/// The product on one thread, on all, and on another simulator.
fn speed(program: &Path, peer: Option<&Path>, bars: &mut Bars) -> Result<()> {
    let (mut one, mut all, mut others) = (Runs::default(), Runs::default(), Vec::new());
    for _ in 0..RUNS {
        one.add(program, 1)?;
        all.add(program, 0)?;
        if let Some(peer) = peer {
            let mut command = Command::new(peer);
            let start = Instant::now();
            let output = command.arg(program).arg(TEST).stdin(Stdio::null()).output()?;
            others.push(start.elapsed());
            let said = String::from_utf8_lossy(&output.stdout);
            ensure!(output.status.success(), "the peer does not pass {TEST}: {said}");
        }
    }
    let millions = one.instructions as f64 / 1e6;
    println!(
        "{TEST} of workloads/hip, {millions:.2} million instructions of a wavefront: best of {RUNS} runs taken in turn, and [median]"
    );
    let rate = |times: &[Duration]| {
        let (best, middle) = seconds(times);
        (millions / best, format!("[{:.1}]", millions / middle))
    };
    let (best, middle) = rate(&one.kernels);
    bars.at_least(&format!("kernels, one thread {middle}"), best, MILLION_PER_S, "M/s");
    let processors = std::thread::available_parallelism()?;
    let (best, middle) = rate(&all.kernels);
    println!("  {:<48} {best:9.1} M/s", format!("kernels, {processors} threads {middle}"));
    let (alone, middle) = seconds(&one.whole);
    println!("  {:<48} {alone:9.2} s", format!("whole process, one thread [{middle:.2}]"));
    let (together, middle) = seconds(&all.whole);
    let what = format!("whole process, {processors} threads [{middle:.2}]");
    bars.at_most(&what, together, SECONDS, "s");
    if others.is_empty() {
        println!("  no peer was named (--peer)");
        return Ok(());
    }
    let (peer, middle) = seconds(&others);
    println!("  {:<48} {peer:9.2} s", format!("the peer's whole process [{middle:.2}]"));
    println!("  {:<48} {:9.2} M/s", "the peer, its start with it", millions / peer);
    println!("  {:<48} {:9.1} times", "one thread, of the peer's speed", peer / alone);
    println!("  {:<48} {:9.1} times", "all threads, of the peer's speed", peer / together);
    Ok(())
}

/// A program's largest resident size beside what it had allocated of the card's memory at most.
fn memory(program: &Path, test: &str, bars: &mut Bars) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let trace = folder.path().join("trace.jsonl");
    let peak = peak_mb(&simulated(program, test, 0, &trace))?;
    let (mut held, mut now, mut most) = (BTreeMap::new(), 0, 0);
    for line in read_trace(&trace)? {
        let handle = line["handle"].as_u64();
        if line["event"] == "allocate" && line["flags"][0] == "vram" {
            let bytes = line["bytes"].as_u64().unwrap_or(0);
            held.insert(handle, bytes);
            now += bytes;
        } else if line["event"] == "free" {
            now -= held.remove(&handle).unwrap_or(0);
        }
        most = most.max(now);
    }
    let in_use = most as f64 / 1e6;
    println!(
        "{test}: {peak:.0} MB resident at most, {in_use:.0} MB allocated of the card's memory at most"
    );
    bars.at_most("more than the memory in use", peak - in_use, BESIDE_MB, "MB");
    Ok(())
}
