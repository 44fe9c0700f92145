//! Bytes and trees that strangers made: never a panic, always a named fact or a clear error.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests build their own trees")]

#[path = "../../../fuzz/src/targets.rs"]
mod targets;

#[path = "../../rmcp-code/tests/support/mod.rs"]
mod containers;
mod support;

use containers::{GFX1010, HOST};
use proptest::prelude::*;
use rmcp::{Caller, Inspection, Knowledge, diagnose, inspect, record};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use support::{entries, testdata};

/// Files of every kind that the parsers meet, to be damaged.
fn seeds() -> Vec<Vec<u8>> {
    let mut files = entries("logs");
    collect(&testdata("machines/rx5600xt-override-torch"), &mut files);
    collect(&testdata("machines/rx6600xt-fish-not-exported"), &mut files);
    collect(&testdata("machines/rx6750-unit-only"), &mut files);
    collect(&testdata("code-objects"), &mut files);
    let mut seeds: Vec<Vec<u8>> = files
        .iter()
        .filter_map(|path| fs::read(path).ok())
        .filter(|bytes| !bytes.is_empty() && bytes.len() < 16 << 10)
        .collect();
    // Containers of every form, around an object of which there is little.
    let mut object = containers::object("gfx1010");
    object.truncate(3000);
    let bundle = containers::bundle(&[(HOST, b""), (GFX1010, &object)]);
    let members: [(&str, &[u8]); 2] = [("a.co", &object), ("b.so", &bundle)];
    seeds.extend([
        containers::compressed(1, 0, &bundle),
        containers::compressed(2, 1, &bundle),
        containers::compressed(3, 1, &bundle),
        containers::wheel(&members),
        containers::deb(".xz", &members),
        containers::deb("", &members),
        containers::kernel_db(&[("a", containers::bzip2(&object), 3000), ("b", object, 0)]),
        containers::library(".hip_fatbin", &[bundle]),
    ]);
    assert!(seeds.len() > 100, "{} seeds", seeds.len());
    seeds
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() { collect(&path, files) } else { files.push(path) }
    }
}

/// What chance does to a file: cut, changed bytes, a part doubled, another file behind it.
#[derive(Debug, Clone)]
struct Damage {
    seed: prop::sample::Index,
    other: prop::sample::Index,
    cut: prop::sample::Index,
    bytes: Vec<(prop::sample::Index, u8)>,
    doubled: bool,
}

fn damage() -> impl Strategy<Value = Damage> {
    let index = any::<prop::sample::Index>;
    let bytes = prop::collection::vec((index(), any::<u8>()), 0..8);
    (index(), index(), index(), bytes, any::<bool>())
        .prop_map(|(seed, other, cut, bytes, doubled)| Damage { seed, other, cut, bytes, doubled })
}

impl Damage {
    fn apply(&self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut text = self.seed.get(seeds).clone();
        text.truncate(self.cut.index(text.len()) + 1);
        for (at, byte) in &self.bytes {
            let at = at.index(text.len());
            text[at] = *byte;
        }
        if self.doubled {
            text.extend(text.clone());
        }
        text.extend(self.other.get(seeds));
        text
    }
}

#[test]
fn no_parser_panics_on_damaged_files() {
    let seeds = seeds();
    let config =
        ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(damage in damage())| {
        let bytes = damage.apply(&seeds);
        for (_, target) in targets::ALL {
            target(&bytes);
        }
    });
}

#[test]
fn no_parser_panics_on_noise() {
    let config =
        ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(bytes in prop::collection::vec(any::<u8>(), 0..2048))| {
        for (_, target) in targets::ALL {
            target(&bytes);
        }
    });
}

/// Reads a tree, live names and all, and diagnoses it.
fn findings(root: &Path) -> (rmcp::model::HostFacts, Vec<String>) {
    let what = Inspection { root: Some(root), pythons: &[], caller: Caller::default() };
    let facts = inspect(&what).unwrap();
    let diagnosis = diagnose(&facts, Knowledge::embedded());
    (facts, diagnosis.findings.into_iter().map(|found| found.code).collect())
}

