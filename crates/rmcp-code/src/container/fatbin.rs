//! The section `.hip_fatbin` of a library: bundles one behind the other, each for one translation unit.
//!
//! Bound: a handful of header reads per bundle, and then those code objects that are wanted, one at a time. A
//! library of 1.3 GB with 111 bundles costs some 120 reads of 4 KiB; compressed bundles cost the first block of
//! each (at most 128 KiB), or as much of them as stands in front of the last object that is wanted.

use super::read_at::{Part, Range, ReadAt};
use crate::bundle::{self, BundleEntry, BundleError, parse_bundle_header};
use crate::ccob::{self, Method, parse_compressed_header};
use object::read::elf::{FileHeader as _, SectionHeader as _};
use object::{Endianness, ReadCache, elf};
use rmcp_model::{BundleSummary, GfxTarget};
use std::io::{self, Read};

/// Most bundles read of one file. TensorFlow's library, the largest seen, has 1,391.
const MAX_BUNDLES: u32 = 65_536;

/// First read of a bundle's table; larger tables are read again with [`MAX_TABLE_BYTES`].
const TABLE_BYTES: u64 = 4096;

/// Longest table: 1024 entries with ids of 64 bytes.
const MAX_TABLE_BYTES: u64 = 1024 * (24 + 64) + 32;

/// Alignment of bundles in the section. Source: LLVM `HIPUtility.cpp`, `HIPCodeObjectAlign`.
const BUNDLE_ALIGN: u64 = 4096;

/// Bytes read at once in search of the next bundle.
const SEARCH_BYTES: u64 = 64 << 10;

/// How far behind a bundle of unknown size, or one followed by padding, the next one is looked for.
const MAX_GAP: u64 = 1 << 20;

/// Largest zstd window accepted (128 MiB, log2): bounds the decompressor's memory. `clang-offload-bundler` writes
/// level 3, whose window is 2 MiB, and long-distance matching up to 128 MiB where it is asked to.
const MAX_WINDOW_LOG: u32 = 27;

/// Largest code object that is read into memory. The largest seen in a public package is 36 MB.
const MAX_OBJECT_BYTES: u64 = 256 << 20;

/// One bundle of a file.
#[derive(Debug, Clone)]
pub struct Bundle {
    /// Byte offset in the file.
    pub offset: u64,
    /// Its table.
    pub entries: Vec<BundleEntry>,
    /// Where its data is compressed: how, and the range in the file.
    packed: Option<(Method, u64, u64)>,
}

/// The bundles of a file, one after the other.
pub struct Bundles<'f> {
    file: &'f dyn ReadAt,
    at: u64,
    end: u64,
    seen: u32,
}

impl<'f> Bundles<'f> {
    /// Returns the bundles of an ELF library, or `None` where it has no GPU code section.
    ///
    /// # Errors
    /// [`BundleError`] where its headers are damaged.
    pub fn of_library(file: &'f dyn ReadAt) -> Result<Option<Self>, BundleError> {
        let section = find_section(file, b".hip_fatbin")?;
        Ok(section.map(|(at, end)| Self { file, at, end, seen: 0 }))
    }

    /// Returns the bundles of a file that begins with one.
    pub fn of_file(file: &'f dyn ReadAt) -> Self {
        Self { file, at: 0, end: file.length(), seen: 0 }
    }

    /// Returns the next bundle.
    ///
    /// # Errors
    /// [`BundleError`] with the offset and field of the first thing that is wrong; nothing follows.
    pub fn next_bundle(&mut self) -> Result<Option<Bundle>, BundleError> {
        let found = next_magic(self.file, self.at, self.end)?;
        let Some(found) = found else { return Ok(None) };
        if self.seen == MAX_BUNDLES {
            return Err(BundleError::Invalid {
                offset: found,
                field: "number of bundles",
                value: format!("more than {MAX_BUNDLES}"),
                expected: "fewer",
            });
        }
        self.seen += 1;
        let (bundle, behind) = read_table(self.file, found, self.end)?;
        self.at = behind;
        Ok(Some(bundle))
    }
}

/// Returns the targets of all bundles in an ELF library, or `None` where it has no GPU code section.
///
/// # Errors
/// [`BundleError`] with the offset and field of the first thing that is wrong.
pub fn summarize_bundles(file: &dyn ReadAt) -> Result<Option<BundleSummary>, BundleError> {
    let Some(mut bundles) = Bundles::of_library(file)? else { return Ok(None) };
    let mut summary = BundleSummary::default();
    while let Some(bundle) = bundles.next_bundle()? {
        summary.bundles += 1;
        count_targets(&bundle.entries, &mut summary);
    }
    Ok(Some(summary))
}

