//! Memory by GPU address: the owner's ranges, and a few of them remembered by each worker.

use super::fault::FaultKind;
use super::wave::{Lanes, Wide, ZERO};
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed};

/// One mapped range of GPU addresses.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    /// First address.
    pub start: u64,
    /// The address behind the last.
    pub end: u64,
    /// Where `start` lies in this process.
    pub host: *mut u8,
    /// Whether the GPU may write there.
    pub writable: bool,
    /// Whether the GPU may run code there.
    pub executable: bool,
}

/// What is mapped for the GPU.
///
/// # Safety
/// Each range returned must be backed by readable memory (writable where it says so) from `host` on for
/// `end - start` bytes, until the dispatch is over. Others may write to it at the same time, as devices do.
pub unsafe trait Memory: Sync {
    /// Returns the range that holds an address.
    fn range(&self, va: u64) -> Option<Range>;

    /// Takes a message of a wavefront, as `s_sendmsg` sends it with what M0 holds. Message 1 interrupts the host, M0 being
    /// the number of the event.
    ///
    /// Source: LLVM `SIDefines.h`, `SendMsg::ID_INTERRUPT`; ROCm device libraries, `__ockl_hsa_signal_*`.
    fn message(&self, _message: u16, _m0: u32) {}
}

const NOTHING: Range =
    Range { start: 0, end: 0, host: std::ptr::null_mut(), writable: false, executable: false };

/// Ranges lately used by one worker, the latest first.
pub(super) struct Translation<'m> {
    memory: &'m dyn Memory,
    latest: [Range; 8],
}

impl<'m> Translation<'m> {
    pub(super) fn new(memory: &'m dyn Memory) -> Self {
        Self { memory, latest: [NOTHING; 8] }
    }

    /// Passes a message on.
    pub(super) fn message(&self, message: u16, m0: u32) {
        self.memory.message(message, m0);
    }

    /// Returns where an access lies in this process: a pointer that is good for `bytes` bytes, or null where the
    /// access begins in one range and ends in another.
    #[inline(always)]
    pub(super) fn host(&mut self, va: u64, bytes: u64, write: bool) -> Result<*mut u8, FaultKind> {
        let range = &self.latest[0];
        if va >= range.start && va.wrapping_add(bytes) <= range.end && va < range.end {
            if write && !range.writable {
                return Err(FaultKind::ReadOnly { va });
            }
            return Ok(range.host.wrapping_add((va - range.start) as usize));
        }
        self.host_of_other(va, bytes, write)
    }

    #[inline(never)]
    fn host_of_other(&mut self, va: u64, bytes: u64, write: bool) -> Result<*mut u8, FaultKind> {
        let range = self.range(va).ok_or(FaultKind::PageFault { va, write })?;
        if write && !range.writable {
            return Err(FaultKind::ReadOnly { va });
        }
        if range.end - va < bytes {
            return Ok(std::ptr::null_mut());
        }
        Ok(range.host.wrapping_add((va - range.start) as usize))
    }

    /// Returns the range that holds an address and makes it the latest.
    pub(super) fn range(&mut self, va: u64) -> Option<Range> {
        let holds = |range: &Range| va >= range.start && va < range.end;
        let at = match self.latest.iter().position(holds) {
            Some(at) => at,
            None => {
                let range = self.memory.range(va).filter(holds)?;
                let last = self.latest.len() - 1;
                self.latest[last] = range;
                last
            }
        };
        self.latest[..=at].rotate_right(1);
        Some(self.latest[0])
    }

