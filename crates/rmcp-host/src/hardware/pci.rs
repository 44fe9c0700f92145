//! Display and compute controllers in sysfs, through DRM where a driver is bound and through the PCI bus
//! where none is.

use crate::host_root::{HostRoot, join};
use rmcp_model::{Card, Fact, LinkFacts, Origin, PciAddress, PciId};
use std::collections::BTreeMap;

/// Largest sysfs attribute: one page.
const MAX_ATTRIBUTE_BYTES: u64 = 4096;

/// Reads every controller, in the order of the bus; those without an address come last.
pub fn read_cards(root: &HostRoot) -> Vec<Card> {
    let mut cards: Vec<Card> = root
        .names("/sys/bus/pci/devices", |_| true)
        .into_iter()
        .map(|name| join("/sys/bus/pci/devices", &name))
        .filter_map(|path| {
            let uevent = read_uevent(root, &path);
            is_gpu_class(root, &path, &uevent).then(|| read_card(root, path, &uevent))
        })
        .collect();
    let drm = root
        .names("/sys/class/drm", |name| is_numbered(name, "card") || is_numbered(name, "renderD"));
    for name in drm {
        let path = format!("/sys/class/drm/{name}/device");
        let uevent = read_uevent(root, &path);
        let address = address_of(&uevent, &path);
        let known = cards
            .iter()
            .position(|card| address.value().is_some() && card.address.value() == address.value());
        let card = match known {
            Some(index) => &mut cards[index],
            None if name.starts_with("card") && !is_virtual(&uevent) => {
                cards.push(read_card(root, path, &uevent));
                cards.last_mut().expect("one was just added")
            }
            None => continue,
        };
        let slot =
            if name.starts_with("card") { &mut card.drm_card } else { &mut card.render_node };
        slot.get_or_insert(name);
    }
    cards.sort_by_key(|card| {
        (card.address.value().is_none(), card.address.value().copied(), card.path.clone())
    });
    cards
}

/// Returns whether a name is `prefix` and a number: `card0`, not `card0-DP-1`.
fn is_numbered(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|number| number.parse::<u32>().is_ok())
}

/// Returns whether a DRM device hangs on no PCI bus at all (simpledrm, vkms, a display on USB).
fn is_virtual(uevent: &Fact<BTreeMap<String, String>>) -> bool {
    uevent.value().is_some_and(|uevent| !uevent.contains_key("PCI_ID"))
}

/// Returns whether the PCI class is display (0x03) or processing accelerator (0x12). The class file is read
/// only where `uevent` cannot tell: a damaged card must not vanish.
fn is_gpu_class(root: &HostRoot, path: &str, uevent: &Fact<BTreeMap<String, String>>) -> bool {
    let class = match uevent {
        Fact::Known { value, .. } => value.get("PCI_CLASS").cloned(),
        Fact::Absent | Fact::Unreadable { .. } => root
            .read_up_to(&join(path, "class"), MAX_ATTRIBUTE_BYTES)
            .value()
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned()),
    };
    class
        .and_then(|class| parse_hex(&class).ok())
        .is_some_and(|class| matches!(class >> 16, 0x03 | 0x12))
}

fn read_uevent(root: &HostRoot, path: &str) -> Fact<BTreeMap<String, String>> {
    root.read_up_to(&join(path, "uevent"), MAX_ATTRIBUTE_BYTES).parse(|bytes| parse_uevent(bytes))
}

/// Parses a `uevent` file: `NAME=VALUE` on each line.
///
/// # Errors
/// What is wrong with text that is no such list.
pub fn parse_uevent(bytes: &[u8]) -> Result<BTreeMap<String, String>, String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| format!("not UTF-8 at byte {}", error.valid_up_to()))?;
    Ok(text
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}

