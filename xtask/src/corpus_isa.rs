//! `cargo xtask corpus-isa`: scans public packages and compares with figures found by another program.
//!
//! The figures are of an earlier count that stood on LLVM's own disassembler and hazard rules. Where ours differ, the
//! difference has its explanation and our figure beside it here; any other difference is a failure. Nothing of a
//! package is kept.

use crate::packages::{Source, download, find};
use crate::run::{cargo, release_binary};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// The card for which everything is scanned.
const CARD: &str = "gfx1010";

/// Most kernels of a hundred that a rule may hit in code that was built for the card.
const CONTROL_PERCENT: u64 = 3;

/// A figure of ours that is another than the earlier count's, and why.
struct Other {
    ours: u64,
    why: &'static str,
}

/// What is expected of the code for one target in a package.
struct Row {
    target: &'static str,
    kernels: u64,
    instructions: Option<u64>,
    undecodable: u64,
    flagged: u64,
    other_kernels: Option<Other>,
    other_flagged: Option<Other>,
}

struct Package {
    source: Source,
    /// How its file's name begins.
    file: &'static str,
    /// Whether it may be missing: the suite unstable goes on to newer versions.
    optional: bool,
    rows: &'static [Row],
}

const READLANE: &str = "the earlier count let v_readlane and v_readfirstlane end the V_CMPX hazard; LLVM's fixVcmpxExecWARHazard asks for an operand `sdst` or an implicit scalar result, and these two have neither";

const EMPTY: &str = "the earlier count left out kernels whose symbol has no size";

const PACKAGES: [Package; 7] = [
    Package {
        source: Source::Apt("librocsparse0"),
        file: "librocsparse0_5.3.0",
        optional: false,
        rows: &[Row {
            target: "gfx1030",
            kernels: 12_591,
            instructions: Some(6_757_209),
            undecodable: 0,
            flagged: 12_177,
            other_kernels: None,
            other_flagged: Some(Other { ours: 12_289, why: READLANE }),
        }],
    },
    Package {
        source: Source::Pip("ftllm-rocm==0.1.5.1"),
        file: "ftllm_rocm-0.1.5.1",
        optional: false,
        rows: &[Row {
            target: "gfx1030",
            kernels: 552,
            instructions: Some(424_804),
            undecodable: 9_248,
            flagged: 523,
            other_kernels: None,
            other_flagged: Some(Other { ours: 524, why: READLANE }),
        }],
    },
    Package {
        source: Source::Pip("torch-scatter-rocm==2.1.2.post7"),
        file: "torch_scatter_rocm-2.1.2",
        optional: false,
        rows: &[row("gfx1030", 504, Some(234_852), 0, 436), row("gfx1010", 504, None, 0, 0)],
    },
    Package {
        source: Source::Pip("torch-sparse-rocm==0.6.18.post7"),
        file: "torch_sparse_rocm-0.6.18",
        optional: false,
        rows: &[row("gfx1030", 148, Some(87_637), 0, 147), row("gfx1010", 148, None, 0, 0)],
    },
    Package {
        source: Source::Pip("pyg-lib-rocm==0.8.0.post2"),
        file: "pyg_lib_rocm-0.8.0",
        optional: false,
        rows: &[
            Row {
                target: "gfx1030",
                kernels: 417,
                instructions: Some(146_834),
                undecodable: 0,
                flagged: 377,
                other_kernels: Some(Other { ours: 508, why: EMPTY }),
                other_flagged: None,
            },
            Row {
                target: "gfx1010",
                kernels: 417,
                instructions: None,
                undecodable: 0,
                flagged: 6,
                other_kernels: Some(Other { ours: 508, why: EMPTY }),
                other_flagged: None,
            },
        ],
    },
    Package {
        source: Source::Pip("bitsandbytes==0.50.2"),
        file: "bitsandbytes-0.50.2",
        optional: false,
        rows: &[row("gfx1030", 1_050, Some(615_646), 0, 1_050), row("gfx1010", 350, None, 0, 0)],
    },
    Package {
        source: Source::AptUnstable("librocblas4"),
        file: "librocblas4_6.4.4",
        optional: true,
        // Of its Tensile files alone. The earlier count left out the 4,357 kernels of assembly, whose symbols have no
        // size; to its figures for the others (701, 910,466, 12,906, 570) ours came too.
        rows: &[
            row("gfx1030", 5_058, Some(17_953_431), 1_952_266, 4_927),
            row("gfx1010", 701, None, 0, 0),
        ],
    },
];

