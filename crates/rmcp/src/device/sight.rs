//! What is seen of a machine's cards at a glance: the part of its facts on which a verdict depends.
//!
//! Reading it takes a millisecond, all that `doctor` reads some twenty: a kept verdict is given on this alone.

use rmcp_host::hardware::{kfd, pci};
use rmcp_host::{HostRoot, Machine};
use rmcp_model::{Card, Fact, KfdNode, PciId};

/// Files that tell of software under the cards: drivers by version, the kernel, and this start of the machine.
const KERNEL: &str = "/proc/sys/kernel/osrelease";
const BOOT: &str = "/proc/sys/kernel/random/boot_id";
const DRIVERS: [&str; 2] = ["/sys/module/amdgpu/version", "/proc/driver/nvidia/version"];

/// Devices of NVIDIA's driver and of WSL's: in a container they may be there where the bus is not.
const NVIDIA_DEVICE: &str = "/dev/nvidiactl";
const WSL_DEVICE: &str = "/dev/dxg";

/// Where Vulkan's loader finds drivers. Source: Vulkan-Loader, `docs/LoaderDriverInterface.md`.
const VULKAN_FOLDERS: [&str; 3] =
    ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d"];

/// Names of Mesa's drivers that compute on the processor: lavapipe.
const SOFTWARE_VULKAN: [&str; 2] = ["lvp_icd", "lavapipe"];

/// A machine's cards and drivers.
#[derive(Debug)]
pub struct Sight {
    pub(super) cards: Vec<Card>,
    pub(super) nodes: Fact<Vec<KfdNode>>,
    /// Kernel and drivers, by version.
    pub(super) drivers: Vec<Option<String>>,
    /// This start of the machine.
    pub(super) boot: Option<String>,
    nvidia_driver: bool,
    wsl: bool,
    /// Names of Vulkan's drivers.
    pub(super) vulkan: Vec<String>,
}

impl Sight {
    /// Looks at a machine.
    pub fn read(machine: &Machine) -> Self {
        let root = &machine.root;
        let value = |path: &str| root.read_value(path).value().cloned();
        Self {
            cards: pci::read_cards(root),
            nodes: kfd::read_topology(root),
            drivers: [KERNEL].iter().chain(&DRIVERS).map(|path| value(path)).collect(),
            boot: value(BOOT),
            nvidia_driver: root.exists(NVIDIA_DEVICE),
            wsl: root.exists(WSL_DEVICE),
            vulkan: vulkan_drivers(root),
        }
    }

    fn has_card_of(&self, vendor: u16) -> bool {
        self.cards.iter().any(|card| card.id.value().is_some_and(|id| id.vendor == vendor))
    }

    /// Whether there is a GPU of AMD.
    pub(super) fn has_amd(&self) -> bool {
        self.has_card_of(PciId::AMD)
            || self.nodes.value().into_iter().flatten().any(KfdNode::is_gpu)
    }

    /// Whether there is a GPU of NVIDIA.
    pub(super) fn has_nvidia(&self) -> bool {
        self.has_card_of(PciId::NVIDIA) || self.nvidia_driver
    }

    /// Whether there may be a GPU that is none of AMD's or NVIDIA's on the bus.
    pub(super) fn may_have_another(&self) -> bool {
        self.wsl || cfg!(target_os = "macos")
    }

    /// Why it is not certain that all cards were seen.
    pub(super) fn unreadable(&self) -> Vec<String> {
        let cards = self.cards.iter().filter_map(|card| card.id.why_unreadable());
        self.nodes.why_unreadable().into_iter().chain(cards).map(str::to_owned).collect()
    }

    /// Whether Vulkan has a driver that does not compute on the processor.
    pub(super) fn has_vulkan(&self) -> bool {
        self.vulkan
            .iter()
            .any(|name| !SOFTWARE_VULKAN.iter().any(|software| name.contains(software)))
    }
}

fn vulkan_drivers(root: &HostRoot) -> Vec<String> {
    let json = |name: &str| name.ends_with(".json");
    VULKAN_FOLDERS.iter().flat_map(|folder| root.names(folder, json)).collect()
}
