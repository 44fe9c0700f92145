//! A small card for tests: memory by address, a loader of code objects, and dispatches by the kernel's name.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]
#![allow(clippy::disallowed_methods, reason = "tests read their own files")]

use object::elf::PT_LOAD;
use object::read::elf::{ElfFile64, ProgramHeader as _};
use object::{LittleEndian, Object as _, ObjectSymbol as _};
use rmcp_code::isa::Target;
use rmcp_sim::exec::{Counters, Device, Fault, Launch, Memory, Range, Scratch, run};
use std::cell::UnsafeCell;
use std::collections::HashMap;
use std::sync::atomic::AtomicBool;

/// One piece of memory.
struct Piece {
    va: u64,
    bytes: u64,
    words: Box<[UnsafeCell<u64>]>,
    writable: bool,
    executable: bool,
}

/// Memory by address, with gaps between its pieces.
#[derive(Default)]
pub struct Space {
    pieces: Vec<Piece>,
}

// SAFETY: the pieces are only reached through pointers while a dispatch runs, as a device does.
unsafe impl Sync for Space {}

// SAFETY: each piece stays where it is and is as long as the range says; nothing is freed before the space is.
unsafe impl Memory for Space {
    fn range(&self, va: u64) -> Option<Range> {
        let piece =
            self.pieces.iter().find(|piece| va >= piece.va && va < piece.va + piece.bytes)?;
        let (writable, executable) = (piece.writable, piece.executable);
        let host = piece.words.as_ptr().cast_mut().cast();
        Some(Range { start: piece.va, end: piece.va + piece.bytes, host, writable, executable })
    }
}

impl Space {
    /// Adds a piece of so many bytes and returns its address.
    pub fn add(&mut self, bytes: usize, writable: bool, executable: bool) -> u64 {
        let last = self.pieces.last().map_or(0x10_0000_0000, |piece| piece.va + piece.bytes);
        let va = last.next_multiple_of(0x1_0000) + 0x1_0000;
        let words = (0..bytes.div_ceil(8)).map(|_| UnsafeCell::new(0)).collect();
        self.pieces.push(Piece { va, bytes: bytes as u64, words, writable, executable });
        va
    }

    fn host(&self, va: u64, bytes: usize) -> *mut u8 {
        let range = self.range(va).expect("mapped");
        assert!(va + bytes as u64 <= range.end);
        range.host.wrapping_add((va - range.start) as usize)
    }

    /// Writes bytes.
    pub fn write(&mut self, va: u64, bytes: &[u8]) {
        let host = self.host(va, bytes.len());
        // SAFETY: `host` looked up that so many bytes are there, and no dispatch runs.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), host, bytes.len()) };
    }

    /// Reads bytes.
    pub fn read(&self, va: u64, bytes: usize) -> Vec<u8> {
        let host = self.host(va, bytes);
        let mut to = vec![0; bytes];
        // SAFETY: as in `write`.
        unsafe { std::ptr::copy_nonoverlapping(host, to.as_mut_ptr(), bytes) };
        to
    }
}

/// A number in memory.
pub trait Plain: Copy {
    /// Its bytes.
    fn bytes(self) -> Vec<u8>;
    /// From its bytes.
    fn parse(bytes: &[u8]) -> Self;
}

macro_rules! plain {
    ($($number:ty)*) => {$(
        impl Plain for $number {
            fn bytes(self) -> Vec<u8> { self.to_le_bytes().to_vec() }
            fn parse(bytes: &[u8]) -> Self { Self::from_le_bytes(bytes.try_into().expect("size")) }
        }
    )*};
}
plain!(u8 i8 u16 i16 u32 i32 u64 i64 f32 f64);

/// The card, with one code object.
pub struct Card {
    pub device: Device,
    pub memory: Space,
    kernels: HashMap<String, u64>,
    scratch: Scratch,
    pub private_bytes: u32,
    pub stop: Option<&'static AtomicBool>,
}

/// Bytes of private memory of a work-item.
const PRIVATE: u64 = 4096;

impl Card {
    /// A card of a target that has loaded an object of `testdata/exec`.
    pub fn new(target: Target, object: &str) -> Self {
        let path = format!("{}/../../testdata/exec/{object}.co", env!("CARGO_MANIFEST_DIR"));
        let file = std::fs::read(&path).expect("the object is checked in");
        let mut memory = Space::default();
        let kernels = load(&file, &mut memory);
        let slot_bytes = PRIVATE * 64;
        let slots = 64;
        let base = memory.add((slot_bytes * slots) as usize, true, false);
        let scratch = Scratch {
            base,
            slot_bytes,
            slots: slots as u32,
            descriptor: [base as u32, (base >> 32) as u32, u32::MAX, 0x2101_4000],
        };
        let device = Device::new(target, 2);
        Self { device, memory, kernels, scratch, private_bytes: PRIVATE as u32, stop: None }
    }

    /// Puts numbers into memory and returns their address.
    pub fn put<T: Plain>(&mut self, values: &[T]) -> u64 {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.bytes()).collect();
        let va = self.memory.add(bytes.len().max(8), true, false);
        self.memory.write(va, &bytes);
        va
    }

    /// Reads numbers.
    pub fn get<T: Plain>(&self, va: u64, count: usize) -> Vec<T> {
        let bytes = self.memory.read(va, count * size_of::<T>());
        bytes.chunks_exact(size_of::<T>()).map(T::parse).collect()
    }

    /// Runs a kernel; arguments of eight bytes lie where eight divides.
    pub fn run(
        &mut self,
        kernel: &str,
        grid: [u32; 3],
        workgroup: [u32; 3],
        arguments: &[Argument],
    ) -> Result<Counters, Fault> {
        let mut bytes = Vec::new();
        for argument in arguments {
            match *argument {
                Argument::Word(word) => bytes.extend(word.to_le_bytes()),
                Argument::Address(address) => {
                    bytes.resize(bytes.len().next_multiple_of(8), 0);
                    bytes.extend(address.to_le_bytes());
                }
            }
        }
        bytes.resize(bytes.len() + 256, 0);
        let kernarg = self.put(&bytes);
        let launch = Launch {
            grid,
            workgroup,
            kernel_object: self.kernels[kernel],
            kernarg,
            private_segment_bytes: self.private_bytes,
            scratch: self.scratch,
            stop: self.stop,
            ..Launch::default()
        };
        run(&self.device, &self.memory, &launch)
    }
}

/// An argument of a kernel.
#[derive(Debug, Clone, Copy)]
pub enum Argument {
    Word(u32),
    Address(u64),
}

/// Loads an object and returns the addresses of its kernel descriptors.
fn load(file: &[u8], memory: &mut Space) -> HashMap<String, u64> {
    let elf = ElfFile64::<LittleEndian>::parse(file).expect("an ELF file");
    let loaded = || elf.elf_program_headers().iter().filter(|h| h.p_type(LittleEndian) == PT_LOAD);
    let end = loaded().map(|h| h.p_vaddr(LittleEndian) + h.p_memsz(LittleEndian)).max();
    let base = memory.add(end.expect("a segment") as usize, true, true);
    for header in loaded() {
        let data = header.data(LittleEndian, file).expect("within the file");
        memory.write(base + header.p_vaddr(LittleEndian), data);
    }
    let symbols = elf.dynamic_symbols();
    let descriptors = symbols.filter_map(|symbol| {
        let name = symbol.name().ok()?.strip_suffix(".kd")?;
        Some((name.to_owned(), base + symbol.address()))
    });
    descriptors.collect()
}

/// Numbers that look random but are the same each time.
pub struct Numbers(pub u64);

impl Numbers {
    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}
