//! Environment variables: files of our own that set one, and lines of others that are switched off.

use super::{EditError, MARK, append_lines, check_closed};
use rmcp_model::PciId;
use std::ops::Range;

/// Who reads the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `sh`, `bash`, `zsh`, in profile files.
    Shell,
    /// fish, in `conf.d`.
    Fish,
    /// `environment.d` of the user's systemd.
    EnvironmentD,
    /// A drop-in of a systemd unit.
    Unit,
}

/// Returns a file that sets a variable; in a shell's file only where one of `cards` is in the machine, if any
/// is named.
///
/// It is silent, and reading it twice is reading it once.
///
/// # Errors
/// [`EditError::Word`] for a name or value that the reader would take for something else.
pub fn file_for(
    dialect: Dialect,
    name: &str,
    value: &str,
    cards: &[PciId],
) -> Result<String, EditError> {
    check(name, value)?;
    let head = "# Written by rmcp; `rmcp undo` takes it away.\n";
    Ok(match dialect {
        Dialect::Shell => format!("{head}{}", shell_lines(name, value, cards)),
        Dialect::Fish => {
            let set = format!("set -gx {name} {}\n", fish_quoted(value));
            format!("{head}{}", only_with(cards, &set, "\n", "end\n"))
        }
        Dialect::EnvironmentD => format!("{head}{name}={}\n", environment_quoted(value)),
        Dialect::Unit => {
            format!("{head}[Service]\nEnvironment=\"{name}={}\"\n", unit_quoted(value))
        }
    })
}

fn shell_lines(name: &str, value: &str, cards: &[PciId]) -> String {
    let set = format!("export {name}={}\n", shell_quoted(value));
    only_with(cards, &set, "; then\n", "fi\n")
}

/// Returns a start file of a shell in which a block of our own sets a variable; an earlier block for that
/// variable is replaced.
///
/// # Errors
/// [`EditError::Word`] for a name or value that is none, [`EditError::Open`] for a file that ends within a quote.
pub fn set_block(
    text: &str,
    name: &str,
    value: &str,
    cards: &[PciId],
) -> Result<String, EditError> {
    check(name, value)?;
    check_closed(text)?;
    Ok(mark_block(text, name, &shell_lines(name, value, cards)))
}

/// Returns a text with these lines at its end between two marks; what stood between such marks before is
/// replaced.
pub(crate) fn mark_block(text: &str, name: &str, lines: &str) -> String {
    let (begin, end) = marks(name);
    let block = format!("{begin}\n{lines}{end}\n");
    let begun = text.lines().position(|line| line == begin);
    match begun.and_then(|at| block_around(text, at + 1, name)) {
        // In its place, so that what stands behind it stays where it is.
        Some(old) => {
            let kept: Vec<&str> = text.split_inclusive('\n').collect();
            let (before, after) = (&kept[..old.start - 1], &kept[old.end - 1..]);
            format!("{}{block}{}", before.concat(), after.concat())
        }
        None => append_lines(text, &block),
    }
}

fn marks(name: &str) -> (String, String) {
    (format!("# >>> rmcp: {name} (rmcp undo takes it away) >>>"), format!("# <<< rmcp: {name} <<<"))
}

/// Returns the lines, counted from 1, of our block for a variable in which a line stands.
pub fn block_around(text: &str, line: usize, name: &str) -> Option<Range<usize>> {
    let (begin, end) = marks(name);
    let lines: Vec<&str> = text.lines().collect();
    let from = (1..=line.min(lines.len())).rev().find(|at| lines[at - 1] == begin)?;
    let to = (from..=lines.len()).find(|at| lines[at - 1] == end)?;
    (from..=to).contains(&line).then_some(from..to + 1)
}

/// Returns a text without these lines, counted from 1.
pub fn without_lines(text: &str, lines: Range<usize>) -> String {
    (1..)
        .zip(text.split_inclusive('\n'))
        .filter(|(number, _)| !lines.contains(number))
        .map(|(_, line)| line)
        .collect()
}

/// Returns a script that sets variables and starts a program, given the one that is there.
///
/// # Errors
/// [`EditError::Word`] for a name, value or program that is none, [`EditError::Form`] for a script of others.
pub fn script_for(
    text: Option<&str>,
    program: &str,
    name: &str,
    value: &str,
) -> Result<String, EditError> {
    check(name, value)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
    if !program.starts_with(|c: char| c.is_ascii_alphanumeric()) || !program.chars().all(plain) {
        return Err(EditError::Word {
            word: program.to_owned(),
            place: "the name of a program",
            expected: "a name without a path, of letters, digits and ._+-",
        });
    }
    let head = "#!/bin/sh\n# Written by rmcp; `rmcp undo` takes it away.\n";
    let tail = format!("exec {program} \"$@\"\n");
    let set = match text {
        None => "",
        Some(text) => text
            .strip_prefix(head)
            .and_then(|rest| rest.strip_suffix(&tail))
            .ok_or(EditError::Form { expected: "a script that rmcp wrote" })?,
    };
    let ours = format!("export {name}=");
    let others: String =
        set.split_inclusive('\n').filter(|line| !line.starts_with(&ours)).collect();
    Ok(format!("{head}{others}{ours}{}\n{tail}", shell_quoted(value)))
}

