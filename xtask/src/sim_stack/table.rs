//! Tables of what became of programs on the machines, in Markdown.

use super::system::{Program, System};
use super::verdict::Verdict;
use super::{MACHINES, Machine, Report};
use anyhow::Result;

/// Tests that are a process on each machine.
#[derive(Debug)]
pub(super) struct Table<'a> {
    /// Begins the names of the steps.
    pub(super) kind: &'a str,
    /// What stands over the table.
    pub(super) title: &'a str,
    /// What is over its first column.
    pub(super) what: &'a str,
    /// The tests' names for programs, and for readers.
    pub(super) tests: &'a [(&'a str, &'a str)],
}

impl Table<'_> {
    fn step(&self, test: &str, machine: &Machine) -> String {
        format!("{} {test}: {}", self.kind, machine.title)
    }

    /// Whether any of it was asked for.
    pub(super) fn is_wanted(&self, report: &Report) -> bool {
        let wants =
            |test: &str| MACHINES.iter().any(|machine| report.wants(&self.step(test, machine)));
        self.tests.iter().any(|(test, _)| wants(test))
    }

    /// Runs the tests on the machines, and prints the table.
    pub(super) fn run(
        &self,
        system: &System,
        report: &mut Report,
        program: impl Fn(&str, &Machine) -> Result<Program>,
        must_pass: impl Fn(&Machine, &Verdict) -> bool,
    ) -> Result<()> {
        println!("\n### {}\n\n{}", self.title, head(&[self.what]));
        for (test, name) in self.tests {
            let mut cells = vec![(*name).to_owned()];
            for machine in &MACHINES {
                let step = self.step(test, machine);
                if !report.wants(&step) {
                    cells.push("not run".to_owned());
                    continue;
                }
                let said = system.run(&program(test, machine)?)?;
                let verdict = Verdict::of_program(&said);
                report.say(&step, &verdict, must_pass(machine, &verdict), said.time);
                if let Some(line) = said.text.lines().find(|line| line.starts_with("FAIL")) {
                    eprintln!("       {line}");
                }
                cells.push(verdict.to_string());
            }
            println!("{}", row(&cells));
        }
        Ok(())
    }
}

/// The head of a table: these columns, and one for each machine.
pub(super) fn head(columns: &[&str]) -> String {
    let names = columns.iter().copied().chain(MACHINES.iter().map(|machine| machine.title));
    let names: Vec<String> = names.map(str::to_owned).collect();
    format!("{}\n|{}", row(&names), "---|".repeat(names.len()))
}

/// A row of it.
pub(super) fn row(cells: &[String]) -> String {
    format!("| {} |", cells.join(" | "))
}
