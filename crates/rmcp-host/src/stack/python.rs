//! Python environments and their GPU packages, from folder names and small text files alone: Python is
//! never started, and no library is loaded.

use crate::caller::Caller;
use crate::host_root::{EntryKind, HostRoot, join};
use crate::stack::rocm::{read_components, read_rocblas, version_of_hip};
use rmcp_code::summarize_bundles;
use rmcp_model::{
    Build, BundleSummary, Fact, GfxTarget, Origin, PythonEnv, PythonPackage, RocmInstall,
    RocmOrigin, Version,
};

/// Packages that use the GPU, by the names under which their builds are distributed.
const DISTRIBUTIONS: [(&str, &[&str]); 7] = [
    ("torch", &["torch"]),
    ("torchvision", &["torchvision"]),
    (
        "jax",
        &[
            "jaxlib",
            "jax_rocm60_plugin",
            "jax_rocm7_plugin",
            "jax_cuda12_plugin",
            "jax_cuda13_plugin",
        ],
    ),
    ("tensorflow", &["tensorflow", "tensorflow_rocm", "tensorflow_cpu", "tensorflow_gpu"]),
    (
        "onnxruntime",
        &[
            "onnxruntime",
            "onnxruntime_rocm",
            "onnxruntime_gpu",
            "onnxruntime_migraphx",
            "onnxruntime_training_rocm",
        ],
    ),
    ("bitsandbytes", &["bitsandbytes"]),
    ("cupy", &["cupy", "cupy_rocm_5_0", "cupy_cuda12x"]),
];

/// The library of a package whose GPU code decides whether it runs, relative to site-packages.
const CODE_LIBRARIES: [(&str, &[&str]); 4] = [
    ("torch", &["torch/lib/libtorch_hip.so"]),
    ("torchvision", &["torchvision/_C.so"]),
    ("onnxruntime", &["onnxruntime/capi/libonnxruntime_providers_rocm.so"]),
    (
        "tensorflow",
        &["tensorflow/libtensorflow_cc.so.2", "tensorflow/python/_pywrap_tensorflow_internal.so"],
    ),
];

/// Where Debian keeps the library of its own PyTorch package.
const SYSTEM_LIBRARY_FOLDER: &str = "/usr/lib/x86_64-linux-gnu";

/// Largest metadata file read.
const MAX_METADATA_BYTES: u64 = 1 << 20;

/// What the environments hold.
#[derive(Debug, Default)]
pub struct PythonFacts {
    /// The environments, the active one first.
    pub environments: Vec<PythonEnv>,
    /// ROCm libraries carried inside their packages.
    pub installs: Vec<RocmInstall>,
}

/// Reads every environment in sight. `extra` is a Python or a folder that the user named.
pub fn read_python(root: &HostRoot, caller: &Caller, extra: &[String]) -> PythonFacts {
    let mut facts = PythonFacts::default();
    for (prefix, found_by) in find_prefixes(root, caller, extra) {
        if facts.environments.iter().any(|env| env.prefix == prefix) {
            continue;
        }
        let environment = read_environment(root, caller, &prefix, found_by, &mut facts.installs);
        let named = extra.iter().any(|_| environment.found_by == "--python");
        // A Python without any of the packages is of interest only where it is the one that would run.
        if !environment.packages.is_empty()
            || named
            || facts.environments.is_empty() && found_by_user(&environment.found_by)
        {
            facts.environments.push(environment);
        }
    }
    if let Some(first) = facts.environments.first_mut() {
        first.active = true;
    }
    facts
}

fn found_by_user(found_by: &str) -> bool {
    matches!(found_by, "VIRTUAL_ENV" | "CONDA_PREFIX")
}

