//! What time does to a room: opening, endings of passes, calling; and the controller
//! that follows what the protected service can carry.

use alloc::collections::VecDeque;

use super::Room;
use crate::booking::Campaign;
use crate::time::Time;

/// A batch of positions called together, to learn how many of those called come.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Cohort {
    /// When they were called.
    pub called_at: Time,
    /// One past the last position of the batch.
    pub upto: u32,
    /// How many were called.
    pub called: u32,
    /// How many of them have entered.
    pub entered: u32,
}

/// What calling and metering remember. All integers: every node computes the same.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Controller {
    /// The share of the pace in force, parts per million; the health reports move it.
    pub factor_ppm: u32,
    /// Entries that may happen now, in thousandths.
    pub entry_tokens_milli: u64,
    /// Calls that are due but were not yet whole, in thousandths.
    pub call_tokens_milli: u64,
    /// Until when the two above are computed.
    pub accrued_until: Time,
    /// Recent batches, oldest first; bounded.
    pub cohorts: VecDeque<Cohort>,
    /// Entries of the last minutes, one element per ten seconds, newest last; bounded.
    pub entries_by_ten_s: VecDeque<u32>,
    /// The ten seconds that the newest element counts: instant / 10,000.
    pub newest_ten_s: u64,
}

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
pub fn outlook(_room: &Room, _campaign: Option<&Campaign>, _now: Time) -> Outlook {
    unimplemented!("written next")
}

/// Lets time pass in a room until `now`. `supply_left` is false when a linked campaign
/// has nothing to give: then nobody is called for nothing.
pub(crate) fn advance(_room: &mut Room, _supply_left: bool, _now: Time) {
    unimplemented!("written next")
}
