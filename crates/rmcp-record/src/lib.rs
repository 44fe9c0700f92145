//! The flight record: a file that a program's own process writes while it uses the GPU, and that tells afterwards what it
//! did, however it ended.
//!
//! [`layout`] is the file, byte for byte, as `docs/flight-recorder.md` describes it. The writer is `rmcp-interposer`, inside
//! the user's program; it maps the file and stores into it. [`read`] takes bytes of any content apart and trusts none of
//! them. Both use the same types, so that no field can lie elsewhere for one than for the other.

mod bytes;
mod events;
pub mod layout;
mod read;
pub mod words;

pub use read::{RecordError, is_record, read};
