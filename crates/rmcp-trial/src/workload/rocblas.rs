//! Matrix products as AMD's `rocblas-bench` computes them, compares them with the processor and says so.

use super::judge::{Judged, last_line, word};
use super::results::Measured;
use super::schema::{Check, Dtype, Matmul, Operation, Program, Workload};
use crate::isolation::Invocation;
use rmcp_model::Outcome;
use std::path::Path;

/// The column that holds the error of the product, relative in the 1-norm.
const ERROR: &str = "norm_error_1";

/// Its name of half precision.
const HALF: &str = "f16_r";

/// The products of a check: rows, columns, depth and types; none where it has none.
pub(super) fn product(check: &Check) -> Option<Vec<([u64; 3], Dtype)>> {
    if let Some(Operation::Matmul(Matmul { input, weight, .. })) = &check.operation {
        let sizes = [input[0], weight[1], input[1]];
        return Some(check.dtypes.iter().map(|dtype| (sizes, *dtype)).collect());
    }
    let Some(Program::MlpTraining(it)) = &check.program else { return None };
    let dtype = if it.mixed { Dtype::Float16 } else { Dtype::Float32 };
    Some(it.widths.windows(2).map(|pair| ([it.batch, pair[1], pair[0]], dtype)).collect())
}

/// Starts the tool for each product.
pub(super) fn invocations(workload: &Workload, program: &Path) -> Vec<Invocation> {
    let products = workload.check.iter().filter_map(product).flatten();
    let start = |([m, n, k], dtype): ([u64; 3], Dtype)| {
        let name = if dtype == Dtype::Float16 { HALF } else { "f32_r" };
        let text = format!(
            "-f gemm_ex -r {name} --compute_type f32_r --transposeA N --transposeB N -m {m} -n {n} -k {k} \
             --lda {m} --ldb {k} --ldc {m} --ldd {m} --beta 0 --verify 1 --iters 1 --cold_iters 0"
        );
        Invocation {
            program: program.to_owned(),
            arguments: text.split_whitespace().map(Into::into).collect(),
            ..Invocation::default()
        }
    };
    products.map(start).collect()
}

/// What the tool says of a run that ended by itself: a table of one row, whose last columns are errors. It does not say of
/// which type the product was: that is in the arguments. The workload's bound for the type decides.
pub(super) fn judge(workload: &Workload, invocation: &Invocation, text: &str, code: i32) -> Judged {
    let failed = |what: &str| Judged::of(Outcome::Failed { code, what: word(what) });
    if code != 0 {
        return failed(last_line(text));
    }
    let lines: Vec<&str> = text.lines().collect();
    let header = lines.iter().position(|line| line.split(',').any(|name| name.trim() == ERROR));
    let Some(header) = header else { return failed("its table has no column of errors") };
    let at = lines[header].split(',').position(|name| name.trim() == ERROR);
    let row = lines.get(header + 1).copied().unwrap_or_default();
    let Some(error) = at.and_then(|at| row.split(',').nth(at)) else {
        return failed("its table has no row");
    };
    let asked = |flag: &str| {
        let at = invocation.arguments.iter().position(|word| word == flag)?;
        invocation.arguments.get(at + 1)?.to_str()
    };
    let dtype = if asked("-r") == Some(HALF) { Dtype::Float16 } else { Dtype::Float32 };
    let bound = workload.bounds().get(&dtype).copied().unwrap_or(0.0);
    let sizes: Vec<&str> = ["-m", "-n", "-k"].into_iter().filter_map(asked).collect();
    let check = format!("product of {}", sizes.join("x"));
    let measured = Measured {
        dtype: Some(dtype.name().to_owned()),
        ..Measured::new(&check, "forward", error.trim().parse().ok(), bound)
    };
    let mut judged = Judged::of(match measured.is_right() {
        true => Outcome::Passed,
        false => Outcome::WrongNumbers { what: measured.to_string() },
    });
    judged.add(Some(measured));
    judged
}

#[cfg(test)]
mod tests {
    use super::super::workload;
    use super::*;

    /// As rocblas-bench 4.4 says it: nothing of the type.
    const SAID: &str = "Device ID 0 : AMD Radeon RX 5600 XT gfx1010:xnack-\n\
        transA,transB,M,N,K,alpha,lda,beta,ldb,ldc,ldd,batch_count,cold_iters,hot_iters,rocblas-Gflops,us,CPU-Gflops,CPU-us,norm_error_1\n\
        N,N,1000,1000,1000,1,1000,0,1000,1000,1000,1, 0, 1, 0.22, 57590,15.4,830,";

    #[test]
    fn the_bound_is_that_of_the_type_asked_for() {
        let basic = workload("basic").unwrap();
        let started = invocations(basic, Path::new("rocblas-bench"));
        let judged = |dtype: &str, error: &str| {
            let of_type = |one: &&Invocation| one.arguments.iter().any(|word| word == dtype);
            let invocation = started.iter().find(of_type).unwrap();
            judge(basic, invocation, &format!("{SAID}{error}\n"), 0)
        };
        let bounds = basic.bounds();
        let between = (bounds[&Dtype::Float32] * bounds[&Dtype::Float16]).sqrt().to_string();
        assert_eq!(judged(HALF, &between).outcome, Outcome::Passed);
        let wrong = judged("f32_r", &between);
        let what = wrong.outcome.what().unwrap();
        assert!(
            what.starts_with("product of 1000x1000x1000: forward in float32 is off by"),
            "{what}"
        );
        assert_eq!(wrong.outcome.word(), "wrong numbers");
    }
}
