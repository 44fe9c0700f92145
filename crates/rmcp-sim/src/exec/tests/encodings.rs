//! How operands and results are encoded: signs, parts, halves, lanes that are off.

use super::bench::{bench, bench_of};
use crate::exec::wave::EXEC;
use rmcp_code::isa::{Target, Wave as Size};

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
