//! What the text does not show: which operands are written, and what is read and written beside them.
//!
//! Source: the operation of each instruction in "RDNA 1.0 ISA" and "RDNA 2 ISA" (AMD), chapter
//! "Instructions".

use super::shape::{Operand, Shape};
use rmcp_code::isa::format::{self, Format};
use rmcp_code::isa::implicit as bits;
use rmcp_code::isa::{Access, Kind, Type};

/// Returns the operand of this text, which this field changes.
pub(crate) fn classify(
    format: Format,
    name: &str,
    at: usize,
    text: &str,
    field: Option<u8>,
) -> Operand {
    let (kind, field) = kind(format, name, text, field);
    let access = access(format, name, at, kind, field);
    let class = if kind == Kind::Word { text.to_owned() } else { String::new() };
    Operand {
        kind,
        field,
        width: 1,
        ty: Type::B32,
        access,
        lane_mask: false,
        reject: 0,
        foreign: 0,
        class,
    }
}

fn kind(format: Format, name: &str, text: &str, field: Option<u8>) -> (Kind, u8) {
    use format::*;
    let Some(field) = field else {
        return match text {
            "vcc_lo" => (Kind::Vcc, 0),
            text if text.starts_with("0x") => (Kind::Literal, 0),
            _ => (Kind::Word, 0),
        };
    };
    let scalar = text.starts_with('s') || text.starts_with("ttmp");
    let kind = match field {
        SIMM16 => number(name),
        S_OFFSET | SOFFSET7 => return (Kind::ScalarOffset, S_OFFSET),
        SBASE | SRSRC | SSAMP => Kind::Scaled,
        VDST if scalar => return (Kind::Source, VDST_S),
        V3_VDST if scalar => return (Kind::Source, V3_VDST_S),
        SDATA if !scalar => Kind::Number,
        SADDR => Kind::ScalarAddress,
        I_ATTR => Kind::Attribute,
        I_VSRC if !text.starts_with('v') => return (Kind::Parameter, I_PARAM),
        V3_SRC1 if text.starts_with("invalid_param") => return (Kind::Parameter, V3_SRC1),
        V3_SRC0 if text.starts_with("attr") => return (Kind::Attribute, V3_ATTR),
        ADDR if matches!(format, Format::Mubuf | Format::Mtbuf) => Kind::BufferAddress,
        ADDR if format == Format::Mimg => Kind::ImageAddress,
        ADDR if format == Format::Scratch => Kind::PrivateAddress,
        ADDR if format == Format::Global => Kind::GlobalAddress,
        VDATA if format == Format::Mimg => Kind::ImageData,
        X_SRC0 if matches!(format, Format::Vop1Sdwa | Format::Vop2Sdwa | Format::VopcSdwa) => {
            Kind::Sdwa
        }
        VSRC1 if matches!(format, Format::Vop2Sdwa | Format::VopcSdwa) => Kind::Sdwa,
        X_SDST => Kind::SdwaMask,
        SSRC0 | SSRC1 | SDST | SRC0 | V3_SDST | V3_SRC0 | V3_SRC1 | V3_SRC2 | SDATA | SOFFSET8 => {
            Kind::Source
        }
        _ => Kind::Vector,
    };
    (kind, field)
}

/// Gives the atomics of FLAT and GLOBAL the operand that is printed only where they return something. It is
/// as wide as the data, or half of that where the data holds a value to compare with.
pub(crate) fn add_returned(format: Format, shape: &mut Shape) {
    if matches!(format, Format::Flat | Format::Global) && shape.name.contains("_atomic_") {
        let data = shape.operands.iter().find(|operand| operand.field == format::DATA0);
        let Some(mut returned) = data.cloned() else { return };
        returned.kind = Kind::Returned;
        returned.field = format::M_VDST;
        returned.access = Access::Def;
        if shape.name.contains("cmpswap") {
            returned.width /= 2;
        }
        shape.operands.insert(0, returned);
    }
}

fn number(name: &str) -> Kind {
    match name {
        "s_waitcnt" => Kind::Waitcnt,
        "s_sendmsg" | "s_sendmsghalt" => Kind::Message,
        "s_waitcnt_depctr" => Kind::Depctr,
        "s_getreg_b32" | "s_setreg_b32" | "s_setreg_imm32_b32" => Kind::Hwreg,
        "s_version" => Kind::Version,
        "s_endpgm" => Kind::Decimal,
        "s_branch" | "s_call_b64" => Kind::Branch,
        "s_nop" | "s_setkill" | "s_sethalt" | "s_sleep" | "s_setprio" | "s_trap"
        | "s_denorm_mode" | "s_incperflevel" | "s_decperflevel" => Kind::Small,
        _ if name.starts_with("s_cbranch") || name.starts_with("s_subvector") => Kind::Branch,
        _ => Kind::Hex,
    }
}

