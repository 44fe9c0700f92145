//! Words, flags, colours and exit codes.

mod args;
mod change;
mod device;
mod doctor;
mod explain;
mod flight;
mod output;
mod recorder;
mod records;
mod run;
mod scan;
mod sim;
mod simulated_machine;
mod status;
mod trial;
mod write_recording;

use args::{Arguments, Command};
use clap::Parser;
use output::Output;
use rmcp_model::ExitCode;
use rmcp_trial::isolation::keep;
use std::io::Write;

/// An error of a command, with its exit code and what to do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    code: ExitCode,
    what: String,
    hint: Option<String>,
}

impl Failure {
    pub(crate) fn could_not_check(what: impl ToString) -> Self {
        Self { code: ExitCode::CouldNotCheck, what: what.to_string(), hint: None }
    }

    pub(crate) fn no_gpu(what: impl ToString) -> Self {
        Self { code: ExitCode::NoAmdGpu, what: what.to_string(), hint: None }
    }

    pub(crate) fn usage(what: impl ToString) -> Self {
        Self { code: ExitCode::Usage, what: what.to_string(), hint: None }
    }

    pub(crate) fn refused(what: impl ToString) -> Self {
        Self { code: ExitCode::Refused, what: what.to_string(), hint: None }
    }

    /// Says what is wrong, and what to do about it.
    pub(crate) fn say(&self) {
        let mut stderr = std::io::stderr().lock();
        // Nothing can be done where standard error is closed.
        let _ = writeln!(stderr, "error: {}", self.what);
        if let Some(hint) = &self.hint {
            let _ = writeln!(stderr, "hint: {hint}");
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Parses the command line, runs the command, and gives its exit code.
pub(crate) fn run() -> std::process::ExitCode {
    let arguments = Arguments::parse();
    let output = Output::new(&arguments.output);
    let result = match &arguments.command {
        Command::Doctor(doctor) => doctor::run(doctor, &output),
        Command::Explain(explain) => explain::run(explain, &output),
        Command::Device(device) => device::run(device, &output),
        Command::Scan(scan) => scan::run(scan, &output),
        Command::Sim(arguments) => sim::run(arguments, &output),
        Command::Try(arguments) => trial::run(arguments, &output),
        Command::Run(arguments) => match run::run(arguments, &output) {
            // The job's own exit code, which is not of our table.
            Ok(code) => return code.into(),
            Err(failure) => Err(failure),
        },
        Command::Apply(arguments) => change::apply(arguments, &output),
        Command::Undo(arguments) => status::undo(arguments, &output),
        Command::Status(arguments) => status::status(arguments, &output),
        Command::Keep => keep().map(|()| ExitCode::Success).map_err(Failure::could_not_check),
    };
    match result {
        Ok(code) => code.into(),
        Err(failure) => {
            failure.say();
            failure.code.into()
        }
    }
}
