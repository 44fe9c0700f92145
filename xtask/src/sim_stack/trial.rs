//! `rmcp try` with the real MIOpen and rocBLAS of Debian sid, on a simulated card: what is at fault is known, and must be found.

use super::system::{PROGRAMS, Program, Said, System};
use super::{AS_GFX1030, Report, SUITES, miopen, rocblas};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Debian's MIOpen offers solvers whose kernels are not in its packages; see `docs/real-rocm.md`.
const NO_WINOGRAD: (&str, &str) = ("MIOPEN_DEBUG_CONV_WINOGRAD", "0");

/// A search whose end is known.
#[derive(Debug)]
struct Case {
    title: &'static str,
    variables: &'static [&'static [(&'static str, &'static str)]],
    arguments: &'static str,
    /// A command of `workloads/rocblas/blas.hip` instead of workloads.
    product: Option<&'static str>,
    /// The candidates of the smallest set.
    minimal: &'static [&'static str],
}

const CASES: [Case; 5] = [
    Case {
        title: "MIOpen under the override",
        variables: &[AS_GFX1030, &[NO_WINOGRAD]],
        arguments: "--tool miopen --workload eeg-reshaping --all \
            --candidate unset-override --candidate earlier-environment --candidate cache-off \
            --candidate miopen-gemm-off --candidate single-precision \
            --candidate earlier-kernel-extended",
        product: None,
        minimal: &["unset-override"],
    },
    Case {
        title: "rocBLAS under the override",
        variables: &[AS_GFX1030],
        arguments: "--all",
        product: Some("gemm_f16_f32"),
        minimal: &["unset-override"],
    },
    Case {
        title: "rocblas-bench under the override",
        variables: &[AS_GFX1030],
        arguments: "--tool rocblas --workload training --workload mixed-precision --all",
        product: None,
        minimal: &["unset-override"],
    },
    Case {
        title: "one solver of MIOpen at fault, planted",
        variables: &[&[NO_WINOGRAD, ("MIOPEN_FIND_MODE", "NORMAL")]],
        arguments: "--tool miopen --workload kernel-log \
            --inject illegal@0:naive_conv_ab_nonpacked_bwd",
        product: None,
        minimal: &["MIOPEN_DEBUG_CONV_DIRECT_NAIVE_CONV_BWD-off"],
    },
    Case {
        title: "MIOpen as Debian ships it",
        variables: &[],
        arguments: "--tool miopen --workload kernel-log",
        product: None,
        minimal: &["miopen-winograd-off"],
    },
];

/// Searches in all cases, or in those whose title contains `only`, and prints the matrices.
pub(crate) fn run(only: Option<&str>) -> Result<()> {
    let system = System::of(&SUITES[0])?;
    miopen::give_compiler(&system)?;
    let mut report =
        Report { only: only.map(str::to_owned), failed: Vec::new(), start: Instant::now() };
    println!("{}", system.versions()?);
    for case in &CASES {
        if !report.wants(case.title) {
            continue;
        }
        let start = Instant::now();
        let end = search(&system, case);
        let seconds = start.elapsed().as_secs();
        match end {
            Ok(()) => eprintln!("ok   {} ({seconds} s)", case.title),
            Err(error) => {
                eprintln!("FAIL {} ({seconds} s): {error:#}", case.title);
                report.failed.push(case.title.to_owned());
            }
        }
    }
    report.end()
}

fn search(system: &System, case: &Case) -> Result<()> {
    let options =
        "try --simulate rx5600xt --repeats 1".split(' ').chain(case.arguments.split_whitespace());
    let mut arguments: Vec<String> = options.map(str::to_owned).collect();
    if let Some(product) = case.product {
        arguments.extend(["--".to_owned(), rocblas::program(system)?, product.to_owned()]);
    }
    let said = rmcp(system, case, arguments)?;
    let last = |form: &str| {
        rmcp(system, case, format!("try --last {form}").split(' ').map(str::to_owned).collect())
    };
    println!("\n## {}\n\n{}", case.title, last("--as markdown")?.text);
    let found: Value =
        serde_json::from_str(&last("--format json")?.text).with_context(|| said.text)?;
    let ids = found["minimal"].as_array().context("it has no smallest set")?;
    let ids: Vec<&str> = ids.iter().filter_map(|one| one["id"].as_str()).collect();
    ensure!(ids == case.minimal, "expected {:?} to be enough, found {ids:?}", case.minimal);
    Ok(())
}

fn rmcp(system: &System, case: &Case, arguments: Vec<String>) -> Result<Said> {
    let mut variables = miopen::packaging(system);
    // As on a machine on which nothing was ever computed: nothing is there.
    variables.push(("MIOPEN_USER_DB_PATH", "/root/no-databases".to_owned()));
    let own = case.variables.iter().copied().flatten();
    variables.extend(own.map(|&(name, value)| (name, value.to_owned())));
    let command = std::iter::once(format!("/{PROGRAMS}/rmcp")).chain(arguments).collect();
    system.run(&Program { card: None, variables, command, limit: Duration::from_secs(3600) })
}
