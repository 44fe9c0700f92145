//! What a session works with: the machine, the software that computes, tests and candidates.

use super::asked::Asked;
use crate::cli::Failure;
use crate::cli::output::Output;
use crate::cli::simulated_machine::simulated_machine;
use rmcp::model::{Candidate, Test, Tool, TrialDevice};
use rmcp::{Caller, Inspection, Knowledge, diagnose, inspect};
use rmcp_trial::candidates::{Present, candidates};
use rmcp_trial::search::Search;
use rmcp_trial::session::Device;
use rmcp_trial::workload::{COMMAND, Programs, UserCommand};
use std::time::Duration;
use tempfile::TempDir;

/// Longest time of a user's own command.
const COMMAND_TIME: Duration = Duration::from_secs(3600);

/// What a session works with.
pub(super) struct Bench {
    device: TrialDevice,
    tests: Vec<Test>,
    candidates: Vec<Candidate>,
    programs: Box<dyn Programs>,
}

impl Bench {
    /// Looks what there is. Nothing is made or started.
    pub(super) fn look(asked: &Asked, caller: &Caller) -> Result<Self, Failure> {
        let simulated = asked.simulate.as_deref().map(simulated_machine).transpose()?;
        let what = Inspection {
            root: simulated.as_ref().map(TempDir::path),
            pythons: &[],
            caller: caller.clone(),
        };
        let facts = inspect(&what).map_err(Failure::could_not_check)?;
        let diagnosis = diagnose(&facts, Knowledge::embedded());
        let gpu = diagnosis.gpus.first();
        let device = TrialDevice {
            name: gpu.map_or_else(|| "no AMD GPU".to_owned(), |gpu| gpu.name.clone()),
            gfx: gpu.and_then(|gpu| gpu.gfx).map(|gfx| gfx.to_string()),
            simulated: asked.simulate.is_some(),
        };
        let (tests, programs) = programs(asked)?;
        let mut tools: Vec<Tool> = tests.iter().map(|test| test.tool).collect();
        tools.dedup();
        let present = Present { tools, interposer: None, policies: Vec::new() };
        let mut candidates = candidates(&facts, &diagnosis, Knowledge::embedded(), &present);
        if !asked.candidate.is_empty() {
            keep_named(&mut candidates, &asked.candidate)?;
        }
        Ok(Self { device, tests, candidates, programs })
    }

    /// Makes what has to be made before anything can run.
    pub(super) fn prepare(&mut self, caller: &Caller, output: &Output) -> Result<(), Failure> {
        let _ = (caller, output);
        Ok(())
    }

    pub(super) fn search(&self, asked: &Asked) -> Search<'_> {
        Search {
            device: self.device.clone(),
            tests: &self.tests,
            candidates: &self.candidates,
            repeats: asked.repeats,
            whole: asked.all,
        }
    }

    pub(super) fn programs(&self) -> &dyn Programs {
        &*self.programs
    }

    pub(super) fn device(&self, asked: &Asked) -> Result<Device, Failure> {
        let Some(card) = &asked.simulate else { return Ok(Device::Real) };
        Ok(Device::Simulated {
            program: std::env::current_exe().map_err(Failure::could_not_check)?,
            card: card.clone(),
            inject: asked.inject.clone(),
        })
    }
}

/// The tests that were asked for, and what runs them.
fn programs(asked: &Asked) -> Result<(Vec<Test>, Box<dyn Programs>), Failure> {
    if let [program, arguments @ ..] = &asked.command[..] {
        let command = UserCommand {
            program: program.clone(),
            arguments: arguments.to_vec(),
            folder: asked.project.clone(),
            wall: COMMAND_TIME,
        };
        let test = Test { workload: COMMAND.to_owned(), tool: Tool::Command };
        return Ok((vec![test], Box::new(command)));
    }
    Err(Failure::usage("no command was given"))
}

/// Keeps the candidates of these ids, and the machine as it is.
fn keep_named(candidates: &mut Vec<Candidate>, ids: &[String]) -> Result<(), Failure> {
    for id in ids {
        if !candidates.iter().any(|candidate| candidate.id == *id) {
            let known: Vec<&str> = candidates.iter().map(|one| one.id.as_str()).collect();
            return Err(Failure::usage(format!("there is no candidate `{id}` here"))
                .hint(format!("there are: {}", known.join(", "))));
        }
    }
    candidates.retain(|one| one.id == "as-is" || ids.contains(&one.id));
    Ok(())
}
