//! The hazards of gfx10.1 that a program's kernels have met, and how they are said.

use super::record::{Event, Record};
use crate::exec::{Device, Hazard, Strict};
use rmcp_code::rules::Rule;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

/// Lines of the table at most, to stay on a screen.
const LINES: usize = 16;

/// Characters of a kernel's name at most.
const NAME: usize = 48;

/// What was met in one kernel by one rule.
#[derive(Debug, Default)]
struct Met {
    sites: BTreeSet<i64>,
    times: u64,
    bitten: u64,
    /// The instruction at which it was met first, from the kernel's first one on.
    example: String,
}

#[derive(Debug, Default)]
struct All {
    met: BTreeMap<(String, Rule), Met>,
    dispatches: u64,
    /// Dispatches when the table was last said.
    said: Option<u64>,
}

/// The hazards of one program.
#[derive(Debug)]
pub(crate) struct Hazards {
    seed: Option<u64>,
    /// Whether any card has them.
    possible: bool,
    all: Mutex<All>,
}

impl Hazards {
    pub(crate) fn new(seed: Option<u64>, devices: &[Device]) -> Self {
        let possible = devices.iter().any(|device| device.target.has_gfx10_1_faults());
        Self { seed, possible, all: Mutex::default() }
    }

    /// Begins to look for hazards in a dispatch; each has its own luck.
    pub(crate) fn start(&self, queue: u32, index: u64) -> Strict {
        Strict::new(self.seed.map(|seed| Strict::mix(seed, u64::from(queue) << 48 ^ index)))
    }

    /// Adds what a dispatch has met.
    pub(crate) fn add(&self, kernel: &str, entry: u64, hazards: &[Hazard], record: &Record) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.dispatches += 1;
        for Hazard { rule, pc, text, times, bitten } in hazards {
            let (rule, offset) = (*rule, pc.wrapping_sub(entry).cast_signed());
            record.trace(&Event::Hazard {
                kernel,
                rule: rule.name(),
                offset,
                instruction: text,
                times: *times,
                bitten: *bitten,
            });
            let met = all.met.entry((kernel.to_owned(), rule)).or_default();
            if met.sites.is_empty() {
                met.example = format!("{offset:+#x}: {text}");
            }
            met.sites.insert(offset);
            met.times += times;
            met.bitten += bitten;
        }
    }

    /// Returns what there is to say at the end, `None` where it has been said.
    pub(crate) fn say(&self) -> Option<String> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if all.said == Some(all.dispatches) {
            return None;
        }
        all.said = Some(all.dispatches);
        Some(if self.possible { table(&all, self.seed) } else { none_possible() })
    }
}

fn none_possible() -> String {
    "rmcp sim: --strict looks for hazards of gfx10.1, which this card does not have\n".to_owned()
}

/// The worst first: by how certain the harm is, then by how often it was met.
fn table(all: &All, seed: Option<u64>) -> String {
    let dispatches = all.dispatches;
    if all.met.is_empty() {
        return format!("rmcp sim: no hazard of gfx10.1 was met in {dispatches} dispatches\n");
    }
    let mut rows: Vec<_> = all.met.iter().collect();
    rows.sort_by_key(|((_, rule), met)| (rule.severity(), std::cmp::Reverse(met.times)));
    let kernels = rows.iter().map(|((kernel, _), _)| kernel).collect::<BTreeSet<_>>().len();
    let mut text = format!(
        "rmcp sim: hazards of gfx10.1 were met in {kernels} kernels ({dispatches} dispatches); a card meets them too, and mostly gets away with it\n"
    );
    let bitten = if seed.is_some() { "    bitten" } else { "" };
    // Nothing is lost where text does not fit into a `String`: it always does.
    let _ =
        writeln!(text, "{:<24}{:>6}{:>12}{bitten}  kernel, first site", "rule", "sites", "times");
    for ((kernel, rule), met) in rows.iter().take(LINES) {
        let bitten = if seed.is_some() { format!("{:>10}", met.bitten) } else { String::new() };
        let mut kernel = kernel.clone();
        if let Some((cut, _)) = kernel.char_indices().nth(NAME) {
            kernel.truncate(cut);
            kernel.push('…');
        }
        let (name, sites, times) = (rule.name(), met.sites.len(), met.times);
        let _ =
            writeln!(text, "{name:<24}{sites:>6}{times:>12}{bitten}  {kernel}, {}", met.example);
    }
    if let Some(more @ 1..) = rows.len().checked_sub(LINES) {
        let _ = writeln!(text, "and {more} more; --trace writes all of them down");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use rmcp_code::isa::Target;

    fn hazard(rule: Rule, pc: u64, times: u64) -> Hazard {
        Hazard { rule, pc, text: "s_mov_b32 s2, 0".to_owned(), times, bitten: 0 }
    }

    #[test]
    fn what_is_worst_comes_first_and_is_said_once() {
        let record = Record::new(&Settings::default());
        let hazards = Hazards::new(None, &[Device::new(Target::Gfx1010, 1)]);
        assert!(hazards.say().is_some_and(|text| text.contains("no hazard of gfx10.1 was met")));
        let met = [
            hazard(Rule::FlatOffset, 0x1008, 1),
            hazard(Rule::LdsBranchVmem, 0x1010, 7),
            hazard(Rule::VmemToScalarWrite, 0x1020, 90),
            hazard(Rule::VmemToScalarWrite, 0x1024, 9),
        ];
        hazards.add("kernel", 0x1000, &met, &record);
        let text = hazards.say().unwrap_or_default();
        let rules: Vec<_> =
            text.lines().skip(2).filter_map(|line| line.split_whitespace().next()).collect();
        assert_eq!(rules, ["flat-offset", "vmem-to-scalar-write", "lds-branch-vmem"], "{text}");
        assert!(text.contains("     2          99  kernel, +0x20: s_mov_b32 s2, 0"), "{text}");
        assert_eq!(hazards.say(), None);
        let newer = Hazards::new(None, &[Device::new(Target::Gfx1031, 1)]);
        assert!(newer.say().is_some_and(|text| text.contains("does not have")));
    }

    #[test]
    fn the_table_stays_on_a_screen() {
        let record = Record::new(&Settings::default());
        let hazards = Hazards::new(Some(1), &[Device::new(Target::Gfx1010, 1)]);
        for kernel in 0..40 {
            let name = format!("{kernel}{}", "x".repeat(200));
            hazards.add(&name, 0, &[hazard(Rule::VcmpxExec, 4, 1)], &record);
        }
        let text = hazards.say().unwrap_or_default();
        assert_eq!(text.lines().count(), LINES + 3, "{text}");
        assert!(text.contains("and 24 more") && text.contains("bitten"), "{text}");
    }
}
