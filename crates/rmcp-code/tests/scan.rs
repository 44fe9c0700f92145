//! What a scan counts, judges and concludes, on code objects of our own.

#![expect(clippy::unwrap_used, reason = "a test that panics says enough")]

mod support;

use rmcp_code::CodeObject;
use rmcp_code::container::walk;
use rmcp_code::isa::Target;
use rmcp_code::rules::judge;
use rmcp_code::scan::{Collector, Depth, FileScan, list_kernels, verdict_of};
use rmcp_model::{ScanAnswer, ScanCard};
use support::{GFX1010, GFX1030, HOST, bundle, compressed, library, object};

const GFX906: &str = "hipv4-amdgcn-amd-amdhsa--gfx906:xnack-";

fn card(gfx: &str) -> ScanCard {
    ScanCard { gfx: gfx.parse().unwrap(), runs: Vec::new(), generic: None }
}

fn scan(file: &[u8], card: &ScanCard, depth: Depth) -> FileScan {
    let mut collector = Collector::new(card, depth);
    walk("", &file, &mut collector);
    collector.finish()
}

/// A library with our objects for gfx1010 and gfx1030, and the latter under the name of gfx906 too.
fn three() -> Vec<u8> {
    let (old, new) = (object("gfx1010"), object("gfx1030"));
    let entries: [(&str, &[u8]); 4] =
        [(HOST, b""), (GFX906, &new), (GFX1010, &old), (GFX1030, &new)];
    library(".hip_fatbin", &[bundle(&entries), compressed(3, 1, &bundle(&entries))])
}

#[test]
fn counts_are_those_of_the_objects_and_other_families_are_not_judged() {
    let navi10 = card("gfx1010");
    let found = scan(&three(), &navi10, Depth::Kernels);
    assert_eq!(found.problems, []);
    let [library] = &found.libraries[..] else { panic!("{:?}", found.libraries) };
    assert_eq!(library.bundles, 2);
    for (name, built_for) in [("gfx1010", Target::Gfx1010), ("gfx1030", Target::Gfx1030)] {
        let bytes = object(name);
        let judged = judge(&CodeObject::parse(&bytes).unwrap(), built_for, Target::Gfx1010);
        let row = &library.targets[name];
        let code = row.code.as_ref().unwrap();
        assert_eq!((row.bundles, row.objects), (2, 2));
        assert_eq!(row.kernels, Some(2 * judged.kernels.len() as u64));
        assert_eq!(code.instructions, 2 * judged.instructions);
        let sites: u64 = code.rules.values().map(|count| count.sites).sum();
        assert_eq!(sites, 2 * judged.hits.iter().map(|&hits| u64::from(hits)).sum::<u64>());
        let hit = judged.kernels.iter().filter(|kernel| kernel.hits.iter().any(|&hits| hits > 0));
        assert_eq!(code.kernels_by_severity.values().sum::<u64>(), 2 * hit.count() as u64);
    }
    // Built for this card, LLVM has put in every workaround.
    assert_eq!(library.targets["gfx1010"].code.as_ref().unwrap().flagged_kernels(), 0);
    assert!(library.targets["gfx1030"].code.as_ref().unwrap().flagged_kernels() > 0);
    let other = &library.targets["gfx906"];
    assert_eq!((other.kernels, &other.code), (library.targets["gfx1030"].kernels, &None));
    let kernels = &found.kernels[""];
    assert!(kernels.iter().all(|kernel| kernel.target != "gfx906"));
    assert_eq!(kernels.len() as u64, 2 * (object_kernels("gfx1010") + object_kernels("gfx1030")));
}

fn object_kernels(name: &str) -> u64 {
    CodeObject::parse(&object(name)).unwrap().kernels().count() as u64
}

#[test]
fn headers_alone_say_which_targets_there_are_and_no_more() {
    let found = scan(&three(), &card("gfx1010"), Depth::Headers);
    let library = &found.libraries[0];
    assert_eq!(library.targets.keys().collect::<Vec<_>>(), ["gfx1010", "gfx1030", "gfx906"]);
    assert!(library.targets.values().all(|row| row.kernels.is_none() && row.code.is_none()));
    assert_eq!(verdict_of(library, &card("gfx1010")).answer, ScanAnswer::Native);
}

