//! Applies the rules to the kernels of a code object.

use super::calls::Calls;
use super::flow::Flow;
use super::hazards::Search;
use super::memo::Memo;
use super::rule::{RULES, Rule};
use super::single::faults_of;
use super::step::{Step, class, classes};
use crate::isa::{Instruction, Isa, Target, Wave};
use crate::object_file::{CodeObject, Function};
use std::collections::BTreeSet;
use std::hint::black_box;

/// Most calls followed for all kernels of an object together, when what they reach is joined. The largest
/// library seen has some 12,000 kernels and few calls; a made-up one could have every kernel call every
/// function.
const REACH: usize = 1 << 22;

/// Dwords of the longest instruction: an image one with three dwords of further addresses.
const LONGEST: usize = 5;

/// Sites kept of each rule and function; all are counted.
const SITES: usize = 4;

/// A place where a rule hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Site {
    /// The rule.
    pub rule: Rule,
    /// Address of the instruction in the code object.
    pub address: u64,
}

/// How often each rule hits, by its number in [`Rule::ALL`].
pub type RuleHits = [u32; RULES];

/// What has been found out of one function.
#[derive(Debug, Clone, Default)]
struct FunctionFacts {
    instructions: u32,
    hits: RuleHits,
    sites: Vec<Site>,
    callees: Vec<u64>,
    unknown_calls: u32,
}

/// What has been found out of one kernel, with all functions that it can reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelJudgement {
    /// Its name.
    pub name: String,
    /// Whether there is nothing to run.
    pub stub: bool,
    /// Instructions of the kernel itself.
    pub instructions: u32,
    /// How often each rule hits in the kernel itself.
    pub own: RuleHits,
    /// How often each rule hits in the kernel and in what it can reach.
    pub hits: RuleHits,
    /// The first few sites of each rule and function.
    pub sites: Vec<Site>,
    /// Calls whose target is not known, in the kernel and in what it can reach.
    pub unknown_calls: u32,
}

impl KernelJudgement {
    /// Returns how often a rule hits in what the kernel can reach.
    pub const fn count(&self, rule: Rule) -> u32 {
        self.hits[rule as usize]
    }
}

/// What has been found out of a code object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Judgement {
    /// Its kernels.
    pub kernels: Vec<KernelJudgement>,
    /// Instructions of all functions, kernels with them.
    pub instructions: u64,
    /// How often each rule hits in all functions.
    pub hits: RuleHits,
    /// Words of functions that are no instruction of the target that it was built for.
    pub unreadable: u64,
}

/// Judges a code object that was built for one target and runs on another.
pub fn judge(object: &CodeObject<'_>, built_for: Target, runs_on: Target) -> Judgement {
    Judge::new(built_for, runs_on).judge(object)
}

/// Judges code objects of one pair of targets, one after the other, and keeps its buffers.
#[derive(Debug)]
pub struct Judge {
    built_for: &'static Isa,
    runs_on: &'static Isa,
    classes: Vec<u32>,
    applies: [bool; RULES],
    flow: Flow,
    calls: Calls,
    search: Search,
    memo: Memo,
    unreadable: u64,
}

impl Judge {
    /// Makes a judge of a pair of targets.
    pub fn new(built_for: Target, runs_on: Target) -> Self {
        let built_for = Isa::of(built_for);
        let mut applies = [false; RULES];
        for &rule in Rule::ALL {
            applies[rule as usize] = rule.applies(runs_on);
        }
        Self {
            built_for,
            runs_on: Isa::of(runs_on),
            classes: classes(built_for),
            applies,
            flow: Flow::default(),
            calls: Calls::default(),
            search: Search::default(),
            memo: Memo::new(built_for),
            unreadable: 0,
        }
    }

