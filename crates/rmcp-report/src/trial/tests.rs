//! Every form of the same matrices.

use super::*;
use crate::style::Palette;
use crate::text::Detail;
use rmcp_model::{
    Candidate, Knob, LogKind, Row, Test, Tool, TrialDevice, TrialMatrix, TrialVerdict, Way, Wish,
};

fn candidate(id: &str, title: &str) -> Candidate {
    Candidate {
        id: id.to_owned(),
        title: title.to_owned(),
        knobs: Vec::new(),
        way: Way::Here,
        why: String::new(),
        wishes: Vec::new(),
        sources: Vec::new(),
    }
}

fn cell(workload: &str, tool: Tool, outcome: Outcome, k: u32, n: u32) -> Cell {
    Cell {
        test: Test { workload: workload.to_owned(), tool },
        kind: matches!(outcome, Outcome::Crashed { .. }).then_some(LogKind::ApertureViolation),
        max_rel_error: outcome.passed().then_some(1.5e-6),
        outcome,
        k,
        n,
        seconds: if n > 0 { 0.7 } else { 0.0 },
    }
}

fn crashed() -> Outcome {
    Outcome::Crashed {
        signal: Some(6),
        what: "HSA_STATUS_ERROR_MEMORY_APERTURE_VIOLATION: The agent attempted to access memory beyond the largest legal address. code: 0x29".to_owned(),
    }
}

fn not_run(what: &str) -> Outcome {
    Outcome::NotRun { what: what.to_owned() }
}

/// The matrix of the earlier investigation's card, on the simulated one.
fn earlier() -> TrialMatrix {
    let row = |candidate: Candidate, outcomes: [(Outcome, u32, u32); 4]| {
        let [basic, conv, numbers, eeg] = outcomes;
        let cells = vec![
            cell("basic", Tool::Hip, basic.0, basic.1, basic.2),
            cell("conv", Tool::Hip, conv.0, conv.1, conv.2),
            cell("training", Tool::Hip, numbers.0, numbers.1, numbers.2),
            cell("eeg", Tool::Torch, eeg.0, eeg.1, eeg.2),
        ];
        Row { candidate, cells }
    };
    let absent = || (Outcome::Skipped { what: "PyTorch is not installed".to_owned() }, 0, 0);
    let other = || (not_run("another test had failed"), 0, 0);
    let name = "HSA_OVERRIDE_GFX_VERSION";
    let unset = Candidate {
        knobs: vec![Knob::Unset { name: name.to_owned() }],
        wishes: vec![Wish::UnsetVariable { name: name.to_owned() }],
        ..candidate("unset-override", "without HSA_OVERRIDE_GFX_VERSION=10.3.0")
    };
    let kernel = Candidate {
        way: Way::Apply {
            command: "rmcp apply kernel-parameter amdgpu.vm_fragment_size=9 --inert".to_owned(),
        },
        ..candidate("earlier-kernel-basic", "the kernel parameters of the earlier investigation")
    };
    let passed = |n| (Outcome::Passed, n, n);
    TrialMatrix {
        device: TrialDevice {
            name: "AMD Radeon RX 5600 XT".to_owned(),
            gfx: Some("gfx1010".to_owned()),
            simulated: true,
        },
        rows: vec![
            row(
                candidate("as-is", "the machine as it is"),
                [
                    passed(3),
                    (crashed(), 0, 6),
                    (Outcome::WrongNumbers { what: "gradient[3]".to_owned() }, 4, 10),
                    absent(),
                ],
            ),
            row(
                candidate("cache-off", "all memory uncached (HSA_DISABLE_CACHE=1)"),
                [other(), (crashed(), 0, 1), other(), absent()],
            ),
            row(unset.clone(), [passed(2), passed(2), passed(6), absent()]),
            row(
                candidate("processor", "the processor computes"),
                [
                    (not_run("not needed"), 0, 0),
                    (not_run("not needed"), 0, 0),
                    (not_run("not needed"), 0, 0),
                    absent(),
                ],
            ),
            row(kernel, [
                (not_run("the machine has to be changed first"), 0, 0),
                (not_run("the machine has to be changed first"), 0, 0),
                (not_run("the machine has to be changed first"), 0, 0),
                (not_run("the machine has to be changed first"), 0, 0),
            ]),
        ],
        minimal: vec![unset],
        verdict: TrialVerdict::Fixed,
        sentence: "With this all 3 tests pass, each in at least 2 of 2 runs: without HSA_OVERRIDE_GFX_VERSION=10.3.0; as the machine is, 2 of 3 tests fail. To make it last: `rmcp apply unset-variable HSA_OVERRIDE_GFX_VERSION`. This was measured on a simulated card: it is true of the software, and says nothing of silicon.".to_owned(),
    }
}

/// A matrix in which strangers wrote what they could.
fn hostile() -> TrialMatrix {
    let evil = "]]></failure><a b=\"'&\u{1b}[2J\u{0}\u{ffff}\n|x| =cmd(), \"q\" <img src=x>";
    let mut matrix = earlier();
    evil.clone_into(&mut matrix.device.name);
    evil.clone_into(&mut matrix.sentence);
    for row in &mut matrix.rows {
        evil.clone_into(&mut row.candidate.title);
        row.candidate.id = format!("={evil}");
        for cell in &mut row.cells {
            evil.clone_into(&mut cell.test.workload);
            cell.outcome = match &cell.outcome {
                Outcome::Passed => Outcome::Passed,
                Outcome::Skipped { .. } => Outcome::Skipped { what: evil.to_owned() },
                _ => Outcome::Failed { code: 1, what: evil.to_owned() },
            };
        }
    }
    matrix
}

