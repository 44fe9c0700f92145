//! Libraries with bundles of every form, whole and damaged.

#![expect(clippy::unwrap_used, reason = "a test that panics says enough")]

mod support;

use rmcp_code::summarize_bundles;
use rmcp_model::{BundleSummary, CodeCoverage, GfxTarget};
use support::{GFX1010, GFX1030, HOST, compressed, library};

/// Returns a bundle whose entries have one byte of "code" each.
fn bundle(ids: &[&str]) -> Vec<u8> {
    let code = |id: &str| if id.starts_with("host") { &[][..] } else { &[0x7f] };
    support::bundle(&ids.iter().map(|id| (*id, code(id))).collect::<Vec<_>>())
}

fn read(bytes: &[u8]) -> BundleSummary {
    summarize_bundles(&bytes).unwrap().unwrap()
}

const OLD: &str = "hip-amdgcn-amd-amdhsa-gfx906";

const RDNA1: GfxTarget = GfxTarget::new(10, 1, 0);
const RDNA2: GfxTarget = GfxTarget::new(10, 3, 0);

#[test]
fn every_form_holds_the_same_targets() {
    let plain = bundle(&[HOST, GFX1010, GFX1030]);
    let forms = [
        ("plain", plain.clone()),
        ("version 1, zlib", compressed(1, 0, &plain)),
        ("version 2, zstd", compressed(2, 1, &plain)),
        ("version 3, zstd", compressed(3, 1, &plain)),
        ("version 3, zlib", compressed(3, 0, &plain)),
    ];
    for (form, bytes) in forms {
        let summary = read(&library(".hip_fatbin", &[bytes]));
        assert_eq!(summary.bundles, 1, "{form}");
        assert_eq!(summary.targets.keys().copied().collect::<Vec<_>>(), [RDNA1, RDNA2], "{form}");
    }
}

#[test]
fn a_target_in_some_bundles_alone_is_partial() {
    let both = bundle(&[HOST, GFX1010, GFX1030]);
    let one = bundle(&[HOST, GFX1030]);
    let summary = read(&library(".hip_fatbin", &[both, one.clone(), compressed(2, 1, &one)]));
    assert_eq!(summary.bundles, 3);
    assert_eq!(summary.coverage(RDNA1), CodeCoverage::Partial);
    assert_eq!(summary.coverage(RDNA2), CodeCoverage::Full);
    assert_eq!(summary.coverage(GfxTarget::new(9, 0, 6)), CodeCoverage::None);
}

#[test]
fn what_is_no_gfx_target_is_listed_apart() {
    let summary = read(&library(
        ".hip_fatbin",
        &[bundle(&[
            HOST,
            OLD,
            "hipv4-amdgcn-amd-amdhsa--gfx10-3-generic",
            "hip-spirv64-amd-amdhsa--amdgcnspirv",
        ])],
    ));
    assert_eq!(summary.targets.keys().copied().collect::<Vec<_>>(), [GfxTarget::new(9, 0, 6)]);
    assert_eq!(summary.other.len(), 2, "{:?}", summary.other);
}

#[test]
fn a_library_without_gpu_code_has_no_summary() {
    assert_eq!(summarize_bundles(&library(".data", &[vec![1, 2, 3]])), Ok(None));
}

/// Cut anywhere: an error that says where, never a panic, and never a target that is not there.
#[test]
fn every_cut_ends_in_an_error_or_in_less() {
    let whole = library(
        ".hip_fatbin",
        &[bundle(&[HOST, GFX1010]), compressed(3, 1, &bundle(&[HOST, GFX1030]))],
    );
    for length in 0..whole.len() {
        match summarize_bundles(&&whole[..length]) {
            Ok(summary) => assert_eq!(summary, None, "cut at {length}"),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

/// A header that promises a gigabyte costs what is there.
#[test]
fn a_bomb_is_not_unpacked() {
    let bomb = compressed(3, 1, &vec![0; 64 << 20]);
    assert!(bomb.len() < 64 << 10, "{} bytes", bomb.len());
    let error = summarize_bundles(&library(".hip_fatbin", &[bomb])).unwrap_err();
    assert!(error.to_string().contains("magic"), "{error}");
}
