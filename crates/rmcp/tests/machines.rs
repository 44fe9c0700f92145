//! `doctor` over every shipped machine.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests read the project's own files"
)]

mod support;

use rmcp::model::{Confidence, Severity};
use rmcp::{Caller, Inspection, Knowledge, diagnose, inspect};
use rmcp_report::{Detail, Palette, diagnosis_json, diagnosis_text};
use serde_json::Value;
use std::path::Path;
use support::{entries, rmcp, stem, testdata};

fn diagnosis_of(machine: &Path) -> rmcp::model::Diagnosis {
    let what = Inspection { root: Some(machine), pythons: &[], caller: Caller::default() };
    diagnose(&inspect(&what).unwrap(), Knowledge::embedded())
}

#[test]
fn every_machine_is_diagnosed_as_reviewed() {
    let machines = entries("machines");
    assert!(machines.len() >= 39, "machines are missing: {machines:?}");
    for machine in machines {
        let diagnosis = diagnosis_of(&machine);
        let page = diagnosis_text(&diagnosis, Detail::Short, Palette::new(false));
        let codes: Vec<String> = diagnosis
            .findings
            .iter()
            .map(|finding| {
                format!("{:?} {} ({})", finding.severity, finding.code, finding.confidence)
            })
            .collect();
        let seen = format!("{page}\n--- every finding\n{}\n", codes.join("\n"));
        insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "snapshots/machines", omit_expression => true }, {
            insta::assert_snapshot!(stem(&machine), seen);
        });
    }
}

#[test]
fn a_page_fits_one_screen() {
    for machine in entries("machines") {
        let page = diagnosis_text(&diagnosis_of(&machine), Detail::Short, Palette::new(false));
        let lines = page.lines().count();
        assert!(lines <= 60, "{}: {lines} lines", machine.display());
        let long = page.lines().find(|line| line.chars().count() > 240);
        assert_eq!(long, None, "{}", machine.display());
    }
}

/// The fields that other programs rely on.
#[test]
fn the_document_keeps_its_contract() {
    for machine in entries("machines") {
        let shown = machine.display();
        let document = diagnosis_json(&diagnosis_of(&machine), None);
        assert_eq!(document["schema"], "rmcp.doctor/1");
        for gpu in document["gpus"].as_array().unwrap() {
            for field in ["name", "verdict"] {
                assert!(gpu[field].is_string(), "{shown}: {field} of {gpu}");
            }
            assert_eq!(gpu["gfx"].is_string(), gpu["gfx_origin"].is_object(), "{shown}: {gpu}");
        }
        for finding in document["findings"].as_array().unwrap() {
            let code = finding["code"].as_str().unwrap();
            assert!(rmcp_diagnose::codes::ALL.contains(&code), "{shown}: {code}");
            let severity = finding["severity"].as_str().unwrap();
            assert!(["error", "warning", "note"].contains(&severity), "{shown}: {severity}");
            assert!(finding["title"].is_string() && finding["confidence"].is_string(), "{shown}");
            for field in ["evidence", "remedies"] {
                assert!(finding[field].is_array(), "{shown}: {field} of {finding}");
            }
        }
        assert!(document["routes"].is_array(), "{shown}");
    }
}

/// Rule of evidence 1: what is said of a machine names where it was read; rule 2: its sources exist.
#[test]
fn every_finding_has_evidence_and_its_sources_exist() {
    for machine in entries("machines") {
        let shown = machine.display();
        for finding in diagnosis_of(&machine).findings {
            let absent = ["no-amd-gpu", "no-software"].contains(&finding.code.as_str());
            assert!(absent || !finding.evidence.is_empty(), "{shown}: {} has none", finding.code);
            for source in &finding.sources {
                assert!(Knowledge::embedded().source(source).is_some(), "{shown}: {source}");
            }
            if finding.severity == Severity::Error {
                assert!(finding.next.is_some(), "{shown}: {} leaves the user alone", finding.code);
            }
            if finding.code == "override-wrong-isa" {
                assert_ne!(finding.confidence, Confidence::High, "nobody has proved it");
            }
        }
    }
}

#[test]
fn the_most_important_comes_first() {
    for machine in entries("machines") {
        let diagnosis = diagnosis_of(&machine);
        let order: Vec<(Severity, usize)> = diagnosis
            .findings
            .iter()
            .map(|finding| {
                let all = rmcp_diagnose::codes::ALL;
                let rank = all.iter().position(|code| *code == finding.code).unwrap();
                (finding.severity, rank)
            })
            .collect();
        let mut sorted = order.clone();
        sorted.sort();
        assert_eq!(order, sorted, "{}", machine.display());
    }
}