fn read_card(root: &HostRoot, path: String, uevent: &Fact<BTreeMap<String, String>>) -> Card {
    let attribute = |name: &str| {
        let bytes = root.read_up_to(&join(&path, name), MAX_ATTRIBUTE_BYTES);
        bytes.parse(|bytes| match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(error) => Err(format!("not UTF-8 at byte {}", error.valid_up_to())),
        })
    };
    let hex = |name: &str| attribute(name).parse(|text| parse_hex(text));
    let pair = |vendor: Fact<u32>, device: Fact<u32>| match (vendor.value(), device.value()) {
        (Some(&vendor), Some(_)) => device.parse(|&device| pci_id(vendor, device)),
        (None, _) => vendor.parse(|_| Err("no vendor".into())),
        (_, None) => device.parse(|_| Err("no device".into())),
    };
    let number = |name: &str| {
        attribute(name)
            .parse(|text| text.parse().map_err(|_| format!("expected a number, found `{text}`")))
    };
    let named = |name: &str| match uevent.value().and_then(|uevent| uevent.get(name)) {
        Some(value) => Fact::known(value.clone(), Origin::file(join(&path, "uevent"))),
        None => Fact::Absent,
    };
    let id = named("PCI_ID").parse(|id| id.parse());
    let id = if id.value().is_some() { id } else { pair(hex("vendor"), hex("device")) };
    let subsystem = named("PCI_SUBSYS_ID").parse(|id| id.parse());
    let driver = match (uevent, named("DRIVER")) {
        (Fact::Unreadable { why }, _) => Fact::unreadable(why.clone()),
        (_, driver) => driver,
    };
    let amd = id.value().is_some_and(|id: &PciId| id.vendor == PciId::AMD);
    Card {
        address: address_of(uevent, &path),
        revision: hex("revision")
            .parse(|&value| u8::try_from(value).map_err(|_| format!("{value:#x} is no revision"))),
        subsystem,
        driver,
        drm_card: None,
        render_node: None,
        vram_bytes: if amd { number("mem_info_vram_total") } else { Fact::Absent },
        link: LinkFacts {
            speed: attribute("current_link_speed"),
            width: number("current_link_width").map(saturate),
            max_speed: attribute("max_link_speed"),
            max_width: number("max_link_width").map(saturate),
        },
        firmware: if amd { read_firmware(root, &path) } else { BTreeMap::new() },
        id,
        path,
    }
}

fn saturate(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// Reads `fw_version/*_fw_version`. The folder's attributes exist only for firmware that the card has.
fn read_firmware(root: &HostRoot, path: &str) -> BTreeMap<String, u32> {
    // The two that decide something: MEC (PCIe atomics) and SDMA (copies); the others are for reports.
    let wanted = ["mec", "mec2", "sdma", "smc", "rlc", "pfp", "me"];
    let folder = join(path, "fw_version");
    wanted
        .into_iter()
        .filter_map(|name| {
            let value =
                root.read_up_to(&join(&folder, &format!("{name}_fw_version")), MAX_ATTRIBUTE_BYTES);
            let value = value.parse(|bytes| parse_hex(&String::from_utf8_lossy(bytes)));
            Some((name.to_owned(), *value.value()?))
        })
        .collect()
}

/// Parses `amdgpu_firmware_info` of debugfs: `MEC feature version: 33, firmware version: 0x00000160` on each
/// line. Root alone can read it; people paste it.
pub fn parse_firmware_info(text: &str) -> BTreeMap<String, u32> {
    text.lines()
        .filter_map(|line| {
            let (name, rest) = line.split_once(" feature version:")?;
            let (_, version) = rest.split_once("firmware version:")?;
            Some((name.trim().to_ascii_lowercase(), parse_hex(version.split(',').next()?).ok()?))
        })
        .collect()
}

fn address_of(uevent: &Fact<BTreeMap<String, String>>, path: &str) -> Fact<PciAddress> {
    match uevent {
        Fact::Known { value, origin } => match value.get("PCI_SLOT_NAME") {
            Some(slot) => Fact::known(slot.clone(), origin.clone()).parse(|slot| slot.parse()),
            None => Fact::Absent,
        },
        _ => match path.rsplit('/').next().and_then(|name| name.parse().ok()) {
            Some(address) => Fact::known(address, Origin::file(path)),
            None => Fact::Absent,
        },
    }
}

fn parse_hex(text: &str) -> Result<u32, String> {
    let digits = text.trim().trim_start_matches("0x");
    u32::from_str_radix(digits, 16).map_err(|_| {
        format!("expected a hexadecimal number, found `{}`", crate::log::printable(text.trim(), 40))
    })
}

fn pci_id(vendor: u32, device: u32) -> Result<PciId, String> {
    match (u16::try_from(vendor), u16::try_from(device)) {
        (Ok(vendor), Ok(device)) => Ok(PciId { vendor, device }),
        _ => Err(format!("{vendor:#x}:{device:#x} is no PCI id")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uevent_is_read_by_name() {
        let uevent = parse_uevent(b"DRIVER=amdgpu\nPCI_ID=1002:731F\nbroken\n").unwrap();
        assert_eq!(uevent["PCI_ID"], "1002:731F");
        assert_eq!(uevent.len(), 2);
    }

    #[test]
    fn connectors_are_no_cards() {
        assert!(is_numbered("card0", "card"));
        assert!(!is_numbered("card0-DP-1", "card"));
        assert!(!is_numbered("card", "card"));
    }
}
