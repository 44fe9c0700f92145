//! The ROCm installations of a machine.

use crate::{GfxTarget, Origin, Version};
use serde::{Deserialize, Serialize};

/// How an installation got onto the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RocmOrigin {
    /// A folder `/opt/rocm*`.
    OptFolder,
    /// Packages of the distribution in its own folders.
    Distribution,
    /// Libraries carried inside a Python package such as a PyTorch wheel.
    Wheel,
    /// The `rocm_sdk_*` Python packages.
    RocmSdk,
}

/// One library of an installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RocmComponent {
    /// Library name without `lib` and version, such as `amdhip64`.
    pub name: String,
    /// Version in the file's name, such as `6.2.60200`.
    pub version: Option<Version>,
    /// The file.
    pub path: String,
}

/// One ROCm installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RocmInstall {
    /// Folder.
    pub path: String,
    /// How it got there.
    pub origin: RocmOrigin,
    /// Version, where it could be told.
    pub version: Option<Version>,
    /// Where the version was read: a file, a package database or a library's name.
    pub version_origin: Option<Origin>,
    /// The libraries that decide (HIP, HSA runtime, rocBLAS, MIOpen).
    pub components: Vec<RocmComponent>,
    /// Targets for which its rocBLAS has files.
    pub rocblas: Vec<GfxTarget>,
}
