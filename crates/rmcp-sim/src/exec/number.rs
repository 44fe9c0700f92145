//! Numbers that Rust has not, or has otherwise: 16-bit floats, comparisons of floats as the hardware makes them.

/// The NaN that an operation without NaN operands makes; x86 would make it negative.
pub(super) const NAN: u32 = 0x7fc0_0000;

/// Returns a 16-bit float as a 32-bit one, which is exact.
#[inline(always)]
pub(super) fn f32_of_half(half: u32) -> f32 {
    let magnitude = half & 0x7fff;
    // Shifted into place the exponent is 112 too low; the product also normalises denormals.
    let scaled = (f32::from_bits(magnitude << 13) * f32::from_bits(0x7780_0000)).to_bits();
    let bits = if magnitude >= 0x7c00 { scaled | 0x7f80_0000 } else { scaled };
    f32::from_bits(bits | (half & 0x8000) << 16)
}

/// Returns a 32-bit float rounded to the nearest 16-bit one, ties to even.
#[inline(always)]
pub(super) fn half_of_f32(value: f32) -> u32 {
    let bits = value.to_bits();
    let (sign, magnitude) = (bits >> 16 & 0x8000, bits & 0x7fff_ffff);
    let normal = magnitude.wrapping_add(0xc800_0fff).wrapping_add(magnitude >> 13 & 1) >> 13;
    // The sum with a half has the units of a 16-bit denormal as its last bits, and rounds so.
    let denormal = (f32::from_bits(magnitude) + 0.5).to_bits().wrapping_sub(0x3f00_0000);
    let infinite = if magnitude > 0x7f80_0000 { 0x7e00 | magnitude >> 13 & 0x3ff } else { 0x7c00 };
    let rounded = if magnitude >= 0x4780_0000 {
        infinite
    } else if magnitude < 0x3880_0000 {
        denormal
    } else {
        normal
    };
    sign | rounded
}

/// Returns a 32-bit float cut to a 16-bit one: what is too large becomes the largest finite number.
///
/// Source: "RDNA 2 ISA" (AMD), `V_CVT_PKRTZ_F16_F32` (round towards zero, IEEE 754).
#[inline(always)]
pub(super) fn half_of_f32_toward_zero(value: f32) -> u32 {
    let bits = value.to_bits();
    let (sign, magnitude) = (bits >> 16 & 0x8000, bits & 0x7fff_ffff);
    if magnitude > 0x7f80_0000 {
        return sign | 0x7e00 | magnitude >> 13 & 0x3ff;
    }
    if magnitude == 0x7f80_0000 {
        return sign | 0x7c00;
    }
    if magnitude >= 0x4780_0000 {
        return sign | 0x7bff;
    }
    if magnitude < 0x3880_0000 {
        // In units of the smallest denormal, 2^-24.
        return sign | (f32::from_bits(magnitude) * 16_777_216.0) as u32;
    }
    sign | (magnitude - 0x3800_0000) >> 13
}

/// Returns a 64-bit float rounded to the nearest 16-bit one: through a 32-bit float that is rounded to odd, so
/// that the second rounding sees what the first one lost.
#[inline(always)]
pub(super) fn half_of_f64(value: f64) -> u32 {
    let near = value as f32;
    let back = f64::from(near);
    if back == value || near.is_nan() || near.is_infinite() {
        return half_of_f32(near);
    }
    let bits = near.to_bits();
    let cut = if back.abs() > value.abs() { bits - 1 } else { bits };
    half_of_f32(f32::from_bits(cut | 1))
}

/// Returns whether a 16-bit float is a NaN.
#[inline(always)]
pub(super) const fn half_is_nan(half: u32) -> bool {
    half & 0x7fff > 0x7c00
}

/// Makes a 32-bit float quiet where it is a NaN.
#[inline(always)]
pub(super) fn quiet(value: f32) -> f32 {
    if value.is_nan() { f32::from_bits(value.to_bits() | 0x40_0000) } else { value }
}

/// Makes a 64-bit float quiet where it is a NaN.
#[inline(always)]
pub(super) fn quiet64(value: f64) -> f64 {
    if value.is_nan() { f64::from_bits(value.to_bits() | 1 << 51) } else { value }
}

