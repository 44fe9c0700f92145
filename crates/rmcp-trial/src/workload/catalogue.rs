//! The workloads that come with the program, and the sources of their programs.

use super::schema::Workload;
use std::sync::LazyLock;

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../../../workloads/", $path)))),*]
    };
}

const WORKLOADS: &[(&str, &str)] = files![
    "basic.toml",
    "convolutions.toml",
    "training.toml",
    "yolo-backbone.toml",
    "transformer.toml",
    "mixed-precision.toml",
    "memory-pressure.toml",
    "kernel-log.toml",
    "patch-verification.toml",
    "eeg-reshaping.toml",
];

/// Sources of the HIP program, the first to be compiled, by their names in one folder.
pub const HIP_SOURCES: &[(&str, &str)] = files!["hip/suite.hip", "hip/check.h", "hip/dot.h"];

/// Returns all workloads, in the order in which they are run.
pub fn all() -> &'static [Workload] {
    static ALL: LazyLock<Vec<Workload>> = LazyLock::new(|| {
        // A file that cannot be read is refused by a test.
        WORKLOADS.iter().filter_map(|(_, text)| toml::from_str(text).ok()).collect()
    });
    &ALL
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_a_workload() {
        let mut problems = Vec::new();
        for (path, text) in WORKLOADS {
            match toml::from_str::<Workload>(text) {
                Err(error) => problems.push(format!("{path}: {error}")),
                Ok(workload) => {
                    let named = format!("{}.toml", workload.name) == *path;
                    problems.extend((!named).then(|| format!("{path}: called {}", workload.name)));
                    let own = workload.problems().into_iter();
                    problems.extend(own.map(|problem| format!("{path}: {problem}")));
                }
            }
        }
        assert!(problems.is_empty(), "{}", problems.join("\n"));
        assert_eq!(all().len(), WORKLOADS.len());
    }

    #[test]
    fn what_is_wrong_is_said() {
        let text = r#"
            name = "x"
            title = "x"
            suite = "workloads"
            seconds = 1
            source = "none"
            [[check]]
            name = "a"
            matmul = { m = 1, n = 1, k = 1 }
            program = "p"
            [[check]]
            name = "a"
            conv2d = { n = 1, c = 3, h = 2, w = 2, k = 4, r = 3, s = 3, groups = 2 }
            numbers = []
        "#;
        let problems = toml::from_str::<Workload>(text).unwrap().problems().join("\n");
        for words in ["needs one of", "no convolution", "no numbers", "two checks"] {
            assert!(problems.contains(words), "{words}: {problems}");
        }
    }
}
