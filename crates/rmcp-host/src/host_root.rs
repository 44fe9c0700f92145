//! The one door through which a machine is read: the live `/` or a folder that stands for it.
//!
//! Paths are absolute inside the machine. Symbolic links are resolved by the kernel as if the folder were
//! `/` (`openat2` with `RESOLVE_IN_ROOT`), so a hostile tree cannot lead outside itself. Every read is
//! bounded, nothing blocks, and everything read can be kept for a recording.

use crate::open_confined;
use rmcp_code::container::ReadAt;
use rmcp_model::{Fact, Origin};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Most bytes read of a file by default. The longest file read whole is dpkg's status, 10 MB on a full
/// desktop; everything else is far below.
pub(crate) const MAX_FILE_BYTES: u64 = 32 << 20;

/// Most entries read of a folder. `/etc/profile.d` and sysfs hold tens; a machine with 4,096 PCI functions
/// does not exist among those this tool is for.
const MAX_ENTRIES: usize = 4096;

/// Why a folder cannot stand for a machine.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// It cannot be opened.
    #[error("cannot open the machine folder {path}: {source}")]
    Open {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The kernel cannot confine reads to a folder.
    #[error(
        "cannot read the machine folder {path} safely: openat2 is not available here (Linux 5.6 or newer, and not filtered by the container)"
    )]
    NoOpenat2 {
        /// The folder.
        path: PathBuf,
    },
}

/// Owner, mode and type of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStat {
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// What kind of entry a folder has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A folder.
    Folder,
    /// Anything else; symbolic links are not followed.
    Other,
}

/// What was seen at a path, kept for a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A file read whole.
    File(Vec<u8>),
    /// A file of which parts were read: its length, and bytes by offset.
    Parts(u64, BTreeMap<u64, Vec<u8>>),
    /// A folder, or a name in one.
    Folder,
    /// A name in a folder that was not read.
    Name,
    /// A symbolic link.
    Link(String),
    /// Owner and mode.
    Stat(FileStat),
    /// Nothing, and why.
    Unreadable(String),
}

/// Everything seen, by path.
pub type Transcript = BTreeMap<String, Seen>;

/// A machine that can be read.
#[derive(Debug)]
pub struct HostRoot {
    dir: OwnedFd,
    live: bool,
    confined: bool,
    stats: BTreeMap<String, FileStat>,
    /// Paths that could not be read where this folder was recorded, and why.
    unreadable: BTreeMap<String, String>,
    transcript: Option<RefCell<Transcript>>,
}

impl HostRoot {
    /// Opens the running machine.
    ///
    /// # Errors
    /// [`RootError::Open`] when `/` cannot be opened.
    pub fn live() -> Result<Self, RootError> {
        let mut root = Self::open_dir(Path::new("/"))?;
        root.live = true;
        // Some container filters answer openat2 with EPERM; on the live machine plain openat is as good.
        root.confined = !matches!(root.open_file("/"), Err(Errno::NOSYS | Errno::PERM));
        Ok(root)
    }

    /// Opens a folder that stands for a machine.
    ///
    /// # Errors
    /// [`RootError`] when it cannot be opened, or not safely.
    pub fn at(path: &Path) -> Result<Self, RootError> {
        let root = Self::open_dir(path)?;
        match root.open_file("/") {
            Err(Errno::NOSYS | Errno::PERM) => Err(RootError::NoOpenat2 { path: path.to_owned() }),
            _ => Ok(root),
        }
    }

