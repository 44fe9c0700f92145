//! A machine's own files: the running one, or a folder that stands for one.
//!
//! Every path is walked folder by folder from the root, and no symbolic link is followed: whoever could put
//! one there could make root write elsewhere. Folders and files must belong to root or to the user who runs
//! this, and no stranger may write in them.

use crate::disk::{Disk, FileMeta, FileState, folder_of, plain_path};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, XattrFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// Longest file that is looked at.
const MAX_LOOK_BYTES: u64 = 4 << 20;

/// Starts the programs of a change.
pub trait CommandRunner: std::fmt::Debug {
    /// Starts a program and waits for it.
    ///
    /// # Errors
    /// When it cannot be started, or ends with anything but 0.
    fn run(&self, argv: &[String]) -> io::Result<()>;

    /// Returns whether programs are started at all.
    fn starts_programs(&self) -> bool {
        true
    }
}

impl CommandRunner for Box<dyn CommandRunner> {
    fn run(&self, argv: &[String]) -> io::Result<()> {
        (**self).run(argv)
    }
    fn starts_programs(&self) -> bool {
        (**self).starts_programs()
    }
}

/// Starts nothing: for a folder that stands for a machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCommands;

impl CommandRunner for NoCommands {
    fn run(&self, _: &[String]) -> io::Result<()> {
        Ok(())
    }
    fn starts_programs(&self) -> bool {
        false
    }
}

/// Starts programs of the system, by the system's own path and with an environment that nobody handed in.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemCommands;

/// Where programs are looked for.
const SEARCH_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

impl CommandRunner for SystemCommands {
    #[expect(
        clippy::disallowed_methods,
        reason = "a boot loader's own command is part of a change"
    )]
    fn run(&self, argv: &[String]) -> io::Result<()> {
        let [program, arguments @ ..] = argv else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no program is named"));
        };
        let output = std::process::Command::new(program)
            .args(arguments)
            .env_clear()
            .env("PATH", SEARCH_PATH)
            .env("LC_ALL", "C")
            .stdin(std::process::Stdio::null())
            .output()?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        Err(io::Error::other(format!("{} {last}", output.status)))
    }
}

/// The files of a machine.
#[derive(Debug)]
pub struct RealDisk<R> {
    root: OwnedFd,
    runner: R,
}

/// The lock of a journal.
#[derive(Debug)]
#[expect(dead_code, reason = "it is held, not read")]
pub struct Lock(OwnedFd);

impl<R: CommandRunner> RealDisk<R> {
    /// Opens the machine whose `/` is at `root`.
    ///
    /// # Errors
    /// When the folder cannot be opened.
    pub fn open(root: &Path, runner: R) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { root: rustix::fs::open(root, flags, Mode::empty())?, runner })
    }

    /// Takes the lock of a journal, which one process at a time can have. It is given back when the value is
    /// dropped, or the process dies.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] where another process has it, and the system's errors.
    pub fn lock(&self, journal: &crate::Journal) -> io::Result<Lock> {
        journal.make_folder(self).map_err(io::Error::other)?;
        let folder = self.folder(journal.folder())?;
        rustix::fs::flock(&folder, rustix::fs::FlockOperation::NonBlockingLockExclusive)?;
        Ok(Lock(folder))
    }

    /// Opens a folder of the machine.
    fn folder(&self, path: &str) -> io::Result<OwnedFd> {
        let mut folder = self.root.try_clone()?;
        let mut walked = String::new();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            if part == ".." || part == "." {
                return Err(refused(path, "has `.` or `..` in it"));
            }
            walked = format!("{walked}/{part}");
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            folder = match rustix::fs::openat(&folder, part, flags, Mode::empty()) {
                Ok(next) => next,
                // With O_DIRECTORY a link is "no directory".
                Err(Errno::LOOP | Errno::NOTDIR) if is_link(&folder, part) => {
                    return Err(refused(&walked, "is a symbolic link"));
                }
                Err(error) => return Err(error.into()),
            };
            check_owner(&walked, &rustix::fs::fstat(&folder)?)?;
        }
        Ok(folder)
    }

    /// Opens the folder of a file, and returns the file's name in it.
    fn parent<'p>(&self, path: &'p str) -> io::Result<(OwnedFd, &'p str)> {
        let (folder, name) = path
            .rsplit_once('/')
            .filter(|(_, name)| !matches!(*name, "" | "." | ".."))
            .ok_or_else(|| refused(path, "is no absolute path of a file"))?;
        Ok((self.folder(folder)?, name))
    }

    fn open_file(&self, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
        let (folder, name) = self.parent(path)?;
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match rustix::fs::openat(&folder, name, flags, Mode::empty()) {
            Ok(file) => Ok(file),
            Err(Errno::LOOP) => Err(refused(path, "is a symbolic link")),
            Err(error) => Err(error.into()),
        }
    }
}

fn refused(path: &str, why: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!("{path} {why}; rmcp does not write there"),
    )
}

fn is_link(folder: &OwnedFd, name: &str) -> bool {
    rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
}

/// Refuses what others could have put there, or could change behind our back.
fn check_owner(path: &str, stat: &Stat) -> io::Result<()> {
    let us = rustix::process::geteuid().as_raw();
    match distrust(stat.st_uid, stat.st_mode, us) {
        Some(why) => Err(refused(path, why)),
        None => Ok(()),
    }
}

/// Returns why a file or folder with this owner and mode is not to be trusted by a user.
fn distrust(owner: u32, mode: u32, us: u32) -> Option<&'static str> {
    let everybody_may_write = mode & 0o002 != 0;
    let sticky = mode & 0o1000 != 0;
    if owner != 0 && owner != us {
        Some("belongs to another user")
    } else if everybody_may_write && !sticky {
        Some("may be written by everybody")
    } else {
        None
    }
}

