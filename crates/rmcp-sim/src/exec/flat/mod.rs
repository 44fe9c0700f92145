//! FLAT, GLOBAL and SCRATCH instructions, and what buffers have in common with them.
//!
//! Source: "RDNA 2 ISA" (AMD), "Flat Memory Instructions"; LLVM `AMDGPUUsage.rst`, "Address Spaces" (private memory
//! lies dword by dword, the lanes side by side). Accesses that are not aligned are allowed, as the Linux driver
//! sets `SH_MEM_CONFIG.ALIGNMENT_MODE` to unaligned (`kfd_device_queue_manager_v10.c`, `update_qpd_v10`).

mod atomic;

use super::buffer;
use super::exec_state::Exec;
use super::fault::FaultKind;
use super::lower::{Table, add};
use super::op::{HAS_SCALAR, Handler, NO_VECTOR, Number, Op, Space, Step};
use super::wave::{Wide, blend};

/// Where an address leads.
enum Place {
    Global,
    /// Byte of LDS.
    Lds(usize),
    /// Byte of private memory.
    Private(u64),
}

/// Runs a block for each lane that is on.
macro_rules! each_lane {
    ($exec:expr, $lane:ident => $block:block) => {
        let mut rest: u32 = $exec;
        while rest != 0 {
            let $lane = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            $block
        }
    };
}
pub(super) use each_lane;

