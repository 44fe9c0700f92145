//! Runs random single instructions on the interpreter and compares all they leave behind with semantics written
//! for the host from AMD's manuals, apart from the interpreter.
//!
//! A program loads every register that its instruction may touch, runs it, and stores them again: what must stay
//! as it was is compared as well. `RMCP_SEMANTICS_PROGRAMS` asks for more programs for each target and size of
//! wavefront, `RMCP_SEMANTICS_SEED` for others, and `RMCP_SEMANTICS_ONLY` for instructions whose names begin so.
#![allow(clippy::disallowed_methods, reason = "the tests take their size from the environment")]

mod encode;
mod expect;
mod places;
mod program;
mod random;
mod state;

use encode::{Drafter, base_name};
use expect::{Answer, Case, expect};
use program::{Machine, Mode};
use random::Random;
use rmcp_code::isa::format::Format;
use rmcp_code::isa::{Row, Target, Wave};
use rmcp_sim::exec::FaultKind;
use state::{LANES, SCALARS, State, VECTORS, difference};
use std::collections::{BTreeMap, BTreeSet};

/// Programs for each target and size of wavefront, unless the environment asks for others.
const PROGRAMS: usize = 10_000;
/// How often another random case is tried where the manuals leave one open.
const TRIES: usize = 8;

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Instructions that are left out: images, typed buffers, exports, interpolation, and private memory, which needs more
/// than registers.
fn is_candidate(row: &Row) -> bool {
    !matches!(
        row.format,
        Format::Mimg | Format::Exp | Format::Mtbuf | Format::Vintrp | Format::Scratch
    ) && !row.name().starts_with("v_interp")
}

fn random_mode(random: &mut Random) -> Mode {
    // Mostly what compilers ask for.
    let denormals = |random: &mut Random| if random.chance(60) { 3 } else { random.below(4) as u8 };
    Mode {
        denormals32: denormals(random),
        denormals16_64: denormals(random),
        ieee: random.chance(50),
        dx10_clamp: random.chance(70),
    }
}

fn random_state(random: &mut Random, row: &Row) -> State {
    let mut state = State {
        v: [[0; LANES]; VECTORS],
        s: [0; SCALARS],
        vcc: random.next(),
        exec: u64::MAX,
        m0: random.interesting(),
        scc: random.chance(50),
        lds: Vec::new(),
        memory: Vec::new(),
    };
    let wide = row.slots().iter().any(|slot| slot.width == 2);
    for lane in 0..LANES {
        for register in 0..VECTORS {
            state.v[register][lane] = random.interesting();
        }
        if wide {
            let first = random.below(2) as usize;
            for register in (first..VECTORS - 1).step_by(2) {
                let value = random.interesting_long();
                state.v[register][lane] = value as u32;
                state.v[register + 1][lane] = (value >> 32) as u32;
            }
        }
        if random.chance(20) {
            // Equal operands.
            let step = 1 + random.below(2) as usize;
            for register in step..VECTORS {
                if random.chance(50) {
                    state.v[register][lane] = state.v[register - step][lane];
                }
            }
        }
    }
    state.s = std::array::from_fn(|_| random.interesting());
    match random.below(20) {
        0 => state.exec = 0,
        1..=9 => state.exec = random.next(),
        10 => state.exec = 1 << random.below(64),
        _ => {}
    }
    match random.below(6) {
        0 => state.vcc = 0,
        1 => state.vcc = u64::MAX,
        _ => {}
    }
    if row.name().contains("rel") {
        state.m0 = random.below(4) & if row.name().ends_with("b64") { 2 } else { 3 };
        if row.name().contains("_2_") || row.name() == "v_swaprel_b32" {
            state.m0 |= random.below(4) << 16;
        }
    }
    state
}

/// What came of the programs of one target and size of wavefront.
#[derive(Default)]
struct Report {
    programs: usize,
    covered: BTreeSet<&'static str>,
    unknown: BTreeSet<&'static str>,
    unclear: BTreeSet<&'static str>,
    /// Programs that the interpreter refused, of so many.
    unimplemented: BTreeMap<&'static str, usize>,
    tried: BTreeMap<&'static str, usize>,
    failures: BTreeMap<&'static str, (usize, String)>,
}

impl Report {
    fn fail(&mut self, name: &'static str, text: impl FnOnce() -> String) {
        let entry = self.failures.entry(name).or_insert_with(|| (0, text()));
        entry.0 += 1;
    }
}

