//! Rules that the rows keep among themselves. All problems are returned, not only the first.

use crate::schema::Knowledge;
use rmcp_model::LogKind;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A row that contradicts another row or the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The row, such as `signature page-fault`.
    pub row: String,
    /// What is wrong with it.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.row, self.what)
    }
}

impl Knowledge {
    /// Returns every problem of the rows.
    ///
    /// `finding_codes` are the codes that the diagnosis can give: a remedy that answers none of them is dead.
    pub fn validate(&self, finding_codes: &[&str]) -> Vec<Problem> {
        let rules: [fn(&Self) -> Vec<Problem>; 8] = [
            names_are_unique,
            sources_exist_and_are_used,
            every_row_has_a_source,
            targets_exist,
            kinds_are_complete,
            signatures_are_tested,
            switches_are_decided,
            experiments_are_known,
        ];
        let mut problems: Vec<Problem> = rules.iter().flat_map(|rule| rule(self)).collect();
        problems.extend(remedies_are_alive(self, finding_codes));
        problems
    }

    /// Returns every row with the sources it names.
    fn rows(&self) -> Vec<(String, &[String])> {
        let mut rows: Vec<(String, &[String])> = Vec::new();
        rows.extend(
            self.target.iter().map(|row| (format!("target {}", row.gfx), &row.sources[..])),
        );
        rows.extend(self.chip.iter().map(|row| (format!("chip {}", row.name), &row.sources[..])));
        rows.extend(self.kind.iter().map(|row| (format!("kind {}", row.kind), &row.sources[..])));
        rows.extend(
            self.signature.iter().map(|row| (format!("signature {}", row.id), &row.sources[..])),
        );
        rows.extend(
            self.mention.iter().map(|row| (format!("mention {}", row.id), &row.sources[..])),
        );
        rows.extend(
            self.vendor.iter().map(|row| (format!("vendor {:?}", row.name), &row.sources[..])),
        );
        rows.extend(
            self.variable.iter().map(|row| (format!("variable {}", row.name), &row.sources[..])),
        );
        rows.extend(
            self.parameter.iter().map(|row| (format!("parameter {}", row.name), &row.sources[..])),
        );
        rows.extend(self.remedy.iter().map(|row| (format!("remedy {}", row.id), &row.sources[..])));
        rows.extend(self.stack.iter().map(|row| (format!("stack {}", row.id), &row.sources[..])));
        rows.extend(
            self.experiment.iter().map(|row| (format!("experiment {}", row.id), &row.sources[..])),
        );
        rows.extend(
            self.solver.iter().map(|row| (format!("solver {}", row.switch), &row.sources[..])),
        );
        rows.extend(self.pin.iter().map(|row| (format!("pin {}", row.id), &row.sources[..])));
        rows
    }
}

fn problem(row: impl Into<String>, what: impl Into<String>) -> Problem {
    Problem { row: row.into(), what: what.into() }
}

fn names_are_unique(knowledge: &Knowledge) -> Vec<Problem> {
    let mut seen = BTreeMap::new();
    for (row, _) in knowledge.rows() {
        *seen.entry(row).or_insert(0) += 1;
    }
    for source in &knowledge.source {
        *seen.entry(format!("source {}", source.id)).or_insert(0) += 1;
    }
    for chip in &knowledge.chip {
        for id in &chip.pci_ids {
            *seen.entry(format!("PCI id {id}")).or_insert(0) += 1;
        }
    }
    seen.into_iter()
        .filter(|&(_, count)| count > 1)
        .map(|(row, count)| problem(row, format!("stands {count} times")))
        .collect()
}

fn every_row_has_a_source(knowledge: &Knowledge) -> Vec<Problem> {
    knowledge
        .rows()
        .into_iter()
        .filter(|(_, sources)| sources.is_empty())
        .map(|(row, _)| problem(row, "has no source"))
        .collect()
}

fn sources_exist_and_are_used(knowledge: &Knowledge) -> Vec<Problem> {
    let known: BTreeSet<&str> = knowledge.source.iter().map(|source| source.id.as_str()).collect();
    let mut used = BTreeSet::new();
    let mut problems = Vec::new();
    for (row, sources) in knowledge.rows() {
        for source in sources {
            used.insert(source.as_str());
            if !known.contains(source.as_str()) {
                problems.push(problem(row.clone(), format!("names the unknown source `{source}`")));
            }
        }
    }
    problems.extend(
        known.difference(&used).map(|id| problem(format!("source {id}"), "is named by no row")),
    );
    problems
}

fn targets_exist(knowledge: &Knowledge) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut check = |row: String, gfx| {
        if knowledge.target(gfx).is_none() {
            problems.push(problem(row, format!("names {gfx}, which is no row")));
        }
    };
    for target in &knowledge.target {
        target.runs.iter().for_each(|&gfx| check(format!("target {}", target.gfx), gfx));
    }
    for chip in &knowledge.chip {
        chip.gfx.iter().for_each(|&gfx| check(format!("chip {}", chip.name), gfx));
    }
    for stack in &knowledge.stack {
        stack.targets.iter().for_each(|&gfx| check(format!("stack {}", stack.id), gfx));
    }
    for remedy in &knowledge.remedy {
        remedy.targets.iter().for_each(|&gfx| check(format!("remedy {}", remedy.id), gfx));
    }
    for chip in &knowledge.chip {
        for card in &chip.cards {
            if !chip.pci_ids.contains(&card.id) {
                problems.push(problem(
                    format!("chip {}", chip.name),
                    format!("its card {} has the foreign id {}", card.name, card.id),
                ));
            }
        }
    }
    problems
}

