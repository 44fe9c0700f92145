//! Containers of every form around given bytes, as the programs write them that make the real ones.

#![allow(dead_code, reason = "each test file uses a part of it")]

use object::write::Object;
use object::{Architecture, BinaryFormat, Endianness, SectionKind};
use std::io::{Cursor, Write as _};

pub(crate) const HOST: &str = "host-x86_64-unknown-linux--";
pub(crate) const GFX1010: &str = "hipv4-amdgcn-amd-amdhsa--gfx1010:xnack-";
pub(crate) const GFX1030: &str = "hipv4-amdgcn-amd-amdhsa--gfx1030";

/// Returns a bundle with these code objects.
pub(crate) fn bundle(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = b"__CLANG_OFFLOAD_BUNDLE__".to_vec();
    bytes.extend((entries.len() as u64).to_le_bytes());
    let mut offset = 4096;
    for (id, object) in entries {
        let fields = [offset, object.len() as u64, id.len() as u64];
        bytes.extend(fields.map(u64::to_le_bytes).concat());
        bytes.extend(id.as_bytes());
        offset += object.len() as u64;
    }
    bytes.resize(4096, 0);
    for (_, object) in entries {
        bytes.extend(*object);
    }
    bytes
}

/// Compresses a bundle: version 1 to 3, method 0 (zlib) or 1 (zstd).
pub(crate) fn compressed(version: u16, method: u16, plain: &[u8]) -> Vec<u8> {
    let data = match method {
        0 => zlib(plain),
        _ => zstd::encode_all(plain, 3).unwrap(),
    };
    let mut bytes = b"CCOB".to_vec();
    bytes.extend([version.to_le_bytes(), method.to_le_bytes()].concat());
    let header: u64 = match version {
        1 => 20,
        2 => 24,
        _ => 32,
    };
    let (total, whole) = (header + data.len() as u64, plain.len() as u64);
    let small = |value: u64| u32::try_from(value).unwrap().to_le_bytes().to_vec();
    bytes.extend(match version {
        1 => small(whole),
        2 => [small(total), small(whole)].concat(),
        _ => [total.to_le_bytes(), whole.to_le_bytes()].concat(),
    });
    bytes.extend([0; 8]);
    bytes.extend(data);
    bytes
}

fn zlib(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// Returns a library with these bundles one behind the other, each at its alignment.
pub(crate) fn library(section: &str, bundles: &[Vec<u8>]) -> Vec<u8> {
    let mut object = Object::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
    let id = object.add_section(Vec::new(), section.into(), SectionKind::ReadOnlyData);
    for bundle in bundles {
        object.append_section_data(id, bundle, 4096);
    }
    object.write().unwrap()
}

/// Returns a zip archive, as pip makes wheels.
pub(crate) fn wheel(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        let options = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Deflated);
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Returns a package whose `data.tar` is packed with `""`, `.gz`, `.xz` or `.zst`.
pub(crate) fn deb(method: &str, members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, format!("./{name}"), *bytes).unwrap();
    }
    deb_of(method, &tar.into_inner().unwrap())
}

/// Returns a package with this as its `data.tar`.
pub(crate) fn deb_of(method: &str, tar: &[u8]) -> Vec<u8> {
    let data = match method {
        ".gz" => {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(tar).unwrap();
            encoder.finish().unwrap()
        }
        ".xz" => {
            let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 6);
            encoder.write_all(tar).unwrap();
            encoder.finish().unwrap()
        }
        ".zst" => zstd::encode_all(tar, 3).unwrap(),
        _ => tar.to_vec(),
    };
    let mut bytes = b"!<arch>\n".to_vec();
    let data_name = format!("data.tar{method}");
    let parts: [(&str, &[u8]); 3] =
        [("debian-binary", b"2.0\n"), ("control.tar.xz", b"odd"), (&data_name, &data)];
    for (name, part) in parts {
        let size = part.len();
        bytes.extend(
            format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 100_644).bytes(),
        );
        bytes.extend(part);
        if size % 2 == 1 {
            bytes.push(b'\n');
        }
    }
    bytes
}

/// A row of MIOpen's database: name, blob, and size before it was packed (0 where it is not).
pub(crate) type Row<'a> = (&'a str, Vec<u8>, i64);

/// Returns a database with MIOpen's table.
///
/// Source: MIOpen `kern_db.hpp`, `KernelConfig::CreateQuery`.
pub(crate) fn kernel_db(rows: &[Row<'_>]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gfx1030_60.ukdb");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE kern_db (id INTEGER PRIMARY KEY ASC, kernel_name TEXT NOT NULL, \
             kernel_args TEXT NOT NULL, kernel_blob BLOB NOT NULL, kernel_hash TEXT NOT NULL, \
             uncompressed_size INT NOT NULL);",
        )
        .unwrap();
    for (name, blob, size) in rows {
        connection
            .execute(
                "INSERT INTO kern_db (kernel_name, kernel_args, kernel_blob, kernel_hash, \
                 uncompressed_size) VALUES (?1, '', ?2, '', ?3)",
                rusqlite::params![name, blob, size],
            )
            .unwrap();
    }
    drop(connection);
    #[expect(clippy::disallowed_methods, reason = "the test's own file")]
    std::fs::read(path).unwrap()
}

/// Packs a row as MIOpen does.
pub(crate) fn bzip2(plain: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// One of the code objects in `testdata/code-objects`.
#[expect(clippy::disallowed_methods, reason = "the project's own file")]
pub(crate) fn object(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/code-objects");
    std::fs::read(format!("{folder}/{name}.co")).unwrap()
}
