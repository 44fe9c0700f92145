//! Single instructions, with results computed by hand or otherwise than by the interpreter.
//!
//! The words come from `llvm-mc` 22; that they are the instruction beside them is checked by the disassembler.
#![allow(clippy::unusual_byte_groupings, reason = "numbers as the fields are")]

mod bench;
mod encodings;
mod floats;
mod integers;
mod memory;
mod robust;
mod scalars;
