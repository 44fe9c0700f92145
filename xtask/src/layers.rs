//! Checks that the arrows between the crates point down (invariant 2 of ARCHITECTURE.md).

use crate::run::{cargo_output, top};
use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// The rooms from the top floor down. A crate may use those on floors below its own, and no other.
const FLOORS: [&[&str]; 8] = [
    &["rmcp", "rmcp-sim-preload", "rmcp-interposer"],
    &["rmcp-sim"],
    &["rmcp-report"],
    &["rmcp-diagnose"],
    &["rmcp-change", "rmcp-trial"],
    &["rmcp-host", "rmcp-code"],
    &["rmcp-knowledge", "rmcp-record"],
    &["rmcp-model"],
];

/// The one arrow inside a floor: what a library on a machine holds is read from its bytes.
const WITHIN_FLOOR: [(&str, &str); 1] = [("rmcp-host", "rmcp-code")];

/// Tools of the project, which stand beside the house.
const BESIDE: [&str; 1] = ["xtask"];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

/// Prints every arrow that points up, and fails where there is one.
pub(crate) fn run() -> Result<()> {
    let json = cargo_output(&["metadata", "--no-deps", "--format-version", "1", "--offline"])?;
    let metadata: Metadata = serde_json::from_slice(&json).context("cargo metadata")?;
    let problems = problems(&metadata);
    problems.iter().for_each(|problem| eprintln!("{problem}"));
    if !problems.is_empty() {
        bail!("{} arrows between crates are wrong", problems.len());
    }
    println!("check-layers: {} crates, every arrow points down", metadata.packages.len());
    Ok(())
}

fn problems(metadata: &Metadata) -> Vec<String> {
    let mut problems = Vec::new();
    let ours: Vec<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    for package in metadata.packages.iter().filter(|package| !BESIDE.contains(&&*package.name)) {
        let name = package.name.as_str();
        let folder = top().join("crates").join(name).join("Cargo.toml");
        if !package.manifest_path.ends_with(&format!("crates/{name}/Cargo.toml")) {
            problems.push(format!("{name}: expected in {}", folder.display()));
        }
        let Some(floor) = floor(name) else {
            problems.push(format!("{name}: on no floor; add it to FLOORS and to ARCHITECTURE.md"));
            continue;
        };
        // What only tests use does not ship.
        let used = package.dependencies.iter().filter(|used| used.kind.as_deref() != Some("dev"));
        for used in used.map(|used| used.name.as_str()).filter(|used| ours.contains(used)) {
            let down = self::floor(used).is_some_and(|other| other > floor);
            if !down && !WITHIN_FLOOR.contains(&(name, used)) {
                problems.push(format!("{name} uses {used}, which is not below it"));
            }
        }
    }
    problems
}

fn floor(name: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, uses: &[&str]) -> Package {
        Package {
            name: name.to_owned(),
            manifest_path: format!("/src/crates/{name}/Cargo.toml"),
            dependencies: uses
                .iter()
                .map(|used| Dependency { name: (*used).to_owned(), kind: None })
                .collect(),
        }
    }

    #[test]
    fn arrows_down_are_fine_and_arrows_up_are_named() {
        let mut metadata = Metadata {
            packages: vec![
                package("rmcp-model", &[]),
                package("rmcp-code", &["rmcp-model"]),
                package("rmcp-host", &["rmcp-code", "rmcp-model"]),
            ],
        };
        assert_eq!(problems(&metadata), Vec::<String>::new());
        metadata.packages[1] = package("rmcp-code", &["rmcp-host"]);
        assert_eq!(problems(&metadata), ["rmcp-code uses rmcp-host, which is not below it"]);
        metadata.packages[1] = package("rmcp-attic", &[]);
        assert_eq!(problems(&metadata).len(), 1);
    }
}
