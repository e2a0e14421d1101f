//! Holding a place: where nearly all rules of booking meet.

use super::course::{Course, course_of};
use super::ledger::{Verdict, campaign_of, desk_of, refused, refused_with, slot_of, take_place};
use super::pass::{News, Pass, check_pass, tell_room};
use super::proxies::check_proxy;
use super::windows::{check_season, share_allows, share_allows_desk, share_for, share_used_up};
use crate::booking::{Booking, BookingState, Campaign, Desk, Slot};
use crate::command::Entry;
use crate::ids::{BookingId, CampaignId, ChannelId, PersonId, Serial, SlotId};
use crate::limits;
use crate::outcome::{Outcome, Reason, Refusal};
use crate::state::{Data, Index};
use crate::time::{Date, Time};

/// What a person wants, as in [`crate::Body::Hold`] and [`crate::Body::HoldFor`].
#[derive(Copy, Clone)]
pub(super) struct Wish {
    pub(super) slot: SlotId,
    pub(super) person: PersonId,
    pub(super) birth: Date,
    pub(super) dose: u8,
    pub(super) entry: Option<Entry>,
    pub(super) channel: ChannelId,
}

/// Holds a place for a few minutes, at most as long as the pass lasts; `proxy` does it for the person, if it
/// is somebody else.
///
/// Checked in this order:
///
/// 1. the slot exists: `slot_unknown`
/// 2. the campaign is not over: `campaign_closed`, and not paused: `campaign_paused`
/// 3. some window has opened: `booking_not_open`, and some has not closed: `booking_over`
/// 4. the birth date is within the rules: `not_eligible`
/// 5. a window is open for the birth digit: `not_your_day`
/// 6. the dose belongs to the course: `dose_unknown`
/// 7. the pass, where one is needed: `pass_required`, `pass_ended`, `pass_spent`,
///    `ticket_foreign`
/// 8. no active hold or booking for this dose: `already_booked`
/// 9. the days between doses: `dose_too_early`
/// 10. the slot has not begun: `slot_past`
/// 11. the quotas of campaign and vaccine: `quota_used_up`
/// 12. the shares of campaign and desk: `share_used_up`
/// 13. a free place: `slot_full`
/// 14. for somebody else: `too_many_proxied`
/// 15. the bounds: `too_many_bookings`, `full`
pub(super) fn hold(data: &mut Data, index: &mut Index, wish: &Wish, proxy: Option<&PersonId>) -> Verdict {
    let slot = slot_of(data, wish.slot)?;
    let desk = desk_of(data, &slot);
    let campaign = campaign_of(data, desk.campaign);
    let share_ppm = check_person(campaign, wish, data.time)?;
    let pass = check_pass(data, campaign, wish, proxy)?;
    let course = course_of(data, index, wish.person, desk.campaign, wish.dose);
    if let Some(same) = course.same {
        return refused_with(Reason::AlreadyBooked, u64::from(same.0));
    }
    course.check_interval(campaign, wish.dose, slot.starts_at)?;
    check_supply(campaign, &desk, &slot, wish, share_ppm, data.time)?;
    if let Some(proxy) = proxy {
        check_proxy(data, &index.proxies, *proxy)?;
    }
    check_bounds(data, &course)?;
    let latest = data.time.plus_ms(u64::from(campaign.config.hold_ms));
    let ends_at = pass.as_ref().map_or(latest, |pass| latest.min(pass.ends_at));
    let booking = keep_hold(data, index, wish, desk.campaign, course, pass, ends_at);
    Ok(Outcome::Held { booking, ends_at })
}

/// Whether one more booking may be made, by this person and at all.
pub(super) fn check_bounds(data: &Data, course: &Course) -> Result<(), Refusal> {
    if course.ever >= limits::BOOKINGS_PER_PERSON_MAX {
        return refused(Reason::TooManyBookings);
    }
    if data.bookings.end() >= limits::BOOKINGS_MAX {
        return refused(Reason::Full);
    }
    Ok(())
}

