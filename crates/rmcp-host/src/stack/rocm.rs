//! Every ROCm on the machine, and how its version is known.

use crate::host_root::{EntryKind, HostRoot, join};
use rmcp_model::{Fact, GfxTarget, Origin, RocmComponent, RocmInstall, RocmOrigin, Version};

/// The libraries that decide: HIP, the HSA runtime, BLAS and convolutions.
const COMPONENTS: [&str; 6] =
    ["amdhip64", "hsa-runtime64", "rocblas", "MIOpen", "hipblaslt", "rccl"];

/// Folders in which distributions keep shared libraries.
const LIBRARY_FOLDERS: [&str; 4] =
    ["/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib"];

/// Packages whose version is ROCm's own, by distribution. Source: Debian `rocm-*`, Fedora `rocm-core`,
/// Arch `rocm-core`.
const VERSION_PACKAGES: [&str; 4] =
    ["rocm-core", "libamdhip64-7", "libamdhip64-6", "libamdhip64-5"];

/// Reads every installation outside Python environments.
pub fn read_installs(root: &HostRoot) -> Vec<RocmInstall> {
    let mut installs = read_opt(root);
    installs.extend(read_distribution(root));
    installs
}

fn read_opt(root: &HostRoot) -> Vec<RocmInstall> {
    let entries = root.list("/opt", |name| name == "rocm" || name.starts_with("rocm-"));
    let mut installs: Vec<RocmInstall> = Vec::new();
    for (name, kind) in entries.value().into_iter().flatten() {
        let path = join("/opt", name);
        let real = root.follow(&path);
        // /opt/rocm is a link to one of the others on most machines.
        if *kind != EntryKind::Folder
            && entries
                .value()
                .into_iter()
                .flatten()
                .any(|(other, kind)| *kind == EntryKind::Folder && join("/opt", other) == real)
        {
            continue;
        }
        let components = read_components(root, &join(&path, "lib"));
        let (version, version_origin) = read_opt_version(root, &path, &real, &components);
        // A folder left behind by an uninstalled version holds neither version nor libraries.
        if version.is_some() || !components.is_empty() {
            installs.push(RocmInstall {
                rocblas: read_system_rocblas(root, &join(&path, "lib")),
                path,
                origin: RocmOrigin::OptFolder,
                version,
                version_origin,
                components,
            });
        }
    }
    installs
}

fn read_opt_version(
    root: &HostRoot,
    path: &str,
    real: &str,
    components: &[RocmComponent],
) -> (Option<Version>, Option<Origin>) {
    let file = join(path, ".info/version");
    if let Fact::Known { value, origin } = root.read_value(&file)
        && let Some(version) = Version::parse_prefix(&value)
    {
        return (Some(version), Some(origin));
    }
    let in_name = [path, real]
        .into_iter()
        .find_map(|path| Version::parse_prefix(path.strip_prefix("/opt/rocm-")?));
    match in_name {
        Some(version) => (Some(version), Some(Origin::file(real))),
        None => version_of_hip(components),
    }
}

/// HIP's library carries ROCm's version: `libamdhip64.so.6.2.60200` is of ROCm 6.2.
pub(super) fn version_of_hip(components: &[RocmComponent]) -> (Option<Version>, Option<Origin>) {
    let hip = components.iter().find(|component| component.name == "amdhip64");
    match hip.and_then(|hip| Some((hip.version?, hip))) {
        Some((version, hip)) => {
            (Some(Version::new(version.major(), version.minor(), 0)), Some(Origin::file(&hip.path)))
        }
        None => (None, None),
    }
}

/// Returns the deciding libraries in a folder, one entry each, the one with the fullest version.
pub(super) fn read_components(root: &HostRoot, folder: &str) -> Vec<RocmComponent> {
    let split = |name: &str| -> Option<(&'static str, Option<Version>)> {
        let rest = name.strip_prefix("lib")?;
        let (stem, behind) = rest.split_once(".so")?;
        // Wheels have `libamdhip64.so`, Debian `libamdhip64.so.5.7.31921`.
        let component = COMPONENTS.into_iter().find(|component| *component == stem)?;
        let version = behind.strip_prefix('.').and_then(Version::parse_prefix);
        (behind.is_empty() || version.is_some()).then_some((component, version))
    };
    let mut components: Vec<RocmComponent> = Vec::new();
    for name in root.names(folder, |name| split(name).is_some()) {
        let Some((component, version)) = split(&name) else { continue };
        let found =
            RocmComponent { name: component.to_owned(), version, path: join(folder, &name) };
        match components.iter_mut().find(|other| other.name == component) {
            Some(other) if version > other.version => *other = found,
            Some(_) => {}
            None => components.push(found),
        }
    }
    components
}

