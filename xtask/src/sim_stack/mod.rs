//! The real ROCm of a newer Debian on simulated cards: the runtime, the HIP programs of `workloads/hip`, MIOpen through
//! its own `MIOpenDriver`, rocBLAS, ONNX Runtime.
//!
//! Opt-in: it makes a root file system once (some minutes, up to 4 GB) and needs root. A line for each step goes to
//! standard error, the tables for the documentation to standard output as Markdown.

mod miopen;
mod onnxruntime;
mod recorder;
mod rocblas;
mod system;
mod table;
mod trial;
mod verdict;
mod vulkan;

use crate::rocm;
use anyhow::{Result, bail, ensure};
use std::time::{Duration, Instant};
use system::{End, Program, System};
use table::Table;
pub(crate) use trial::run as run_trials;
use verdict::Verdict;
pub(crate) use vulkan::run as run_vulkan;

/// A suite whose ROCm is run.
#[derive(Debug)]
struct Suite {
    name: &'static str,
    /// The suite of the archive that packages are from.
    base: &'static str,
    /// The one that is not whole by itself, and the packages that are from there.
    newer: Option<(&'static str, &'static str)>,
    packages: &'static [&'static str],
    /// Its compiler: a package and a program.
    clang: &'static str,
    /// Packages whose versions the tables name, beside the compiler.
    named: &'static [&'static str],
    /// Whether MIOpen's driver and rocBLAS are among the packages.
    libraries: bool,
    /// Whether the libraries of ONNX Runtime's wheel are.
    framework: bool,
}

/// What is of ROCm, by the names of Debian's packages.
const ROCM: &str =
    "rocm* rocminfo hip* libhip* libamdhip* libamd-comgr* libhsa* libroc* librccl* libmiopen*";

const SUITES: [Suite; 3] = [
    Suite {
        name: "sid",
        base: "sid",
        newer: None,
        packages: &[
            "rocminfo",
            "hipcc",
            "libamdhip64-dev",
            "libmiopen1-tests",
            "librocblas4",
            "librocblas4-bench",
            "librocblas-dev",
            "kmod",
        ],
        clang: "clang-21",
        named: &["libhsa-runtime64-1", "libamdhip64-6", "libmiopen1", "librocblas4"],
        libraries: true,
        framework: false,
    },
    Suite {
        name: "experimental",
        base: "sid",
        newer: Some(("experimental", ROCM)),
        packages: &[
            "rocminfo",
            "hipcc",
            "libamdhip64-dev",
            "libmiopen1-tests",
            "librocblas5",
            "librocblas-dev",
            "kmod",
            "libhipblas3",
            "libhipfft0",
            "librocm-smi64-1",
            "python3.13",
        ],
        clang: "clang-22",
        named: &["libhsa-runtime64-1", "libamdhip64-7", "libmiopen1", "librocblas5"],
        libraries: true,
        framework: true,
    },
    Suite {
        name: "trixie",
        base: "trixie",
        newer: None,
        packages: &["rocminfo", "hipcc", "libamdhip64-dev", "libhsa-runtime-dev", "kmod"],
        clang: "clang-17",
        named: &["libhsa-runtime64-1", "libamdhip64-5", "hipcc"],
        libraries: false,
        framework: false,
    },
];

/// What programs run on: a card, and the target that the runtime is told it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Machine {
    title: &'static str,
    card: &'static str,
    variables: &'static [(&'static str, &'static str)],
    /// Whether the card can run what it is given: then everything must be right.
    sound: bool,
    /// Whether Debian's rocBLAS has code for the target.
    blas: bool,
}

impl Machine {
    /// Whether such a verdict, where it is not good, fails the command. What is not in a package cannot be wrong.
    fn must_pass(&self, verdict: &Verdict) -> bool {
        self.sound
            && match verdict {
                Verdict::NoSource(_) => false,
                Verdict::NoCode(_) => self.blas,
                _ => true,
            }
    }
}

/// The variable that makes the runtime take a card for a gfx1030.
const AS_GFX1030: &[(&str, &str)] = &[("HSA_OVERRIDE_GFX_VERSION", "10.3.0")];

const NATIVE: Machine = Machine {
    title: "RX 5600 XT, native",
    card: "rx5600xt",
    variables: &[],
    sound: true,
    blas: true,
};
const RDNA2: Machine = Machine {
    title: "RX 6700 XT as gfx1030",
    card: "rx6700xt",
    variables: AS_GFX1030,
    sound: true,
    blas: true,
};
const OVERRIDDEN: Machine = Machine {
    title: "RX 5600 XT as gfx1030",
    card: "rx5600xt",
    variables: AS_GFX1030,
    sound: false,
    blas: true,
};
const RDNA2_NATIVE: Machine =
    Machine { title: "RX 6600, native", card: "rx6600", variables: &[], sound: true, blas: false };

