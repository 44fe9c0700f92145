//! Scalar memory: loads by address or buffer, stores of gfx10.1, and the clocks.
//!
//! Source: "RDNA 2 ISA" (AMD), "Scalar Memory Operations".

use super::buffer::Descriptor;
use super::exec_state::Exec;
use super::fault::FaultKind;
use super::lower::{Table, add};
use super::op::{Handler, Number, Op, Step};

impl Exec<'_> {
    /// Ticks, which here are the instructions that the worker has run.
    pub(super) const fn clock(&self) -> u64 {
        self.device.clock.wrapping_add(self.counters.wave_instructions)
    }

    /// The address of a scalar access: base, constant and register, without the lowest two bits.
    fn scalar_address(&self, op: &Op) -> u64 {
        let base = self.wave.scalar64(&op.sources[0]);
        let offset = u64::from(self.wave.scalar(&op.sources[1]));
        base.wrapping_add(i64::from(op.constant).cast_unsigned()).wrapping_add(offset) & !3
    }
}

fn load<const N: usize>(x: &mut Exec<'_>, op: &Op) -> Step {
    let address = x.scalar_address(op);
    if let Some(fault) = x.not_global(address) {
        return x.stop(fault);
    }
    match x.memory.read_words::<N>(address) {
        Ok(words) => put(x, op, words),
        Err(kind) => x.stop(kind),
    }
}

fn put<const N: usize>(x: &mut Exec<'_>, op: &Op, words: [u32; N]) -> Step {
    for (word, at) in words.into_iter().zip(usize::from(op.sdst)..) {
        x.wave.set(at, word);
    }
    Step::Next
}

/// Words outside the buffer are 0.
fn load_buffer<const N: usize>(x: &mut Exec<'_>, op: &Op) -> Step {
    let descriptor = Descriptor::of(&x.wave, usize::from(op.sources[0].at));
    let offset = u64::from(x.wave.scalar(&op.sources[1]))
        .wrapping_add(i64::from(op.constant).cast_unsigned())
        & !3;
    let mut words = [0; N];
    for (word, at) in words.iter_mut().zip(0_u64..) {
        let offset = offset.wrapping_add(4 * at);
        if offset.saturating_add(4) > descriptor.bytes() {
            continue;
        }
        match x.memory.read_words::<1>((descriptor.base & !3).wrapping_add(offset)) {
            Ok([value]) => *word = value,
            Err(kind) => return x.stop(kind),
        }
    }
    put(x, op, words)
}

fn store<const N: usize>(x: &mut Exec<'_>, op: &Op) -> Step {
    let address = x.scalar_address(op);
    let words =
        std::array::from_fn::<u32, N, _>(|at| x.wave.scalars[(usize::from(op.sdst) + at) & 127]);
    if let Some(fault) = x.not_global(address) {
        return x.stop(fault);
    }
    match x.memory.write_words(address, words) {
        Ok(()) => Step::Next,
        Err(kind) => x.stop(kind),
    }
}

fn clock(x: &mut Exec<'_>, op: &Op) -> Step {
    let now = x.clock();
    x.wave.set64(usize::from(op.sdst), now);
    Step::Next
}

impl Exec<'_> {
    /// Returns a fault where an address is not one of global memory.
    #[inline(always)]
    pub(super) const fn not_global(&self, va: u64) -> Option<FaultKind> {
        let high = va.cast_signed() >> 47;
        if high == 0 || high == -1 { None } else { Some(FaultKind::Aperture { va }) }
    }
}

/// Adds the scalar memory instructions.
pub(super) fn add_to(table: &mut Table) {
    let rows: &[(&'static str, Handler)] = &[
        ("s_load_dword", load::<1>),
        ("s_load_dwordx2", load::<2>),
        ("s_load_dwordx4", load::<4>),
        ("s_load_dwordx8", load::<8>),
        ("s_load_dwordx16", load::<16>),
        ("s_buffer_load_dword", load_buffer::<1>),
        ("s_buffer_load_dwordx2", load_buffer::<2>),
        ("s_buffer_load_dwordx4", load_buffer::<4>),
        ("s_buffer_load_dwordx8", load_buffer::<8>),
        ("s_buffer_load_dwordx16", load_buffer::<16>),
        ("s_store_dword", store::<1>),
        ("s_store_dwordx2", store::<2>),
        ("s_store_dwordx4", store::<4>),
        ("s_memtime", clock),
        ("s_memrealtime", clock),
        ("s_get_waveid_in_workgroup", |x, op| {
            let number = x.wave.number;
            put(x, op, [number])
        }),
        // Caches are not simulated: every access sees memory as it is.
        ("s_gl1_inv", |_, _| Step::Next),
        ("s_dcache_inv", |_, _| Step::Next),
        ("s_dcache_wb", |_, _| Step::Next),
    ];
    add(table, Number::Bits, Number::Bits, 0, rows);
}
