//! The page of `rmcp scan`.

use super::{answer, count, grouped};
use crate::clean::clean;
use crate::style::Palette;
use crate::text::Detail;
use rmcp_model::{
    CodeScan, GfxTarget, LibraryScan, RuleSeverity, ScanAnswer, ScanReport, ScanVerdict, Severity,
    TargetScan,
};
use std::fmt::Write as _;

/// Libraries shown of each answer on the short page; those that need attention are never left out.
const SHORT_FINE: usize = 8;

/// Problems shown on the short page.
const SHORT_PROBLEMS: usize = 5;

/// Returns the page. `subject` is what was scanned, such as `this wheel`.
pub fn scan_text(report: &ScanReport, subject: &str, detail: Detail, palette: Palette) -> String {
    let mut page = Page { out: String::new(), palette, detail };
    let mark = match report.verdict.as_ref().map(|verdict| verdict.answer) {
        Some(answer) => page.mark(answer),
        None => palette.severity(Severity::Note),
    };
    page.line(&format!("{mark} {}", palette.bold(&clean(&answer::of_report(report, subject)))));
    page.line(&palette.faint(&format!(
        "  read from the code itself for {}; nothing was run{}",
        report.card.gfx,
        if report.libraries.is_empty() { "" } else { ", and no hardware has confirmed the rules" }
    )));
    let mut fine = 0;
    for (library, verdict) in &report.libraries {
        fine += usize::from(is_fine(verdict.answer));
        if detail == Detail::Full || !is_fine(verdict.answer) || fine <= SHORT_FINE {
            page.library(library, verdict, report);
        }
    }
    if detail == Detail::Short && fine > SHORT_FINE {
        page.line("");
        page.line(
            &palette.faint(&format!(
                "and {} more with code for this card: --verbose",
                fine - SHORT_FINE
            )),
        );
    }
    page.rules(report);
    page.problems(report);
    page.out
}

const fn is_fine(answer: ScanAnswer) -> bool {
    matches!(answer, ScanAnswer::Native | ScanAnswer::SameInstructionSet)
}

struct Page {
    out: String,
    palette: Palette,
    detail: Detail,
}

