//! Hazards of gfx10.1 as wavefronts meet them: which rule, at which instruction, how often.
//!
//! Each wavefront carries a [`Path`](rmcp_code::rules::Path) over the instructions that it really executes, with the
//! rules of the static search. Where a rule depends on an address, the address is looked at.
//!
//! With a seed, some hazards also have their effect. Those that have one are write-after-read hazards: an instruction
//! reads its scalar registers later than the program says, and finds what a later instruction has written to them.
//! So one in [`Strict::ONE_IN`] of the instructions that may do so is held back until
//! - a hazard makes a later instruction write what it reads: then it runs behind that one, and the hazard has *bitten*;
//! - anything else happens at which the card has read its registers, or which needs its result: then it runs before
//!   that, and nothing is different. Code without hazards computes the same with any seed.
//!
//! What bites, and who says what happens:
//! - `vmem-to-scalar-write`, the memory instruction sees the new scalar register, M0 or EXEC. Source: LLVM `AMDGPU.td`,
//!   `FeatureVMEMtoScalarWriteHazard` ("VMEM instruction followed by scalar writing to EXEC mask, M0 or SGPR leads to
//!   incorrect execution"); Mesa, ACO `README-ISA.md`, names the read and the write.
//! - `smem-to-vector-write`, the scalar load sees the new register in its address. Source: LLVM `AMDGPU.td`,
//!   `FeatureSMEMtoVectorWriteHazard` ("s_load_dword followed by v_cmp page faults").
//! - `vcmpx-exec`, the memory instruction, or a scalar move of EXEC, sees the mask of the comparison. Source: LLVM
//!   `AMDGPU.td`, `FeatureVcmpxExecWARHazard` ("V_CMPX WAR hazard on EXEC"). Other scalar readers of EXEC are only
//!   counted, and so is a memory instruction with vector arithmetic in between, which could change its data.
//!
//! All others are only counted: their sources say that something goes wrong, not what. A flat offset is dropped
//! whether or not anybody looks.

use super::code::Code;
use super::exec_state::Exec;
use super::fault::FaultKind;
use super::flat::each_lane;
use super::op::{Op, Step};
use super::schedule::{SLICE, Stop};
use rmcp_code::isa::ScalarSet;
use rmcp_code::rules::{PathStep, Rule, RuleSet, Unit};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

/// A hazard that was met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hazard {
    /// The rule, as the static search names it.
    pub rule: Rule,
    /// Address of the instruction at which it hits.
    pub pc: u64,
    /// That instruction as LLVM writes it.
    pub text: String,
    /// How often wavefronts met it.
    pub times: u64,
    /// How often of these it had its effect.
    pub bitten: u64,
}

/// Where the hazards of dispatches are noted down.
#[derive(Debug, Default)]
pub struct Strict {
    seed: Option<u64>,
    one_in: u64,
    met: Mutex<BTreeMap<(Rule, u64), Hazard>>,
}

impl Strict {
    /// One in so many instructions reads its registers late, where there is a seed.
    pub const ONE_IN: u64 = 64;

    /// Makes one; with a seed hazards may bite, the same ones with the same seed.
    pub fn new(seed: Option<u64>) -> Self {
        Self { seed, one_in: Self::ONE_IN, met: Mutex::default() }
    }

    /// Makes one in so many instructions read its registers late.
    #[must_use]
    pub fn one_in(self, one_in: u64) -> Self {
        Self { one_in: one_in.max(1), ..self }
    }

    /// Makes a seed of a seed and a number, such as a dispatch's.
    pub const fn mix(seed: u64, number: u64) -> u64 {
        mixed(mixed(seed) ^ number)
    }

    /// Returns what was met so far, by rule and address.
    pub fn hazards(&self) -> Vec<Hazard> {
        let met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        met.values().cloned().collect()
    }
}

/// An instruction that has not read its registers yet.
struct Late {
    pc: u64,
    op: Op,
}

