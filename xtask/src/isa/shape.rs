//! Finds the operands of an opcode: changes one field of an encoding after the other and looks which words of
//! LLVM's text change with it.

use super::access;
use super::candidates::{Candidate, fields, words};
use super::probe::{Line, probe};
use anyhow::Result;
use rmcp_code::isa::format::{self, FIELDS, Format, Space};
use rmcp_code::isa::{Access, CATEGORIES, Kind, Type};

/// An opcode that decodes, and the encoding with which it did.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) format: Format,
    pub(crate) opcode: u64,
    pub(crate) word: u64,
    pub(crate) text: String,
}

/// One operand as it will stand in the tables, its class still by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operand {
    pub(crate) kind: Kind,
    pub(crate) field: u8,
    pub(crate) width: u8,
    pub(crate) ty: Type,
    pub(crate) access: Access,
    pub(crate) lane_mask: bool,
    pub(crate) reject: u16,
    pub(crate) foreign: u16,
    pub(crate) class: String,
}

/// What has been found out of an opcode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) name: String,
    pub(crate) operands: Vec<Operand>,
    /// Bits whose value is fixed, and that value.
    pub(crate) fixed: u64,
    pub(crate) value: u64,
    pub(crate) live: u64,
    /// MIMG: address registers by dimension, then by dimension with 16-bit addresses.
    pub(crate) address: Option<[u8; 16]>,
}

/// A literal with none of the properties that the four below tell apart.
const PLAIN: u32 = 0x1234_5678;
/// 1.0 as the upper half of a 64-bit float; 2 in both halves of 16 bits; 1.0 as 16-bit and 32-bit float.
const LITERALS: [u32; 4] = [0x3ff0_0000, 0x0001_0001, 0x0000_3c00, 0x3f80_0000];

/// Splits a line into its name and operands; what stands behind the last operand's first blank belongs to
/// the modifiers and is left out.
pub(crate) fn split(text: &str) -> (&str, Vec<&str>) {
    let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
    let (mut operands, mut depth, mut start) = (Vec::new(), 0, 0);
    let rest = rest.trim_start();
    if ["quad_perm:", "dpp8:", "dst_sel:", "gds"].iter().any(|modifier| rest.starts_with(modifier))
    {
        return (name, operands);
    }
    let bytes = rest.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'[' | b'(' => depth += 1,
            b']' | b')' => depth -= 1,
            b',' if depth == 0 => {
                operands.push(rest[start..at].trim());
                start = at + 1;
            }
            b' ' if depth == 0 && at > start => {
                // "sendmsg(a, b)" has its blanks in brackets: this one ends the operands.
                operands.push(rest[start..at].trim());
                return (name, operands);
            }
            _ => {}
        }
    }
    if !rest[start..].trim().is_empty() {
        operands.push(rest[start..].trim());
    }
    (name, operands)
}

/// An operand without its signs, whose bits may lie in a field that the opcode does not have.
fn bare(operand: &str) -> &str {
    let inner = ["neg(", "sext("].iter().find_map(|sign| operand.strip_prefix(sign));
    inner.map_or(operand.trim_matches(['-', '|']), |inner| inner.trim_end_matches(')'))
}

/// Returns the number of registers of an operand such as `v[4:7]`, 1 where it is no tuple.
fn width(operand: &str) -> u8 {
    let numbers =
        operand.split_once('[').and_then(|(_, rest)| rest.trim_end_matches(']').split_once(':'));
    numbers
        .and_then(|(first, last)| Some(last.parse::<u8>().ok()? - first.parse::<u8>().ok()? + 1))
        .unwrap_or(1)
}

/// The plan of the probes for one opcode, in the order in which they are made.
struct Plan {
    bits: Vec<u8>,
    fields: Vec<Candidate>,
}

fn plan(found: &Found) -> Plan {
    let (signature, _) = found.format.signature();
    let opcode_bits = found
        .format
        .opcode_pieces()
        .iter()
        .fold(0, |mask, &(low, bits)| mask | (((1_u64 << bits) - 1) << low));
    let limit = 32 * found.format.dwords();
    let bits = (0..limit).filter(|bit| (signature | opcode_bits) >> bit & 1 == 0).collect();
    Plan { bits, fields: fields(found.format).to_vec() }
}

