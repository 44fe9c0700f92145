//! Numbers that look random but are the same each time, and those at which arithmetic goes wrong.

/// A generator; the same seed gives the same numbers.
pub(crate) struct Random(u64);

/// 32-bit numbers at which something changes: for integers, floats and pairs of half floats.
const WORDS: [u32; 58] = [
    0,
    1,
    2,
    3,
    7,
    8,
    15,
    16,
    31,
    32,
    33,
    63,
    64,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0x8000,
    0xffff,
    0x1_0000,
    0x7f_ffff,
    0x80_0000,
    0xff_ffff,
    0x7fff_ffff,
    0x8000_0000,
    0x8000_0001,
    0xffff_0000,
    0xffff_fffe,
    0xffff_ffff,
    0x3f80_0000,
    0xbf80_0000,
    0x3f00_0000,
    0x3eff_ffff,
    0x3f7f_ffff,
    0x4000_0000,
    0x4b00_0000,
    0x4b80_0000,
    0x4f00_0000,
    0x4eff_ffff,
    0x4f80_0000,
    0xcf00_0000,
    0x7f80_0000,
    0xff80_0000,
    0x7fc0_0000,
    0x7f80_0001,
    0xffc0_1234,
    0x7f7f_ffff,
    0x0000_0001,
    0x8040_0000,
    0x477f_e000,
    0x477f_f000,
    0x3380_0000,
    0x3300_0000,
    0x7c00_3c00,
    0xfc00_7bff,
    0x7e00_0400,
    0x8001_03ff,
];

/// 64-bit ones.
const LONGS: [u64; 22] = [
    0,
    1,
    u64::MAX,
    1 << 63,
    (1 << 63) - 1,
    0xffff_ffff,
    1 << 32,
    0x3ff0_0000_0000_0000,
    0xbff0_0000_0000_0000,
    0x3fe0_0000_0000_0000,
    0x7ff0_0000_0000_0000,
    0xfff0_0000_0000_0000,
    0x7ff8_0000_0000_0000,
    0x7ff0_0000_0000_0001,
    0x000f_ffff_ffff_ffff,
    0x0010_0000_0000_0000,
    0x7fef_ffff_ffff_ffff,
    0x41df_ffff_ffc0_0000,
    0x41e0_0000_0000_0000,
    0xc1e0_0000_0020_0000,
    0x4340_0000_0000_0000,
    0x8000_0000_0000_0001,
];

/// 16-bit ones.
const HALVES: [u16; 28] = [
    0, 1, 2, 0xf, 0x10, 0x3ff, 0x400, 0x401, 0x3800, 0x3c00, 0x3c01, 0x3bff, 0xbc00, 0xb800,
    0x4000, 0x6400, 0x7bff, 0x7c00, 0xfc00, 0x7e00, 0x7c01, 0xfe34, 0x7fff, 0x8000, 0x8001, 0x83ff,
    0xfbff, 0xffff,
];

impl Random {
    /// From a seed.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// 32 bits.
    pub(crate) fn word(&mut self) -> u32 {
        self.next() as u32
    }

    /// A number below another.
    pub(crate) fn below(&mut self, end: u32) -> u32 {
        (self.next() >> 32) as u32 % end
    }

    /// True so many times in a hundred.
    pub(crate) fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    /// One of a list.
    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u32) as usize]
    }

    fn half(&mut self) -> u16 {
        match self.below(3) {
            0 => self.pick(&HALVES),
            1 => self.word() as u16,
            // A half float of ordinary size.
            _ => (self.word() as u16 & 0x83ff) | (self.below(12) as u16 + 9) << 10,
        }
    }

    /// A 32-bit number that is worth a try.
    pub(crate) fn interesting(&mut self) -> u32 {
        match self.below(8) {
            0 | 1 => self.pick(&WORDS),
            2 => self.word(),
            // A float of ordinary size.
            3 | 4 => (self.word() & 0x807f_ffff) | (self.below(40) + 107) << 23,
            // Any exponent.
            5 => (self.word() & 0x8000_000f) | self.below(256) << 23 | self.below(2) << 22,
            6 => u32::from(self.half()) | u32::from(self.half()) << 16,
            _ => self.word() >> self.below(32),
        }
    }

    /// A 64-bit one.
    pub(crate) fn interesting_long(&mut self) -> u64 {
        match self.below(5) {
            0 => self.pick(&LONGS),
            1 => self.next(),
            2 => (self.next() & 0x800f_ffff_ffff_ffff) | (u64::from(self.below(80)) + 983) << 52,
            3 => (self.next() & 0x8000_0000_0000_00ff) | u64::from(self.below(2048)) << 52,
            _ => self.next() >> self.below(64),
        }
    }
}
