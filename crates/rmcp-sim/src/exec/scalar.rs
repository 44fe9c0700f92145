//! The scalar unit: arithmetic, bits, comparisons, and masks of lanes. What controls the program is in `control`.
//!
//! Source: "RDNA 2 Instruction Set Architecture" (AMD), chapter "Instructions", SOP formats.

use super::control;
use super::exec_state::Exec;
use super::fault::FaultKind;
use super::lower::{Table, add};
use super::op::{Handler, Number, Op, Step};
use super::wave::{EXEC, M0, VCC, Wave};

/// One or two sources of 32 bits, a result of 32 bits.
macro_rules! word {
    (|$w:ident, $a:ident| $e:expr) => {
        (|x: &mut Exec<'_>, op: &Op| {
            let $a = x.wave.scalar(&op.sources[0]);
            let $w = &mut *x.wave;
            let value: u32 = $e;
            x.wave.set(usize::from(op.sdst), value);
            Step::Next
        }) as Handler
    };
    (|$w:ident, $a:ident, $b:ident| $e:expr) => {
        (|x: &mut Exec<'_>, op: &Op| {
            let $a = x.wave.scalar(&op.sources[0]);
            let $b = x.wave.scalar(&op.sources[1]);
            let $w = &mut *x.wave;
            let value: u32 = $e;
            x.wave.set(usize::from(op.sdst), value);
            Step::Next
        }) as Handler
    };
}

/// The same with sources and result of 64 bits.
macro_rules! pair {
    (|$w:ident, $a:ident| $e:expr) => {
        (|x: &mut Exec<'_>, op: &Op| {
            let $a = x.wave.scalar64(&op.sources[0]);
            let $w = &mut *x.wave;
            let value: u64 = $e;
            x.wave.set64(usize::from(op.sdst), value);
            Step::Next
        }) as Handler
    };
    (|$w:ident, $a:ident, $b:ident| $e:expr) => {
        (|x: &mut Exec<'_>, op: &Op| {
            let $a = x.wave.scalar64(&op.sources[0]);
            let $b = x.wave.scalar64(&op.sources[1]);
            let $w = &mut *x.wave;
            let value: u64 = $e;
            x.wave.set64(usize::from(op.sdst), value);
            Step::Next
        }) as Handler
    };
}

/// Returns a result and sets SCC where it is not 0.
fn tested(wave: &mut Wave, value: u32) -> u32 {
    wave.scc = value != 0;
    value
}

fn tested64(wave: &mut Wave, value: u64) -> u64 {
    wave.scc = value != 0;
    value
}

/// Returns a result and sets SCC.
const fn with_scc<T: Copy>(wave: &mut Wave, (value, scc): (T, bool)) -> T {
    wave.scc = scc;
    value
}

fn carried(wave: &mut Wave, a: u32, b: u32, carry: bool) -> u32 {
    let (sum, first) = a.overflowing_add(b);
    let (sum, second) = sum.overflowing_add(u32::from(carry));
    with_scc(wave, (sum, first | second))
}

fn borrowed(wave: &mut Wave, a: u32, b: u32, borrow: bool) -> u32 {
    let (rest, first) = a.overflowing_sub(b);
    let (rest, second) = rest.overflowing_sub(u32::from(borrow));
    with_scc(wave, (rest, first | second))
}

fn signed_sum(wave: &mut Wave, a: u32, b: u32) -> u32 {
    let (sum, overflow) = a.cast_signed().overflowing_add(b.cast_signed());
    with_scc(wave, (sum.cast_unsigned(), overflow))
}

/// First bit and width of a bit field.
const fn field(control: u32, bits: u32) -> (u32, u32) {
    (control & (bits - 1), control >> 16 & 0x7f)
}

