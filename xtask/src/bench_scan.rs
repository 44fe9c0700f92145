//! `cargo xtask bench-scan`: `rmcp scan` on the largest library of Debian, beside LLVM's disassembler.
//!
//! Designed for: Debian's librocsparse0 (1.3 GB, 111 bundles, 12,591 kernels for gfx1030) for one card in 5 s on
//! two cores with 300 MB, its headers in 50 ms, and decoding with all rules 50 times as fast as `llvm-objdump -d`.

use crate::measure::{self, Bars, time};
use crate::packages::{Source, download, write_objects};
use crate::run::{cargo, need_package, release_binary};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Runs; the median counts.
const RUNS: usize = 5;

const SCAN_SECONDS: f64 = 5.0;
const SCAN_PEAK_MB: f64 = 300.0;
const HEADERS_MS: f64 = 50.0;
const TIMES_OBJDUMP: f64 = 50.0;

/// The target whose code is compared.
const TARGET: &str = "gfx1030";

/// Measures, prints, and fails where a bar is missed. Without a library, Debian's is downloaded.
pub(crate) fn run(library: Option<&Path>) -> Result<()> {
    cargo(&["build", "--release", "--quiet", "--package", "rmcp", "--package", "xtask"])?;
    need_package("/usr/bin/time", "time")?;
    let folder = tempfile::tempdir()?;
    let library = match library {
        Some(library) => library.to_owned(),
        None => debian_library(folder.path())?,
    };
    let mut bars = Bars::default();
    println!("{} for gfx1010, median of {RUNS}", library.display());
    let whole = ["--card", "gfx1010", "--no-cache"];
    let seconds = median(&library, &whole)?.as_secs_f64();
    bars.at_most("scan, all rules", seconds, SCAN_SECONDS, "s");
    let peak = measure::peak_mb(&scan(&library, &whole))?;
    bars.at_most("largest memory of it", peak, SCAN_PEAK_MB, "MB");
    let headers = median(&library, &["--card", "gfx1010", "--quick"])?;
    bars.at_most("headers alone", headers.as_secs_f64() * 1e3, HEADERS_MS, "ms");
    let cache = folder.path().join("cache");
    scan(&library, &["--card", "gfx1010"]).env("XDG_CACHE_HOME", &cache).status()?;
    let again = time(scan(&library, &["--card", "gfx1010"]).env("XDG_CACHE_HOME", &cache))?;
    println!("  {:<48} {:9.1} ms", "the same again, from the cache", again.as_secs_f64() * 1e3);
    let times = times_objdump(&library, folder.path())?;
    bars.at_least("decode and rules, of llvm-objdump -d", times, TIMES_OBJDUMP, "times");
    bars.end()
}

fn debian_library(folder: &Path) -> Result<PathBuf> {
    let package = download(&Source::Apt("librocsparse0"), "librocsparse0", folder)?;
    let done = Command::new("dpkg-deb").arg("-x").args([&package, folder]).status()?;
    ensure!(done.success(), "dpkg-deb could not unpack {} ({done})", package.display());
    let found = Command::new("find")
        .arg(folder)
        .args(["-name", "librocsparse.so*", "-type", "f"])
        .output()?;
    let path = String::from_utf8(found.stdout)?;
    Ok(PathBuf::from(path.lines().next().context("librocsparse0 holds no librocsparse.so")?))
}

fn scan(library: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(release_binary());
    command.arg("scan").arg(library).args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn median(library: &Path, arguments: &[&str]) -> Result<Duration> {
    let times = (0..RUNS).map(|_| time(&mut scan(library, arguments))).collect::<Result<_>>()?;
    Ok(measure::median(times))
}

/// Writes the target's code objects down and lets `measure-isa --bench` time both on them, one thread each.
fn times_objdump(library: &Path, folder: &Path) -> Result<f64> {
    let objects = folder.join("objects");
    write_objects(library, &objects, &|target| target == TARGET)?;
    let output = Command::new(release_binary().with_file_name("xtask"))
        .arg("measure-isa")
        .arg(&objects)
        .args(["--bench", "--built-for", TARGET, "--runs-on", "gfx1010"])
        .stderr(Stdio::inherit())
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    print!("{text}");
    let (front, _) = text.split_once(" times as fast").context("measure-isa gave no ratio")?;
    front.rsplit(' ').next().unwrap_or_default().parse().context("measure-isa gave no number")
}
