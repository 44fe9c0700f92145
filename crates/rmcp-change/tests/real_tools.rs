//! What was written, read by programs that are not on every machine. `cargo xtask real-tools` installs them
//! and runs these.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests start the real programs"
)]

mod support;

use rmcp_change::edit::entry::copy_for_once;
use rmcp_change::edit::grub::once_script;
use rmcp_change::edit::modprobe::set_option;
use rmcp_change::edit::variables::{Dialect, file_for};
use rmcp_change::{Journal, UndoChoice, apply, undo};
use rmcp_model::{Reader, Wish};
use std::fs;
use std::path::Path;
use std::process::Command;
use support::{Kind, Loader, facts, machine, planner};

/// Values that a careless writer would break.
const VALUES: [&str; 12] = [
    "10.3.0",
    "",
    "a b",
    "it's",
    "say \"x\"",
    "$HOME",
    "back\\slash\\",
    "`id`",
    "50%",
    "#no remark",
    "~/x",
    "größe",
];

const NAME: &str = "RMCP_TEST";

/// Runs a program with an empty environment and returns what it prints.
fn output(program: &str, arguments: &[&str], home: &Path) -> String {
    let output = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", home)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; run `cargo xtask real-tools`"));
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[ignore = "needs zsh and fish: cargo xtask real-tools"]
fn every_shell_reads_every_value() {
    let home = tempfile::tempdir().unwrap();
    for value in VALUES {
        let (sh, fish) = (home.path().join("rmcp.sh"), home.path().join("rmcp.fish"));
        fs::write(&sh, file_for(Dialect::Shell, NAME, value, &[]).unwrap()).unwrap();
        fs::write(&fish, file_for(Dialect::Fish, NAME, value, &[]).unwrap()).unwrap();
        let sh = sh.to_str().unwrap();
        for shell in ["dash", "bash", "zsh"] {
            let script = format!(". {sh}; . {sh}; printf %s \"${NAME}\"");
            assert_eq!(output(shell, &["-c", &script], home.path()), value, "{shell}");
            output(shell, &["-n", sh], home.path());
        }
        let fish = fish.to_str().unwrap();
        let script = format!("source {fish}; printf %s \"${NAME}\"");
        assert_eq!(output("fish", &["--no-config", "-c", &script], home.path()), value, "fish");
        output("fish", &["--no-execute", fish], home.path());
    }
}

#[test]
#[ignore = "needs systemd: cargo xtask real-tools"]
fn systemd_reads_every_value() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".config/environment.d");
    fs::create_dir_all(&folder).unwrap();
    let generator =
        "/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator";
    // The generator leaves a tilde unquoted, and the shell that reads its output here would replace it.
    for value in VALUES.into_iter().filter(|value| !value.starts_with('~')) {
        let text = file_for(Dialect::EnvironmentD, NAME, value, &[]).unwrap();
        fs::write(folder.join("60-rmcp.conf"), text).unwrap();
        // It prints NAME=VALUE in a form that a shell would read; a shell reads it here.
        let printed = output(generator, &[], home.path());
        let script = format!("{printed}\nprintf %s \"${NAME}\"");
        assert_eq!(output("bash", &["-c", &script], home.path()), value, "{printed}");
    }
}

