//! `rmcp scan` as a user sees it: the answer, the numbers, the exit code, and the cache.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests write their own input")]

#[path = "../../rmcp-code/tests/support/mod.rs"]
mod containers;
mod support;

use containers::{
    GFX1010, GFX1030, HOST, bundle, bzip2, compressed, deb, kernel_db, library, object, wheel,
};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use support::rmcp;
use tempfile::TempDir;

const GFX1100: &str = "hipv4-amdgcn-amd-amdhsa--gfx1100";

/// A folder with one wheel, library or package of each kind, and a cache of its own.
struct Shelf {
    folder: TempDir,
}

struct Answer {
    code: i32,
    text: String,
    errors: String,
}

impl Answer {
    fn first(&self) -> &str {
        self.text.lines().next().unwrap_or_default().trim_start_matches(['✓', '✗', '·', ' '])
    }
}

impl Shelf {
    fn new() -> Self {
        let (old, new) = (object("gfx1010"), object("gfx1030"));
        let both = library(
            ".hip_fatbin",
            &[compressed(3, 1, &bundle(&[(HOST, b""), (GFX1010, &old), (GFX1030, &new)]))],
        );
        let newer = library(".hip_fatbin", &[bundle(&[(HOST, b""), (GFX1030, &new)])]);
        // Only its name is of gfx1100: its code is never looked at.
        let newest = library(".hip_fatbin", &[bundle(&[(HOST, b""), (GFX1100, &new)])]);
        let size = i64::try_from(new.len()).unwrap();
        let shelf = Self { folder: tempfile::tempdir().unwrap() };
        for (name, bytes) in [
            ("native.whl", wheel(&[("x/libx.so", &both)])),
            ("newer.so", newer.clone()),
            ("newer.deb", deb(".xz", &[("usr/lib/libx.so", &newer)])),
            ("newest.so", newest),
            ("gfx1030_20.ukdb", kernel_db(&[("a", bzip2(&new), size), ("b", new.clone(), 0)])),
            ("cut.so", newer[..newer.len() - 3000].to_vec()),
            ("text.txt", b"no code".to_vec()),
            ("tensile/rocblas/library/a_gfx1030.co", new.clone()),
            ("tensile/rocblas/library/b_gfx1030.hsaco", new),
            ("tensile/rocblas/library/a_gfx1010.co", old),
        ] {
            let path = shelf.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        shelf
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("files").join(name)
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn scan(&self, name: &str, arguments: &[&str]) -> Answer {
        let path = self.path(name).display().to_string();
        let all = [&["scan", &path], arguments].concat();
        let output = rmcp(&all).env("XDG_CACHE_HOME", self.cache()).output().unwrap();
        Answer {
            code: output.status.code().unwrap(),
            text: String::from_utf8(output.stdout).unwrap(),
            errors: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn json(&self, name: &str, arguments: &[&str]) -> Value {
        let answer = self.scan(name, &[arguments, &["--format", "json"]].concat());
        serde_json::from_str(&answer.text).unwrap()
    }
}

#[test]
fn the_first_line_is_the_answer_and_the_exit_code_says_it_too() {
    let shelf = Shelf::new();
    for (name, card, code, first) in [
        ("native.whl", "rx5600xt", 0, "this wheel has native gfx1010 code: remove the override"),
        ("native.whl", "gfx1030", 0, "this wheel has native gfx1030 code: remove the override"),
        (
            "newer.so",
            "rx6700xt",
            0,
            "this library has gfx1030 code, which is the instruction set of gfx1031: HSA_OVERRIDE_GFX_VERSION=10.3.0 is right here",
        ),
        ("newest.so", "gfx1010", 1, "no code that gfx1010 can run: only gfx1100"),
        ("text.txt", "gfx1010", 3, "this file holds no GPU code"),
        ("tensile", "gfx1010", 0, "this folder has native gfx1010 code: remove the override"),
    ] {
        let answer = shelf.scan(name, &["--card", card]);
        assert_eq!((answer.first(), answer.code), (first, code), "{name}: {}", answer.text);
        assert_eq!(answer.errors, "", "a pipe gets no progress");
    }
    for name in ["newer.so", "newer.deb", "gfx1030_20.ukdb"] {
        let answer = shelf.scan(name, &["--card", "rx5600xt"]);
        assert_eq!(answer.code, 1);
        let (first, what) = (answer.first(), "cannot decode on this card");
        assert!(first.contains(what) && first.ends_with("(gfx1030 code on gfx1010)"), "{first}");
    }
}

#[test]
fn what_cannot_be_read_is_no_success() {
    let shelf = Shelf::new();
    let answer = shelf.scan("cut.so", &["--card", "gfx1030"]);
    assert_eq!(answer.code, 3, "{}", answer.text);
    assert!(answer.text.contains("Could not be read"), "{}", answer.text);
    fs::write(shelf.path("bad.whl"), b"PK\x03\x04garbage").unwrap();
    let answer = shelf.scan("bad.whl", &["--card", "gfx1030"]);
    let first = "this wheel could not be read whole, and what was read holds no GPU code";
    assert_eq!((answer.code, answer.first()), (3, first));
    let absent = shelf.scan("no-such-file", &["--card", "gfx1030"]);
    assert_eq!(absent.code, 3);
    assert!(absent.errors.contains("no-such-file"), "{}", absent.errors);
    assert_eq!(shelf.scan("newer.so", &["--card", "rx9999"]).code, 2);
    assert_eq!(rmcp(&["scan", "--card", "gfx1010"]).output().unwrap().status.code(), Some(2));
}

/// A folder that holds a code pack is not one without code.
#[test]
fn a_code_pack_is_named_as_not_read() {
    let shelf = Shelf::new();
    fs::create_dir(shelf.path("packs")).unwrap();
    fs::write(shelf.path("packs/torch_gfx1010.kpack"), b"some format").unwrap();
    let answer = shelf.scan("packs", &["--card", "gfx1010"]);
    assert_eq!(answer.code, 3);
    assert!(answer.text.contains("torch_gfx1010.kpack: is a code pack"), "{}", answer.text);
}

/// The whole page, of a library that does not run and of one that does.
#[test]
fn pages_read_as_they_are_meant_to() {
    let shelf = Shelf::new();
    for (page, name, arguments) in [
        ("page-other-set", "newer.so", &["--card", "rx5600xt"][..]),
        ("page-native", "native.whl", &["--card", "rx5600xt"]),
        ("page-native-verbose", "native.whl", &["--card", "rx5600xt", "--verbose"]),
        ("page-same-set", "tensile", &["--card", "rx6700xt"]),
        ("page-nothing", "newest.so", &["--card", "rx5600xt"]),
    ] {
        let text = shelf.scan(name, arguments).text;
        let text = text.replace(&shelf.path("").display().to_string(), "/files/");
        insta::assert_snapshot!(page, text);
    }
}

#[test]
fn the_document_has_the_promised_fields() {
    let shelf = Shelf::new();
    let document = shelf.json("native.whl", &["--card", "rx5600xt"]);
    assert_eq!(
        (&document["schema"], &document["card"]),
        (&"rmcp.scan/1".into(), &"gfx1010".into())
    );
    let [library] = &document["libraries"].as_array().unwrap()[..] else { panic!("{document}") };
    assert!(library["path"].as_str().unwrap().ends_with("native.whl!/x/libx.so"));
    assert_eq!(library["verdict"]["answer"], "native");
    let names =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(names(library), ["path", "objects", "verdict"]);
    for object in library["objects"].as_array().unwrap() {
        let fields = [
            "target",
            "kernels",
            "stubs",
            "instructions",
            "undecodable",
            "rules",
            "flagged_kernels",
        ];
        assert_eq!(names(object), fields);
    }
    let newer = &library["objects"][1];
    assert_eq!(newer["target"], "gfx1030");
    let missing = &newer["rules"]["missing-dot"];
    assert_eq!(names(missing), ["kernels", "sites"]);
    assert_eq!(newer["undecodable"], missing["sites"], "all that is missing are dot products");
    // What was not read is null, not 0.
    let quick = shelf.json("native.whl", &["--card", "rx5600xt", "--quick"]);
    assert_eq!(quick["libraries"][0]["objects"][0]["kernels"], Value::Null);
    assert_eq!(quick["libraries"][0]["verdict"]["answer"], "native");
}

#[test]
fn a_folder_is_the_sum_of_its_files_and_tensile_files_are_one_library() {
    let shelf = Shelf::new();
    let document = shelf.json("", &["--card", "gfx1010"]);
    let libraries = document["libraries"].as_array().unwrap();
    let paths: Vec<String> = libraries
        .iter()
        .map(|library| {
            let path = library["path"].as_str().unwrap();
            let inside = Path::new(path).strip_prefix(shelf.path("")).unwrap();
            inside.display().to_string()
        })
        .collect();
    assert_eq!(
        paths,
        [
            "gfx1030_20.ukdb",
            "native.whl!/x/libx.so",
            "newer.deb!/usr/lib/libx.so",
            "newer.so",
            "newest.so",
            "tensile/rocblas/library",
        ]
    );
    let tensile = &libraries[5]["objects"];
    let one = tensile[0]["kernels"].as_u64().unwrap();
    assert!(one > 0);
    assert_eq!(tensile[1]["target"], "gfx1030");
    assert_eq!(tensile[1]["kernels"].as_u64().unwrap(), libraries[0]["objects"][0]["kernels"]);
    assert_eq!(document["verdict"]["answer"], "nothing");
}

#[test]
fn kernels_are_listed_filtered_and_taken_apart() {
    let shelf = Shelf::new();
    let all = shelf.scan("newer.so", &["--card", "gfx1010", "--kernels"]);
    let one = shelf.scan("newer.so", &["--card", "gfx1010", "--kernels", "dot"]);
    let lines =
        |answer: &Answer| answer.text.lines().filter(|line| line.contains(" gfx1030 ")).count();
    assert!(lines(&one) < lines(&all), "{}", one.text);
    assert!(one.text.contains("missing-dot"), "{}", one.text);
    let listing = shelf.scan("newer.so", &["--card", "gfx1010", "--disassemble", "dot"]);
    assert_eq!(listing.code, 0);
    assert!(listing.text.contains("s_endpgm"), "{}", listing.text);
    assert!(listing.text.contains("<- missing-dot (certain)"), "{}", listing.text);
    assert_eq!(shelf.scan("newer.so", &["--card", "gfx1010", "--disassemble", "no-such"]).code, 1);
}

fn entries(folder: &Path, kind: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
        .unwrap_or_default();
    found.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with(kind));
    found.sort();
    found
}

/// Overwrites what the cache says, with its checksum, so that a hit can be told from a scan.
fn falsify(path: &Path) {
    let text = fs::read_to_string(path).unwrap();
    let body = text[64..].replace("\"instructions\":", "\"instructions\":9");
    let sum = blake3::hash(body.as_bytes()).to_hex();
    fs::write(path, format!("{sum}{body}")).unwrap();
}

#[test]
fn the_cache_answers_for_the_same_content_card_and_no_other() {
    let shelf = Shelf::new();
    let folder = shelf.cache().join("rmcp/scan");
    let instructions = |name: &str, arguments: &[&str]| {
        let document = shelf.json(name, &[&["--card", "gfx1010"], arguments].concat());
        let objects = document["libraries"][0]["objects"].as_array().unwrap().clone();
        objects.last().unwrap()["instructions"].as_u64().unwrap()
    };
    let none = instructions("newer.so", &["--no-cache"]);
    assert!(!folder.exists(), "--no-cache keeps nothing");
    assert_eq!(instructions("newer.so", &[]), none);
    let kept = entries(&folder, "facts-");
    assert_eq!((kept.len(), entries(&folder, "path-").len()), (1, 1));
    falsify(&kept[0]);
    let cached = instructions("newer.so", &[]);
    assert_ne!(cached, none, "the second scan is answered from the cache");
    // The same bytes elsewhere are the same content; another card is another question.
    fs::copy(shelf.path("newer.so"), shelf.path("copy.so")).unwrap();
    assert_eq!(instructions("copy.so", &[]), cached);
    shelf.json("newer.so", &["--card", "gfx1012"]);
    assert_eq!(entries(&folder, "facts-").len(), 2);
    assert_eq!(instructions("newer.so", &["--no-cache"]), none);
    // Other bytes of the same length at the same path.
    let mut bytes = fs::read(shelf.path("newer.so")).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(shelf.path("newer.so"), bytes).unwrap();
    assert_eq!(instructions("newer.so", &[]), none);
    // Damage of any kind is as good as no entry.
    for damage in [&b""[..], b"x", &[0xff; 4000]] {
        for path in entries(&folder, "") {
            fs::write(path, damage).unwrap();
        }
        assert_eq!(instructions("newer.so", &[]), none);
    }
    let whole = fs::read(&entries(&folder, "facts-")[0]).unwrap();
    assert!(whole.len() > 64, "and is replaced");
}

#[test]
fn without_a_home_nothing_is_kept_and_all_is_said() {
    let shelf = Shelf::new();
    let path = shelf.path("newer.so").display().to_string();
    let output = rmcp(&["scan", &path, "--card", "gfx1030"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn names_from_strangers_give_no_orders_to_the_terminal() {
    let shelf = Shelf::new();
    let new = object("gfx1030");
    let file = wheel(&[("a\u{1b}[2Jb.co", &new)]);
    fs::write(shelf.path("names.whl"), file).unwrap();
    let answer = shelf.scan("names.whl", &["--card", "gfx1030"]);
    assert!(answer.text.contains("a\u{fffd}[2Jb.co"), "{}", answer.text);
    assert!(!answer.text.contains('\u{1b}'), "{}", answer.text);
}
