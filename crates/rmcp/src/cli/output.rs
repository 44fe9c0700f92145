//! Where results go: standard output, with colours or without.

use crate::cli::args::{Colour, Format, OutputArgs};
use rmcp_report::{Detail, Palette};
use std::io::Write;

/// How results are shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    pub(crate) format: Format,
    pub(crate) detail: Detail,
    pub(crate) palette: Palette,
}

impl Output {
    pub(crate) fn new(arguments: &OutputArgs) -> Self {
        let colour = match arguments.color {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => {
                anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never
            }
        };
        let detail = if arguments.verbose { Detail::Full } else { Detail::Short };
        Self { format: arguments.format, detail, palette: Palette::new(colour) }
    }

    /// Writes a page or a document. A reader that has gone away (`| head`) is no error.
    pub(crate) fn write(&self, text: &str) {
        let mut stdout = std::io::stdout().lock();
        let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    }

    /// Writes a JSON document.
    pub(crate) fn write_json(&self, document: &serde_json::Value) {
        // Indented: people read it too, and programs do not mind.
        let text = serde_json::to_string_pretty(document)
            .unwrap_or_else(|error| format!("{{\"error\": \"{error}\"}}"));
        self.write(&(text + "\n"));
    }

    /// Says something to the person that is no part of the result.
    pub(crate) fn note(&self, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }
}
