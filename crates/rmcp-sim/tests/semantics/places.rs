//! Gives the instructions that touch memory and LDS addresses at which something is.

use crate::encode::Draft;
use crate::expect::{lds, memory};
use crate::program::DATA;
use crate::random::Random;
use crate::state::{MEMORY, SCALARS, State};
use rmcp_code::isa::format::{self, FIELDS, Format};

/// Fills in the addresses of a draft and the registers and memory behind them; each lane has a place of its own
/// where something is written, as nobody says which lane comes first.
pub(crate) fn prepare(random: &mut Random, draft: &mut Draft, state: &mut State, lanes: usize) {
    let format = draft.row.format;
    let words = match format {
        Format::Ds => 4 * lanes,
        Format::Global | Format::Flat | Format::Smem => MEMORY / 4,
        Format::Mubuf if draft.row.slots > 0 => MEMORY / 4,
        _ => return,
    };
    // What NaNs and denormals become in memory is not said: atomics of floats get others.
    let name = draft.row.name();
    let floats =
        ["f32", "f64", "_fmin", "_fmax", "_fcmpswap"].iter().any(|word| name.contains(word));
    if floats && random.chance(80) {
        for register in &mut state.v {
            register.iter_mut().for_each(|lane| *lane = ordinary(random));
        }
    }
    let word = |random: &mut Random| if floats { ordinary(random) } else { random.interesting() };
    let bytes = (0..words).flat_map(|_| word(random).to_le_bytes()).collect();
    *(if format == Format::Ds { &mut state.lds } else { &mut state.memory }) = bytes;
    match format {
        Format::Ds => {
            let places = shared(random, draft, state, lanes);
            match_memory(random, draft, state, &places);
        }
        Format::Global | Format::Flat => {
            let places = by_lane(random, draft, state, lanes);
            match_memory(random, draft, state, &places);
        }
        Format::Mubuf => {
            let places = buffer(random, draft, state, lanes);
            match_memory(random, draft, state, &places);
        }
        _ => scalar(random, draft, state),
    }
}

/// A float of ordinary size; as the upper half of a double it makes an ordinary double.
fn ordinary(random: &mut Random) -> u32 {
    random.word() & 0x807f_ffff | (random.below(50) + 100) << 23
}

/// Makes what is compared with memory the same in half of the lanes.
fn match_memory(random: &mut Random, draft: &Draft, state: &mut State, places: &[usize]) {
    let name = draft.row.name();
    let ds = draft.row.format == Format::Ds;
    let bytes = if ds { lds::element(name) } else { memory::element(name) };
    let register = match draft.row.format {
        // DS has it first, memory behind the data.
        Format::Ds => field(draft, format::DATA0),
        Format::Mubuf => field(draft, format::VDATA) + bytes / 4,
        _ => field(draft, format::DATA0) + bytes / 4,
    };
    let address = field(draft, format::ADDR);
    let meets = (register..register + bytes / 4).any(|at| at == address || at == address + 1);
    if !name.contains("cmp") || meets {
        return;
    }
    for (lane, &place) in places.iter().enumerate() {
        for at in (0..bytes / 4).filter(|_| bytes == 8 || random.chance(50)) {
            let from = if ds { &state.lds } else { &state.memory };
            let Some(word) = from.get(place + 4 * at..place + 4 * at + 4) else { continue };
            let word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
            if bytes == 4 || lane % 2 == 0 {
                state.v[register + at][lane] = word;
            }
        }
    }
}

/// Gives a jump its destination.
pub(crate) fn prepare_jump(random: &mut Random, draft: &mut Draft, state: &mut State, to: u64) {
    let pair = random.below(SCALARS as u32 / 2) * 2;
    draft.set(format::SSRC0, pair);
    draft.literal = None;
    state.s[pair as usize] = to as u32;
    state.s[pair as usize + 1] = (to >> 32) as u32;
}

fn field(draft: &Draft, field: u8) -> usize {
    FIELDS[usize::from(field)].get(draft.word) as usize
}

/// The lanes in another order.
fn shuffled(random: &mut Random, lanes: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..lanes as u32).collect();
    for at in (1..lanes).rev() {
        order.swap(at, random.below(at as u32 + 1) as usize);
    }
    order
}

