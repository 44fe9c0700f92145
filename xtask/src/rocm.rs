//! Debian's ROCm, on which the simulated card is shown and tested.

use crate::run::need_packages;
use anyhow::Result;

/// What is looked for, and the package that holds it: the compiler, the headers and libraries that it links with,
/// and the tool that lists devices.
const PARTS: [(&str, &str); 5] = [
    ("hipcc", "hipcc"),
    ("/usr/include/hip/hip_runtime_api.h", "libamdhip64-dev"),
    ("/usr/include/hsa/hsa.h", "libhsa-runtime-dev"),
    ("rocminfo", "rocminfo"),
    // With which rocminfo asks whether the driver is loaded.
    ("lsmod", "kmod"),
];

/// Installs what is missing of it.
pub(crate) fn need() -> Result<()> {
    need_packages(&PARTS)
}
