//! Matrix products as AMD's `rocblas-bench` computes them, compares them with the processor and says so.

use super::judge::{Judged, last_line, word};
use super::results::Measured;
use super::schema::{Check, Dtype, Matmul, Operation, Program, Workload};
use crate::isolation::Invocation;
use rmcp_model::Outcome;
use std::path::Path;

/// The column that holds the error of the product, relative in the 1-norm.
const ERROR: &str = "norm_error_1";

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
        let letter = if dtype == Dtype::Float16 { "f16_r" } else { "f32_r" };
        let text = format!(
            "-f gemm_ex -r {letter} --compute_type f32_r --transposeA N --transposeB N -m {m} -n {n} -k {k} \
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

/// What the tool says of a run that ended by itself: a table of one row, whose last columns are errors. The first bound of
/// the workload's tolerances for the type decides.
pub(super) fn judge(workload: &Workload, text: &str, code: i32) -> Judged {
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
    let half = text.contains("f16_r");
    let dtype = if half { Dtype::Float16 } else { Dtype::Float32 };
    let bound = workload.bounds().get(&dtype).copied().unwrap_or(0.0);
    let measured = Measured::new("product", "forward", error.trim().parse().ok(), bound);
    let mut judged = Judged::of(match measured.is_right() {
        true => Outcome::Passed,
        false => Outcome::WrongNumbers { what: measured.to_string() },
    });
    judged.add(Some(measured));
    judged
}
