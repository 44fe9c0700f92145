//! The vector unit: VOP1, VOP2, VOP3, VOP3P and VOPC in all their encodings.
//!
//! A handler reads its sources for 32 lanes at once, computes, and writes the lanes that are on; what the encoding
//! does to sources and results (signs, SDWA, DPP, clamping) happens in reading and writing, and no handler knows
//! of it.

mod compare;
mod convert;
mod cube;
mod differences;
mod division;
mod float;
mod half;
mod integer;
mod lane;
mod packed;
mod wide;

use super::exec_state::Exec;
use super::lower::Table;
use super::op::{Op, Step};
use super::wave::{Wide, ZERO};

/// A handler with one, two or three sources of 32 bits.
macro_rules! words {
    (|$a:ident| $e:expr) => {
        (|x: &mut Exec<'_>, op: &Op| $crate::exec::vector::map1(x, op, |$a: u32| -> u32 { $e }))
            as Handler
    };
    (|$a:ident, $b:ident| $e:expr) => {
        (|x: &mut Exec<'_>, op: &Op| {
            $crate::exec::vector::map2(x, op, |$a: u32, $b: u32| -> u32 { $e })
        }) as Handler
    };
    (|$a:ident, $b:ident, $c:ident| $e:expr) => {
        (|x: &mut Exec<'_>, op: &Op| {
            $crate::exec::vector::map3(x, op, |$a: u32, $b: u32, $c: u32| -> u32 { $e })
        }) as Handler
    };
}

/// The same with 32-bit floats.
macro_rules! floats {
    (|$a:ident| $e:expr) => {
        words!(|$a| {
            let $a = f32::from_bits($a);
            let value: f32 = $e;
            value.to_bits()
        })
    };
    (|$a:ident, $b:ident| $e:expr) => {
        words!(|$a, $b| {
            let ($a, $b) = (f32::from_bits($a), f32::from_bits($b));
            let value: f32 = $e;
            value.to_bits()
        })
    };
    (|$a:ident, $b:ident, $c:ident| $e:expr) => {
        words!(|$a, $b, $c| {
            let ($a, $b, $c) = (f32::from_bits($a), f32::from_bits($b), f32::from_bits($c));
            let value: f32 = $e;
            value.to_bits()
        })
    };
}

/// One handler for IEEE mode and one otherwise.
macro_rules! by_mode {
    (|$ieee:ident| $handler:expr) => {
        (|x: &mut Exec<'_>, op: &Op| {
            if x.wave.mode.is_ieee() {
                const $ieee: bool = true;
                let run: Handler = $handler;
                run(x, op)
            } else {
                const $ieee: bool = false;
                let run: Handler = $handler;
                run(x, op)
            }
        }) as Handler
    };
}
use {by_mode, floats, words};

#[inline(always)]
fn map1(x: &mut Exec<'_>, op: &Op, f: impl Fn(u32) -> u32) -> Step {
    for half in 0..x.wave.halves {
        let a = x.wave.lanes_of(op, 0, half);
        let mut result = ZERO;
        for lane in 0..32 {
            result.0[lane] = f(a.0[lane]);
        }
        x.wave.write(op, half, &result);
    }
    Step::Next
}

#[inline(always)]
fn map2(x: &mut Exec<'_>, op: &Op, f: impl Fn(u32, u32) -> u32) -> Step {
    for half in 0..x.wave.halves {
        let (a, b) = (x.wave.lanes_of(op, 0, half), x.wave.lanes_of(op, 1, half));
        let mut result = ZERO;
        for lane in 0..32 {
            result.0[lane] = f(a.0[lane], b.0[lane]);
        }
        x.wave.write(op, half, &result);
    }
    Step::Next
}

#[inline(always)]
fn map3(x: &mut Exec<'_>, op: &Op, f: impl Fn(u32, u32, u32) -> u32) -> Step {
    for half in 0..x.wave.halves {
        let (a, b) = (x.wave.lanes_of(op, 0, half), x.wave.lanes_of(op, 1, half));
        let c = x.wave.lanes_of(op, 2, half);
        let mut result = ZERO;
        for lane in 0..32 {
            result.0[lane] = f(a.0[lane], b.0[lane], c.0[lane]);
        }
        x.wave.write(op, half, &result);
    }
    Step::Next
}

/// Runs a block that computes 64 bits for each lane of a half.
#[inline(always)]
fn map_wide(x: &mut Exec<'_>, op: &Op, f: impl Fn(&mut Exec<'_>, usize) -> Wide) -> Step {
    for half in 0..x.wave.halves {
        let result = f(x, half);
        x.wave.write64(op, half, &result);
    }
    Step::Next
}

/// Adds the vector instructions.
pub(super) fn add_to(table: &mut Table) {
    integer::add_to(table);
    float::add_to(table);
    half::add_to(table);
    wide::add_to(table);
    differences::add_to(table);
    cube::add_to(table);
    division::add_to(table);
    convert::add_to(table);
    compare::add_to(table);
    lane::add_to(table);
    packed::add_to(table);
}
