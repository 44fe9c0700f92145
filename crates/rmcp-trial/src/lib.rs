//! Runs one thing in one child under limits, keeps durable records of it, and finds the smallest fix.
//!
//! [`workload`] says what is run and how each software is asked to compute it; [`isolation`] runs one child and says
//! what became of it; [`store`] keeps the records; [`candidates`] says what may help this machine, and [`search`]
//! decides what to run next.

#![expect(
    clippy::disallowed_methods,
    reason = "this room starts the processes of tests and keeps its own files"
)]

pub mod candidates;
pub mod isolation;
pub mod search;
pub mod store;
pub mod workload;
