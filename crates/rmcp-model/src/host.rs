//! The facts of one machine.

use crate::{
    Fact, GfxTarget, LogFacts, Origin, PciAddress, PciId, Provenance, PythonEnv, RocmInstall,
    Setting,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything that was read of one machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    /// Where the facts come from.
    pub provenance: Provenance,
    /// What the machine folder says of itself.
    pub description: Option<String>,
    /// Display and compute controllers of every vendor, in the order of the bus.
    pub cards: Vec<Card>,
    /// Nodes of the KFD topology, in their order.
    pub nodes: Fact<Vec<KfdNode>>,
    /// Kernel.
    pub kernel: KernelFacts,
    /// The amdgpu driver.
    pub driver: DriverFacts,
    /// How the machine boots.
    pub boot: BootFacts,
    /// What kind of machine it is.
    pub platform: Platform,
    /// Who may use the GPU.
    pub access: Access,
    /// ROCm installations.
    pub rocm: Vec<RocmInstall>,
    /// Python environments.
    pub python: Vec<PythonEnv>,
    /// The variables of this process that the stack reads, or that people believe it reads.
    pub environment: BTreeMap<String, String>,
    /// Lines that set such variables for later, in the order in which they take effect.
    pub settings: Vec<Setting>,
    /// Files that hold settings but could not be read.
    pub unreadable: Vec<String>,
    /// The kernel log since boot.
    pub kernel_log: Fact<LogFacts>,
    /// A log that the user handed in.
    pub user_log: Option<LogFacts>,
}

impl HostFacts {
    /// Returns facts in which nothing is known but one card's target and the environment: for a log from a
    /// machine of which somebody says what card it has.
    pub fn with_card(
        gfx: GfxTarget,
        origin: Origin,
        environment: BTreeMap<String, String>,
        provenance: Provenance,
    ) -> Self {
        let version =
            u64::from(gfx.major) * 10_000 + u64::from(gfx.minor) * 100 + u64::from(gfx.stepping);
        let properties = [("gfx_target_version", version), ("simd_count", 1)];
        let node = KfdNode {
            node: 1,
            gpu_id: Fact::Absent,
            name: Fact::Absent,
            properties: Fact::known(
                properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
                origin.clone(),
            ),
            memory_banks: Fact::Absent,
            caches: Fact::Absent,
            io_links: Fact::Absent,
        };
        Self {
            provenance,
            description: None,
            cards: Vec::new(),
            nodes: Fact::known(vec![node], origin),
            kernel: KernelFacts::default(),
            driver: DriverFacts::default(),
            boot: BootFacts::default(),
            platform: Platform::default(),
            access: Access::default(),
            rocm: Vec::new(),
            python: Vec::new(),
            environment,
            settings: Vec::new(),
            unreadable: Vec::new(),
            kernel_log: Fact::Absent,
            user_log: None,
        }
    }
}

/// A display or compute controller on the PCI bus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// Vendor and device.
    pub id: Fact<PciId>,
    /// Address; absent where sysfs does not give one.
    pub address: Fact<PciAddress>,
    /// Revision, which tells cards of one device id apart.
    pub revision: Fact<u8>,
    /// Vendor and device of the board's maker.
    pub subsystem: Fact<PciId>,
    /// Bound kernel driver.
    pub driver: Fact<String>,
    /// `cardN` of DRM.
    pub drm_card: Option<String>,
    /// `renderDN` of DRM.
    pub render_node: Option<String>,
    /// VRAM in bytes.
    pub vram_bytes: Fact<u64>,
    /// PCIe link.
    pub link: LinkFacts,
    /// Firmware versions by name (`mec`, `sdma`, `smc`, ...).
    pub firmware: BTreeMap<String, u32>,
    /// Path in sysfs.
    pub path: String,
}

/// A PCIe link, as sysfs writes it (`16.0 GT/s PCIe`, lanes).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkFacts {
    /// Speed now.
    pub speed: Fact<String>,
    /// Lanes now.
    pub width: Fact<u32>,
    /// Highest speed.
    pub max_speed: Fact<String>,
    /// Most lanes.
    pub max_width: Fact<u32>,
}

/// A node of the KFD topology: a processor, a GPU, or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KfdNode {
    /// Node number, the one in `GPU node-1` and in `HSA_OVERRIDE_GFX_VERSION_1`.
    pub node: u32,
    /// `gpu_id`; 0 for a processor.
    pub gpu_id: Fact<u64>,
    /// Chip name that the driver gives, such as `navi10`.
    pub name: Fact<String>,
    /// The lines of `properties`.
    pub properties: Fact<BTreeMap<String, u64>>,
    /// Memory banks.
    pub memory_banks: Fact<Vec<MemoryBank>>,
    /// Caches.
    pub caches: Fact<Vec<KfdCache>>,
    /// Links to other nodes.
    pub io_links: Fact<Vec<IoLink>>,
}