const MACHINES: [Machine; 4] = [NATIVE, RDNA2_NATIVE, RDNA2, OVERRIDDEN];

/// Targets that the programs of `workloads` are compiled for.
const TARGETS: [&str; 3] =
    ["--offload-arch=gfx1010", "--offload-arch=gfx1030", "--offload-arch=gfx1032"];

/// How a program is started on a machine.
fn on(machine: &Machine, command: Vec<String>, seconds: u64) -> Program {
    Program {
        card: Some(machine.card),
        variables: machine
            .variables
            .iter()
            .map(|&(name, value)| (name, value.to_owned()))
            .collect(),
        command,
        limit: Duration::from_secs(seconds),
    }
}

/// What the steps came to.
#[derive(Debug)]
struct Report {
    only: Option<String>,
    failed: Vec<String>,
    start: Instant,
}

impl Report {
    /// Whether a step was asked for.
    fn wants(&self, step: &str) -> bool {
        self.only.as_deref().is_none_or(|only| step.contains(only))
    }

    /// Says what became of a step. One that had to pass and did not fails the command at its end.
    fn say(&mut self, step: &str, verdict: &Verdict, must_pass: bool, time: Duration) {
        let good = *verdict == Verdict::Verified;
        let word = match (good, must_pass) {
            (true, _) => "ok  ",
            (false, true) => "FAIL",
            (false, false) => "    ",
        };
        let seconds = time.as_secs_f32();
        let what = if good { String::new() } else { format!(": {verdict}") };
        eprintln!("{word} {step}{what} ({seconds:.1} s)");
        if must_pass && !good {
            self.failed.push(step.to_owned());
        }
    }

    /// Says that all is well, or what is not.
    fn end(&self) -> Result<()> {
        let seconds = self.start.elapsed().as_secs();
        let failed = &self.failed;
        ensure!(
            failed.is_empty(),
            "{} steps failed in {seconds} s: {}",
            failed.len(),
            failed.join("; ")
        );
        eprintln!("all that must pass has passed, in {seconds} s");
        Ok(())
    }
}

/// Runs all steps, or those whose name contains `only`.
pub(crate) fn run(suite: &str, only: Option<&str>) -> Result<()> {
    let Some(suite) = SUITES.iter().find(|known| known.name == suite) else {
        let known: Vec<&str> = SUITES.iter().map(|suite| suite.name).collect();
        bail!("no suite is called {suite}; there are {}", known.join(", "));
    };
    let system = System::of(suite)?;
    let mut report =
        Report { only: only.map(str::to_owned), failed: Vec::new(), start: Instant::now() };
    let versions = system.versions()?;
    println!("## Debian {}\n\n{versions}", suite.name);
    rocminfo(&system, &mut report)?;
    hip(&system, &mut report)?;
    recorder::run(&system, &mut report)?;
    if suite.libraries {
        rocblas::run(&system, &mut report)?;
        miopen::run(&system, &mut report)?;
    }
    if suite.framework {
        onnxruntime::run(&system, &mut report)?;
    }
    report.end()
}

/// The runtime's own list of devices.
fn rocminfo(system: &System, report: &mut Report) -> Result<()> {
    for (card, words) in [
        ("rx5600xt", ["gfx1010", "AMD Radeon RX 5600 XT"]),
        ("rx6600", ["gfx1032", "AMD Radeon RX 6600"]),
        ("rx6700xt", ["gfx1031", "AMD Radeon RX 6700 XT"]),
    ] {
        let step = format!("rocminfo: {card}");
        if !report.wants(&step) {
            continue;
        }
        let machine = Machine { card, ..NATIVE };
        let said = system.run(&on(&machine, vec!["rocminfo".to_owned()], 120))?;
        let verdict = match Verdict::of(&said) {
            Verdict::Ended(_) if said.end == End::Code(0) => {
                let missing = words.iter().find(|words| !said.text.contains(**words));
                missing.map_or(Verdict::Verified, |words| {
                    Verdict::Ended(format!("does not say {words}"))
                })
            }
            other => other,
        };
        report.say(&step, &verdict, true, said.time);
    }
    Ok(())
}

/// The HIP programs, compiled by the suite's own compiler.
fn hip(system: &System, report: &mut Report) -> Result<()> {
    let table = Table {
        kind: "hip",
        title: "HIP programs of `workloads/hip`",
        what: "program",
        tests: &rocm::PROGRAMS.map(|name| (name, name)),
    };
    if !table.is_wanted(report) {
        return Ok(());
    }
    let program = |name: &str, machine: &Machine| {
        let program = system.compile(&format!("hip/{name}.hip"), &TARGETS)?;
        Ok(on(machine, vec![program], 600))
    };
    table.run(system, report, program, Machine::must_pass)
}
