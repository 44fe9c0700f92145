//! Scans files, several at once.

use super::cache::ScanCache;
use super::files::{FileError, Found, find};
use rayon::prelude::*;
use rmcp_code::container::{FileAt, ReadAt, is_container, walk};
use rmcp_code::rules::Rule;
use rmcp_code::scan::{
    Collector, Depth, FileScan, Listed, join_folders, list_kernels, verdict_of, verdict_of_all,
};
use rmcp_knowledge::Knowledge;
use rmcp_model::{GfxTarget, RuleNote, ScanCard, ScanProblem, ScanReport};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Is told how far a scan is.
pub trait Progress: Sync {
    /// So many bytes are to be looked at.
    fn total(&self, bytes: u64);
    /// So many more have been.
    fn advance(&self, bytes: u64);
}

/// Tells nobody.
#[derive(Debug)]
pub struct Silent;

impl Progress for Silent {
    fn total(&self, _bytes: u64) {}
    fn advance(&self, _bytes: u64) {}
}

/// How to scan.
#[derive(Debug, Clone, Copy)]
pub struct ScanOptions<'a> {
    /// The card.
    pub card: &'a ScanCard,
    /// How much is read.
    pub depth: Depth,
    /// Where results are kept; nowhere where there is none.
    pub cache: Option<&'a ScanCache>,
}

/// Returns what the knowledge base says of a target's code.
pub fn scan_card(gfx: GfxTarget, knowledge: &Knowledge) -> ScanCard {
    let target = knowledge.target(gfx);
    ScanCard {
        gfx,
        runs: target.map(|target| target.runs.clone()).unwrap_or_default(),
        generic: target.and_then(|target| target.generic.clone()),
    }
}

/// Scans all files under these paths.
///
/// # Errors
/// [`FileError`] where a path is not there. What cannot be read below a path is part of the report.
pub fn scan(
    paths: &[PathBuf],
    options: &ScanOptions<'_>,
    progress: &dyn Progress,
) -> Result<ScanReport, FileError> {
    let (mut files, errors) = find(paths)?;
    progress.total(files.iter().map(|file| file.metadata.len()).sum());
    // The longest first: a short one at the end leaves no thread idle for long.
    files.sort_by_key(|file| std::cmp::Reverse(file.metadata.len()));
    let mut scans: Vec<(PathBuf, FileScan)> = files
        .into_par_iter()
        .map(|file| {
            let scan = scan_file(&file, options, progress);
            (file.path, scan)
        })
        .collect();
    scans.sort_by(|a, b| a.0.cmp(&b.0));
    let mut report = ScanReport {
        card: options.card.clone(),
        libraries: Vec::new(),
        problems: errors.iter().map(|error| problem(&error.path, &error.source)).collect(),
        verdict: None,
        kernels: std::collections::BTreeMap::new(),
        rules: Rule::ALL.iter().map(|&rule| note(rule)).collect(),
    };
    let mut libraries = Vec::new();
    for (path, scan) in scans {
        let place = path.display().to_string();
        libraries.extend(scan.libraries.into_iter().map(|mut library| {
            library.path.insert_str(0, &place);
            library
        }));
        report.problems.extend(scan.problems.into_iter().map(|mut problem| {
            problem.path.insert_str(0, &place);
            problem
        }));
        let placed =
            scan.kernels.into_iter().map(|(path, kernels)| (place.clone() + &path, kernels));
        report.kernels.extend(placed);
    }
    let judged = join_folders(libraries).into_iter().filter(|library| library.bundles > 0);
    report.libraries = judged
        .map(|library| {
            let verdict = verdict_of(&library, options.card);
            (library, verdict)
        })
        .collect();
    report.verdict = verdict_of_all(&report.libraries, options.card);
    Ok(report)
}

fn note(rule: Rule) -> RuleNote {
    RuleNote {
        name: rule.name().to_owned(),
        severity: rule.severity(),
        sentence: rule.sentence().to_owned(),
        source: rule.source().to_owned(),
    }
}

