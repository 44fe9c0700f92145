//! `cargo xtask sim-soak`: the simulated card over and over, for long in one process, many at once, and killed at any
//! moment.

use crate::rocm;
use crate::run::{cargo, release_binary, top};
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a program may take, even on a machine that does much else.
const LIMIT: Duration = Duration::from_secs(120);

/// Where files in memory and files of one start lie: what is left behind is left there.
const FOLDERS: [&str; 2] = ["/dev/shm", "/tmp"];

/// Runs the whole suite so many times, then one process for long, then so many at once, and kills some.
pub(crate) fn run(runs: u32, at_once: usize) -> Result<()> {
    rocm::need()?;
    cargo(&["build", "--release", "--quiet"])?;
    let folder = top().join("target/sim-soak");
    let suite = rocm::PROGRAMS.into_iter().chain([rocm::INSTRUCTIONS]);
    let programs: Vec<PathBuf> =
        suite.map(|name| rocm::compile(name, &folder)).collect::<Result<_>>()?;
    let endurance = rocm::compile(rocm::ENDURANCE, &folder)?;
    let before = left_behind(&folder)?;
    let start = Instant::now();
    for run in 1..=runs {
        for program in &programs {
            let mut child = sim(program, &[], 0)?;
            let status = wait(&mut child, LIMIT)?
                .with_context(|| format!("run {run}: {} hangs", program.display()))?;
            ensure!(status.success(), "run {run}: {} failed ({status})", program.display());
        }
        if run % 10 == 0 || run == runs {
            println!("{run} of {runs} runs of the whole suite, {} s", start.elapsed().as_secs());
        }
    }
    long_lived(&endurance)?;
    many(&programs[3], at_once)?;
    killed(&programs[0])?;
    let after = left_behind(&folder)?;
    let new: Vec<&String> = after.difference(&before).collect();
    ensure!(new.is_empty(), "left behind: {new:?}");
    println!("nothing is left behind in {}, and no process", FOLDERS.join(" and "));
    Ok(())
}

fn sim(program: &Path, arguments: &[&str], threads: usize) -> Result<Child> {
    command(program, arguments, threads)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("start rmcp")
}

fn command(program: &Path, arguments: &[&str], threads: usize) -> Command {
    let mut command = Command::new(release_binary());
    command
        .args(["sim", "--quiet", "--threads", &threads.to_string(), "--"])
        .arg(program)
        .args(arguments)
        .stdin(Stdio::null());
    command
}

/// Waits so long, and gives `None` for a process that has to be killed then.
fn wait(child: &mut Child, limit: Duration) -> Result<Option<std::process::ExitStatus>> {
    let end = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() > end {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// One process that does everything some thousand times and looks at its threads, files, mappings and memory.
fn long_lived(program: &Path) -> Result<()> {
    let start = Instant::now();
    let output = command(program, &[], 0).output().context("start rmcp")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "a process that goes on for long ({}): {text}", output.status);
    println!("one process stays as large as what it holds, {} s", start.elapsed().as_secs());
    Ok(())
}

/// Many processes at once, each with a card of its own.
fn many(program: &Path, count: usize) -> Result<()> {
    let start = Instant::now();
    let mut children: Vec<Child> =
        (0..count).map(|_| sim(program, &["gemm_f32"], 1)).collect::<Result<_>>()?;
    let mut failed = 0;
    for child in &mut children {
        match wait(child, LIMIT)? {
            Some(status) if status.success() => {}
            _ => failed += 1,
        }
    }
    if failed > 0 {
        bail!("{failed} of {count} processes at once failed or hang");
    }
    println!("{count} processes at once, {} s", start.elapsed().as_secs());
    Ok(())
}

/// Kills a program at moments all over its run.
fn killed(program: &Path) -> Result<()> {
    const MOMENTS: u32 = 60;
    for moment in 0..MOMENTS {
        let mut child = sim(program, &["copy", "streams"], 0)?;
        std::thread::sleep(Duration::from_millis(u64::from(moment) * 7));
        child.kill()?;
        child.wait()?;
    }
    println!("killed at {MOMENTS} moments");
    Ok(())
}

/// Files that could be ours, and processes of our programs. The runtime's own semaphore and its page of shared memory
/// stay, as they do with a card.
fn left_behind(programs: &Path) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for folder in FOLDERS {
        for entry in std::fs::read_dir(folder)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.contains("rmcp") || (folder == "/dev/shm" && !name.contains("hsakmt")) {
                found.insert(format!("{folder}/{name}"));
            }
        }
    }
    for entry in std::fs::read_dir("/proc")? {
        let process = entry?.path();
        // Most entries are no processes, and one that has just ended has no program.
        if std::fs::read_link(process.join("exe")).is_ok_and(|exe| exe.starts_with(programs)) {
            found.insert(process.display().to_string());
        }
    }
    Ok(found)
}
