//! Makes findings.

use rmcp_knowledge::Knowledge;
use rmcp_model::{Confidence, EvidenceItem, Finding, GfxTarget, Origin, Severity};

/// A finding in the making. What is read off the machine is certain; sources of knowledge, where a
/// conclusion needs them, lower the confidence to theirs.
pub(crate) struct Draft {
    finding: Finding,
    gfx: Option<GfxTarget>,
}

impl Draft {
    pub(crate) fn new(code: &str, severity: Severity, title: impl Into<String>) -> Self {
        Self {
            finding: Finding {
                code: code.to_owned(),
                severity,
                title: title.into(),
                meaning: String::new(),
                evidence: Vec::new(),
                remedies: Vec::new(),
                next: None,
                confidence: Confidence::High,
                sources: Vec::new(),
                gpu: None,
            },
            gfx: None,
        }
    }

    pub(crate) fn error(code: &str, title: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, title)
    }

    pub(crate) fn warning(code: &str, title: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, title)
    }

    pub(crate) fn note(code: &str, title: impl Into<String>) -> Self {
        Self::new(code, Severity::Note, title)
    }

    /// Names the card that it is about.
    pub(crate) fn gpu(mut self, index: usize, gfx: Option<GfxTarget>) -> Self {
        self.finding.gpu = Some(index);
        self.gfx = gfx;
        self
    }

    pub(crate) fn meaning(mut self, meaning: impl Into<String>) -> Self {
        self.finding.meaning = meaning.into();
        self
    }

    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.finding.next = Some(next.into());
        self
    }

    pub(crate) fn evidence(mut self, origin: &Origin, value: impl Into<String>) -> Self {
        let item = EvidenceItem { origin: origin.clone(), value: value.into() };
        if !self.finding.evidence.contains(&item) {
            self.finding.evidence.push(item);
        }
        self
    }

    pub(crate) fn evidence_of(mut self, items: impl IntoIterator<Item = EvidenceItem>) -> Self {
        for item in items {
            self = self.evidence(&item.origin, item.value);
        }
        self
    }

    pub(crate) fn sources<S: AsRef<str>>(mut self, sources: impl IntoIterator<Item = S>) -> Self {
        for source in sources {
            let source = source.as_ref().to_owned();
            if !self.finding.sources.contains(&source) {
                self.finding.sources.push(source);
            }
        }
        self
    }

    /// Fills in remedies, the next step and the confidence from knowledge.
    pub(crate) fn finish(self, knowledge: &Knowledge) -> Finding {
        let Self { mut finding, gfx } = self;
        let remedies = knowledge.remedies_for(&finding.code, gfx);
        if finding.next.is_none() {
            finding.next = remedies
                .first()
                .and_then(|remedy| remedy.steps.first())
                .map(|step| fill_in(step, gfx));
        }
        finding.remedies = remedies.iter().map(|remedy| remedy.id.clone()).collect();
        if !finding.sources.is_empty() {
            finding.confidence = knowledge.confidence(&finding.sources);
        }
        finding
    }
}

/// Puts the card's target into a step.
pub(crate) fn fill_in(step: &str, gfx: Option<GfxTarget>) -> String {
    match gfx {
        Some(gfx) => step.replace("{gfx}", &gfx.to_string()).replace("{dotted}", &gfx.dotted()),
        None => step.replace("{gfx}", "gfxNNNN").replace("{dotted}", "N.N.N"),
    }
}

/// The origin of what stands in the environment of the process.
pub(crate) fn environment() -> Origin {
    Origin::file("environment")
}
