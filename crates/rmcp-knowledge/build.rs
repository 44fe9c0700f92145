//! Reads `data/**/*.toml`, refuses what does not fit the schema with the file's name, and embeds one binary
//! copy: the program starts without parsing text.

#![expect(
    clippy::disallowed_methods,
    reason = "a build script reads its own sources and writes OUT_DIR"
)]

#[path = "src/schema.rs"]
#[expect(unreachable_pub, dead_code, reason = "the library uses the rest of it")]
mod schema;

use schema::Knowledge;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=data");
    println!("cargo::rerun-if-changed=src/schema.rs");
    let mut files = Vec::new();
    collect(Path::new("data"), &mut files);
    files.sort();
    let mut knowledge = Knowledge::default();
    for file in files {
        let text = std::fs::read_to_string(&file)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let part: Knowledge =
            toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        append(&mut knowledge, part);
    }
    let bytes = postcard::to_allocvec(&knowledge).expect("knowledge is plain data");
    let copy: Knowledge = postcard::from_bytes(&bytes).expect("what was written can be read");
    assert!(copy == knowledge, "the embedded copy must equal the files");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"))
        .join("knowledge.bin");
    std::fs::write(&out, bytes).unwrap_or_else(|error| panic!("{}: {error}", out.display()));
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()))
    {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
}

fn append(all: &mut Knowledge, part: Knowledge) {
    all.source.extend(part.source);
    all.target.extend(part.target);
    all.chip.extend(part.chip);
    all.kind.extend(part.kind);
    all.signature.extend(part.signature);
    all.mention.extend(part.mention);
    all.vendor.extend(part.vendor);
    all.variable.extend(part.variable);
    all.parameter.extend(part.parameter);
    all.remedy.extend(part.remedy);
    all.stack.extend(part.stack);
    all.experiment.extend(part.experiment);
    all.solver.extend(part.solver);
    all.pin.extend(part.pin);
}
