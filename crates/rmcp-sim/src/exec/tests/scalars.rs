//! The scalar unit, registers by index, messages.

use super::bench::{Bench, bench};
use crate::exec::fault::FaultKind;
use crate::exec::op::Step;
use crate::exec::wave::{EXEC, M0};
use std::sync::atomic::Ordering::Relaxed;

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
fn messages_reach_the_owner_of_the_memory() {
    let mut b = bench();
    b.s(M0, 42).asm("s_sendmsg sendmsg(MSG_INTERRUPT)", &[0xbf90_0001]);
    assert_eq!(b.memory.1.load(Relaxed), 1 << 16 | 42);
}
