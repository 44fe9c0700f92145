//! `rmcp explain --record`.

use crate::cli::Failure;
use crate::cli::args::{Explain, Format};
use crate::cli::explain::{named_card, open_log};
use crate::cli::output::Output;
use rmcp::flight::{flight, judge_suspects, read_named};
use rmcp::model::{ExitCode, GfxTarget, LogFacts};
use rmcp::{Knowledge, explain};
use rmcp_report::{flight_json, flight_text, one_line};
use std::path::Path;

pub(crate) fn run(arguments: &Explain, path: &Path, output: &Output) -> Result<ExitCode, Failure> {
    let log = match &arguments.file {
        Some(_) => {
            let log = open_log(arguments.file.as_ref())?;
            let (facts, _) =
                explain(log.reader, log.size, &log.name, None).map_err(Failure::could_not_check)?;
            Some(facts)
        }
        None => None,
    };
    let card = arguments.card.as_deref().map(named_card).transpose()?;
    show(path, log.as_ref(), card, output)
}

/// Shows what a record tells. A problem where it tells of one.
pub(crate) fn show(
    path: &Path,
    log: Option<&LogFacts>,
    card: Option<GfxTarget>,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let name = path.display().to_string();
    let bytes = read_named(path).map_err(|error| {
        Failure::could_not_check(format!("cannot read {}: {error}", one_line(&name)))
    })?;
    let (record, mut explanation) = flight(&bytes, log)
        .map_err(|error| Failure::could_not_check(format!("{}: {error}", one_line(&name))))?;
    judge_suspects(&record, &mut explanation, card, Knowledge::embedded());
    match output.format {
        Format::Json => output.write_json(&flight_json(&record, &explanation, &name)),
        Format::Text => {
            output.write(&flight_text(&record, &explanation, &name, output.detail, output.palette))
        }
    }
    let well = explanation.fault.is_none()
        && explanation.freed_twice.is_empty()
        && (record.ended || explanation.suspects.is_empty());
    Ok(if well { ExitCode::Success } else { ExitCode::Problem })
}
