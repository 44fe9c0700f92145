//! Programs of HIP and C that tests compile, and how they run on a simulated card with RMCP's library in them.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests start compilers and programs"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

/// A lock for each program, so that no two make the same one.
static COMPILING: Mutex<BTreeMap<PathBuf, Arc<Mutex<()>>>> = Mutex::new(BTreeMap::new());

/// Folder of the project.
pub(crate) fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Where compiled programs go.
pub(crate) fn made_folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("programs");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Compiles a source of the project, where it or a header beside or above it is newer than what it makes.
fn compile(compiler: &str, source: &str, made: &str, arguments: &[&str]) -> PathBuf {
    let (source, made) = (top().join(source), made_folder().join(made));
    let lock = COMPILING.lock().unwrap().entry(made.clone()).or_default().clone();
    let _one = lock.lock().unwrap();
    let age = |path: &Path| path.metadata().and_then(|found| found.modified()).ok();
    let folders = source.ancestors().skip(1).take(2);
    let beside =
        folders.flat_map(|folder| folder.read_dir().unwrap()).map(|entry| entry.unwrap().path());
    let headers =
        beside.filter(|path| path.extension().is_some_and(|end| end == "hpp" || end == "h"));
    let newest = headers.chain([source.clone()]).filter_map(|path| age(&path)).max();
    if age(&made).is_some_and(|made| Some(made) > newest) {
        return made;
    }
    // Clang leaves empty folders behind where it puts its temporary files.
    let temporary = tempfile::tempdir().unwrap();
    let mut command = Command::new(compiler);
    command.env("TMPDIR", temporary.path()).arg(&source).arg("-o").arg(&made).args(arguments);
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{compiler}: {error}; `cargo xtask test` installs it"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    made
}

/// Compiles a program of HIP for both targets of the simulated cards.
pub(crate) fn hip(source: &str, made: &str, arguments: &[&str]) -> PathBuf {
    let targets = ["--offload-arch=gfx1010", "--offload-arch=gfx1030", "-O3", "-std=c++17"];
    compile("hipcc", source, made, &[&targets[..], arguments].concat())
}

/// Compiles a source beside the tests.
pub(crate) fn c(source: &str, made: &str, arguments: &[&str]) -> PathBuf {
    compile("cc", &format!("crates/rmcp/tests/interposer/{source}"), made, arguments)
}

/// Compiles a program with the runtime that does nothing in it, with the real runtime's own headers.
fn with_runtime(name: &str, made: &str) -> PathBuf {
    let folder = "crates/rmcp/tests/interposer";
    let arguments = ["-std=c++17", "-O2", "-DAMD_INTERNAL_BUILD", "-I/usr/include/hsa", "-pthread"];
    compile("c++", &format!("{folder}/{name}"), made, &[&arguments[..], &["-ldl"]].concat())
}

/// A program that measures the library and looks at what it replaces.
pub(crate) fn empty_runtime() -> PathBuf {
    with_runtime("runtime.cpp", "empty-runtime")
}

/// A program that brings about what a program may.
pub(crate) fn situations() -> PathBuf {
    with_runtime("situations.cpp", "situations")
}

/// RMCP's library.
pub(crate) fn library() -> PathBuf {
    let library = Path::new(env!("CARGO_BIN_EXE_rmcp")).with_file_name("librmcp_hsa.so");
    assert!(
        library.is_file(),
        "{} is missing; `cargo xtask test` builds it first",
        library.display()
    );
    library
}

/// `rmcp sim` with these options, and nothing of what the person who runs the tests has set.
pub(crate) fn sim(options: &[&str]) -> Command {
    let rmcp = Path::new(env!("CARGO_BIN_EXE_rmcp"));
    let simulator = rmcp.with_file_name("librmcp_sim_preload.so");
    assert!(
        simulator.is_file(),
        "{} is missing; `cargo xtask test` builds it first",
        simulator.display()
    );
    let mut command = Command::new(rmcp);
    command.args(["sim", "--quiet"]).args(options).arg("--");
    for name in [
        "HSA_OVERRIDE_GFX_VERSION",
        "HIP_VISIBLE_DEVICES",
        "ROCR_VISIBLE_DEVICES",
        "HSA_TOOLS_LIB",
        "HSA_ENABLE_SDMA",
        "RMCP_MEMORY",
        "RMCP_GUARD",
    ] {
        command.env_remove(name);
    }
    command.env("RMCP_RECORD", "off");
    command
}

/// Puts RMCP's library into a program that is to be started.
pub(crate) fn watched(command: &mut Command, record: &Path, settings: &[(&str, &str)]) {
    command.env("HSA_TOOLS_LIB", library()).env("RMCP_RECORD", record);
    command.envs(settings.iter().copied());
}

/// With guards, each allocation needs a block of the driver's own.
pub(crate) const GUARDED: [(&str, &str); 2] =
    [("RMCP_GUARD", "1"), ("HSA_DISABLE_FRAGMENT_ALLOCATOR", "1")];

pub(crate) fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr]
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        .concat()
}

/// What `rmcp explain --record` says.
pub(crate) fn explained(record: &Path) -> serde_json::Value {
    let output = Command::new(env!("CARGO_BIN_EXE_rmcp"))
        .args(["explain", "--format", "json", "--record"])
        .arg(record)
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", text(&output)))
}
