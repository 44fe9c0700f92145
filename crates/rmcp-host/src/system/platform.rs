//! Distribution, container, Windows Subsystem for Linux, IOMMU.

use crate::host_root::HostRoot;
use crate::settings::shell::parse_assignments;
use rmcp_model::{Fact, Origin, Platform};

/// Reads what kind of machine it is.
pub fn read_platform(root: &HostRoot) -> Platform {
    let version = root.read_value("/proc/version");
    let wsl = root.exists("/dev/dxg")
        || version
            .value()
            .is_some_and(|version| version.to_ascii_lowercase().contains("microsoft"));
    Platform { os: read_os(root), container: read_container(root), wsl, iommus: read_iommus(root) }
}

fn read_os(root: &HostRoot) -> Fact<String> {
    let release = match root.read_text("/etc/os-release") {
        Fact::Absent => root.read_text("/usr/lib/os-release"),
        release => release,
    };
    release.parse(|text| {
        let assignments = parse_assignments(text);
        let name = |wanted: &str| {
            assignments
                .iter()
                .find(|assignment| assignment.name == wanted)
                .map(|assignment| assignment.value.clone())
        };
        name("PRETTY_NAME")
            .or_else(|| name("NAME"))
            .ok_or_else(|| "has neither PRETTY_NAME nor NAME".into())
    })
}

/// Returns the container engine. Source: systemd `src/basic/virt.c`, `detect_container`, for the files.
fn read_container(root: &HostRoot) -> Fact<String> {
    for (path, engine) in [
        ("/run/.containerenv", "podman"),
        ("/.dockerenv", "docker"),
        ("/run/host/container-manager", "flatpak or toolbox"),
    ] {
        if root.exists(path) {
            return Fact::known(engine.to_owned(), Origin::file(path));
        }
    }
    root.read_value("/run/systemd/container")
}

fn read_iommus(root: &HostRoot) -> Fact<Vec<String>> {
    root.list("/sys/class/iommu", |_| true)
        .map(|entries| entries.into_iter().map(|(name, _)| name).collect())
}
