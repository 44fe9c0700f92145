//! The files under the paths that a user named.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Deepest folder in folders: the file system allows paths of 4096 bytes, so no real tree is deeper.
const MAX_DEPTH: usize = 2048;

/// A path that cannot be looked at.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct FileError {
    /// The path.
    pub path: PathBuf,
    /// The system's error.
    pub source: io::Error,
}

/// A file, and what tells whether it is still the same.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) metadata: Metadata,
}

/// Returns the regular files under these paths, each once, however many names it has; and what could not be
/// looked at below them.
///
/// Links to files are followed, links to folders only where they are named themselves: `lib64` in a virtual
/// environment is `lib` once more.
///
/// # Errors
/// [`FileError`] where a path that was named is not there.
pub fn find_files(paths: &[PathBuf]) -> Result<(Vec<PathBuf>, Vec<FileError>), FileError> {
    let (found, errors) = find(paths)?;
    Ok((found.into_iter().map(|found| found.path).collect(), errors))
}

pub(super) fn find(paths: &[PathBuf]) -> Result<(Vec<Found>, Vec<FileError>), FileError> {
    let mut search = Search::default();
    for path in paths {
        let metadata =
            fs::metadata(path).map_err(|source| FileError { path: path.clone(), source })?;
        search.add(path, metadata, 0);
    }
    // A file is called by its own name where it has one, not by that of a link to it.
    for path in std::mem::take(&mut search.links) {
        if let Ok(metadata) = fs::metadata(&path).and_then(|metadata| match metadata.is_file() {
            true => Ok(metadata),
            false => Err(io::ErrorKind::IsADirectory.into()),
        }) {
            search.add(&path, metadata, 0);
        }
    }
    search.found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok((search.found, search.errors))
}

#[derive(Debug, Default)]
struct Search {
    seen: HashSet<(u64, u64)>,
    found: Vec<Found>,
    links: Vec<PathBuf>,
    errors: Vec<FileError>,
}

impl Search {
    fn add(&mut self, path: &Path, metadata: Metadata, depth: usize) {
        if !self.seen.insert((metadata.dev(), metadata.ino())) {
            return;
        }
        if metadata.is_file() {
            self.found.push(Found { path: path.to_owned(), metadata });
        } else if metadata.is_dir() && depth < MAX_DEPTH {
            let read = fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
            match read {
                Ok(mut entries) => {
                    entries.sort_by_key(fs::DirEntry::file_name);
                    entries.iter().for_each(|entry| self.entry(entry, depth + 1));
                }
                Err(source) => self.errors.push(FileError { path: path.to_owned(), source }),
            }
        }
    }

    fn entry(&mut self, entry: &fs::DirEntry, depth: usize) {
        let path = entry.path();
        match entry.metadata() {
            Ok(metadata) if metadata.is_symlink() => self.links.push(path),
            Ok(metadata) => self.add(&path, metadata, depth),
            Err(source) => self.errors.push(FileError { path, source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn each_file_is_found_once_under_its_own_name() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("lib/deep")).unwrap();
        fs::write(at("lib/libx.so.1"), "x").unwrap();
        fs::write(at("lib/deep/y"), "y").unwrap();
        fs::hard_link(at("lib/deep/y"), at("lib/z")).unwrap();
        symlink("libx.so.1", at("lib/a.so")).unwrap();
        symlink("lib", at("lib64")).unwrap();
        symlink("..", at("lib/up")).unwrap();
        symlink("nowhere", at("lib/broken")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), rustix::fs::Mode::RWXU).unwrap();
        let (files, errors) = find_files(&[folder.path().to_owned(), at("lib")]).unwrap();
        let names: Vec<_> =
            files.iter().map(|path| path.strip_prefix(folder.path()).unwrap()).collect();
        assert_eq!(names, [Path::new("lib/deep/y"), Path::new("lib/libx.so.1")]);
        assert!(errors.is_empty(), "{errors:?}");
        // A link that is named is followed.
        assert_eq!(find_files(&[at("lib64")]).unwrap().0.len(), 2);
        let error = find_files(&[at("absent")]).unwrap_err();
        assert!(error.to_string().contains("absent"), "{error}");
    }
}
