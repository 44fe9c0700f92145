//! The pages a person reads: one screen on an ordinary machine, the rest on request.

use crate::clean::clean;
use crate::style::Palette;
use crate::wrap::wrapped;
use rmcp_model::{
    Advice, Diagnosis, EvidenceItem, Explanation, Finding, GpuReport, LogKind, Provenance, Route,
    RouteStatus, Severity, Verdict,
};

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// One screen: problems with their best evidence and the next step.
    Short,
    /// Everything.
    Full,
}

/// Evidence lines shown of a finding on the short page.
const SHORT_EVIDENCE: usize = 2;

/// Returns the page of `rmcp doctor`.
pub fn diagnosis_text(diagnosis: &Diagnosis, detail: Detail, palette: Palette) -> String {
    let mut page = Page { out: String::new(), palette };
    if diagnosis.provenance != Provenance::Live {
        page.line(&palette.faint(&format!(
            "These facts are of {}, not of the computer this runs on.",
            diagnosis.provenance
        )));
        page.line("");
    }
    for (index, gpu) in diagnosis.gpus.iter().enumerate() {
        page.gpu(index, gpu, diagnosis.gpus.len());
    }
    let shown: Vec<&Finding> = diagnosis
        .findings
        .iter()
        .filter(|finding| {
            detail == Detail::Full
                || finding.severity < Severity::Note
                || is_headline(finding, diagnosis)
        })
        .collect();
    for finding in &shown {
        page.line("");
        page.finding(finding, detail);
    }
    page.all_well(diagnosis);
    page.plan(&diagnosis.plan);
    page.routes(&diagnosis.routes, detail, diagnosis);
    page.unchecked(&diagnosis.unchecked, detail);
    let hidden = diagnosis.findings.len() - shown.len();
    if detail == Detail::Short && (hidden > 0 || !diagnosis.routes.is_empty()) {
        page.line("");
        let notes = match hidden {
            0 => String::new(),
            1 => "1 note and ".to_owned(),
            more => format!("{more} notes and "),
        };
        page.line(
            &palette
                .faint(&format!("{notes}all evidence, sources and routes: rmcp doctor --verbose")),
        );
    }
    page.out
}

/// Notes that are the answer itself where nothing worse was found.
fn is_headline(finding: &Finding, diagnosis: &Diagnosis) -> bool {
    let nothing_worse = diagnosis.findings.iter().all(|finding| finding.severity == Severity::Note);
    nothing_worse
        && matches!(
            finding.code.as_str(),
            "no-amd-gpu"
                | "no-software"
                | "override-right"
                | "container-group"
                | "outside-scope"
                | "code-unreadable"
        )
}

/// Returns the page of `rmcp explain`.
pub fn explanation_text(
    explanation: &Explanation,
    source: &str,
    detail: Detail,
    palette: Palette,
) -> String {
    let mut page = Page { out: String::new(), palette };
    if explanation.kind == LogKind::None {
        page.line(&format!("{} no known fault stands in {}", palette.faint("·"), clean(source)));
        page.wrapped("  ", "That is no proof that all was well. Hand in the program's own output and the kernel log of the same minutes (journalctl -k -b).");
        return page.out;
    }
    let count = match detail {
        Detail::Short => 1,
        Detail::Full => explanation.findings.len(),
    };
    for (index, finding) in explanation.findings.iter().take(count).enumerate() {
        if index > 0 {
            page.line("");
        }
        page.finding(finding, Detail::Full);
    }
    if !explanation.fields.is_empty() {
        page.line("");
        for (name, value) in &explanation.fields {
            page.line(&format!(
                "  {} {}",
                palette.faint(&format!("{:<18}", name.replace('_', " "))),
                clean(value)
            ));
        }
    }
    if !explanation.also.is_empty() && detail == Detail::Short {
        page.line("");
        let others: Vec<&str> = explanation.also.iter().map(|kind| kind.name()).collect();
        page.line(
            &palette.faint(&format!(
                "also in the text: {} (--verbose explains them)",
                others.join(", ")
            )),
        );
    }
    page.out
}