fn attributes(file: &OwnedFd) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut names = vec![0; 64 << 10];
    let length = match rustix::fs::flistxattr(file, &mut names[..]) {
        Ok(length) => length,
        Err(Errno::NOTSUP | Errno::NOSYS) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut found = Vec::new();
    for name in names[..length].split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
        let Ok(name) = std::str::from_utf8(name) else { continue };
        let mut value = vec![0; 64 << 10];
        let length = rustix::fs::fgetxattr(file, name, &mut value[..])?;
        value.truncate(length);
        found.push((name.to_owned(), value));
    }
    Ok(found)
}

impl<R: CommandRunner> Disk for RealDisk<R> {
    fn read_up_to(&self, path: &str, limit: u64) -> io::Result<Option<FileState>> {
        let file = match self.open_file(path, OFlags::RDONLY) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let stat = rustix::fs::fstat(&file)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(refused(path, "is no ordinary file"));
        }
        // Whoever made the other name may be somebody else, and a rename would part the two.
        if stat.st_nlink > 1 {
            return Err(refused(path, "has several names (hard links)"));
        }
        check_owner(path, &stat)?;
        let meta = FileMeta {
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            attributes: attributes(&file)?,
        };
        let mut bytes = Vec::new();
        File::from(file).take(limit + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(refused(path, &format!("is longer than {} MiB", limit >> 20)));
        }
        Ok(Some(FileState { bytes, meta }))
    }

    fn look(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rmcp_host::open_confined(&self.root, path, flags) {
            Ok(file) => file,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut bytes = Vec::new();
        let stat = rustix::fs::fstat(&file)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
            File::from(file).take(MAX_LOOK_BYTES).read_to_end(&mut bytes)?;
        }
        Ok(Some(bytes))
    }

    fn link_target(&self, path: &str) -> io::Result<Option<String>> {
        let (folder, name) = self.parent(path)?;
        match rustix::fs::readlinkat(&folder, name, Vec::new()) {
            Ok(target) => {
                let target = target.to_string_lossy();
                let whole = match target.strip_prefix('/') {
                    Some(_) => target.into_owned(),
                    None => format!("{}/{target}", folder_of(path)),
                };
                Ok(Some(plain_path(&whole)))
            }
            Err(Errno::INVAL | Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn exists(&self, path: &str) -> io::Result<bool> {
        let there = self.parent(path).and_then(|(folder, name)| {
            Ok(rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?)
        });
        match there {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::new(self.folder(folder)?)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if !matches!(&*name, "." | "..") {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn create(
        &self,
        path: &str,
        bytes: &[u8],
        meta: Option<&FileMeta>,
        mode: u32,
    ) -> io::Result<()> {
        let (folder, name) = self.parent(path)?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // Nobody may read it before it has its owner.
        let mut file =
            File::from(rustix::fs::openat(&folder, name, flags, Mode::from_raw_mode(0o600))?);
        file.write_all(bytes)?;
        if let Some(meta) = meta {
            let stat = rustix::fs::fstat(&file)?;
            if (stat.st_uid, stat.st_gid) != (meta.uid, meta.gid) {
                let owner = rustix::fs::Uid::from_raw(meta.uid);
                let group = rustix::fs::Gid::from_raw(meta.gid);
                rustix::fs::fchown(&file, Some(owner), Some(group))?;
            }
            for (name, value) in &meta.attributes {
                rustix::fs::fsetxattr(&file, name.as_str(), value, XattrFlags::empty())?;
            }
        }
        let mode = meta.map_or(mode, |meta| meta.mode);
        Ok(rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?)
    }

    fn sync(&self, path: &str) -> io::Result<()> {
        Ok(rustix::fs::fsync(self.open_file(path, OFlags::RDONLY)?)?)
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        Ok(rustix::fs::fsync(self.folder(folder)?.as_fd())?)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from_folder, from_name) = self.parent(from)?;
        let (to_folder, to_name) = self.parent(to)?;
        Ok(rustix::fs::renameat(&from_folder, from_name, &to_folder, to_name)?)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let (folder, name) = self.parent(path)?;
        Ok(rustix::fs::unlinkat(&folder, name, AtFlags::empty())?)
    }

    fn make_folder(&self, path: &str, mode: u32) -> io::Result<()> {
        let (folder, name) = self.parent(path)?;
        let mode = Mode::from_raw_mode(mode);
        rustix::fs::mkdirat(&folder, name, mode)?;
        // The process's umask has taken bits away.
        Ok(rustix::fs::fchmod(self.folder(path)?, mode)?)
    }

    fn remove_folder(&self, path: &str) -> io::Result<()> {
        let (folder, name) = self.parent(path)?;
        Ok(rustix::fs::unlinkat(&folder, name, AtFlags::REMOVEDIR)?)
    }

    fn run(&self, argv: &[String]) -> io::Result<()> {
        self.runner.run(argv)
    }

    fn starts_programs(&self) -> bool {
        self.runner.starts_programs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_own_or_may_write_is_not_trusted() {
        for (owner, mode, us, trusted) in [
            (0, 0o755, 0, true),
            (0, 0o755, 1000, true),
            (1000, 0o700, 1000, true),
            // Root must not follow into what a user could have prepared.
            (1000, 0o755, 0, false),
            (1001, 0o755, 1000, false),
            (0, 0o777, 0, false),
            (0, 0o1777, 0, true),
            (0, 0o666, 0, false),
            (1000, 0o664, 1000, true),
        ] {
            let case = format!("owner {owner}, mode {mode:o}, user {us}");
            assert_eq!(distrust(owner, mode, us).is_none(), trusted, "{case}");
        }
    }
}
