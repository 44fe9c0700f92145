//! Speed against a peer in the same run. Figures alone say nothing on a shared machine; ratios do.

use crate::bench_trial::trials;
use crate::measure::{median, peak_mb, time};
use crate::run::{cargo, need_package, release_binary, run as start, top};
use anyhow::{Context, Result, bail};
use rmcp_knowledge::Knowledge;
use std::fmt::Write as _;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Runs of each short command; the median is printed.
const RUNS: usize = 41;

/// Runs of each pass over the log.
const LOG_RUNS: usize = 3;

/// Bars of the product: `doctor` on a recorded machine, `explain` on a long log.
const DOCTOR_MS: f64 = 10.0;
const EXPLAIN_MB_PER_S: f64 = 200.0;
const EXPLAIN_PEAK_MB: f64 = 64.0;
const PLAN_MS: f64 = 30.0;
const STATUS_MS: f64 = 20.0;

/// Measures, prints, and fails where a bar is missed.
pub(crate) fn run(log_mib: u64) -> Result<()> {
    cargo(&["build", "--release", "--quiet", "--package", "rmcp"])?;
    need_package("rocminfo", "rocminfo")?;
    need_package("rg", "ripgrep")?;
    need_package("/usr/bin/time", "time")?;
    let missed: Vec<String> = [doctor()?, changes()?, trials()?, explain(log_mib)?].concat();
    if !missed.is_empty() {
        bail!("{}", missed.join("; "));
    }
    Ok(())
}

/// `rmcp doctor` on recorded machines and on this one, beside `rocminfo` on this one.
fn doctor() -> Result<Vec<String>> {
    println!("doctor: median of {RUNS} runs each, taken in turn");
    let mut rows = vec![("rocminfo (AMD), this machine".to_owned(), command("rocminfo", &[]))];
    rows.push(("rmcp doctor, this machine".to_owned(), rmcp(&["doctor"])));
    let mut machines: Vec<PathBuf> = std::fs::read_dir(top().join("testdata/machines"))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    machines.sort();
    for machine in &machines {
        let name = machine.file_name().unwrap_or_default().to_string_lossy().into_owned();
        rows.push((name, rmcp(&["doctor", "--root", &machine.display().to_string()])));
    }
    let mut times = vec![Vec::new(); rows.len()];
    for _ in 0..RUNS {
        for ((_, command), times) in rows.iter_mut().zip(&mut times) {
            times.push(time(command)?);
        }
    }
    let medians: Vec<f64> =
        times.into_iter().map(|times| median(times).as_secs_f64() * 1e3).collect();
    let (peer, live) = (medians[0], medians[1]);
    println!("  {:<44} {peer:7.2} ms", rows[0].0);
    println!("  {:<44} {live:7.2} ms  {:.2} of rocminfo", rows[1].0, live / peer);
    let recorded = &medians[2..];
    let slowest = (0..recorded.len())
        .max_by(|&a, &b| recorded[a].total_cmp(&recorded[b]))
        .context("testdata/machines is empty")?;
    let (name, worst) = (&rows[slowest + 2].0, recorded[slowest]);
    println!(
        "  {:<44} {worst:7.2} ms  {:.2} of rocminfo (slowest of {} recorded machines)",
        name,
        worst / peer,
        recorded.len()
    );
    Ok(missed(
        worst < DOCTOR_MS,
        format!("doctor takes {worst:.1} ms on {name}, the bar is {DOCTOR_MS} ms"),
    ))
}

/// A plan with its difference, and the status of several changes, beside `rmcp doctor` on the same machine: both
/// read the machine first.
fn changes() -> Result<Vec<String>> {
    let machine = tempfile::tempdir()?;
    let source = top().join("testdata/machines/rx5600xt-override-torch/.");
    let root = machine.path().display().to_string();
    start("cp", &["-r", &source.display().to_string(), &root])?;
    let wanted: [&[&str]; 4] = [
        &["kernel-parameter", "pcie_aspm=off"],
        &["module-option", "gttsize=8192"],
        &["variable", "HIP_VISIBLE_DEVICES=0"],
        &["unset-variable", "HSA_OVERRIDE_GFX_VERSION"],
    ];
    let in_machine = |arguments: &[&str]| rmcp(&[arguments, &["--root", &root]].concat());
    for change in wanted {
        in_machine(&[&["apply", "--yes"], change].concat()).status()?;
    }
    let mut rows = [
        ("rmcp doctor, the same machine", in_machine(&["doctor"]), f64::INFINITY),
        (
            "rmcp apply --dry-run: plan and difference",
            in_machine(&["apply", "--dry-run", "kernel-parameter", "iommu=soft"]),
            PLAN_MS,
        ),
        ("rmcp status: four changes", in_machine(&["status"]), STATUS_MS),
    ];
    let mut times = vec![Vec::new(); rows.len()];
    for _ in 0..RUNS {
        for ((_, command, _), times) in rows.iter_mut().zip(&mut times) {
            times.push(time(command)?);
        }
    }
    println!("changes: median of {RUNS} runs each, taken in turn");
    let medians: Vec<f64> =
        times.into_iter().map(|times| median(times).as_secs_f64() * 1e3).collect();
    let mut bars = Vec::new();
    for ((name, _, bar), now) in rows.iter().zip(&medians) {
        println!("  {name:<44} {now:7.2} ms  {:.2} of doctor", now / medians[0]);
        bars.extend(missed(now < bar, format!("{name} takes {now:.1} ms, the bar is {bar} ms")));
    }
    Ok(bars)
}

