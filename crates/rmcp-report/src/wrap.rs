//! Text in lines.

/// Width to which text is wrapped, which fits a terminal of 100 columns and a pasted issue.
pub(crate) const WIDTH: usize = 96;

/// Wraps a text at blanks; every line begins with `indent`.
pub(crate) fn wrapped(indent: &str, text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = indent.to_owned();
        let mut length = indent.chars().count();
        for word in paragraph.split(' ') {
            let word_length = word.chars().count();
            if length + word_length > WIDTH && length > indent.chars().count() {
                lines.push(line.trim_end().to_owned());
                line = indent.to_owned();
                length = indent.chars().count();
            }
            line.push_str(word);
            line.push(' ');
            length += word_length + 1;
        }
        lines.push(line.trim_end().to_owned());
    }
    lines
}
