//! Debian packages: an `ar` archive whose member `data.tar` holds the files.
//!
//! Source: deb(5).

use super::read_at::{Range, ReadAt};
use super::{ContainerError, Packed, Walk};
use std::io::{self, BufReader, Read};

/// Bytes of the header of an `ar` member: name 16, date 12, owner 6, group 6, mode 8, size 10, end 2.
const HEADER_BYTES: u64 = 60;

/// Where the size stands in it.
const SIZE: std::ops::Range<usize> = 48..58;

/// Memory that xz may take (LZMA2's largest dictionary is 1.5 GiB; packages use 64 MiB).
const XZ_MEMORY_BYTES: u64 = 256 << 20;

/// Longest path of a member. Linux has none longer.
const MAX_NAME_BYTES: u64 = 4096;

/// Shows the files of a package.
pub(super) fn walk(
    place: &str,
    file: &dyn ReadAt,
    walk: &mut Walk<'_>,
    depth: u32,
) -> Result<(), ContainerError> {
    // Behind `!<arch>` and a newline.
    let mut at = 8;
    while at + HEADER_BYTES <= file.length() {
        let header = file.bytes_at(at, HEADER_BYTES)?;
        let text = |range: std::ops::Range<usize>| {
            String::from_utf8_lossy(&header[range]).trim().trim_end_matches('/').to_owned()
        };
        let size: u64 = text(SIZE).parse().map_err(|_| ContainerError::Archive {
            offset: at + SIZE.start as u64,
            what: format!("size of a member is `{}`", text(SIZE).escape_debug()),
            expected: "a decimal number",
        })?;
        let (start, name) = (at + HEADER_BYTES, text(0..16));
        let end = start.saturating_add(size);
        if end > file.length() {
            return Err(ContainerError::Archive {
                offset: at,
                what: format!("member `{}` ends behind the file", name.escape_debug()),
                expected: "a whole package",
            });
        }
        if let Some(method) = name.strip_prefix("data.tar") {
            let range = BufReader::with_capacity(64 << 10, Range { file, at: start, end });
            let stream = unpack(method, range, start)?;
            return walk_tar(place, stream, size, walk, depth);
        }
        at = end + end % 2;
    }
    Err(ContainerError::Archive {
        offset: at,
        what: "no member `data.tar`".to_owned(),
        expected: "a package as dpkg-deb makes it",
    })
}

fn unpack<'a>(
    method: &str,
    range: BufReader<Range<'a>>,
    offset: u64,
) -> Result<Box<dyn Read + 'a>, ContainerError> {
    Ok(match method {
        "" => Box::new(range),
        ".gz" => Box::new(flate2::bufread::GzDecoder::new(range)),
        ".zst" => Box::new(zstd::stream::read::Decoder::with_buffer(range)?),
        ".xz" => {
            let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY_BYTES, 0)
                .map_err(io::Error::from)?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(range, stream))
        }
        other => {
            return Err(ContainerError::Archive {
                offset,
                what: format!("data.tar{}", other.escape_debug()),
                expected: "data.tar, or .gz, .xz or .zst",
            });
        }
    })
}

fn walk_tar(
    place: &str,
    stream: Box<dyn Read + '_>,
    packed: u64,
    walk: &mut Walk<'_>,
    depth: u32,
) -> Result<(), ContainerError> {
    // Members of no interest are unpacked too: a tar archive is packed as one.
    let limit = walk.left;
    let mut stream = stream.take(limit);
    let shown = walk_entries(place, &mut stream, packed, walk, depth);
    if stream.limit() == 0 {
        return Err(ContainerError::Bomb { limit });
    }
    shown
}

fn walk_entries(
    place: &str,
    stream: &mut io::Take<Box<dyn Read + '_>>,
    packed: u64,
    walk: &mut Walk<'_>,
    depth: u32,
) -> Result<(), ContainerError> {
    let mut archive = tar::Archive::new(stream);
    let mut long = None;
    // Raw: a long name is an entry of its own, which would be read whole, however long it says it is.
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        let kind = entry.header().entry_type();
        if kind.is_gnu_longname() {
            let mut name = Vec::new();
            entry.by_ref().take(MAX_NAME_BYTES).read_to_end(&mut name)?;
            long = Some(name.split(|&byte| byte == 0).next().unwrap_or_default().to_vec());
            continue;
        }
        let name = long.take().unwrap_or_else(|| entry.path_bytes().into_owned());
        if !kind.is_file() {
            continue;
        }
        let name = String::from_utf8_lossy(&name);
        let inside = format!("{place}!/{}", name.trim_start_matches("./"));
        // A member has no packed size of its own.
        let packed =
            Packed { offset: entry.raw_header_position(), bytes: packed, unpacked: entry.size() };
        if let Err(error) = walk.member(&inside, entry, packed, depth) {
            walk.visitor.problem(&inside, error);
        }
    }
    Ok(())
}
