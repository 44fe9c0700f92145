//! The uncompressed offload bundle: a table of (offset, size, id) in front of the code objects.
//!
//! Source: LLVM `clang/docs/ClangOffloadBundler.rst`, "Bundled Binary File Layout".

/// The 24 bytes at the start of a bundle.
pub(crate) const MAGIC: &[u8; 24] = b"__CLANG_OFFLOAD_BUNDLE__";

/// Most entries read of one bundle. The largest seen in a public package is 30 (one per target); this is
/// thirty times that.
const MAX_ENTRIES: u64 = 1024;

/// Longest id accepted. Real ones are below 64 bytes (`hipv4-amdgcn-amd-amdhsa--gfx90a:sramecc+:xnack-`).
const MAX_ID_BYTES: u64 = 512;

/// Why a bundle could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Bytes are missing.
    #[error("{field} at offset {offset:#x} ends behind the end of the data")]
    Truncated {
        /// Byte offset in the file.
        offset: u64,
        /// What was being read.
        field: &'static str,
    },
    /// A value that no writer gives.
    #[error("{field} at offset {offset:#x} is {value}, expected {expected}")]
    Invalid {
        /// Byte offset in the file.
        offset: u64,
        /// What was being read.
        field: &'static str,
        /// What stands there.
        value: String,
        /// What would have been right.
        expected: &'static str,
    },
    /// The file is no ELF file, or its headers are damaged.
    #[error("ELF headers: {what}")]
    Elf {
        /// What the ELF reader said.
        what: String,
    },
    /// Compressed data that does not decompress.
    #[error("compressed bundle at offset {offset:#x}: {what}")]
    Decompress {
        /// Byte offset of the bundle in the file.
        offset: u64,
        /// What the decompressor said.
        what: String,
    },
    /// The file system failed.
    #[error("reading at offset {offset:#x}: {what}")]
    Io {
        /// Byte offset in the file.
        offset: u64,
        /// The system's error.
        what: String,
    },
}

/// One entry of a bundle's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleEntry {
    /// Byte offset of the code object from the start of the bundle.
    pub offset: u64,
    /// Size of the code object in bytes; 0 for the host's entry.
    pub size: u64,
    /// Id such as `hipv4-amdgcn-amd-amdhsa--gfx1030`.
    pub id: String,
}

/// Parses the table at the start of a bundle.
///
/// `base` is the offset of `bytes` in the file, for error messages. The code objects themselves need not be
/// in `bytes`.
///
/// # Errors
/// [`BundleError::Truncated`] where the table is longer than `bytes`, [`BundleError::Invalid`] for a wrong
/// magic, count or id.
pub fn parse_bundle_header(bytes: &[u8], base: u64) -> Result<Vec<BundleEntry>, BundleError> {
    let mut cursor = Cursor { bytes, at: 0, base };
    if cursor.take(24, "bundle magic")? != MAGIC {
        return Err(cursor.invalid(0, "bundle magic", "other bytes", "`__CLANG_OFFLOAD_BUNDLE__`"));
    }
    let count = cursor.u64("number of bundle entries")?;
    if count > MAX_ENTRIES {
        return Err(cursor.invalid(24, "number of bundle entries", count, "at most 1024"));
    }
    let mut entries = Vec::new();
    for _ in 0..count {
        let offset = cursor.u64("entry offset")?;
        let size = cursor.u64("entry size")?;
        let at = cursor.at;
        let id_bytes = cursor.u64("length of entry id")?;
        if id_bytes > MAX_ID_BYTES {
            return Err(cursor.invalid(at, "length of entry id", id_bytes, "at most 512"));
        }
        let at = cursor.at;
        let length = usize::try_from(id_bytes).unwrap_or(usize::MAX);
        let id = std::str::from_utf8(cursor.take(length, "entry id")?).map_err(|_| {
            cursor.invalid(
                at,
                "entry id",
                "not UTF-8",
                "an id such as hipv4-amdgcn-amd-amdhsa--gfx1030",
            )
        })?;
        entries.push(BundleEntry { offset, size, id: id.to_owned() });
    }
    Ok(entries)
}

/// Reads fields from the front of a slice; errors carry the offset in the file.
pub(crate) struct Cursor<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) at: usize,
    pub(crate) base: u64,
}

impl<'a> Cursor<'a> {
    pub(crate) fn take(
        &mut self,
        length: usize,
        field: &'static str,
    ) -> Result<&'a [u8], BundleError> {
        let end = self.at.checked_add(length);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let taken =
            taken.ok_or(BundleError::Truncated { offset: self.base + self.at as u64, field })?;
        self.at += length;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], BundleError> {
        let taken = self.take(N, field)?;
        Ok(std::array::from_fn(|index| taken[index]))
    }

    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16, BundleError> {
        self.array(field).map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, BundleError> {
        self.array(field).map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self, field: &'static str) -> Result<u64, BundleError> {
        self.array(field).map(u64::from_le_bytes)
    }

    pub(crate) fn invalid(
        &self,
        at: usize,
        field: &'static str,
        value: impl ToString,
        expected: &'static str,
    ) -> BundleError {
        BundleError::Invalid {
            offset: self.base + at as u64,
            field,
            value: value.to_string(),
            expected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(entries: &[(u64, u64, &str)]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend((entries.len() as u64).to_le_bytes());
        for (offset, size, id) in entries {
            for value in [*offset, *size, id.len() as u64] {
                bytes.extend(value.to_le_bytes());
            }
            bytes.extend(id.as_bytes());
        }
        bytes
    }

    #[test]
    fn table_is_read() {
        let bytes = bundle(&[
            (4096, 0, "host-x86_64-unknown-linux--"),
            (4096, 16, "hipv4-amdgcn-amd-amdhsa--gfx1010"),
        ]);
        let entries = parse_bundle_header(&bytes, 0).unwrap();
        assert_eq!(entries.len(), 2);
        assert_eq!(
            entries[1],
            BundleEntry { offset: 4096, size: 16, id: "hipv4-amdgcn-amd-amdhsa--gfx1010".into() }
        );
    }

    #[test]
    fn every_truncation_is_named_by_its_offset() {
        let bytes = bundle(&[(4096, 16, "hipv4-amdgcn-amd-amdhsa--gfx1010")]);
        for length in 0..bytes.len() {
            match parse_bundle_header(&bytes[..length], 0x1000) {
                Err(BundleError::Truncated { offset, .. }) => {
                    assert!(offset >= 0x1000 && offset <= 0x1000 + length as u64)
                }
                other => panic!("{length}: {other:?}"),
            }
        }
    }

    #[test]
    fn lying_counts_are_refused_before_memory_is_taken() {
        let mut bytes = bundle(&[]);
        bytes[24..32].copy_from_slice(&u64::MAX.to_le_bytes());
        let error = parse_bundle_header(&bytes, 0).unwrap_err().to_string();
        assert_eq!(
            error,
            "number of bundle entries at offset 0x18 is 18446744073709551615, expected at most 1024"
        );
    }
}
