//! Measures recognition on a folder of real logs and machine dumps.
//!
//! `logs/index.jsonl` names a text and its kind on each line (`file`, `kind`); `fixtures/index.jsonl` names a
//! dump and its target (`path`, `kind`, `gfx`). Kinds that begin with `control` stand for texts without a
//! fault of their own, for which `none` is right.

use crate::grub;
use crate::run::cargo;
use anyhow::{Context, Result, bail};
use rmcp_host::log::{LogScanner, parse_pasted};
use rmcp_host::{Caller, Machine};
use rmcp_knowledge::Knowledge;
use rmcp_model::Fact;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

#[derive(Debug, Deserialize)]
struct LogRow {
    id: String,
    file: String,
    kind: String,
}

#[derive(Debug, Deserialize)]
struct FixtureRow {
    id: String,
    path: String,
    kind: String,
    #[serde(default)]
    gfx: Option<String>,
}

/// Prints both tables; fails when a bar is missed.
pub(crate) fn run(dir: &Path, wrong: bool) -> Result<()> {
    let mut failures = Vec::new();
    let mut seen = 0;
    // A folder may hold both parts, or be one of them.
    for base in [dir.to_owned(), dir.join("logs")] {
        if let Some(rows) = read_index::<LogRow>(&base.join("index.jsonl"))? {
            let first =
                if rows.iter().all(|row| dir.join(&row.file).exists()) { dir } else { &base };
            failures.extend(logs(first, &rows, wrong)?);
            seen += rows.len();
            break;
        }
    }
    for base in [dir.join("fixtures"), dir.to_owned()] {
        if let Some(rows) = read_index::<FixtureRow>(&base.join("index.jsonl"))? {
            let first =
                if rows.iter().all(|row| dir.join(&row.path).exists()) { dir } else { &base };
            failures.extend(fixtures(first, &rows, wrong)?);
            seen += rows.len();
            break;
        }
    }
    for folder in [dir.join("fixtures/grub"), dir.join("grub")] {
        if folder.is_dir() {
            cargo(&["build", "--release", "--quiet", "--package", "rmcp"])?;
            seen += grub::samples(&folder)?;
        }
    }
    if seen == 0 {
        bail!("{}: expected logs/index.jsonl or fixtures/index.jsonl", dir.display());
    }
    if !failures.is_empty() {
        bail!("{}", failures.join("; "));
    }
    Ok(())
}

/// Returns the rows of an index, none where there is no such file or it is one of the other kind.
fn read_index<Row: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<Vec<Row>>> {
    let Ok(text) = std::fs::read_to_string(path) else { return Ok(None) };
    let rows: Result<Vec<Row>, _> =
        text.lines().filter(|line| !line.trim().is_empty()).map(serde_json::from_str).collect();
    Ok(rows.ok())
}

/// Kinds of which not one text may be blamed on AMD's hardware or software.
const NEVER_AMD: [&str; 3] = ["python_other", "nvidia_cuda", "none"];

fn logs(dir: &Path, rows: &[LogRow], wrong: bool) -> Result<Vec<String>> {
    let knowledge = Knowledge::embedded();
    let scanner = LogScanner::new(knowledge);
    scanner.check()?;
    let mut table: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    let (mut right, mut blamed) = (0, Vec::new());
    for row in rows {
        let bytes = std::fs::read(dir.join(&row.file)).with_context(|| row.file.clone())?;
        let facts = scanner.scan(&bytes[..], Some(bytes.len() as u64))?;
        let found = rmcp_diagnose::explain(
            &facts,
            rmcp_diagnose::LogContext { name: &row.file, host: None },
            knowledge,
        );
        let expected = if row.kind.starts_with("control") { "none" } else { &row.kind };
        *table
            .entry(expected.to_owned())
            .or_default()
            .entry(found.kind.name().to_owned())
            .or_default() += 1;
        right += usize::from(found.kind.name() == expected);
        if NEVER_AMD.contains(&expected) && found.kind.blames_amd() {
            blamed.push(row.id.clone());
        }
        if wrong && found.kind.name() != expected {
            let by: Vec<&str> =
                facts.matches.iter().map(|found| found.signature.as_str()).collect();
            println!(
                "--- {} expected {expected}, found {} (also {:?}; by {by:?})",
                row.id, found.kind, found.also
            );
            println!("{}", String::from_utf8_lossy(&bytes[..bytes.len().min(1500)]).trim_end());
        }
    }
    print_table(&table);
    let share = 100.0 * right as f64 / rows.len() as f64;
    println!(
        "logs: {right} of {} kinds right ({share:.1} %); {} of texts that are not AMD's blamed on AMD {blamed:?}",
        rows.len(),
        blamed.len()
    );
    let mut failures = Vec::new();
    if share < 95.0 {
        failures.push(format!("{share:.1} % of kinds right, at least 95 % wanted"));
    }
    if !blamed.is_empty() {
        failures.push(format!("blamed on AMD: {}", blamed.join(", ")));
    }
    Ok(failures)
}