fn many(tests: usize, rows: usize) -> TrialMatrix {
    let mut matrix = earlier();
    matrix.rows = (0..rows)
        .map(|at| Row {
            candidate: candidate(
                &format!("c{at}"),
                &format!(
                    "candidate number {at} with a title that is far longer than any column can be"
                ),
            ),
            cells: (0..tests)
                .map(|test| cell(&format!("workload-{test}"), Tool::Torch, crashed(), 0, 3))
                .collect(),
        })
        .collect();
    matrix
}

#[test]
fn the_page_is_as_reviewed() {
    let plain = Palette::new(false);
    insta::assert_snapshot!("short", trial_text(&earlier(), Detail::Short, plain));
    insta::assert_snapshot!("full", trial_text(&earlier(), Detail::Full, plain));
}

#[test]
fn the_other_forms_are_as_reviewed() {
    let json = serde_json::to_string_pretty(&trial_json(&earlier())).unwrap();
    insta::assert_snapshot!("json", json);
    insta::assert_snapshot!("markdown", trial_markdown(&earlier()));
    insta::assert_snapshot!("csv", trial_csv(&earlier()).replace("\r\n", "\n"));
    insta::assert_snapshot!("junit", trial_junit(&earlier()));
}

#[test]
fn a_long_matrix_fits_the_width_and_a_screen() {
    let plain = Palette::new(false);
    for detail in [Detail::Short, Detail::Full] {
        for matrix in [many(25, 40), many(1, 3), many(100, 2), earlier(), hostile()] {
            let page = trial_text(&matrix, detail, plain);
            let long = page.lines().find(|line| line.chars().count() > 100);
            assert_eq!(long, None);
        }
    }
    let page = trial_text(&many(10, 60), Detail::Short, plain);
    assert!(page.lines().count() <= 50, "{page}");
}

#[test]
fn a_document_reads_back_to_its_matrix() {
    for matrix in [earlier(), hostile(), many(3, 3)] {
        let document = trial_json(&matrix);
        assert_eq!(trial_from_json(&document).unwrap(), matrix);
        let text = serde_json::to_string(&matrix).unwrap();
        assert_eq!(serde_json::from_str::<TrialMatrix>(&text).unwrap(), matrix);
    }
    let other = serde_json::json!({ "schema": "rmcp.doctor/1" });
    assert!(trial_from_json(&other).unwrap_err().to_string().contains("rmcp.doctor/1"));
}

#[test]
fn nobody_writes_on_the_terminal_or_out_of_his_field() {
    let matrix = hostile();
    let forms = [
        trial_text(&matrix, Detail::Full, Palette::new(false)),
        trial_markdown(&matrix),
        trial_csv(&matrix).replace("\r\n", "\n"),
        trial_junit(&matrix),
        trial_diff(&earlier(), &matrix),
    ];
    for form in &forms {
        let control = form.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(control, None, "{form}");
    }
    let [_, markdown, csv, junit, _] = &forms;
    assert!(!markdown.contains("<img") && !markdown.contains("|x|"), "{markdown}");
    assert!(csv.lines().skip(1).all(|line| !line.contains(",=")), "{csv}");
    assert!(well_formed(junit), "{junit}");
}

/// Enough of an XML reader to see that every tag closes and every quote ends.
fn well_formed(xml: &str) -> bool {
    let mut open: Vec<&str> = Vec::new();
    let body = xml.split_once("?>").map_or(xml, |(_, body)| body);
    for part in body.split('<').skip(1) {
        let Some((tag, text)) = part.split_once('>') else { return false };
        if text.contains(['>', '\u{0}', '\u{ffff}']) || tag.matches('"').count() % 2 != 0 {
            return false;
        }
        let name = tag.trim_matches('/').split(' ').next().unwrap_or_default();
        match (tag.starts_with('/'), tag.ends_with('/')) {
            (true, _) if open.pop() != Some(name) => return false,
            (true, _) | (false, true) => {}
            (false, false) => open.push(name),
        }
    }
    open.is_empty()
}

#[test]
fn what_was_not_run_is_never_passed_to_a_build_server() {
    let junit = trial_junit(&earlier());
    let cases: Vec<&str> = junit.lines().filter(|line| line.contains("<testcase")).collect();
    let passed = cases.iter().filter(|line| line.ends_with("\"/>"));
    // Once as it is, three times without the override.
    assert_eq!(passed.count(), 4);
    assert_eq!(cases.iter().filter(|line| line.contains("<failure")).count(), 3);
    assert_eq!(cases.iter().filter(|line| line.contains("<skipped")).count(), 5 * 4 - 4 - 3);
}

#[test]
fn differences_are_named_and_few_runs_are_called_luck() {
    let (old, mut new) = (earlier(), earlier());
    assert_eq!(trial_diff(&old, &new), "every cell is as before\n");
    new.device.simulated = false;
    new.rows[0].cells[1] = cell("conv", Tool::Hip, Outcome::Passed, 6, 6);
    new.rows[0].cells[2].k = 5;
    new.rows[1].candidate.id = "other".to_owned();
    insta::assert_snapshot!("diff", trial_diff(&old, &new));
}
