//! Where environment variables are set to last: shell start files, environment.d, `/etc/environment`,
//! systemd units.
//!
//! Nothing is executed. A line that a person would read as setting a variable is reported as such; a line
//! inside a condition counts, since the tool cannot know whether the condition holds.

pub mod fish;
pub mod shell;
pub mod systemd;

use crate::caller::Caller;
use crate::host_root::{HostRoot, join};
use rmcp_model::{Fact, Origin, Place, Setting, SettingKind};

/// How a file writes its settings.
#[derive(Debug, Clone, Copy)]
enum Format {
    /// A script of a POSIX shell.
    Shell,
    /// A script of fish.
    Fish,
    /// The file in which fish keeps universal variables.
    FishUniversal,
    /// `NAME=value` on each line.
    EnvironmentFile,
    /// A systemd unit, with this key.
    Unit(&'static str),
}

/// Which variables are of interest.
type Wanted<'a> = &'a dyn Fn(&str) -> bool;

/// Everything found, in the order in which it takes effect, and the files that could not be read.
struct Settings<'a> {
    /// Lines that set or unset a variable.
    pub found: Vec<Setting>,
    /// Files that could not be read.
    pub unreadable: Vec<String>,
    wanted: Wanted<'a>,
}

/// System files read by shells of each kind, in the order of reading. Source: bash(1), zsh(1).
const SYSTEM_SHELL_FILES: [(&str, &str); 7] = [
    ("sh", "/etc/profile"),
    ("bash", "/etc/bash.bashrc"),
    ("bash", "/etc/bashrc"),
    ("zsh", "/etc/zshenv"),
    ("zsh", "/etc/zsh/zshenv"),
    ("zsh", "/etc/zsh/zprofile"),
    ("zsh", "/etc/zsh/zshrc"),
];

/// A user's files, likewise.
const USER_SHELL_FILES: [(&str, &str); 10] = [
    ("sh", ".profile"),
    ("bash", ".bash_profile"),
    ("bash", ".bash_login"),
    ("bash", ".bashrc"),
    ("bash", ".bash_aliases"),
    ("sh", ".xprofile"),
    ("zsh", ".zshenv"),
    ("zsh", ".zprofile"),
    ("zsh", ".zshrc"),
    ("zsh", ".zlogin"),
];

/// Longest settings file. A start file of a megabyte is no start file.
const MAX_SETTINGS_BYTES: u64 = 1 << 20;

/// Reads every place that sets variables which `wanted` accepts: the settings in the order in which they
/// take effect, and the files that could not be read.
pub fn read_settings(
    root: &HostRoot,
    caller: &Caller,
    wanted: Wanted<'_>,
) -> (Vec<Setting>, Vec<String>) {
    let mut settings = Settings { found: Vec::new(), unreadable: Vec::new(), wanted };
    read_system_files(root, &mut settings);
    for home in homes(root, caller) {
        read_user_files(root, &home, &mut settings);
    }
    systemd::read_units(root, caller, &mut settings);
    (settings.found, settings.unreadable)
}

/// The caller's home, or in a machine folder without a caller every home in it.
fn homes(root: &HostRoot, caller: &Caller) -> Vec<String> {
    if let Some(home) = &caller.home {
        return vec![home.clone()];
    }
    let mut homes: Vec<String> =
        root.names("/home", |_| true).iter().take(8).map(|name| join("/home", name)).collect();
    homes.push("/root".to_owned());
    homes
}

fn read_system_files(root: &HostRoot, settings: &mut Settings<'_>) {
    for path in ["/etc/environment", "/etc/security/pam_env.conf"] {
        settings.read(root, path, Format::EnvironmentFile, |text| {
            systemd::parse_environment_file(path, text, &Place::System)
        });
    }
    for folder in ["/usr/lib/environment.d", "/etc/environment.d"] {
        read_environment_d(root, folder, settings);
    }
    for (shell, path) in SYSTEM_SHELL_FILES {
        settings.read(root, path, Format::Shell, |text| shell::parse_settings(path, shell, text));
    }
    for name in root.names("/etc/profile.d", |name| name.ends_with(".sh") || name.ends_with(".zsh"))
    {
        let path = join("/etc/profile.d", &name);
        settings.read(root, &path, Format::Shell, |text| shell::parse_settings(&path, "sh", text));
    }
    fish::read_folder(root, "/etc/fish", settings);
}

