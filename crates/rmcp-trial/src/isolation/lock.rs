//! One card, one session: two that use a card at once would blame each other's faults on their own tests.

use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A card that no other session of this user has; given back when it is dropped, or when the process ends.
#[derive(Debug)]
pub struct CardLock {
    _file: File,
}

/// Why a card cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else has it.
    #[error("another session tries this card ({})", path.display())]
    Held {
        /// The file that is locked.
        path: PathBuf,
    },
    /// The file cannot be made.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: std::io::Error,
    },
}

impl CardLock {
    /// Takes the card of this name, in a folder that all sessions of the user share.
    ///
    /// # Errors
    /// [`LockError::Held`] at once when another process has it.
    pub fn take(folder: &Path, card: &str) -> Result<Self, LockError> {
        let path = folder.join(format!("card-{card}.lock"));
        let at = |source| LockError::File { path: path.clone(), source };
        std::fs::create_dir_all(folder).map_err(at)?;
        let mut file =
            File::options().create(true).truncate(false).write(true).open(&path).map_err(at)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(LockError::Held { path }),
            Err(error) => return Err(at(error.into())),
        }
        // Only for a person who looks: the lock is the kernel's.
        let _ = writeln!(file, "{}", std::process::id());
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_had_once_and_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let first = CardLock::take(folder.path(), "0000:03:00.0").unwrap();
        let second = CardLock::take(folder.path(), "0000:03:00.0");
        assert!(matches!(second, Err(LockError::Held { .. })), "{second:?}");
        CardLock::take(folder.path(), "0000:04:00.0").unwrap();
        drop(first);
        CardLock::take(folder.path(), "0000:03:00.0").unwrap();
    }
}
