//! Rows that every matrix has, and those that cannot be tried in a process of their own.

use super::About;
use super::apply::wish;
use rmcp_knowledge::schema::Effect;
use rmcp_model::{Candidate, GfxTarget, Knob, RouteStatus, Way, Wish};

/// Returns the first row: nothing is changed.
pub fn as_it_is() -> Candidate {
    Candidate {
        id: "as-is".to_owned(),
        title: "the machine as it is".to_owned(),
        knobs: Vec::new(),
        way: Way::Here,
        why: "everything else is compared with it".to_owned(),
        wishes: Vec::new(),
        sources: Vec::new(),
    }
}

/// Returns the row of the processor.
pub fn processor() -> Candidate {
    Candidate {
        id: "processor".to_owned(),
        title: "the processor computes".to_owned(),
        knobs: vec![Knob::Processor],
        way: Way::Here,
        why: "the last resort, and the proof that the tests themselves are right".to_owned(),
        wishes: Vec::new(),
        sources: Vec::new(),
    }
}

/// Returns a candidate that is tried in a process of its own.
pub(super) fn tried_here(id: &str, title: &str, why: &str, knobs: Vec<Knob>) -> Candidate {
    Candidate {
        id: id.to_owned(),
        title: title.to_owned(),
        way: Way::Here,
        why: why.to_owned(),
        wishes: knobs.iter().filter_map(wish).collect(),
        knobs,
        sources: Vec::new(),
    }
}

/// Returns the rows of kernel parameters, which need a start of the machine.
pub(super) fn kernel_parameters(about: &About<'_>) -> Vec<Candidate> {
    let experiments = about.knowledge.experiment.iter().filter(|one| !one.kernel_words.is_empty());
    experiments
        .map(|one| {
            let words = one.kernel_words.clone();
            let judged: Vec<_> = words
                .iter()
                .filter_map(|word| word.split_once('='))
                .filter_map(|(name, value)| {
                    about.knowledge.judge_parameter(name, value, about.gfx(), None)
                })
                .collect();
            let inert = judged.iter().any(|verdict| verdict.effect == Effect::Inert);
            let refused = judged.iter().find(|verdict| verdict.effect == Effect::Harmful);
            let why = match refused {
                Some(verdict) => format!(
                    "{}; `rmcp apply` refuses {} here: {}",
                    one.why, verdict.switch.name, verdict.why
                ),
                None => one.why.clone(),
            };
            let command = format!(
                "rmcp apply kernel-parameter {}{}",
                words.join(" "),
                if inert { " --inert" } else { "" }
            );
            Candidate {
                id: one.id.clone(),
                title: one.title.clone(),
                knobs: Vec::new(),
                way: Way::Apply { command },
                why,
                wishes: vec![Wish::KernelWords { words }],
                sources: one.sources.clone(),
            }
        })
        .collect()
}

/// Returns the rows of other software, of which some hold code for this very card.
pub(super) fn stacks(about: &About<'_>) -> Vec<Candidate> {
    let needs_other =
        about.diagnosis.routes.iter().any(|route| {
            route.id.starts_with("native") && route.status == RouteStatus::NeedsChange
        });
    let Some(gfx) = about.gfx().filter(|_| needs_other) else { return Vec::new() };
    let stacks = about.knowledge.stacks_for(gfx).into_iter();
    stacks
        .map(|stack| {
            let install: Vec<String> =
                stack.install.iter().map(|step| fill_in(step, gfx)).collect();
            Candidate {
                id: format!("stack:{}", stack.id),
                title: format!("native {gfx} code: {}", stack.title),
                knobs: Vec::new(),
                way: Way::Environment {
                    how: format!(
                        "other software: {}; then `rmcp try --python DIR`",
                        install.join("; ")
                    ),
                },
                why: stack
                    .caveat
                    .clone()
                    .unwrap_or_else(|| "it holds code for this card".to_owned()),
                wishes: Vec::new(),
                sources: stack.sources.clone(),
            }
        })
        .collect()
}

fn fill_in(step: &str, gfx: GfxTarget) -> String {
    step.replace("{gfx}", &gfx.to_string())
}
