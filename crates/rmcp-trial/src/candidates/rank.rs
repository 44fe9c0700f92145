//! The order of trying.

use super::About;
use rmcp_knowledge::schema::Effect;
use rmcp_model::Candidate;

/// What is expected of a candidate, the most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// It answers a finding of `doctor`: the position of that, and of the remedy in it.
    Answers(usize, usize),
    /// It does what it is for.
    Effective,
    /// It helps to find a fault.
    Diagnostic,
    /// Nobody has found out.
    Unknown,
    /// It is known to do nothing, or harm.
    Useless,
}

/// A candidate and what is expected of it.
pub(super) struct Ranked {
    pub(super) candidate: Candidate,
    pub(super) rank: Rank,
}

impl Rank {
    /// Returns the rank of what has this effect.
    pub(super) fn of(effect: Effect) -> Self {
        match effect {
            Effect::Effective => Self::Effective,
            Effect::Diagnostic => Self::Diagnostic,
            Effect::Unknown => Self::Unknown,
            Effect::Inert | Effect::Harmful => Self::Useless,
        }
    }

    /// Returns the rank of setting a variable on this card.
    pub(super) fn of_variable(about: &About<'_>, name: &str, value: &str) -> Self {
        let verdict = about.knowledge.judge_variable(name, value, about.gfx(), None);
        verdict.map_or(Self::Unknown, |verdict| Self::of(verdict.effect))
    }
}
