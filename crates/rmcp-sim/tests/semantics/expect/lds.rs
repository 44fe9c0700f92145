//! LDS, and the instructions of its unit that only move values between lanes.

use super::memory::{self, Access, atomic};
use super::operand::Ty;
use super::{After, Answer, Case};
use rmcp_code::isa::Operand;
use rmcp_code::isa::format;

/// The operands of a DS instruction, by their fields.
struct Ds<'a> {
    case: &'a Case<'a>,
    to: Option<usize>,
    address: Option<usize>,
    data: [Option<usize>; 2],
    offset: u32,
}

impl<'a> Ds<'a> {
    fn of(case: &'a Case<'a>) -> Self {
        let mut ds =
            Self { case, to: None, address: None, data: [None; 2], offset: case.bits(0, 16) };
        for slot in case.instruction.slots() {
            let Operand::Vector { first, .. } = case.instruction.operand(slot, case.wave) else {
                continue;
            };
            let place = match slot.field {
                format::M_VDST => &mut ds.to,
                format::ADDR => &mut ds.address,
                format::DATA0 => &mut ds.data[0],
                _ => &mut ds.data[1],
            };
            *place = Some(usize::from(first));
        }
        ds
    }

    fn word(&self, register: Option<usize>, lane: usize) -> u32 {
        register.map_or(0, |register| self.case.before.v[register][lane])
    }

    fn address(&self, lane: usize) -> u32 {
        self.word(self.address, lane)
    }

    fn data(&self, which: usize, bytes: usize, lane: usize) -> u128 {
        let first = self.data[which].unwrap_or(0);
        (0..bytes.div_ceil(4)).fold(0, |value, at| {
            value | u128::from(self.case.before.v[first + at][lane]) << (32 * at)
        })
    }
}

fn on(case: &Case<'_>) -> impl Iterator<Item = usize> + use<> {
    let active = case.active();
    (0..case.lanes()).filter(move |lane| active >> lane & 1 != 0)
}

/// Reads LDS; outside of it are zeros.
fn read(lds: &[u8], address: u32, bytes: usize) -> u128 {
    let at = address as usize;
    let Some(from) = lds.get(at..at + bytes) else { return 0 };
    from.iter().rev().fold(0, |value, &byte| value << 8 | u128::from(byte))
}

/// Writes LDS; what goes outside of it is lost.
fn write(lds: &mut [u8], address: u32, bytes: usize, value: u128) {
    let at = address as usize;
    if let Some(to) = lds.get_mut(at..at + bytes) {
        to.copy_from_slice(&value.to_le_bytes()[..bytes]);
    }
}

pub(super) fn expect(case: &Case<'_>) -> Answer {
    let name = case.instruction.name();
    let ds = Ds::of(case);
    match name {
        "ds_nop" => Answer::Known(case.after()),
        "ds_swizzle_b32" => lanes(&ds, |lane| Some(swizzled(ds.offset, lane))),
        // Each half of a wavefront of 64 on its own. Source: Mesa, `emit_bpermute` for GFX10 in wave64, which
        // finds only the lanes of the same half.
        "ds_bpermute_b32" => lanes(&ds, |lane| {
            Some(lane & 32 | (ds.address(lane).wrapping_add(ds.offset) >> 2 & 31) as usize)
        }),
        "ds_permute_b32" => permuted(&ds),
        "ds_append" | "ds_consume" => counted(&ds, name == "ds_append"),
        "ds_read_addtid_b32" | "ds_write_addtid_b32" => by_lane(&ds),
        "ds_condxchg32_rtn_b64" => conditional(&ds),
        _ if name.contains("src2") || name.contains("gws") || name.contains("ordered") => {
            Answer::Unknown
        }
        _ if name.contains("2_") || name.contains("2st64") => two(&ds, name),
        _ if name.starts_with("ds_read") => load(&ds, name),
        _ if name.starts_with("ds_write") => store(&ds, name),
        _ => changed(&ds, name),
    }
}

/// Each lane takes from another; those that are off give 0.
fn lanes(ds: &Ds<'_>, from: impl Fn(usize) -> Option<usize>) -> Answer {
    let mut after = ds.case.after();
    let Some(to) = ds.to else { return Answer::Unknown };
    // The swizzle has its source where others have the address.
    let source = if ds.data[0].is_some() { ds.data[0] } else { ds.address };
    for lane in on(ds.case) {
        let from = from(lane).filter(|from| ds.case.active() >> from & 1 != 0);
        after.state.v[to][lane] = from.map_or(0, |from| ds.word(source, from));
    }
    Answer::Known(after)
}

/// Source: the pseudocode of DS_SWIZZLE_B32.
fn swizzled(offset: u32, lane: usize) -> usize {
    let (group, at, mask) = (lane & 32, lane & 31, (offset & 31) as usize);
    let from = if offset >= 0xe000 {
        let reversed = ((at as u32) << 27).reverse_bits() as usize;
        reversed >> mask.count_ones() | at & mask
    } else if offset >= 0xc000 {
        let by = (offset >> 5 & 31) as usize;
        let turned = if offset >> 10 & 1 != 0 { at + 32 - by } else { at + by };
        at & mask | turned & !mask
    } else if offset & 0x8000 != 0 {
        at & !3 | (offset >> (2 * (at & 3)) & 3) as usize
    } else {
        (at & mask | (offset >> 5 & 31) as usize) ^ (offset >> 10 & 31) as usize
    };
    group | from & 31
}

