//! The plan of a session, and the session itself.

use super::asked::Asked;
use super::bench::Bench;
use super::world::World;
use crate::cli::Failure;
use crate::cli::change::now;
use crate::cli::output::Output;
use crate::cli::records::{open_records, records_folder};
use rmcp::model::{Attempt, ExitCode, TrialMatrix};
use rmcp::{Caller, Knowledge};
use rmcp_host::HostRoot;
use rmcp_host::system::kernel::read_boot_id;
use rmcp_report::trial_plan_text;
use rmcp_trial::candidates::solver_families;
use rmcp_trial::database::Moment;
use rmcp_trial::isolation::{CardLock, Keeper};
use rmcp_trial::search::{
    Cost, Question, Runner, bisect_solvers, expected, name_solvers, run_each_solver, search,
    solvers_may_be_at_fault,
};
use rmcp_trial::session::{Session, SessionError};
use rmcp_trial::store::Store;
use std::time::{Duration, Instant};

/// What a test takes of which nothing is known yet.
const GUESS: Duration = Duration::from_secs(5);

/// What is asked, and in which session.
pub(super) struct Going {
    pub(super) asked: Asked,
    /// One that was begun before; a new one where there is none.
    pub(super) session: Option<i64>,
}

/// Shows what would be run, and how long that takes.
pub(super) fn plan(asked: &Asked, caller: &Caller, output: &Output) -> Result<ExitCode, Failure> {
    let bench = Bench::look(asked, caller)?;
    let usual = match rmcp::records_folder(caller).map(|folder| folder.join("records.sqlite")) {
        // A plan writes nothing, not even an empty file of records.
        Some(path) if path.is_file() => {
            let store = Store::new(open_records(caller)?);
            store.usual_seconds().map_err(Failure::could_not_check)?
        }
        _ => Vec::new(),
    };
    let what = bench.search(asked);
    let cost = expected(&what, |test| {
        let known = usual
            .iter()
            .find(|(workload, tool, _)| *workload == test.workload && tool == test.tool.name());
        known.map_or(GUESS.as_secs_f64(), |(_, _, seconds)| *seconds)
    });
    let line = |what, cost: Cost| (what, cost.runs, Duration::from_secs_f64(cost.seconds));
    let costs = [
        line("if everything passes as it is", cost.least),
        line("if the first candidate is enough", cost.likely),
        line("if nothing helps, at least", cost.most),
    ];
    output.write(&trial_plan_text(
        &what.device,
        what.tests,
        what.candidates,
        &costs,
        output.palette,
    ));
    Ok(ExitCode::Success)
}

/// Measures.
pub(super) fn measure(
    going: &Going,
    store: &Store,
    caller: &Caller,
    budget: Option<Duration>,
    output: &Output,
) -> Result<TrialMatrix, Failure> {
    let Going { asked, session } = going;
    let bench = Bench::look(asked, caller)?;
    let _lock = match &asked.simulate {
        Some(_) => None,
        None => Some(
            CardLock::take(&records_folder(caller)?, "all")
                .map_err(|error| Failure::could_not_check(error).hint("wait until it is done"))?,
        ),
    };
    bench.prepare(output)?;
    if let (Some(card), false) = (&asked.simulate, asked.named) {
        output.note(&format!(
            "this machine has no AMD GPU: a simulated one stands in (--simulate {card}); what follows says nothing of a real card"
        ));
    }
    let moment = Moment { time: now(), boot: boot()? };
    let (id, interrupted) = match session {
        None => {
            let request = serde_json::to_value(asked).map_err(Failure::could_not_check)?;
            (store.begin(&moment, &request).map_err(Failure::could_not_check)?, Vec::new())
        }
        Some(id) => (*id, store.close_interrupted(*id, &moment).map_err(Failure::could_not_check)?),
    };
    for one in &interrupted {
        let who = if one.machine_went_down { "the machine went down" } else { "rmcp was ended" };
        let then = if one.is_over { "it is not run again" } else { "it is run once more" };
        output.note(&format!("{who} while {} ran; {then}", one.question.test));
    }
    let what = bench.search(asked);
    let mut world = World::new(moment.boot, output.palette, what.candidates.to_vec());
    let keeper = Keeper {
        program: std::env::current_exe().map_err(Failure::could_not_check)?,
        arguments: vec!["keep".into()],
    };
    let session =
        Session::new(store, id, keeper, bench.programs(), bench.device(asked)?, &mut world);
    let mut asker =
        Asker { session, end: budget.map(|budget| Instant::now() + budget), error: None };
    let mut matrix = search(&what, &mut asker);
    let families = solver_families(Knowledge::embedded());
    if asked.all {
        matrix.add_rows(run_each_solver(&families, what.tests, &mut asker));
    }
    if solvers_may_be_at_fault(&matrix, &families) {
        let found = bisect_solvers(&families, what.tests, asked.repeats, &mut asker);
        name_solvers(&mut matrix, found);
    }
    let error = asker.error;
    world.quiet();
    if let Some(error) = error {
        return Err(Failure::could_not_check(error)
            .hint("nothing is lost: `rmcp try --resume` goes on once that is mended"));
    }
    store.end(id, &matrix).map_err(Failure::could_not_check)?;
    Ok(matrix)
}

/// The id of the running start of the machine.
fn boot() -> Result<String, Failure> {
    let root = HostRoot::live().map_err(Failure::could_not_check)?;
    Ok(read_boot_id(&root).value().cloned().unwrap_or_default())
}

/// Asks the session as long as there is time.
struct Asker<'a> {
    session: Session<'a>,
    end: Option<Instant>,
    error: Option<SessionError>,
}

impl Runner for Asker<'_> {
    fn run(&mut self, question: &Question) -> Option<Attempt> {
        if self.error.is_some() || self.end.is_some_and(|end| Instant::now() >= end) {
            return None;
        }
        self.session.ask(question).map_err(|error| self.error = Some(error)).ok()
    }
}