/// Checks the name and the value of a variable.
pub(crate) fn check(name: &str, value: &str) -> Result<(), EditError> {
    check_name(name)?;
    if value.chars().any(char::is_control) {
        return Err(EditError::Word {
            word: value.escape_default().to_string(),
            place: "an environment variable",
            expected: "text on one line",
        });
    }
    Ok(())
}

/// Names are those that POSIX allows.
fn check_name(name: &str) -> Result<(), EditError> {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !plain || name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(EditError::Word {
            word: name.to_owned(),
            place: "the name of a variable",
            expected: "letters, digits and _, not beginning with a digit",
        });
    }
    Ok(())
}

/// Wraps a line into a condition on the list of PCI devices, one file on every Linux: a pattern of file names would
/// make zsh and fish complain where there are none.
///
/// Source: Linux `drivers/pci/proc.c`, `show_device`: bus and function, a tab, vendor and device, a tab.
fn only_with(cards: &[PciId], set: &str, then: &str, end: &str) -> String {
    if cards.is_empty() {
        return set.to_owned();
    }
    let ids: Vec<String> = cards.iter().map(|id| id.to_string().replace(':', "")).collect();
    let expression: Vec<String> =
        ids.iter().map(|id| format!("-e '^[0-9a-f]*[[:blank:]]{id}[[:blank:]]'")).collect();
    format!("if grep -qs {} /proc/bus/pci/devices{then}    {set}{end}", expression.join(" "))
}

/// Source: POSIX, Shell Command Language, 2.2.2.
pub(crate) fn shell_quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', "'\\''"))
}

