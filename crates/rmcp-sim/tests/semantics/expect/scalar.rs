//! The scalar unit.

use super::operand::Ty;
use super::{Answer, Case};
use rmcp_code::isa::format::Format;
use rmcp_code::isa::{Access, Operand};

/// A result and SCC; `None` leaves what was there.
type Outcome = (Option<u64>, Option<bool>);

/// The operands as numbers.
struct Values {
    /// What the destination held.
    old: u64,
    a: u64,
    b: u64,
    scc: bool,
    /// Bits of the result: 32 or 64.
    bits: u32,
}

impl Values {
    const fn cut(&self, value: u64) -> u64 {
        if self.bits == 64 { value } else { value & 0xffff_ffff }
    }

    /// A result whose SCC says that it is not zero.
    const fn with_scc(&self, value: u64) -> Outcome {
        let value = self.cut(value);
        (Some(value), Some(value != 0))
    }

    const fn plain(&self, value: u64) -> Outcome {
        (Some(self.cut(value)), None)
    }
}

const fn only_scc(scc: bool) -> Outcome {
    (None, Some(scc))
}

const fn signed(value: u64) -> i64 {
    (value as u32).cast_signed() as i64
}

pub(super) fn expect(case: &Case<'_>) -> Answer {
    let name = case.instruction.name();
    if case.instruction.branch().is_some() {
        return branch(case, name);
    }
    if case.instruction.format() == Format::Sopp {
        return match name {
            "s_nop" | "s_waitcnt" | "s_sleep" | "s_setprio" | "s_inst_prefetch" | "s_clause"
            | "s_icache_inv" | "s_waitcnt_depctr" | "s_incperflevel" | "s_decperflevel"
            | "s_barrier" | "s_wakeup" | "s_ttracedata" | "s_ttracedata_imm" => {
                Answer::Known(case.after())
            }
            _ => Answer::Unknown,
        };
    }
    if name == "s_getreg_b32" {
        return mode_register(case);
    }
    if name == "s_setpc_b64" || name == "s_swappc_b64" {
        return jump(case);
    }
    let mut to = None;
    let mut from = Vec::new();
    let mut bits = 32;
    for slot in case.instruction.slots() {
        let operand = case.instruction.operand(slot, case.wave);
        let ty = if slot.width == 2 { Ty::B64 } else { Ty::B32 };
        let value = match operand {
            Operand::Number(_) => {
                i64::from(case.instruction.constant().cast_signed()).cast_unsigned()
            }
            operand => case.read_scalar(operand, ty) as u64,
        };
        if slot.access == Access::Use {
            from.push((value, ty));
        } else {
            (to, bits) = (Some((operand, value)), ty.bits());
        }
    }
    let scc = case.before.scc;
    let (a, width) = from.first().copied().unwrap_or((0, Ty::B32));
    let b = from.get(1).map_or(0, |&(value, _)| value);
    let old = to.map_or(0, |(_, value)| value);
    let values = Values { old, a, b, scc, bits };
    if name.contains("saveexec") || name.contains("wrexec") {
        return exec(case, name, a, to.map(|(operand, _)| operand));
    }
    if name.contains("movrel") {
        return relative(case, name);
    }
    if name.starts_with("s_max_") && a == b {
        // RDNA 1 and 2 have SCC where the first is greater, RDNA 3 also where both are the same.
        return Answer::Unclear;
    }
    let outcome = match case.instruction.format() {
        Format::Sop2 => sop2(name, &values),
        Format::Sop1 if name == "s_getpc_b64" => Some(values.plain(case.address + 4)),
        Format::Sop1 => sop1(name, &values, width.bits()),
        Format::Sopc => compare(name, a, b),
        _ => sopk(name, &values),
    };
    let Some((result, scc)) = outcome else { return Answer::Unknown };
    let mut after = case.after();
    after.state.scc = scc.unwrap_or(case.before.scc);
    if let (Some(result), Some((operand, _))) = (result, to) {
        after.set_scalars(operand, result);
    }
    Answer::Known(after)
}

