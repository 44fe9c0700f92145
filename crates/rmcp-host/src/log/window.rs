//! The piece of text around a hit: lines joined, terminal decoration taken away.

use regex::Regex;
use std::borrow::Cow;
use std::sync::LazyLock;

/// Most bytes of one line that are looked at on each side of a hit. A line of megabytes (a minified traceback,
/// a log without newlines) costs no more than this.
const MAX_SIDE_BYTES: usize = 1024;

/// Most bytes of a window: eight lines of ordinary length, or a few long ones.
const MAX_WINDOW_BYTES: usize = 6 * 1024;

/// Bytes in front of and behind a hit that a window may need; a stream keeps that many.
pub(crate) const REACH_BYTES: usize = MAX_WINDOW_BYTES + MAX_SIDE_BYTES;

/// The lines that a signature's expression is tried on.
#[derive(Debug)]
pub(crate) struct Window {
    /// The line of the hit alone.
    pub(crate) line: String,
    /// The lines joined by a blank: messages wrapped at blanks.
    pub(crate) joined: String,
    /// The lines joined by nothing: messages cut in the middle of a word. None where it is one line.
    glued: Option<String>,
    /// The lines without the progress bars that were written into them. None where there are none.
    unbarred: Option<String>,
    /// Whether the first line is as long as a terminal is wide, so that it was likely cut by one.
    cut_by_terminal: bool,
    /// Where the window's first line begins in the buffer.
    pub(crate) start: usize,
    /// Where its first line ends in the buffer, as far as the window reaches.
    pub(crate) line_end: usize,
}

impl Window {
    /// Returns the ways to read the lines, the likeliest first.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        let glued = self.glued.as_deref();
        let early = glued.filter(|_| self.cut_by_terminal);
        let late = glued.filter(|_| !self.cut_by_terminal);
        [self.unbarred.as_deref(), early, Some(self.joined.as_str()), late].into_iter().flatten()
    }
}

/// A bar as tqdm draws it, with what it writes to get onto its line: `name:  21%|██  | 41/200 [00:07<00:27]`.
///
/// Source: tqdm documentation, `bar_format` and its default.
static BAR: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"[\r\n]+[^\r\n|%]{0,60}\d{1,3}%\|[^|\r\n]{0,200}\|[^\[\r\n]{0,60}\[[^\]\r\n]{0,80}\](\x1b\[A)?")
        .expect("the expression is fixed")
});

/// Returns whether a line looks cut at a terminal's edge: 80 columns, or as long as the one below it.
fn cut_by_terminal(text: &str) -> bool {
    let mut widths = text.split('\n').map(|line| line.trim_end_matches('\r').chars().count());
    match (widths.next(), widths.next()) {
        (Some(80), Some(_)) => true,
        (Some(first), Some(second)) => first > 80 && first == second,
        _ => false,
    }
}

/// Returns the line of a hit as it stands, as far as a window would reach.
pub(crate) fn line_at(buffer: &[u8], at: usize) -> &[u8] {
    let floor = at.saturating_sub(MAX_SIDE_BYTES);
    let start =
        memchr::memrchr(b'\n', &buffer[floor..at]).map_or(floor, |newline| floor + newline + 1);
    let ceiling = buffer.len().min(at + MAX_WINDOW_BYTES);
    let end = memchr::memchr(b'\n', &buffer[at..ceiling]).map_or(ceiling, |newline| at + newline);
    &buffer[start..end]
}

