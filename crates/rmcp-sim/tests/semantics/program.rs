//! Builds a program around one instruction, runs it and reads what it left behind.
//!
//! The program loads the registers from memory, runs the instruction, and stores them again. Vector registers
//! from 16 on and scalar registers from 80 on belong to the program itself.

use crate::encode::Draft;
use crate::state::{LANES, MEMORY, SCALARS, State, VECTORS};
use rmcp_code::isa::format::{self, Format};
use rmcp_code::isa::{Isa, Target, Wave};
use rmcp_sim::exec::{Device, Fault, Launch, Memory, Range, run};
use std::cell::UnsafeCell;
use std::collections::HashMap;

/// How floats are treated: bits of `COMPUTE_PGM_RSRC1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mode {
    /// `FLOAT_DENORM_MODE_32`: bit 0 keeps denormal inputs, bit 1 denormal results.
    pub(crate) denormals32: u8,
    /// `FLOAT_DENORM_MODE_16_64`, likewise.
    pub(crate) denormals16_64: u8,
    /// `ENABLE_IEEE_MODE`.
    pub(crate) ieee: bool,
    /// `ENABLE_DX10_CLAMP`.
    pub(crate) dx10_clamp: bool,
}

/// Address of the kernel descriptor and the code.
const CODE: u64 = 0x10_0000_0000;
/// Address of the kernel's arguments.
const ARGUMENTS: u64 = 0x10_0010_0000;
/// Address of the vector registers to be loaded, lane by lane.
const INPUT: u64 = 0x10_0020_0000;
/// Address of the vector registers stored, of the scalar ones, and of LDS before and behind.
const OUTPUT: u64 = 0x10_0030_0000;
const SCALARS_OUT: u64 = OUTPUT + 0x2000;
const LDS_IN: u64 = INPUT + 0x2000;
const LDS_OUT: u64 = OUTPUT + 0x3000;
/// Address of the memory that the tested instruction may touch.
pub(crate) const DATA: u64 = 0x10_0040_0000;
/// Where the tested instruction stands, in bytes from the first of the code.
const PIECES: [u64; 5] = [CODE, ARGUMENTS, INPUT, OUTPUT, DATA];
const PIECE: usize = 0x4000;

/// Memory in pieces that stay where they are.
struct Space([Box<[UnsafeCell<u64>]>; 5]);

// SAFETY: the pieces are only reached through pointers while a dispatch runs, as a device does.
unsafe impl Sync for Space {}

// SAFETY: each piece stays where it is and is as long as the range says; nothing is freed before the space is.
unsafe impl Memory for Space {
    fn range(&self, va: u64) -> Option<Range> {
        let at = PIECES.iter().position(|&start| (start..start + PIECE as u64).contains(&va))?;
        let host = self.0[at].as_ptr().cast_mut().cast();
        let start = PIECES[at];
        Some(Range { start, end: start + PIECE as u64, host, writable: true, executable: at == 0 })
    }
}

impl Space {
    fn new() -> Self {
        Self(std::array::from_fn(|_| (0..PIECE / 8).map(|_| UnsafeCell::new(0)).collect()))
    }

    fn host(&self, va: u64, bytes: usize) -> *mut u8 {
        let range = self.range(va).expect("mapped");
        assert!(va + bytes as u64 <= range.end);
        range.host.wrapping_add((va - range.start) as usize)
    }

    fn write(&mut self, va: u64, bytes: &[u8]) {
        let host = self.host(va, bytes.len());
        // SAFETY: `host` looked up that so many bytes are there, and no dispatch runs.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), host, bytes.len()) };
    }

    fn write_words(&mut self, va: u64, words: &[u32]) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.write(va, &bytes);
    }

    fn read(&self, va: u64, bytes: usize) -> Vec<u8> {
        let host = self.host(va, bytes);
        let mut to = vec![0; bytes];
        // SAFETY: as in `write`.
        unsafe { std::ptr::copy_nonoverlapping(host, to.as_mut_ptr(), bytes) };
        to
    }

    fn read_words(&self, va: u64, words: usize) -> Vec<u32> {
        rmcp_code::isa::words_of(&self.read(va, 4 * words))
    }
}

