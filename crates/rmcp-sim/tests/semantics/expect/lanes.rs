//! Instructions that move values between lanes, or between registers that only M0 names.

use super::operand::Ty;
use super::vector::Operands;
use super::{Answer, Case};
use crate::encode::base_name;
use rmcp_code::isa::Operand;
use rmcp_code::isa::format::Format;

/// Returns what is expected of such an instruction, `None` where it is none.
pub(super) fn expect(case: &Case<'_>) -> Option<Answer> {
    let name = base_name(case.instruction.name());
    Some(match name {
        "v_nop" | "v_pipeflush" | "v_clrexcp" => Answer::Known(case.after()),
        "v_readfirstlane_b32" => read_lane(case, true),
        "v_readlane_b32" => read_lane(case, false),
        "v_writelane_b32" => write_lane(case),
        "v_permlane16_b32" => permute(case, 0),
        "v_permlanex16_b32" => permute(case, 16),
        "v_swap_b32" => swap(case, 0, 0),
        "v_swaprel_b32" => swap(case, case.before.m0 & 0x3ff, case.before.m0 >> 16 & 0x3ff),
        "v_movrels_b32" => moved(case, case.before.m0, 0),
        "v_movreld_b32" => moved(case, 0, case.before.m0),
        "v_movrelsd_b32" => moved(case, case.before.m0, case.before.m0),
        "v_movrelsd_2_b32" => moved(case, case.before.m0 & 0x3ff, case.before.m0 >> 16 & 0x3ff),
        _ => return None,
    })
}

fn on(case: &Case<'_>) -> impl Iterator<Item = usize> + use<> {
    let active = case.active();
    (0..case.lanes()).filter(move |lane| active >> lane & 1 != 0)
}

fn chosen(case: &Case<'_>, operand: Operand) -> usize {
    case.read_scalar(operand, Ty::B32) as usize % case.lanes()
}

fn read_lane(case: &Case<'_>, first: bool) -> Answer {
    let operands = Operands::of(case);
    let (_, from) = operands.from[0];
    // Without any lane, the first is read.
    let lane = if first { on(case).next().unwrap_or(0) } else { chosen(case, operands.from[1].1) };
    let mut after = case.after();
    let Some((_, to)) = operands.to else { return Answer::Unknown };
    after.set_scalars(to, case.read(from, Ty::B32, lane) as u64);
    Answer::Known(after)
}

fn write_lane(case: &Case<'_>) -> Answer {
    let operands = Operands::of(case);
    let lane = chosen(case, operands.from[1].1);
    let Some((_, Operand::Vector { first, .. })) = operands.to else { return Answer::Unknown };
    let mut after = case.after();
    after.state.v[usize::from(first)][lane] = case.read_scalar(operands.from[0].1, Ty::B32) as u32;
    Answer::Known(after)
}

/// Each lane takes from the lane of its row, or of the other row of the pair, that its four bits name.
fn permute(case: &Case<'_>, other: usize) -> Answer {
    let operands = Operands::of(case);
    let Some((_, Operand::Vector { first, .. })) = operands.to else { return Answer::Unknown };
    let word = |at: usize| case.read_scalar(operands.from[at].1, Ty::B32) as u64;
    let chosen = word(1) | word(2) << 32;
    let (fetch_inactive, zero) = (case.bit(11), case.bit(12));
    let mut after = case.after();
    for lane in on(case) {
        let from = (lane & !15 | (chosen >> (4 * (lane & 15)) & 15) as usize) ^ other;
        let to = &mut after.state.v[usize::from(first)][lane];
        if fetch_inactive || case.active() >> from & 1 != 0 {
            *to = case.read(operands.from[0].1, Ty::B32, from) as u32;
        } else if zero {
            *to = 0;
        }
    }
    Answer::Known(after)
}

fn swap(case: &Case<'_>, behind_from: u32, behind_to: u32) -> Answer {
    let mut registers = case.instruction.operands(case.wave).map(|(operand, _)| operand);
    let (Some(Operand::Vector { first: to, .. }), Some(Operand::Vector { first: from, .. })) =
        (registers.next(), registers.next())
    else {
        return Answer::Unclear;
    };
    let (to, from) =
        (usize::from(to) + behind_to as usize, usize::from(from) + behind_from as usize);
    let mut after = case.after();
    for lane in on(case) {
        after.state.v[to][lane] = case.before.v[from][lane];
        after.state.v[from][lane] = case.before.v[to][lane];
    }
    Answer::Known(after)
}

/// A move whose registers lie so many behind those named.
fn moved(case: &Case<'_>, behind_from: u32, behind_to: u32) -> Answer {
    if !matches!(case.instruction.format(), Format::Vop1 | Format::Vop3) {
        return Answer::Unclear;
    }
    let operands = Operands::of(case);
    let Some((_, Operand::Vector { first, .. })) = operands.to else { return Answer::Unknown };
    let from = match operands.from[0].1 {
        Operand::Vector { first, count } => {
            Operand::Vector { first: first + behind_from as u16, count }
        }
        _ if behind_from > 0 => return Answer::Unclear,
        other => other,
    };
    let mut after = case.after();
    for lane in on(case) {
        after.state.v[usize::from(first) + behind_to as usize][lane] =
            case.read(from, Ty::B32, lane) as u32;
    }
    Answer::Known(after)
}
