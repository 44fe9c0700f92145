//! Instructions of RDNA1 and RDNA2: from words to names, operands, registers and text.

mod buffer_format;
mod decode;
mod fast;
pub mod format;
mod image;
mod instruction;
mod operand;
mod row;
mod tables;
mod target;
mod text;

pub(crate) use decode::ByOpcode;
pub use decode::{DecodeError, Isa};
pub use instruction::{Instruction, Wave};
pub use operand::{EXEC, M0, NULL, Operand, ScalarSet, TTMP, VCC};
pub use row::{Access, CATEGORIES, Kind, Row, Slot, Type, implicit};
pub use target::Target;
pub use text::{INLINE_F16, INLINE_F32, Text};

/// Returns the words of code; bytes behind the last whole word are left out.
pub fn words_of(code: &[u8]) -> Vec<u32> {
    let words = code.chunks_exact(4);
    words.map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect()
}
