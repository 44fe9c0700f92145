//! What stands in a file after a change. Pure: text in, text out.
//!
//! Words of others are never touched: what is added stands in lines or files of its own, and what is
//! switched off is commented out.

pub mod activate;
pub mod entry;
pub mod grub;
pub mod modprobe;
pub mod variables;

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

/// Stands in front of what was switched off.
pub const MARK: &str = "# rmcp: ";

/// Returns `text` with lines behind it, which begin on a line of their own.
pub(crate) fn append_lines(text: &str, lines: &str) -> String {
    let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("{text}{newline}{lines}")
}

/// Checks that nothing is open at the end of a shell's file: a line added behind an open quote would be part of it.
pub(crate) fn check_closed(text: &str) -> Result<(), EditError> {
    let mut open: Option<(char, usize)> = None;
    let mut line = 1;
    let mut characters = text.chars().peekable();
    let mut at_word_start = true;
    while let Some(character) = characters.next() {
        match (open, character) {
            (_, '\n') => {
                line += 1;
                at_word_start = true;
                continue;
            }
            // A backslash quotes what follows, but not between single quotes.
            (None | Some(('"', _)), '\\') => match characters.next() {
                None => {
                    return Err(EditError::Open {
                        line,
                        what: "the last line ends with a backslash",
                    });
                }
                Some('\n') => {
                    line += 1;
                    if characters.peek().is_none() {
                        return Err(EditError::Open {
                            line: line - 1,
                            what: "the last line is continued",
                        });
                    }
                }
                Some(_) => {}
            },
            (None, '#') if at_word_start => while characters.next_if(|&c| c != '\n').is_some() {},
            (None, quote @ ('"' | '\'')) => open = Some((quote, line)),
            (Some((quote, _)), character) if character == quote => open = None,
            _ => {}
        }
        at_word_start =
            open.is_none() && (character.is_whitespace() || ";&|()".contains(character));
    }
    match open {
        Some((_, line)) => Err(EditError::Open { line, what: "a quote is never closed" }),
        None => Ok(()),
    }
}
