//! The instructions of kernels as text, with the rules that hit beside them.

use crate::container::{ContainerError, Group, ReadAt, Visitor, walk};
use crate::isa::{Isa, Target, Wave, words_of};
use crate::object_file::{CodeObject, CodeTarget, Function};
use crate::rules::{Judge, Rule};
use rmcp_model::{ScanCard, ScanProblem};
use std::fmt::Write as _;

/// Most text of all kernels together: a name that fits many must not fill the memory.
const MAX_TEXT_BYTES: usize = 64 << 20;

/// A kernel as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Where its library stands.
    pub place: String,
    /// The target it was built for.
    pub target: CodeTarget,
    /// Name of its symbol.
    pub name: String,
    /// One line for each instruction: address, words, text, and the rules that hit there.
    pub text: String,
}

/// Lists the kernels of a file whose symbol is wanted, for all targets of RDNA1 and RDNA2.
///
/// Returns what could not be read beside them.
pub fn list_kernels(
    place: &str,
    file: &dyn ReadAt,
    card: &ScanCard,
    wanted: &dyn Fn(&str) -> bool,
) -> (Vec<Listed>, Vec<ScanProblem>) {
    let runs_on = Target::from_gfx(card.gfx);
    let mut lister =
        Lister { runs_on, wanted, left: MAX_TEXT_BYTES, found: vec![], problems: vec![] };
    walk(place, file, &mut lister);
    (lister.found, lister.problems)
}

struct Lister<'w> {
    runs_on: Option<Target>,
    wanted: &'w dyn Fn(&str) -> bool,
    left: usize,
    found: Vec<Listed>,
    problems: Vec<ScanProblem>,
}

impl Lister<'_> {
    fn list(
        &mut self,
        place: &str,
        target: CodeTarget,
        tables: Target,
        object: &dyn ReadAt,
    ) -> Result<(), ContainerError> {
        let bytes = object.bytes_at(0, object.length())?;
        let object = CodeObject::parse(&bytes)?;
        let judgement = self.runs_on.map(|runs_on| Judge::new(tables, runs_on).judge(&object));
        for kernel in object.kernels().filter(|kernel| (self.wanted)(&kernel.name)) {
            if self.left == 0 {
                break;
            }
            let judged = judgement.as_ref().and_then(|judgement| {
                judgement.kernels.iter().find(|judged| judged.name == kernel.name)
            });
            let sites = judged.map_or(&[][..], |judged| &judged.sites);
            let hits: Vec<(u64, Rule)> =
                sites.iter().map(|site| (site.address, site.rule)).collect();
            let text = list_function(kernel, tables, &hits);
            self.left = self.left.saturating_sub(text.len());
            self.found.push(Listed {
                place: place.to_owned(),
                target,
                name: kernel.name.clone().into_owned(),
                text,
            });
        }
        Ok(())
    }
}

/// Writes a function. Only the first few hits of a rule are known by their place.
fn list_function(function: &Function<'_>, tables: Target, hits: &[(u64, Rule)]) -> String {
    let isa = Isa::of(tables);
    let wave = function.kernel.map_or(Wave::Wave32, |kernel| kernel.wave());
    let words = words_of(function.code);
    let (mut at, mut out) = (0, String::new());
    while at < words.len() {
        let address = function.address.wrapping_add(at as u64 * 4);
        let (text, length) = match isa.decode(&words[at..]) {
            Ok(instruction) => {
                (instruction.text(wave).to_string(), usize::from(instruction.dwords()))
            }
            Err(_) => (format!(".long {:#010x}", words[at]), 1),
        };
        let _ = write!(out, "\t{text:<59} // {address:012X}:");
        for word in words[at..].iter().take(length) {
            let _ = write!(out, " {word:08X}");
        }
        for (_, rule) in hits.iter().filter(|(hit, _)| *hit == address) {
            let _ = write!(out, "  <- {} ({})", rule.name(), rule.severity().words());
        }
        out.push('\n');
        at += length.max(1);
    }
    out
}

impl Visitor for Lister<'_> {
    fn group(&mut self, group: &Group<'_>) -> Vec<usize> {
        let known = |at: &usize| {
            let member = &group.members[*at];
            member.bytes > 0 && member.target.and_then(CodeTarget::instructions).is_some()
        };
        (0..group.members.len()).filter(known).collect()
    }

    fn object(&mut self, group: &Group<'_>, member: usize, object: &dyn ReadAt) {
        let Some(target) = group.members[member].target else { return };
        let Some(tables) = target.instructions() else { return };
        if let Err(error) = self.list(group.place, target, tables, object) {
            self.problem(group.place, error);
        }
    }

    fn problem(&mut self, place: &str, error: ContainerError) {
        self.problems.push(ScanProblem { path: place.to_owned(), why: error.to_string() });
    }
}
