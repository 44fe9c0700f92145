//! What the search finds on made-up machines, how many questions that takes, and that it can be interrupted anywhere.

use super::model_runner::{Failing, ModelRunner, TIME_OUT, candidate, set, test};
use super::*;
use crate::candidates::processor;
use proptest::prelude::*;
use rmcp_model::{
    Candidate, Knob, Outcome, Row, Test, TrialDevice, TrialMatrix, TrialVerdict, Way,
};

fn device(simulated: bool) -> TrialDevice {
    TrialDevice { name: "RX 5600 XT".to_owned(), gfx: Some("gfx1010".to_owned()), simulated }
}

fn run(candidates: &[Candidate], tests: &[Test], runner: &mut ModelRunner) -> TrialMatrix {
    run_with(candidates, tests, false, runner)
}

fn run_with(
    candidates: &[Candidate],
    tests: &[Test],
    whole: bool,
    runner: &mut ModelRunner,
) -> TrialMatrix {
    search(&Search { device: device(false), tests, candidates, repeats: 3, whole }, runner)
}

/// Candidates `c0`, `c1` and so on, each of which sets one variable, and the processor.
fn singles(count: usize) -> Vec<Candidate> {
    let mut all: Vec<Candidate> =
        (0..count).map(|at| candidate(&format!("c{at}"), vec![one(at)])).collect();
    all.push(processor());
    all
}

fn one(at: usize) -> Knob {
    set(&format!("V{at}"), "1")
}

fn ids(candidates: &[Candidate]) -> Vec<&str> {
    candidates.iter().map(|one| one.id.as_str()).collect()
}

fn row<'a>(matrix: &'a TrialMatrix, id: &str) -> &'a Row {
    matrix.rows.iter().find(|row| row.candidate.id == id).unwrap()
}

#[test]
fn what_works_is_left_alone() {
    let tests = [test("basic"), test("conv")];
    let mut runner = ModelRunner::default();
    let matrix = run(&singles(3), &tests, &mut runner);
    assert_eq!(matrix.verdict, TrialVerdict::WorksAlready);
    assert_eq!(runner.asked.len(), 6);
    assert_eq!(
        matrix.sentence,
        "All 2 tests pass as the machine is, each in at least 3 of 3 runs."
    );
    let untouched = &row(&matrix, "c0").cells[0];
    assert_eq!(untouched.outcome.what(), Some("everything passes as the machine is"));
}

#[test]
fn the_first_candidate_that_is_enough_ends_the_search() {
    let tests = [test("basic"), test("conv")];
    let mut runner = ModelRunner::default().need(&tests[1], vec![one(1)], Failing::Crash);
    let matrix = run(&singles(4), &tests, &mut runner);
    assert_eq!(matrix.verdict, TrialVerdict::Fixed);
    assert_eq!(ids(&matrix.minimal), ["c1"]);
    // Three runs of each as it is, one that fails with c0, two passes of both with c1, three more of what failed.
    assert_eq!(runner.asked.len(), 6 + 1 + 4 + 3);
    let cells = &row(&matrix, "c0").cells;
    assert_eq!((cells[1].k, cells[1].n), (0, 1));
    assert_eq!(cells[0].outcome.what(), Some("another test had failed"));
    assert_eq!(row(&matrix, "c3").cells[0].outcome.what(), Some("not needed: enough is with c1"));
    assert_eq!(
        matrix.sentence,
        "With this all 2 tests pass, each in at least 2 of 2 runs: with c1; as the machine is, 1 of 2 tests fails. By hand: `export V1=1`."
    );
}

#[test]
fn two_faults_need_two_fixes() {
    let tests = [test("basic"), test("conv"), test("training")];
    // Two tests with a fault each, and one test with two.
    let apart = ModelRunner::default().need(&tests[0], vec![one(2)], Failing::Crash).need(
        &tests[1],
        vec![one(5)],
        Failing::WrongNumbers,
    );
    let both = ModelRunner::default().need(&tests[0], vec![one(2), one(5)], Failing::Crash);
    for mut runner in [apart, both] {
        let matrix = run(&singles(8), &tests, &mut runner);
        assert_eq!(matrix.verdict, TrialVerdict::Fixed);
        assert_eq!(ids(&matrix.minimal), ["c2", "c5"]);
    }
}