fn kinds_are_complete(knowledge: &Knowledge) -> Vec<Problem> {
    let mut problems = Vec::new();
    for kind in LogKind::ALL {
        if knowledge.kind(kind).is_none() {
            problems.push(problem(format!("kind {kind}"), "has no row"));
        }
        let signed = knowledge.signature.iter().any(|signature| signature.kind == kind);
        if signed == (kind == LogKind::None) {
            problems.push(problem(
                format!("kind {kind}"),
                if signed { "must have no signature" } else { "has no signature" },
            ));
        }
    }
    problems
}

fn signatures_are_tested(knowledge: &Knowledge) -> Vec<Problem> {
    let mut problems = Vec::new();
    for signature in &knowledge.signature {
        let row = || format!("signature {}", signature.id);
        if signature.matching.is_empty() || signature.near_miss.is_empty() {
            problems.push(problem(row(), "needs a text that matches and a near miss"));
        }
        // Shorter needles would stop the scanner at every other line of an ordinary log.
        if signature.kind_on_amd == Some(signature.kind) {
            problems.push(problem(row(), "`kind_on_amd` says nothing new"));
        }
        if signature.needles.is_empty() || signature.needles.iter().any(|needle| needle.len() < 5) {
            problems.push(problem(row(), "needs needles of at least five bytes"));
        }
        if !(1..=8).contains(&signature.lines) {
            problems.push(problem(row(), "`lines` must be 1 to 8"));
        }
    }
    for mention in &knowledge.mention {
        if mention.matching.is_empty() || mention.near_miss.is_empty() {
            problems.push(problem(
                format!("mention {}", mention.id),
                "needs a text that matches and a near miss",
            ));
        }
    }
    problems
}

fn switches_are_decided(knowledge: &Knowledge) -> Vec<Problem> {
    let rows = knowledge
        .variable
        .iter()
        .map(|row| ("variable", row))
        .chain(knowledge.parameter.iter().map(|row| ("parameter", row)));
    let mut problems = Vec::new();
    for (table, row) in rows {
        match row.cases.iter().position(|case| {
            case.values.is_empty()
                && case.targets.is_empty()
                && case.since.is_none()
                && case.until.is_none()
        }) {
            Some(index) if index + 1 < row.cases.len() => {
                problems.push(problem(
                    format!("{table} {}", row.name),
                    "has cases behind the one that holds always",
                ));
            }
            Some(_) => {}
            None => problems.push(problem(
                format!("{table} {}", row.name),
                "needs a last case that holds always",
            )),
        }
    }
    problems
}

/// What an experiment changes is known, it changes something, and it says what is expected where no single row does.
fn experiments_are_known(knowledge: &Knowledge) -> Vec<Problem> {
    let mut problems = Vec::new();
    for experiment in &knowledge.experiment {
        let row = || format!("experiment {}", experiment.id);
        for name in experiment.set.keys().filter(|name| !knowledge.knows_variable(name)) {
            problems.push(problem(row(), format!("sets the unknown variable `{name}`")));
        }
        let words = experiment.kernel_words.iter().filter_map(|word| word.split_once('='));
        for (name, _) in words {
            if !knowledge.parameter.iter().any(|switch| switch.is_named(name)) {
                problems.push(problem(row(), format!("names the unknown parameter `{name}`")));
            }
        }
        if experiment.set.len() != 1 && experiment.effect.is_none() {
            problems.push(problem(row(), "needs an `effect`: it is not the one of one variable"));
        }
    }
    for solver in &knowledge.solver {
        for name in [&solver.family, &solver.switch] {
            if !knowledge.knows_variable(name) {
                let row = format!("solver {}", solver.switch);
                problems.push(problem(row, format!("names the unknown variable `{name}`")));
            }
        }
    }
    problems
}

fn remedies_are_alive(knowledge: &Knowledge, finding_codes: &[&str]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for remedy in &knowledge.remedy {
        let row = || format!("remedy {}", remedy.id);
        if remedy.answers.is_empty() {
            problems.push(problem(row(), "answers no finding"));
        }
        for code in &remedy.answers {
            if !finding_codes.contains(&code.as_str()) {
                problems
                    .push(problem(row(), format!("answers `{code}`, which no diagnosis gives")));
            }
        }
        for text in [&remedy.undo, &remedy.risk_why] {
            if text.trim().is_empty() {
                problems.push(problem(row(), "needs an undo and the reason of its risk"));
            }
        }
        let digits: Vec<&str> = remedy.review.split('-').collect();
        if digits.len() != 3 || digits.iter().any(|part| part.parse::<u16>().is_err()) {
            problems.push(problem(row(), "`review` must be a date YYYY-MM-DD"));
        }
        for name in remedy.set.keys().chain(&remedy.unset) {
            if !knowledge.knows_variable(name) {
                problems.push(problem(row(), format!("uses the unknown variable `{name}`")));
            }
        }
    }
    problems
}
