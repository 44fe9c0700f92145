//! `rmcp sim`: a program on a simulated Radeon.
//!
//! The program takes this process's place, with the simulator's library in front of the C library. So it keeps its
//! terminal, its signals and its exit code, and when it is gone nothing of the simulation is left.

use crate::cli::Failure;
use crate::cli::args::Sim;
use crate::cli::output::Output;
use rmcp::model::ExitCode;
use rmcp_sim::card::Card;
use rmcp_sim::inject::Injection;
use rmcp_sim::ledger::Place;
use rmcp_sim::settings::{Settings, VARIABLE};
use rmcp_trial::isolation::Invocation;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The library's file.
const LIBRARY: &str = "librmcp_sim_preload.so";

/// How the loader of programs is told to load it.
const PRELOAD: &str = "LD_PRELOAD";

pub(crate) fn run(arguments: &Sim, output: &Output) -> Result<ExitCode, Failure> {
    if arguments.list {
        output.write(&list()?);
        return Ok(ExitCode::Success);
    }
    let cards = cards(&arguments.card)?;
    for text in &arguments.inject {
        text.parse::<Injection>().map_err(Failure::usage)?;
    }
    let [program, rest @ ..] = &arguments.command[..] else {
        return Err(Failure::usage("no program was given")
            .hint("put it behind two dashes: rmcp sim -- rocminfo"));
    };
    let settings = Settings {
        cards: cards.iter().map(|card| card.short_name().to_owned()).collect(),
        inject: arguments.inject.clone(),
        trace: whole(arguments.trace.as_deref())?,
        kernel_log: whole(arguments.kernel_log.as_deref())?,
        threads: arguments.threads,
        counters: arguments.counters,
        strict: arguments.strict,
        seed: arguments.seed,
        ledger: Some(Place::make().map_err(Failure::could_not_check)?),
    };
    let settings = serde_json::to_string(&settings).map_err(Failure::could_not_check)?;
    if !arguments.quiet {
        eprintln!("rmcp sim: {}; nothing that follows was measured on a card", names(&cards));
    }
    #[expect(clippy::disallowed_methods, reason = "the user's own program, in our place")]
    let mut command = Command::new(program);
    command.args(rest).env(VARIABLE, settings).env(PRELOAD, preload(&library()?));
    let error = command.exec();
    Err(Failure::could_not_check(format!("cannot start {}: {error}", program.display()))
        .hint("is it installed, and spelled as on a command line?"))
}

/// A command as it is started on a simulated card, by ourselves.
pub(crate) fn on_card(
    invocation: Invocation,
    card: &str,
    inject: &[String],
    kernel_log: Option<&Path>,
) -> Result<Invocation, Failure> {
    let program = std::env::current_exe().map_err(Failure::could_not_check)?;
    let mut arguments: Vec<OsString> =
        ["sim", "--quiet", "--card", card].map(OsString::from).to_vec();
    if let Some(log) = kernel_log {
        arguments.extend(["--kernel-log".into(), log.into()]);
    }
    for fault in inject {
        arguments.extend(["--inject".into(), fault.into()]);
    }
    arguments.extend(["--".into(), invocation.program.into()]);
    arguments.extend(invocation.arguments);
    Ok(Invocation { program, arguments, ..invocation })
}

/// The cards of these names; an RX 5600 XT where none is named.
pub(crate) fn cards(names: &[String]) -> Result<Vec<Card>, Failure> {
    let default = ["rx5600xt".to_owned()];
    let names = if names.is_empty() { &default } else { names };
    let hint = "`rmcp sim --list` shows them";
    names.iter().map(|name| Card::named(name).map_err(|e| Failure::usage(e).hint(hint))).collect()
}

fn names(cards: &[Card]) -> String {
    let one = |card: &Card| format!("a simulated {} ({})", card.name, card.target);
    cards.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// All cards, with what they are and where their numbers are from.
fn list() -> Result<String, Failure> {
    let cards = Card::all().map_err(Failure::could_not_check)?;
    Ok(cards.iter().fold(String::new(), |text, card| {
        let memory = card.vram_kib.div_ceil(1 << 20);
        text + &format!(
            "{:<10} {:<28} {:<8} {:>2} compute units, {memory:>2} GiB\n",
            card.short_name(),
            card.name,
            card.target,
            card.compute_units
        )
    }))
}

/// The path from the root on: the program may go elsewhere.
fn whole(path: Option<&Path>) -> Result<Option<PathBuf>, Failure> {
    path.map(std::path::absolute).transpose().map_err(Failure::could_not_check)
}

/// Finds the simulator: beside this program, or where a package would put it.
fn library() -> Result<PathBuf, Failure> {
    let program = std::env::current_exe().map_err(Failure::could_not_check)?;
    let folder = program.parent().unwrap_or(Path::new("/"));
    let places = [folder.join(LIBRARY), folder.join("../lib/rmcp").join(LIBRARY)];
    let found = places.iter().find(|place| place.is_file()).cloned();
    found.ok_or_else(|| {
        Failure::could_not_check(format!("the simulator is missing: {}", places[0].display()))
            .hint("cargo build --release makes it; it has to stay beside rmcp")
    })
}

/// The libraries to load in front of all others: ours, and what was there before.
fn preload(library: &Path) -> OsString {
    let mut all = library.as_os_str().to_owned();
    #[expect(clippy::disallowed_methods, reason = "the door hands its environment on")]
    if let Some(before) = std::env::var_os(PRELOAD).filter(|before| !before.is_empty()) {
        all.push(":");
        all.push(before);
    }
    all
}