#[test]
fn candidates_that_contradict_each_other_are_never_tried_together() {
    let tests = [test("basic")];
    let value = |value| vec![set("OVERRIDE", value)];
    let candidates = [
        candidate("unset", vec![Knob::Unset { name: "OVERRIDE".to_owned() }]),
        candidate("first", value("10.3.0")),
        candidate("second", value("10.1.0")),
        candidate("other", vec![one(0)]),
    ];
    let needed = vec![set("OVERRIDE", "10.1.0"), one(0)];
    let mut runner = ModelRunner::default().need(&tests[0], needed, Failing::Crash);
    let matrix = run(&candidates, &tests, &mut runner);
    assert_eq!(ids(&matrix.minimal), ["second", "other"]);
    let overrides =
        |knobs: &[Knob]| knobs.iter().filter(|knob| knob.to_string().contains("OVERRIDE")).count();
    assert!(runner.asked.iter().all(|question| overrides(&question.knobs) <= 1));
}

/// A convolution without any solver fails, and switches of solvers are candidates like others.
#[test]
fn solvers_are_not_all_left_out_at_once() {
    let tests = [test("basic"), test("conv")];
    let off = |at: usize| set(&format!("MIOPEN_DEBUG_CONV_{at}"), "0");
    let mut candidates: Vec<Candidate> =
        (0..3).map(|at| candidate(&format!("family{at}"), vec![off(at)])).collect();
    candidates.push(candidate("other", vec![one(0)]));
    let harmful = vec![(0..3).map(off).collect::<Vec<Knob>>()];
    let fresh = ModelRunner { harmful, ..ModelRunner::default() };
    // Nothing alone mends the one test.
    let mut hidden = fresh.clone().need(&tests[0], vec![off(1), one(0)], Failing::Crash);
    let matrix = run(&candidates, &tests, &mut hidden);
    assert_eq!(ids(&matrix.minimal), ["family1", "other"]);
    // Two families at fault in two tests.
    let mut seen = fresh.need(&tests[0], vec![off(0)], Failing::Crash).need(
        &tests[1],
        vec![off(2)],
        Failing::Crash,
    );
    let matrix = run(&candidates, &tests, &mut seen);
    assert_eq!(ids(&matrix.minimal), ["family0", "family2"]);
}

#[test]
fn a_part_of_a_candidate_can_be_enough() {
    let tests = [test("basic")];
    let many: Vec<Knob> = (0..9).map(one).collect();
    let mut runner = ModelRunner::default().need(&tests[0], vec![one(4)], Failing::Crash);
    let matrix = run(&[candidate("many", many)], &tests, &mut runner);
    assert_eq!(matrix.verdict, TrialVerdict::Fixed);
    assert_eq!(matrix.minimal[0].knobs, [one(4)]);
    assert!(matrix.sentence.contains("`rmcp apply variable V4=1`"), "{}", matrix.sentence);
}

#[test]
fn single_precision_is_no_fix_and_no_fix_is_missed_for_it() {
    let tests = [test("half")];
    let mut candidates = vec![candidate("single-precision", vec![Knob::SinglePrecision])];
    candidates.extend(singles(3));
    let needs = |knobs| ModelRunner::default().need(&tests[0], knobs, Failing::Crash);
    let matrix = run(&candidates, &tests, &mut needs(vec![one(0), one(2)]));
    assert_eq!((ids(&matrix.minimal), matrix.verdict), (vec!["c0", "c2"], TrialVerdict::Fixed));
    let matrix = run_with(&candidates, &tests, true, &mut needs(vec![one(1)]));
    assert_eq!(ids(&matrix.minimal), ["c1"]);
    assert_eq!(row(&matrix, "single-precision").cells[0].outcome, Outcome::Passed);
    let matrix = run(&candidates, &tests, &mut needs(vec![one(99)]));
    assert_eq!(matrix.verdict, TrialVerdict::NothingHelps);
    let words = "In single precision everything passes: half precision alone is at fault. By hand: in the program `torch.float32`";
    assert!(matrix.sentence.contains(words), "{}", matrix.sentence);
}

