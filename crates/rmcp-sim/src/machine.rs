//! The machine as its files show it: the KFD topology and what else programs read before they open a card.
//!
//! Pure: cards in, paths and contents out. Source of the files and their lines: Linux `kfd_topology.c`,
//! `node_show`, `mem_show`, `iolink_show`, `kfd_cache_show`, `sysprops_show`.

use crate::card::Card;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Where the topology is.
pub const TOPOLOGY: &str = "/sys/devices/virtual/kfd/kfd/topology";
/// The other path to it.
const CLASS: &str = "/sys/class/kfd/kfd/topology";
/// The cards as the display side of the driver shows them. ROCm SMI looks here for the number of a card.
const DRM: &str = "/sys/class/drm";
/// The driver's module.
const MODULE: &str = "/sys/module/amdgpu";
/// Its size as the kernel lists it; any will do.
const MODULE_BYTES: u64 = 9_999_999;
/// The list of modules.
pub const MODULES: &str = "/proc/modules";
/// The device of the compute driver.
pub const KFD: &str = "/dev/kfd";
/// Minor number of the first card's render node.
pub const FIRST_RENDER_MINOR: usize = 128;

/// What the machine beside the cards has.
#[derive(Debug, Clone, Default)]
pub struct Host {
    /// Processors.
    pub processors: usize,
    /// Memory in bytes.
    pub memory: u64,
    /// Its loaded modules, as `/proc/modules` lists them.
    pub modules: String,
}

/// Files and folders that are there only in the simulated machine.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    files: BTreeMap<String, String>,
    folders: BTreeMap<String, BTreeSet<String>>,
}

