//! The override away, and each other one that is right for the cards: never one of another instruction set.

use super::About;
use super::fixed::tried_here;
use super::rank::{Rank, Ranked};
use rmcp_model::{Candidate, GfxTarget, Knob};

pub(super) const VARIABLE: &str = "HSA_OVERRIDE_GFX_VERSION";

/// Returns the candidates about the override.
pub(super) fn candidates(about: &About<'_>) -> Vec<Ranked> {
    let in_force = names_in_force(about);
    let mut ranked = Vec::new();
    if !in_force.is_empty() {
        let rank = answer(about, "unset-override").unwrap_or(Rank::Unknown);
        let candidate = without(about, &in_force);
        ranked.push(Ranked { candidate, rank });
    }
    let remedied = |value: &str| {
        let sets = |id: &str| {
            let remedy = about.knowledge.remedy(id);
            remedy.is_some_and(|remedy| remedy.set.get(VARIABLE).is_some_and(|set| set == value))
        };
        ["override-same-isa", "override-gfx1010-code"]
            .into_iter()
            .filter(|id| sets(id))
            .find_map(|id| answer(about, id))
    };
    for target in same_set(about) {
        let value = target.dotted();
        if about.host.environment.get(VARIABLE) == Some(&value) {
            continue;
        }
        let rank = remedied(&value).unwrap_or(Rank::Unknown);
        ranked.push(Ranked { candidate: with(about, &in_force, target, &value), rank });
    }
    ranked
}

/// Returns the override's variables that this process has, for all cards or for one.
fn names_in_force(about: &About<'_>) -> Vec<String> {
    let is_override = |name: &&String| {
        name.strip_prefix(VARIABLE).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    };
    about.host.environment.keys().filter(is_override).cloned().collect()
}

/// Returns the targets whose code is right on every card here, the best for the first one first.
fn same_set(about: &About<'_>) -> Vec<GfxTarget> {
    let cards = about.targets();
    let first = cards.first().and_then(|gfx| about.knowledge.target(*gfx));
    let others = first.map_or(&[][..], |target| &target.runs[..]).iter().copied();
    others.filter(|target| cards.iter().all(|card| about.knowledge.runs(*card, *target))).collect()
}

fn without(about: &About<'_>, in_force: &[String]) -> Candidate {
    let values: Vec<String> = in_force
        .iter()
        .filter_map(|name| Some(format!("{name}={}", about.host.environment.get(name)?)))
        .collect();
    let knobs = in_force.iter().map(|name| Knob::Unset { name: name.clone() }).collect();
    let mut candidate = tried_here(
        "unset-override",
        &format!("without {}", values.join(" and ")),
        "the runtime then uses the card's own target",
        knobs,
    );
    candidate.wishes = about.wishes(&candidate.knobs);
    if let Some(remedy) = about.knowledge.remedy("unset-override") {
        candidate.sources.clone_from(&remedy.sources);
    }
    candidate
}

fn with(about: &About<'_>, in_force: &[String], target: GfxTarget, value: &str) -> Candidate {
    // A variable for one card would win over the one for all.
    let of_one_card = in_force.iter().filter(|name| *name != VARIABLE);
    let mut knobs: Vec<Knob> = of_one_card.map(|name| Knob::Unset { name: name.clone() }).collect();
    knobs.push(Knob::Set { name: VARIABLE.to_owned(), value: value.to_owned() });
    let mut candidate = tried_here(
        &format!("override-{value}"),
        &format!("{target} code, by the override {value}"),
        "the same instruction set: right where a library has its code and not the card's own",
        knobs,
    );
    candidate.wishes = about.wishes(&candidate.knobs);
    candidate.sources = vec!["llvm-amdgpu-td".to_owned(), "isa-comparison".to_owned()];
    candidate
}

/// Returns the rank of a remedy that answers a finding of `doctor`.
pub(super) fn answer(about: &About<'_>, remedy: &str) -> Option<Rank> {
    about.diagnosis.findings.iter().enumerate().find_map(|(at, finding)| {
        let place = finding.remedies.iter().position(|id| id == remedy)?;
        Some(Rank::Answers(at, place))
    })
}
