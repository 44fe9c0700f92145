//! Times and memory of programs, and the bars that they are held against.

use anyhow::{Context, Result, bail};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Figures that were printed, and those of them that miss their bar.
#[derive(Debug, Default)]
pub(crate) struct Bars {
    missed: Vec<String>,
}

impl Bars {
    /// Prints a figure that must not be larger.
    pub(crate) fn at_most(&mut self, what: &str, value: f64, limit: f64, unit: &str) {
        self.print(what, value, limit, unit, "at most", value <= limit);
    }

    /// Prints a figure that must not be smaller.
    pub(crate) fn at_least(&mut self, what: &str, value: f64, limit: f64, unit: &str) {
        self.print(what, value, limit, unit, "at least", value >= limit);
    }

    fn print(&mut self, what: &str, value: f64, limit: f64, unit: &str, word: &str, met: bool) {
        println!("  {what:<48} {value:9.1} {unit:<6} ({word} {limit} {unit})");
        if !met {
            self.missed.push(format!("{what}: {value:.1} {unit}, the bar is {limit}"));
        }
    }

    /// Fails where a bar was missed.
    pub(crate) fn end(self) -> Result<()> {
        if !self.missed.is_empty() {
            bail!("{}", self.missed.join("; "));
        }
        Ok(())
    }
}

/// Returns how long a program takes. Its exit code is not looked at: `doctor` finds problems, and rocminfo finds no GPU.
pub(crate) fn time(command: &mut Command) -> Result<Duration> {
    let start = Instant::now();
    command.status().with_context(|| format!("{:?}", command.get_program()))?;
    Ok(start.elapsed())
}

/// Returns the middle one.
pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Returns the largest resident size of a program in millions of bytes, which GNU time prints in KiB.
pub(crate) fn peak_mb(command: &Command) -> Result<f64> {
    let output = Command::new("/usr/bin/time")
        .args(["--format", "%M"])
        .arg(command.get_program())
        .args(command.get_args())
        .stdout(Stdio::null())
        .output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let kib: f64 =
        text.lines().last().unwrap_or_default().trim().parse().with_context(|| text.to_string())?;
    Ok(kib * 1024.0 / 1e6)
}