fn field(value: u64, offset: u32, width: u32) -> u64 {
    (value >> offset) & if width >= 64 { u64::MAX } else { (1 << width) - 1 }
}

/// A field with its sign.
fn signed_field(value: i64, bits: u32, offset: u32, width: u32) -> u64 {
    if width == 0 {
        return 0;
    }
    // A field cannot reach beyond the number.
    let width = width.min(bits);
    let shifted = field((value >> offset).cast_unsigned(), 0, width);
    ((shifted << (64 - width)).cast_signed() >> (64 - width)).cast_unsigned()
}

fn sop2(name: &str, v: &Values) -> Option<Outcome> {
    let (a, b) = (v.a, v.b);
    let (word_a, word_b) = (signed(a), signed(b));
    let mask = v.bits - 1;
    let by = b as u32 & mask;
    let sum = |value: i64| {
        (Some(value.cast_unsigned() & 0xffff_ffff), Some(i32::try_from(value).is_err()))
    };
    let carry = |value: i64| {
        (Some(value.cast_unsigned() & 0xffff_ffff), Some(u32::try_from(value).is_err()))
    };
    let chosen = |first: bool| (Some(if first { a } else { b }), Some(first));
    let [ua, ub] = [a, b].map(|value| value as u32 as i64);
    let scc = i64::from(v.scc);
    Some(match name {
        "s_add_u32" => carry(ua + ub),
        "s_sub_u32" => carry(ua - ub),
        "s_addc_u32" => carry(ua + ub + scc),
        "s_subb_u32" => carry(ua - ub - scc),
        "s_add_i32" => sum(word_a + word_b),
        "s_sub_i32" => sum(word_a - word_b),
        "s_lshl1_add_u32" => carry((ua << 1) + ub),
        "s_lshl2_add_u32" => carry((ua << 2) + ub),
        "s_lshl3_add_u32" => carry((ua << 3) + ub),
        "s_lshl4_add_u32" => carry((ua << 4) + ub),
        "s_min_i32" => chosen(word_a < word_b),
        "s_min_u32" => chosen(ua < ub),
        "s_max_i32" => chosen(word_a >= word_b),
        "s_max_u32" => chosen(ua >= ub),
        "s_cselect_b32" | "s_cselect_b64" => v.plain(if v.scc { a } else { b }),
        "s_and_b32" | "s_and_b64" => v.with_scc(a & b),
        "s_or_b32" | "s_or_b64" => v.with_scc(a | b),
        "s_xor_b32" | "s_xor_b64" => v.with_scc(a ^ b),
        "s_andn2_b32" | "s_andn2_b64" => v.with_scc(a & !b),
        "s_orn2_b32" | "s_orn2_b64" => v.with_scc(a | !b),
        "s_nand_b32" | "s_nand_b64" => v.with_scc(!(a & b)),
        "s_nor_b32" | "s_nor_b64" => v.with_scc(!(a | b)),
        "s_xnor_b32" | "s_xnor_b64" => v.with_scc(!(a ^ b)),
        "s_lshl_b32" | "s_lshl_b64" => v.with_scc(a << by),
        "s_lshr_b32" | "s_lshr_b64" => v.with_scc(a >> by),
        "s_ashr_i32" => v.with_scc((word_a >> by).cast_unsigned()),
        "s_ashr_i64" => v.with_scc((a.cast_signed() >> by).cast_unsigned()),
        "s_bfm_b32" | "s_bfm_b64" => v.plain(((1 << (a as u32 & mask)) - 1) << by),
        "s_mul_i32" => v.plain(a.wrapping_mul(b)),
        "s_mul_hi_u32" => v.plain((ua.cast_unsigned() * ub.cast_unsigned()) >> 32),
        "s_mul_hi_i32" => v.plain(((word_a * word_b) >> 32).cast_unsigned()),
        "s_bfe_u32" | "s_bfe_u64" => v.with_scc(field(a, by, b as u32 >> 16 & 0x7f)),
        "s_bfe_i32" => v.with_scc(signed_field(word_a, 32, by, b as u32 >> 16 & 0x7f)),
        "s_bfe_i64" => v.with_scc(signed_field(a.cast_signed(), 64, by, b as u32 >> 16 & 0x7f)),
        "s_absdiff_i32" => {
            let difference = (a as u32).wrapping_sub(b as u32).cast_signed();
            v.with_scc(u64::from(difference.wrapping_abs().cast_unsigned()))
        }
        "s_pack_ll_b32_b16" => v.plain(a & 0xffff | (b & 0xffff) << 16),
        "s_pack_lh_b32_b16" => v.plain(a & 0xffff | b & 0xffff_0000),
        "s_pack_hh_b32_b16" => v.plain(a >> 16 & 0xffff | b & 0xffff_0000),
        _ => return None,
    })
}

