//! What was found in a file before, kept under the hash of its content.
//!
//! Two kinds of entries: `path-…` says which content a path had when it had a certain size, time and inode, so
//! that a file that has not been touched is not read; `facts-…` says what was found in a content. The name of
//! the latter holds the program and the card, so that no other program's answer is taken.

use crate::entries::{Entries, program};
use blake3::{Hash, Hasher};
use rmcp_code::container::ReadAt;
use rmcp_code::scan::{Depth, FileScan};
use rmcp_model::{KernelScan, LibraryScan, ScanCard};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Bytes hashed at once.
const BLOCK_BYTES: usize = 1 << 20;

/// A folder of entries.
#[derive(Debug, Clone)]
pub struct ScanCache {
    entries: Entries,
    program: String,
}

/// What a path had.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct PathEntry {
    path: PathBuf,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    inode: (u64, u64),
    content: String,
}

/// What was found.
#[derive(Debug, Serialize, Deserialize)]
struct FactsEntry {
    libraries: Vec<LibraryScan>,
    kernels: BTreeMap<String, Vec<KernelScan>>,
}

impl ScanCache {
    /// Returns the cache of a user; none where the environment names no folder for it.
    pub fn of_user(environment: &BTreeMap<String, String>) -> Option<Self> {
        Entries::of_user(environment, "scan").map(Self::of)
    }

    /// Returns the cache in this folder, which need not be there yet.
    pub fn in_folder(folder: PathBuf) -> Self {
        Self::of(Entries::in_folder(folder))
    }

    fn of(entries: Entries) -> Self {
        Self { entries, program: program() }
    }

    /// Returns what was found in a file before, and the hash of its content; reads the file where it must.
    pub(super) fn look_up(
        &self,
        path: &Path,
        metadata: &Metadata,
        file: &dyn ReadAt,
        card: &ScanCard,
        depth: Depth,
    ) -> io::Result<(String, Option<FileScan>)> {
        let content = match self.content_of(path, metadata) {
            Some(content) => content,
            None => {
                let content = hash(file)?.to_hex().to_string();
                self.keep_path(path, metadata, &content);
                content
            }
        };
        let facts = self.entries.load::<FactsEntry>(&self.facts_name(&content, card, depth));
        let scan = facts.map(|facts| FileScan {
            libraries: facts.libraries,
            problems: Vec::new(),
            kernels: facts.kernels,
        });
        Ok((content, scan))
    }

    /// Keeps what was found in a content. What could not be read is not kept: it may be readable next time.
    pub(super) fn keep(&self, content: &str, card: &ScanCard, depth: Depth, scan: &FileScan) {
        if scan.problems.is_empty() {
            let facts =
                FactsEntry { libraries: scan.libraries.clone(), kernels: scan.kernels.clone() };
            self.entries.store(&self.facts_name(content, card, depth), &facts);
        }
    }

    fn content_of(&self, path: &Path, metadata: &Metadata) -> Option<String> {
        let entry: PathEntry = self.entries.load(&path_name(path))?;
        let content = entry.content.clone();
        (entry == path_entry(path, metadata, &content)).then_some(content)
    }

    fn keep_path(&self, path: &Path, metadata: &Metadata, content: &str) {
        self.entries.store(&path_name(path), &path_entry(path, metadata, content));
    }

    fn facts_name(&self, content: &str, card: &ScanCard, depth: Depth) -> String {
        let card = serde_json::to_string(card).unwrap_or_default();
        let mut hasher = Hasher::new();
        for part in [content, &self.program, &card, &format!("{depth:?}")] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        format!("facts-{}", hasher.finalize().to_hex())
    }
}

fn path_name(path: &Path) -> String {
    format!("path-{}", blake3::hash(path.as_os_str().as_encoded_bytes()).to_hex())
}

fn path_entry(path: &Path, metadata: &Metadata, content: &str) -> PathEntry {
    PathEntry {
        path: path.to_owned(),
        size: metadata.len(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
        inode: (metadata.dev(), metadata.ino()),
        content: content.to_owned(),
    }
}

fn hash(file: &dyn ReadAt) -> io::Result<Hash> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; BLOCK_BYTES];
    let mut at = 0;
    loop {
        match file.read_at(at, &mut buffer)? {
            0 => return Ok(hasher.finalize()),
            read => {
                hasher.update(&buffer[..read]);
                at += read as u64;
            }
        }
    }
}
