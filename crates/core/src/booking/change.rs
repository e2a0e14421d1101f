//! What becomes of a hold or booking: confirmed, given back, moved, lapsed. What the clinic's
//! desk does with it is in `desk`.

use super::course::course_of;
use super::hold::{check_running, check_vaccine_quota};
use super::ledger::{
    Verdict, campaign_of, desk_of, free_place, refused, refused_with, slot_of, take_place, turn_place,
};
use super::pass::{News, check_pass_again, tell_room};
use super::proxies::acts_for;
use super::standby;
use super::windows::{share_allows_desk, share_reached, share_used_up};
use crate::booking::{Booking, BookingState, ProxyIndex, is_listed};
use crate::effect::{Effect, EffectKind};
use crate::ids::{BookingId, CampaignId, PersonId, SlotId};
use crate::limits;
use crate::outcome::{Outcome, Reason, Refusal};
use crate::state::Data;
use crate::state::Index;
use crate::time::Time;

/// How long to wait before trying again when messages pile up.
const BACKLOG_RETRY_MS: u64 = 5_000;

/// Turns a hold or an offer into a booking. A paused or closed campaign does not stand in the way:
/// what a person was shown as held stays theirs.
///
/// Checked in this order: it is a booking of this person, or one that they made for somebody else (`booking_unknown`); it is
/// booked or used already (then that is the answer again); `booking_cancelled`;
/// `hold_lapsed`; `booking_missed`; the pass it was made with (`pass_ended`); `effects_backlog`.
pub(super) fn confirm(data: &mut Data, index: &mut Index, id: BookingId, person: PersonId) -> Verdict {
    let booking = booking_of(data, index, id, person)?;
    match booking.state {
        BookingState::Held | BookingState::Offered => {}
        BookingState::Booked | BookingState::Used => return Ok(Outcome::Confirmed { booking: id }),
        BookingState::Cancelled => return refused(Reason::BookingCancelled),
        BookingState::Lapsed => return refused(Reason::HoldLapsed),
        BookingState::NoShow => return refused(Reason::BookingMissed),
    }
    assert!(booking.until > data.time, "a hold whose end has come has lapsed");
    let campaign = campaign_of_slot(data, booking.slot);
    check_pass_again(data, campaign, &booking)?;
    check_messages(data, index, id)?;
    turn_place(data, booking.slot, booking.state, BookingState::Booked);
    set_state(data, id, BookingState::Booked);
    data.campaigns.get_mut(&campaign).expect("a slot's campaign exists").confirmed += 1;
    index.await_reminder(data, id);
    if booking.state == BookingState::Offered {
        standby::offer_ended(data, index, &booking, true);
    } else {
        index.agenda.add(booking.slot, id);
    }
    tell_room(data, campaign, booking.serial, News::Booked);
    tell(data, &index.proxies, EffectKind::BookingConfirmed, id, booking.person());
    Ok(Outcome::Confirmed { booking: id })
}

/// Gives a hold or booking back, at any time before it is used; an offer that is declined goes to
/// whoever is next.
///
/// Checked in this order: it is a booking of this person, or one that they made for somebody else (`booking_unknown`);
/// `booking_used`; it is cancelled already (then that is the answer again);
/// `hold_lapsed`; `booking_missed`; for a booking, which is followed by a message, `effects_backlog`.
pub(super) fn cancel(data: &mut Data, index: &mut Index, id: BookingId, person: PersonId) -> Verdict {
    let booking = booking_of(data, index, id, person)?;
    match booking.state {
        BookingState::Used => return refused(Reason::BookingUsed),
        BookingState::Cancelled => return Ok(Outcome::Cancelled { booking: id }),
        BookingState::Lapsed => return refused(Reason::HoldLapsed),
        BookingState::NoShow => return refused(Reason::BookingMissed),
        BookingState::Held => {
            let campaign = campaign_of_slot(data, booking.slot);
            tell_room(data, campaign, booking.serial, News::HoldEnded);
        }
        BookingState::Offered => {}
        BookingState::Booked => {
            check_messages(data, index, id)?;
            index.forget_reminder(data, id);
            tell(data, &index.proxies, EffectKind::BookingCancelled, id, booking.person());
        }
    }
    if is_listed(booking.state) {
        index.agenda.remove(booking.slot, id);
    }
    free_place(data, booking.slot, booking.state);
    set_state(data, id, BookingState::Cancelled);
    if booking.state == BookingState::Offered {
        standby::offer_ended(data, index, &booking, false);
        let mut looks = limits::OFFER_LOOKS_MAX;
        standby::pass_on(data, index, booking.slot, &mut looks);
    }
    Ok(Outcome::Cancelled { booking: id })
}