/// What is held back, all of one unit.
struct Held {
    unit: Unit,
    reads: ScalarSet,
    writes: ScalarSet,
    instructions: Vec<Late>,
}

/// When an instruction runs.
#[derive(Clone, Copy)]
enum Order {
    Now,
    /// It is held back.
    Later,
    /// Behind what is held back.
    Behind,
    /// Before what is held back, which sees what it writes.
    Before,
}

/// What one worker has met.
pub(super) struct Watch<'m> {
    strict: &'m Strict,
    /// How often, and how often it bit.
    met: HashMap<(Rule, u64), [u64; 2]>,
    held: Option<Held>,
}

/// A number that looks random, from another. Source: Steele, Lea, Flood, "Fast splittable pseudorandom number
/// generators" (2014), `mix64` in the variant of Stafford that `java.util.SplittableRandom` uses.
const fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

impl<'m> Watch<'m> {
    pub(super) fn new(strict: &'m Strict) -> Self {
        Self { strict, met: HashMap::new(), held: None }
    }

    /// Hands over what was met.
    pub(super) fn tell(self, mut text: impl FnMut(u64) -> String) {
        let mut all = self.strict.met.lock().unwrap_or_else(PoisonError::into_inner);
        for ((rule, pc), [times, bitten]) in self.met {
            let hazard = all.entry((rule, pc)).or_insert_with(|| Hazard {
                rule,
                pc,
                text: text(pc),
                times: 0,
                bitten: 0,
            });
            hazard.times += times;
            hazard.bitten += bitten;
        }
    }

    /// Counts what is met at an instruction.
    fn note(&mut self, met: RuleSet, pc: u64) {
        for rule in met.iter() {
            self.met.entry((rule, pc)).or_default()[0] += 1;
        }
    }

    /// Whether the instruction at hand is one of those that read their registers late.
    fn draws(&self, exec: &Exec<'_>) -> bool {
        let Some(seed) = self.strict.seed else { return false };
        let wave = &exec.wave;
        let [x, y, z] = wave.group.map(u64::from);
        let place = [x, y, z, u64::from(wave.number), wave.passed];
        let number = place.into_iter().fold(seed, Strict::mix);
        number.is_multiple_of(self.strict.one_in)
    }

    /// Says when an instruction runs.
    fn order(&mut self, exec: &Exec<'_>, op: &Op, step: &PathStep, met: RuleSet, pc: u64) -> Order {
        let late = |op: &Op| Late { pc, op: *op };
        let Some(held) = &mut self.held else {
            let may = match step.unit() {
                Unit::VectorMemory | Unit::ScalarMemory => !step.reads().is_empty(),
                Unit::Scalar => step.copies_exec(),
                _ => false,
            };
            if !may || !met.is_empty() || !self.draws(exec) {
                return Order::Now;
            }
            let (unit, reads, writes) = (step.unit(), step.reads(), step.writes());
            self.held = Some(Held { unit, reads, writes, instructions: vec![late(op)] });
            return Order::Later;
        };
        // Whatever needs the result waits for it, or the program is wrong on any card.
        if step.reads().meets(held.writes) || step.writes().meets(held.writes) {
            return Order::Behind;
        }
        let bites = match held.unit {
            Unit::VectorMemory => [Rule::VmemToScalarWrite, Rule::VcmpxExec],
            Unit::ScalarMemory => [Rule::SmemToVectorWrite; 2],
            _ => [Rule::VcmpxExec; 2],
        };
        if step.writes().meets(held.reads) {
            let Some(rule) = bites.into_iter().find(|&rule| met.contains(rule)) else {
                return Order::Behind;
            };
            self.met.entry((rule, pc)).or_default()[1] += 1;
            return Order::Before;
        }
        match (held.unit, step.unit()) {
            // Memory keeps its order.
            (Unit::VectorMemory, Unit::VectorMemory) | (Unit::ScalarMemory, Unit::ScalarMemory) => {
                held.reads.add(step.reads());
                held.writes.add(step.writes());
                held.instructions.push(late(op));
                Order::Later
            }
            (Unit::VectorMemory, Unit::Scalar | Unit::ScalarMemory | Unit::Branch)
            | (Unit::ScalarMemory, Unit::Vector | Unit::VectorMemory | Unit::Branch)
            | (Unit::Scalar, Unit::Vector) => Order::Now,
            _ => Order::Behind,
        }
    }

