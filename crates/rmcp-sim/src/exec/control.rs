//! Program control: branches, calls, the hardware's registers, traps and messages.
//!
//! Source: "RDNA 2 Instruction Set Architecture" (AMD), chapter "Instructions", SOPP and SOP1.

use super::exec_state::Exec;
use super::fault::FaultKind;
use super::mode::Mode;
use super::op::{Handler, Op, Step};
use super::wave::{EXEC, M0, VCC};
use std::sync::atomic::{Ordering::Release, fence};

const fn relative(op: &Op) -> u64 {
    (op.constant as i64 * 4).cast_unsigned()
}

/// A branch.
macro_rules! branch {
    (|$w:ident| $e:expr) => {
        (|x: &mut Exec<'_>, op: &Op| {
            let $w = &*x.wave;
            if $e {
                x.wave.pc = x.wave.pc.wrapping_add(relative(op));
            }
            Step::Next
        }) as Handler
    };
}

fn nothing(_: &mut Exec<'_>, _: &Op) -> Step {
    Step::Next
}

fn pc_to(x: &mut Exec<'_>, op: &Op) -> Step {
    let pc = x.wave.pc;
    x.wave.set64(usize::from(op.sdst), pc);
    Step::Next
}

fn swap_pc(x: &mut Exec<'_>, op: &Op) -> Step {
    let target = x.wave.scalar64(&op.sources[0]);
    let pc = x.wave.pc;
    x.wave.set64(usize::from(op.sdst), pc);
    x.wave.pc = target;
    Step::Next
}

fn set_pc(x: &mut Exec<'_>, op: &Op) -> Step {
    x.wave.pc = x.wave.scalar64(&op.sources[0]);
    Step::Next
}

fn call(x: &mut Exec<'_>, op: &Op) -> Step {
    let pc = x.wave.pc;
    x.wave.set64(usize::from(op.sdst), pc);
    x.wave.pc = pc.wrapping_add(relative(op));
    Step::Next
}

/// The hardware registers.
///
/// Source: "RDNA 2 ISA" (AMD), "Hardware register values"; LLVM `SIDefines.h`, `AMDGPU::Hwreg`.
mod hardware {
    pub(super) const MODE: u16 = 1;
    pub(super) const STATUS: u16 = 2;
    pub(super) const TRAP_STATUS: u16 = 3;
    pub(super) const HW_ID: u16 = 4;
    pub(super) const GPR_ALLOC: u16 = 5;
    pub(super) const LDS_ALLOC: u16 = 6;
    pub(super) const IB_STATUS: u16 = 7;
    pub(super) const MEMORY_BASES: u16 = 15;
    pub(super) const FLAT_SCRATCH_LOW: u16 = 20;
    pub(super) const FLAT_SCRATCH_HIGH: u16 = 21;
    pub(super) const XNACK_MASK: u16 = 22;
    pub(super) const HW_ID1: u16 = 23;
    pub(super) const HW_ID2: u16 = 24;
    pub(super) const SHADER_CYCLES: u16 = 29;
}

fn hardware_register(x: &Exec<'_>, number: u16) -> Option<u32> {
    let wave = &x.wave;
    Some(match number {
        hardware::MODE => wave.mode.bits,
        hardware::STATUS => {
            let full = u32::from(wave.scc);
            let exec_zero = u32::from(wave.mask(EXEC) == 0);
            let vcc_zero = u32::from(wave.mask(VCC) == 0);
            full | exec_zero << 9 | vcc_zero << 10 | 1 << 16
        }
        hardware::TRAP_STATUS | hardware::GPR_ALLOC | hardware::IB_STATUS => 0,
        hardware::XNACK_MASK => 0,
        // The wavefront's slot, four bits each of unit and place.
        hardware::HW_ID | hardware::HW_ID1 | hardware::HW_ID2 => wave.slot,
        hardware::LDS_ALLOC => (x.lds.len() as u32).div_ceil(512) << 12,
        hardware::MEMORY_BASES => {
            let base = |aperture: u64| (aperture >> 48) as u32 & 0xffff;
            base(wave.lds_apertures[1]) | base(wave.lds_apertures[0]) << 16
        }
        hardware::FLAT_SCRATCH_LOW => wave.flat_scratch as u32,
        hardware::FLAT_SCRATCH_HIGH => (wave.flat_scratch >> 32) as u32,
        hardware::SHADER_CYCLES if !x.device.target.has_gfx10_1_faults() => {
            x.clock() as u32 & 0xf_ffff
        }
        _ => return None,
    })
}

/// Register, first bit and width of an access to a hardware register.
const fn hwreg(op: &Op) -> (u16, u32, u32) {
    let constant = op.constant as u16;
    (constant & 63, constant as u32 >> 6 & 31, (constant as u32 >> 11 & 31) + 1)
}