    /// Judges a code object.
    pub fn judge(&mut self, object: &CodeObject<'_>) -> Judgement {
        self.unreadable = 0;
        let mut facts: Vec<FunctionFacts> = Vec::with_capacity(object.functions().len());
        for (at, function) in object.functions().iter().enumerate() {
            // Several kernels may share their code.
            let before = at.checked_sub(1).map(|before| &object.functions()[before]);
            let shared = before.is_some_and(|before| {
                before.address == function.address
                    && before.code.len() == function.code.len()
                    && before.kernel == function.kernel
            });
            let own = match facts.last() {
                Some(last) if shared => last.clone(),
                _ => self.function(function),
            };
            facts.push(own);
        }
        let mut judgement = Judgement { unreadable: self.unreadable, ..Judgement::default() };
        for facts in &facts {
            judgement.instructions += u64::from(facts.instructions);
            add(&mut judgement.hits, &facts.hits);
        }
        let mut budget = REACH;
        for (at, function) in object.functions().iter().enumerate() {
            if function.kernel.is_some() {
                judgement.kernels.push(kernel(object.functions(), at, &facts, &mut budget));
            }
        }
        judgement
    }

    /// Returns how often each rule hits in a function.
    #[cfg(test)]
    pub(super) fn hits(&mut self, function: &Function<'_>) -> RuleHits {
        self.function(function).hits
    }

    /// Returns where the rules that look at what came before hit in a function.
    #[cfg(test)]
    pub(super) fn hazards(&mut self, function: &Function<'_>) -> BTreeSet<(Rule, u64)> {
        self.function(function);
        let place = |index: u32| u64::from(self.flow.steps[index as usize].place);
        let found = self.search.found.iter();
        found.map(|&(rule, index)| (rule, function.address + 4 * place(index))).collect()
    }

    /// Decodes a function and applies the rules to it.
    fn function(&mut self, function: &Function<'_>) -> FunctionFacts {
        let mut facts = FunctionFacts::default();
        let wave = function.kernel.map_or(Wave::Wave32, |kernel| kernel.wave());
        let wgp = function.kernel.is_none_or(|kernel| kernel.is_wgp_mode());
        let (code, _) = function.code.as_chunks::<4>();
        self.flow.clear(code.len());
        self.calls.clear();
        self.memo.start(wave);
        let mut instruction = self.built_for.nothing();
        let mut place = 0;
        while place < code.len() {
            let Ok(dword) = u32::try_from(place) else { break };
            let ahead = &code[place..];
            // While an address is being made, every instruction is looked at.
            if !self.calls.is_following()
                && let Some(known) = self.memo.get(ahead)
            {
                if known.step.is(class::PLAIN) {
                    self.flow.push_plain(dword, || known.step.moved_to(dword));
                } else {
                    self.flow.push(known.step.moved_to(dword));
                }
                // A branch, which is predicted, and no sum that waits for the entry.
                place = match known.dwords {
                    1 => black_box(place + 1),
                    2 => black_box(place + 2),
                    more => place + more as usize,
                };
                continue;
            }
            let address = function.address.wrapping_add(place as u64 * 4);
            let (words, length) = words_of(ahead);
            if self.built_for.decode_into(&words[..length], &mut instruction).is_err() {
                self.unreadable += 1;
                self.flow.push(Step::bad(dword));
                place += 1;
                continue;
            }
            let row_class = self.classes[usize::from(instruction.index())];
            place += usize::from(instruction.dwords());
            let step = Step::new(self.built_for, &instruction, row_class, dword, wave);
            if row_class & class::CALLS != 0 {
                let next = function.address.wrapping_add(place as u64 * 4);
                self.calls.note(&instruction, next);
            }
            let nothing = self.single(&instruction, &step, wgp, |rule| facts.add(rule, address));
            self.flow.push(step);
            if nothing {
                self.memo.put(ahead, instruction.dwords(), step.taken_from(dword));
            }
        }
        if self.applies[Rule::VmemToScalarWrite as usize] {
            self.flow.link();
            self.search.run(&self.flow);
            for &(rule, index) in &self.search.found {
                let place = u64::from(self.flow.steps[index as usize].place);
                facts.add(rule, function.address.wrapping_add(place * 4));
            }
        }
        facts.instructions = self.flow.instructions;
        facts.callees.append(&mut self.calls.targets);
        facts.unknown_calls = self.calls.unknown;
        facts
    }

