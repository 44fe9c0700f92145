//! Where the bits are: the encodings of RDNA1 and RDNA2, and the fields of each.
//!
//! The decoder reads instructions by this map, and `cargo xtask gen-isa` probes LLVM by the same one, so that
//! a wrong field shows as a difference there.
//!
//! Source: "RDNA 1.0 Instruction Set Architecture" and "RDNA 2 Instruction Set Architecture" (AMD), chapter
//! "Microcode Formats"; each position confirmed by probing LLVM 22.

/// What the bits of a field name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Space {
    /// A vector register.
    Vector,
    /// A scalar register, constant or literal; with nine bits also a vector register.
    Source,
    /// The first of several scalar registers, divided by the scale.
    Scaled,
    /// A number.
    Number,
}

/// One field of an encoding.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Name in AMD's manuals.
    pub name: &'static str,
    /// Lowest bit in the first 64 bits of the instruction.
    pub low: u8,
    /// Width in bits.
    pub bits: u8,
    /// What the value is multiplied with.
    pub scale: u8,
    /// What it names.
    pub space: Space,
}

impl Field {
    /// Returns the field's value, multiplied with its scale.
    #[inline]
    pub const fn get(&self, word: u64) -> u32 {
        // At most 21 bits wide: the cast loses nothing.
        #[expect(clippy::cast_possible_truncation, reason = "masked to 21 bits at most")]
        let raw = ((word >> self.low) & ((1 << self.bits) - 1)) as u32;
        raw * self.scale as u32
    }

    /// Returns the mask of the field's bits.
    pub const fn mask(&self) -> u64 {
        ((1 << self.bits) - 1) << self.low
    }
}

macro_rules! fields {
    ($($id:ident = $name:literal $low:literal $bits:literal $scale:literal $space:ident,)*) => {
        /// The fields; a slot of the tables names one by its index.
        pub static FIELDS: &[Field] = &[$(Field {
            name: $name, low: $low, bits: $bits, scale: $scale, space: Space::$space,
        },)*];
        fields!(@index 0_u8, $($id,)*);
    };
    (@index $at:expr, $id:ident, $($rest:ident,)*) => {
        #[doc = concat!("Index of the field `", stringify!($id), "`.")]
        pub const $id: u8 = $at;
        fields!(@index $at + 1, $($rest,)*);
    };
    (@index $at:expr,) => {};
}

fields! {
    SSRC0 = "ssrc0" 0 8 1 Source,
    SSRC1 = "ssrc1" 8 8 1 Source,
    SDST = "sdst" 16 7 1 Source,
    SIMM16 = "simm16" 0 16 1 Number,
    SRC0 = "src0" 0 9 1 Source,
    VSRC1 = "vsrc1" 9 8 1 Vector,
    VDST = "vdst" 17 8 1 Vector,
    VDST_S = "vdst" 17 8 1 Source,
    V3_VDST = "vdst" 0 8 1 Vector,
    V3_VDST_S = "vdst" 0 8 1 Source,
    V3_SDST = "sdst" 8 7 1 Source,
    V3_SRC0 = "src0" 32 9 1 Source,
    V3_SRC1 = "src1" 41 9 1 Source,
    V3_SRC2 = "src2" 50 9 1 Source,
    X_SRC0 = "src0" 32 8 1 Vector,
    X_SDST = "sdst" 40 7 1 Source,
    SBASE = "sbase" 0 6 2 Scaled,
    SDATA = "sdata" 6 7 1 Source,
    S_OFFSET = "offset" 32 21 1 Number,
    SOFFSET7 = "soffset" 57 7 1 Source,
    I_VSRC = "vsrc" 0 8 1 Vector,
    I_ATTR = "attr" 10 6 1 Number,
    I_VDST = "vdst" 18 8 1 Vector,
    I_PARAM = "vsrc" 0 8 1 Number,
    ADDR = "addr" 32 8 1 Vector,
    DATA0 = "data0" 40 8 1 Vector,
    DATA1 = "data1" 48 8 1 Vector,
    M_VDST = "vdst" 56 8 1 Vector,
    VDATA = "vdata" 40 8 1 Vector,
    SRSRC = "srsrc" 48 5 4 Scaled,
    SSAMP = "ssamp" 53 5 4 Scaled,
    SOFFSET8 = "soffset" 56 8 1 Source,
    SADDR = "saddr" 48 7 1 Source,
    E_SRC0 = "vsrc0" 32 8 1 Vector,
    E_SRC1 = "vsrc1" 40 8 1 Vector,
    E_SRC2 = "vsrc2" 48 8 1 Vector,
    E_SRC3 = "vsrc3" 56 8 1 Vector,
    V3_ATTR = "attr" 32 6 1 Number,
}

