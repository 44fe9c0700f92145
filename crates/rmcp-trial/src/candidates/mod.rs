//! What may help this machine: the rows of the matrix, from knowledge and from what `doctor` found.
//!
//! They are in the order in which they are tried. What answers a finding of `doctor` comes first, in the order of the
//! findings; then what is known to do what it is for, what helps to find a fault, what nobody has found out, and what
//! is known to do nothing, which is tried because people were told to set it. Single precision and the processor are
//! the last that can be tried here; after them stands what needs a change of the machine or other software. Nobody types
//! a probability.

mod apply;
mod fixed;
mod overrides;
mod rank;
mod solvers;
mod tried;

pub use apply::{candidate_of, how_to_apply};
pub use fixed::{as_it_is, processor};
pub use solvers::solver_families;

use rank::Ranked;
use rmcp_knowledge::Knowledge;
use rmcp_model::{Candidate, Diagnosis, GfxTarget, HostFacts, Knob, SettingKind, Tool, Wish};

/// What is there to try things with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Present {
    /// The software that the tests use.
    pub tools: Vec<Tool>,
    /// The path of RMCP's library for the user's process, where it is installed.
    pub interposer: Option<String>,
    /// The settings of that library that can be tried: a name in plain words, and the variable with its value.
    pub policies: Vec<(String, (String, String))>,
}

/// Returns the candidates for this machine, the machine as it is first.
pub fn candidates(
    host: &HostFacts,
    diagnosis: &Diagnosis,
    knowledge: &Knowledge,
    present: &Present,
) -> Vec<Candidate> {
    let about = About { host, diagnosis, knowledge, present };
    let mut rows = vec![fixed::as_it_is()];
    if !diagnosis.gpus.is_empty() {
        let mut ranked: Vec<Ranked> = overrides::candidates(&about);
        ranked.extend(tried::from_remedies(&about));
        ranked.extend(tried::from_experiments(&about));
        ranked.extend(tried::from_interposer(&about));
        ranked.sort_by_key(|ranked| ranked.rank);
        for Ranked { candidate, .. } in ranked {
            if !rows.iter().any(|row: &Candidate| row.knobs == candidate.knobs) {
                rows.push(candidate);
            }
        }
    }
    // Like the processor, it is tried where nothing else is enough.
    rows.sort_by_key(|row| row.knobs.contains(&Knob::SinglePrecision));
    rows.push(fixed::processor());
    if !diagnosis.gpus.is_empty() {
        rows.extend(fixed::kernel_parameters(&about));
        rows.extend(fixed::stacks(&about));
    }
    rows
}

/// What candidates are made from.
struct About<'a> {
    host: &'a HostFacts,
    diagnosis: &'a Diagnosis,
    knowledge: &'a Knowledge,
    present: &'a Present,
}

impl About<'_> {
    /// Returns the targets of the GPUs, the first one's first.
    fn targets(&self) -> Vec<GfxTarget> {
        self.diagnosis.gpus.iter().filter_map(|gpu| gpu.gfx).collect()
    }

    /// Returns what makes changes last on this machine. What is set in this session alone stands in no file, and
    /// nothing can be done about it for good.
    fn wishes(&self, knobs: &[Knob]) -> Vec<Wish> {
        let is_set_in_a_file = |name: &str| {
            self.host.settings.iter().any(|setting| {
                setting.name == name
                    && setting.kind != SettingKind::Unset
                    && setting.origin.line.is_some()
            })
        };
        let can_be_done = |wish: &Wish| match wish {
            Wish::UnsetVariable { name } => is_set_in_a_file(name),
            _ => true,
        };
        knobs.iter().filter_map(apply::wish).filter(can_be_done).collect()
    }

    /// Returns the target by which effects are judged.
    fn gfx(&self) -> Option<GfxTarget> {
        self.targets().first().copied()
    }
}

#[cfg(test)]
mod tests;
