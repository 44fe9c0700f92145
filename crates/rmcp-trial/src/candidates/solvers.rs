//! The families of MIOpen's solvers, with the solvers that can be switched off and named singly.

use super::fixed::tried_here;
use super::tried::knobs_of;
use crate::search::Solver;
use crate::workload::ONLY_SOLVER;
use rmcp_knowledge::Knowledge;
use rmcp_knowledge::schema::Solver as SolverRow;
use rmcp_model::Knob;

/// Families that are still looked for when one solver is named.
///
/// Source: MIOpen documentation, Logging and debugging, note on `MIOPEN_DEBUG_FIND_ONLY_SOLVER`.
const ALWAYS_FOUND: [&str; 2] = ["MIOPEN_DEBUG_CONV_FFT", "MIOPEN_DEBUG_CONV_GEMM"];

/// Returns the families of solvers, for [`crate::search::bisect_solvers`].
pub fn solver_families(knowledge: &Knowledge) -> Vec<Solver> {
    let families: Vec<_> = knowledge.experiment.iter().filter(|one| one.family).collect();
    let switch = |name: &str| Knob::Set { name: name.to_owned(), value: "0".to_owned() };
    families
        .iter()
        .map(|family| {
            let off = knobs_of(family);
            let others = families.iter().filter(|other| other.id != family.id);
            let others: Vec<Knob> =
                others.flat_map(|other| knobs_of(other)).chain([found_anew()]).collect();
            let name = family.id.trim_end_matches("-off");
            let variable = family.set.keys().next().map_or("", String::as_str);
            let solvers = knowledge.solver.iter().filter(|row| row.family == variable);
            Solver {
                off: Some(tried_here(&family.id, &family.title, &family.why, off)),
                alone: vec![tried_here(
                    &format!("{name}-alone"),
                    &format!("{name} alone"),
                    "all other families are off",
                    others,
                )],
                solvers: solvers.map(|row| single(row, switch)).collect(),
            }
        })
        .collect()
}

/// Makes MIOpen look for solvers: what stands in its database is taken whoever is asked for.
///
/// Source: MIOpen documentation, Find database; seen with MIOpen 3.4.
fn found_anew() -> Knob {
    Knob::Set { name: "MIOPEN_DEBUG_DISABLE_FIND_DB".to_owned(), value: "1".to_owned() }
}

fn single(row: &SolverRow, switch: impl Fn(&str) -> Knob) -> Solver {
    let alone = |name: &String| {
        let mut knobs = vec![Knob::Set { name: ONLY_SOLVER.to_owned(), value: name.clone() }];
        knobs.extend(ALWAYS_FOUND.iter().map(|family| switch(family)).chain([found_anew()]));
        tried_here(
            &format!("{name}-alone"),
            &format!("{name} alone"),
            "what becomes of it alone is its own doing",
            knobs,
        )
    };
    let names = row.names.join(", ");
    Solver {
        off: Some(tried_here(
            &format!("{}-off", row.switch),
            &format!("MIOpen without {names}"),
            "where it passes without it, it is at fault",
            vec![switch(&row.switch)],
        )),
        alone: row.names.iter().map(alone).collect(),
        solvers: Vec::new(),
    }
}