#[test]
#[ignore = "needs systemd: cargo xtask real-tools"]
fn a_drop_in_is_a_valid_one() {
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("rmcp-test.service");
    for value in VALUES {
        let drop_in = file_for(Dialect::Unit, NAME, value, &[]).unwrap();
        fs::write(&unit, format!("[Service]\nExecStart=/bin/true\n{drop_in}")).unwrap();
        let output = Command::new("systemd-analyze")
            .args(["verify", "--man=no"])
            .arg(&unit)
            .output()
            .unwrap_or_else(|error| panic!("systemd-analyze: {error}"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("rmcp-test.service:"), "{value:?}: {said}");
    }
}

#[test]
#[ignore = "needs kmod: cargo xtask real-tools"]
fn modprobe_reads_the_options() {
    let folder = tempfile::tempdir().unwrap();
    let once = set_option(None, "gttsize", "8192").unwrap();
    let text = set_option(Some(&once), "ppfeaturemask", "0xfff7ffff").unwrap();
    fs::write(folder.path().join("rmcp.conf"), text).unwrap();
    let path = folder.path().to_str().unwrap();
    let config = output("modprobe", &["-C", path, "--showconfig"], folder.path());
    for line in ["options amdgpu gttsize=8192", "options amdgpu ppfeaturemask=0xfff7ffff"] {
        assert!(config.lines().any(|shown| shown == line), "{line}: {config}");
    }
}

/// Makes a wish on a laid machine, looks, takes it back, and looks again.
fn made_and_taken_back(wishes: Vec<Wish>, prepare: impl Fn(&Path), look: impl Fn(&Path, bool)) {
    let kind = Kind { name: "", loader: Loader::GrubWithDropIns, permanent: true, wishes };
    let (folder, disk) = machine(kind.loader);
    prepare(folder.path());
    let journal = Journal::new("/var/lib/rmcp/journal");
    let host = facts(folder.path());
    let plan = planner(&disk, &host, true).plan(&kind.wishes).unwrap();
    look(folder.path(), false);
    apply(&disk, &journal, &plan, "2026-11-24T12:00:00Z").unwrap().unwrap();
    look(folder.path(), true);
    undo(&disk, &journal, 1, UndoChoice::default()).unwrap();
    look(folder.path(), false);
}

fn wish(value: &str, reader: Reader) -> Vec<Wish> {
    vec![Wish::Variable { name: NAME.to_owned(), value: value.to_owned(), reader }]
}

#[test]
#[ignore = "needs zsh and fish: cargo xtask real-tools"]
fn login_shells_start_with_the_variable() {
    for value in VALUES.into_iter().filter(|value| !value.is_empty()) {
        made_and_taken_back(
            wish(value, Reader::User),
            |_| (),
            |root, made| {
                let home = root.join("home/user");
                for shell in ["dash", "bash", "zsh"] {
                    let said = output(shell, &["-l", "-c", "printf %s \"$RMCP_TEST\""], &home);
                    assert_eq!(said, if made { value } else { "" }, "{shell}");
                }
                let said = output("fish", &["-l", "-c", "printf %s \"$RMCP_TEST\""], &home);
                assert_eq!(said, if made { value } else { "" }, "fish");
            },
        );
    }
}

/// A line that is switched off may be all that an `if` holds: the shell must still read the file.
#[test]
#[ignore = "needs zsh and fish: cargo xtask real-tools"]
fn files_with_lines_switched_off_are_still_read() {
    let unset = vec![Wish::UnsetVariable { name: "HSA_OVERRIDE_GFX_VERSION".to_owned() }];
    made_and_taken_back(
        unset,
        |_| (),
        |root, made| {
            let home = root.join("home/user");
            let print = "printf %s \"$HSA_OVERRIDE_GFX_VERSION\"";
            let expected = if made { "" } else { "10.3.0" };
            for (shell, arguments) in [
                ("bash", ["-l", "-c", print]),
                ("zsh", ["-i", "-c", print]),
                ("fish", ["-l", "-c", print]),
            ] {
                assert_eq!(output(shell, &arguments, &home), expected, "{shell}");
            }
            let profile = root.join("etc/profile.d/rocm.sh");
            let profile = profile.to_str().unwrap();
            for shell in ["dash", "bash", "zsh"] {
                output(shell, &["-n", profile], &home);
            }
        },
    );
}

/// A real environment of Python's own `venv`: its Python has the variable however it is started, and shells
/// have it while the environment is activated.
#[test]
#[ignore = "needs python3, zsh and fish: cargo xtask real-tools"]
fn a_venv_has_the_variable() {
    for value in VALUES.into_iter().filter(|value| !value.is_empty()) {
        let make = |root: &Path| {
            let venv = root.join("home/user/venv");
            fs::remove_dir_all(&venv).unwrap();
            output("python3", &["-m", "venv", "--without-pip", venv.to_str().unwrap()], root);
        };
        let reader = Reader::Python { prefix: "/home/user/venv".to_owned() };
        made_and_taken_back(wish(value, reader), make, |root, made| {
            let venv = root.join("home/user/venv");
            let expected = if made { value } else { "unset" };
            let python = venv.join("bin/python3");
            let print =
                "import os,sys; sys.stdout.buffer.write(os.environb.get(b'RMCP_TEST', b'unset'))";
            assert_eq!(output(python.to_str().unwrap(), &["-c", print], root), expected);
            // What is set for one command stays.
            let one = format!("RMCP_TEST=mine {} -c \"{print}\"", python.display());
            assert_eq!(output("sh", &["-c", &one], root), "mine");
            let activate = venv.join("bin/activate");
            for shell in ["dash", "bash", "zsh"] {
                let script = format!(
                    ". {}; printf '%s|' \"${{RMCP_TEST-unset}}\"; deactivate; printf '%s|' \"${{RMCP_TEST-unset}}\"; \
                     export RMCP_TEST=old; . {}; . {}; deactivate; printf %s \"$RMCP_TEST\"",
                    activate.display(),
                    activate.display(),
                    activate.display()
                );
                assert_eq!(
                    output(shell, &["-c", &script], root),
                    format!("{expected}|unset|old"),
                    "{shell}"
                );
            }
            let fish = venv.join("bin/activate.fish");
            let script = format!(
                "set -q RMCP_TEST; and set -e RMCP_TEST; source {}; set -q RMCP_TEST; and printf '%s|' $RMCP_TEST; or printf 'unset|'; \
                 deactivate; set -q RMCP_TEST; and printf 'left|'; or printf 'unset|'; \
                 set -gx RMCP_TEST old; source {}; deactivate; printf %s $RMCP_TEST",
                fish.display(),
                fish.display()
            );
            assert_eq!(
                output("fish", &["--no-config", "-c", &script], root),
                format!("{expected}|unset|old"),
                "fish"
            );
        });
    }
}

#[test]
#[ignore = "needs grub-common: cargo xtask real-tools"]
fn grub_accepts_the_part_for_one_start() {
    let folder = tempfile::tempdir().unwrap();
    let words = ["amdgpu.noretry=1".to_owned(), "iommu=pt".to_owned()];
    let script = folder.path().join("part");
    fs::write(&script, once_script("rmcp_once", "rmcp_words", &words).unwrap()).unwrap();
    let printed = output("sh", &[script.to_str().unwrap()], folder.path());
    let config = folder.path().join("grub.cfg");
    fs::write(&config, format!("{printed}menuentry x {{\n linux /vmlinuz quiet $rmcp_words\n}}\n"))
        .unwrap();
    output("grub-script-check", &[config.to_str().unwrap()], folder.path());
    fs::write(&config, printed.replace("fi\n", "")).unwrap();
    let broken = Command::new("grub-script-check").arg(&config).output().unwrap();
    assert!(!broken.status.success(), "the check does look");
}

/// The additional entry is not the one that systemd-boot starts by itself, whatever the others are called.
#[test]
#[ignore = "needs systemd-boot and a mount namespace: cargo xtask real-tools"]
fn an_entry_for_one_start_is_never_the_default() {
    let entry = |name: &str| format!("title {name}\nversion 6.1\nlinux /vmlinuz\noptions quiet\n");
    let names = ["arch", "Pop_OS-current", "6a9857a3-6.12", "a9fe-6.1", "Auto", "debian-6.12", "0"];
    for key in ["", "sort-key debian\n"] {
        let folder = tempfile::tempdir().unwrap();
        let entries = folder.path().join("loader/entries");
        fs::create_dir_all(&entries).unwrap();
        fs::create_dir_all(folder.path().join("EFI")).unwrap();
        fs::write(folder.path().join("vmlinuz"), "").unwrap();
        for name in names {
            fs::write(entries.join(format!("{name}.conf")), entry(name) + key).unwrap();
        }
        let once = copy_for_once(&(entry("once") + key), &["iommu=pt".to_owned()]);
        fs::write(entries.join("A-rmcp-once.conf"), once).unwrap();
        // bootctl wants the root of a file system.
        let script = format!(
            "mount -t tmpfs none /mnt && cp -r {}/. /mnt && SYSTEMD_RELAX_ESP_CHECKS=1 bootctl --esp-path=/mnt list",
            folder.path().display()
        );
        let listed =
            output("unshare", &["--map-root-user", "--mount", "sh", "-c", &script], folder.path());
        let ids: Vec<&str> =
            listed.lines().filter_map(|line| line.trim().strip_prefix("id: ")).collect();
        assert_eq!(ids.len(), names.len() + 1, "{listed}");
        assert_eq!(ids.last(), Some(&"A-rmcp-once.conf"), "{key:?}: {ids:?}");
    }
}