fn print_table(table: &BTreeMap<String, BTreeMap<String, usize>>) {
    println!("{:<22} {:>5} {:>6}  found instead", "expected", "texts", "right");
    for (expected, found) in table {
        let texts: usize = found.values().sum();
        let right = found.get(expected).copied().unwrap_or(0);
        let others: Vec<String> = found
            .iter()
            .filter(|(kind, _)| *kind != expected)
            .map(|(kind, count)| format!("{kind} {count}"))
            .collect();
        println!("{expected:<22} {texts:>5} {right:>6}  {}", others.join(", "));
    }
}

fn fixtures(dir: &Path, rows: &[FixtureRow], wrong: bool) -> Result<Vec<String>> {
    let mut right = 0;
    let mut bad = Vec::new();
    for row in rows {
        let path = dir.join(&row.path);
        match read_fixture(&path, &row.kind) {
            Ok(found) => {
                let expected: BTreeSet<String> = row
                    .gfx
                    .iter()
                    .flat_map(|gfx| gfx.split(','))
                    .map(|gfx| gfx.trim().to_owned())
                    .filter(|gfx| !gfx.is_empty())
                    .collect();
                // A dump that holds no target proves only that it is read; one cut off may lack its target.
                let fits = match &found {
                    None => true,
                    Some(found) => {
                        found.is_subset(&expected)
                            && (found == &expected
                                || row.kind == "torch collect_env"
                                || row.kind == "rocm-smi")
                    }
                };
                if fits {
                    right += 1;
                } else {
                    bad.push(format!("{}: expected {expected:?}, found {found:?}", row.id));
                }
            }
            Err(error) => bad.push(format!("{}: {error:#}", row.id)),
        }
    }
    println!("fixtures: {right} of {} read, with the right targets", rows.len());
    if wrong {
        bad.iter().for_each(|line| println!("  {line}"));
    }
    Ok(if bad.is_empty() {
        Vec::new()
    } else {
        vec![format!("{} fixtures wrong: {}", bad.len(), bad.join("; "))]
    })
}

/// Reads a dump with the reader for its kind; returns the targets in it, none where such a dump holds none.
fn read_fixture(path: &Path, kind: &str) -> Result<Option<BTreeSet<String>>> {
    let text =
        || -> Result<String> { Ok(String::from_utf8_lossy(&std::fs::read(path)?).into_owned()) };
    let name = path.display().to_string();
    if path.is_dir() {
        return if kind.contains("debugfs") {
            read_firmware(path).map(|()| None)
        } else {
            read_tree(path).map(Some)
        };
    }
    match kind {
        _ if kind.starts_with("rocm") || kind.contains("collect_env") => {
            let facts = parse_pasted(&text()?);
            Ok(Some(
                facts.gpus.iter().filter_map(|gpu| gpu.gfx).map(|gfx| gfx.to_string()).collect(),
            ))
        }
        _ if kind.contains("cmdline") => {
            let words = rmcp_host::system::kernel::parse_command_line(&text()?);
            if words.len() < 2 { bail!("{name}: no words") } else { Ok(None) }
        }
        _ if kind.contains("grub") => rmcp_host_grub(&name, &text()?).map(|()| None),
        _ if kind.contains("systemd-boot") => {
            let words = rmcp_host::system::boot::parse_loader_entry(&name, &text()?);
            if words.is_empty() { bail!("{name}: no words") } else { Ok(None) }
        }
        _ if kind.contains("bootc") => {
            let table: toml::Table = text()?.parse()?;
            if table.contains_key("kargs") { Ok(None) } else { bail!("{name}: no kargs") }
        }
        other => bail!("{name}: no reader for `{other}`"),
    }
}