impl KfdNode {
    /// Returns one line of `properties`.
    pub fn property(&self, name: &str) -> Option<u64> {
        self.properties.value()?.get(name).copied()
    }

    /// Returns whether the node has a GPU.
    pub fn is_gpu(&self) -> bool {
        self.property("simd_count").is_some_and(|count| count > 0)
    }
}

/// A memory bank of a KFD node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryBank {
    /// Heap type: 0 system, 1 VRAM that the processor sees, 2 VRAM that it does not see.
    ///
    /// Source: rocr-runtime `libhsakmt/include/hsakmt/hsakmttypes.h`, `HSA_HEAPTYPE`.
    pub heap_type: u64,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Bus width in bits.
    pub width_bits: u64,
    /// Highest clock in MHz.
    pub clock_mhz: u64,
}

/// Caches of one kind in a KFD node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KfdCache {
    /// Level.
    pub level: u64,
    /// Size of each in KiB.
    pub size_kib: u64,
    /// Line size in bytes.
    pub line_bytes: u64,
    /// How many of this kind.
    pub count: u32,
}

/// A link between two KFD nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IoLink {
    /// Node at this end.
    pub from: u64,
    /// Node at the other end.
    pub to: u64,
    /// Type: 2 is PCIe, 11 XGMI.
    pub link_type: u64,
    /// Flags.
    pub flags: u64,
}

impl IoLink {
    /// `CRAT_IOLINK_FLAGS_NO_ATOMICS_32_BIT | ..._64_BIT`.
    ///
    /// Source: Linux `drivers/gpu/drm/amd/amdkfd/kfd_crat.h`.
    const NO_ATOMICS: u64 = 1 << 2 | 1 << 3;

    /// Returns whether the link carries PCIe atomic operations of both widths.
    pub fn has_atomics(&self) -> bool {
        self.flags & Self::NO_ATOMICS == 0
    }
}

/// The kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelFacts {
    /// Release such as `6.14.0-34-generic`.
    pub release: Fact<String>,
    /// Command line of this boot.
    pub command_line: Fact<Vec<String>>,
}

/// One parameter of the amdgpu module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// Name.
    pub name: String,
    /// The value in force, from sysfs.
    pub live: Fact<String>,
    /// What the kernel command line asks for.
    pub requested: Option<String>,
}

/// A line `options amdgpu NAME=VALUE` or `blacklist amdgpu` of modprobe's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleOption {
    /// Name of the option, or `blacklist`.
    pub name: String,
    /// Value.
    pub value: String,
    /// File and line.
    pub origin: Origin,
}

/// The amdgpu driver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverFacts {
    /// Whether amdgpu is in the kernel, loaded or built in.
    pub loaded: Fact<bool>,
    /// Version, which only the out-of-tree (DKMS) driver has.
    pub version: Fact<String>,
    /// Parameters that are not at a plain default, or are asked for somewhere.
    pub parameters: Vec<Parameter>,
    /// Lines of modprobe's configuration for amdgpu.
    pub options: Vec<ModuleOption>,
}

/// How the machine boots.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootFacts {
    /// Boot loader or image system: `grub`, `systemd-boot`, `kernelstub`, `rpm-ostree`, `bootc`, `nixos`.
    pub loader: Fact<String>,
    /// Kernel words that the boot loader's own configuration asks for, with file and line.
    pub configured_words: Vec<ModuleOption>,
    /// Secure Boot.
    pub secure_boot: Fact<bool>,
}

/// What kind of machine it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// Name of the distribution.
    pub os: Fact<String>,
    /// Container engine where this is a container.
    pub container: Fact<String>,
    /// Whether this is Windows Subsystem for Linux.
    pub wsl: bool,
    /// IOMMUs in use.
    pub iommus: Fact<Vec<String>>,
}

/// The user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// User id in force.
    pub uid: u32,
    /// Primary and supplementary groups in force in this process.
    pub groups: Vec<u32>,
    /// Groups of the user by `/etc/group`, which a new login would get.
    pub configured_groups: Vec<u32>,
    /// Whether user ids here are mapped from others outside (a rootless container).
    pub mapped: bool,
}

/// Access to one device file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceAccess {
    /// Path such as `/dev/kfd`.
    pub path: String,
    /// Permission bits.
    pub mode: Fact<u32>,
    /// Owner's user id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Name of that group.
    pub group: Option<String>,
    /// Whether this user may read and write it.
    pub usable: Fact<bool>,
}

/// Who may use the GPU.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// The user; unknown in a machine tree that does not say.
    pub user: Fact<User>,
    /// `/dev/kfd` and the render nodes.
    pub devices: Vec<DeviceAccess>,
}
