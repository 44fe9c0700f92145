//! Loads, stores and atomics by address.

use super::number::{F32, F64, Layout};
use super::operand::Ty;
use super::{After, Answer, Case};
use crate::program::DATA;
use rmcp_code::isa::format::{self, Format};
use rmcp_code::isa::{Kind, Operand};

/// What is loaded.
#[derive(Clone, Copy)]
pub(super) struct Access {
    pub(super) bytes: usize,
    pub(super) signed: bool,
}

/// Puts what was loaded into registers: 8 and 16 bits become 32 or, with `d16`, half a register.
pub(super) fn put_loaded(
    after: &mut After,
    name: &str,
    access: Access,
    to: usize,
    lane: usize,
    value: u128,
) {
    let bits = 8 * access.bytes as u32;
    let value = match access.signed {
        true => ((value << (128 - bits)).cast_signed() >> (128 - bits)).cast_unsigned(),
        false => value,
    };
    if let Some(at) = name.find("_d16") {
        let shift = if name[at..].ends_with("hi") { 16 } else { 0 };
        let register = &mut after.state.v[to][lane];
        *register = *register & !(0xffff << shift) | (value as u32 & 0xffff) << shift;
        return;
    }
    for at in 0..access.bytes.div_ceil(4) {
        after.state.v[to + at][lane] = (value >> (32 * at)) as u32;
    }
}

/// What an atomic makes of a number in memory, of its data, and of what it compares with; `Some(None)` where the
/// manuals do not say.
pub(super) fn atomic(
    verb: &str,
    bytes: usize,
    old: u64,
    data: u64,
    other: u64,
) -> Option<Option<u64>> {
    let (verb, ty) = verb.rsplit_once('_').unwrap_or((verb, ""));
    let layout = match (ty, bytes) {
        ("f32", _) => Some(F32),
        ("f64", _) => Some(F64),
        _ => None,
    };
    if let Some(layout) = layout {
        return float(layout, verb, old, data, other);
    }
    let mask = u64::MAX >> (64 - 8 * bytes);
    let number = |value: u64| {
        if ty.starts_with('i') {
            i128::from((value << (64 - 8 * bytes)).cast_signed())
        } else {
            (value & mask).into()
        }
    };
    let chosen = |first: bool| if first { data } else { old };
    let new = match verb {
        "add" => old.wrapping_add(data),
        "sub" => old.wrapping_sub(data),
        "rsub" => data.wrapping_sub(old),
        "csub" => old.saturating_sub(data),
        "inc" => {
            if old >= data {
                0
            } else {
                old + 1
            }
        }
        "dec" => {
            if old == 0 || old > data {
                data
            } else {
                old - 1
            }
        }
        "min" => chosen(number(data) < number(old)),
        "max" => chosen(number(data) > number(old)),
        "and" => old & data,
        "or" => old | data,
        "xor" => old ^ data,
        "mskor" => old & !data | other,
        "wrxchg" | "swap" => data,
        "cmpst" | "cmpswap" => chosen(old == other),
        "wrap" => {
            if old >= data {
                old - data
            } else {
                old.wrapping_add(other)
            }
        }
        _ => return None,
    };
    Some(Some(new & mask))
}

fn float(layout: Layout, verb: &str, old: u64, data: u64, other: u64) -> Option<Option<u64>> {
    let [a, b, c] = [old, data, other].map(|value| layout.value(value));
    let strange = |value| layout.is_nan(value) || layout.is_denormal(value);
    // What becomes of NaNs and denormals depends on modes that the manuals do not give for memory.
    let unclear = strange(old) || strange(data);
    let zeros = a == 0.0 && b == 0.0;
    Some(match verb {
        "min" => (!unclear && !zeros).then_some(if b < a { data } else { old }),
        "max" => (!unclear && !zeros).then_some(if b > a { data } else { old }),
        "add" => Some(layout.add(old, data)).filter(|&sum| !unclear && !strange(sum)),
        "cmpst" | "cmpswap" => {
            (!strange(old) && !strange(other)).then_some(if a == c { data } else { old })
        }
        _ => return None,
    })
}