/// Returns the targets for which a rocBLAS folder has files, from their names
/// (`TensileLibrary_lazy_gfx1030.dat`, `Kernels.so-000-gfx1030.hsaco`).
pub(super) fn read_rocblas(root: &HostRoot, folder: &str) -> Vec<GfxTarget> {
    let target = |name: &str| {
        let at = name.rfind("gfx")?;
        GfxTarget::parse_prefix(&name[at..]).map(|(target, _)| target)
    };
    let mut targets: Vec<GfxTarget> = root
        .names(folder, |name| {
            name.starts_with("TensileLibrary") && name.ends_with(".dat") && target(name).is_some()
        })
        .iter()
        .filter_map(|name| target(name))
        .collect();
    targets.sort_unstable();
    targets.dedup();
    targets
}

/// rocBLAS of a distribution: `rocblas/library`, or `rocblas/5.1.0/library` where versions live side by side.
fn read_system_rocblas(root: &HostRoot, lib: &str) -> Vec<GfxTarget> {
    let folder = join(lib, "rocblas");
    let plain = read_rocblas(root, &join(&folder, "library"));
    if !plain.is_empty() {
        return plain;
    }
    let versions =
        root.names(&folder, |name| name.starts_with(|first: char| first.is_ascii_digit()));
    versions
        .last()
        .map_or(Vec::new(), |version| read_rocblas(root, &join(&join(&folder, version), "library")))
}

fn read_distribution(root: &HostRoot) -> Vec<RocmInstall> {
    let Some((folder, components)) = LIBRARY_FOLDERS
        .into_iter()
        .map(|folder| (folder, read_components(root, folder)))
        .find(|(_, components)| {
            components
                .iter()
                .any(|component| matches!(component.name.as_str(), "amdhip64" | "hsa-runtime64"))
        })
    else {
        return Vec::new();
    };
    let (version, version_origin) = match read_package_version(root) {
        Some((version, origin)) => (Some(version), Some(origin)),
        None => version_of_hip(&components),
    };
    vec![RocmInstall {
        rocblas: read_system_rocblas(root, folder),
        path: folder.to_owned(),
        origin: RocmOrigin::Distribution,
        version,
        version_origin,
        components,
    }]
}

fn read_package_version(root: &HostRoot) -> Option<(Version, Origin)> {
    if let Fact::Known { value, origin } = root.read("/var/lib/dpkg/status") {
        let text = String::from_utf8_lossy(&value);
        let found =
            VERSION_PACKAGES.into_iter().find_map(|package| parse_dpkg_version(&text, package));
        root.note_file("/var/lib/dpkg/status", keep_stanzas(&text).as_bytes());
        return found.map(|version| (version, origin));
    }
    // Arch: one folder a package, named with its version.
    let folder = "/var/lib/pacman/local";
    let names = root.names(folder, |name| {
        name.starts_with("rocm-core-") || name.starts_with("hip-runtime-amd-")
    });
    names.iter().find_map(|name| {
        let version = name.trim_start_matches("rocm-core-").trim_start_matches("hip-runtime-amd-");
        Some((Version::parse_prefix(version)?, Origin::file(join(folder, name))))
    })
}

/// Returns the version of an installed package in dpkg's status file. Source: deb822(5), deb-version(7).
pub fn parse_dpkg_version(status: &str, package: &str) -> Option<Version> {
    let stanza = stanzas(status).find(|stanza| field(stanza, "Package") == Some(package))?;
    if !field(stanza, "Status").is_some_and(|status| status.ends_with(" installed")) {
        return None;
    }
    let version = field(stanza, "Version")?;
    Version::parse_prefix(version.split_once(':').map_or(version, |(_, upstream)| upstream))
}

fn stanzas(status: &str) -> impl Iterator<Item = &str> {
    status.split("\n\n")
}

fn field<'a>(stanza: &'a str, name: &str) -> Option<&'a str> {
    stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// A recording keeps three fields of the packages that concern us, not the list of everything installed.
fn keep_stanzas(status: &str) -> String {
    stanzas(status)
        .filter(|stanza| {
            field(stanza, "Package").is_some_and(|package| VERSION_PACKAGES.contains(&package))
        })
        .map(|stanza| {
            let line = |name: &str| {
                field(stanza, name).map(|value| format!("{name}: {value}\n")).unwrap_or_default()
            };
            format!("{}{}{}\n", line("Package"), line("Status"), line("Version"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dpkg_versions() {
        let status = "Package: a\nStatus: install ok installed\nVersion: 1\n\nPackage: rocm-core\nStatus: install ok installed\nVersion: 6.2.0.60200-66~24.04\n\nPackage: libamdhip64-5\nStatus: deinstall ok config-files\nVersion: 5.7\n";
        assert_eq!(
            parse_dpkg_version(status, "rocm-core"),
            Some(Version::new(6, 2, 0).max(Version::parse_prefix("6.2.0.60200").unwrap()))
        );
        assert_eq!(
            parse_dpkg_version(status, "libamdhip64-5"),
            None,
            "removed packages do not count"
        );
        assert_eq!(keep_stanzas(status).lines().next(), Some("Package: rocm-core"));
    }
}
