//! A user's job, watched: it keeps its terminal, its signals and its exit code, and its last words are heard.
//!
//! [`attend`] starts it and hands everything through; [`ending()`] says what kind of end it came to.

mod attend;
mod channel;
mod checkpoint;
mod ending;
mod ladder;
mod record;
mod signals;

pub use attend::{AttendError, Attended, Status, attend};
pub use checkpoint::{Checkpoint, latest_checkpoint};
pub use ending::ending;
pub use ladder::{Ladder, Next};
pub use record::{JobRecords, LastTime};