    fn open_dir(path: &Path) -> Result<Self, RootError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|source| RootError::Open { path: path.to_owned(), source: source.into() })?;
        Ok(Self {
            dir,
            live: false,
            confined: true,
            stats: BTreeMap::new(),
            unreadable: BTreeMap::new(),
            transcript: None,
        })
    }

    /// Keeps everything that is read from now on.
    pub fn keep_transcript(&mut self) {
        self.transcript = Some(RefCell::default());
    }

    /// Returns what was read since [`Self::keep_transcript`].
    pub fn take_transcript(&mut self) -> Transcript {
        self.transcript.take().map(RefCell::into_inner).unwrap_or_default()
    }

    /// Gives owners and modes that the folder itself cannot hold.
    pub fn set_stats(&mut self, stats: BTreeMap<String, FileStat>) {
        self.stats = stats;
    }

    /// Gives the paths that could not be read where the folder was recorded, and why.
    pub fn set_unreadable(&mut self, unreadable: BTreeMap<String, String>) {
        self.unreadable = unreadable;
    }

    /// Returns whether this is the running machine.
    pub fn is_live(&self) -> bool {
        self.live
    }

    fn open_file(&self, path: &str) -> Result<OwnedFd, Errno> {
        self.open_with(path, OFlags::RDONLY)
    }

    fn open_with(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let mut flags = flags | OFlags::CLOEXEC;
        if !flags.contains(OFlags::PATH) {
            // A FIFO in a hostile tree must not hold us, nor may a terminal become ours. With O_PATH nothing
            // is opened, and openat2 refuses these flags.
            flags |= OFlags::NONBLOCK | OFlags::NOCTTY;
        }
        match self.confined {
            true => open_confined(&self.dir, path, flags),
            false => rustix::fs::open(path, flags, Mode::empty()),
        }
    }

    fn see(&self, path: &str, seen: impl FnOnce() -> Seen) {
        if let Some(transcript) = &self.transcript {
            let mut transcript = transcript.borrow_mut();
            let seen = seen();
            // A file's content says more than its name or its owner.
            match transcript.get(path) {
                Some(Seen::File(_) | Seen::Parts(..) | Seen::Link(_) | Seen::Unreadable(_)) => {}
                Some(Seen::Folder | Seen::Stat(_)) if seen == Seen::Name => {}
                _ => {
                    transcript.insert(path.to_owned(), seen);
                }
            }
        }
    }

    /// Returns what a recording says of a path that could not be read when it was made.
    fn refused<T>(&self, path: &str) -> Option<Fact<T>> {
        self.unreadable.get(path).map(|why| self.unreadable(path, why.clone()))
    }

    fn unreadable<T>(&self, path: &str, why: String) -> Fact<T> {
        let fact = Fact::unreadable(format!("{path}: {why}"));
        self.see(path, || Seen::Unreadable(why));
        fact
    }

    fn missing<T>(&self, path: &str, error: Errno) -> Fact<T> {
        match error {
            Errno::NOENT | Errno::NOTDIR => Fact::Absent,
            error => self.unreadable(path, std::io::Error::from(error).to_string()),
        }
    }

    /// Reads a whole file of at most [`MAX_FILE_BYTES`].
    pub fn read(&self, path: &str) -> Fact<Vec<u8>> {
        self.read_up_to(path, MAX_FILE_BYTES)
    }

    /// Reads a whole file of at most `limit` bytes; a longer one is unreadable, never cut.
    pub fn read_up_to(&self, path: &str, limit: u64) -> Fact<Vec<u8>> {
        if let Some(refused) = self.refused(path) {
            return refused;
        }
        let file = match self.open_file(path) {
            Ok(fd) => File::from(fd),
            Err(error) => return self.missing(path, error),
        };
        let mut bytes = Vec::new();
        match file.take(limit + 1).read_to_end(&mut bytes) {
            // The kernel's log gives one message a read and "would block" at its end.
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return self.unreadable(path, error.to_string()),
            Ok(read) if read as u64 > limit => {
                let why = format!("larger than the {limit} bytes expected at most");
                return self.unreadable(path, why);
            }
            Ok(_) => {}
        }
        self.see(path, || Seen::File(bytes.clone()));
        Fact::known(bytes, Origin::file(path))
    }

    /// Reads a whole text file.
    pub fn read_text(&self, path: &str) -> Fact<String> {
        self.read(path).parse(|bytes| {
            String::from_utf8(bytes.clone())
                .map_err(|error| format!("not UTF-8 at byte {}", error.utf8_error().valid_up_to()))
        })
    }

    /// Reads a text file that holds one value, without the blanks around it.
    pub fn read_value(&self, path: &str) -> Fact<String> {
        self.read_text(path).map(|text| text.trim().to_owned())
    }

    /// Lists a folder, sorted, keeping the names that `wanted` accepts.
    pub fn list(
        &self,
        path: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> Fact<Vec<(String, EntryKind)>> {
        if let Some(refused) = self.refused(path) {
            return refused;
        }
        let dir = match self.open_with(path, OFlags::RDONLY | OFlags::DIRECTORY) {
            Ok(fd) => fd,
            Err(error) => return self.missing(path, error),
        };
        let mut names = Vec::new();
        let entries = match rustix::fs::Dir::new(dir) {
            Ok(entries) => entries,
            Err(error) => return self.missing(path, error),
        };
        for (count, entry) in entries.enumerate() {
            if count > MAX_ENTRIES {
                let why = format!("more than the {MAX_ENTRIES} entries expected at most");
                return self.unreadable(path, why);
            }
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => return self.missing(path, error),
            };
            // Names that are not UTF-8 are no names that we look for.
            let Ok(name) = entry.file_name().to_str() else { continue };
            if !matches!(name, "." | "..") && wanted(name) {
                let kind = if entry.file_type() == FileType::Directory {
                    EntryKind::Folder
                } else {
                    EntryKind::Other
                };
                names.push((name.to_owned(), kind));
            }
        }
        names.sort_by(|a, b| a.0.cmp(&b.0));
        self.see(path, || Seen::Folder);
        for (name, kind) in &names {
            let seen = if *kind == EntryKind::Folder { Seen::Folder } else { Seen::Name };
            self.see(&join(path, name), || seen);
        }
        Fact::known(names, Origin::file(path))
    }

    /// Returns the names of [`Self::list`], none where the folder is absent or unreadable.
    pub fn names(&self, path: &str, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        match self.list(path, wanted) {
            Fact::Known { value, .. } => value.into_iter().map(|(name, _)| name).collect(),
            Fact::Absent | Fact::Unreadable { .. } => Vec::new(),
        }
    }

    /// Returns whether something is at that path.
    pub fn exists(&self, path: &str) -> bool {
        let there = match self.open_with(path, OFlags::PATH) {
            Ok(fd) => fd,
            Err(_) => return false,
        };
        let folder = rustix::fs::fstat(&there)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory);
        self.see(path, || if folder { Seen::Folder } else { Seen::Name });
        true
    }

    /// Returns owner and mode.
    pub fn stat(&self, path: &str) -> Fact<FileStat> {
        let stat = match self.open_with(path, OFlags::PATH).and_then(rustix::fs::fstat) {
            Ok(stat) => {
                FileStat { mode: stat.st_mode & 0o7777, uid: stat.st_uid, gid: stat.st_gid }
            }
            Err(error) => return self.missing(path, error),
        };
        let stat = self.stats.get(path).copied().unwrap_or(stat);
        self.see(path, || Seen::Stat(stat));
        Fact::known(stat, Origin::file(path))
    }

    /// Returns whether the running process may read and write a file; unknown in a machine folder.
    pub fn may_read_write(&self, path: &str) -> Option<bool> {
        if !self.live {
            return None;
        }
        let access = rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK;
        Some(
            rustix::fs::accessat(&self.dir, path.trim_start_matches('/'), access, AtFlags::EACCESS)
                .is_ok(),
        )
    }

    /// Returns the target of a symbolic link.
    pub fn read_link(&self, path: &str) -> Option<String> {
        let link = self.open_with(path, OFlags::PATH | OFlags::NOFOLLOW).ok()?;
        let target = rustix::fs::readlinkat(&link, "", Vec::new()).ok()?.into_string().ok()?;
        self.see(path, || Seen::Link(target.clone()));
        Some(target)
    }

    /// Returns a path with the links at its end followed; parents are left as they are.
    pub fn follow(&self, path: &str) -> String {
        let mut path = path.to_owned();
        // Linux gives up after 40 links; a virtual environment has two or three.
        for _ in 0..16 {
            match self.read_link(&path) {
                Some(target) if target.starts_with('/') => path = target,
                Some(target) => {
                    path = join(path.rsplit_once('/').map_or("", |(parent, _)| parent), &target)
                }
                None => break,
            }
        }
        normalize(&path)
    }

    /// Opens a device file, which gives its content piece by piece.
    pub(crate) fn open_device(&self, path: &str) -> Fact<File> {
        if let Some(refused) = self.refused(path) {
            return refused;
        }
        match self.open_file(path) {
            Ok(fd) => Fact::known(File::from(fd), Origin::file(path)),
            Err(error) => self.missing(path, error),
        }
    }

    /// Keeps `bytes` instead of what was read at `path`: a recording holds no more than the facts need.
    pub(crate) fn note_file(&self, path: &str, bytes: &[u8]) {
        if let Some(transcript) = &self.transcript {
            transcript.borrow_mut().insert(path.to_owned(), Seen::File(bytes.to_vec()));
        }
    }

    /// Returns whether what is read is kept.
    pub(crate) fn is_recording(&self) -> bool {
        self.transcript.is_some()
    }

    /// Opens a file of any size for reading parts of it.
    pub fn open(&self, path: &str) -> Fact<HostFile<'_>> {
        if let Some(refused) = self.refused(path) {
            return refused;
        }
        let open = || {
            let fd = self.open_file(path)?;
            let stat = rustix::fs::fstat(&fd)?;
            if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                return Err(Errno::INVAL);
            }
            Ok((File::from(fd), u64::try_from(stat.st_size).unwrap_or(0)))
        };
        match open() {
            Ok((file, length)) => {
                self.see(path, || Seen::Parts(length, BTreeMap::new()));
                Fact::known(
                    HostFile { root: self, path: path.to_owned(), file, length },
                    Origin::file(path),
                )
            }
            Err(error) => self.missing(path, error),
        }
    }
}