fn bits_of(value: u64, control: u32, all: u32, signed: bool) -> u64 {
    let (first, width) = field(control, all);
    if width == 0 {
        return 0;
    }
    let width = width.min(all - first);
    let up = value << (64 - first - width);
    if signed { (up.cast_signed() >> (64 - width)).cast_unsigned() } else { up >> (64 - width) }
}

/// Four lanes are on where one is.
fn whole_quads(value: u64) -> u64 {
    let any = (value | value >> 1 | value >> 2 | value >> 3) & 0x1111_1111_1111_1111;
    any * 15
}

/// One bit for each four.
fn quad_mask(value: u64) -> u64 {
    (0..16).fold(0, |mask, quad| mask | u64::from(value >> (4 * quad) & 15 != 0) << quad)
}

fn replicated(value: u32) -> u64 {
    (0..32).fold(0, |wide, bit| wide | (u64::from(value >> bit & 1) * 3) << (2 * bit))
}

/// Zeros before the first bit that is not the sign, -1 where there is none.
fn leading_signs(value: u64, bits: u32) -> u32 {
    let sign = value >> (bits - 1) & 1;
    let turned = if sign == 1 { !value } else { value };
    let turned = turned << (64 - bits);
    if turned == 0 { u32::MAX } else { turned.leading_zeros() }
}

fn found(position: u32, bits: u32) -> u32 {
    if position >= bits { u32::MAX } else { position }
}

/// A comparison of two sources, or of a register with the constant.
macro_rules! compare {
    (|$a:ident, $b:ident| $e:expr) => {
        (|x: &mut Exec<'_>, op: &Op| {
            let $a = x.wave.scalar(&op.sources[0]);
            let $b = x.wave.scalar(&op.sources[1]);
            x.wave.scc = $e;
            Step::Next
        }) as Handler
    };
    (const |$a:ident, $b:ident| $e:expr) => {
        (|x: &mut Exec<'_>, op: &Op| {
            let $a = x.wave.scalar(&op.sources[0]);
            let $b: i32 = op.constant;
            x.wave.scc = $e;
            Step::Next
        }) as Handler
    };
}

/// Saves EXEC and makes a new one of it and the source.
macro_rules! save {
    (|$s:ident, $e:ident| $new:expr) => {
        [
            (|x: &mut Exec<'_>, op: &Op| {
                let $s = x.wave.scalar(&op.sources[0]);
                let $e = x.wave.scalars[EXEC];
                let new: u32 = $new;
                x.wave.set(usize::from(op.sdst), $e);
                x.wave.set(EXEC, new);
                x.wave.scc = new != 0;
                Step::Next
            }) as Handler,
            (|x: &mut Exec<'_>, op: &Op| {
                let $s = x.wave.scalar64(&op.sources[0]);
                let $e = u64::from(x.wave.scalars[EXEC]) | u64::from(x.wave.scalars[EXEC + 1]) << 32;
                let new: u64 = $new;
                x.wave.set64(usize::from(op.sdst), $e);
                x.wave.set64(EXEC, new);
                x.wave.scc = new != 0;
                Step::Next
            }) as Handler,
        ]
    };
}

/// Makes a new EXEC and gives it to the destination too.
macro_rules! rewrite {
    (|$s:ident, $e:ident| $new:expr) => {
        [
            (|x: &mut Exec<'_>, op: &Op| {
                let $s = x.wave.scalar(&op.sources[0]);
                let $e = x.wave.scalars[EXEC];
                let new: u32 = $new;
                x.wave.set(usize::from(op.sdst), new);
                x.wave.set(EXEC, new);
                x.wave.scc = new != 0;
                Step::Next
            }) as Handler,
            (|x: &mut Exec<'_>, op: &Op| {
                let $s = x.wave.scalar64(&op.sources[0]);
                let $e = u64::from(x.wave.scalars[EXEC]) | u64::from(x.wave.scalars[EXEC + 1]) << 32;
                let new: u64 = $new;
                x.wave.set64(usize::from(op.sdst), new);
                x.wave.set64(EXEC, new);
                x.wave.scc = new != 0;
                Step::Next
            }) as Handler,
        ]
    };
}