    /// Returns where the addresses of the lanes that are on lie, as what must be added to each, where all are
    /// aligned and `bytes` bytes from each are in one range.
    #[inline(always)]
    fn host_of_lanes(&mut self, addresses: &Wide, exec: u32, bytes: u64) -> Option<(u64, Range)> {
        let any = addresses[(exec.trailing_zeros() & 31) as usize];
        let (mut lowest, mut highest, mut bits) = (any, any, 0);
        for lane in 0..32 {
            let address = if exec >> lane & 1 != 0 { addresses[lane] } else { any };
            lowest = lowest.min(address);
            highest = highest.max(address);
            bits |= address;
        }
        let mut range = self.latest[0];
        if lowest < range.start || lowest >= range.end {
            range = self.range(lowest)?;
        }
        let displacement = (range.host as u64).wrapping_sub(range.start);
        let fits = highest.checked_add(bytes).is_some_and(|end| end <= range.end);
        (fits && (bits | displacement) & 3 == 0).then_some((displacement, range))
    }

    /// Reads `N` words for each lane that is on, `None` where that is not as simple as it mostly is.
    #[inline(always)]
    pub(super) fn gather<const N: usize>(
        &mut self,
        addresses: &Wide,
        exec: u32,
    ) -> Option<[Lanes; N]> {
        let (displacement, _) = self.host_of_lanes(addresses, exec, 4 * N as u64)?;
        let any = addresses[(exec.trailing_zeros() & 31) as usize];
        let mut words = [ZERO; N];
        for lane in 0..32 {
            let address = if exec >> lane & 1 != 0 { addresses[lane] } else { any };
            let host = address.wrapping_add(displacement) as *mut u32;
            for (word, to) in words.iter_mut().enumerate() {
                // SAFETY: the address is of a lane that is on, all of which lie in the range and are aligned.
                to.0[lane] = unsafe { AtomicU32::from_ptr(host.add(word)) }.load(Relaxed);
            }
        }
        Some(words)
    }

    /// Writes `N` words for each lane that is on, `false` where that is not as simple as it mostly is.
    #[inline(always)]
    pub(super) fn scatter<const N: usize>(
        &mut self,
        addresses: &Wide,
        exec: u32,
        words: [&Lanes; N],
    ) -> bool {
        let Some((displacement, range)) = self.host_of_lanes(addresses, exec, 4 * N as u64) else {
            return false;
        };
        if !range.writable {
            return false;
        }
        let mut rest = exec;
        while rest != 0 {
            let lane = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            let host = addresses[lane].wrapping_add(displacement) as *mut u32;
            for (word, from) in words.iter().enumerate() {
                // SAFETY: as in `gather`, and the range is writable.
                unsafe { AtomicU32::from_ptr(host.add(word)) }.store(from.0[lane], Relaxed);
            }
        }
        true
    }

    /// Reads `N` words.
    #[inline(always)]
    pub(super) fn read_words<const N: usize>(&mut self, va: u64) -> Result<[u32; N], FaultKind> {
        let host = self.host(va, 4 * N as u64, false)?;
        let mut words = [0; N];
        if host.is_null() {
            return self.read_torn(va);
        }
        if va & 3 == 0 && host as usize & 3 == 0 {
            for (at, word) in words.iter_mut().enumerate() {
                // SAFETY: `host` is good for 4 * N bytes and aligned; others may write at the same time, which
                // an atomic access allows.
                *word = unsafe { AtomicU32::from_ptr(host.cast::<u32>().add(at)) }.load(Relaxed);
            }
        } else {
            for (at, word) in words.iter_mut().enumerate() {
                // SAFETY: `host` is good for 4 * N bytes; a byte has no alignment.
                let byte = |k| unsafe { AtomicU8::from_ptr(host.add(4 * at + k)) }.load(Relaxed);
                *word = u32::from_le_bytes([byte(0), byte(1), byte(2), byte(3)]);
            }
        }
        Ok(words)
    }

    #[inline(never)]
    fn read_torn<const N: usize>(&mut self, va: u64) -> Result<[u32; N], FaultKind> {
        let mut words = [0; N];
        for (byte, at) in (0..4 * N).zip(0_u64..) {
            words[byte / 4] |= self.read_small::<1>(va + at)? << (8 * (byte % 4));
        }
        Ok(words)
    }

