//! rocBLAS: matrix products through the kernels that it ships for a card.

use super::system::System;
use super::verdict::Verdict;
use super::{MACHINES, Report, TARGETS, on};
use anyhow::Result;

/// Tests of `workloads/rocblas/blas.hip`, each a process of its own: one that aborts takes no other with it.
const TESTS: [(&str, &str); 5] = [
    ("gemm_f32", "float"),
    ("gemm_f16_f32", "half, sums in float"),
    ("gemm_f16", "half"),
    ("gemm_i8", "int8, sums in int32"),
    ("gemm_f64", "double"),
];

/// Runs all on all machines.
pub(super) fn run(system: &System, report: &mut Report, versions: &str) -> Result<()> {
    let steps = || TESTS.iter().flat_map(|test| MACHINES.map(|machine| (test, machine)));
    let step = |test: &str, title: &str| format!("rocblas {test}: {title}");
    if !steps().any(|((test, _), machine)| report.wants(&step(test, machine.title))) {
        return Ok(());
    }
    let options = [&TARGETS[..], &["-lrocblas"]].concat();
    let program = system.compile("rocblas/blas.hip", &options)?;
    println!("\n## rocBLAS\n\n{versions}\n");
    let titles = MACHINES.map(|machine| machine.title);
    println!("| product | {} |\n|---|{}", titles.join(" | "), "---|".repeat(titles.len()));
    for (test, what) in TESTS {
        let mut cells = Vec::new();
        for machine in MACHINES {
            let step = step(test, machine.title);
            if !report.wants(&step) {
                cells.push("not run".to_owned());
                continue;
            }
            let command = vec![program.clone(), test.to_owned()];
            let said = system.run(&on(&machine, command, 300))?;
            let verdict = Verdict::of_program(&said);
            report.say(&step, &verdict, machine.must_pass(&verdict), said.time);
            cells.push(verdict.to_string());
        }
        println!("| {what} | {} |", cells.join(" | "));
    }
    Ok(())
}
