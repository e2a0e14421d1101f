//! The clinic's desk: who came, who did not, who came without a booking.

use jari_core::booking::BookingState;
use jari_core::ids::{BookingId, SlotId};
use jari_core::{Outcome, Reason};

use super::bookings::{Wish, check_running};
use super::{Booking, Campaign, Model, Verdict, no, no_with};

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

impl Model {
    /// Rules 4 brought the desk.
    pub(super) fn check_desk_rules(&self) -> Result<(), Outcome> {
        if self.upgrades < 3 { no(Reason::RulesUnknown) } else { Ok(()) }
    }

    pub(super) fn check_in(&mut self, id: BookingId) -> Verdict {
        let Some(booking) = self.bookings.get(id.0 as usize).cloned() else {
            return no(Reason::BookingUnknown);
        };
        match booking.state {
            BookingState::Used => return Ok(Outcome::CheckedIn { booking: id }),
            BookingState::NoShow => {
                let campaign = self.campaign_of(booking.slot);
                self.check_single(campaign, booking.person, booking.dose)?;
                let starts = self.slots[booking.slot.0 as usize].spec.starts_at.0;
                self.check_interval(campaign, booking.person, booking.dose, starts)?;
                self.check_quota(campaign, booking.slot)?;
                self.check_free(booking.slot)?;
            }
            _ => Model::check_booked(&booking)?,
        }
        let now = self.now;
        let booking = &mut self.bookings[id.0 as usize];
        (booking.state, booking.until) = (BookingState::Used, now);
        Ok(Outcome::CheckedIn { booking: id })
    }

    /// Ten minutes after the slot began, or after they booked.
    #[must_use]
    pub fn missed_at(&self, booking: &Booking) -> u64 {
        let starts = self.slots[booking.slot.0 as usize].spec.starts_at.0;
        starts.max(booking.until) + 10 * MINUTE_MS
    }

    pub(super) fn mark_no_show(&mut self, id: BookingId) -> Verdict {
        self.check_desk_rules()?;
        let Some(booking) = self.bookings.get(id.0 as usize).cloned() else {
            return no(Reason::BookingUnknown);
        };
        if booking.state != BookingState::NoShow {
            Model::check_booked(&booking)?;
            let missed_at = self.missed_at(&booking);
            if self.now < missed_at {
                return no_with(Reason::NoShowTooEarly, missed_at);
            }
            let now = self.now;
            let booking = &mut self.bookings[id.0 as usize];
            (booking.state, booking.until) = (BookingState::NoShow, now);
        }
        Ok(Outcome::MarkedNoShow { booking: id })
    }

    pub(super) fn walk_in(&mut self, wish: &Wish) -> Verdict {
        self.check_desk_rules()?;
        let Some(slot) = self.slots.get(wish.slot.0 as usize).cloned() else {
            return no(Reason::SlotUnknown);
        };
        let id = self.campaign_of(wish.slot);
        self.check_patient(&self.campaigns[&id], wish)?;
        self.check_single(id, wish.person, wish.dose)?;
        self.check_interval(id, wish.person, wish.dose, slot.spec.starts_at.0)?;
        self.check_today(wish.slot)?;
        self.check_quota(id, wish.slot)?;
        self.check_free(wish.slot)?;
        self.check_ever(wish.person)?;
        let booking = BookingId(self.bookings.len() as u32);
        self.bookings.push(Booking {
            person: wish.person,
            slot: wish.slot,
            dose: wish.dose,
            channel: wish.channel,
            state: BookingState::Used,
            until: self.now,
            pass: None,
            confirmed: false,
            reminded: false,
        });
        Ok(Outcome::CheckedIn { booking })
    }

    /// What protects people; nothing that rations a rush.
    pub(super) fn check_patient(&self, campaign: &Campaign, wish: &Wish) -> Result<(), Outcome> {
        check_running(campaign)?;
        self.check_begun(campaign)?;
        let rules = &campaign.config.rules;
        if wish.birth < rules.born_from || rules.born_until < wish.birth {
            return no(Reason::NotEligible);
        }
        if wish.dose < 1 || wish.dose > rules.doses { no(Reason::DoseUnknown) } else { Ok(()) }
    }

    pub(super) fn check_begun(&self, campaign: &Campaign) -> Result<(), Outcome> {
        match campaign.config.windows.first() {
            None => no(Reason::BookingNotOpen),
            Some(first) if first.opens_at.0 > self.now => no_with(Reason::BookingNotOpen, first.opens_at.0),
            Some(_) => Ok(()),
        }
    }

    /// From two hours before a slot begins until eight hours after.
    pub(super) fn check_today(&self, slot: SlotId) -> Result<(), Outcome> {
        let starts = self.slots[slot.0 as usize].spec.starts_at.0;
        if self.now + 2 * HOUR_MS < starts {
            return no_with(Reason::SlotAhead, starts - 2 * HOUR_MS);
        }
        if self.now > starts + 8 * HOUR_MS { no(Reason::SlotPast) } else { Ok(()) }
    }
}
