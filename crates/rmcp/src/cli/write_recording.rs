//! Writes a recorded machine to a new folder.

#![expect(
    clippy::disallowed_methods,
    reason = "writes the folder that the user asked for, nothing of the machine"
)]

use crate::cli::Failure;
use rmcp::Recording;
use rmcp_host::{MACHINE_FILE, RecordedFile};
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;

/// Writes `recording` to `folder`, which must be new or empty.
pub(crate) fn write_recording(folder: &Path, recording: &Recording) -> Result<(), Failure> {
    let shown = folder.display();
    if std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Failure::refused(format!(
            "{shown} is not empty, and a recording replaces nothing"
        ))
        .hint("name a new folder"));
    }
    let cannot = |path: &Path, error: io::Error| {
        Failure::could_not_check(format!("cannot write {}: {error}", path.display()))
    };
    std::fs::create_dir_all(folder).map_err(|error| cannot(folder, error))?;
    let machine_file = (
        &MACHINE_FILE.to_owned(),
        &RecordedFile::Whole(recording.machine_file.clone().into_bytes()),
    );
    // Shorter paths first, so that a folder is there before what is in it.
    for (path, file) in recording.files.iter().chain([machine_file]) {
        let inside = Path::new(path.trim_start_matches('/'));
        // Paths come from what was read, which a hostile machine folder may have named.
        if inside.components().any(|part| !matches!(part, std::path::Component::Normal(_))) {
            continue;
        }
        let path = folder.join(inside);
        write_one(&path, file).map_err(|error| cannot(&path, error))?;
    }
    Ok(())
}

fn write_one(path: &Path, file: &RecordedFile) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    match file {
        RecordedFile::Folder => std::fs::create_dir_all(path),
        RecordedFile::Whole(bytes) => std::fs::write(path, bytes),
        RecordedFile::Parts(length, parts) => {
            let out = File::create(path)?;
            out.set_len(*length)?;
            parts.iter().try_for_each(|(&at, bytes)| out.write_all_at(bytes, at))
        }
        RecordedFile::Link(target) => symlink(target, path),
    }
}