fn sop1(name: &str, v: &Values, width: u32) -> Option<Outcome> {
    let a = v.a;
    let ones = |value: u64| u64::from(value.count_ones());
    let all = if width == 64 { u64::MAX } else { 0xffff_ffff };
    let first =
        |value: u64| if value & all == 0 { u64::MAX } else { value.trailing_zeros().into() };
    let leading = |value: u64| {
        let value = value & all;
        if value == 0 { u64::MAX } else { u64::from(value.leading_zeros() - (64 - width)) }
    };
    let with_sign =
        |value: u64| leading(if value >> (width - 1) & 1 != 0 { !value } else { value });
    let quads = |whole: bool| {
        let mut mask = 0;
        for quad in (0..width / 4).filter(|quad| a >> (4 * quad) & 15 != 0) {
            mask |= if whole { 15 << (4 * quad) } else { 1 << quad };
        }
        v.with_scc(mask)
    };
    let bit = 1_u64 << (a as u32 & (v.bits - 1));
    Some(match name {
        "s_mov_b32" | "s_mov_b64" => v.plain(a),
        "s_cmov_b32" | "s_cmov_b64" if v.scc => v.plain(a),
        "s_cmov_b32" | "s_cmov_b64" => (None, None),
        "s_not_b32" | "s_not_b64" => v.with_scc(!a),
        "s_wqm_b32" | "s_wqm_b64" => quads(true),
        "s_quadmask_b32" | "s_quadmask_b64" => quads(false),
        "s_brev_b32" => v.plain(u64::from((a as u32).reverse_bits())),
        "s_brev_b64" => v.plain(a.reverse_bits()),
        "s_bcnt0_i32_b32" | "s_bcnt0_i32_b64" => v.with_scc(ones(!a & all)),
        "s_bcnt1_i32_b32" | "s_bcnt1_i32_b64" => v.with_scc(ones(a & all)),
        "s_ff0_i32_b32" | "s_ff0_i32_b64" => v.plain(first(!a)),
        "s_ff1_i32_b32" | "s_ff1_i32_b64" => v.plain(first(a)),
        "s_flbit_i32_b32" | "s_flbit_i32_b64" => v.plain(leading(a)),
        "s_flbit_i32" | "s_flbit_i32_i64" => v.plain(with_sign(a)),
        "s_sext_i32_i8" => v.plain(i64::from(a as i8).cast_unsigned()),
        "s_sext_i32_i16" => v.plain(i64::from(a as i16).cast_unsigned()),
        "s_bitset0_b32" | "s_bitset0_b64" => v.plain(v.old & !bit),
        "s_bitset1_b32" | "s_bitset1_b64" => v.plain(v.old | bit),
        "s_abs_i32" => {
            v.with_scc(u64::from((a as u32).cast_signed().wrapping_abs().cast_unsigned()))
        }
        "s_bitreplicate_b64_b32" => {
            v.plain((0..32).map(|at| ((a >> at & 1) * 3) << (2 * at)).sum())
        }
        _ => return None,
    })
}

