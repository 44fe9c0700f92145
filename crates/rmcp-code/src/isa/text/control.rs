//! The 16-bit constants that LLVM spells out: counters, messages, hardware registers.

use crate::isa::Instruction;
use std::fmt::{self, Write};

/// `s_waitcnt`: a counter at its largest value is not waited for and not shown, unless all are.
///
/// Source: LLVM `AMDGPUUsage.rst`, "S_WAITCNT"; the places of the bits from "RDNA 2 ISA" (AMD), chapter
/// "Program Flow Control".
pub(super) fn write_waitcnt(value: u16, f: &mut impl Write) -> fmt::Result {
    let vm = (value & 15) | ((value >> 14 & 3) << 4);
    let exp = value >> 4 & 7;
    let lgkm = value >> 8 & 63;
    let all = (vm, exp, lgkm) == (63, 7, 63);
    let mut separator = "";
    for (name, value, largest) in [("vmcnt", vm, 63), ("expcnt", exp, 7), ("lgkmcnt", lgkm, 63)] {
        if all || value != largest {
            write!(f, "{separator}{name}({value})")?;
            separator = " ";
        }
    }
    Ok(())
}

/// `s_waitcnt_depctr`'s counters: name, lowest bit, width, in LLVM's order.
const DEPCTR: [(&str, u16, u16); 7] = [
    ("hold_cnt", 7, 1),
    ("sa_sdst", 0, 1),
    ("va_vdst", 12, 4),
    ("va_sdst", 9, 3),
    ("va_ssrc", 8, 1),
    ("va_vcc", 1, 1),
    ("vm_vsrc", 2, 3),
];

/// `s_waitcnt_depctr`: by name where the bits without a name are clear, as LLVM does.
pub(super) fn write_depctr(instruction: &Instruction, f: &mut impl Write) -> fmt::Result {
    let value = instruction.constant();
    // The first of them came with gfx10.3.
    let counters = if instruction.target.has_gfx10_1_faults() { &DEPCTR[1..] } else { &DEPCTR[..] };
    let named: u16 = counters.iter().map(|&(_, low, bits)| ((1 << bits) - 1) << low).sum();
    if value & !named != 0 {
        return write!(f, "{value:#x}");
    }
    let mut separator = "";
    let unset = |low: u16, bits: u16| value >> low & ((1 << bits) - 1) == (1 << bits) - 1;
    let all = counters.iter().all(|&(_, low, bits)| unset(low, bits));
    for (name, low, bits) in counters.iter().copied() {
        if all || !unset(low, bits) {
            write!(f, "{separator}depctr_{name}({})", value >> low & ((1 << bits) - 1))?;
            separator = " ";
        }
    }
    Ok(())
}

/// `s_version`: the number of a generation, and flags for the sizes of a wavefront.
///
/// Source: what LLVM's disassembler prints.
pub(super) fn write_version(value: u16, f: &mut impl Write) -> fmt::Result {
    const NAMES: [(u16, &str); 4] = [
        (0, "UC_VERSION_GFX7"),
        (4, "UC_VERSION_GFX10"),
        (6, "UC_VERSION_GFX11"),
        (9, "UC_VERSION_GFX12"),
    ];
    const FLAGS: [(u16, &str); 3] =
        [(13, "UC_VERSION_W64_BIT"), (14, "UC_VERSION_W32_BIT"), (15, "UC_VERSION_MDP_BIT")];
    if value & 0x1f00 != 0 {
        return write!(f, "{value:#x}");
    }
    let set = || FLAGS.iter().filter(|flag| value >> flag.0 & 1 != 0);
    // Each flag but the first stands behind brackets around what is before it.
    for _ in 1..set().count() {
        f.write_str("(")?;
    }
    match NAMES.iter().find(|name| name.0 == value & 0xff) {
        Some((_, name)) => f.write_str(name)?,
        None => write!(f, "{}", value & 0xff)?,
    }
    for (at, (_, flag)) in set().enumerate() {
        write!(f, "{}|{flag}", if at == 0 { "" } else { ")" })?;
    }
    Ok(())
}

