//! A person's course in one campaign: which doses are taken already, and the days
//! between them.

use super::ledger::{desk_of, refused_with};
use crate::booking::Campaign;
use crate::ids::{BookingId, CampaignId, PersonId};
use crate::outcome::{Reason, Refusal};
use crate::state::{Data, Index};
use crate::time::{Date, Time};

/// What a person's bookings say about one dose.
pub(super) struct Course {
    /// The person's newest booking in any campaign.
    pub(super) newest: Option<BookingId>,
    /// How many holds and bookings the person ever made.
    pub(super) ever: u32,
    /// The active hold or booking of the same dose.
    pub(super) same: Option<BookingId>,
    /// When the dose before it is booked or was used.
    before: Option<Time>,
    /// When the dose after it is held, booked or was used.
    after: Option<Time>,
}

/// Reads a person's bookings with a view to `dose` of `campaign`.
pub(super) fn course_of(
    data: &Data,
    index: &Index,
    person: PersonId,
    campaign: CampaignId,
    dose: u8,
) -> Course {
    let mut course = Course { newest: None, ever: 0, same: None, before: None, after: None };
    for (id, booking) in index.bookings_of(data, person) {
        course.newest = course.newest.or(Some(id));
        course.ever += 1;
        if !booking.state.is_active() || booking.dose.abs_diff(dose) > 1 {
            continue;
        }
        let slot = data.slots.get(u64::from(booking.slot.0)).expect("a booking's slot exists");
        if desk_of(data, slot).campaign != campaign {
            continue;
        }
        if booking.dose == dose {
            course.same = Some(id);
        } else if booking.dose > dose {
            course.after = Some(slot.starts_at);
        } else if !booking.state.is_held() {
            course.before = Some(slot.starts_at);
        }
    }
    course
}

impl Course {
    /// Whether a dose at `starts_at` keeps its distance from the doses around it. Days
    /// are counted on the campaign's calendar, whatever the hour.
    pub(super) fn check_interval(
        &self,
        campaign: &Campaign,
        dose: u8,
        starts_at: Time,
    ) -> Result<(), Refusal> {
        if dose > 1 {
            let Some(before) = self.before else {
                return refused_with(Reason::DoseTooEarly, 0);
            };
            check_distance(campaign, before, starts_at)?;
        }
        match self.after {
            Some(after) => check_distance(campaign, starts_at, after),
            None => Ok(()),
        }
    }
}

fn check_distance(campaign: &Campaign, one: Time, next: Time) -> Result<(), Refusal> {
    let offset_min = campaign.config.utc_offset_min;
    let days = i32::from(campaign.config.rules.dose_interval_days);
    let earliest = Date(one.date(offset_min).0.saturating_add(days));
    if next.date(offset_min) >= earliest {
        return Ok(());
    }
    let midnight_ms = i64::from(earliest.0) * 86_400_000 - i64::from(offset_min) * 60_000;
    refused_with(Reason::DoseTooEarly, u64::try_from(midnight_ms).unwrap_or(0))
}
