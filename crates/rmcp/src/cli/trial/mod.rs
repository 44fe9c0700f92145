//! `rmcp try`.

mod asked;
mod bench;
mod kit;
mod measure;
mod world;

use crate::cli::Failure;
use crate::cli::args::{Form, Format, Try};
use crate::cli::output::Output;
use crate::cli::records::open_records;
use asked::Asked;
use measure::{Going, measure, plan};
use rmcp::Caller;
use rmcp::model::{ExitCode, TrialMatrix, TrialVerdict};
use rmcp_report::{trial_csv, trial_diff, trial_json, trial_junit, trial_markdown, trial_text};
use rmcp_trial::store::{Session, Store};

pub(crate) fn run(arguments: &Try, output: &Output) -> Result<ExitCode, Failure> {
    let caller = Caller::from_process();
    if let Some(id) = arguments.last {
        show(&stored(&open(&caller)?, id)?, arguments, output);
        return Ok(ExitCode::Success);
    }
    if let [old, new] = arguments.diff[..] {
        let store = open(&caller)?;
        let (old, new) = (stored(&store, Some(old))?, stored(&store, Some(new))?);
        output.write(&trial_diff(&old, &new));
        return Ok(ExitCode::Success);
    }
    if arguments.dry_run {
        return plan(&Asked::of(arguments, &caller)?, &caller, output);
    }
    let store = open(&caller)?;
    let matrix = if arguments.resume {
        let session = latest(&store)?;
        match session.matrix {
            // It was ended when there was nothing left to do.
            Some(matrix) => matrix,
            None => {
                let asked =
                    serde_json::from_value(session.request).map_err(Failure::could_not_check)?;
                let going = Going { asked, session: Some(session.id) };
                measure(&going, &store, &caller, arguments.budget, output)?
            }
        }
    } else {
        let going = Going { asked: Asked::of(arguments, &caller)?, session: None };
        measure(&going, &store, &caller, arguments.budget, output)?
    };
    show(&matrix, arguments, output);
    Ok(exit_code(&matrix))
}

fn open(caller: &Caller) -> Result<Store, Failure> {
    Ok(Store::new(open_records(caller)?))
}

/// The result of a session, or of the latest one.
fn stored(store: &Store, id: Option<i64>) -> Result<TrialMatrix, Failure> {
    let session = store.session(id).map_err(Failure::could_not_check)?;
    let session = session.ok_or_else(|| {
        Failure::could_not_check("nothing was ever tried here")
            .hint("`rmcp try --dry-run` shows what would be")
    })?;
    session.matrix.ok_or_else(|| {
        Failure::could_not_check(format!("session {} did not come to its end", session.id))
            .hint("`rmcp try --resume` goes on with it")
    })
}

/// The latest session.
fn latest(store: &Store) -> Result<Session, Failure> {
    let session = store.session(None).map_err(Failure::could_not_check)?;
    session.ok_or_else(|| {
        Failure::usage("there is no session to go on with").hint("begin one: rmcp try")
    })
}

fn show(matrix: &TrialMatrix, arguments: &Try, output: &Output) {
    match (arguments.form, output.format) {
        (Some(Form::Markdown), _) => output.write(&trial_markdown(matrix)),
        (Some(Form::Csv), _) => output.write(&trial_csv(matrix)),
        (Some(Form::Junit), _) => output.write(&trial_junit(matrix)),
        (None, Format::Json) => output.write_json(&trial_json(matrix)),
        (None, Format::Text) => output.write(&trial_text(matrix, output.detail, output.palette)),
    }
}

fn exit_code(matrix: &TrialMatrix) -> ExitCode {
    match matrix.verdict {
        TrialVerdict::WorksAlready => ExitCode::Success,
        TrialVerdict::Fixed | TrialVerdict::Improved | TrialVerdict::NothingHelps => {
            ExitCode::Problem
        }
        TrialVerdict::Unknown => ExitCode::CouldNotCheck,
    }
}