/// Another value for a field, aligned like the first.
fn other(field: u8, word: u64) -> u64 {
    let field = &FIELDS[usize::from(field)];
    let step = match field.space {
        Space::Scaled => 2,
        Space::Source => 4,
        Space::Vector | Space::Number => 1,
    };
    let raw = (word >> field.low) & (field.mask() >> field.low);
    let changed = if raw == 0x7d { 8 } else { raw + step };
    (word & !field.mask()) | (changed << field.low)
}

/// Finds the shapes of opcodes for one target.
pub(crate) fn find(mcpu: &str, found: &[Found]) -> Result<Vec<Shape>> {
    let mut probes = Vec::new();
    for one in found {
        let plan = plan(one);
        probes.extend(plan.bits.iter().map(|bit| with_pad(one, one.word ^ (1 << bit))));
        probes.extend(plan.fields.iter().map(|&(field, _)| with_pad(one, other(field, one.word))));
        if one.format == Format::Mimg {
            for dimension in 0..16 {
                let (dim, a16) = (dimension & 7, dimension >> 3);
                let word = (one.word & !(7 << 3)) | (dim << 3) | (a16 << 62);
                probes.push(with_pad(one, word));
            }
        }
    }
    let lines = probe(mcpu, false, &probes)?;
    let wave64: Vec<_> = found.iter().map(|one| with_pad(one, one.word)).collect();
    let wave64 = probe(mcpu, true, &wave64)?;
    let mut lines = lines.into_iter();
    let mut shapes = Vec::new();
    for (one, wave64) in found.iter().zip(&wave64) {
        let plan = plan(one);
        let bits: Vec<Line> = lines.by_ref().take(plan.bits.len()).collect();
        let changed: Vec<Line> = lines.by_ref().take(plan.fields.len()).collect();
        let dimensions: Vec<Line> =
            if one.format == Format::Mimg { lines.by_ref().take(16).collect() } else { Vec::new() };
        let mut shape = operands(one, &plan, &changed, &wave64.text);
        access::add_returned(one.format, &mut shape);
        masks(one, &plan, &bits, &mut shape);
        if !dimensions.is_empty() {
            let mut widths = [0; 16];
            for (width_of, line) in widths.iter_mut().zip(&dimensions) {
                *width_of = if line.decoded() { width(split(&line.text).1[1]) } else { 0 };
            }
            shape.address = Some(widths);
        }
        shapes.push(shape);
    }
    categories(mcpu, found, &mut shapes)?;
    Ok(shapes)
}

fn with_pad(found: &Found, word: u64) -> Vec<u32> {
    words(found.format, word)
}

/// Names the operands in the text by the fields that change them.
fn operands(found: &Found, plan: &Plan, changed: &[Line], wave64: &str) -> Shape {
    let (name, texts) = split(&found.text);
    let (_, wave64) = split(wave64);
    let mut operands = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        let field = plan.fields.iter().zip(changed).find(|(_, line)| {
            let (_, other) = split(&line.text);
            line.decoded() && other.len() == texts.len() && bare(other[at]) != bare(text)
        });
        let field = field.map(|(&(field, _), _)| field);
        let mut operand = access::classify(found.format, name, at, text, field);
        operand.width = width(bare(text));
        operand.lane_mask = wave64.get(at).is_some_and(|other| other != text);
        operands.push(operand);
    }
    let name = name.to_owned();
    Shape { name, operands, fixed: 0, value: 0, live: 0, address: None }
}