/// `rmcp explain` on a long log, beside ripgrep looking for the same fixed texts and counting lines.
fn explain(log_mib: u64) -> Result<Vec<String>> {
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("training.log");
    let bytes = write_log(&log, log_mib << 20)?;
    let needles = folder.path().join("needles.txt");
    std::fs::write(&needles, needles_of(Knowledge::embedded()))?;
    let (log, needles) = (log.display().to_string(), needles.display().to_string());
    let mut ours = rmcp(&["explain", "--no-host", &log]);
    let mut peer = command(
        "rg",
        &["--threads=1", "--count", "--ignore-case", "--fixed-strings", "--file", &needles, &log],
    );
    let (mut our_times, mut peer_times) = (Vec::new(), Vec::new());
    for _ in 0..LOG_RUNS {
        our_times.push(time(&mut ours)?);
        peer_times.push(time(&mut peer)?);
    }
    let megabytes = bytes as f64 / 1e6;
    let speed = |times| megabytes / median(times).as_secs_f64();
    let (our_speed, peer_speed) = (speed(our_times), speed(peer_times));
    let peak = peak_mb(&ours)?;
    println!("explain: {megabytes:.0} MB log, median of {LOG_RUNS} runs each, taken in turn");
    println!("  {:<44} {peer_speed:7.0} MB/s", "ripgrep, the same fixed texts, counting lines");
    println!(
        "  {:<44} {our_speed:7.0} MB/s  {:.2} of ripgrep",
        "rmcp explain",
        our_speed / peer_speed
    );
    println!("  {:<44} {peak:7.1} MB", "rmcp explain, peak memory");
    let mut bars = missed(
        our_speed >= EXPLAIN_MB_PER_S,
        format!("explain reads {our_speed:.0} MB/s, the bar is {EXPLAIN_MB_PER_S} MB/s"),
    );
    bars.extend(missed(
        peak < EXPLAIN_PEAK_MB,
        format!("explain takes {peak:.1} MB, the bar is {EXPLAIN_PEAK_MB} MB"),
    ));
    Ok(bars)
}

pub(crate) fn missed(held: bool, what: String) -> Vec<String> {
    if held { Vec::new() } else { vec![what] }
}

fn needles_of(knowledge: &Knowledge) -> String {
    let mut text = String::new();
    for needle in knowledge.signature.iter().flat_map(|signature| &signature.needles) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{needle}");
    }
    text
}

/// Writes a made-up log of at least `bytes` bytes: training output, kernel lines and harmless warnings, with
/// one crash at its end. The same bytes each time.
fn write_log(path: &Path, bytes: u64) -> Result<u64> {
    let mut out = BufWriter::new(std::fs::File::create(path)?);
    let (mut written, mut step) = (0, 0_u64);
    while written < bytes {
        step += 1;
        // The constants of Knuth's MMIX generator: numbers that do not repeat within the log.
        let noise =
            step.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407)
                >> 33;
        let line = match step % 16 {
            0 => format!(
                "[{:5}.{:06}] amdgpu 0000:0b:00.0: amdgpu: [drm] DPM {} MHz, {} mW\n",
                step / 7,
                noise % 1_000_000,
                noise % 2400,
                noise % 180_000
            ),
            1 => format!(
                "MIOpen(HIP): Info [FindSolution] workspace {noise} bytes, {} solvers tried\n",
                noise % 40
            ),
            2 => format!(
                "WARNING:root:worker {} was {} ms late for the barrier; no error so far\n",
                noise % 8,
                noise % 100
            ),
            3 => format!(
                "{{\"step\": {step}, \"loss\": 0.{noise:010}, \"lr\": 0.0003, \"device\": \"cuda:0\", \"memory\": {noise}}}\n"
            ),
            part => format!(
                "epoch {:3} step {step:9} part {part:2} loss {:6.4} accuracy {:6.4} images/s {:7.1}\n",
                step / 10_000,
                (noise % 90_000) as f64 / 1e4,
                (noise % 10_000) as f64 / 1e4,
                (noise % 9_000) as f64 / 7.0
            ),
        };
        out.write_all(line.as_bytes())?;
        written += line.len() as u64;
    }
    let end = ":0:rocdevice.cpp            :2984: 40817290115 us: [pid:7123 tid:0x7f10aa5ff640] Callback: Queue 0x7f0e40000000 aborting with error : HSA_STATUS_ERROR_MEMORY_APERTURE_VIOLATION: The agent attempted to access memory beyond the largest legal address. code: 0x29\n";
    out.write_all(end.as_bytes())?;
    out.flush()?;
    Ok(written + end.len() as u64)
}

fn rmcp(arguments: &[&str]) -> Command {
    command(&release_binary().display().to_string(), arguments)
}

fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}
