//! What a session of trials sees of the world: the clock, the known messages, the card, and the person who waits.

use crate::cli::change::now;
use indicatif::{ProgressBar, ProgressStyle};
use rmcp::model::{Attempt, KfdNode, Knob, LogKind};
use rmcp::{Caller, Inspection, inspect};
use rmcp_diagnose::LogContext;
use rmcp_host::log::LogScanner;
use rmcp_knowledge::Knowledge;
use rmcp_report::{Palette, attempt_line};
use rmcp_trial::session::Outside;
use rmcp_trial::store::{Moment, Question};
use std::io::IsTerminal;
use std::time::Duration;

/// The world of one session.
pub(super) struct World<'a> {
    scanner: LogScanner<'a>,
    boot: String,
    palette: Palette,
    /// Names of candidates by what they change, for the person who waits.
    titles: Vec<(Vec<Knob>, String)>,
    bar: Option<ProgressBar>,
}

impl<'a> World<'a> {
    pub(super) fn new(
        knowledge: &'a Knowledge,
        boot: String,
        palette: Palette,
        titles: Vec<(Vec<Knob>, String)>,
    ) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}");
            let bar = ProgressBar::new_spinner();
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self { scanner: LogScanner::new(knowledge), boot, palette, titles, bar }
    }

    /// Takes the line of progress away.
    pub(super) fn quiet(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn title(&self, knobs: &[Knob]) -> String {
        let found = self.titles.iter().find(|(known, _)| known == knobs);
        found.map_or_else(|| format!("{} changes together", knobs.len()), |(_, title)| title.clone())
    }
}

impl Outside for World<'_> {
    fn now(&self) -> Moment {
        Moment { time: now(), boot: self.boot.clone() }
    }

    fn kind(&self, text: &[u8]) -> Option<LogKind> {
        let facts = self.scanner.scan(text, Some(text.len() as u64)).ok()?;
        let context = LogContext { name: "the test's output", host: None };
        Some(rmcp_diagnose::explain(&facts, context, Knowledge::embedded()).kind)
    }

    fn health(&self) -> Result<(), String> {
        let what = Inspection { root: None, pythons: &[], caller: Caller::from_process() };
        let facts = inspect(&what).map_err(|error| error.to_string())?;
        let nodes = facts.nodes.value().ok_or("the driver shows no cards any more")?;
        if !nodes.iter().any(KfdNode::is_gpu) {
            return Err("the driver shows no GPU any more".to_owned());
        }
        let unusable = facts.access.devices.iter().find(|device| device.usable.value() != Some(&true));
        unusable.map_or(Ok(()), |device| Err(format!("{} cannot be opened any more", device.path)))
    }

    fn begins(&mut self, question: &Question) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{}: {}", self.title(&question.knobs), question.test));
            bar.reset_elapsed();
        }
    }

    fn ends(&mut self, question: &Question, attempt: &Attempt) {
        if let Some(bar) = &self.bar {
            bar.println(attempt_line(&self.title(&question.knobs), question, attempt, self.palette));
        }
    }
}
