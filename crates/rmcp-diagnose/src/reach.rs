//! Whether the GPU can be reached at all: driver, KFD, device files, permission, PCIe.

use crate::codes;
use crate::evidence::Draft;
use crate::gpu::Gpu;
use rmcp_knowledge::Knowledge;
use rmcp_model::{DeviceAccess, Fact, Finding, HostFacts, LogKind, Origin, User};

/// Group id shown for a group without a name in a container. Source: Linux `overflowgid`, default.
const OVERFLOW_GID: u32 = 65534;

/// Returns what stands between the user and the GPUs. Every error here blocks all of them, or the one named.
pub(crate) fn findings(host: &HostFacts, gpus: &[Gpu<'_>], knowledge: &Knowledge) -> Vec<Finding> {
    let mut drafts = Vec::new();
    if host.platform.wsl {
        drafts.push(wsl(host));
    } else if !gpus.is_empty() {
        drafts.extend(driver(host, gpus));
        drafts.extend(
            gpus.iter()
                .enumerate()
                .filter_map(|(index, gpu)| not_in_kfd(host, gpus, index, gpu, knowledge)),
        );
        drafts.extend(devices(host, gpus));
    }
    drafts.extend(gpus.iter().enumerate().filter_map(|(index, gpu)| slow_link(index, gpu)));
    drafts.into_iter().map(|draft| draft.finish(knowledge)).collect()
}

fn wsl(host: &HostFacts) -> Draft {
    let mut draft = Draft::error(codes::WSL, "this is Windows Subsystem for Linux: ROCm has no amdgpu driver here")
        .meaning("Under WSL the GPU is reached through /dev/dxg and a ROCm made for it, which supports newer cards only. None of the Linux advice for RX 5000 and 6000 cards applies.")
        .sources(["log-4964"]);
    if let Some(origin) = host.kernel.release.origin() {
        draft = draft.evidence(origin, host.kernel.release.value().cloned().unwrap_or_default());
    }
    draft
}

fn driver(host: &HostFacts, gpus: &[Gpu<'_>]) -> Vec<Draft> {
    let mut drafts = Vec::new();
    let mut words = host.kernel.command_line.value().into_iter().flatten();
    let nomodeset = words.find(|word| matches!(word.as_str(), "nomodeset" | "amdgpu.modeset=0"));
    // A tree may lack /sys/module; a card that no driver has taken says the same.
    let unbound_gpu = gpus.iter().position(|gpu| {
        gpu.card.is_some_and(|card| card.id.value().is_some() && card.driver.is_absent())
    });
    let unbound = unbound_gpu.and_then(|index| gpus[index].card);
    let unloaded = host.driver.loaded.value() == Some(&false) || unbound.is_some();
    let never =
        |value: &str| value.ends_with("/false") || value.ends_with("/true") || value == "false";
    let blacklisted = host.driver.options.iter().find(|option| {
        option.name == "blacklist" || option.name == "install" && never(&option.value)
    });
    let command_line = Origin::file("/proc/cmdline");
    let mut words = host.kernel.command_line.value().into_iter().flatten();
    let blacklist_word = words.find(|word| {
        let listed = word
            .strip_prefix("modprobe.blacklist=")
            .or_else(|| word.strip_prefix("module_blacklist="));
        listed.is_some_and(|listed| listed.split(',').any(|module| module == "amdgpu"))
    });
    // A later word overrules nomodeset; where a card is at work, it did.
    let at_work = gpus.iter().any(|gpu| gpu.node.is_some());
    if let Some(word) = nomodeset.filter(|_| !at_work) {
        let draft = Draft::error(codes::NOMODESET, format!("the kernel was started with `{word}`, which keeps amdgpu from working"))
            .meaning("Without modesetting the amdgpu driver does not start, and without it there is no /dev/kfd.")
            .evidence(&command_line, word);
        drafts.push(with_configured(host, draft, word));
    } else if let Some(word) = blacklist_word.filter(|_| unloaded) {
        let draft = Draft::error(
            codes::DRIVER_BLACKLISTED,
            "the amdgpu driver is blacklisted for this start",
        )
        .meaning("The kernel's command line tells not to load amdgpu, so the card has no driver.")
        .evidence(&command_line, word)
        .sources(["kernel-parameters"])
        .next(format!("remove `{word}` from the boot loader's configuration, and reboot"));
        drafts.push(with_configured(host, draft, word));
    } else if let Some(option) = blacklisted.filter(|_| unloaded) {
        drafts.push(
            Draft::error(codes::DRIVER_BLACKLISTED, "the amdgpu driver is blacklisted")
                .meaning("modprobe is told not to load amdgpu, so the card has no driver.")
                .evidence(&option.origin, format!("{} {}", option.name, option.value))
                .sources(["modprobe-manual"]),
        );
    } else if unloaded {
        let title = if host.driver.loaded.value() == Some(&true) {
            "the amdgpu driver is loaded, but has not taken the card"
        } else {
            "the amdgpu driver is not loaded"
        };
        let mut draft = Draft::error(codes::DRIVER_NOT_LOADED, title)
            .meaning("The card is on the bus, but no driver serves it. A missing firmware file, Secure Boot with an unsigned module, or a kernel without the module are the usual reasons; the first amdgpu line of the kernel log tells which.")
            .evidence(&Origin::file(unbound.map_or_else(|| "/sys/module/amdgpu".to_owned(), |card| format!("{}/uevent", card.path))), if unbound.is_some() { "no DRIVER" } else { "absent" });
        if host.boot.secure_boot.value() == Some(&true) {
            draft = draft.evidence(
                host.boot.secure_boot.origin().unwrap_or(&command_line),
                "Secure Boot is on",
            );
        }
        // Where another card is at work the driver is there, and this one alone is concerned.
        if let Some(index) = unbound_gpu.filter(|_| at_work) {
            draft = draft
                .gpu(index, gpus[index].report.gfx)
                .next("look at the first amdgpu line about this card: sudo dmesg | grep -i amdgpu");
        }
        drafts.push(draft);
    }
    for (index, gpu) in gpus.iter().enumerate() {
        let Some(Fact::Known { value: driver, origin }) = gpu.card.map(|card| &card.driver) else {
            continue;
        };
        if driver != "amdgpu" {
            let why = match driver.as_str() {
                "vfio-pci" => "It is set aside for a virtual machine; this system cannot use it.",
                "radeon" => "The old radeon driver has no compute.",
                _ => "ROCm needs amdgpu.",
            };
            drafts.push(
                Draft::error(
                    codes::DRIVER_OTHER,
                    format!("{} is bound to the driver {driver}", gpu.report.name),
                )
                .meaning(why)
                .evidence(origin, format!("DRIVER={driver}"))
                .gpu(index, gpu.report.gfx),
            );
        }
    }
    drafts
}

/// Adds where the boot loader's configuration has a word.
fn with_configured(host: &HostFacts, draft: Draft, word: &str) -> Draft {
    let name = word.split('=').next().unwrap_or(word);
    let configured = host.boot.configured_words.iter().filter(|configured| configured.name == name);
    configured.fold(draft, |draft, configured| draft.evidence(&configured.origin, word))
}

/// A card with a working driver that the KFD topology does not have.
fn not_in_kfd(
    host: &HostFacts,
    gpus: &[Gpu<'_>],
    index: usize,
    gpu: &Gpu<'_>,
    knowledge: &Knowledge,
) -> Option<Draft> {
    let card =
        gpu.card.filter(|card| card.driver.value().is_some_and(|driver| driver == "amdgpu"))?;
    if gpu.node.is_some() || gpu.report.gfx.is_none() {
        return None;
    }
    let topology = match &host.nodes {
        Fact::Known { origin, .. } => origin.clone(),
        // Without any topology a recorded tree may simply be partial; /dev/kfd decides in `devices`.
        Fact::Absent | Fact::Unreadable { .. } => return None,
    };
    // A node that could not be read may be this very card.
    let unreadable = host
        .nodes
        .value()
        .into_iter()
        .flatten()
        .any(|node| node.properties.why_unreadable().is_some());
    if unreadable {
        return None;
    }
    let rejected = host.kernel_log.value().and_then(|log| {
        let id = gpu.report.pci_id.map(|id| id.to_string());
        log.matches.iter().find(|found| {
            found.kind == LogKind::PcieAtomics && found.fields.get("pci_id") == id.as_ref()
        })
    });
    let firmware = card.firmware.get("mec").copied();
    let chip_limit = gpu
        .report
        .pci_id
        .and_then(|id| knowledge.chip(id))
        .and_then(|chip| chip.atomics_waived_from_mec);
    let too_old = firmware.zip(chip_limit).filter(|(firmware, limit)| firmware < limit);
    let firmware_evidence = |draft: Draft| match too_old {
        Some((firmware, limit)) => draft.evidence(
            &Origin::file(format!("{}/fw_version/mec_fw_version", card.path)),
            format!("{firmware}, and {limit} is needed to do without PCIe atomics"),
        ),
        None => draft,
    };
    let draft = match rejected {
        // Without KFD's own line it is not known what stood in the way.
        None => {
            let atomics = match (too_old, firmware.zip(chip_limit)) {
                (Some(_), _) => {
                    " With this firmware the card needs PCIe atomics, which its slot may lack."
                }
                (None, Some(_)) => " Its firmware is new enough to do without PCIe atomics.",
                (None, None) => " Missing PCIe atomics are a frequent reason.",
            };
            let draft = Draft::error(codes::GPU_NOT_IN_KFD, format!("{} has a driver, but ROCm's kernel part (KFD) does not have it", gpu.report.name))
                .meaning(format!("The card shows pictures but cannot compute. The kernel log says why: look for `kfd`.{atomics}"))
                .next("sudo dmesg | grep -i kfd");
            firmware_evidence(draft)
        }
        Some(found) => {
            let mut draft = Draft::error(
                codes::PCIE_ATOMICS,
                format!("KFD left {} out: its slot carries no PCIe atomics", gpu.report.name),
            )
            .sources(["kernel-kfd-device", "log-atomics-1002"]);
            let origin = host.kernel_log.origin().map_or("kernel log", |origin| &origin.path);
            draft = draft.evidence(&Origin::file(origin), &*found.excerpt);
            let needed = chip_limit.map_or(String::new(), |limit| {
                format!(" Firmware from version {limit} of the MEC on does not need them.")
            });
            firmware_evidence(draft).meaning(format!("KFD needs PCIe atomic operations between card and processor, unless the card's firmware is new enough.{needed}"))
        }
    };
    let in_topology = gpus.iter().filter(|gpu| gpu.node.is_some()).count();
    Some(
        draft
            .evidence(
                &topology,
                format!(
                    "{in_topology} GPU nodes, none at {}",
                    card.address.value().map_or("its address".into(), ToString::to_string)
                ),
            )
            .gpu(index, gpu.report.gfx),
    )
}

fn devices(host: &HostFacts, gpus: &[Gpu<'_>]) -> Vec<Draft> {
    let loaded = host.driver.loaded.value() != Some(&false);
    let any_node = gpus.iter().any(|gpu| gpu.node.is_some());
    let bound = gpus.iter().any(|gpu| {
        gpu.card.is_some_and(|card| card.driver.value().is_some_and(|driver| driver == "amdgpu"))
    });
    let Some(kfd) = host.access.devices.iter().find(|device| device.path == "/dev/kfd") else {
        return Vec::new();
    };
    let container = host.platform.container.value();
    if kfd.mode.is_absent() {
        // A tree that holds nothing but sysfs says nothing of device files.
        let whole = host.access.user.value().is_some() || host.platform.container.value().is_some();
        return match container {
            Some(engine) if whole => vec![
                Draft::error(codes::CONTAINER_NO_DEVICE, format!("this {engine} container has no /dev/kfd"))
                    .meaning("ROCm reaches the GPU through /dev/kfd and /dev/dri. A container has them only when it is started with them.")
                    .evidence(&Origin::file("/dev/kfd"), "absent"),
            ],
            None if whole && bound && !any_node && host.nodes.is_absent() => vec![
                Draft::error(codes::KFD_MISSING, "there is no /dev/kfd: this kernel has no ROCm part (KFD)")
                    .meaning("The card has its driver, but neither /dev/kfd nor the KFD topology is there. Kernels built without HSA_AMD lack both; so do some sandboxes.")
                    .evidence(&Origin::file("/dev/kfd"), "absent")
                    .evidence(&Origin::file("/sys/class/kfd"), "absent")
                    .next("start a kernel of your distribution that has CONFIG_HSA_AMD (`grep HSA_AMD /boot/config-$(uname -r)`)"),
            ],
            None if whole && loaded && any_node => vec![
                Draft::error(codes::KFD_MISSING, "/dev/kfd is not there, although KFD has a GPU")
                    .meaning("The device file is made by udev when amdgpu starts. A chroot, a sandbox or a broken udev hides it.")
                    .evidence(&Origin::file("/dev/kfd"), "absent"),
            ],
            _ => Vec::new(),
        };
    }
    let Some(user) = host.access.user.value() else { return Vec::new() };
    host.access
        .devices
        .iter()
        .find(|device| device.usable.value() == Some(&false))
        .map(|device| permission(host, device, user))
        .into_iter()
        .collect()
}

fn permission(host: &HostFacts, device: &DeviceAccess, user: &User) -> Draft {
    let group = device.group.clone().unwrap_or_else(|| format!("group {}", device.gid));
    let mode = device.mode.value().copied().unwrap_or(0);
    let shown = format!("mode {mode:04o}, owner {}, group {group}", device.uid);
    let origin = Origin::file(&device.path);
    let have = Origin::file("/proc/self/status");
    let in_session = format!(
        "groups of this session: {}",
        user.groups.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")
    );
    let contained = host.platform.container.value().is_some() || user.mapped;
    if contained && device.gid == OVERFLOW_GID {
        let member = user.groups.contains(&OVERFLOW_GID);
        let title =
            format!("{} belongs to a group that has no name in this container", device.path);
        let draft = if member {
            Draft::note(codes::CONTAINER_GROUP, title)
        } else {
            Draft::error(codes::CONTAINER_GROUP, title)
        };
        let meaning = if member {
            "This session has a group from outside that is not named here, which may be the right one: whether the device opens shows only when it is tried. Changing groups inside the container does nothing."
        } else {
            "The group of the host is not mapped into the container. Changing groups inside does nothing; the container must keep the user's groups."
        };
        return draft
            .meaning(meaning)
            .evidence(&origin, shown)
            .evidence(&have, in_session)
            .sources(["podman-keep-groups"]);
    }
    if user.configured_groups.contains(&device.gid) && !user.groups.contains(&device.gid) {
        return Draft::error(
            codes::GROUP_NOT_ACTIVE,
            format!("you are in the group {group}, but this session does not have it yet"),
        )
        .meaning("Groups are given at login. The change is made; this session began before it.")
        .evidence(&origin, shown)
        .evidence(&have, in_session)
        .next("log out and in again (or reboot), then run `rmcp doctor` once more");
    }
    let next = match (contained, &device.group) {
        (true, _) => "start the container with --device=/dev/kfd --device=/dev/dri and the group of these devices (--group-add keep-groups, or --group-add with the number)".to_owned(),
        (false, Some(group)) if mode & 0o060 == 0o060 && group != "root" => format!("sudo usermod -aG {group} $USER, then log out and in again"),
        (false, _) => "the device gives no group access: install the udev rules of ROCm or of your distribution, which give it to the group render".to_owned(),
    };
    Draft::error(codes::NO_PERMISSION, format!("you may not open {}: it belongs to {group}", device.path))
        .meaning("ROCm opens /dev/kfd and the render nodes for reading and writing. Programs that are not allowed to see no GPU at all.")
        .evidence(&origin, shown)
        .evidence(&have, in_session)
        .sources(["rocm-install-docs", "log-permission-ollama"])
        .next(next)
}

fn slow_link(index: usize, gpu: &Gpu<'_>) -> Option<Draft> {
    let card = gpu.card.filter(|_| gpu.is_discrete())?;
    let (Fact::Known { value: width, origin }, Some(max)) =
        (&card.link.width, card.link.max_width.value())
    else {
        return None;
    };
    // Speed drops to save power when idle; width does not.
    (*width > 0 && width < max).then(|| {
        let speed = card.link.speed.value().map_or(String::new(), |speed| format!(" at {speed}"));
        Draft::note(codes::LINK_DEGRADED, format!("{} hangs on {width} of {max} PCIe lanes", gpu.report.name))
            .meaning("Copies between processor and card are slower than they could be. A riser, a dirty contact or the wrong slot does this; it is no cause of faults by itself.")
            .evidence(origin, format!("{width}{speed}"))
            .gpu(index, gpu.report.gfx)
    })
}