/// A path of the simulated machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A file with these contents.
    File(&'a str),
    /// A folder that holds entries of these names.
    Folder(&'a BTreeSet<String>),
    /// The driver's own device.
    Kfd,
    /// The device of a card, by its place among the cards.
    Render(usize),
    /// A path below a simulated folder that is not there.
    Missing,
}

/// The id by which the driver calls a card. Real ones are hashes of what the card is; these only have to differ.
pub fn gpu_id(card: usize) -> u32 {
    0xb501 + u32::try_from(card).unwrap_or(0)
}

/// The PCI bus of a card.
const fn bus(card: usize) -> usize {
    3 + card
}

impl Machine {
    /// Makes the files of a machine with these cards.
    pub fn new(cards: &[Card], host: &Host) -> Self {
        let mut machine = Self::default();
        for root in [TOPOLOGY, CLASS] {
            machine.topology(root, cards, host);
        }
        for (at, card) in cards.iter().enumerate() {
            let minors = [format!("card{at}"), format!("renderD{}", FIRST_RENDER_MINOR + at)];
            for minor in &minors {
                let device = format!("{DRM}/{minor}/device");
                machine.device(&device, card, at);
                for minor in &minors {
                    machine.folder(&format!("{device}/drm/{minor}"));
                }
            }
        }
        machine.file(format!("{MODULE}/initstate"), "live\n");
        machine.file(format!("{MODULE}/refcnt"), "0\n");
        machine.file(format!("{MODULE}/coresize"), &format!("{MODULE_BYTES}\n"));
        // A folder that lsmod lists.
        machine.folder(&format!("{MODULE}/holders"));
        let modules =
            format!("amdgpu {MODULE_BYTES} 0 - Live 0x0000000000000000\n{}", host.modules);
        machine.files.insert(MODULES.to_owned(), modules);
        machine
    }

    /// Returns its files and what they hold, the cards' PCI devices with them: a whole machine, as `doctor` reads one.
    pub fn whole(cards: &[Card], host: &Host) -> BTreeMap<String, String> {
        let mut machine = Self::new(cards, host);
        for (at, card) in cards.iter().enumerate() {
            let device = format!("/sys/bus/pci/devices/0000:{:02x}:00.0", bus(at));
            machine.device(&device, card, at);
            machine
                .files
                .insert(format!("/dev/dri/renderD{}", FIRST_RENDER_MINOR + at), String::new());
        }
        machine.files.insert(KFD.to_owned(), String::new());
        machine.files
    }

    /// Makes the files of a card's PCI device. Source: Linux `pci-sysfs.c`, `amdgpu_vram_mgr.c`.
    fn device(&mut self, folder: &str, card: &Card, at: usize) {
        let uevent = format!(
            "DRIVER=amdgpu\nPCI_CLASS=30000\nPCI_ID=1002:{:04X}\nPCI_SLOT_NAME=0000:{:02x}:00.0\n",
            card.device_id,
            bus(at)
        );
        for (name, contents) in [
            ("class", "0x030000\n".to_owned()),
            ("vendor", "0x1002\n".to_owned()),
            ("device", format!("{:#06x}\n", card.device_id)),
            ("revision", format!("{:#04x}\n", card.revision)),
            ("mem_info_vram_total", format!("{}\n", card.vram_bytes())),
            ("uevent", uevent),
        ] {
            self.file(format!("{folder}/{name}"), &contents);
        }
    }

    fn topology(&mut self, root: &str, cards: &[Card], host: &Host) {
        self.file(format!("{root}/generation_id"), "2\n");
        self.file(
            format!("{root}/system_properties"),
            "platform_oem 0\nplatform_id 0\nplatform_rev 0\n",
        );
        let node = format!("{root}/nodes/0");
        self.file(format!("{node}/gpu_id"), "0\n");
        self.file(format!("{node}/name"), "\n");
        self.file(format!("{node}/properties"), &processor(host));
        self.file(format!("{node}/mem_banks/0/properties"), &bank(0, host.memory, 64));
        self.folder(&format!("{node}/caches"));
        self.folder(&format!("{node}/io_links"));
        for (at, card) in cards.iter().enumerate() {
            let node = format!("{root}/nodes/{}", at + 1);
            let caches = caches(card);
            self.file(format!("{node}/gpu_id"), &format!("{}\n", gpu_id(at)));
            self.file(format!("{node}/name"), &format!("{}\n", card.chip));
            self.file(format!("{node}/properties"), &properties(card, at, caches.len()));
            // Private: the processor sees only a window of it.
            let memory = bank(2, card.vram_bytes(), card.vram_width_bits);
            self.file(format!("{node}/mem_banks/0/properties"), &memory);
            for (cache, text) in caches.iter().enumerate() {
                self.file(format!("{node}/caches/{cache}/properties"), text);
            }
            self.file(format!("{node}/io_links/0/properties"), &link(at + 1));
        }
    }

    fn file(&mut self, path: String, contents: &str) {
        if let Some((folder, name)) = path.rsplit_once('/') {
            self.folder(folder);
            self.folders.entry(folder.to_owned()).or_default().insert(name.to_owned());
        }
        self.files.insert(path, contents.to_owned());
    }

    /// Makes a folder and those above it, up to one that every machine has.
    fn folder(&mut self, path: &str) {
        self.folders.entry(path.to_owned()).or_default();
        if let Some((above, name)) = path.rsplit_once('/')
            && !matches!(above, "/sys/devices/virtual" | "/sys/class" | "/sys/module")
        {
            self.folder(above);
            self.folders.entry(above.to_owned()).or_default().insert(name.to_owned());
        }
    }

    /// Returns what a path is, `None` where the real machine has to be asked.
    pub fn entry(&self, path: &str) -> Option<Entry<'_>> {
        let path = if path.len() > 1 { path.trim_end_matches('/') } else { path };
        if path == KFD {
            return Some(Entry::Kfd);
        }
        if let Some(minor) = path.strip_prefix("/dev/dri/renderD") {
            let card = minor.parse::<usize>().ok()?.checked_sub(FIRST_RENDER_MINOR)?;
            let cards = self.folders.get(&format!("{TOPOLOGY}/nodes"))?.len() - 1;
            return (card < cards).then_some(Entry::Render(card));
        }
        if let Some(contents) = self.files.get(path) {
            return Some(Entry::File(contents));
        }
        if let Some(names) = self.folders.get(path) {
            return Some(Entry::Folder(names));
        }
        let ours = [
            "/sys/devices/virtual/kfd/",
            "/sys/class/kfd/",
            "/sys/class/drm/",
            "/sys/module/amdgpu/",
        ];
        ours.iter().any(|start| path.starts_with(start)).then_some(Entry::Missing)
    }
}

