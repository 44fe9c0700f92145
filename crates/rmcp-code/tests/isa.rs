//! The decoder, its text and the rules on code objects that are compiled from our own kernels, and on any
//! words at all. `cargo xtask make-objects` makes the objects and LLVM's listings beside them.

#![expect(clippy::disallowed_methods, reason = "reads the files of testdata")]
#![expect(clippy::unwrap_used, reason = "a test that panics says enough")]

use proptest::prelude::*;
use rmcp_code::isa::{Access, Isa, Operand, ScalarSet, Target, Wave, words_of};
use rmcp_code::rules::{Judgement, Rule, Severity, judge};
use rmcp_code::{CodeObject, ObjectError};
use std::path::PathBuf;

fn file(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/code-objects");
    std::fs::read(folder.join(name)).unwrap()
}

fn text(target: Target, words: &[u32]) -> String {
    match Isa::of(target).decode(words) {
        Ok(instruction) => instruction.text(Wave::Wave32).to_string(),
        Err(error) => format!("error: {error}"),
    }
}

/// Takes the sizes of functions out of both tables of symbols, as assembly without `.size` is linked.
fn without_sizes(bytes: &[u8]) -> Vec<u8> {
    use object::read::elf::{FileHeader, SectionHeader};
    let header = object::elf::FileHeader64::<object::Endianness>::parse(bytes).unwrap();
    let endian = header.endian().unwrap();
    let mut unsized_ = bytes.to_vec();
    for section in header.sections(endian, bytes).unwrap().iter() {
        let kind = section.sh_type(endian);
        if kind != object::elf::SHT_SYMTAB && kind != object::elf::SHT_DYNSYM {
            continue;
        }
        let (offset, size) = section.file_range(endian).unwrap();
        for entry in (offset..offset + size).step_by(24).map(|at| usize::try_from(at).unwrap()) {
            // st_info: the type is in the low four bits; st_size is the last field.
            if unsized_[entry + 4] & 0xf == object::elf::STT_FUNC.0 {
                unsized_[entry + 16..entry + 24].fill(0);
            }
        }
    }
    unsized_
}

#[test]
fn kernels_of_assembly_reach_to_the_next_function() {
    for name in ["gfx1010.co", "gfx1030.co"] {
        let bytes = file(name);
        let unsized_ = without_sizes(&bytes);
        assert_ne!(bytes, unsized_);
        let codes = |bytes: &[u8]| -> Vec<(String, Vec<u8>)> {
            let object = CodeObject::parse(bytes).unwrap();
            let functions = object.functions().iter();
            functions.map(|one| (one.name.clone().into_owned(), one.code.to_vec())).collect()
        };
        assert_eq!(codes(&bytes), codes(&unsized_), "{name}");
    }
}

#[test]
fn listings_are_llvms() {
    for target in [Target::Gfx1010, Target::Gfx1030] {
        let bytes = file(&format!("{}.co", target.name()));
        let listing = String::from_utf8(file(&format!("{}.txt", target.name()))).unwrap();
        let object = CodeObject::parse(&bytes).unwrap();
        let (address, code) = object.text().next().unwrap();
        let words = words_of(code);
        let mut lines = 0;
        for line in listing.lines() {
            let mut parts = line.splitn(3, ' ');
            let offset = u64::from_str_radix(parts.next().unwrap(), 16).unwrap();
            let dwords: u8 = parts.next().unwrap().parse().unwrap();
            let at = usize::try_from((offset - address) / 4).unwrap();
            let instruction = Isa::of(target).decode(&words[at..]).unwrap();
            assert_eq!(instruction.dwords(), dwords, "{line}");
            assert_eq!(instruction.text(Wave::Wave32).to_string(), parts.next().unwrap());
            lines += 1;
        }
        assert!(lines > 500, "{}: the listing has {lines} lines", target.name());
    }
}

