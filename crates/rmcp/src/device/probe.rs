//! Tries one device in a process of its own, and makes one sentence of what became of it.

use super::candidates::{Backend, Candidate};
use crate::explain;
use rmcp_model::LogKind;
use rmcp_trial::isolation::{End, Ended, Invocation, IsolationError, Keeper, Limits, run};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The program that tries it, for the Python of the program that asks.
const PROBE: &str = include_str!("probe.py");

/// Bytes kept of each output: room for a few faults as the runtime prints them.
const OUTPUT_BYTES: usize = 64 << 10;

/// What [`End`] takes at most to end what does not end by itself, so that the whole stays in its time.
const ENDING: Duration = Duration::from_millis(700);

/// The program that asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker<'a> {
    pub(super) keeper: &'a Keeper,
    pub(super) python: &'a Path,
    /// The folder in which it finds torch.
    pub(super) torch: Option<&'a Path>,
}

/// What was found out.
#[derive(Debug, Default)]
pub(super) struct Probed {
    /// Nothing where it works.
    pub(super) fault: Option<String>,
    pub(super) evidence: Vec<String>,
    /// The name that the device gives itself.
    pub(super) name: Option<String>,
    /// How many devices torch sees.
    pub(super) count: Option<usize>,
    /// torch's first file, where there is a torch.
    pub(super) torch: Option<PathBuf>,
    /// Where it was looked for.
    pub(super) path: Vec<PathBuf>,
    /// Libraries that were loaded.
    pub(super) libraries: Vec<PathBuf>,
    /// Versions of torch and torchvulkan.
    pub(super) versions: (Option<String>, Option<String>),
}

/// One line that the probe writes.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Line {
    begin: Option<String>,
    torch: Option<PathBuf>,
    path: Vec<PathBuf>,
    version: Option<String>,
    hip: Option<String>,
    cuda: Option<String>,
    torchvulkan: Option<String>,
    count: Option<usize>,
    name: Option<String>,
    arch: Option<String>,
    passed: Option<String>,
    error: Option<f64>,
    libraries: Vec<PathBuf>,
    failed: Option<String>,
    raised: Option<String>,
    done: bool,
}

/// Tries a device for so long.
///
/// # Errors
/// [`IsolationError`] where no process could be watched over.
pub(super) fn probe(
    asker: Asker<'_>,
    candidate: &Candidate,
    time: Duration,
) -> Result<Probed, IsolationError> {
    // A card that is shown alone is the first.
    let index = if candidate.shown_by.is_some() { 0 } else { candidate.index };
    let request = serde_json::json!({
        "device": candidate.backend.device(),
        "index": index,
        "build": candidate.backend.build(),
        "torch": asker.torch,
    });
    let mut set = vec![
        ("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned()),
        ("PYTHONFAULTHANDLER".to_owned(), "1".to_owned()),
    ];
    let mut unset = Vec::new();
    if let Some((name, value)) = &candidate.shown_by {
        set.push(((*name).to_owned(), value.clone()));
        unset.push("CUDA_VISIBLE_DEVICES".to_owned());
    }
    if candidate.backend == Backend::Vulkan {
        // What it hands to the processor instead would be taken for the device's.
        set.push(("TORCHVULKAN_STRICT".to_owned(), "1".to_owned()));
    }
    let invocation = Invocation {
        program: asker.python.to_owned(),
        arguments: vec!["-c".into(), PROBE.into(), request.to_string().into()],
        set,
        unset,
        folder: None,
    };
    let wall = time.checked_sub(ENDING).filter(|wall| *wall > time / 2).unwrap_or(time / 2);
    let limits = Limits { wall, silence: None, memory: None, output: OUTPUT_BYTES };
    let folder = tempfile::tempdir().map_err(IsolationError::Folder)?;
    Ok(judge(&run(asker.keeper, &invocation, &limits, folder.path())?, wall))
}

/// Makes of what became of a probe what can be said: without its last line nothing is well.
fn judge(ended: &Ended, wall: Duration) -> Probed {
    let mut probed = Probed::default();
    let (mut step, mut done, mut raised) = ("starting Python".to_owned(), false, None);
    let text = String::from_utf8_lossy(&ended.results);
    for line in text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok()) {
        if let Some(begun) = &line.begin {
            step.clone_from(begun);
        }
        probed.evidence.extend(evidence_of(&line));
        probed.fault = probed.fault.or(line.failed);
        raised = raised.or(line.raised);
        probed.name = probed.name.or(line.name.filter(|name| !name.is_empty()));
        probed.count = probed.count.or(line.count);
        probed.torch = probed.torch.or(line.torch);
        probed.path.extend(line.path);
        probed.libraries.extend(line.libraries);
        let (torch, vulkan) = probed.versions;
        probed.versions = (torch.or(line.version), vulkan.or(line.torchvulkan));
        done |= line.done;
    }
    let fault = match &ended.end {
        _ if !ended.stuck.is_empty() => {
            Some(format!("{step} hangs in the driver and cannot be ended"))
        }
        End::Code(0) if done => None,
        End::Code(_) if probed.fault.is_some() => probed.fault.take(),
        End::Code(code) => Some(match raised {
            Some(error) => format!("{step} failed: {error}"),
            None => format!("{step} ended the process with exit code {code}"),
        }),
        End::Signal(signal) => Some(format!("{step} was ended by {}", signal_name(*signal))),
        End::TimeOver | End::Silent => {
            Some(format!("{step} did not end within {:.1} s", wall.as_secs_f64()))
        }
        End::NotStarted(why) => Some(format!("Python could not be started: {why}")),
    };
    if fault.is_some() {
        probed.evidence.extend(last_words(&ended.stderr.bytes));
    }
    if !ended.left_behind.is_empty() {
        let left = ended.left_behind.join(", ");
        probed.evidence.push(format!("processes that were left behind, and ended: {left}"));
    }
    probed.fault = fault;
    probed
}

