//! Environment files, and the `Environment=` lines of systemd units and their drop-ins.
//!
//! Source: systemd.exec(5), environment.d(5), pam_env.conf(5).

use crate::caller::Caller;
use crate::host_root::{EntryKind, HostRoot, join};
use crate::settings::{Format, Settings, is_name, setting};
use rmcp_model::{Place, Setting, SettingKind};

/// Folders of units that a person or a package of a GPU program writes. The distribution's own units in
/// `/usr/lib/systemd` set none of our variables and are hundreds.
const SYSTEM_UNITS: &str = "/etc/systemd/system";

/// A user's units, below the home folder.
const USER_UNITS: &str = ".config/systemd/user";

/// Reads the units of the system and of the user.
pub(super) fn read_units(root: &HostRoot, caller: &Caller, settings: &mut Settings<'_>) {
    for (path, user) in [("/etc/systemd/system.conf", false), ("/etc/systemd/user.conf", true)] {
        let place = Place::Unit { unit: "every unit".to_owned(), user };
        settings.read(root, path, Format::Unit("DefaultEnvironment"), |text| {
            parse_unit(path, text, &place, "DefaultEnvironment").0
        });
    }
    read_folder(root, SYSTEM_UNITS, false, settings);
    read_folder(root, "/etc/systemd/user", true, settings);
    if let Some(home) = &caller.home {
        read_folder(root, &join(home, USER_UNITS), true, settings);
    }
}

fn read_folder(root: &HostRoot, folder: &str, user: bool, settings: &mut Settings<'_>) {
    let entries = root.list(folder, |name| {
        name.ends_with(".service") || name.ends_with(".service.d") || name.ends_with(".slice.d")
    });
    for (name, kind) in entries.value().into_iter().flatten() {
        let path = join(folder, name);
        let unit = name.trim_end_matches(".d").to_owned();
        let place = Place::Unit { unit, user };
        if name.ends_with(".d") {
            for drop_in in root.names(&path, |name| name.ends_with(".conf")) {
                read_unit(root, &join(&path, &drop_in), &place, settings);
            }
        } else if *kind != EntryKind::Folder {
            read_unit(root, &path, &place, settings);
        }
    }
}

fn read_unit(root: &HostRoot, path: &str, place: &Place, settings: &mut Settings<'_>) {
    let mut files = Vec::new();
    settings.read(root, path, Format::Unit("Environment"), |text| {
        let (found, named) = parse_unit(path, text, place, "Environment");
        files = named;
        found
    });
    for file in files {
        settings.read(root, &file, Format::EnvironmentFile, |text| {
            parse_environment_file(&file, text, place)
        });
    }
}

/// Returns the settings of a unit file, and the files that it names with `EnvironmentFile=`.
pub fn parse_unit(path: &str, text: &str, place: &Place, key: &str) -> (Vec<Setting>, Vec<String>) {
    let mut found = Vec::new();
    let mut files = Vec::new();
    for (number, line) in joined_lines(text) {
        let Some((name, value)) = line.split_once('=') else { continue };
        match name.trim() {
            name if name == key => {
                for word in unit_words(value.trim()) {
                    if let Some((name, value)) =
                        word.split_once('=').filter(|(name, _)| is_name(name))
                    {
                        found.push(setting(
                            name,
                            value,
                            SettingKind::Exported,
                            place,
                            path,
                            number,
                        ));
                    }
                }
            }
            "UnsetEnvironment" => {
                for name in value.split_whitespace().filter(|name| is_name(name)) {
                    found.push(setting(name, "", SettingKind::Unset, place, path, number));
                }
            }
            "EnvironmentFile" => {
                let file = value.trim().trim_start_matches('-').trim_matches('"');
                if file.starts_with('/') && files.len() < 16 {
                    files.push(file.to_owned());
                }
            }
            _ => {}
        }
    }
    (found, files)
}

/// Returns the lines with their numbers; one that ends with a backslash goes on in the next. Remarks between are
/// left out. Source: systemd.syntax(7).
fn joined_lines(text: &str) -> Vec<(u32, String)> {
    let mut lines: Vec<(u32, String)> = Vec::new();
    let mut continues = false;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.starts_with(['#', ';']) {
            continue;
        }
        let (line, goes_on) = line.strip_suffix('\\').map_or((line, false), |front| (front, true));
        match lines.last_mut().filter(|_| continues) {
            Some((_, front)) => {
                front.push(' ');
                front.push_str(line);
            }
            None => lines.push((number, line.to_owned())),
        }
        continues = goes_on;
    }
    lines
}

/// Splits at blanks outside quotes, and takes all quotes away; a backslash quotes what follows.
///
/// Source: systemd `src/basic/extract-word.c`, `extract_first_word` with `EXTRACT_UNQUOTE | EXTRACT_CUNESCAPE`.
fn unit_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (None, blank) if blank.is_whitespace() => words.extend(word.take()),
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (Some(open), close) if open == close => quote = None,
            (_, '\\') => word.get_or_insert_default().extend(characters.next()),
            (_, other) => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

/// Returns the settings of a file of `NAME=value` lines: `/etc/environment`, environment.d, the
/// `EnvironmentFile=` of a unit. pam_env's `NAME DEFAULT=value` is read too. Quotes around the whole value
/// are taken away, as PAM and systemd do.
pub fn parse_environment_file(path: &str, text: &str, place: &Place) -> Vec<Setting> {
    (1..)
        .zip(text.lines())
        .filter_map(|(number, line)| {
            let line = line.trim();
            let line = line.strip_prefix("export ").unwrap_or(line);
            let (name, value) = match line.split_once(char::is_whitespace) {
                Some((name, rest))
                    if is_name(name) && rest.trim_start().starts_with("DEFAULT=") =>
                {
                    (name, rest.trim_start().trim_start_matches("DEFAULT="))
                }
                _ => line.split_once('=')?,
            };
            let name = name.trim();
            let value = value.trim();
            let unquoted = ['"', '\'']
                .iter()
                .find_map(|&quote| value.strip_prefix(quote)?.strip_suffix(quote));
            is_name(name).then(|| {
                setting(name, unquoted.unwrap_or(value), SettingKind::Exported, place, path, number)
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_lines() {
        let place = Place::Unit { unit: "ollama.service".into(), user: false };
        let text = "[Service]\nEnvironment=\"HSA_OVERRIDE_GFX_VERSION=10.3.0\" B=2\nEnvironment=C=\"3\" \\\n  F=it\\ is\n#Environment=D=1\nEnvironmentFile=-/etc/default/ollama\nUnsetEnvironment=E\n";
        let (found, files) = parse_unit("/u", text, &place, "Environment");
        let shown: Vec<_> =
            found.iter().map(|s| format!("{}={} {:?}", s.name, s.value, s.kind)).collect();
        assert_eq!(
            shown,
            [
                "HSA_OVERRIDE_GFX_VERSION=10.3.0 Exported",
                "B=2 Exported",
                "C=3 Exported",
                "F=it is Exported",
                "E= Unset"
            ]
        );
        assert_eq!(files, ["/etc/default/ollama"]);
    }

    #[test]
    fn environment_files() {
        let text = "# note\nA=1\nexport B=\"2\"\nC DEFAULT=3\nnot a setting\n";
        let found = parse_environment_file("/etc/environment", text, &Place::System);
        let shown: Vec<_> = found.iter().map(|s| format!("{}={}", s.name, s.value)).collect();
        assert_eq!(shown, ["A=1", "B=2", "C=3"]);
    }
}