/// `s_sendmsg`: message, operation and stream.
///
/// Source: LLVM `AMDGPUAsmUtils.cpp`, messages of GFX10.
pub(super) fn write_message(value: u16, f: &mut impl Write) -> fmt::Result {
    let (id, operation, stream) = (value & 15, value >> 4 & 7, value >> 8 & 3);
    let name = match id {
        1 => "MSG_INTERRUPT",
        2 => "MSG_GS",
        3 => "MSG_GS_DONE",
        4 => "MSG_SAVEWAVE",
        5 => "MSG_STALL_WAVE_GEN",
        6 => "MSG_HALT_WAVES",
        7 => "MSG_ORDERED_PS_DONE",
        8 => "MSG_EARLY_PRIM_DEALLOC",
        9 => "MSG_GS_ALLOC_REQ",
        10 => "MSG_GET_DOORBELL",
        11 => "MSG_GET_DDID",
        15 => "MSG_SYSMSG",
        _ => "",
    };
    let operations: &[&str] = match id {
        2 | 3 => &["GS_OP_NOP", "GS_OP_CUT", "GS_OP_EMIT", "GS_OP_EMIT_CUT"],
        15 => &["", "SYSMSG_OP_ECC_ERR_INTERRUPT", "SYSMSG_OP_REG_RD", "", "SYSMSG_OP_TTRACE_PC"],
        _ => &[],
    };
    let operation_name = operations.get(usize::from(operation)).copied().unwrap_or_default();
    match (name, id) {
        ("", _) => {}
        // Only "done" may do nothing, and then on no stream.
        (_, 3) if operation == 0 && stream == 0 => {
            return write!(f, "sendmsg({name}, {operation_name})");
        }
        (_, 2 | 3) if operation == 0 => {}
        (_, 2 | 3) if !operation_name.is_empty() => {
            return write!(f, "sendmsg({name}, {operation_name}, {stream})");
        }
        (_, 15) if !operation_name.is_empty() && stream == 0 => {
            return write!(f, "sendmsg({name}, {operation_name})");
        }
        (_, 2 | 3 | 15) => {}
        _ if operation == 0 && stream == 0 => return write!(f, "sendmsg({name})"),
        _ => {}
    }
    if value & !0x37f != 0 {
        return write!(f, "{value}");
    }
    write!(f, "sendmsg({id}, {operation}, {stream})")
}

/// `s_getreg_b32`: the register and, where it is not all of it, the bits.
///
/// Source: LLVM `AMDGPUAsmUtils.cpp`, hardware registers of GFX10.
pub(super) fn write_hwreg(instruction: &Instruction, f: &mut impl Write) -> fmt::Result {
    let value = instruction.constant();
    let early = instruction.target.has_gfx10_1_faults();
    let (id, offset, size) = (value & 63, value >> 6 & 31, (value >> 11) + 1);
    let name = match id {
        1 => "HW_REG_MODE",
        2 => "HW_REG_STATUS",
        3 => "HW_REG_TRAPSTS",
        5 => "HW_REG_GPR_ALLOC",
        6 => "HW_REG_LDS_ALLOC",
        7 => "HW_REG_IB_STS",
        15 => "HW_REG_SH_MEM_BASES",
        16 => "HW_REG_TBA_LO",
        17 => "HW_REG_TBA_HI",
        18 => "HW_REG_TMA_LO",
        19 => "HW_REG_TMA_HI",
        20 => "HW_REG_FLAT_SCR_LO",
        21 => "HW_REG_FLAT_SCR_HI",
        22 if early => "HW_REG_XNACK_MASK",
        23 => "HW_REG_HW_ID1",
        24 => "HW_REG_HW_ID2",
        25 => "HW_REG_POPS_PACKER",
        29 if !early => "HW_REG_SHADER_CYCLES",
        _ => "",
    };
    f.write_str("hwreg(")?;
    if name.is_empty() {
        write!(f, "{id}")?
    } else {
        f.write_str(name)?
    }
    if (offset, size) != (0, 32) {
        write!(f, ", {offset}, {size}")?;
    }
    f.write_str(")")
}
