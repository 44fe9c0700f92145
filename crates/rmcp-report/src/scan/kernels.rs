//! Kernels one by one: what hits them, or their instructions.

use super::{demangle, grouped};
use crate::clean::clean;
use crate::style::Palette;
use crate::text::Detail;
use rmcp_model::{KernelScan, ScanReport};
use std::fmt::Write as _;

/// Letters of a name on the short page.
const SHORT_NAME: usize = 120;

/// Returns the list of kernels, the gravest first.
pub fn kernels_text(report: &ScanReport, detail: Detail, palette: Palette) -> String {
    let mut out = String::new();
    for (path, kernels) in &report.kernels {
        if kernels.is_empty() {
            continue;
        }
        let _ = writeln!(out, "\n{}", palette.bold(&clean(path)));
        let mut kernels: Vec<&KernelScan> = kernels.iter().collect();
        kernels.sort_by_key(|kernel| {
            (kernel.severity.is_none(), kernel.severity, &kernel.target, &kernel.name)
        });
        for kernel in kernels {
            let _ = writeln!(out, "  {}", line(kernel, detail));
        }
    }
    if out.is_empty() {
        out.push_str("\nno kernel of this name among the code that was judged\n");
    }
    out
}

fn line(kernel: &KernelScan, detail: Detail) -> String {
    let name = demangle(&kernel.name);
    let mut name = clean(&name).into_owned();
    if detail == Detail::Short && name.chars().count() > SHORT_NAME {
        name = name.chars().take(SHORT_NAME).collect::<String>() + "…";
    }
    let severity = match kernel.severity {
        Some(severity) => severity.words(),
        None if kernel.stub => "empty",
        None => "nothing",
    };
    let mut rules: Vec<String> = kernel
        .rules
        .iter()
        .map(|(rule, hits)| format!("{rule} {}", grouped(u64::from(*hits))))
        .collect();
    if kernel.unknown_calls > 0 {
        rules.push(format!("{} calls that could not be followed", kernel.unknown_calls));
    }
    let rules = if rules.is_empty() { String::new() } else { format!("  [{}]", rules.join(", ")) };
    format!("{severity:<16} {:<8} {name}{rules}", kernel.target)
}

/// Returns a kernel's heading and instructions.
pub fn listing_text(place: &str, target: &str, name: &str, text: &str, palette: Palette) -> String {
    let shown = demangle(name);
    let heading = format!("{} ({target}, {})", clean(&shown), clean(place));
    format!("{}\n{}\n", palette.bold(&heading), text)
}
