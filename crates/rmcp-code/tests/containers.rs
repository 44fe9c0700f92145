//! Every container around the same two code objects, whole, damaged and hostile.

#![expect(clippy::unwrap_used, reason = "a test that panics says enough")]

mod support;

use rmcp_code::container::{ContainerError, Group, Holder, ReadAt, Visitor, walk};
use std::time::{Duration, Instant};
use support::{
    GFX1010, GFX1030, HOST, bundle, bzip2, compressed, deb, deb_of, kernel_db, library, object,
    wheel,
};

/// What was shown, and what could not be.
#[derive(Debug, Default)]
struct Shown {
    /// Place, holder, target, and a number that stands for the bytes.
    objects: Vec<(String, Holder, String, u64)>,
    problems: Vec<(String, String)>,
    bytes: u64,
}

/// FNV-1a, to tell objects apart.
fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

impl Visitor for Shown {
    fn group(&mut self, group: &Group<'_>) -> Vec<usize> {
        (0..group.members.len()).filter(|&at| group.members[at].target.is_some()).collect()
    }

    fn object(&mut self, group: &Group<'_>, member: usize, object: &dyn ReadAt) {
        let bytes = object.bytes_at(0, object.length()).unwrap();
        let target = group.members[member].target.unwrap().to_string();
        self.bytes += bytes.len() as u64;
        self.objects.push((group.place.to_owned(), group.holder, target, sum(&bytes)));
    }

    fn problem(&mut self, place: &str, error: ContainerError) {
        self.problems.push((place.to_owned(), error.to_string()));
    }
}

fn shown(file: &[u8]) -> Shown {
    let mut shown = Shown::default();
    walk("file", &file, &mut shown);
    shown
}

fn pair() -> (Vec<u8>, Vec<u8>) {
    (object("gfx1010"), object("gfx1030"))
}

fn both() -> Vec<u8> {
    let (old, new) = pair();
    bundle(&[(HOST, b""), (GFX1010, &old), (GFX1030, &new)])
}

/// Where a library is whose path is too long for a tar header.
const LONG: &str = concat!(
    "file!/folder/folder/folder/folder/folder/folder/folder/folder/folder/folder/folder/folder/folder/folder",
    "/folder/folder/folder/folder/folder/folder/folder/folder/folder/folder/folder/folder/folder/folder",
    "/folder/folder/folder/folder/folder/folder/folder/folder/folder/folder/folder/folder/libx.so"
);

/// Each container, what it is called, where its objects are and how they are held.
fn containers() -> Vec<(&'static str, Vec<u8>, &'static str, Holder)> {
    let plain = both();
    let inside = library(".hip_fatbin", std::slice::from_ref(&plain));
    let members: [(&str, &[u8]); 2] = [("x/METADATA", b"Name: x"), ("x/libx.so", &inside)];
    let (lib, bun) = (Holder::Library, Holder::Bundle);
    let mut all =
        vec![("library", inside.clone(), "file", lib), ("bundle", plain.clone(), "file", bun)];
    for (name, version, method) in [
        ("CCOB 1, zlib", 1, 0),
        ("CCOB 1, zstd", 1, 1),
        ("CCOB 2, zlib", 2, 0),
        ("CCOB 2, zstd", 2, 1),
        ("CCOB 3, zlib", 3, 0),
        ("CCOB 3, zstd", 3, 1),
    ] {
        let packed = compressed(version, method, &plain);
        all.push((name, library(".hip_fatbin", &[packed]), "file", lib));
    }
    all.push(("wheel", wheel(&members), "file!/x/libx.so", lib));
    for (name, method) in
        [("deb", ""), ("deb, gz", ".gz"), ("deb, xz", ".xz"), ("deb, zst", ".zst")]
    {
        all.push((name, deb(method, &members), "file!/x/libx.so", lib));
    }
    let wheel = wheel(&members);
    let long = format!("{}libx.so", "folder/".repeat(40));
    all.push(("deb, long name", deb(".xz", &[(&long, &inside)]), LONG, lib));
    all.push(("wheel in a deb", deb(".xz", &[("x.whl", &wheel)]), "file!/x.whl!/x/libx.so", lib));
    let (old, new) = pair();
    let rows = [("conv.o", bzip2(&old), i64::try_from(old.len()).unwrap()), ("gemm.o", new, 0)];
    all.push(("database", kernel_db(&rows), "file", Holder::Database));
    all
}

