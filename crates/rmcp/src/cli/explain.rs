//! `rmcp explain`.

use crate::cli::Failure;
use crate::cli::args::{Explain, Format};
use crate::cli::output::Output;
use indicatif::{ProgressBar, ProgressStyle};
use rmcp::model::{ExitCode, GfxTarget, HostFacts, LogKind, Origin, Provenance};
use rmcp::{Caller, Inspection, Knowledge, explain, inspect};
use rmcp_report::{explanation_json, explanation_text};
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

/// Logs longer than this take long enough for a progress bar: some tenths of a second.
const PROGRESS_FROM_BYTES: u64 = 64 << 20;

pub(crate) fn run(arguments: &Explain, output: &Output) -> Result<ExitCode, Failure> {
    if let Some(record) = &arguments.record {
        return crate::cli::flight::run(arguments, record, output);
    }
    let host = host(arguments)?;
    let log = open_log(arguments.file.as_ref())?;
    let (_, explanation) = explain(log.reader, log.size, &log.name, host.as_ref())
        .map_err(Failure::could_not_check)?;
    match output.format {
        Format::Json => output.write_json(&explanation_json(&explanation, &log.name)),
        Format::Text => {
            output.write(&explanation_text(&explanation, &log.name, output.detail, output.palette))
        }
    }
    Ok(if explanation.kind == LogKind::None { ExitCode::Problem } else { ExitCode::Success })
}

/// The machine whose facts narrow the cause: a folder, a card by name, or the running machine where it has an
/// AMD GPU. The text's own facts come before all of them.
fn host(arguments: &Explain) -> Result<Option<HostFacts>, Failure> {
    if let Some(card) = &arguments.card {
        return machine_with(card).map(Some);
    }
    if arguments.no_host {
        return Ok(None);
    }
    let what = Inspection {
        root: arguments.root.as_deref(),
        pythons: &[],
        caller: Caller::from_process(),
    };
    match inspect(&what) {
        Ok(facts) => Ok(Some(facts)),
        // The running machine is an addition: a log can be explained without it.
        Err(_) if arguments.root.is_none() => Ok(None),
        Err(error) => Err(Failure::could_not_check(error)),
    }
}

/// Returns the target of a card that the user named.
pub(crate) fn named_card(card: &str) -> Result<GfxTarget, Failure> {
    let named = || Knowledge::embedded().card_named(card).and_then(|(chip, _)| chip.gfx);
    card.parse::<GfxTarget>().ok().or_else(named).ok_or_else(|| {
        Failure::usage(format!("unknown card `{card}`"))
            .hint("name it like rx5600xt, \"RX 6700 XT\" or gfx1031")
    })
}

/// Facts of a machine of which nothing is known but its card. The override is that of this process.
fn machine_with(card: &str) -> Result<HostFacts, Failure> {
    let knowledge = Knowledge::embedded();
    let gfx = named_card(card)?;
    let environment = Caller::from_process()
        .environment
        .into_iter()
        .filter(|(name, _)| knowledge.knows_variable(name))
        .collect();
    Ok(rmcp::model::HostFacts::with_card(
        gfx,
        Origin::file(format!("--card {card}")),
        environment,
        Provenance::Synthetic,
    ))
}

/// A log that is open.
pub(crate) struct OpenLog {
    pub(crate) reader: Box<dyn Read>,
    pub(crate) size: Option<u64>,
    pub(crate) name: String,
}

/// Opens a file, or standard input for `-` and where none is named.
#[expect(
    clippy::disallowed_methods,
    reason = "the user named this file; it is no part of a machine"
)]
pub(crate) fn open_log(path: Option<&PathBuf>) -> Result<OpenLog, Failure> {
    let Some(path) = path.filter(|path| path.as_path() != Path::new("-")) else {
        if path.is_none() && std::io::stdin().is_terminal() {
            return Err(Failure::usage("no log was given")
                .hint("name a file, or send it: your_program 2>&1 | rmcp explain"));
        }
        return Ok(OpenLog {
            reader: Box::new(std::io::stdin()),
            size: None,
            name: "standard input".to_owned(),
        });
    };
    let cannot = |error: std::io::Error| {
        Failure::could_not_check(format!("cannot read {}: {error}", path.display()))
    };
    let file = std::fs::File::open(path).map_err(cannot)?;
    let metadata = file.metadata().map_err(cannot)?;
    if metadata.is_dir() {
        return Err(Failure::usage(format!("{} is a folder, expected a log", path.display())));
    }
    let size = metadata.is_file().then_some(metadata.len());
    let name = path.display().to_string();
    let reader: Box<dyn Read> = match size {
        Some(bytes) if bytes >= PROGRESS_FROM_BYTES && std::io::stderr().is_terminal() => {
            let bar = ProgressBar::new(bytes);
            if let Ok(style) = ProgressStyle::with_template(
                "{bar:40} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left",
            ) {
                bar.set_style(style);
            }
            Box::new(bar.wrap_read(file))
        }
        _ => Box::new(file),
    };
    Ok(OpenLog { reader, size, name })
}
