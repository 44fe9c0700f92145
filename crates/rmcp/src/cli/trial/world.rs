//! What a session of trials sees of the world: the clock, the known messages, the card, and the person who waits.

use crate::cli::change::now;
use crate::cli::records::fault_kind;
use indicatif::{ProgressBar, ProgressStyle};
use rmcp::model::{Attempt, Candidate, KfdNode, LogKind};
use rmcp::{Caller, Inspection, inspect};
use rmcp_report::{Palette, attempt_line};
use rmcp_trial::database::Moment;
use rmcp_trial::search::Question;
use rmcp_trial::session::Outside;
use std::io::IsTerminal;
use std::time::Duration;

/// The world of one session.
pub(super) struct World {
    boot: String,
    palette: Palette,
    candidates: Vec<Candidate>,
    bar: Option<ProgressBar>,
}

impl World {
    pub(super) fn new(boot: String, palette: Palette, candidates: Vec<Candidate>) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}");
            let bar = ProgressBar::new_spinner();
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self { boot, palette, candidates, bar }
    }

    /// Takes the line of progress away.
    pub(super) fn quiet(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Outside for World {
    fn now(&self) -> Moment {
        Moment { time: now(), boot: self.boot.clone() }
    }

    fn kind(&self, text: &[u8]) -> Option<LogKind> {
        Some(fault_kind(text))
    }

    fn health(&self) -> Result<(), String> {
        let what = Inspection { root: None, pythons: &[], caller: Caller::from_process() };
        let facts = inspect(&what).map_err(|error| error.to_string())?;
        let nodes = facts.nodes.value().ok_or("the driver shows no cards any more")?;
        if !nodes.iter().any(KfdNode::is_gpu) {
            return Err("the driver shows no GPU any more".to_owned());
        }
        let unusable =
            facts.access.devices.iter().find(|device| device.usable.value() != Some(&true));
        unusable.map_or(Ok(()), |device| Err(format!("{} cannot be opened any more", device.path)))
    }

    fn begins(&mut self, question: &Question) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{}: {}", question.title(&self.candidates), question.test));
            bar.reset_elapsed();
        }
    }

    fn ends(&mut self, question: &Question, attempt: &Attempt) {
        if let Some(bar) = &self.bar {
            bar.println(attempt_line(
                &question.title(&self.candidates),
                &question.test,
                attempt,
                self.palette,
            ));
        }
    }
}
