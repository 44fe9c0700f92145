//! What the code in a file means for one card: counted by library and target, judged by the rules, and put into
//! a verdict.
//!
//! Of each bundle at most three targets are read whole: the card's own, else the best one of its instruction
//! set, and one of another set, which is what an override would make it run. All others are counted from their
//! tables of symbols. Code of gfx9, gfx11 and gfx12 is only ever counted.

mod choice;
mod collect;
mod listing;
mod symbols;
mod verdict;

pub use collect::{Collector, Depth, FileScan};
pub use listing::{Listed, list_kernels};
pub use verdict::{is_tensile_folder, join_folders, verdict_of, verdict_of_all};