fn lines(pairs: &[(&str, u64)]) -> String {
    pairs.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = writeln!(text, "{name} {value}");
        text
    })
}

fn processor(host: &Host) -> String {
    lines(&[
        ("cpu_cores_count", host.processors as u64),
        ("simd_count", 0),
        ("mem_banks_count", 1),
        ("caches_count", 0),
        // The driver shows a link to a card only where the processor sees all of its memory.
        ("io_links_count", 0),
        ("p2p_links_count", 0),
        ("cpu_core_id_base", 0),
        ("simd_id_base", 0),
        ("max_waves_per_simd", 0),
        ("lds_size_in_kb", 0),
        ("gds_size_in_kb", 0),
        ("num_gws", 0),
        ("wave_front_size", 0),
        ("array_count", 0),
        ("simd_arrays_per_engine", 0),
        ("cu_per_simd_array", 0),
        ("simd_per_cu", 0),
        ("max_slots_scratch_cu", 0),
        ("gfx_target_version", 0),
        ("vendor_id", 0),
        ("device_id", 0),
        ("location_id", 0),
        ("domain", 0),
        ("drm_render_minor", 0),
        ("hive_id", 0),
        ("num_sdma_engines", 0),
        ("num_sdma_xgmi_engines", 0),
        ("num_sdma_queues_per_engine", 0),
        ("num_cp_queues", 0),
        ("max_engine_clk_ccompute", 3600),
    ])
}

/// `capability`: four watch points (bits 8 to 11: 2, its logarithm), doorbells of 64 bits (bits 12 and 13: 2) and the
/// revision of the chip, 0. Source: Linux `kfd_topology.h`, `HSA_CAP_*`.
const CAPABILITY: u64 = 2 << 8 | 2 << 12;

/// Versions of the firmware that reads the queues, and of the copy engines': those of a Steam Deck (LACT's snapshot of
/// its topology) for all cards. The runtime works around older ones.
const FIRMWARE: u64 = 122;
const SDMA_FIRMWARE: u64 = 70;

fn properties(card: &Card, at: usize, caches: usize) -> String {
    let location = (bus(at) as u64) << 8;
    lines(&[
        ("cpu_cores_count", 0),
        ("simd_count", 2 * u64::from(card.compute_units)),
        ("mem_banks_count", 1),
        ("caches_count", caches as u64),
        ("io_links_count", 1),
        ("p2p_links_count", 0),
        ("cpu_core_id_base", 0),
        ("simd_id_base", 0x8000_1000 + 0x1000 * at as u64),
        ("max_waves_per_simd", u64::from(card.waves_per_simd)),
        ("lds_size_in_kb", 64),
        ("gds_size_in_kb", 0),
        ("num_gws", 0),
        ("wave_front_size", 32),
        ("array_count", u64::from(card.shader_arrays)),
        ("simd_arrays_per_engine", u64::from(card.arrays_per_engine)),
        ("cu_per_simd_array", u64::from(card.units_per_array)),
        ("simd_per_cu", 2),
        ("max_slots_scratch_cu", 32),
        ("gfx_target_version", u64::from(card.target_version())),
        ("vendor_id", 0x1002),
        ("device_id", u64::from(card.device_id)),
        ("location_id", location),
        ("domain", 0),
        ("drm_render_minor", (FIRST_RENDER_MINOR + at) as u64),
        ("hive_id", 0),
        ("num_sdma_engines", u64::from(card.sdma_engines)),
        ("num_sdma_xgmi_engines", 0),
        ("num_sdma_queues_per_engine", 8),
        ("num_cp_queues", 8),
        ("max_engine_clk_fcompute", u64::from(card.engine_clock_mhz)),
        ("local_mem_size", card.vram_bytes()),
        ("fw_version", FIRMWARE),
        ("capability", CAPABILITY),
        ("sdma_fw_version", SDMA_FIRMWARE),
        ("unique_id", 0),
        ("num_xcc", 1),
        ("max_engine_clk_ccompute", 3600),
    ])
}

