//! Verdicts that were found before, kept for as long as what they rest on stays the same.
//!
//! The name of an entry is the hash of what is asked: cards, drivers, variables, Python. In it stand the files on which
//! the verdict rests, as they were: a library that was replaced, or a torch that came to be in front of the one tried,
//! makes it void.

#![expect(
    clippy::disallowed_methods,
    reason = "libraries of the Python that asks, which a machine folder does not hold"
)]

use super::choice::{Choice, Outcome};
use super::choose::Question;
use super::sight::Sight;
use crate::entries::{Entries, program};
use rmcp_knowledge::Knowledge;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// How long a device that works is taken to do so: a card ages, and so does what nobody thought of.
const GOOD_SECONDS: i64 = 7 * 24 * 3600;

/// How long one that does not work is left alone, in one start of the machine: a card that hangs comes back with the next.
const BAD_SECONDS: i64 = 24 * 3600;

/// Variables that decide what torch does, besides those that the knowledge base has.
const PREFIXES: [&str; 8] =
    ["CUDA_", "NVIDIA_", "CUDNN_", "PYTHON", "PYTORCH_", "TORCH", "VK_", "MIOPEN_"];

/// The verdicts of a user.
#[derive(Debug, Clone)]
pub struct VerdictCache(Entries);

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    /// Seconds since 1970.
    made: i64,
    boot: Option<String>,
    files: Vec<Witness>,
    choice: Choice,
}

/// A file as it was.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Witness {
    path: PathBuf,
    /// Size, time of change in seconds and nanoseconds, inode; none where there is no such file.
    state: Option<(u64, i64, i64, u64)>,
}

impl Witness {
    fn of(path: PathBuf) -> Self {
        let state = fs::metadata(&path)
            .ok()
            .map(|file| (file.len(), file.mtime(), file.mtime_nsec(), file.ino()));
        Self { path, state }
    }

    fn holds(&self) -> bool {
        Self::of(self.path.clone()) == *self
    }
}

impl VerdictCache {
    /// Returns the cache of a user; none where the environment names no folder for it.
    pub fn of_user(environment: &BTreeMap<String, String>) -> Option<Self> {
        Entries::of_user(environment, "device").map(Self)
    }

    pub(super) fn folder(&self) -> &Path {
        self.0.folder()
    }

    /// Returns what was found before, and how many seconds ago, where it still holds.
    pub(super) fn look_up(&self, key: &str, now: i64, boot: Option<&str>) -> Option<(Choice, i64)> {
        let entry: Entry = self.0.load(key)?;
        let age = now - entry.made;
        let same_boot = entry.boot.as_deref() == boot;
        let young = match entry.choice.outcome {
            Outcome::Found => (0..=GOOD_SECONDS).contains(&age),
            _ => (0..=BAD_SECONDS).contains(&age) && same_boot,
        };
        (young && entry.files.iter().all(Witness::holds)).then_some((entry.choice, age))
    }

    pub(super) fn keep(
        &self,
        key: &str,
        now: i64,
        boot: Option<&str>,
        files: BTreeSet<PathBuf>,
        choice: &Choice,
    ) {
        let files = files.into_iter().map(Witness::of).collect();
        let entry =
            Entry { made: now, boot: boot.map(str::to_owned), files, choice: choice.clone() };
        self.0.store(key, &entry);
    }
}

/// Returns the name of an entry: all that a verdict depends on, but for files.
pub(super) fn key(question: &Question<'_>, sight: &Sight) -> String {
    let knowledge = Knowledge::embedded();
    let decides = |name: &str| {
        knowledge.knows_variable(name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    };
    let environment: BTreeMap<&String, &String> =
        question.caller.environment.iter().filter(|(name, _)| decides(name)).collect();
    let cards: Vec<_> = sight
        .cards
        .iter()
        .map(|card| (&card.id, &card.address, &card.revision, &card.driver))
        .collect();
    let nodes: Vec<_> = sight
        .nodes
        .value()
        .into_iter()
        .flatten()
        .map(|node| (node.node, node.property("gfx_target_version")))
        .collect();
    let asked = (question.root, question.python, question.torch, question.prefer, question.all);
    let user = (question.caller.uid, &question.caller.groups);
    let all = serde_json::json!([
        program(),
        cards,
        nodes,
        sight.drivers,
        sight.vulkan,
        environment,
        asked,
        user
    ]);
    format!("verdict-{}", blake3::hash(all.to_string().as_bytes()).to_hex())
}

/// Returns the files on which the verdict of one probe rests: torch's own, and the absence of another in front of it.
pub(super) fn witnesses(torch: &Path, path: &[PathBuf], libraries: &[PathBuf]) -> Vec<PathBuf> {
    let Some(package) = torch.parent() else { return Vec::new() };
    let home = package.parent();
    let in_front = path.iter().take_while(|folder| Some(folder.as_path()) != home);
    let mut files: Vec<PathBuf> =
        in_front.flat_map(|folder| [folder.join("torch"), folder.join("torch.py")]).collect();
    files.extend([torch.to_owned(), package.join("version.py")]);
    let lib = fs::read_dir(package.join("lib")).into_iter().flatten().flatten();
    files.extend(lib.map(|entry| entry.path()).filter(|path| path.is_file()));
    files.extend_from_slice(libraries);
    files
}
