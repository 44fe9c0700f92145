//! Makes libraries for machines in `testdata/`: an ELF file with offload bundles and no code in them.

use anyhow::{Context, Result, anyhow};
use object::write::{Object, StandardSegment};
use object::{Architecture, BinaryFormat, Endianness, SectionKind};
use rmcp_model::GfxTarget;
use std::path::Path;

/// Alignment of a bundle in its section. Source: LLVM `HIPUtility.cpp`, `HIPCodeObjectAlign`.
const ALIGN: u64 = 4096;

/// Size of each code object: it stands for code, and holds none.
const STUB_BYTES: u64 = 16;

/// Writes a library whose one bundle holds a stub for each target.
pub(crate) fn run(out: &Path, targets: &[String]) -> Result<()> {
    let targets: Vec<GfxTarget> = targets
        .iter()
        .map(|target| target.parse().map_err(|error: String| anyhow!("{error}")))
        .collect::<Result<_>>()?;
    let mut library = Object::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
    let segment = library.segment_name(StandardSegment::Data).to_vec();
    let section = library.add_section(segment, b".hip_fatbin".to_vec(), SectionKind::ReadOnlyData);
    library.append_section_data(section, &bundle(&targets), ALIGN);
    std::fs::write(out, library.write()?).with_context(|| out.display().to_string())?;
    println!("{}: {} targets, no code", out.display(), targets.len());
    Ok(())
}

/// Source of the layout: LLVM `clang/docs/ClangOffloadBundler.rst`, "Bundled Binary File Layout".
fn bundle(targets: &[GfxTarget]) -> Vec<u8> {
    let host = ("host-x86_64-unknown-linux-gnu-".to_owned(), 0);
    let stubs = targets.iter().map(|gfx| (format!("hipv4-amdgcn-amd-amdhsa--{gfx}"), STUB_BYTES));
    let entries: Vec<(String, u64)> = std::iter::once(host).chain(stubs).collect();
    let mut bytes = b"__CLANG_OFFLOAD_BUNDLE__".to_vec();
    bytes.extend((entries.len() as u64).to_le_bytes());
    let mut offset = ALIGN;
    for (id, size) in entries {
        bytes.extend([offset, size, id.len() as u64].map(u64::to_le_bytes).concat());
        bytes.extend(id.as_bytes());
        offset += size;
    }
    // The table of a thousand targets would fit in front of the first stub; there are some fifty.
    bytes.resize(usize::try_from(offset).unwrap_or(usize::MAX), 0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("libx.so");
        run(&out, &["gfx1030".to_owned(), "gfx1010".to_owned()]).unwrap();
        let bytes = std::fs::read(out).unwrap();
        let summary = rmcp_code::summarize_bundles(&bytes).unwrap().unwrap();
        let targets: Vec<String> = summary.targets.keys().map(ToString::to_string).collect();
        assert_eq!(
            (summary.bundles, targets),
            (1, vec!["gfx1010".to_owned(), "gfx1030".to_owned()])
        );
    }
}