fn permuted(ds: &Ds<'_>) -> Answer {
    let mut values = [0; 64];
    for lane in on(ds.case) {
        let to = lane & 32 | (ds.address(lane).wrapping_add(ds.offset) >> 2 & 31) as usize;
        values[to] = ds.word(ds.data[0], lane);
    }
    let mut after = ds.case.after();
    let Some(to) = ds.to else { return Answer::Unknown };
    for lane in on(ds.case) {
        after.state.v[to][lane] = values[lane];
    }
    Answer::Known(after)
}

/// A counter that grows or shrinks by the number of lanes that are on.
fn counted(ds: &Ds<'_>, up: bool) -> Answer {
    let address = (ds.case.before.m0 & 0xffff) + ds.offset;
    let old = read(&ds.case.before.lds, address, 4) as u32;
    let count = ds.case.active().count_ones();
    let new = if up { old.wrapping_add(count) } else { old.wrapping_sub(count) };
    let mut after = ds.case.after();
    if count > 0 {
        write(&mut after.state.lds, address, 4, new.into());
    }
    let Some(to) = ds.to else { return Answer::Unknown };
    for lane in on(ds.case) {
        after.state.v[to][lane] = old;
    }
    Answer::Known(after)
}

fn by_lane(ds: &Ds<'_>) -> Answer {
    let mut after = ds.case.after();
    for lane in on(ds.case) {
        let address = (ds.case.before.m0 & 0xffff) + ds.offset + 4 * lane as u32;
        match ds.to {
            Some(to) => after.state.v[to][lane] = read(&ds.case.before.lds, address, 4) as u32,
            None => write(&mut after.state.lds, address, 4, ds.data(0, 4, lane)),
        }
    }
    Answer::Known(after)
}

fn conditional(ds: &Ds<'_>) -> Answer {
    let mut after = ds.case.after();
    let Some(to) = ds.to else { return Answer::Unknown };
    for lane in on(ds.case) {
        let address = ds.address(lane).wrapping_add(ds.offset) & !7;
        let data = ds.data(0, 8, lane);
        for at in 0..2 {
            let place = address + 4 * at;
            let word = (data >> (32 * at)) as u32;
            after.state.v[to + at as usize][lane] = read(&ds.case.before.lds, place, 4) as u32;
            if word >> 31 != 0 {
                write(&mut after.state.lds, place, 4, u128::from(word & 0x7fff_ffff));
            }
        }
    }
    Answer::Known(after)
}

/// Bytes of an element by the end of a name.
pub(crate) fn element(name: &str) -> usize {
    let name = name.trim_end_matches("_hi").trim_end_matches("_d16");
    let digits = name.rsplit(|letter: char| !letter.is_ascii_digit()).next().unwrap_or("");
    digits.parse::<usize>().map_or(4, |bits| bits / 8)
}

fn two(ds: &Ds<'_>, name: &str) -> Answer {
    let bytes = element(name);
    let unit = bytes as u32 * if name.contains("st64") { 64 } else { 1 };
    let mut after = ds.case.after();
    for lane in on(ds.case) {
        for which in 0..2 {
            let address = ds.address(lane).wrapping_add((ds.offset >> (8 * which) & 0xff) * unit);
            if let Some(to) = ds.to {
                let value = read(&ds.case.before.lds, address, bytes);
                put(&mut after, to + which * bytes / 4, lane, bytes, value);
            }
            if ds.data[0].is_some() {
                write(&mut after.state.lds, address, bytes, ds.data(which, bytes, lane));
            }
        }
    }
    Answer::Known(after)
}

fn put(after: &mut After, register: usize, lane: usize, bytes: usize, value: u128) {
    for at in 0..bytes.div_ceil(4) {
        after.state.v[register + at][lane] = (value >> (32 * at)) as u32;
    }
}

fn load(ds: &Ds<'_>, name: &str) -> Answer {
    let bytes = element(name);
    let mut after = ds.case.after();
    let Some(to) = ds.to else { return Answer::Unknown };
    for lane in on(ds.case) {
        let value = read(&ds.case.before.lds, ds.address(lane).wrapping_add(ds.offset), bytes);
        let access = Access { bytes, signed: name.contains("_i8") || name.contains("_i16") };
        memory::put_loaded(&mut after, name, access, to, lane, value);
    }
    Answer::Known(after)
}

fn store(ds: &Ds<'_>, name: &str) -> Answer {
    let bytes = element(name);
    let mut after = ds.case.after();
    for lane in on(ds.case) {
        let data = ds.data(0, bytes, lane) >> if name.ends_with("d16_hi") { 16 } else { 0 };
        write(&mut after.state.lds, ds.address(lane).wrapping_add(ds.offset), bytes, data);
    }
    Answer::Known(after)
}

fn changed(ds: &Ds<'_>, name: &str) -> Answer {
    let Some(verb) = name.strip_prefix("ds_") else { return Answer::Unknown };
    let verb = verb.replace("_rtn", "");
    let bytes = element(name);
    let mut after = ds.case.after();
    for lane in on(ds.case) {
        let address = ds.address(lane).wrapping_add(ds.offset);
        let old = read(&ds.case.before.lds, address, bytes) as u64;
        let [first, second] = [0, 1].map(|which| ds.data(which, bytes, lane) as u64);
        // DS has what is compared with first, unlike memory.
        let (data, other) =
            if verb.starts_with("cmpst") { (second, first) } else { (first, second) };
        let outside = address as usize + bytes > ds.case.before.lds.len();
        let new = match atomic(&verb, bytes, old, data, other) {
            _ if outside => old,
            Some(Some(new)) => new,
            Some(None) => return Answer::Unclear,
            None => return Answer::Unknown,
        };
        if let Some(to) = ds.to {
            put(&mut after, to, lane, bytes, old.into());
        }
        write(&mut after.state.lds, address, bytes, new.into());
    }
    Answer::Known(after)
}

const _: fn(Ty) -> u32 = Ty::bits;
