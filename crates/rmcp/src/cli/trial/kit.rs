//! Finds the software that can compute workloads on this machine, and makes ours.

use super::asked::Asked;
use crate::cli::Failure;
use crate::cli::output::Output;
use rmcp::{Caller, Inspection, inspect};
use rmcp_trial::workload::{Kit, compile, sources};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where AMD's packages and Debian's have the programs for their libraries.
const MIOPEN: [&str; 3] = [
    "/opt/rocm/bin/MIOpenDriver",
    "/usr/bin/MIOpenDriver",
    "/usr/libexec/rocm/libmiopen1-tests/MIOpenDriver",
];
const ROCBLAS: [&str; 5] = [
    "/opt/rocm/bin/rocblas-bench",
    "/usr/bin/rocblas-bench",
    "/usr/libexec/rocm/librocblas5-bench/rocblas-bench",
    "/usr/libexec/rocm/librocblas4-bench/rocblas-bench",
    "/usr/libexec/rocm/librocblas0-bench/rocblas-bench",
];
const HIPCC: &str = "/opt/rocm/bin/hipcc";

/// Targets of our HIP program besides the card's own: those of the overrides that people set.
const TARGETS: [&str; 2] = ["gfx1010", "gfx1030"];

/// The software there is, and our own programs, which may have to be made first.
#[derive(Debug)]
pub(super) struct Software {
    /// What is there once all is made.
    pub(super) kit: Kit,
    hipcc: Option<PathBuf>,
    targets: Vec<String>,
}

impl Software {
    /// Looks what there is. Nothing is made or started.
    pub(super) fn look(asked: &Asked, caller: &Caller, gfx: Option<&str>) -> Result<Self, Failure> {
        let cache = rmcp::cache_folder(caller).ok_or_else(|| {
            Failure::could_not_check("there is no home folder to keep programs in")
                .hint("set HOME, or XDG_CACHE_HOME")
        })?;
        let mut targets: Vec<String> = TARGETS.map(str::to_owned).to_vec();
        targets.extend(gfx.filter(|gfx| !TARGETS.contains(gfx)).map(str::to_owned));
        let hipcc = hipcc(caller);
        let mut hash = blake3::Hasher::new();
        for (path, text) in sources() {
            hash.update(path.as_bytes()).update(text.as_bytes());
        }
        hash.update(targets.join(" ").as_bytes());
        if let Some(hipcc) = &hipcc {
            // Another version of the compiler has another time.
            let changed = hipcc.metadata().and_then(|file| file.modified());
            hash.update(format!("{hipcc:?} {changed:?}").as_bytes());
        }
        let folder = cache.join("try").join(&hash.finalize().to_hex()[..16]);
        let (python, torch) = python(asked, caller)?;
        let kit = Kit {
            hip: hipcc.as_ref().map(|_| folder.join("suite")),
            sources: folder,
            python,
            torch,
            miopen_driver: first(&MIOPEN),
            rocblas_bench: first(&ROCBLAS),
            projects: projects(asked),
            miopen_databases: None,
            empty_cache: None,
            claimed: caller.variable("ROCM_PATH").map(PathBuf::from),
            simulated: asked.simulate.is_some(),
        };
        Ok(Self { kit, hipcc, targets })
    }

    /// Writes our programs down and compiles what has to be, where that is not done yet. `hip` says whether the HIP program
    /// is used.
    #[expect(clippy::disallowed_methods, reason = "the user's compiler, and a folder of our own")]
    pub(super) fn make(&self, hip: bool, output: &Output) -> Result<(), Failure> {
        let folder = &self.kit.sources;
        let wrong = |error: std::io::Error| {
            Failure::could_not_check(format!("{}: {error}", folder.display()))
        };
        for (path, text) in sources() {
            let path = folder.join(path);
            if !path.is_file() {
                let parent = path.parent().unwrap_or(folder);
                std::fs::create_dir_all(parent).map_err(wrong)?;
                // Beside its place first, under a name of our own: it is there whole or not at all, whoever else makes it.
                let mut unfinished = tempfile::NamedTempFile::new_in(parent).map_err(wrong)?;
                unfinished.write_all(text.as_bytes()).map_err(wrong)?;
                unfinished.persist(path).map_err(|error| wrong(error.error))?;
            }
        }
        match (&self.hipcc, &self.kit.hip) {
            (Some(hipcc), Some(program)) if hip && !program.is_file() => {
                output.note("compiling the HIP program, once: about 10 seconds");
                self.compile(hipcc, program)
            }
            _ => Ok(()),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the user's compiler")]
    fn compile(&self, hipcc: &Path, program: &Path) -> Result<(), Failure> {
        let hint = "without HIP programs: rmcp try --tool torch";
        let name = hipcc.display();
        let place = tempfile::tempdir_in(&self.kit.sources).map_err(Failure::could_not_check)?;
        let unfinished = place.path().join("suite");
        let targets: Vec<&str> = self.targets.iter().map(String::as_str).collect();
        let asked = compile(hipcc, &self.kit.sources, &targets, &unfinished);
        let result = Command::new(&asked.program)
            .args(&asked.arguments)
            // Clang leaves empty folders behind where it puts its temporary files.
            .env("TMPDIR", place.path())
            .output()
            .map_err(|error| Failure::could_not_check(format!("{name}: {error}")).hint(hint))?;
        if !result.status.success() {
            let said = String::from_utf8_lossy(&result.stderr);
            let first = said.lines().find(|line| line.contains("error")).unwrap_or_default();
            return Err(Failure::could_not_check(format!("{name} failed: {first}")).hint(hint));
        }
        std::fs::rename(unfinished, program).map_err(Failure::could_not_check)
    }
}

/// The compiler for HIP.
fn hipcc(caller: &Caller) -> Option<PathBuf> {
    let path = caller.variable("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(path).map(|folder| folder.join("hipcc"));
    on_path.chain([PathBuf::from(HIPCC)]).find(|file| file.is_file())
}

fn first(paths: &[&str]) -> Option<PathBuf> {
    paths.iter().map(PathBuf::from).find(|path| path.is_file())
}

/// The Python that was named, or the first in sight with PyTorch, or the active one; and whether it has PyTorch.
fn python(asked: &Asked, caller: &Caller) -> Result<(Option<PathBuf>, bool), Failure> {
    let named: Vec<String> =
        asked.python.iter().map(|python| python.display().to_string()).collect();
    let what = Inspection { root: None, pythons: &named, caller: caller.clone() };
    let facts = inspect(&what).map_err(Failure::could_not_check)?;
    let has_torch = |environment: &rmcp::model::PythonEnv| environment.package("torch").is_some();
    let found = match named.is_empty() {
        // What is named stands first.
        false => facts.python.first(),
        true => facts
            .python
            .iter()
            .find(|one| has_torch(one))
            .or_else(|| facts.python.iter().find(|one| one.active)),
    };
    let program = found.map(|environment| Path::new(&environment.prefix).join("bin/python3"));
    Ok((program.filter(|program| program.is_file()), found.is_some_and(has_torch)))
}

/// Projects of the user, by the names that workloads have for them: `NAME=DIR`.
fn projects(asked: &Asked) -> BTreeMap<String, PathBuf> {
    let named = asked.project.iter().filter_map(|project| project.split_once('='));
    named.map(|(name, folder)| (name.to_owned(), PathBuf::from(folder))).collect()
}
