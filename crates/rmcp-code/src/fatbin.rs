//! The section `.hip_fatbin` of a library: bundles one behind the other, each for one translation unit.
//!
//! Bound: a handful of header reads per bundle. A library of 1.3 GB with 111 bundles costs some 120 reads of
//! 4 KiB; compressed bundles cost the first block of each (at most 128 KiB).

use crate::bundle::{self, BundleEntry, BundleError, parse_bundle_header};
use crate::ccob::{self, Method, parse_compressed_header};
use object::read::elf::{FileHeader as _, SectionHeader as _};
use object::{Endianness, ReadCache, ReadRef, elf};
use rmcp_model::{BundleSummary, GfxTarget};
use std::io::{Read, Seek};

/// Most bundles read of one file. TensorFlow's library, the largest seen, has 1,391.
const MAX_BUNDLES: u32 = 65_536;

/// First read of a bundle's table; larger tables are read again with [`MAX_TABLE_BYTES`].
const TABLE_BYTES: u64 = 4096;

/// Longest table: 1024 entries with ids of 64 bytes.
const MAX_TABLE_BYTES: u64 = 1024 * (24 + 64) + 32;

/// Alignment of bundles in the section. Source: LLVM `HIPUtility.cpp`, `HIPCodeObjectAlign`.
const BUNDLE_ALIGN: u64 = 4096;

/// How far behind a bundle of unknown size, or one followed by padding, the next one is looked for.
const MAX_GAP: u64 = 1 << 20;

/// Largest zstd window accepted while reading a table (8 MiB, log2): bounds the decompressor's memory.
const MAX_WINDOW_LOG: u32 = 23;

/// Returns the targets of all bundles in an ELF library, or `None` where it has no GPU code section.
///
/// # Errors
/// [`BundleError`] with the offset and field of the first thing that is wrong.
pub fn summarize_bundles(file: impl Read + Seek) -> Result<Option<BundleSummary>, BundleError> {
    let cache = ReadCache::new(file);
    let Some((start, end)) = find_section(&cache, b".hip_fatbin")? else { return Ok(None) };
    let mut summary = BundleSummary::default();
    let mut at = start;
    while let Some(found) = next_bundle(&cache, at, end)? {
        if summary.bundles == MAX_BUNDLES {
            return Err(BundleError::Invalid {
                offset: found,
                field: "number of bundles",
                value: format!("more than {MAX_BUNDLES}"),
                expected: "fewer",
            });
        }
        at = add_bundle(&cache, found, end, &mut summary)?;
    }
    Ok(Some(summary))
}

/// Returns the file range of a section. Only the headers and the section names are read: parsing the whole
/// file would load the symbol tables, which are tens of megabytes in a PyTorch library.
fn find_section<R: Read + Seek>(
    cache: &ReadCache<R>,
    name: &[u8],
) -> Result<Option<(u64, u64)>, BundleError> {
    let elf_error = |error: object::read::Error| BundleError::Elf { what: error.to_string() };
    let header = elf::FileHeader64::<Endianness>::parse(cache).map_err(elf_error)?;
    let endian = header.endian().map_err(elf_error)?;
    let sections = header.sections(endian, cache).map_err(elf_error)?;
    let Some((_, section)) = sections.section_by_name(endian, name) else { return Ok(None) };
    let Some((offset, size)) = section.file_range(endian) else { return Ok(None) };
    let length = cache
        .len()
        .map_err(|()| BundleError::Io { offset, what: "the file has no length".into() })?;
    match offset.checked_add(size) {
        Some(end) if end <= length => Ok(Some((offset, end))),
        _ => Err(BundleError::Truncated { offset, field: "section .hip_fatbin" }),
    }
}

/// Returns the offset of the first bundle at or behind `at`.
fn next_bundle<R: Read + Seek>(
    cache: &ReadCache<R>,
    at: u64,
    end: u64,
) -> Result<Option<u64>, BundleError> {
    let limit = end.min(at.saturating_add(MAX_GAP));
    let mut at = at;
    while at + 4 <= limit {
        let head = read(cache, at, 24.min(end - at))?;
        if head.starts_with(ccob::MAGIC) || head.starts_with(bundle::MAGIC) {
            return Ok(Some(at));
        }
        at = at.next_multiple_of(8).max(at + 8);
        // Padding is zero up to the next page in everything seen; jump there when this is padding.
        if head.iter().all(|&byte| byte == 0) {
            at = at.next_multiple_of(BUNDLE_ALIGN).min(at + BUNDLE_ALIGN);
        }
    }
    Ok(None)
}

