//! What was written, read by programs that are not on every machine. `cargo xtask real-tools` installs them
//! and runs these.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests start the real programs"
)]

use rmcp_change::edit::modprobe::set_option;
use rmcp_change::edit::variables::{Dialect, file_for};
use std::fs;
use std::path::Path;
use std::process::Command;

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
