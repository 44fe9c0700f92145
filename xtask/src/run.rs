//! Starts the tools that the commands need.

use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::Command;

/// Returns the top folder of the project.
pub(crate) fn top() -> PathBuf {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().map_or(manifest.clone(), PathBuf::from)
}

/// Runs a program in the top folder and shows what it prints.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<()> {
    eprintln!("$ {program} {}", arguments.join(" "));
    let status = Command::new(program)
        .args(arguments)
        .current_dir(top())
        .status()
        .with_context(|| format!("cannot start {program}"))?;
    if !status.success() {
        bail!("{program} {} failed ({status})", arguments.join(" "));
    }
    Ok(())
}

/// Runs cargo, the one that runs us.
pub(crate) fn cargo(arguments: &[&str]) -> Result<()> {
    run(&std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()), arguments)
}

/// Runs cargo and returns what it prints.
pub(crate) fn cargo_output(arguments: &[&str]) -> Result<Vec<u8>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(&cargo)
        .args(arguments)
        .current_dir(top())
        .output()
        .with_context(|| format!("cannot start {cargo}"))?;
    if !output.status.success() {
        bail!(
            "{cargo} {} failed: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(output.stdout)
}

/// Returns where `cargo build --release` puts the program.
pub(crate) fn release_binary() -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| top().join("target"), PathBuf::from);
    target.join("release").join("rmcp")
}

/// Returns whether a program is there, by its path or on `PATH`.
fn exists(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Joining an absolute path gives that path.
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Makes sure that a program is there, from a Debian package of that name where it is not.
pub(crate) fn need_package(program: &str, package: &str) -> Result<()> {
    need_packages(&[(program, package)])
}

/// Makes sure that programs or files are there, from Debian packages where they are not.
pub(crate) fn need_packages(parts: &[(&str, &str)]) -> Result<()> {
    let missing: Vec<&(&str, &str)> = parts.iter().filter(|(part, _)| !exists(part)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
    let sudo: &[&str] = if root { &[] } else { &["sudo"] };
    let install = |arguments: &[&str]| {
        let all: Vec<&str> = sudo.iter().copied().chain(arguments.iter().copied()).collect();
        run(all[0], &all[1..])
    };
    install(&["apt-get", "update", "-qq"])?;
    let packages: Vec<&str> = missing.iter().map(|(_, package)| *package).collect();
    let quiet = ["apt-get", "install", "-y", "-qq", "--no-install-recommends"];
    install(&[&quiet[..], &packages].concat())
        .with_context(|| format!("needed, of Debian's packages: {}", packages.join(" ")))
}