macro_rules! formats {
    ($($(#[doc = $doc:literal])* $id:ident $name:literal bits $opbits:literal mask $mask:literal value $value:literal,)*) => {
        /// An encoding.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Format { $($(#[doc = $doc])* $id,)* }

        impl Format {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$id,)*];

            /// AMD's name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$id => $name,)* }
            }

            /// Width of the opcode in bits.
            pub const fn opcode_bits(self) -> u32 {
                match self { $(Self::$id => $opbits,)* }
            }

            /// The bits of the first 64 that say that it is this encoding, and their value.
            pub const fn signature(self) -> (u64, u64) {
                match self { $(Self::$id => ($mask, $value),)* }
            }
        }
    };
}

formats! {
    /// Scalar, two sources.
    Sop2 "SOP2" bits 7 mask 0xc000_0000 value 0x8000_0000,
    /// Scalar, 16-bit constant.
    Sopk "SOPK" bits 5 mask 0xf000_0000 value 0xb000_0000,
    /// Scalar, one source.
    Sop1 "SOP1" bits 8 mask 0xff80_0000 value 0xbe80_0000,
    /// Scalar comparison.
    Sopc "SOPC" bits 7 mask 0xff80_0000 value 0xbf00_0000,
    /// Scalar program control.
    Sopp "SOPP" bits 7 mask 0xff80_0000 value 0xbf80_0000,
    /// Scalar memory.
    Smem "SMEM" bits 8 mask 0xfc00_0000 value 0xf400_0000,
    /// Vector, one source.
    Vop1 "VOP1" bits 8 mask 0xfe00_0000 value 0x7e00_0000,
    /// Vector, two sources.
    Vop2 "VOP2" bits 6 mask 0x8000_0000 value 0x0000_0000,
    /// Vector comparison.
    Vopc "VOPC" bits 8 mask 0xfe00_0000 value 0x7c00_0000,
    /// Vector, 64 bits.
    Vop3 "VOP3" bits 10 mask 0xfc00_0000 value 0xd400_0000,
    /// Vector, packed.
    Vop3p "VOP3P" bits 7 mask 0xfc00_0000 value 0xcc00_0000,
    /// Interpolation.
    Vintrp "VINTRP" bits 2 mask 0xfc00_0000 value 0xc800_0000,
    /// VOP1 across lanes.
    Vop1Dpp "VOP1 DPP16" bits 8 mask 0xfe00_01ff value 0x7e00_00fa,
    /// VOP2 across lanes.
    Vop2Dpp "VOP2 DPP16" bits 6 mask 0x8000_01ff value 0x0000_00fa,
    /// VOP1 across eight lanes.
    Vop1Dpp8 "VOP1 DPP8" bits 8 mask 0xfe00_01ff value 0x7e00_00e9,
    /// VOP2 across eight lanes.
    Vop2Dpp8 "VOP2 DPP8" bits 6 mask 0x8000_01ff value 0x0000_00e9,
    /// VOP1 on parts of registers.
    Vop1Sdwa "VOP1 SDWA" bits 8 mask 0xfe00_01ff value 0x7e00_00f9,
    /// VOP2 on parts of registers.
    Vop2Sdwa "VOP2 SDWA" bits 6 mask 0x8000_01ff value 0x0000_00f9,
    /// VOPC on parts of registers.
    VopcSdwa "VOPC SDWA" bits 8 mask 0xfe00_01ff value 0x7c00_00f9,
    /// Local and global data share.
    Ds "DS" bits 8 mask 0xfc00_0000 value 0xd800_0000,
    /// Untyped buffer.
    Mubuf "MUBUF" bits 8 mask 0xfc00_0000 value 0xe000_0000,
    /// Typed buffer.
    Mtbuf "MTBUF" bits 4 mask 0xfc00_0000 value 0xe800_0000,
    /// Image.
    Mimg "MIMG" bits 8 mask 0xfc00_0000 value 0xf000_0000,
    /// Memory by 64-bit address, whichever it is.
    Flat "FLAT" bits 7 mask 0xfc00_c000 value 0xdc00_0000,
    /// Private memory.
    Scratch "SCRATCH" bits 7 mask 0xfc00_c000 value 0xdc00_4000,
    /// Global memory.
    Global "GLOBAL" bits 7 mask 0xfc00_c000 value 0xdc00_8000,
    /// Export.
    Exp "EXP" bits 0 mask 0xfc00_0000 value 0xf800_0000,
}

