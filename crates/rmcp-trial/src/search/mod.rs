//! Which test to run next, and the smallest set of changes that is enough.
//!
//! Nothing here starts a process or looks at a file or clock: a [`Runner`] is asked, and the search is a function of
//! its answers. Whoever keeps the answers can stop at any moment and begin again: the same questions come in the same
//! order, and those that were answered before cost nothing.
//!
//! **How many questions.** With `T` tests, `n` repeats, `C` candidates and `m` passes that each test has to show (two,
//! more for tests that pass now and then): the baseline asks at most `n·T`; a candidate that changes nothing asks one,
//! the cheapest test that failed; before the first claim, what failed is run `n` times more as it is. Where one candidate
//! is enough, that is all. Otherwise each candidate is asked about
//! the other failed tests once, unions of candidates grow by doubling, and the one that passes is reduced by delta
//! debugging, which asks about `O(k log k)` sets of `k` changes where one of them is at fault and `k² + 3k` at worst.

mod asker;
mod candidate_set;
mod evidence;
mod expected;
mod goal;
mod matrix;
mod minimise;
mod sentence;
mod solver_verdict;
mod solvers;
mod trial;

pub use asker::{Question, Runner};
pub use expected::{Cost, Expected, expected};
pub use solver_verdict::{name_solvers, solvers_may_be_at_fault};
pub use solvers::{Bisection, Solver, bisect_solvers, run_each_solver};
pub use trial::{Search, search};

#[cfg(test)]
mod model_runner;
#[cfg(test)]
mod tests;
