//! Makes and takes back changes to a machine.
//!
//! A change is a [`Plan`](rmcp_model::Plan): steps that say what stands in each file before and after. The
//! [`Journal`] holds a durable copy of it before the first step, so that whatever happens in between, the
//! next start can put the old bytes back.

mod disk;
pub mod edit;
mod journal;
mod members;
pub mod plan;
mod plan_file;
mod real_disk;
mod standing;
mod take_back;
mod transaction;
mod undo;
mod witness;

pub use disk::{Disk, FileMeta, FileState};
pub use journal::{Entry, Journal, JournalError, Kept};
pub use members::{Account, parse_account};
pub use plan_file::{PlanFile, PlanFileError};
pub use real_disk::{CommandRunner, Lock, NoCommands, RealDisk, SystemCommands};
pub use standing::{NoWitness, Witness, standing};
pub use transaction::{ApplyError, apply, sha256};
pub use undo::{EditedFile, Recovery, UndoChoice, UndoError, recover, undo};
pub use witness::LiveWitness;
