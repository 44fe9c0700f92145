//! Which card this really is: KFD's target where the kernel gives one, the PCI table where it does not, and
//! never the name that an override pretends.

use rmcp_knowledge::Knowledge;
use rmcp_model::{
    Card, Fact, GfxTarget, GpuReport, HostFacts, KfdNode, Origin, PciAddress, PciId, Verdict,
};

/// An AMD GPU with the facts behind it.
pub(crate) struct Gpu<'a> {
    pub(crate) report: GpuReport,
    pub(crate) card: Option<&'a Card>,
    pub(crate) node: Option<&'a KfdNode>,
    /// Whether its chip is in the knowledge base.
    pub(crate) chip_known: bool,
}

impl Gpu<'_> {
    /// Returns the generation such as `RDNA1`.
    pub(crate) fn generation<'k>(&self, knowledge: &'k Knowledge) -> Option<&'k str> {
        Some(&knowledge.target(self.report.gfx?)?.generation)
    }

    /// Returns whether it is a card of its own rather than a part of the processor.
    pub(crate) fn is_discrete(&self) -> bool {
        self.report.integrated == Some(false)
    }
}

/// Returns every AMD GPU: cards in the order of the bus, then KFD nodes that no card was found for.
pub(crate) fn identify<'a>(host: &'a HostFacts, knowledge: &Knowledge) -> Vec<Gpu<'a>> {
    let nodes: Vec<&KfdNode> =
        host.nodes.value().into_iter().flatten().filter(|node| node.is_gpu()).collect();
    let mut used = vec![false; nodes.len()];
    let mut gpus = Vec::new();
    for card in
        host.cards.iter().filter(|card| card.id.value().is_some_and(|id| id.vendor == PciId::AMD))
    {
        let node =
            nodes.iter().enumerate().find(|&(index, node)| !used[index] && same_device(card, node));
        if let Some((index, _)) = node {
            used[index] = true;
        }
        gpus.push(report(Some(card), node.map(|(_, node)| *node), knowledge));
    }
    for (node, _) in nodes.iter().zip(&used).filter(|(_, used)| !**used) {
        gpus.push(report(None, Some(node), knowledge));
    }
    gpus
}

fn same_device(card: &Card, node: &KfdNode) -> bool {
    let address = node
        .property("location_id")
        .and_then(|location| PciAddress::from_kfd(location, node.property("domain").unwrap_or(0)));
    match (card.address.value(), address) {
        (Some(card), Some(node)) => *card == node,
        // Trees cut to a part have neither; the render node is as good.
        _ => {
            let minor = node.property("drm_render_minor").filter(|&minor| minor > 0);
            let render = minor.map(|minor| format!("renderD{minor}"));
            let device = node.property("device_id");
            let same_id =
                device.is_some() && device == card.id.value().map(|id| u64::from(id.device));
            card.render_node.is_some() && card.render_node == render || same_id
        }
    }
}

fn report<'a>(card: Option<&'a Card>, node: Option<&'a KfdNode>, knowledge: &Knowledge) -> Gpu<'a> {
    let pci_id = card.and_then(|card| card.id.value().copied()).or_else(|| {
        let device = u16::try_from(node?.property("device_id")?).ok()?;
        let vendor = node?.property("vendor_id").and_then(|vendor| u16::try_from(vendor).ok());
        Some(PciId { vendor: vendor.unwrap_or(PciId::AMD), device })
    });
    let chip = pci_id.and_then(|id| knowledge.chip(id));
    let (gfx, gfx_origin) = target(node, pci_id, chip.and_then(|chip| chip.gfx));
    let revision = card.and_then(|card| card.revision.value().copied());
    let name = match (pci_id.and_then(|id| knowledge.card_name(id, revision)), chip, pci_id) {
        (Some(name), ..) => name.to_owned(),
        (None, Some(chip), _) => format!("AMD {}", chip.name),
        (None, None, Some(id)) => format!("unknown AMD GPU {id}"),
        (None, None, None) => "AMD GPU".to_owned(),
    };
    let vram_bytes =
        card.and_then(|card| card.vram_bytes.value().copied()).or_else(|| vram_of_node(node?));
    let report = GpuReport {
        gfx,
        gfx_origin,
        pci_id,
        pci_address: card.and_then(|card| card.address.value().copied()),
        name,
        node: node.map(|node| node.node),
        vram_bytes,
        integrated: chip.map(|chip| chip.integrated),
        gfx_override: None,
        verdict: Verdict::Unknown,
    };
    Gpu { report, card, node, chip_known: chip.is_some() }
}

fn target(
    node: Option<&KfdNode>,
    id: Option<PciId>,
    by_id: Option<GfxTarget>,
) -> (Option<GfxTarget>, Option<Origin>) {
    if let Some(node) = node
        && let Fact::Known { value, origin } = &node.properties
        && let Some(gfx) = value.get("gfx_target_version").copied().and_then(GfxTarget::from_kfd)
    {
        return (Some(gfx), Some(origin.clone()));
    }
    match (by_id, id) {
        (Some(gfx), Some(id)) => (Some(gfx), Some(Origin::file(format!("PCI id {id}")))),
        _ => (None, None),
    }
}

/// VRAM in KFD's memory banks; an APU's bank is system memory, which says nothing.
fn vram_of_node(node: &KfdNode) -> Option<u64> {
    let banks = node.memory_banks.value()?;
    let bytes: u64 = banks
        .iter()
        .filter(|bank| matches!(bank.heap_type, 1 | 2))
        .map(|bank| bank.size_bytes)
        .sum();
    (bytes > 0).then_some(bytes)
}
