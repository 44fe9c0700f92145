//! What a user sees at the command line: exit codes, standard input, errors and their hints.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests write their own input")]

mod support;

use serde_json::Value;
use std::fs;
use std::io::Write as _;
use support::rmcp;

const CRASH: &str = "Memory access fault by GPU node-1 (Agent handle: 0x55a0c1d2e3f0) on address 0x7f12a4c00000. Reason: Page not present or supervisor privilege.\n";

fn machine(name: &str) -> String {
    format!("testdata/machines/{name}")
}

fn code(arguments: &[&str]) -> i32 {
    rmcp(arguments).output().unwrap().status.code().unwrap()
}

#[test]
fn doctor_keeps_the_table_of_exit_codes() {
    for (name, expected) in [
        ("rx6800-healthy", 0),
        ("rx6700xt-override-ok", 0),
        ("rx5600xt-override-torch", 1),
        ("rx6600-no-permission", 1),
        ("unknown-amd", 3),
        ("no-gpu", 4),
        ("nvidia-only", 4),
        ("intel-only", 4),
    ] {
        assert_eq!(code(&["doctor", "--root", &machine(name)]), expected, "{name}");
        let json = ["doctor", "--format", "json", "--root", &machine(name)];
        assert_eq!(code(&json), expected, "{name} as JSON");
    }
    assert_eq!(code(&["doctor", "--root", "testdata/no-such-machine"]), 3);
    assert_eq!(code(&["doctor", "--no-such-flag"]), 2);
    assert_eq!(code(&["no-such-command"]), 2);
    assert_eq!(code(&[]), 2);
}

#[test]
fn explain_ends_like_grep() {
    let explain = |text: &str| {
        rmcp(&["explain", "--no-host"]).write_stdin(text).output().unwrap().status.code().unwrap()
    };
    assert_eq!(explain(CRASH), 0);
    assert_eq!(explain("all is well\n"), 1);
    assert_eq!(explain(""), 1);
    assert_eq!(code(&["explain", "--no-host", "no-such-file.log"]), 3);
    assert_eq!(code(&["explain", "--no-host", "testdata"]), 2);
}