/// A scalar register by M0, `None` where it is none.
fn moved(x: &Exec<'_>, at: u16) -> Option<usize> {
    let at = usize::from(at).checked_add(x.wave.scalars[M0] as usize)?;
    (at < VCC).then_some(at)
}

fn move_from(x: &mut Exec<'_>, op: &Op) -> Step {
    let Some(at) = moved(x, op.sources[0].at) else { return x.stop(FaultKind::Illegal) };
    let value = x.wave.scalars[at];
    x.wave.set(usize::from(op.sdst), value);
    Step::Next
}

fn move_from64(x: &mut Exec<'_>, op: &Op) -> Step {
    let Some(at) = moved(x, op.sources[0].at) else { return x.stop(FaultKind::Illegal) };
    let value = u64::from(x.wave.scalars[at]) | u64::from(x.wave.scalars[at + 1]) << 32;
    x.wave.set64(usize::from(op.sdst), value);
    Step::Next
}

fn move_to(x: &mut Exec<'_>, op: &Op) -> Step {
    let value = x.wave.scalar(&op.sources[0]);
    let Some(at) = moved(x, u16::from(op.sdst)) else { return x.stop(FaultKind::Illegal) };
    x.wave.set(at, value);
    Step::Next
}

fn move_to64(x: &mut Exec<'_>, op: &Op) -> Step {
    let value = x.wave.scalar64(&op.sources[0]);
    let Some(at) = moved(x, u16::from(op.sdst)) else { return x.stop(FaultKind::Illegal) };
    x.wave.set64(at, value);
    Step::Next
}

fn unless_scc(x: &mut Exec<'_>, op: &Op) -> Step {
    if x.wave.scc {
        let value = x.wave.scalar(&op.sources[0]);
        x.wave.set(usize::from(op.sdst), value);
    }
    Step::Next
}

fn unless_scc64(x: &mut Exec<'_>, op: &Op) -> Step {
    if x.wave.scc {
        let value = x.wave.scalar64(&op.sources[0]);
        x.wave.set64(usize::from(op.sdst), value);
    }
    Step::Next
}

/// A bit of the destination.
fn set_bit<const ON: bool>(x: &mut Exec<'_>, op: &Op) -> Step {
    let (at, bit) = (usize::from(op.sdst), x.wave.scalar(&op.sources[0]) & 31);
    let old = x.wave.scalars[at & 127];
    x.wave.set(at, if ON { old | 1 << bit } else { old & !(1 << bit) });
    Step::Next
}

fn set_bit64<const ON: bool>(x: &mut Exec<'_>, op: &Op) -> Step {
    let (at, bit) = (usize::from(op.sdst), x.wave.scalar(&op.sources[0]) & 63);
    let old = u64::from(x.wave.scalars[at & 127]) | u64::from(x.wave.scalars[(at + 1) & 127]) << 32;
    x.wave.set64(at, if ON { old | 1 << bit } else { old & !(1 << bit) });
    Step::Next
}

