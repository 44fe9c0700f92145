//! The rules along one path: what a wavefront meets that really goes it.
//!
//! The search over a function ([`super::judge`]) joins all paths; here there is one, which whoever runs the code
//! knows. Both carry the same [`State`] over the same [`Step`]s, so what a path meets within a function the search
//! has found there. A path goes on into what is called and back, where the search, as LLVM, begins anew: there it
//! can meet what the search does not find.

use super::hazards::State;
use super::rule::Rule;
use super::single::faults_of;
use super::step::{Step, class, classes};
use crate::isa::format::Format;
use crate::isa::{Instruction, Isa, ScalarSet, Target, Wave};

/// A set of rules.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RuleSet(u32);

impl RuleSet {
    /// Adds a rule.
    pub const fn add(&mut self, rule: Rule) {
        self.0 |= 1 << rule as u32;
    }

    /// Takes a rule out.
    pub const fn remove(&mut self, rule: Rule) {
        self.0 &= !(1 << rule as u32);
    }

    /// Returns whether a rule is in it.
    pub const fn contains(self, rule: Rule) -> bool {
        self.0 >> rule as u32 & 1 != 0
    }

    /// Returns whether there is none.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its rules in their order.
    pub fn iter(self) -> impl Iterator<Item = Rule> {
        Rule::ALL.iter().copied().filter(move |&rule| self.contains(rule))
    }
}

const _: () = assert!(super::RULES <= 32, "a rule is a bit");

/// What runs an instruction, as far as its registers may be read late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Scalar arithmetic that neither jumps nor waits.
    Scalar,
    /// Scalar memory.
    ScalarMemory,
    /// Vector arithmetic.
    Vector,
    /// Memory that the vector unit addresses, LDS with it.
    VectorMemory,
    /// Branches to a place that they name, and hints.
    Branch,
    /// All else: waits, messages, barriers, calls, ends.
    Other,
}

/// One instruction as the rules see it, made once and passed as often as it runs.
#[derive(Debug, Clone, Copy)]
pub struct PathStep {
    step: Step,
    /// Rules that hit wherever it stands.
    single: RuleSet,
    /// Registers it writes, also those that it does not name.
    writes: ScalarSet,
    unit: Unit,
    copies_exec: bool,
    shape: Shape,
}

/// How an instruction addresses memory, where a rule asks for the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Bytes of which its addresses should be multiples.
    pub alignment: u8,
    /// Whether it has two addresses of its own, whose offsets are multiples of that.
    pub is_pair: bool,
    /// Whether it has 64-bit addresses that may lead anywhere.
    pub is_flat: bool,
}

impl Shape {
    /// Three dwords count as four. Source: LLVM `SIISelLowering.cpp`, which asks that much of `ds_read_b96`.
    fn of(name: &str, format: Format) -> Self {
        let is_pair = name.contains("read2") || name.contains("write2");
        let has = |parts: [&str; 2]| parts.iter().any(|part| name.contains(part));
        let alignment = match () {
            () if has(["_b64", "dwordx2"]) => 8,
            () if has(["_b96", "dwordx3"]) || has(["_b128", "dwordx4"]) => 16,
            () => 4,
        };
        Self { alignment, is_pair, is_flat: format == Format::Flat }
    }
}

impl PathStep {
    /// Returns whether it copies EXEC into other scalar registers, and does nothing else.
    pub const fn copies_exec(&self) -> bool {
        self.copies_exec
    }

    /// Returns how it addresses memory, for rules that [ask for an address](Rule::asks_for_address).
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// Returns the scalar registers that it writes, EXEC, VCC and M0 with them.
    pub const fn writes(&self) -> ScalarSet {
        self.writes
    }

    /// Returns the scalar registers that it reads.
    pub const fn reads(&self) -> ScalarSet {
        self.step.uses
    }

    /// Returns what runs it.
    pub const fn unit(&self) -> Unit {
        self.unit
    }
}

fn unit_of(step: &Step, name: &str) -> Unit {
    use class::*;
    let hints = ["s_nop", "s_clause", "s_inst_prefetch"];
    if step.is(MEMORY) {
        Unit::VectorMemory
    } else if step.is(SMEM) {
        Unit::ScalarMemory
    } else if step.is(VALU) {
        Unit::Vector
    } else if step.is(BRANCH) || hints.contains(&name) {
        Unit::Branch
    } else if step.is(AFTER_SMEM) && !step.is(COUNTER | JUMPS | GETREG) {
        Unit::Scalar
    } else {
        Unit::Other
    }
}

/// Makes [`PathStep`]s for a kernel on a chip with the faults of gfx10.1.
#[derive(Debug)]
pub struct PathReader {
    isa: &'static Isa,
    classes: Vec<u32>,
    wave: Wave,
    wgp: bool,
}

impl PathReader {
    /// Makes one for kernels with such wavefronts, in WGP mode or not; `None` for a chip without these faults.
    pub fn new(runs_on: Target, wave: Wave, wgp: bool) -> Option<Self> {
        let isa = Isa::of(runs_on);
        runs_on.has_gfx10_1_faults().then(|| Self { isa, classes: classes(isa), wave, wgp })
    }

    /// Makes the step of an instruction, which this chip's tables have decoded.
    pub fn step(&self, instruction: &Instruction) -> PathStep {
        let row = self.classes[usize::from(instruction.index())];
        let step = Step::new(self.isa, instruction, row, 0, self.wave);
        let mut single = RuleSet::default();
        faults_of(instruction, &step, self.wgp, |rule| single.add(rule));
        let mut writes = instruction.scalars(self.wave).0;
        writes.add(step.defs);
        let name = instruction.name();
        let copies_exec = matches!(name, "s_mov_b32" | "s_mov_b64")
            && step.uses.meets(ScalarSet::EXEC)
            && !writes.meets(ScalarSet::EXEC);
        let (unit, shape) = (unit_of(&step, name), Shape::of(name, instruction.format()));
        PathStep { step, single, writes, unit, copies_exec, shape }
    }
}

/// What has happened on the path of one wavefront.
#[derive(Debug, Clone, Copy, Default)]
pub struct Path {
    state: State,
    /// Instructions that are left of a clause.
    clause: i32,
}

impl Path {
    /// Goes over the next instruction of the path and returns the rules that hit at it.
    ///
    /// Those that [ask for an address](Rule::asks_for_address) hit here wherever the instruction is of that kind,
    /// as they do in the search.
    #[inline]
    pub fn pass(&mut self, passed: &PathStep) -> RuleSet {
        let step = &passed.step;
        let mut met = passed.single;
        if self.clause > 0 {
            self.clause -= 1;
            if step.is(class::NSA) {
                met.add(Rule::NsaClause);
            }
        }
        if step.is(class::PLAIN) {
            self.state.pass_plain();
            return met;
        }
        self.state.judge(step, |rule| met.add(rule));
        self.state.pass(step);
        if step.is(class::CLAUSE) {
            self.clause = step.target;
        } else if step.is(class::BRANCH | class::ENDS | class::JUMPS) {
            // A clause is what stands behind it.
            self.clause = 0;
        }
        met
    }
}
