//! What stands around and behind the operands: signs, clamps, offsets, caches, lanes.

use crate::isa::Instruction;
use crate::isa::format::{self, FIELDS, Format};
use crate::isa::row::{Kind, Slot};
use std::fmt::{self, Write};

/// Signs of one source.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Signs {
    pub(super) negative: bool,
    pub(super) absolute: bool,
    pub(super) sign_extended: bool,
}

/// Returns whether a bit is set that means something with this opcode.
fn live(instruction: &Instruction, bit: u32) -> bool {
    (instruction.word & instruction.row.live_bits()) >> bit & 1 != 0
}

/// The modifiers of a source.
pub(super) fn of_source(instruction: &Instruction, slot: &Slot) -> Signs {
    let at = |negative: u32, absolute: u32| Signs {
        negative: live(instruction, negative),
        absolute: live(instruction, absolute),
        sign_extended: false,
    };
    match instruction.format() {
        Format::Vop3 | Format::Vop3p => match Instruction::source_number(slot.field) {
            // Packed opcodes print theirs behind the operands; only the mixed ones have signs.
            Some(_) if !has_signs(instruction) => Signs::default(),
            Some(source) => at(61 + source, 8 + source),
            None => Signs::default(),
        },
        Format::Vop1Dpp | Format::Vop2Dpp => match slot.field {
            format::X_SRC0 => at(52, 53),
            format::VSRC1 => at(54, 55),
            _ => Signs::default(),
        },
        Format::Vop1Sdwa | Format::Vop2Sdwa | Format::VopcSdwa => match slot.field {
            format::X_SRC0 => Signs { sign_extended: live(instruction, 51), ..at(52, 53) },
            format::VSRC1 => Signs { sign_extended: live(instruction, 59), ..at(60, 61) },
            _ => Signs::default(),
        },
        _ => Signs::default(),
    }
}

fn is_mixed(instruction: &Instruction) -> bool {
    let name = instruction.name();
    name.starts_with("v_fma_mix") || name.starts_with("v_mad_mix")
}

fn has_signs(instruction: &Instruction) -> bool {
    instruction.format() == Format::Vop3 || is_mixed(instruction)
}

/// Writes everything behind the operands.
pub(super) fn write(instruction: &Instruction, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let word = instruction.word;
    let bit = |at: u32| word >> at & 1 != 0;
    let flag = |f: &mut fmt::Formatter<'_>, at: u32, name: &str| {
        if bit(at) { write!(f, " {name}") } else { Ok(()) }
    };
    match instruction.format() {
        Format::Vop3 => write_vop3(instruction, f),
        Format::Vop3p => write_vop3p(instruction, f),
        Format::Vop1Dpp | Format::Vop2Dpp => write_dpp(word, f),
        Format::Vop1Dpp8 | Format::Vop2Dpp8 => {
            f.write_str(" dpp8:[")?;
            for lane in 0..8 {
                let separator = if lane == 0 { "" } else { "," };
                write!(f, "{separator}{}", word >> (40 + 3 * lane) & 7)?;
            }
            f.write_str("]")?;
            f.write_str(if word & 0x1ff == 0xea { " fi:1" } else { "" })
        }
        Format::Vop1Sdwa | Format::Vop2Sdwa | Format::VopcSdwa => write_sdwa(instruction, f),
        Format::Smem => {
            if live(instruction, 16) {
                f.write_str(" glc")?;
            }
            f.write_str(if live(instruction, 14) { " dlc" } else { "" })
        }
        Format::Ds => {
            write_ds_offset(instruction, f)?;
            flag(f, 17, "gds")
        }
        Format::Mubuf | Format::Mtbuf => write_buffer(instruction, f),
        Format::Flat | Format::Global | Format::Scratch => {
            // FLAT has no negative offsets; LLVM prints the bits as they are.
            let offset = match instruction.format() {
                Format::Flat => i32::from(instruction.constant() & 0xfff),
                _ => instruction.flat_offset(),
            };
            if offset != 0 && instruction.row.slots > 0 {
                write!(f, " offset:{offset}")?;
            }
            flag(f, 16, "glc")?;
            flag(f, 17, "slc")?;
            flag(f, 12, "dlc")?;
            flag(f, 13, "lds")
        }
        Format::Mimg => write_image(instruction, f),
        _ => Ok(()),
    }
}

