//! Which devices there are to try, as torch counts them, best first.

use super::sight::Sight;
use rmcp_host::Caller;
use rmcp_model::{Diagnosis, GpuReport, PciId, RouteStatus, Severity, Verdict};
use std::cmp::Reverse;

/// The build of torch that a device needs, and how it is asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Backend {
    Rocm,
    Cuda,
    /// Whatever torch calls `cuda`: no card is seen that would tell.
    AnyCuda,
    Mps,
    Vulkan,
}

impl Backend {
    /// The device's type in torch.
    pub(super) fn device(self) -> &'static str {
        match self {
            Self::Rocm | Self::Cuda | Self::AnyCuda => "cuda",
            Self::Mps => "mps",
            Self::Vulkan => "vulkan",
        }
    }

    /// The build that the probe insists on.
    pub(super) fn build(self) -> Option<&'static str> {
        match self {
            Self::Rocm => Some("rocm"),
            Self::Cuda => Some("cuda"),
            Self::AnyCuda | Self::Mps | Self::Vulkan => None,
        }
    }
}

/// A device to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) backend: Backend,
    /// Its number in the program that asks.
    pub(super) index: usize,
    /// The one variable that shows this card alone, with its value; where it is none, the card is found by its number.
    pub(super) shown_by: Option<(&'static str, String)>,
    pub(super) name: String,
    pub(super) route: String,
    /// What is known against it, and what its name rests on.
    pub(super) evidence: Vec<String>,
    /// Why it need not be tried: it cannot be used.
    pub(super) blocked: Option<String>,
}

impl Candidate {
    fn new(backend: Backend, index: usize, name: impl Into<String>, route: &str) -> Self {
        Self {
            backend,
            index,
            shown_by: None,
            name: name.into(),
            route: route.to_owned(),
            evidence: Vec::new(),
            blocked: None,
        }
    }

    /// The device as torch wants it.
    pub(super) fn device(&self) -> String {
        match (self.backend.device(), self.index) {
            ("cuda", 1..) => format!("cuda:{}", self.index),
            (device, _) => device.to_owned(),
        }
    }
}

/// Returns the devices to try, best first. `unasked` adds what torch may call `cuda` where no card is seen.
pub(super) fn candidates(
    sight: &Sight,
    diagnosis: &Diagnosis,
    caller: &Caller,
    unasked: bool,
) -> Vec<Candidate> {
    let mut all = amd(diagnosis, caller);
    if sight.has_nvidia() {
        all.extend(nvidia(sight, caller));
    }
    if cfg!(target_os = "macos") {
        all.push(Candidate::new(Backend::Mps, 0, "the GPU of this Mac", "mps"));
    }
    if all.is_empty() && (unasked || sight.may_have_another()) {
        all.push(Candidate::new(Backend::AnyCuda, 0, "the device that torch may find", "cuda"));
    }
    all.push(Candidate::new(Backend::Vulkan, 0, "Vulkan", "vulkan"));
    all
}

fn amd(diagnosis: &Diagnosis, caller: &Caller) -> Vec<Candidate> {
    // ROCm counts the cards that the kernel's driver lists, in its order.
    let mut listed: Vec<usize> =
        (0..diagnosis.gpus.len()).filter(|&at| diagnosis.gpus[at].node.is_some()).collect();
    listed.sort_by_key(|&at| diagnosis.gpus[at].node);
    if listed.is_empty() {
        listed = (0..diagnosis.gpus.len()).collect();
    }
    let rocr = caller.variable("ROCR_VISIBLE_DEVICES");
    let hip =
        caller.variable("HIP_VISIBLE_DEVICES").or_else(|| caller.variable("CUDA_VISIBLE_DEVICES"));
    let mut seen = visible(&visible(&all_of(&listed), rocr), hip);
    seen.sort_by_key(|slot| rank(slot.what.map(|at| &diagnosis.gpus[at])));
    seen.into_iter()
        .map(|slot| {
            let shown_by = Some(("HIP_VISIBLE_DEVICES", slot.word.clone()));
            match slot.what {
                Some(at) => Candidate { shown_by, ..of_report(diagnosis, at, slot.index) },
                None => {
                    let name = format!("the AMD card {}", slot.word);
                    Candidate {
                        shown_by,
                        ..Candidate::new(Backend::Rocm, slot.index, name, "rocm")
                    }
                }
            }
        })
        .collect()
}

