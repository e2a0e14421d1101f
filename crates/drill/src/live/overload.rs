//! P5 and B6: how much of its best the service carries when ten times as many come.
//!
//! Must never call a load overload that did not arrive: what was really offered, and how late the
//! generator itself was, stands beside the ratio. Start at [`measure`].

use std::time::Duration;

use super::{
    http::Target,
    load::{self, Load, LoadOutcome, Offer, Visitor},
};

/// Visits at any time that are tried to find the best.
const CLOSED_VISITS: [usize; 4] = [16, 48, 128, 256];
/// Times its best that is offered.
pub const TIMES: f64 = 10.0;

/// How long, and with what.
#[derive(Debug, Clone)]
pub struct OverloadOptions {
    /// The service.
    pub target: Target,
    /// Slots with places for everyone.
    pub slots: Vec<u32>,
    /// For each number of visits tried.
    pub capacity_s: f64,
    /// For the overload.
    pub overload_s: f64,
    /// Connections of the overload.
    pub connections: usize,
    /// See [`Load::seed`].
    pub seed: u64,
}

/// What was found.
#[derive(Debug)]
pub struct Overload {
    /// Visits at any time at its best.
    pub best_visits: usize,
    /// Its best.
    pub best: LoadOutcome,
    /// Under ten times as much.
    pub over: LoadOutcome,
}

impl Overload {
    /// Bookings a second under overload, as a part of the best.
    pub fn ratio(&self) -> f64 {
        self.over.booked_per_s() / self.best.booked_per_s().max(0.001)
    }

    /// Times the best that was really offered.
    pub fn offered_times(&self) -> f64 {
        self.over.offered as f64 / self.over.lasted_s / self.best.booked_per_s().max(0.001)
    }

    /// Times the best that wanted to begin a visit: those, and whoever found no connection
    /// free because everyone before them was still being kept waiting.
    pub fn wanted_times(&self) -> f64 {
        let wanted = self.over.offered + self.over.not_offered;
        wanted as f64 / self.over.lasted_s / self.best.booked_per_s().max(0.001)
    }

    /// p99 of what was served under overload and at its best, ms.
    pub fn p99_ms(&self) -> (f64, f64) {
        let ms = |outcome: &LoadOutcome| outcome.served.value_at_quantile(0.99) as f64 / 1000.0;
        (ms(&self.over), ms(&self.best))
    }
}

/// Finds the best, then offers ten times as much. `None` without visitors or slots.
pub async fn measure(options: &OverloadOptions, visitors: Vec<Visitor>) -> Option<Overload> {
    if visitors.is_empty() || options.slots.is_empty() {
        return None;
    }
    let mut visitors = visitors;
    let mut best: Option<(usize, LoadOutcome)> = None;
    for (round, visits) in CLOSED_VISITS.into_iter().enumerate() {
        let load = Load {
            target: options.target.clone(),
            offer: Offer::Closed { visits },
            duration: Duration::from_secs_f64(options.capacity_s),
            connections: visits,
            request_time_max: Duration::from_secs(5),
            slots: options.slots.clone(),
            seed: options.seed.wrapping_add(round as u64),
        };
        let (outcome, left) = load::run(&load, visitors).await;
        visitors = left;
        if best.as_ref().is_none_or(|(_, known)| outcome.booked_per_s() > known.booked_per_s()) {
            best = Some((visits, outcome));
        }
    }
    let (best_visits, best) = best?;
    let load = Load {
        target: options.target.clone(),
        offer: Offer::Open { visits_per_s: best.booked_per_s() * TIMES },
        duration: Duration::from_secs_f64(options.overload_s),
        connections: visitors.len().min(options.connections),
        request_time_max: Duration::from_secs(2),
        slots: options.slots.clone(),
        seed: options.seed.wrapping_add(99),
    };
    let (over, _) = load::run(&load, visitors).await;
    Some(Overload { best_visits, best, over })
}
