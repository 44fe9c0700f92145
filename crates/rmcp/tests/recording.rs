//! `doctor --record` writes a machine that reads back to the same facts, without what is private.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests build their own machine and read what was written"
)]

mod support;

use rmcp::model::HostFacts;
use rmcp::{Caller, Inspection, Knowledge, diagnose, inspect};
use std::fs;
use std::path::{Path, PathBuf};
use support::{entries, rmcp};

fn facts(root: &Path) -> HostFacts {
    inspect(&Inspection { root: Some(root), pythons: &[], caller: Caller::default() }).unwrap()
}

fn record(root: &Path, to: &Path) -> std::process::Output {
    let arguments = ["doctor", "--root", root.to_str().unwrap(), "--record", to.to_str().unwrap()];
    let output = rmcp(&arguments).output().unwrap();
    assert!(to.join("rmcp-machine.toml").is_file(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() { files(&path, found) } else { found.push(path) }
    }
}

/// Returns one line for each field of the facts, with the ids that a recording hides made equal.
fn fields(facts: &HostFacts) -> Vec<String> {
    let json = serde_json::to_string_pretty(facts).unwrap();
    let hide = |line: &str| {
        line.replace("00000000-0000-4000-8000-000000000001", "00000000-0000-0000-0000-000000000000")
            .replace("\"unique_id\": 81985529216486895", "\"unique_id\": 0")
    };
    json.lines().map(hide).collect()
}

/// The shipped machines hold nothing private but ids of disks and of one GPU, so nothing else may change.
#[test]
fn every_machine_reads_back_to_the_same_facts() {
    for machine in entries("machines") {
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("copy");
        record(&machine, &copy);
        let (before, after) = (facts(&machine), facts(&copy));
        let (before, after) = (fields(&before), fields(&after));
        let different: Vec<_> = before.iter().zip(&after).filter(|(a, b)| a != b).collect();
        assert!(different.is_empty(), "{}: {different:#?}", machine.display());
        assert_eq!(before.len(), after.len(), "{}", machine.display());
    }
}

#[test]
fn a_recording_is_small() {
    for machine in entries("machines") {
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("copy");
        record(&machine, &copy);
        let mut found = Vec::new();
        files(&copy, &mut found);
        let bytes: u64 =
            found.iter().filter_map(|path| fs::metadata(path).ok()).map(|it| it.len()).sum();
        assert!(bytes < 8 << 20, "{}: {bytes} bytes", machine.display());
    }
}

/// Lays a private machine: a user, a host and serial numbers that must not leave it.
fn private_machine(root: &Path) {
    let source = support::testdata("machines/rx5600xt-override-torch");
    let mut found = Vec::new();
    files(&source, &mut found);
    for path in found {
        let inside = path.strip_prefix(&source).unwrap();
        let renamed = inside.to_str().unwrap().replace("home/user", "home/ada.lovelace");
        let target = root.join(renamed);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        let Ok(bytes) = fs::read(&path) else { continue };
        let bytes = match String::from_utf8(bytes) {
            Ok(text) => text.replace("/home/user", "/home/ada.lovelace").into_bytes(),
            Err(error) => error.into_bytes(),
        };
        fs::write(target, bytes).unwrap();
    }
    let write = |path: &str, text: &str| {
        fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        fs::write(root.join(path), text).unwrap();
    };
    write("etc/hostname", "analytical-engine\n");
    write("proc/sys/kernel/hostname", "analytical-engine\n");
    write(
        "etc/passwd",
        "root:x:0:0:root:/root:/bin/bash\nada.lovelace:x:1000:1000:Ada Lovelace,,,:/home/ada.lovelace:/bin/bash\n",
    );
    write("etc/group", "root:x:0:\nvideo:x:44:ada.lovelace\nrender:x:992:ada.lovelace\n");
    write(
        "home/ada.lovelace/.bashrc",
        "export OPENAI_API_KEY=sk-very-secret\nexport HSA_OVERRIDE_GFX_VERSION=10.3.0\nPS1='ada.lovelace@analytical-engine$ '\n",
    );
    write(
        "proc/cmdline",
        "BOOT_IMAGE=/vmlinuz root=UUID=3e6be9de-8139-4c1e-9106-a43f08d823a6 amdgpu.noretry=0\n",
    );
    write(
        "dev/kmsg",
        "[    1.0] amdgpu 0000:0b:00.0: amdgpu: fetched on analytical-engine for ada.lovelace\n[    2.0] usb 1-1: SerialNumber: 4C530001\n",
    );
    let node = "sys/class/kfd/kfd/topology/nodes/1/properties";
    let text = fs::read_to_string(root.join(node)).unwrap();
    assert!(text.contains("unique_id "), "the machine has a serial number to hide");
    let text = replace_line(&text, "unique_id ", "unique_id 1234567890123456789");
    write(node, &text);
}

/// Replaces the line that begins with `start`.
fn replace_line(text: &str, start: &str, line: &str) -> String {
    text.lines().map(|old| if old.starts_with(start) { line } else { old }).fold(
        String::new(),
        |mut all, line| {
            all.push_str(line);
            all.push('\n');
            all
        },
    )
}

#[test]
fn what_is_private_stays_at_home() {
    let folder = tempfile::tempdir().unwrap();
    let (machine, copy) = (folder.path().join("machine"), folder.path().join("copy"));
    private_machine(&machine);
    let before = diagnose(&facts(&machine), Knowledge::embedded());
    let output = record(&machine, &copy);
    assert!(String::from_utf8_lossy(&output.stderr).contains("recorded to"));
    let mut found = Vec::new();
    files(&copy, &mut found);
    for path in &found {
        let shown = path.display().to_string();
        let bytes = if path.is_symlink() { Vec::new() } else { fs::read(path).unwrap() };
        let text = String::from_utf8_lossy(&bytes);
        let name = path.strip_prefix(&copy).unwrap().to_str().unwrap();
        for private in [
            "lovelace",
            "Ada",
            "analytical",
            "sk-very-secret",
            "OPENAI",
            "1234567890123456789",
            "3e6be9de",
            "4C530001",
        ] {
            assert!(!text.contains(private), "{private} stands in {shown}");
            assert!(!name.contains(private), "{private} is in the name {name}");
        }
    }
    // And what it was recorded for is still there.
    let after = diagnose(&facts(&copy), Knowledge::embedded());
    let codes = |diagnosis: &rmcp::model::Diagnosis| -> Vec<String> {
        diagnosis.findings.iter().map(|found| found.code.clone()).collect()
    };
    assert_eq!(codes(&before), codes(&after));
    assert_eq!(before.gpus, after.gpus);
}

#[test]
fn a_folder_in_use_is_not_written_to() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine.txt"), "precious").unwrap();
    let root = support::testdata("machines/rx6800-healthy");
    let arguments =
        ["doctor", "--root", root.to_str().unwrap(), "--record", folder.path().to_str().unwrap()];
    let output = rmcp(&arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// The running machine too, whatever it is: what was read live reads back the same.
#[test]
fn the_running_machine_reads_back_to_the_same_facts() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    let arguments = ["doctor", "--format", "json", "--facts", "--record", copy.to_str().unwrap()];
    let live = rmcp(&arguments).output().unwrap();
    let again = rmcp(&["doctor", "--format", "json", "--facts", "--root", copy.to_str().unwrap()])
        .output()
        .unwrap();
    let read = |output: &std::process::Output| -> serde_json::Value {
        let text = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"))
    };
    let (live, again) = (read(&live), read(&again));
    assert_eq!(again["provenance"], "recorded");
    assert_eq!(live["gpus"], again["gpus"]);
    assert_eq!(live["findings"], again["findings"]);
    for part in ["cards", "nodes", "driver", "access", "rocm"] {
        assert_eq!(live["facts"][part], again["facts"][part], "{part}");
    }
}
