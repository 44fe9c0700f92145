//! Results as text and JSON. Pure: takes values, gives strings; the door decides where they go.

mod change;
mod clean;
mod json;
mod style;
mod text;

pub use change::{edited_text, plan_text, standing_text, undo_text};
pub use json::{diagnosis_json, explanation_json};
pub use style::Palette;
pub use text::{Detail, diagnosis_text, explanation_text};