impl Exec<'_> {
    /// The address of each lane of a half, as a flat one.
    #[inline(always)]
    fn addresses(&self, op: &Op, half: usize) -> Wide {
        let wave = &self.wave;
        let mut addresses = [0_u64; 32];
        let offset = i64::from(op.constant).cast_unsigned();
        let at = usize::from(op.sources[0].at) + half;
        if op.space == Space::Private {
            let mut base = op.constant.cast_unsigned();
            if op.flags & HAS_SCALAR != 0 {
                base = base.wrapping_add(wave.scalar(&op.sources[2]));
            }
            for (lane, address) in addresses.iter_mut().enumerate() {
                let own = if op.flags & NO_VECTOR != 0 { 0 } else { wave.vectors[at].0[lane] };
                *address = self.device.private_aperture | u64::from(base.wrapping_add(own));
            }
        } else if op.flags & HAS_SCALAR != 0 {
            let base = wave.scalar64(&op.sources[2]).wrapping_add(offset);
            let low = &wave.vectors[at].0;
            for lane in 0..32 {
                addresses[lane] = base.wrapping_add(u64::from(low[lane]));
            }
        } else {
            let (low, high) = (&wave.vectors[at].0, &wave.vectors[at + wave.halves].0);
            for lane in 0..32 {
                addresses[lane] =
                    (u64::from(low[lane]) | u64::from(high[lane]) << 32).wrapping_add(offset);
            }
            if op.space == Space::Flat && op.constant != 0 && self.device.drops_flat_offset() {
                for address in &mut addresses {
                    if self.not_global(address.wrapping_sub(offset)).is_none() {
                        *address = address.wrapping_sub(offset);
                    }
                }
            }
        }
        addresses
    }

    #[inline(always)]
    fn place(&self, va: u64, bytes: u64) -> Result<Place, FaultKind> {
        if self.not_global(va).is_none() {
            return Ok(Place::Global);
        }
        self.place_in_aperture(va, bytes)
    }

    #[inline(never)]
    fn place_in_aperture(&self, va: u64, bytes: u64) -> Result<Place, FaultKind> {
        let (aperture, offset) = (va >> 32, va & 0xffff_ffff);
        if aperture == self.device.lds_aperture >> 32 && offset + bytes <= self.lds.len() as u64 {
            return Ok(Place::Lds(offset as usize));
        }
        let private = self.launch.scratch.slot_bytes / u64::from(self.wave.lanes());
        if aperture == self.device.private_aperture >> 32 && offset + bytes <= private {
            return Ok(Place::Private(offset));
        }
        Err(FaultKind::Aperture { va })
    }

    /// Where a byte of a lane's private memory lies.
    fn private_byte(&self, offset: u64, lane: usize) -> u64 {
        let dword = (offset / 4) * 4 * u64::from(self.wave.lanes());
        self.wave.flat_scratch.wrapping_add(dword + 4 * lane as u64 + offset % 4)
    }

    fn read<const N: usize>(&mut self, va: u64, lane: usize) -> Result<[u32; N], FaultKind> {
        match self.place(va, 4 * N as u64)? {
            Place::Global => self.memory.read_words(va),
            Place::Lds(at) => Ok(std::array::from_fn(|word| self.lds_word(at + 4 * word))),
            Place::Private(offset) => {
                let mut words = [0; N];
                for (word, at) in words.iter_mut().zip(0_u64..) {
                    *word = self.read_private(offset + 4 * at, 4, lane)?;
                }
                Ok(words)
            }
        }
    }

    fn read_private(&mut self, offset: u64, bytes: u64, lane: usize) -> Result<u32, FaultKind> {
        if offset.is_multiple_of(4) && bytes == 4 {
            return Ok(self.memory.read_words::<1>(self.private_byte(offset, lane))?[0]);
        }
        let mut value = 0;
        for byte in 0..bytes {
            let at = self.private_byte(offset + byte, lane);
            value |= self.memory.read_small::<1>(at)? << (8 * byte);
        }
        Ok(value)
    }

    fn write_private(
        &mut self,
        offset: u64,
        bytes: u64,
        lane: usize,
        value: u32,
    ) -> Result<(), FaultKind> {
        if offset.is_multiple_of(4) && bytes == 4 {
            return self.memory.write_words(self.private_byte(offset, lane), [value]);
        }
        for byte in 0..bytes {
            let at = self.private_byte(offset + byte, lane);
            self.memory.write_small::<1>(at, value >> (8 * byte))?;
        }
        Ok(())
    }

    fn write<const N: usize>(
        &mut self,
        va: u64,
        lane: usize,
        words: [u32; N],
    ) -> Result<(), FaultKind> {
        match self.place(va, 4 * N as u64)? {
            Place::Global => self.memory.write_words(va, words),
            Place::Lds(at) => {
                for (word, value) in words.into_iter().enumerate() {
                    self.set_lds_word(at + 4 * word, value);
                }
                Ok(())
            }
            Place::Private(offset) => {
                for (value, at) in words.into_iter().zip(0_u64..) {
                    self.write_private(offset + 4 * at, 4, lane, value)?;
                }
                Ok(())
            }
        }
    }

    fn read_small<const N: usize>(&mut self, va: u64, lane: usize) -> Result<u32, FaultKind> {
        match self.place(va, N as u64)? {
            Place::Global => self.memory.read_small::<N>(va),
            Place::Lds(at) => {
                Ok((0..N).fold(0, |value, k| value | u32::from(self.lds[at + k]) << (8 * k)))
            }
            Place::Private(offset) => self.read_private(offset, N as u64, lane),
        }
    }

    fn write_small<const N: usize>(
        &mut self,
        va: u64,
        lane: usize,
        value: u32,
    ) -> Result<(), FaultKind> {
        match self.place(va, N as u64)? {
            Place::Global => self.memory.write_small::<N>(va, value),
            Place::Lds(at) => {
                self.lds[at..at + N].copy_from_slice(&value.to_le_bytes()[..N]);
                Ok(())
            }
            Place::Private(offset) => self.write_private(offset, N as u64, lane, value),
        }
    }

    /// The data of a lane.
    #[inline(always)]
    pub(super) fn data<const N: usize>(&self, op: &Op, half: usize, lane: usize) -> [u32; N] {
        let at = usize::from(op.sources[1].at) + half;
        std::array::from_fn(|word| self.wave.vectors[at + word * self.wave.halves].0[lane])
    }

    /// Gives a lane its result.
    #[inline(always)]
    pub(super) fn put<const N: usize>(
        &mut self,
        op: &Op,
        half: usize,
        lane: usize,
        words: [u32; N],
    ) {
        let at = usize::from(op.vdst) + half;
        let halves = self.wave.halves;
        for (word, value) in words.into_iter().enumerate() {
            self.wave.vectors[at + word * halves].0[lane] = value;
        }
    }
}

