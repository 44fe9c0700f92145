//! `rmcp run`: a job that survives a GPU fault.

use crate::cli::Failure;
use crate::cli::args::{Format, Run};
use crate::cli::change::now;
use crate::cli::output::Output;
use crate::cli::recorder::Recorder;
use crate::cli::records::{fault_kind, open_records, records_folder};
use crate::cli::sim::on_card;
use crate::cli::simulated_machine::read_machine;
use rmcp::job::{routes, stack};
use rmcp::model::{Ending, ExitCode, Fact, JobEvent, JobRoute};
use rmcp::{Caller, Knowledge};
use rmcp_host::log::KernelLogWatch;
use rmcp_report::{job_json, job_text};
use rmcp_trial::isolation::Invocation;
use rmcp_trial::job::{
    Attended, Checkpoint, JobRecords, Ladder, Next, Status, attend, ending, latest_checkpoint,
};
use rmcp_trial::store::Store;
use std::path::PathBuf;

/// How many jobs `--status` shows.
const SHOWN: u32 = 10;

/// The variables of the contract with `rmcp.checkpoint`, and with anything else that reads them.
const CHECKPOINTS: &str = "RMCP_CHECKPOINT_DIR";
const RESUME: &str = "RMCP_RESUME";

/// Runs a job, and gives its own exit code.
pub(crate) fn run(arguments: &Run, output: &Output) -> Result<u8, Failure> {
    let caller = Caller::from_process();
    let records = JobRecords::new(open_records(&caller)?);
    if arguments.status {
        return status(&records, output);
    }
    let job = Job::new(arguments, &caller)?;
    let mut ladder = job.ladder(&records, output)?;
    let id = records.begin(&job.command, &job.stack, &now()).map_err(Failure::could_not_check)?;
    let say = |event: &JobEvent| records.add(id, event, &now()).map_err(Failure::could_not_check);
    loop {
        let before = latest_checkpoint(&job.checkpoints);
        // What fails here was never started.
        let recorder = Recorder::of(arguments, &caller, id, ladder.attempt())?;
        say(&JobEvent::Started {
            attempt: ladder.attempt(),
            route: ladder.route().clone(),
            checkpoint: before.as_ref().map(|found| found.path.display().to_string()),
        })?;
        let (attended, end, log) = job.attempt(&ladder, before.as_ref(), recorder.as_ref())?;
        if let Some(recorder) = &recorder {
            recorder.tell(&end, &log, output);
        }
        let code = code(attended.status);
        say(&JobEvent::Ended {
            attempt: ladder.attempt(),
            route: ladder.route().id.clone(),
            ending: end.clone(),
            code,
            seconds: attended.time.as_secs_f64(),
        })?;
        let after = latest_checkpoint(&job.checkpoints);
        let was = ladder.route().title.clone();
        match ladder.after(
            &end,
            after.as_ref().map(|found| found.written) > before.map(|found| found.written),
        ) {
            Next::Stop { why } => {
                if let Some(why) = why {
                    say(&JobEvent::GaveUp { why: why.to_owned() })?;
                    output.note(&format!(
                        "rmcp run: {}; nothing more is tried: {why}",
                        said(&end, &was)
                    ));
                }
                if ladder.attempt() > 1 || end.is_gpu_failure() {
                    output.note(&format!("rmcp run: what happened: rmcp run --status (job {id})"));
                }
                return Ok(u8::try_from(code).unwrap_or(1));
            }
            Next::Attempt { pause } => {
                let from = after.map_or_else(
                    || "from the beginning, as there is no checkpoint".to_owned(),
                    |found| format!("from {}", found.path.display()),
                );
                output.note(&format!(
                    "rmcp run: {}; again in {} s, {from}, {}",
                    said(&end, &was),
                    pause.as_secs(),
                    ladder.route().title
                ));
                std::thread::sleep(pause);
            }
        }
    }
}

/// What the ending of an attempt is called.
fn said(ending: &Ending, route: &str) -> String {
    match ending {
        Ending::GpuFault { kind } => format!("the GPU failed ({kind}) on the route: {route}"),
        _ => format!("the job hung on the route: {route}"),
    }
}

/// The exit code that a shell would give.
fn code(status: Status) -> i32 {
    match status {
        Status::Code(code) => code,
        Status::Signal(signal) => 128 + signal,
    }
}

/// What is run, and with what.
struct Job<'a> {
    arguments: &'a Run,
    /// The command and its folder, by which it is known again.
    command: String,
    stack: String,
    routes: Vec<JobRoute>,
    checkpoints: PathBuf,
}

