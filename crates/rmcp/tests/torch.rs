//! The workloads in Debian's PyTorch, on the processor: all green, and each planted fault red.
//!
//! `cargo xtask test` installs PyTorch; without it these tests fail and say so.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests start programs and read what they have written"
)]

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};

/// The row of the processor, for workloads whose programs are told something by variables, such as of a planted fault.
fn on_the_processor(
    workloads: &[&str],
    variables: &[(&str, &str)],
    options: &[&str],
) -> Vec<Value> {
    let home = tempfile::tempdir().unwrap();
    let mut rmcp = Command::new(env!("CARGO_BIN_EXE_rmcp"));
    rmcp.args(["try", "--simulate", "rx5600xt", "--tool", "torch", "--format", "json", "--all"]);
    rmcp.args(["--repeats", "1", "--candidate", "processor", "--python", "/usr/bin/python3"]);
    rmcp.args(workloads.iter().flat_map(|name| ["--workload", name])).args(options);
    rmcp.env("HOME", home.path())
        .env_remove("XDG_STATE_HOME")
        .env_remove("HSA_OVERRIDE_GFX_VERSION");
    rmcp.env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("try-cache"));
    rmcp.envs(variables.iter().copied());
    let output = rmcp.stdin(Stdio::null()).output().unwrap();
    let document: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let rows = document["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["candidate"]["id"] == "processor").unwrap();
    row["cells"].as_array().unwrap().clone()
}

#[test]
fn all_ten_are_green_with_numerics() {
    let cells = on_the_processor(&[], &[], &["--suite", "workloads"]);
    assert_eq!(cells.len(), 10);
    for cell in &cells {
        assert_eq!(cell["outcome"], "passed", "{cell:#}");
    }
    let compared = cells.iter().filter(|cell| cell["max_rel_error"].as_f64().is_some());
    assert!(compared.count() >= 8, "{cells:#?}");
}

#[test]
fn every_planted_fault_is_seen() {
    for (fault, outcome, what) in [
        ("crash", "crashed", "0x29"),
        ("wrong-forward", "wrong-numbers", "forward"),
        ("wrong-input-gradient", "wrong-numbers", "input gradient"),
        ("wrong-weight-gradient", "wrong-numbers", "weight gradient"),
        ("wrong-float16", "wrong-numbers", "float16"),
        ("truncated", "failed", "cut short"),
        ("missing-package", "could-not-start", "torch"),
        ("fork", "failed", "left processes behind"),
        ("leak", "failed", "emory"),
        ("hang", "hung", "time was over"),
    ] {
        let limit = if fault == "hang" { "15s" } else { "200s" };
        let cells =
            on_the_processor(&["eeg-reshaping"], &[("RMCP_FAULT", fault)], &["--limit", limit]);
        assert_eq!(cells[0]["outcome"], outcome, "{fault}: {:#}", cells[0]);
        let said = cells[0]["what"].as_str().unwrap_or_default();
        assert!(said.contains(what), "{fault}: {said}");
        if fault == "crash" {
            assert_eq!(cells[0]["kind"], "aperture_violation");
        }
    }
    // A gigabyte on standard error costs neither memory nor the result.
    let cells = on_the_processor(&["eeg-reshaping"], &[("RMCP_FAULT", "flood")], &[]);
    assert_eq!(cells[0]["outcome"], "passed", "{:#}", cells[0]);
}

#[test]
fn a_fault_of_half_precision_is_none_in_single_precision() {
    for (precision, outcome) in [("any", "wrong-numbers"), ("single", "passed")] {
        let variables = [("RMCP_FAULT", "wrong-float16"), ("RMCP_PRECISION", precision)];
        for cell in on_the_processor(&["basic", "mixed-precision"], &variables, &[]) {
            assert_eq!(cell["outcome"], outcome, "{precision}: {cell:#}");
        }
    }
}
