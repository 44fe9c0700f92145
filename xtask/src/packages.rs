//! Public packages that hold GPU code, and the code objects in them.

use anyhow::{Context, Result, bail, ensure};
use rmcp_code::container::{ContainerError, FileAt, Group, ReadAt, Visitor, walk};
use std::path::{Path, PathBuf};
use std::process::Command;

/// How a package is had.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source {
    /// With pip, as this requirement.
    Pip(&'static str),
    /// With apt, as this version where it is not the newest.
    Apt(&'static str),
    /// With apt, from Debian's suite unstable, of which this machine's apt learns nothing.
    AptUnstable(&'static str),
}

/// Returns the package in a folder whose file's name begins so.
pub(crate) fn find(folder: &Path, start: &str) -> Result<Option<PathBuf>> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    found.retain(|path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start))
            && path.extension().is_some_and(|ending| ending == "whl" || ending == "deb")
    });
    Ok(found.pop())
}

/// Downloads with the ordinary client; what that calls its server is its own affair.
pub(crate) fn download(source: &Source, start: &str, folder: &Path) -> Result<PathBuf> {
    let mut command = match source {
        Source::Pip(requirement) => {
            let mut pip = Command::new("pip");
            pip.args(["download", "--quiet", "--no-deps", "--dest", "."]);
            // The figures are of these builds, whatever Python is here.
            pip.args(wheels_for("3.11"));
            pip.arg(requirement);
            pip
        }
        Source::Apt(name) => {
            let mut apt = Command::new("apt-get");
            apt.args(["download", "-qq", name]);
            apt
        }
        Source::AptUnstable(name) => {
            let mut apt = apt_of_unstable(folder)?;
            apt.args(["download", "-qq", name]);
            apt
        }
    };
    let program = command.get_program().to_string_lossy().into_owned();
    let status =
        command.current_dir(folder).status().with_context(|| format!("start {program}"))?;
    ensure!(status.success(), "{program} could not download {start} ({status})");
    find(folder, start)?.with_context(|| format!("{program} downloaded no {start}"))
}

/// Arguments with which pip takes the wheels for this version of CPython on Linux, whatever Python is here.
pub(crate) fn wheels_for(python: &str) -> Vec<String> {
    let mut arguments =
        ["--only-binary=:all:", "--implementation", "cp", "--python-version", python]
            .map(str::to_owned)
            .to_vec();
    for abi in [format!("cp{}", python.replace('.', "")), "abi3".to_owned(), "none".to_owned()] {
        arguments.extend(["--abi".to_owned(), abi]);
    }
    for platform in ["_2_34", "_2_32", "_2_28", "_2_27", "_2_24", "2014"] {
        arguments.extend(["--platform".to_owned(), format!("manylinux{platform}_x86_64")]);
    }
    arguments
}

/// Returns the server that this machine has Debian from.
pub(crate) fn debian_server() -> Result<String> {
    let targets = Command::new("apt-get")
        .args(["indextargets", "--format", "$(REPO_URI)"])
        .args(["Created-By: Packages", "Origin: Debian", "Label: Debian"])
        .output()
        .context("start apt-get")?;
    let servers = String::from_utf8_lossy(&targets.stdout);
    let server = servers.lines().next().context("apt knows no server of Debian's main archive")?;
    Ok(server.to_owned())
}

/// An apt with lists and sources of its own below `folder`, for the suite unstable on the server that this machine has
/// Debian from.
fn apt_of_unstable(folder: &Path) -> Result<Command> {
    let server = debian_server()?;
    for empty in ["lists/partial", "cache/archives/partial"] {
        std::fs::create_dir_all(folder.join(empty))?;
    }
    let keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
    let sources = folder.join("unstable.list");
    std::fs::write(&sources, format!("deb [signed-by={keys}] {server} unstable main\n"))?;
    let apt = || {
        let mut apt = Command::new("apt-get");
        for (option, value) in [
            ("Dir::Etc::sourcelist", sources.as_path()),
            ("Dir::Etc::sourceparts", Path::new("/dev/null")),
            ("Dir::State::lists", &folder.join("lists")),
            ("Dir::Cache", &folder.join("cache")),
        ] {
            apt.arg("-o").arg(format!("{option}={}", value.display()));
        }
        apt
    };
    let status = apt().args(["update", "-qq"]).status()?;
    ensure!(status.success(), "apt-get could not read the suite unstable ({status})");
    Ok(apt())
}

/// Writes down the code objects in a file, whatever it is, that are for a target which is wanted; at least one. Their
/// names count on from 0000.co.
pub(crate) fn write_objects(
    file: &Path,
    folder: &Path,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<usize> {
    std::fs::create_dir_all(folder)?;
    let mut writer = Writer { folder, wanted, written: 0, failed: None };
    walk("", &FileAt::new(std::fs::File::open(file)?)?, &mut writer);
    if let Some(error) = writer.failed {
        bail!("{}: {error}", file.display());
    }
    ensure!(writer.written > 0, "{} holds no such code", file.display());
    Ok(writer.written)
}

struct Writer<'a> {
    folder: &'a Path,
    wanted: &'a dyn Fn(&str) -> bool,
    written: usize,
    failed: Option<String>,
}

impl Visitor for Writer<'_> {
    fn group(&mut self, group: &Group<'_>) -> Vec<usize> {
        let wanted = |at: &usize| {
            let target = group.members[*at].target;
            target.is_some_and(|target| (self.wanted)(&target.to_string()))
        };
        (0..group.members.len()).filter(wanted).collect()
    }

    fn object(&mut self, _group: &Group<'_>, _member: usize, object: &dyn ReadAt) {
        let path = self.folder.join(format!("{:04}.co", self.written));
        self.written += 1;
        let written =
            object.bytes_at(0, object.length()).and_then(|bytes| std::fs::write(path, bytes));
        if let Err(error) = written {
            self.failed = Some(error.to_string());
        }
    }

    fn problem(&mut self, _place: &str, error: ContainerError) {
        self.failed = Some(error.to_string());
    }
}