/// Returns the file range of a section. Only the headers and the section names are read: parsing the whole
/// file would load the symbol tables, which are tens of megabytes in a PyTorch library.
fn find_section(file: &dyn ReadAt, name: &[u8]) -> Result<Option<(u64, u64)>, BundleError> {
    let elf_error = |error: object::read::Error| BundleError::Elf { what: error.to_string() };
    let cache = ReadCache::new(Range { file, at: 0, end: file.length() });
    let header = elf::FileHeader64::<Endianness>::parse(&cache).map_err(elf_error)?;
    let endian = header.endian().map_err(elf_error)?;
    let sections = header.sections(endian, &cache).map_err(elf_error)?;
    let Some((_, section)) = sections.section_by_name(endian, name) else { return Ok(None) };
    let Some((offset, size)) = section.file_range(endian) else { return Ok(None) };
    match offset.checked_add(size) {
        Some(end) if end <= file.length() => Ok(Some((offset, end))),
        _ => Err(BundleError::Truncated { offset, field: "section .hip_fatbin" }),
    }
}

/// Returns the offset of the first bundle at or behind `at`. Writers align bundles, so only every eighth byte can
/// be the first of one.
fn next_magic(file: &dyn ReadAt, at: u64, end: u64) -> Result<Option<u64>, BundleError> {
    let limit = end.min(at.saturating_add(MAX_GAP));
    let mut at = at;
    // Most often it is there, or at the next page.
    let mut block = 24;
    while at + 4 <= limit {
        let bytes = read(file, at, block.min(end - at))?;
        let starts = |place: usize| {
            bytes[place..].starts_with(ccob::MAGIC) || bytes[place..].starts_with(bundle::MAGIC)
        };
        let places = (0..bytes.len().saturating_sub(3)).step_by(8);
        let found = if at.is_multiple_of(8) {
            places.into_iter().find(|&place| starts(place))
        } else {
            None
        };
        match found {
            Some(place) => return Ok(Some(at + place as u64)),
            // Bundles that are not aligned do happen where several were joined by hand.
            None if starts(0) => return Ok(Some(at)),
            None if !at.is_multiple_of(8) => at = at.next_multiple_of(8),
            None if block == 24 => block = BUNDLE_ALIGN - at % BUNDLE_ALIGN + 24,
            None => {
                // A magic that begins in the last bytes is seen with the next block.
                at += (bytes.len() as u64).saturating_sub(24).max(8).next_multiple_of(8);
                block = SEARCH_BYTES;
            }
        }
    }
    Ok(None)
}

/// Reads one bundle's table, and returns the offset behind the bundle.
fn read_table(file: &dyn ReadAt, at: u64, end: u64) -> Result<(Bundle, u64), BundleError> {
    let head = read(file, at, TABLE_BYTES.min(end - at))?;
    if head.starts_with(ccob::MAGIC) {
        let header = parse_compressed_header(&head, at)?;
        let data = at + header.header_bytes;
        let data_end = header.total_bytes.map_or(end, |total| at.saturating_add(total));
        if data_end > end {
            return Err(BundleError::Truncated { offset: at, field: "compressed bundle" });
        }
        let packed = (header.method, data, data_end);
        let mut table = Vec::new();
        unpack(file, at, packed)?
            .take(MAX_TABLE_BYTES)
            .read_to_end(&mut table)
            .map_err(|error| failed(at, &error))?;
        let entries = parse_bundle_header(&table, at)?;
        let behind = header.total_bytes.map_or(data, |_| data_end);
        return Ok((Bundle { offset: at, entries, packed: Some(packed) }, behind));
    }
    let entries = match parse_bundle_header(&head, at) {
        Err(BundleError::Truncated { .. }) if (head.len() as u64) < end - at => {
            parse_bundle_header(&read(file, at, MAX_TABLE_BYTES.min(end - at))?, at)?
        }
        other => other?,
    };
    let behind =
        entries.iter().map(|entry| entry.offset.saturating_add(entry.size)).max().unwrap_or(0);
    if behind > end - at {
        return Err(BundleError::Truncated { offset: at, field: "code object of the bundle" });
    }
    check_overlap(&entries, at)?;
    Ok((Bundle { offset: at, entries, packed: None }, at + behind.max(32)))
}