fn find_prefixes(
    root: &HostRoot,
    caller: &Caller,
    extra: &[String],
) -> Vec<(String, &'static str)> {
    let mut prefixes: Vec<(String, &'static str)> =
        extra.iter().map(|python| (prefix_of(root, python), "--python")).collect();
    for name in ["VIRTUAL_ENV", "CONDA_PREFIX"] {
        prefixes.extend(
            caller.variable(name).map(|prefix| (prefix.trim_end_matches('/').to_owned(), name)),
        );
    }
    if let Some(cwd) = &caller.cwd {
        for name in [".venv", "venv"] {
            let prefix = join(cwd, name);
            if root.exists(&join(&prefix, "pyvenv.cfg")) {
                prefixes.push((prefix, ".venv"));
            }
        }
    }
    if let Some(python) = find_on_path(root, caller) {
        prefixes.push((prefix_of(root, &python), "python3 on PATH"));
    }
    for prefix in ["/usr/local", "/usr"] {
        prefixes.push((prefix.to_owned(), "system"));
    }
    prefixes
}

fn find_on_path(root: &HostRoot, caller: &Caller) -> Option<String> {
    let path = caller.variable("PATH")?;
    path.split(':')
        .filter(|folder| folder.starts_with('/'))
        .map(|folder| join(folder, "python3"))
        .find(|python| root.exists(python))
}

/// Returns the environment's folder of a Python executable, or the folder itself.
fn prefix_of(root: &HostRoot, python: &str) -> String {
    let python = python.trim_end_matches('/');
    let Some((bin, _)) = python.rsplit_once('/').filter(|(bin, _)| bin.ends_with("/bin")) else {
        return python.to_owned();
    };
    let prefix = bin.trim_end_matches("/bin");
    if root.exists(&join(prefix, "pyvenv.cfg")) {
        return prefix.to_owned();
    }
    // pyenv puts a script in front of its Pythons; its version file tells which one it would start.
    if let Some(pyenv) = prefix.strip_suffix("/shims")
        && let Some(version) = root.read_value(&join(pyenv, "version")).value()
    {
        let version = version.lines().next().unwrap_or_default();
        return join(&join(pyenv, "versions"), version);
    }
    let real = root.follow(python);
    match real.rsplit_once("/bin/") {
        Some(("", _)) => "/usr".to_owned(),
        Some((prefix, _)) => prefix.to_owned(),
        None => prefix.to_owned(),
    }
}

fn read_environment(
    root: &HostRoot,
    caller: &Caller,
    prefix: &str,
    found_by: &str,
    installs: &mut Vec<RocmInstall>,
) -> PythonEnv {
    let mut environment = PythonEnv {
        prefix: prefix.to_owned(),
        found_by: found_by.to_owned(),
        python: None,
        active: false,
        packages: Vec::new(),
        unreadable: Vec::new(),
    };
    for (folder, python) in site_folders(root, caller, prefix, found_by) {
        environment.python = environment.python.or(python);
        match root.list(&folder, is_interesting) {
            Fact::Known { value, .. } => {
                read_packages(root, &folder, &value, &mut environment.packages);
                read_rocm_sdk(root, &folder, &value, installs);
            }
            Fact::Absent => {}
            Fact::Unreadable { why } => environment.unreadable.push(why),
        }
        let torch_lib = join(&folder, "torch/lib");
        let components = read_components(root, &torch_lib);
        if components.iter().any(|component| component.name == "amdhip64") {
            let torch = environment.package("torch");
            let (version, version_origin) = match torch.map(|torch| (&torch.build, &torch.origin)) {
                Some((Build::Rocm { version: Some(version) }, origin)) => {
                    (Some(*version), Some(origin.clone()))
                }
                _ => version_of_hip(&components),
            };
            installs.push(RocmInstall {
                rocblas: read_rocblas(root, &join(&torch_lib, "rocblas/library")),
                path: torch_lib,
                origin: RocmOrigin::Wheel,
                version,
                version_origin,
                components,
            });
        }
    }
    environment
}

/// Returns the site-packages folders of an environment and the Python version in their name.
fn site_folders(
    root: &HostRoot,
    caller: &Caller,
    prefix: &str,
    found_by: &str,
) -> Vec<(String, Option<Version>)> {
    let mut folders = Vec::new();
    let version = |name: &str| Version::parse_prefix(name.strip_prefix("python")?);
    for lib in ["lib", "lib64"] {
        let base = join(prefix, lib);
        for (name, _) in
            root.list(&base, |name| name.starts_with("python3")).value().into_iter().flatten()
        {
            for site in ["site-packages", "dist-packages"] {
                let folder = join(&join(&base, name), site);
                if root.exists(&folder) {
                    folders.push((folder, version(name).filter(|version| version.minor() > 0)));
                }
            }
        }
        // In a virtual environment lib64 is a link to lib; on Fedora it is a folder of its own, with the
        // packages that hold libraries.
        if root.read_link(&join(prefix, "lib64")).is_some() {
            break;
        }
    }
    let user_site =
        matches!(found_by, "python3 on PATH" | "system").then_some(caller.home.as_ref()).flatten();
    if let Some(home) = user_site {
        let base = join(home, ".local/lib");
        for name in root.names(&base, |name| name.starts_with("python3")) {
            folders.push((join(&join(&base, &name), "site-packages"), version(&name)));
        }
    }
    folders
}

fn is_interesting(name: &str) -> bool {
    let Some((distribution, _)) = split_dist_info(name) else {
        return name.starts_with("_rocm_sdk_");
    };
    distribution.starts_with("rocm_sdk")
        || DISTRIBUTIONS.iter().any(|(_, names)| names.contains(&distribution.as_str()))
}

/// Splits `torch-2.5.1+rocm6.2.dist-info` into the normalised name and the version.
fn split_dist_info(name: &str) -> Option<(String, &str)> {
    let stem = name.strip_suffix(".dist-info").or_else(|| name.strip_suffix(".egg-info"))?;
    let (distribution, version) = stem.split_once('-')?;
    // Debian names its folders `torch-2.6.0.egg-info`; a `-py3.13` may follow.
    let version = version.split("-py").next().unwrap_or(version);
    Some((distribution.to_ascii_lowercase().replace(['-', '.'], "_"), version))
}

fn read_packages(
    root: &HostRoot,
    site: &str,
    names: &[(String, EntryKind)],
    packages: &mut Vec<PythonPackage>,
) {
    for (package, distributions) in DISTRIBUTIONS {
        let candidates: Vec<(String, &str, &str)> = names
            .iter()
            .filter_map(|(name, _)| {
                split_dist_info(name)
                    .map(|(distribution, version)| (distribution, version, name.as_str()))
            })
            .filter(|(distribution, ..)| distributions.contains(&distribution.as_str()))
            .collect();
        // Of `jaxlib` and `jax_rocm60_plugin` the one that names a back end says more.
        let Some((distribution, version, name)) =
            candidates.iter().max_by_key(|(distribution, version, _)| {
                build_of(distribution, version) != Build::Unknown
            })
        else {
            continue;
        };
        if packages.iter().any(|known| known.name == package) {
            continue;
        }
        let mut found = PythonPackage {
            name: package.to_owned(),
            version: (*version).to_owned(),
            build: build_of(distribution, version),
            origin: Origin::file(join(site, name)),
            code: read_code(root, site, package),
            rocblas: read_rocblas(root, &join(site, &format!("{package}/lib/rocblas/library"))),
        };
        if package == "torch" {
            read_torch_version(root, site, &mut found);
        }
        if found.build == Build::Unknown {
            found.build = build_by_files(root, site, package);
        }
        packages.push(found);
    }
}

/// Returns the build that a distribution's name or its version's local part tells.
fn build_of(distribution: &str, version: &str) -> Build {
    let local = version.split_once('+').map_or("", |(_, local)| local);
    if let Some(rocm) = local.strip_prefix("rocm") {
        return Build::Rocm { version: Version::parse_prefix(rocm) };
    }
    if let Some(cuda) = local
        .strip_prefix("cu")
        .filter(|digits| digits.len() >= 3 && digits.bytes().all(|byte| byte.is_ascii_digit()))
    {
        let (major, minor) = cuda.split_at(cuda.len() - 1);
        return Build::Cuda { version: Some(format!("{major}.{minor}")) };
    }
    match distribution {
        _ if local.starts_with("cpu") => Build::Cpu,
        "tensorflow_cpu" => Build::Cpu,
        name if name.contains("rocm") => {
            let digits = name
                .split("rocm")
                .nth(1)
                .unwrap_or_default()
                .trim_matches('_')
                .split('_')
                .next()
                .unwrap_or_default();
            let version = match digits.len() {
                1 => Version::parse_prefix(digits),
                2 => Version::parse_prefix(&format!("{}.{}", &digits[..1], &digits[1..])),
                _ => None,
            };
            Build::Rocm { version }
        }
        name if name.contains("migraphx") => Build::Rocm { version: None },
        name if name.contains("cuda") || name.ends_with("_gpu") => Build::Cuda { version: None },
        _ => Build::Unknown,
    }
}

/// Tells the build by the library that only one build has.
fn build_by_files(root: &HostRoot, site: &str, package: &str) -> Build {
    let has = |path: &str| root.exists(&join(site, path));
    match package {
        "torch" if has("torch/lib/libtorch_hip.so") => Build::Rocm { version: None },
        "torch" if has("torch/lib/libtorch_cuda.so") => Build::Cuda { version: None },
        "torch" if has("torch/lib/libtorch_cpu.so") => Build::Cpu,
        "onnxruntime" if has("onnxruntime/capi/libonnxruntime_providers_rocm.so") => {
            Build::Rocm { version: None }
        }
        "onnxruntime" if has("onnxruntime/capi/libonnxruntime_providers_cuda.so") => {
            Build::Cuda { version: None }
        }
        "onnxruntime" if has("onnxruntime/capi") => Build::Cpu,
        _ => Build::Unknown,
    }
}

/// Reads `torch/version.py`, which says more than the folder's name.
fn read_torch_version(root: &HostRoot, site: &str, torch: &mut PythonPackage) {
    let path = join(site, "torch/version.py");
    let Fact::Known { value, .. } = root.read_up_to(&path, MAX_METADATA_BYTES) else { return };
    let parsed = parse_torch_version(&String::from_utf8_lossy(&value));
    let Some((version, line)) = parsed.version else { return };
    torch.version = version;
    torch.origin = Origin::line(path, line);
    torch.build = match (parsed.hip, parsed.cuda) {
        (Some(hip), _) => {
            // The local part of the version is ROCm's release; HIP's own number is the same in its first two.
            let local = match build_of("torch", &torch.version) {
                Build::Rocm { version } => version,
                _ => None,
            };
            Build::Rocm { version: local.or_else(|| Version::parse_prefix(&hip)) }
        }
        (None, Some(cuda)) => Build::Cuda { version: Some(cuda) },
        (None, None) => Build::Cpu,
    };
}

/// What `torch/version.py` says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct TorchVersion {
    /// `__version__` and its line.
    pub version: Option<(String, u32)>,
    /// `cuda`, none for `None`.
    pub cuda: Option<String>,
    /// `hip`, none for `None`.
    pub hip: Option<String>,
}

