//! What can be tried in a process: remedies that answer a finding, experiments, RMCP's own library.

use super::About;
use super::fixed::tried_here;
use super::overrides::VARIABLE as OVERRIDE;
use super::rank::{Rank, Ranked};
use rmcp_knowledge::schema::{Experiment, Remedy};
use rmcp_model::{Finding, Knob, Reader, Wish};

/// The variable that lists tools for the runtime to load.
const TOOLS: &str = "HSA_TOOLS_LIB";

/// Returns what the findings' remedies set and unset. The override has rows of its own.
pub(super) fn from_remedies(about: &About<'_>) -> Vec<Ranked> {
    let mut ranked = Vec::new();
    for (at, finding) in about.diagnosis.findings.iter().enumerate() {
        for (place, id) in finding.remedies.iter().enumerate() {
            let Some(remedy) = about.knowledge.remedy(id) else { continue };
            let knobs = knobs(about, remedy, finding);
            if knobs.is_empty() || knobs.iter().any(is_override) {
                continue;
            }
            // One remedy may answer several findings, each with its own settings.
            let (name, title) = match remedy.unset_evidence {
                true => (format!("{id}:{}", finding.code), texts(&knobs)),
                false => (id.clone(), remedy.title.clone()),
            };
            let mut candidate = tried_here(&name, &title, &finding.title, knobs);
            candidate.wishes = about.wishes(&candidate.knobs);
            candidate.sources.clone_from(&remedy.sources);
            ranked.push(Ranked { candidate, rank: Rank::Answers(at, place) });
        }
    }
    ranked
}

fn knobs(about: &About<'_>, remedy: &Remedy, finding: &Finding) -> Vec<Knob> {
    let set = remedy
        .set
        .iter()
        .map(|(name, value)| Knob::Set { name: name.clone(), value: value.clone() });
    let evidence = finding.evidence.iter().filter(|_| remedy.unset_evidence);
    let in_evidence = evidence.filter_map(|item| item.value.split_once('=')).map(|(name, _)| name);
    let unset = remedy.unset.iter().map(String::as_str).chain(in_evidence);
    let mut knobs: Vec<Knob> = set.collect();
    for name in unset.filter(|name| about.host.environment.contains_key(*name)) {
        let knob = Knob::Unset { name: name.to_owned() };
        if !knobs.contains(&knob) {
            knobs.push(knob);
        }
    }
    knobs
}

fn texts(knobs: &[Knob]) -> String {
    knobs.iter().map(Knob::to_string).collect::<Vec<_>>().join(", ")
}

fn is_override(knob: &Knob) -> bool {
    match knob {
        Knob::Set { name, .. } | Knob::Unset { name } => name.starts_with(OVERRIDE),
        _ => false,
    }
}

/// Returns the experiments that concern the software here and change something.
pub(super) fn from_experiments(about: &About<'_>) -> Vec<Ranked> {
    let concerned = |one: &&Experiment| {
        one.kernel_words.is_empty()
            && (one.tools.is_empty()
                || one.tools.iter().any(|tool| about.present.tools.contains(tool)))
    };
    let experiments = about.knowledge.experiment.iter().filter(concerned);
    experiments
        .filter_map(|one| {
            let knobs = knobs_of(one);
            let is_so = |knob: &Knob| match knob {
                Knob::Set { name, value } => about.host.environment.get(name) == Some(value),
                _ => false,
            };
            if knobs.iter().all(is_so) {
                return None;
            }
            let rank = match (one.effect, one.set.iter().next()) {
                (Some(effect), _) => Rank::of(effect),
                (None, Some((name, value))) => Rank::of_variable(about, name, value),
                (None, None) => Rank::Unknown,
            };
            let mut candidate = tried_here(&one.id, &one.title, &one.why, knobs);
            candidate.sources.clone_from(&one.sources);
            Some(Ranked { candidate, rank })
        })
        .collect()
}

/// Returns what an experiment changes.
pub(super) fn knobs_of(one: &Experiment) -> Vec<Knob> {
    let set =
        one.set.iter().map(|(name, value)| Knob::Set { name: name.clone(), value: value.clone() });
    let torch = one
        .torch
        .iter()
        .map(|(name, value)| Knob::Torch { name: name.clone(), value: value.clone() });
    let cache = one.empty_cache.then_some(Knob::EmptyCache);
    let precision = one.single_precision.then_some(Knob::SinglePrecision);
    set.chain(torch).chain(cache).chain(precision).collect()
}

/// Returns RMCP's library in the user's process, with each of its settings.
pub(super) fn from_interposer(about: &About<'_>) -> Vec<Ranked> {
    let Some(library) = &about.present.interposer else { return Vec::new() };
    // Tools of others stay, in front.
    let others = about.host.environment.get(TOOLS).map_or("", String::as_str);
    let mut libraries: Vec<&str> =
        others.split_whitespace().filter(|other| other != library).collect();
    libraries.push(library);
    let load = Knob::Set { name: TOOLS.to_owned(), value: libraries.join(" ") };
    let mut ranked = Vec::new();
    let settings = about.present.policies.iter().map(Some);
    for policy in [None].into_iter().chain(settings) {
        let mut knobs = vec![load.clone()];
        let (id, title) = match policy {
            None => ("interposer".to_owned(), "RMCP's library, which only watches".to_owned()),
            Some((title, (name, value))) => {
                knobs.push(Knob::Set { name: name.clone(), value: value.clone() });
                (format!("interposer:{value}"), format!("RMCP's library: {title}"))
            }
        };
        let why = "it sees and can change how the runtime allocates memory";
        let mut candidate = tried_here(&id, &title, why, knobs);
        candidate.wishes[0] = Wish::Interposer { reader: Reader::User };
        candidate.sources = vec!["rocr-load-tools".to_owned()];
        ranked.push(Ranked { candidate, rank: Rank::Diagnostic });
    }
    ranked
}
