//! What stands in a file after a change. Pure: text in, text out.
//!
//! Words of others are never touched: what is added stands in lines or files of its own, and what is
//! switched off is commented out.

pub mod activate;
pub mod entry;
pub mod grub;
mod lines;
pub mod modprobe;
pub mod variables;

pub use lines::MARK;
use lines::{append_lines, check_closed};

/// Why a text cannot be changed safely.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// A word with characters that a shell or boot loader would take for its own.
    #[error("`{word}` cannot stand in {place}: expected {expected}")]
    Word {
        /// The word.
        word: String,
        /// Where it would stand.
        place: &'static str,
        /// What is allowed.
        expected: &'static str,
    },
    /// The text ends in the middle of something.
    #[error("line {line}: {what}; repair the file first")]
    Open {
        /// The line on which it begins.
        line: usize,
        /// What is not finished.
        what: &'static str,
    },
    /// The text has not the form that is changed.
    #[error("expected {expected}; change it by hand")]
    Form {
        /// What it should hold.
        expected: &'static str,
    },
    /// The line does more than what is to be switched off.
    #[error("line {line} sets other things too; change it by hand: {text}")]
    Shared {
        /// The line.
        line: usize,
        /// Its text.
        text: String,
    },
}
