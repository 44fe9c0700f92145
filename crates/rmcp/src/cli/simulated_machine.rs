//! The machine folder of a simulated card, for commands that read a machine.

use crate::cli::Failure;
use crate::cli::sim::cards;
use rmcp::model::{Diagnosis, HostFacts};
use rmcp::{Caller, Inspection, Knowledge, diagnose, inspect};
use rmcp_sim::machine::{Host, Machine};
use std::path::Path;
use tempfile::TempDir;

/// Writes a machine with one simulated card and nothing else into a new folder, which is gone with what is returned.
/// Variables are those of this process that a ROCm program would read.
#[expect(clippy::disallowed_methods, reason = "a folder of our own for temporary files")]
pub(crate) fn simulated_machine(card: &str) -> Result<TempDir, Failure> {
    let cards = cards(&[card.to_owned()])?;
    let host = Host { processors: 1, memory: 8 << 30, modules: String::new() };
    let folder = tempfile::tempdir().map_err(Failure::could_not_check)?;
    let write = |path: &str, contents: &str| {
        let path = folder.path().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
        std::fs::write(path, contents)
    };
    for (path, contents) in Machine::whole(&cards, &host) {
        write(&path, &contents).map_err(Failure::could_not_check)?;
    }
    write("/rmcp-machine.toml", &machine_file(&cards[0].name)).map_err(Failure::could_not_check)?;
    Ok(folder)
}

/// Reads the machine that programs run on, and what is wrong with it: the running one, or that of a simulated card.
pub(crate) fn read_machine(
    card: Option<&str>,
    caller: &Caller,
) -> Result<(HostFacts, Diagnosis), Failure> {
    let simulated = card.map(simulated_machine).transpose()?;
    let root = simulated.as_ref().map(TempDir::path);
    let what = Inspection { root, pythons: &[], caller: caller.clone() };
    let facts = inspect(&what).map_err(Failure::could_not_check)?;
    let diagnosis = diagnose(&facts, Knowledge::embedded());
    Ok((facts, diagnosis))
}

/// What the folder says of itself.
fn machine_file(card: &str) -> String {
    let knowledge = Knowledge::embedded();
    let mut text = format!(
        "format = 1\nprovenance = \"synthetic\"\ndescription = \"a simulated {card}; nothing else is known of this machine\"\n\n[process]\nuid = 0\ngid = 0\ngroups = [0]\n\n[process.environment]\n"
    );
    for (name, value) in Caller::from_process().environment {
        if knowledge.knows_variable(&name) {
            // A string of JSON is one of TOML.
            text += &format!("{name} = {}\n", serde_json::Value::from(value));
        }
    }
    text
}
