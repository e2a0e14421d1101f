//! One second of a live drill, as the plots draw it. Must hold nothing about one person.

use super::crowd::Counts;

/// What happened in a second.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Second {
    /// Seconds since the crowd came together.
    pub at_s: u64,
    /// Requests that ended in it.
    pub requests: u64,
    /// Of these, answered as they should be: done, or refused for a reason.
    pub answered: u64,
    /// Of these, told to come back.
    pub shed: u64,
    /// Of these, without an answer.
    pub failed: u64,
    /// Half of the answers took no longer, ms from when they ought to have been sent.
    pub p50_ms: f64,
    /// 99 of 100 answers took no longer.
    pub p99_ms: f64,
    /// Where people are at its end.
    pub counts: Counts,
}