#[test]
fn every_container_shows_the_same_objects() {
    let (old, new) = pair();
    for (name, file, place, holder) in containers() {
        let shown = shown(&file);
        let expected = [
            (place.to_owned(), holder, "gfx1010".to_owned(), sum(&old)),
            (place.to_owned(), holder, "gfx1030".to_owned(), sum(&new)),
        ];
        assert_eq!(shown.objects, expected, "{name}: {:?}", shown.problems);
        assert_eq!(shown.problems, [], "{name}");
    }
}

#[test]
fn a_bare_object_is_known_by_its_header() {
    let (old, _) = pair();
    let shown = shown(&old);
    assert_eq!(shown.objects, [("file".to_owned(), Holder::Bare, "gfx1010".to_owned(), sum(&old))]);
}

#[test]
fn several_bundles_and_old_ids_are_shown_in_their_order() {
    let (old, new) = pair();
    let file = library(
        ".hip_fatbin",
        &[
            bundle(&[(HOST, b""), ("hip-amdgcn-amd-amdhsa-gfx1010", &old)]),
            compressed(2, 1, &bundle(&[(HOST, b""), (GFX1030, &new)])),
            bundle(&[("hipv4-amdgcn-amd-amdhsa--gfx10-3-generic", &new)]),
        ],
    );
    let targets: Vec<String> =
        shown(&file).objects.into_iter().map(|(_, _, target, _)| target).collect();
    assert_eq!(targets, ["gfx1010", "gfx1030", "gfx10-3-generic"]);
}

#[test]
fn files_of_no_interest_show_nothing() {
    for file in [&b""[..], b"#!/bin/sh\n", b"\x7fEL", b"\x7fELF\x01\x01", b"PK", &[0; 4096]] {
        let shown = shown(file);
        assert!(shown.objects.is_empty() && shown.problems.is_empty(), "{shown:?}");
    }
}

/// Cut anywhere, a file shows whole objects or none, and says what is missing.
#[test]
fn every_cut_is_an_error_or_less() {
    let (old, new) = pair();
    let sums = [sum(&old), sum(&new)];
    for (name, file, _, _) in containers() {
        let whole = shown(&file).objects.len();
        // Every length near the ends of headers, and many in between.
        let lengths =
            (0..file.len()).filter(|at| *at < 600 || at % 97 == 0 || at + 120 > file.len());
        for length in lengths {
            let shown = shown(&file[..length]);
            assert!(shown.objects.iter().all(|object| sums.contains(&object.3)), "{name} {length}");
            assert!(shown.objects.len() <= whole, "{name} cut at {length}");
        }
        let half = shown(&file[..file.len() / 2]);
        assert!(half.objects.len() < whole, "{name}: half a file has no whole content");
        assert!(!half.problems.is_empty(), "{name}: half a file is a problem");
    }
}

#[test]
fn errors_name_offset_and_field() {
    let mut lying = both();
    lying[24..32].copy_from_slice(&5000_u64.to_le_bytes());
    let mut long = both();
    long[40..48].copy_from_slice(&(1_u64 << 40).to_le_bytes());
    let mut package = deb("", &[]);
    package[8 + 48..8 + 58].copy_from_slice(b"9999999999");
    let mut size = deb("", &[]);
    size[8 + 48..8 + 58].copy_from_slice(b"-1        ");
    for (file, expected) in [
        (lying, "number of bundle entries at offset 0x18 is 5000, expected at most 1024"),
        (long, "code object of the bundle at offset 0x0 ends behind the end of the data"),
        (
            package,
            "member `debian-binary` ends behind the file at offset 0x8; expected a whole package",
        ),
        (size, "size of a member is `-1` at offset 0x38; expected a decimal number"),
        (
            b"!<arch>\ndebian-binary".to_vec(),
            "no member `data.tar` at offset 0x8; expected a package as dpkg-deb makes it",
        ),
    ] {
        assert_eq!(shown(&file).problems, [("file".to_owned(), expected.to_owned())]);
    }
}