#[test]
fn the_processor_is_no_fix() {
    let tests = [test("basic")];
    let mut runner = ModelRunner::default().need(&tests[0], vec![one(99)], Failing::Crash);
    let matrix = run(&singles(2), &tests, &mut runner);
    assert_eq!(matrix.verdict, TrialVerdict::NothingHelps);
    assert_eq!(row(&matrix, "processor").cells[0].outcome, Outcome::Passed);
    assert_eq!(
        matrix.sentence,
        "None of 2 candidates that could be tried here helps, alone or together: as the machine is, 1 of 1 test fails. On the processor everything passes: that is the last resort, and no fix of the GPU."
    );
}

#[test]
fn what_helps_a_part_is_named_and_claims_no_more() {
    let tests = [test("basic"), test("conv")];
    let mut runner = ModelRunner::default().need(&tests[0], vec![one(1)], Failing::Crash).need(
        &tests[1],
        vec![one(99)],
        Failing::Crash,
    );
    let matrix = run(&singles(3), &tests, &mut runner);
    assert_eq!(matrix.verdict, TrialVerdict::Improved);
    assert_eq!(matrix.minimal, []);
    assert!(
        matrix.sentence.contains("1 of these passes with this: with c1"),
        "{}",
        matrix.sentence
    );
}

#[test]
fn a_hang_costs_its_time_once_for_each_candidate_and_never_more() {
    let tests = [test("basic"), test("hang")];
    let mut runner = ModelRunner::default().need(&tests[1], vec![one(1)], Failing::Hang);
    let matrix = run(&singles(2), &tests, &mut runner);
    assert_eq!(matrix.verdict, TrialVerdict::Fixed);
    // As it is, and with the one candidate that changes nothing.
    assert!(runner.spent < 2.0 * TIME_OUT + 20.0, "{} seconds", runner.spent);
    assert_eq!(row(&matrix, "as-is").cells[1].n, 1);
    // A test that was seen to fail once alone has to pass three times.
    assert_eq!(row(&matrix, "c1").cells[1].k, 3);
}

#[test]
fn what_fails_now_and_then_is_seldom_mended_by_luck() {
    let tests = [test("flaky")];
    let (mut right, mut wrong) = (0, 0);
    for seed in 0..200 {
        let mut runner = ModelRunner { seed, ..ModelRunner::default() };
        runner = runner.need(&tests[0], vec![one(3)], Failing::Flaky(60));
        let matrix = run(&singles(8), &tests, &mut runner);
        match matrix.verdict {
            TrialVerdict::Fixed if ids(&matrix.minimal) == ["c3"] => right += 1,
            TrialVerdict::Fixed => wrong += 1,
            // Three passes in a row happen too, in a fifth of all cases.
            TrialVerdict::WorksAlready => assert_eq!(row(&matrix, "as-is").cells[0].k, 3),
            other => panic!("seed {seed}: {other:?}"),
        }
    }
    assert!(right >= 140 && wrong <= 10, "{right} right, {wrong} wrong");
}

#[test]
fn what_was_skipped_is_no_pass() {
    let tests = [test("basic"), test("absent")];
    let mut runner = ModelRunner { skipped: vec![tests[1].clone()], ..ModelRunner::default() };
    let matrix = run(&singles(2), &tests, &mut runner);
    assert_eq!(matrix.verdict, TrialVerdict::WorksAlready);
    assert!(matrix.sentence.contains("1 test could not be run here"), "{}", matrix.sentence);
    let mut nothing = ModelRunner { skipped: tests.to_vec(), ..ModelRunner::default() };
    let matrix = run(&singles(2), &tests, &mut nothing);
    assert_eq!(matrix.verdict, TrialVerdict::Unknown);
    assert_eq!(
        matrix.sentence,
        "Nothing is known of the GPU: no test could be run on it. The first says: not here."
    );
}

