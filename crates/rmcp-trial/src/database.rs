//! The one file of records: SQLite in the user's state folder.
//!
//! Whatever is written is on the disk before the call returns (`synchronous = FULL`).

use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Version of the tables, kept in SQLite's `user_version`.
const FORMAT: i32 = 1;

/// How long another process may hold the file.
const BUSY: Duration = Duration::from_secs(10);

const TABLES: &str = "
CREATE TABLE session (
    id INTEGER PRIMARY KEY,
    started TEXT NOT NULL,   -- RFC 3339, as all times
    boot TEXT NOT NULL,      -- /proc/sys/kernel/random/boot_id
    request TEXT NOT NULL,   -- what was asked for, as JSON
    matrix TEXT              -- the result, as JSON; none before the end
) STRICT;
CREATE TABLE attempt (
    id INTEGER PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES session(id),
    knobs TEXT NOT NULL,     -- what was different, as JSON
    workload TEXT NOT NULL,
    tool TEXT NOT NULL,
    repeat INTEGER NOT NULL, -- from 0
    started TEXT NOT NULL,
    boot TEXT NOT NULL,
    interrupted INTEGER NOT NULL DEFAULT 0, -- how often rmcp was ended while it ran
    result TEXT,             -- what became of it, as JSON; none while it runs
    output TEXT,             -- the end of what it said
    UNIQUE (session, knobs, workload, tool, repeat)
) STRICT;
CREATE TABLE job (
    id INTEGER PRIMARY KEY,
    command TEXT NOT NULL,   -- program, arguments and folder, as JSON
    stack TEXT NOT NULL,     -- what decides how it runs: card, driver, libraries
    started TEXT NOT NULL
) STRICT;
CREATE INDEX job_by_command ON job (command);
CREATE TABLE job_event (
    id INTEGER PRIMARY KEY,
    job INTEGER NOT NULL REFERENCES job(id),
    time TEXT NOT NULL,
    event TEXT NOT NULL      -- as JSON
) STRICT;
";

/// Why records cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The folder cannot be made.
    #[error("{}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        source: std::io::Error,
    },
    /// SQLite's word for it.
    #[error("{}: {source}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: rusqlite::Error,
    },
    /// A newer program wrote the file.
    #[error("{}: written by a newer rmcp (format {found}, this one knows {FORMAT})", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i32,
    },
    /// A row holds what it cannot hold.
    #[error("{}: {what} cannot be read: {source}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which row.
        what: String,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// There is no such session.
    #[error("{}: there is no session {id}", path.display())]
    NoSession {
        /// The file.
        path: PathBuf,
        /// Its number.
        id: i64,
    },
}

/// When and under which start of the machine something happens. Time comes in from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// Now, as RFC 3339.
    pub time: String,
    /// The machine's `boot_id`.
    pub boot: String,
}

/// The file.
#[derive(Debug)]
pub struct Database {
    path: PathBuf,
    pub(crate) connection: Connection,
}

impl Database {
    /// Opens the records, and makes them where there are none.
    ///
    /// # Errors
    /// [`DatabaseError`] when they cannot be read or written.
    pub fn open(path: &Path) -> Result<Self, DatabaseError> {
        let folder = path.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(folder)
            .map_err(|source| DatabaseError::Folder { path: folder.to_owned(), source })?;
        let sqlite = |source| DatabaseError::Sqlite { path: path.to_owned(), source };
        let connection = Connection::open(path).map_err(sqlite)?;
        let database = Self { path: path.to_owned(), connection };
        database.prepare()?;
        Ok(database)
    }

    fn prepare(&self) -> Result<(), DatabaseError> {
        let connection = &self.connection;
        connection.busy_timeout(BUSY).map_err(|error| self.sqlite(error))?;
        connection
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; BEGIN IMMEDIATE;")
            .map_err(|error| self.sqlite(error))?;
        let found: i32 = connection
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .map_err(|error| self.sqlite(error))?;
        let made = match found {
            0 => connection.execute_batch(&format!("{TABLES} PRAGMA user_version = {FORMAT};")),
            FORMAT => Ok(()),
            _ => return Err(DatabaseError::Newer { path: self.path.clone(), found }),
        };
        made.and_then(|()| connection.execute_batch("COMMIT")).map_err(|error| self.sqlite(error))
    }

    /// Returns where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Carries a statement out and gives the number of the row that it has put in, if it has.
    pub(crate) fn execute(
        &self,
        statement: &str,
        values: impl rusqlite::Params,
    ) -> Result<i64, DatabaseError> {
        self.connection
            .prepare_cached(statement)
            .and_then(|mut statement| statement.execute(values))
            .map_err(|error| self.sqlite(error))?;
        Ok(self.connection.last_insert_rowid())
    }

    pub(crate) fn sqlite(&self, source: rusqlite::Error) -> DatabaseError {
        DatabaseError::Sqlite { path: self.path.clone(), source }
    }

    /// A value as JSON. `what` names the row for the error.
    pub(crate) fn json<T: Serialize>(
        &self,
        value: &T,
        what: impl FnOnce() -> String,
    ) -> Result<String, DatabaseError> {
        serde_json::to_string(value).map_err(|source| self.damaged(what(), source))
    }

    /// A value from JSON. `what` names the row for the error.
    pub(crate) fn parse<T: for<'de> Deserialize<'de>>(
        &self,
        text: &str,
        what: impl FnOnce() -> String,
    ) -> Result<T, DatabaseError> {
        serde_json::from_str(text).map_err(|source| self.damaged(what(), source))
    }

    fn damaged(&self, what: String, source: serde_json::Error) -> DatabaseError {
        DatabaseError::Damaged { path: self.path.clone(), what, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_or_newer_file_is_said_to_be_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records.sqlite");
        std::fs::write(&path, "this is no database, and is long enough to be read as one").unwrap();
        assert!(matches!(Database::open(&path), Err(DatabaseError::Sqlite { .. })));
        let newer = folder.path().join("newer.sqlite");
        drop(Database::open(&newer).unwrap());
        Connection::open(&newer).unwrap().execute_batch("PRAGMA user_version = 7").unwrap();
        assert!(matches!(Database::open(&newer), Err(DatabaseError::Newer { found: 7, .. })));
    }
}