fn write_list(f: &mut impl Write, name: &str, values: impl Iterator<Item = u64>) -> fmt::Result {
    write!(f, " {name}:[")?;
    for (at, value) in values.enumerate() {
        write!(f, "{}{value}", if at == 0 { "" } else { "," })?;
    }
    f.write_str("]")
}

fn sources(instruction: &Instruction) -> u32 {
    let slots = instruction.slots().iter();
    slots.filter_map(|slot| Instruction::source_number(slot.field)).max().map_or(0, |last| last + 1)
}

fn write_vop3(instruction: &Instruction, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (word, live_bits) = (instruction.word, instruction.row.live_bits());
    let selected = word & live_bits & (0xf << 11);
    if selected != 0 {
        let count = sources(instruction);
        let lanes = instruction.name().starts_with("v_permlane");
        let last = if lanes { None } else { Some(word >> 14 & 1) };
        let count = if lanes { 2 } else { count };
        let bits = (0..count).map(|source| word >> (11 + source) & 1);
        write_list(f, "op_sel", bits.chain(last))?;
    }
    if instruction.name().starts_with("v_interp") && live(instruction, 40) {
        f.write_str(" high")?;
    }
    if word & live_bits & (1 << 15) != 0 {
        f.write_str(" clamp")?;
    }
    if live_bits & (3 << 59) != 0 {
        f.write_str(["", " mul:2", " mul:4", " div:2"][(word >> 59 & 3) as usize])?;
    }
    Ok(())
}

fn write_vop3p(instruction: &Instruction, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let word = instruction.word;
    let count = sources(instruction);
    let bits = |low: u32| (0..count).map(move |source| word >> (low + source) & 1);
    let high =
        move |source: u32| if source == 2 { word >> 14 & 1 } else { word >> (59 + source) & 1 };
    let shown = |mask: u64| instruction.row.live_bits() & mask != 0;
    if shown(7 << 11) && bits(11).any(|bit| bit != 0) {
        write_list(f, "op_sel", bits(11))?;
    }
    // The usual is both halves; for the mixed opcodes it is neither.
    let usual = u64::from(!is_mixed(instruction));
    if shown(3 << 59) && (0..count).any(|source| high(source) != usual) {
        write_list(f, "op_sel_hi", (0..count).map(high))?;
    }
    if !is_mixed(instruction) {
        for (low, name) in [(61, "neg_lo"), (8, "neg_hi")] {
            if (0..count).any(|source| live(instruction, low + source)) {
                write_list(f, name, bits(low))?;
            }
        }
    }
    f.write_str(if live(instruction, 15) { " clamp" } else { "" })
}

fn write_dpp(word: u64, f: &mut impl Write) -> fmt::Result {
    let control = word >> 40 & 0x1ff;
    match control {
        0..=0xff => write_list(f, "quad_perm", (0..4).map(|lane| control >> (2 * lane) & 3))?,
        0x101..=0x10f => write!(f, " row_shl:{}", control & 15)?,
        0x111..=0x11f => write!(f, " row_shr:{}", control & 15)?,
        0x121..=0x12f => write!(f, " row_ror:{}", control & 15)?,
        0x130 => f.write_str(" /* wave_shl is not supported starting from GFX10 */")?,
        0x134 => f.write_str(" /* wave_rol is not supported starting from GFX10 */")?,
        0x138 => f.write_str(" /* wave_shr is not supported starting from GFX10 */")?,
        0x13c => f.write_str(" /* wave_ror is not supported starting from GFX10 */")?,
        0x140 => f.write_str(" row_mirror")?,
        0x141 => f.write_str(" row_half_mirror")?,
        0x142 | 0x143 => f.write_str(" /* row_bcast is not supported starting from GFX10 */")?,
        0x150..=0x15f => write!(f, " row_share:{}", control & 15)?,
        0x160..=0x16f => write!(f, " row_xmask:{}", control & 15)?,
        _ => f.write_str(" /* Invalid dpp_ctrl value */")?,
    }
    write!(f, " row_mask:{:#x} bank_mask:{:#x}", word >> 60 & 15, word >> 56 & 15)?;
    f.write_str(if word >> 51 & 1 != 0 { " bound_ctrl:1" } else { "" })?;
    f.write_str(if word >> 50 & 1 != 0 { " fi:1" } else { "" })
}