/// Refuses code objects that share bytes: a table of a thousand that all are the whole file would be read a
/// thousand times.
fn check_overlap(entries: &[BundleEntry], at: u64) -> Result<(), BundleError> {
    let mut ranges: Vec<(u64, u64)> = entries
        .iter()
        .filter(|entry| entry.size > 0)
        .map(|entry| (entry.offset, entry.offset.saturating_add(entry.size)))
        .collect();
    ranges.sort_unstable();
    match ranges.windows(2).find(|pair| pair[1].0 < pair[0].1) {
        None => Ok(()),
        Some(pair) => Err(BundleError::Invalid {
            offset: at,
            field: "entry offset",
            value: pair[1].0.to_string(),
            expected: "one behind the code object before it",
        }),
    }
}

impl Bundle {
    /// Returns how many bytes [`Self::objects`] unpacks for these; 0 where the bundle is not compressed.
    pub(super) fn unpacked_bytes(&self, wanted: &[usize]) -> u64 {
        if self.packed.is_none() {
            return 0;
        }
        let wanted = wanted.iter().filter_map(|&index| self.entries.get(index));
        wanted.map(|entry| entry.offset.saturating_add(entry.size)).max().unwrap_or(0)
    }

    /// Shows code objects of the bundle, in the order in which they stand there. Those of a compressed bundle are
    /// unpacked into memory one after the other.
    ///
    /// # Errors
    /// [`BundleError`] for the first that cannot be read.
    pub fn objects(
        &self,
        file: &dyn ReadAt,
        wanted: &[usize],
        mut object: impl FnMut(usize, &dyn ReadAt),
    ) -> Result<(), BundleError> {
        let mut wanted: Vec<(usize, &BundleEntry)> =
            wanted.iter().filter_map(|&index| Some((index, self.entries.get(index)?))).collect();
        wanted.sort_by_key(|(_, entry)| entry.offset);
        for (_, entry) in &wanted {
            if entry.size > MAX_OBJECT_BYTES {
                return Err(BundleError::Invalid {
                    offset: self.offset,
                    field: "size of a code object",
                    value: entry.size.to_string(),
                    expected: "at most 256 MiB",
                });
            }
        }
        match self.packed {
            None => {
                for (index, entry) in wanted {
                    let start = self.offset + entry.offset;
                    object(index, &Part { file, start, length: entry.size });
                }
                Ok(())
            }
            Some(packed) => self.unpack_objects(file, packed, &wanted, object),
        }
    }

    fn unpack_objects(
        &self,
        file: &dyn ReadAt,
        packed: (Method, u64, u64),
        wanted: &[(usize, &BundleEntry)],
        mut object: impl FnMut(usize, &dyn ReadAt),
    ) -> Result<(), BundleError> {
        let mut stream = unpack(file, self.offset, packed)?;
        let mut at = 0;
        let mut bytes = Vec::new();
        for (index, entry) in wanted {
            // Entries that overlap would need the stream to go back.
            let skip = entry.offset.checked_sub(at).ok_or(BundleError::Invalid {
                offset: self.offset,
                field: "entry offset",
                value: entry.offset.to_string(),
                expected: "one behind the code object before it",
            })?;
            let failed = |error: io::Error| failed(self.offset, &error);
            let skipped =
                io::copy(&mut stream.by_ref().take(skip), &mut io::sink()).map_err(failed)?;
            bytes.clear();
            let size = stream.by_ref().take(entry.size).read_to_end(&mut bytes).map_err(failed)?;
            if skipped < skip || (size as u64) < entry.size {
                let field = "code object of the compressed bundle";
                return Err(BundleError::Truncated { offset: self.offset, field });
            }
            at = entry.offset.saturating_add(entry.size);
            object(*index, &bytes);
        }
        Ok(())
    }
}

fn failed(offset: u64, error: &io::Error) -> BundleError {
    BundleError::Decompress { offset, what: error.to_string() }
}

/// Returns the uncompressed bundle as a stream.
fn unpack(
    file: &dyn ReadAt,
    offset: u64,
    (method, at, end): (Method, u64, u64),
) -> Result<Box<dyn Read + '_>, BundleError> {
    let input = io::BufReader::with_capacity(64 << 10, Range { file, at, end });
    Ok(match method {
        Method::Zlib => Box::new(flate2::bufread::ZlibDecoder::new(input)),
        Method::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(input)
                .map_err(|error| failed(offset, &error))?;
            decoder.window_log_max(MAX_WINDOW_LOG).map_err(|error| failed(offset, &error))?;
            Box::new(decoder)
        }
    })
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

fn read(file: &dyn ReadAt, offset: u64, size: u64) -> Result<Vec<u8>, BundleError> {
    file.bytes_at(offset, size).map_err(|error| BundleError::Io { offset, what: error.to_string() })
}