/// Returns the window for a hit at `at`, from the beginning of its line over `lines` lines.
pub(crate) fn window(buffer: &[u8], at: usize, lines: u32) -> Window {
    let floor = at.saturating_sub(MAX_SIDE_BYTES);
    let start =
        memchr::memrchr(b'\n', &buffer[floor..at]).map_or(floor, |newline| floor + newline + 1);
    let ceiling = buffer.len().min(at + MAX_WINDOW_BYTES);
    let mut end = ceiling;
    let newlines = memchr::memchr_iter(b'\n', &buffer[at..ceiling]);
    if let Some(newline) = newlines.take(lines as usize).last() {
        let counted = memchr::memchr_iter(b'\n', &buffer[at..=at + newline]).count();
        if counted == lines as usize {
            end = at + newline;
        }
    }
    let text = String::from_utf8_lossy(&buffer[start..end]);
    let line_end = memchr::memchr(b'\n', &buffer[at..end]).map_or(end, |newline| at + newline);
    let line = normalize(text.split('\n').next().unwrap_or_default(), " ");
    let joined = normalize(&text, " ");
    let glued = text.contains('\n').then(|| normalize(&text, ""));
    let bars = if text.contains("%|") { BAR.replace_all(&text, "") } else { Cow::Borrowed("") };
    let unbarred = matches!(bars, Cow::Owned(_)).then(|| normalize(&bars, " "));
    let cut_by_terminal = cut_by_terminal(&text);
    Window { line, joined, glued, unbarred, cut_by_terminal, start, line_end }
}

/// Returns a text on one line: escape sequences and box drawing taken away, runs of blanks made one, lines
/// joined by `glue`.
pub fn normalize(text: &str, glue: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split('\n') {
        let mut blank = true;
        if !out.is_empty() {
            out.push_str(glue);
            blank = glue == " ";
        }
        let mut characters = line.trim_end_matches([' ', '\r', '\t']).chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '\u{1b}' => skip_escape(&mut characters),
                // A carriage return is how progress bars start over; box drawing is how tracebacks are framed.
                '\r' | '\t' | ' ' | '\u{a0}' | '\u{2500}'..='\u{259f}' => {
                    if !blank {
                        out.push(' ');
                        blank = true;
                    }
                }
                control if control.is_control() => {}
                other => {
                    out.push(other);
                    blank = false;
                }
            }
        }
        while out.ends_with(' ') {
            out.pop();
        }
    }
    out
}

/// Skips the rest of a terminal escape sequence. Source: ECMA-48, 5.4 (CSI) and 5.6 (OSC ends with BEL).
fn skip_escape(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match characters.next_if(|&next| matches!(next, '[' | ']')) {
        Some('[') => {
            while characters.next().is_some_and(|next| !('\u{40}'..='\u{7e}').contains(&next)) {}
        }
        Some(_) => while characters.next().is_some_and(|next| next != '\u{7}') {},
        None => {
            characters.next();
        }
    }
}

/// Returns at most `limit` characters of a text, with what does not print replaced. Terminals obey control
/// characters, and logs are written by strangers.
pub fn printable(text: &str, limit: usize) -> String {
    let mut out: String = text
        .chars()
        .take(limit)
        .map(|character| match character {
            '\t' => ' ',
            // Controls, and the marks that turn the direction of text.
            hidden if hidden.is_control() || matches!(hidden, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => '\u{fffd}',
            other => other,
        })
        .collect();
    if text.chars().nth(limit).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoration_goes_and_words_stay() {
        assert_eq!(normalize("\u{1b}[31mError\u{1b}[0m:  x  \r\n │ y", " "), "Error: x y");
        assert_eq!(normalize("VIOLA\nTION", ""), "VIOLATION");
        assert_eq!(normalize("a \n b", ""), "a b");
        assert_eq!(normalize(" 25%|███▌ | 1/4\rMemory", " "), "25%| | 1/4 Memory");
    }

    #[test]
    fn window_covers_the_lines_asked_for() {
        let text = b"one\ntwo HIT two\nthree\nfour\nfive";
        let at = 8;
        assert_eq!(window(text, at, 1).joined, "two HIT two");
        assert_eq!(window(text, at, 2).joined, "two HIT two three");
        assert_eq!(window(text, at, 8).joined, "two HIT two three four five");
        assert_eq!(window(text, at, 1).start, 4);
    }

    #[test]
    fn a_terminal_gets_no_orders() {
        assert_eq!(printable("a\u{1b}[2Jb\u{202e}c", 10), "a\u{fffd}[2Jb\u{fffd}c");
        assert_eq!(printable("abcdef", 3), "abc…");
    }
}
