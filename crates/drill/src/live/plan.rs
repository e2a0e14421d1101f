//! One evening of 2021 made small enough for one machine and a minute.
//!
//! Who may come, how many places there are and when the operator acts follows the scenario that
//! the simulated drill replays in full; time is compressed, and what cannot be compressed (the
//! shortest life of a pass, of a hold) is left as it is and said in the report. Must never change
//! the proportions between people and places. Start at [`Plan::of`].

use std::time::Duration;

use super::crowd::people::Arrivals;
use crate::scenario::{Scenario, scaled};

/// The part of the country that comes when nothing else is said.
pub const SCALE: f64 = 0.012;
/// The part that comes to a test.
pub const SCALE_TINY: f64 = 0.001;

/// The evening as it will be run. Seconds count from the opening.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// People who come.
    pub people: u32,
    /// People that the campaign is for, as announced.
    pub quota: u32,
    /// The raise in the evening, if there is one, and its public reason.
    pub raise: Option<(u32, &'static str)>,
    /// Clinics.
    pub clinics: u32,
    /// Slots of a clinic.
    pub slots: u32,
    /// Places of a slot.
    pub slot_places: u32,
    /// One ticket a person.
    pub identity_bound: bool,
    /// When people come.
    pub arrivals: Arrivals,
    /// Entries a minute, so that everyone would be in after about `drain_s`.
    pub entries_per_minute_max: u32,
    /// How many times faster than then: the report's and the polls' factor.
    pub compression: f64,
    /// When the room is paused, and for how long.
    pub pause_s: (f64, f64),
    /// The public reason of the pause.
    pub pause_reason: &'static str,
    /// When the service is killed.
    pub kill_s: f64,
    /// When the quota is raised.
    pub raise_s: f64,
    /// Everyone should be in by then.
    pub drain_s: f64,
    /// The evening ends at the latest. The last places take minutes if those who are called or inside say
    /// nothing, and those minutes are not compressed.
    pub ends_s: f64,
    /// How long a person looks at a page, ms.
    pub thinking_ms: f64,
    /// Seconds for each try of the capacity, and of the overload in each round: whole ones.
    pub overload_s: (f64, f64),
    /// Connections of the crowd.
    pub connections: usize,
    /// A request without an answer is given up after this.
    pub request_time_max: Duration,
    /// Whether the overload is long enough, and offered by enough people, to be judged.
    pub judges_overload: bool,
}

impl Plan {
    /// The evening of a scenario at a scale. A tiny one is shorter, too.
    pub fn of(scenario: &Scenario, scale: f64, tiny: bool) -> Self {
        let people = scenario.people(scale).max(200);
        let scale = f64::from(people) / f64::from(scenario.people(1.0).max(1));
        let (lobby_s, drain_s) = if tiny { (5.0, 9.0) } else { (14.0, 36.0) };
        // A tenth of the August supply is for the first day's digit; here that is the supply.
        let days = if scenario.places.digit.is_some() { 10 } else { 1 };
        let quota = scaled(scenario.places.quota / days, scale);
        let raise = scenario.script.iter().find_map(|act| match act.what {
            crate::scenario::What::Quota(quota, reason) => Some((scaled(quota, scale), reason)),
            _ => None,
        });
        let places = raise.map_or(quota, |(raised, _)| raised.max(quota));
        let clinics = scaled(scenario.places.clinics, scale).max(8);
        let (slots, slot_places) = (12, 10);
        // A little more room at the clinics than the quota, as there was.
        let per_clinic = (f64::from(places) * 1.05 / f64::from(clinics) / f64::from(slots)).ceil() as u32;
        let crowd = &scenario.crowd;
        Self {
            people,
            quota,
            raise,
            clinics,
            slots,
            slot_places: per_clinic.max(slot_places.min(per_clinic)).max(1),
            identity_bound: scenario.identity_bound,
            arrivals: Arrivals {
                lobby_share: crowd.early,
                lobby_s: lobby_s - 1.0,
                spike_share: crowd.rush + 0.25,
                spike_s: if tiny { 1.0 } else { 2.0 },
                tail_s: drain_s * 0.6,
            },
            entries_per_minute_max: (f64::from(people) / drain_s * 60.0) as u32,
            compression: 3_600.0 / drain_s,
            pause_s: if tiny { (2.0, 1.5) } else { (8.0, 5.0) },
            pause_reason: scenario
                .script
                .iter()
                .find_map(|act| match act.what {
                    crate::scenario::What::Pause(reason) => Some(reason),
                    _ => None,
                })
                .unwrap_or("예약 시스템 점검: 순서는 그대로입니다"),
            kill_s: if tiny { 5.0 } else { 19.0 },
            raise_s: if tiny { 7.0 } else { 26.0 },
            drain_s,
            ends_s: drain_s * 1.5 + 300.0,
            thinking_ms: if tiny { 150.0 } else { 400.0 },
            overload_s: if tiny { (0.5, 2.0) } else { (2.0, 5.0) },
            connections: if tiny { 128 } else { 512 },
            request_time_max: Duration::from_secs(4),
            judges_overload: !tiny,
        }
    }

    /// Seconds before the opening at which the crowd may come together.
    pub fn lobby_s(&self) -> f64 {
        self.arrivals.lobby_s + 1.0
    }
}