/// What a machine is named after is found on it.
#[test]
fn named_problems_are_found() {
    for (machine, code) in [
        ("rx5600xt-override-torch", "override-wrong-isa"),
        ("rx5500xt-override", "override-wrong-isa"),
        ("pro-v520", "torch-lacks-card"),
        ("bc250", "torch-lacks-card"),
        ("rx5500xt-override-1010", "override-right"),
        ("rx6700xt-override-ok", "override-right"),
        ("rx6700xt-override-unneeded", "override-unneeded"),
        ("rx6600xt-malformed", "override-malformed"),
        ("two-cards-per-node", "override-wrong-node"),
        ("rx6800-stale-override", "override-stale"),
        ("rx6600xt-fish-not-exported", "override-not-exported"),
        ("rx6750-unit-only", "override-only-in-unit"),
        ("rx6600-cpu-wheel", "torch-cpu-build"),
        ("rx5700-cuda-wheel", "torch-cuda-build"),
        ("rx5700xt-no-override", "torch-lacks-card"),
        ("rx6800-mixed-rocm", "rocm-mixed"),
        ("rx5500-pcie-atomics", "pcie-atomics"),
        ("rx6600-no-permission", "no-permission"),
        ("rx6600-group-not-active", "group-not-active"),
        ("driver-blacklisted", "driver-blacklisted"),
        ("nomodeset", "nomodeset"),
        ("unknown-amd", "gpu-unknown"),
        ("rx580-polaris", "outside-scope"),
        ("wsl2", "wsl"),
        ("no-gpu", "no-amd-gpu"),
        ("nvidia-only", "no-amd-gpu"),
        ("rx6400-dmesg-fault", "kernel-log"),
    ] {
        let diagnosis = diagnosis_of(&testdata("machines").join(machine));
        let codes: Vec<&str> = diagnosis.findings.iter().map(|found| &*found.code).collect();
        assert!(codes.contains(&code), "{machine}: {code} is not in {codes:?}");
    }
}

#[test]
fn a_made_up_machine_is_called_so() {
    for machine in entries("machines") {
        let text = std::fs::read_to_string(machine.join("rmcp-machine.toml")).unwrap();
        assert!(text.contains("provenance = \"synthetic\""), "{}", machine.display());
        let page = diagnosis_text(&diagnosis_of(&machine), Detail::Short, Palette::new(false));
        assert!(page.starts_with("These facts are of a made-up (synthetic) machine"), "{page}");
    }
}

#[test]
fn the_binary_prints_the_same_as_the_library() {
    let machine = testdata("machines/rx5600xt-override-torch");
    let output =
        rmcp(&["doctor", "--root", "testdata/machines/rx5600xt-override-torch"]).output().unwrap();
    let page = diagnosis_text(&diagnosis_of(&machine), Detail::Short, Palette::new(false));
    assert_eq!(String::from_utf8_lossy(&output.stdout), page);
    let json = rmcp(&[
        "doctor",
        "--format",
        "json",
        "--root",
        "testdata/machines/rx5600xt-override-torch",
    ]);
    let json: Value = serde_json::from_slice(&{ json }.output().unwrap().stdout).unwrap();
    assert_eq!(json, diagnosis_json(&diagnosis_of(&machine), None));
}

/// Multi-arch builds keep the code of each target in a pack of its own, and none in the library.
#[test]
fn code_packs_tell_the_targets() {
    let root = tempfile::tempdir().unwrap();
    let site = root.path().join("usr/lib64/python3.12/site-packages");
    for (path, bytes) in [
        ("torch-2.10.0+rocm7.14.0.dist-info/METADATA", &b"Name: torch\n"[..]),
        ("torch/lib/libtorch_hip.so", b""),
        ("torch/.kpack/torch_gfx1010.kpack", b"KPAK"),
        ("torch/.kpack/torch_gfx11.kpack", b"KPAK"),
    ] {
        let path = site.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let what = Inspection { root: Some(root.path()), pythons: &[], caller: Caller::default() };
    let facts = inspect(&what).unwrap();
    let torch = facts.python.iter().find_map(|env| env.package("torch")).unwrap();
    let targets: Vec<String> =
        torch.code.value().unwrap().targets.keys().map(ToString::to_string).collect();
    assert_eq!(targets, ["gfx1010"], "gfx11 is a family, for which nothing is claimed");
}
