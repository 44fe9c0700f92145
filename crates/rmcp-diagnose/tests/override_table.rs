//! The judgement of `HSA_OVERRIDE_GFX_VERSION` for every card of RDNA1 and RDNA2, and the values that people set.

use rmcp_diagnose::{codes, diagnose};
use rmcp_knowledge::Knowledge;
use rmcp_model::{GfxTarget, HostFacts, Origin, Provenance};
use std::collections::BTreeMap;

/// Returns the codes of findings on a machine of which nothing is known but the card and its environment.
fn codes_for(gfx: GfxTarget, name: &str, value: &str) -> Vec<String> {
    let environment = BTreeMap::from([(name.to_owned(), value.to_owned())]);
    let host =
        HostFacts::with_card(gfx, Origin::file("a test"), environment, Provenance::Synthetic);
    diagnose(&host, Knowledge::embedded()).findings.into_iter().map(|found| found.code).collect()
}

fn has(gfx: GfxTarget, value: &str, code: &str) -> bool {
    codes_for(gfx, "HSA_OVERRIDE_GFX_VERSION", value).iter().any(|found| found == code)
}

const RDNA1: [GfxTarget; 4] = [
    GfxTarget::new(10, 1, 0),
    GfxTarget::new(10, 1, 1),
    GfxTarget::new(10, 1, 2),
    GfxTarget::new(10, 1, 3),
];

const RDNA2: [GfxTarget; 7] = [
    GfxTarget::new(10, 3, 0),
    GfxTarget::new(10, 3, 1),
    GfxTarget::new(10, 3, 2),
    GfxTarget::new(10, 3, 3),
    GfxTarget::new(10, 3, 4),
    GfxTarget::new(10, 3, 5),
    GfxTarget::new(10, 3, 6),
];

#[test]
fn rdna1_as_rdna2_is_the_wrong_set() {
    for gfx in RDNA1 {
        for value in ["10.3.0", "10.3.1", "10.3.5"] {
            assert!(has(gfx, value, codes::OVERRIDE_WRONG_ISA), "{gfx} as {value}");
        }
    }
}

#[test]
fn rdna2_as_gfx1030_is_the_right_set() {
    for gfx in RDNA2 {
        assert!(!has(gfx, "10.3.0", codes::OVERRIDE_WRONG_ISA), "{gfx} as 10.3.0");
        assert!(has(gfx, "10.1.0", codes::OVERRIDE_WRONG_ISA), "{gfx} as 10.1.0");
        assert!(has(gfx, "11.0.0", codes::OVERRIDE_STALE), "{gfx} as 11.0.0");
    }
}

/// gfx1011 and gfx1012 have every instruction of gfx1010 and more; gfx1013 adds to gfx1010 too. The other way
/// round instructions are missing.
#[test]
fn within_rdna1_a_larger_set_runs_the_code_of_a_smaller_one() {
    for gfx in RDNA1 {
        assert!(!has(gfx, "10.1.0", codes::OVERRIDE_WRONG_ISA), "{gfx} as 10.1.0");
    }
    assert!(has(RDNA1[0], "10.1.2", codes::OVERRIDE_WRONG_ISA), "gfx1010 lacks dot instructions");
}

#[test]
fn what_the_runtime_does_not_parse_is_malformed() {
    for value in ["gfx1030", "10.3", "10,3,0", "1030", "", "10.3.0.0", "\"10.3.0\"", "10.3.x"] {
        for gfx in [RDNA1[0], RDNA2[2]] {
            assert!(has(gfx, value, codes::OVERRIDE_MALFORMED), "{gfx} with {value:?}");
        }
    }
}

#[test]
fn the_form_for_one_node_reaches_that_node_alone() {
    let wrong = |name: &str| {
        codes_for(RDNA1[0], name, "10.3.0").iter().any(|code| code == codes::OVERRIDE_WRONG_ISA)
    };
    assert!(wrong("HSA_OVERRIDE_GFX_VERSION_1"), "the card is node 1");
    assert!(!wrong("HSA_OVERRIDE_GFX_VERSION_0") && !wrong("HSA_OVERRIDE_GFX_VERSION_2"));
    let codes = codes_for(RDNA1[0], "HSA_OVERRIDE_GFX_VERSION_0", "10.3.0");
    assert!(codes.iter().any(|code| code == codes::OVERRIDE_WRONG_NODE), "{codes:?}");
}

/// Advice is worse than none where it sets what does harm.
#[test]
fn no_next_step_sets_a_wrong_override() {
    let names =
        ["HSA_OVERRIDE_GFX_VERSION", "HSA_OVERRIDE_GFX_VERSION_0", "HSA_OVERRIDE_GFX_VERSION_1"];
    for gfx in RDNA1 {
        for name in names {
            for value in ["10.3.0", "gfx1030", "10.3", "11.0.0", "10.1.0"] {
                let environment = BTreeMap::from([(name.to_owned(), value.to_owned())]);
                let origin = Origin::file("a test");
                let host = HostFacts::with_card(gfx, origin, environment, Provenance::Synthetic);
                for finding in diagnose(&host, Knowledge::embedded()).findings {
                    let next = finding.next.unwrap_or_default();
                    let sets = next.contains("export") && next.contains("=10.3");
                    assert!(!sets, "{gfx} with {name}={value}: {next}");
                }
            }
        }
    }
}
