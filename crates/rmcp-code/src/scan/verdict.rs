//! From counts to an answer.

use super::collect::ANY;
use crate::isa::Target;
use rmcp_model::{
    GfxTarget, LibraryScan, RuleSeverity, ScanAnswer, ScanCard, ScanVerdict, TargetScan,
};
use std::collections::BTreeMap;

/// Libraries whose folder `library` has files for each target, which together are one library; distributions put the
/// version between. Source: rocBLAS and hipBLASLt, `library/src/CMakeLists.txt` and `tensile_host.cpp`, the default of
/// `ROCBLAS_TENSILE_LIBPATH`; Debian's librocblas4 6.4.4, `rocblas/4.4.1/library`.
const TENSILE_LIBRARIES: [&str; 2] = ["rocblas", "hipblaslt"];

/// Returns the folder of Tensile files that a path lies in.
pub fn is_tensile_folder(path: &str) -> Option<&str> {
    let is_version = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_digit())
            && name.chars().all(|one| one.is_ascii_digit() || one == '.')
    };
    // Where each name before the last, which is the file's, begins and ends.
    let mut names = Vec::new();
    let mut start = 0;
    for (end, _) in path.match_indices('/') {
        names.push((&path[start..end], end));
        start = end + 1;
    }
    names.iter().enumerate().find_map(|(index, (name, end))| {
        let parent = |up: usize| index.checked_sub(up).map(|at| names[at].0);
        let above = match parent(1)? {
            version if is_version(version) => parent(2)?,
            other => other,
        };
        (*name == "library" && TENSILE_LIBRARIES.contains(&above)).then(|| &path[..*end])
    })
}

/// Joins the files of each Tensile folder into one library.
pub fn join_folders(libraries: Vec<LibraryScan>) -> Vec<LibraryScan> {
    let mut joined: BTreeMap<String, LibraryScan> = BTreeMap::new();
    for library in libraries {
        match is_tensile_folder(&library.path) {
            None => {
                joined.insert(library.path.clone(), library);
            }
            Some(folder) => {
                let whole = joined.entry(folder.to_owned()).or_default();
                folder.clone_into(&mut whole.path);
                // A target has few files or many; what counts is whether it has any.
                whole.bundles = 1;
                for kernels in library.listed.values() {
                    *whole.listed.entry(listed_for(&library.path)).or_default() += kernels;
                }
                for (name, target) in &library.targets {
                    let row = whole.targets.entry(name.clone()).or_default();
                    add(row, target);
                    row.bundles = 1;
                }
            }
        }
    }
    joined.into_values().collect()
}

/// The target in the name of a list such as `TensileLibrary_lazy_gfx90a-xnack+.dat`.
fn listed_for(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or_default().trim_end_matches(".dat");
    let last = name.rsplit('_').next().unwrap_or_default();
    match GfxTarget::parse_prefix(last) {
        Some((target, _)) => target.to_string(),
        None => ANY.to_owned(),
    }
}

fn add(row: &mut TargetScan, other: &TargetScan) {
    row.bundles += other.bundles;
    row.objects += other.objects;
    row.hollow += other.hollow;
    row.only_here += other.only_here;
    for (to, from) in [(&mut row.kernels, other.kernels), (&mut row.stubs, other.stubs)] {
        if let Some(from) = from {
            *to.get_or_insert_default() += from;
        }
    }
    let Some(from) = &other.code else { return };
    let to = row.code.get_or_insert_default();
    to.instructions += from.instructions;
    to.undecodable += from.undecodable;
    to.undecodable_kernels += from.undecodable_kernels;
    to.unreadable += from.unreadable;
    for (name, count) in &from.rules {
        let sum = to.rules.entry(name.clone()).or_default();
        sum.kernels += count.kernels;
        sum.sites += count.sites;
    }
    for (severity, kernels) in &from.kernels_by_severity {
        *to.kernels_by_severity.entry(*severity).or_default() += kernels;
    }
}

/// One way in which the card could take code from a library.
struct Way {
    /// Name of the code's target.
    code: String,
    /// The override that it needs.
    needs: Option<GfxTarget>,
    answer: ScanAnswer,
}

/// The ways in which code is right on a card, best first.
fn right_ways(card: &ScanCard) -> Vec<Way> {
    let native = |code: String| Way { code, needs: None, answer: ScanAnswer::Native };
    let mut ways = vec![native(card.gfx.to_string())];
    ways.extend(card.generic.clone().map(native));
    ways.extend(card.runs.iter().map(|&gfx| Way {
        code: gfx.to_string(),
        needs: Some(gfx),
        answer: ScanAnswer::SameInstructionSet,
    }));
    ways
}

/// In how many bundles a target has code. Where all of its kernels are empty, and another target has what is in
/// them, it has none.
fn bundles_with(library: &LibraryScan, code: &str) -> u64 {
    library.targets.get(code).map_or(0, |row| {
        let empty = row.kernels.is_some_and(|kernels| kernels > 0)
            && row.kernels == row.stubs
            && row.hollow > 0;
        if empty { 0 } else { row.bundles }
    })
}

