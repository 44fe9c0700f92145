//! `rmcp scan`.

use crate::cli::Failure;
use crate::cli::args::{Format, Scan};
use crate::cli::explain::named_card;
use crate::cli::output::Output;
use indicatif::{ProgressBar, ProgressStyle};
use rmcp::model::{ExitCode, GfxTarget, ScanAnswer, ScanReport};
use rmcp::scan::{Progress, ScanCache, ScanOptions, Silent, list, scan, scan_card};
use rmcp::{Caller, Inspection, Knowledge, diagnose, inspect};
use rmcp_code::scan::Depth;
use rmcp_report::{demangle, kernels_text, listing_text, scan_json, scan_text};
use std::io::IsTerminal as _;
use std::path::PathBuf;

pub(crate) fn run(arguments: &Scan, output: &Output) -> Result<ExitCode, Failure> {
    let (paths, filter) = paths_and_filter(arguments)?;
    let caller = Caller::from_process();
    let gfx = match &arguments.card {
        Some(card) => named_card(card)?,
        None => own_card(&caller, output)?,
    };
    let card = scan_card(gfx, Knowledge::embedded());
    if let Some(kernel) = &arguments.disassemble {
        return disassemble(&paths, kernel, &card, output);
    }
    let cache = if arguments.no_cache { None } else { ScanCache::of_user(&caller.environment) };
    let depth = match (arguments.quick, &filter) {
        (true, _) => Depth::Headers,
        (false, None) => Depth::Code,
        (false, Some(_)) => Depth::Kernels,
    };
    // Headers are read faster than the file could be hashed.
    let cache = cache.as_ref().filter(|_| depth != Depth::Headers);
    let options = ScanOptions { card: &card, depth, cache };
    let bar = Bar::on_terminal();
    let progress: &dyn Progress = bar.as_ref().map_or(&Silent, |bar| bar);
    let mut report = scan(&paths, &options, progress)
        .map_err(|error| Failure::could_not_check(format!("cannot read {error}")))?;
    if let Some(bar) = &bar {
        bar.0.finish_and_clear();
    }
    if let Some(filter) = &filter {
        keep_kernels(&mut report, filter);
    }
    let subject = subject(&paths);
    match output.format {
        Format::Json => output.write_json(&scan_json(&report, &subject)),
        Format::Text => {
            let mut text = scan_text(&report, &subject, output.detail, output.palette);
            if filter.is_some() {
                text += &kernels_text(&report, output.detail, output.palette);
            }
            output.write(&text);
        }
    }
    Ok(exit_code(&report))
}

/// `--kernels` may have taken a path for its filter.
fn paths_and_filter(arguments: &Scan) -> Result<(Vec<PathBuf>, Option<String>), Failure> {
    let mut paths = arguments.paths.clone();
    let mut filter = arguments.kernels.clone();
    if let Some(text) = filter.as_mut().filter(|text| !text.is_empty())
        && paths.is_empty()
    {
        paths.push(PathBuf::from(std::mem::take(text)));
    }
    if paths.is_empty() {
        return Err(Failure::usage("no path was given")
            .hint("name a library, a wheel or a folder: rmcp scan ~/venv --kernels"));
    }
    Ok((paths, filter))
}

/// The first GPU of this machine, as `doctor` sees it: an override does not hide what it is.
fn own_card(caller: &Caller, output: &Output) -> Result<GfxTarget, Failure> {
    let hint = "name the card: --card rx5600xt, or --card gfx1010";
    let what = Inspection { root: None, pythons: &[], caller: caller.clone() };
    let facts = inspect(&what).map_err(|error| Failure::could_not_check(error).hint(hint))?;
    let gpus = diagnose(&facts, Knowledge::embedded()).gpus;
    let Some(gpu) = gpus.first() else {
        return Err(Failure::no_gpu("this machine has no AMD GPU to scan for").hint(hint));
    };
    let others = gpus.iter().filter_map(|other| other.gfx).filter(|&gfx| Some(gfx) != gpu.gfx);
    for other in others {
        output.note(&format!("for {}; this machine has a {other} too: --card {other}", gpu.name));
    }
    gpu.gfx.ok_or_else(|| {
        Failure::could_not_check(format!("the target of {} is not known", gpu.name)).hint(hint)
    })
}