/// Checks 2 to 6; gives the share of the supply that may be gone by now.
fn check_person(campaign: &Campaign, wish: &Wish, now: Time) -> Result<u32, Refusal> {
    check_running(campaign)?;
    let windows = &campaign.config.windows;
    check_season(windows, now)?;
    check_eligible(campaign, wish.birth)?;
    let share_ppm = share_for(windows, wish.birth.birth_digit(), now)?;
    check_dose(campaign, wish.dose)?;
    Ok(share_ppm)
}

/// Whether the campaign is for whoever was born then.
pub(super) fn check_eligible(campaign: &Campaign, birth: Date) -> Result<(), Refusal> {
    let rules = &campaign.config.rules;
    if birth < rules.born_from || birth > rules.born_until {
        return refused(Reason::NotEligible);
    }
    Ok(())
}

/// Whether the campaign's course has such a dose.
pub(super) fn check_dose(campaign: &Campaign, dose: u8) -> Result<(), Refusal> {
    if dose == 0 || dose > campaign.config.rules.doses {
        return refused(Reason::DoseUnknown);
    }
    Ok(())
}

/// Whether the campaign takes new holds and moves.
pub(super) fn check_running(campaign: &Campaign) -> Result<(), Refusal> {
    if campaign.closed {
        return refused(Reason::CampaignClosed);
    }
    if campaign.paused.is_some() {
        return refused(Reason::CampaignPaused);
    }
    Ok(())
}

/// Checks 10 to 13.
fn check_supply(
    campaign: &Campaign,
    desk: &Desk,
    slot: &Slot,
    wish: &Wish,
    share_ppm: u32,
    now: Time,
) -> Result<(), Refusal> {
    if slot.starts_at <= now {
        return refused(Reason::SlotPast);
    }
    check_quotas(campaign, slot)?;
    let (quota, taken) = (campaign.config.quota, campaign.supply.taken());
    if !share_allows(share_ppm, quota, taken) || !share_allows_desk(share_ppm, &desk.supply) {
        let digit = wish.birth.birth_digit();
        return share_used_up(&campaign.config.windows, Some(digit), share_ppm, now);
    }
    if slot.supply.free() == 0 {
        return refused(Reason::SlotFull);
    }
    Ok(())
}

/// Whether the quotas of campaign and vaccine have room for one more.
pub(super) fn check_quotas(campaign: &Campaign, slot: &Slot) -> Result<(), Refusal> {
    let quota = campaign.config.quota;
    let taken = campaign.supply.taken();
    if taken >= quota {
        return refused(Reason::QuotaUsedUp);
    }
    check_vaccine_quota(campaign, slot)
}

/// Whether the quota of a slot's vaccine has room for one more.
pub(super) fn check_vaccine_quota(campaign: &Campaign, slot: &Slot) -> Result<(), Refusal> {
    let vaccine = usize::from(slot.vaccine.0);
    if campaign.by_vaccine[vaccine].taken() >= campaign.config.vaccines[vaccine].quota {
        return refused(Reason::QuotaUsedUp);
    }
    Ok(())
}

fn keep_hold(
    data: &mut Data,
    index: &mut Index,
    wish: &Wish,
    campaign: CampaignId,
    course: Course,
    pass: Option<Pass>,
    ends_at: Time,
) -> BookingId {
    let serial = pass.map_or(Serial(Booking::NONE), |pass| pass.serial);
    let id = keep(data, index, &Booking { serial, ..wish.booking(&course, BookingState::Held, ends_at) });
    index.lapses.add(ends_at, id);
    tell_room(data, campaign, serial, News::Held);
    id
}

impl Wish {
    /// The booking that it becomes, made without a pass.
    pub(super) fn booking(&self, course: &Course, state: BookingState, until: Time) -> Booking {
        Booking {
            person: Booking::halves(self.person),
            until,
            slot: self.slot,
            earlier: course.newest.map_or(Booking::NONE, |newest| newest.0),
            serial: Serial(Booking::NONE),
            channel: self.channel,
            dose: self.dose,
            state,
        }
    }
}

/// Keeps a new booking and takes its place.
pub(super) fn keep(data: &mut Data, index: &mut Index, booking: &Booking) -> BookingId {
    let id = BookingId(data.bookings.push(*booking) as u32);
    assert!(index.add_booking(id, booking), "a person's newest booking is the one found before");
    take_place(data, booking.slot, booking.state);
    id
}