/// The kernels that a rule hits, by name.
fn hit_by(judgement: &Judgement, rule: Rule) -> Vec<&str> {
    let kernels = judgement.kernels.iter().filter(|kernel| kernel.count(rule) > 0);
    kernels.map(|kernel| kernel.name.as_str()).collect()
}

#[test]
fn each_kernel_shows_what_it_was_written_for() {
    let bytes = file("gfx1030.co");
    let object = CodeObject::parse(&bytes).unwrap();
    let judgement = judge(&object, Target::Gfx1030, Target::Gfx1010);
    assert_eq!(judgement.kernels.len(), 8);
    assert_eq!(judgement.unreadable, 0);
    assert_eq!(hit_by(&judgement, Rule::MissingDot), ["dot4"]);
    assert_eq!(hit_by(&judgement, Rule::FlatOffset), ["either"]);
    assert_eq!(hit_by(&judgement, Rule::LdsBranchVmem), ["reduce"]);
    assert!(hit_by(&judgement, Rule::VcmpxExec).contains(&"collatz"));
    let copy = judgement.kernels.iter().find(|kernel| kernel.name == "copy").unwrap();
    assert!(copy.hits.iter().all(|&count| count == 0), "{copy:?}");
    // Where a rule hits, the instruction stands.
    let (address, code) = object.text().next().unwrap();
    for site in judgement.kernels.iter().flat_map(|kernel| &kernel.sites) {
        let at = usize::try_from(site.address - address).unwrap();
        let line = text(Target::Gfx1030, &words_of(&code[at..]));
        match site.rule {
            Rule::MissingDot => assert!(line.starts_with("v_dot4"), "{line}"),
            Rule::FlatOffset => assert!(line.starts_with("flat_") && line.contains("offset:")),
            Rule::VcmpxExec => assert!(line.starts_with("v_cmpx"), "{line}"),
            Rule::VmemToScalarWrite => assert!(line.starts_with("s_"), "{line}"),
            _ => {}
        }
    }
}

#[test]
fn a_kernel_is_charged_with_what_it_calls() {
    let bytes = file("gfx1030.co");
    let object = CodeObject::parse(&bytes).unwrap();
    let judgement = judge(&object, Target::Gfx1030, Target::Gfx1010);
    let caller = judgement.kernels.iter().find(|kernel| kernel.name == "caller").unwrap();
    assert_eq!(caller.unknown_calls, 0);
    assert_eq!(caller.own[Rule::VcmpxExec as usize], 0, "the kernel itself compares nothing");
    assert!(caller.count(Rule::VcmpxExec) > 0, "the function that it calls has a loop");
}

#[test]
fn code_that_was_built_for_the_card_has_no_hazard() {
    for (name, built_for, runs_on) in [
        ("gfx1010.co", Target::Gfx1010, Target::Gfx1010),
        ("gfx1030.co", Target::Gfx1030, Target::Gfx1030),
        ("gfx1030.co", Target::Gfx1030, Target::Gfx1031),
    ] {
        let bytes = file(name);
        let judgement = judge(&CodeObject::parse(&bytes).unwrap(), built_for, runs_on);
        for &rule in Rule::ALL.iter().filter(|rule| rule.severity() != Severity::Question) {
            assert_eq!(hit_by(&judgement, rule), [""; 0], "{name}: {}", rule.name());
        }
    }
}

#[test]
fn targets_and_descriptors_are_read() {
    let bytes = file("gfx1030.co");
    let object = CodeObject::parse(&bytes).unwrap();
    assert_eq!(object.target().to_string(), "gfx1030");
    assert_eq!(object.lost_symbols(), 0);
    let reduce = object.kernels().find(|kernel| kernel.name == "reduce").unwrap();
    let descriptor = reduce.kernel.unwrap();
    assert_eq!(descriptor.wave(), Wave::Wave32);
    assert!(descriptor.is_wgp_mode());
    assert_eq!(descriptor.group_segment_bytes, 256 * 4);
    assert!(!reduce.is_stub());
}

