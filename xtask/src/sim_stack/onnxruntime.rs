//! A prebuilt framework: ONNX Runtime from PyPI, whose code for cards of RDNA2 is that of gfx1030 alone, on a small
//! convolutional network, beside its own provider for the processor.

use super::system::{Program, System};
use super::table::Table;
use super::{Machine, RDNA2, Report, on};
use crate::packages::wheels_for;
use crate::run::run as start;
use anyhow::{Result, ensure};
use std::time::Duration;

/// The Python that the wheel is for.
const PYTHON: &str = "3.13";

/// What is taken from PyPI: the framework, built with ROCm 7.2, and what makes the network.
const WHEELS: [&str; 6] = [
    "onnxruntime-rocm==1.22.2.post3",
    "onnx==1.23.2",
    "numpy==2.4.6",
    "protobuf==7.36.2",
    "ml_dtypes==0.6.0",
    "typing_extensions==4.16.0",
];

/// Where they are in the system.
pub(super) const PACKAGES: &str = "opt/python";

/// A library that the framework names, and of which it uses no symbol. None was found in a package of Debian or
/// PyPI: an empty one stands in.
const MISSING: &str = "libroctracer64.so.4";

/// Where that is in the system.
const STAND_IN: &str = "opt/stand-in";

/// Tests of `workloads/onnx/network.py`.
const TABLE: Table<'static> = Table {
    kind: "onnxruntime",
    title: "ONNX Runtime (onnxruntime-rocm 1.22.2.post3)",
    what: "network",
    tests: &[("--float", "float"), ("--half", "half")],
};

/// Runs both on all machines.
pub(super) fn run(system: &System, report: &mut Report) -> Result<()> {
    if !TABLE.is_wanted(report) {
        return Ok(());
    }
    give_parts(system)?;
    let script = format!("{}/onnx/network.py", system.copy_workloads()?);
    let program = |test: &str, machine: &Machine| {
        let command = [&format!("python{PYTHON}"), &script, test].map(str::to_owned);
        let mut program = on(machine, command.to_vec(), 300);
        program.variables.extend([
            ("PYTHONPATH", format!("/{PACKAGES}")),
            ("LD_LIBRARY_PATH", format!("/{STAND_IN}")),
            // The sources of these kernels are not in Debian's MIOpen, which takes that for a failure of the whole.
            ("MIOPEN_DEBUG_CONV_WINOGRAD", "0".to_owned()),
            // So that HIP says for which card it finds no code.
            ("AMD_LOG_LEVEL", "1".to_owned()),
        ]);
        Ok(program)
    };
    // For the others there is no code in the wheel, or it is not the card's.
    TABLE.run(system, report, program, |machine, _| *machine == RDNA2)
}

/// Puts packages of PyPI for a version of Python into the system, where none are there.
pub(super) fn give_wheels(system: &System, python: &str, wheels: &[&str]) -> Result<()> {
    let packages = system.path(PACKAGES);
    if packages.exists() {
        return Ok(());
    }
    eprintln!("fetching {}", wheels.join(", "));
    let part = packages.with_extension("part").display().to_string();
    let options = wheels_for(python);
    let mut arguments = vec!["install", "--quiet", "--no-deps", "--upgrade", "--target", &part];
    arguments.extend(options.iter().map(String::as_str).chain(wheels.iter().copied()));
    start("pip", &arguments)?;
    std::fs::rename(part, packages)?;
    Ok(())
}

/// Puts the framework and the stand-in into the system, where they are not there.
fn give_parts(system: &System) -> Result<()> {
    give_wheels(system, PYTHON, &WHEELS)?;
    std::fs::create_dir_all(system.path(STAND_IN))?;
    let command = format!(
        "{} -shared -nostdlib -Wl,-soname,{MISSING} -o /{STAND_IN}/{MISSING} -x c /dev/null",
        system.suite.clang
    );
    let command = command.split(' ').map(str::to_owned).collect();
    let limit = Duration::from_secs(60);
    let said = system.run(&Program { card: None, variables: Vec::new(), command, limit })?;
    ensure!(system.path(STAND_IN).join(MISSING).exists(), "no stand-in: {}", said.text);
    Ok(())
}