/// Reads the memory that a case may touch, `None` beyond it.
fn read(memory: &[u8], address: u64, bytes: usize) -> Option<u128> {
    let at = address.checked_sub(DATA)? as usize;
    let from = memory.get(at..at + bytes)?;
    Some(from.iter().rev().fold(0, |value, &byte| value << 8 | u128::from(byte)))
}

fn write(memory: &mut [u8], address: u64, bytes: usize, value: u128) -> Option<()> {
    let at = address.checked_sub(DATA)? as usize;
    memory.get_mut(at..at + bytes)?.copy_from_slice(&value.to_le_bytes()[..bytes]);
    Some(())
}

/// The address of a lane in a raw buffer: one without a stride, whose descriptor begins with the base.
fn buffer_address(case: &Case<'_>, lane: usize) -> u64 {
    let mut sum = u64::from(case.bits(0, 12));
    for slot in case.instruction.slots() {
        let operand = case.instruction.operand(slot, case.wave);
        let value = match (slot.field, operand) {
            (format::ADDR, Operand::None) => 0,
            (format::ADDR, operand) => case.read(operand, Ty::B32, lane) as u64,
            (format::SRSRC, operand) => {
                case.read_scalar(operand, Ty::B64) as u64 & 0xffff_ffff_ffff
            }
            (format::SOFFSET8, operand) => case.read_scalar(operand, Ty::B32) as u64,
            _ => 0,
        };
        sum = sum.wrapping_add(value);
    }
    sum
}

/// The address of a lane.
fn address(case: &Case<'_>, lane: usize) -> u64 {
    if case.instruction.format() == Format::Mubuf {
        return buffer_address(case, lane);
    }
    let offset = i64::from((case.bits(0, 12) << 20).cast_signed() >> 20);
    let flat = case.instruction.format() == Format::Flat;
    // gfx10.1 forgets the offset of FLAT. Source: LLVM `AMDGPU.td`, `FeatureFlatSegmentOffsetBug`.
    let offset = match flat {
        true if case.target.has_gfx10_1_faults() => 0,
        true => i64::from(case.bits(0, 11)),
        false => offset,
    };
    let mut sum = offset.cast_unsigned();
    for slot in case.instruction.slots() {
        let operand = case.instruction.operand(slot, case.wave);
        let value = match (slot.field, operand) {
            (format::ADDR, Operand::Vector { count: 2, .. }) => case.read(operand, Ty::B64, lane),
            (format::ADDR, operand) => case.read(operand, Ty::B32, lane),
            (format::SADDR, Operand::None) => 0,
            (format::SADDR, operand) => case.read_scalar(operand, Ty::B64),
            _ => 0,
        };
        sum = sum.wrapping_add(value as u64);
    }
    sum
}

/// Bytes of an element by the name.
pub(crate) fn element(name: &str) -> usize {
    let bytes =
        [("byte", 1), ("short", 2), ("dwordx2", 8), ("dwordx3", 12), ("dwordx4", 16), ("x2", 8)];
    bytes.iter().find(|(word, _)| name.contains(word)).map_or(4, |&(_, bytes)| bytes)
}

