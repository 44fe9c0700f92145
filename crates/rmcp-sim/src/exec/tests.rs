//! Single instructions, with results computed by hand or otherwise than by the interpreter.
//!
//! The words come from `llvm-mc` 22; that they are the instruction beside them is checked by the disassembler.
#![allow(clippy::unusual_byte_groupings, reason = "numbers as the fields are")]

use super::exec_state::Exec;
use super::fault::FaultKind;
use super::lower::lower;
use super::memory::{Memory, Range, Translation};
use super::mode::Mode;
use super::op::Step;
use super::schedule::Counters;
use super::wave::{EXEC, Lanes, M0, VCC, Wave, ZERO};
use super::{Device, Launch, Scratch};
use rmcp_code::isa::{Isa, Target, Wave as Size};
use rmcp_code::rules::Path;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Memory of 64 KiB at one address.
struct Block(Box<[std::cell::UnsafeCell<u64>]>, AtomicU32);

const BLOCK: u64 = 0x7000_0000;

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
struct Bench {
    x: Exec<'static>,
    memory: &'static Block,
    target: Target,
    size: Size,
}

fn bench_of(target: Target, size: Size) -> Bench {
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

fn bench() -> Bench {
    bench_of(Target::Gfx1030, Size::Wave32)
}

impl Bench {
    fn step(&mut self, text: &str, words: &[u32]) -> Result<Step, FaultKind> {
        let instruction = Isa::of(self.target).decode(words).expect("decodes");
        let decoded = instruction.text(self.size).to_string();
        assert_eq!(decoded, text, "the words are another instruction's");
        let op = lower(&instruction, self.size, 64)?;
        self.x.wave.pc += u64::from(op.bytes);
        Ok((op.run)(&mut self.x, &op))
    }

    /// Runs an instruction.
    fn asm(&mut self, text: &str, words: &[u32]) -> &mut Self {
        match self.step(text, words) {
            Ok(Step::Fault) => panic!("{text}: {:?}", self.x.fault),
            Ok(_) => self,
            Err(kind) => panic!("{text}: {kind}"),
        }
    }

    /// The same on gfx1010.
    fn asm10(&mut self, text: &str, words: &[u32]) -> &mut Self {
        self.asm(text, words)
    }

    /// The same with 64 lanes.
    fn asm64(&mut self, text: &str, words: &[u32]) -> &mut Self {
        self.asm(text, words)
    }

    fn v(&mut self, register: usize, value: u32) -> &mut Self {
        let halves = self.x.wave.halves;
        for half in 0..halves {
            self.x.wave.vectors[register * halves + half] = Lanes([value; 32]);
        }
        self
    }

    fn each(&mut self, register: usize, f: impl Fn(u32) -> u32) -> &mut Self {
        let halves = self.x.wave.halves;
        for half in 0..halves {
            let lanes = std::array::from_fn(|lane| f((lane + 32 * half) as u32));
            self.x.wave.vectors[register * halves + half] = Lanes(lanes);
        }
        self
    }

    fn f(&mut self, register: usize, value: f32) -> &mut Self {
        self.v(register, value.to_bits())
    }

    fn d(&mut self, register: usize, value: f64) -> &mut Self {
        let bits = value.to_bits();
        self.v(register, bits as u32).v(register + 1, (bits >> 32) as u32)
    }

    fn s(&mut self, register: usize, value: u32) -> &mut Self {
        self.x.wave.scalars[register] = value;
        self
    }

    fn lane(&self, register: usize, lane: usize) -> u32 {
        let halves = self.x.wave.halves;
        self.x.wave.vectors[register * halves + lane / 32].0[lane % 32]
    }

    #[track_caller]
    fn is(&mut self, register: usize, value: u32) -> &mut Self {
        let found = self.lane(register, 0);
        assert_eq!(found, value, "v{register} is {found:#x}, expected {value:#x}");
        self
    }

    #[track_caller]
    fn is_f(&mut self, register: usize, value: f32) -> &mut Self {
        let found = f32::from_bits(self.lane(register, 0));
        assert_eq!(found.to_bits(), value.to_bits(), "v{register} is {found}, expected {value}");
        self
    }

    #[track_caller]
    fn is_d(&mut self, register: usize, value: f64) -> &mut Self {
        let bits = u64::from(self.lane(register, 0)) | u64::from(self.lane(register + 1, 0)) << 32;
        let found = f64::from_bits(bits);
        assert_eq!(bits, value.to_bits(), "v{register} is {found}, expected {value}");
        self
    }

    #[track_caller]
    fn is_s(&mut self, register: usize, value: u32) -> &mut Self {
        let found = self.x.wave.scalars[register];
        assert_eq!(found, value, "s{register} is {found:#x}, expected {value:#x}");
        self
    }

    #[track_caller]
    fn is_each(&mut self, register: usize, f: impl Fn(u32) -> u32) -> &mut Self {
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

#[test]
fn signs_and_results_of_vop3() {
    bench()
        .f(1, 3.0)
        .f(2, -5.0)
        .asm("v_add_f32_e64 v0, -v1, |v2|", &[0xd503_0200, 0x2002_0501])
        .is_f(0, 2.0);
    // Output modifiers do nothing in IEEE mode and where denormal results are kept.
    let mut b = bench();
    b.f(1, 3.0).f(2, -5.0);
    b.asm("v_mul_f32_e64 v0, v1, v2 mul:2", &[0xd508_0000, 0x0802_0501]).is_f(0, -15.0);
    b.asm("s_setreg_imm32_b32 hwreg(HW_REG_MODE, 9, 1), 0x0", &[0xba80_0241, 0]);
    b.asm("v_mul_f32_e64 v0, v1, v2 mul:2", &[0xd508_0000, 0x0802_0501]).is_f(0, -15.0);
    b.asm("s_denorm_mode 12", &[0xbfa5_000c]);
    b.asm("v_mul_f32_e64 v0, v1, v2 mul:2", &[0xd508_0000, 0x0802_0501]).is_f(0, -30.0);
    bench()
        .f(1, 3.0)
        .f(2, -5.0)
        .asm("v_mul_f32_e64 v0, v1, v2 clamp", &[0xd508_8000, 0x0002_0501])
        .is_f(0, 0.0);
    bench()
        .f(1, 3.0)
        .f(2, 5.0)
        .asm("v_mul_f32_e64 v0, v1, v2 clamp div:2", &[0xd508_8000, 0x1802_0501])
        .is_f(0, 1.0);
    bench()
        .v(1, 0x7fc0_0000)
        .f(2, 5.0)
        .asm("v_add_f32_e64 v0, v1, v2 clamp", &[0xd503_8000, 0x0002_0501])
        .is_f(0, 0.0);
    bench().v(1, 7).asm("v_sub_nc_u32_e64 v0, v1, 9 clamp", &[0xd526_8000, 0x0001_1301]).is(0, 0);
    bench()
        .v(1, 0x7fff_fff0)
        .asm("v_add_nc_i32 v0, v1, 0x64 clamp", &[0xd77f_8000, 0x0001_ff01, 0x0000_0064])
        .is(0, 0x7fff_ffff);
    bench()
        .d(2, 3.0)
        .d(4, 0.5)
        .asm("v_fma_f64 v[0:1], -v[2:3], v[4:5], 4.0", &[0xd54c_0000, 0x23da_0902])
        .is_d(0, 2.5);
    bench()
        .d(2, 3.0)
        .asm("v_mul_f64 v[0:1], v[2:3], 0x40240000", &[0xd565_0000, 0x0001_ff02, 0x4024_0000])
        .is_d(0, 30.0);
    bench()
        .f(1, 2.0)
        .asm("v_fmaak_f32 v0, v1, v1, 0x3f800000", &[0x5a00_0301, 0x3f80_0000])
        .is_f(0, 5.0);
    bench()
        .f(1, 2.0)
        .f(2, 10.0)
        .asm("v_fmamk_f32 v0, v1, 0x40400000, v2", &[0x5800_0501, 0x4040_0000])
        .is_f(0, 16.0);
    bench()
        .f(0, 1.0)
        .f(1, 2.0)
        .f(2, 10.0)
        .asm("v_fmac_f32_e32 v0, v1, v2", &[0x5600_0501])
        .is_f(0, 21.0);
    bench()
        .v(1, 0xffff_fff0)
        .asm("v_cndmask_b32_e64 v0, v1, 3, s4", &[0xd501_0000, 0x0011_0701])
        .is(0, 0xffff_fff0);
    bench().s(4, 1).asm("v_cndmask_b32_e64 v0, v1, 3, s4", &[0xd501_0000, 0x0011_0701]).is(0, 3);
}

#[test]
fn halves_keep_the_other_half() {
    // 1.5 + 2 = 3.5.
    let mut b = bench();
    b.v(0, 0xaaaa_bbbb).v(1, 0x1111_3e00).v(2, 0x4000_2222);
    b.asm("v_fma_f16 v0, v1, 1.0, v2 op_sel:[0,0,1,0]", &[0xd74b_2000, 0x0409_e501])
        .is(0, 0xaaaa_4300);
    b.asm("v_fma_f16 v0, v1, 1.0, v2 op_sel:[0,0,1,1]", &[0xd74b_6000, 0x0409_e501])
        .is(0, 0x4300_4300);
    b.v(0, 0xaaaa_bbbb).asm("v_add_f16_e32 v0, 1.0, v1", &[0x6400_02f2]).is(0, 0xaaaa_4100);
    b.v(0, 0xaaaa_bbbb)
        .asm("v_sub_nc_u16 v0, v1, 1", &[0xd704_0000, 0x0001_0301])
        .is(0, 0xaaaa_3dff);
    b.v(0, 0xaaaa_bbbb)
        .f(3, 1.0)
        .asm("v_cvt_f16_f32_e32 v0, v3", &[0x7e00_1503])
        .is(0, 0xaaaa_3c00);
    b.v(0, 0xaaaa_bbbb)
        .f(3, 1.0)
        .asm("v_fma_mixhi_f16 v0, v3, 2.0, v1 op_sel_hi:[0,0,1]", &[0xcc22_4000, 0x0405_e903]);
    b.is(0, 0x4300_bbbb);
    b.asm(
        "v_fma_mix_f32 v0, v1, -v2, |v1| op_sel:[0,1,0] op_sel_hi:[1,1,1]",
        &[0xcc20_5400, 0x5c06_0501],
    )
    .is_f(0, -1.5);
}

#[test]
fn packed_halves_in_any_order() {
    let mut b = bench();
    // 1 and 2; 4 and 0.5.
    b.v(1, 0x4000_3c00).v(2, 0x3800_4400);
    b.asm("v_pk_add_f16 v0, v1, v2", &[0xcc0f_4000, 0x1802_0501]).is(0, 0x4100_4500);
    b.asm("v_pk_mul_f16 v0, v1, v2 op_sel:[1,0] op_sel_hi:[0,1]", &[0xcc10_4800, 0x1002_0501])
        .is(0, 0x3800_4800);
    b.asm("v_pk_add_f16 v0, v1, v2 neg_lo:[1,0] neg_hi:[0,1]", &[0xcc0f_4200, 0x3802_0501])
        .is(0, 0x3e00_4200);
    b.asm("v_pk_add_f16 v0, v1, 1.0 op_sel_hi:[1,0]", &[0xcc0f_4000, 0x0801_e501])
        .is(0, 0x4200_4000);
    b.asm("v_pk_add_f16 v0, v1, v2 clamp", &[0xcc0f_c000, 0x1802_0501]).is(0, 0x3c00_3c00);
    b.v(1, 0xfffe_0003).v(2, 0x0005_fffc);
    b.asm("v_pk_add_u16 v0, v1, v2 clamp", &[0xcc0a_c000, 0x1802_0501]).is(0, 0xffff_ffff);
    b.asm("v_pk_mad_i16 v0, v1, v2, 1 op_sel_hi:[1,1,0]", &[0xcc00_0000, 0x1a06_0501])
        .is(0, 0xfff7_fff5);
    b.asm("v_pk_ashrrev_i16 v0, 1, v1 op_sel_hi:[0,1]", &[0xcc06_4000, 0x1002_0281])
        .is(0, 0xffff_0001);
    b.v(3, 100).asm("v_dot2_i32_i16 v0, v1, v2, v3", &[0xcc14_4000, 0x1c0e_0501]).is(0, 78);
    // -1, 2, 0 and 3 with each themselves: 1 + 4 + 0 + 9.
    b.v(1, 0x0300_02ff).asm("v_dot4_i32_i8 v0, v1, v1, v3", &[0xcc16_4000, 0x1c0e_0301]).is(0, 114);
    b.asm("v_dot4_u32_u8 v0, v1, v1, v3", &[0xcc17_4000, 0x1c0e_0301]).is(0, 65025 + 4 + 9 + 100);
    b.v(1, 0x8000_000f)
        .asm("v_dot8_i32_i4 v0, v1, v1, v3", &[0xcc18_4000, 0x1c0e_0301])
        .is(0, 65 + 100);
    b.asm("v_dot8_u32_u4 v0, v1, v1, v3", &[0xcc19_4000, 0x1c0e_0301]).is(0, 225 + 64 + 100);
    b.v(1, 0x4000_3c00).v(2, 0x3800_4400).f(3, 0.25);
    b.asm("v_dot2_f32_f16 v0, v1, v2, v3", &[0xcc13_4000, 0x1c0e_0501]).is_f(0, 5.25);
}

#[test]
fn parts_of_registers() {
    let mut b = bench();
    b.v(0, 0x1122_3344).v(1, 0xf0e0_d0c0).v(2, 0x0102_0304);
    b.asm("v_add_nc_u32_sdwa v0, v1, v2 dst_sel:DWORD dst_unused:UNUSED_PAD src0_sel:BYTE_1 src1_sel:WORD_1", &[0x4a00_04f9, 0x0501_0601]);
    b.is(0, 0x01d2);
    b.v(0, 0x1122_3344);
    b.asm(
        "v_mov_b32_sdwa v0, v1 dst_sel:BYTE_2 dst_unused:UNUSED_PRESERVE src0_sel:BYTE_3",
        &[0x7e00_02f9, 0x0003_1201],
    );
    b.is(0, 0x11f0_3344);
    b.asm(
        "v_mov_b32_sdwa v0, sext(v1) dst_sel:WORD_0 dst_unused:UNUSED_SEXT src0_sel:BYTE_3",
        &[0x7e00_02f9, 0x000b_0c01],
    );
    b.is(0, 0xffff_fff0);
    b.asm(
        "v_mov_b32_sdwa v0, v1 dst_sel:WORD_1 dst_unused:UNUSED_PAD src0_sel:WORD_0",
        &[0x7e00_02f9, 0x0004_0501],
    );
    b.is(0, 0xd0c0_0000);
    // 2 and -1 as halves.
    b.v(1, 0x4000_bc00).v(0, 7);
    b.asm("v_mul_f16_sdwa v0, |v1|, -v1 dst_sel:WORD_1 dst_unused:UNUSED_PRESERVE src0_sel:WORD_0 src1_sel:WORD_1", &[0x6a00_02f9, 0x1524_1501]);
    b.is(0, 0xc000_0007);
    b.v(2, 0xff)
        .asm(
            "v_cmp_eq_u32_sdwa s6, v2, v2 src0_sel:BYTE_0 src1_sel:BYTE_1",
            &[0x7d84_04f9, 0x0100_8602],
        )
        .is_s(6, 0);
    b.s(3, 0x55_0000).asm("v_or_b32_sdwa v0, s3, v2 dst_sel:DWORD dst_unused:UNUSED_PAD src0_sel:BYTE_2 src1_sel:DWORD", &[0x3800_04f9, 0x0682_0603]);
    b.is(0, 0xff);
}

#[test]
fn lanes_that_are_off_stay() {
    let mut b = bench();
    b.s(EXEC, 0x0000_ff0f).v(0, 9).each(1, |lane| lane);
    b.asm("v_add_nc_u32_e32 v0, 0x64, v1", &[0x4a00_02ff, 0x0000_0064]);
    b.is_each(0, |lane| if 0xff0f >> lane & 1 == 1 { lane + 100 } else { 9 });
    // Lane 4 is off: who reads it keeps the old value, reads 0 with bound_ctrl, or reads it with fi.
    let cases: [(&str, &[u32], u32); 3] = [
        (
            "v_mov_b32_dpp v0, v1 row_shl:1 row_mask:0xf bank_mask:0xf",
            &[0x7e00_02fa, 0xff01_0101],
            9,
        ),
        (
            "v_mov_b32_dpp v0, v1 row_shl:1 row_mask:0xf bank_mask:0xf bound_ctrl:1",
            &[0x7e00_02fa, 0xff09_0101],
            0,
        ),
        (
            "v_mov_b32_dpp v0, v1 row_shl:1 row_mask:0xf bank_mask:0xf fi:1",
            &[0x7e00_02fa, 0xff05_0101],
            4,
        ),
    ];
    for (text, words, third) in cases {
        let mut b = bench();
        b.s(EXEC, 0x0000_ff0f).v(0, 9).each(1, |lane| lane).asm(text, words);
        assert_eq!([b.lane(0, 2), b.lane(0, 3), b.lane(0, 5)], [3, third, 9], "{text}");
        let last = if third == 0 { 0 } else { 9 };
        assert_eq!(b.lane(0, 15), last, "{text}: nothing is right of the last lane");
    }
    let mut b = bench();
    b.s(EXEC, !2).each(1, |lane| lane * 3).v(0, 9);
    b.asm("v_mov_b32_dpp v0, v1 dpp8:[1,1,2,3,4,5,6,7]", &[0x7e00_02e9, 0xfac6_8901]);
    b.is_each(0, |lane| match lane {
        0 => 0,
        1 => 9,
        8 | 16 | 24 => lane * 3 + 3,
        _ => lane * 3,
    });
    let mut b = bench();
    b.s(EXEC, !1).each(1, |lane| lane * 3).v(0, 9).s(2, 0x7654_3200).s(3, 0xfedc_ba98);
    b.asm("v_permlane16_b32 v0, v1, s2, s3", &[0xd777_0000, 0x000c_0501]);
    assert_eq!([b.lane(0, 0), b.lane(0, 1), b.lane(0, 2)], [9, 9, 6]);
    b.asm("v_permlane16_b32 v0, v1, s2, s3 op_sel:[1,0]", &[0xd777_0800, 0x000c_0501]);
    assert_eq!([b.lane(0, 0), b.lane(0, 1)], [9, 0]);
}

#[test]
fn denormals_follow_the_mode() {
    let tiny = f32::from_bits(0x0040_0000);
    let mut b = bench();
    b.f(1, tiny).f(2, 1.0).asm("v_mul_f32_e32 v0, v1, v2", &[0x1000_0501]).is_f(0, tiny);
    b.asm("s_denorm_mode 12", &[0xbfa5_000c])
        .asm("v_mul_f32_e32 v0, v1, v2", &[0x1000_0501])
        .is_f(0, 0.0);
    b.f(1, f32::MIN_POSITIVE).asm("v_mul_f32_e32 v0, 0.5, v1", &[0x1000_02f0]).is_f(0, 0.0);
    // Flushed on the way out only.
    b.asm("s_denorm_mode 13", &[0xbfa5_000d]).f(1, tiny).f(2, 4.0);
    b.asm("v_mul_f32_e32 v0, v1, v2", &[0x1000_0501]).is_f(0, tiny * 4.0);
    // A move is no arithmetic.
    b.asm("s_denorm_mode 12", &[0xbfa5_000c])
        .asm("v_mov_b32_e32 v0, v1", &[0x7e00_0301])
        .is_f(0, tiny);
    b.v(1, 0x0200)
        .v(2, 0x3c00)
        .v(0, 0)
        .asm("v_mul_f16_e32 v0, v1, v2", &[0x6a00_0501])
        .is(0, 0x0200);
    b.asm("s_denorm_mode 0", &[0xbfa5_0000])
        .asm("v_mul_f16_e32 v0, v1, v2", &[0x6a00_0501])
        .is(0, 0);
    b.asm("s_setreg_imm32_b32 hwreg(HW_REG_MODE, 4, 2), 0x3", &[0xba80_0901, 0x0000_0003]);
    b.f(1, tiny).f(2, 1.0).asm("v_mul_f32_e32 v0, v1, v2", &[0x1000_0501]).is_f(0, tiny);
    b.asm("s_getreg_b32 s5, hwreg(HW_REG_MODE, 4, 4)", &[0xb905_1901]).is_s(5, 3);
    // The multiply-add of gfx10.1 never knows denormals.
    let mut b = bench_of(Target::Gfx1010, Size::Wave32);
    b.f(1, tiny)
        .f(2, 2.0)
        .asm10("v_mad_f32 v0, v1, v2, 1.0", &[0xd541_0000, 0x03ca_0501])
        .is_f(0, 1.0);
    b.f(0, 0.0).asm10("v_mac_f32_e32 v0, v1, v2", &[0x3e00_0501]).is_f(0, 0.0);
    // It rounds the product, which a fused one does not.
    let near = 1.0 + 2_f32.powi(-12);
    b.f(1, near)
        .asm10("v_mad_f32 v0, v1, v1, -1.0", &[0xd541_0000, 0x03ce_0301])
        .is_f(0, near * near - 1.0);
    assert_ne!(near * near - 1.0, near.mul_add(near, -1.0));
    let refused = bench().step("s_round_mode 0x3", &[0xbfa4_0003]);
    assert_eq!(refused, Ok(Step::Fault));
}

#[test]
fn comparisons_write_masks() {
    let mut b = bench();
    b.each(1, |lane| lane).s(EXEC, 0xffff_0fff);
    b.asm("v_cmp_gt_u32_e32 vcc_lo, 20, v1", &[0x7d88_0294]).is_s(VCC, 0x000f_0fff);
    b.asm("v_cmpx_lt_u32_e32 5, v1", &[0x7da2_0285]).is_s(EXEC, 0xffff_0fc0);
    b.asm("v_cmp_eq_u32_e64 s7, v1, v1", &[0xd4c2_0007, 0x0002_0301]).is_s(7, 0xffff_0fc0);
    let mut b = bench_of(Target::Gfx1030, Size::Wave64);
    b.each(1, |lane| lane);
    b.asm64("v_cmp_lt_u32_e64 s[8:9], 30, v1", &[0xd4c1_0008, 0x0002_029e])
        .is_s(8, 0x8000_0000)
        .is_s(9, 0xffff_ffff);
    b.asm64("v_cndmask_b32_e64 v0, 1, 2, s[8:9]", &[0xd501_0000, 0x0021_0481])
        .is_each(0, |lane| 1 + u32::from(lane > 30));
    let mut b = bench();
    let classes = [
        (0x7f80_0001, 0x001),
        (0xffc0_0000, 0x002),
        (0xff80_0000, 0x004),
        (0xbf80_0000, 0x008),
        (0x8000_0001, 0x010),
        (0x8000_0000, 0x020),
        (0, 0x040),
        (1, 0x080),
        (0x3f80_0000, 0x100),
        (0x7f80_0000, 0x200),
    ];
    for (value, class) in classes {
        b.v(1, value)
            .v(2, class)
            .asm("v_cmp_class_f32_e32 vcc_lo, v1, v2", &[0x7d10_0501])
            .is_s(VCC, u32::MAX);
        b.v(2, !class).asm("v_cmp_class_f32_e32 vcc_lo, v1, v2", &[0x7d10_0501]).is_s(VCC, 0);
    }
    b.v(1, 0x7fc0_0000).f(2, 1.0);
    b.asm("v_cmp_nlt_f32_e32 vcc_lo, v1, v2", &[0x7c1c_0501]).is_s(VCC, u32::MAX);
    b.asm("v_cmp_lg_f32_e32 vcc_lo, v1, v2", &[0x7c0a_0501]).is_s(VCC, 0);
    b.asm("v_cmp_u_f32_e32 vcc_lo, v1, v2", &[0x7c10_0501]).is_s(VCC, u32::MAX);
    b.v(2, 5)
        .v(3, u32::MAX)
        .asm("v_cmp_gt_i64_e32 vcc_lo, 0, v[2:3]", &[0x7d48_0480])
        .is_s(VCC, u32::MAX);
    b.asm("v_cmp_gt_u64_e32 vcc_lo, 0, v[2:3]", &[0x7dc8_0480]).is_s(VCC, 0);
    b.v(1, 0x1234_ffff).asm("v_cmp_gt_i16_e32 vcc_lo, 0, v1", &[0x7d18_0280]).is_s(VCC, u32::MAX);
}

#[test]
fn carries() {
    let mut b = bench();
    b.each(1, |lane| lane.wrapping_sub(4)).v(2, 4).s(4, 0xffff_0000);
    b.asm("v_add_co_u32 v0, s6, v1, v2", &[0xd70f_0600, 0x0002_0501])
        .is_s(6, 0xf)
        .is_each(0, |lane| lane);
    b.asm("v_add_co_ci_u32_e64 v0, vcc_lo, v1, v2, s4", &[0xd528_6a00, 0x0012_0501]);
    b.is_s(VCC, 0xf).is_each(0, |lane| lane + u32::from(lane >= 16));
    b.s(VCC, 0x1_0000).each(1, |lane| lane).v(2, 16);
    b.asm("v_sub_co_ci_u32_e32 v0, vcc_lo, v1, v2, vcc_lo", &[0x5200_0501]).is_s(VCC, 0x1_ffff);
    assert_eq!(b.lane(0, 16), u32::MAX);
    b.v(1, u32::MAX).v(2, u32::MAX).v(4, 2).v(5, 0);
    b.asm("v_mad_u64_u32 v[6:7], s6, v1, v2, v[4:5]", &[0xd576_0606, 0x0412_0501])
        .is(6, 3)
        .is(7, 0xffff_fffe)
        .is_s(6, 0);
    b.v(5, u32::MAX)
        .asm("v_mad_u64_u32 v[6:7], s6, v1, v2, v[4:5]", &[0xd576_0606, 0x0412_0501])
        .is_s(6, u32::MAX);
    b.v(1, 2)
        .asm("v_mad_i64_i32 v[6:7], s6, v1, v2, 0", &[0xd577_0606, 0x0202_0501])
        .is(6, 0xffff_fffe)
        .is(7, u32::MAX);
}

#[test]
fn bits_and_bytes() {
    let mut b = bench();
    b.v(1, 0x1122_3344).v(2, 0x5566_7788).v(3, 0x0c07_0009);
    // Constant 0, byte 7 (of the first), byte 0 (of the second), the sign of the second's upper half.
    b.asm("v_perm_b32 v0, v1, v2, v3", &[0xd744_0000, 0x040e_0501]).is(0, 0x0011_8800);
    b.asm("v_alignbit_b32 v0, v1, v2, 8", &[0xd54e_0000, 0x0222_0501]).is(0, 0x4455_6677);
    b.asm("v_alignbyte_b32 v0, v1, v2, 3", &[0xd54f_0000, 0x020e_0501]).is(0, 0x2233_4455);
    b.asm("v_bfe_u32 v0, v1, 8, 12", &[0xd548_0000, 0x0231_1101]).is(0, 0x233);
    b.v(4, 0x0000_0f00).asm("v_bfe_i32 v0, v4, 8, 4", &[0xd549_0000, 0x0211_1104]).is(0, u32::MAX);
    b.asm("v_bfi_b32 v0, v4, v1, v2", &[0xd54a_0000, 0x040a_0304]).is(0, 0x5566_7388);
    b.asm("v_bfm_b32 v0, 4, 8", &[0xd763_0000, 0x0001_1084]).is(0, 0xf00);
    b.asm("v_sad_u8 v0, v1, v2, 1", &[0xd55a_0000, 0x0206_0501]).is(0, 4 * 0x44 + 1);
    b.asm("v_sad_u16 v0, v1, v2, 1", &[0xd55c_0000, 0x0206_0501]).is(0, 2 * 0x4444 + 1);
    b.asm("v_lerp_u8 v0, v1, v2, v1", &[0xd54d_0000, 0x0406_0501]).is(0, 0x3344_5566);
    b.asm("v_ffbh_u32_e32 v0, v4", &[0x7e00_7304]).is(0, 20).v(5, 0);
    b.asm("v_ffbh_u32_e32 v0, v5", &[0x7e00_7305]).is(0, u32::MAX);
    b.v(5, 0xffff_ff00).asm("v_ffbh_i32_e32 v0, v5", &[0x7e00_7705]).is(0, 24);
    b.asm("v_ffbl_b32_e32 v0, v4", &[0x7e00_7504]).is(0, 8);
    b.asm("v_bcnt_u32_b32 v0, v4, v4", &[0xd764_0000, 0x0002_0904]).is(0, 0xf04);
    b.asm("v_lshl_or_b32 v0, v4, 4, v1", &[0xd76f_0000, 0x0405_0904]).is(0, 0x1122_f344);
    b.v(1, 5)
        .v(2, 9)
        .v(3, 7)
        .asm("v_med3_u32 v0, v1, v2, v3", &[0xd559_0000, 0x040e_0501])
        .is(0, 7);
    b.v(1, 0xffff_fff0).asm("v_med3_i32 v0, v1, v2, v3", &[0xd558_0000, 0x040e_0501]).is(0, 7);
    b.v(1, 0x00ff_ffff).v(2, 0x01ff_ffff);
    b.asm("v_mul_hi_u32_u24_e32 v0, v1, v2", &[0x1800_0501])
        .is(0, 0xffff)
        .asm("v_mul_i32_i24_e32 v0, v1, v2", &[0x1200_0501])
        .is(0, 1);
    b.v(4, 3)
        .v(5, 4)
        .asm("v_lshlrev_b64 v[0:1], 33, v[4:5]", &[0xd6ff_0000, 0x0002_08a1])
        .is(0, 0)
        .is(1, 6);
    b.v(5, 0x8000_0000)
        .asm("v_ashrrev_i64 v[0:1], 4, v[4:5]", &[0xd701_0000, 0x0002_0884])
        .is(1, 0xf800_0000);
    b.v(1, 0x8001_0105).v(2, 70_000);
    b.asm("v_sat_pk_u8_i16_e32 v0, v1", &[0x7e00_c501]).is(0, 0x00ff);
    b.asm("v_cvt_pk_u16_u32 v0, v2, 3", &[0xd76a_0000, 0x0001_0702]).is(0, 0x0003_ffff);
}

#[test]
fn floats_to_other_numbers() {
    let mut b = bench();
    for (value, signed, unsigned) in [
        (2.9_f32, 2, 2),
        (-2.9, -2_i32 as u32, 0),
        (3e9, 0x7fff_ffff, 3_000_000_000),
        (1e20, 0x7fff_ffff, u32::MAX),
        (-1e20, 0x8000_0000, 0),
        (f32::NAN, 0, 0),
    ] {
        b.f(1, value).asm("v_cvt_i32_f32_e32 v0, v1", &[0x7e00_1101]).is(0, signed);
        b.asm("v_cvt_u32_f32_e32 v0, v1", &[0x7e00_0f01]).is(0, unsigned);
    }
    b.f(1, 2.5).asm("v_rndne_f32_e32 v0, v1", &[0x7e00_4701]).is_f(0, 2.0);
    b.asm("v_cvt_rpi_i32_f32_e32 v0, v1", &[0x7e00_1901])
        .is(0, 3)
        .asm("v_cvt_flr_i32_f32_e32 v0, v1", &[0x7e00_1b01])
        .is(0, 2);
    b.f(1, -1.25).asm("v_fract_f32_e32 v0, v1", &[0x7e00_4101]).is_f(0, 0.75);
    b.v(1, 0x7fc0_0000).asm("v_fract_f32_e32 v0, v1", &[0x7e00_4101]).is(0, 0x7fc0_0000);
    b.f(1, 24.0).asm("v_frexp_mant_f32_e32 v0, v1", &[0x7e00_8101]).is_f(0, 0.75);
    b.asm("v_frexp_exp_i32_f32_e32 v0, v1", &[0x7e00_7f01]).is(0, 5);
    b.f(1, f32::from_bits(1))
        .asm("v_frexp_exp_i32_f32_e32 v0, v1", &[0x7e00_7f01])
        .is(0, -148_i32 as u32);
    b.f(1, 3.0).asm("v_ldexp_f32 v0, v1, -2", &[0xd762_0000, 0x0001_8501]).is_f(0, 0.75);
    b.f(1, 1.0009766)
        .f(2, -65535.0)
        .asm("v_cvt_pkrtz_f16_f32_e32 v0, v1, v2", &[0x5e00_0501])
        .is(0, 0xfbff_3c01);
    b.f(1, 0.5)
        .f(2, -2.0)
        .asm("v_cvt_pknorm_i16_f32 v0, v1, v2", &[0xd768_0000, 0x0002_0501])
        .is(0, 0x8001_4000);
    b.f(1, 200.7)
        .v(2, 0x1234_5678)
        .asm("v_cvt_pk_u8_f32 v0, v1, 1, v2", &[0xd55e_0000, 0x0409_0301])
        .is(0, 0x1234_c978);
    b.v(1, 0x0000_fe00).asm("v_cvt_f32_ubyte1_e32 v0, v1", &[0x7e00_2501]).is_f(0, 254.0);
    b.v(1, 0xfffc)
        .asm(
            "v_cvt_f32_i32_sdwa v0, sext(v1) dst_sel:DWORD dst_unused:UNUSED_PAD src0_sel:WORD_0",
            &[0x7e00_0af9, 0x000c_0601],
        )
        .is_f(0, -4.0);
    b.f(1, 0.25)
        .asm("v_sin_f32_e32 v0, v1", &[0x7e00_6b01])
        .is_f(0, 1.0)
        .asm("v_cos_f32_e32 v0, v1", &[0x7e00_6d01])
        .is_f(0, 0.0);
    b.f(1, 3.0)
        .asm("v_exp_f32_e32 v0, v1", &[0x7e00_4b01])
        .is_f(0, 8.0)
        .asm("v_log_f32_e32 v1, v0", &[0x7e02_4f00])
        .is_f(1, 3.0);
    b.f(1, 16.0)
        .asm("v_rsq_f32_e32 v0, v1", &[0x7e00_5d01])
        .is_f(0, 0.25)
        .asm("v_sqrt_f32_e32 v0, v1", &[0x7e00_6701])
        .is_f(0, 4.0);
    b.d(2, 10.0).asm("v_rcp_f64_e32 v[0:1], v[2:3]", &[0x7e00_5f02]).is_d(0, 0.1);
    b.asm("v_ldexp_f64 v[0:1], v[2:3], -1", &[0xd568_0000, 0x0001_8302]).is_d(0, 5.0);
    b.asm("v_cvt_f32_f64_e32 v0, v[2:3]", &[0x7e00_1f02])
        .is_f(0, 10.0)
        .asm("v_frexp_exp_i32_f64_e32 v0, v[2:3]", &[0x7e00_7902])
        .is(0, 4);
    b.d(2, -1.5)
        .asm("v_cvt_i32_f64_e32 v0, v[2:3]", &[0x7e00_0702])
        .is(0, u32::MAX)
        .asm("v_fract_f64_e32 v[0:1], v[2:3]", &[0x7e00_7d02])
        .is_d(0, 0.5);
    // 2/pi begins so: 0.6366.
    b.d(2, 1.0).asm("v_trig_preop_f64 v[0:1], v[2:3], 0", &[0xd574_0000, 0x0001_0102]);
    let bits = u64::from(b.lane(0, 0)) | u64::from(b.lane(1, 0)) << 32;
    assert!((f64::from_bits(bits) - std::f64::consts::FRAC_2_PI).abs() < 1e-15);
}

#[test]
fn scalar_arithmetic_and_its_condition() {
    let mut b = bench();
    let scc = |b: &Bench| u32::from(b.x.wave.scc);
    b.s(1, u32::MAX).s(2, 2).asm("s_add_u32 s0, s1, s2", &[0x8000_0201]).is_s(0, 1);
    assert_eq!(scc(&b), 1);
    b.asm("s_addc_u32 s0, s1, 1", &[0x8200_8101])
        .is_s(0, 1)
        .asm("s_sub_u32 s0, s2, 3", &[0x8080_8302])
        .is_s(0, u32::MAX);
    b.asm("s_subb_u32 s0, s2, 1", &[0x8280_8102]).is_s(0, 0);
    b.s(1, 0x7fff_ffff).asm("s_add_i32 s0, s1, 1", &[0x8100_8101]).is_s(0, 0x8000_0000);
    assert_eq!(scc(&b), 1);
    b.s(1, 0x1234_5678).asm("s_bfe_u32 s0, s1, 0x80008", &[0x9380_ff01, 0x0008_0008]).is_s(0, 0x56);
    b.asm("s_bfe_i32 s0, s1, 0x40018", &[0x9400_ff01, 0x0004_0018]).is_s(0, 2).s(3, 0x8000_0000);
    b.s(2, 0)
        .asm("s_bfe_i64 s[0:1], s[2:3], 0x1003f", &[0x9500_ff02, 0x0001_003f])
        .is_s(0, u32::MAX)
        .is_s(1, u32::MAX);
    b.s(1, 0x00f0)
        .asm("s_flbit_i32_b32 s0, s1", &[0xbe80_1501])
        .is_s(0, 24)
        .asm("s_ff1_i32_b32 s0, s1", &[0xbe80_1301])
        .is_s(0, 4);
    b.s(1, 0xffff_ff00)
        .asm("s_flbit_i32 s0, s1", &[0xbe80_1701])
        .is_s(0, 24)
        .asm("s_abs_i32 s0, s1", &[0xbe80_3401])
        .is_s(0, 256);
    b.s(1, 0x0001_0000)
        .asm("s_wqm_b32 s0, s1", &[0xbe80_0901])
        .is_s(0, 0x000f_0000)
        .asm("s_quadmask_b32 s0, s1", &[0xbe80_2c01])
        .is_s(0, 0x10);
    b.s(1, 5).asm("s_bitreplicate_b64_b32 s[0:1], s1", &[0xbe80_3b01]).is_s(0, 0x33).is_s(1, 0);
    b.s(1, 3)
        .asm("s_lshl4_add_u32 s0, s1, 5", &[0x9880_8501])
        .is_s(0, 53)
        .asm("s_pack_ll_b32_b16 s0, s1, s1", &[0x9900_0101])
        .is_s(0, 0x3_0003);
    b.asm("s_mulk_i32 s1, 0xfffe", &[0xb801_fffe])
        .is_s(1, -6_i32 as u32)
        .asm("s_cmpk_eq_i32 s1, 0xfffa", &[0xb181_fffa]);
    assert_eq!(scc(&b), 1);
    b.asm("s_cselect_b32 s0, 7, 8", &[0x8500_8887])
        .is_s(0, 7)
        .asm("s_bitset1_b32 s0, 31", &[0xbe80_1d9f])
        .is_s(0, 0x8000_0007);
    b.s(1, 5).asm("s_cmov_b32 s0, s1", &[0xbe80_0501]).is_s(0, 5);
    b.asm("s_bitcmp1_b32 s0, 30", &[0xbf0d_9e00]);
    assert_eq!(scc(&b), 0);
    b.s(4, 0xf0)
        .s(EXEC, 0xff)
        .asm("s_and_saveexec_b32 s0, s4", &[0xbe80_3c04])
        .is_s(0, 0xff)
        .is_s(EXEC, 0xf0);
    b.asm("s_andn2_wrexec_b32 s0, s4", &[0xbe80_4704]).is_s(0, 0).is_s(EXEC, 0);
    b.asm("s_mov_b32 exec_lo, -1", &[0xbefe_03c1])
        .asm("s_mov_b64 s[0:1], 0x12345678", &[0xbe80_04ff, 0x1234_5678])
        .is_s(1, 0);
    b.asm("s_mov_b64 s[0:1], -1", &[0xbe80_04c1])
        .is_s(1, u32::MAX)
        .asm("s_mov_b64 s[0:1], src_shared_base", &[0xbe80_04eb])
        .is_s(1, 0x1_0000);
    b.s(M0, 2)
        .s(7, 77)
        .asm("s_movrels_b32 s0, s5", &[0xbe80_2e05])
        .is_s(0, 77)
        .asm("s_movreld_b32 s6, 9", &[0xbe86_3089])
        .is_s(8, 9);
    b.asm("s_mov_b32 null, 7", &[0xbefd_0387]).asm("s_mov_b32 s0, null", &[0xbe80_037d]).is_s(0, 0);
    b.x.wave.pc = 0x1000;
    b.asm("s_getpc_b64 s[0:1]", &[0xbe80_1f00])
        .is_s(0, 0x1004)
        .asm("s_branch 65535", &[0xbf82_ffff]);
    assert_eq!(b.x.wave.pc, 0x1004);
    b.s(2, 0x2000).s(3, 0).asm("s_swappc_b64 s[0:1], s[2:3]", &[0xbe80_2102]).is_s(0, 0x1008);
    assert_eq!(b.x.wave.pc, 0x2000);
}

#[test]
fn registers_by_index_and_single_lanes() {
    let mut b = bench();
    b.s(M0, 2)
        .each(7, |lane| lane)
        .asm("v_movrels_b32_e32 v0, v5", &[0x7e00_8705])
        .is_each(0, |lane| lane);
    b.v(1, 44).asm("v_movreld_b32_e32 v6, v1", &[0x7e0c_8501]).is(8, 44);
    b.s(2, 33).s(3, 6).asm("v_writelane_b32 v0, s2, s3", &[0xd761_0000, 0x0000_0602]);
    b.asm("v_readlane_b32 s4, v0, 6", &[0xd760_0004, 0x0001_0d00]).is_s(4, 33).s(EXEC, 0x80);
    b.asm("v_readfirstlane_b32 s4, v7", &[0x7e08_0507]).is_s(4, 7).s(EXEC, u32::MAX);
    b.v(1, 1).v(2, 2).asm("v_swap_b32 v1, v2", &[0x7e02_cb02]).is(1, 2).is(2, 1);
    b.asm("v_mbcnt_lo_u32_b32 v0, -1, 5", &[0xd765_0000, 0x0001_0ac1]).is_each(0, |lane| lane + 5);
    b.asm("v_mbcnt_hi_u32_b32 v0, -1, 5", &[0xd766_0000, 0x0001_0ac1]).is_each(0, |_| 5);
    let outside = bench().s(M0, 60).step("v_movrels_b32_e32 v0, v5", &[0x7e00_8705]);
    assert_eq!(outside, Ok(Step::Fault));
    assert_eq!(bench().step("v_mov_b32_e32 v64, v1", &[0x7e80_0301]), Err(FaultKind::Illegal));
}

#[test]
fn lds_of_every_width() {
    let mut b = bench();
    b.each(1, |lane| lane * 8).each(2, |lane| lane + 1000).each(3, |lane| lane + 2000);
    b.asm("ds_write2_b32 v1, v2, v3 offset1:1", &[0xd838_0100, 0x0003_0201])
        .asm("ds_read_b64 v[4:5], v1", &[0xd9d8_0000, 0x0400_0001]);
    b.is_each(4, |lane| lane + 1000).is_each(5, |lane| lane + 2000);
    b.asm("ds_read2_b32 v[6:7], v1 offset0:2 offset1:3", &[0xd8dc_0302, 0x0600_0001]);
    assert_eq!([b.lane(6, 3), b.lane(7, 3)], [1004, 2004]);
    b.v(9, 0).asm("ds_write2st64_b32 v9, v2, v3 offset0:1 offset1:2", &[0xd83c_0201, 0x0003_0209]);
    b.asm("ds_read_b32 v0, v9 offset:512", &[0xd8d8_0200, 0x0000_0009]).is(0, 2031);
    b.v(2, 0xffff_8085)
        .asm("ds_write_b16 v9, v2 offset:1", &[0xd87c_0001, 0x0000_0209])
        .asm("ds_read_i8 v0, v9 offset:1", &[0xd8e4_0001, 0x0000_0009])
        .is(0, 0xffff_ff85);
    b.v(0, 0x1111_2222)
        .asm("ds_read_u8_d16_hi v0, v9 offset:2", &[0xda8c_0002, 0x0000_0009])
        .is(0, 0x0080_2222);
    b.asm("ds_read_u16 v0, v9 offset:1", &[0xd8f0_0001, 0x0000_0009]).is(0, 0x8085);
    // Atomics return what was there; with compare, the first is what is compared with.
    b.v(9, 64).v(2, 5).asm("ds_write_b32 v9, v2", &[0xd834_0000, 0x0000_0209]).s(EXEC, 3);
    b.v(0, 0).asm("ds_add_rtn_u32 v0, v9, v2", &[0xd880_0000, 0x0000_0209]).is(0, 5);
    assert_eq!(b.lane(0, 1), 10);
    b.s(EXEC, 1)
        .v(2, 15)
        .v(3, 99)
        .asm("ds_cmpst_rtn_b32 v0, v9, v2, v3", &[0xd8c0_0000, 0x0003_0209])
        .is(0, 15);
    b.asm("ds_read_b32 v0, v9", &[0xd8d8_0000, 0x0000_0009])
        .is(0, 99)
        .v(2, 100)
        .asm("ds_inc_rtn_u32 v0, v9, v2", &[0xd88c_0000, 0x0000_0209]);
    b.asm("ds_read_b32 v0, v9", &[0xd8d8_0000, 0x0000_0009])
        .is(0, 100)
        .asm("ds_inc_u32 v9, v2", &[0xd80c_0000, 0x0000_0209])
        .asm("ds_read_b32 v0, v9", &[0xd8d8_0000, 0x0000_0009])
        .is(0, 0);
    b.f(2, 1.5)
        .asm("ds_add_f32 v9, v2", &[0xd854_0000, 0x0000_0209])
        .asm("ds_add_f32 v9, v2", &[0xd854_0000, 0x0000_0209])
        .asm("ds_read_b32 v0, v9", &[0xd8d8_0000, 0x0000_0009])
        .is_f(0, 3.0);
    // A negative address, whose sum with the offset is 16.
    b.v(9, 0xffff_fff0)
        .v(2, 77)
        .asm("ds_write_b32 v9, v2 offset:32", &[0xd834_0020, 0x0000_0209])
        .asm("ds_read_b32 v0, v9 offset:32", &[0xd8d8_0020, 0x0000_0009])
        .is(0, 77)
        .v(0, 0)
        .asm("ds_read2_b32 v[0:1], v9 offset0:8 offset1:9", &[0xd8dc_0908, 0x0000_0009])
        .is(0, 77);
    b.v(9, 16).asm("ds_read_b32 v0, v9", &[0xd8d8_0000, 0x0000_0009]).is(0, 77);
    assert_eq!(b.x.counters.lds_out_of_range, 0);
    // Behind the end: 0, and counted.
    b.v(9, 4094)
        .asm("ds_write_b32 v9, v2", &[0xd834_0000, 0x0000_0209])
        .asm("ds_read_b32 v0, v9", &[0xd8d8_0000, 0x0000_0009])
        .is(0, 0);
    assert_eq!(b.x.counters.lds_out_of_range, 2);
    b.v(9, 66).v(2, 1);
    assert_eq!(b.step("ds_add_u32 v9, v2", &[0xd800_0000, 0x0000_0209]), Ok(Step::Fault));
    assert_eq!(b.x.fault.take(), Some((FaultKind::Misaligned { va: 66 }, Some(0))));
    let mut b = bench();
    b.each(1, |lane| lane).asm(
        "ds_swizzle_b32 v0, v1 offset:swizzle(BITMASK_PERM,\"00p11\")",
        &[0xd8d4_0064, 0x0000_0001],
    );
    b.is_each(0, |lane| lane & 4 | 3);
}

#[test]
fn memory_by_every_way() {
    let mut b = bench();
    let low = BLOCK as u32;
    b.each(1, |lane| low + 0x5000 + lane * 16)
        .v(2, 0)
        .each(4, |lane| lane)
        .each(5, |lane| lane + 50);
    b.asm("global_store_dwordx2 v[1:2], v[4:5], off offset:4", &[0xdc74_8004, 0x007d_0401]);
    b.asm("global_load_dword v0, v[1:2], off offset:8", &[0xdc30_8008, 0x007d_0001])
        .is_each(0, |lane| lane + 50);
    b.s(6, low + 0x5000).s(7, 0).each(3, |lane| lane * 16 + 16);
    b.asm("global_load_dwordx3 v[8:10], v3, s[6:7] offset:-12", &[0xdc3c_8ff4, 0x0806_0003])
        .is_each(8, |lane| lane)
        .is_each(9, |lane| lane + 50);
    b.v(0, 0x7777_8888)
        .asm("global_load_short_d16_hi v0, v3, s[6:7] offset:-8", &[0xdc94_8ff8, 0x0006_0003])
        .is(0, 50 << 16 | 0x8888);
    b.s(EXEC, 7)
        .v(1, low + 0x5800)
        .v(4, 10)
        .v(0, 0)
        .asm("global_atomic_add v0, v[1:2], v4, off glc", &[0xdcc9_8000, 0x007d_0401]);
    assert_eq!([b.lane(0, 0), b.lane(0, 1), b.lane(0, 2), b.lane(0, 3)], [0, 10, 20, 0]);
    b.s(EXEC, 1)
        .v(4, 5)
        .v(5, 30)
        .asm("global_atomic_cmpswap v0, v[1:2], v[4:5], off glc", &[0xdcc5_8000, 0x007d_0401])
        .is(0, 30);
    b.asm("global_load_dword v0, v[1:2], off", &[0xdc30_8000, 0x007d_0001])
        .is(0, 5)
        .v(1, low + 0x5802);
    assert_eq!(
        b.step("global_atomic_add v[1:2], v4, off", &[0xdcc8_8000, 0x007d_0401]),
        Ok(Step::Fault)
    );
    assert_eq!(b.x.fault.take(), Some((FaultKind::Misaligned { va: BLOCK + 0x5802 }, Some(0))));
    b.s(6, low + 0x5000)
        .asm("s_load_dwordx2 s[8:9], s[6:7], 0x14", &[0xf404_0203, 0xfa00_0014])
        .is_s(8, 1)
        .is_s(9, 51);
    b.s(10, 0x10)
        .asm("s_load_dword s8, s[6:7], s10 offset:0x4", &[0xf400_0203, 0x1400_0004])
        .is_s(8, 1);
    // Private memory: dwords of the lanes side by side.
    let mut b = bench();
    b.each(1, |lane| 8 + lane % 2 * 4).each(2, |lane| lane + 500);
    b.asm("scratch_store_dword v1, v2, off offset:4", &[0xdc70_4004, 0x007d_0201]).s(5, 12);
    b.asm("scratch_load_dword v0, off, s5", &[0xdc30_4000, 0x0005_0000])
        .is_each(0, |lane| if lane % 2 == 0 { lane + 500 } else { 0 });
    let [word] = b.x.memory.read_words(BLOCK + 12 / 4 * 128 + 6 * 4).expect("mapped");
    assert_eq!(word, 506);
    b.v(3, 12).v(4, 2 << 16).asm("flat_load_dword v0, v[3:4]", &[0xdc30_0000, 0x007d_0003]);
    assert_eq!(b.lane(0, 6), 506);
    b.v(3, 13).asm("flat_load_ushort v0, v[3:4]", &[0xdc28_0000, 0x007d_0003]);
    assert_eq!(b.lane(0, 6), 506 >> 8);
    b.v(3, 0x200);
    assert_eq!(b.step("flat_load_dword v0, v[3:4]", &[0xdc30_0000, 0x007d_0003]), Ok(Step::Fault));
    b.x.lds[16..20].copy_from_slice(&7_u32.to_le_bytes());
    b.v(3, 12)
        .v(4, 1 << 16)
        .asm("flat_load_dword v0, v[3:4] offset:4", &[0xdc30_0004, 0x007d_0003])
        .is(0, 7);
    // A swizzled buffer finds the same dwords: base, row of 32 lanes, lane.
    b.s(8, low).s(9, 1 << 31).s(10, u32::MAX).s(11, 1 << 23 | 2 << 21 | 2 << 28).s(12, 128);
    b.asm("buffer_load_dword v0, off, s[8:11], s12 offset:8", &[0xe030_0008, 0x0c02_0000]);
    b.is_each(0, |lane| if lane % 2 == 0 { lane + 500 } else { 0 });
    b.v(1, 12).asm("buffer_load_dword v0, v1, s[8:11], 0 offen", &[0xe030_1000, 0x8002_0001]);
    b.is_each(0, |lane| if lane % 2 == 0 { lane + 500 } else { 0 });
}

#[test]
fn division_by_its_steps() {
    let mut b = bench();
    // Both the quotient and 1/D are denormal.
    let (n, d) = (2_f32.powi(-10), 2_f32.powi(127));
    b.f(1, n)
        .f(2, d)
        .asm("v_div_scale_f32 v0, vcc_lo, v2, v2, v1", &[0xd56d_6a00, 0x0406_0502])
        .is_s(VCC, u32::MAX);
    b.is_f(0, 2_f32.powi(63));
    b.f(1, 1.0)
        .f(2, 3.0)
        .asm("v_div_scale_f32 v0, vcc_lo, v1, v2, v1", &[0xd56d_6a00, 0x0406_0501])
        .is_s(VCC, 0)
        .is_f(0, 1.0);
    b.f(3, 0.0)
        .asm("v_div_fixup_f32 v0, v1, v3, v2", &[0xd55f_0000, 0x040a_0701])
        .is_f(0, f32::INFINITY);
    b.asm("v_div_fixup_f32 v0, v1, v3, v3", &[0xd55f_0000, 0x040e_0701]).is(0, 0xffc0_0000);
    b.f(1, -0.25)
        .f(2, -4.0)
        .f(3, 1.0)
        .asm("v_div_fixup_f32 v0, v1, v2, v3", &[0xd55f_0000, 0x040e_0501])
        .is_f(0, -0.25);
    b.s(VCC, u32::MAX)
        .f(1, 1.0)
        .f(2, 1.0)
        .f(3, 4.0)
        .asm("v_div_fmas_f32 v0, v1, v2, v3", &[0xd56f_0000, 0x040e_0501])
        .is_f(0, 5.0 * 2_f32.powi(64));
}

#[test]
fn wavefronts_of_64_lanes() {
    let mut b = bench_of(Target::Gfx1030, Size::Wave64);
    b.each(1, |lane| lane).s(EXEC + 1, 0xf);
    b.asm64("v_add_nc_u32_e32 v0, 1, v1", &[0x4a00_0281])
        .is_each(0, |lane| if lane < 36 { lane + 1 } else { 0 });
    b.asm64("v_readlane_b32 s4, v1, 40", &[0xd760_0004, 0x0001_5101]).is_s(4, 40).s(EXEC, 0);
    b.asm64("v_readfirstlane_b32 s4, v1", &[0x7e08_0501]).is_s(4, 32);
    b.s(EXEC, u32::MAX)
        .s(EXEC + 1, u32::MAX)
        .asm64("v_mbcnt_hi_u32_b32 v0, -1, 0", &[0xd766_0000, 0x0001_00c1]);
    b.is_each(0, |lane| lane.saturating_sub(32));
    b.v(2, 4 * 40)
        .asm64("ds_bpermute_b32 v0, v2, v1", &[0xdacc_0000, 0x0000_0102])
        .is_each(0, |lane| if lane < 32 { 8 } else { 40 });
    b.s(8, 0)
        .s(9, 1)
        .asm64("s_or_saveexec_b64 s[4:5], s[8:9]", &[0xbe84_2508])
        .is_s(5, u32::MAX)
        .is_s(EXEC + 1, u32::MAX);
    b.asm64(
        "v_mov_b32_dpp v0, v1 row_share:3 row_mask:0x4 bank_mask:0xf",
        &[0x7e00_02fa, 0x4f01_5301],
    );
    b.is_each(0, |lane| match lane / 16 {
        2 => 35,
        _ if lane < 32 => 8,
        _ => 40,
    });
}

#[test]
fn no_instruction_panics() {
    use rmcp_code::isa::format::Format;
    let mut state = 7_u64;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state ^ state >> 31
    };
    let mut ran = 0;
    for (target, size) in [
        (Target::Gfx1010, Size::Wave32),
        (Target::Gfx1030, Size::Wave32),
        (Target::Gfx1030, Size::Wave64),
    ] {
        let mut b = bench_of(target, size);
        for round in 0..400_000 {
            if round % 50 == 0 {
                b.x.wave.vectors.iter_mut().for_each(|lanes| {
                    lanes.0.iter_mut().for_each(|lane| *lane = next() as u32 >> (next() % 32));
                });
                for at in 0..124 {
                    b.x.wave.set(at, next() as u32 >> (next() % 32));
                }
                b.s(M0, (next() % 8) as u32).s(EXEC, next() as u32 | 1);
            }
            let (mask, value) =
                Format::ALL[(next() % Format::ALL.len() as u64) as usize].signature();
            // Registers that are there, mostly.
            let word = next() & !mask & 0x3fff_ff3f_ffff_ff3f | value;
            let words = [word as u32, (word >> 32) as u32, next() as u32, 0, 0];
            let Ok(instruction) = Isa::of(target).decode(&words) else { continue };
            let Ok(op) = lower(&instruction, size, 64) else { continue };
            ran += 1;
            let _ = (op.run)(&mut b.x, &op);
            b.x.fault = None;
            assert_eq!(b.x.wave.scalars[125], 0, "{}", instruction.text(size));
        }
    }
    assert!(ran > 50_000, "only {ran} were instructions");
}

#[test]
fn messages_reach_the_owner_of_the_memory() {
    let mut b = bench();
    b.s(M0, 42).asm("s_sendmsg sendmsg(MSG_INTERRUPT)", &[0xbf90_0001]);
    assert_eq!(b.memory.1.load(Relaxed), 1 << 16 | 42);
}
