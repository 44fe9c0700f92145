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
            // Refused for one of these reasons; all else is an accident.
            let known =
                ["which rmcp does not change", "sets other things too", "a quote is never closed"];
            let refused = run.code == 5 && known.iter().any(|words| run.error.contains(words));
            assert!(run.code == 0 || refused, "{} {arguments:?}: {}", path.display(), run.error);
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

/// Whoever goes on after an interruption hears of it, and finds the old bytes first.
#[test]
fn what_was_interrupted_is_put_right_before_anything_else() {
    let apply = ["apply", "variable", "HIP_VISIBLE_DEVICES=0", "--everybody", "--yes"];
    for next in [&["undo", "--all", "--yes"][..], &["undo", "1", "--yes"], &apply, &["status"]] {
        let machine = machine_copy("rx6600-no-override");
        let root = machine.path();
        let before = contents(root);
        expect(root, &apply, 0, "is made");
        fs::remove_file(root.join("var/lib/rmcp/journal/0001.applied")).unwrap();
        let after = run(root, next);
        assert!(
            after.error.contains("change 1 had been interrupted, and was taken back"),
            "{next:?}: {}",
            after.error
        );
        match next[0] {
            "apply" => expect(root, &["undo", "2", "--yes"], 0, "change 2 is taken back"),
            "undo" if next[1] == "1" => assert!(after.error.contains("taken back already")),
            _ => assert_eq!(after.code, 0, "{next:?}: {}", after.error),
        }
        assert_eq!(contents(root), before, "{next:?}");
    }
}

/// An interrupted change whose file was edited has a way out.
#[test]
fn what_was_interrupted_and_edited_is_taken_back_with_its_edits() {
    let machine = machine_copy("rx5600xt-override-torch");
    let root = machine.path();
    expect(root, &["apply", "unset-variable", "HSA_OVERRIDE_GFX_VERSION", "--yes"], 0, "is made");
    fs::remove_file(root.join("var/lib/rmcp/journal/0001.applied")).unwrap();
    let start = root.join("home/user/.bashrc");
    let text = fs::read_to_string(&start).unwrap();
    fs::write(&start, format!("# mine\n{text}")).unwrap();
    expect(root, &["undo", "1", "--yes"], 5, "`rmcp undo 1 --keep-edits`");
    expect(root, &["undo", "1", "--keep-edits", "--yes"], 0, "change 1 is taken back");
    let text = fs::read_to_string(&start).unwrap();
    assert!(
        text.starts_with("# mine\n") && text.contains("\nexport HSA_OVERRIDE_GFX_VERSION=10.3.0\n"),
        "{text}"
    );
    expect(root, &["undo", "--all", "--yes"], 0, "no change is in force");
}

/// One that cannot be taken back keeps no other, and what was done is always said.
#[test]
fn undo_goes_past_what_it_must_refuse() {
    let machine = machine_copy("rx6600-no-override");
    let root = machine.path();
    for change in ["HIP_VISIBLE_DEVICES=0", "MIOPEN_FIND_MODE=2"] {
        expect(root, &["apply", "variable", change, "--everybody", "--yes"], 0, "is made");
    }
    let file = root.join("etc/profile.d/60-rmcp-miopen-find-mode.sh");
    fs::write(&file, "# mine\n").unwrap();
    let undone = run(root, &["undo", "--all", "--yes", "--format", "json"]);
    let document: serde_json::Value = serde_json::from_str(&undone.out).unwrap();
    assert_eq!(
        (undone.code, &document["undone"]),
        (5, &serde_json::json!([1])),
        "{}",
        undone.error
    );
    // Gone altogether, there is nothing left to lose.
    fs::remove_file(&file).unwrap();
    expect(root, &["status"], 1, "dropped");
    expect(root, &["undo", "--all", "--yes"], 0, "change 2 is taken back");
}