fn load<const N: usize>(x: &mut Exec<'_>, op: &Op) -> Step {
    if op.space == Space::Buffer {
        return buffer::load::<N>(x, op);
    }
    for half in 0..x.wave.halves {
        let (exec, halves) = (x.wave.exec(half), x.wave.halves);
        let addresses = x.addresses(op, half);
        if exec == 0 {
            continue;
        }
        let any = addresses[(exec.trailing_zeros() & 31) as usize];
        let is_global = x.not_global(any).is_none();
        if let Some(words) = is_global.then(|| x.memory.gather::<N>(&addresses, exec)).flatten() {
            for (word, lanes) in words.iter().enumerate() {
                blend(
                    &mut x.wave.vectors[usize::from(op.vdst) + half + word * halves],
                    lanes,
                    exec,
                );
            }
            continue;
        }
        each_lane!(exec, lane => {
            match x.read::<N>(addresses[lane], lane + 32 * half) {
                Ok(words) => x.put(op, half, lane, words),
                Err(kind) => return x.fail(kind, (lane + 32 * half) as u32),
            }
        });
    }
    Step::Next
}

fn store<const N: usize>(x: &mut Exec<'_>, op: &Op) -> Step {
    if op.space == Space::Buffer {
        return buffer::store::<N>(x, op);
    }
    for half in 0..x.wave.halves {
        let (exec, halves) = (x.wave.exec(half), x.wave.halves);
        let addresses = x.addresses(op, half);
        if exec == 0 {
            continue;
        }
        let at = usize::from(op.sources[1].at) + half;
        let words = std::array::from_fn::<_, N, _>(|word| &x.wave.vectors[at + word * halves]);
        let any = addresses[(exec.trailing_zeros() & 31) as usize];
        if x.not_global(any).is_none() && x.memory.scatter(&addresses, exec, words) {
            continue;
        }
        each_lane!(exec, lane => {
            let words = x.data::<N>(op, half, lane);
            if let Err(kind) = x.write(addresses[lane], lane + 32 * half, words) {
                return x.fail(kind, (lane + 32 * half) as u32);
            }
        });
    }
    Step::Next
}

/// All 32 bits of the register get the value.
pub(super) const WHOLE: u8 = 0;
/// The lower 16 do.
pub(super) const LOW: u8 = 1;
/// The upper 16 do.
pub(super) const HIGH: u8 = 2;

/// Makes a register of a small value, its sign, and what was there.
#[inline(always)]
pub(super) fn placed<const N: usize, const SIGNED: bool, const HALF: u8>(
    value: u32,
    old: u32,
) -> u32 {
    let value = match (SIGNED, N) {
        (true, 1) => i32::from(value as i8).cast_unsigned(),
        (true, _) => i32::from(value as i16).cast_unsigned(),
        _ => value,
    };
    match HALF {
        LOW => old & 0xffff_0000 | value & 0xffff,
        HIGH => old & 0xffff | value << 16,
        _ => value,
    }
}

fn load_small<const N: usize, const SIGNED: bool, const HALF: u8>(
    x: &mut Exec<'_>,
    op: &Op,
) -> Step {
    let buffer = (op.space == Space::Buffer).then(|| buffer::Access::of(x, op));
    for half in 0..x.wave.halves {
        let addresses = if buffer.is_some() { [0; 32] } else { x.addresses(op, half) };
        each_lane!(x.wave.exec(half), lane => {
            let value = match &buffer {
                Some(access) => match access.address(x, op, half, lane, 0, N as u64) {
                    Some(va) => x.read_global_small::<N>(va),
                    None => Ok(0),
                },
                None => x.read_small::<N>(addresses[lane], lane + 32 * half),
            };
            match value {
                Ok(value) => {
                    let old = x.wave.vectors[usize::from(op.vdst) + half].0[lane];
                    x.put(op, half, lane, [placed::<N, SIGNED, HALF>(value, old)]);
                }
                Err(kind) => return x.fail(kind, (lane + 32 * half) as u32),
            }
        });
    }
    Step::Next
}