fn get_register(x: &mut Exec<'_>, op: &Op) -> Step {
    let (number, first, width) = hwreg(op);
    let Some(value) = hardware_register(x, number) else { return x.stop(FaultKind::Unimplemented) };
    let value = value >> first & (u32::MAX >> (32 - width));
    x.wave.set(usize::from(op.sdst), value);
    Step::Next
}

fn set_register(x: &mut Exec<'_>, op: &Op) -> Step {
    let (number, first, width) = hwreg(op);
    let value = x.wave.scalar(&op.sources[0]);
    let mask = (u32::MAX >> (32 - width)) << first;
    let place = |old: u32| old & !mask | value << first & mask;
    match number {
        hardware::MODE => return set_mode(x, place(x.wave.mode.bits)),
        hardware::FLAT_SCRATCH_LOW => {
            let old = x.wave.flat_scratch;
            x.wave.flat_scratch = old >> 32 << 32 | u64::from(place(old as u32));
        }
        hardware::FLAT_SCRATCH_HIGH => {
            let old = x.wave.flat_scratch;
            let high = place((old >> 32) as u32);
            x.wave.flat_scratch = old & 0xffff_ffff | u64::from(high) << 32;
        }
        // Exceptions are not simulated, so that clearing them changes nothing.
        hardware::TRAP_STATUS => {}
        _ => return x.stop(FaultKind::Unimplemented),
    }
    Step::Next
}

fn set_mode(x: &mut Exec<'_>, bits: u32) -> Step {
    x.wave.mode = Mode::new(bits);
    if x.wave.mode.rounds_to_nearest() { Step::Next } else { x.stop(FaultKind::Unimplemented) }
}

fn trap(x: &mut Exec<'_>, op: &Op) -> Step {
    x.stop(FaultKind::Trap(op.constant as u8))
}

fn halt(x: &mut Exec<'_>, op: &Op) -> Step {
    if op.constant & 1 == 0 { Step::Next } else { x.stop(FaultKind::Halted) }
}

/// Program control. Waiting for memory is nothing here: every access is over when the next instruction begins.
pub(super) fn rows() -> Vec<(&'static str, Handler)> {
    let mut rows: Vec<(&'static str, Handler)> = vec![
        ("s_getpc_b64", pc_to),
        ("s_setpc_b64", set_pc),
        ("s_swappc_b64", swap_pc),
        ("s_call_b64", call),
        ("s_getreg_b32", get_register),
        ("s_setreg_b32", set_register),
        ("s_setreg_imm32_b32", set_register),
        ("s_round_mode", |x, op| {
            let bits = x.wave.mode.bits & !15 | op.constant.cast_unsigned() & 15;
            set_mode(x, bits)
        }),
        ("s_denorm_mode", |x, op| {
            let bits = x.wave.mode.bits & !0xf0 | (op.constant.cast_unsigned() & 15) << 4;
            set_mode(x, bits)
        }),
        ("s_branch", branch!(|_w| true)),
        ("s_cbranch_scc0", branch!(|w| !w.scc)),
        ("s_cbranch_scc1", branch!(|w| w.scc)),
        ("s_cbranch_vccz", branch!(|w| w.mask(VCC) == 0)),
        ("s_cbranch_vccnz", branch!(|w| w.mask(VCC) != 0)),
        ("s_cbranch_execz", branch!(|w| w.mask(EXEC) == 0)),
        ("s_cbranch_execnz", branch!(|w| w.mask(EXEC) != 0)),
        // No debugger sets these.
        ("s_cbranch_cdbgsys", nothing),
        ("s_cbranch_cdbguser", nothing),
        ("s_cbranch_cdbgsys_or_user", nothing),
        ("s_cbranch_cdbgsys_and_user", nothing),
        ("s_endpgm", |_, _| Step::End),
        ("s_endpgm_saved", |_, _| Step::End),
        ("s_barrier", |_, _| Step::Barrier),
        ("s_sleep", |_, _| Step::Yield),
        // What was stored is seen by others before what is stored next.
        ("s_waitcnt_vscnt", |_, _| {
            fence(Release);
            Step::Next
        }),
        ("s_sendmsg", |x, op| {
            x.memory.message(op.constant as u16, x.wave.scalars[M0]);
            Step::Next
        }),
        ("s_trap", trap),
        ("s_sethalt", halt),
    ];
    let without_effect = [
        "s_version",
        "s_nop",
        "s_waitcnt",
        "s_waitcnt_vmcnt",
        "s_waitcnt_expcnt",
        "s_waitcnt_lgkmcnt",
        "s_waitcnt_depctr",
        "s_wait_idle",
        "s_setprio",
        "s_icache_inv",
        "s_inst_prefetch",
        "s_clause",
        "s_wakeup",
        "s_incperflevel",
        "s_decperflevel",
        "s_ttracedata",
        "s_ttracedata_imm",
    ];
    rows.extend(without_effect.map(|name| (name, nothing as Handler)));
    rows
}
