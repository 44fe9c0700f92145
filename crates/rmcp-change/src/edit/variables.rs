//! Environment variables: files of our own that set one, and lines of others that are switched off.

use super::{EditError, MARK};
use rmcp_model::PciId;

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
    check_name(name)?;
    if value.chars().any(char::is_control) {
        return Err(EditError::Word {
            word: value.escape_default().to_string(),
            place: "an environment variable",
            expected: "text on one line",
        });
    }
    let head = "# Written by rmcp; `rmcp undo` takes it away.\n";
    Ok(match dialect {
        Dialect::Shell => {
            let set = format!("export {name}={}\n", shell_quoted(value));
            format!("{head}{}", only_with(cards, &set, "; then\n", "fi\n"))
        }
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

/// Wraps a line into a condition on the PCI ids in sysfs, which both shells and all distributions have.
fn only_with(cards: &[PciId], set: &str, then: &str, end: &str) -> String {
    if cards.is_empty() {
        return set.to_owned();
    }
    let ids: Vec<String> = cards.iter().map(|id| id.to_string().to_uppercase()).collect();
    let expression = ids.iter().map(|id| format!("-e '^PCI_ID={id}$'")).collect::<Vec<_>>();
    format!(
        "if grep -qs {} /sys/bus/pci/devices/*/uevent{then}    {set}{end}",
        expression.join(" ")
    )
}

/// Source: POSIX, Shell Command Language, 2.2.2.
fn shell_quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', "'\\''"))
}

/// Source: fish documentation, "Quotes".
fn fish_quoted(value: &str) -> String {
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
/// # Errors
/// [`EditError::Shared`] where the line sets other things too, or is continued.
pub fn comment_out(text: &str, line: usize, name: &str) -> Result<String, EditError> {
    check_name(name)?;
    let mut out = String::with_capacity(text.len() + MARK.len());
    for (number, whole) in (1..).zip(text.split_inclusive('\n')) {
        if number == line {
            if !sets_only(whole, name) {
                return Err(EditError::Shared { line, text: whole.trim().to_owned() });
            }
            out.push_str(MARK);
        }
        out.push_str(whole);
    }
    Ok(out)
}

/// Returns whether a line is one plain setting of that variable in one of the dialects.
fn sets_only(line: &str, name: &str) -> bool {
    let line = line.trim();
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
        ] {
            let text = format!("a\n{line}\nb");
            assert_eq!(comment_out(&text, 2, name).unwrap(), format!("a\n# rmcp: {line}\nb"));
        }
        for line in [
            "export HSA_OVERRIDE_GFX_VERSION=10.3.0 HSA_ENABLE_SDMA=0",
            "HSA_OVERRIDE_GFX_VERSION=10.3.0 python train.py",
            "export HSA_OVERRIDE_GFX_VERSION=10.3.0; rm x",
            "export HSA_OVERRIDE_GFX_VERSION=$(cat version)",
            "export HSA_OVERRIDE_GFX_VERSION=10.\\",
            "Environment=HSA_OVERRIDE_GFX_VERSION=10.3.0 A=1",
            "export OTHER=1",
            "export HSA_OVERRIDE_GFX_VERSION_1=10.3.0",
        ] {
            let text = format!("a\n{line}\nb");
            assert!(
                matches!(comment_out(&text, 2, name), Err(EditError::Shared { line: 2, .. })),
                "{line}"
            );
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