fn write(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

const NODE: &str = "sys/class/kfd/kfd/topology/nodes/1";

#[test]
fn an_empty_machine_has_no_gpu() {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(findings(root.path()).1, ["no-amd-gpu"]);
}

#[test]
fn every_cut_of_a_properties_file_is_a_fact() {
    let whole =
        fs::read(testdata("machines/rx6800-healthy").join(NODE).join("properties")).unwrap();
    for length in (0..whole.len()).step_by(7) {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), &format!("{NODE}/properties"), &whole[..length]);
        let (facts, _) = findings(root.path());
        assert!(!facts.nodes.is_absent(), "cut at {length}");
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), &format!("{NODE}/properties"), b"simd_count many\n");
    let (facts, _) = findings(root.path());
    let nodes = facts.nodes.value().unwrap();
    let why = nodes[0].properties.why_unreadable().unwrap();
    assert!(why.contains("properties") && why.contains("many"), "{why}");
}

#[test]
fn links_that_loop_or_lead_out_are_not_followed() {
    let outside = tempfile::tempdir().unwrap();
    write(outside.path(), "properties", b"simd_count 1\ngfx_target_version 100300\n");
    let root = tempfile::tempdir().unwrap();
    let nodes = root.path().join("sys/class/kfd/kfd/topology/nodes");
    fs::create_dir_all(&nodes).unwrap();
    symlink(outside.path(), nodes.join("1")).unwrap();
    symlink("2", nodes.join("2")).unwrap();
    symlink("../nodes", nodes.join("3")).unwrap();
    fs::create_dir_all(root.path().join("opt")).unwrap();
    symlink(".", root.path().join("opt/rocm")).unwrap();
    let (facts, _) = findings(root.path());
    let read = facts.nodes.value().into_iter().flatten();
    assert!(
        read.clone().all(|node| node.properties.value().is_none()),
        "{:?}",
        read.collect::<Vec<_>>()
    );
}

#[test]
fn gigantic_files_and_folders_are_bounded() {
    let root = tempfile::tempdir().unwrap();
    let huge = |path: &str| {
        write(root.path(), path, b"");
        fs::File::options()
            .write(true)
            .open(root.path().join(path))
            .unwrap()
            .set_len(1 << 40)
            .unwrap();
    };
    huge(&format!("{NODE}/properties"));
    huge("proc/cmdline");
    huge("etc/environment");
    huge("home/user/.bashrc");
    huge("etc/group");
    huge("var/log/dmesg");
    for number in 0..3000 {
        fs::create_dir_all(root.path().join(format!("sys/class/drm/card{number}"))).unwrap();
    }
    let (facts, _) = findings(root.path());
    let node = &facts.nodes.value().unwrap()[0];
    assert!(node.properties.why_unreadable().is_some(), "{:?}", node.properties);
}

#[test]
fn devices_and_pipes_do_not_hang_the_reader() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("proc")).unwrap();
    fs::create_dir_all(root.path().join("etc")).unwrap();
    for path in ["proc/cmdline", "etc/environment", "etc/os-release"] {
        rustix::fs::mkfifoat(rustix::fs::CWD, root.path().join(path), rustix::fs::Mode::RWXU)
            .unwrap();
    }
    findings(root.path());
}

#[test]
fn names_that_are_not_text_are_passed_over() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("etc/profile.d");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(OsStr::from_bytes(b"caf\xe9.sh")), "export HSA_ENABLE_SDMA=0\n").unwrap();
    fs::write(folder.join("new\nline.sh"), "export HSA_ENABLE_SDMA=0\n").unwrap();
    findings(root.path());
}

/// A machine folder from a stranger, recorded again, writes nothing outside the new folder.
#[test]
fn a_hostile_tree_is_recorded_as_harmless() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "rmcp-machine.toml", b"format = 1\nprovenance = \"synthetic\"\ndescription = \"x\"\n[[file]]\npath = \"/../../etc/passwd\"\nmode = 0o644\nuid = 0\ngid = 0\n");
    fs::create_dir_all(root.path().join("sys/class/drm")).unwrap();
    let what = Inspection { root: Some(root.path()), pythons: &[], caller: Caller::default() };
    if let Ok((_, recording)) = record(&what) {
        for path in recording.files.keys() {
            assert!(!path.split('/').any(|part| part == ".."), "{path}");
        }
    }
}