/// Returns whether a card runs a library, and how.
pub fn verdict_of(library: &LibraryScan, card: &ScanCard) -> ScanVerdict {
    let of_bundles = library.bundles;
    let verdict = |answer, way: &Way| ScanVerdict {
        answer,
        code: Some(way.code.clone()),
        gfx_override: way.needs.map(GfxTarget::dotted),
        bundles: bundles_with(library, &way.code),
        of_bundles,
    };
    let ways = right_ways(card);
    let full = |way: &&Way| bundles_with(library, &way.code) >= of_bundles.max(1);
    if let Some(way) = ways.iter().find(full) {
        return verdict(way.answer, way);
    }
    if let Some(way) = ways.iter().find(|way| bundles_with(library, &way.code) > 0) {
        return verdict(ScanAnswer::Partial, way);
    }
    if let Some((name, gfx)) = other_set(library, card) {
        let way = Way { code: name, needs: gfx, answer: ScanAnswer::OtherInstructionSet };
        return verdict(way.answer, &way);
    }
    ScanVerdict {
        answer: ScanAnswer::Nothing,
        code: None,
        gfx_override: None,
        bundles: 0,
        of_bundles,
    }
}

/// The target of another instruction set that an override would most likely be set to: the one with the most
/// code, and among equals the one that was judged.
fn other_set(library: &LibraryScan, card: &ScanCard) -> Option<(String, Option<GfxTarget>)> {
    Target::from_gfx(card.gfx)?;
    let candidates = library.targets.iter().filter_map(|(name, row)| {
        let gfx = name.parse::<GfxTarget>().ok();
        let known = match gfx {
            Some(gfx) => Target::from_gfx(gfx).is_some(),
            None => name.starts_with("gfx10-"),
        };
        let right = gfx.is_some_and(|gfx| gfx == card.gfx || card.runs.contains(&gfx))
            || card.generic.as_ref() == Some(name);
        (known && !right && row.bundles > 0).then_some((name, gfx, row))
    });
    let best = candidates.max_by_key(|(name, gfx, row)| {
        (row.code.is_some(), row.bundles, gfx.is_some(), std::cmp::Reverse((*name).clone()))
    });
    best.map(|(name, gfx, _)| (name.clone(), gfx))
}

