//! Instructions of RDNA1 and RDNA2: from words to names, operands, registers and text.

pub mod format;
mod row;
mod tables;
mod target;

pub use row::{Access, CATEGORIES, Kind, Row, Slot, Type, implicit};
pub use target::Target;
