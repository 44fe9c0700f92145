//! Kernel words in `/etc/default/grub` and its drop-ins, which are shell text that `grub-mkconfig` sources.
//!
//! A line at the end that adds to the variable is right whatever stands above it: quoted, over several lines,
//! commented out, appended to, or not there at all.
//!
//! Source: GRUB manual, "Simple configuration handling"; Debian sources `/etc/default/grub.d/*.cfg` too.

use super::{EditError, append_lines, check_closed};

/// The variable for words of normal starts: without them is what the recovery entry is for.
const VARIABLE: &str = "GRUB_CMDLINE_LINUX_DEFAULT";

/// Returns the lines that add words to those of the files before.
///
/// # Errors
/// [`EditError::Word`] for a word that would not reach the kernel as it is.
pub fn lines_for_words(words: &[String]) -> Result<String, EditError> {
    words.iter().try_for_each(|word| check_word(word))?;
    Ok(lines_for(&words.join(" ")))
}

fn lines_for(value: &str) -> String {
    format!("# Added by rmcp; `rmcp undo` takes it away.\n{VARIABLE}=\"${VARIABLE} {value}\"\n")
}

/// Returns the file with the words added at its end.
///
/// # Errors
/// [`EditError::Word`], and [`EditError::Open`] for a file that ends within a quote or a continued line.
pub fn add_words(text: &str, words: &[String]) -> Result<String, EditError> {
    let lines = lines_for_words(words)?;
    check_closed(text)?;
    Ok(append_lines(text, &lines))
}

/// Returns the file with a variable of GRUB's own added, written `\$name`: the shell leaves it as it is, and GRUB
/// puts its value there at each start.
///
/// # Errors
/// [`EditError::Open`] for a file that ends within a quote or a continued line.
pub fn add_reference(text: &str, reference: &str) -> Result<String, EditError> {
    check_closed(text)?;
    Ok(append_lines(text, &lines_for(reference)))
}

/// Returns a part of GRUB's configuration that sets the variable `words` for one start: when `asked` stands in
/// GRUB's environment, and only after GRUB has taken it out of there. Submenus see exported variables alone.
///
/// Source: GRUB manual, "The GRUB environment block", `save_env`; `/etc/grub.d` scripts print configuration.
///
/// # Errors
/// [`EditError::Word`] for a word that would not reach the kernel as it is.
pub fn once_script(asked: &str, variable: &str, words: &[String]) -> Result<String, EditError> {
    words.iter().try_for_each(|word| check_word(word))?;
    let words = words.join(" ");
    Ok(format!(
        "#!/bin/sh\n\
         # Written by rmcp; `rmcp undo` takes it away. Words for one start: `rmcp status --confirm` keeps them.\n\
         cat <<'EOF'\n\
         set {variable}=\n\
         export {variable}\n\
         if [ \"${{{asked}}}\" = \"1\" ]; then\n  \
           set {asked}=0\n  \
           if save_env {asked}; then\n    \
             set {variable}=\"{words}\"\n  \
           fi\n\
         fi\n\
         EOF\n"
    ))
}

/// Allowed are the characters of which kernel parameters are made, and which are nothing special to a shell,
/// to GRUB or to the kernel's own quoting. Source: Linux `lib/cmdline.c`, `next_arg`.
pub(crate) fn check_word(word: &str) -> Result<(), EditError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-=,:/+@".contains(c);
    if word.is_empty() || word.len() > 256 || !word.chars().all(allowed) {
        return Err(EditError::Word {
            word: word.to_owned(),
            place: "the kernel's command line",
            expected: "letters, digits and ._-=,:/+@",
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_a_shell_would_obey_are_refused() {
        for word in [
            "",
            "a b",
            "$(reboot)",
            "`id`",
            "x\"y",
            "a'b",
            "a\\b",
            "a\nb",
            "a;b",
            "a&b",
            "a|b",
            "a>b",
            "ä",
        ] {
            assert!(
                matches!(add_words("", &[word.to_owned()]), Err(EditError::Word { .. })),
                "{word:?}"
            );
        }
        assert!(add_words("", &["amdgpu.ppfeaturemask=0xfff7ffff".to_owned()]).is_ok());
    }

    #[test]
    fn what_is_open_at_the_end_is_named_by_its_line() {
        let words = ["iommu=pt".to_owned()];
        for (text, expected) in
            [("A=1\nB=\"never\nclosed\n", 2), ("A='x\n", 1), ("A=1 \\", 1), ("A=1 \\\n", 1)]
        {
            match add_words(text, &words) {
                Err(EditError::Open { line, .. }) => assert_eq!(line, expected, "{text:?}"),
                other => panic!("{text:?}: {other:?}"),
            }
        }
        for text in [
            "# it's fine\nA=1\n",
            "A=\"a'b\"\n",
            "A=it\\'s\n",
            "A='a\"b'",
            "A=\"1 \\\n 2\"\n",
            "A=x#'\n'\n",
        ] {
            assert!(add_words(text, &words).is_ok(), "{text:?}");
        }
    }
}
