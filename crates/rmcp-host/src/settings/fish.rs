//! Variables of the fish shell: `set` commands, and the universal variables that fish keeps in a file.
//!
//! Source: fish documentation, `set`; format of `fish_variables` from fish's own comments in that file.

use crate::host_root::{HostRoot, join};
use crate::settings::{Format, Settings, is_name, setting};
use rmcp_model::{Place, Setting, SettingKind};

/// Reads `config.fish`, `conf.d` and `fish_variables` of a folder.
pub(super) fn read_folder(root: &HostRoot, folder: &str, settings: &mut Settings<'_>) {
    let universal = join(folder, "fish_variables");
    settings
        .read(root, &universal, Format::FishUniversal, |text| parse_universal(&universal, text));
    let conf_d = join(folder, "conf.d");
    let files = root
        .names(&conf_d, |name| name.ends_with(".fish"))
        .into_iter()
        .map(|name| join(&conf_d, &name));
    for path in files.chain([join(folder, "config.fish")]) {
        settings.read(root, &path, Format::Fish, |text| parse_settings(&path, text));
    }
}

fn place() -> Place {
    Place::Shell { shell: "fish".to_owned() }
}

/// Returns the settings of a fish script: `set -x`, `set -gx`, `set -Ux`, `set -e`, `export`.
pub fn parse_settings(path: &str, text: &str) -> Vec<Setting> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for command in line.split(';') {
            let words = words(command);
            let mut words = words.iter().map(String::as_str);
            match words.next() {
                Some("set") => {
                    let mut flags = String::new();
                    let mut rest: Vec<&str> = Vec::new();
                    for word in words {
                        match word {
                            "--export" => flags.push('x'),
                            "--erase" => flags.push('e'),
                            "--universal" | "--global" | "--unexport" | "--path" | "--local" => {}
                            "--query" => flags.push('q'),
                            short if rest.is_empty() && short.starts_with('-') => {
                                flags.push_str(&short[1..])
                            }
                            word => rest.push(word),
                        }
                    }
                    let Some((name, values)) = rest.split_first() else { continue };
                    if !is_name(name) || flags.contains('q') || flags.contains('l') {
                        continue;
                    }
                    let kind = match flags.as_str() {
                        flags if flags.contains('e') => SettingKind::Unset,
                        flags if flags.contains('x') => SettingKind::Exported,
                        _ => SettingKind::NotExported,
                    };
                    found.push(setting(name, &values.join(" "), kind, &place(), path, number));
                }
                Some("export") => {
                    for (name, value) in words
                        .filter_map(|word| word.split_once('='))
                        .filter(|(name, _)| is_name(name))
                    {
                        found.push(setting(
                            name,
                            value,
                            SettingKind::Exported,
                            &place(),
                            path,
                            number,
                        ));
                    }
                }
                _ => {}
            }
        }
    }
    found
}

fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for character in command.chars() {
        match (quote, character) {
            (Some(open), close) if open == close => quote = None,
            (Some(_), inside) => word.get_or_insert_default().push(inside),
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, blank) if blank.is_whitespace() => words.extend(word.take()),
            (None, other) => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

/// Returns the variables of `fish_variables`: `SETUVAR --export NAME:value`; without `--export` a universal
/// variable is not seen by programs, which is what `set -U` alone makes.
pub fn parse_universal(path: &str, text: &str) -> Vec<Setting> {
    (1..)
        .zip(text.lines())
        .filter_map(|(number, line)| {
            let mut rest = line.strip_prefix("SETUVAR ")?;
            let mut kind = SettingKind::NotExported;
            while let Some((flag, behind)) =
                rest.split_once(' ').filter(|(flag, _)| flag.starts_with("--"))
            {
                if flag == "--export" {
                    kind = SettingKind::Exported;
                }
                rest = behind;
            }
            let (name, value) = rest.split_once(':')?;
            is_name(name).then(|| setting(name, &unescape(value), kind, &place(), path, number))
        })
        .collect()
}

/// Takes `\x2e` escapes away; a list's separator becomes a blank.
fn unescape(value: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = value.as_bytes();
    while let [first, behind @ ..] = rest {
        match behind {
            [b'x', high, low, tail @ ..] if *first == b'\\' => {
                let digit = |byte: u8| {
                    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
                };
                match (digit(*high), digit(*low)) {
                    (Some(high), Some(low)) => {
                        let byte = high << 4 | low;
                        bytes.push(if byte == 0x1e { b' ' } else { byte });
                        rest = tail;
                        continue;
                    }
                    _ => bytes.push(*first),
                }
            }
            _ => bytes.push(*first),
        }
        rest = behind;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn universal_without_export_is_not_seen() {
        let text = "# This file contains fish universal variable definitions.\n# VERSION: 3.0\nSETUVAR HSA_OVERRIDE_GFX_VERSION:10\\x2e3\\x2e0\nSETUVAR --export B:1\n";
        let found = parse_universal("/v", text);
        assert_eq!((found[0].value.as_str(), found[0].kind), ("10.3.0", SettingKind::NotExported));
        assert_eq!((found[1].name.as_str(), found[1].kind), ("B", SettingKind::Exported));
    }

    #[test]
    fn set_commands() {
        for (text, expected) in [
            ("set -gx A 10.3.0", &["A=10.3.0 Exported"][..]),
            ("set -x A '10.3.0' # note", &["A=10.3.0 Exported"]),
            ("set -U A 1", &["A=1 NotExported"]),
            ("set -Ux A 1; set -e B", &["A=1 Exported", "B= Unset"]),
            ("set --universal --export A 1", &["A=1 Exported"]),
            ("set -q A", &[]),
            ("    set -l A 1", &[]),
            ("export A=1", &["A=1 Exported"]),
        ] {
            let found: Vec<_> = parse_settings("/c", text)
                .iter()
                .map(|s| format!("{}={} {:?}", s.name, s.value, s.kind))
                .collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