/// Every uncommented assignment of kernel words must be found, and nothing in a file that has none or is broken.
fn rmcp_host_grub(name: &str, text: &str) -> Result<()> {
    let words = rmcp_host::system::boot::parse_grub_default(name, text);
    let assigned = text.lines().any(|line| {
        let line = line.trim_start().trim_start_matches("export ");
        line.starts_with("GRUB_CMDLINE_LINUX")
            && line
                .split_once('=')
                .is_some_and(|(_, value)| value.trim_matches(['"', '\'', ' ']).len() > 1)
    });
    let broken = name.contains("unterminated");
    if assigned != words.is_empty() || broken && words.is_empty() {
        Ok(())
    } else {
        bail!("{name}: {} words found, assignment present: {assigned}", words.len())
    }
}

fn read_firmware(path: &Path) -> Result<()> {
    let text = std::fs::read_to_string(path.join("amdgpu_firmware_info"))?;
    let firmware = rmcp_host::hardware::pci::parse_firmware_info(&text);
    if firmware.contains_key("mec") {
        Ok(())
    } else {
        bail!("no MEC firmware in {}", path.display())
    }
}

/// Reads dumps of sysfs as parts of machines: each folder of cards or of a KFD topology is laid where it
/// belongs in a tree of its own.
fn read_tree(path: &Path) -> Result<BTreeSet<String>> {
    let mut machines: Vec<tempfile::TempDir> = Vec::new();
    lay_out(path, &mut machines, 0)?;
    let knowledge = Knowledge::embedded();
    let scanner = LogScanner::new(knowledge);
    let mut targets = BTreeSet::new();
    for tree in &machines {
        let machine = Machine::at(tree.path(), &Caller::default(), knowledge)?;
        let facts = machine.read(knowledge, &scanner, &[]);
        if let Fact::Unreadable { why } = &facts.nodes {
            bail!("{why}");
        }
        let mut nodes = facts.nodes.value().into_iter().flatten();
        if let Some(why) = nodes.find_map(|node| node.properties.why_unreadable()) {
            bail!("{why}");
        }
        let diagnosis = rmcp_diagnose::diagnose(&facts, knowledge);
        targets.extend(diagnosis.gpus.iter().filter_map(|gpu| gpu.gfx).map(|gfx| gfx.to_string()));
    }
    if machines.is_empty() {
        bail!("{}: neither cards nor a topology in it", path.display());
    }
    Ok(targets)
}

fn lay_out(path: &Path, machines: &mut Vec<tempfile::TempDir>, depth: u32) -> Result<()> {
    let has = |name: &str| path.join(name).is_dir();
    let cards: Vec<PathBuf> =
        entries(path)?.into_iter().filter(|entry| entry.join("device").is_dir()).collect();
    let topology = ["kfd/topology", "topology"]
        .iter()
        .map(|name| path.join(name))
        .find(|topology| topology.is_dir());
    if cards.is_empty() && topology.is_none() && !has("nodes") {
        if depth < 4 {
            for entry in entries(path)?.into_iter().filter(|entry| entry.is_dir()) {
                lay_out(&entry, machines, depth + 1)?;
            }
        }
        return Ok(());
    }
    let tree = tempfile::tempdir()?;
    for card in cards {
        let name = card.file_name().context("a card has a name")?;
        link(&card, &tree.path().join("sys/class/drm").join(name))?;
    }
    if let Some(topology) = topology.or_else(|| has("nodes").then(|| path.to_owned())) {
        link(&topology, &tree.path().join("sys/class/kfd/kfd/topology"))?;
    }
    machines.push(tree);
    Ok(())
}

fn entries(path: &Path) -> Result<Vec<PathBuf>> {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(path)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    entries.sort();
    Ok(entries)
}

/// Copies a small tree: links that lead out of a machine folder are not followed by design.
fn link(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in entries(from)? {
        let target = to.join(entry.file_name().context("an entry has a name")?);
        if entry.is_dir() {
            link(&entry, &target)?;
        } else if entry.is_file() {
            std::fs::copy(&entry, &target)?;
        }
    }
    Ok(())
}
