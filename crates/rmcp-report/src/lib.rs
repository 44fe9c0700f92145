//! Results as text and data. Pure: takes values, gives strings; the door decides where they go.

mod change;
mod clean;
mod flight;
mod job;
mod json;
mod scan;
mod style;
mod text;
mod trial;
mod wrap;

pub use change::{edited_text, plan_text, standing_text, undo_text};
pub use clean::one_line;
pub use flight::{flight_json, flight_text};
pub use job::{job_json, job_text};
pub use json::{diagnosis_json, explanation_json};
pub use scan::{demangle, kernels_text, listing_text, scan_json, scan_text};
pub use style::Palette;
pub use text::{Detail, diagnosis_text, explanation_text};
pub use trial::{
    CostLine, TrialDocumentError, attempt_line, trial_csv, trial_diff, trial_from_json, trial_json,
    trial_junit, trial_markdown, trial_plan_text, trial_text,
};