    /// Writes `N` words.
    #[inline(always)]
    pub(super) fn write_words<const N: usize>(
        &mut self,
        va: u64,
        words: [u32; N],
    ) -> Result<(), FaultKind> {
        let host = self.host(va, 4 * N as u64, true)?;
        if host.is_null() {
            for (byte, at) in (0..4 * N).zip(0_u64..) {
                self.write_small::<1>(va + at, words[byte / 4] >> (8 * (byte % 4)))?;
            }
            return Ok(());
        }
        if va & 3 == 0 && host as usize & 3 == 0 {
            for (at, word) in words.into_iter().enumerate() {
                // SAFETY: as in `read_words`, and the range is writable.
                unsafe { AtomicU32::from_ptr(host.cast::<u32>().add(at)) }.store(word, Relaxed);
            }
        } else {
            for (at, word) in words.into_iter().enumerate() {
                for (k, byte) in word.to_le_bytes().into_iter().enumerate() {
                    // SAFETY: as in `read_words`, and the range is writable.
                    unsafe { AtomicU8::from_ptr(host.add(4 * at + k)) }.store(byte, Relaxed);
                }
            }
        }
        Ok(())
    }

    /// Reads one byte or two, without a sign.
    #[inline(always)]
    pub(super) fn read_small<const N: usize>(&mut self, va: u64) -> Result<u32, FaultKind> {
        let host = self.host(va, N as u64, false)?;
        if N == 1 {
            // SAFETY: `host` is good for a byte: one byte cannot be torn.
            return Ok(u32::from(unsafe { AtomicU8::from_ptr(host) }.load(Relaxed)));
        }
        if !host.is_null() && host as usize & 1 == 0 {
            // SAFETY: `host` is good for two bytes and aligned.
            return Ok(u32::from(unsafe { AtomicU16::from_ptr(host.cast()) }.load(Relaxed)));
        }
        Ok(self.read_small::<1>(va)? | self.read_small::<1>(va + 1)? << 8)
    }

    /// Writes one byte or two.
    #[inline(always)]
    pub(super) fn write_small<const N: usize>(
        &mut self,
        va: u64,
        value: u32,
    ) -> Result<(), FaultKind> {
        let host = self.host(va, N as u64, true)?;
        if N == 1 {
            // SAFETY: `host` is good for a byte, and writable.
            unsafe { AtomicU8::from_ptr(host) }.store(value as u8, Relaxed);
            return Ok(());
        }
        if !host.is_null() && host as usize & 1 == 0 {
            // SAFETY: `host` is good for two bytes, aligned and writable.
            unsafe { AtomicU16::from_ptr(host.cast()) }.store(value as u16, Relaxed);
            return Ok(());
        }
        self.write_small::<1>(va, value)?;
        self.write_small::<1>(va + 1, value >> 8)
    }

    /// Returns the 32 bits at an address for an atomic.
    pub(super) fn atomic32(&mut self, va: u64) -> Result<&AtomicU32, FaultKind> {
        if va & 3 != 0 {
            return Err(FaultKind::Misaligned { va });
        }
        let host = self.host(va, 4, true)?;
        if host.is_null() || host as usize & 3 != 0 {
            return Err(FaultKind::Misaligned { va });
        }
        // SAFETY: `host` is good for four bytes, aligned and writable, as long as the dispatch runs.
        Ok(unsafe { AtomicU32::from_ptr(host.cast()) })
    }

    /// Returns the 64 bits at an address for an atomic.
    pub(super) fn atomic64(&mut self, va: u64) -> Result<&AtomicU64, FaultKind> {
        if va & 7 != 0 {
            return Err(FaultKind::Misaligned { va });
        }
        let host = self.host(va, 8, true)?;
        if host.is_null() || host as usize & 7 != 0 {
            return Err(FaultKind::Misaligned { va });
        }
        // SAFETY: `host` is good for eight bytes, aligned and writable, as long as the dispatch runs.
        Ok(unsafe { AtomicU64::from_ptr(host.cast()) })
    }
}
