//! What an instruction can read and change, and how an expected state is compared with a real one.

use std::fmt::Write;

/// Vector registers at the disposal of the tested instruction.
pub(crate) const VECTORS: usize = 16;
/// Scalar registers likewise.
pub(crate) const SCALARS: usize = 16;
/// Lanes of the largest wavefront.
pub(crate) const LANES: usize = 64;
/// Bytes of memory that an instruction may touch.
pub(crate) const MEMORY: usize = 64 * LANES;

/// The registers, LDS and memory of one wavefront.
#[derive(Clone)]
pub(crate) struct State {
    /// Vector registers, each with its lanes.
    pub(crate) v: [[u32; LANES]; VECTORS],
    /// Scalar registers.
    pub(crate) s: [u32; SCALARS],
    /// VCC; in wave32 the upper half is a register of its own.
    pub(crate) vcc: u64,
    /// EXEC, likewise.
    pub(crate) exec: u64,
    /// M0.
    pub(crate) m0: u32,
    /// SCC.
    pub(crate) scc: bool,
    /// LDS, empty where the instruction has nothing to do with it.
    pub(crate) lds: Vec<u8>,
    /// Memory, likewise.
    pub(crate) memory: Vec<u8>,
}

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Bit by bit.
    Bits,
    /// As a half float: any NaN is as good as another.
    F16,
    /// As a float.
    F32,
    /// As a double.
    F64,
}

/// A result that need not be what the expected state says bit by bit.
#[derive(Debug, Clone)]
pub(crate) struct Loose {
    /// The register.
    pub(crate) register: usize,
    /// The lane.
    pub(crate) lane: usize,
    /// Lowest bit of the value in the register.
    pub(crate) shift: u32,
    /// How it is compared.
    pub(crate) kind: Kind,
    /// Values that are as good as the expected one.
    pub(crate) others: Vec<u64>,
    /// By how many units in the last place it may differ.
    pub(crate) ulp: u64,
    /// By how much it may differ.
    pub(crate) absolute: f64,
    /// Bits that do not matter.
    pub(crate) ignore: u64,
}

impl Loose {
    const fn bits(&self) -> u32 {
        match self.kind {
            Kind::F16 => 16,
            Kind::Bits | Kind::F32 => 32,
            Kind::F64 => 64,
        }
    }

    fn of(&self, state: &State) -> u64 {
        let low = u64::from(state.v[self.register][self.lane]) >> self.shift;
        match self.bits() {
            64 => low | u64::from(state.v[self.register + 1][self.lane]) << 32,
            bits => low & ((1 << bits) - 1),
        }
    }

    fn put(&self, state: &mut State, value: u64) {
        let mask = (((1_u64 << self.bits().min(32)) - 1) as u32) << self.shift;
        let register = &mut state.v[self.register][self.lane];
        *register = *register & !mask | (value as u32) << self.shift & mask;
        if self.bits() == 64 {
            state.v[self.register + 1][self.lane] = (value >> 32) as u32;
        }
    }

    /// Returns whether a value will do where another is expected.
    fn accepts(&self, expected: u64, got: u64) -> bool {
        if (expected ^ got) & !self.ignore == 0 {
            return true;
        }
        let (a, b) = match self.kind {
            Kind::Bits => return false,
            Kind::F16 => (half(expected as u16), half(got as u16)),
            Kind::F32 => {
                (f64::from(f32::from_bits(expected as u32)), f64::from(f32::from_bits(got as u32)))
            }
            Kind::F64 => (f64::from_bits(expected), f64::from_bits(got)),
        };
        if a.is_nan() || b.is_nan() {
            return a.is_nan() && b.is_nan();
        }
        if self.absolute > 0.0 && (a - b).abs() <= self.absolute {
            return true;
        }
        let order = |value: u64| {
            let sign = 1_u64 << (self.bits() - 1);
            let size = (value & (sign - 1)) as i128;
            if value & sign != 0 { -size } else { size }
        };
        self.ulp > 0 && (order(expected) - order(got)).unsigned_abs() <= u128::from(self.ulp)
    }
}

/// The value of a half float.
pub(crate) fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 0x3ff));
    let size = match exponent {
        0 => fraction / 1024.0 / 16384.0,
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * f64::from(exponent - 15).exp2(),
    };
    if bits >> 15 != 0 { -size } else { size }
}

/// Compares a state with the expected one and describes the differences, `None` where there is none.
pub(crate) fn difference(
    lanes: usize,
    before: &State,
    expected: &State,
    loose: &[Loose],
    got: &State,
) -> Option<String> {
    let mut wanted = expected.clone();
    for loose in loose {
        let (first, real) = (loose.of(&wanted), loose.of(got));
        if std::iter::once(&first).chain(&loose.others).any(|value| loose.accepts(*value, real)) {
            loose.put(&mut wanted, real);
        }
    }
    let mut text = String::new();
    let mut count = 0;
    for register in 0..VECTORS {
        for lane in 0..lanes {
            let (want, is) = (wanted.v[register][lane], got.v[register][lane]);
            if want != is {
                count += 1;
                if count <= 4 {
                    let active = expected.exec >> lane & 1 != 0 || before.exec >> lane & 1 != 0;
                    let was = before.v[register][lane];
                    let _ = writeln!(
                        text,
                        "  v{register} lane {lane} (active {active}): was {was:#010x}, expected {want:#010x}, got {is:#010x}"
                    );
                    let _ = write!(text, "    inputs of the lane:");
                    for (at, lanes) in before.v.iter().enumerate() {
                        let _ = write!(text, " v{at}={:#x}", lanes[lane]);
                    }
                    text.push('\n');
                }
            }
        }
    }
    for (at, (want, is)) in wanted.s.iter().zip(&got.s).enumerate() {
        if want != is {
            let _ =
                writeln!(text, "  s{at}: was {:#x}, expected {want:#x}, got {is:#x}", before.s[at]);
        }
    }
    for (name, was, want, is) in [
        ("vcc", before.vcc, wanted.vcc, got.vcc),
        ("exec", before.exec, wanted.exec, got.exec),
        ("m0", before.m0.into(), wanted.m0.into(), got.m0.into()),
        ("scc", before.scc.into(), wanted.scc.into(), got.scc.into()),
    ] {
        if want != is {
            let _ = writeln!(text, "  {name}: was {was:#x}, expected {want:#x}, got {is:#x}");
        }
    }
    for (name, was, want, is) in [
        ("lds", &before.lds, &wanted.lds, &got.lds),
        ("memory", &before.memory, &wanted.memory, &got.memory),
    ] {
        for at in (0..want.len()).filter(|&at| want[at] != is[at]).take(4) {
            let _ = writeln!(
                text,
                "  {name}[{at:#x}]: was {:#x}, expected {:#x}, got {:#x}",
                was[at], want[at], is[at]
            );
        }
    }
    if text.is_empty() {
        return None;
    }
    let _ = writeln!(
        text,
        "  before: s {:x?} vcc {:#x} exec {:#x} m0 {:#x} scc {}",
        before.s, before.vcc, before.exec, before.m0, before.scc
    );
    Some(text)
}
