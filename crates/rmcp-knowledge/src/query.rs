//! The questions that other rooms ask.

use crate::schema::{
    Case, Chip, Effect, Kind, Knowledge, Pin, Remedy, Signature, Source, Stack, Switch, Target,
    confidence_of,
};
use rmcp_model::{CodeCoverage, Confidence, GfxTarget, LogKind, PciId, Version};

/// What a variable or parameter with a certain value does on a certain card.
#[derive(Debug, Clone, Copy)]
pub struct SwitchVerdict<'a> {
    /// The row.
    pub switch: &'a Switch,
    /// What it does.
    pub effect: Effect,
    /// Why.
    pub why: &'a str,
}

impl Knowledge {
    /// Returns the source of that id.
    pub fn source(&self, id: &str) -> Option<&Source> {
        self.source.iter().find(|source| source.id == id)
    }

    /// Returns how sure a statement with these sources is.
    pub fn confidence(&self, sources: &[String]) -> Confidence {
        debug_assert!(
            sources.iter().all(|id| self.source(id).is_some()),
            "a statement names a source that is no row: {sources:?}"
        );
        let kinds: Vec<_> =
            sources.iter().filter_map(|id| self.source(id)).map(|source| source.kind).collect();
        confidence_of(&kinds)
    }

    /// Returns the row of a target.
    pub fn target(&self, gfx: GfxTarget) -> Option<&Target> {
        self.target.iter().find(|target| target.gfx == gfx)
    }

    /// Returns the chip with that PCI id.
    pub fn chip(&self, id: PciId) -> Option<&Chip> {
        self.chip.iter().find(|chip| chip.pci_ids.contains(&id))
    }

    /// Returns the name under which the card with that id and revision is sold.
    pub fn card_name(&self, id: PciId, revision: Option<u8>) -> Option<&str> {
        let card = self
            .chip(id)?
            .cards
            .iter()
            .find(|card| card.id == id && Some(card.revision) == revision)?;
        Some(&card.name)
    }

    /// Returns the target and PCI id of a card by a name such as `rx5600xt` or `Radeon RX 5600 XT`; letters
    /// and digits alone count.
    pub fn card_named(&self, name: &str) -> Option<(&Chip, &crate::schema::Card)> {
        let plain = |text: &str| -> String {
            let text: String = text
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .map(|c| c.to_ascii_lowercase())
                .collect();
            text.trim_start_matches("amd").trim_start_matches("radeon").to_owned()
        };
        let wanted = plain(name);
        self.chip.iter().find_map(|chip| {
            chip.cards.iter().find(|card| plain(&card.name) == wanted).map(|card| (chip, card))
        })
    }

    /// Returns whether code for `code` is right on a card of target `card`.
    pub fn runs(&self, card: GfxTarget, code: GfxTarget) -> bool {
        card == code || self.target(card).is_some_and(|target| target.runs.contains(&code))
    }

    /// Returns the kind's row.
    pub fn kind(&self, kind: LogKind) -> Option<&Kind> {
        self.kind.iter().find(|row| row.kind == kind)
    }

    /// Returns the signature of that id.
    pub fn signature(&self, id: &str) -> Option<&Signature> {
        self.signature.iter().find(|signature| signature.id == id)
    }

    /// Returns what an environment variable with this value does.
    pub fn judge_variable(
        &self,
        name: &str,
        value: &str,
        gfx: Option<GfxTarget>,
        rocm: Option<Version>,
    ) -> Option<SwitchVerdict<'_>> {
        judge(&self.variable, name, value, gfx, rocm)
    }

    /// Returns what a parameter such as `amdgpu.noretry` or `iommu` with this value does.
    pub fn judge_parameter(
        &self,
        name: &str,
        value: &str,
        gfx: Option<GfxTarget>,
        kernel: Option<Version>,
    ) -> Option<SwitchVerdict<'_>> {
        judge(&self.parameter, name, value, gfx, kernel)
    }

    /// Returns whether a variable is one that the stack reads, or that people believe it reads.
    pub fn knows_variable(&self, name: &str) -> bool {
        self.variable.iter().any(|switch| switch.is_named(name))
    }

    /// Returns the remedy of that id.
    pub fn remedy(&self, id: &str) -> Option<&Remedy> {
        self.remedy.iter().find(|remedy| remedy.id == id)
    }

    /// Returns the remedies for a finding on a card, safest first.
    pub fn remedies_for(&self, code: &str, gfx: Option<GfxTarget>) -> Vec<&Remedy> {
        let mut found: Vec<_> = self
            .remedy
            .iter()
            .filter(|remedy| remedy.answers.iter().any(|answer| answer == code))
            .filter(|remedy| {
                remedy.targets.is_empty() || gfx.is_some_and(|gfx| remedy.targets.contains(&gfx))
            })
            .collect();
        found.sort_by_key(|remedy| remedy.risk as u8);
        found
    }

    /// Returns what is known of one version of a package and the versions of another that it loads with.
    pub fn pin(&self, package: &str, version: &str) -> Option<&Pin> {
        self.pin.iter().find(|pin| pin.package == package && pin.version == version)
    }

    /// Returns the stacks to advise that hold native code for a target, best first.
    pub fn stacks_for(&self, gfx: GfxTarget) -> Vec<&Stack> {
        let mut found: Vec<_> = self
            .stack
            .iter()
            .filter(|stack| stack.preference.is_some() && stack.targets.contains(&gfx))
            .collect();
        found.sort_by_key(|stack| stack.preference);
        found
    }

    /// Returns the best way in which code with these targets runs on a card: natively, or as which other
    /// target of the same instruction set.
    pub fn best_code(
        &self,
        card: GfxTarget,
        coverage: impl Fn(GfxTarget) -> CodeCoverage,
    ) -> Option<(GfxTarget, CodeCoverage)> {
        let others = self.target(card).map_or(&[][..], |target| &target.runs[..]);
        let candidates =
            || std::iter::once(card).chain(others.iter().copied()).map(|gfx| (gfx, coverage(gfx)));
        candidates()
            .find(|&(_, coverage)| coverage == CodeCoverage::Full)
            .or_else(|| candidates().find(|&(_, coverage)| coverage == CodeCoverage::Partial))
    }
}

impl Switch {
    /// Returns whether this row is about that name.
    pub fn is_named(&self, name: &str) -> bool {
        match self.name.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => self.name == name,
        }
    }
}

impl Case {
    fn holds(&self, value: &str, gfx: Option<GfxTarget>, version: Option<Version>) -> bool {
        (self.values.is_empty()
            || self.values.iter().any(|allowed| allowed.eq_ignore_ascii_case(value)))
            && (self.targets.is_empty() || gfx.is_some_and(|gfx| self.targets.contains(&gfx)))
            && self.since.is_none_or(|since| version.is_some_and(|version| version >= since))
            && self.until.is_none_or(|until| version.is_some_and(|version| version < until))
    }
}

fn judge<'a>(
    rows: &'a [Switch],
    name: &str,
    value: &str,
    gfx: Option<GfxTarget>,
    version: Option<Version>,
) -> Option<SwitchVerdict<'a>> {
    // A row that names the whole variable comes before one that ends in `*`.
    let switch = rows.iter().find(|switch| switch.name == name).or_else(|| {
        rows.iter().filter(|switch| switch.is_named(name)).max_by_key(|switch| switch.name.len())
    })?;
    let case = switch.cases.iter().find(|case| case.holds(value, gfx, version))?;
    Some(SwitchVerdict { switch, effect: case.effect, why: &case.why })
}