/// Returns the verdict on several libraries that one program loads: an override is for all of them. `None` where
/// there are none.
pub fn verdict_of_all(
    libraries: &[(LibraryScan, ScanVerdict)],
    card: &ScanCard,
) -> Option<ScanVerdict> {
    let worst = libraries.iter().max_by_key(|(library, verdict)| {
        let certain = library
            .targets
            .values()
            .filter_map(|row| row.code.as_ref())
            .map(|code| code.kernels_from(RuleSeverity::Certain))
            .max();
        (verdict.answer, certain)
    })?;
    let (with, of) = libraries
        .iter()
        .fold((0, 0), |(with, of), (_, verdict)| (with + verdict.bundles, of + verdict.of_bundles));
    let natively = libraries.iter().all(|(_, verdict)| verdict.answer == ScanAnswer::Native);
    let everywhere = |way: &&Way| {
        libraries.iter().all(|(library, _)| bundles_with(library, &way.code) >= library.bundles)
    };
    let ways = right_ways(card);
    let way = ways.iter().filter(|way| way.answer != ScanAnswer::Native).find(everywhere);
    let mut verdict = ScanVerdict { bundles: with, of_bundles: of, ..worst.1.clone() };
    if natively || worst.1.answer > ScanAnswer::SameInstructionSet {
        return Some(verdict);
    }
    match way {
        Some(way) => {
            verdict.answer = ScanAnswer::SameInstructionSet;
            verdict.code = Some(way.code.clone());
            verdict.gfx_override = way.needs.map(GfxTarget::dotted);
        }
        // Each runs in some way, but no way is right for all of them.
        None => verdict.answer = ScanAnswer::Partial,
    }
    Some(verdict)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(gfx: &str, runs: &[&str]) -> ScanCard {
        let family = if gfx.starts_with("gfx101") { "gfx10-1-generic" } else { "gfx10-3-generic" };
        ScanCard {
            gfx: gfx.parse().unwrap(),
            runs: runs.iter().map(|gfx| gfx.parse().unwrap()).collect(),
            generic: Some(family.to_owned()),
        }
    }

    fn library(path: &str, bundles: u64, targets: &[(&str, u64)]) -> LibraryScan {
        let row = |&(name, bundles): &(&str, u64)| {
            let row = TargetScan { bundles, objects: bundles, ..TargetScan::default() };
            (name.to_owned(), row)
        };
        LibraryScan {
            path: path.to_owned(),
            bundles,
            targets: targets.iter().map(row).collect(),
            listed: BTreeMap::new(),
        }
    }

    #[test]
    fn each_answer_from_the_targets_in_the_bundles() {
        use ScanAnswer::*;
        let navi10 = card("gfx1010", &[]);
        let navi22 = card("gfx1031", &["gfx1030", "gfx1032"]);
        let vega20 = ScanCard { gfx: "gfx906".parse().unwrap(), runs: vec![], generic: None };
        for (card, targets, answer, code, gfx_override) in [
            (&navi10, &[("gfx1010", 2), ("gfx1030", 2)][..], Native, Some("gfx1010"), None),
            (&navi10, &[("gfx10-1-generic", 2)], Native, Some("gfx10-1-generic"), None),
            (&navi10, &[("gfx1010", 1), ("gfx1030", 2)], Partial, Some("gfx1010"), None),
            (
                &navi10,
                &[("gfx1030", 2), ("gfx906", 2)],
                OtherInstructionSet,
                Some("gfx1030"),
                Some("10.3.0"),
            ),
            (&navi10, &[("gfx1100", 2), ("gfx906", 2)], Nothing, None, None),
            (&navi22, &[("gfx1030", 2)], SameInstructionSet, Some("gfx1030"), Some("10.3.0")),
            (
                &navi22,
                &[("gfx1031", 1), ("gfx1032", 2)],
                SameInstructionSet,
                Some("gfx1032"),
                Some("10.3.2"),
            ),
            (&navi22, &[("gfx1010", 2)], OtherInstructionSet, Some("gfx1010"), Some("10.1.0")),
            (&vega20, &[("gfx1030", 2)], Nothing, None, None),
        ] {
            let verdict = verdict_of(&library("x", 2, targets), card);
            let found = (verdict.answer, verdict.code.as_deref(), verdict.gfx_override.as_deref());
            assert_eq!(found, (answer, code, gfx_override), "{} of {targets:?}", card.gfx);
        }
    }

    /// A native object all of whose kernels are empty while another's are not is no native code.
    #[test]
    fn an_object_of_stubs_is_not_native() {
        let card = card("gfx1010", &[]);
        let mut library = library("x", 1, &[("gfx1010", 1), ("gfx1030", 1)]);
        let row = library.targets.get_mut("gfx1010").unwrap();
        (row.kernels, row.stubs, row.hollow) = (Some(3), Some(3), 3);
        assert_eq!(verdict_of(&library, &card).answer, ScanAnswer::OtherInstructionSet);
        let row = library.targets.get_mut("gfx1010").unwrap();
        row.stubs = Some(2);
        assert_eq!(verdict_of(&library, &card).answer, ScanAnswer::Native);
    }

    #[test]
    fn one_override_must_be_right_for_all_libraries() {
        let card = card("gfx1031", &["gfx1030"]);
        let all = |libraries: &[LibraryScan]| {
            let judged: Vec<_> =
                libraries.iter().map(|one| (one.clone(), verdict_of(one, &card))).collect();
            verdict_of_all(&judged, &card).map(|verdict| (verdict.answer, verdict.gfx_override))
        };
        let own = library("own", 1, &[("gfx1031", 1)]);
        let both = library("both", 1, &[("gfx1030", 1), ("gfx1031", 1)]);
        let set = library("set", 1, &[("gfx1030", 1)]);
        assert_eq!(all(&[]), None);
        assert_eq!(all(&[own.clone(), both.clone()]), Some((ScanAnswer::Native, None)));
        let same = Some((ScanAnswer::SameInstructionSet, Some("10.3.0".to_owned())));
        assert_eq!(all(&[both, set.clone()]), same);
        assert_eq!(all(&[own, set]).unwrap().0, ScanAnswer::Partial);
    }

    #[test]
    fn tensile_files_are_one_library() {
        for (path, folder) in [
            ("/opt/rocm/lib/rocblas/library/a.co", Some("/opt/rocm/lib/rocblas/library")),
            ("x.deb!/usr/lib/rocblas/library/gfx1030/a.co", Some("x.deb!/usr/lib/rocblas/library")),
            ("hipblaslt/library/a.hsaco", Some("hipblaslt/library")),
            ("x.deb!/lib/rocblas/4.4.1/library/a.co", Some("x.deb!/lib/rocblas/4.4.1/library")),
            ("/rocblas/other/library/a.co", None),
            ("/4.4.1/library/a.co", None),
            ("/rocblas/library", None),
            ("/opt/rocm/lib/librocblas.so", None),
        ] {
            assert_eq!(is_tensile_folder(path), folder, "{path}");
        }
        let file =
            |name: &str, target| library(&format!("/r/rocblas/library/{name}"), 1, &[(target, 1)]);
        let mut list = library("/r/rocblas/library/TensileLibrary_lazy_gfx1030.dat", 0, &[]);
        list.listed.insert(ANY.to_owned(), 7);
        let joined = join_folders(vec![
            list,
            file("a.co", "gfx1010"),
            file("a.hsaco", "gfx1030"),
            file("b.hsaco", "gfx1030"),
            library("/r/x.so", 2, &[("gfx1030", 2)]),
        ]);
        assert_eq!(joined.len(), 2);
        assert_eq!(joined[0].listed, BTreeMap::from([("gfx1030".to_owned(), 7)]));
        assert_eq!((joined[0].bundles, joined[0].targets["gfx1030"].objects), (1, 2));
        assert_eq!(verdict_of(&joined[0], &card("gfx1010", &[])).answer, ScanAnswer::Native);
    }
}
