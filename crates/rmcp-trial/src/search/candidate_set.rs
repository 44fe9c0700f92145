//! Several candidates at once: what they change together, and whether they contradict each other.

use rmcp_model::{Candidate, Knob, Way};

/// What a knob is about. Two different knobs about one thing contradict each other.
#[derive(PartialEq, Eq)]
enum Subject<'a> {
    Variable(&'a str),
    Torch(&'a str),
    Cache,
    Precision,
    Processor,
}

fn subject(knob: &Knob) -> Subject<'_> {
    match knob {
        Knob::Set { name, .. } | Knob::Unset { name } => Subject::Variable(name),
        Knob::Torch { name, .. } => Subject::Torch(name),
        Knob::EmptyCache => Subject::Cache,
        Knob::SinglePrecision => Subject::Precision,
        Knob::Processor => Subject::Processor,
    }
}

/// Returns knobs in a fixed order and without repetition, which is how a set of changes is named.
pub(super) fn in_order(knobs: impl IntoIterator<Item = Knob>) -> Vec<Knob> {
    let mut knobs: Vec<Knob> = knobs.into_iter().collect();
    knobs.sort();
    knobs.dedup();
    knobs
}

/// Returns what a candidate changes.
pub(super) fn knobs_of(candidate: &Candidate) -> Vec<Knob> {
    in_order(candidate.knobs.iter().cloned())
}

/// Returns what candidates change together.
pub(super) fn union<'a>(candidates: impl IntoIterator<Item = &'a Candidate>) -> Vec<Knob> {
    in_order(candidates.into_iter().flat_map(|candidate| candidate.knobs.iter().cloned()))
}

/// Returns whether two sets of changes want different things of one variable or setting.
pub(super) fn contradict(one: &[Knob], other: &[Knob]) -> bool {
    one.iter().any(|a| other.iter().any(|b| a != b && subject(a) == subject(b)))
}

/// Returns whether something else is computed, or elsewhere: what passes then is no fix of what failed.
pub(super) fn is_stand_in(candidate: &Candidate) -> bool {
    candidate.knobs.iter().any(|knob| matches!(knob, Knob::Processor | Knob::SinglePrecision))
}

/// Returns whether it is the machine as it is.
pub(super) fn is_baseline(candidate: &Candidate) -> bool {
    candidate.knobs.is_empty() && candidate.way == Way::Here
}

/// Returns whether it can be tried here as a fix of the GPU.
pub(super) fn is_fix(candidate: &Candidate) -> bool {
    candidate.way == Way::Here && !candidate.knobs.is_empty() && !is_stand_in(candidate)
}

/// Returns whether MIOpen has fewer solvers under a candidate. Where it has none left, a convolution fails.
fn leaves_out_solvers(candidate: &Candidate) -> bool {
    candidate.knobs.iter().any(|knob| match knob {
        Knob::Set { name, value } => name.starts_with("MIOPEN_DEBUG_") && value == "0",
        _ => false,
    })
}

/// Returns the candidates of a list that can be tried together, the earlier ones first.
fn compatible<'a>(
    candidates: &[&'a Candidate],
    helps: &dyn Fn(&Candidate) -> bool,
) -> Vec<&'a Candidate> {
    let mut taken: Vec<&Candidate> = Vec::new();
    for candidate in candidates {
        let apart = |other: &&Candidate| {
            let few_solvers = leaves_out_solvers(other) && leaves_out_solvers(candidate);
            contradict(&other.knobs, &candidate.knobs)
                || few_solvers && !(helps(other) && helps(candidate))
        };
        if !taken.iter().any(apart) {
            taken.push(candidate);
        }
    }
    taken
}

/// Returns lists of candidates that can be tried together, so that each candidate is in one of them: first all that
/// go with the best ones, then for each that is left out those that go with it. Of those that leave out solvers of
/// MIOpen, only such as mend something go together.
///
/// Where several things have several values each, not every mixture is among them; there are too many.
pub(super) fn compatible_lists<'a>(
    candidates: &[&'a Candidate],
    helps: &dyn Fn(&Candidate) -> bool,
) -> Vec<Vec<&'a Candidate>> {
    let mut lists = vec![compatible(candidates, helps)];
    for &candidate in candidates {
        let covered = |one: &Candidate| lists.iter().flatten().any(|listed| listed.id == one.id);
        if !covered(candidate) {
            let (seen, fresh): (Vec<&Candidate>, Vec<&Candidate>) =
                candidates.iter().partition(|one| covered(one));
            let order: Vec<&Candidate> = [candidate].into_iter().chain(fresh).chain(seen).collect();
            lists.push(compatible(&order, helps));
        }
    }
    lists
}

/// Returns several candidates as one, which has the name of the only one where there is one alone.
pub(super) fn together(candidates: &[&Candidate]) -> Candidate {
    if let [one] = candidates {
        return (*one).clone();
    }
    let joined = |of: fn(&Candidate) -> &str, by: &str| {
        candidates.iter().map(|one| of(one)).collect::<Vec<_>>().join(by)
    };
    let mut sources: Vec<String> =
        candidates.iter().flat_map(|one| one.sources.iter().cloned()).collect();
    sources.sort();
    sources.dedup();
    let mut wishes = Vec::new();
    for wish in candidates.iter().flat_map(|one| &one.wishes) {
        if !wishes.contains(wish) {
            wishes.push(wish.clone());
        }
    }
    Candidate {
        id: joined(|one| &one.id, "+"),
        title: joined(|one| &one.title, "; "),
        knobs: union(candidates.iter().copied()),
        way: Way::Here,
        why: "none of them alone is enough".to_owned(),
        wishes,
        sources,
    }
}