/// Parses `torch/version.py`: assignments of string literals or `None`, with or without annotations.
pub fn parse_torch_version(text: &str) -> TorchVersion {
    let mut parsed = TorchVersion::default();
    for (number, line) in (1..).zip(text.lines()) {
        let Some((name, value)) = line.split_once('=') else { continue };
        let name = name.split(':').next().unwrap_or_default().trim();
        let value = value.trim();
        let literal = ['\'', '"']
            .iter()
            .find_map(|&quote| value.strip_prefix(quote)?.split(quote).next())
            .map(str::to_owned);
        match name {
            "__version__" => parsed.version = literal.map(|literal| (literal, number)),
            "cuda" => parsed.cuda = literal,
            "hip" => parsed.hip = literal,
            _ => {}
        }
    }
    parsed
}

fn read_code(root: &HostRoot, site: &str, package: &str) -> Fact<BundleSummary> {
    let packs = read_code_packs(root, &join(site, &format!("{package}/.kpack")));
    if !packs.is_absent() {
        return packs;
    }
    let libraries = CODE_LIBRARIES
        .iter()
        .find(|(name, _)| *name == package)
        .map_or(&[][..], |(_, libraries)| libraries);
    let mut paths: Vec<String> = libraries.iter().map(|library| join(site, library)).collect();
    if package == "torch" && site.starts_with("/usr/lib/python3") {
        paths.push(join(SYSTEM_LIBRARY_FOLDER, "libtorch_hip.so"));
    }
    for path in paths {
        match root.open(&path) {
            Fact::Known { value, origin } => {
                return match summarize_bundles(&value) {
                    Ok(Some(summary)) => Fact::known(summary, origin),
                    Ok(None) => Fact::unreadable(format!(
                        "{path}: has no section .hip_fatbin; its GPU code lies elsewhere"
                    )),
                    Err(error) => Fact::unreadable(format!("{path}: {error}")),
                };
            }
            Fact::Absent => {}
            Fact::Unreadable { why } => return Fact::unreadable(why),
        }
    }
    Fact::Absent
}