fn read_user_files(root: &HostRoot, home: &str, settings: &mut Settings<'_>) {
    read_environment_d(root, &join(home, ".config/environment.d"), settings);
    let pam = join(home, ".pam_environment");
    settings.read(root, &pam, Format::EnvironmentFile, |text| {
        systemd::parse_environment_file(&pam, text, &Place::System)
    });
    for (shell, name) in USER_SHELL_FILES {
        let path = join(home, name);
        settings.read(root, &path, Format::Shell, |text| shell::parse_settings(&path, shell, text));
    }
    fish::read_folder(root, &join(home, ".config/fish"), settings);
}

fn read_environment_d(root: &HostRoot, folder: &str, settings: &mut Settings<'_>) {
    for name in root.names(folder, |name| name.ends_with(".conf")) {
        let path = join(folder, &name);
        settings.read(root, &path, Format::EnvironmentFile, |text| {
            systemd::parse_environment_file(&path, text, &Place::System)
        });
    }
}

impl Settings<'_> {
    /// Reads one file and adds what `parse` finds in it; bytes that are no UTF-8 are replaced, since one
    /// stray byte in a comment must not hide the settings beside it.
    fn read(
        &mut self,
        root: &HostRoot,
        path: &str,
        format: Format,
        parse: impl FnOnce(&str) -> Vec<Setting>,
    ) {
        match root.read_up_to(path, MAX_SETTINGS_BYTES) {
            Fact::Known { value, .. } => {
                let mut found = parse(&String::from_utf8_lossy(&value));
                found.retain(|setting| (self.wanted)(&setting.name));
                if root.is_recording() {
                    root.note_file(path, write_settings(&found, format).as_bytes());
                }
                self.found.extend(found);
            }
            Fact::Absent => {}
            Fact::Unreadable { why } => self.unreadable.push(why),
        }
    }
}

/// Returns a file that holds these settings on their lines and nothing else: start files hold tokens and
/// names that are nobody's business.
fn write_settings(settings: &[Setting], format: Format) -> String {
    let last = settings.iter().filter_map(|setting| setting.origin.line).max().unwrap_or(0);
    let mut out = String::new();
    for number in 1..=last {
        let on_line: Vec<String> = settings
            .iter()
            .filter(|setting| setting.origin.line == Some(number))
            .map(|setting| format.write(setting))
            .collect();
        out.push_str(&on_line.join("; "));
        out.push('\n');
    }
    out
}

impl Format {
    fn write(self, setting: &Setting) -> String {
        let Setting { name, value, kind, .. } = setting;
        let quoted = format!("'{}'", value.replace('\'', ""));
        match (self, kind) {
            (Self::Shell, SettingKind::Exported) => format!("export {name}={quoted}"),
            (Self::Shell, SettingKind::NotExported) => format!("{name}={quoted}"),
            (Self::Shell, SettingKind::Unset) => format!("unset {name}"),
            (Self::Fish, SettingKind::Exported) => format!("set -gx {name} {quoted}"),
            (Self::Fish, SettingKind::NotExported) => format!("set -g {name} {quoted}"),
            (Self::Fish, SettingKind::Unset) => format!("set -e {name}"),
            (Self::FishUniversal, SettingKind::Exported) => {
                format!("SETUVAR --export {name}:{value}")
            }
            (Self::FishUniversal, _) => format!("SETUVAR {name}:{value}"),
            (Self::EnvironmentFile, _) => format!("{name}={value}"),
            (Self::Unit(_), SettingKind::Unset) => format!("UnsetEnvironment={name}"),
            (Self::Unit(key), _) => format!("{key}=\"{name}={value}\""),
        }
    }
}

/// Returns a setting at a line.
fn setting(
    name: &str,
    value: &str,
    kind: SettingKind,
    place: &Place,
    path: &str,
    line: u32,
) -> Setting {
    Setting {
        name: name.to_owned(),
        value: value.to_owned(),
        kind,
        place: place.clone(),
        origin: Origin::line(path, line),
    }
}

/// Returns whether a text is a variable's name.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|first: char| first.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
