//! How fair the order was: Kendall's tau between orders, with the chance that an honest draw
//! shows as much.
//!
//! Must never sample. Start at [`noise`].

use crate::report::stats::kendall_tau;

/// Four standard deviations of tau between two orders that have nothing to do with each other,
/// for `people` people: beyond it, one honest run in 16,000 would lie. The variance is
/// 2 (2n + 5) / (9 n (n - 1)) (Kendall, 1938).
#[must_use]
pub fn noise(people: usize) -> f64 {
    let n = people as f64;
    if people < 2 { 1.0 } else { 4.0 * (2.0 * (2.0 * n + 5.0) / (9.0 * n * (n - 1.0))).sqrt() }
}

/// An order measured, with how many people it is about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// How many people.
    pub people: usize,
    /// Their tau.
    pub tau: Option<f64>,
}

/// Measures pairs of two orders of the same people.
#[must_use]
pub fn measure(pairs: &[(u64, u64)]) -> Measured {
    Measured { people: pairs.len(), tau: kendall_tau(pairs) }
}

impl Measured {
    /// Whether the first order says nothing about the second, as far as chance allows.
    #[must_use]
    pub fn is_unrelated(&self) -> bool {
        self.tau.is_none_or(|tau| tau.abs() <= noise(self.people))
    }

    /// Whether tau is at least `goal`; not so without people.
    #[must_use]
    pub fn reaches(&self, goal: f64) -> bool {
        self.tau.is_some_and(|tau| tau >= goal)
    }
}
