//! Memory that programs have allocated for the cards.
//!
//! All of it lies in one file in memory (`memfd`), of which every open device is a copy: so a program's `mmap` of a
//! device needs no help. Each allocation is mapped a second time for the interpreter. Memory that programs bring
//! themselves (`USERPTR`) is used where it is.

use super::abi::flag;
use super::own_memory::is_writable;
use crate::exec::{Memory, Range};
use crate::ledger::Ledger;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd};
use std::sync::RwLock;

/// Size of the file. It is sparse: an offset is never used twice, so this only has to be more than a program ever
/// allocates.
const FILE_BYTES: u64 = 1 << 45;

/// Where allocations begin in the file: doorbells, registers and the page of events are below.
const FIRST_OFFSET: u64 = 1 << 20;

/// Bytes to a page of a card's page table, at least.
const PAGE: u64 = 4096;

/// One allocation.
#[derive(Debug, Clone, Copy)]
struct Allocation {
    va: u64,
    bytes: u64,
    /// Where it lies in this process.
    host: u64,
    /// Where it lies in the file; `None` for what programs brought themselves.
    offset: Option<u64>,
    flags: u32,
    /// Index of the card whose memory it takes, for VRAM.
    card: usize,
    mapped: bool,
}

#[derive(Debug, Default)]
struct Table {
    /// By handle.
    allocations: BTreeMap<u64, Allocation>,
    /// Handles by address.
    by_address: BTreeMap<u64, u64>,
    next_handle: u64,
    next_offset: u64,
}

/// Why memory cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MemoryError {
    /// The card has no more.
    Full,
    /// The arguments make no sense, or there is no such allocation.
    Invalid,
    /// A program's memory that it may not write itself.
    Fault,
}

/// What is allocated.
#[derive(Debug)]
pub(crate) struct GpuMemory {
    file: File,
    /// Bytes of each card.
    sizes: Vec<u64>,
    /// What is taken of them, here and in other processes.
    ledger: Ledger,
    table: RwLock<Table>,
}

impl GpuMemory {
    /// Makes the memory of cards with these sizes.
    pub(crate) fn new(sizes: Vec<u64>, ledger: Ledger) -> std::io::Result<Self> {
        // SAFETY: the name is a C string; the call takes nothing else of ours.
        let fd = unsafe { libc::memfd_create(c"rmcp-sim".as_ptr(), libc::MFD_CLOEXEC) };
        if fd < 0 {
            return Err(std::io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just made and belongs to nobody else.
        let file = unsafe { File::from_raw_fd(fd) };
        file.set_len(FILE_BYTES)?;
        let table = Table { next_handle: 1, next_offset: FIRST_OFFSET, ..Table::default() };
        Ok(Self { file, sizes, ledger, table: RwLock::new(table) })
    }

    /// The file of which every open device is a copy.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Returns how much of a card's memory is free.
    pub(crate) fn available(&self, card: usize) -> u64 {
        self.sizes.get(card).map_or(0, |size| size.saturating_sub(self.ledger.taken(card)))
    }

    /// Allocates, and returns the handle and the offset for `mmap`.
    pub(crate) fn allocate(
        &self,
        card: usize,
        va: u64,
        bytes: u64,
        flags: u32,
        given: u64,
    ) -> Result<(u64, u64), MemoryError> {
        if bytes == 0 || !bytes.is_multiple_of(PAGE) || va.checked_add(bytes).is_none() {
            return Err(MemoryError::Invalid);
        }
        let mut table = self.write();
        let handle = table.next_handle;
        let mut allocation =
            Allocation { va, bytes, host: 0, offset: None, flags, card, mapped: false };
        let mut offset = given;
        if flags & flag::USERPTR != 0 {
            if flags & flag::WRITABLE != 0 && !is_writable(given, bytes) {
                return Err(MemoryError::Fault);
            }
            allocation.host = given;
        } else {
            if flags & (flag::DOORBELL | flag::MMIO_REMAP) != 0 {
                // Below the first offset; what is written there moves nothing, queues are looked at all the time.
                offset = given;
                if given.checked_add(bytes).is_none_or(|end| end > FIRST_OFFSET) {
                    return Err(MemoryError::Invalid);
                }
            } else {
                if flags & flag::VRAM != 0 {
                    let size = self.sizes.get(card).copied().ok_or(MemoryError::Invalid)?;
                    if !self.ledger.take(card, bytes, size) {
                        return Err(MemoryError::Full);
                    }
                }
                offset = table.next_offset;
                table.next_offset += bytes.next_multiple_of(1 << 16);
            }
            allocation.offset = Some(offset);
            let host = self.map(offset, bytes).ok_or(MemoryError::Full);
            allocation.host = match host {
                Ok(host) => host,
                Err(error) => {
                    if flags & flag::VRAM != 0 {
                        self.ledger.give_back(card, bytes);
                    }
                    return Err(error);
                }
            };
        }
        table.next_handle += 1;
        table.allocations.insert(handle, allocation);
        table.by_address.insert(va, handle);
        Ok((handle, offset))
    }

    fn map(&self, offset: u64, bytes: u64) -> Option<u64> {
        let (length, offset) = (usize::try_from(bytes).ok()?, i64::try_from(offset).ok()?);
        // SAFETY: a new mapping of our own file, at an address that the kernel chooses.
        let host = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_NORESERVE,
                self.file.as_raw_fd(),
                offset,
            )
        };
        (host != libc::MAP_FAILED).then_some(host as u64)
    }

