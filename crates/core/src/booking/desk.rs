//! What a clinic does at its desk with those who come, and with those who do not.
//!
//! It must never give a place that is not free, nor a second dose where one was enough: whatever
//! protects people in `hold` is asked for here, too. What only rations the rush is not: the pass
//! of a waiting room, the birth digit's day and the share of the supply that belongs to it. A
//! place of today that stays free helps nobody who waits for another day; it is thrown away.
//!
//! Start reading at [`check_in`], then [`mark_no_show`] and [`walk_in`].

use super::change::{check_booked, set_state};
use super::course::course_of;
use super::hold::{Wish, check_bounds, check_dose, check_eligible, check_quotas, check_running, keep};
use super::ledger::{
    Verdict, campaign_of, desk_of, free_place, refused, refused_with, slot_of, take_place, turn_place,
};
use super::windows::check_begun;
use crate::booking::{Booking, BookingState, Slot};
use crate::ids::BookingId;
use crate::limits;
use crate::outcome::{Outcome, Reason, Refusal};
use crate::rules::RULES_DESK;
use crate::state::{Data, Index};
use crate::time::Time;

/// The person came and got the dose. Whoever was a no-show has come late: they take a place
/// again, if there is one.
///
/// Checked in this order: the booking exists (`booking_unknown`); it is used already
/// (then that is the answer again); `booking_not_confirmed`, `booking_cancelled`,
/// `hold_lapsed`; of a no-show: `already_booked` elsewhere; `dose_too_early`; `quota_used_up`;
/// `slot_full`. A correction is never too late, and a campaign that is closed does not stand in
/// its way.
pub(super) fn check_in(data: &mut Data, index: &mut Index, id: BookingId) -> Verdict {
    let booking = booking_of(data, id)?;
    match booking.state {
        BookingState::Used => {}
        BookingState::NoShow => {
            check_late(data, index, &booking)?;
            take_place(data, booking.slot, BookingState::Used);
            set_state(data, id, BookingState::Used);
        }
        _ => {
            check_booked(&booking)?;
            index.forget_reminder(data, id);
            turn_place(data, booking.slot, BookingState::Booked, BookingState::Used);
            set_state(data, id, BookingState::Used);
        }
    }
    Ok(Outcome::CheckedIn { booking: id })
}

/// The person did not come: the place is free again, and the dose may be booked again.
///
/// Checked in this order: `rules_unknown`; the booking exists (`booking_unknown`); it is a
/// no-show already (then that is the answer again); `booking_not_confirmed`, `booking_used`,
/// `booking_cancelled`, `hold_lapsed`; `no_show_too_early`: some minutes after the slot began, or
/// after they booked, for a place that was given when it had begun already.
pub(super) fn mark_no_show(data: &mut Data, index: &mut Index, id: BookingId) -> Verdict {
    check_rules(data)?;
    let booking = booking_of(data, id)?;
    if booking.state != BookingState::NoShow {
        check_booked(&booking)?;
        let slot = slot_of(data, booking.slot)?;
        let missed_at = slot.starts_at.max(booking.until).plus_ms(limits::NO_SHOW_AFTER_MS);
        if data.time < missed_at {
            return refused_with(Reason::NoShowTooEarly, missed_at.0);
        }
        index.forget_reminder(data, id);
        free_place(data, booking.slot, BookingState::Booked);
        set_state(data, id, BookingState::NoShow);
    }
    Ok(Outcome::MarkedNoShow { booking: id })
}

/// Somebody at the desk gets a free place and the dose in one step: no pass, no hold, no message.
///
/// Checked in this order: `rules_unknown`; `slot_unknown`; `campaign_closed`, `campaign_paused`;
/// `booking_not_open` if no window has opened yet (that the last has closed is nothing here);
/// `not_eligible`; `dose_unknown`; `already_booked`; `dose_too_early`; the slot is one of today:
/// `slot_ahead`, `slot_past`; `quota_used_up`; `slot_full`; `too_many_bookings`, `full`.
pub(super) fn walk_in(data: &mut Data, index: &mut Index, wish: &Wish) -> Verdict {
    check_rules(data)?;
    let slot = slot_of(data, wish.slot)?;
    let desk = desk_of(data, &slot);
    let campaign = campaign_of(data, desk.campaign);
    check_running(campaign)?;
    check_begun(&campaign.config.windows, data.time)?;
    check_eligible(campaign, wish.birth)?;
    check_dose(campaign, wish.dose)?;
    let course = course_of(data, index, wish.person, desk.campaign, wish.dose);
    if let Some(same) = course.same {
        return refused_with(Reason::AlreadyBooked, u64::from(same.0));
    }
    course.check_interval(campaign, wish.dose, slot.starts_at)?;
    check_today(&slot, data.time)?;
    check_quotas(campaign, &slot)?;
    if slot.supply.free() == 0 {
        return refused(Reason::SlotFull);
    }
    check_bounds(data, &course)?;
    let id = keep(data, index, &wish.booking(&course, BookingState::Used, data.time));
    index.agenda.add(wish.slot, id);
    Ok(Outcome::CheckedIn { booking: id })
}

/// Whether the desk's rules count.
pub(super) fn check_rules(data: &Data) -> Result<(), Refusal> {
    if data.rules < RULES_DESK { refused(Reason::RulesUnknown) } else { Ok(()) }
}

/// Whether the desk may give the slot's places at `now`.
pub(super) fn check_today(slot: &Slot, now: Time) -> Result<(), Refusal> {
    let from = Time(slot.starts_at.0.saturating_sub(limits::DESK_EARLY_MS));
    if now < from {
        return refused_with(Reason::SlotAhead, from.0);
    }
    if now > slot.starts_at.plus_ms(limits::DESK_LATE_MS) {
        return refused(Reason::SlotPast);
    }
    Ok(())
}

/// Whether a no-show may have a place after all.
fn check_late(data: &Data, index: &Index, booking: &Booking) -> Result<(), Refusal> {
    let slot = slot_of(data, booking.slot)?;
    let desk = desk_of(data, &slot);
    let campaign = campaign_of(data, desk.campaign);
    let course = course_of(data, index, booking.person(), desk.campaign, booking.dose);
    if let Some(same) = course.same {
        return refused_with(Reason::AlreadyBooked, u64::from(same.0));
    }
    course.check_interval(campaign, booking.dose, slot.starts_at)?;
    check_quotas(campaign, &slot)?;
    if slot.supply.free() == 0 {
        return refused(Reason::SlotFull);
    }
    Ok(())
}

fn booking_of(data: &Data, id: BookingId) -> Result<Booking, Refusal> {
    match data.bookings.get(u64::from(id.0)) {
        Some(booking) => Ok(*booking),
        None => refused(Reason::BookingUnknown),
    }
}
