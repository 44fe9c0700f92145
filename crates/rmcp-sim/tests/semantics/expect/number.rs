//! Floats of three sizes by their bits, so that what holds for all is written once.

use super::Mode;

/// The layout of a float.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) bits: u32,
    pub(super) fraction: u32,
}

pub(super) const F16: Layout = Layout { bits: 16, fraction: 10 };
pub(super) const F32: Layout = Layout { bits: 32, fraction: 23 };
pub(super) const F64: Layout = Layout { bits: 64, fraction: 52 };

impl Layout {
    /// The layout at the end of an instruction's name.
    pub(super) fn of(name: &str) -> Option<Self> {
        match name.rsplit('_').next()? {
            "f16" => Some(F16),
            "f32" => Some(F32),
            "f64" => Some(F64),
            _ => None,
        }
    }

    pub(super) const fn sign(self) -> u64 {
        1 << (self.bits - 1)
    }

    pub(super) const fn infinity(self) -> u64 {
        self.sign() - (1 << self.fraction)
    }

    pub(super) const fn quiet(self) -> u64 {
        self.infinity() | 1 << (self.fraction - 1)
    }

    pub(super) const fn largest(self) -> u64 {
        self.infinity() - 1
    }

    pub(super) const fn bias(self) -> i32 {
        (1 << (self.bits - self.fraction - 2)) - 1
    }

    pub(super) const fn size(self, value: u64) -> u64 {
        value & (self.sign() - 1)
    }

    pub(super) const fn is_nan(self, value: u64) -> bool {
        self.size(value) > self.infinity()
    }

    pub(super) const fn is_signalling(self, value: u64) -> bool {
        self.is_nan(value) && value >> (self.fraction - 1) & 1 == 0
    }

    pub(super) const fn is_infinite(self, value: u64) -> bool {
        self.size(value) == self.infinity()
    }

    pub(super) const fn is_zero(self, value: u64) -> bool {
        self.size(value) == 0
    }

    pub(super) const fn is_denormal(self, value: u64) -> bool {
        self.size(value) != 0 && self.size(value) >> self.fraction == 0
    }

    pub(super) const fn is_negative(self, value: u64) -> bool {
        value & self.sign() != 0
    }

    /// The exponent as it stands in the bits.
    pub(super) const fn exponent(self, value: u64) -> i32 {
        (self.size(value) >> self.fraction) as i32
    }

    /// Its value; every float is one of the largest layout.
    pub(super) fn value(self, bits: u64) -> f64 {
        match self.bits {
            16 => crate::state::half(bits as u16),
            32 => f64::from(f32::from_bits(bits as u32)),
            _ => f64::from_bits(bits),
        }
    }

    /// The nearest float of this layout, even where two are equally near.
    pub(super) fn round(self, value: f64) -> u64 {
        match self.bits {
            16 => round_half(value, false).into(),
            32 => u64::from((value as f32).to_bits()),
            _ => value.to_bits(),
        }
    }

    /// A denormal becomes a zero of its sign.
    pub(super) const fn flush(self, value: u64) -> u64 {
        if self.is_denormal(value) { value & self.sign() } else { value }
    }

    /// What the mode does with an input.
    pub(super) const fn input(self, mode: Mode, value: u64) -> u64 {
        if self.denormals(mode) & 1 == 0 { self.flush(value) } else { value }
    }

    /// What the mode does with a result.
    pub(super) const fn output(self, mode: Mode, value: u64) -> u64 {
        if self.denormals(mode) & 2 == 0 { self.flush(value) } else { value }
    }

    pub(super) const fn denormals(self, mode: Mode) -> u8 {
        if self.bits == 32 { mode.denormals32 } else { mode.denormals16_64 }
    }

    pub(super) fn add(self, a: u64, b: u64) -> u64 {
        match self.bits {
            // A sum of two half floats has 42 bits at most.
            16 => self.round(self.value(a) + self.value(b)),
            32 => u64::from((f32::from_bits(a as u32) + f32::from_bits(b as u32)).to_bits()),
            _ => (f64::from_bits(a) + f64::from_bits(b)).to_bits(),
        }
    }

    pub(super) fn mul(self, a: u64, b: u64) -> u64 {
        match self.bits {
            16 => self.round(self.value(a) * self.value(b)),
            32 => u64::from((f32::from_bits(a as u32) * f32::from_bits(b as u32)).to_bits()),
            _ => (f64::from_bits(a) * f64::from_bits(b)).to_bits(),
        }
    }