fn compare(name: &str, a: u64, b: u64) -> Option<Outcome> {
    let verb = name.split('_').nth(2)?;
    Some(only_scc(match name {
        "s_bitcmp0_b32" => a >> (b & 31) & 1 == 0,
        "s_bitcmp1_b32" => a >> (b & 31) & 1 != 0,
        "s_bitcmp0_b64" => a >> (b & 63) & 1 == 0,
        "s_bitcmp1_b64" => a >> (b & 63) & 1 != 0,
        _ if name.ends_with("_i32") => ordered(verb, i128::from(signed(a)), i128::from(signed(b)))?,
        _ if name.ends_with("_u32") => ordered(verb, i128::from(a as u32), i128::from(b as u32))?,
        _ => ordered(verb, a.into(), b.into())?,
    }))
}

const fn ordered(verb: &str, a: i128, b: i128) -> Option<bool> {
    Some(match verb.as_bytes() {
        b"eq" => a == b,
        b"lg" => a != b,
        b"gt" => a > b,
        b"ge" => a >= b,
        b"lt" => a < b,
        b"le" => a <= b,
        _ => return None,
    })
}

fn sopk(name: &str, v: &Values) -> Option<Outcome> {
    if let Some(rest) = name.strip_prefix("s_cmpk_") {
        let (verb, ty) = rest.split_once('_')?;
        let answer = match ty {
            "i32" => ordered(verb, i128::from(signed(v.a)), i128::from(v.b.cast_signed())),
            _ => ordered(verb, i128::from(v.a as u32), i128::from(v.b & 0xffff)),
        };
        return answer.map(only_scc);
    }
    let constant = v.a.cast_signed();
    Some(match name {
        "s_movk_i32" => v.plain(v.a),
        "s_cmovk_i32" if v.scc => v.plain(v.a),
        "s_cmovk_i32" | "s_version" => (None, None),
        "s_addk_i32" => {
            let sum = signed(v.old) + constant;
            (Some(sum.cast_unsigned() & 0xffff_ffff), Some(i32::try_from(sum).is_err()))
        }
        "s_mulk_i32" => v.plain((signed(v.old) * constant).cast_unsigned()),
        "s_waitcnt_vscnt" | "s_waitcnt_vmcnt" | "s_waitcnt_expcnt" | "s_waitcnt_lgkmcnt" => {
            (None, None)
        }
        _ => return None,
    })
}

/// Combines a mask with EXEC.
fn exec(case: &Case<'_>, name: &str, a: u64, to: Option<Operand>) -> Answer {
    let wide = name.ends_with("b64");
    let Some(to) = to else { return Answer::Unknown };
    // What a pair is to 32 lanes, and which write of EXEC comes last, is not said.
    if wide && case.lanes() == 32 || matches!(to, Operand::Scalar { first: 126.., .. }) {
        return Answer::Unclear;
    }
    let mask = if wide { u64::MAX } else { 0xffff_ffff };
    let exec = case.before.exec & mask;
    let Some(verb) = name.strip_prefix("s_").and_then(|rest| rest.split('_').next()) else {
        return Answer::Unknown;
    };
    let new = mask
        & match verb {
            "and" => a & exec,
            "or" => a | exec,
            "xor" => a ^ exec,
            "andn1" => !a & exec,
            "andn2" => a & !exec,
            "orn1" => !a | exec,
            "orn2" => a | !exec,
            "nand" => !(a & exec),
            "nor" => !(a | exec),
            "xnor" => !(a ^ exec),
            _ => return Answer::Unknown,
        };
    let mut after = case.after();
    after.state.exec = case.before.exec & !mask | new;
    after.set_scalars(to, if name.contains("wrexec") { new } else { exec });
    after.state.scc = new != 0;
    Answer::Known(after)
}