/// A wheel whose second member or list of members is damaged says where, and shows the other member.
#[test]
fn errors_of_a_wheel_name_the_member() {
    let (old, new) = pair();
    let good = wheel(&[("a.co", &old), ("b.co", &new)]);
    let signature = |bytes: &[u8]| {
        good.windows(4).enumerate().filter(|(_, found)| *found == bytes).map(|(at, _)| at).collect()
    };
    let members: Vec<usize> = signature(b"PK\x03\x04");
    let list: Vec<usize> = signature(b"PK\x01\x02");
    let [_, second] = members[..] else { panic!("{members:?}") };
    // Within the packed bytes of the second member.
    let mut broken = good.clone();
    broken[second + 200] ^= 0xff;
    let unpacked = shown(&broken);
    assert_eq!(unpacked.objects.len(), 1);
    let [(place, problem)] = &unpacked.problems[..] else { panic!("{unpacked:?}") };
    assert_eq!(place, "file!/b.co");
    let expected = format!(" at offset {second:#x}; expected a whole archive");
    assert!(problem.ends_with(&expected), "{problem}, wanted {expected}");
    // The second entry of the list of members.
    let mut lost = good.clone();
    lost[list[1]..list[1] + 4].fill(0xaa);
    let [(place, problem)] = &shown(&lost).problems[..] else { panic!() };
    assert_eq!(place, "file");
    let expected = format!(" at offset {:#x}; ", list[1]);
    assert!(problem.starts_with("zip archive: ") && problem.contains(&expected), "{problem}");
}

#[test]
fn one_damaged_row_does_not_hide_the_others() {
    let (old, new) = pair();
    let size = i64::try_from(old.len()).unwrap();
    let rows = [
        ("short", bzip2(&old), size + 1),
        ("odd", b"no bzip2".to_vec(), 100),
        ("negative", bzip2(&old), -1),
        ("text", b"no code object".to_vec(), 0),
        ("good", new, 0),
    ];
    let shown = shown(&kernel_db(&rows));
    assert_eq!(shown.objects.len(), 1, "{shown:?}");
    let places: Vec<&str> = shown.problems.iter().map(|(place, _)| place.as_str()).collect();
    assert_eq!(places, ["file!/short", "file!/odd", "file!/negative", "file!/text"]);
    assert!(shown.problems[0].1.contains("unpacks to"), "{:?}", shown.problems[0]);
}

#[test]
fn damage_in_a_database_ends_in_an_error() {
    let (old, _) = pair();
    let file = kernel_db(&[("conv.o", old, 0)]);
    for at in (0..file.len()).step_by(13) {
        let mut damaged = file.clone();
        for byte in &mut damaged[at..(at + 40).min(file.len())] {
            *byte ^= 0xa5;
        }
        shown(&damaged);
    }
}

/// Bombs of every kind: an error, in little time and with little written.
#[test]
fn bombs_are_not_unpacked() {
    // An ELF header in front makes a member one of interest.
    let mut zeros = object("gfx1030");
    zeros.resize(400 << 20, 0);
    let plain = bundle(&[(HOST, b""), (GFX1030, &zeros[..200 << 20])]);
    let size = i64::try_from(zeros.len()).unwrap();
    let start = Instant::now();
    let files = [
        ("wheel", wheel(&[("bomb.so", &zeros)])),
        ("deb, zst", deb(".zst", &[("bomb.so", &zeros)])),
        ("deb, of no interest", deb_of(".zst", &bomb_tar())),
        ("CCOB", compressed(3, 1, &plain)),
        ("row", kernel_db(&[("bomb", bzip2(&zeros), size)])),
    ];
    drop((zeros, plain));
    let made = start.elapsed();
    for (name, file) in files {
        assert!(file.len() < 1 << 20, "{name} is {} bytes", file.len());
        let start = Instant::now();
        let shown = shown(&file);
        assert!(shown.objects.is_empty(), "{name}: {:?}", shown.objects);
        let problem = &shown.problems[0].1;
        assert!(problem.contains("expected"), "{name}: {problem}");
        // A machine that made them in so much time reads them in no more.
        assert!(start.elapsed() < made + Duration::from_secs(5), "{name}: {:?}", start.elapsed());
    }
}