/// Adds the scalar instructions.
pub(super) fn add_to(table: &mut Table) {
    let rows: &[(&'static str, Handler)] = &[
        ("s_add_u32", word!(|w, a, b| carried(w, a, b, false))),
        ("s_addc_u32", word!(|w, a, b| carried(w, a, b, w.scc))),
        ("s_sub_u32", word!(|w, a, b| borrowed(w, a, b, false))),
        ("s_subb_u32", word!(|w, a, b| borrowed(w, a, b, w.scc))),
        ("s_add_i32", word!(|w, a, b| signed_sum(w, a, b))),
        (
            "s_sub_i32",
            word!(|w, a, b| {
                let (rest, over) = a.cast_signed().overflowing_sub(b.cast_signed());
                with_scc(w, (rest.cast_unsigned(), over))
            }),
        ),
        (
            "s_min_i32",
            word!(|w, a, b| {
                let first = a.cast_signed() < b.cast_signed();
                with_scc(w, (if first { a } else { b }, first))
            }),
        ),
        ("s_min_u32", word!(|w, a, b| with_scc(w, (a.min(b), a < b)))),
        (
            "s_max_i32",
            word!(|w, a, b| {
                let first = a.cast_signed() > b.cast_signed();
                with_scc(w, (if first { a } else { b }, first))
            }),
        ),
        ("s_max_u32", word!(|w, a, b| with_scc(w, (a.max(b), a > b)))),
        ("s_cselect_b32", word!(|w, a, b| if w.scc { a } else { b })),
        ("s_cselect_b64", pair!(|w, a, b| if w.scc { a } else { b })),
        ("s_and_b32", word!(|w, a, b| tested(w, a & b))),
        ("s_and_b64", pair!(|w, a, b| tested64(w, a & b))),
        ("s_or_b32", word!(|w, a, b| tested(w, a | b))),
        ("s_or_b64", pair!(|w, a, b| tested64(w, a | b))),
        ("s_xor_b32", word!(|w, a, b| tested(w, a ^ b))),
        ("s_xor_b64", pair!(|w, a, b| tested64(w, a ^ b))),
        ("s_andn2_b32", word!(|w, a, b| tested(w, a & !b))),
        ("s_andn2_b64", pair!(|w, a, b| tested64(w, a & !b))),
        ("s_orn2_b32", word!(|w, a, b| tested(w, a | !b))),
        ("s_orn2_b64", pair!(|w, a, b| tested64(w, a | !b))),
        ("s_nand_b32", word!(|w, a, b| tested(w, !(a & b)))),
        ("s_nand_b64", pair!(|w, a, b| tested64(w, !(a & b)))),
        ("s_nor_b32", word!(|w, a, b| tested(w, !(a | b)))),
        ("s_nor_b64", pair!(|w, a, b| tested64(w, !(a | b)))),
        ("s_xnor_b32", word!(|w, a, b| tested(w, !(a ^ b)))),
        ("s_xnor_b64", pair!(|w, a, b| tested64(w, !(a ^ b)))),
        ("s_lshl_b32", word!(|w, a, b| tested(w, a << (b & 31)))),
        ("s_lshr_b32", word!(|w, a, b| tested(w, a >> (b & 31)))),
        ("s_ashr_i32", word!(|w, a, b| tested(w, (a.cast_signed() >> (b & 31)).cast_unsigned()))),
        ("s_lshl_b64", pair!(|w, a, b| tested64(w, a << (b & 63)))),
        ("s_lshr_b64", pair!(|w, a, b| tested64(w, a >> (b & 63)))),
        ("s_ashr_i64", pair!(|w, a, b| tested64(w, (a.cast_signed() >> (b & 63)).cast_unsigned()))),
        ("s_bfm_b32", word!(|_w, a, b| ((1 << (a & 31)) - 1) << (b & 31))),
        ("s_bfm_b64", pair!(|_w, a, b| ((1 << (a & 63)) - 1) << (b & 63))),
        ("s_mul_i32", word!(|_w, a, b| a.wrapping_mul(b))),
        ("s_mul_hi_u32", word!(|_w, a, b| ((u64::from(a) * u64::from(b)) >> 32) as u32)),
        (
            "s_mul_hi_i32",
            word!(|_w, a, b| {
                let product = i64::from(a.cast_signed()) * i64::from(b.cast_signed());
                (product >> 32) as u32
            }),
        ),
        ("s_bfe_u32", word!(|w, a, b| tested(w, bits_of(u64::from(a), b, 32, false) as u32))),
        ("s_bfe_i32", word!(|w, a, b| tested(w, bits_of(u64::from(a), b, 32, true) as u32))),
        ("s_bfe_u64", pair!(|w, a, b| tested64(w, bits_of(a, b as u32, 64, false)))),
        ("s_bfe_i64", pair!(|w, a, b| tested64(w, bits_of(a, b as u32, 64, true)))),
        (
            "s_absdiff_i32",
            word!(|w, a, b| {
                tested(w, a.wrapping_sub(b).cast_signed().wrapping_abs().cast_unsigned())
            }),
        ),
        ("s_lshl1_add_u32", word!(|w, a, b| shifted_sum(w, a, b, 1))),
        ("s_lshl2_add_u32", word!(|w, a, b| shifted_sum(w, a, b, 2))),
        ("s_lshl3_add_u32", word!(|w, a, b| shifted_sum(w, a, b, 3))),
        ("s_lshl4_add_u32", word!(|w, a, b| shifted_sum(w, a, b, 4))),
        ("s_pack_ll_b32_b16", word!(|_w, a, b| a & 0xffff | b << 16)),
        ("s_pack_lh_b32_b16", word!(|_w, a, b| a & 0xffff | b & 0xffff_0000)),
        ("s_pack_hh_b32_b16", word!(|_w, a, b| a >> 16 | b & 0xffff_0000)),
        ("s_mov_b32", word!(|_w, a| a)),
        ("s_mov_b64", pair!(|_w, a| a)),
        ("s_cmov_b32", unless_scc),
        ("s_cmov_b64", unless_scc64),
        ("s_not_b32", word!(|w, a| tested(w, !a))),
        ("s_not_b64", pair!(|w, a| tested64(w, !a))),
        ("s_wqm_b32", word!(|w, a| tested(w, whole_quads(u64::from(a)) as u32))),
        ("s_wqm_b64", pair!(|w, a| tested64(w, whole_quads(a)))),
        ("s_brev_b32", word!(|_w, a| a.reverse_bits())),
        ("s_brev_b64", pair!(|_w, a| a.reverse_bits())),
        ("s_bcnt0_i32_b32", word!(|w, a| tested(w, a.count_zeros()))),
        ("s_bcnt1_i32_b32", word!(|w, a| tested(w, a.count_ones()))),
        ("s_ff0_i32_b32", word!(|_w, a| found(a.trailing_ones(), 32))),
        ("s_ff1_i32_b32", word!(|_w, a| found(a.trailing_zeros(), 32))),
        ("s_flbit_i32_b32", word!(|_w, a| found(a.leading_zeros(), 32))),
        ("s_flbit_i32", word!(|_w, a| leading_signs(u64::from(a), 32))),
        ("s_sext_i32_i8", word!(|_w, a| i32::from(a as i8).cast_unsigned())),
        ("s_sext_i32_i16", word!(|_w, a| i32::from(a as i16).cast_unsigned())),
        ("s_bitset0_b32", set_bit::<false>),
        ("s_bitset1_b32", set_bit::<true>),
        ("s_bitset0_b64", set_bit64::<false>),
        ("s_bitset1_b64", set_bit64::<true>),
        ("s_quadmask_b32", word!(|w, a| tested(w, quad_mask(u64::from(a)) as u32))),
        ("s_quadmask_b64", pair!(|w, a| tested64(w, quad_mask(a)))),
        ("s_movrels_b32", move_from),
        ("s_movrels_b64", move_from64),
        ("s_movreld_b32", move_to),
        ("s_movreld_b64", move_to64),
        ("s_abs_i32", word!(|w, a| tested(w, a.cast_signed().wrapping_abs().cast_unsigned()))),
        ("s_movk_i32", |x, op| {
            x.wave.set(usize::from(op.sdst), op.constant.cast_unsigned());
            Step::Next
        }),
        ("s_cmovk_i32", |x, op| {
            if x.wave.scc {
                x.wave.set(usize::from(op.sdst), op.constant.cast_unsigned());
            }
            Step::Next
        }),
        ("s_addk_i32", |x, op| {
            let old = x.wave.scalar(&op.sources[0]);
            let sum = signed_sum(&mut x.wave, old, op.constant.cast_unsigned());
            x.wave.set(usize::from(op.sdst), sum);
            Step::Next
        }),
        ("s_mulk_i32", |x, op| {
            let product = x.wave.scalar(&op.sources[0]).wrapping_mul(op.constant.cast_unsigned());
            x.wave.set(usize::from(op.sdst), product);
            Step::Next
        }),
        ("s_bitcmp0_b32", compare!(|a, b| a >> (b & 31) & 1 == 0)),
        ("s_bitcmp1_b32", compare!(|a, b| a >> (b & 31) & 1 == 1)),
    ];
    add(table, Number::Bits, Number::Bits, 0, rows);
    add(table, Number::Bits, Number::Bits, 0, &wide_to_word());
    add(table, Number::Bits, Number::Bits, 0, &comparisons());
    add(table, Number::Bits, Number::Bits, 0, &control::rows());
    add_saves(table);
}

fn shifted_sum(wave: &mut Wave, a: u32, b: u32, by: u32) -> u32 {
    let sum = (u64::from(a) << by) + u64::from(b);
    with_scc(wave, (sum as u32, sum >> 32 != 0))
}

/// A source of 64 bits, a result of 32, or the other way round.
fn wide_to_word() -> Vec<(&'static str, Handler)> {
    macro_rules! narrow {
        (|$w:ident, $a:ident| $e:expr) => {
            (|x: &mut Exec<'_>, op: &Op| {
                let $a = x.wave.scalar64(&op.sources[0]);
                let $w = &mut *x.wave;
                let value: u32 = $e;
                x.wave.set(usize::from(op.sdst), value);
                Step::Next
            }) as Handler
        };
    }
    vec![
        ("s_bcnt0_i32_b64", narrow!(|w, a| tested(w, a.count_zeros()))),
        ("s_bcnt1_i32_b64", narrow!(|w, a| tested(w, a.count_ones()))),
        ("s_ff0_i32_b64", narrow!(|_w, a| found(a.trailing_ones(), 64))),
        ("s_ff1_i32_b64", narrow!(|_w, a| found(a.trailing_zeros(), 64))),
        ("s_flbit_i32_b64", narrow!(|_w, a| found(a.leading_zeros(), 64))),
        ("s_flbit_i32_i64", narrow!(|_w, a| leading_signs(a, 64))),
        ("s_bitreplicate_b64_b32", |x, op| {
            let value = replicated(x.wave.scalar(&op.sources[0]));
            x.wave.set64(usize::from(op.sdst), value);
            Step::Next
        }),
        ("s_bitcmp0_b64", |x, op| {
            let bit = x.wave.scalar(&op.sources[1]) & 63;
            x.wave.scc = x.wave.scalar64(&op.sources[0]) >> bit & 1 == 0;
            Step::Next
        }),
        ("s_bitcmp1_b64", |x, op| {
            let bit = x.wave.scalar(&op.sources[1]) & 63;
            x.wave.scc = x.wave.scalar64(&op.sources[0]) >> bit & 1 == 1;
            Step::Next
        }),
        ("s_cmp_eq_u64", |x, op| {
            x.wave.scc = x.wave.scalar64(&op.sources[0]) == x.wave.scalar64(&op.sources[1]);
            Step::Next
        }),
        ("s_cmp_lg_u64", |x, op| {
            x.wave.scc = x.wave.scalar64(&op.sources[0]) != x.wave.scalar64(&op.sources[1]);
            Step::Next
        }),
    ]
}

