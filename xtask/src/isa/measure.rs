//! `cargo xtask measure-isa`: judges folders of code objects, and times that beside LLVM's disassembler.

use super::probe::{OBJDUMP, need_llvm};
use anyhow::{Context, Result};
use rmcp_code::CodeObject;
use rmcp_code::isa::Target;
use rmcp_code::rules::{Judge, Judgement, RULES, Rule, Severity};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Runs of each side; the fastest counts.
const RUNS: usize = 3;

/// What all objects together have.
#[derive(Debug, Default)]
struct Total {
    objects: usize,
    text_bytes: u64,
    kernels: u64,
    stubs: u64,
    instructions: u64,
    unreadable: u64,
    unknown_calls: u64,
    /// Kernels that each rule hits, and sites in all functions.
    rules: [(u64, u64); RULES],
    /// Kernels by their gravest severity; the last are clean.
    severities: [u64; 5],
}

/// Judges all objects and prints the totals.
pub(crate) fn measure(
    paths: &[PathBuf],
    built_for: &str,
    runs_on: &str,
    bench: bool,
    rule: Option<&str>,
) -> Result<()> {
    let (built_for, runs_on) = (target(built_for)?, target(runs_on)?);
    let mut files = Vec::new();
    for path in paths {
        collect(path, &mut files)?;
    }
    let objects: Vec<(PathBuf, Vec<u8>)> = files
        .into_iter()
        .map(|file| Ok((file.clone(), std::fs::read(&file)?)))
        .collect::<Result<_>>()?;
    let mut total = Total::default();
    let (mut ours, mut theirs) = (Duration::MAX, Duration::MAX);
    for _ in 0..if bench { RUNS } else { 1 } {
        let start = Instant::now();
        let judgements = judge_all(&objects, built_for, runs_on)?;
        ours = ours.min(start.elapsed());
        total = Total::default();
        for ((path, bytes), judgement) in objects.iter().zip(&judgements) {
            let text = CodeObject::parse(bytes)?;
            total.text_bytes += text.text().map(|(_, bytes)| bytes.len() as u64).sum::<u64>();
            total.add(judgement);
            if let Some(rule) = rule {
                print_sites(path, judgement, rule);
            }
        }
        if bench {
            theirs = theirs.min(disassemble_all(&objects, built_for)?);
        }
    }
    total.print(built_for, runs_on);
    if bench {
        compare(total.text_bytes, ours, theirs);
    }
    Ok(())
}

/// Reads and judges all objects, with one judge, as a scan would.
fn judge_all(
    objects: &[(PathBuf, Vec<u8>)],
    built_for: Target,
    runs_on: Target,
) -> Result<Vec<Judgement>> {
    let mut judge = Judge::new(built_for, runs_on);
    let judge_one = |(path, bytes): &(PathBuf, Vec<u8>)| {
        let object = CodeObject::parse(bytes).with_context(|| path.display().to_string())?;
        Ok(judge.judge(&object))
    };
    objects.iter().map(judge_one).collect()
}

fn target(name: &str) -> Result<Target> {
    let found = Target::ALL.into_iter().find(|target| target.name() == name);
    found.with_context(|| format!("{name} is none of gfx1010 to gfx1013 and gfx1030 to gfx1036"))
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if path.is_dir() {
        let mut inside: Vec<PathBuf> = std::fs::read_dir(path)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        inside.sort();
        inside.iter().try_for_each(|path| collect(path, files))
    } else {
        files.push(path.to_owned());
        Ok(())
    }
}

fn print_sites(path: &Path, judgement: &Judgement, rule: &str) {
    for kernel in &judgement.kernels {
        let sites = kernel.sites.iter().filter(|site| site.rule.name() == rule);
        let sites: Vec<String> = sites.map(|site| format!("{:#x}", site.address)).collect();
        if !sites.is_empty() {
            println!("{} {} {}", path.display(), kernel.name, sites.join(" "));
        }
    }
}

impl Total {
    fn add(&mut self, judgement: &Judgement) {
        self.objects += 1;
        self.instructions += judgement.instructions;
        self.unreadable += judgement.unreadable;
        for (at, &count) in judgement.hits.iter().enumerate() {
            self.rules[at].1 += u64::from(count);
        }
        for kernel in &judgement.kernels {
            self.kernels += 1;
            self.stubs += u64::from(kernel.stub);
            self.unknown_calls += u64::from(kernel.unknown_calls > 0);
            let mut gravest = None;
            for (at, &rule) in Rule::ALL.iter().enumerate() {
                if kernel.hits[at] > 0 {
                    self.rules[at].0 += 1;
                    let severity = rule.severity();
                    gravest = Some(gravest.map_or(severity, |other: Severity| other.min(severity)));
                }
            }
            self.severities[gravest.map_or(4, |severity| severity as usize)] += 1;
        }
    }

    fn print(&self, built_for: Target, runs_on: Target) {
        println!(
            "{} on {}: {} objects, {} bytes of text, {} kernels ({} stubs), {} instructions, {} words unreadable",
            built_for.name(),
            runs_on.name(),
            self.objects,
            self.text_bytes,
            self.kernels,
            self.stubs,
            self.instructions,
            self.unreadable
        );
        println!(
            "kernels by gravest rule: {} certain, {} documented hang, {} timing hazard, {} question, {} nothing; {} with calls to unknown places",
            self.severities[0],
            self.severities[1],
            self.severities[2],
            self.severities[3],
            self.severities[4],
            self.unknown_calls
        );
        for (rule, (kernels, sites)) in Rule::ALL.iter().zip(self.rules) {
            if sites > 0 {
                println!("  {:26} {kernels:7} kernels {sites:9} sites", rule.name());
            }
        }
    }
}

/// Lets LLVM disassemble all objects, and returns how long that takes.
fn disassemble_all(objects: &[(PathBuf, Vec<u8>)], built_for: Target) -> Result<Duration> {
    need_llvm()?;
    let mut time = Duration::ZERO;
    // As many files to a process as a command line holds: starting it must not count.
    for part in objects.chunks(500) {
        let start = Instant::now();
        let status = Command::new(OBJDUMP)
            .args(["-d", &format!("--mcpu={}", built_for.name())])
            .args(part.iter().map(|(path, _)| path))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        anyhow::ensure!(status.success(), "{OBJDUMP} failed ({status})");
        time += start.elapsed();
    }
    Ok(time)
}

/// Prints both times and their ratio.
fn compare(bytes: u64, ours: Duration, theirs: Duration) {
    let line = |name: &str, time: Duration| {
        let (seconds, megabytes) = (time.as_secs_f64(), bytes as f64 / 1e6);
        println!("  {name:34} {seconds:8.3} s {:8.1} MB/s", megabytes / seconds);
    };
    println!("best of {RUNS} runs each, taken in turn, one thread");
    line(&format!("{OBJDUMP} -d"), theirs);
    line("decode and all rules", ours);
    println!("  {:.0} times as fast", theirs.as_secs_f64() / ours.as_secs_f64());
}
