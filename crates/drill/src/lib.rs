//! Drills: the incidents of 2021 replayed, with verdicts.
//!
//! A drill replays an incident from the figures that were reported, checks what was promised with
//! an auditor of its own, and writes a report with the historical outcome beside ours. It must
//! never judge the service by the service's own rules, nor call a run passed that checked
//! nothing.
//!
//! Start reading at [`scenario`] (what is replayed), then [`mod@simulate`] (virtual time, the whole
//! country, faults from a seed), [`auditor`] and [`report`]. [`mod@fuzz`] simulates small, contended
//! clusters by the thousand.

pub mod auditor;
pub mod cluster;
pub mod crash;
pub mod fuzz;
pub mod history;
pub mod live;
pub mod report;
pub mod scenario;
pub mod simulate;

pub use scenario::{Rehearsal, Scenario, describe};
pub use simulate::{Progress, SimulateOptions, rehearse, simulate};

/// The drills that can be simulated.
pub const NAMES: &[&str] = &[scenario::JULY.name, scenario::AUGUST.name];