fn comparisons() -> Vec<(&'static str, Handler)> {
    vec![
        ("s_cmp_eq_i32", compare!(|a, b| a == b)),
        ("s_cmp_lg_i32", compare!(|a, b| a != b)),
        ("s_cmp_gt_i32", compare!(|a, b| a.cast_signed() > b.cast_signed())),
        ("s_cmp_ge_i32", compare!(|a, b| a.cast_signed() >= b.cast_signed())),
        ("s_cmp_lt_i32", compare!(|a, b| a.cast_signed() < b.cast_signed())),
        ("s_cmp_le_i32", compare!(|a, b| a.cast_signed() <= b.cast_signed())),
        ("s_cmp_eq_u32", compare!(|a, b| a == b)),
        ("s_cmp_lg_u32", compare!(|a, b| a != b)),
        ("s_cmp_gt_u32", compare!(|a, b| a > b)),
        ("s_cmp_ge_u32", compare!(|a, b| a >= b)),
        ("s_cmp_lt_u32", compare!(|a, b| a < b)),
        ("s_cmp_le_u32", compare!(|a, b| a <= b)),
        ("s_cmpk_eq_i32", compare!(const |a, b| a.cast_signed() == b)),
        ("s_cmpk_lg_i32", compare!(const |a, b| a.cast_signed() != b)),
        ("s_cmpk_gt_i32", compare!(const |a, b| a.cast_signed() > b)),
        ("s_cmpk_ge_i32", compare!(const |a, b| a.cast_signed() >= b)),
        ("s_cmpk_lt_i32", compare!(const |a, b| a.cast_signed() < b)),
        ("s_cmpk_le_i32", compare!(const |a, b| a.cast_signed() <= b)),
        ("s_cmpk_eq_u32", compare!(const |a, b| a == u32::from(b as u16))),
        ("s_cmpk_lg_u32", compare!(const |a, b| a != u32::from(b as u16))),
        ("s_cmpk_gt_u32", compare!(const |a, b| a > u32::from(b as u16))),
        ("s_cmpk_ge_u32", compare!(const |a, b| a >= u32::from(b as u16))),
        ("s_cmpk_lt_u32", compare!(const |a, b| a < u32::from(b as u16))),
        ("s_cmpk_le_u32", compare!(const |a, b| a <= u32::from(b as u16))),
    ]
}