    /// Runs what is held back.
    fn catch_up(&mut self, exec: &mut Exec<'_>) -> Result<(), Stop> {
        let Some(held) = self.held.take() else { return Ok(()) };
        for Late { pc, op } in &held.instructions {
            if (op.run)(exec, op) == Step::Fault {
                return Err(stop_of(exec, *pc));
            }
        }
        Ok(())
    }
}

fn stop_of(exec: &mut Exec<'_>, pc: u64) -> Stop {
    let (kind, lane) = exec.fault.take().unwrap_or((FaultKind::Illegal, None));
    (kind, lane, pc)
}

impl Exec<'_> {
    /// Takes the rules out that ask for an address, where no lane's is one at which they hit.
    ///
    /// A flat access of several dwords counts wherever it leads. Source: Mesa, ACO `README-ISA.md`, "LdsMisalignedBug"
    /// ("misaligned multi-dword FLAT load/store instruction in WGP mode").
    #[inline(never)]
    fn at_these_addresses(&self, op: &Op, step: &PathStep, mut met: RuleSet) -> RuleSet {
        let (mut global, mut odd) = (false, false);
        let shape = step.shape();
        let beyond = if shape.is_pair { 0 } else { i64::from(op.constant).cast_unsigned() };
        for half in 0..self.wave.halves {
            let at = usize::from(op.sources[0].at) + half;
            each_lane!(self.wave.exec(half), lane => {
                let mut address = u64::from(self.wave.vectors[at].0[lane]);
                if shape.is_flat {
                    address |= u64::from(self.wave.vectors[at + self.wave.halves].0[lane]) << 32;
                }
                global |= shape.is_flat && self.not_global(address).is_none();
                odd |= !address.wrapping_add(beyond).is_multiple_of(u64::from(shape.alignment));
            });
        }
        if !global {
            met.remove(Rule::FlatOffset);
        }
        if !odd {
            met.remove(Rule::LdsMultiDword);
        }
        met
    }
}

/// Runs the wavefront at hand for a slice, and looks for hazards.
pub(super) fn slice(
    code: &mut Code,
    exec: &mut Exec<'_>,
    watch: &mut Watch<'_>,
) -> Result<(), Stop> {
    for _ in 0..SLICE {
        let pc = exec.wave.pc;
        let op = *code.at(pc, exec).map_err(|kind| (kind, None, pc))?;
        let step = code.step(pc).ok_or((FaultKind::Illegal, None, pc))?;
        exec.wave.pc = pc.wrapping_add(u64::from(op.bytes));
        exec.wave.passed += 1;
        exec.counters.wave_instructions += 1;
        let mut met = exec.wave.path.pass(step);
        if !met.is_empty() {
            if met.iter().any(Rule::asks_for_address) {
                met = exec.at_these_addresses(&op, step, met);
            }
            watch.note(met, pc);
        }
        let order = watch.order(exec, &op, step, met, pc);
        if matches!(order, Order::Behind) {
            watch.catch_up(exec)?;
        }
        let next = match order {
            Order::Later => Step::Next,
            _ => (op.run)(exec, &op),
        };
        if matches!(order, Order::Before) && next != Step::Fault {
            watch.catch_up(exec)?;
        }
        match next {
            Step::Next => continue,
            Step::Barrier => exec.wave.waits = true,
            Step::End => exec.wave.done = true,
            Step::Yield => {}
            Step::Fault => return Err(stop_of(exec, pc)),
        }
        break;
    }
    // The next wavefront must not find it.
    watch.catch_up(exec)
}