impl Page {
    fn line(&mut self, text: &str) {
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    fn mark(&self, answer: ScanAnswer) -> String {
        if is_fine(answer) {
            self.palette.good("✓")
        } else {
            self.palette.severity(Severity::Error)
        }
    }

    fn library(&mut self, library: &LibraryScan, verdict: &ScanVerdict, report: &ScanReport) {
        let card = report.card.gfx;
        self.line("");
        let mark = self.mark(verdict.answer);
        self.line(&format!("{mark} {}", self.palette.bold(&clean(&library.path))));
        self.line(&format!("  {}", verdict_words(verdict, &card.to_string())));
        self.table(library, verdict);
        let wanted = verdict.code.clone().unwrap_or_else(|| card.to_string());
        for target in [wanted.as_str(), "any"] {
            if let Some(&listed) = library.listed.get(target).filter(|&&listed| listed > 0) {
                let what = if target == "any" {
                    "whatever the target".to_owned()
                } else {
                    format!("for {target}")
                };
                let kernels = count(listed, "kernel");
                self.line(&format!("  its lists (.dat) name {kernels} {what}"));
            }
        }
        let native = library.targets.get(&card.to_string());
        if let Some(row) = native.filter(|row| row.hollow > 0) {
            self.hollow(row, &card.to_string());
        }
        if self.detail == Detail::Short && is_fine(verdict.answer) {
            self.under_override(library, verdict, &card.to_string());
        }
        for (name, row) in shown_rows(library, verdict, self.detail) {
            let Some(code) = &row.code else { continue };
            if code.rules.is_empty() {
                continue;
            }
            self.line(&format!("  {} code on {card}, {}:", clean(name), severities(code)));
            self.hits(code, report);
        }
    }

    /// The numbers of each target.
    fn table(&mut self, library: &LibraryScan, verdict: &ScanVerdict) {
        let header = format!(
            "    {:<16} {:>7} {:>8} {:>7} {:>13} {:>16} {:>9}",
            "target", "objects", "kernels", "empty", "instructions", "cannot decode", "flagged"
        );
        self.line(&self.palette.faint(&header));
        let (mut others, mut other_objects) = (0, 0);
        for (name, row) in sorted(library) {
            let matters = row.code.is_some() || verdict.code.as_ref() == Some(name);
            if self.detail == Detail::Short && !matters && library.targets.len() > 4 {
                others += 1;
                other_objects += row.objects;
                continue;
            }
            let number = |value: Option<u64>| value.map_or("-".to_owned(), grouped);
            let code = row.code.as_ref();
            self.line(&format!(
                "    {:<16} {:>7} {:>8} {:>7} {:>13} {:>16} {:>9}",
                clean(name),
                grouped(row.objects),
                number(row.kernels),
                number(row.stubs),
                number(code.map(|code| code.instructions)),
                number(code.map(|code| code.undecodable)),
                number(code.map(CodeScan::flagged_kernels)),
            ));
        }
        if others > 0 {
            let text = format!("    {others} other targets  {:>7}", grouped(other_objects));
            self.line(&self.palette.faint(&text));
        }
    }

    /// The trap of kernels that are only there in name.
    fn hollow(&mut self, row: &TargetScan, card: &str) {
        let also = match row.only_here {
            0 => String::new(),
            more => format!("; {} the other way round", grouped(more)),
        };
        self.line(&format!(
            "  {} of its {card} kernels are empty, and another target's object has their code{also}.",
            grouped(row.hollow)
        ));
        self.line("  A program that chooses kernels by the card's name (rocPRIM does) starts no empty one; any other");
        self.line(
            "  gets nothing done by them. Such an object must not be renamed to another target.",
        );
    }

    /// What an override to another instruction set would make of a library that runs.
    fn under_override(&mut self, library: &LibraryScan, verdict: &ScanVerdict, card: &str) {
        for (name, row) in sorted(library) {
            let (Some(code), Some(kernels)) = (&row.code, row.kernels) else { continue };
            let Ok(gfx) = name.parse::<GfxTarget>() else { continue };
            if verdict.code.as_ref() == Some(name) || code.flagged_kernels() == 0 {
                continue;
            }
            let said = answer::of_kernels(code, kernels, card, name);
            self.line(&format!("  under HSA_OVERRIDE_GFX_VERSION={}: {said}", gfx.dotted()));
        }
    }

    fn hits(&mut self, code: &CodeScan, report: &ScanReport) {
        let mut rules: Vec<_> = report
            .rules
            .iter()
            .filter_map(|rule| Some((rule, code.rules.get(&rule.name)?)))
            .collect();
        rules.sort_by_key(|(rule, count)| (rule.severity, std::cmp::Reverse(count.kernels)));
        for (rule, hits) in rules {
            self.line(&format!(
                "    {:<24} {:<16} {:>9} {:<8} {:>9} {}{}",
                rule.name,
                rule.severity.words(),
                grouped(hits.kernels),
                if hits.kernels == 1 { "kernel" } else { "kernels" },
                grouped(hits.sites),
                if hits.sites == 1 { "place" } else { "places" },
                // A function that kernels share is counted once, and makes each of them reach the hit.
                if hits.sites < hits.kernels { ", in functions that they share" } else { "" },
            ));
        }
        if code.unreadable > 0 {
            self.line(&format!(
                "    {} are no instruction of the target either that it was built for",
                count(code.unreadable, "word")
            ));
        }
    }

    /// What the rules that hit mean, once for all libraries.
    fn rules(&mut self, report: &ScanReport) {
        let hit: Vec<_> = report
            .rules
            .iter()
            .filter(|rule| {
                report.libraries.iter().any(|(library, verdict)| {
                    shown_rows(library, verdict, self.detail).any(|(_, row)| {
                        row.code.as_ref().is_some_and(|code| code.rules.contains_key(&rule.name))
                    })
                })
            })
            .collect();
        if hit.is_empty() {
            return;
        }
        self.line("");
        self.line(&self.palette.bold("What the rules say"));
        for rule in hit {
            self.line(&format!("  {}: {}", rule.name, rule.sentence));
            if self.detail == Detail::Full {
                self.line(&self.palette.faint(&format!("    source: {}", rule.source)));
            }
        }
    }

    fn problems(&mut self, report: &ScanReport) {
        if report.problems.is_empty() {
            return;
        }
        self.line("");
        self.line(&self.palette.bold("Could not be read"));
        let limit = if self.detail == Detail::Full { usize::MAX } else { SHORT_PROBLEMS };
        for problem in report.problems.iter().take(limit) {
            self.line(&format!("  · {}: {}", clean(&problem.path), clean(&problem.why)));
        }
        let more = report.problems.len().saturating_sub(limit);
        if more > 0 {
            self.line(&self.palette.faint(&format!("    and {more} more (--verbose)")));
        }
    }
}

/// The rows whose rules are shown: of a library that does not run what an override would make of it, and on the
/// full page all.
fn shown_rows<'l>(
    library: &'l LibraryScan,
    verdict: &'l ScanVerdict,
    detail: Detail,
) -> impl Iterator<Item = (&'l String, &'l TargetScan)> {
    let fine = is_fine(verdict.answer);
    library.targets.iter().filter(move |(name, row)| {
        let meant = verdict.code.as_ref() == Some(name);
        row.code.is_some() && (detail == Detail::Full || meant && !fine)
    })
}

/// Targets by number, families behind them.
fn sorted(library: &LibraryScan) -> Vec<(&String, &TargetScan)> {
    let mut rows: Vec<_> = library.targets.iter().collect();
    rows.sort_by_key(|(name, _)| {
        let gfx = name.parse::<GfxTarget>().ok();
        (gfx.is_none(), gfx, (*name).clone())
    });
    rows
}

fn verdict_words(verdict: &ScanVerdict, card: &str) -> String {
    let code = verdict.code.as_deref().unwrap_or_default();
    let value = verdict.gfx_override.as_deref().unwrap_or_default();
    let (with, of) = (grouped(verdict.bundles), count(verdict.of_bundles, "bundle"));
    match verdict.answer {
        ScanAnswer::Native => format!("native {code} code: no override"),
        ScanAnswer::SameInstructionSet => {
            format!("{code} code, the same instruction set: HSA_OVERRIDE_GFX_VERSION={value}")
        }
        ScanAnswer::Partial => {
            format!("{code} code in {with} of {of}: what is in the others fails")
        }
        ScanAnswer::OtherInstructionSet if value.is_empty() => {
            format!("no {card} code; {code} code is of another instruction set")
        }
        ScanAnswer::OtherInstructionSet => format!(
            "no {card} code; HSA_OVERRIDE_GFX_VERSION={value} makes it run {code} code, another instruction set"
        ),
        ScanAnswer::Nothing => format!("no code for {card}, and none that an override could name"),
    }
}

/// Kernels by the gravest rule that hits them.
fn severities(code: &CodeScan) -> String {
    let mut out = String::from("kernels by the gravest rule");
    for severity in RuleSeverity::ALL {
        if let Some(&kernels) = code.kernels_by_severity.get(&severity) {
            let _ = write!(out, ", {} {}", grouped(kernels), severity.words());
        }
    }
    out
}