    /// The rules that look at one instruction. Returns whether it is one at which they never hit, wherever it
    /// stands.
    #[inline]
    fn single(
        &self,
        instruction: &Instruction,
        step: &Step,
        wgp: bool,
        mut hit: impl FnMut(Rule),
    ) -> bool {
        let mut nothing = !step.is(class::JUMPS | class::MULTI_DWORD);
        let mut hit = |rule| {
            nothing = false;
            hit(rule);
        };
        // The same row of the tables means the same on both.
        if !self.runs_on.has_row(instruction) {
            match self.runs_on.decode(&instruction.words()) {
                Err(_) => hit(missing(instruction.name())),
                Ok(other) if !other.means_the_same(instruction) => hit(Rule::Different),
                Ok(_) => {}
            }
        }
        if self.applies[Rule::FlatOffset as usize] {
            faults_of(instruction, step, wgp, hit);
        }
        nothing
    }
}

/// The words of one instruction at most, and how many there are.
#[inline]
fn words_of(code: &[[u8; 4]]) -> ([u32; LONGEST], usize) {
    let mut words = [0; LONGEST];
    for (word, bytes) in words.iter_mut().zip(code) {
        *word = u32::from_le_bytes(*bytes);
    }
    (words, code.len().min(LONGEST))
}

/// The rule for an instruction that is not there.
fn missing(name: &str) -> Rule {
    if name.starts_with("v_dot") {
        Rule::MissingDot
    } else if name.starts_with("image_bvh") || name.starts_with("image_msaa") {
        Rule::MissingRayTracing
    } else if name.contains("_addtid") {
        Rule::MissingAddtid
    } else {
        Rule::Undecodable
    }
}

impl FunctionFacts {
    fn add(&mut self, rule: Rule, address: u64) {
        let count = &mut self.hits[rule as usize];
        *count = count.saturating_add(1);
        if *count as usize <= SITES {
            self.sites.push(Site { rule, address });
        }
    }
}

fn add(to: &mut RuleHits, from: &RuleHits) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = to.saturating_add(*from);
    }
}

/// Joins what is known of a kernel and of the functions that it can reach.
fn kernel(
    functions: &[Function<'_>],
    at: usize,
    facts_of: &[FunctionFacts],
    budget: &mut usize,
) -> KernelJudgement {
    let (function, own) = (&functions[at], &facts_of[at]);
    let mut judgement = KernelJudgement {
        name: function.name.clone().into_owned(),
        stub: function.is_stub(),
        instructions: own.instructions,
        own: own.hits,
        hits: own.hits,
        sites: own.sites.clone(),
        unknown_calls: own.unknown_calls,
    };
    if own.callees.is_empty() {
        return judgement;
    }
    let mut reached = BTreeSet::from([at]);
    let mut waiting = Vec::new();
    let mut next = Some(own);
    while let Some(facts) = next {
        let calls = facts.callees.len();
        let Some(left) = budget.checked_sub(calls) else {
            judgement.unknown_calls = judgement.unknown_calls.saturating_add(1);
            break;
        };
        *budget = left;
        for &address in &facts.callees {
            match begins_at(functions, address) {
                Some(callee) if reached.insert(callee) => waiting.push(callee),
                Some(_) => {}
                None => judgement.unknown_calls = judgement.unknown_calls.saturating_add(1),
            }
        }
        next = waiting.pop().map(|callee| &facts_of[callee]);
        if let Some(facts) = next {
            add(&mut judgement.hits, &facts.hits);
            judgement.sites.extend(&facts.sites);
            judgement.unknown_calls = judgement.unknown_calls.saturating_add(facts.unknown_calls);
        }
    }
    judgement
}

/// Returns the last of the functions, which are in the order of their addresses, that begins at one.
fn begins_at(functions: &[Function<'_>], address: u64) -> Option<usize> {
    let behind = functions.partition_point(|function| function.address <= address);
    let last = behind.checked_sub(1)?;
    (functions[last].address == address).then_some(last)
}