fn of_report(diagnosis: &Diagnosis, at: usize, index: usize) -> Candidate {
    let gpu = &diagnosis.gpus[at];
    let here = |gpu: Option<usize>| gpu.is_none_or(|gpu| gpu == at);
    let active = diagnosis
        .routes
        .iter()
        .find(|route| route.gpu == Some(at) && route.status == RouteStatus::Active);
    let against: Vec<&rmcp_model::Finding> = diagnosis
        .findings
        .iter()
        .filter(|finding| here(finding.gpu) && finding.severity < Severity::Note)
        .collect();
    let blocked = matches!(gpu.verdict, Verdict::Blocked | Verdict::Unsupported).then(|| {
        let first = against.iter().find(|finding| finding.gpu.is_some()).or(against.first());
        first.map_or_else(|| gpu.verdict.sentence().to_owned(), |finding| finding.title.clone())
    });
    let target = gpu.gfx.zip(gpu.gfx_origin.as_ref());
    let mut evidence: Vec<String> =
        target.map(|(gfx, origin)| format!("{origin}: {gfx}")).into_iter().collect();
    evidence.extend(against.iter().map(|finding| format!("{} [{}]", finding.title, finding.code)));
    Candidate {
        evidence,
        blocked,
        ..Candidate::new(
            Backend::Rocm,
            index,
            &gpu.name,
            active.map_or("rocm", |route| route.id.as_str()),
        )
    }
}

/// Cards of their own come before parts of the processor, large ones before small ones.
fn rank(gpu: Option<&GpuReport>) -> (bool, Reverse<u64>) {
    (
        gpu.is_some_and(|gpu| gpu.integrated == Some(true)),
        Reverse(gpu.and_then(|gpu| gpu.vram_bytes).unwrap_or(0)),
    )
}

/// CUDA puts the fastest card first by itself, and only it knows which.
fn nvidia(sight: &Sight, caller: &Caller) -> Vec<Candidate> {
    let cards = sight
        .cards
        .iter()
        .filter(|card| card.id.value().is_some_and(|id| id.vendor == PciId::NVIDIA))
        .count()
        .max(1);
    let count = match caller.variable("CUDA_VISIBLE_DEVICES") {
        Some(list) => visible(&all_of(&(0..cards).collect::<Vec<_>>()), Some(list)).len(),
        None => cards,
    };
    (0..count)
        .map(|index| Candidate::new(Backend::Cuda, index, "the NVIDIA card", "cuda"))
        .collect()
}

/// A card in the order in which a program counts them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Slot {
    index: usize,
    /// How the list before names it.
    word: String,
    /// Which card it is, where that is known.
    what: Option<usize>,
}

fn all_of(order: &[usize]) -> Vec<Slot> {
    let slot =
        |(index, &what): (usize, &usize)| Slot { index, word: index.to_string(), what: Some(what) };
    order.iter().enumerate().map(slot).collect()
}

/// Returns the cards that a list such as `1,0` leaves of these, in its order. It ends at the first number that is none of
/// theirs; a word such as `GPU-…` is a card of which it is not known which.
///
/// Source: HIP, "GPU isolation techniques"; CUDA's `CUDA_VISIBLE_DEVICES` is read in the same way.
fn visible(cards: &[Slot], list: Option<&str>) -> Vec<Slot> {
    let Some(list) = list else { return cards.to_vec() };
    let mut left: Vec<Slot> = Vec::new();
    for word in list.split(',').map(str::trim) {
        let what = match word.parse::<i64>() {
            Ok(number) => match usize::try_from(number).ok().and_then(|at| cards.get(at)) {
                Some(card) => card.what,
                None => break,
            },
            Err(_) => None,
        };
        left.push(Slot { index: left.len(), word: word.to_owned(), what });
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(list: Option<&str>) -> Vec<(usize, String, Option<usize>)> {
        let slots = visible(&all_of(&[7, 8, 9]), list);
        slots.into_iter().map(|slot| (slot.index, slot.word, slot.what)).collect()
    }

    #[test]
    fn lists_of_cards_are_read_as_hip_does() {
        let slot = |index, word: &str, what| (index, word.to_owned(), what);
        assert_eq!(
            seen(None),
            [slot(0, "0", Some(7)), slot(1, "1", Some(8)), slot(2, "2", Some(9))]
        );
        assert_eq!(seen(Some("2,0")), [slot(0, "2", Some(9)), slot(1, "0", Some(7))]);
        assert_eq!(seen(Some("1,5,0")), [slot(0, "1", Some(8))]);
        assert_eq!(seen(Some("-1")), []);
        assert_eq!(seen(Some("GPU-ab")), [slot(0, "GPU-ab", None)]);
    }
}
