//! Integers of the vector unit.

use super::bench::bench;
use crate::exec::wave::VCC;

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
