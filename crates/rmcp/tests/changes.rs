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

/// What the kernel would find after a start with these words.
fn start_anew(root: &Path, words: &str) {
    let boot_id = root.join("proc/sys/kernel/random/boot_id");
    fs::create_dir_all(boot_id.parent().unwrap()).unwrap();
    let number = fs::read_to_string(&boot_id).map_or(0, |text| text.len());
    fs::write(&boot_id, "x".repeat(number + 1)).unwrap();
    fs::write(root.join("proc/cmdline"), format!("{words}\n")).unwrap();
}

fn expect(root: &Path, arguments: &[&str], code: i32, words: &str) {
    let run = run(root, arguments);
    assert_eq!(run.code, code, "{arguments:?}: {}{}", run.out, run.error);
    assert!(
        run.out.contains(words) || run.error.contains(words),
        "{arguments:?}: expected `{words}`: {}{}",
        run.out,
        run.error
    );
}

/// A machine whose GRUB can be asked for one start.
fn machine_for_one_start() -> tempfile::TempDir {
    let machine = machine_copy("rx5600xt-override-torch");
    for (path, text) in [
        ("etc/grub.d/10_linux", ""),
        ("usr/bin/grub-editenv", ""),
        ("boot/grub/grubenv", "# GRUB Environment Block\n"),
    ] {
        let path = machine.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    start_anew(machine.path(), "quiet");
    machine
}

#[test]
fn kernel_words_hold_for_one_start_until_they_are_confirmed() {
    let machine = machine_for_one_start();
    let root = machine.path();
    let before = contents(root);
    let apply = ["apply", "kernel-parameter", "pcie_aspm=off", "--yes"];
    expect(root, &apply, 0, "It holds for the next start alone");
    expect(root, &["status"], 0, "pending");
    expect(root, &apply, 5, "wait for their one start");
    expect(root, &["status", "--confirm", "--yes"], 5, "no change is in force that waits");
    start_anew(root, "quiet pcie_aspm=off");
    expect(root, &["status"], 0, "in force for this start alone");
    expect(root, &["status", "--confirm", "--yes"], 0, "change 1 is kept as change 2");
    expect(root, &["status"], 0, "active, seen: pcie_aspm=off in /proc/cmdline");
    start_anew(root, "quiet");
    // A kernel update wrote its own configuration, or somebody started another entry.
    expect(root, &["status"], 1, "without effect: there should be pcie_aspm=off in /proc/cmdline");
    expect(root, &["undo", "--all", "--yes"], 0, "change 2 is taken back");
    start_anew(root, "quiet");
    let strip = |mut all: std::collections::BTreeMap<String, _>| {
        all.retain(|name, _| !name.starts_with("proc/"));
        all
    };
    assert_eq!(strip(contents(root)), strip(before));
}

#[test]
fn what_is_not_confirmed_is_over_at_the_next_start() {
    let machine = machine_for_one_start();
    let root = machine.path();
    expect(root, &["apply", "kernel-parameter", "pcie_aspm=off", "--yes"], 0, "is made");
    start_anew(root, "quiet pcie_aspm=off");
    start_anew(root, "quiet");
    expect(root, &["status"], 1, "not confirmed");
    expect(root, &["undo", "--last", "--yes"], 0, "taken back");
    expect(
        root,
        &["apply", "kernel-parameter", "pcie_aspm=off", "--yes", "--permanent"],
        0,
        "is made",
    );
    let drop_in = fs::read_to_string(root.join("etc/default/grub")).unwrap();
    assert!(drop_in.contains("$GRUB_CMDLINE_LINUX_DEFAULT pcie_aspm=off"), "{drop_in}");
}

/// The override did no harm while no software was there; then a wheel came with code for the card itself.
#[test]
fn a_change_that_is_no_longer_any_good_has_expired() {
    let machine = machine_copy("rx6700xt-override-unneeded");
    let root = machine.path();
    let (venv, away) = (root.join("home/user/venv"), root.join("venv-away"));
    fs::rename(&venv, &away).unwrap();
    let apply = ["apply", "variable", "HSA_OVERRIDE_GFX_VERSION=10.3.0", "--everybody", "--yes"];
    expect(root, &apply, 0, "is made");
    expect(root, &["status"], 0, "pending");
    fs::rename(&away, &venv).unwrap();
    let expected =
        "expired, it can be taken back: rmcp doctor advises the contrary here (override-unneeded)";
    expect(root, &["status"], 1, expected);
    expect(root, &["undo", "--last", "--yes"], 0, "is taken back");
    // Whoever makes it all the same is told before, and has no expired change.
    expect(root, &apply, 0, "! rmcp doctor advises the contrary here (override-unneeded)");
    expect(root, &["status"], 0, "pending");
}

#[test]
fn remedies_and_the_advice_of_doctor_are_carried_out() {
    let machine = machine_copy("rx5600xt-override-torch");
    let root = machine.path();
    expect(
        root,
        &["apply", "unset-override", "--dry-run"],
        0,
        ": # rmcp: export HSA_OVERRIDE_GFX_VERSION",
    );
    expect(root, &["apply", "install-native-stack", "--yes"], 5, "is for you to carry out");
    expect(root, &["apply", "no-such-remedy", "--yes"], 2, "there is no remedy `no-such-remedy`");
    let doctor = run(root, &["doctor", "--format", "json"]);
    let document = tempfile::NamedTempFile::new().unwrap();
    fs::write(document.path(), &doctor.out).unwrap();
    let path = document.path().to_str().unwrap();
    expect(root, &["apply", "--from", path, "--dry-run"], 0, "HSA_FORCE_FINE_GRAIN_PCIE");
    fs::write(document.path(), doctor.out.replace("rmcp.doctor/1", "rmcp.other/1")).unwrap();
    expect(root, &["apply", "--from", path, "--dry-run"], 2, "its schema is `rmcp.other/1`");
    fs::write(document.path(), &doctor.out[..doctor.out.len() / 2]).unwrap();
    expect(root, &["apply", "--from", path, "--dry-run"], 2, "expected what `rmcp doctor");
    expect(root, &["apply", "--yes"], 0, "change 1 is made");
    expect(root, &["apply", "--yes"], 0, "rmcp doctor finds nothing here that rmcp could change");
}

/// Root carries out what a user was shown, and nothing else.
#[test]
fn root_carries_out_the_plan_that_was_shown() {
    let machine = machine_copy("rx6600-no-override");
    let root = machine.path();
    let shown = run(
        root,
        &[
            "apply",
            "variable",
            "HIP_VISIBLE_DEVICES=0",
            "--everybody",
            "--dry-run",
            "--format",
            "json",
        ],
    );
    let shown: serde_json::Value = serde_json::from_str(&shown.out).unwrap();
    let plan: rmcp::model::Plan = serde_json::from_value(shown["plan"].clone()).unwrap();
    let keep = |plan: rmcp::model::Plan| -> String {
        let disk = rmcp_change::RealDisk::open(root, rmcp_change::NoCommands).unwrap();
        let file = rmcp_change::PlanFile::new(1000, false, false, plan);
        let path = file.write(&disk, "/var/plans").unwrap();
        root.join(path.trim_start_matches('/')).display().to_string()
    };
    // A step that the wishes do not lead to, under a name that fits it.
    let mut forged = plan.clone();
    forged.steps.push(rmcp::model::Step::Run {
        argv: vec!["reboot".to_owned()],
        undo: Vec::new(),
        rewrites: Vec::new(),
    });
    expect(root, &["apply", "--plan", &keep(forged), "--yes"], 5, "make the plan anew");
    let path = keep(plan);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("DEVICES='0'", "DEVICES='1'")).unwrap();
    expect(root, &["apply", "--plan", &path, "--yes"], 5, "is not the plan that was shown");
    fs::write(&path, text).unwrap();
    expect(root, &["apply", "--plan", &path, "--yes"], 0, "change 1 is made");
    // Done already, so the machine is no longer as it was when the plan was shown.
    expect(root, &["apply", "--plan", &path, "--yes"], 5, "make the plan anew");
}

