//! Counts and judges what a walk shows.

use super::choice::judged;
use super::symbols::read_kernels;
use crate::container::{ContainerError, Group, ReadAt, Visitor};
use crate::isa::Target;
use crate::object_file::{CodeObject, CodeTarget};
use crate::rules::{Judge, KernelJudgement, RULES, Rule};
use rmcp_model::{
    CodeScan, KernelScan, LibraryScan, RuleSeverity, ScanCard, ScanProblem, TargetScan,
};
use std::collections::{BTreeMap, HashMap};

/// The target of a list before its file's name is known.
pub(super) const ANY: &str = "any";

/// How much is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Headers of bundles.
    Headers,
    /// Code, judged by the rules.
    Code,
    /// The same, and what was found of each kernel is kept.
    Kernels,
}

/// What one file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileScan {
    /// Its libraries, in the order of their paths.
    pub libraries: Vec<LibraryScan>,
    /// What could not be read.
    pub problems: Vec<ScanProblem>,
    /// Kernels of each library, with [`Depth::Kernels`].
    pub kernels: BTreeMap<String, Vec<KernelScan>>,
}

/// A visitor that counts and judges for one card.
#[derive(Debug)]
pub struct Collector<'c> {
    card: &'c ScanCard,
    depth: Depth,
    runs_on: Option<Target>,
    libraries: BTreeMap<String, LibraryScan>,
    problems: Vec<ScanProblem>,
    kernels: BTreeMap<String, Vec<KernelScan>>,
    judges: HashMap<Target, Judge>,
    /// Members of the last group that are judged.
    judged: Vec<usize>,
    /// Where the last group stands.
    place: String,
    /// The kernels of the last group by name: the targets that have their code, and those that have a stub.
    names: HashMap<Vec<u8>, Bodies>,
    /// The targets of the last group, in the order in which they were shown.
    shown: Vec<CodeTarget>,
}

/// Which members of a group have a kernel's code, and which only its stub; one bit for each target.
#[derive(Debug, Clone, Copy, Default)]
struct Bodies {
    code: u64,
    stub: u64,
}

impl<'c> Collector<'c> {
    /// Makes one.
    pub fn new(card: &'c ScanCard, depth: Depth) -> Self {
        Self {
            card,
            depth,
            runs_on: Target::from_gfx(card.gfx),
            libraries: BTreeMap::new(),
            problems: Vec::new(),
            kernels: BTreeMap::new(),
            judges: HashMap::new(),
            judged: Vec::new(),
            place: String::new(),
            names: HashMap::new(),
            shown: Vec::new(),
        }
    }

    /// Returns what was found.
    pub fn finish(mut self) -> FileScan {
        self.finish_group();
        FileScan {
            libraries: self.libraries.into_values().collect(),
            problems: self.problems,
            kernels: self.kernels,
        }
    }

    fn row(&mut self, target: CodeTarget) -> &mut TargetScan {
        let library = self.libraries.entry(self.place.clone()).or_default();
        library.targets.entry(target.to_string()).or_default()
    }

    /// Compares the kernels of the group's targets: a stub here of which the code is there.
    fn finish_group(&mut self) {
        let mut counts = vec![(0, 0); self.shown.len()];
        for bodies in self.names.values() {
            if bodies.code == 0 || bodies.stub == 0 {
                continue;
            }
            for (bit, (hollow, only_here)) in (0..).zip(&mut counts) {
                *hollow += bodies.stub >> bit & 1;
                *only_here += bodies.code >> bit & 1;
            }
        }
        for (target, (hollow, only_here)) in std::mem::take(&mut self.shown).into_iter().zip(counts)
        {
            let row = self.row(target);
            row.hollow += hollow;
            row.only_here += only_here;
        }
        self.names.clear();
    }

    /// Notes a kernel for the comparison.
    fn note_body(&mut self, target: CodeTarget, name: &[u8], stub: bool) {
        let bit = self.shown.iter().position(|&shown| shown == target);
        // A bundle for more than 64 targets is compared in its first 64.
        let Some(bit) = bit.filter(|&bit| bit < 64) else { return };
        let bodies = self.names.entry(name.to_vec()).or_default();
        if stub {
            bodies.stub |= 1 << bit;
        } else {
            bodies.code |= 1 << bit;
        }
    }

    fn count(&mut self, target: CodeTarget, object: &dyn ReadAt) -> Result<(), ContainerError> {
        let kernels = read_kernels(object)?;
        let stubs = kernels.iter().filter(|kernel| kernel.stub).count() as u64;
        self.add_kernels(target, kernels.len() as u64, stubs);
        for kernel in kernels {
            self.note_body(target, &kernel.name, kernel.stub);
        }
        Ok(())
    }

    fn add_kernels(&mut self, target: CodeTarget, kernels: u64, stubs: u64) {
        let row = self.row(target);
        *row.kernels.get_or_insert_default() += kernels;
        *row.stubs.get_or_insert_default() += stubs;
    }