/// What was scanned, for the first line.
fn subject(paths: &[PathBuf]) -> String {
    let [path] = paths else { return "what was scanned".to_owned() };
    if path.is_dir() {
        return if path.join("pyvenv.cfg").exists() { "this environment" } else { "this folder" }
            .to_owned();
    }
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match ending {
        "whl" => "this wheel",
        "deb" => "this package",
        "co" | "hsaco" => "this code object",
        "kdb" | "ukdb" => "this kernel database",
        _ if name.contains(".so") => "this library",
        _ => "this file",
    }
    .to_owned()
}

fn fits(name: &str, filter: &str) -> bool {
    let filter = filter.to_lowercase();
    name.to_lowercase().contains(&filter) || demangle(name).to_lowercase().contains(&filter)
}

fn keep_kernels(report: &mut ScanReport, filter: &str) {
    if !filter.is_empty() {
        for kernels in report.kernels.values_mut() {
            kernels.retain(|kernel| fits(&kernel.name, filter));
        }
    }
}

/// The table of exit codes, for `scan`: what could not be read is not fine.
fn exit_code(report: &ScanReport) -> ExitCode {
    match report.verdict.as_ref().map(|verdict| verdict.answer) {
        Some(ScanAnswer::Native | ScanAnswer::SameInstructionSet) if report.problems.is_empty() => {
            ExitCode::Success
        }
        Some(ScanAnswer::Native | ScanAnswer::SameInstructionSet) | None => ExitCode::CouldNotCheck,
        Some(_) => ExitCode::Problem,
    }
}

fn disassemble(
    paths: &[PathBuf],
    kernel: &str,
    card: &rmcp::model::ScanCard,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let (mut listed, problems) = list(paths, card, &|name| fits(name, kernel))
        .map_err(|error| Failure::could_not_check(format!("cannot read {error}")))?;
    // A whole name is that kernel, and no other in whose name it stands.
    let is_whole = |name: &str| name == kernel || demangle(name) == kernel;
    if listed.iter().any(|one| is_whole(&one.name)) {
        listed.retain(|one| is_whole(&one.name));
    }
    match output.format {
        Format::Text => {
            for one in &listed {
                let target = one.target.to_string();
                output.write(&listing_text(
                    &one.place,
                    &target,
                    &one.name,
                    &one.text,
                    output.palette,
                ));
            }
        }
        Format::Json => output.write_json(&serde_json::json!({
            "schema": "rmcp.scan.listing/1",
            "kernels": listed.iter().map(|one| serde_json::json!({
                "path": one.place,
                "target": one.target.to_string(),
                "name": one.name,
                "demangled": demangle(&one.name),
                "text": one.text.lines().collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
            "problems": problems,
        })),
    }
    for problem in &problems {
        output.note(&format!("could not read {}: {}", problem.path, problem.why));
    }
    if listed.is_empty() {
        output.note(&format!("no kernel for RDNA1 or RDNA2 has `{kernel}` in its name"));
    }
    Ok(match (listed.is_empty(), problems.is_empty()) {
        (false, _) => ExitCode::Success,
        (true, true) => ExitCode::Problem,
        (true, false) => ExitCode::CouldNotCheck,
    })
}

/// A progress bar with rate and time left.
struct Bar(ProgressBar);

impl Bar {
    /// On a terminal alone: a pipe or a log gets none.
    fn on_terminal() -> Option<Self> {
        if !std::io::stderr().is_terminal() {
            return None;
        }
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template(
            "{bar:40} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left",
        ) {
            bar.set_style(style);
        }
        Some(Self(bar))
    }
}

impl Progress for Bar {
    fn total(&self, bytes: u64) {
        self.0.set_length(bytes);
    }

    fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }
}