fn write_sdwa(instruction: &Instruction, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const PARTS: [&str; 8] =
        ["BYTE_0", "BYTE_1", "BYTE_2", "BYTE_3", "WORD_0", "WORD_1", "DWORD", "?"];
    const UNUSED: [&str; 4] = ["UNUSED_PAD", "UNUSED_SEXT", "UNUSED_PRESERVE", "?"];
    let word = instruction.word;
    let part = |low: u32| PARTS[(word >> low & 7) as usize];
    if instruction.format() != Format::VopcSdwa {
        if live(instruction, 45) {
            f.write_str(" clamp")?;
        }
        if instruction.row.live_bits() & (3 << 46) != 0 {
            f.write_str(["", " mul:2", " mul:4", " div:2"][(word >> 46 & 3) as usize])?;
        }
        if instruction.row.live_bits() & (7 << 40) != 0 {
            let unused = UNUSED[(word >> 43 & 3) as usize];
            write!(f, " dst_sel:{} dst_unused:{unused}", part(40))?;
        }
    }
    let sources = instruction.slots().iter().filter(|slot| slot.kind == Kind::Sdwa).count();
    if sources > 0 {
        write!(f, " src0_sel:{}", part(48))?;
    }
    if sources > 1 {
        write!(f, " src1_sel:{}", part(56))?;
    }
    Ok(())
}

fn write_ds_offset(instruction: &Instruction, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let offset = instruction.constant();
    let name = instruction.name();
    if name == "ds_swizzle_b32" {
        return write_swizzle(offset, f);
    }
    if instruction.row.live_bits() & 0xffff == 0 {
        return Ok(());
    }
    let two = ["ds_read2", "ds_write2", "ds_wrxchg2"].iter().any(|prefix| name.starts_with(prefix));
    if !two {
        return if offset == 0 { Ok(()) } else { write!(f, " offset:{offset}") };
    }
    for (name, value) in [("offset0", offset & 0xff), ("offset1", offset >> 8)] {
        if value != 0 {
            write!(f, " {name}:{value}")?;
        }
    }
    Ok(())
}

/// Source: "RDNA 2 ISA" (AMD), `DS_SWIZZLE_B32`; the spelling from LLVM.
fn write_swizzle(offset: u16, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if offset == 0 {
        return Ok(());
    }
    f.write_str(" offset:")?;
    if offset >= 0xe000 {
        return write!(f, "swizzle(FFT,{})", offset & 31);
    }
    if offset >= 0xc000 {
        return write!(f, "swizzle(ROTATE,{},{})", offset >> 10 & 1, offset >> 5 & 31);
    }
    if offset & 0xff00 == 0x8000 {
        return write!(
            f,
            "swizzle(QUAD_PERM,{},{},{},{})",
            offset & 3,
            offset >> 2 & 3,
            offset >> 4 & 3,
            offset >> 6 & 3
        );
    }
    if offset & 0x8000 != 0 {
        return write!(f, "{offset}");
    }
    let (and, or, xor) = (offset & 31, offset >> 5 & 31, offset >> 10 & 31);
    if and == 31 && or == 0 && xor.count_ones() == 1 {
        return write!(f, "swizzle(SWAP,{xor})");
    }
    if and == 31 && or == 0 && xor > 0 && (xor + 1).is_power_of_two() {
        return write!(f, "swizzle(REVERSE,{})", xor + 1);
    }
    let group = 32 - and;
    if xor == 0 && group > 1 && group.is_power_of_two() && or < group {
        return write!(f, "swizzle(BROADCAST,{group},{or})");
    }
    f.write_str("swizzle(BITMASK_PERM,\"")?;
    for bit in (0..5).rev() {
        let (and, or, xor) = (and >> bit & 1, or >> bit & 1, xor >> bit & 1);
        // The lane's bit after the three operations, for a lane whose bit is 0 and one whose bit is 1.
        let of = |lane: u16| ((lane & and) | or) ^ xor;
        f.write_str(match (of(0), of(1)) {
            (0, 0) => "0",
            (1, 1) => "1",
            (0, 1) => "p",
            _ => "i",
        })?;
    }
    f.write_str("\")")
}

