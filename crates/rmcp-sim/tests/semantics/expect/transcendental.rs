//! Functions that the hardware approximates: how near it must be, and what is exact.
//!
//! Source of the bounds: "Vega ISA" and "RDNA 2 ISA" (AMD), descriptions of the opcodes: 1 ULP for the functions
//! of floats but sine and cosine, 0.51 ULP for those of half floats, 2 ** 29 ULP for V_RCP_F64, V_RSQ_F64 and
//! V_SQRT_F64. For sine and cosine they give none; 2 ** -20 absolute is ours.

use super::float::ty;
use super::number::{F16, F32, F64, Layout};
use super::vector::{Op, Out};

fn near(layout: Layout, run: fn(f64) -> f64) -> Op {
    Op::new(ty(layout), &[ty(layout)], move |lane, s| {
        let value = s[0] as u64;
        let result = |value| layout.round(run(layout.value(value)));
        let mut out = Out::new(result(layout.input(lane.case.mode, value)));
        out.ulp = if layout == F64 { 1 << 29 } else { 1 };
        if layout == F32 {
            // The manuals have denormals flushed whatever the mode is.
            let flushed = F32.flush(value);
            let results = [
                result(flushed),
                F32.flush(result(flushed)),
                F32.flush(result(value)),
                result(value),
            ];
            out.others.extend(results.map(u128::from));
        }
        out
    })
}

/// Sine or cosine of turns.
fn turns(layout: Layout, sine: bool) -> Op {
    Op::new(ty(layout), &[ty(layout)], move |lane, s| {
        let value = layout.input(lane.case.mode, s[0] as u64);
        if layout.is_nan(value) || layout.is_infinite(value) {
            return Out::new(layout.quiet());
        }
        let exact = layout.value(value);
        if sine && exact == 0.0 {
            return Out::new(value).or(value & layout.sign());
        }
        let part = (exact - exact.trunc()) * std::f64::consts::TAU;
        let result = if sine { part.sin() } else { part.cos() };
        let mut out = Out::new(layout.round(result));
        out.absolute = if layout == F16 { 1.0 / 1024.0 } else { 1.0 / 1_048_576.0 };
        if exact.abs() > 256.0 {
            // Outside this domain the result is 0 or 1 in older manuals.
            out = out.or(layout.round(if sine { 0.0 } else { 1.0 }));
        }
        out
    })
}

/// Source: the pseudocode of V_TRIG_PREOP_F64: 53 bits of 2 / pi from a place on that the exponent chooses.
fn preop() -> Op {
    use super::operand::Ty;
    Op::new(Ty::F64, &[Ty::F64, Ty::B32], |_, s| {
        let exponent = F64.exponent(s[0] as u64);
        let mut shift = (s[1] as i32 & 31) * 53;
        if exponent > 1077 {
            shift += exponent - 1077;
        }
        let mut bits = 0_u64;
        for at in shift..shift + 53 {
            bits = bits << 1 | u64::from(two_over_pi(at));
        }
        let mut scale = -53 - shift;
        if exponent >= 1968 {
            scale += 128;
        }
        Out::new(if bits == 0 { 0 } else { F64.pack(bits.into(), scale) })
    })
}

/// A bit of the fraction of 2 / pi, the first behind the point first; zeros behind the 1201st.
fn two_over_pi(at: i32) -> bool {
    use std::sync::OnceLock;
    static BITS: OnceLock<Vec<bool>> = OnceLock::new();
    BITS.get_or_init(|| bits_of_two_over_pi(1201)).get(at as usize).copied().unwrap_or(false)
}

/// Binary digits of 2 / pi by Machin's formula for pi and a long division, in numbers of 1,344 bits.
fn bits_of_two_over_pi(count: usize) -> Vec<bool> {
    const WORDS: usize = 44;
    type Long = [u32; WORDS];
    // The first word is the whole part.
    fn divided(number: &Long, by: u32) -> Long {
        let mut rest = 0_u64;
        number.map(|word| {
            let value = rest << 32 | u64::from(word);
            rest = value % u64::from(by);
            (value / u64::from(by)) as u32
        })
    }
    fn combined(a: &Long, b: &Long, minus: bool) -> Long {
        let (mut to, mut carry) = ([0; WORDS], i64::from(minus));
        for at in (0..WORDS).rev() {
            let other = if minus { !b[at] } else { b[at] };
            carry += i64::from(a[at]) + i64::from(other);
            to[at] = carry as u32;
            carry >>= 32;
        }
        to
    }
    fn times(number: &Long, by: u32) -> Long {
        let (mut to, mut carry) = (*number, 0_u64);
        for word in to.iter_mut().rev() {
            carry += u64::from(*word) * u64::from(by);
            *word = carry as u32;
            carry >>= 32;
        }
        to
    }
    let arctangent = |inverse: u32| {
        let mut one = [0; WORDS];
        one[0] = 1;
        let mut power = divided(&one, inverse);
        let (mut sum, mut odd) = (power, 1);
        while power.iter().any(|&word| word != 0) {
            power = divided(&divided(&power, inverse), inverse);
            odd += 2;
            sum = combined(&sum, &divided(&power, odd), odd % 4 == 3);
        }
        sum
    };
    let quarter = combined(&times(&arctangent(5), 4), &arctangent(239), true);
    // 2 / pi is half of 1 / (pi / 4): its digits come out of a division bit by bit.
    let pi = times(&quarter, 4);
    let mut rest = [0; WORDS];
    rest[0] = 2;
    (0..count)
        .map(|_| {
            rest = combined(&rest, &rest, false);
            let fits = rest >= pi;
            if fits {
                rest = combined(&rest, &pi, true);
            }
            fits
        })
        .collect()
}

pub(super) fn op(name: &str) -> Option<Op> {
    if name == "v_trig_preop_f64" {
        return Some(preop());
    }
    let layout = Layout::of(name)?;
    let verb = name.strip_prefix("v_")?;
    Some(match &verb[..verb.len() - 4] {
        "rcp" | "rcp_iflag" => near(layout, |value| 1.0 / value),
        "rsq" => near(layout, |value| 1.0 / value.sqrt()),
        "sqrt" => near(layout, f64::sqrt),
        "exp" => near(layout, f64::exp2),
        "log" => near(layout, f64::log2),
        "sin" => turns(layout, true),
        "cos" => turns(layout, false),
        _ => return None,
    })
}
