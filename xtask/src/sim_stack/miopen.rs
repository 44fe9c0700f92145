//! MIOpen: convolutions by its own `MIOpenDriver`, which compares them with the processor's, solver by solver.

use super::system::{Program, Said, System};
use super::table::{head, row};
use super::verdict::Verdict;
use super::{MACHINES, Machine, Report, on};
use anyhow::{Context as _, Result};
use std::collections::BTreeSet;

/// Where Debian has the driver.
const DRIVER: &str = "/usr/libexec/rocm/libmiopen1-tests/MIOpenDriver";

/// The library, in which the path of its compiler for OpenCL stands.
const LIBRARY: &str = "usr/lib/x86_64-linux-gnu/libMIOpen.so.1";

/// Kinds of convolutions, and their arguments.
const SHAPES: [(&str, &str); 5] = [
    ("3x3", "-n 1 -c 8 -H 14 -W 14 -k 8 -y 3 -x 3 -p 1 -q 1"),
    ("1x1", "-n 1 -c 32 -H 8 -W 8 -k 32 -y 1 -x 1"),
    ("7x7 stride 2", "-n 1 -c 3 -H 32 -W 32 -k 16 -y 7 -x 7 -p 3 -q 3 -u 2 -v 2"),
    ("3x3 stride 2", "-n 1 -c 8 -H 14 -W 14 -k 8 -y 3 -x 3 -p 1 -q 1 -u 2 -v 2"),
    ("3x3, 2 groups", "-n 1 -c 8 -H 14 -W 14 -k 8 -y 3 -x 3 -p 1 -q 1 -g 2"),
];

const DIRECTIONS: [(&str, &str); 3] =
    [("forward", "1"), ("backward data", "2"), ("backward weights", "4")];

const TYPES: [(&str, &str); 2] = [("float", "conv"), ("half", "convfp16")];

/// Variables for every run:
const VARIABLES: [(&str, &str); 4] = [
    // all solvers are asked, and those that would have to be compiled for this shape too,
    ("MIOPEN_FIND_MODE", "NORMAL"),
    // and each time anew;
    ("MIOPEN_DEBUG_DISABLE_FIND_DB", "1"),
    ("MIOPEN_LOG_LEVEL", "6"),
    // the processor checks: the other reference is one of the solvers;
    ("MIOPEN_DRIVER_USE_GPU_REFERENCE", "0"),
];

/// What Debian's build misses to compile anything.
pub(super) fn packaging(system: &System) -> Vec<(&'static str, String)> {
    vec![
        // It asks clang for /usr/include before the headers of C++, which then do not find those of C,
        ("CCC_OVERRIDE_OPTIONS", "# X-isystem".to_owned()),
        // and has no assembler.
        ("MIOPEN_EXPERIMENTAL_GCN_ASM_PATH", format!("/usr/bin/{}", system.suite.clang)),
    ]
}

/// One convolution.
#[derive(Debug, Clone, Copy)]
struct Case {
    shape: (&'static str, &'static str),
    direction: (&'static str, &'static str),
    number: (&'static str, &'static str),
}

impl Case {
    fn step(&self, machine: &Machine) -> String {
        let (shape, direction, number) = (self.shape.0, self.direction.0, self.number.0);
        format!("miopen {shape} {direction} {number}: {}", machine.title)
    }

