//! A folder of small files that the program keeps for itself: answers that cost time to find.
//!
//! Every entry begins with the hash of the rest: a damaged one is as good as none.

#![expect(clippy::disallowed_methods, reason = "the folder is the program's own")]

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Longest entry that is read: the kernels of the largest library seen take some 20 MB.
const MAX_ENTRY_BYTES: u64 = 1 << 30;

/// A folder of entries, which need not be there yet.
#[derive(Debug, Clone)]
pub(crate) struct Entries {
    folder: PathBuf,
}

impl Entries {
    /// Returns a user's entries of this kind: in `$XDG_CACHE_HOME`, else in `~/.cache`; none where there is neither.
    ///
    /// Source: XDG Base Directory Specification, which has relative paths ignored.
    pub(crate) fn of_user(environment: &BTreeMap<String, String>, kind: &str) -> Option<Self> {
        let absolute = |name: &str| {
            environment.get(name).map(PathBuf::from).filter(|folder| folder.is_absolute())
        };
        let base = absolute("XDG_CACHE_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
        Some(Self::in_folder(base.join("rmcp").join(kind)))
    }

    pub(crate) fn in_folder(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn load<T: for<'de> Deserialize<'de>>(&self, name: &str) -> Option<T> {
        let path = self.folder.join(name);
        if fs::metadata(&path).ok()?.len() > MAX_ENTRY_BYTES {
            return None;
        }
        let text = fs::read(path).ok()?;
        let (sum, body) = text.split_at_checked(64)?;
        (sum == blake3::hash(body).to_hex().as_bytes()).then_some(())?;
        serde_json::from_slice(body).ok()
    }

    /// Writes an entry whole or not at all. Without it the answer is the same, so errors are no matter.
    pub(crate) fn store(&self, name: &str, value: &impl Serialize) {
        let written = || -> io::Result<()> {
            let body = serde_json::to_vec(value)?;
            fs::create_dir_all(&self.folder)?;
            let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
            file.write_all(blake3::hash(&body).to_hex().as_bytes())?;
            file.write_all(&body)?;
            file.persist(self.folder.join(name))?;
            Ok(())
        };
        let _ = written();
    }
}

/// What names this very program: its version, and size and time of its file, which change when it is built anew.
pub(crate) fn program() -> String {
    let file = std::env::current_exe().and_then(fs::metadata);
    let built = file.map(|file| format!(" {} {} {}", file.len(), file.mtime(), file.mtime_nsec()));
    format!("{}{}", env!("CARGO_PKG_VERSION"), built.unwrap_or_default())
}