fn write_buffer(instruction: &Instruction, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let word = instruction.word;
    let bit = |at: u32| word >> at & 1 != 0;
    if instruction.row.slots == 0 {
        return Ok(());
    }
    if instruction.format() == Format::Mtbuf {
        super::super::buffer_format::write((word >> 19 & 0x7f) as usize, f)?;
    }
    for (at, name) in [(13, " idxen"), (12, " offen")] {
        f.write_str(if bit(at) { name } else { "" })?;
    }
    if word & 0xfff != 0 {
        write!(f, " offset:{}", word & 0xfff)?;
    }
    for (at, name) in [(14, " glc"), (54, " slc"), (15, " dlc")] {
        f.write_str(if bit(at) { name } else { "" })?;
    }
    if instruction.format() == Format::Mubuf && bit(16) {
        f.write_str(" lds")?;
    }
    f.write_str(if bit(55) { " tfe" } else { "" })
}

fn write_image(instruction: &Instruction, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const DIMENSIONS: [&str; 8] =
        ["1D", "2D", "3D", "CUBE", "1D_ARRAY", "2D_ARRAY", "2D_MSAA", "2D_MSAA_ARRAY"];
    let word = instruction.word;
    let bit = |at: u32| word >> at & 1 != 0;
    if instruction.name().starts_with("image_bvh") {
        return f.write_str(if bit(62) { " a16" } else { "" });
    }
    if word >> 8 & 15 != 0 {
        write!(f, " dmask:{:#x}", word >> 8 & 15)?;
    }
    write!(f, " dim:SQ_RSRC_IMG_{}", DIMENSIONS[(word >> 3 & 7) as usize])?;
    const FLAGS: [(u32, &str); 9] = [
        (12, " unorm"),
        (13, " glc"),
        (25, " slc"),
        (7, " dlc"),
        (15, " r128"),
        (62, " a16"),
        (16, " tfe"),
        (17, " lwe"),
        (63, " d16"),
    ];
    for (at, name) in FLAGS {
        f.write_str(if bit(at) { name } else { "" })?;
    }
    Ok(())
}

/// `exp mrt0 v1, off, v2, off done compr vm`.
pub(super) fn write_export(instruction: &Instruction, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let word = instruction.word;
    let bit = |at: u32| word >> at & 1 != 0;
    match word >> 4 & 63 {
        target @ 0..=7 => write!(f, " mrt{target}")?,
        8 => f.write_str(" mrtz")?,
        9 => f.write_str(" null")?,
        target @ 12..=16 => write!(f, " pos{}", target - 12)?,
        20 => f.write_str(" prim")?,
        target @ 32..=63 => write!(f, " param{}", target - 32)?,
        target => write!(f, " invalid_target_{target}")?,
    }
    let compressed = bit(10);
    let fields = [format::E_SRC0, format::E_SRC1, format::E_SRC2, format::E_SRC3];
    for (at, field) in fields.into_iter().enumerate() {
        f.write_str(if at == 0 { " " } else { ", " })?;
        // Compressed, two channels share a register: the first two fields stand for four.
        let field = if compressed { fields[at / 2] } else { field };
        if bit(u32::try_from(at).unwrap_or(0)) {
            write!(f, "v{}", FIELDS[usize::from(field)].get(word))?;
        } else {
            f.write_str("off")?;
        }
    }
    f.write_str(if bit(11) { " done" } else { "" })?;
    f.write_str(if compressed { " compr" } else { "" })?;
    f.write_str(if bit(12) { " vm" } else { "" })
}
