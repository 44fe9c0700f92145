//! The amdgpu module: whether it is there, its parameters, and what modprobe is told about it.

use crate::host_root::{EntryKind, HostRoot, join};
use crate::system::kernel::split_word;
use rmcp_model::{DriverFacts, Fact, KernelFacts, ModuleOption, Origin, Parameter};
use std::collections::BTreeMap;

const MODULE: &str = "/sys/module/amdgpu";

/// Folders of modprobe's configuration, least important first. Source: modprobe.d(5).
const MODPROBE_FOLDERS: [&str; 4] =
    ["/usr/lib/modprobe.d", "/lib/modprobe.d", "/run/modprobe.d", "/etc/modprobe.d"];

/// Reads everything about the driver.
pub fn read_driver(root: &HostRoot, kernel: &KernelFacts) -> DriverFacts {
    let options = read_modprobe(root);
    let requested = requested_parameters(kernel, &options);
    DriverFacts {
        loaded: read_loaded(root),
        version: root.read_value(&join(MODULE, "version")),
        parameters: read_parameters(root, &requested),
        options,
    }
}

/// Returns whether amdgpu is there, as a module or built in. A driver that is built in has no `initstate`
/// and is not listed by lsmod; its folder in sysfs is there all the same.
fn read_loaded(root: &HostRoot) -> Fact<bool> {
    let module = root.list(MODULE, |_| false);
    match module {
        Fact::Known { origin, .. } => match root.read_value(&join(MODULE, "initstate")) {
            Fact::Known { value, origin } => Fact::known(value == "live", origin),
            _ => Fact::known(true, origin),
        },
        Fact::Absent if root.exists("/sys/module") || root.exists("/sys/class/drm") => {
            Fact::known(false, Origin::file("/sys/module"))
        }
        Fact::Absent => Fact::Absent,
        Fact::Unreadable { why } => Fact::unreadable(why),
    }
}

fn requested_parameters(
    kernel: &KernelFacts,
    options: &[ModuleOption],
) -> BTreeMap<String, String> {
    let mut requested = BTreeMap::new();
    for option in
        options.iter().filter(|option| option.name != "blacklist" && option.name != "install")
    {
        requested.insert(option.name.clone(), option.value.clone());
    }
    // The command line comes after modprobe's configuration.
    for word in kernel.command_line.value().into_iter().flatten() {
        let (name, value) = split_word(word);
        if let Some(name) = name.strip_prefix("amdgpu.") {
            requested.insert(name.to_owned(), value.to_owned());
        }
    }
    requested
}

fn read_parameters(root: &HostRoot, requested: &BTreeMap<String, String>) -> Vec<Parameter> {
    let folder = join(MODULE, "parameters");
    let mut names = root.names(&folder, |_| true);
    names
        .extend(requested.keys().filter(|name| !names.contains(name)).cloned().collect::<Vec<_>>());
    names
        .into_iter()
        // A name that a hostile command line made up must not become a path.
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
        .map(|name| {
            let live = root.read_value(&join(&folder, &name));
            Parameter { live, requested: requested.get(&name).cloned(), name }
        })
        .collect()
}

/// Most files read of modprobe's configuration, and most bytes of one. Large distributions ship some forty
/// of a few kilobytes.
const MAX_MODPROBE_FILES: usize = 256;
const MAX_MODPROBE_BYTES: u64 = 256 << 10;

fn read_modprobe(root: &HostRoot) -> Vec<ModuleOption> {
    // A file in a more important folder hides those of the same name.
    let mut files = BTreeMap::new();
    for folder in MODPROBE_FOLDERS {
        if let Some(entries) = root.list(folder, |name| name.ends_with(".conf")).value() {
            for (name, kind) in entries {
                if *kind != EntryKind::Folder {
                    files.insert(name.clone(), join(folder, name));
                }
            }
        }
    }
    files
        .values()
        .take(MAX_MODPROBE_FILES)
        .filter_map(|path| {
            let bytes = root.read_up_to(path, MAX_MODPROBE_BYTES).value()?.clone();
            Some((path, String::from_utf8_lossy(&bytes).into_owned()))
        })
        .flat_map(|(path, text)| parse_modprobe(path, &text))
        .collect()
}

/// Parses a file of modprobe's configuration: `options amdgpu NAME=VALUE...`, `blacklist amdgpu`,
/// `install amdgpu ...`; a backslash joins lines. Source: modprobe.d(5).
pub fn parse_modprobe(path: &str, text: &str) -> Vec<ModuleOption> {
    let mut options = Vec::new();
    let mut joined = String::new();
    let mut start = 1;
    for (index, line) in (1..).zip(text.lines()) {
        if joined.is_empty() {
            start = index;
        }
        if let Some(front) = line.strip_suffix('\\') {
            joined.push_str(front);
            joined.push(' ');
            continue;
        }
        joined.push_str(line);
        let line = std::mem::take(&mut joined);
        let mut words = line.split_whitespace();
        let (command, module) = (words.next(), words.next());
        if module.map(|module| module.replace('-', "_")).as_deref() != Some("amdgpu") {
            continue;
        }
        let mut add = |name: &str, value: &str| {
            options.push(ModuleOption {
                name: name.to_owned(),
                value: value.to_owned(),
                origin: Origin::line(path, start),
            });
        };
        match command {
            Some("options") => words.for_each(|word| {
                let (name, value) = word.split_once('=').unwrap_or((word, ""));
                add(&name.replace('-', "_"), value.trim_matches('"'));
            }),
            Some("blacklist") => add("blacklist", "amdgpu"),
            Some("install") => add("install", &words.collect::<Vec<_>>().join(" ")),
            _ => {}
        }
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modprobe_lines_are_joined_and_named() {
        let text = "# note\noptions amdgpu noretry=0 \\\n  vm_fragment_size=9\nblacklist amdgpu\noptions radeon si_support=0\n";
        let options = parse_modprobe("/etc/modprobe.d/a.conf", text);
        let shown: Vec<_> =
            options.iter().map(|o| format!("{}={} {}", o.name, o.value, o.origin)).collect();
        assert_eq!(
            shown,
            [
                "noretry=0 /etc/modprobe.d/a.conf:2",
                "vm_fragment_size=9 /etc/modprobe.d/a.conf:2",
                "blacklist=amdgpu /etc/modprobe.d/a.conf:4"
            ]
        );
    }
}
