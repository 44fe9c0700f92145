//! Which of MIOpen's solvers is at fault.
//!
//! Solvers can be switched off, in families and many of them singly, and never all at once: a convolution without any
//! solver fails. So a family or solver that stands alone tells more than one that is missing, and only those that
//! were seen to be at fault are switched off together.

use super::asker::{Asker, Runner, TimeOver};
use super::candidate_set::{knobs_of, together, union};
use super::evidence::cell;
use super::goal::Goal;
use super::minimise::minimise;
use super::trial::run_baseline;
use rmcp_model::{Candidate, Outcome, Row, Test, Tool};

/// A family of solvers or one solver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Solver {
    /// Switches it off; none where it has no switch of its own.
    pub off: Option<Candidate>,
    /// Each leaves it alone, all others off; several where one switch stands for several.
    pub alone: Vec<Candidate>,
    /// The solvers of a family.
    pub solvers: Vec<Solver>,
}

/// What was found out about solvers.
#[derive(Debug, Clone, PartialEq)]
pub struct Bisection {
    /// Every set of switches that was tried, but for solvers that are not offered.
    pub rows: Vec<Row>,
    /// What has to be switched off so that everything passes, and no less of it; empty where none of it helps.
    pub guilty: Vec<Candidate>,
    /// Whether the time was over before the end.
    pub over: bool,
}

/// Finds the solvers that have to be switched off so that every test passes: the families first, and inside those at
/// fault the single solvers. Each solver of a family at fault is also run alone, so that the rows say of each what
/// became of it.
pub fn bisect_solvers(
    families: &[Solver],
    tests: &[Test],
    repeats: u32,
    runner: &mut dyn Runner,
) -> Bisection {
    let mut search = SolverSearch {
        asker: Asker::new(runner),
        goal: Goal { tests: Vec::new() },
        tried: Vec::new(),
    };
    let mut guilty = Vec::new();
    let over = search.find(families, tests, repeats, &mut guilty).is_err();
    let rows = search.tried.iter().map(|candidate| {
        let knobs = knobs_of(candidate);
        let cells = tests
            .iter()
            .map(|test| cell(test, search.asker.known(&knobs, test), "another test had failed"));
        Row { candidate: candidate.clone(), cells: cells.collect() }
    });
    Bisection { rows: rows.filter(is_offered).collect(), guilty, over }
}

/// Runs the tests of MIOpen's own driver with each family and each solver alone, whatever becomes of the machine as it is:
/// a row for each that is offered for some of them.
pub fn run_each_solver(families: &[Solver], tests: &[Test], runner: &mut dyn Runner) -> Vec<Row> {
    let mut asker = Asker::new(runner);
    let singles = families.iter().flat_map(|family| [family].into_iter().chain(&family.solvers));
    let alone: Vec<&Candidate> = singles.flat_map(|single| &single.alone).collect();
    let of_driver = |test: &&Test| test.tool == Tool::Miopen;
    for candidate in &alone {
        for test in tests.iter().filter(of_driver) {
            if asker.ask(&knobs_of(candidate), test, 0).is_err() {
                break;
            }
        }
    }
    let row = |candidate: &Candidate| {
        let knobs = knobs_of(candidate);
        let cells = tests.iter().map(|test| {
            let why = if of_driver(&test) {
                "the time was over"
            } else {
                "MIOpen's driver alone is asked"
            };
            cell(test, asker.known(&knobs, test), why)
        });
        Row { candidate: candidate.clone(), cells: cells.collect() }
    };
    alone.into_iter().map(row).filter(is_offered).collect()
}

/// Whether anything was run: MIOpen offers few of its solvers for one convolution on one card.
fn is_offered(row: &Row) -> bool {
    row.cells.iter().any(|cell| cell.n > 0)
}

struct SolverSearch<'a> {
    asker: Asker<'a>,
    goal: Goal,
    tried: Vec<Candidate>,
}

impl SolverSearch<'_> {
    fn find(
        &mut self,
        families: &[Solver],
        tests: &[Test],
        repeats: u32,
        guilty: &mut Vec<Candidate>,
    ) -> Result<(), TimeOver> {
        let baseline = run_baseline(&mut self.asker, tests, repeats);
        self.tried.push(crate::candidates::as_it_is());
        self.goal = Goal::from_baseline(&self.asker, tests, families.len());
        baseline?;
        if self.goal.failed().next().is_none() {
            return Ok(());
        }
        let found = self.at_fault(families, &[])?;
        guilty.extend(found.iter().filter_map(|family| family.off.clone()));
        // Inside each family, with the other families at fault off. A family stays off as a whole where its
        // solvers do not explain it.
        for (at, family) in found.iter().enumerate() {
            let others: Vec<Candidate> = guilty
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != at)
                .map(|(_, one)| one.clone())
                .collect();
            let solvers = self.at_fault(&family.solvers, &others)?;
            for alone in family.solvers.iter().flat_map(|solver| &solver.alone) {
                self.fill(alone, &others)?;
            }
            let off: Vec<&Candidate> =
                solvers.iter().filter_map(|solver| solver.off.as_ref()).collect();
            if !off.is_empty() {
                guilty[at] = together(&off);
            }
        }
        Ok(())
    }

    /// Returns those that are at fault: one whose absence is enough, or the fewest of those that fail alone.
    fn at_fault<'b>(
        &mut self,
        solvers: &'b [Solver],
        others: &[Candidate],
    ) -> Result<Vec<&'b Solver>, TimeOver> {
        for solver in solvers.iter().filter(|solver| solver.off.is_some()) {
            if self.passes_without(&[solver], others)? {
                return Ok(vec![solver]);
            }
        }
        let mut suspects = Vec::new();
        for solver in solvers.iter().filter(|solver| solver.off.is_some()) {
            let mut fault = false;
            for alone in &solver.alone {
                fault |= self.fill(alone, others)?;
            }
            if fault {
                suspects.push(solver);
            }
        }
        if suspects.len() < 2 || !self.passes_without(&suspects, others)? {
            return Ok(Vec::new());
        }
        minimise(&suspects, |part| self.passes_without(part, others)).map_err(|(over, _)| over)
    }

    fn passes_without(
        &mut self,
        solvers: &[&Solver],
        others: &[Candidate],
    ) -> Result<bool, TimeOver> {
        let off = solvers.iter().filter_map(|solver| solver.off.as_ref());
        let set: Vec<&Candidate> = off.chain(others).collect();
        self.note(&set);
        self.goal.is_met(&mut self.asker, &union(set))
    }

    /// Runs the failed tests with one solver alone, and returns whether it is at fault. That no solver fits, which is
    /// an ordinary failure, is no fault.
    fn fill(&mut self, alone: &Candidate, others: &[Candidate]) -> Result<bool, TimeOver> {
        let set: Vec<&Candidate> = [alone].into_iter().chain(others).collect();
        self.note(&set);
        let knobs = union(set);
        let mut fault = false;
        for needed in self.goal.failed() {
            // A fault that shows now and then has as many chances as a pass would need.
            for round in 0..needed.passes {
                let outcome = &self.asker.ask(&knobs, &needed.test, round)?.outcome;
                fault |= matches!(
                    outcome,
                    Outcome::Crashed { .. } | Outcome::Hung { .. } | Outcome::WrongNumbers { .. }
                );
                if !outcome.passed() {
                    break;
                }
            }
        }
        Ok(fault)
    }

    fn note(&mut self, set: &[&Candidate]) {
        let set = together(set);
        if !self.tried.iter().any(|one| knobs_of(one) == knobs_of(&set)) {
            self.tried.push(set);
        }
    }
}
