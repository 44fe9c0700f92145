//! What a session works with: the machine, the software that computes, tests and candidates.

use super::asked::Asked;
use super::kit::{self, Suite};
use crate::cli::Failure;
use crate::cli::output::Output;
use crate::cli::simulated_machine::simulated_machine;
use rmcp::model::{Candidate, Test, Tool, TrialDevice};
use rmcp::{Caller, Inspection, Knowledge, diagnose, inspect};
use rmcp_host::log::KernelLogWatch;
use rmcp_trial::candidates::{Present, candidates};
use rmcp_trial::search::Search;
use rmcp_trial::session::Device;
use rmcp_trial::workload::{
    COMMAND, Kit, Programs, Suite as WorkloadSuite, UserCommand, Workload, all,
};
use std::time::Duration;
use tempfile::TempDir;

/// Longest time of a user's own command.
const COMMAND_TIME: Duration = Duration::from_secs(3600);

/// Products of one launch on a simulated card: a tenth of a second or so.
const SIMULATED_PRODUCTS: u64 = 2_000_000;

/// What a session works with.
pub(super) struct Bench {
    device: TrialDevice,
    tests: Vec<Test>,
    candidates: Vec<Candidate>,
    programs: Box<dyn Programs>,
    /// Our HIP program, where it is used.
    suite: Option<Suite>,
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
        let (tests, programs, suite) = programs(asked, caller, device.gfx.as_deref())?;
        let mut tools: Vec<Tool> = tests.iter().map(|test| test.tool).collect();
        tools.dedup();
        let present = Present { tools, interposer: None, policies: Vec::new() };
        let mut candidates = candidates(&facts, &diagnosis, Knowledge::embedded(), &present);
        if !asked.candidate.is_empty() {
            keep_named(&mut candidates, &asked.candidate)?;
        }
        Ok(Self { device, tests, candidates, programs, suite })
    }

    /// Makes what has to be made before anything can run.
    pub(super) fn prepare(&self, output: &Output) -> Result<(), Failure> {
        self.suite.as_ref().map_or(Ok(()), |suite| suite.make(output))
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

/// Tests, what runs them, and what has to be made for that.
type Work = (Vec<Test>, Box<dyn Programs>, Option<Suite>);

/// The tests that were asked for.
fn programs(asked: &Asked, caller: &Caller, gfx: Option<&str>) -> Result<Work, Failure> {
    let limit = asked.limit.map(Duration::from_millis);
    if let [program, arguments @ ..] = &asked.command[..] {
        let command = UserCommand {
            program: program.clone(),
            arguments: arguments.to_vec(),
            folder: asked.project.clone(),
            wall: limit.unwrap_or(COMMAND_TIME),
        };
        let test = Test { workload: COMMAND.to_owned(), tool: Tool::Command };
        return Ok((vec![test], Box::new(command), None));
    }
    let suite = kit::hipcc(caller).map(|hipcc| kit::suite(caller, &hipcc, gfx)).transpose()?;
    let kit = Kit {
        hip: suite.as_ref().map(|suite| suite.program.clone()),
        miopen: kit::miopen(),
        rocblas: kit::rocblas(),
        torch: None,
        products: asked.simulate.is_some().then_some(SIMULATED_PRODUCTS),
        // A simulated driver writes to a file of our own.
        kernel_log: asked.simulate.is_some() || KernelLogWatch::live().value().is_some(),
        workloads: workloads(asked)?,
        limit,
    };
    let mut tests = kit.tests();
    tests.retain(|test| asked.tool.is_empty() || asked.tool.contains(&test.tool));
    if tests.is_empty() {
        return Err(Failure::could_not_check("there is nothing here that could compute the tests")
            .hint("install hipcc, or name a Python with PyTorch: --python ~/venv; or try a command of your own: rmcp try -- CMD"));
    }
    let suite = suite.filter(|_| tests.iter().any(|test| test.tool == Tool::Hip));
    Ok((tests, Box::new(kit), suite))
}

/// The workloads that were asked for.
fn workloads(asked: &Asked) -> Result<Vec<Workload>, Failure> {
    let known = |what: &str, named: &str, all: Vec<&str>| match all.contains(&named) {
        true => Ok(()),
        false => Err(Failure::usage(format!("there is no {what} `{named}`"))
            .hint(format!("there are: {}", all.join(", ")))),
    };
    for named in &asked.workload {
        known("workload", named, all().iter().map(|one| one.name.as_str()).collect())?;
    }
    let suite = asked.suite.as_deref().unwrap_or(WorkloadSuite::Workloads.name());
    known("suite", suite, WorkloadSuite::ALL.map(WorkloadSuite::name).to_vec())?;
    let wanted = |one: &&Workload| match &asked.workload[..] {
        [] => one.suite.name() == suite,
        names => names.contains(&one.name),
    };
    Ok(all().iter().filter(wanted).cloned().collect())
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