/// A tar archive whose one member is of no interest and as long as a tar header can say.
fn bomb_tar() -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_path("zeros").unwrap();
    header.set_size(400 << 20);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.resize(400 << 20, 0);
    bytes
}

/// Many members that together are a bomb, though none is.
#[test]
fn all_members_together_are_bounded() {
    let mut zeros = object("gfx1030");
    zeros.resize(20 << 20, 0);
    let members: Vec<(String, &[u8])> =
        (0..12).map(|at| (format!("{at}.so"), zeros.as_slice())).collect();
    let members: Vec<(&str, &[u8])> =
        members.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
    let file = wheel(&members);
    assert!(file.len() < 400 << 10, "{} bytes", file.len());
    let shown = shown(&file);
    assert!(shown.bytes < 100 << 20, "{} bytes", shown.bytes);
    assert!(shown.problems.iter().any(|(_, why)| why.contains("bomb")), "{:?}", shown.problems);
}

#[test]
fn archives_in_archives_end_at_the_limit() {
    let (old, _) = pair();
    let mut file = wheel(&[("a.co", &old)]);
    for depth in 1..6 {
        let shown = shown(&file);
        if depth <= 3 {
            assert_eq!(shown.objects.len(), 1, "depth {depth}: {:?}", shown.problems);
        } else {
            assert!(shown.objects.is_empty(), "depth {depth}");
            assert!(shown.problems[0].1.contains("more than 3 deep"), "{:?}", shown.problems);
        }
        file = wheel(&[("inner.whl", &file)]);
    }
}

/// A thousand entries that all are the same bytes would be read a thousand times.
#[test]
fn overlapping_entries_are_refused() {
    let (old, new) = pair();
    let mut file = bundle(&[(GFX1010, &old), (GFX1030, &new)]);
    // The second entry begins where the first does.
    let second = 32 + 24 + GFX1010.len();
    file[second..second + 8].copy_from_slice(&4096_u64.to_le_bytes());
    for file in [file.clone(), compressed(3, 1, &file)] {
        let shown = shown(&file);
        assert!(shown.objects.len() < 2, "{shown:?}");
        assert!(shown.problems[0].1.contains("entry offset"), "{shown:?}");
    }
}

/// Members of an archive that share bytes are bounded like any others.
#[test]
fn a_directory_that_names_one_member_many_times_is_bounded() {
    let mut zeros = object("gfx1030");
    zeros.resize(8 << 20, 0);
    let file = wheel(&[("a.so", &zeros)]);
    let end = file.len() - 22;
    let at = |place: usize| u32::from_le_bytes(file[place..place + 4].try_into().unwrap()) as usize;
    let (size, start) = (at(end + 12), at(end + 16));
    let entry = &file[start..start + size];
    let mut many = file[..start].to_vec();
    let count = 2000_u16;
    for number in 0..count {
        let mut entry = entry.to_vec();
        // Another name of the same length.
        let name = format!("{number:04x}");
        entry[46..50].copy_from_slice(name.as_bytes());
        many.extend(entry);
    }
    let mut tail = file[end..].to_vec();
    for place in [8, 10] {
        tail[place..place + 2].copy_from_slice(&count.to_le_bytes());
    }
    let all = u32::try_from(size).unwrap() * u32::from(count);
    tail[12..16].copy_from_slice(&all.to_le_bytes());
    many.extend(tail);
    let shown = shown(&many);
    assert!(shown.bytes < 200 << 20, "{} bytes of {}", shown.bytes, many.len());
    assert!(!shown.problems.is_empty());
}