fn evidence_of(line: &Line) -> Option<String> {
    if let Some(version) = &line.version {
        let build = match (&line.hip, &line.cuda) {
            (Some(hip), _) => format!("ROCm {hip}"),
            (None, Some(cuda)) => format!("CUDA {cuda}"),
            (None, None) => "no GPU".to_owned(),
        };
        return Some(format!("torch {version}, built for {build}"));
    }
    if let Some(torch) = &line.torch {
        return Some(format!("torch is {}", torch.display()));
    }
    if let Some(name) = &line.name {
        let arch = line.arch.as_ref().filter(|arch| !arch.is_empty());
        let arch = arch.map(|arch| format!(", {arch}")).unwrap_or_default();
        return Some(format!("torch calls it {name}{arch}"));
    }
    let passed = line.passed.as_ref()?;
    Some(match line.error {
        Some(error) => format!(
            "a convolution in {passed}, forward and backward: within {error:.1e} of the processor's in float64"
        ),
        None => format!("a convolution in {passed} is not possible, which no program here needs"),
    })
}

/// What the probe's error output says: the known fault in it, and its last line.
fn last_words(stderr: &[u8]) -> Vec<String> {
    let known = explain(stderr, None, "the probe's output", None)
        .ok()
        .map(|(_, explanation)| explanation)
        .filter(|explanation| explanation.kind != LogKind::None)
        .and_then(|explanation| Some(explanation.findings.first()?.title.clone()));
    let text = String::from_utf8_lossy(stderr);
    // Behind it stands Python's own list of what ran.
    let words = text.split("Fatal Python error").next().unwrap_or_default();
    let last = words.lines().rev().map(str::trim).find(|line| !line.is_empty());
    known.into_iter().chain(last.map(|line| format!("it said: {line}"))).collect()
}

/// Source: signal(7).
fn signal_name(signal: i32) -> String {
    match signal {
        4 => "SIGILL".to_owned(),
        6 => "SIGABRT".to_owned(),
        7 => "SIGBUS".to_owned(),
        8 => "SIGFPE".to_owned(),
        9 => "SIGKILL".to_owned(),
        11 => "SIGSEGV".to_owned(),
        15 => "SIGTERM".to_owned(),
        other => format!("signal {other}"),
    }
}
