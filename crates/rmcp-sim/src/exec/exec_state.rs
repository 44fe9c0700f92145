//! What the handlers of instructions work on: the wavefront at hand, its LDS, memory, and the dispatch.

use super::device::Device;
use super::fault::FaultKind;
use super::launch::Launch;
use super::memory::Translation;
use super::op::Step;
use super::schedule::Counters;
use super::wave::Wave;

/// What the handlers of instructions work on.
pub(super) struct Exec<'m> {
    pub(super) wave: Box<Wave>,
    pub(super) lds: Vec<u8>,
    pub(super) memory: Translation<'m>,
    pub(super) device: &'m Device,
    pub(super) launch: &'m Launch<'m>,
    pub(super) counters: Counters,
    /// What went wrong, and in which lane.
    pub(super) fault: Option<(FaultKind, Option<u32>)>,
}

impl Exec<'_> {
    /// Says that a lane went wrong.
    #[cold]
    pub(super) fn fail(&mut self, kind: FaultKind, lane: u32) -> Step {
        self.fault = Some((kind, Some(lane)));
        Step::Fault
    }

    /// Says that the wavefront went wrong.
    #[cold]
    pub(super) fn stop(&mut self, kind: FaultKind) -> Step {
        self.fault = Some((kind, None));
        Step::Fault
    }
}