macro_rules! extremes {
    ($min:ident, $max:ident, $float:ty, $quiet:ident) => {
        /// The lesser one; a NaN only where both are, and -0 is less than 0.
        #[inline(always)]
        pub(super) fn $min(a: $float, b: $float) -> $float {
            let lesser = if a < b || (a == b && a.is_sign_negative()) { a } else { b };
            let number = if a.is_nan() { b } else { lesser };
            if b.is_nan() { $quiet(a) } else { number }
        }

        /// The greater one; a NaN only where both are, and 0 is greater than -0.
        #[inline(always)]
        pub(super) fn $max(a: $float, b: $float) -> $float {
            let greater = if a > b || (a == b && a.is_sign_positive()) { a } else { b };
            let number = if a.is_nan() { b } else { greater };
            if b.is_nan() { $quiet(a) } else { number }
        }
    };
}
extremes!(min32, max32, f32, quiet);
extremes!(min64, max64, f64, quiet64);

macro_rules! modal_extremes {
    ($least:ident, $greatest:ident, $min:ident, $max:ident, $float:ty, $quiet:ident) => {
        modal_extremes!(@one $least, $min, $float, $quiet);
        modal_extremes!(@one $greatest, $max, $float, $quiet);
    };
    (@one $name:ident, $plain:ident, $float:ty, $quiet:ident) => {
        /// The same as an instruction; in IEEE mode a signalling NaN wins and becomes quiet.
        ///
        /// Source: "RDNA 2 ISA" (AMD), `V_MIN_F32` and `V_MAX_F32`.
        #[inline(always)]
        pub(super) fn $name<const IEEE: bool>(a: $float, b: $float) -> $float {
            if !IEEE {
                return $plain(a, b);
            }
            let signals = |value: $float| $quiet(value).to_bits() != value.to_bits();
            let second = if signals(b) { $quiet(b) } else { $plain(a, b) };
            if signals(a) { $quiet(a) } else { second }
        }
    };
}
modal_extremes!(least32, greatest32, min32, max32, f32, quiet);
modal_extremes!(least64, greatest64, min64, max64, f64, quiet64);

/// Returns a NaN that an operation made of other numbers as the hardware makes it.
#[inline(always)]
pub(super) fn made(result: f32, a: f32, b: f32) -> f32 {
    if result.is_nan() && !a.is_nan() && !b.is_nan() { f32::from_bits(NAN) } else { result }
}

/// The same for 64 bits.
#[inline(always)]
pub(super) fn made64(result: f64, a: f64, b: f64) -> f64 {
    if result.is_nan() && !a.is_nan() && !b.is_nan() {
        f64::from_bits(0x7ff8_0000_0000_0000)
    } else {
        result
    }
}

/// Returns `value * 2^exponent`, rounded once.
pub(super) fn scale64(value: f64, exponent: i32) -> f64 {
    let mut exponent = exponent.clamp(-2200, 2200);
    let mut value = value;
    let power = |e: i32| f64::from_bits(((1023 + e) as u64) << 52);
    while exponent > 1000 {
        value *= power(1000);
        exponent -= 1000;
    }
    if exponent < -1000 {
        // The first steps keep the number normal, so that only the last one rounds.
        let bits = value.to_bits();
        let own = (bits >> 52 & 0x7ff) as i32;
        if own == 0 {
            // A denormal only gets smaller.
            return value * power(-1000) * power(-1000);
        }
        let keep = (own - 1).min(-exponent - 1000).max(0);
        value *= power(-keep.min(1000));
        exponent += keep.min(1000);
        while exponent < -1000 {
            let own = (value.to_bits() >> 52 & 0x7ff) as i32;
            let keep = (own - 1).clamp(0, 1000);
            if keep == 0 {
                return value * power(-1000) * power(-1000);
            }
            value *= power(-keep);
            exponent += keep;
        }
    }
    value * power(exponent)
}

/// Returns `value * 2^exponent` as a 32-bit float, rounded once.
#[inline(always)]
pub(super) fn scale32(value: f32, exponent: i32) -> f32 {
    if value == 0.0 || !value.is_finite() {
        return quiet(value);
    }
    // A 64-bit float holds every such product exactly, but for those that are 0 or infinite at 32 bits anyway.
    let power = f64::from_bits(((1023 + exponent.clamp(-400, 400)) as u64) << 52);
    (f64::from(value) * power) as f32
}