fn shared(random: &mut Random, draft: &mut Draft, state: &mut State, lanes: usize) -> Vec<usize> {
    let mut places = Vec::new();
    let name = draft.row.name();
    let bytes = lds::element(name) as u32;
    let align = bytes.next_power_of_two();
    let size = state.lds.len() as u32;
    let address = field(draft, format::ADDR);
    let order = shuffled(random, lanes);
    if draft.row.live_bits() & 0xffff == 0 {
        // No offset, no address.
    } else if name.contains("addtid") || name == "ds_append" || name == "ds_consume" {
        state.m0 = 4 * random.below(24);
        draft.bits(0, 16, u64::from(4 * random.below(24)));
    } else if name.contains("permute") || name.contains("swizzle") {
        let offset = if name.contains("swizzle") || random.chance(50) { random.word() } else { 0 };
        draft.bits(0, 16, offset.into());
    } else if name.contains("2_") || name.contains("2st64") {
        let unit = bytes * if name.contains("st64") { 64 } else { 1 };
        // The second place lies behind all first ones, or outside.
        let step = if name.contains("st64") { 1 } else { lanes as u32 };
        let last = (size / (unit * step)).max(2);
        let first = random.below(last - 1);
        let second = first + 1 + random.below(last - 1 - first);
        let (first, second) = if random.chance(50) { (first, second) } else { (second, first) };
        draft.bits(0, 16, u64::from((first * step) & 0xff | ((second * step) & 0xff) << 8));
        for (lane, &place) in order.iter().enumerate() {
            state.v[address][lane] = place * bytes;
        }
    } else if name.starts_with("ds_read") {
        let offset = random.below(size / align + 1) * align;
        let offset = if random.chance(50) { 0 } else { offset };
        draft.bits(0, 16, offset.into());
        for lane in 0..lanes {
            state.v[address][lane] = random.below(size / align + 1) * align;
        }
    } else {
        let offset = random.below(16 / align.min(16)) * align;
        draft.bits(0, 16, offset.into());
        for (lane, &place) in order.iter().enumerate() {
            let within = random.below(16 / align.min(16)) * align;
            state.v[address][lane] = (place * 16 + within.max(offset)) - offset;
            places.push((place * 16 + within.max(offset)) as usize);
        }
    }
    places
}

fn by_lane(random: &mut Random, draft: &mut Draft, state: &mut State, lanes: usize) -> Vec<usize> {
    let mut places = Vec::new();
    let name = draft.row.name();
    let bytes = memory::element(name) as u32;
    // Atomics lie at multiples of their size, short loads and stores too; longer ones at multiples of four.
    let align = if name.contains("atomic") { bytes } else { bytes.next_power_of_two().min(4) };
    let flat = draft.row.format == Format::Flat;
    let offset = match flat {
        true => i64::from(random.below(16 / align) * align),
        false if random.chance(30) => 0,
        false => i64::from(random.below(4096)) - 2048,
    };
    let addtid = name.ends_with("addtid");
    let offset = if addtid { offset & !3 } else { offset };
    draft.bits(0, 12, offset.cast_unsigned() & 0xfff);
    if name.contains("atomic") && random.chance(60) || name.ends_with("csub") {
        // `glc`: what was there comes back.
        draft.bits(16, 1, 1);
    }
    let base = DATA - 0x2000 - u64::from(random.below(256)) * 4;
    let scalar = !flat && (random.chance(40) || addtid);
    if scalar {
        let pair = random.below(SCALARS as u32 / 2) * 2;
        draft.set(format::SADDR, pair);
        let base = if addtid { (DATA + 256).wrapping_add_signed(-offset) } else { base };
        state.s[pair as usize] = base as u32;
        state.s[pair as usize + 1] = (base >> 32) as u32;
    } else {
        draft.set(format::SADDR, 125);
    }
    if addtid {
        return places;
    }
    let register =
        if scalar { field(draft, format::ADDR) } else { field(draft, format::ADDR).min(14) };
    draft.set(format::ADDR, register as u32);
    for (lane, place) in shuffled(random, lanes).into_iter().enumerate() {
        let within = u64::from(random.below(48 / align) * align).max(if flat {
            offset.cast_unsigned()
        } else {
            0
        });
        let target = DATA + 64 * u64::from(place) + within;
        places.push((target - DATA) as usize);
        let value = target.wrapping_add_signed(-offset);
        if scalar {
            state.v[register][lane] = (value - base) as u32;
        } else {
            state.v[register][lane] = value as u32;
            state.v[register + 1][lane] = (value >> 32) as u32;
        }
    }
    places
}