/// Runs one random case of a row; false where the manuals say nothing of it.
fn try_row(machine: &mut Machine, row: &'static Row, seed: u64, report: &mut Report) -> bool {
    let random = &mut Random::new(seed);
    let (wave, target, lanes) = (machine.wave(), machine.target(), machine.lanes());
    let mode = random_mode(random);
    let mut before = random_state(random, row);
    let mut draft = Drafter::new(random, wave).draft(row);
    places::prepare(random, &mut draft, &mut before, lanes);
    let jumps = matches!(row.name(), "s_setpc_b64" | "s_swappc_b64");
    if jumps {
        places::prepare_jump(random, &mut draft, &mut before, machine.address(false) + 12);
    }
    let mut words = draft.words();
    let name = row.name();
    let instruction = match machine.isa().decode(&words) {
        Ok(instruction) => instruction,
        Err(error) => {
            report.fail(name, || format!("  {words:08x?} does not decode: {error}\n"));
            return true;
        }
    };
    assert_eq!(instruction.name(), name, "{words:08x?}");
    assert_eq!(usize::from(instruction.dwords()), words.len(), "{name} {words:08x?}");
    let address = machine.address(!before.lds.is_empty());
    let case = Case {
        instruction: &instruction,
        word: draft.word,
        address,
        target,
        wave,
        mode,
        before: &before,
    };
    let after = match expect(&case) {
        Answer::Known(after) => after,
        Answer::Unclear => return false,
        Answer::Unknown => {
            report.unknown.insert(name);
            return true;
        }
    };
    if jumps || instruction.branch().is_some() {
        // What a branch jumps over: `s_mov_b32 s15, NOT_TAKEN`.
        words.extend([0xbe8f_03ff, expect::scalar::NOT_TAKEN]);
    }
    report.programs += 1;
    *report.tried.entry(name).or_default() += 1;
    // A panic is a failure like others, of the instruction that is at hand.
    let run = std::panic::AssertUnwindSafe(|| machine.run(&words, mode, &before));
    let Ok(result) = std::panic::catch_unwind(run) else {
        let text = instruction.text(wave).to_string();
        report.fail(name, || format!("  {text}   {words:08x?} (seed {seed:#x}): panics\n"));
        return true;
    };
    let problem = match result {
        Ok(got) => difference(lanes, &before, &after.state, &after.loose, &got),
        Err(fault) if fault.kind == FaultKind::Unimplemented => {
            *report.unimplemented.entry(name).or_default() += 1;
            return true;
        }
        Err(fault) => Some(format!("  {fault}\n")),
    };
    report.covered.insert(name);
    if let Some(problem) = problem {
        report.fail(name, || {
            format!(
                "{} {wave:?} {mode:?}\n  {}   {words:08x?} (seed {seed:#x})\n{problem}",
                target.name(),
                instruction.text(wave)
            )
        });
    }
    true
}

/// Runs the programs of one target and size of wavefront and fails where one differs, or where fewer distinct
/// instructions were covered than before.
fn check(target: Target, wave: Wave, least: usize) {
    let mut machine = Machine::new(target, wave);
    let only = std::env::var("RMCP_SEMANTICS_ONLY").unwrap_or_default();
    let programs =
        from_environment("RMCP_SEMANTICS_PROGRAMS").map_or(PROGRAMS, |count| count as usize);
    let seed = from_environment("RMCP_SEMANTICS_SEED").unwrap_or(1);
    let chosen = |row: &&Row| is_candidate(row) && row.name().starts_with(&only);
    let mut rows: Vec<&'static Row> = machine.isa().rows().filter(chosen).collect();
    assert!(!rows.is_empty(), "no instruction begins with {only}");
    let random =
        &mut Random::new(seed << 8 | (target as u64) << 1 | u64::from(wave == Wave::Wave64));
    for at in (1..rows.len()).rev() {
        rows.swap(at, random.below(at as u32 + 1) as usize);
    }
    let mut report = Report::default();
    // Beyond this many rounds no row has anything left to say.
    for round in 0..programs.div_ceil(rows.len() / 2 + 1) + 4 {
        for row in &rows {
            if report.programs >= programs && round > 0 {
                break;
            }
            let known = (0..TRIES).any(|_| try_row(&mut machine, row, random.next(), &mut report));
            if !known {
                report.unclear.insert(row.name());
            }
        }
    }
    // Fewer programs cover less.
    let whole = only.is_empty() && programs >= PROGRAMS;
    conclude(&report, target, wave, if whole { least } else { 0 });
}

fn conclude(report: &Report, target: Target, wave: Wave, least: usize) {
    let name = target.name();
    let operations: BTreeSet<&str> = report.covered.iter().map(|name| base_name(name)).collect();
    println!(
        "{name} {wave:?}: {} programs, {} instructions ({} operations) covered",
        report.programs,
        report.covered.len(),
        operations.len()
    );
    let (sometimes, never): (Vec<_>, Vec<_>) = report
        .unimplemented
        .iter()
        .map(|(name, count)| (*name, *count))
        .partition(|(name, count)| report.tried[name] > *count);
    println!("never simulated: {:?}", never.iter().map(|(name, _)| name).collect::<Vec<_>>());
    println!("not simulated with some modifiers: {sometimes:?}");
    println!("no expectation: {:?}", report.unknown);
    let never: Vec<_> =
        report.unclear.iter().filter(|name| !report.covered.contains(*name)).collect();
    println!("left open by the manuals: {never:?}");
    let mut text = String::new();
    for (count, failure) in report.failures.values() {
        text += &format!("{failure}  ({count} programs)\n\n");
    }
    let names: Vec<_> = report.failures.keys().collect();
    assert!(text.is_empty(), "{text}{} instructions differ: {names:?}", names.len());
    assert!(
        report.covered.len() >= least,
        "{name} {wave:?}: only {} instructions are covered, {least} were before",
        report.covered.len()
    );
}

macro_rules! checks {
    ($($test:ident $target:ident $wave:ident $least:literal;)*) => {$(
        #[test]
        fn $test() {
            check(Target::$target, Wave::$wave, $least);
        }
    )*};
}

checks! {
    gfx1010_wave32 Gfx1010 Wave32 1490;
    gfx1010_wave64 Gfx1010 Wave64 1500;
    gfx1012_wave32 Gfx1012 Wave32 1500;
    gfx1012_wave64 Gfx1012 Wave64 1515;
    gfx1030_wave32 Gfx1030 Wave32 1500;
    gfx1030_wave64 Gfx1030 Wave64 1515;
}
