//! Which route a job takes next. Pure.

use rmcp_model::{Ending, JobRoute};
use std::time::Duration;

/// Longest pause before another attempt.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The routes of a job, best first, and where it stands on them.
#[derive(Debug, Clone)]
pub struct Ladder {
    routes: Vec<JobRoute>,
    at: usize,
    /// Attempts that were begun.
    attempt: u32,
    most: u32,
    /// Failures since the last attempt that got anywhere.
    in_vain: u32,
}

/// What follows an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Another attempt, after a pause.
    Attempt {
        /// How long the card is left alone.
        pause: Duration,
    },
    /// No other attempt. The reason is for the person; none where there is nothing to say.
    Stop {
        /// Why.
        why: Option<&'static str>,
    },
}

impl Ladder {
    /// A ladder of these routes, of at least one, and so many attempts at most. The job begins on the route of the
    /// given id where there is one.
    pub fn new(routes: Vec<JobRoute>, most: u32, first: Option<&str>) -> Self {
        let at = first.and_then(|id| routes.iter().position(|route| route.id == id));
        Self { routes, at: at.unwrap_or(0), attempt: 1, most, in_vain: 0 }
    }

    /// Returns the route of this attempt.
    pub fn route(&self) -> &JobRoute {
        &self.routes[self.at]
    }

    /// Returns the number of this attempt, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Decides what follows an attempt, and goes there. Only what the GPU did is worth another attempt. A route on
    /// which the job `progressed`, as a new checkpoint shows, is kept; one on which it did not is left.
    pub fn after(&mut self, ending: &Ending, progressed: bool) -> Next {
        if !ending.is_gpu_failure() {
            return Next::Stop { why: None };
        }
        if self.attempt >= self.most {
            return Next::Stop { why: Some("the bound on attempts is reached (--attempts)") };
        }
        if progressed {
            self.in_vain = 0;
        } else if self.at + 1 == self.routes.len() {
            return Next::Stop { why: Some("there is no other route") };
        } else {
            self.at += 1;
            self.in_vain += 1;
        }
        self.attempt += 1;
        let pause = Duration::from_secs(1 << self.in_vain.min(6)).min(LONGEST_PAUSE);
        Next::Attempt { pause }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rmcp_model::LogKind;

    fn ladder(most: u32, first: Option<&str>) -> Ladder {
        let route =
            |id: &str| JobRoute { id: id.to_owned(), title: String::new(), knobs: Vec::new() };
        Ladder::new(["a", "b", "cpu"].map(route).to_vec(), most, first)
    }

    const FAULT: Ending = Ending::GpuFault { kind: LogKind::PageFault };

    fn walk(mut ladder: Ladder, progress: &[bool]) -> (String, Option<&'static str>) {
        let mut way = ladder.route().id.clone();
        for progressed in progress {
            match ladder.after(&FAULT, *progressed) {
                Next::Attempt { .. } => way += &format!(" {}", ladder.route().id),
                Next::Stop { why } => return (way, why),
            }
        }
        (way, None)
    }

    #[test]
    fn a_route_that_gets_nowhere_is_left() {
        let end = Some("there is no other route");
        assert_eq!(walk(ladder(9, None), &[false; 9]), ("a b cpu".to_owned(), end));
        assert_eq!(walk(ladder(9, Some("b")), &[false; 9]), ("b cpu".to_owned(), end));
        assert_eq!(walk(ladder(9, Some("gone")), &[false]), ("a b".to_owned(), None));
    }

    #[test]
    fn a_route_that_gets_somewhere_is_kept_as_long_as_attempts_last() {
        let bound = Some("the bound on attempts is reached (--attempts)");
        assert_eq!(walk(ladder(4, None), &[true; 9]), ("a a a a".to_owned(), bound));
        assert_eq!(walk(ladder(9, None), &[true, false, true]), ("a a b b".to_owned(), None));
    }

    #[test]
    fn what_is_no_fault_of_the_gpu_is_not_repeated() {
        for ending in
            [Ending::Done, Ending::Error, Ending::OutOfMemory, Ending::Interrupted { signal: 2 }]
        {
            assert_eq!(ladder(9, None).after(&ending, true), Next::Stop { why: None });
        }
    }

    #[test]
    fn pauses_grow_and_are_bounded() {
        let mut ladder = ladder(99, None);
        let mut pauses = Vec::new();
        for progressed in [false, false, true] {
            if let Next::Attempt { pause } = ladder.after(&FAULT, progressed) {
                pauses.push(pause.as_secs());
            }
        }
        assert_eq!(pauses, [2, 4, 1]);
    }
}
