//! A root file system of another Debian, with its ROCm, in which programs run on a simulated card.
//!
//! Made once from Debian's packages and kept until the suite names other ones; whoever wants it anew removes its folder.

use super::Suite;
use crate::packages::debian_server;
use crate::run::{cargo, need_package, release_binary, run, top};
use anyhow::{Context, Result, bail, ensure};
use std::collections::HashSet;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The libraries of the simulator and of the flight recorder, which stay beside the program.
const LIBRARIES: [&str; 2] = ["librmcp_sim_preload.so", "librmcp_hsa.so"];

/// Where both lie in the system.
pub(super) const PROGRAMS: &str = "opt/rmcp";

/// Where the programs of `workloads` are compiled.
pub(super) const WORK: &str = "root/work";

/// What is left out of packages: what nobody reads here, and of rocBLAS, whose kernels for all cards take 4 GB, all
/// kernels. The wanted ones come back by [`WANTED`].
const UNWANTED: [&str; 5] = [
    "/usr/share/doc/*",
    "/usr/share/man/*",
    "/usr/share/locale/*",
    "/usr/lib/*/rocblas/*/library/*",
    // What MIOpen knows of cards of other families.
    "/usr/share/miopen/db/gfx9*",
];

/// Kernels of rocBLAS that are kept: those of the cards that are simulated, and those that are not for one card.
const WANTED: [&str; 4] = [
    "/usr/lib/*/rocblas/*/library/*gfx101[02]*",
    "/usr/lib/*/rocblas/*/library/*gfx103[02]*",
    "/usr/lib/*/rocblas/*/library/*fallback.dat",
    "/usr/lib/*/rocblas/*/library/*lazy.dat",
];

/// A root file system.
#[derive(Debug)]
pub(super) struct System {
    pub(super) suite: &'static Suite,
    root: PathBuf,
}

/// What a program said, both of its outputs together, and how it ended.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) text: String,
    pub(super) end: End,
    pub(super) time: Duration,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// By itself.
    Code(i32),
    /// By a signal.
    Signal(i32),
    /// It was stopped when its time was over.
    TimeOver,
}

/// A program in the system and what it runs on.
#[derive(Debug, Clone)]
pub(super) struct Program {
    /// The simulated card; none runs without the simulator.
    pub(super) card: Option<&'static str>,
    pub(super) variables: Vec<(&'static str, String)>,
    pub(super) command: Vec<String>,
    pub(super) limit: Duration,
}

impl System {
    /// Makes the system of a suite where it is not there, and puts the released program into it.
    pub(super) fn of(suite: &'static Suite) -> Result<Self> {
        let id = Command::new("id").arg("-u").output()?;
        ensure!(id.stdout == b"0\n", "needs root: it makes a system with files of several owners");
        let parts = ["rmcp", "rmcp-sim-preload", "rmcp-interposer"];
        let parts = parts.iter().flat_map(|name| ["--package", name]);
        cargo(&["build", "--release", "--quiet"].into_iter().chain(parts).collect::<Vec<_>>())?;
        let folder = top().join("target/sim-stack");
        let root = folder.join(suite.name);
        if !has_packages(&root, suite) {
            need_package("mmdebstrap", "mmdebstrap")?;
            fs::create_dir_all(&folder)?;
            make(suite, &folder.join(format!("{}.part", suite.name)), &root)?;
        }
        let programs = root.join(PROGRAMS);
        fs::create_dir_all(&programs)?;
        let libraries = LIBRARIES.map(|name| release_binary().with_file_name(name));
        for program in [release_binary()].into_iter().chain(libraries) {
            let name = program.file_name().context("a program has a name")?;
            let (new, place) = (programs.join("new"), programs.join(name));
            // The one that is there may be running.
            fs::copy(&program, &new)
                .and_then(|_| fs::rename(&new, place))
                .with_context(|| format!("copy {}", program.display()))?;
        }
        Ok(Self { suite, root })
    }

    /// Puts the programs of `workloads` into the system, and returns the folder where they are there.
    pub(super) fn copy_workloads(&self) -> Result<String> {
        let work = self.root.join(WORK);
        fs::create_dir_all(&work)?;
        let from = top().join("workloads").display().to_string();
        run("cp", &["-r", &from, &work.display().to_string()])?;
        Ok(format!("/{WORK}/workloads"))
    }

    /// Compiles a HIP program of `workloads` with the system's compiler, unless that was done, and returns where it is
    /// in the system.
    pub(super) fn compile(&self, source: &str, options: &[&str]) -> Result<String> {
        let all = top().join("workloads");
        let made = self
            .root
            .join(WORK)
            .join(Path::new(source).file_stem().context("a source has a name")?);
        let age = |path: &Path| path.metadata().and_then(|found| found.modified()).ok();
        let newest = age(&all.join(source)).max(age(&all.join("hip/check.h")));
        let inside = format!("/{}", made.strip_prefix(&self.root)?.display());
        if age(&made).is_some_and(|age| Some(age) > newest) {
            return Ok(inside);
        }
        self.copy_workloads()?;
        let command = [&["hipcc", "-O3", "-std=c++17", "-w"], options].concat();
        let mut command: Vec<String> = command.into_iter().map(str::to_owned).collect();
        command.extend([format!("/{WORK}/workloads/{source}"), "-o".to_owned(), inside.clone()]);
        eprintln!("compiling {source}");
        let limit = Duration::from_secs(900);
        let said = self.run(&Program { card: None, variables: Vec::new(), command, limit })?;
        if said.end != End::Code(0) {
            bail!("hipcc could not compile {source}: {}", said.text);
        }
        Ok(inside)
    }