/// Names that begin so read their destination too.
const TIED: [&str; 12] = [
    "v_fmac_",
    "v_mac_",
    "v_dot2c_",
    "v_dot4c_",
    "v_pk_fmac_",
    "v_swap_",
    "v_swaprel_",
    "v_writelane_",
    "v_interp_p2_",
    "v_fma_mixhi_",
    "s_bitset",
    "s_cmovk_",
];

fn access(format: Format, name: &str, at: usize, kind: Kind, field: u8) -> Access {
    use format::*;
    let swap = name.starts_with("v_swap");
    let first = at == 0 && TIED.iter().any(|tied| name.starts_with(tied));
    if first || (swap && kind != Kind::Word) || name.starts_with("s_cmov_") && at == 0 {
        return Access::Both;
    }
    match (format, field) {
        (Format::Sopk, SDST) => match name {
            "s_addk_i32" | "s_mulk_i32" => Access::Both,
            _ if name.starts_with("s_subvector") => Access::Both,
            "s_movk_i32" | "s_getreg_b32" | "s_call_b64" => Access::Def,
            _ => Access::Use,
        },
        (_, SDATA) if name.starts_with("s_store") || name.starts_with("s_buffer_store") => {
            Access::Use
        }
        (_, SDATA) if name.starts_with("s_scratch_store") || kind == Kind::Number => Access::Use,
        // Without glc an atomic returns nothing; the decoder looks at the bit.
        (_, SDATA) if name.contains("_atomic_") => Access::Both,
        (_, VDATA) => match effects(name) & (bits::LOADS | bits::STORES | bits::ATOMIC) {
            bits::STORES => Access::Use,
            bits::LOADS => Access::Def,
            _ => Access::Both,
        },
        (_, SDST | VDST | VDST_S | V3_VDST | V3_VDST_S | V3_SDST | X_SDST | SDATA) => Access::Def,
        (_, I_VDST | M_VDST) => Access::Def,
        // "v_cmp_f_f32_e32 vcc_lo, v1, v2" writes it, "v_add_co_ci_u32 v1, vcc_lo, v2, v3, vcc_lo" both.
        _ if kind == Kind::Vcc && at < 2 => Access::Def,
        _ => Access::Use,
    }
}

/// What an instruction of this name does with memory.
fn effects(name: &str) -> u16 {
    if name.contains("_atomic_") {
        bits::ATOMIC
    } else if name.contains("_store") {
        bits::STORES
    } else {
        bits::LOADS
    }
}

/// Returns what an instruction reads and writes beside its operands.
pub(crate) fn implicit(format: Format, name: &str) -> u16 {
    let mut all = 0;
    let vector = format.is_vector_arithmetic();
    let memory = matches!(
        format,
        Format::Ds
            | Format::Mubuf
            | Format::Mtbuf
            | Format::Mimg
            | Format::Flat
            | Format::Scratch
            | Format::Global
            | Format::Exp
    );
    // These run whatever the mask of lanes is.
    let lanes = ["v_readlane", "v_writelane", "v_readfirstlane", "v_nop"];
    let every = ["buffer_gl", "s_"];
    if (vector && !lanes[..2].iter().any(|lane| name.starts_with(lane)))
        || memory && !every.iter().any(|name_of| name.starts_with(name_of))
    {
        all |= bits::READS_EXEC;
    }
    if name.contains("_saveexec_") || name.contains("_wrexec_") {
        all |= bits::READS_EXEC | bits::WRITES_EXEC;
    }
    if name.starts_with("v_cmpx") {
        all |= bits::WRITES_EXEC;
    }
    if name.starts_with("s_cbranch_exec") {
        all |= bits::READS_EXEC;
    }
    if name.starts_with("s_cbranch_vcc") || name.starts_with("v_div_fmas") {
        all |= bits::READS_VCC;
    }
    let m0 =
        ["s_movrel", "v_movrel", "v_swaprel", "v_interp", "s_sendmsg", "ds_gws", "s_ttracedata"];
    if m0.iter().any(|prefix| name.starts_with(prefix)) || name.ends_with("_addtid_b32") {
        all |= bits::READS_M0;
    }
    if name.starts_with("s_movrel") || name.starts_with("v_movrel") || name.starts_with("v_swaprel")
    {
        all |= bits::RELATIVE;
    }
    if memory && format != Format::Exp || format == Format::Smem {
        all |= effects(name);
    }
    all
}
