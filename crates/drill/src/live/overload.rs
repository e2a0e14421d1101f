//! P5 and B6: how much of its best the service carries when ten times as many come.
//!
//! The generator has one core, as the service does. It can offer ten times what that core carries
//! because a visit is two dozen requests, and whoever is kept out costs it one.
//!
//! Must never call a load overload that did not arrive: what was really offered, and how late the
//! generator itself was, stands beside the ratio. Start at [`measure`].

use std::{io, time::Duration};

use rustix::process::{Resource, getrlimit};

use super::{
    http::Target,
    load::{self, Load, LoadOutcome, Offer, Visitor},
    stage::{Desk, NewCampaign},
};

/// Visits at any time that are tried to find the best: each once on the way up and once down.
const CLOSED_VISITS: [usize; 5] = [16, 32, 64, 128, 256];
/// Loads that carry as much as this part of the best are as good: the same load differs by as much
/// from one time to the next.
const AS_GOOD: f64 = 0.9;
/// And so few are kept out of one that is not an overload yet.
const KEPT_OUT: f64 = 0.05;
/// Times its best that is offered.
pub const TIMES: f64 = 10.0;
/// People wait no longer: they leave before their system's own second attempt to connect, which
/// comes after a second and would be counted as a second person's.
const PATIENCE: Duration = Duration::from_millis(600);
/// The overload comes so often, each time after its fullest: what the machine does at the side is
/// in one of them, and the median is without it.
const ROUNDS: usize = 3;
/// The overload's first second is told apart.
const RUN_IN: Duration = Duration::from_secs(1);
/// Connections at the most, and files that are open beside them.
const CONNECTIONS_MAX: u64 = 18_000;
const OTHER_FILES: u64 = 200;

/// The campaign that people come for, open and without a room: a district's worth of clinics, eight
/// weeks of each.
pub fn campaign(campaign: u32, opens_at_ms: u64) -> NewCampaign {
    NewCampaign {
        campaign,
        room: None,
        quota: u32::MAX,
        opens_at_ms,
        clinics: 100,
        slots: 56,
        slot_places: 10_000,
        hold_ms: 3_600_000,
    }
}

/// How long, and with what.
#[derive(Debug, Clone)]
pub struct OverloadOptions {
    /// The service.
    pub target: Target,
    /// The campaign.
    pub campaign: u32,
    /// Its clinics, with places for everyone.
    pub desks: Vec<Desk>,
    /// For each number of visits tried, each of the two times, and for its fullest in each round.
    pub capacity_s: f64,
    /// For the overload in each round.
    pub overload_s: f64,
    /// See [`Load::seed`].
    pub seed: u64,
}

/// What was found.
#[derive(Debug)]
pub struct Overload {
    /// What it carried with so many visits at any time.
    pub tried: Vec<(usize, LoadOutcome)>,
    /// Which of these was its best.
    pub best_at: usize,
    /// Which of these was its fullest: the most visits at any time with which it was as good as at
    /// its best and hardly anybody was kept out. One core is busy with a few visits already, and more
    /// of them only wait for each other: of loads that are as good, the lightest would be its best by
    /// chance.
    pub fullest_at: usize,
    /// Its p99 in each round, ms: first at its fullest, then under the overload.
    pub rounds_ms: Vec<(f64, f64)>,
    /// Under ten times as much, all rounds together.
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

    /// Visits at any time at its fullest.
    pub fn fullest(&self) -> usize {
        self.tried[self.fullest_at].0
    }

    /// p99 at its fullest and under the overload, ms, in the round whose ratio is the median.
    pub fn p99_ms(&self) -> (f64, f64) {
        let mut rounds = self.rounds_ms.clone();
        rounds.sort_by(|one, other| times(*one).total_cmp(&times(*other)));
        rounds[rounds.len() / 2]
    }

    /// How many times longer the p99 is under the overload than at its fullest: the median of the
    /// rounds, the least and the most.
    pub fn p99_times(&self) -> (f64, f64, f64) {
        let every = || self.rounds_ms.iter().copied().map(times);
        let (least, most) = (every().reduce(f64::min), every().reduce(f64::max));
        (times(self.p99_ms()), least.unwrap_or(0.0), most.unwrap_or(0.0))
    }
}

fn times((full_ms, over_ms): (f64, f64)) -> f64 {
    over_ms / full_ms.max(0.001)
}

fn p99_of(outcome: &LoadOutcome) -> f64 {
    outcome.served.value_at_quantile(0.99) as f64 / 1000.0
}

/// Finds the best, then offers ten times as much, in rounds. `None` without visitors or clinics. Blocks.
///
/// # Errors
///
/// See [`load::run`].
pub fn measure(options: &OverloadOptions, visitors: Vec<Visitor>) -> io::Result<Option<Overload>> {
    if visitors.is_empty() || options.desks.is_empty() {
        return Ok(None);
    }
    let mut left = visitors;
    let mut round = 0;
    let mut run = |offer, duration_s| {
        let load = Load {
            target: options.target.address(),
            offer,
            // Whoever comes first finds a queue as long as it is at ease, and a second's worth of
            // people waits in it before it is cut.
            run_in: if matches!(offer, Offer::Open { .. }) { RUN_IN } else { Duration::ZERO },
            duration: Duration::from_secs_f64(duration_s),
            connections: connections(offer),
            patience: PATIENCE,
            campaign: options.campaign,
            desks: options.desks.clone(),
            seed: options.seed.wrapping_add(round),
        };
        round += 1;
        let (outcome, visitors) = load::run(&load, std::mem::take(&mut left))?;
        left = visitors;
        io::Result::Ok(outcome)
    };
    let mut tried = Vec::new();
    for visits in CLOSED_VISITS {
        tried.push((visits, run(Offer::Closed { visits }, options.capacity_s)?));
    }
    for (visits, outcome) in tried.iter_mut().rev() {
        outcome.add(run(Offer::Closed { visits: *visits }, options.capacity_s)?);
    }
    let (best_at, best) = best_of(&tried);
    let fullest_at = fullest_of(&tried, best).unwrap_or(best_at);
    let fullest = Offer::Closed { visits: tried[fullest_at].0 };
    let ten_times = Offer::Open { visits_per_s: best * TIMES };
    let mut rounds_ms = Vec::new();
    let mut over: Option<LoadOutcome> = None;
    for _ in 0..ROUNDS {
        let full = run(fullest, options.capacity_s)?;
        let outcome = run(ten_times, options.overload_s)?;
        rounds_ms.push((p99_of(&full), p99_of(&outcome)));
        match &mut over {
            Some(over) => over.add(outcome),
            None => over = Some(outcome),
        }
    }
    Ok(over.map(|over| Overload { tried, best_at, fullest_at, rounds_ms, over }))
}

/// Which carried most, and its bookings a second.
fn best_of(tried: &[(usize, LoadOutcome)]) -> (usize, f64) {
    let rates = tried.iter().map(|(_, outcome)| outcome.booked_per_s()).enumerate();
    rates.max_by(|one, other| one.1.total_cmp(&other.1)).unwrap_or((0, 0.0))
}

/// See [`Overload::fullest_at`]; none where even the best kept people out.
fn fullest_of(tried: &[(usize, LoadOutcome)], best: f64) -> Option<usize> {
    let is_as_good = |(_, load): &(usize, LoadOutcome)| {
        load.booked_per_s() >= best * AS_GOOD && load.kept_out as f64 <= KEPT_OUT * load.offered as f64
    };
    tried.iter().rposition(is_as_good)
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