/// Returns an object whose kernels all are nothing but the end of the program.
fn hollow(name: &str) -> Vec<u8> {
    let bytes = object(name);
    let object = CodeObject::parse(&bytes).unwrap();
    let starts: Vec<usize> = object
        .kernels()
        .filter(|kernel| !kernel.code.is_empty())
        .map(|kernel| kernel.code.as_ptr() as usize - bytes.as_ptr() as usize)
        .collect();
    let lengths: Vec<usize> = object
        .kernels()
        .filter(|kernel| !kernel.code.is_empty())
        .map(|kernel| kernel.code.len())
        .collect();
    let mut hollow = bytes.clone();
    for (start, length) in starts.into_iter().zip(lengths) {
        for (at, word) in hollow[start..start + length].chunks_exact_mut(4).enumerate() {
            // s_endpgm, then s_code_end.
            word.copy_from_slice(if at == 0 { &[0, 0, 0x81, 0xbf] } else { &[0, 0, 0x9f, 0xbf] });
        }
    }
    hollow
}

/// The runtime takes the native object, and finds nothing in it.
#[test]
fn native_stubs_whose_code_is_in_another_object_are_seen() {
    let (empty, new) = (hollow("gfx1010"), object("gfx1030"));
    let file = library(".hip_fatbin", &[bundle(&[(GFX1010, &empty), (GFX1030, &new)])]);
    let navi10 = card("gfx1010");
    let found = scan(&file, &navi10, Depth::Code);
    let library = &found.libraries[0];
    let (own, other) = (&library.targets["gfx1010"], &library.targets["gfx1030"]);
    assert!(own.hollow > 0, "{own:?}");
    assert_eq!((own.hollow, own.only_here), (other.only_here, other.hollow));
    assert_eq!(own.kernels, own.stubs);
    let verdict = verdict_of(library, &navi10);
    assert_eq!(verdict.answer, ScanAnswer::OtherInstructionSet, "empty kernels are no native code");
    // The same kernels whole: no trap.
    let whole = scan(&three(), &navi10, Depth::Code);
    assert_eq!(whole.libraries[0].targets["gfx1010"].hollow, 0);
}

#[test]
fn an_object_that_is_damaged_is_named_and_the_others_are_judged() {
    let (old, new) = (object("gfx1010"), object("gfx1030"));
    let file = library(".hip_fatbin", &[bundle(&[(GFX1010, &old[..200]), (GFX1030, &new)])]);
    let found = scan(&file, &card("gfx1010"), Depth::Code);
    assert_eq!(found.problems.len(), 1, "{:?}", found.problems);
    assert!(found.problems[0].path.contains("gfx1010"), "{:?}", found.problems);
    assert!(found.libraries[0].targets["gfx1030"].code.is_some());
}

/// The listing is LLVM's, with the rules beside it.
#[test]
fn kernels_are_listed_as_llvm_writes_them() {
    let (found, problems) = list_kernels("x.co", &object("gfx1030"), &card("gfx1010"), &|_| true);
    assert!(problems.is_empty());
    let text: String = found.iter().map(|listed| listed.text.as_str()).collect();
    assert!(text.contains("<- "), "a rule hits somewhere:\n{text}");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/code-objects/gfx1030.txt");
    #[expect(clippy::disallowed_methods, reason = "the project's own file")]
    let llvm = std::fs::read_to_string(folder).unwrap();
    // Theirs: address, dwords, text.
    let theirs: std::collections::BTreeSet<String> =
        llvm.lines().filter_map(|line| line.splitn(3, ' ').nth(2)).map(str::to_owned).collect();
    let body = |line: &str| line.split("//").next().unwrap().trim().to_owned();
    let ours: Vec<String> = text.lines().map(body).collect();
    assert!(ours.len() > 100);
    for line in ours {
        assert!(theirs.contains(&line), "`{line}` is not in LLVM's listing");
    }
    let (none, _) = list_kernels("x.co", &object("gfx1030"), &card("gfx1010"), &|_| false);
    assert_eq!(none, []);
}
