//! What is tried to make an opcode decode: for each format the fields, and values for each of them.
//!
//! The first value of a field is one that shows in the text and is aligned for every width of register; a 0
//! behind it is for opcodes that have no such field and want it empty.

use rmcp_code::isa::format::{self, FIELDS, Format};

/// A field of [`FIELDS`], and the raw values to try.
pub(crate) type Candidate = (u8, &'static [u64]);

/// Returns the fields of a format.
pub(crate) fn fields(format: Format) -> &'static [Candidate] {
    use format::*;
    const VECTOR: &[u64] = &[0x103, 8, 0];
    match format {
        Format::Sop2 => &[(SDST, &[24]), (SSRC0, &[8]), (SSRC1, &[16])],
        Format::Sop1 => &[(SDST, &[24, 0]), (SSRC0, &[8, 0])],
        Format::Sopc => &[(SSRC0, &[8]), (SSRC1, &[16])],
        Format::Sopk => &[(SDST, &[24, 0]), (SIMM16, &[0x1234, 0])],
        Format::Sopp => &[(SIMM16, &[0x1234, 0])],
        Format::Smem => {
            &[(SBASE, &[4, 0]), (SDATA, &[24, 0]), (S_OFFSET, &[0x10, 0]), (SOFFSET7, &[0x7d, 0])]
        }
        Format::Vop1 => &[(VDST, &[11, 0]), (SRC0, VECTOR)],
        Format::Vop2 => &[(VDST, &[11]), (SRC0, VECTOR), (VSRC1, &[7])],
        Format::Vopc => &[(SRC0, VECTOR), (VSRC1, &[7])],
        Format::Vop3 => &[
            (V3_VDST, &[11, 0]),
            (V3_SDST, &[24, 0]),
            (V3_SRC0, VECTOR),
            (V3_SRC1, &[0x107, 16, 0]),
            (V3_SRC2, &[0x10d, 32, 0]),
        ],
        Format::Vop3p => &[
            (V3_VDST, &[11]),
            (V3_SRC0, VECTOR),
            (V3_SRC1, &[0x107, 16]),
            (V3_SRC2, &[0x10d, 32, 0]),
        ],
        Format::Vintrp => &[(I_VDST, &[11]), (I_VSRC, &[3, 0]), (I_ATTR, &[2])],
        Format::Vop1Dpp | Format::Vop1Dpp8 | Format::Vop1Sdwa => {
            &[(VDST, &[11, 0]), (X_SRC0, &[3, 0])]
        }
        Format::Vop2Dpp | Format::Vop2Dpp8 | Format::Vop2Sdwa => {
            &[(VDST, &[11]), (X_SRC0, &[3]), (VSRC1, &[7])]
        }
        Format::VopcSdwa => &[(X_SDST, &[24, 0]), (X_SRC0, &[3]), (VSRC1, &[7])],
        Format::Ds => &[(ADDR, &[3, 0]), (DATA0, &[7, 0]), (DATA1, &[13, 0]), (M_VDST, &[11, 0])],
        Format::Mubuf => {
            &[(ADDR, &[3, 0]), (VDATA, &[7, 0]), (SRSRC, &[2, 0]), (SOFFSET8, &[24, 0])]
        }
        Format::Mtbuf => &[(ADDR, &[3]), (VDATA, &[7]), (SRSRC, &[2]), (SOFFSET8, &[24])],
        Format::Mimg => &[(ADDR, &[3]), (VDATA, &[7]), (SRSRC, &[2]), (SSAMP, &[5, 0])],
        Format::Flat | Format::Scratch | Format::Global => {
            &[(ADDR, &[3, 0]), (DATA0, &[7, 0]), (SADDR, &[0x7d, 0]), (M_VDST, &[11, 0])]
        }
        Format::Exp => &[(E_SRC0, &[1]), (E_SRC1, &[2]), (E_SRC2, &[3]), (E_SRC3, &[4])],
    }
}

/// Returns the bits beside opcode and fields with which opcodes are tried.
pub(crate) fn bases(format: Format) -> &'static [u64] {
    match format {
        Format::Vop1Dpp | Format::Vop2Dpp => &[0xff00_e400 << 32],
        Format::Vop1Dpp8 | Format::Vop2Dpp8 => &[0x7654_3200 << 32],
        // Selections of a word: one bit more or less is another selection, and never the one without a name,
        // on which LLVM crashes.
        Format::Vop1Sdwa | Format::Vop2Sdwa => &[0x0404_0400 << 32, 0x0004_0400 << 32],
        // The global data share's own opcodes need its bit.
        Format::Ds => &[0, 1 << 17],
        Format::VopcSdwa => &[0x0404_8000 << 32, 0x0404_0000 << 32],
        Format::Mubuf => &[1 << 12, 0],
        Format::Mtbuf => &[(22 << 19) | (1 << 12)],
        // Two channels, which even an atomic compare-and-swap takes, and two dimensions; what the BVH
        // instructions want.
        Format::Mimg => &[0x308, 0x9f00],
        Format::Exp => &[0x0f],
        _ => &[0],
    }
}

/// Returns all encodings to try of an opcode, the fullest first.
pub(crate) fn encodings(format: Format, opcode: u64) -> Vec<u64> {
    let (_, signature) = format.signature();
    let mut words: Vec<u64> =
        bases(format).iter().map(|base| signature | base | format.place_opcode(opcode)).collect();
    for &(field, values) in fields(format) {
        let low = FIELDS[usize::from(field)].low;
        words = words
            .iter()
            .flat_map(|word| values.iter().map(move |value| word | (value << low)))
            .collect();
    }
    words
}

/// Returns the two words of an encoding, as many of them as the format has.
pub(crate) fn words(format: Format, word: u64) -> Vec<u32> {
    #[expect(clippy::cast_possible_truncation, reason = "the halves of the word")]
    let halves = [word as u32, (word >> 32) as u32];
    halves[..usize::from(format.dwords())].to_vec()
}
