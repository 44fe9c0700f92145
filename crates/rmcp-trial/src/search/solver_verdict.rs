//! When it is worth looking for a solver at fault, and what that changes of the verdict.

use super::matrix::titles;
use super::solvers::{Bisection, Solver};
use crate::candidates::how_to_apply;
use rmcp_model::{Knob, Tool, TrialMatrix, TrialVerdict};

/// Returns whether it is worth looking for the solver at fault: tests fail that use MIOpen, and what mends them, if
/// anything does, has to do with MIOpen.
pub fn solvers_may_be_at_fault(matrix: &TrialMatrix, families: &[Solver]) -> bool {
    let mut failed = matrix
        .rows
        .first()
        .into_iter()
        .flat_map(|row| &row.cells)
        .filter(|cell| cell.k < cell.n)
        .peekable();
    let uses_miopen = |tool| matches!(tool, Tool::Torch | Tool::Miopen);
    let switches: Vec<&Knob> = families
        .iter()
        .flat_map(|family| [family].into_iter().chain(&family.solvers))
        .filter_map(|solver| solver.off.as_ref())
        .flat_map(|off| &off.knobs)
        .collect();
    let about_miopen = |knob: &Knob| match knob {
        Knob::Set { name, .. } => name.starts_with("MIOPEN_") || switches.contains(&knob),
        Knob::Torch { name, .. } => name == "backends.cudnn.enabled",
        Knob::EmptyCache | Knob::Unset { .. } | Knob::SinglePrecision | Knob::Processor => false,
    };
    failed.peek().is_some()
        && failed.all(|cell| uses_miopen(cell.test.tool))
        && matrix.minimal.iter().flat_map(|one| &one.knobs).all(about_miopen)
}

/// Puts what was found out about solvers into a matrix of the same tests. A solver that was found replaces a wider
/// change: everything passes without it, and all others stay.
pub fn name_solvers(matrix: &mut TrialMatrix, found: Bisection) {
    matrix.add_rows(found.rows);
    if found.guilty.is_empty() {
        return;
    }
    matrix.sentence += &format!(
        " MIOpen's fault is found: {}, everything passes. {}",
        titles(&found.guilty),
        how_to_apply(&found.guilty)
    );
    matrix.minimal = found.guilty;
    matrix.verdict = TrialVerdict::Fixed;
}