/// Moves a booking to another slot in one step: the new place is taken and the old one
/// freed together. A person who has a booking has earned it: windows, birth digits and
/// passes are not asked for again.
///
/// Checked in this order: it is a booking of this person, or one that they made for somebody else (`booking_unknown`) and booked
/// (`booking_not_confirmed`, `booking_used`, `booking_cancelled`, `hold_lapsed`,
/// `booking_missed`); the new slot exists (`slot_unknown`), is another one (`same_slot`) of the same campaign
/// (`other_campaign`); `campaign_closed`; `campaign_paused`; `dose_too_early`;
/// `slot_past`; another vaccine's quota (`quota_used_up`); another desk's share
/// (`share_used_up`); `slot_full`; `effects_backlog`.
pub(super) fn reschedule(
    data: &mut Data,
    index: &mut Index,
    id: BookingId,
    person: PersonId,
    to: SlotId,
) -> Verdict {
    let booking = booking_of(data, index, id, person)?;
    check_booked(&booking)?;
    check_move(data, index, &booking, to)?;
    check_messages(data, index, id)?;
    index.forget_reminder(data, id);
    take_place(data, to, BookingState::Booked);
    free_place(data, booking.slot, BookingState::Booked);
    let moved = data.bookings.get_mut(u64::from(id.0)).expect("a booking that was read exists");
    moved.slot = to;
    moved.until = data.time;
    index.agenda.remove(booking.slot, id);
    index.agenda.add(to, id);
    index.await_reminder(data, id);
    tell(data, &index.proxies, EffectKind::BookingRescheduled, id, booking.person());
    Ok(Outcome::Rescheduled { booking: id })
}

fn check_move(data: &Data, index: &Index, booking: &Booking, to: SlotId) -> Result<(), Refusal> {
    let new = slot_of(data, to)?;
    if to == booking.slot {
        return refused(Reason::SameSlot);
    }
    let old = slot_of(data, booking.slot)?;
    let desk = desk_of(data, &new);
    if desk.campaign != desk_of(data, &old).campaign {
        return refused(Reason::OtherCampaign);
    }
    let campaign = campaign_of(data, desk.campaign);
    check_running(campaign)?;
    let course = course_of(data, index, booking.person(), desk.campaign, booking.dose);
    course.check_interval(campaign, booking.dose, new.starts_at)?;
    if new.starts_at <= data.time {
        return refused(Reason::SlotPast);
    }
    if new.vaccine != old.vaccine {
        check_vaccine_quota(campaign, &new)?;
    }
    let windows = &campaign.config.windows;
    let share_ppm = share_reached(windows, data.time);
    if new.desk != old.desk && !share_allows_desk(share_ppm, &desk.supply) {
        return share_used_up(windows, None, share_ppm, data.time);
    }
    if new.supply.free() == 0 {
        return refused(Reason::SlotFull);
    }
    Ok(())
}

/// Lets a hold or an offer lapse if nothing else became of it before its end; gives it if it did.
pub(super) fn lapse(data: &mut Data, id: BookingId) -> Option<Booking> {
    let booking = *data.bookings.get(u64::from(id.0)).expect("a queued hold exists");
    if !booking.state.is_held() {
        return None;
    }
    data.bookings.get_mut(u64::from(id.0)).expect("it was just read").state = BookingState::Lapsed;
    free_place(data, booking.slot, BookingState::Held);
    let campaign = campaign_of_slot(data, booking.slot);
    data.campaigns.get_mut(&campaign).expect("a slot's campaign exists").lapsed += 1;
    tell_room(data, campaign, booking.serial, News::HoldEnded);
    Some(booking)
}

/// The booking that somebody wants to change: their own, or one that they made for somebody else.
fn booking_of(data: &Data, index: &Index, id: BookingId, who: PersonId) -> Result<Booking, Refusal> {
    match data.bookings.get(u64::from(id.0)) {
        Some(booking) if booking.person() == who || acts_for(data, &index.proxies, id, who) => Ok(*booking),
        _ => refused(Reason::BookingUnknown),
    }
}

/// Whether it is booked, else why it is not.
pub(super) fn check_booked(booking: &Booking) -> Result<(), Refusal> {
    match booking.state {
        BookingState::Booked => Ok(()),
        BookingState::Held | BookingState::Offered => refused(Reason::BookingNotConfirmed),
        BookingState::Used => refused(Reason::BookingUsed),
        BookingState::Cancelled => refused(Reason::BookingCancelled),
        BookingState::Lapsed => refused(Reason::HoldLapsed),
        BookingState::NoShow => refused(Reason::BookingMissed),
    }
}

/// Whether so many messages more may wait to be sent.
pub(super) fn check_backlog(data: &Data, more: u64) -> Result<(), Refusal> {
    if data.effects.len() as u64 + more > limits::EFFECTS_MAX {
        return refused_with(Reason::EffectsBacklog, BACKLOG_RETRY_MS);
    }
    Ok(())
}

/// The campaign of a booking's slot.
pub(crate) fn campaign_of_slot(data: &Data, slot: SlotId) -> CampaignId {
    let slot = data.slots.get(u64::from(slot.0)).expect("a booking's slot exists");
    desk_of(data, slot).campaign
}

/// Something becomes of a booking now.
pub(super) fn set_state(data: &mut Data, id: BookingId, state: BookingState) {
    let now: Time = data.time;
    let booking = data.bookings.get_mut(u64::from(id.0)).expect("a booking that was read exists");
    booking.state = state;
    booking.until = now;
}

/// Whether all messages about a booking may wait to be sent.
fn check_messages(data: &Data, index: &Index, id: BookingId) -> Result<(), Refusal> {
    let others = u64::from(index.proxies.reaching(data, id).is_some());
    check_backlog(data, 1 + others)
}

/// Tells the person of a booking, and whoever made it for them. Each message has a number of its own.
pub(super) fn tell(
    data: &mut Data,
    index: &ProxyIndex,
    kind: EffectKind,
    booking: BookingId,
    person: PersonId,
) {
    data.effects.push(Effect { kind, booking, person });
    if let Some(person) = index.reaching(data, booking) {
        data.effects.push(Effect { kind, booking, person });
    }
}