#[test]
fn what_cannot_be_tried_here_is_shown_with_its_command() {
    let tests = [test("basic")];
    let mut candidates = singles(1);
    let command = "rmcp apply kernel-parameter iommu=pt --inert".to_owned();
    candidates.push(Candidate { way: Way::Apply { command }, ..candidate("kernel", Vec::new()) });
    let mut runner = ModelRunner::default().need(&tests[0], vec![one(9)], Failing::Crash);
    let matrix = run(&candidates, &tests, &mut runner);
    let cell = &row(&matrix, "kernel").cells[0];
    assert_eq!(
        cell.outcome.what(),
        Some("the machine has to be changed first: rmcp apply kernel-parameter iommu=pt --inert")
    );
    assert_eq!(cell.n, 0);
}

#[test]
fn a_simulated_card_proves_nothing_of_silicon() {
    let tests = [test("basic")];
    let candidates = singles(1);
    let what = Search {
        device: device(true),
        tests: &tests,
        candidates: &candidates,
        repeats: 3,
        whole: false,
    };
    let matrix = search(&what, &mut ModelRunner::default());
    assert!(matrix.sentence.ends_with("says nothing of silicon."), "{}", matrix.sentence);
}

#[test]
fn the_whole_matrix_has_every_cell() {
    let tests = [test("basic"), test("conv")];
    let mut runner = ModelRunner::default().need(&tests[1], vec![one(0)], Failing::Crash);
    let matrix = run_with(&singles(3), &tests, true, &mut runner);
    assert_eq!(ids(&matrix.minimal), ["c0"]);
    for row in &matrix.rows {
        assert!(row.cells.iter().all(|cell| cell.n > 0), "{}", row.candidate.id);
    }
}

#[test]
fn a_question_is_named_like_its_candidate() {
    let candidates = singles(2);
    let question = |knobs| Question { knobs, test: test("basic"), repeat: 0 }.title(&candidates);
    assert_eq!(question(vec![one(1)]), "with c1");
    assert_eq!(question(Vec::new()), "the machine as it is");
    assert_eq!(question(vec![one(0), one(1)]), "V0=1 and V1=1");
}

#[test]
fn a_dry_run_says_what_it_will_cost() {
    let tests = [test("basic"), test("conv")];
    let candidates = singles(3);
    let what = Search {
        device: device(false),
        tests: &tests,
        candidates: &candidates,
        repeats: 3,
        whole: false,
    };
    let cost = expected(&what, |_| 2.0);
    assert_eq!((cost.least.runs, cost.likely.runs, cost.most.runs), (6, 10, 18));
    assert_eq!(cost.least.seconds, 12.0);
}

/// A test needs some of the candidates; several tests may need different ones.
fn machines() -> impl Strategy<Value = (usize, Vec<Vec<usize>>, u64)> {
    (2_usize..=12).prop_flat_map(|count| {
        let needs = proptest::collection::btree_set(0..count, 0..=4.min(count));
        let needs = needs.prop_map(|needs| needs.into_iter().collect::<Vec<usize>>());
        (Just(count), proptest::collection::vec(needs, 1..=3), any::<u64>())
    })
}

