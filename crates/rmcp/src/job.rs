//! The routes on which a job can be run, and what decides how it runs.

use rmcp_knowledge::Knowledge;
use rmcp_model::{
    Candidate, Diagnosis, HostFacts, JobRoute, Knob, TrialMatrix, TrialVerdict, Wish,
};

/// Returns the routes of a job on this machine, best first: what `try` measured to be enough on this card, where it was
/// tried; with what `doctor` advises for the environment where it advises something, else as it is; then the processor.
pub fn routes(
    facts: &HostFacts,
    diagnosis: &Diagnosis,
    knowledge: &Knowledge,
    tried: Option<&TrialMatrix>,
    simulated: bool,
) -> Vec<JobRoute> {
    let gfx = diagnosis.gpus.first().and_then(|gpu| gpu.gfx).map(|gfx| gfx.to_string());
    let of_this_card = |matrix: &&TrialMatrix| {
        matrix.device.simulated == simulated && gfx.is_some() && matrix.device.gfx == gfx
    };
    let mut routes: Vec<JobRoute> =
        tried.filter(of_this_card).and_then(measured).into_iter().collect();
    let advised = advised(facts, diagnosis, knowledge);
    if routes.iter().all(|route| route.knobs != advised.knobs) {
        routes.push(advised);
    }
    routes.push(JobRoute {
        id: "cpu".to_owned(),
        title: "without the GPU".to_owned(),
        knobs: vec![Knob::Processor],
    });
    routes
}

/// What was found to be enough, where all of it is variables of a process: a job's PyTorch cannot be told more.
fn measured(matrix: &TrialMatrix) -> Option<JobRoute> {
    let is_variable = |knob: &Knob| matches!(knob, Knob::Set { .. } | Knob::Unset { .. });
    let knobs: Vec<Knob> = matrix.minimal.iter().flat_map(|one| one.knobs.clone()).collect();
    let usable = matrix.verdict == TrialVerdict::Fixed && !knobs.is_empty();
    (usable && knobs.iter().all(is_variable)).then(|| {
        let join = |part: fn(&Candidate) -> &str, between| {
            matrix.minimal.iter().map(part).collect::<Vec<_>>().join(between)
        };
        JobRoute {
            id: join(|one| &one.id, "+"),
            title: format!(
                "with what rmcp try found to be enough: {}",
                join(|one| &one.title, "; ")
            ),
            knobs,
        }
    })
}

fn advised(facts: &HostFacts, diagnosis: &Diagnosis, knowledge: &Knowledge) -> JobRoute {
    let mut route = JobRoute {
        id: "as-is".to_owned(),
        title: "in the environment as it is".to_owned(),
        knobs: Vec::new(),
    };
    for advice in &diagnosis.plan {
        let knobs: Vec<Knob> = advice.wishes.iter().filter_map(|wish| knob(wish, facts)).collect();
        let Some(remedy) = knowledge.remedy(&advice.remedy).filter(|_| !knobs.is_empty()) else {
            continue;
        };
        if route.knobs.is_empty() {
            (route.id, route.title) = (remedy.id.clone(), remedy.title.clone());
        } else {
            route.id += &format!("+{}", remedy.id);
            route.title += &format!(", {}", remedy.title);
        }
        route.knobs.extend(knobs);
    }
    route
}

/// What a wish means for one process; nothing where it is about more than that.
fn knob(wish: &Wish, facts: &HostFacts) -> Option<Knob> {
    match wish {
        Wish::Variable { name, value, .. } => {
            Some(Knob::Set { name: name.clone(), value: value.clone() })
        }
        Wish::UnsetVariable { name } if facts.environment.contains_key(name) => {
            Some(Knob::Unset { name: name.clone() })
        }
        _ => None,
    }
}

/// Returns what decides how a job runs, in a few words: cards, kernel, ROCm and PyTorch.
pub fn stack(facts: &HostFacts) -> String {
    let mut words: Vec<String> = Vec::new();
    for node in facts.nodes.value().into_iter().flatten().filter(|node| node.is_gpu()) {
        let version = node.property("gfx_target_version").unwrap_or_default();
        words.push(format!("gfx version {version}"));
    }
    words.extend(facts.kernel.release.value().map(|release| format!("kernel {release}")));
    for install in &facts.rocm {
        let version = install.version.as_ref().map(ToString::to_string).unwrap_or_default();
        words.push(format!("ROCm {version} in {}", install.path));
    }
    for python in facts.python.iter().filter(|python| python.active) {
        words.extend(python.package("torch").map(|torch| format!("torch {}", torch.version)));
    }
    words.join("; ")
}