/// Moves between registers that lie as far behind those named as M0 says.
fn relative(case: &Case<'_>, name: &str) -> Answer {
    let m0 = case.before.m0;
    let (from, to) = match name {
        "s_movrels_b32" | "s_movrels_b64" => (m0, 0),
        "s_movreld_b32" | "s_movreld_b64" => (0, m0),
        "s_movrelsd_2_b32" => (m0 & 0x3ff, m0 >> 16 & 0x3ff),
        _ => return Answer::Unknown,
    };
    let mut registers = case.instruction.operands(case.wave).map(|(operand, _)| operand);
    // Only registers lie behind others.
    let behind = |operand, by| match operand {
        Some(Operand::Scalar { first, count }) if first < 16 => {
            Some(Operand::Scalar { first: first + by, count })
        }
        _ => None,
    };
    let (Some(to), Some(from)) = (behind(registers.next(), to), behind(registers.next(), from))
    else {
        return Answer::Unclear;
    };
    let ty = if name.ends_with("b64") { Ty::B64 } else { Ty::B32 };
    // A pair begins at an even register.
    if ty == Ty::B64 && !m0.is_multiple_of(2) {
        return Answer::Unclear;
    }
    let mut after = case.after();
    after.set_scalars(to, case.read_scalar(from, ty) as u64);
    Answer::Known(after)
}

/// Reads a field of MODE. Source: "RDNA 2 ISA" (AMD), "Mode register"; the register's number from LLVM.
fn mode_register(case: &Case<'_>) -> Answer {
    let (number, offset, width) = (case.bits(0, 6), case.bits(6, 5), case.bits(11, 5) + 1);
    if number != 1 || offset + width > 10 {
        return Answer::Unclear;
    }
    let mode = case.mode;
    let value = u32::from(mode.denormals32) << 4
        | u32::from(mode.denormals16_64) << 6
        | u32::from(mode.dx10_clamp) << 8
        | u32::from(mode.ieee) << 9;
    let mut after = case.after();
    let to = case.instruction.operand(&case.instruction.slots()[0], case.wave);
    after.set_scalars(to, u64::from(value >> offset & ((1 << width) - 1)));
    Answer::Known(after)
}

/// Jumps over the move behind it; the address of what follows is kept.
fn jump(case: &Case<'_>) -> Answer {
    let mut after = case.after();
    let slots = case.instruction.slots();
    let from = case.instruction.operand(&slots[slots.len() - 1], case.wave);
    if case.read_scalar(from, Ty::B64) as u64 != case.address + 12 {
        return Answer::Unclear;
    }
    if slots.len() == 2 {
        after.set_scalars(case.instruction.operand(&slots[0], case.wave), case.address + 4);
    }
    Answer::Known(after)
}

/// The number that a program writes to the last scalar register behind a branch that is not taken.
pub(crate) const NOT_TAKEN: u32 = 0x5eed_cafe;

/// Behind a branch stands a move that it jumps over.
fn branch(case: &Case<'_>, name: &str) -> Answer {
    let vcc = case.before.vcc & case.all();
    let taken = match name {
        "s_branch" | "s_call_b64" => true,
        "s_cbranch_scc0" => !case.before.scc,
        "s_cbranch_scc1" => case.before.scc,
        "s_cbranch_vccz" => vcc == 0,
        "s_cbranch_vccnz" => vcc != 0,
        "s_cbranch_execz" => case.active() == 0,
        "s_cbranch_execnz" => case.active() != 0,
        // Nobody debugs.
        "s_cbranch_cdbgsys"
        | "s_cbranch_cdbguser"
        | "s_cbranch_cdbgsys_or_user"
        | "s_cbranch_cdbgsys_and_user" => false,
        _ => return Answer::Unknown,
    };
    let mut after = case.after();
    if name == "s_call_b64" {
        let to = case.instruction.operand(&case.instruction.slots()[0], case.wave);
        after.set_scalars(to, case.address + 4);
    }
    if !taken {
        after.state.s[15] = NOT_TAKEN;
    }
    Answer::Known(after)
}
