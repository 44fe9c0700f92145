//! What RMCP's library costs inside a program: with and without it in turns, in one run.
//!
//! Bounds: 150 ns for a kernel, 100 ns for an allocation or a free, 8 MB of memory, one per cent of the HIP programs' time, and
//! every one of ten million kernels of 48 threads in its place.

use crate::rocm;
use crate::run::{cargo, top};
use anyhow::{Context, Result, ensure};
use rmcp_record::read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Nanoseconds, KiB and parts of the whole that are allowed.
const DISPATCH: f64 = 150.0;
const ALLOCATION: f64 = 100.0;
const MEMORY_KIB: f64 = 8192.0;
const SUITE: f64 = 0.01;

/// One of so many kernels may be missed: a thread that loses its processor while it reads loses what others overwrite.
const MOST_MISSED: u64 = 1000;

/// Kernels of the threads.
const DISPATCHES: u64 = 10_000_000;

/// How often each program runs with and without; the shortest counts.
const ROUNDS: usize = 7;

pub(crate) fn run() -> Result<()> {
    rocm::need()?;
    cargo(&["build", "--release", "--quiet"])?;
    let folder = top().join("target/bench-interposer");
    std::fs::create_dir_all(&folder)?;
    let bench = Bench { library: top().join("target/release/librmcp_hsa.so"), folder };
    let runtime = bench.compile_runtime()?;
    let dispatch = bench.measure(&runtime, "dispatch", 5_000_000)?;
    let allocation = bench.measure(&runtime, "allocate", 2_000_000)?;
    // One of each: an allocation and its end.
    let per_call = allocation.more / 2.0;
    println!("for a kernel       {:>8.1} ns more than {:.1}", dispatch.more, dispatch.without);
    println!(
        "for an allocation  {per_call:>8.1} ns more than {:.1}, as for a free",
        allocation.without / 2.0
    );
    let memory = dispatch.resident_kib.max(allocation.resident_kib);
    println!("resident memory    {:>8.1} MiB", memory / 1024.0);
    bench.order(&runtime)?;
    bench.launches()?;
    let suite = bench.suite()?;
    ensure!(dispatch.more < DISPATCH, "a kernel costs more than {DISPATCH} ns");
    ensure!(per_call < ALLOCATION, "an allocation costs more than {ALLOCATION} ns");
    ensure!(memory < MEMORY_KIB, "more memory than {MEMORY_KIB} KiB");
    ensure!(suite < SUITE, "the programs take {:.2} % longer", 100.0 * suite);
    Ok(())
}

struct Bench {
    library: PathBuf,
    folder: PathBuf,
}

/// What was measured, in nanoseconds.
struct Cost {
    without: f64,
    more: f64,
    resident_kib: f64,
}

impl Bench {
    fn record(&self) -> PathBuf {
        self.folder.join("record")
    }

    /// The runtime that does nothing.
    fn compile_runtime(&self) -> Result<PathBuf> {
        let made = self.folder.join("runtime");
        let source = top().join("crates/rmcp/tests/interposer/runtime.cpp");
        let status = Command::new("c++")
            .args(["-std=c++17", "-O2", "-DAMD_INTERNAL_BUILD", "-I/usr/include/hsa", "-pthread"])
            .arg(source)
            .arg("-o")
            .arg(&made)
            .status()
            .context("start c++")?;
        ensure!(status.success(), "c++ failed");
        Ok(made)
    }

    fn say(&self, runtime: &Path, what: &str, number: u64) -> Result<String> {
        let output = Command::new(runtime)
            .arg(&self.library)
            .args([what, &number.to_string()])
            .env("RMCP_RECORD", self.record())
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success(), "{what}: {text}");
        Ok(text)
    }

    fn measure(&self, runtime: &Path, what: &str, number: u64) -> Result<Cost> {
        let text = self.say(runtime, what, number)?;
        let value = |name: &str| {
            let found = text.split_whitespace().find_map(|word| word.strip_prefix(name));
            found
                .and_then(|digits| digits.parse().ok())
                .with_context(|| format!("{name} in {text}"))
        };
        Ok(Cost {
            without: value("without=")?,
            more: value("more=")?,
            resident_kib: value("resident_kib=")?,
        })
    }

    /// 48 threads on 12 queues: each stands where its number says, and those that were missed are counted.
    fn order(&self, runtime: &Path) -> Result<()> {
        let start = Instant::now();
        self.say(runtime, "order", DISPATCHES)?;
        let seconds = start.elapsed().as_secs_f64();
        let record = read(&std::fs::read(self.record())?)?;
        let all: u64 = record.queues.iter().map(|queue| queue.dispatches).sum();
        let missed: u64 = record.queues.iter().map(|queue| queue.missed).sum();
        let expected = DISPATCHES / 48 * 48;
        ensure!(
            all + missed == expected,
            "{all} of {expected} kernels are in the record, {missed} are said to be missed"
        );
        ensure!(missed * MOST_MISSED < expected, "{missed} of {expected} kernels were missed");
        for queue in &record.queues {
            let wrong = queue.latest.iter().find(|one| u64::from(one.grid[0]) != one.packet);
            ensure!(wrong.is_none(), "queue {}: {wrong:?}", queue.row);
            let counted = queue.dispatches + queue.missed;
            ensure!(queue.written == counted, "queue {} has gaps", queue.row);
        }
        println!(
            "order              {all} kernels of 48 threads on 12 queues in {seconds:.1} s: each in its place; {missed} missed"
        );
        Ok(())
    }

    fn rmcp(&self, program: &Path, with: bool) -> Command {
        let mut command = Command::new(top().join("target/release/rmcp"));
        command.args(["sim", "--quiet", "--"]).arg(program);
        command.env_remove("HSA_TOOLS_LIB");
        if with {
            command.env("HSA_TOOLS_LIB", &self.library).env("RMCP_RECORD", self.record());
        }
        command
    }

    /// What HIP itself takes, with and without.
    fn launches(&self) -> Result<()> {
        let made = self.folder.join("launches");
        let status = Command::new("hipcc")
            .args(["--offload-arch=gfx1010", "-O3", "-o"])
            .arg(&made)
            .arg(top().join("crates/rmcp/tests/interposer/launches.hip"))
            .status()
            .context("start hipcc")?;
        ensure!(status.success(), "hipcc failed");
        for (name, with) in [("without", false), ("with", true)] {
            let output = self.rmcp(&made, with).output()?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            ensure!(output.status.success(), "{text}");
            println!("HIP, simulated     {name:<8}{} (nanoseconds of the thread)", text.trim());
        }
        Ok(())
    }

    /// By how much the HIP programs take longer, as a part of the whole.
    fn suite(&self) -> Result<f64> {
        let (mut without, mut with) = (0.0, 0.0);
        for name in rocm::PROGRAMS {
            let program = rocm::compile(name, &self.folder)?;
            let mut best = [f64::MAX; 2];
            for round in 0..2 * ROUNDS {
                let watched = round % 2 == 1;
                let start = Instant::now();
                let status = self.rmcp(&program, watched).stdout(Stdio::null()).status()?;
                ensure!(status.success(), "{name} failed");
                let place = &mut best[usize::from(watched)];
                *place = place.min(start.elapsed().as_secs_f64());
            }
            println!("{name:<18} {:>8.3} s without, {:.3} s with", best[0], best[1]);
            without += best[0];
            with += best[1];
        }
        let more = with / without - 1.0;
        println!(
            "all programs       {without:>8.3} s without, {with:.3} s with: {:+.2} %",
            100.0 * more
        );
        Ok(more)
    }
}