    /// Gives an allocation back. What it held is gone.
    pub(crate) fn free(&self, handle: u64) -> Result<(), MemoryError> {
        let mut table = self.write();
        let allocation = table.allocations.remove(&handle).ok_or(MemoryError::Invalid)?;
        if table.by_address.get(&allocation.va) == Some(&handle) {
            table.by_address.remove(&allocation.va);
        }
        if allocation.flags & flag::VRAM != 0 {
            self.ledger.give_back(allocation.card, allocation.bytes);
        }
        let Some(offset) = allocation.offset else { return Ok(()) };
        // SAFETY: made by `map` with these bounds, and no longer in the table. A dispatch that still uses it is a
        // program's use of memory that it has freed; the program dies of it, as it might on a card.
        unsafe { libc::munmap(allocation.host as *mut libc::c_void, allocation.bytes as usize) };
        if offset >= FIRST_OFFSET {
            let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
            let (offset, bytes) = (offset.cast_signed(), allocation.bytes.cast_signed());
            // SAFETY: takes numbers alone; where it fails the memory is given back at the end of the process.
            unsafe { libc::fallocate(self.file.as_raw_fd(), mode, offset, bytes) };
        }
        Ok(())
    }

    /// Enters an allocation into the cards' page tables, or takes it out.
    pub(crate) fn set_mapped(&self, handle: u64, mapped: bool) -> Result<(), MemoryError> {
        let mut table = self.write();
        let allocation = table.allocations.get_mut(&handle).ok_or(MemoryError::Invalid)?;
        allocation.mapped = mapped;
        Ok(())
    }

    /// Returns where bytes of the cards' address space lie in this process, `None` where not all are mapped.
    pub(crate) fn host(&self, va: u64, bytes: u64) -> Option<*mut u8> {
        let range = self.range(va)?;
        let fits = va.checked_add(bytes)? <= range.end;
        fits.then(|| range.host.wrapping_add((va - range.start) as usize))
    }
}

// SAFETY: mappings stay until `free`, and what programs bring themselves is theirs to keep while a kernel runs.
unsafe impl Memory for GpuMemory {
    fn range(&self, va: u64) -> Option<Range> {
        let table = self.read();
        let (_, handle) = table.by_address.range(..=va).next_back()?;
        let allocation = table.allocations.get(handle)?;
        let end = allocation.va + allocation.bytes;
        (va < end && allocation.mapped).then_some(Range {
            start: allocation.va,
            end,
            host: allocation.host as *mut u8,
            writable: allocation.flags & flag::WRITABLE != 0,
            executable: allocation.flags & flag::EXECUTABLE != 0,
        })
    }
}
