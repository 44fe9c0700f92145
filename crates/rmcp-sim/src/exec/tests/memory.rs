//! LDS and memory.

use super::bench::{BLOCK, bench};
use crate::exec::fault::FaultKind;
use crate::exec::op::Step;
use crate::exec::wave::EXEC;

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