/// Number of formats.
pub const FORMATS: usize = Format::ALL.len();

impl Format {
    /// Returns the pieces of the opcode, lowest first: lowest bit in the instruction and width.
    pub const fn opcode_pieces(self) -> &'static [(u8, u8)] {
        match self {
            Self::Sop2 => &[(23, 7)],
            Self::Sopk => &[(23, 5)],
            Self::Sop1 => &[(8, 8)],
            Self::Sopc | Self::Sopp => &[(16, 7)],
            Self::Smem | Self::Ds => &[(18, 8)],
            Self::Vop1 | Self::Vop1Dpp | Self::Vop1Dpp8 | Self::Vop1Sdwa => &[(9, 8)],
            Self::Vop2 | Self::Vop2Dpp | Self::Vop2Dpp8 | Self::Vop2Sdwa => &[(25, 6)],
            Self::Vopc | Self::VopcSdwa => &[(17, 8)],
            Self::Vop3 => &[(16, 10)],
            Self::Vop3p => &[(16, 7)],
            Self::Vintrp => &[(16, 2)],
            Self::Mubuf => &[(18, 8)],
            Self::Mtbuf => &[(16, 3), (53, 1)],
            Self::Mimg => &[(18, 7), (0, 1)],
            Self::Flat | Self::Scratch | Self::Global => &[(18, 7)],
            Self::Exp => &[],
        }
    }

    /// Returns the opcode of an instruction of this format.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "ten bits at most")]
    pub const fn opcode(self, word: u64) -> usize {
        let pieces = self.opcode_pieces();
        let (mut opcode, mut shift, mut at) = (0, 0, 0);
        while at < pieces.len() {
            let (low, bits) = pieces[at];
            opcode |= ((word >> low) & ((1 << bits) - 1)) << shift;
            shift += bits;
            at += 1;
        }
        opcode as usize
    }

    /// Returns the bits of an opcode in their places.
    pub const fn place_opcode(self, opcode: u64) -> u64 {
        let pieces = self.opcode_pieces();
        let (mut word, mut shift, mut at) = (0, 0, 0);
        while at < pieces.len() {
            let (low, bits) = pieces[at];
            word |= ((opcode >> shift) & ((1 << bits) - 1)) << low;
            shift += bits;
            at += 1;
        }
        word
    }

    /// Dwords before a literal or further addresses.
    #[inline]
    pub const fn dwords(self) -> u8 {
        match self {
            Self::Sop2
            | Self::Sopk
            | Self::Sop1
            | Self::Sopc
            | Self::Sopp
            | Self::Vop1
            | Self::Vop2
            | Self::Vopc
            | Self::Vintrp => 1,
            _ => 2,
        }
    }

    /// Returns the format of an instruction from its first two words, `None` where the bits are no encoding.
    #[inline]
    pub const fn of(word: u64) -> Option<Self> {
        let format = BY_TOP[((word >> 23) & 0x1ff) as usize];
        match format {
            // The values of the first source that stand for another format all have these bits.
            Some(Self::Vop1 | Self::Vop2 | Self::Vopc) if word & 0x1e8 == 0xe8 => {
                Self::escaped(format, word)
            }
            Some(Self::Flat) => match (word >> 14) & 3 {
                0 => format,
                1 => Some(Self::Scratch),
                2 => Some(Self::Global),
                _ => None,
            },
            _ => format,
        }
    }

    /// VOP1, VOP2 and VOPC with a second word.
    const fn escaped(format: Option<Self>, word: u64) -> Option<Self> {
        match (format, word & 0x1ff) {
            (Some(Self::Vop1), 0xf9) => Some(Self::Vop1Sdwa),
            (Some(Self::Vop2), 0xf9) => Some(Self::Vop2Sdwa),
            (Some(Self::Vopc), 0xf9) => Some(Self::VopcSdwa),
            (Some(Self::Vop1), 0xfa) => Some(Self::Vop1Dpp),
            (Some(Self::Vop2), 0xfa) => Some(Self::Vop2Dpp),
            (Some(Self::Vop1), 0xe9 | 0xea) => Some(Self::Vop1Dpp8),
            (Some(Self::Vop2), 0xe9 | 0xea) => Some(Self::Vop2Dpp8),
            // There is no VOPC with DPP on RDNA1 and RDNA2.
            (Some(Self::Vopc), 0xfa | 0xe9 | 0xea) => None,
            _ => format,
        }
    }

    /// Returns whether the format is of the vector arithmetic unit.
    pub const fn is_vector_arithmetic(self) -> bool {
        matches!(
            self,
            Self::Vop1
                | Self::Vop2
                | Self::Vopc
                | Self::Vop3
                | Self::Vop3p
                | Self::Vintrp
                | Self::Vop1Dpp
                | Self::Vop2Dpp
                | Self::Vop1Dpp8
                | Self::Vop2Dpp8
                | Self::Vop1Sdwa
                | Self::Vop2Sdwa
                | Self::VopcSdwa
        )
    }
}