/// A card with the programs for one target and size of wavefront.
pub(crate) struct Machine {
    device: Device,
    isa: &'static Isa,
    wave: Wave,
    space: Space,
    /// What stands before and behind the instruction, without and with LDS.
    frames: [(Vec<u32>, Vec<u32>); 2],
}

/// Collects scaffolding, and checks that each instruction is the one meant.
struct Assembler<'a> {
    rows: &'a HashMap<(Format, &'static str), &'static rmcp_code::isa::Row>,
    isa: &'static Isa,
    wave: Wave,
    words: Vec<u32>,
}

impl Assembler<'_> {
    fn add(&mut self, format: Format, name: &str, fields: &[(u8, u32)], low: u32, text: &str) {
        let row = self.rows.iter().find(|((of, is), _)| *of == format && *is == name);
        let mut draft = Draft::new(row.unwrap_or_else(|| panic!("no {name}")).1);
        for &(field, value) in fields {
            draft.set(field, value);
        }
        draft.bits(0, 12, draft.word & 0xfff | u64::from(low));
        let words = draft.words();
        let instruction = self.isa.decode(&words).expect("scaffolding decodes");
        assert_eq!(instruction.text(self.wave).to_string(), text);
        self.words.extend(words);
    }

    fn s_load_x16(&mut self, to: u32, base: u32, offset: u32, text: &str) {
        let fields = [
            (format::SDATA, to),
            (format::SBASE, base),
            (format::S_OFFSET, offset),
            (format::SOFFSET7, 125),
        ];
        self.add(Format::Smem, "s_load_dwordx16", &fields, 0, text);
    }

    fn sop1(&mut self, name: &str, to: u32, from: u32, text: &str) {
        self.add(Format::Sop1, name, &[(format::SDST, to), (format::SSRC0, from)], 0, text);
    }

    fn load(&mut self, to: u32, address: u32, base: u32, offset: u32, text: &str) {
        let fields = [(format::M_VDST, to), (format::ADDR, address), (format::SADDR, base)];
        self.add(Format::Global, "global_load_dwordx4", &fields, offset, text);
    }

    fn store(&mut self, from: u32, address: u32, base: u32, offset: u32, text: &str) {
        let fields = [(format::DATA0, from), (format::ADDR, address), (format::SADDR, base)];
        self.add(Format::Global, "global_store_dwordx4", &fields, offset, text);
    }

    fn wait(&mut self) {
        self.add(Format::Sopp, "s_waitcnt", &[], 0, "s_waitcnt vmcnt(0) expcnt(0) lgkmcnt(0)");
    }

    fn before(&mut self, lds: bool) {
        self.s_load_x16(80, 0, 0, "s_load_dwordx16 s[80:95], s[0:1], null");
        self.sop1("s_mov_b64", 96, 0, "s_mov_b64 s[96:97], s[0:1]");
        let shift = |assembler: &mut Self, to: u32, by: u32, text: &str| {
            let fields = [(format::VDST, to), (format::SRC0, 128 + by), (format::VSRC1, 0)];
            assembler.add(Format::Vop2, "v_lshlrev_b32_e32", &fields, 0, text);
        };
        shift(self, 16, 6, "v_lshlrev_b32_e32 v16, 6, v0");
        shift(self, 17, 4, "v_lshlrev_b32_e32 v17, 4, v0");
        self.wait();
        self.s_load_x16(0, 96, 64, "s_load_dwordx16 s[0:15], s[96:97], 0x40");
        self.load(0, 16, 80, 0, "global_load_dwordx4 v[0:3], v16, s[80:81]");
        self.load(4, 16, 80, 16, "global_load_dwordx4 v[4:7], v16, s[80:81] offset:16");
        self.load(8, 16, 80, 32, "global_load_dwordx4 v[8:11], v16, s[80:81] offset:32");
        self.load(12, 16, 80, 48, "global_load_dwordx4 v[12:15], v16, s[80:81] offset:48");
        if lds {
            self.load(20, 17, 92, 0, "global_load_dwordx4 v[20:23], v17, s[92:93]");
            self.wait();
            let fields = [(format::ADDR, 17), (format::DATA0, 20)];
            self.add(Format::Ds, "ds_write_b128", &fields, 0, "ds_write_b128 v17, v[20:23]");
        }
        self.wait();
        let fields = [(format::SSRC0, 84), (format::SSRC1, 128)];
        self.add(Format::Sopc, "s_cmp_lg_u32", &fields, 0, "s_cmp_lg_u32 s84, 0");
        self.sop1("s_mov_b32", 124, 85, "s_mov_b32 m0, s85");
        self.sop1("s_mov_b64", 106, 88, "s_mov_b64 vcc, s[88:89]");
        self.sop1("s_mov_b64", 126, 90, "s_mov_b64 exec, s[90:91]");
    }

    fn behind(&mut self, lds: bool) {
        let fields = [(format::SDST, 84), (format::SSRC0, 129), (format::SSRC1, 128)];
        self.add(Format::Sop2, "s_cselect_b32", &fields, 0, "s_cselect_b32 s84, 1, 0");
        self.sop1("s_mov_b32", 85, 124, "s_mov_b32 s85, m0");
        self.sop1("s_mov_b64", 88, 106, "s_mov_b64 s[88:89], vcc");
        self.sop1("s_mov_b64", 90, 126, "s_mov_b64 s[90:91], exec");
        self.sop1("s_mov_b64", 126, 193, "s_mov_b64 exec, -1");
        self.wait();
        self.store(0, 16, 82, 0, "global_store_dwordx4 v16, v[0:3], s[82:83]");
        self.store(4, 16, 82, 16, "global_store_dwordx4 v16, v[4:7], s[82:83] offset:16");
        self.store(8, 16, 82, 32, "global_store_dwordx4 v16, v[8:11], s[82:83] offset:32");
        self.store(12, 16, 82, 48, "global_store_dwordx4 v16, v[12:15], s[82:83] offset:48");
        if lds {
            let fields = [(format::ADDR, 17), (format::M_VDST, 20)];
            self.add(Format::Ds, "ds_read_b128", &fields, 0, "ds_read_b128 v[20:23], v17");
            self.wait();
            self.store(20, 17, 94, 0, "global_store_dwordx4 v17, v[20:23], s[94:95]");
        }
        self.sop1("s_mov_b64", 126, 129, "s_mov_b64 exec, 1");
        let copy = |assembler: &mut Self, to: u32, from: u32, text: &str| {
            let fields = [(format::VDST, to), (format::SRC0, from)];
            assembler.add(Format::Vop1, "v_mov_b32_e32", &fields, 0, text);
        };
        copy(self, 17, 128, "v_mov_b32_e32 v17, 0");
        for (row, offset) in (0..24).step_by(4).zip((0..).step_by(16)) {
            for at in 0..4 {
                let from = SAVED[row + at];
                copy(self, 20 + at as u32, from, &format!("v_mov_b32_e32 v{}, s{from}", 20 + at));
            }
            let text = "global_store_dwordx4 v17, v[20:23], s[86:87]".to_owned();
            let text = if offset == 0 { text } else { format!("{text} offset:{offset}") };
            self.store(20, 17, 86, offset, &text);
        }
        self.add(Format::Sopp, "s_endpgm", &[], 0, "s_endpgm");
    }
}

