//! Code by address, each instruction decoded once.

use super::exec_state::Exec;
use super::fault::FaultKind;
use super::lower::lower;
use super::op::Op;
use rmcp_code::isa::{Isa, Target, Wave};
use rmcp_code::rules::{PathReader, PathStep};

const PAGE: u64 = 4096;

/// The instructions that begin in one page, by their place.
struct Page {
    start: u64,
    ops: Box<[Option<Op>]>,
    /// What they are to hazards; empty where these are not looked for.
    steps: Box<[Option<PathStep>]>,
}

/// Code that one worker has seen.
pub(super) struct Code {
    isa: &'static Isa,
    wave: Wave,
    /// Vector registers of a wavefront.
    registers: u32,
    reader: Option<PathReader>,
    pages: Vec<Page>,
    latest: usize,
}

impl Code {
    /// Makes a room for code; hazards are looked for where there is a reader.
    pub(super) fn new(
        isa: &'static Isa,
        wave: Wave,
        registers: u32,
        reader: Option<PathReader>,
    ) -> Self {
        Self { isa, wave, registers, reader, pages: Vec::new(), latest: 0 }
    }

    /// Returns the instruction at an address.
    #[inline(always)]
    pub(super) fn at(&mut self, pc: u64, exec: &mut Exec<'_>) -> Result<&Op, FaultKind> {
        let start = pc & !(PAGE - 1);
        let place = (pc % PAGE / 4) as usize;
        let known = self
            .pages
            .get(self.latest)
            .is_some_and(|page| page.start == start && page.ops[place].is_some());
        if !known {
            self.learn(pc, exec)?;
        }
        match &self.pages[self.latest].ops[place] {
            Some(op) => Ok(op),
            None => Err(FaultKind::Illegal),
        }
    }

    #[inline(never)]
    fn learn(&mut self, pc: u64, exec: &mut Exec<'_>) -> Result<(), FaultKind> {
        let start = pc & !(PAGE - 1);
        let place = (pc % PAGE / 4) as usize;
        self.latest = match self.pages.iter().position(|page| page.start == start) {
            Some(at) => at,
            None => {
                let ops = vec![None; (PAGE / 4) as usize].into_boxed_slice();
                let watched = if self.reader.is_some() { ops.len() } else { 0 };
                let steps = vec![None; watched].into_boxed_slice();
                self.pages.push(Page { start, ops, steps });
                self.pages.len() - 1
            }
        };
        if self.pages[self.latest].ops[place].is_none() {
            let (words, count) = words_at(pc, exec)?;
            let instruction =
                self.isa.decode(&words[..count]).map_err(|_error| FaultKind::Illegal)?;
            let op = lower(&instruction, self.wave, self.registers)?;
            self.pages[self.latest].ops[place] = Some(op);
            if let Some(reader) = &self.reader {
                self.pages[self.latest].steps[place] = Some(reader.step(&instruction));
            }
        }
        Ok(())
    }

    /// Returns what the instruction at an address, which [`Code::at`] has just returned, is to hazards.
    pub(super) fn step(&self, pc: u64) -> Option<&PathStep> {
        self.pages[self.latest].steps.get((pc % PAGE / 4) as usize)?.as_ref()
    }

    /// Returns the text of the instruction at an address; of one that the target lacks what it is on another, or its
    /// words.
    pub(super) fn text(&self, pc: u64, exec: &mut Exec<'_>) -> String {
        let Ok((words, count)) = words_at(pc, exec) else { return "no code".to_owned() };
        match self.isa.decode(&words[..count]) {
            Ok(instruction) => instruction.text(self.wave).to_string(),
            Err(error) => {
                let elsewhere = Target::ALL.into_iter().find_map(|target| {
                    let instruction = Isa::of(target).decode(&words[..count]).ok()?;
                    Some(format!("{} of {}: {error}", instruction.text(self.wave), target.name()))
                });
                elsewhere.unwrap_or_else(|| format!("{:08x} {:08x}: {error}", words[0], words[1]))
            }
        }
    }
}

/// Reads the words of the longest instruction, or as many as there are.
fn words_at(pc: u64, exec: &mut Exec<'_>) -> Result<([u32; 5], usize), FaultKind> {
    let fault = FaultKind::PageFault { va: pc, write: false };
    if pc & 3 != 0 {
        return Err(FaultKind::Illegal);
    }
    let range = exec.memory.range(pc).filter(|range| range.executable).ok_or(fault)?;
    let mut words = [0; 5];
    let count = (range.end - pc).min(20) as usize / 4;
    for (word, at) in words.iter_mut().zip(0_u64..).take(count) {
        *word = exec.memory.read_words::<1>(pc + 4 * at)?[0];
    }
    if count == 0 { Err(fault) } else { Ok((words, count)) }
}