/// Splits a finite number other than 0 into a fraction from 0.5 to 1 and an exponent.
pub(super) fn split64(value: f64) -> (f64, i32) {
    let bits = value.to_bits();
    let exponent = (bits >> 52 & 0x7ff) as i32;
    if exponent == 0 {
        let (fraction, exponent) = split64(value * f64::from_bits(0x43f0_0000_0000_0000));
        return (fraction, exponent - 64);
    }
    (f64::from_bits(bits & !(0x7ff << 52) | 1022 << 52), exponent - 1022)
}

/// The classes of floats that `v_cmp_class` looks for, as a bit.
///
/// Source: "RDNA 2 ISA" (AMD), `V_CMP_CLASS_F32`.
#[inline(always)]
pub(super) fn class(negative: bool, exponent: u32, all: u32, fraction: u64, quiet: bool) -> u32 {
    let bit = if exponent == all && fraction != 0 {
        return if quiet { 2 } else { 1 };
    } else if exponent == all {
        (2, 9)
    } else if exponent == 0 && fraction == 0 {
        (5, 6)
    } else if exponent == 0 {
        (4, 7)
    } else {
        (3, 8)
    };
    1 << if negative { bit.0 } else { bit.1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A 16-bit float by its definition.
    fn by_definition(half: u32) -> f64 {
        let (sign, exponent, fraction) =
            (half >> 15, (half >> 10 & 31) as i32, f64::from(half & 1023));
        let magnitude = match exponent {
            0 => fraction * 2_f64.powi(-24),
            31 if fraction == 0.0 => f64::INFINITY,
            31 => f64::NAN,
            _ => (1.0 + fraction / 1024.0) * 2_f64.powi(exponent - 15),
        };
        if sign == 1 { -magnitude } else { magnitude }
    }

    #[test]
    fn every_half_becomes_its_value_and_comes_back() {
        for half in 0..0x1_0000 {
            let value = by_definition(half);
            let ours = f32_of_half(half);
            if value.is_nan() {
                assert!(ours.is_nan());
                continue;
            }
            assert_eq!(f64::from(ours), value, "{half:#x}");
            assert_eq!(half_of_f32(ours), half);
            assert_eq!(half_of_f64(value), half);
            assert_eq!(half_of_f32_toward_zero(ours), half);
        }
    }

    #[test]
    fn between_two_halves_the_nearest_is_taken() {
        for low in 0..0x7bff_u32 {
            let (a, b) = (by_definition(low), by_definition(low + 1));
            let middle = (a + b) / 2.0;
            let even = if low & 1 == 0 { low } else { low + 1 };
            assert_eq!(half_of_f32(middle as f32), even, "{low:#x}");
            let (under, over) = ((middle as f32).next_down(), (middle as f32).next_up());
            assert_eq!(half_of_f32(under), low);
            assert_eq!(half_of_f32(over), low + 1);
            assert_eq!(half_of_f64(middle.next_down()), low);
            assert_eq!(half_of_f64(middle.next_up()), low + 1);
            assert_eq!(half_of_f32_toward_zero(over), low);
        }
        assert_eq!(half_of_f32(65520.0), 0x7c00);
        assert_eq!(half_of_f32(65519.0), 0x7bff);
        assert_eq!(half_of_f32_toward_zero(1e9), 0x7bff);
    }

    #[test]
    fn scaling_rounds_once() {
        assert_eq!(scale64(1.5, 3), 12.0);
        assert_eq!(scale64(1.0, -1074), f64::from_bits(1));
        assert_eq!(scale64(f64::from_bits(1), 2000), 2_f64.powi(926));
        assert_eq!(scale64(1e300, -2200), 0.0);
        // 2^1000 and a bit: the bit decides the rounding to the last denormal.
        assert_eq!(scale64(2_f64.powi(1000).next_up(), -2075), f64::from_bits(1));
        assert_eq!(scale32(1.0, -149), f32::from_bits(1));
        assert_eq!(scale32(1.0, 200), f32::INFINITY);
        assert_eq!(scale32(f32::from_bits(1), 149), 1.0);
    }

    #[test]
    fn zero_has_a_sign_in_comparisons() {
        assert!(min32(0.0, -0.0).is_sign_negative());
        assert!(max32(-0.0, 0.0).is_sign_positive());
        assert_eq!(max32(f32::NAN, 1.0), 1.0);
        assert_eq!(min64(1.0, f64::NAN), 1.0);
    }
}