struct Page {
    out: String,
    palette: Palette,
}

impl Page {
    fn line(&mut self, text: &str) {
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    /// Wraps a text at blanks; every line begins with `indent`.
    fn wrapped(&mut self, indent: &str, text: &str) {
        for line in wrapped(indent, text) {
            self.line(&line);
        }
    }

    fn gpu(&mut self, index: usize, gpu: &GpuReport, count: usize) {
        let number = if count > 1 { format!("GPU {index}  ") } else { String::new() };
        let gfx = gpu.gfx.map_or("target unknown".to_owned(), |gfx| gfx.to_string());
        let mut facts = vec![gfx];
        facts.extend(gpu.pci_id.map(|id| id.to_string()));
        facts.extend(gpu.pci_address.map(|address| format!("at {address}")));
        facts.extend(gpu.node.map(|node| format!("KFD node {node}")));
        facts.extend(gpu.vram_bytes.map(|bytes| format!("{:.1} GiB", bytes_in_gib(bytes))));
        self.line(&format!(
            "{number}{}  {}",
            self.palette.bold(&clean(&gpu.name)),
            self.palette.faint(&facts.join(", "))
        ));
        let verdict = gpu.verdict.sentence();
        let marked = match gpu.verdict {
            Verdict::Native | Verdict::SameIsa => format!("{} {verdict}", self.palette.good("✓")),
            Verdict::WrongIsa | Verdict::NoCode | Verdict::Blocked => {
                format!("{} {verdict}", self.palette.severity(Severity::Error))
            }
            Verdict::NoSoftware | Verdict::Unsupported | Verdict::Unknown => {
                format!("{} {verdict}", self.palette.severity(Severity::Note))
            }
        };
        let overridden = gpu
            .gfx_override
            .as_ref()
            .map_or(String::new(), |value| format!(" (HSA_OVERRIDE_GFX_VERSION={})", clean(value)));
        self.line(&format!("  {marked}{overridden}"));
    }

    fn finding(&mut self, finding: &Finding, detail: Detail) {
        let symbol = self.palette.severity(finding.severity);
        let title = self.palette.bold(&clean(&finding.title));
        self.line(&format!(
            "{symbol} {title} {}",
            self.palette.faint(&format!("[{}]", finding.code))
        ));
        if !finding.meaning.is_empty() {
            self.wrapped("  ", &clean(&finding.meaning));
        }
        let limit = if detail == Detail::Full { usize::MAX } else { SHORT_EVIDENCE };
        for item in finding.evidence.iter().take(limit) {
            self.evidence(item);
        }
        let more = finding.evidence.len().saturating_sub(limit);
        if more > 0 {
            self.line(&self.palette.faint(&format!("    and {more} more")));
        }
        if let Some(next) = &finding.next {
            self.line(&format!(
                "  {} {}",
                self.palette.good("→"),
                self.palette.command(&clean(next))
            ));
        }
        if detail == Detail::Full {
            let mut tail = vec![format!("confidence {}", finding.confidence)];
            if !finding.sources.is_empty() {
                tail.push(format!("sources: {}", finding.sources.join(", ")));
            }
            if !finding.remedies.is_empty() {
                tail.push(format!("remedies: {}", finding.remedies.join(", ")));
            }
            let tail = tail.join("; ");
            self.wrapped("    ", &tail);
        }
    }

    /// Names the command that makes the changes which RMCP can make.
    fn plan(&mut self, plan: &[Advice]) {
        let command = match plan {
            [] => return,
            [one] => format!("rmcp apply {}", one.remedy),
            _ => "rmcp apply".to_owned(),
        };
        self.line("");
        self.line(&format!(
            "{} {} {}",
            self.palette.good("→"),
            self.palette.command(&command),
            self.palette.faint("changes this machine: it shows how, asks, and can take it back")
        ));
        for wish in plan.iter().flat_map(|advice| &advice.wishes) {
            self.line(&self.palette.faint(&format!("    {}", clean(&wish.to_string()))));
        }
    }

    /// Says that nothing is wrong, but only of what could be judged.
    fn all_well(&mut self, diagnosis: &Diagnosis) {
        let only_notes =
            diagnosis.findings.iter().all(|finding| finding.severity == Severity::Note);
        if !only_notes || diagnosis.gpus.is_empty() {
            return;
        }
        let runs = |gpu: &GpuReport| matches!(gpu.verdict, Verdict::Native | Verdict::SameIsa);
        self.line("");
        if diagnosis.gpus.iter().all(runs) {
            self.line(&format!("{} nothing wrong was found", self.palette.good("✓")));
        } else {
            let dot = self.palette.severity(Severity::Note);
            self.line(&format!("{dot} nothing wrong was found in what could be judged"));
        }
    }

    fn evidence(&mut self, item: &EvidenceItem) {
        self.line(&format!(
            "    {} {}",
            self.palette.faint(&clean(&format!("{}:", item.origin))),
            clean(&item.value)
        ));
    }

    fn routes(&mut self, routes: &[Route], detail: Detail, diagnosis: &Diagnosis) {
        if routes.is_empty() {
            return;
        }
        let usable =
            |route: &&Route| detail == Detail::Full || route.status != RouteStatus::Impossible;
        let fine = diagnosis.gpus.iter().all(|gpu| {
            matches!(gpu.verdict, Verdict::Native | Verdict::SameIsa | Verdict::Blocked)
        });
        // Where all is well the ladder is of no interest; where it is not, its upper half is.
        if detail == Detail::Short && fine {
            return;
        }
        let limit = if detail == Detail::Full { usize::MAX } else { 3 };
        self.line("");
        self.line(&self.palette.bold("Ways to run a model, best first"));
        let several = routes.iter().filter_map(|route| route.gpu).max() > Some(0);
        for (number, route) in (1..).zip(routes.iter().filter(usable).take(limit)) {
            let status = match route.status {
                RouteStatus::Active => self.palette.good("in use"),
                RouteStatus::Available => self.palette.good("ready"),
                RouteStatus::NeedsChange => "needs a change".to_owned(),
                RouteStatus::Impossible => self.palette.faint("impossible"),
            };
            let gpu = match route.gpu {
                Some(gpu) if several => format!(", GPU {gpu}"),
                _ => String::new(),
            };
            self.line(&format!("  {number}. {} ({status}{gpu})", clean(&route.title)));
            if detail == Detail::Full {
                self.wrapped(
                    "     ",
                    &format!("{} [confidence {}]", clean(&route.reason), route.confidence),
                );
            }
            // The best way whole, so that it can be followed; of the others that they are there.
            let steps = if detail == Detail::Full || number == 1 { &route.steps[..] } else { &[] };
            for step in steps {
                self.line(&format!(
                    "     {} {}",
                    self.palette.good("→"),
                    self.palette.command(&clean(step))
                ));
            }
        }
    }

    fn unchecked(&mut self, unchecked: &[String], detail: Detail) {
        if unchecked.is_empty() {
            return;
        }
        self.line("");
        match detail {
            Detail::Short => {
                let first = clean(&unchecked[0]);
                let more = if unchecked.len() > 1 {
                    format!(" (and {} more)", unchecked.len() - 1)
                } else {
                    String::new()
                };
                self.line(&self.palette.faint(&format!("could not check {first}{more}")));
            }
            Detail::Full => {
                self.line(&self.palette.bold("Could not be checked"));
                for item in unchecked {
                    self.line(&format!("  · {}", clean(item)));
                }
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "one digit behind the point is shown")]
fn bytes_in_gib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 30)
}