#[test]
fn groups_caches_and_environments_are_planned() {
    let machine = machine_copy("rx6600-no-permission");
    let root = machine.path();
    expect(root, &["apply", "group", "--dry-run"], 0, "run usermod --append --groups render user");
    expect(root, &["apply", "group", "no-such-group", "--dry-run"], 5, "there is no group");
    expect(root, &["apply", "group", "0;reboot", "--dry-run"], 5, "is no name of a group");
    expect(root, &["apply", "interposer", "--yes"], 5, "is not installed");
    expect(root, &["apply", "miopen-cache", "--yes"], 0, "nothing to do");
    fs::create_dir_all(root.join("home/user/.cache/miopen")).unwrap();
    expect(root, &["apply", "miopen-cache", "--yes"], 0, "move /home/user/.cache/miopen to");
    let machine = machine_copy("rx6600-no-override");
    let root = machine.path();
    let python =
        ["apply", "variable", "HIP_VISIBLE_DEVICES=0", "--python", "/home/user/venv", "--yes"];
    expect(root, &python, 0, "rmcp-hip-visible-devices.pth");
    expect(root, &["apply", "variable", "A=1", "--python", "/usr", "--yes"], 5, "holds no Python");
    expect(root, &["apply", "variable", "A=1", "--command", "../x", "--yes"], 5, "cannot stand in");
    expect(root, &["apply", "variable", "A=1", "--command", "ollama", "--yes"], 0, "rmcp-ollama");
}
