//! Text from strangers, made harmless for a terminal.

use std::borrow::Cow;

/// Returns a text in which nothing gives orders to a terminal. What is shown was read from files, logs and
/// variables that strangers may have written.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_hidden) {
        Cow::Owned(text.chars().map(|c| if is_hidden(c) { '\u{fffd}' } else { c }).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// Returns a text as [`clean`] does, on one line: a name that brings lines of its own would speak for us.
pub fn one_line(text: &str) -> Cow<'_, str> {
    match clean(text) {
        text if text.contains('\n') => Cow::Owned(text.replace('\n', "\u{fffd}")),
        text => text,
    }
}

/// Control characters but the newline, and the marks that turn the direction of text.
fn is_hidden(character: char) -> bool {
    character != '\n' && character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_do_not_write_on_the_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\rc\u{202e}d"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d");
        assert!(matches!(clean("plain\ntext"), Cow::Borrowed(_)));
        assert_eq!(one_line("a\u{1b}[2J\nb"), "a\u{fffd}[2J\u{fffd}b");
        assert!(matches!(one_line("plain text"), Cow::Borrowed(_)));
    }
}
