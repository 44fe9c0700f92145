//! Which functions a function calls.
//!
//! Compilers load the address of a function from the program counter: `s_getpc_b64`, `s_add_u32` and
//! `s_addc_u32` with two literals, and then call it with `s_swappc_b64`, or leave for it with `s_setpc_b64`.
//! Addresses that come from elsewhere (a table, an argument) are counted and not followed.

use crate::isa::{Instruction, Operand, Wave};

/// Pairs of scalar registers and what is known of each.
#[derive(Debug, Clone, Copy, Default)]
enum Pair {
    /// Nothing.
    #[default]
    Unknown,
    /// The program counter, or an address made from it.
    Address(u64),
    /// The lower half has been added to; the carry goes into the upper half next.
    HalfAdded(u64, u32),
}

/// Follows the addresses of functions through the registers of one function.
#[derive(Debug)]
pub(super) struct Calls {
    pairs: [Pair; 64],
    /// Addresses that are called.
    pub(super) targets: Vec<u64>,
    /// Calls to addresses that are not known.
    pub(super) unknown: u32,
    /// Whether the program counter has been put into registers.
    following: bool,
}

impl Default for Calls {
    fn default() -> Self {
        Self { pairs: [Pair::Unknown; 64], targets: Vec::new(), unknown: 0, following: false }
    }
}

/// The first register of an operand, where it is a pair of scalar registers or half of one.
fn scalar(operand: Option<Operand>) -> Option<usize> {
    match operand {
        Some(Operand::Scalar { first, .. }) => usize::try_from(first).ok(),
        _ => None,
    }
}

/// The value of a constant operand.
fn constant(operand: Option<Operand>) -> Option<u32> {
    match operand? {
        Operand::Literal(value) => Some(value),
        Operand::Constant(value @ 128..=192) => Some(value - 128),
        Operand::Constant(value @ 193..=208) => Some(192_u32.wrapping_sub(value)),
        _ => None,
    }
}

impl Calls {
    /// Forgets everything, for the next function.
    pub(super) fn clear(&mut self) {
        self.pairs = [Pair::Unknown; 64];
        self.targets.clear();
        self.unknown = 0;
        self.following = false;
    }

    /// Returns whether there is an address to follow.
    #[inline]
    pub(super) const fn is_following(&self) -> bool {
        self.following
    }

    /// Takes note of an instruction of the class [`super::step::class::CALLS`], whose next one is at `next`.
    pub(super) fn note(&mut self, instruction: &Instruction, next: u64) {
        let slots = instruction.slots();
        let operand = |at: usize| slots.get(at).map(|slot| instruction.operand(slot, Wave::Wave32));
        match instruction.name() {
            "s_getpc_b64" => {
                self.following = true;
                self.set(scalar(operand(0)), Pair::Address(next));
            }
            "s_add_u32" | "s_addc_u32" if !self.following => {}
            "s_add_u32" => {
                let (to, from) = (scalar(operand(0)), scalar(operand(1)));
                let known = from.and_then(|from| self.pairs.get(from / 2));
                let pair = match (known, constant(operand(2))) {
                    (Some(&Pair::Address(address)), Some(low)) if to == from => {
                        Pair::HalfAdded(address, low)
                    }
                    _ => Pair::Unknown,
                };
                self.set(to, pair);
            }
            "s_addc_u32" => {
                let (to, from) = (scalar(operand(0)), scalar(operand(1)));
                let known = from.and_then(|from| self.pairs.get(from / 2));
                let pair = match (known, constant(operand(2))) {
                    (Some(&Pair::HalfAdded(address, low)), Some(high)) if to == from => {
                        let offset = u64::from(low) | u64::from(high) << 32;
                        Pair::Address(address.wrapping_add(offset))
                    }
                    _ => Pair::Unknown,
                };
                self.set(to, pair);
            }
            "s_swappc_b64" => {
                self.call(scalar(operand(1)), true);
                self.set(scalar(operand(0)), Pair::Unknown);
            }
            "s_setpc_b64" => self.call(scalar(operand(0)), false),
            "s_call_b64" => {
                let distance = i64::from(instruction.constant().cast_signed()) * 4;
                self.targets.push(next.wrapping_add_signed(distance));
            }
            _ => {}
        }
    }

    fn set(&mut self, register: Option<usize>, pair: Pair) {
        if let Some(known) = register.and_then(|register| self.pairs.get_mut(register / 2)) {
            *known = pair;
        }
    }

    /// A jump to an unknown address is a return, a call to one is not known.
    fn call(&mut self, register: Option<usize>, returns: bool) {
        match register.and_then(|register| self.pairs.get(register / 2)) {
            Some(&Pair::Address(address)) => self.targets.push(address),
            _ if returns => self.unknown += 1,
            _ => {}
        }
    }
}
