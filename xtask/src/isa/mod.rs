//! The instruction tables of `rmcp-code`: made from LLVM, and checked against it.

mod access;
mod candidates;
mod emit;
mod generate;
mod probe;
mod shape;

pub(crate) use generate::generate;
