//! Reads one machine, live or recorded, into facts; log text into evidence. Never writes.
//!
//! Needs no ROCm and no root, loads no GPU library and starts no process.

#![expect(clippy::disallowed_methods, reason = "this is the room that reads machines")]

mod caller;
mod confined;
pub mod hardware;
mod host_root;
pub mod log;
mod machine_file;
mod read;
mod record;
pub mod settings;
pub mod stack;
pub mod system;

pub use caller::Caller;
pub use confined::open_confined;
pub use host_root::{FileStat, HostRoot, RootError, Seen, Transcript};
pub use machine_file::{
    FORMAT, FileRow, MACHINE_FILE, MachineFile, MachineFileError, Process, UnreadableRow,
};
pub use read::{Machine, OpenError};
pub use record::{RecordedFile, Recording, Redaction};