    /// Runs a program, with processes and mounts of its own: what it leaves behind ends with it.
    pub(super) fn run(&self, program: &Program) -> Result<Said> {
        let seconds = program.limit.as_secs().max(1).to_string();
        // The shell stays, as the first process of its own: `timeout` refuses to be that.
        let script =
            "exec 2>&1; mount -t proc proc /proc && timeout --kill-after=5 \"$@\"; exit $?";
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--pid", "--fork", "--kill-child", "chroot"])
            .arg(&self.root)
            .args(["/bin/sh", "-c", script, "sh", &seconds])
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", "/root")
            .env("LC_ALL", "C.UTF-8");
        if let Some(card) = program.card {
            command.arg(format!("/{PROGRAMS}/rmcp"));
            command.args(["sim", "--quiet", "--card", card, "--"]);
        }
        command
            .args(&program.command)
            .envs(program.variables.iter().map(|(name, value)| (name, value)));
        let start = Instant::now();
        let output = command.stdin(Stdio::null()).output().context("start unshare")?;
        let end = match (output.status.code(), output.status.signal()) {
            (Some(124 | 137), _) => End::TimeOver,
            // As `timeout` and shells tell of a signal.
            (Some(code), _) if code > 128 => End::Signal(code - 128),
            (Some(code), _) => End::Code(code),
            (None, signal) => End::Signal(signal.unwrap_or(0)),
        };
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        Ok(Said { text, end, time: start.elapsed() })
    }

    /// Where a path of the system is on this machine.
    pub(super) fn path(&self, inside: &str) -> PathBuf {
        self.root.join(inside)
    }

    /// The version of its Python, such as 3.13.
    pub(super) fn python(&self) -> Result<String> {
        let command = ["python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"];
        let command = command.into_iter().map(str::to_owned).collect();
        let limit = Duration::from_secs(60);
        let said = self.run(&Program { card: None, variables: Vec::new(), command, limit })?;
        ensure!(said.end == End::Code(0), "python3 does not start: {}", said.text);
        Ok(said.text.trim().to_owned())
    }

    /// Versions of the packages that the tables name.
    pub(super) fn versions(&self) -> Result<String> {
        let format = "--showformat=${Package} ${Version}\\n";
        let mut command = vec!["dpkg-query", "-W", format];
        command.extend(self.suite.named);
        command.push(self.suite.clang);
        let command = command.into_iter().map(str::to_owned).collect();
        let limit = Duration::from_secs(60);
        let said = self.run(&Program { card: None, variables: Vec::new(), command, limit })?;
        let is_version = |line: &&str| !line.starts_with("dpkg-query:") && line.contains(' ');
        Ok(said.text.lines().filter(is_version).collect::<Vec<_>>().join(", "))
    }
}

/// Whether a root file system is there and has what the suite names by now.
fn has_packages(root: &Path, suite: &Suite) -> bool {
    let status = fs::read_to_string(root.join("var/lib/dpkg/status")).unwrap_or_default();
    let installed: HashSet<&str> =
        status.lines().filter_map(|line| line.strip_prefix("Package: ")).collect();
    suite.packages.iter().all(|name| installed.contains(name))
}

/// Makes a root file system in a folder that is moved to its place when it is whole.
fn make(suite: &Suite, part: &Path, root: &Path) -> Result<()> {
    let server = debian_server()?;
    run("rm", &["-rf", &part.display().to_string()])?;
    let mut arguments: Vec<String> = ["--mode=root", "--variant=minbase"].map(str::to_owned).into();
    // A mirror may keep a suite of some time ago.
    arguments.push("--aptopt=Acquire::Check-Valid-Until \"false\"".to_owned());
    arguments.extend(UNWANTED.map(|path| format!("--dpkgopt=path-exclude={path}")));
    arguments.extend(WANTED.map(|path| format!("--dpkgopt=path-include={path}")));
    arguments.push(format!("--include={}", suite.packages.join(",")));
    if let Some((newer, of)) = suite.newer {
        let preferences = part.with_extension("preferences");
        let text = format!("Package: {of}\nPin: release a={newer}\nPin-Priority: 990\n");
        fs::write(&preferences, text)?;
        let to = "/etc/apt/preferences.d/newer";
        arguments.push(format!("--setup-hook=upload '{}' {to}", preferences.display()));
    }
    arguments.extend([suite.base.to_owned(), part.display().to_string()]);
    let keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
    for archive in [Some(suite.base), suite.newer.map(|(newer, _)| newer)].into_iter().flatten() {
        arguments.push(format!("deb [signed-by={keys}] {server} {archive} main"));
    }
    eprintln!(
        "making a root file system of Debian {}, once, in some minutes, with {}",
        suite.name,
        suite.packages.join(", ")
    );
    let status = Command::new("mmdebstrap").args(&arguments).status()?;
    ensure!(status.success(), "mmdebstrap could not make Debian {} ({status})", suite.name);
    run("rm", &["-rf", &root.display().to_string()])?;
    fs::rename(part, root)?;
    Ok(())
}
