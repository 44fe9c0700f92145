//! `apply`, `undo` and `status` as a user meets them, on copies of shipped machines.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests copy machines")]

mod support;

use std::fs;
use std::path::Path;
use support::{contents, copy, entries, machine_copy, rmcp};

struct Run {
    code: i32,
    out: String,
    error: String,
}

fn run(root: &Path, arguments: &[&str]) -> Run {
    let mut all = arguments.to_vec();
    all.extend(["--root", root.to_str().unwrap()]);
    let output = rmcp(&all).env("HOME", "/home/user").output().unwrap();
    Run {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        error: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Each thing that can be wanted, on each machine: whatever is made is taken back to the byte.
#[test]
fn every_machine_comes_back_to_the_byte() {
    let wanted: [&[&str]; 6] = [
        &["apply", "kernel-parameter", "pcie_aspm=off", "--yes"],
        &["apply", "module-option", "gttsize=8192", "--yes"],
        &["apply", "variable", "HIP_VISIBLE_DEVICES=0", "--yes"],
        &["apply", "variable", "HIP_VISIBLE_DEVICES=0", "--everybody", "--yes"],
        &["apply", "variable", "HIP_VISIBLE_DEVICES=0", "--unit", "ollama.service", "--yes"],
        &["apply", "unset-variable", "HSA_OVERRIDE_GFX_VERSION", "--yes"],
    ];
    let mut made = 0;
    for path in entries("machines") {
        let folder = tempfile::tempdir().unwrap();
        copy(&path, folder.path());
        let before = contents(folder.path());
        for arguments in wanted {
            let run = run(folder.path(), arguments);
            // Refused is fine (an unknown boot loader, a line that does two things); an accident is not.
            assert!([0, 5].contains(&run.code), "{} {arguments:?}: {}", path.display(), run.error);
            made += usize::from(run.error.contains("is made"));
        }
        let undone = run(folder.path(), &["undo", "--all", "--yes"]);
        assert_eq!(undone.code, 0, "{}: {}", path.display(), undone.error);
        assert_eq!(contents(folder.path()), before, "{}", path.display());
    }
    assert!(made > 100, "{made} changes were made");
}

#[test]
fn nothing_is_changed_without_a_yes() {
    let machine = machine_copy("rx6600-no-override");
    let before = contents(machine.path());
    let run = run(machine.path(), &["apply", "variable", "HIP_VISIBLE_DEVICES=0"]);
    assert_eq!(run.code, 5);
    assert!(
        run.out.contains("+ HIP_VISIBLE_DEVICES=\"0\""),
        "the difference is shown: {}",
        run.out
    );
    assert!(run.error.contains("--yes"), "{}", run.error);
    assert_eq!(contents(machine.path()), before);
}

#[test]
fn twice_is_once() {
    let machine = machine_copy("rx5600xt-override-torch");
    let arguments = ["apply", "unset-variable", "HSA_OVERRIDE_GFX_VERSION", "--yes"];
    let first = run(machine.path(), &arguments);
    assert_eq!(first.code, 0, "{}", first.error);
    assert!(
        first.out.contains("+ : # rmcp: export HSA_OVERRIDE_GFX_VERSION=10.3.0"),
        "{}",
        first.out
    );
    let after = contents(machine.path());
    let second = run(machine.path(), &arguments);
    assert!(second.out.starts_with("nothing to do"), "{}", second.out);
    assert_eq!(contents(machine.path()), after);
}

#[test]
fn what_harms_or_does_nothing_is_refused() {
    let machine = machine_copy("rx6600-no-override");
    for (arguments, words) in [
        (&["apply", "kernel-parameter", "amdgpu.noretry=0", "--yes"][..], "does harm"),
        (&["apply", "kernel-parameter", "amdgpu.noretry=1", "--yes"], "does nothing here"),
        (&["apply", "kernel-parameter", "amdgpu.noretry=0", "--yes", "--inert"], "does harm"),
        (&["apply", "variable", "HSA_OVERRIDE_GFX_VERSION=10.1.0", "--yes"], "cannot run rightly"),
        (&["apply", "kernel-parameter", "quiet; reboot", "--yes"], "cannot stand in"),
    ] {
        let run = run(machine.path(), arguments);
        assert_eq!(run.code, 5, "{arguments:?}: {}", run.error);
        assert!(run.error.contains(words), "{arguments:?}: {}", run.error);
    }
}

#[test]
fn status_tells_pending_edited_and_dropped_apart() {
    let machine = machine_copy("rx6600-no-override");
    assert!(run(machine.path(), &["status"]).out.contains("no change was ever made"));
    let made = run(
        machine.path(),
        &["apply", "variable", "HIP_VISIBLE_DEVICES=0", "--everybody", "--yes"],
    );
    assert_eq!(made.code, 0, "{}", made.error);
    let file = machine.path().join("etc/profile.d/60-rmcp-hip-visible-devices.sh");
    let status = |words: &str, code: i32| {
        let run = run(machine.path(), &["status"]);
        assert!(run.out.contains(words), "{words}: {}", run.out);
        assert_eq!(run.code, code, "{}", run.out);
    };
    status("pending", 0);
    let written = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{written}# mine\n")).unwrap();
    status("edited since: /etc/profile.d/60-rmcp-hip-visible-devices.sh", 1);
    let refused = run(machine.path(), &["undo", "--last", "--yes"]);
    assert_eq!(refused.code, 5);
    assert!(refused.error.contains("# mine"), "the edit is shown: {}", refused.error);
    fs::remove_file(&file).unwrap();
    status("dropped", 1);
}

/// A process that died half-way leaves an entry without its mark; the next one puts things right.
#[test]
fn an_interrupted_change_is_taken_back_by_status() {
    let machine = machine_copy("rx6600-no-override");
    let before = contents(machine.path());
    run(machine.path(), &["apply", "variable", "HIP_VISIBLE_DEVICES=0", "--everybody", "--yes"]);
    fs::remove_file(machine.path().join("var/lib/rmcp/journal/0001.applied")).unwrap();
    let status = run(machine.path(), &["status"]);
    assert!(status.error.contains("had been interrupted, and was taken back"), "{}", status.error);
    assert_eq!(contents(machine.path()), before);
}

#[test]
fn the_documents_keep_their_contract() {
    let machine = machine_copy("rx6600-no-override");
    let json = |arguments: &[&str]| -> serde_json::Value {
        let run = run(machine.path(), arguments);
        serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{arguments:?}: {}", run.error))
    };
    let variable = "HIP_VISIBLE_DEVICES=0";
    let shown = json(&["apply", "variable", variable, "--dry-run", "--format", "json"]);
    assert_eq!(
        (&shown["schema"], &shown["change"]),
        (&"rmcp.apply/1".into(), &serde_json::Value::Null)
    );
    assert!(shown["plan"]["steps"].is_array());
    let made = json(&["apply", "variable", variable, "--yes", "--format", "json"]);
    assert_eq!(made["change"], 1);
    let status = json(&["status", "--format", "json"]);
    assert_eq!(status["schema"], "rmcp.status/1");
    assert_eq!(status["changes"][0]["standing"], "pending");
    let undone = json(&["undo", "1", "--yes", "--format", "json"]);
    assert_eq!(undone["undone"], serde_json::json!([1]));
}
