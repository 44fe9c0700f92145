//! What is run: shapes, tolerances, and how each software is asked to compute it.
//!
//! A [`Workload`] is a file of `workloads/`. [`tests`] says which of them the software of a [`Kit`] can compute, [`commands`] what is
//! started for one of them under the knobs of a candidate, and [`judge`] what came of it. Nothing here starts a process: the
//! caller writes [`sources`] to a folder, and runs what it is given.

mod command;
mod commands;
mod hip;
mod judge;
mod kit;
mod miopen;
mod programs;
mod results;
mod rocblas;
pub mod schema;
mod shipped;
mod validate;

pub use command::{COMMAND, UserCommand};
pub use commands::{MIOPEN_DATABASES, commands};
pub use hip::compile;
pub use judge::{Judged, KernelLog, judge};
pub use kit::{Kit, UnknownName, tests, workload};
pub(crate) use miopen::ONLY as ONLY_SOLVER;
pub use programs::{Installed, OUTPUT, Programs};
pub use results::Measured;
pub use schema::{Check, Program, Suite, Workload};
pub use shipped::{shipped, sources};
pub use validate::problems_of;