fn made_up(needs: &[Vec<usize>], seed: u64) -> (Vec<Test>, ModelRunner) {
    let tests: Vec<Test> = (0..needs.len()).map(|at| test(&format!("t{at}"))).collect();
    let ways = [Failing::Crash, Failing::Hang, Failing::WrongNumbers];
    let mut runner = ModelRunner { seed, ..ModelRunner::default() };
    for (at, (test, needed)) in tests.iter().zip(needs).enumerate() {
        let knobs: Vec<Knob> = needed.iter().map(|at| one(*at)).collect();
        let way = ways[(usize::try_from(seed % 3).unwrap() + at) % 3];
        runner = runner.need(test, knobs, way);
    }
    (tests, runner)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_found_is_enough_and_nothing_of_it_can_be_left_out(
        (count, needs, seed) in machines(),
    ) {
        let (tests, mut runner) = made_up(&needs, seed);
        let candidates = singles(count);
        let matrix = run(&candidates, &tests, &mut runner);
        let found: Vec<Knob> = matrix.minimal.iter().flat_map(|one| one.knobs.clone()).collect();
        let broken = needs.iter().any(|needs| !needs.is_empty());
        prop_assert_eq!(matrix.verdict == TrialVerdict::Fixed, broken);
        prop_assert!(runner.is_enough(&found));
        for left_out in 0..found.len() {
            let mut fewer = found.clone();
            fewer.remove(left_out);
            prop_assert!(!runner.is_enough(&fewer), "{found:?}");
        }
        let mut asked = runner.asked.clone();
        asked.sort();
        asked.dedup();
        prop_assert_eq!(asked.len(), runner.asked.len(), "a question was asked twice");
        // The bound of the module: baseline, each candidate alone, growing unions, delta debugging, each with at
        // most three passes of each test.
        let (sets, t) = (count + 5 + count * count + 3 * count, tests.len());
        prop_assert!(runner.asked.len() <= 6 * t + 3 * t * sets + 3 * t);
    }

    #[test]
    fn a_verdict_before_the_end_claims_only_what_was_seen(
        (count, needs, seed) in machines(),
        stop in 0_usize..60,
    ) {
        let (tests, mut runner) = made_up(&needs, seed);
        runner.time = Some(stop);
        let matrix = run(&singles(count), &tests, &mut runner);
        let found: Vec<Knob> = matrix.minimal.iter().flat_map(|one| one.knobs.clone()).collect();
        match matrix.verdict {
            TrialVerdict::Fixed => prop_assert!(runner.is_enough(&found)),
            TrialVerdict::WorksAlready => prop_assert!(runner.is_enough(&[])),
            TrialVerdict::Improved | TrialVerdict::NothingHelps | TrialVerdict::Unknown => {}
        }
    }
}

proptest! {
    // Each case runs the search twice for every question that it asks.
    #![proptest_config(ProptestConfig { cases: 30, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_can_be_interrupted_at_every_run_and_goes_on(
        (count, needs, seed) in machines(),
        flaky in any::<bool>(),
    ) {
        let (tests, mut fresh) = made_up(&needs, seed);
        if flaky {
            fresh = fresh.need(&tests[0], vec![one(0)], Failing::Flaky(50));
        }
        let candidates = singles(count);
        let mut whole = fresh.clone();
        let expected = run(&candidates, &tests, &mut whole);
        for stop in 0..whole.asked.len() {
            let mut first = ModelRunner { time: Some(stop), ..fresh.clone() };
            run(&candidates, &tests, &mut first);
            prop_assert_eq!(&first.asked[..], &whole.asked[..stop]);
            let mut second = ModelRunner { store: first.store, ..fresh.clone() };
            let again = run(&candidates, &tests, &mut second);
            prop_assert_eq!(&second.asked, &whole.asked);
            prop_assert_eq!(again, expected.clone());
        }
    }
}

mod solvers {
    use super::*;
    use std::iter::once;

    /// Families `f0`, `f1` and so on, of so many solvers each.
    fn families(sizes: &[usize]) -> Vec<Solver> {
        let family_off = |family: usize| set(&format!("F{family}"), "0");
        let all = 0..sizes.len();
        sizes
            .iter()
            .enumerate()
            .map(|(family, size)| {
                let others = all.clone().filter(|other| *other != family).map(family_off);
                let single = |at: usize| Solver {
                    off: Some(candidate(&format!("f{family}s{at}"), vec![solver_off(family, at)])),
                    alone: vec![candidate(
                        &format!("f{family}s{at}-alone"),
                        vec![set("ONLY", &format!("f{family}s{at}"))],
                    )],
                    solvers: Vec::new(),
                };
                Solver {
                    off: Some(candidate(&format!("f{family}"), vec![family_off(family)])),
                    alone: vec![candidate(&format!("f{family}-alone"), others.collect())],
                    solvers: (0..*size).map(single).collect(),
                }
            })
            .collect()
    }