#[test]
fn damaged_objects_are_errors() {
    let bytes = file("gfx1010.co");
    assert!(matches!(CodeObject::parse(b"\x7fELF"), Err(ObjectError::Elf { .. })));
    let mut other = bytes.clone();
    other[18] = 62;
    assert_eq!(CodeObject::parse(&other).unwrap_err(), ObjectError::Machine { found: 62 });
    for length in (0..bytes.len()).step_by(97) {
        if let Ok(object) = CodeObject::parse(&bytes[..length]) {
            judge(&object, Target::Gfx1010, Target::Gfx1030);
        }
    }
}

#[test]
fn unused_fields_do_not_matter() {
    // v_add_f32_e64 v1, v1, v2: the third source is not there; newer assemblers fill it.
    for third in [0, 0x80, 0x1ff, 0xff] {
        let words = [0xd503_0001, 0x0002_0501 | third << 18];
        assert_eq!(text(Target::Gfx1030, &words), "v_add_f32_e64 v1, v1, v2");
    }
}

#[test]
fn targets_differ_where_amd_says() {
    let dot = [0x1a0a_1307];
    assert_eq!(text(Target::Gfx1030, &dot), "v_dot4c_i32_i8 v5, v7, v9");
    assert_eq!(text(Target::Gfx1012, &dot), "v_dot4c_i32_i8 v5, v7, v9");
    assert_eq!(text(Target::Gfx1010, &dot), "error: VOP2 has no opcode 0xd");
    // The same opcode is another instruction.
    assert_eq!(text(Target::Gfx1010, &[0x0c0a_1307]), "v_mac_legacy_f32_e32 v5, v7, v9");
    assert_eq!(text(Target::Gfx1030, &[0x0c0a_1307]), "v_fmac_legacy_f32_e32 v5, v7, v9");
}

#[test]
fn registers_are_told_apart() {
    // s_and_saveexec_b64 s[4:5], vcc
    let instruction = Isa::of(Target::Gfx1010).decode(&[0xbe84_246a]).unwrap();
    assert_eq!(instruction.text(Wave::Wave64).to_string(), "s_and_saveexec_b64 s[4:5], vcc");
    let (defs, uses) = instruction.scalars(Wave::Wave64);
    assert_eq!(defs, ScalarSet(0b11 << 4 | ScalarSet::EXEC.0));
    assert_eq!(uses, ScalarSet(0b11 << 106 | ScalarSet::EXEC.0));
    // An atomic reads its data, and writes it only where it returns something.
    for (words, access) in
        [([0xe0c8_1000, 0x0302_0401], Access::Use), ([0xe0c8_5000, 0x0302_0401], Access::Both)]
    {
        let instruction = Isa::of(Target::Gfx1030).decode(&words).unwrap();
        assert_eq!(instruction.name(), "buffer_atomic_add");
        let data = &instruction.slots()[0];
        assert_eq!(instruction.access(data), access);
        assert_eq!(instruction.operand(data, Wave::Wave32), Operand::Vector { first: 4, count: 1 });
    }
}

fn any_target() -> impl Strategy<Value = Target> {
    prop::sample::select(Target::ALL.to_vec())
}

proptest! {
    /// Whatever the words are, decoding ends, takes no more than there is, and depends on nothing behind it.
    #[test]
    fn any_words_decode_or_do_not(target in any_target(), words in prop::collection::vec(any::<u32>(), 0..8)) {
        if let Ok(instruction) = Isa::of(target).decode(&words) {
            let length = usize::from(instruction.dwords());
            prop_assert!((1..=5).contains(&length) && length <= words.len());
            prop_assert_eq!(&instruction.words()[..length], &words[..length]);
            let again = Isa::of(target).decode(&words[..length]).unwrap();
            for wave in [Wave::Wave32, Wave::Wave64] {
                prop_assert_eq!(again.text(wave).to_string(), instruction.text(wave).to_string());
                let (defs, uses) = instruction.scalars(wave);
                prop_assert!(!defs.meets(ScalarSet(1 << 125)) && !uses.meets(ScalarSet(1 << 125)));
            }
        }
    }
}

