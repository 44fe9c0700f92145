//! Finds the software that can compute workloads on this machine, and makes ours.

use crate::cli::Failure;
use crate::cli::output::Output;
use rmcp::Caller;
use rmcp_trial::workload::HIP_SOURCES;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where AMD's packages and Debian's have the programs for their libraries.
const MIOPEN: [&str; 3] = [
    "/opt/rocm/bin/MIOpenDriver",
    "/usr/bin/MIOpenDriver",
    "/usr/libexec/rocm/libmiopen1-tests/MIOpenDriver",
];
const ROCBLAS: [&str; 2] = ["/opt/rocm/bin/rocblas-bench", "/usr/bin/rocblas-bench"];
const HIPCC: &str = "/opt/rocm/bin/hipcc";

/// Targets of our HIP program besides the card's own: those of the overrides that people set.
const TARGETS: [&str; 2] = ["gfx1010", "gfx1030"];

pub(super) fn miopen() -> Option<PathBuf> {
    first(&MIOPEN)
}

pub(super) fn rocblas() -> Option<PathBuf> {
    first(&ROCBLAS)
}

/// The compiler for HIP.
pub(super) fn hipcc(caller: &Caller) -> Option<PathBuf> {
    let path = caller.variable("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(path).map(|folder| folder.join("hipcc"));
    on_path.chain([PathBuf::from(HIPCC)]).find(|file| file.is_file())
}

fn first(paths: &[&str]) -> Option<PathBuf> {
    paths.iter().map(PathBuf::from).find(|path| path.is_file())
}

/// Where our HIP program is, or will be: in the user's cache, by what it is made of.
pub(super) fn suite(caller: &Caller, hipcc: &Path, gfx: Option<&str>) -> Result<Suite, Failure> {
    let cache = rmcp::cache_folder(caller).ok_or_else(|| {
        Failure::could_not_check("there is no home folder to keep compiled programs in")
            .hint("set HOME, or XDG_CACHE_HOME")
    })?;
    let mut targets: Vec<String> = TARGETS.map(str::to_owned).to_vec();
    targets.extend(gfx.filter(|gfx| !TARGETS.contains(gfx)).map(str::to_owned));
    let mut hash = blake3::Hasher::new();
    for (name, text) in HIP_SOURCES {
        hash.update(name.as_bytes()).update(text.as_bytes());
    }
    hash.update(targets.join(" ").as_bytes()).update(hipcc.as_os_str().as_encoded_bytes());
    // Another version of the compiler has another time.
    let changed = hipcc.metadata().and_then(|file| file.modified());
    hash.update(format!("{changed:?}").as_bytes());
    let folder = cache.join("hip").join(&hash.finalize().to_hex()[..16]);
    Ok(Suite { hipcc: hipcc.to_owned(), targets, program: folder.join("suite") })
}

/// Our HIP program.
#[derive(Debug)]
pub(super) struct Suite {
    hipcc: PathBuf,
    targets: Vec<String>,
    pub(super) program: PathBuf,
}

impl Suite {
    /// Compiles it where it is not there yet.
    #[expect(clippy::disallowed_methods, reason = "the user's compiler, and a folder of our own")]
    pub(super) fn make(&self, output: &Output) -> Result<(), Failure> {
        if self.program.is_file() {
            return Ok(());
        }
        output.note("compiling the HIP programs, once: about 10 seconds");
        let folder = self.program.parent().unwrap_or(Path::new("/"));
        let wrong = |what: String| {
            Failure::could_not_check(what).hint("without HIP programs: rmcp try --tool torch")
        };
        let io = |error: std::io::Error| wrong(format!("{}: {error}", folder.display()));
        std::fs::create_dir_all(folder).map_err(io)?;
        // Beside its place first: it is there whole or not at all.
        let work = tempfile::tempdir_in(folder).map_err(io)?;
        for (path, text) in HIP_SOURCES {
            let name = Path::new(path).file_name().unwrap_or_default();
            std::fs::write(work.path().join(name), text).map_err(io)?;
        }
        let made = work.path().join("suite");
        let result = Command::new(&self.hipcc)
            .args(self.targets.iter().map(|target| format!("--offload-arch={target}")))
            .args(["-O3", "-std=c++17", "-o"])
            .arg(&made)
            .arg(work.path().join("suite.hip"))
            .output()
            .map_err(|error| wrong(format!("{}: {error}", self.hipcc.display())))?;
        if !result.status.success() {
            let said = String::from_utf8_lossy(&result.stderr);
            let first = said.lines().find(|line| line.contains("error")).unwrap_or_default();
            return Err(wrong(format!("{} failed: {first}", self.hipcc.display())));
        }
        std::fs::rename(made, &self.program).map_err(io)
    }
}
