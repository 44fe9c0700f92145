//! Python environments and the GPU packages in them, read without starting Python.

use crate::{BundleSummary, Fact, GfxTarget, Origin, Version};
use serde::{Deserialize, Serialize};
use std::fmt;

/// For which back end a package was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Build {
    /// ROCm, of this version where it is stated.
    Rocm {
        /// Version of ROCm or HIP.
        version: Option<Version>,
    },
    /// CUDA, of this version where it is stated.
    Cuda {
        /// Version of CUDA as written, such as `12.4`.
        version: Option<String>,
    },
    /// No GPU at all.
    Cpu,
    /// The package does not say.
    Unknown,
}

impl fmt::Display for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rocm { version: Some(version) } => write!(f, "ROCm {version}"),
            Self::Rocm { version: None } => f.write_str("ROCm"),
            Self::Cuda { version: Some(version) } => write!(f, "CUDA {version}"),
            Self::Cuda { version: None } => f.write_str("CUDA"),
            Self::Cpu => f.write_str("CPU only"),
            Self::Unknown => f.write_str("unknown build"),
        }
    }
}

/// One package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PythonPackage {
    /// Name such as `torch`.
    pub name: String,
    /// Version as written, with its local part (`2.5.1+rocm6.2`).
    pub version: String,
    /// What it was built for.
    pub build: Build,
    /// Where the version was read.
    pub origin: Origin,
    /// The library whose GPU code decides, and the targets in it.
    pub code: Fact<BundleSummary>,
    /// Targets of the rocBLAS files carried inside the package; empty where it carries none.
    pub rocblas: Vec<GfxTarget>,
}

/// One Python environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PythonEnv {
    /// The environment's folder.
    pub prefix: String,
    /// How it came into sight: `VIRTUAL_ENV`, `CONDA_PREFIX`, `.venv`, `python3 on PATH`, `--python`.
    pub found_by: String,
    /// `X.Y` of its Python, from the folder's name.
    pub python: Option<Version>,
    /// Whether a bare `python3` here means this one.
    pub active: bool,
    /// The GPU packages in it.
    pub packages: Vec<PythonPackage>,
    /// Folders that could not be read, with the reason.
    pub unreadable: Vec<String>,
}

impl PythonEnv {
    /// Returns the package of that name.
    pub fn package(&self, name: &str) -> Option<&PythonPackage> {
        self.packages.iter().find(|package| package.name == name)
    }
}
