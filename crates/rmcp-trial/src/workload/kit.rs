//! The software that is there to compute, and the tests that it makes possible.

use super::schema::{Suite, Workload};
use super::shipped::shipped;
use rmcp_model::{Test, Tool};
use std::collections::BTreeMap;
use std::path::PathBuf;
use thiserror::Error;

/// The software that is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kit {
    /// The folder to which [`super::sources`] were written.
    pub sources: PathBuf,
    /// Python 3.9 or newer.
    pub python: Option<PathBuf>,
    /// Whether that Python has PyTorch.
    pub torch: bool,
    /// The compiled `hip/suite.hip`.
    pub hip: Option<PathBuf>,
    /// AMD's `MIOpenDriver`.
    pub miopen_driver: Option<PathBuf>,
    /// AMD's `rocblas-bench`.
    pub rocblas_bench: Option<PathBuf>,
    /// Folders of the user's projects, by name.
    pub projects: BTreeMap<String, PathBuf>,
    /// A folder for what MIOpen finds out about solvers: a copy of the user's.
    pub miopen_databases: Option<PathBuf>,
    /// An empty folder for the candidate that begins without caches.
    pub empty_cache: Option<PathBuf>,
    /// The folder from which ROCm's libraries are said to come, where someone says so.
    pub claimed: Option<PathBuf>,
    /// Whether the card is simulated: what takes an interpreter minutes is then computed in part, and said to be.
    pub simulated: bool,
}

/// A name that no workload, suite or tool has.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("no workload, suite or software is called `{name}`; there are {}", known.join(", "))]
pub struct UnknownName {
    /// What was asked for.
    pub name: String,
    /// What there is.
    pub known: Vec<String>,
}

const TOOLS: [Tool; 5] = [Tool::Torch, Tool::Hip, Tool::Miopen, Tool::Rocblas, Tool::Machine];

impl Kit {
    /// Returns why a software cannot compute here; none where it can.
    pub fn lacks(&self, tool: Tool) -> Option<&'static str> {
        let (there, what) = match tool {
            Tool::Torch => (self.python.is_some() && self.torch, "PyTorch is not installed"),
            Tool::Hip => (self.hip.is_some(), "hipcc is not installed"),
            Tool::Miopen => (self.miopen_driver.is_some(), "MIOpenDriver is not installed"),
            Tool::Rocblas => (self.rocblas_bench.is_some(), "rocblas-bench is not installed"),
            Tool::Machine => (self.python.is_some(), "Python is not installed"),
            Tool::Command => (false, "a command of one's own is no workload"),
        };
        (!there).then_some(what)
    }
}

impl Workload {
    /// Returns whether a software can compute any of it.
    pub fn is_for(&self, tool: Tool) -> bool {
        use super::{hip, miopen, rocblas};
        let of_machine = |check: &super::Check| {
            check.program.as_ref().is_some_and(super::Program::is_of_machine)
        };
        match tool {
            Tool::Torch => !self.check.iter().all(of_machine),
            Tool::Machine => self.check.iter().all(of_machine),
            Tool::Hip => self.check.iter().any(|check| hip::specification(self, check).is_some()),
            Tool::Miopen => self.check.iter().any(|check| !miopen::shapes(check).is_empty()),
            Tool::Rocblas => self.check.iter().any(|check| rocblas::product(check).is_some()),
            Tool::Command => false,
        }
    }
}

/// Returns the shipped workload of that name.
pub fn workload(name: &str) -> Option<&'static Workload> {
    shipped().iter().find(|workload| workload.name == name)
}

/// Returns the tests that names ask for: names of workloads, suites and software, a test matching where it has one of those that
/// are given of each kind. Without names, the suite `workloads`. Probes only by their own name or suite.
///
/// A workload has a test for each software that is there. Where none is, it has one for the first that could compute it,
/// which will be skipped and say why.
///
/// # Errors
/// A name means nothing.
pub fn tests(kit: &Kit, names: &[String]) -> Result<Vec<Test>, UnknownName> {
    let (mut workloads, mut suites, mut tools) = (Vec::new(), Vec::new(), Vec::new());
    for name in names {
        if let Some(workload) = workload(name) {
            workloads.push(&workload.name);
        } else if let Some(found) = shipped().iter().find(|known| known.suite.name() == *name) {
            suites.push(found.suite);
        } else if let Some(tool) = TOOLS.iter().find(|tool| tool.name() == name) {
            tools.push(*tool);
        } else {
            return Err(UnknownName { name: name.clone(), known: known() });
        }
    }
    if workloads.is_empty() && suites.is_empty() {
        suites.push(Suite::Workloads);
    }
    let asked =
        |known: &&Workload| workloads.contains(&&known.name) || suites.contains(&known.suite);
    let mut found = Vec::new();
    for workload in shipped().iter().filter(asked) {
        let able =
            |tool: &Tool| workload.is_for(*tool) && (tools.is_empty() || tools.contains(tool));
        let there: Vec<Tool> =
            TOOLS.into_iter().filter(|tool| able(tool) && kit.lacks(*tool).is_none()).collect();
        let chosen = match there.is_empty() {
            true => TOOLS.into_iter().filter(able).take(1).collect(),
            false => there,
        };
        found.extend(chosen.into_iter().map(|tool| Test { workload: workload.name.clone(), tool }));
    }
    Ok(found)
}

fn known() -> Vec<String> {
    let mut names: Vec<String> = shipped().iter().map(|workload| workload.name.clone()).collect();
    let suites = [Suite::Workloads, Suite::Integration, Suite::Installation, Suite::Probes];
    names.extend(suites.map(|suite| suite.name().to_owned()));
    names.extend(TOOLS.map(|tool| tool.name().to_owned()));
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(kit: &Kit, asked: &[&str]) -> Vec<String> {
        let asked: Vec<String> = asked.iter().map(|name| (*name).to_owned()).collect();
        tests(kit, &asked).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn tests_follow_the_software_that_is_there() {
        let nothing = Kit::default();
        let ten = names(&nothing, &[]);
        assert_eq!(ten.len(), 10);
        assert!(ten.iter().all(|test| test.ends_with("(torch)")), "{ten:?}");
        let hip = Kit { hip: Some("suite".into()), ..Kit::default() };
        assert_eq!(names(&hip, &["convolutions"]), ["convolutions (hip)"]);
        let both = Kit { python: Some("python3".into()), torch: true, ..hip };
        assert_eq!(names(&both, &["convolutions"]), ["convolutions (torch)", "convolutions (hip)"]);
        assert_eq!(names(&both, &["hip", "basic", "training"]), ["basic (hip)", "training (hip)"]);
        assert_eq!(names(&both, &["installation-rocminfo"]), ["installation-rocminfo (machine)"]);
        let driver = Kit { miopen_driver: Some("d".into()), ..Kit::default() };
        assert_eq!(names(&driver, &["eeg-reshaping"]), ["eeg-reshaping (miopen)"]);
    }

    #[test]
    fn a_name_that_means_nothing_is_an_error_that_says_what_there_is() {
        let error = tests(&Kit::default(), &["convolution".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("`convolution`") && error.contains("convolutions, "), "{error}");
    }
}
