//! A wavefront to run single instructions on, and memory beside it.

use crate::exec::exec_state::Exec;
use crate::exec::fault::FaultKind;
use crate::exec::lower::lower;
use crate::exec::memory::{Memory, Range, Translation};
use crate::exec::mode::Mode;
use crate::exec::op::Step;
use crate::exec::schedule::Counters;
use crate::exec::wave::{EXEC, Lanes, Wave, ZERO};
use crate::exec::{Device, Launch, Scratch};
use rmcp_code::isa::{Isa, Target, Wave as Size};
use rmcp_code::rules::Path;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Memory of 64 KiB at one address.
pub(super) struct Block(Box<[std::cell::UnsafeCell<u64>]>, pub(super) AtomicU32);

pub(super) const BLOCK: u64 = 0x7000_0000;

// SAFETY: each test has its own block and one thread.
unsafe impl Sync for Block {}

// SAFETY: the block has the range's size, and lives as long as the test.
unsafe impl Memory for Block {
    fn range(&self, va: u64) -> Option<Range> {
        let end = BLOCK + 8 * self.0.len() as u64;
        let host = self.0.as_ptr().cast_mut().cast();
        (BLOCK..end).contains(&va).then_some(Range {
            start: BLOCK,
            end,
            host,
            writable: true,
            executable: true,
        })
    }

    fn message(&self, message: u16, m0: u32) {
        self.1.store(u32::from(message) << 16 | m0, Relaxed);
    }
}

/// A wavefront to run single instructions on.
pub(super) struct Bench {
    pub(super) x: Exec<'static>,
    pub(super) memory: &'static Block,
    pub(super) target: Target,
    pub(super) size: Size,
}

pub(super) fn bench_of(target: Target, size: Size) -> Bench {
    let halves = if size == Size::Wave64 { 2 } else { 1 };
    let words = (0..8192).map(|_| std::cell::UnsafeCell::new(0)).collect();
    let memory: &'static Block = Box::leak(Box::new(Block(words, AtomicU32::new(0))));
    let scratch = Scratch { base: BLOCK, slot_bytes: 0x4000, slots: 1, descriptor: [0; 4] };
    let launch = Box::leak(Box::new(Launch { scratch, ..Launch::default() }));
    let wave = Wave {
        pc: 0,
        scalars: [0; 128],
        vectors: vec![ZERO; 64 * halves],
        halves,
        scc: false,
        // Denormals everywhere, NaN clamped to 0, IEEE.
        mode: Mode::new(0x3f0),
        crossed: [0; 2],
        flat_scratch: BLOCK,
        group: [0; 3],
        number: 0,
        slot: 0,
        done: false,
        waits: false,
        lds_apertures: [1 << 48, 2 << 48],
        path: Path::default(),
        passed: 0,
    };
    let mut x = Exec {
        wave: Box::new(wave),
        lds: vec![0; 4096],
        memory: Translation::new(memory),
        device: Box::leak(Box::new(Device::new(target, 1))),
        launch,
        counters: Counters::default(),
        fault: None,
    };
    x.wave.scalars[EXEC] = u32::MAX;
    if halves == 2 {
        x.wave.scalars[EXEC + 1] = u32::MAX;
    }
    Bench { x, memory, target, size }
}

pub(super) fn bench() -> Bench {
    bench_of(Target::Gfx1030, Size::Wave32)
}

impl Bench {
    pub(super) fn step(&mut self, text: &str, words: &[u32]) -> Result<Step, FaultKind> {
        let instruction = Isa::of(self.target).decode(words).expect("decodes");
        let decoded = instruction.text(self.size).to_string();
        assert_eq!(decoded, text, "the words are another instruction's");
        let op = lower(&instruction, self.size, 64)?;
        self.x.wave.pc += u64::from(op.bytes);
        Ok((op.run)(&mut self.x, &op))
    }

    /// Runs an instruction.
    pub(super) fn asm(&mut self, text: &str, words: &[u32]) -> &mut Self {
        match self.step(text, words) {
            Ok(Step::Fault) => panic!("{text}: {:?}", self.x.fault),
            Ok(_) => self,
            Err(kind) => panic!("{text}: {kind}"),
        }
    }

    /// The same on gfx1010.
    pub(super) fn asm10(&mut self, text: &str, words: &[u32]) -> &mut Self {
        self.asm(text, words)
    }

    /// The same with 64 lanes.
    pub(super) fn asm64(&mut self, text: &str, words: &[u32]) -> &mut Self {
        self.asm(text, words)
    }

    pub(super) fn v(&mut self, register: usize, value: u32) -> &mut Self {
        let halves = self.x.wave.halves;
        for half in 0..halves {
            self.x.wave.vectors[register * halves + half] = Lanes([value; 32]);
        }
        self
    }

    pub(super) fn each(&mut self, register: usize, f: impl Fn(u32) -> u32) -> &mut Self {
        let halves = self.x.wave.halves;
        for half in 0..halves {
            let lanes = std::array::from_fn(|lane| f((lane + 32 * half) as u32));
            self.x.wave.vectors[register * halves + half] = Lanes(lanes);
        }
        self
    }

    pub(super) fn f(&mut self, register: usize, value: f32) -> &mut Self {
        self.v(register, value.to_bits())
    }

    pub(super) fn d(&mut self, register: usize, value: f64) -> &mut Self {
        let bits = value.to_bits();
        self.v(register, bits as u32).v(register + 1, (bits >> 32) as u32)
    }

    pub(super) fn s(&mut self, register: usize, value: u32) -> &mut Self {
        self.x.wave.scalars[register] = value;
        self
    }

    pub(super) fn lane(&self, register: usize, lane: usize) -> u32 {
        let halves = self.x.wave.halves;
        self.x.wave.vectors[register * halves + lane / 32].0[lane % 32]
    }

    #[track_caller]
    pub(super) fn is(&mut self, register: usize, value: u32) -> &mut Self {
        let found = self.lane(register, 0);
        assert_eq!(found, value, "v{register} is {found:#x}, expected {value:#x}");
        self
    }

    #[track_caller]
    pub(super) fn is_f(&mut self, register: usize, value: f32) -> &mut Self {
        let found = f32::from_bits(self.lane(register, 0));
        assert_eq!(found.to_bits(), value.to_bits(), "v{register} is {found}, expected {value}");
        self
    }

    #[track_caller]
    pub(super) fn is_d(&mut self, register: usize, value: f64) -> &mut Self {
        let bits = u64::from(self.lane(register, 0)) | u64::from(self.lane(register + 1, 0)) << 32;
        let found = f64::from_bits(bits);
        assert_eq!(bits, value.to_bits(), "v{register} is {found}, expected {value}");
        self
    }

    #[track_caller]
    pub(super) fn is_s(&mut self, register: usize, value: u32) -> &mut Self {
        let found = self.x.wave.scalars[register];
        assert_eq!(found, value, "s{register} is {found:#x}, expected {value:#x}");
        self
    }

    #[track_caller]
    pub(super) fn is_each(&mut self, register: usize, f: impl Fn(u32) -> u32) -> &mut Self {
        for lane in 0..32 * self.x.wave.halves {
            let (found, expected) = (self.lane(register, lane), f(lane as u32));
            assert_eq!(
                found, expected,
                "v{register}, lane {lane}: {found:#x}, expected {expected:#x}"
            );
        }
        self
    }
}
