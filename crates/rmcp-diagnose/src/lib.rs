//! Facts, evidence and knowledge in; findings and routes out.
//!
//! Pure: no file, clock, environment or random number. The same inputs give the same output.

mod advice;
pub mod codes;
mod diagnose;
mod evidence;
mod explain;
mod flight;
mod gfx_override;
mod gpu;
mod log_findings;
mod reach;
mod routes;
mod software;
mod switches;

pub use advice::wishes;
pub use diagnose::diagnose;
pub use explain::{LogContext, explain};
pub use flight::{explain_flight, flight_rank};