fn add_saves(table: &mut Table) {
    let saves: [(&str, &str, [Handler; 2]); 12] = [
        ("s_and_saveexec_b32", "s_and_saveexec_b64", save!(|s, e| s & e)),
        ("s_or_saveexec_b32", "s_or_saveexec_b64", save!(|s, e| s | e)),
        ("s_xor_saveexec_b32", "s_xor_saveexec_b64", save!(|s, e| s ^ e)),
        ("s_andn2_saveexec_b32", "s_andn2_saveexec_b64", save!(|s, e| s & !e)),
        ("s_orn2_saveexec_b32", "s_orn2_saveexec_b64", save!(|s, e| s | !e)),
        ("s_nand_saveexec_b32", "s_nand_saveexec_b64", save!(|s, e| !(s & e))),
        ("s_nor_saveexec_b32", "s_nor_saveexec_b64", save!(|s, e| !(s | e))),
        ("s_xnor_saveexec_b32", "s_xnor_saveexec_b64", save!(|s, e| !(s ^ e))),
        ("s_andn1_saveexec_b32", "s_andn1_saveexec_b64", save!(|s, e| !s & e)),
        ("s_orn1_saveexec_b32", "s_orn1_saveexec_b64", save!(|s, e| !s | e)),
        ("s_andn1_wrexec_b32", "s_andn1_wrexec_b64", rewrite!(|s, e| !s & e)),
        ("s_andn2_wrexec_b32", "s_andn2_wrexec_b64", rewrite!(|s, e| s & !e)),
    ];
    for (word, wide, handlers) in saves {
        add(table, Number::Bits, Number::Bits, 0, &[(word, handlers[0]), (wide, handlers[1])]);
    }
}