    fn judge(
        &mut self,
        target: CodeTarget,
        (built_for, runs_on): (Target, Target),
        object: &dyn ReadAt,
    ) -> Result<(), ContainerError> {
        let bytes = object.bytes_at(0, object.length())?;
        let object = CodeObject::parse(&bytes)?;
        let judge = self.judges.entry(built_for).or_insert_with(|| Judge::new(built_for, runs_on));
        let judgement = judge.judge(&object);
        let stubs = judgement.kernels.iter().filter(|kernel| kernel.stub).count() as u64;
        self.add_kernels(target, judgement.kernels.len() as u64, stubs);
        let code = self.row(target).code.get_or_insert_default();
        code.instructions += judgement.instructions;
        code.unreadable += judgement.unreadable;
        for &rule in Rule::ALL {
            let sites = u64::from(judgement.hits[rule as usize]);
            if sites > 0 {
                code.rules.entry(rule.name().to_owned()).or_default().sites += sites;
            }
            if is_missing(rule) {
                code.undecodable += sites;
            }
        }
        for kernel in &judgement.kernels {
            add_kernel(code, kernel);
        }
        for kernel in judgement.kernels {
            self.note_body(target, kernel.name.as_bytes(), kernel.stub);
            if self.depth == Depth::Kernels {
                let kernels = self.kernels.entry(self.place.clone()).or_default();
                kernels.push(kernel_scan(kernel, target));
            }
        }
        Ok(())
    }
}

/// Returns whether a rule says that the card does not have an instruction.
fn is_missing(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::MissingDot | Rule::MissingRayTracing | Rule::MissingAddtid | Rule::Undecodable
    )
}

/// Returns the rules that hit a kernel, with how often.
fn rules_of(kernel: &KernelJudgement) -> impl Iterator<Item = (Rule, u32)> {
    let hits: [u32; RULES] = kernel.hits;
    Rule::ALL.iter().map(move |&rule| (rule, hits[rule as usize])).filter(|&(_, hits)| hits > 0)
}

fn gravest(kernel: &KernelJudgement) -> Option<RuleSeverity> {
    rules_of(kernel).map(|(rule, _)| rule.severity()).min()
}

fn add_kernel(code: &mut CodeScan, kernel: &KernelJudgement) {
    let mut undecodable = false;
    for (rule, _) in rules_of(kernel) {
        code.rules.entry(rule.name().to_owned()).or_default().kernels += 1;
        undecodable |= is_missing(rule);
    }
    code.undecodable_kernels += u64::from(undecodable);
    if let Some(severity) = gravest(kernel) {
        *code.kernels_by_severity.entry(severity).or_default() += 1;
    }
}

fn kernel_scan(kernel: KernelJudgement, target: CodeTarget) -> KernelScan {
    KernelScan {
        severity: gravest(&kernel),
        rules: rules_of(&kernel).map(|(rule, hits)| (rule.name().to_owned(), hits)).collect(),
        name: kernel.name,
        target: target.to_string(),
        instructions: kernel.instructions,
        stub: kernel.stub,
        unknown_calls: kernel.unknown_calls,
    }
}

impl Visitor for Collector<'_> {
    fn group(&mut self, group: &Group<'_>) -> Vec<usize> {
        self.finish_group();
        group.place.clone_into(&mut self.place);
        let library = self.libraries.entry(group.place.to_owned()).or_default();
        group.place.clone_into(&mut library.path);
        let wanted: Vec<usize> = (0..group.members.len())
            .filter(|&at| group.members[at].bytes > 0 && group.members[at].target.is_some())
            .collect();
        // What holds only code for other devices (the host, SPIR-V) is no choice for the card.
        if wanted.is_empty() {
            return wanted;
        }
        library.bundles += 1;
        for target in wanted.iter().filter_map(|&at| group.members[at].target) {
            let first = !self.shown.contains(&target);
            if first {
                self.shown.push(target);
            }
            let row = self.row(target);
            row.objects += 1;
            row.bundles += u64::from(first);
        }
        if self.depth == Depth::Headers {
            return Vec::new();
        }
        self.judged = judged(self.card, group.members);
        wanted
    }

    fn object(&mut self, group: &Group<'_>, member: usize, object: &dyn ReadAt) {
        let Some(target) = group.members[member].target else { return };
        let tables = target.instructions().zip(self.runs_on);
        let done = match tables.filter(|_| self.judged.contains(&member)) {
            Some(tables) => self.judge(target, tables, object),
            None => self.count(target, object),
        };
        if let Err(error) = done {
            self.problem(&format!("{} ({})", group.place, group.members[member].id), error);
        }
    }

    fn kernel_list(&mut self, place: &str, names: Vec<String>) {
        let library = self.libraries.entry(place.to_owned()).or_default();
        place.clone_into(&mut library.path);
        *library.listed.entry(ANY.to_owned()).or_default() += names.len() as u64;
    }

    fn problem(&mut self, place: &str, error: ContainerError) {
        self.problems.push(ScanProblem { path: place.to_owned(), why: error.to_string() });
    }
}
