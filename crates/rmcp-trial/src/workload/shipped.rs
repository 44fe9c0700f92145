//! The workloads and programs that this program was built with.

use super::schema::Workload;
use std::sync::LazyLock;

/// Embeds files of `workloads/`, each with its path below it.
macro_rules! files {
    ($($path:literal)*) => {
        &[$(($path, include_str!(concat!("../../../../workloads/", $path)))),*]
    };
}

/// In the order of the matrix.
const WORKLOADS: &[(&str, &str)] = files! {
    "basic.toml"
    "convolutions.toml"
    "training.toml"
    "yolo-backbone.toml"
    "transformer.toml"
    "mixed-precision.toml"
    "memory-pressure.toml"
    "kernel-log.toml"
    "patch-verification.toml"
    "eeg-reshaping.toml"
    "integration-eeg-project.toml"
    "integration-eeg-imports.toml"
    "integration-eegnex-like.toml"
    "integration-thermal-project.toml"
    "integration-yolo-like.toml"
    "integration-environment.toml"
    "integration-quick.toml"
    "integration-kernel-log.toml"
    "integration-memory.toml"
    "installation-folder.toml"
    "installation-rocminfo.toml"
    "installation-hipcc.toml"
    "installation-hip-memory.toml"
    "installation-torch.toml"
    "installation-kernel-log.toml"
    "installation-libraries.toml"
    "size-boundary.toml"
    "soak.toml"
};

const PROGRAMS: &[(&str, &str)] = files! {
    "torch/run.py"
    "torch/results.py"
    "torch/faults.py"
    "torch/device.py"
    "torch/operations.py"
    "torch/models.py"
    "torch/training.py"
    "torch/memory.py"
    "torch/boundary.py"
    "torch/machine.py"
    "hip/check.h"
    "hip/dot.h"
    "hip/suite.h"
    "hip/suite.hip"
};

/// Reads all of them; each that does not fit the schema is a problem.
pub(super) fn parse_all(files: &[(&str, &str)]) -> (Vec<Workload>, Vec<String>) {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for (path, text) in files {
        match toml::from_str::<Workload>(text) {
            Ok(workload) if format!("{}.toml", workload.name) == *path => found.push(workload),
            Ok(workload) => problems.push(format!("{path}: its name is {}", workload.name)),
            Err(error) => problems.push(format!("{path}: {error}")),
        }
    }
    (found, problems)
}

/// Returns the shipped workloads in the order of the matrix.
pub fn shipped() -> &'static [Workload] {
    static ALL: LazyLock<Vec<Workload>> = LazyLock::new(|| parse_all(WORKLOADS).0);
    &ALL
}

/// Returns the files that the caller writes to a folder before it starts anything: programs, and workloads as JSON. Each has its
/// path below that folder.
pub fn sources() -> &'static [(String, String)] {
    static ALL: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
        let programs = PROGRAMS.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        let workloads = shipped().iter().map(|workload| {
            let text = serde_json::to_string_pretty(workload).unwrap_or_default();
            (json_path(&workload.name), text)
        });
        programs.chain(workloads).collect()
    });
    &ALL
}

/// Where a workload's JSON lies below the folder of [`sources`].
pub(super) fn json_path(name: &str) -> String {
    format!("json/{name}.json")
}

#[cfg(test)]
mod tests {
    use super::super::validate::problems_of;
    use super::*;

    #[test]
    fn what_is_shipped_has_no_problem() {
        let (all, mut problems) = parse_all(WORKLOADS);
        problems.extend(all.iter().flat_map(problems_of));
        assert!(problems.is_empty(), "{problems:#?}");
        assert_eq!(all.len(), WORKLOADS.len());
    }

    #[test]
    fn every_file_of_the_folder_is_shipped() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../workloads");
        let named: Vec<&str> = WORKLOADS.iter().chain(PROGRAMS).map(|(path, _)| *path).collect();
        for (below, ending) in [("", "toml"), ("torch/", "py")] {
            for entry in std::fs::read_dir(format!("{folder}/{below}")).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_some_and(|found| found == ending) {
                    let name = format!("{below}{}", path.file_name().unwrap().to_str().unwrap());
                    assert!(named.contains(&name.as_str()), "{name}");
                }
            }
        }
    }

    #[test]
    fn json_holds_what_toml_held() {
        for workload in shipped() {
            let (_, text) =
                sources().iter().find(|(path, _)| *path == json_path(&workload.name)).unwrap();
            assert_eq!(serde_json::from_str::<Workload>(text).unwrap(), *workload);
        }
    }
}
