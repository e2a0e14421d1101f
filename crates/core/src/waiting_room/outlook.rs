//! What those who wait are told of the time to come: ranges, learnt from what was
//! measured, never one number.
//!
//! It must never promise: the lower bound of the reach errs on the side of telling
//! someone to look elsewhere as well, the upper one on the side of letting them wait.

use super::pace::{ENTRY, rate};
use super::{Phase, Room};
use crate::booking::Campaign;
use crate::time::Time;

/// Less than this of calling is no measurement.
const MEASURED_MS_MIN: u64 = 10_000;
const MINUTE_MS: u64 = 60_000;
const TEN_MINUTES_MS: u64 = 600_000;
/// Imagined calls that steady the estimate until as many real ones were made: the
/// cautious estimate imagines that each took a place, the hopeful one that one of all of
/// them did.
const PRIOR_CALLS: u64 = 100;

/// What the public document says of the time to come.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct Outlook {
    /// Positions called a minute: the slower and the faster end of what was measured.
    pub calls_per_minute_low: u32,
    /// See `calls_per_minute_low`.
    pub calls_per_minute_high: u32,
    /// Supply is likely to reach positions below this; `None` without a linked campaign.
    pub reach_low: Option<u32>,
    /// Supply cannot be expected to reach positions from here on.
    pub reach_high: Option<u32>,
}

/// What to tell those who wait, learnt from what was measured.
#[must_use]
pub fn outlook(room: &Room, campaign: Option<&Campaign>, now: Time) -> Outlook {
    let (calls_per_minute_low, calls_per_minute_high) = calls_per_minute(room, now);
    let (reach_low, reach_high) = match campaign {
        Some(campaign) => {
            let (low, high) = reach(room, campaign, now);
            (Some(low), Some(high))
        }
        None => (None, None),
    };
    Outlook { calls_per_minute_low, calls_per_minute_high, reach_low, reach_high }
}

/// The last minute and the last ten of the room's running time, the lower and the higher,
/// with a tenth of margin. A pause does not count as slowness: it is told as a pause.
fn calls_per_minute(room: &Room, now: Time) -> (u32, u32) {
    if room.phase == Phase::Closed {
        return (0, 0);
    }
    let controller = &room.controller;
    let clock = if room.paused.is_some() { controller.accrued_until } else { now };
    let measured_ms = controller.cohorts.front().map_or(0, |oldest| clock.since_ms(oldest.called_at));
    if measured_ms < MEASURED_MS_MIN {
        return foreseen_calls_per_minute(room);
    }
    let of_the_last = |window_ms: u64| {
        let window_ms = window_ms.min(measured_ms);
        let recent = controller.cohorts.iter().filter(|cohort| clock.since_ms(cohort.called_at) <= window_ms);
        recent.map(|cohort| u64::from(cohort.called)).sum::<u64>() * MINUTE_MS / window_ms
    };
    let (minute, ten) = (of_the_last(MINUTE_MS), of_the_last(TEN_MINUTES_MS));
    (bounded(minute.min(ten) * 9 / 10), bounded((minute.max(ten) * 11).div_ceil(10)))
}

/// Before anything was measured: at the slower end everyone stays for a whole pass and telephone
/// agents use all of their part, at the faster end only the meter limits.
fn foreseen_calls_per_minute(room: &Room) -> (u32, u32) {
    let pace = &room.config.pace;
    let metered = rate(room) * MINUTE_MS / ENTRY;
    let turnover = u64::from(pace.passes_max) * MINUTE_MS / u64::from(pace.pass_ttl_ms);
    let line = metered * u64::from(1_000 - room.agents.share_permille) / 1_000;
    (bounded(line.min(turnover)), bounded(metered))
}

/// Positions that supply will reach: those called, and as many more as the places left
/// allow at the rate at which calls took places so far, with a quarter of margin either
/// way. Those inside and at the door may still take a place each; places held may come
/// back.
fn reach(room: &Room, campaign: &Campaign, now: Time) -> (u32, u32) {
    let supply = &campaign.supply;
    let (called, taken) = (u64::from(room.called), u64::from(supply.taken()));
    let calls = called + PRIOR_CALLS;
    let free = if campaign.closed { 0 } else { u64::from(campaign.free_at(now)) };
    let at_door = room.controller.expected_at_door() / ENTRY;
    let left_low = free.saturating_sub(room.inside.len() as u64 + at_door);
    let left_high = if campaign.closed { 0 } else { free + u64::from(supply.held) };
    // Places that are taken past this room (by telephone, by partners) are in `taken`, too:
    // a call cannot account for more than its pass may book.
    let most = calls * u64::from(room.config.bookings_per_pass);
    let taken_high = ((taken + PRIOR_CALLS) * 5 / 4).min(most);
    let taken_low = (taken.min(most) + 1) * 4;
    let low = called + left_low * calls / taken_high;
    let high = called + (left_high * calls * 5).div_ceil(taken_low);
    (bounded(low), bounded(high))
}

fn bounded(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
