//! Options of the amdgpu module in a file of our own.
//!
//! Source: modprobe.d(5).

use super::EditError;

/// Returns `/etc/modprobe.d/rmcp.conf` with an option set, given what stands in it now.
///
/// # Errors
/// [`EditError::Word`] for a name or value that modprobe would read as something else.
pub fn set_option(text: Option<&str>, name: &str, value: &str) -> Result<String, EditError> {
    let name_is_plain =
        name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.is_empty();
    let value_is_plain = value.chars().all(|c| c.is_ascii_alphanumeric() || "._-,:x".contains(c))
        && !value.is_empty();
    if !name_is_plain || !value_is_plain {
        return Err(EditError::Word {
            word: format!("{name}={value}"),
            place: "modprobe's configuration",
            expected: "NAME=VALUE of letters, digits and ._-,:",
        });
    }
    let ours = format!("options amdgpu {name}=");
    let mut out = String::new();
    for line in text.unwrap_or("# Written by rmcp; `rmcp undo` takes it away.\n").lines() {
        if !line.starts_with(&ours) {
            out.push_str(line);
            out.push('\n');
        }
    }
    out.push_str(&format!("{ours}{value}\n"));
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_there_once() {
        let once = set_option(None, "noretry", "1").unwrap();
        assert_eq!(
            once,
            "# Written by rmcp; `rmcp undo` takes it away.\noptions amdgpu noretry=1\n"
        );
        assert_eq!(set_option(Some(&once), "noretry", "1").unwrap(), once);
        let two = set_option(Some(&once), "ppfeaturemask", "0xfff7ffff").unwrap();
        assert_eq!(set_option(Some(&two), "noretry", "0").unwrap().matches("noretry").count(), 1);
        assert!(set_option(None, "a b", "1").is_err());
        assert!(set_option(None, "install", "1\ninstall amdgpu reboot").is_err());
    }
}