const fn row(
    target: &'static str,
    kernels: u64,
    instructions: Option<u64>,
    undecodable: u64,
    flagged: u64,
) -> Row {
    Row {
        target,
        kernels,
        instructions,
        undecodable,
        flagged,
        other_kernels: None,
        other_flagged: None,
    }
}

/// Prints the table, and fails where a figure differs without an explanation. `from` holds packages that have been
/// downloaded already; those that are not in it are downloaded.
pub(crate) fn run(from: Option<&Path>) -> Result<()> {
    cargo(&["build", "--release", "--quiet", "--package", "rmcp"])?;
    let folder = tempfile::tempdir()?;
    println!(
        "{:<26} {:<8} {:>9} {:>12} {:>14} {:>9}",
        "package", "code", "kernels", "instructions", "cannot decode", "flagged"
    );
    let (mut notes, mut wrong) = (Vec::new(), Vec::new());
    for package in &PACKAGES {
        let found = match from.map(|from| find(from, package.file)).transpose()?.flatten() {
            Some(found) => found,
            None => match download(&package.source, package.file, folder.path()) {
                Err(error) if package.optional => {
                    println!("{:<26} left out: {error}", package.file);
                    continue;
                }
                found => found?,
            },
        };
        let document = scan(&found)?;
        for row in package.rows {
            compare(package, row, &document, &mut notes, &mut wrong)?;
        }
    }
    notes.iter().for_each(|note| println!("  {note}"));
    if !wrong.is_empty() {
        bail!("{}", wrong.join("; "));
    }
    Ok(())
}

fn scan(file: &Path) -> Result<Value> {
    let output = Command::new(release_binary())
        .arg("scan")
        .arg(file)
        .args(["--card", CARD, "--no-cache", "--format", "json"])
        .output()?;
    let document: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    ensure!(document["problems"] == serde_json::json!([]), "{}", document["problems"]);
    Ok(document)
}

/// The sum of a field over all libraries' code for a target: of a package with Tensile files of those.
fn sum(document: &Value, target: &str, field: &str) -> u64 {
    let libraries = || document["libraries"].as_array().into_iter().flatten();
    let is_tensile =
        |library: &&Value| library["path"].as_str().is_some_and(|path| path.ends_with("/library"));
    let tensile = libraries().any(|library| is_tensile(&library));
    let libraries = libraries().filter(|library| !tensile || is_tensile(library));
    let objects = libraries.filter_map(|library| library["objects"].as_array()).flatten();
    let ours = objects.filter(|object| object["target"] == target);
    ours.filter_map(|object| object[field].as_u64()).sum()
}

fn compare(
    package: &Package,
    row: &Row,
    document: &Value,
    notes: &mut Vec<String>,
    wrong: &mut Vec<String>,
) -> Result<()> {
    let ours = |field| sum(document, row.target, field);
    let flagged = ours("flagged_kernels");
    let cells = [
        ("kernels", Some(row.kernels), ours("kernels"), &row.other_kernels),
        ("instructions", row.instructions, ours("instructions"), &None),
        ("undecodable", Some(row.undecodable), ours("undecodable"), &None),
        ("flagged", Some(row.flagged), flagged, &row.other_flagged),
    ];
    println!(
        "{:<26} {:<8} {:>9} {:>12} {:>14} {:>9}",
        package.file, row.target, cells[0].2, cells[1].2, cells[2].2, cells[3].2
    );
    for (field, expected, ours, other) in cells {
        let Some(expected) = expected.filter(|&expected| expected != ours) else { continue };
        let place = format!("{} {} {field}", package.file, row.target);
        match other {
            Some(other) if other.ours == ours => {
                notes.push(format!("{place}: {ours}, the earlier count {expected}: {}", other.why));
            }
            _ => wrong.push(format!("{place}: {ours}, expected {expected}")),
        }
    }
    let kernels = ours("kernels");
    ensure!(kernels > 0, "{} holds no {} kernels", package.file, row.target);
    if row.target == CARD && flagged * 100 > kernels * CONTROL_PERCENT {
        wrong.push(format!(
            "{}: {flagged} of {kernels} native kernels are flagged, at most {CONTROL_PERCENT} % may be",
            package.file
        ));
    }
    Ok(())
}
