//! The rules find a row that breaks them: the embedded rows are taken, and one is broken at a time.

use rmcp_knowledge::Knowledge;
use rmcp_knowledge::schema::{SourceKind, confidence_of};
use rmcp_model::{Confidence, GfxTarget};

const CODES: &[&str] = &["override-wrong-isa"];

/// Returns the problems that appear when `break_it` has been at the embedded rows.
fn problems(break_it: impl FnOnce(&mut Knowledge)) -> Vec<String> {
    let mut knowledge = Knowledge::embedded().clone();
    let before: Vec<String> = knowledge.validate(CODES).iter().map(ToString::to_string).collect();
    break_it(&mut knowledge);
    let after = knowledge.validate(CODES);
    after.iter().map(ToString::to_string).filter(|problem| !before.contains(problem)).collect()
}

#[test]
fn each_broken_row_is_named() {
    type Break = fn(&mut Knowledge);
    let cases: [(Break, &str); 14] = [
        (|rows| rows.signature[0].sources.clear(), "has no source"),
        (
            |rows| rows.signature[0].sources.push("no-such".into()),
            "names the unknown source `no-such`",
        ),
        (
            |rows| {
                rows.source.push({
                    let mut source = rows.source[0].clone();
                    source.id = "spare".into();
                    source
                })
            },
            "source spare: is named by no row",
        ),
        (|rows| rows.source.push(rows.source[0].clone()), "stands 2 times"),
        (|rows| rows.chip[0].gfx = Some(GfxTarget::new(99, 0, 0)), "which is no row"),
        (
            |rows| {
                let id = rows.chip[0].pci_ids[0];
                rows.chip[1].pci_ids.push(id);
            },
            "stands 2 times",
        ),
        (|rows| rows.signature[0].near_miss.clear(), "needs a text that matches and a near miss"),
        (
            |rows| rows.signature[0].needles = vec!["GPU".into()],
            "needs needles of at least five bytes",
        ),
        (
            |rows| rows.signature[0].kind_on_amd = Some(rows.signature[0].kind),
            "`kind_on_amd` says nothing new",
        ),
        (|rows| rows.mention[0].matching.clear(), "needs a text that matches and a near miss"),
        (
            |rows| {
                rows.kind.pop();
            },
            "has no row",
        ),
        (|rows| rows.variable[0].cases.clear(), "needs a last case that holds always"),
        (|rows| rows.remedy[0].answers = vec!["no-such-code".into()], "which no diagnosis gives"),
        (|rows| rows.remedy[0].review = "soon".into(), "must be a date"),
    ];
    for (break_it, expected) in cases {
        let found = problems(break_it);
        assert!(found.iter().any(|problem| problem.contains(expected)), "{expected}: {found:?}");
    }
}

#[test]
fn every_problem_is_told_at_once() {
    let found = problems(|rows| {
        rows.signature[0].near_miss.clear();
        rows.remedy[0].undo.clear();
    });
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn confidence_follows_from_the_witnesses() {
    use SourceKind::{Document, Inference, Maintainer, Measured, Report, SourceCode};
    for (kinds, expected) in [
        (&[SourceCode, Report][..], Confidence::High),
        (&[SourceCode, Measured], Confidence::High),
        (&[SourceCode, Maintainer], Confidence::High),
        (&[SourceCode], Confidence::Medium),
        (&[SourceCode, Report, Inference], Confidence::Medium),
        (&[Document], Confidence::Medium),
        (&[Report, Report], Confidence::Low),
        (&[Report, Inference], Confidence::Inferred),
        (&[], Confidence::Inferred),
    ] {
        assert_eq!(confidence_of(kinds), expected, "{kinds:?}");
    }
}

/// The cards that this tool is for, by the names under which people know them.
#[test]
fn cards_are_found_by_name_and_have_their_target() {
    for (name, gfx) in [
        ("rx5700xt", "gfx1010"),
        ("RX 5600 XT", "gfx1010"),
        ("Radeon RX 5500 XT", "gfx1012"),
        ("amd radeon rx 6800 xt", "gfx1030"),
        ("rx6700xt", "gfx1031"),
        ("rx-6600", "gfx1032"),
        ("RX6500XT", "gfx1034"),
    ] {
        let (chip, _) = Knowledge::embedded().card_named(name).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(chip.gfx.map(|gfx| gfx.to_string()).as_deref(), Some(gfx), "{name}");
    }
    assert!(Knowledge::embedded().card_named("RX 5650 GTX").is_none());
}

#[test]
fn code_of_a_smaller_set_runs_on_a_larger_one_and_not_the_other_way() {
    let gfx = |text: &str| text.parse::<GfxTarget>().unwrap();
    for (card, code, runs) in [
        ("gfx1031", "gfx1030", true),
        ("gfx1036", "gfx1030", true),
        ("gfx1012", "gfx1010", true),
        ("gfx1010", "gfx1012", false),
        ("gfx1010", "gfx1030", false),
        ("gfx1030", "gfx1010", false),
        ("gfx1030", "gfx1100", false),
        ("gfx1013", "gfx1010", true),
    ] {
        assert_eq!(Knowledge::embedded().runs(gfx(card), gfx(code)), runs, "{code} on {card}");
    }
}
