//! The few things that are done to a machine. Each is one system call or a little more, so that a test can
//! make any of them fail.

use std::io;

/// Owner, mode and extended attributes (among them the SELinux label) of a file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileMeta {
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Extended attributes by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<(String, Vec<u8>)>,
}

/// A file as it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileState {
    /// Content.
    pub bytes: Vec<u8>,
    /// The rest.
    pub meta: FileMeta,
}

/// Longest configuration file that is changed. They are some kilobytes.
pub(crate) const MAX_FILE_BYTES: u64 = 4 << 20;

/// A machine that can be changed. Paths are absolute in it.
///
/// # Errors
/// Every function gives the system's error. A path that leads over a symbolic link, or into a folder in
/// which strangers may write, is refused with [`io::ErrorKind::PermissionDenied`].
pub trait Disk {
    /// Reads a file that is to be changed, or returns that it is not there. Longer files than `limit` bytes are
    /// refused.
    fn read_up_to(&self, path: &str, limit: u64) -> io::Result<Option<FileState>>;

    /// Reads a configuration file, or returns that it is not there.
    fn read(&self, path: &str) -> io::Result<Option<FileState>> {
        self.read_up_to(path, MAX_FILE_BYTES)
    }

    /// Looks at what a path leads to, whoever owns it and over links inside the machine: its bytes, none for a
    /// folder, or that nothing is there. It is never followed by writing.
    fn look(&self, path: &str) -> io::Result<Option<Vec<u8>>>;

    /// Returns the path to which a symbolic link leads, as far as its own text says; none for all else.
    fn link_target(&self, path: &str) -> io::Result<Option<String>>;

    /// Returns whether anything is at that path.
    fn exists(&self, path: &str) -> io::Result<bool>;

    /// Returns the names in a folder, sorted.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;

    /// Makes a file that is not there, with this content and owner. Durable only after [`Self::sync`].
    fn create(
        &self,
        path: &str,
        bytes: &[u8],
        meta: Option<&FileMeta>,
        mode: u32,
    ) -> io::Result<()>;

    /// Waits until a file's content is on the disk.
    fn sync(&self, path: &str) -> io::Result<()>;

    /// Waits until the names in a folder are on the disk.
    fn sync_folder(&self, folder: &str) -> io::Result<()>;

    /// Renames, replacing what is there.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &str) -> io::Result<()>;

    /// Makes a folder.
    fn make_folder(&self, path: &str, mode: u32) -> io::Result<()>;

    /// Removes an empty folder.
    fn remove_folder(&self, path: &str) -> io::Result<()>;

    /// Starts a program and waits for it; one that ends with anything but 0 is an error.
    fn run(&self, argv: &[String]) -> io::Result<()>;

    /// Returns whether programs are started at all: in a folder that stands for a machine they are only noted.
    fn starts_programs(&self) -> bool;
}

/// Returns a path without `.` and `..`, which are taken by their text alone.
pub(crate) fn plain_path(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Returns the folder of a path.
pub(crate) fn folder_of(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((folder, _)) => folder,
    }
}

/// Returns the name under which a file is written before it takes the place of the real one. It is fixed, so
/// that what a killed process left can be found and removed.
pub(crate) fn temporary(path: &str) -> String {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    format!("{folder}/.{name}.rmcp-new")
}

/// Writes a file so that it is at every moment either as before or as after.
pub(crate) fn write_atomically(
    disk: &dyn Disk,
    path: &str,
    bytes: &[u8],
    meta: Option<&FileMeta>,
    mode: u32,
) -> io::Result<()> {
    let new = temporary(path);
    if disk.exists(&new)? {
        disk.remove(&new)?;
    }
    let written = disk
        .create(&new, bytes, meta, mode)
        .and_then(|()| disk.sync(&new))
        .and_then(|()| disk.rename(&new, path));
    if let Err(error) = written {
        // It may be there or not; what matters is the first error.
        let _ = disk.remove(&new);
        return Err(error);
    }
    disk.sync_folder(folder_of(path))
}
