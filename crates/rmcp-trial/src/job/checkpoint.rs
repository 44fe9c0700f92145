//! Finds the latest checkpoint that a job has written.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Endings of files in which frameworks keep checkpoints: PyTorch by custom, Lightning, and `rmcp.checkpoint`.
const ENDINGS: [&str; 3] = ["pt", "pth", "ckpt"];

/// How deep below the folder they lie: Lightning's `lightning_logs/version_0/checkpoints/x.ckpt` is the deepest known.
const DEPTH: u32 = 4;

/// Most files that are looked at.
const MOST: usize = 20_000;

/// One checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// File, or folder of Hugging Face's Trainer.
    pub path: PathBuf,
    /// When it was written.
    pub written: SystemTime,
}

/// Returns the latest checkpoint below a folder; none where there is none.
///
/// Files that begin with a dot or end in another way are being written.
pub fn latest_checkpoint(folder: &Path) -> Option<Checkpoint> {
    let mut looked_at = 0;
    let mut latest = None;
    look(folder, DEPTH, &mut looked_at, &mut latest);
    latest
}

fn look(folder: &Path, depth: u32, looked_at: &mut usize, latest: &mut Option<Checkpoint>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        *looked_at += 1;
        if *looked_at > MOST {
            return;
        }
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let Ok(kind) = entry.file_type() else { continue };
        if name.starts_with('.') {
            continue;
        }
        // Hugging Face's Trainer: a folder whose last file is this one. Source: transformers `trainer.py`,
        // `_save_checkpoint`, `TRAINER_STATE_NAME`.
        let complete = path.join("trainer_state.json");
        let written = if kind.is_dir() && name.starts_with("checkpoint-") && complete.is_file() {
            complete.metadata()
        } else if kind.is_dir() {
            if depth > 1 {
                look(&path, depth - 1, looked_at, latest);
            }
            continue;
        } else if kind.is_file()
            && path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known))
        {
            entry.metadata()
        } else {
            continue;
        };
        let Ok(written) = written.and_then(|file| file.modified()) else { continue };
        if latest.as_ref().is_none_or(|latest| latest.written < written) {
            *latest = Some(Checkpoint { path, written });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_latest_complete_one_is_found() {
        let top = tempfile::tempdir().unwrap();
        let write = |path: &str, second: u64| {
            let path = top.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let file = std::fs::File::create(&path).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(second)).unwrap();
        };
        let latest = || {
            let found = latest_checkpoint(top.path())?;
            Some(found.path.strip_prefix(top.path()).unwrap().display().to_string())
        };
        assert_eq!(latest(), None);
        write("step-1.pt", 100);
        assert_eq!(latest().unwrap(), "step-1.pt");
        write(".step-2.pt.tmp", 200);
        write("step-2.pt.partial", 200);
        write("notes.txt", 300);
        write("checkpoint-40/model.safetensors", 300);
        assert_eq!(latest().unwrap(), "step-1.pt");
        write("checkpoint-20/trainer_state.json", 150);
        assert_eq!(latest().unwrap(), "checkpoint-20");
        write("lightning_logs/version_0/checkpoints/last.ckpt", 160);
        assert_eq!(latest().unwrap(), "lightning_logs/version_0/checkpoints/last.ckpt");
    }
}
