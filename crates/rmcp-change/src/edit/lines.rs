//! Lines that are added behind those of others.

use super::EditError;

/// Stands in front of what was switched off.
pub const MARK: &str = "# rmcp: ";

/// Returns `text` with lines behind it, which begin on a line of their own.
pub(super) fn append_lines(text: &str, lines: &str) -> String {
    let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("{text}{newline}{lines}")
}

/// Checks that nothing is open at the end of a shell's file: a line added behind an open quote would be part of it.
pub(super) fn check_closed(text: &str) -> Result<(), EditError> {
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