/// The scalar registers that are stored.
const SAVED: [u32; 24] =
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 84, 85, 88, 89, 90, 91, 90, 91];

impl Machine {
    /// A card.
    pub(crate) fn new(target: Target, wave: Wave) -> Self {
        let isa = Isa::of(target);
        let rows = isa.rows().map(|row| ((row.format, row.name()), row)).collect();
        let frame = |lds| {
            let new = || Assembler { rows: &rows, isa, wave, words: Vec::new() };
            let (mut before, mut behind) = (new(), new());
            before.before(lds);
            behind.behind(lds);
            (before.words, behind.words)
        };
        let frames = [frame(false), frame(true)];
        Self { device: Device::new(target, 1), isa, wave, space: Space::new(), frames }
    }

    /// The instructions.
    pub(crate) const fn isa(&self) -> &'static Isa {
        self.isa
    }

    /// The size of a wavefront.
    pub(crate) const fn wave(&self) -> Wave {
        self.wave
    }

    /// The number of lanes.
    pub(crate) const fn lanes(&self) -> usize {
        match self.wave {
            Wave::Wave32 => 32,
            Wave::Wave64 => 64,
        }
    }

    /// The target.
    pub(crate) const fn target(&self) -> Target {
        self.device.target
    }

    /// The address of the tested instruction.
    pub(crate) fn address(&self, lds: bool) -> u64 {
        CODE + 64 + 4 * self.frames[usize::from(lds)].0.len() as u64
    }

    /// Runs an instruction on a state and returns the state it leaves.
    ///
    /// # Errors
    /// The fault in which the dispatch ended.
    pub(crate) fn run(
        &mut self,
        words: &[u32],
        mode: Mode,
        before: &State,
    ) -> Result<State, Fault> {
        let lds = !before.lds.is_empty();
        let (first, last) = &self.frames[usize::from(lds)];
        let mut code = self.descriptor(mode, before.lds.len() as u32);
        for words in [first, words, last] {
            code.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        }
        self.space.write(CODE, &code);
        let mut arguments = Vec::new();
        for address in [INPUT, OUTPUT] {
            arguments.extend([address as u32, (address >> 32) as u32]);
        }
        arguments.extend([u32::from(before.scc), before.m0]);
        for long in [SCALARS_OUT, before.vcc, before.exec, LDS_IN, LDS_OUT] {
            arguments.extend([long as u32, (long >> 32) as u32]);
        }
        arguments.extend(before.s);
        self.space.write_words(ARGUMENTS, &arguments);
        let input: Vec<u32> = (0..self.lanes())
            .flat_map(|lane| before.v.iter().map(move |lanes| lanes[lane]))
            .collect();
        self.space.write_words(INPUT, &input);
        self.space.write(LDS_IN, &before.lds);
        self.space.write(DATA, &before.memory);
        let lanes = self.lanes() as u32;
        let launch = Launch {
            grid: [lanes, 1, 1],
            workgroup: [lanes, 1, 1],
            kernel_object: CODE,
            kernarg: ARGUMENTS,
            group_segment_bytes: before.lds.len() as u32,
            ..Launch::default()
        };
        run(&self.device, &self.space, &launch)?;
        Ok(self.after(before))
    }

    fn after(&self, before: &State) -> State {
        let mut after = before.clone();
        let output = self.space.read_words(OUTPUT, VECTORS * self.lanes());
        for (lane, values) in output.chunks_exact(VECTORS).enumerate() {
            for (register, &value) in values.iter().enumerate() {
                after.v[register][lane] = value;
            }
        }
        let scalars = self.space.read_words(SCALARS_OUT, 24);
        after.s.copy_from_slice(&scalars[..SCALARS]);
        after.scc = scalars[16] != 0;
        after.m0 = scalars[17];
        after.vcc = u64::from(scalars[18]) | u64::from(scalars[19]) << 32;
        after.exec = u64::from(scalars[20]) | u64::from(scalars[21]) << 32;
        after.lds = self.space.read(LDS_OUT, before.lds.len());
        after.memory = self.space.read(DATA, before.memory.len().min(MEMORY));
        after
    }

    /// Source: LLVM `AMDGPUUsage.rst`, "Kernel Descriptor", for GFX10.
    fn descriptor(&self, mode: Mode, lds: u32) -> Vec<u8> {
        let registers = match self.wave {
            Wave::Wave32 => 3,
            Wave::Wave64 => 7,
        };
        let resources1 = registers
            | u32::from(mode.denormals32) << 16
            | u32::from(mode.denormals16_64) << 18
            | u32::from(mode.dx10_clamp) << 21
            | u32::from(mode.ieee) << 23;
        // Two user registers: the address of the arguments.
        let resources2 = 2 << 1;
        let wave32 = u16::from(self.wave == Wave::Wave32);
        let properties = 1 << 3 | wave32 << 10;
        let mut bytes = vec![0; 64];
        bytes[0..4].copy_from_slice(&lds.to_le_bytes());
        bytes[16..24].copy_from_slice(&64_u64.to_le_bytes());
        bytes[48..52].copy_from_slice(&resources1.to_le_bytes());
        bytes[52..56].copy_from_slice(&u32::to_le_bytes(resources2));
        bytes[56..58].copy_from_slice(&u16::to_le_bytes(properties));
        bytes
    }
}

const _: () = assert!(VECTORS * LANES * 4 <= 0x2000);