fn problem(path: &Path, error: &io::Error) -> ScanProblem {
    ScanProblem { path: path.display().to_string(), why: error.to_string() }
}

/// Scans a file. Paths in the result are relative to it: it may be found under another name next time.
fn scan_file(found: &Found, options: &ScanOptions<'_>, progress: &dyn Progress) -> FileScan {
    let watched = match File::open(&found.path).and_then(FileAt::new) {
        Ok(file) => Watched { file, seen: AtomicU64::new(0), progress },
        Err(error) => {
            progress.advance(found.metadata.len());
            let problems = vec![ScanProblem { path: String::new(), why: error.to_string() }];
            return FileScan { problems, ..FileScan::default() };
        }
    };
    let scan = scan_open(found, &watched, options);
    watched.finish();
    scan.unwrap_or_else(|error| FileScan {
        problems: vec![ScanProblem { path: String::new(), why: error.to_string() }],
        ..FileScan::default()
    })
}

fn scan_open(found: &Found, file: &Watched<'_>, options: &ScanOptions<'_>) -> io::Result<FileScan> {
    if !is_container(file)? {
        // Builds for many cards keep their code there. To say that there is none would be wrong.
        let pack = found.path.extension().is_some_and(|ending| ending == "kpack");
        let problems = pack.then(|| ScanProblem {
            path: String::new(),
            why: "is a code pack, whose format is not read; its name says for which target it is"
                .to_owned(),
        });
        return Ok(FileScan { problems: problems.into_iter().collect(), ..FileScan::default() });
    }
    let collect = || {
        let mut collector = Collector::new(options.card, options.depth);
        walk("", file, &mut collector);
        collector.finish()
    };
    let Some(cache) = options.cache else { return Ok(collect()) };
    let (content, known) = cache.look_up(
        &std::path::absolute(&found.path)?,
        &found.metadata,
        &file.file,
        options.card,
        options.depth,
    )?;
    if let Some(scan) = known {
        return Ok(scan);
    }
    let scan = collect();
    cache.keep(&content, options.card, options.depth, &scan);
    Ok(scan)
}

/// Lists the instructions of all kernels whose symbol is wanted.
///
/// # Errors
/// [`FileError`] where a path is not there.
pub fn list(
    paths: &[PathBuf],
    card: &ScanCard,
    wanted: &(dyn Fn(&str) -> bool + Sync),
) -> Result<(Vec<Listed>, Vec<ScanProblem>), FileError> {
    let (files, errors) = find(paths)?;
    let mut problems: Vec<ScanProblem> =
        errors.iter().map(|error| problem(&error.path, &error.source)).collect();
    let mut listed = Vec::new();
    for found in files {
        match File::open(&found.path).and_then(FileAt::new) {
            Ok(file) => {
                let place = found.path.display().to_string();
                let (more, wrong) = list_kernels(&place, &file, card, wanted);
                listed.extend(more);
                problems.extend(wrong);
            }
            Err(error) => problems.push(problem(&found.path, &error)),
        }
    }
    Ok((listed, problems))
}

/// A file that tells how much of it has been read.
struct Watched<'p> {
    file: FileAt,
    seen: AtomicU64,
    progress: &'p dyn Progress,
}

impl Watched<'_> {
    /// Counts what was not read as done.
    fn finish(&self) {
        let seen = self.seen.load(Ordering::Relaxed);
        self.progress.advance(self.file.length().saturating_sub(seen));
    }
}

impl ReadAt for Watched<'_> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(offset, buffer)?;
        let before = self.seen.fetch_add(read as u64, Ordering::Relaxed);
        // What is read twice is not twice as far.
        let left = self.file.length().saturating_sub(before);
        self.progress.advance(left.min(read as u64));
        Ok(read)
    }

    fn length(&self) -> u64 {
        self.file.length()
    }
}
