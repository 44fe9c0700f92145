//! MIOpen's kernels that are compiled already (`.kdb`) or were compiled at first use (`.ukdb`): code objects in a
//! SQLite database.
//!
//! Source: MIOpen `src/include/miopen/kern_db.hpp`, `KernelConfig::CreateQuery` and `FindRecordUnsafe`; its `bz2.hpp`.

use super::read_at::{Range, ReadAt};
use super::{ContainerError, Holder, MAX_BARE_BYTES, MAX_GROWTH, Walk};
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};
use std::io::{self, Read as _};

/// Longest value that SQLite may hand out. A row holds one compressed code object, of some 100 KB.
const MAX_ROW_BYTES: i32 = 64 << 20;

/// Steps of SQLite's machine between two looks at how many there were, and how many looks it may take: a hostile
/// schema must not run for ever. A database of 100,000 rows takes some million steps; these are some seconds.
const STEPS: i32 = 100_000;
const MAX_LOOKS: u32 = 2_000;

fn failed(error: rusqlite::Error) -> ContainerError {
    ContainerError::Database(error.to_string())
}

/// Shows the rows of a database; one without MIOpen's table shows nothing.
pub(super) fn walk(
    place: &str,
    file: &dyn ReadAt,
    walk: &mut Walk<'_>,
) -> Result<(), ContainerError> {
    // SQLite opens by name. The copy also keeps its journal and its locks away from the user's cache.
    let folder = tempfile::tempdir()?;
    let mut copy = tempfile::NamedTempFile::new_in(folder.path())?;
    io::copy(&mut Range { file, at: 0, end: file.length() }, &mut copy)?;
    let connection = open(copy.path()).map_err(failed)?;
    if !connection.table_exists(None, "kern_db").map_err(failed)? {
        return Ok(());
    }
    let mut statement = connection
        .prepare("SELECT kernel_name, kernel_blob, uncompressed_size FROM kern_db ORDER BY id")
        .map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let name: String = row.get(0).map_err(failed)?;
        let blob = row.get_ref(1).map_err(failed)?.as_blob().map_err(|error| {
            ContainerError::Database(format!("kernel_blob of {}: {error}", name.escape_debug()))
        })?;
        let size: i64 = row.get(2).map_err(failed)?;
        let shown = unpack(&name, blob, size).and_then(|bytes| {
            walk.charge(bytes.len() as u64)?;
            walk.object(place, Holder::Database, name.clone(), &bytes)
        });
        if let Err(error) = shown {
            walk.visitor.problem(&format!("{place}!/{name}"), error);
        }
    }
    Ok(())
}

fn open(path: &std::path::Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    // Source: SQLite, "Defense Against The Dark Arts".
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, MAX_ROW_BYTES)?;
    let mut looks = 0;
    connection.progress_handler(
        STEPS,
        Some(move || {
            looks += 1;
            looks > MAX_LOOKS
        }),
    )?;
    Ok(connection)
}

/// Returns a row's code object. Size 0 says that it is not compressed.
fn unpack(name: &str, blob: &[u8], size: i64) -> Result<Vec<u8>, ContainerError> {
    if size == 0 {
        return Ok(blob.to_vec());
    }
    let wrong = |what: String| ContainerError::Database(format!("{}: {what}", name.escape_debug()));
    let limit = (blob.len() as u64).saturating_mul(MAX_GROWTH).clamp(1 << 20, MAX_BARE_BYTES);
    let size = u64::try_from(size)
        .ok()
        .filter(|&size| size <= limit)
        .ok_or_else(|| wrong(format!("uncompressed_size is {size}, expected 0 to {limit}")))?;
    let mut bytes = Vec::new();
    bzip2::read::BzDecoder::new(blob)
        .take(size + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| wrong(format!("kernel_blob: {error}")))?;
    if bytes.len() as u64 == size {
        Ok(bytes)
    } else {
        Err(wrong(format!("kernel_blob unpacks to {} bytes, expected {size}", bytes.len())))
    }
}