    fn program(
        &self,
        system: &System,
        machine: &Machine,
        more: &[(&'static str, String)],
    ) -> Program {
        let fixed = format!("{DRIVER} {} {} -F {}", self.number.1, self.shape.1, self.direction.1);
        let command = fixed.split(' ').chain(["-V", "1", "-t", "0", "-i", "1"]);
        let mut program = on(machine, command.map(str::to_owned).collect(), 180);
        program.variables.extend(VARIABLES.map(|(name, value)| (name, value.to_owned())));
        program.variables.extend(packaging(system));
        program.variables.extend(more.iter().cloned());
        program
    }
}

/// Runs all convolutions on all machines, through every solver that is offered.
pub(super) fn run(system: &System, report: &mut Report) -> Result<()> {
    let mut cases = Vec::new();
    for shape in SHAPES {
        for direction in DIRECTIONS {
            cases.extend(TYPES.map(|number| Case { shape, direction, number }));
        }
    }
    let wanted = |case: &Case, report: &Report| {
        MACHINES.iter().any(|machine| report.wants(&case.step(machine)))
    };
    cases.retain(|case| wanted(case, report));
    if cases.is_empty() {
        return Ok(());
    }
    give_compiler(system)?;
    let mut rows = Vec::new();
    for case in &cases {
        run_case(system, report, case, &mut rows)?;
    }
    print(&rows);
    Ok(())
}

/// What one solver did with convolutions that came to the same.
#[derive(Debug)]
struct Row {
    solver: String,
    direction: &'static str,
    number: &'static str,
    shapes: Vec<&'static str>,
    /// One for each machine; none where it was not asked for.
    verdicts: Vec<Option<Verdict>>,
}

impl Row {
    /// Whether another differs in the shapes alone.
    fn is_like(&self, other: &Row) -> bool {
        (&self.solver, self.direction, self.number, &self.verdicts)
            == (&other.solver, other.direction, other.number, &other.verdicts)
    }

    /// The kernel that nobody could try, if that is all that came of it.
    fn no_source(&self) -> Option<&str> {
        let tried = |verdict: &&Verdict| **verdict != Verdict::NotOffered;
        let mut tried = self.verdicts.iter().flatten().filter(tried);
        let Verdict::NoSource(kernel) = tried.next()? else { return None };
        tried.all(|verdict| matches!(verdict, Verdict::NoSource(_))).then_some(kernel)
    }
}

/// One convolution: through each solver.
fn run_case(system: &System, report: &mut Report, case: &Case, rows: &mut Vec<Row>) -> Result<()> {
    let mut offered = Vec::new();
    for machine in &MACHINES {
        let wanted = report.wants(&case.step(machine));
        offered.push(match wanted {
            true => Some(solvers(system, case, machine)?),
            false => None,
        });
    }
    let mut all: Vec<&String> = Vec::new();
    for solver in offered.iter().flatten().flatten() {
        if !all.contains(&solver) {
            all.push(solver);
        }
    }
    for solver in all {
        let mut verdicts = Vec::new();
        for (machine, offered) in MACHINES.iter().zip(&offered) {
            verdicts.push(match offered {
                None => None,
                Some(offered) if !offered.contains(solver) => Some(Verdict::NotOffered),
                Some(_) => {
                    let only = [("MIOPEN_DEBUG_FIND_ONLY_SOLVER", solver.clone())];
                    let said = system.run(&case.program(system, machine, &only))?;
                    let verdict = judge(&said);
                    let step = format!("{}, {solver}", case.step(machine));
                    report.say(&step, &verdict, machine.must_pass(&verdict), said.time);
                    Some(verdict)
                }
            });
        }
        let row = Row {
            solver: solver.clone(),
            direction: case.direction.0,
            number: case.number.0,
            shapes: vec![case.shape.0],
            verdicts,
        };
        match rows.iter_mut().find(|known| known.is_like(&row)) {
            Some(known) => known.shapes.extend(row.shapes),
            None => rows.push(row),
        }
    }
    Ok(())
}

/// Prints the table, and below it whom nobody could try.
fn print(rows: &[Row]) {
    println!("\n### MIOpen\n\n{}", head(&["solver", "direction", "numbers", "convolutions"]));
    for line in rows.iter().filter(|row| row.no_source().is_none()) {
        let mut cells = vec![
            line.solver.clone(),
            line.direction.to_owned(),
            line.number.to_owned(),
            line.shapes.join("; "),
        ];
        let said = |verdict: &Option<Verdict>| {
            verdict.as_ref().map_or("not run".to_owned(), Verdict::to_string)
        };
        cells.extend(line.verdicts.iter().map(said));
        println!("{}", row(&cells));
    }
    let missing = rows.iter().filter_map(|row| Some((row.solver.as_str(), row.no_source()?)));
    let (solvers, kernels): (BTreeSet<&str>, BTreeSet<&str>) = missing.unzip();
    if let Some(first) = kernels.first() {
        println!(
            "\nOffered, but the sources of their {} kernels (`{first}` and others) are not in the package: `{}`.",
            kernels.len(),
            solvers.into_iter().collect::<Vec<_>>().join("`, `")
        );
    }
}

/// The solvers that MIOpen finds applicable. Nothing is run: it lists them before it compiles the first.
fn solvers(system: &System, case: &Case, machine: &Machine) -> Result<Vec<String>> {
    let more = [("MIOPEN_DEBUG_COMPILE_ONLY", "1".to_owned())];
    let said = system.run(&case.program(system, machine, &more))?;
    let found = listed(&said.text);
    if found.is_empty() {
        // It ended before: that is a result of its own, and is said.
        eprintln!("     {}: no solver is listed: {}", case.step(machine), Verdict::of(&said));
    }
    Ok(found)
}

fn listed(text: &str) -> Vec<String> {
    let solver = |line: &str| {
        let (_, rest) = line.split_once("[SearchForAllSolutions] ")?;
        Some(rest.strip_suffix(": Success.")?.to_owned())
    };
    text.lines().filter_map(solver).collect()
}

/// What came of one solver.
fn judge(said: &Said) -> Verdict {
    let verdict = Verdict::of(said);
    if !matches!(verdict, Verdict::Ended(_)) {
        return verdict;
    }
    let text = &said.text;
    let missing = "Failed to load kernel source: ";
    if let Some(line) = text.lines().find_map(|line| Some(line.split_once(missing)?.1)) {
        return Verdict::NoSource(line.trim().to_owned());
    }
    // A number that is no error of a computation: nothing was computed.
    if text.contains("FAILED: 1.79769e+308") {
        let error = |line: &&str| line.contains("MIOpen Error") || line.contains(": Error [");
        let last = text.lines().rfind(error).unwrap_or("without a word");
        return Verdict::Ended(last.chars().take(160).collect());
    }
    if text.contains("FAILED") {
        return Verdict::Wrong;
    }
    if text.contains("Verifies OK on CPU reference") { Verdict::Verified } else { verdict }
}

/// Puts the compiler where Debian's build of MIOpen looks for it: in the folder in which it was built.
pub(super) fn give_compiler(system: &System) -> Result<()> {
    let library = std::fs::read(system.path(LIBRARY)).context("read MIOpen's library")?;
    let start = b"/build/reproducible-path/";
    let found = library.windows(start.len()).enumerate().filter(|(_, window)| window == start);
    for (at, _) in found {
        let length = library[at..].iter().position(|byte| *byte == 0).unwrap_or(0);
        let Ok(path) = std::str::from_utf8(&library[at..at + length]) else { continue };
        let Some((folder, name)) = path.rsplit_once('/') else { continue };
        if !name.starts_with("clang-") || system.path(&path[1..]).is_symlink() {
            continue;
        }
        std::fs::create_dir_all(system.path(&folder[1..]))?;
        std::os::unix::fs::symlink(format!("/usr/bin/{name}"), system.path(&path[1..]))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::system::End;
    use super::*;
    use std::time::Duration;

    #[test]
    fn solvers_are_listed_and_judged() {
        let text = "MIOpen(HIP): Info2 [SearchForAllSolutions] ConvAsm1x1U: Not applicable\n\
                    MIOpen(HIP): Info2 [SearchForAllSolutions] GemmFwdRest: Success.\n";
        assert_eq!(listed(text), ["GemmFwdRest"]);
        let judged = |text: &str| {
            judge(&Said { text: text.to_owned(), end: End::Code(0), time: Duration::ZERO })
        };
        let good = "Forward Convolution Verifies OK on CPU reference (0 < 1.5e-06)";
        assert_eq!(judged(good), Verdict::Verified);
        assert_eq!(judged("Forward Convolution FAILED: 0.5 > 1.5e-06"), Verdict::Wrong);
        let missing = "MIOpen Error: kernel.cpp:453: Failed to load kernel source: a.s\nForward Convolution FAILED: 1.79769e+308 > 1.5e-06";
        assert_eq!(judged(missing), Verdict::NoSource("a.s".to_owned()));
    }
}
