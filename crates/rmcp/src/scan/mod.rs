//! Files that a user named, into what their GPU code means for a card.
//!
//! Several files are read at once, each by one thread. What was found in a file is kept under the hash of its
//! content ([`ScanCache`]), so that a second scan costs a look at each file.

#![expect(
    clippy::disallowed_methods,
    reason = "the user named these files, and the cache is the program's own"
)]

mod cache;
mod files;
mod run;

pub use cache::ScanCache;
pub use files::{FileError, find_files};
pub use run::{Progress, ScanOptions, Silent, list, scan, scan_card};
