//! What atomics make of the old value and the data.

/// What an atomic makes of the old value, the data, and what it compares with.
#[derive(Clone, Copy)]
pub(super) enum Combine {
    /// No atomic.
    None,
    /// 32 bits.
    Word(fn(u32, u32, u32) -> u32, bool),
    /// 64 bits.
    Wide(fn(u64, u64, u64) -> u64, bool),
}

impl Combine {
    /// Whether it has 64 bits.
    pub(super) const fn is_wide(self) -> bool {
        matches!(self, Self::Wide(..))
    }

    /// Whether it has two pieces of data.
    pub(super) const fn compares(self) -> bool {
        matches!(self, Self::Word(_, true) | Self::Wide(_, true))
    }
}

macro_rules! float_extremes {
    ($bits:ty, $float:ty, $min:ident, $max:ident, $compare:ident, $min_of:path, $max_of:path) => {
        fn $min(old: $bits, data: $bits, _: $bits) -> $bits {
            $min_of(<$float>::from_bits(old), <$float>::from_bits(data)).to_bits()
        }
        fn $max(old: $bits, data: $bits, _: $bits) -> $bits {
            $max_of(<$float>::from_bits(old), <$float>::from_bits(data)).to_bits()
        }
        fn $compare(old: $bits, data: $bits, with: $bits) -> $bits {
            if <$float>::from_bits(old) == <$float>::from_bits(with) { data } else { old }
        }
    };
}
float_extremes!(u32, f32, min32, max32, compare32, super::number::min32, super::number::max32);
float_extremes!(u64, f64, min64, max64, compare64, super::number::min64, super::number::max64);

macro_rules! integers {
    ($name:ident, $bits:ty, $signed:ty, $kind:ident, $fmin:ident, $fmax:ident, $fcompare:ident) => {
        /// By AMD's word for what is done.
        fn $name(word: &str) -> Option<Combine> {
            let (combine, compares): (fn($bits, $bits, $bits) -> $bits, bool) = match word {
                "swap" => (|_, data, _| data, false),
                "add" => (|old, data, _| old.wrapping_add(data), false),
                "sub" => (|old, data, _| old.wrapping_sub(data), false),
                "rsub" => (|old, data, _| data.wrapping_sub(old), false),
                // Source: "RDNA 2 ISA" (AMD), GLOBAL_ATOMIC_CSUB: clamped at 0.
                "csub" => (|old, data, _| old.saturating_sub(data), false),
                "smin" => (|old, data, _| (old as $signed).min(data as $signed) as $bits, false),
                "umin" => (|old, data, _| old.min(data), false),
                "smax" => (|old, data, _| (old as $signed).max(data as $signed) as $bits, false),
                "umax" => (|old, data, _| old.max(data), false),
                "and" => (|old, data, _| old & data, false),
                "or" => (|old, data, _| old | data, false),
                "xor" => (|old, data, _| old ^ data, false),
                "inc" => (|old, data, _| if old >= data { 0 } else { old + 1 }, false),
                "dec" => {
                    (|old, data, _| if old == 0 || old > data { data } else { old - 1 }, false)
                }
                "cmpswap" => (|old, data, with| if old == with { data } else { old }, true),
                "fcmpswap" => ($fcompare, true),
                "fmin" => ($fmin, false),
                "fmax" => ($fmax, false),
                _ => return None,
            };
            Some(Combine::$kind(combine, compares))
        }
    };
}
integers!(of_words, u32, i32, Word, min32, max32, compare32);
integers!(of_wide, u64, i64, Wide, min64, max64, compare64);

/// Returns the atomic of a name without `global_`, `flat_` or `buffer_`.
pub(super) fn of_memory(name: &str) -> Option<Combine> {
    let word = name.strip_prefix("atomic_")?;
    match word.strip_suffix("_x2") {
        Some(word) => of_wide(word),
        None => of_words(word),
    }
}

/// Returns the atomic of LDS of a name, and whether it returns the old value.
pub(super) fn of_lds(name: &str) -> Option<(Combine, bool)> {
    let rest = name.strip_prefix("ds_")?;
    let returns = rest.contains("_rtn_");
    let rest = rest.replace("_rtn_", "_");
    let (word, number) = rest.rsplit_once('_')?;
    let (signed, float) = (number.starts_with('i'), number.starts_with('f'));
    let word = match word {
        "min" if float => "fmin",
        "max" if float => "fmax",
        "min" if signed => "smin",
        "max" if signed => "smax",
        "min" => "umin",
        "max" => "umax",
        "cmpst" if float => "fcmpswap",
        "cmpst" => "cmpswap",
        "wrxchg" => "swap",
        "add" if float => {
            let add: fn(u32, u32, u32) -> u32 =
                |old, data, _| (f32::from_bits(old) + f32::from_bits(data)).to_bits();
            return Some((Combine::Word(add, false), returns));
        }
        // The old value where a mask is clear, the data where it is set.
        "mskor" if number == "b32" => {
            return Some((Combine::Word(|old, data, mask| (old & !mask) | data, true), returns));
        }
        "mskor" => {
            return Some((Combine::Wide(|old, data, mask| (old & !mask) | data, true), returns));
        }
        "wrap" => {
            // Source: "RDNA 2 ISA" (AMD), DS_WRAP_RTN_B32: the second data is added where the first cannot be
            // taken away.
            let wrap: fn(u32, u32, u32) -> u32 = |old, second, first| {
                if old >= first { old - first } else { old.wrapping_add(second) }
            };
            return Some((Combine::Word(wrap, true), returns));
        }
        "add" | "sub" | "rsub" | "inc" | "dec" | "and" | "or" | "xor" => word,
        _ => return None,
    };
    let combine = if number.ends_with("64") { of_wide(word) } else { of_words(word) };
    combine.map(|combine| (combine, returns))
}
