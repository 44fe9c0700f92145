//! Wheels, which are zip archives.

use super::read_at::{Range, ReadAt};
use super::{ContainerError, Packed, Walk};
use std::cell::Cell;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use zip::ZipArchive;
use zip::result::ZipError;

/// Most members of an archive. The largest wheel seen has some 30,000.
const MAX_MEMBERS: usize = 1 << 20;

/// Shows the members of a wheel.
pub(super) fn walk(
    place: &str,
    file: &dyn ReadAt,
    walk: &mut Walk<'_>,
    depth: u32,
) -> Result<(), ContainerError> {
    let range = Range { file, at: 0, end: file.length() };
    let last = Cell::new(0);
    let reader = Followed { reader: BufReader::new(range), next: 0, last: &last };
    let mut archive = ZipArchive::new(reader).map_err(|error| damaged(error, last.get()))?;
    if archive.len() > MAX_MEMBERS {
        return Err(ContainerError::Archive {
            offset: archive.central_directory_start(),
            what: format!("{} members", archive.len()),
            expected: "at most 1048576",
        });
    }
    for index in 0..archive.len() {
        let member = match archive.by_index(index) {
            Ok(member) => member,
            Err(error) => {
                walk.visitor.problem(place, damaged(error, last.get()));
                continue;
            }
        };
        if !member.is_file() {
            continue;
        }
        let name = String::from_utf8_lossy(member.name_raw()).into_owned();
        let inside = format!("{place}!/{name}");
        let packed = Packed {
            offset: member.header_start(),
            bytes: member.compressed_size(),
            unpacked: member.size(),
        };
        if let Err(error) = walk.member(&inside, member, packed, depth) {
            walk.visitor.problem(&inside, error);
        }
    }
    Ok(())
}

fn damaged(error: ZipError, offset: u64) -> ContainerError {
    match error {
        ZipError::Io(error) => ContainerError::Io(error),
        other => ContainerError::Archive {
            offset,
            what: format!("zip archive: {other}"),
            expected: "a wheel as pip installs it",
        },
    }
}

/// A reader that says where its last read began, to whoever no longer has it: there an archive is damaged.
struct Followed<'a, R> {
    reader: R,
    next: u64,
    last: &'a Cell<u64>,
}

impl<R: Read> Read for Followed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.last.set(self.next);
        self.next += read as u64;
        Ok(read)
    }
}

impl<R: Seek> Seek for Followed<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.next = self.reader.seek(to)?;
        Ok(self.next)
    }
}
