//! The rules that look at one instruction alone, for chips with the faults of gfx10.1.

use super::rule::Rule;
use super::step::{Step, class};
use crate::isa::Instruction;

/// What these rules look at.
const LOOKED_AT: u32 =
    class::FLAT | class::PREFETCH | class::BRANCH | class::MULTI_DWORD | class::GETREG;

/// Calls `hit` with each rule that hits at an instruction wherever it stands; `wgp` says whether the kernel runs in
/// WGP mode.
#[inline]
pub(super) fn faults_of(
    instruction: &Instruction,
    step: &Step,
    wgp: bool,
    mut hit: impl FnMut(Rule),
) {
    if !step.is(LOOKED_AT) {
        return;
    }
    if step.is(class::FLAT) {
        let offset = instruction.flat_offset();
        if !step.is(class::SEGMENT) && offset != 0 {
            hit(Rule::FlatOffset);
        }
        if instruction.has_private_vector_address() && offset < 0 && offset % 4 != 0 {
            hit(Rule::ScratchOffset);
        }
    }
    if step.is(class::PREFETCH) {
        hit(Rule::InstPrefetch);
    }
    if step.is(class::BRANCH) && instruction.constant() == 0x3f {
        hit(Rule::BranchOffset);
    }
    if step.is(class::MULTI_DWORD) && wgp {
        hit(Rule::LdsMultiDword);
    }
    // Register 29 holds the cycles. Source: LLVM `AMDGPUAsmUtils.cpp`, `HW_REG_SHADER_CYCLES`.
    if step.is(class::GETREG) && instruction.constant() & 63 == 29 {
        hit(Rule::ShaderCycles);
    }
}