/// Reads the names of a folder of code packs, into which multi-arch builds put the code of each target:
/// `torch_gfx1010.kpack`. The libraries then hold none themselves.
///
/// Source: ROCm/TheRock, pull requests 4549 and 4783 and issue 3531 (rocm-kpack splits a wheel into one for the
/// host and one for each target).
fn read_code_packs(root: &HostRoot, folder: &str) -> Fact<BundleSummary> {
    root.list(folder, |name| name.ends_with(".kpack")).map(|names| {
        let target = |name: &str| -> Option<GfxTarget> {
            name.strip_suffix(".kpack")?.rsplit('_').next()?.parse().ok()
        };
        let targets =
            names.iter().filter_map(|(name, _)| target(name)).map(|gfx| (gfx, 1)).collect();
        BundleSummary { bundles: 1, targets, ..BundleSummary::default() }
    })
}

/// Reads the `rocm_sdk_*` packages: the ROCm that TheRock's PyTorch depends on.
fn read_rocm_sdk(
    root: &HostRoot,
    site: &str,
    names: &[(String, EntryKind)],
    installs: &mut Vec<RocmInstall>,
) {
    let version = names.iter().find_map(|(name, _)| {
        let (distribution, version) = split_dist_info(name)?;
        (distribution == "rocm_sdk_core")
            .then(|| (Version::parse_prefix(version), Origin::file(join(site, name))))
    });
    for (name, kind) in names.iter().filter(|(name, _)| name.starts_with("_rocm_sdk_")) {
        if *kind == EntryKind::Other {
            continue;
        }
        let path = join(site, name);
        let components = read_components(root, &join(&path, "lib"));
        let (version, version_origin) =
            version.clone().map_or((None, None), |(version, origin)| (version, Some(origin)));
        installs.push(RocmInstall {
            rocblas: read_rocblas(root, &join(&path, "lib/rocblas/library")),
            path,
            origin: RocmOrigin::RocmSdk,
            version,
            version_origin,
            components,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_files_of_all_builds() {
        let text = "from typing import Optional\n\n__all__ = ['__version__']\n__version__ = '2.5.1+rocm6.2'\ndebug = False\ncuda: Optional[str] = None\nhip: Optional[str] = '6.2.41133-dd7f95766'\n";
        let parsed = parse_torch_version(text);
        assert_eq!(parsed.version, Some(("2.5.1+rocm6.2".into(), 4)));
        assert_eq!((parsed.cuda, parsed.hip.as_deref()), (None, Some("6.2.41133-dd7f95766")));
    }

    #[test]
    fn builds_by_name() {
        for (distribution, version, expected) in [
            ("torch", "2.5.1+rocm6.2", "ROCm 6.2"),
            ("torch", "2.6.0+cu124", "CUDA 12.4"),
            ("torch", "2.6.0+cpu", "CPU only"),
            ("torch", "2.6.0", "unknown build"),
            ("tensorflow_rocm", "2.14.0.600", "ROCm"),
            ("jax_rocm60_plugin", "0.5.0", "ROCm 6.0"),
            ("jax_rocm7_plugin", "0.12.0", "ROCm 7.0"),
            ("onnxruntime_gpu", "1.20", "CUDA"),
        ] {
            assert_eq!(
                build_of(distribution, version).to_string(),
                expected,
                "{distribution} {version}"
            );
        }
        assert_eq!(
            split_dist_info("onnxruntime_rocm-1.22.0.dist-info"),
            Some(("onnxruntime_rocm".into(), "1.22.0"))
        );
        assert_eq!(split_dist_info("torch-2.6.0-py3.13.egg-info"), Some(("torch".into(), "2.6.0")));
    }
}