/// `heap_type`: 0 is the system's memory, 1 and 2 a card's, seen by the processor or not.
fn bank(heap: u64, bytes: u64, width: u32) -> String {
    lines(&[
        ("heap_type", heap),
        ("size_in_bytes", bytes),
        ("flags", 0),
        ("width", u64::from(width)),
        // Not known, as on many cards.
        ("mem_clk_max", 0),
    ])
}

fn caches(card: &Card) -> Vec<String> {
    let levels = [(1, 16), (2, card.l2_kib), (3, card.l3_kib)];
    let cache = |&(level, kib): &(u64, u32)| {
        let mut text = lines(&[
            ("processor_id_low", 0x8000_1000),
            ("level", level),
            ("size", u64::from(kib)),
            ("cache_line_size", u64::from(card.cache_line)),
            ("cache_lines_per_tag", 1),
            ("association", 16),
            ("latency", 0),
            // Data, for SIMDs. Source: Linux `kfd_crat.h`, `CRAT_CACHE_FLAGS_*`.
            ("type", 9),
        ]);
        text.push_str("sibling_map 1,0,0,0\n");
        text
    };
    levels.iter().filter(|(_, kib)| *kib > 0).map(cache).collect()
}

/// A link over PCI Express from a card to the processor.
fn link(node: usize) -> String {
    lines(&[
        ("type", 2),
        ("version_major", 0),
        ("version_minor", 0),
        ("node_from", node as u64),
        ("node_to", 0),
        ("weight", 20),
        ("min_latency", 0),
        ("max_latency", 0),
        ("min_bandwidth", 312),
        ("max_bandwidth", 16_000),
        ("recommended_transfer_size", 0),
        ("flags", 1),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        let card = Card::named("rx5600xt").unwrap();
        Machine::new(&[card.clone(), card], &Host { processors: 4, ..Host::default() })
    }

    #[test]
    fn paths_are_files_folders_devices_or_the_real_machines() {
        let machine = machine();
        let Some(Entry::Folder(nodes)) = machine.entry("/sys/class/kfd/kfd/topology/nodes/") else {
            panic!("no folder")
        };
        assert_eq!(nodes.iter().map(String::as_str).collect::<Vec<_>>(), ["0", "1", "2"]);
        assert_eq!(
            machine.entry(&format!("{TOPOLOGY}/nodes/2/gpu_id")),
            Some(Entry::File("46338\n"))
        );
        assert_eq!(machine.entry("/dev/kfd"), Some(Entry::Kfd));
        assert_eq!(machine.entry("/dev/dri/renderD129"), Some(Entry::Render(1)));
        assert_eq!(machine.entry("/dev/dri/renderD130"), None);
        assert_eq!(machine.entry(&format!("{TOPOLOGY}/nodes/3/gpu_id")), Some(Entry::Missing));
        assert_eq!(machine.entry("/etc/passwd"), None);
        let Some(Entry::Folder(minors)) = machine.entry("/sys/class/drm/renderD129/device/drm")
        else {
            panic!("no folder")
        };
        assert_eq!(minors.iter().map(String::as_str).collect::<Vec<_>>(), ["card1", "renderD129"]);
        assert_eq!(machine.entry("/sys/class/drm/card2"), Some(Entry::Missing));
    }

    #[test]
    fn a_card_shows_its_numbers() {
        let machine = machine();
        let path = format!("{TOPOLOGY}/nodes/1/properties");
        let Some(Entry::File(text)) = machine.entry(&path) else { panic!("no file") };
        for line in ["simd_count 72", "gfx_target_version 100100", "device_id 29471", "domain 0"] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
    }
}