#[cfg(test)]
mod tests {
    use super::super::{Device, Launch, Memory, Range, run};
    use super::*;
    use rmcp_code::isa::Target;
    use std::cell::UnsafeCell;

    const BLOCK: u64 = 0x7000_0000;
    const CODE: usize = 0x100;
    const ARGUMENTS: usize = 0x1000;
    const DATA: usize = 0x2000;

    /// Memory of 64 KiB at one address: descriptor, code, arguments, data.
    struct Block(Vec<UnsafeCell<u32>>);

    // SAFETY: each test has its own block, and one thread runs on it.
    unsafe impl Sync for Block {}

    // SAFETY: the block has the range's size, and lives as long as the test.
    unsafe impl Memory for Block {
        fn range(&self, va: u64) -> Option<Range> {
            let end = BLOCK + 4 * self.0.len() as u64;
            let host = self.0.as_ptr().cast_mut().cast();
            let range = Range { start: BLOCK, end, host, writable: true, executable: true };
            (BLOCK..end).contains(&va).then_some(range)
        }
    }

    /// Instructions with their words, as `llvm-mc` writes them for gfx1010.
    type Code = &'static [(&'static str, &'static [u32])];

    const POINTER: Code = &[
        ("s_load_dwordx2 s[2:3], s[0:1], null", &[0xf404_0080, 0xfa00_0000]),
        ("s_waitcnt lgkmcnt(0)", &[0xbf8c_c07f]),
        ("v_lshlrev_b32_e32 v2, 2, v0", &[0x3404_0082]),
        ("v_mov_b32_e32 v1, 7", &[0x7e02_0287]),
    ];
    const STORE: (&str, &[u32]) =
        ("global_store_dword v2, v1, s[2:3]", &[0xdc70_8000, 0x0002_0102]);
    const ADD: (&str, &[u32]) = ("s_add_u32 s2, s2, 0x100", &[0x8002_ff02, 0x100]);
    const END: (&str, &[u32]) = ("s_endpgm", &[0xbf81_0000]);

    const STORE_THEN_ADD: Code = &[STORE, ADD, END];
    const STORE_MOVE_ADD: Code = &[STORE, ("v_mov_b32_e32 v1, 7", &[0x7e02_0287]), ADD, END];
    const STORE_WAIT_ADD: Code =
        &[STORE, ("s_waitcnt vmcnt(0) expcnt(0) lgkmcnt(0)", &[0xbf8c_0000]), ADD, END];
    const LOAD_THEN_LANE: Code = &[
        ("v_mov_b32_e32 v3, s2", &[0x7e06_0202]),
        ("v_add_nc_u32_e32 v3, 0x100, v3", &[0x4a06_06ff, 0x100]),
        ("s_load_dword s4, s[2:3], null", &[0xf400_0101, 0xfa00_0000]),
        ("v_readfirstlane_b32 s2, v3", &[0x7e04_0503]),
        ("s_waitcnt lgkmcnt(0)", &[0xbf8c_c07f]),
        ("v_mov_b32_e32 v1, s4", &[0x7e02_0204]),
        STORE,
        END,
    ];
    const COPY_THEN_COMPARE: Code = &[
        ("s_mov_b32 s4, exec_lo", &[0xbe84_037e]),
        ("v_cmpx_gt_u32_e32 16, v0", &[0x7da8_0090]),
        ("s_mov_b32 exec_lo, -1", &[0xbefe_03c1]),
        ("v_mov_b32_e32 v1, s4", &[0x7e02_0204]),
        STORE,
        END,
    ];