/// Source: fish documentation, "Quotes".
pub(crate) fn fish_quoted(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// Source: environment.d(5) for the quotes. References are replaced after the quotes are gone, so a `$` of the
/// value is doubled, not escaped: systemd `src/basic/env-util.c`, `replace_env_full`; `cargo xtask real-tools`
/// shows it.
fn environment_quoted(value: &str) -> String {
    let mut out = String::from("\"");
    for character in value.chars() {
        match character {
            '"' | '\\' | '`' => out.push('\\'),
            '$' => out.push('$'),
            _ => {}
        }
        out.push(character);
    }
    out + "\""
}

/// Source: systemd.syntax(7) for quotes, systemd.unit(5) for `%`; `$` is nothing special in `Environment=`.
fn unit_quoted(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%")
}

/// Returns a text in which a line that sets `name` and nothing else is commented out.
///
/// In a shell's file a command that does nothing stands in its place: the line may be all that an `if` holds.
///
/// # Errors
/// [`EditError::Shared`] where the line sets other things too, or is continued.
pub fn comment_out(
    dialect: Dialect,
    text: &str,
    line: usize,
    name: &str,
) -> Result<String, EditError> {
    check_name(name)?;
    let mut out = String::with_capacity(text.len() + MARK.len());
    for (number, whole) in (1..).zip(text.split_inclusive('\n')) {
        if number == line {
            if !sets_only(whole, name) {
                return Err(EditError::Shared { line, text: whole.trim().to_owned() });
            }
            if dialect == Dialect::Shell {
                out.push_str(": ");
            }
            out.push_str(MARK);
        }
        out.push_str(whole);
    }
    Ok(out)
}

/// Returns whether a line is one plain setting of that variable in one of the dialects, or takes it away.
fn sets_only(line: &str, name: &str) -> bool {
    let line = line.trim();
    if [format!("unset {name}"), format!("set -e {name}"), format!("set -ge {name}")]
        .iter()
        .any(|unset| unset == line)
    {
        return true;
    }
    // A quote that is not closed here goes on in the next line.
    if check_closed(line).is_err() {
        return false;
    }
    let rest = line
        .strip_prefix("export ")
        .or_else(|| line.strip_prefix("Environment="))
        .unwrap_or(line)
        .trim_start_matches(['"', '\'', ' ']);
    let rest = match rest.strip_prefix("set ") {
        // fish: options, the name, the value.
        Some(arguments) => {
            let mut words = arguments.split_whitespace().skip_while(|word| word.starts_with('-'));
            return words.next() == Some(name)
                && words.count() <= 1
                && !line.contains([';', '|', '&', '`']);
        }
        None => rest,
    };
    let Some(value) = rest.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')) else {
        return false;
    };
    let value = value.trim_matches(['"', '\'']);
    let plain = !value.contains(|c: char| c.is_whitespace() || ";|&`$\\<>()".contains(c));
    // A remark behind the value is no part of it.
    plain
        || value
            .split_once(" #")
            .is_some_and(|(value, _)| !value.trim().contains([' ', ';', '|', '&', '`', '$', '\\']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_do_one_thing_are_switched_off() {
        let name = "HSA_OVERRIDE_GFX_VERSION";
        for line in [
            "export HSA_OVERRIDE_GFX_VERSION=10.3.0",
            "HSA_OVERRIDE_GFX_VERSION=10.3.0",
            "  export HSA_OVERRIDE_GFX_VERSION=\"10.3.0\"  ",
            "Environment=\"HSA_OVERRIDE_GFX_VERSION=10.3.0\"",
            "set -gx HSA_OVERRIDE_GFX_VERSION 10.3.0",
            "export HSA_OVERRIDE_GFX_VERSION=10.3.0 # for torch",
            "unset HSA_OVERRIDE_GFX_VERSION",
        ] {
            let text = format!("a\n{line}\nb");
            let off = |dialect| comment_out(dialect, &text, 2, name).unwrap();
            assert_eq!(off(Dialect::EnvironmentD), format!("a\n# rmcp: {line}\nb"));
            assert_eq!(off(Dialect::Shell), format!("a\n: # rmcp: {line}\nb"));
        }
        for line in [
            "export HSA_OVERRIDE_GFX_VERSION=10.3.0 HSA_ENABLE_SDMA=0",
            "HSA_OVERRIDE_GFX_VERSION=10.3.0 python train.py",
            "export HSA_OVERRIDE_GFX_VERSION=10.3.0; rm x",
            "export HSA_OVERRIDE_GFX_VERSION=$(cat version)",
            "export HSA_OVERRIDE_GFX_VERSION=10.\\",
            "Environment=HSA_OVERRIDE_GFX_VERSION=10.3.0 A=1",
            "export OTHER=1",
            "export HSA_OVERRIDE_GFX_VERSION=\"10.3.0",
            "export HSA_OVERRIDE_GFX_VERSION_1=10.3.0",
        ] {
            let text = format!("a\n{line}\nb");
            assert!(
                matches!(
                    comment_out(Dialect::Shell, &text, 2, name),
                    Err(EditError::Shared { line: 2, .. })
                ),
                "{line}"
            );
        }
    }

    #[test]
    fn a_block_is_replaced_in_its_place_and_taken_out_whole() {
        let text = set_block("a\n", "A", "1", &[]).unwrap() + "b\n";
        let changed = set_block(&text, "A", "2", &[]).unwrap();
        assert_eq!(changed, text.replace("A='1'", "A='2'"));
        assert_eq!(set_block(&text, "A", "1", &[]).unwrap(), text);
        let line = text.lines().position(|line| line.starts_with("export")).unwrap() + 1;
        let block = block_around(&text, line, "A").unwrap();
        assert_eq!(without_lines(&text, block), "a\nb\n");
        assert_eq!(block_around(&text, 1, "A"), None);
        assert_eq!(block_around(&text, line, "B"), None);
    }

    #[test]
    fn a_script_holds_every_variable_once() {
        let one = script_for(None, "ollama", "A", "1").unwrap();
        let two = script_for(Some(&one), "ollama", "B", "2").unwrap();
        let three = script_for(Some(&two), "ollama", "A", "it's").unwrap();
        assert_eq!(
            three,
            "#!/bin/sh\n# Written by rmcp; `rmcp undo` takes it away.\nexport B='2'\nexport A='it'\\''s'\nexec ollama \"$@\"\n"
        );
        assert!(script_for(Some("#!/bin/sh\nreboot\n"), "ollama", "A", "1").is_err());
        for program in ["", "../x", "-x", "a b", "a;b"] {
            assert!(script_for(None, program, "A", "1").is_err(), "{program}");
        }
    }

    #[test]
    fn names_and_values_that_are_none_are_refused() {
        for (name, value) in [
            ("A B", "1"),
            ("", "1"),
            ("1A", "1"),
            ("A=B", "1"),
            ("A", "1\nreboot"),
            ("A", "\u{1b}[2J"),
        ] {
            for dialect in [Dialect::Shell, Dialect::Fish, Dialect::EnvironmentD, Dialect::Unit] {
                assert!(file_for(dialect, name, value, &[]).is_err(), "{name:?} {value:?}");
            }
        }
    }
}