/// Every opcode of the tables decodes to its own row with low registers in its fields, but for those whose
/// operands cannot be that.
#[test]
fn rows_decode_to_themselves() {
    for target in Target::ALL {
        let isa = Isa::of(target);
        let (mut rows, mut decoded) = (0, 0);
        for row in isa.rows() {
            let word = row.format.signature().1
                | row.format.place_opcode(u64::from(row.opcode))
                | row.fixed_bits().1;
            let low = u32::try_from(word & 0xffff_ffff).unwrap();
            let words = [low, u32::try_from(word >> 32).unwrap(), 0, 0, 0];
            rows += 1;
            if let Ok(instruction) = isa.decode(&words) {
                assert_eq!(instruction.name(), row.name(), "{}", target.name());
                assert_eq!(instruction.format(), row.format);
                decoded += 1;
            }
        }
        assert!(rows > 1500 && decoded * 100 > rows * 95, "{}: {decoded} of {rows}", target.name());
    }
}

#[test]
fn an_empty_kernel_does_not_hide_the_function_behind_it() {
    // Give `copy`, the first kernel, no size: `collatz` behind it keeps its code, and `copy` is a stub.
    let mut bytes = file("gfx1030.co");
    let size = CodeObject::parse(&bytes).unwrap().functions().iter().map(|f| f.code.len()).max();
    let object = CodeObject::parse(&bytes).unwrap();
    let copy = object.kernels().find(|kernel| kernel.name == "copy").unwrap();
    let behind = object.functions().iter().find(|f| f.address > copy.address).unwrap();
    let (from, to, behind) = (copy.address, behind.address, behind.name.clone().into_owned());
    let (length, whole) = (copy.code.len() as u64, object.functions().len());
    // A symbol is its value and its size, one behind the other.
    let old = [from.to_le_bytes(), length.to_le_bytes()].concat();
    let new = [to.to_le_bytes(), [0; 8]].concat();
    let places: Vec<usize> =
        (0..bytes.len() - 16).filter(|&at| bytes[at..at + 16] == old[..]).collect();
    assert_eq!(places.len(), 2, "both tables of symbols have it");
    for at in places {
        bytes[at..at + 16].copy_from_slice(&new);
    }
    let object = CodeObject::parse(&bytes).unwrap();
    assert_eq!(object.functions().len(), whole);
    assert!(object.kernels().find(|kernel| kernel.name == "copy").unwrap().is_stub());
    let behind = object.functions().iter().find(|f| f.name == behind).unwrap();
    assert!(!behind.code.is_empty() && size >= Some(behind.code.len()));
}

#[test]
fn operands_come_in_the_order_of_the_text() {
    // v_fmac_f32_e32 v5, s7, v9: what it adds to is read too.
    let instruction = Isa::of(Target::Gfx1010).decode(&[0x560a_1207]).unwrap();
    let operands: Vec<_> = instruction.operands(Wave::Wave32).collect();
    let vector = |first| Operand::Vector { first, count: 1 };
    let scalar = Operand::Scalar { first: 7, count: 1 };
    assert_eq!(
        operands,
        [(vector(5), Access::Both), (scalar, Access::Use), (vector(9), Access::Use)]
    );
    // image_sample_d with separate addresses
    let words = [0xf088_0f0c, 0x0040_0000, 0x0806_0402, 0x0000_000a];
    let instruction = Isa::of(Target::Gfx1010).decode(&words).unwrap();
    assert!(instruction.is_nsa());
    assert_eq!(instruction.operands(Wave::Wave32).nth(1).unwrap().0, Operand::Separate(6));
    assert_eq!(instruction.image_addresses().collect::<Vec<_>>(), [0, 2, 4, 6, 8, 10]);
}
