//! Wheels, which are zip archives.

use super::read_at::{Range, ReadAt};
use super::{ContainerError, Walk};
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
    let mut archive = ZipArchive::new(std::io::BufReader::new(range)).map_err(damaged)?;
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
                walk.visitor.problem(place, damaged(error));
                continue;
            }
        };
        if !member.is_file() {
            continue;
        }
        let name = String::from_utf8_lossy(member.name_raw()).into_owned();
        let inside = format!("{place}!/{name}");
        let sizes = (member.compressed_size(), member.size());
        if let Err(error) = walk.member(&inside, member, sizes, depth) {
            walk.visitor.problem(&inside, error);
        }
    }
    Ok(())
}

fn damaged(error: ZipError) -> ContainerError {
    match error {
        ZipError::Io(error) => ContainerError::Io(error),
        other => ContainerError::Archive {
            offset: 0,
            what: format!("zip archive: {other}"),
            expected: "a wheel as pip installs it",
        },
    }
}