/// Tells the bits outside the operands that must be zero from those that show and those that do not matter.
fn masks(found: &Found, plan: &Plan, bits: &[Line], shape: &mut Shape) {
    let named = shape.operands.iter().filter(|operand| operand.kind != Kind::Word);
    let mut fields: u64 = named
        .filter(|operand| !matches!(operand.kind, Kind::Vcc | Kind::Literal))
        .map(|operand| FIELDS[usize::from(operand.field)].mask())
        .fold(0, |all, mask| all | mask);
    if matches!(found.format, Format::Smem)
        && fields & FIELDS[usize::from(format::S_OFFSET)].mask() != 0
    {
        fields |= FIELDS[usize::from(format::SOFFSET7)].mask();
    }
    for (bit, line) in plan.bits.iter().zip(bits) {
        let mask = 1_u64 << bit;
        if fields & mask != 0 {
            continue;
        }
        // Another length is another encoding.
        if !line.decoded() || line.dwords != usize::from(found.format.dwords()) && line.dwords < 2 {
            shape.fixed |= mask;
            shape.value |= mask & found.word;
        } else if line.text != found.text {
            shape.live |= mask;
        }
    }
}

/// Finds for each scalar source which values it takes and as what it prints constants.
fn categories(mcpu: &str, found: &[Found], shapes: &mut [Shape]) -> Result<()> {
    let mut probes = Vec::new();
    let mut places = Vec::new();
    for (at, (one, shape)) in found.iter().zip(shapes.iter()).enumerate() {
        for (slot, operand) in shape.operands.iter().enumerate() {
            if !matches!(operand.kind, Kind::Source | Kind::ScalarAddress | Kind::Sdwa) {
                continue;
            }
            let sdwa = if operand.kind == Kind::Sdwa { scalar_bit(operand.field) } else { 0 };
            let field = &FIELDS[usize::from(operand.field)];
            for (category, &(first, last)) in CATEGORIES.iter().enumerate() {
                // Aligned registers, and of the constants one that tells the types apart.
                let value = match category {
                    0 => 40,
                    4 => 108,
                    _ => u64::from(last.min(first + 20)),
                };
                if value >> field.bits == 0 {
                    let word = (one.word & !field.mask()) | (value << field.low) | sdwa;
                    places.push((at, slot, Some(category), 0));
                    probes.push([words(one.format, word), vec![PLAIN]].concat());
                }
            }
            if field.bits >= 8 && sdwa == 0 {
                for literal in LITERALS {
                    let word = (one.word & !field.mask()) | (255 << field.low);
                    places.push((at, slot, None, literal));
                    probes.push([words(one.format, word), vec![literal]].concat());
                }
            }
        }
    }
    let lines = probe(mcpu, false, &probes)?;
    let mut literals = Vec::new();
    for ((at, slot, category, literal), line) in places.into_iter().zip(lines) {
        let texts = split(&line.text).1;
        // What an atomic returns is not printed in these encodings.
        let hidden = operands_before(&shapes[at], slot);
        let operand = &mut shapes[at].operands[slot];
        let text = texts.get(slot - hidden).copied().unwrap_or_default();
        if let Some(category) = category {
            if !line.decoded() {
                operand.reject |= 1 << category;
            } else if line.text.contains("/*Invalid") {
                operand.foreign |= 1 << category;
                if let Some((_, class)) = line.text.split_once("operand has '") {
                    operand.class = class.split('\'').next().unwrap_or_default().to_owned();
                }
            } else if operand.kind == Kind::Sdwa && text == "0x3118" {
                operand.ty = Type::I16;
            }
        } else {
            literals.push(text.to_owned());
            if literal == LITERALS[3] {
                operand.ty = type_of(&literals);
                literals.clear();
            }
        }
    }
    Ok(())
}

fn operands_before(shape: &Shape, slot: usize) -> usize {
    shape.operands[..slot].iter().filter(|operand| operand.kind == Kind::Returned).count()
}

/// SDWA's bit that makes a source scalar.
fn scalar_bit(field: u8) -> u64 {
    1 << if field == format::X_SRC0 { 55 } else { 63 }
}

/// Returns as what type LLVM printed the four literals.
fn type_of(literals: &[String]) -> Type {
    let printed: Vec<&str> = literals.iter().map(String::as_str).collect();
    match printed[..] {
        ["1.0", ..] => Type::F64,
        [_, "lit(0x10001)", ..] => Type::F16,
        [_, "0x1", ..] => Type::I16,
        [_, _, "lit(0x3c00)", _] => Type::V2f16,
        [_, _, _, "lit(0x3f800000)"] => Type::B32,
        [_, _, _, "0x3f800000"] => Type::B64,
        _ => Type::B32,
    }
}
