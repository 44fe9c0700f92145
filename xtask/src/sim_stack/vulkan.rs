//! The Vulkan route of `rmcp device`: torchvulkan from PyPI on Debian sid's PyTorch, with Mesa's lavapipe as the Vulkan device.

use super::system::{End, PROGRAMS, Program, System, WORK};
use super::{Suite, onnxruntime};
use crate::run::{run as start, top};
use anyhow::{Result, ensure};
use std::time::Duration;

static SUITE: Suite = Suite {
    name: "vulkan",
    base: "sid",
    newer: None,
    packages: &["python3-torch", "python3-typing-extensions", "mesa-vulkan-drivers", "libvulkan1"],
    clang: "clang",
    named: &["python3", "python3-torch", "mesa-vulkan-drivers"],
    libraries: false,
    framework: false,
};

/// The version that is known to load with sid's PyTorch (`crates/rmcp-knowledge/data/pins`).
const WHEELS: [&str; 1] = ["torchvulkan==0.2.1"];

/// Runs `python/tests/on_vulkan.py`.
pub(crate) fn run() -> Result<()> {
    let system = System::of(&SUITE)?;
    println!("{}", system.versions()?);
    let python = system.python()?;
    onnxruntime::give_wheels(&system, &python, &WHEELS)?;
    let work = system.path(WORK);
    std::fs::create_dir_all(&work)?;
    start("cp", &["-r", &top().join("python").display().to_string(), &work.display().to_string()])?;
    let folder = format!("/{WORK}/python");
    let variables = vec![
        ("PYTHONPATH", format!("{folder}/src:/{}", onnxruntime::PACKAGES)),
        ("RMCP_BINARY", format!("/{PROGRAMS}/rmcp")),
        // Where the wheel looks for torch is a wheel's place, not Debian's.
        ("LD_LIBRARY_PATH", "/usr/lib/python3/dist-packages/torch/lib".to_owned()),
    ];
    let command = ["python3", "-B", "-W", "ignore"].map(str::to_owned);
    let command = command.into_iter().chain([format!("{folder}/tests/on_vulkan.py")]).collect();
    let limit = Duration::from_secs(900);
    let said = system.run(&Program { card: None, variables, command, limit })?;
    println!("{}", said.text);
    let passed = said.end == End::Code(0) && said.text.contains("Ran 2 tests");
    ensure!(passed, "the Vulkan route does not work: {:?}", said.end);
    Ok(())
}
