//! The software that would run, and whether it has code for the card.

use crate::codes;
use crate::evidence::{Draft, environment};
use crate::gpu::Gpu;
use rmcp_knowledge::Knowledge;
use rmcp_model::{
    Build, BundleSummary, CodeCoverage, Fact, Finding, GfxTarget, HostFacts, PythonEnv,
    PythonPackage, RocmOrigin, Version,
};

/// The PyTorch that a program started here would get, and the ROCm under it.
pub(crate) struct Software<'a> {
    pub(crate) env: Option<&'a PythonEnv>,
    pub(crate) torch: Option<&'a PythonPackage>,
    /// The ROCm that would run: the one inside the wheel, else the newest on the machine.
    pub(crate) rocm: Option<Version>,
}

impl<'a> Software<'a> {
    pub(crate) fn of(host: &'a HostFacts) -> Self {
        let with_torch = |env: &&PythonEnv| env.package("torch").is_some();
        let active = host.python.iter().find(|env| env.active);
        // Where somebody has chosen an environment, the PyTorch of another is not the one that would run.
        let chosen = active.is_some_and(|env| {
            matches!(env.found_by.as_str(), "VIRTUAL_ENV" | "CONDA_PREFIX" | "--python")
        });
        let other = || host.python.iter().find(with_torch).filter(|_| !chosen);
        let env = active.filter(with_torch).or_else(other);
        let torch = env.and_then(|env| env.package("torch"));
        let in_wheel = torch.and_then(|torch| match torch.build {
            Build::Rocm { version } => version,
            _ => None,
        });
        let installed = || host.rocm.iter().filter_map(|install| install.version).max();
        Self { env, torch, rocm: in_wheel.or_else(installed) }
    }

    /// Returns the GPU code of PyTorch's library.
    pub(crate) fn code(&self) -> Option<&'a BundleSummary> {
        self.torch?.code.value()
    }

    /// Returns how much of PyTorch's code a target has; none where it could not be read.
    pub(crate) fn coverage(&self, gfx: GfxTarget) -> Option<CodeCoverage> {
        Some(self.code()?.coverage(gfx))
    }

    /// Returns whether PyTorch is a ROCm build.
    pub(crate) fn is_rocm(&self) -> bool {
        self.torch.is_some_and(|torch| matches!(torch.build, Build::Rocm { .. }))
    }
}