    fn solver_off(family: usize, at: usize) -> Knob {
        set(&format!("F{family}S{at}"), "0")
    }

    /// A convolution that tries every solver that is on, of which some crash.
    #[derive(Clone)]
    struct Convolution {
        sizes: Vec<usize>,
        faulty: Vec<(usize, usize)>,
        /// A faulty solver passes so many times of hundred.
        luck: u32,
        asked: usize,
    }

    impl Runner for Convolution {
        fn run(&mut self, question: &Question) -> Option<rmcp_model::Attempt> {
            self.asked += 1;
            let knobs = &question.knobs;
            let is_on = |family: usize, at: usize| {
                let only = knobs.iter().find_map(|knob| match knob {
                    Knob::Set { name, value } if name == "ONLY" => Some(value.clone()),
                    _ => None,
                });
                only.is_none_or(|only| only == format!("f{family}s{at}"))
                    && !knobs.contains(&set(&format!("F{family}"), "0"))
                    && !knobs.contains(&solver_off(family, at))
            };
            let on: Vec<(usize, usize)> = (0..self.sizes.len())
                .flat_map(|family| (0..self.sizes[family]).map(move |at| (family, at)))
                .filter(|(family, at)| is_on(*family, *at))
                .collect();
            let lucky =
                (question.repeat * 37 + u32::try_from(self.asked).unwrap() * 11) % 100 < self.luck;
            let outcome = if on.is_empty() {
                Outcome::Failed { code: 1, what: "no suitable algorithm".to_owned() }
            } else if on.iter().any(|solver| self.faulty.contains(solver)) && !lucky {
                super::super::model_runner::crash()
            } else {
                Outcome::Passed
            };
            Some(rmcp_model::Attempt {
                checks: 1,
                seconds: 1.0,
                ..rmcp_model::Attempt::without_run(outcome)
            })
        }
    }

    fn bisect(sizes: &[usize], faulty: &[(usize, usize)], luck: u32) -> (Bisection, usize) {
        let mut runner =
            Convolution { sizes: sizes.to_vec(), faulty: faulty.to_vec(), luck, asked: 0 };
        let tests = [test("conv")];
        let found = bisect_solvers(&families(sizes), &tests, 3, &mut runner);
        (found, runner.asked)
    }

    #[test]
    fn one_faulty_solver_is_found() {
        let (found, _) = bisect(&[4, 6, 3], &[(1, 2)], 0);
        assert_eq!(ids(&found.guilty), ["f1s2"]);
        assert!(!found.over);
        let alone = |id: &str| {
            let row = found.rows.iter().find(|row| row.candidate.id == id).unwrap();
            row.cells[0].outcome.word()
        };
        // Every solver of the family by itself.
        assert_eq!(alone("f1s2-alone"), "crashed");
        assert_eq!(alone("f1s0-alone"), "passed");
    }

    #[test]
    fn two_faulty_solvers_are_found_in_one_family_and_in_two() {
        let (found, _) = bisect(&[4, 6, 3], &[(1, 2), (1, 5)], 0);
        assert_eq!(ids(&found.guilty), ["f1s2+f1s5"]);
        let (found, _) = bisect(&[4, 6, 3], &[(0, 3), (2, 1)], 0);
        assert_eq!(ids(&found.guilty), ["f0s3", "f2s1"]);
    }

    #[test]
    fn a_solver_that_fails_now_and_then_is_found() {
        let (found, _) = bisect(&[4, 6, 3], &[(1, 2)], 40);
        assert_eq!(ids(&found.guilty), ["f1s2"]);
    }