/// A descriptor of all the memory as a raw buffer without a stride.
fn describe(state: &mut State, first: u32, base: u64, bytes: u32) {
    // Source: LLVM `AMDGPUUsage.rst` and Mesa `ac_descriptors.c` for GFX10: channels in order, 32 bits, raw.
    let words = [base as u32, (base >> 32) as u32, bytes, 0x3101_4fac];
    state.s[first as usize..first as usize + 4].copy_from_slice(&words);
}

fn buffer(random: &mut Random, draft: &mut Draft, state: &mut State, lanes: usize) -> Vec<usize> {
    let name = draft.row.name();
    let bytes = memory::element(name) as u32;
    let align = if name.contains("atomic") { bytes } else { bytes.next_power_of_two().min(4) };
    let first = random.below(SCALARS as u32 / 4) * 4;
    draft.set(format::SRSRC, first);
    draft.literal = None;
    describe(state, first, DATA, MEMORY as u32);
    let register = (first + 4 + random.below(12)) % SCALARS as u32;
    let added = align * random.below(32);
    if random.chance(60) {
        draft.set(format::SOFFSET8, register);
        state.s[register as usize] = added;
    } else {
        draft.set(format::SOFFSET8, 128 + added % 64 / align * align);
    }
    let added =
        if field(draft, format::SOFFSET8) < 128 { added } else { added % 64 / align * align };
    let offset = align * random.below(8);
    draft.bits(0, 12, offset.into());
    if name.contains("atomic") && random.chance(60) {
        draft.bits(14, 1, 1);
    }
    let together = !name.contains("atomic") && name.contains("load") && random.chance(20);
    if !together {
        // `offen`: each lane has a place of its own.
        draft.bits(12, 1, 1);
        return keep_apart(random, draft, state, lanes, (added + offset, bytes, align));
    }
    Vec::new()
}

/// Gives each lane a place of its own.
fn keep_apart(
    random: &mut Random,
    draft: &Draft,
    state: &mut State,
    lanes: usize,
    (added, bytes, align): (u32, u32, u32),
) -> Vec<usize> {
    let mut places = Vec::new();
    let address = field(draft, format::ADDR);
    let room = (MEMORY as u32 - added - 16) / lanes as u32 / 8 * 8;
    for (lane, place) in shuffled(random, lanes).into_iter().enumerate() {
        let within = random.below((room - bytes) / align + 1) * align;
        // What is added is a multiple of the size as well.
        state.v[address][lane] = place * room + within;
        places.push((place * room + within + added) as usize);
    }
    places
}

fn scalar(random: &mut Random, draft: &mut Draft, state: &mut State) {
    let base = random.below(SCALARS as u32 / 4) * 4;
    draft.set(format::SBASE, base);
    let is_buffer = draft.row.name().starts_with("s_buffer");
    if is_buffer {
        let offset = 4 * random.below(256);
        draft.bits(32, 21, offset.into());
        describe(state, base, DATA, MEMORY as u32);
        draft.set(format::SOFFSET7, 125);
        if random.chance(40) {
            let register = (base + 4 + random.below(12)) % SCALARS as u32;
            draft.set(format::SOFFSET7, register);
            state.s[register as usize] = 4 * random.below(256);
        }
        return;
    }
    let offset = i64::from(random.below(4096) as i32 - 2048) & !3;
    draft.bits(32, 21, offset.cast_unsigned() & 0x1f_ffff);
    let mut address = (DATA + 64 * u64::from(random.below(32))).wrapping_add_signed(-offset);
    if random.chance(40) {
        let register = (base + 2 + random.below(SCALARS as u32 - 2)) % SCALARS as u32;
        let register =
            if register / 2 == base / 2 { (base + 2) % SCALARS as u32 } else { register };
        draft.set(format::SOFFSET7, register);
        state.s[register as usize] = 4 * random.below(64);
        address -= u64::from(state.s[register as usize]);
    } else {
        draft.set(format::SOFFSET7, 125);
    }
    state.s[base as usize] = address as u32;
    state.s[base as usize + 1] = (address >> 32) as u32;
}
