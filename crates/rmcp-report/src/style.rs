//! Colours and symbols, which can be off.

use anstyle::{AnsiColor, Style};
use rmcp_model::Severity;

/// How text is decorated. Symbols differ too, so that nothing is said by colour alone.
#[derive(Debug, Clone, Copy)]
pub struct Palette {
    colour: bool,
}

impl Palette {
    /// Returns a palette with or without colours.
    pub fn new(colour: bool) -> Self {
        Self { colour }
    }

    fn paint(self, style: Style, text: &str) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.paint(Style::new().bold(), text)
    }

    pub(crate) fn faint(self, text: &str) -> String {
        self.paint(Style::new().dimmed(), text)
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.paint(AnsiColor::Green.on_default(), text)
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.paint(AnsiColor::Red.on_default(), text)
    }

    pub(crate) fn command(self, text: &str) -> String {
        self.paint(AnsiColor::Cyan.on_default(), text)
    }

    pub(crate) fn severity(self, severity: Severity) -> String {
        match severity {
            Severity::Error => self.paint(AnsiColor::Red.on_default().bold(), "✗"),
            Severity::Warning => self.paint(AnsiColor::Yellow.on_default().bold(), "!"),
            Severity::Note => self.paint(AnsiColor::Blue.on_default(), "·"),
        }
    }
}
