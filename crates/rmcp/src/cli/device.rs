//! `rmcp device`.

use crate::cli::Failure;
use crate::cli::args::{Device, Format, Probe};
use crate::cli::output::Output;
use rmcp::device::{Choice, DeviceError, Policy, Question, VerdictCache, choose};
use rmcp::model::{ExitCode, Provenance};
use rmcp::{Caller, InspectError};
use rmcp_report::Detail;
use rmcp_trial::isolation::Keeper;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The variable that stands for `--root`.
const ROOT: &str = "RMCP_ROOT";

pub(crate) fn run(arguments: &Device, output: &Output) -> Result<ExitCode, Failure> {
    let caller = Caller::from_process();
    let root = arguments.root.clone().or_else(|| caller.variable(ROOT).map(PathBuf::from));
    let python = python(arguments.python.as_deref(), &caller)?;
    let question = Question {
        root: root.as_deref(),
        policy: match arguments.probe {
            Probe::Auto => Policy::Auto,
            Probe::Always => Policy::Always,
            Probe::Never => Policy::Never,
        },
        timeout: Duration::try_from_secs_f64(arguments.timeout)
            .map_err(|error| Failure::usage(format!("--timeout {}: {error}", arguments.timeout)))?,
        prefer: &arguments.prefer,
        python: &python,
        torch: arguments.torch.as_deref(),
        all: arguments.all,
        now: jiff::Timestamp::now().as_second(),
        keeper: Keeper {
            program: std::env::current_exe().map_err(Failure::could_not_check)?,
            arguments: vec!["keep".into()],
        },
        caller,
    };
    let cache = VerdictCache::of_user(&question.caller.environment);
    let choice = choose(&question, cache.as_ref()).map_err(failure)?;
    match output.format {
        Format::Json => output.write_json(&choice.json()),
        Format::Text => say(&choice, arguments.all, output),
    }
    Ok(choice.outcome.into())
}

/// The device alone goes to standard output: `device=$(rmcp device)` is all that a script needs.
fn say(choice: &Choice, all: bool, output: &Output) {
    if choice.provenance != Provenance::Live {
        output.note(&format!("The cards are those of {}.", choice.provenance));
    }
    if all {
        let works = choice.tried.iter().filter(|one| one.works);
        let devices: Vec<&str> = works.map(|one| one.device.as_str()).collect();
        let devices = if devices.is_empty() { vec![choice.device.as_str()] } else { devices };
        output.write(&(devices.join("\n") + "\n"));
    } else {
        output.write(&format!("{}\n", choice.device));
    }
    output.note(&choice.reason);
    if output.detail == Detail::Full {
        for line in &choice.evidence {
            output.note(&format!("  {line}"));
        }
        for one in choice.tried.iter().filter(|one| !one.works && one.reason != choice.reason) {
            output.note(&format!("{} ({}): {}", one.name, one.device, one.reason));
        }
    }
}

fn failure(error: DeviceError) -> Failure {
    match error {
        DeviceError::NoDevice { .. } => Failure::usage(error),
        DeviceError::Inspect(InspectError::Open(_)) => Failure::could_not_check(error)
            .hint("--root takes a folder that holds sys/, proc/, etc/ of a machine"),
        DeviceError::Inspect(_) => Failure::could_not_check(error),
    }
}

/// Returns the Python to try torch with: the one named, that of the environment in use, or the first on `PATH`.
fn python(named: Option<&Path>, caller: &Caller) -> Result<PathBuf, Failure> {
    let of_folder = |folder: &Path| folder.join("bin/python");
    if let Some(named) = named {
        let python = if named.is_dir() { of_folder(named) } else { named.to_owned() };
        let found = std::path::absolute(python).ok().filter(|python| python.exists());
        return found.ok_or_else(|| {
            Failure::usage(format!("--python {}: there is no such Python", named.display()))
        });
    }
    let environment = caller.variable("VIRTUAL_ENV").map(|folder| of_folder(Path::new(folder)));
    let path = caller.variable("PATH").unwrap_or_default();
    let on_path = path.split(':').map(|folder| Path::new(folder).join("python3"));
    let found = environment.into_iter().chain(on_path).find(|python| python.is_file());
    // The probe then says that it is not there.
    Ok(found.unwrap_or_else(|| PathBuf::from("python3")))
}
