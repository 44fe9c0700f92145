//! Hooks of Python environments: a `.pth` file that Python reads when it starts, and the scripts by which an
//! environment is activated.
//!
//! What the caller has set for one command stays: the `.pth` sets a variable only where it is not set.
//! Source: Python documentation, module `site` (lines that begin with `import` are executed); CPython
//! `Lib/venv/scripts/common/activate` and `posix/activate.fish`; conda documentation, "Saving environment variables".

use super::EditError;
use super::variables::{check, fish_quoted, mark_block, shell_quoted};

/// Returns a `.pth` file that sets a variable before any package is imported.
///
/// # Errors
/// [`EditError::Word`] for a name or value that is none.
pub fn pth_for(name: &str, value: &str) -> Result<String, EditError> {
    check(name, value)?;
    Ok(format!(
        "# Written by rmcp; `rmcp undo` takes it away.\n\
         import os; os.environ.setdefault(\"{name}\", {})\n",
        python_quoted(value)
    ))
}

/// Only ASCII: the encoding in which Python reads the file depends on its version and on the user's language.
fn python_quoted(value: &str) -> String {
    let mut out = String::from("\"");
    for character in value.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            ' '..='~' => out.push(character),
            other => out.push_str(&format!("\\U{:08x}", u32::from(other))),
        }
    }
    out + "\""
}

/// Returns conda's two scripts for a variable: the folder below `etc/conda`, and the text.
///
/// # Errors
/// [`EditError::Word`] for a name or value that is none.
pub fn conda_hooks(name: &str, value: &str) -> Result<[(&'static str, String); 2], EditError> {
    check(name, value)?;
    let head = "# Written by rmcp; `rmcp undo` takes it away.\n";
    Ok([
        ("activate.d", format!("{head}{}", sh_set(name, value))),
        ("deactivate.d", format!("{head}{}", sh_restore(name))),
    ])
}

/// Sets a variable, and keeps the one that was there.
fn sh_set(name: &str, value: &str) -> String {
    format!(
        "if [ -z \"${{_RMCP_{name}+x}}\" ]; then _RMCP_{name}=\"${{{name}+x${name}}}\"; fi\n\
         export {name}={}\n",
        shell_quoted(value)
    )
}

/// Puts back what [`sh_set`] kept, where it has kept something.
fn sh_restore(name: &str) -> String {
    format!(
        "if [ -n \"${{_RMCP_{name}+x}}\" ]; then \
         if [ -n \"$_RMCP_{name}\" ]; then export {name}=\"${{_RMCP_{name}#x}}\"; else unset {name}; fi; \
         unset _RMCP_{name}; fi\n"
    )
}

/// Returns `bin/activate` with a variable set at its end, and put back by the function `deactivate`.
///
/// # Errors
/// [`EditError::Word`] for a name or value that is none, [`EditError::Form`] where there is no such function.
pub fn set_in_sh(text: &str, name: &str, value: &str) -> Result<String, EditError> {
    check(name, value)?;
    let starts = |line: &str| line.starts_with("deactivate") && line.ends_with("{");
    with_hooks(text, name, starts, &sh_set(name, value), sh_restore(name).trim_end())
}

/// Returns `bin/activate.fish`, likewise.
///
/// # Errors
/// As [`set_in_sh`].
pub fn set_in_fish(text: &str, name: &str, value: &str) -> Result<String, EditError> {
    check(name, value)?;
    let set = format!(
        "if not set -q _RMCP_{name}; set -g _RMCP_{name} (set -q {name}; and echo x${name}; or echo); end\n\
         set -gx {name} {}\n",
        fish_quoted(value)
    );
    let restore = format!(
        "if set -q _RMCP_{name}; if test -n \"$_RMCP_{name}\"; set -gx {name} (string sub -s 2 -- $_RMCP_{name}); \
         else; set -e {name}; end; set -e _RMCP_{name}; end"
    );
    let starts = |line: &str| line.starts_with("function deactivate");
    with_hooks(text, name, starts, &set, &restore)
}

/// Puts one line behind the beginning of the function that deactivates, and a block at the end.
fn with_hooks(
    text: &str,
    name: &str,
    starts: impl Fn(&str) -> bool,
    set: &str,
    restore: &str,
) -> Result<String, EditError> {
    let mark = format!("# rmcp {name}");
    let mut out = String::with_capacity(text.len() + 512);
    let mut hooked = false;
    // What an earlier change wrote for this variable is written anew.
    let lines = text.split_inclusive('\n').filter(|line| !line.trim_end().ends_with(&mark));
    for line in lines {
        out.push_str(line);
        if !hooked && starts(line.trim_end()) {
            out.push_str(&format!("    {restore} {mark}\n"));
            hooked = true;
        }
    }
    if !hooked {
        return Err(EditError::Form { expected: "a function `deactivate` as venv writes it" });
    }
    Ok(mark_block(&out, name, set))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_ascii_in_python() {
        let text = pth_for("A", "a\"\\ä\u{1f600}").unwrap();
        assert!(
            text.ends_with("setdefault(\"A\", \"a\\\"\\\\\\U000000e4\\U0001f600\")\n"),
            "{text}"
        );
        assert!(pth_for("A", "1\nimport x").is_err());
    }

    #[test]
    fn a_script_without_the_function_is_left_alone() {
        assert!(matches!(set_in_sh("export A=1\n", "A", "1"), Err(EditError::Form { .. })));
    }

    #[test]
    fn twice_is_once_and_a_new_value_replaces_the_old() {
        let text = "deactivate () {\n    unset X\n}\ndeactivate nondestructive\n";
        let once = set_in_sh(text, "A", "1").unwrap();
        assert_eq!(set_in_sh(&once, "A", "1").unwrap(), once);
        let other = set_in_sh(&once, "A", "2").unwrap();
        assert_eq!(
            (other.matches("export A='1'").count(), other.matches("export A='2'").count()),
            (0, 1)
        );
    }
}
