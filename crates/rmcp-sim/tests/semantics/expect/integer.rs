//! Vector arithmetic on integers and bits.

use super::operand::Ty::{B16, B32, B64, B128};
use super::vector::{Lane, Op, Out};

/// A number that is held in a range where the instruction clamps, and cut off otherwise.
fn saturate(lane: &Lane<'_>, value: i128, signed: bool, bits: u32) -> Out {
    let (low, high) = if signed {
        (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    } else {
        (0, (1_i128 << bits) - 1)
    };
    let value = if lane.clamp { value.clamp(low, high) } else { value };
    Out::new(value as u128 & (u128::MAX >> (128 - bits)))
}

const fn signed(value: u128, bits: u32) -> i128 {
    (value << (128 - bits)).cast_signed() >> (128 - bits)
}

const fn unsigned(value: u128, bits: u32) -> i128 {
    (value & (u128::MAX >> (128 - bits))) as i128
}

/// An operation on numbers of so many bits, with or without a sign.
fn wide(bits: u32, sign: bool, sources: usize, run: fn(&[i128]) -> i128) -> Op {
    let ty = if bits == 16 { B16 } else { B32 };
    Op::new(ty, &vec![ty; sources], move |lane, from| {
        let read = if sign { signed } else { unsigned };
        let values: Vec<i128> = from.iter().map(|&value| read(value, bits)).collect();
        saturate(lane, run(&values), sign, bits)
    })
}

fn words(sources: usize, run: fn(&[u32]) -> u32) -> Op {
    Op::new(B32, &vec![B32; sources], move |_, from| {
        let values: Vec<u32> = from.iter().map(|&value| value as u32).collect();
        Out::new(run(&values))
    })
}

/// A sum with a carry: the carry says that it does not fit, whatever becomes of the sum.
fn carry(run: fn(i128, i128, i128) -> i128) -> Op {
    Op::new(B32, &[B32, B32], move |lane, from| {
        let value = run(from[0] as i128, from[1] as i128, i128::from(lane.carry));
        let mut out = saturate(lane, value, false, 32);
        out.carry = Some(value < 0 || value >> 32 != 0);
        out
    })
}

const fn byte(value: u128, at: u32) -> u32 {
    (value >> (8 * at)) as u32 & 0xff
}

/// Sum of the distances of four bytes; masked, bytes of the reference that are 0 do not count.
fn distances(a: u128, reference: u128, masked: bool) -> u128 {
    let bytes = (0..4).filter(|&at| !masked || byte(reference, at) != 0);
    bytes.map(|at| u128::from(byte(a, at).abs_diff(byte(reference, at)))).sum()
}

/// Four sums, each a byte further in the first source.
fn four_sums(masked: bool, bits: u32) -> Op {
    let (to, last) = if bits == 16 { (B64, B64) } else { (B128, B128) };
    Op::new(to, &[B64, B32, last], move |lane, from| {
        let mut value = 0;
        for at in 0..4 {
            let old = unsigned(from[2] >> (bits * at), bits);
            let sum = distances(from[0] >> (8 * at) & 0xffff_ffff, from[1], masked) as i128 + old;
            value |= saturate(lane, sum, false, bits).value << (bits * at);
        }
        Out::new(value)
    })
}

fn permute(from: &[u32]) -> u32 {
    let both = u64::from(from[0]) << 32 | u64::from(from[1]);
    let chosen = |selector: u32| match selector {
        0..=7 => (both >> (8 * selector)) as u32 & 0xff,
        8..=11 => 0xff * ((both >> (16 * (selector - 8) + 15)) as u32 & 1),
        12 => 0,
        _ => 0xff,
    };
    (0..4).map(|at| chosen(from[2] >> (8 * at) & 0xff) << (8 * at)).sum()
}

fn field(value: u32, offset: u32, width: u32) -> u32 {
    (value >> (offset & 31)) & ((1 << (width & 31)) - 1)
}

fn lerp(from: &[u32]) -> u32 {
    let one = |at: u32| {
        let [a, b, c] = [from[0], from[1], from[2]].map(|value| value >> (8 * at) & 0xff);
        ((a + b + (c & 1)) >> 1) << (8 * at)
    };
    (0..4).map(one).sum()
}

fn median<T: Ord + Copy>(values: &[T]) -> T {
    let mut sorted = [values[0], values[1], values[2]];
    sorted.sort_unstable();
    sorted[1]
}

fn shift64(run: fn(u64, u32) -> u64) -> Op {
    Op::new(B64, &[B32, B64], move |_, from| Out::new(run(from[1] as u64, from[0] as u32 & 63)))
}

pub(super) fn op(name: &str) -> Option<Op> {
    minimum_or_maximum(name)
        .or_else(|| arithmetic(name))
        .or_else(|| bits(name))
        .or_else(|| sums(name))
}

fn minimum_or_maximum(name: &str) -> Option<Op> {
    let (sign, bits) = match name.rsplit('_').next()? {
        "i32" => (true, 32),
        "u32" => (false, 32),
        "i16" => (true, 16),
        "u16" => (false, 16),
        _ => return None,
    };
    let (sources, run): (usize, fn(&[i128]) -> i128) = match name.split('_').nth(1)? {
        "min" => (2, |s| s[0].min(s[1])),
        "max" => (2, |s| s[0].max(s[1])),
        "min3" => (3, |s| s[0].min(s[1]).min(s[2])),
        "max3" => (3, |s| s[0].max(s[1]).max(s[2])),
        "med3" => (3, |s| median(s)),
        _ => return None,
    };
    Some(wide(bits, sign, sources, run))
}

fn arithmetic(name: &str) -> Option<Op> {
    Some(match name {
        "v_add_nc_u32" => wide(32, false, 2, |s| s[0] + s[1]),
        "v_sub_nc_u32" => wide(32, false, 2, |s| s[0] - s[1]),
        "v_subrev_nc_u32" => wide(32, false, 2, |s| s[1] - s[0]),
        "v_add_nc_i32" => wide(32, true, 2, |s| s[0] + s[1]),
        "v_sub_nc_i32" => wide(32, true, 2, |s| s[0] - s[1]),
        "v_add_nc_u16" => wide(16, false, 2, |s| s[0] + s[1]),
        "v_sub_nc_u16" => wide(16, false, 2, |s| s[0] - s[1]),
        "v_add_nc_i16" => wide(16, true, 2, |s| s[0] + s[1]),
        "v_sub_nc_i16" => wide(16, true, 2, |s| s[0] - s[1]),
        "v_mul_lo_u16" => wide(16, false, 2, |s| s[0] * s[1]),
        "v_mad_u16" => wide(16, false, 3, |s| s[0] * s[1] + s[2]),
        "v_mad_i16" => wide(16, true, 3, |s| s[0] * s[1] + s[2]),
        "v_add_co_u32" => carry(|a, b, _| a + b),
        "v_sub_co_u32" => carry(|a, b, _| a - b),
        "v_subrev_co_u32" => carry(|a, b, _| b - a),
        "v_add_co_ci_u32" => carry(|a, b, c| a + b + c),
        "v_sub_co_ci_u32" => carry(|a, b, c| a - b - c),
        "v_subrev_co_ci_u32" => carry(|a, b, c| b - a - c),
        "v_mul_lo_u32" | "v_mul_lo_i32" => words(2, |s| s[0].wrapping_mul(s[1])),
        "v_mul_hi_u32" => words(2, |s| ((u64::from(s[0]) * u64::from(s[1])) >> 32) as u32),
        "v_mul_hi_i32" => Op::new(B32, &[B32; 2], |_, s| {
            Out::new(((signed(s[0], 32) * signed(s[1], 32)) >> 32) as u32)
        }),
        "v_mul_i32_i24" => Op::new(B32, &[B32; 2], |lane, s| {
            saturate(lane, signed(s[0], 24) * signed(s[1], 24), true, 32)
        }),
        "v_mul_u32_u24" => Op::new(B32, &[B32; 2], |lane, s| {
            saturate(lane, unsigned(s[0], 24) * unsigned(s[1], 24), false, 32)
        }),
        "v_mul_hi_i32_i24" => Op::new(B32, &[B32; 2], |_, s| {
            Out::new(((signed(s[0], 24) * signed(s[1], 24)) >> 32) as u32)
        }),
        "v_mul_hi_u32_u24" => Op::new(B32, &[B32; 2], |_, s| {
            Out::new(((unsigned(s[0], 24) * unsigned(s[1], 24)) >> 32) as u32)
        }),
        "v_mad_i32_i24" => Op::new(B32, &[B32; 3], |lane, s| {
            saturate(lane, signed(s[0], 24) * signed(s[1], 24) + signed(s[2], 32), true, 32)
        }),
        "v_mad_u32_u24" => Op::new(B32, &[B32; 3], |lane, s| {
            saturate(lane, unsigned(s[0], 24) * unsigned(s[1], 24) + unsigned(s[2], 32), false, 32)
        }),
        "v_mad_u32_u16" => Op::new(B32, &[B16, B16, B32], |lane, s| {
            saturate(lane, unsigned(s[0], 16) * unsigned(s[1], 16) + unsigned(s[2], 32), false, 32)
        }),
        "v_mad_i32_i16" => Op::new(B32, &[B16, B16, B32], |lane, s| {
            saturate(lane, signed(s[0], 16) * signed(s[1], 16) + signed(s[2], 32), true, 32)
        }),
        "v_mad_u64_u32" => Op::new(B64, &[B32, B32, B64], |_, s| {
            let sum = s[0] * s[1] + s[2];
            Out { carry: Some(sum >> 64 & 1 != 0), ..Out::new(sum as u64) }
        }),
        "v_mad_i64_i32" => Op::new(B64, &[B32, B32, B64], |_, s| {
            let sum = signed(s[0], 32) * signed(s[1], 32) + signed(s[2], 64);
            Out { carry: Some(sum >> 64 & 1 != 0), ..Out::new(sum as u64) }
        }),
        "v_add3_u32" => words(3, |s| s[0].wrapping_add(s[1]).wrapping_add(s[2])),
        "v_xad_u32" => words(3, |s| (s[0] ^ s[1]).wrapping_add(s[2])),
        "v_lshl_add_u32" => words(3, |s| (s[0] << (s[1] & 31)).wrapping_add(s[2])),
        "v_add_lshl_u32" => words(3, |s| s[0].wrapping_add(s[1]) << (s[2] & 31)),
        "v_dot4c_i32_i8" => Op::new(B32, &[B32; 2], |lane, s| {
            let products =
                (0..4).map(|at| signed(s[0] >> (8 * at), 8) * signed(s[1] >> (8 * at), 8));
            Out::new((products.sum::<i128>() + signed(lane.old, 32)) as u32)
        }),
        _ => return None,
    })
}

fn bits(name: &str) -> Option<Op> {
    Some(match name {
        "v_mov_b32" => words(1, |s| s[0]),
        "v_not_b32" => words(1, |s| !s[0]),
        "v_bfrev_b32" => words(1, |s| s[0].reverse_bits()),
        "v_ffbh_u32" => words(1, |s| if s[0] == 0 { u32::MAX } else { s[0].leading_zeros() }),
        "v_ffbl_b32" => words(1, |s| if s[0] == 0 { u32::MAX } else { s[0].trailing_zeros() }),
        "v_ffbh_i32" => words(1, |s| {
            let changes = if s[0] >> 31 != 0 { !s[0] } else { s[0] };
            if changes == 0 { u32::MAX } else { changes.leading_zeros() }
        }),
        "v_and_b32" => words(2, |s| s[0] & s[1]),
        "v_or_b32" => words(2, |s| s[0] | s[1]),
        "v_xor_b32" => words(2, |s| s[0] ^ s[1]),
        "v_xnor_b32" => words(2, |s| !(s[0] ^ s[1])),
        "v_lshlrev_b32" => words(2, |s| s[1] << (s[0] & 31)),
        "v_lshrrev_b32" => words(2, |s| s[1] >> (s[0] & 31)),
        "v_ashrrev_i32" => words(2, |s| (s[1].cast_signed() >> (s[0] & 31)).cast_unsigned()),
        "v_lshlrev_b16" => Op::new(B16, &[B16; 2], |_, s| Out::new((s[1] << (s[0] & 15)) & 0xffff)),
        "v_lshrrev_b16" => Op::new(B16, &[B16; 2], |_, s| Out::new(s[1] >> (s[0] & 15))),
        "v_ashrrev_i16" => Op::new(B16, &[B16; 2], |_, s| {
            Out::new((signed(s[1], 16) >> (s[0] & 15)) as u128 & 0xffff)
        }),
        "v_lshlrev_b64" => shift64(|value, by| value << by),
        "v_lshrrev_b64" => shift64(|value, by| value >> by),
        "v_ashrrev_i64" => shift64(|value, by| (value.cast_signed() >> by).cast_unsigned()),
        "v_cndmask_b32" => Op::new(B32, &[B32; 2], |lane, s| Out::new(s[usize::from(lane.carry)])),
        "v_bfe_u32" => words(3, |s| field(s[0], s[1], s[2])),
        "v_bfe_i32" => words(3, |s| {
            let width = s[2] & 31;
            let shifted = (s[0].cast_signed() >> (s[1] & 31)).cast_unsigned();
            let value = shifted & ((1 << width) - 1);
            let sign = width > 0 && value >> (width - 1) & 1 != 0;
            if sign { value | u32::MAX << width } else { value }
        }),
        "v_bfi_b32" => words(3, |s| s[0] & s[1] | !s[0] & s[2]),
        "v_bfm_b32" => words(2, |s| ((1 << (s[0] & 31)) - 1) << (s[1] & 31)),
        "v_alignbit_b32" => {
            words(3, |s| ((u64::from(s[0]) << 32 | u64::from(s[1])) >> (s[2] & 31)) as u32)
        }
        "v_alignbyte_b32" => {
            words(3, |s| ((u64::from(s[0]) << 32 | u64::from(s[1])) >> (8 * (s[2] & 3))) as u32)
        }
        "v_lshl_or_b32" => words(3, |s| s[0] << (s[1] & 31) | s[2]),
        "v_and_or_b32" => words(3, |s| s[0] & s[1] | s[2]),
        "v_or3_b32" => words(3, |s| s[0] | s[1] | s[2]),
        "v_xor3_b32" => words(3, |s| s[0] ^ s[1] ^ s[2]),
        "v_perm_b32" => words(3, permute),
        "v_bcnt_u32_b32" => words(2, |s| s[0].count_ones().wrapping_add(s[1])),
        "v_mbcnt_lo_u32_b32" => Op::new(B32, &[B32; 2], |lane, s| {
            let below = ((1_u128 << lane.lane) - 1) as u32;
            Out::new((s[0] as u32 & below).count_ones().wrapping_add(s[1] as u32))
        }),
        "v_mbcnt_hi_u32_b32" => Op::new(B32, &[B32; 2], |lane, s| {
            let below = (((1_u128 << lane.lane) - 1) >> 32) as u32;
            Out::new((s[0] as u32 & below).count_ones().wrapping_add(s[1] as u32))
        }),
        _ => return None,
    })
}

fn sums(name: &str) -> Option<Op> {
    let sum = |run: fn(&[u128]) -> u128| {
        Op::new(B32, &[B32; 3], move |lane, s| {
            saturate(lane, run(s) as i128 + unsigned(s[2], 32), false, 32)
        })
    };
    Some(match name {
        "v_sad_u8" => sum(|s| distances(s[0], s[1], false)),
        "v_sad_hi_u8" => sum(|s| distances(s[0], s[1], false) << 16),
        "v_sad_u16" => sum(|s| {
            let halves = |value: u128| [value & 0xffff, value >> 16 & 0xffff];
            halves(s[0]).into_iter().zip(halves(s[1])).map(|(a, b)| a.abs_diff(b)).sum()
        }),
        "v_sad_u32" => sum(|s| s[0].abs_diff(s[1])),
        "v_msad_u8" => sum(|s| distances(s[0], s[1], true)),
        "v_qsad_pk_u16_u8" => four_sums(false, 16),
        "v_mqsad_pk_u16_u8" => four_sums(true, 16),
        "v_mqsad_u32_u8" => four_sums(true, 32),
        "v_lerp_u8" => words(3, lerp),
        "v_sat_pk_u8_i16" => Op::new(B32, &[B32], |lane, s| {
            let one = |value: u128| signed(value, 16).clamp(0, 255) as u128;
            let value = one(s[0]) | one(s[0] >> 16) << 8;
            // RDNA 2's manual has zeros above, RDNA 3's a 16-bit result.
            Out::new(value).or(value | lane.old & 0xffff_0000)
        }),
        "v_cvt_pk_u16_u32" => words(2, |s| s[0].min(0xffff) | s[1].min(0xffff) << 16),
        "v_cvt_pk_i16_i32" => Op::new(B32, &[B32; 2], |_, s| {
            let one = |value: u128| signed(value, 32).clamp(-0x8000, 0x7fff) as u128 & 0xffff;
            Out::new(one(s[0]) | one(s[1]) << 16)
        }),
        _ => return None,
    })
}
