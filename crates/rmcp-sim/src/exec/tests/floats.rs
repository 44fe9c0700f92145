//! Floats: denormals, comparisons, conversions, division.

use super::bench::{bench, bench_of};
use crate::exec::op::Step;
use crate::exec::wave::{EXEC, VCC};
use rmcp_code::isa::{Target, Wave as Size};

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