/// Returns what is wrong with the software for these GPUs, the override aside.
pub(crate) fn findings(
    host: &HostFacts,
    gpus: &[Gpu<'_>],
    software: &Software<'_>,
    knowledge: &Knowledge,
) -> Vec<Finding> {
    if gpus.is_empty() {
        return Vec::new();
    }
    let mut drafts = Vec::new();
    match software.torch {
        Some(torch) => {
            drafts.extend(wrong_build(torch, gpus[0].report.gfx));
            if let Fact::Unreadable { why } = &torch.code {
                drafts.push(
                    Draft::note(codes::CODE_UNREADABLE, "the GPU code of PyTorch could not be read, so nothing is said about it")
                        .meaning(why.clone())
                        .evidence(&torch.origin, format!("torch {}", torch.version)),
                );
            }
            drafts.extend(rocblas_lacks(torch, gpus, software, knowledge));
        }
        None if host.rocm.is_empty() => drafts.push(
            Draft::note(codes::NO_SOFTWARE, "no PyTorch and no ROCm was found")
                .meaning("Nothing here would use the GPU yet. If there is an environment elsewhere, name it with --python."),
        ),
        None => {}
    }
    drafts.extend(other_builds(software));
    drafts.extend(mixed(host));
    drafts.into_iter().map(|draft| draft.finish(knowledge)).collect()
}

fn wrong_build(torch: &PythonPackage, gfx: Option<GfxTarget>) -> Option<Draft> {
    let draft = match &torch.build {
        Build::Cuda { .. } => Draft::error(
            codes::TORCH_CUDA_BUILD,
            format!("PyTorch {} here is a build for NVIDIA ({})", torch.version, torch.build),
        ),
        Build::Cpu => Draft::error(
            codes::TORCH_CPU_BUILD,
            format!("PyTorch {} here is a build without GPU", torch.version),
        ),
        Build::Rocm { .. } | Build::Unknown => return None,
    };
    let draft = draft
        .meaning("It cannot use an AMD card, whatever else is set. `pip install torch` takes such a build unless it is told a ROCm index.")
        .evidence(&torch.origin, format!("{} ({})", torch.version, torch.build))
        .sources(["log-invokeai-7520"]);
    Some(draft.gpu(0, gfx))
}

/// rocBLAS in the wheel may lack a target that PyTorch's own library has.
fn rocblas_lacks(
    torch: &PythonPackage,
    gpus: &[Gpu<'_>],
    software: &Software<'_>,
    knowledge: &Knowledge,
) -> Option<Draft> {
    if torch.rocblas.is_empty() {
        return None;
    }
    gpus.iter().enumerate().find_map(|(index, gpu)| {
        let gfx = gpu.report.gfx?;
        let native = software.coverage(gfx) == Some(CodeCoverage::Full);
        let served = torch.rocblas.contains(&gfx);
        // Under an override the runtime asks for the other target's file.
        let by_override = gpu.report.gfx_override.as_deref().and_then(|value| GfxTarget::parse_override(value).ok());
        let served_by_override = by_override.is_some_and(|target| knowledge.runs(gfx, target) && torch.rocblas.contains(&target));
        (native && !served && !served_by_override).then(|| {
            Draft::error(codes::ROCBLAS_LACKS_CARD, format!("the rocBLAS inside PyTorch has no kernels for {gfx}"))
                .meaning("PyTorch's own kernels run, but every matrix product ends in `Cannot read TensileLibrary.dat`.")
                .evidence(&torch.origin, format!("rocBLAS has {}", list(&torch.rocblas)))
                .sources(["log-tensile-4625"])
                .gpu(index, Some(gfx))
        })
    })
}

fn other_builds(software: &Software<'_>) -> Vec<Draft> {
    let Some(env) = software.env.filter(|_| software.is_rocm()) else { return Vec::new() };
    let wrong = env.packages.iter().filter(|package| {
        package.name != "torch" && matches!(package.build, Build::Cuda { .. } | Build::Cpu)
    });
    wrong
        .map(|package| {
            Draft::warning(codes::PACKAGE_OTHER_BUILD, format!("{} {} is a build for {}", package.name, package.version, package.build))
                .meaning("It stands beside a ROCm build of PyTorch and will not use the card; some such packages break the import.")
                .evidence(&package.origin, package.version.clone())
        })
        .collect()
}

/// Two ROCm versions in one process: the wheel's own libraries, and others put in front by the loader's
/// variables.
fn mixed(host: &HostFacts) -> Option<Draft> {
    let wheel = host.rocm.iter().find(|install| {
        matches!(install.origin, RocmOrigin::Wheel | RocmOrigin::RocmSdk)
            && install.version.is_some()
    })?;
    let wheel_version = wheel.version?;
    let variables = ["LD_LIBRARY_PATH", "LD_PRELOAD"];
    // `/opt/rocm` is a link to the one that is there; of several it is not known here to which.
    let in_opt = |install: &&rmcp_model::RocmInstall| install.origin == RocmOrigin::OptFolder;
    let only_one = host.rocm.iter().filter(in_opt).count() == 1;
    for install in host.rocm.iter().filter(|install| {
        matches!(install.origin, RocmOrigin::OptFolder | RocmOrigin::Distribution)
    }) {
        let Some(version) = install.version.filter(|version| !version.same_release(wheel_version))
        else {
            continue;
        };
        for variable in variables {
            let Some(value) = host.environment.get(variable) else { continue };
            let named = value.split([':', ' ']).any(|path| {
                is_under(path, &install.path) || only_one && is_under(path, "/opt/rocm")
            });
            if named {
                let mut draft = Draft::error(codes::ROCM_MIXED, format!("{variable} puts ROCm {version} in front of the ROCm {wheel_version} that PyTorch brought"))
                    .meaning("The wheel was built and tested with its own libraries. With the system's in front, symbols are missing or calls go to the wrong interface: import errors, or crashes at the first kernel.")
                    .evidence(&environment(), format!("{variable}={value}"))
                    .sources(["log-mismatch-libs"]);
                for install in [install, wheel] {
                    if let Some(origin) = &install.version_origin {
                        draft = draft.evidence(
                            origin,
                            format!(
                                "{} is ROCm {}",
                                install.path,
                                install.version.map_or("?".into(), |version| version.to_string())
                            ),
                        );
                    }
                }
                return Some(draft);
            }
        }
    }
    None
}

fn is_under(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Returns a list of targets for a person.
pub(crate) fn list(targets: &[GfxTarget]) -> String {
    targets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Returns the targets of a library for a person.
pub(crate) fn targets_of(code: &BundleSummary) -> String {
    list(&code.targets.keys().copied().collect::<Vec<_>>())
}
