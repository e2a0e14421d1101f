//! P5 and B6: how much of its best the service carries when ten times as many come.
//!
//! A service of ours has a small share of its core meanwhile, at its best and beyond it alike:
//! the generator has one core, as the service does, and could never offer it ten times what a whole
//! core carries. A service that is not ours is taken as it is.
//!
//! Must never call a load overload that did not arrive: what was really offered, and how late the
//! generator itself was, stands beside the ratio. Start at [`measure`].

use std::{io, time::Duration};

use rustix::process::{Resource, getrlimit};

use super::{
    http::Target,
    load::{self, Load, LoadOutcome, Offer, Visitor},
    service::Service,
    throttle::Slice,
};

/// Visits at any time that are tried to find the best.
const CLOSED_VISITS: [usize; 4] = [16, 48, 128, 256];
/// Visits at any time that a whole core is tried with.
const WHOLE_VISITS: usize = 128;
/// Times its best that is offered.
pub const TIMES: f64 = 10.0;
/// People wait no longer: they leave before their system's own second attempt to connect, which
/// comes after a second and would be counted as a second person's.
const PATIENCE: Duration = Duration::from_millis(600);
/// When a slowed service runs and rests. In shorter slices waking up is most of what it does; in
/// longer ones, and with a smaller share, its own waits (20 ms, 50 ms) are shorter than a rest.
/// With a larger share one core can no longer offer ten times as much.
pub const SLICE: Slice = Slice { run: Duration::from_millis(2), rest: Duration::from_millis(14) };
/// Connections at the most, and files that are open beside them.
const CONNECTIONS_MAX: u64 = 18_000;
const OTHER_FILES: u64 = 200;

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
    /// When a slowed service runs and rests.
    pub slice: Slice,
    /// See [`Load::seed`].
    pub seed: u64,
}

/// What was found.
#[derive(Debug)]
pub struct Overload {
    /// What a service of ours carries with all of its core, before it is slowed.
    pub whole: Option<LoadOutcome>,
    /// What it carried with so many visits at any time.
    pub tried: Vec<(usize, LoadOutcome)>,
    /// Which of these was its best.
    pub best_at: usize,
    /// Under ten times as much.
    pub over: LoadOutcome,
}

impl Overload {
    /// Visits at any time at its best, and what came of them.
    pub fn best(&self) -> &(usize, LoadOutcome) {
        &self.tried[self.best_at]
    }

    /// Bookings a second under overload, as a part of the best.
    pub fn ratio(&self) -> f64 {
        self.over.booked_per_s() / self.best().1.booked_per_s().max(0.001)
    }

    /// Times the best that really came: attempts to connect.
    pub fn offered_times(&self) -> f64 {
        self.over.offered as f64 / self.over.lasted_s / self.best().1.booked_per_s().max(0.001)
    }

    /// People who came and were not let in, or were told to come back.
    pub fn turned_away(&self) -> u64 {
        self.over.kept_out + self.over.refused.len()
    }

    /// p99 of what was served under overload and at its best, ms.
    pub fn p99_ms(&self) -> (f64, f64) {
        let ms = |outcome: &LoadOutcome| outcome.served.value_at_quantile(0.99) as f64 / 1000.0;
        (ms(&self.over), ms(&self.best().1))
    }
}

/// Finds the best, then offers ten times as much. A service that is given is slowed meanwhile.
/// `None` without visitors or slots. Blocks.
///
/// # Errors
///
/// See [`load::run`].
pub fn measure(
    options: &OverloadOptions,
    visitors: Vec<Visitor>,
    service: Option<&Service>,
) -> io::Result<Option<Overload>> {
    if visitors.is_empty() || options.slots.is_empty() {
        return Ok(None);
    }
    let mut left = visitors;
    let mut round = 0;
    let mut run = |offer, duration_s, is_slowed| {
        let load = Load {
            target: options.target.address(),
            offer,
            duration: Duration::from_secs_f64(duration_s),
            connections: connections(offer),
            patience: PATIENCE,
            slots: options.slots.clone(),
            seed: options.seed.wrapping_add(round),
        };
        round += 1;
        let throttle = service.filter(|_| is_slowed).map(|service| service.throttle(options.slice));
        let (outcome, visitors) = load::run(&load, std::mem::take(&mut left), throttle)?;
        left = visitors;
        io::Result::Ok(outcome)
    };
    let whole = match service {
        Some(_) => Some(run(Offer::Closed { visits: WHOLE_VISITS }, options.capacity_s, false)?),
        None => None,
    };
    let mut tried = Vec::new();
    for visits in CLOSED_VISITS {
        tried.push((visits, run(Offer::Closed { visits }, options.capacity_s, true)?));
    }
    let rates = tried.iter().map(|(_, outcome)| outcome.booked_per_s()).enumerate();
    let Some((best_at, best)) = rates.max_by(|one, other| one.1.total_cmp(&other.1)) else { return Ok(None) };
    let over = run(Offer::Open { visits_per_s: best * TIMES }, options.overload_s, true)?;
    Ok(Some(Overload { whole, tried, best_at, over }))
}

/// As many as people who may be under way at once, within the files that may be open.
fn connections(offer: Offer) -> usize {
    match offer {
        Offer::Closed { visits } => visits,
        Offer::Open { .. } => {
            let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
            files.saturating_sub(OTHER_FILES).clamp(1, CONNECTIONS_MAX) as usize
        }
    }
}
