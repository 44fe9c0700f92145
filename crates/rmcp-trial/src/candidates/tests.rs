//! The candidates of machines of `testdata`, as reviewed.

use super::*;
use rmcp_diagnose::diagnose;
use rmcp_host::log::LogScanner;
use rmcp_host::{Caller, Machine};
use rmcp_model::Way;
use std::path::Path;

fn candidates_of(machine: &str, present: &Present) -> Vec<Candidate> {
    let knowledge = Knowledge::embedded();
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/machines").join(machine);
    let opened = Machine::at(&folder, &Caller::default(), knowledge).unwrap();
    let host = opened.read(knowledge, &LogScanner::new(knowledge), &[]);
    candidates(&host, &diagnose(&host, knowledge), knowledge, present)
}

fn shown(candidates: &[Candidate]) -> String {
    let mut out = String::new();
    for one in candidates {
        let knobs: Vec<String> = one.knobs.iter().map(ToString::to_string).collect();
        let wishes: Vec<String> = one.wishes.iter().map(ToString::to_string).collect();
        out += &format!("{}: {}\n", one.id, one.title);
        for (name, value) in [
            ("knobs", knobs.join(", ")),
            ("why", one.why.clone()),
            ("wishes", wishes.join("; ")),
            (
                "way",
                match &one.way {
                    Way::Here => String::new(),
                    Way::Apply { command } => command.clone(),
                    Way::Environment { how } => how.clone(),
                },
            ),
        ] {
            if !value.is_empty() {
                out += &format!("    {name}: {value}\n");
            }
        }
    }
    out
}

fn all_tools() -> Present {
    Present {
        tools: vec![Tool::Torch, Tool::Hip, Tool::Miopen, Tool::Rocblas],
        ..Present::default()
    }
}

#[test]
fn machines_have_the_candidates_that_were_reviewed() {
    for machine in
        ["rx5600xt-override-torch", "rx6700xt-override-ok", "rx6600-no-override", "no-gpu"]
    {
        insta::assert_snapshot!(machine, shown(&candidates_of(machine, &all_tools())));
    }
}

#[test]
fn software_that_is_not_there_has_no_rows() {
    let hip = Present { tools: vec![Tool::Hip], ..Present::default() };
    let rows = candidates_of("rx5600xt-override-torch", &hip);
    let about_miopen: Vec<&str> =
        rows.iter().map(|row| row.id.as_str()).filter(|id| id.contains("miopen")).collect();
    assert_eq!(about_miopen, Vec::<&str>::new());
}

#[test]
fn the_library_of_rmcp_is_tried_where_it_is() {
    let with = Present {
        interposer: Some("/usr/lib/rmcp/librmcp_hsa.so".to_owned()),
        policies: vec![("fine".to_owned(), ("RMCP_MEMORY".to_owned(), "fine".to_owned()))],
        ..all_tools()
    };
    let rows = candidates_of("rx5600xt-override-torch", &with);
    let ids: Vec<&str> =
        rows.iter().map(|row| row.id.as_str()).filter(|id| id.starts_with("interposer")).collect();
    assert_eq!(ids, ["interposer", "interposer:fine"]);
}

/// An override of another instruction set is what the earlier investigation died of.
#[test]
fn no_override_of_another_instruction_set_is_tried() {
    let knowledge = Knowledge::embedded();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/machines");
    for machine in std::fs::read_dir(folder).unwrap() {
        let name = machine.unwrap().file_name().into_string().unwrap();
        let folder =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/machines").join(&name);
        let opened = Machine::at(&folder, &Caller::default(), knowledge).unwrap();
        let host = opened.read(knowledge, &LogScanner::new(knowledge), &[]);
        let diagnosis = diagnose(&host, knowledge);
        for row in candidates(&host, &diagnosis, knowledge, &all_tools()) {
            for knob in &row.knobs {
                let rmcp_model::Knob::Set { name: variable, value } = knob else { continue };
                if variable.starts_with(overrides::VARIABLE) {
                    let target = GfxTarget::parse_override(value).unwrap();
                    let cards = diagnosis.gpus.iter().filter_map(|gpu| gpu.gfx);
                    for card in cards {
                        assert!(knowledge.runs(card, target), "{name}: {card} under {value}");
                    }
                }
            }
        }
    }
}

#[test]
fn every_row_has_its_own_name_and_the_order_of_knowledge() {
    let rows = candidates_of("rx5600xt-override-torch", &all_tools());
    let mut ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids[..2], ["as-is", "unset-override"]);
    let before = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), before);
}

#[test]
fn every_solver_can_be_named_and_switched_off() {
    let families = solver_families(Knowledge::embedded());
    assert_eq!(families.len(), 5);
    let singles: usize = families.iter().map(|family| family.solvers.len()).sum();
    assert_eq!(singles, Knowledge::embedded().solver.len());
    let problems = Knowledge::embedded().validate(&rmcp_diagnose::codes::ALL);
    assert_eq!(problems, [], "the switches are no known variables");
}
