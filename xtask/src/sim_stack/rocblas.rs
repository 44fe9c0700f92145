//! rocBLAS: matrix products through the kernels that it ships for a card.

use super::system::System;
use super::table::Table;
use super::{Machine, Report, TARGETS, on};
use anyhow::Result;

/// Tests of `workloads/rocblas/blas.hip`, each a process of its own: one that aborts takes no other with it.
const TABLE: Table<'static> = Table {
    kind: "rocblas",
    title: "rocBLAS",
    what: "product",
    tests: &[
        ("gemm_f32", "float"),
        ("gemm_f16_f32", "half, sums in float"),
        ("gemm_f16", "half"),
        ("gemm_i8", "int8, sums in int32"),
        ("gemm_f64", "double"),
    ],
};

/// Compiles the tests where that was not done.
pub(super) fn program(system: &System) -> Result<String> {
    let options = [&TARGETS[..], &["-lrocblas"]].concat();
    system.compile("rocblas/blas.hip", &options)
}

/// Runs all on all machines.
pub(super) fn run(system: &System, report: &mut Report) -> Result<()> {
    if !TABLE.is_wanted(report) {
        return Ok(());
    }
    let blas = program(system)?;
    let program =
        |test: &str, machine: &Machine| Ok(on(machine, vec![blas.clone(), test.to_owned()], 300));
    TABLE.run(system, report, program, Machine::must_pass)
}