#[test]
fn a_dash_is_standard_input() {
    let run = |arguments: &[&str]| {
        let output = rmcp(arguments).write_stdin(CRASH).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let named = run(&["explain", "--no-host", "-"]);
    assert!(named.contains("0x7f12a4c00000"), "{named}");
    assert_eq!(named, run(&["explain", "--no-host"]));
}

#[test]
fn the_machine_narrows_the_cause() {
    let log = "Callback: Queue 0x7f0e40000000 aborting with error : HSA_STATUS_ERROR_MEMORY_APERTURE_VIOLATION: The agent attempted to access memory beyond the largest legal address. code: 0x29\n";
    let explain = |arguments: &[&str]| {
        let mut all = vec!["explain", "--format", "json"];
        all.extend(arguments);
        let output = rmcp(&all).write_stdin(log).output().unwrap();
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(document["kind"], "aperture_violation");
        document["findings"][0]["meaning"].as_str().unwrap().to_owned()
    };
    let overridden = explain(&["--root", &machine("rx5600xt-override-torch")]);
    let healthy = explain(&["--root", &machine("rx6800-healthy")]);
    let card_alone = explain(&["--card", "rx5600xt"]);
    let gfx906 = explain(&["--card", "gfx906"]);
    assert!(overridden.contains("gfx1010 and is made to run gfx1030 code"), "{overridden}");
    assert!(healthy.contains("no override to another instruction set is in force"), "{healthy}");
    // Of a card alone it is not known whether an override was set: the cause is not ruled out.
    assert!(
        card_alone.contains("is not known here") && !card_alone.contains("is out"),
        "{card_alone}"
    );
    assert!(!gfx906.contains("made to run") && !gfx906.contains("is out"), "{gfx906}");
}

#[test]
fn a_card_goes_by_its_name() {
    for card in ["rx5600xt", "RX 5600 XT", "gfx1010"] {
        let output = rmcp(&["explain", "--card", card]).write_stdin(CRASH).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{card}");
    }
    let output = rmcp(&["explain", "--card", "rx9999"]).write_stdin(CRASH).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(error.contains("unknown card `rx9999`") && error.contains("hint:"), "{error}");
}

#[test]
fn errors_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let gzip = folder.path().join("log.gz");
    fs::write(&gzip, b"\x1f\x8b\x08\x00rest").unwrap();
    for (arguments, words) in [
        (vec!["explain", "--no-host", gzip.to_str().unwrap()], "zcat"),
        (vec!["doctor", "--root", "testdata/no-such-machine"], "--root takes a folder"),
        (vec!["explain", "--no-host", "testdata"], "is a folder, expected a log"),
    ] {
        let output = rmcp(&arguments).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.starts_with("error: ") && error.contains(words), "{arguments:?}: {error}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn logs_of_any_writing_are_read() {
    let utf16 = |bom: [u8; 2], bytes: fn(u16) -> [u8; 2]| {
        let mut out = bom.to_vec();
        out.extend(CRASH.encode_utf16().flat_map(bytes));
        out
    };
    let mut torn = b"\xff\xfe\xfd not text \x00\x01\n".to_vec();
    // UTF-16's mark in front of bytes that are none: damaged, and not a crash of ours.
    torn.extend(CRASH.as_bytes());
    let mut dirty = b"caf\xe9 \x00\x1b[31m\n".to_vec();
    dirty.extend(CRASH.as_bytes());
    for (what, bytes, expected) in [
        ("UTF-16 little endian", utf16([0xff, 0xfe], u16::to_le_bytes), 0),
        ("UTF-16 big endian", utf16([0xfe, 0xff], u16::to_be_bytes), 0),
        ("CRLF", CRASH.replace('\n', "\r\n").into_bytes(), 0),
        ("Latin-1 and a zero byte", dirty, 0),
        ("torn UTF-16", torn, 1),
        ("no newline at the end", CRASH.trim_end().as_bytes().to_vec(), 0),
    ] {
        let output = rmcp(&["explain", "--no-host"]).write_stdin(bytes).output().unwrap();
        assert_eq!(output.status.code(), Some(expected), "{what}");
    }
}

#[test]
fn a_message_torn_by_bars_and_edges_is_read() {
    for text in [
        " 10%|█         | 41/400 [00:07<01:02]Memory access fault by GPU node-1 (Agent handle: 0x55) on address 0x7f12a4c00000. Reason: Unknown.\n",
        "Memory access fault by GPU node-1 (Agent handle: 0x55)\rinner:  21%|██        | 41/200 [00:07<00:27,  5.80it/s] on address 0x7f12a4c00000. Reason: Unknown.\n",
        "\u{1b}[31mMemory access fault by GPU\u{1b}[0m node-1 (Agent handle: 0x55) on\naddress 0x7f12a4c00000. Reason: Unknown.\r\n",
    ] {
        let output =
            rmcp(&["explain", "--no-host", "--format", "json"]).write_stdin(text).output().unwrap();
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(document["kind"], "page_fault", "{text:?}");
        assert_eq!(document["fields"]["address"], "0x7f12a4c00000", "{text:?}");
    }
}

#[test]
fn colours_are_for_terminals_and_can_be_had_or_refused() {
    let escape = |arguments: &[&str], name: &str, value: &str| {
        let output = rmcp(arguments).env(name, value).output().unwrap();
        output.stdout.contains(&0x1b)
    };
    let root = machine("rx5600xt-override-torch");
    assert!(!escape(&["doctor", "--root", &root], "TERM", "xterm"), "a pipe gets none");
    assert!(escape(&["doctor", "--root", &root, "--color", "always"], "TERM", "xterm"));
    assert!(escape(&["doctor", "--root", &root], "CLICOLOR_FORCE", "1"));
    assert!(!escape(&["doctor", "--root", &root], "NO_COLOR", "1"));
    assert!(!escape(&["doctor", "--root", &root, "--color", "never"], "CLICOLOR_FORCE", "1"));
}

#[test]
fn a_log_handed_to_doctor_becomes_a_finding() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("crash.log");
    fs::write(&log, CRASH).unwrap();
    let arguments = [
        "doctor",
        "--format",
        "json",
        "--root",
        &machine("rx6800-healthy"),
        "--log",
        log.to_str().unwrap(),
    ];
    let output = rmcp(&arguments).output().unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["findings"][0]["code"], "log");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    use std::process::{Command, Stdio};
    let mut child = Command::new(assert_cmd::cargo::cargo_bin!("rmcp"))
        .args(["doctor", "--verbose", "--root"])
        .arg(support::testdata("machines/rx5600xt-override-torch"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(1), "the problem found, not the closed pipe");
}

/// Memory stays bounded however long the log, and however long its lines.
#[test]
fn a_long_log_takes_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("long.log");
    let mut file = fs::File::create(&log).unwrap();
    let line = "RuntimeError: ".repeat(64 << 10);
    for _ in 0..100 {
        file.write_all(line.as_bytes()).unwrap();
    }
    file.write_all(format!("\n{CRASH}").as_bytes()).unwrap();
    drop(file);
    let binary = assert_cmd::cargo::cargo_bin!("rmcp");
    // `ulimit -v` counts address space in KiB, of which a process takes more than of memory.
    let script = "ulimit -v 262144; exec \"$0\" explain --no-host --format json \"$1\"";
    let output = std::process::Command::new("sh")
        .args(["-c", script])
        .arg(binary)
        .arg(&log)
        .output()
        .unwrap();
    let document: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(document["kind"], "page_fault");
}