#[test]
fn another_value_takes_the_place_of_the_first() {
    let machine = machine_copy("rx6600-no-override");
    let root = machine.path();
    let before = contents(root);
    for value in ["HIP_VISIBLE_DEVICES=0", "HIP_VISIBLE_DEVICES=1"] {
        expect(root, &["apply", "variable", value, "--yes"], 0, "is made");
    }
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
    let file = read("home/user/.config/environment.d/60-rmcp-hip-visible-devices.conf");
    assert!(file.ends_with("HIP_VISIBLE_DEVICES=\"1\"\n"), "{file}");
    let profile = read("home/user/.profile");
    assert_eq!(profile.matches("export HIP_VISIBLE_DEVICES='1'").count(), 1, "{profile}");
    assert!(!profile.contains("'0'"), "{profile}");
    expect(root, &["undo", "--all", "--yes"], 0, "change 1 is taken back");
    assert_eq!(contents(root), before);
}

/// Distributions link folders and files of their own: that is no attack where it is only looked at.
#[test]
fn links_of_the_distribution_are_followed_by_looking_alone() {
    use std::os::unix::fs::symlink;
    let machine = machine_copy("rx5600xt-override-torch");
    let root = machine.path();
    fs::create_dir_all(root.join("usr/bin")).unwrap();
    fs::write(root.join("usr/bin/update-grub"), "").unwrap();
    symlink("bin", root.join("usr/sbin")).unwrap();
    expect(
        root,
        &["apply", "kernel-parameter", "pcie_aspm=off", "--permanent", "--dry-run"],
        0,
        "run update-grub",
    );
    expect(
        root,
        &["apply", "module-option", "gttsize=8192", "--dry-run"],
        0,
        "/etc/modprobe.d/rmcp.conf",
    );
    let machine = machine_copy("rx6800-stale-override");
    let root = machine.path();
    fs::create_dir_all(root.join("usr/lib/environment.d")).unwrap();
    symlink("/etc/environment", root.join("usr/lib/environment.d/99-environment.conf")).unwrap();
    expect(root, &["apply", "unset-override", "--yes"], 0, "changed file /etc/environment");
    let text = fs::read_to_string(root.join("etc/environment")).unwrap();
    assert_eq!(text.matches("# rmcp: ").count(), 1, "{text}");
}

/// What holds is what the boot loader in use says last, in every entry.
#[test]
fn words_are_there_only_where_they_hold() {
    let words = ["apply", "kernel-parameter", "pcie_aspm=off", "--permanent", "--dry-run"];
    let grub = |text: &str, drop_in: Option<&str>| {
        let machine = machine_copy("rx5600xt-override-torch");
        fs::write(machine.path().join("etc/default/grub"), text).unwrap();
        if let Some(text) = drop_in {
            fs::create_dir_all(machine.path().join("etc/default/grub.d")).unwrap();
            fs::write(machine.path().join("etc/default/grub.d/50-cloud.cfg"), text).unwrap();
        }
        run(machine.path(), &words).out
    };
    let with = "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet pcie_aspm=off\"\n";
    assert!(grub(with, None).starts_with("nothing to do"));
    let replaced = grub(with, Some("GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n"));
    assert!(replaced.contains("pcie_aspm=off\""), "a drop-in replaces it: {replaced}");
    let two = grub("GRUB_CMDLINE_LINUX_DEFAULT=\"pcie_aspm=off pcie_aspm=force\"\n", None);
    assert!(two.contains("+ GRUB_CMDLINE_LINUX_DEFAULT"), "the last one holds: {two}");

    let machine = machine_copy("rx5600xt-override-torch");
    let root = machine.path();
    let entries = root.join("boot/efi/loader/entries");
    fs::create_dir_all(&entries).unwrap();
    fs::write(root.join("boot/efi/loader/loader.conf"), "").unwrap();
    fs::write(entries.join("a.conf"), "linux /a\noptions quiet pcie_aspm=off\n").unwrap();
    fs::write(entries.join("b.conf"), "linux /b\noptions quiet\n").unwrap();
    let shown = run(root, &words).out;
    assert!(shown.contains("entries/b.conf") && !shown.contains("entries/a.conf"), "{shown}");
    expect(
        root,
        &["apply", "kernel-parameter", "pcie_aspm=off", "--permanent", "--yes"],
        0,
        "is made",
    );
    assert!(run(root, &words).out.starts_with("nothing to do"));
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
