//! The header of a compressed offload bundle (`CCOB`).
//!
//! Source: LLVM `clang/lib/Driver/OffloadBundler.cpp`, `CompressedOffloadBundle`; versions 2 and 3 were seen
//! in public packages, version 1 is from that text alone.

use crate::bundle::{BundleError, Cursor};

/// The first four bytes.
pub(crate) const MAGIC: &[u8; 4] = b"CCOB";

/// How the bundle is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// zlib.
    Zlib,
    /// zstd.
    Zstd,
}

/// The header of a compressed bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompressedHeader {
    /// 1, 2 or 3.
    pub version: u16,
    /// How the data behind the header is compressed.
    pub method: Method,
    /// Size of header and data in bytes; version 1 does not say.
    pub total_bytes: Option<u64>,
    /// Size of the bundle after decompression.
    pub uncompressed_bytes: u64,
    /// Size of the header: where the data begins.
    pub header_bytes: u64,
}

/// Parses the header of a compressed bundle. `base` is the offset of `bytes` in the file.
///
/// # Errors
/// [`BundleError::Truncated`] and [`BundleError::Invalid`] for a wrong magic, version, method or size.
pub fn parse_compressed_header(bytes: &[u8], base: u64) -> Result<CompressedHeader, BundleError> {
    let mut cursor = Cursor { bytes, at: 0, base };
    if cursor.take(4, "CCOB magic")? != MAGIC {
        return Err(cursor.invalid(0, "CCOB magic", "other bytes", "`CCOB`"));
    }
    let version = cursor.u16("CCOB version")?;
    let method = match cursor.u16("CCOB method")? {
        0 => Method::Zlib,
        1 => Method::Zstd,
        other => return Err(cursor.invalid(6, "CCOB method", other, "0 (zlib) or 1 (zstd)")),
    };
    let (total_bytes, uncompressed_bytes) = match version {
        1 => (None, u64::from(cursor.u32("CCOB uncompressed size")?)),
        2 => (
            Some(u64::from(cursor.u32("CCOB total size")?)),
            u64::from(cursor.u32("CCOB uncompressed size")?),
        ),
        3 => (Some(cursor.u64("CCOB total size")?), cursor.u64("CCOB uncompressed size")?),
        other => return Err(cursor.invalid(4, "CCOB version", other, "1, 2 or 3")),
    };
    cursor.u64("CCOB hash")?;
    let header_bytes = cursor.at as u64;
    if total_bytes.is_some_and(|total| total < header_bytes) {
        return Err(cursor.invalid(
            8,
            "CCOB total size",
            total_bytes.unwrap_or(0),
            "at least the size of the header",
        ));
    }
    Ok(CompressedHeader { version, method, total_bytes, uncompressed_bytes, header_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_versions_are_read() {
        let mut v1 = b"CCOB\x01\x00\x00\x00".to_vec();
        v1.extend(100u32.to_le_bytes());
        v1.extend([0; 8]);
        let header = parse_compressed_header(&v1, 0).unwrap();
        assert_eq!(
            (header.total_bytes, header.uncompressed_bytes, header.header_bytes),
            (None, 100, 20)
        );

        let mut v2 = b"CCOB\x02\x00\x01\x00".to_vec();
        v2.extend([64u32.to_le_bytes(), 100u32.to_le_bytes()].concat());
        v2.extend([0; 8]);
        let header = parse_compressed_header(&v2, 0).unwrap();
        assert_eq!(
            (header.total_bytes, header.header_bytes, header.method),
            (Some(64), 24, Method::Zstd)
        );

        let mut v3 = b"CCOB\x03\x00\x01\x00".to_vec();
        v3.extend([64u64.to_le_bytes(), 100u64.to_le_bytes()].concat());
        v3.extend([0; 8]);
        assert_eq!(parse_compressed_header(&v3, 0).unwrap().header_bytes, 32);
    }

    #[test]
    fn a_total_smaller_than_the_header_would_walk_in_place() {
        let mut bytes = b"CCOB\x02\x00\x01\x00".to_vec();
        bytes.extend([0; 16]);
        assert!(matches!(
            parse_compressed_header(&bytes, 0),
            Err(BundleError::Invalid { field: "CCOB total size", .. })
        ));
    }
}