/// The format by the upper nine bits of the first word.
static BY_TOP: [Option<Format>; 512] = by_top();

const fn by_top() -> [Option<Format>; 512] {
    let mut table = [None; 512];
    let mut top = 0;
    while top < table.len() {
        table[top] = match (top >> 3, top) {
            (0..=0x1f, _) => Some(match top >> 2 {
                0x3f => Format::Vop1,
                0x3e => Format::Vopc,
                _ => Format::Vop2,
            }),
            (0x20..=0x2b, _) => Some(Format::Sop2),
            (_, 0x17d) => Some(Format::Sop1),
            (_, 0x17e) => Some(Format::Sopc),
            (_, 0x17f) => Some(Format::Sopp),
            (0x2c..=0x2f, _) => Some(Format::Sopk),
            (0x32, _) => Some(Format::Vintrp),
            (0x33, _) => Some(Format::Vop3p),
            (0x35, _) => Some(Format::Vop3),
            (0x36, _) => Some(Format::Ds),
            (0x37, _) => Some(Format::Flat),
            (0x38, _) => Some(Format::Mubuf),
            (0x3a, _) => Some(Format::Mtbuf),
            (0x3c, _) => Some(Format::Mimg),
            (0x3d, _) => Some(Format::Smem),
            (0x3e, _) => Some(Format::Exp),
            _ => None,
        };
        top += 1;
    }
    table
}

/// Where a format's opcode is, for the hot path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// Lowest bit of the opcode's first piece, and the mask of that piece.
    pub(super) low: u8,
    pub(super) mask: u16,
    /// Whether there is a second piece.
    pub(super) pieces: bool,
    /// Dwords before a literal or further addresses.
    pub(super) dwords: u8,
    /// Where the format begins in a table of all opcodes of all formats.
    pub(super) base: u16,
}

/// The layouts of all formats.
pub(super) static LAYOUTS: [Layout; FORMATS] = layouts();

/// Number of all opcodes of all formats.
pub(super) const OPCODES: usize = {
    let last = layouts()[FORMATS - 1];
    last.base as usize + (1 << Format::ALL[FORMATS - 1].opcode_bits())
};

const fn layouts() -> [Layout; FORMATS] {
    let mut all = [Layout { low: 0, mask: 0, pieces: false, dwords: 0, base: 0 }; FORMATS];
    let (mut at, mut base) = (0, 0);
    while at < FORMATS {
        let format = Format::ALL[at];
        let pieces = format.opcode_pieces();
        let (low, bits) = if pieces.is_empty() { (0, 0) } else { pieces[0] };
        all[at] = Layout {
            low,
            mask: (1 << bits) - 1,
            pieces: pieces.len() > 1,
            dwords: format.dwords(),
            base,
        };
        base += 1 << format.opcode_bits();
        at += 1;
    }
    all
}
