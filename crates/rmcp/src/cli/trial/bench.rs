//! What a session works with: the machine, the software that computes, tests and candidates.

use super::asked::Asked;
use super::kit::Software;
use crate::cli::Failure;
use crate::cli::output::Output;
use crate::cli::simulated_machine::read_machine;
use rmcp::model::{Candidate, Fact, Test, Tool, TrialDevice};
use rmcp::{Caller, Knowledge};
use rmcp_host::log::KernelLogWatch;
use rmcp_trial::candidates::{Present, candidates};
use rmcp_trial::search::Search;
use rmcp_trial::session::Device;
use rmcp_trial::workload::{COMMAND, Installed, MIOPEN_DATABASES, Programs, UserCommand, tests};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest time of a user's own command.
const COMMAND_TIME: Duration = Duration::from_secs(3600);

/// What a session works with.
pub(super) struct Bench {
    device: TrialDevice,
    tests: Vec<Test>,
    candidates: Vec<Candidate>,
    programs: Box<dyn Programs>,
    /// What our own programs are made of, where they are used.
    software: Option<Software>,
}

impl Bench {
    /// Looks what there is. Nothing is made or started.
    pub(super) fn look(asked: &Asked, caller: &Caller) -> Result<Self, Failure> {
        let (facts, diagnosis) = read_machine(asked.simulate.as_deref(), caller)?;
        let gpu = diagnosis.gpus.first();
        let device = TrialDevice {
            name: gpu.map_or_else(|| "no AMD GPU".to_owned(), |gpu| gpu.name.clone()),
            gfx: gpu.and_then(|gpu| gpu.gfx).map(|gfx| gfx.to_string()),
            simulated: asked.simulate.is_some(),
        };
        let (tests, programs, software) = work(asked, caller, device.gfx.as_deref())?;
        let mut tools: Vec<Tool> = tests.iter().map(|test| test.tool).collect();
        tools.dedup();
        let present = Present { tools, interposer: interposer(), policies: policies() };
        let mut candidates = candidates(&facts, &diagnosis, Knowledge::embedded(), &present);
        if !asked.candidate.is_empty() {
            keep_named(&mut candidates, &asked.candidate)?;
        }
        Ok(Self { device, tests, candidates, programs, software })
    }

    /// Makes what has to be made before anything can run.
    pub(super) fn prepare(&self, output: &Output) -> Result<(), Failure> {
        let hip = self.tests.iter().any(|test| test.tool == Tool::Hip);
        self.software.as_ref().map_or(Ok(()), |software| software.make(hip, output))
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

/// RMCP's library, where it is and the runtime can be told of it: it separates paths by blanks.
fn interposer() -> Option<String> {
    let path = rmcp::interposer_here()?.into_os_string().into_string().ok()?;
    Some(path).filter(|path| !path.contains(char::is_whitespace))
}

/// What can be tried with that library, in plain words.
fn policies() -> Vec<(String, (String, String))> {
    let memory = [
        ("host memory coarse-grained where nothing needs it otherwise", "coarse"),
        ("all memory fine-grained where the card can have it so", "fine"),
        ("host memory as the runtime lists it first", "system-default"),
    ];
    let row = |(title, value): (&str, &str)| {
        (title.to_owned(), ("RMCP_MEMORY".to_owned(), value.to_owned()))
    };
    memory.into_iter().map(row).collect()
}

/// Tests, what runs them, and what has to be made for that.
type Work = (Vec<Test>, Box<dyn Programs>, Option<Software>);

/// The tests that were asked for.
fn work(asked: &Asked, caller: &Caller, gfx: Option<&str>) -> Result<Work, Failure> {
    let limit = asked.limit.map(Duration::from_millis);
    if let [program, arguments @ ..] = &asked.command[..] {
        let folder = asked.project.first().map(std::path::absolute).transpose();
        let command = UserCommand {
            program: program.clone(),
            arguments: arguments.to_vec(),
            folder: folder.map_err(Failure::usage)?,
            wall: limit.unwrap_or(COMMAND_TIME),
        };
        let test = Test { workload: COMMAND.to_owned(), tool: Tool::Command };
        return Ok((vec![test], Box::new(command), None));
    }
    let software = Software::look(asked, caller, gfx)?;
    let tests = tests(&software.kit, &asked.names())
        .map_err(|error| Failure::usage(error).hint("rmcp try --dry-run shows what there is"))?;
    let can_be_run = tests.iter().any(|test| software.kit.lacks(test.tool).is_none());
    if !can_be_run {
        return Err(Failure::could_not_check("there is nothing here that could compute the tests")
            .hint("install hipcc, or name a Python with PyTorch: --python ~/venv; or try a command of your own: rmcp try -- CMD"));
    }
    let installed = Installed {
        kit: software.kit.clone(),
        miopen_databases: miopen_databases(caller),
        kernel_log_unreadable: kernel_log_unreadable(asked),
        limit,
    };
    Ok((tests, Box::new(installed), Some(software)))
}

/// Where the user's MIOpen keeps its databases. Source: MIOpen documentation, Performance database.
fn miopen_databases(caller: &Caller) -> Option<PathBuf> {
    let named = caller.variable(MIOPEN_DATABASES).map(PathBuf::from);
    named.or_else(|| Some(Path::new(caller.home.as_deref()?).join(".config/miopen")))
}

/// Why nobody could see what the kernel says; none where that can be read. A simulated driver writes to a file of our own.
fn kernel_log_unreadable(asked: &Asked) -> Option<String> {
    if asked.simulate.is_some() {
        return None;
    }
    match KernelLogWatch::live() {
        Fact::Known { .. } => None,
        Fact::Absent => Some("there is no /dev/kmsg".to_owned()),
        Fact::Unreadable { why } => {
            Some(format!("{why}; root can, or sysctl kernel.dmesg_restrict=0"))
        }
    }
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