    /// Rounds once.
    pub(super) fn fma(self, a: u64, b: u64, c: u64) -> u64 {
        match self.bits {
            16 => u64::from(fma_half(a as u16, b as u16, c as u16)),
            32 => {
                let [a, b, c] = [a, b, c].map(|bits| f32::from_bits(bits as u32));
                u64::from(a.mul_add(b, c).to_bits())
            }
            _ => {
                let [a, b, c] = [a, b, c].map(f64::from_bits);
                a.mul_add(b, c).to_bits()
            }
        }
    }

    /// Times a power of two, rounded once.
    pub(super) fn scale(self, value: u64, power: i32) -> u64 {
        if self.is_nan(value) || self.is_infinite(value) || self.is_zero(value) {
            return value;
        }
        // The fraction with its leading bit, and the exponent of its last bit.
        let exponent = self.exponent(value);
        let fraction = value & ((1 << self.fraction) - 1);
        let fraction = if exponent == 0 { fraction } else { fraction | 1 << self.fraction };
        let last = exponent.max(1) - self.bias() - self.fraction as i32;
        value & self.sign()
            | self.pack(fraction.into(), last.saturating_add(power.clamp(-10_000, 10_000)))
    }

    /// The float nearest to a positive number times a power of two.
    pub(super) fn pack(self, number: u128, power: i32) -> u64 {
        if number == 0 {
            return 0;
        }
        let top = 127 - number.leading_zeros() as i32 + power;
        if top > self.bias() {
            return self.infinity();
        }
        // The exponent of the last bit that is kept.
        let lowest = 1 - self.bias() - self.fraction as i32;
        let last = (top - self.fraction as i32).max(lowest);
        let shift = last - power;
        let kept = if shift <= 0 {
            number << -shift
        } else if shift > 127 {
            0
        } else {
            let (kept, rest) = (number >> shift, number & ((1 << shift) - 1));
            let half = 1_u128 << (shift - 1);
            kept + u128::from(rest > half || rest == half && kept & 1 == 1)
        };
        // The leading bit carries into the exponent, and a denormal has none.
        let bits = kept as u64 + (((last - lowest) as u64) << self.fraction);
        bits.min(self.infinity())
    }
}

/// A half float of a double, to the nearest or towards zero.
pub(super) fn round_half(value: f64, towards_zero: bool) -> u16 {
    let bits = value.to_bits();
    let sign = (bits >> 48) as u16 & 0x8000;
    if value.is_nan() {
        return sign | 0x7e00;
    }
    if value.is_infinite() {
        return sign | 0x7c00;
    }
    let exponent = (bits >> 52) as i32 & 0x7ff;
    let fraction = bits & ((1 << 52) - 1) | u64::from(exponent != 0) << 52;
    let power = exponent.max(1) - 1075;
    if !towards_zero {
        return sign | F16.pack(fraction.into(), power) as u16;
    }
    if value.abs() >= 65504.0 {
        return sign | 0x7bff;
    }
    // In units of the last place of the smallest half float, then of its own.
    let steps = value.abs() * 16_777_216.0;
    let mut unit = 1.0;
    let mut place = 0;
    while steps / unit >= 2048.0 {
        unit *= 2.0;
        place += 1;
    }
    sign | ((steps / unit) as u16 + (place << 10))
}

/// Half floats are multiples of 2 to the -24, their products of 2 to the -48: all fits 128 bits.
fn fma_half(a: u16, b: u16, c: u16) -> u16 {
    let [x, y, z] = [a, b, c].map(crate::state::half);
    if !(x.is_finite() && y.is_finite() && z.is_finite()) {
        return round_half(x * y + z, false);
    }
    let steps = |value: f64| (value * 16_777_216.0) as i128;
    let sum = steps(x) * steps(y) + (steps(z) << 24);
    if sum == 0 {
        // The sign of an exact zero is as in any sum.
        return if x * y + z == 0.0 && (x * y).is_sign_negative() && z.is_sign_negative() {
            0x8000
        } else {
            0
        };
    }
    let sign = if sum < 0 { 0x8000 } else { 0 };
    sign | F16.pack(sum.unsigned_abs(), -48) as u16
}
