//! `explain` over every shipped log.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests read the project's own files"
)]

mod support;

use rmcp::explain;
use rmcp::model::{Explanation, LogKind};
use rmcp_report::{Detail, Palette, explanation_json, explanation_text};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use support::{entries, stem};

fn logs() -> Vec<PathBuf> {
    let logs: Vec<PathBuf> = entries("logs")
        .into_iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "txt"))
        .collect();
    assert!(logs.len() >= 100, "logs are missing: {}", logs.len());
    logs
}

fn explanation_of(log: &Path) -> Explanation {
    let bytes = std::fs::read(log).unwrap();
    explain(&bytes[..], Some(bytes.len() as u64), "the log", None).unwrap().1
}

/// The front of a log's name is the kind of its primary fault.
#[test]
fn every_log_has_the_kind_of_its_name() {
    let mut seen = BTreeSet::new();
    for log in logs() {
        let name = stem(&log);
        let expected = name.split('-').next().unwrap().to_owned();
        let found = explanation_of(&log);
        assert_eq!(found.kind.name(), expected, "{name}, also {:?}", found.also);
        seen.insert(expected);
    }
    let all: BTreeSet<String> = LogKind::ALL.iter().map(|kind| kind.name().to_owned()).collect();
    assert_eq!(seen, all, "each kind has a log");
}

#[test]
fn every_log_is_explained_as_reviewed() {
    for log in logs() {
        let found = explanation_of(&log);
        let page = explanation_text(&found, "the log", Detail::Short, Palette::new(false));
        let seen = format!("{page}\n--- lines {:?}\n", found.matched);
        insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "snapshots/logs", omit_expression => true }, {
            insta::assert_snapshot!(stem(&log), seen);
        });
    }
}

#[test]
fn the_document_keeps_its_contract() {
    for log in logs() {
        let found = explanation_of(&log);
        let document = explanation_json(&found, "the log");
        assert_eq!(document["schema"], "rmcp.explain/1");
        assert!(document["kind"].is_string() && document["fields"].is_object(), "{document}");
        for field in ["also", "matched", "findings"] {
            assert!(document[field].is_array(), "{}: {field}", log.display());
        }
        let lines = std::fs::read(&log).unwrap().split(|&byte| byte == b'\n').count() as u64;
        assert!(found.matched.iter().all(|line| (1..=lines).contains(line)), "{}", log.display());
        assert_eq!(found.kind == LogKind::None, found.matched.is_empty(), "{}", log.display());
    }
}

#[test]
fn ordinary_errors_are_not_blamed_on_amd() {
    for log in logs() {
        let name = stem(&log);
        if ["python_other", "nvidia_cuda", "none"].iter().any(|kind| name.starts_with(kind)) {
            let found = explanation_of(&log);
            let blamed: Vec<_> = found.also.iter().filter(|kind| kind.blames_amd()).collect();
            assert!(!found.kind.blames_amd() && blamed.is_empty(), "{name}: {blamed:?}");
        }
    }
}

/// A log copied behind a gigabyte of other text is found by the same signatures: here, behind enough of it
/// to cross the blocks in which logs are read, at each place around their border.
#[test]
fn a_message_is_found_across_blocks() {
    let log = std::fs::read(support::testdata("logs/aperture_violation-training.txt")).unwrap();
    let alone = explain(&log[..], None, "x", None).unwrap().0;
    let block = 512 << 10;
    for shift in [0, 1, 37, 300, 1000, 6000, log.len(), log.len() + 1] {
        let padding = block - shift.min(block);
        let mut text = b"epoch 1 loss 0.5\n".repeat(padding / 17);
        text.resize(padding.saturating_sub(1), b'.');
        text.push(b'\n');
        let lines = text.iter().filter(|&&byte| byte == b'\n').count() as u64;
        text.extend(&log);
        let found = explain(&text[..], None, "x", None).unwrap().0;
        let place = |facts: &rmcp::model::LogFacts, by| {
            facts
                .matches
                .iter()
                .map(|found| {
                    (found.signature.clone(), found.lines.iter().map(|line| line - by).collect())
                })
                .collect::<Vec<(String, Vec<u64>)>>()
        };
        assert_eq!(place(&found, lines), place(&alone, 0), "{shift} bytes in front of the border");
    }
}
