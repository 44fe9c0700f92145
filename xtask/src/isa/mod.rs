//! The instruction tables of `rmcp-code`: made from LLVM, and checked against it.

mod access;
mod candidates;
mod check;
mod emit;
mod generate;
mod measure;
mod objects;
mod probe;
mod random;
mod shape;

pub(crate) use check::check;
pub(crate) use generate::generate;
pub(crate) use measure::measure;
pub(crate) use objects::make as make_objects;