impl<'a> Job<'a> {
    fn new(arguments: &'a Run, caller: &Caller) -> Result<Self, Failure> {
        let words: Vec<_> = arguments.command.iter().map(|word| word.to_string_lossy()).collect();
        let command = serde_json::json!({ "command": words, "folder": caller.cwd }).to_string();
        let checkpoints = match &arguments.checkpoints {
            Some(folder) => std::path::absolute(folder).map_err(Failure::usage)?,
            None => own_checkpoints(caller, &command)?,
        };
        let (facts, diagnosis) = read_machine(arguments.simulate.as_deref(), caller)?;
        let tried = Store::new(open_records(caller)?).session(None);
        let tried = tried.map_err(Failure::could_not_check)?.and_then(|session| session.matrix);
        let simulated = arguments.simulate.is_some();
        let mut routes =
            routes(&facts, &diagnosis, Knowledge::embedded(), tried.as_ref(), simulated);
        if arguments.no_cpu {
            routes.retain(|route| route.id != "cpu");
        }
        Ok(Self { arguments, command, stack: stack(&facts), routes, checkpoints })
    }

    /// The routes, from the one that worked the last time on.
    fn ladder(&self, records: &JobRecords, output: &Output) -> Result<Ladder, Failure> {
        if let Some(named) = &self.arguments.route
            && !self.routes.iter().any(|route| route.id == *named)
        {
            let ids: Vec<&str> = self.routes.iter().map(|route| route.id.as_str()).collect();
            return Err(Failure::usage(format!("there is no route `{named}` here"))
                .hint(format!("there are: {}", ids.join(", "))));
        }
        let last = records.last_time(&self.command).map_err(Failure::could_not_check)?;
        let mut first = self.arguments.route.clone();
        if let Some(last) = last.filter(|_| first.is_none()) {
            if last.stack == self.stack {
                first = Some(last.route.id);
            } else {
                output.note(&format!(
                    "rmcp run: the stack has changed since this worked ({} then, {} now): beginning with the best route",
                    last.stack, self.stack
                ));
            }
        }
        let ladder = Ladder::new(self.routes.clone(), self.arguments.attempts, first.as_deref());
        if !ladder.route().knobs.is_empty() {
            output.note(&format!("rmcp run: {}", ladder.route().title));
        }
        Ok(ladder)
    }

    /// One attempt: how it went and ended, and what it and the kernel have said.
    fn attempt(
        &self,
        ladder: &Ladder,
        from: Option<&Checkpoint>,
        recorder: Option<&Recorder>,
    ) -> Result<(Attended, Ending, Vec<u8>), Failure> {
        let mut invocation = self.invocation(ladder, from)?;
        if let Some(recorder) = recorder {
            recorder.set(&mut invocation);
        }
        // Of a simulated card the kernel knows nothing.
        let mut log = match &self.arguments.simulate {
            Some(_) => Fact::Absent,
            None => KernelLogWatch::live(),
        };
        let attended =
            attend(&invocation, self.arguments.hang_after).map_err(Failure::could_not_check)?;
        let lines = match &mut log {
            Fact::Known { value, .. } => value.new_lines().value().cloned().unwrap_or_default(),
            _ => Vec::new(),
        };
        let text = [&attended.output.bytes[..], lines.join("\n").as_bytes()].join(&b'\n');
        let end = ending(&attended, fault_kind(&text), &lines);
        Ok((attended, end, text))
    }

    /// The command on the ladder's present route.
    fn invocation(
        &self,
        ladder: &Ladder,
        from: Option<&Checkpoint>,
    ) -> Result<Invocation, Failure> {
        let arguments = self.arguments;
        let [program, rest @ ..] = &arguments.command[..] else {
            return Err(Failure::usage("no command was given"));
        };
        let mut invocation = Invocation {
            program: program.into(),
            arguments: rest.to_vec(),
            ..Invocation::default()
        };
        if let Some(card) = &arguments.simulate {
            let inject: &[String] = if ladder.attempt() == 1 { &arguments.inject } else { &[] };
            invocation = on_card(invocation, card, inject, None)?;
        }
        if let Some(from) = from {
            let path = from.path.display().to_string();
            let handed = arguments.resume_arg.iter().map(|argument| argument.replace("{}", &path));
            invocation.arguments.extend(handed.map(Into::into));
            invocation.set.push((RESUME.to_owned(), path));
        }
        invocation.set.push((CHECKPOINTS.to_owned(), self.checkpoints.display().to_string()));
        invocation.apply(&ladder.route().knobs);
        Ok(invocation)
    }
}

/// A folder for the checkpoints of a command, which is there from now on.
#[expect(clippy::disallowed_methods, reason = "a folder of our own, for the job to write to")]
fn own_checkpoints(caller: &Caller, command: &str) -> Result<PathBuf, Failure> {
    let hash = blake3::hash(command.as_bytes()).to_hex();
    let folder = records_folder(caller)?.join("checkpoints").join(&hash[..16]);
    std::fs::create_dir_all(&folder).map_err(|error| {
        Failure::could_not_check(format!("{}: {error}", folder.display()))
            .hint("name a folder: --checkpoints DIR")
    })?;
    Ok(folder)
}

fn status(records: &JobRecords, output: &Output) -> Result<u8, Failure> {
    let jobs = records.latest(SHOWN).map_err(Failure::could_not_check)?;
    match output.format {
        Format::Json => output.write_json(&job_json(&jobs)),
        Format::Text => output.write(&job_text(&jobs)),
    }
    Ok(ExitCode::Success as u8)
}