pub(super) fn vector(case: &Case<'_>) -> Answer {
    let name = case.instruction.name();
    let bytes = element(name);
    let mut after = case.after();
    if name.starts_with("buffer_gl") {
        return Answer::Known(after);
    }
    if name.contains("format") {
        return Answer::Unknown;
    }
    let (mut to, mut data) = (None, None);
    for slot in case.instruction.slots() {
        if let Operand::Vector { first, .. } = case.instruction.operand(slot, case.wave) {
            match slot.field {
                format::M_VDST => to = Some(usize::from(first)),
                format::DATA0 => data = Some(usize::from(first)),
                format::VDATA => {
                    // The same registers, whichever way the data goes.
                    let returns =
                        name.contains("_load_") || name.contains("_atomic_") && case.bit(14);
                    to = returns.then_some(usize::from(first));
                    data = (!name.contains("_load_")).then_some(usize::from(first));
                }
                _ => {}
            }
        }
    }
    for lane in (0..case.lanes()).filter(|lane| case.active() >> lane & 1 != 0) {
        let mut address = address(case, lane);
        if name.ends_with("addtid") {
            address = address.wrapping_add(4 * lane as u64);
        }
        let number = |first: usize, bytes: usize| {
            (0..bytes.div_ceil(4)).fold(0_u128, |value, at| {
                value | u128::from(case.before.v[first + at][lane]) << (32 * at)
            })
        };
        let Some(old) = read(&case.before.memory, address, bytes) else { return Answer::Unclear };
        match (to, data) {
            _ if name.contains("_atomic_") => {
                let Some(data) = data else { return Answer::Unknown };
                let Some((new, old)) = changed(name, bytes, old as u64, |at| {
                    number(data + at * bytes / 4, bytes) as u64
                }) else {
                    return Answer::Unknown;
                };
                let Some(new) = new else { return Answer::Unclear };
                if let Some(to) = to {
                    put_loaded(
                        &mut after,
                        "",
                        Access { bytes, signed: false },
                        to,
                        lane,
                        old.into(),
                    );
                }
                write(&mut after.state.memory, address, bytes, new.into());
            }
            (Some(to), _) => {
                let signed = name.contains("sbyte") || name.contains("sshort");
                put_loaded(&mut after, name, Access { bytes, signed }, to, lane, old);
            }
            (None, Some(data)) => {
                let value = number(data, bytes) >> if name.ends_with("d16_hi") { 16 } else { 0 };
                write(&mut after.state.memory, address, bytes, value);
            }
            _ => return Answer::Unknown,
        }
    }
    Answer::Known(after)
}

/// What an atomic leaves in memory, and what was there.
fn changed(
    name: &str,
    bytes: usize,
    old: u64,
    data: impl Fn(usize) -> u64,
) -> Option<(Option<u64>, u64)> {
    let verb = name.split("_atomic_").nth(1)?.trim_end_matches("_x2");
    let verb = match verb {
        "smin" => "min_i",
        "smax" => "max_i",
        "umin" => "min_u",
        "umax" => "max_u",
        "fmin" if bytes == 4 => "min_f32",
        "fmax" if bytes == 4 => "max_f32",
        "fcmpswap" if bytes == 4 => "cmpswap_f32",
        "fmin" => "min_f64",
        "fmax" => "max_f64",
        "fcmpswap" => "cmpswap_f64",
        verb => verb,
    };
    let compared = if verb.starts_with("cmpswap") { data(1) } else { 0 };
    Some((atomic(verb, bytes, old, data(0), compared)?, old))
}

/// Loads of the scalar unit.
pub(super) fn scalar(case: &Case<'_>) -> Answer {
    let name = case.instruction.name();
    let plain = name.strip_prefix("s_load_dword");
    let Some(words) = plain.or_else(|| name.strip_prefix("s_buffer_load_dword")) else {
        return Answer::Unknown;
    };
    let words = words.strip_prefix('x').map_or(1, |words| words.parse().unwrap_or(1));
    let offset = i64::from((case.bits(32, 21) << 11).cast_signed() >> 11);
    let mut sum = offset.cast_unsigned();
    for slot in case.instruction.slots() {
        match slot.kind {
            Kind::Scaled => {
                let base = case.read_scalar(case.instruction.operand(slot, case.wave), Ty::B64);
                let base = if plain.is_some() { base } else { base & 0xffff_ffff_ffff };
                sum = sum.wrapping_add(base as u64);
            }
            Kind::ScalarOffset => {
                let register = case.read_scalar(case.instruction.operand(slot, case.wave), Ty::B32);
                sum = sum.wrapping_add(register as u64);
            }
            _ => {}
        }
    }
    let mut after = case.after();
    let to = case.instruction.operand(&case.instruction.slots()[0], case.wave);
    let Operand::Scalar { first, .. } = to else { return Answer::Unclear };
    for at in 0..words {
        // The lowest two bits do not count.
        let Some(value) = read(&case.before.memory, (sum & !3) + 4 * u64::from(at), 4) else {
            return Answer::Unclear;
        };
        super::operand::set_scalar_register(&mut after.state, first + at, value as u32);
    }
    Answer::Known(after)
}