    #[test]
    fn a_family_without_single_switches_stays_off_as_a_whole() {
        let mut all = families(&[2, 3]);
        all[1].solvers.clear();
        let mut runner = Convolution { sizes: vec![2, 3], faulty: vec![(1, 0)], luck: 0, asked: 0 };
        let found = bisect_solvers(&all, &[test("conv")], 3, &mut runner);
        assert_eq!(ids(&found.guilty), ["f1"]);
    }

    #[test]
    fn every_solver_has_a_row_of_its_own() {
        let mut runner = Convolution { sizes: vec![2, 3], faulty: vec![(1, 2)], luck: 0, asked: 0 };
        let driver = Test { tool: rmcp_model::Tool::Miopen, ..test("conv") };
        let rows = run_each_solver(&families(&[2, 3]), &[driver, test("conv")], &mut runner);
        let words: Vec<(&str, &str, &str)> = rows
            .iter()
            .map(|row| {
                let cells = [&row.cells[0], &row.cells[1]].map(|cell| cell.outcome.word());
                (row.candidate.id.as_str(), cells[0], cells[1])
            })
            .collect();
        let (good, bad) = (("passed", "not run"), ("crashed", "not run"));
        let expected = [
            ("f0-alone", good),
            ("f0s0-alone", good),
            ("f0s1-alone", good),
            ("f1-alone", bad),
            ("f1s0-alone", good),
            ("f1s1-alone", good),
            ("f1s2-alone", bad),
        ];
        assert_eq!(words, expected.map(|(id, (driver, torch))| (id, driver, torch)));
        assert_eq!(runner.asked, 7);
    }

    #[test]
    fn the_matrix_names_the_solver_and_nothing_wider() {
        let sizes = [4, 6, 3];
        let faulty = vec![(1, 2)];
        let mut runner = Convolution { sizes: sizes.to_vec(), faulty, luck: 0, asked: 0 };
        let tests = [test("conv")];
        let all = families(&sizes);
        let candidates: Vec<Candidate> =
            all.iter().filter_map(|family| family.off.clone()).collect();
        let what = Search {
            device: device(false),
            tests: &tests,
            candidates: &candidates,
            repeats: 3,
            whole: false,
        };
        let mut matrix = search(&what, &mut runner);
        assert_eq!(ids(&matrix.minimal), ["f1"]);
        assert!(solvers_may_be_at_fault(&matrix, &all));
        let rows = matrix.rows.len();
        let found = bisect_solvers(&all, &tests, 3, &mut runner);
        name_solvers(&mut matrix, found);
        assert_eq!(matrix.verdict, TrialVerdict::Fixed);
        assert_eq!(ids(&matrix.minimal), ["f1s2"]);
        assert!(matrix.rows.len() > rows);
        let mut names: Vec<&str> =
            matrix.rows.iter().map(|row| row.candidate.id.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), matrix.rows.len());
        assert!(
            matrix.sentence.contains("MIOpen's fault is found: with f1s2"),
            "{}",
            matrix.sentence
        );
    }

    #[test]
    fn solvers_are_not_blamed_where_something_else_mends_it() {
        let tests = [test("conv")];
        let mut runner = ModelRunner::default().need(&tests[0], vec![one(1)], Failing::Crash);
        let matrix = run(&singles(2), &tests, &mut runner);
        assert!(!solvers_may_be_at_fault(&matrix, &families(&[2, 2])));
    }

    #[test]
    fn where_no_solver_is_at_fault_none_is_blamed() {
        // All of them fail: the fault is elsewhere.
        let every: Vec<(usize, usize)> = (0..2).chain(once(2)).map(|at| (0, at)).collect();
        let (found, _) = bisect(&[3], &every, 0);
        assert_eq!(found.guilty, []);
        let (found, asked) = bisect(&[3, 3], &[], 0);
        assert_eq!((found.guilty.len(), asked), (0, 3));
    }
}
