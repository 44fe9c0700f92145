//! Image instructions: how many registers their addresses and data take.
//!
//! Source: "RDNA 2 ISA" (AMD), chapter "Vector Memory Operations", image addressing; the numbers of addresses by
//! opcode and dimension are in the tables.

use super::format::{ADDR, FIELDS};
use super::instruction::{Instruction, Wave};
use super::operand::Operand;
use super::row::{Kind, Slot, implicit};
use super::tables::ADDRESSES;

impl Instruction {
    /// Returns whether dimension, mask and addresses fit the opcode of an image instruction.
    pub fn image_registers_fit(&self) -> bool {
        let name = self.name();
        let needed = self.image_address_registers();
        let dwords = u8::try_from(self.word >> 1 & 3).unwrap_or(0);
        let channels = (self.word >> 8 & 15).count_ones();
        let atomic = self.row.implicit & implicit::ATOMIC != 0;
        let double = u32::from(name.contains("cmpswap")) + 1;
        // Atomics work on one register or two; those that compare, on twice as many.
        let data = !atomic || channels == double || channels == 2 * double;
        // Only what loads and stores without levels of detail knows samples.
        let multisample = self.word >> 3 & 7 >= 6;
        let levels = self.slots().len() == 4 || name.contains("_mip");
        // Separate addresses take the fewest dwords that hold them.
        let addresses = dwords == 0 || (needed >= 2 && dwords == (needed - 1).div_ceil(4));
        // Nothing wraps around behind the last register.
        let registers = |slot: &Slot| match self.operand(slot, Wave::Wave32) {
            _ if dwords != 0 && slot.kind == Kind::ImageAddress => true,
            Operand::Vector { first, count } => first + u16::from(count) <= 256,
            _ => true,
        };
        let inside = self.slots().iter().all(registers);
        let gather = !(name.starts_with("image_gather4")
            && self.word >> 63 != 0
            && self.word >> 16 & 1 != 0);
        needed > 0 && data && addresses && inside && gather && !(multisample && levels)
    }

    /// Number of address registers of an image instruction with consecutive addresses.
    pub(crate) fn image_address_registers(&self) -> u8 {
        let (dimension, short) = ((self.word >> 3 & 7) as usize, (self.word >> 62 & 1) as usize);
        ADDRESSES[usize::from(self.row.address)][dimension + 8 * short]
    }

    /// Number of data registers of an image instruction: one for each channel of the mask, half of that with
    /// `d16`, one more for the status that `tfe` asks for.
    pub(crate) fn image_data_registers(&self, width: u8) -> u8 {
        let name = self.name();
        if name.starts_with("image_bvh") {
            return width;
        }
        #[expect(clippy::cast_possible_truncation, reason = "four bits")]
        let channels = match (self.word >> 8 & 15).count_ones() as u8 {
            _ if name.starts_with("image_gather4") => 4,
            0 => 1,
            some => some,
        };
        let packed = self.word >> 63 & 1 != 0;
        let registers = if packed { channels.div_ceil(2) } else { channels };
        registers + u8::from(self.word >> 16 & 1 != 0)
    }

    /// Returns the address registers of an image instruction with separate addresses.
    pub fn image_addresses(&self) -> impl Iterator<Item = u8> + '_ {
        let first = [FIELDS[usize::from(ADDR)].get(self.word)];
        let further = self.extra.iter().flat_map(|word| word.to_le_bytes());
        let count = usize::from(self.image_address_registers());
        #[expect(clippy::cast_possible_truncation, reason = "eight bits")]
        first.map(|first| first as u8).into_iter().chain(further).take(count)
    }
}
