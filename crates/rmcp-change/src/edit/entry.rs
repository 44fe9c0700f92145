//! Entries of the Boot Loader Specification, as systemd-boot and Fedora's GRUB read them.
//!
//! Source: UAPI.1 Boot Loader Specification, "Type #1 Boot Loader Entry Keys".

use super::append_lines;

/// Key of an entry that sorts behind all others where entries have keys.
const LAST_KEY: &str = "zzzz-rmcp";

/// Returns an entry with words added: the words of several `options` lines are taken together.
pub fn add_options(text: &str, words: &[String]) -> String {
    append_lines(text, &format!("options {}\n", words.join(" ")))
}

/// Returns the kernel words of an entry.
pub fn options(text: &str) -> String {
    let values = text.lines().filter_map(|line| {
        let rest = line.strip_prefix("options")?;
        rest.starts_with(char::is_whitespace).then(|| rest.trim())
    });
    values.collect::<Vec<_>>().join(" ")
}

/// Returns a copy of an entry with words added, which says in the menu what it is and sorts last. The words stand in
/// the first `options` line: Fedora's GRUB reads no other.
pub fn copy_for_once(text: &str, words: &[String]) -> String {
    let mut out = String::from("# Written by rmcp; `rmcp undo` takes it away.\n");
    let mut added = false;
    for line in text.lines() {
        let (key, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        match key {
            "title" => out.push_str(&format!("title {} (rmcp, once)\n", value.trim())),
            "sort-key" => out.push_str(&format!("sort-key {LAST_KEY}\n")),
            "options" if !added => {
                out.push_str(&format!("{} {}\n", line.trim_end(), words.join(" ")));
                added = true;
            }
            _ => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    if added { out } else { add_options(&out, words) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_added_behind_those_that_are_there() {
        let words = ["iommu=pt".to_owned()];
        assert_eq!(add_options("options quiet", &words), "options quiet\noptions iommu=pt\n");
        assert_eq!(
            copy_for_once(
                "title Debian 13\nsort-key debian\nlinux /vmlinuz\noptions quiet\n",
                &words
            ),
            "# Written by rmcp; `rmcp undo` takes it away.\ntitle Debian 13 (rmcp, once)\nsort-key zzzz-rmcp\nlinux /vmlinuz\noptions quiet iommu=pt\n"
        );
        assert_eq!(options("options a\nlinux /x\noptions b c\noptionsx d\n"), "a b c");
        assert!(
            !copy_for_once("linux /vmlinuz\n", &words).contains("sort-key"),
            "a key sorts first"
        );
    }
}
