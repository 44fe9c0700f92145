//! AMD's own programs for its libraries: how they are asked, and what they say.

use super::schema::{Conv2d, Matmul, Number};
use super::{Judged, judge_end, last_word};
use crate::isolation::Ended;
use rmcp_model::Outcome;
use std::ffi::OsString;

/// Variables for every run of `MIOpenDriver`: the processor checks, as the other reference is one of the solvers, and
/// solvers are chosen anew each time.
///
/// Source: MIOpen `driver/conv_driver.hpp`, `src/include/miopen/find_db.hpp`.
pub(super) const MIOPEN_VARIABLES: [(&str, &str); 2] =
    [("MIOPEN_DRIVER_USE_GPU_REFERENCE", "0"), ("MIOPEN_DEBUG_DISABLE_FIND_DB", "1")];

/// Arguments of `MIOpenDriver` for a convolution. `direction` is 1 forward, 2 for the gradient of the input, 4 for that of
/// the weights. Source: MIOpen `driver/README.md` and `driver/conv_driver.hpp`.
pub(super) fn miopen_arguments(v: Conv2d, number: Number, direction: u32) -> Vec<OsString> {
    let base = match number {
        Number::Float32 => "conv",
        Number::Float16 => "convfp16",
    };
    let shape = format!(
        "{base} -n {} -c {} -H {} -W {} -k {} -y {} -x {} -p {} -q {} -u {} -v {} -g {}",
        v.n, v.c, v.h, v.w, v.k, v.r, v.s, v.padding, v.padding, v.stride, v.stride, v.groups
    );
    words(&format!("{shape} -F {direction} -V 1 -t 0 -i 1"))
}

/// Arguments of `rocblas-bench` for a product. Source: rocBLAS `clients/benchmarks/client.cpp`.
pub(super) fn rocblas_arguments(v: Matmul, number: Number) -> Vec<OsString> {
    let precision = match number {
        Number::Float32 => "f32_r",
        Number::Float16 => "f16_r",
    };
    words(&format!(
        "-f gemm_ex -r {precision} --compute_type f32_r -m {} -n {} -k {} --lda {} --ldb {} --ldc {} --ldd {} --verify 1 -i 1 -j 0",
        v.m, v.n, v.k, v.m, v.k, v.m, v.m
    ))
}

fn words(line: &str) -> Vec<OsString> {
    line.split(' ').map(OsString::from).collect()
}

/// Says what `MIOpenDriver` came to.
pub(super) fn judge_miopen(ended: &Ended) -> Judged {
    let text = said(ended);
    let error = text.lines().find_map(error_of);
    let outcome = match judge_end(ended) {
        Err(outcome) => outcome,
        // A number that is no error of a computation: nothing was computed. Source: MIOpen `driver/conv_driver.hpp`.
        Ok(code) if text.contains("FAILED: 1.79769e+308") => {
            Outcome::Failed { code, what: miopen_error(&text) }
        }
        Ok(_) if text.contains("FAILED") => {
            Outcome::WrongNumbers { what: line_with(&text, "FAILED").unwrap_or_default() }
        }
        Ok(0) if text.contains("Verifies OK on CPU reference") => Outcome::Passed,
        Ok(code) => Outcome::Failed { code, what: last_word(ended) },
    };
    Judged { outcome, max_rel_error: error, checks: u32::from(error.is_some()) }
}

/// The error in `Verifies OK on CPU reference (4.1e-08 < 1.5e-06)` or `FAILED: 0.5 > 1.5e-06`.
fn error_of(line: &str) -> Option<f64> {
    let at = line.find("CPU reference (").map(|at| at + "CPU reference (".len());
    let at = at.or_else(|| line.find("FAILED: ").map(|at| at + "FAILED: ".len()))?;
    line[at..].split_whitespace().next()?.parse().ok().filter(|error: &f64| *error < 1e300)
}

fn miopen_error(text: &str) -> String {
    let error = |line: &&str| line.contains("MIOpen Error") || line.contains(": Error [");
    let last = text.lines().rfind(error).unwrap_or("MIOpen computed nothing");
    last.chars().take(160).collect()
}

/// Says what `rocblas-bench` came to: it prints a table with a column for the error.
pub(super) fn judge_rocblas(ended: &Ended) -> Judged {
    let text = said(ended);
    let error = column(&text, "norm_error_1");
    let outcome = match (judge_end(ended), error) {
        (Err(outcome), _) => outcome,
        // Relative to the norm of the result; small whole numbers, whose products are exact.
        (Ok(0), Some(error)) if error <= 4.0 * Number::Float16.roundoff() => Outcome::Passed,
        (Ok(0), Some(error)) => {
            Outcome::WrongNumbers { what: format!("relative error {error:.2e}") }
        }
        (Ok(code), _) => Outcome::Failed { code, what: last_word(ended) },
    };
    Judged { outcome, max_rel_error: error, checks: u32::from(error.is_some()) }
}

fn column(text: &str, name: &str) -> Option<f64> {
    let mut lines = text.lines();
    let at = lines.find_map(|line| line.split(',').position(|column| column.trim() == name))?;
    lines.next()?.split(',').nth(at)?.trim().parse().ok()
}

fn line_with(text: &str, words: &str) -> Option<String> {
    let line = text.lines().find(|line| line.contains(words))?;
    Some(line.trim().chars().take(160).collect())
}

fn said(ended: &Ended) -> String {
    let texts = [&ended.stdout.bytes, &ended.stderr.bytes];
    texts.map(|bytes| String::from_utf8_lossy(bytes)).join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isolation::{Captured, End};
    use std::time::Duration;

    fn ended(text: &str) -> Ended {
        Ended {
            end: End::Code(0),
            stdout: Captured { bytes: text.into(), total: text.len() as u64 },
            stderr: Captured::default(),
            results: Vec::new(),
            time: Duration::ZERO,
            peak_bytes: None,
            left_behind: Vec::new(),
            stuck: Vec::new(),
        }
    }

    #[test]
    fn miopens_words_are_understood() {
        let judged = judge_miopen(&ended(
            "Forward Convolution Verifies OK on CPU reference (4.5e-08 < 1.5e-06)",
        ));
        assert_eq!((judged.outcome, judged.max_rel_error), (Outcome::Passed, Some(4.5e-8)));
        let judged = judge_miopen(&ended("Forward Convolution FAILED: 0.5 > 1.5e-06"));
        assert_eq!((judged.outcome.word(), judged.max_rel_error), ("wrong numbers", Some(0.5)));
        let nothing = "MIOpen Error: kernel.cpp:453: no source\nForward Convolution FAILED: 1.79769e+308 > 1.5e-06";
        let judged = judge_miopen(&ended(nothing));
        assert_eq!((judged.outcome.word(), judged.max_rel_error), ("failed", None));
        assert_eq!(judge_miopen(&ended("MIOpenDriver: no device")).outcome.word(), "failed");
    }

    #[test]
    fn rocblas_tables_are_understood() {
        let table = |error: &str| {
            format!("transA,M,rocblas-Gflops,us,norm_error_1\nN,128,10.5,3, {error}\n")
        };
        assert_eq!(judge_rocblas(&ended(&table("0"))).outcome, Outcome::Passed);
        assert_eq!(judge_rocblas(&ended(&table("0.3"))).outcome.word(), "wrong numbers");
        assert_eq!(
            judge_rocblas(&ended("rocBLAS error: no Tensile library")).outcome.word(),
            "failed"
        );
    }
}