fn store_small<const N: usize, const HALF: u8>(x: &mut Exec<'_>, op: &Op) -> Step {
    let buffer = (op.space == Space::Buffer).then(|| buffer::Access::of(x, op));
    for half in 0..x.wave.halves {
        let addresses = if buffer.is_some() { [0; 32] } else { x.addresses(op, half) };
        each_lane!(x.wave.exec(half), lane => {
            let [value] = x.data::<1>(op, half, lane);
            let value = if HALF == HIGH { value >> 16 } else { value };
            let result = match &buffer {
                Some(access) => match access.address(x, op, half, lane, 0, N as u64) {
                    Some(va) => x.write_global_small::<N>(va, value),
                    None => Ok(()),
                },
                None => x.write_small::<N>(addresses[lane], lane + 32 * half, value),
            };
            if let Err(kind) = result {
                return x.fail(kind, (lane + 32 * half) as u32);
            }
        });
    }
    Step::Next
}

impl Exec<'_> {
    fn read_global_small<const N: usize>(&mut self, va: u64) -> Result<u32, FaultKind> {
        match self.not_global(va) {
            Some(fault) => Err(fault),
            None => self.memory.read_small::<N>(va),
        }
    }

    fn write_global_small<const N: usize>(&mut self, va: u64, value: u32) -> Result<(), FaultKind> {
        match self.not_global(va) {
            Some(fault) => Err(fault),
            None => self.memory.write_small::<N>(va, value),
        }
    }
}

/// `global_load_dword_addtid` and its store: the lane's number is the index.
fn by_lane<const STORE: bool>(x: &mut Exec<'_>, op: &Op) -> Step {
    let scalar = if op.flags & HAS_SCALAR != 0 { x.wave.scalar64(&op.sources[2]) } else { 0 };
    let base = scalar.wrapping_add(i64::from(op.constant).cast_unsigned());
    for half in 0..x.wave.halves {
        each_lane!(x.wave.exec(half), lane => {
            let number = lane + 32 * half;
            let va = base.wrapping_add(4 * number as u64);
            let result = if STORE {
                let words = x.data::<1>(op, half, lane);
                x.write(va, number, words)
            } else {
                x.read::<1>(va, number).map(|words| x.put(op, half, lane, words))
            };
            if let Err(kind) = result {
                return x.fail(kind, number as u32);
            }
        });
    }
    Step::Next
}

/// Adds the instructions that FLAT, GLOBAL, SCRATCH and MUBUF share, by their names without these words.
pub(super) fn add_to(table: &mut Table) {
    let rows: &[(&'static str, Handler)] = &[
        ("load_dword", load::<1>),
        ("load_dwordx2", load::<2>),
        ("load_dwordx3", load::<3>),
        ("load_dwordx4", load::<4>),
        ("load_ubyte", load_small::<1, false, WHOLE>),
        ("load_sbyte", load_small::<1, true, WHOLE>),
        ("load_ushort", load_small::<2, false, WHOLE>),
        ("load_sshort", load_small::<2, true, WHOLE>),
        ("load_ubyte_d16", load_small::<1, false, LOW>),
        ("load_ubyte_d16_hi", load_small::<1, false, HIGH>),
        ("load_sbyte_d16", load_small::<1, true, LOW>),
        ("load_sbyte_d16_hi", load_small::<1, true, HIGH>),
        ("load_short_d16", load_small::<2, false, LOW>),
        ("load_short_d16_hi", load_small::<2, false, HIGH>),
        ("store_dword", store::<1>),
        ("store_dwordx2", store::<2>),
        ("store_dwordx3", store::<3>),
        ("store_dwordx4", store::<4>),
        ("store_byte", store_small::<1, LOW>),
        ("store_byte_d16_hi", store_small::<1, HIGH>),
        ("store_short", store_small::<2, LOW>),
        ("store_short_d16_hi", store_small::<2, HIGH>),
        ("load_dword_addtid", by_lane::<false>),
        ("store_dword_addtid", by_lane::<true>),
        ("atomic", atomic::words),
        ("atomic64", atomic::wide),
    ];
    add(table, Number::Bits, Number::Bits, 0, rows);
}