/// A file of a machine, read in parts.
#[derive(Debug)]
pub struct HostFile<'a> {
    root: &'a HostRoot,
    path: String,
    file: File,
    length: u64,
}

impl ReadAt for HostFile<'_> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = FileExt::read_at(&self.file, buffer, offset)?;
        if let Some(transcript) = &self.root.transcript
            && let Some(Seen::Parts(_, parts)) = transcript.borrow_mut().get_mut(&self.path)
        {
            // Of two reads at one place the longer one has all that was seen.
            let part = parts.entry(offset).or_default();
            if part.len() < count {
                *part = buffer[..count].to_vec();
            }
        }
        Ok(count)
    }

    fn length(&self) -> u64 {
        self.length
    }
}

/// Returns `folder/name`.
pub(crate) fn join(folder: &str, name: &str) -> String {
    format!("{}/{name}", folder.trim_end_matches('/'))
}

/// Returns a path without `.` and `..`.
fn normalize(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("etc")).unwrap();
        std::fs::write(dir.path().join("etc/inside"), "inside").unwrap();
        dir
    }

    #[test]
    fn links_stay_inside_the_folder() {
        let dir = tree();
        symlink("/etc/inside", dir.path().join("absolute")).unwrap();
        symlink("../../../../../../etc/inside", dir.path().join("climbing")).unwrap();
        symlink("/etc/passwd", dir.path().join("outside")).unwrap();
        symlink("loop", dir.path().join("loop")).unwrap();
        let root = HostRoot::at(dir.path()).unwrap();
        assert_eq!(root.read_text("/absolute").value().unwrap(), "inside");
        assert_eq!(root.read_text("/climbing").value().unwrap(), "inside");
        assert!(root.read_text("/outside").is_absent());
        let why = root.read_text("/loop");
        assert!(why.why_unreadable().unwrap().starts_with("/loop: "), "{why:?}");
    }

    #[test]
    fn nothing_blocks_and_nothing_is_cut() {
        let dir = tree();
        let fifo = dir.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0)
            .unwrap();
        let root = HostRoot::at(dir.path()).unwrap();
        assert!(root.read("/fifo").value().is_some_and(Vec::is_empty));
        assert!(root.read("/etc").why_unreadable().is_some());
        assert_eq!(
            root.read_up_to("/etc/inside", 3),
            Fact::unreadable("/etc/inside: larger than the 3 bytes expected at most")
        );
        assert!(root.read_up_to("/etc/inside", 6).value().is_some());
    }

    #[test]
    fn bytes_that_are_no_text_are_named() {
        let dir = tree();
        std::fs::write(dir.path().join("etc/binary"), b"ab\xff").unwrap();
        let root = HostRoot::at(dir.path()).unwrap();
        assert_eq!(
            root.read_text("/etc/binary"),
            Fact::unreadable("/etc/binary: not UTF-8 at byte 2")
        );
    }
}