/// Counts one bundle's targets and returns the offset behind it.
fn add_bundle<R: Read + Seek>(
    cache: &ReadCache<R>,
    at: u64,
    end: u64,
    summary: &mut BundleSummary,
) -> Result<u64, BundleError> {
    let head = read(cache, at, TABLE_BYTES.min(end - at))?;
    let (entries, behind) = if head.starts_with(ccob::MAGIC) {
        let header = parse_compressed_header(head, at)?;
        let data = at + header.header_bytes;
        let data_end = header.total_bytes.map_or(end, |total| at.saturating_add(total));
        if data_end > end {
            return Err(BundleError::Truncated { offset: at, field: "compressed bundle" });
        }
        let table = decompress_table(cache, at, data, data_end, header.method)?;
        (parse_bundle_header(&table, at)?, header.total_bytes.map_or(data, |_| data_end))
    } else {
        let entries = match parse_bundle_header(head, at) {
            Err(BundleError::Truncated { .. }) if (head.len() as u64) < end - at => {
                parse_bundle_header(read(cache, at, MAX_TABLE_BYTES.min(end - at))?, at)?
            }
            other => other?,
        };
        let behind =
            entries.iter().map(|entry| entry.offset.saturating_add(entry.size)).max().unwrap_or(0);
        if behind > end - at {
            return Err(BundleError::Truncated { offset: at, field: "code object of the bundle" });
        }
        (entries, at + behind.max(32))
    };
    summary.bundles += 1;
    count_targets(&entries, summary);
    Ok(behind)
}

fn count_targets(entries: &[BundleEntry], summary: &mut BundleSummary) {
    let mut seen = Vec::new();
    for entry in entries.iter().filter(|entry| entry.size > 0 && !entry.id.starts_with("host-")) {
        match GfxTarget::from_bundle_id(&entry.id) {
            // gfx90a:xnack+ and gfx90a:xnack- are two entries of one target.
            Some(target) if seen.contains(&target) => {}
            Some(target) => {
                seen.push(target);
                *summary.targets.entry(target).or_default() += 1;
            }
            None => *summary.other.entry(entry.id.clone()).or_default() += 1,
        }
    }
}

/// Decompresses the front of a bundle, enough for its table.
fn decompress_table<R: Read + Seek>(
    cache: &ReadCache<R>,
    at: u64,
    start: u64,
    end: u64,
    method: Method,
) -> Result<Vec<u8>, BundleError> {
    let input = CacheReader { cache, at: start, end };
    let failed =
        |error: std::io::Error| BundleError::Decompress { offset: at, what: error.to_string() };
    let mut table = Vec::new();
    match method {
        Method::Zlib => {
            flate2::read::ZlibDecoder::new(input).take(MAX_TABLE_BYTES).read_to_end(&mut table)
        }
        Method::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::new(input).map_err(failed)?;
            decoder.window_log_max(MAX_WINDOW_LOG).map_err(failed)?;
            decoder.take(MAX_TABLE_BYTES).read_to_end(&mut table)
        }
    }
    .map_err(failed)?;
    Ok(table)
}

fn read<R: Read + Seek>(
    cache: &ReadCache<R>,
    offset: u64,
    size: u64,
) -> Result<&[u8], BundleError> {
    cache
        .read_bytes_at(offset, size)
        .map_err(|()| BundleError::Io { offset, what: "the bytes could not be read".into() })
}

/// Reads a range of the cache as a stream.
struct CacheReader<'a, R: Read + Seek> {
    cache: &'a ReadCache<R>,
    at: u64,
    end: u64,
}

impl<R: Read + Seek> Read for CacheReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let size = (buffer.len() as u64).min(self.end - self.at).min(16 * 1024);
        let bytes = self
            .cache
            .read_bytes_at(self.at, size)
            .map_err(|()| std::io::ErrorKind::UnexpectedEof)?;
        buffer[..bytes.len()].copy_from_slice(bytes);
        self.at += size;
        Ok(bytes.len())
    }
}
