//! Kernel release and command line.

use crate::host_root::HostRoot;
use rmcp_model::{Fact, KernelFacts};

/// Longest command line: x86 has 2,048 bytes, the bootconfig extension allows 32 KiB.
const MAX_COMMAND_LINE_BYTES: u64 = 64 << 10;

/// Reads release and command line of the running kernel.
pub fn read_kernel(root: &HostRoot) -> KernelFacts {
    let release = match root.read_value("/proc/sys/kernel/osrelease") {
        // A recorded tree may have /proc/version alone: "Linux version 6.14.0-34-generic (...) ...".
        Fact::Absent => root.read_value("/proc/version").parse(|text| {
            text.strip_prefix("Linux version ")
                .and_then(|rest| rest.split_whitespace().next())
                .map(str::to_owned)
                .ok_or_else(|| "expected `Linux version ...`".into())
        }),
        release => release,
    };
    let command_line = root
        .read_up_to("/proc/cmdline", MAX_COMMAND_LINE_BYTES)
        .parse(|bytes| Ok(parse_command_line(&String::from_utf8_lossy(bytes))));
    KernelFacts { release, command_line }
}

/// Reads the id of the running start of the machine. Source: random(4), `boot_id`.
pub fn read_boot_id(root: &HostRoot) -> Fact<String> {
    root.read_value("/proc/sys/kernel/random/boot_id")
}

/// Splits a kernel command line into words as the kernel does: at blanks outside double quotes.
///
/// Source: Linux `lib/cmdline.c`, `next_arg`.
pub fn parse_command_line(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for character in text.chars() {
        match character {
            '"' => quoted = !quoted,
            blank if blank.is_ascii_whitespace() && !quoted => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            _ => {}
        }
        word.push(character);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Returns name and value of a kernel word; dashes and underscores in names are the same to the kernel.
pub fn split_word(word: &str) -> (String, &str) {
    let (name, value) = word.split_once('=').unwrap_or((word, ""));
    let name = name.trim_matches('"');
    let name = match name.split_once('.') {
        Some((module, parameter)) => {
            format!("{}.{}", module.replace('-', "_"), parameter.replace('-', "_"))
        }
        None => name.to_owned(),
    };
    (name, value.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_end_at_blanks_outside_quotes() {
        let words = parse_command_line("quiet  dyndbg=\"file a.c +p\" amdgpu.noretry=0\n");
        assert_eq!(words, ["quiet", "dyndbg=\"file a.c +p\"", "amdgpu.noretry=0"]);
        assert_eq!(
            split_word("amdgpu.vm-fragment-size=9"),
            ("amdgpu.vm_fragment_size".into(), "9")
        );
        assert_eq!(split_word("\"a.b=c d\""), ("a.b".into(), "c d"));
        assert_eq!(split_word("quiet"), ("quiet".into(), ""));
    }
}
