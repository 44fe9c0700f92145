//! The name of a kernel from the code object that a program has loaded into memory.
//!
//! Dispatches name a kernel by the address of its descriptor. The code object's first segment, which begins with the
//! ELF header, lies in the same allocation, and the dynamic symbols are in it. Everything read here is a program's
//! and may be anything: it is read with bounds.

use super::memory::GpuMemory;
use crate::exec::Memory;

/// Numbers of an ELF file. Source: the ELF-64 object file format.
mod elf {
    pub(super) const MAGIC: [u8; 4] = *b"\x7fELF";
    pub(super) const HEADER_PHOFF: u64 = 32;
    pub(super) const HEADER_PHNUM: u64 = 56;
    pub(super) const PROGRAM_HEADER_BYTES: u64 = 56;
    pub(super) const PT_DYNAMIC: u32 = 2;
    pub(super) const DYNAMIC_ENTRY_BYTES: u64 = 16;
    pub(super) const DT_NULL: u64 = 0;
    pub(super) const DT_HASH: u64 = 4;
    pub(super) const DT_STRTAB: u64 = 5;
    pub(super) const DT_SYMTAB: u64 = 6;
    pub(super) const SYMBOL_BYTES: u64 = 24;
}

/// Most pages looked at before a descriptor; the read-only segment of the largest library known is shorter.
const MOST_PAGES: u64 = 1 << 14;

/// Longest name that is read. Templates make long ones.
const MOST_NAME_BYTES: u64 = 1 << 16;

struct Reader<'a> {
    memory: &'a GpuMemory,
}

impl Reader<'_> {
    fn bytes<const N: usize>(&self, va: u64) -> Option<[u8; N]> {
        let host = self.memory.host(va, N as u64)?;
        // SAFETY: `host` is good for N bytes; a program that writes there at the same time gets a wrong name.
        Some(unsafe { host.cast::<[u8; N]>().read_unaligned() })
    }

    fn u64(&self, va: u64) -> Option<u64> {
        self.bytes(va).map(u64::from_le_bytes)
    }

    fn u32(&self, va: u64) -> Option<u32> {
        self.bytes(va).map(u32::from_le_bytes)
    }
}

/// Returns the name of the kernel whose descriptor is at an address, as the code object has it.
pub(crate) fn kernel_name(memory: &GpuMemory, descriptor: u64) -> Option<String> {
    let reader = Reader { memory };
    let range = memory.range(descriptor)?;
    let page = descriptor & !0xfff;
    let begin = (0..MOST_PAGES)
        .map_while(|back| page.checked_sub(back * 0x1000).filter(|va| *va >= range.start))
        .find(|va| reader.bytes(*va) == Some(elf::MAGIC))?;
    let headers = begin + reader.u64(begin + elf::HEADER_PHOFF)?;
    let count = u64::from(u16::from_le_bytes(reader.bytes(begin + elf::HEADER_PHNUM)?));
    let dynamic = (0..count)
        .map(|at| headers + at * elf::PROGRAM_HEADER_BYTES)
        .find(|header| reader.u32(*header) == Some(elf::PT_DYNAMIC))?;
    let mut entry = begin + reader.u64(dynamic + 16)?;
    let (mut hash, mut strings, mut symbols) = (0, 0, 0);
    for _ in 0..256 {
        let value = reader.u64(entry + 8)?;
        match reader.u64(entry)? {
            elf::DT_NULL => break,
            elf::DT_HASH => hash = value,
            elf::DT_STRTAB => strings = value,
            elf::DT_SYMTAB => symbols = value,
            _ => {}
        }
        entry += elf::DYNAMIC_ENTRY_BYTES;
    }
    // The second word of the hash table is the number of symbols.
    let count = u64::from(reader.u32(begin + hash + 4)?);
    let symbol = (0..count)
        .map(|at| begin + symbols + at * elf::SYMBOL_BYTES)
        .find(|symbol| reader.u64(symbol + 8) == Some(descriptor - begin))?;
    let name = begin + strings + u64::from(reader.u32(symbol)?);
    let bytes = (0..MOST_NAME_BYTES).map_while(|at| match reader.bytes::<1>(name + at) {
        Some([0]) | None => None,
        Some([byte]) => Some(byte),
    });
    let name = String::from_utf8_lossy(&bytes.collect::<Vec<u8>>()).into_owned();
    Some(name.strip_suffix(".kd").map_or(name.clone(), str::to_owned))
}
