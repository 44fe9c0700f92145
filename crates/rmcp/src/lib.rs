//! RMCP's front: what the binary and other programs call.
//!
//! One value flows one way: [`inspect`] reads a machine into facts, [`diagnose`] makes findings and routes
//! of them, [`explain`] makes a log into its kind and its meaning, [`scan`] judges GPU code for a card, [`device`] finds the device that a program should use. [`Site`] plans, makes and takes back changes.
//! Nothing here speaks to a terminal.

mod as_before;
pub mod device;
mod entries;
pub mod flight;
mod inspect;
pub mod job;
mod places;
pub mod scan;
mod site;

pub use inspect::{InspectError, Inspection, explain, inspect, record};
pub use places::{cache_folder, interposer_here, records_folder};
pub use rmcp_diagnose::diagnose;
pub use rmcp_host::{Caller, Recording};
pub use rmcp_knowledge::Knowledge;
pub use rmcp_model as model;
pub use site::{Allowed, Made, Site, SiteError, Split, StandingChange};