    /// Runs a wavefront and returns what it wrote at the start of the data and 256 bytes behind it, and what it met.
    fn outcome(code: Code, target: Target, strict: Option<&Strict>) -> [u32; 2] {
        let mut words = vec![0_u32; 0x4000];
        // Wave32, the arguments' address in s[0:1], all denormals.
        let entry = CODE as u32;
        for (at, word) in [(16, entry), (48, 0x000f_0001), (52, 2 << 1), (56, 0x0408)] {
            words[at / 4] = word;
        }
        let code = POINTER.iter().chain(code).flat_map(|(_, words)| *words);
        words[CODE / 4..].iter_mut().zip(code).for_each(|(to, from)| *to = *from);
        words[ARGUMENTS / 4] = BLOCK as u32 + DATA as u32;
        (words[DATA / 4], words[DATA / 4 + 64]) = (11, 22);
        let block = Block(words.into_iter().map(UnsafeCell::new).collect());
        let launch = Launch {
            grid: [32, 1, 1],
            workgroup: [32, 1, 1],
            kernel_object: BLOCK,
            kernarg: BLOCK + ARGUMENTS as u64,
            strict,
            ..Launch::default()
        };
        run(&Device::new(target, 1), &block, &launch).unwrap_or_else(|fault| panic!("{fault}"));
        let word = |at: usize| block.0[at].get();
        // SAFETY: the dispatch is over.
        [DATA / 4, DATA / 4 + 64].map(|at| unsafe { *word(at) })
    }

    #[test]
    fn what_is_met_is_counted_and_bites_only_with_a_seed() {
        for (code, rule, right, bitten, at) in [
            (STORE_THEN_ADD, Rule::VmemToScalarWrite, [7, 22], [11, 7], ADD.0),
            (
                LOAD_THEN_LANE,
                Rule::SmemToVectorWrite,
                [11, 11],
                [11, 22],
                "v_readfirstlane_b32 s2, v3",
            ),
            (
                COPY_THEN_COMPARE,
                Rule::VcmpxExec,
                [u32::MAX, 22],
                [0xffff, 22],
                "v_cmpx_gt_u32_e32 16, v0",
            ),
        ] {
            let name = rule.name();
            assert_eq!(outcome(code, Target::Gfx1010, None), right, "{name}");
            let strict = Strict::new(None);
            assert_eq!(outcome(code, Target::Gfx1010, Some(&strict)), right, "{name}");
            let [met] = &strict.hazards()[..] else { panic!("{name}: {:?}", strict.hazards()) };
            assert_eq!((met.rule, met.times, met.bitten), (rule, 1, 0));
            assert_eq!(met.text, at, "{name}");
            let strict = Strict::new(Some(1)).one_in(1);
            assert_eq!(outcome(code, Target::Gfx1010, Some(&strict)), bitten, "{name}");
            assert_eq!(strict.hazards()[0].bitten, 1, "{name}");
            // The newer chip has none of this.
            let strict = Strict::new(Some(1)).one_in(1);
            assert_eq!(outcome(code, Target::Gfx1030, Some(&strict)), right, "{name}");
            assert_eq!(strict.hazards(), []);
        }
    }

    #[test]
    fn what_keeps_hazards_away_keeps_them_from_biting() {
        for code in [STORE_MOVE_ADD, STORE_WAIT_ADD] {
            let strict = Strict::new(Some(1)).one_in(1);
            assert_eq!(outcome(code, Target::Gfx1010, Some(&strict)), [7, 22]);
            assert_eq!(strict.hazards(), []);
        }
    }

    #[test]
    fn the_same_seed_bites_the_same_ones() {
        let bitten = |seed: u64| {
            let strict = Strict::new(Some(seed)).one_in(2);
            outcome(STORE_THEN_ADD, Target::Gfx1010, Some(&strict)) == [11, 7]
        };
        let once: Vec<bool> = (0..64).map(bitten).collect();
        assert_eq!(once, (0..64).map(bitten).collect::<Vec<_>>());
        let count = once.iter().filter(|bitten| **bitten).count();
        assert!((16..=48).contains(&count), "{count} of 64");
    }
}
