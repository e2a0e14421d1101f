//! Holds and bookings: each rule looks at all that was ever booked.

use jari_core::booking::{BookingState, Window};
use jari_core::effect::EffectKind;
use jari_core::ids::{BookingId, CampaignId, ChannelId, PersonId, SlotId, VaccineId};
use jari_core::time::Date;
use jari_core::{Outcome, Reason, Time};

use super::{Booking, Campaign, Model, Pass, Verdict, no, no_with};

const DAY_MS: i64 = 86_400_000;
const WHOLE_PPM: u64 = 1_000_000;
const BOOKINGS_PER_PERSON_MAX: usize = 128;

/// What a person asks for.
#[derive(Copy, Clone, Debug)]
pub struct Wish {
    /// Where.
    pub slot: SlotId,
    /// For whom.
    pub person: PersonId,
    /// Born when.
    pub birth: Date,
    /// Which dose.
    pub dose: u8,
    /// With which pass.
    pub entry: Option<Pass>,
    /// Through whom.
    pub channel: ChannelId,
}

fn is_open(window: &Window, now: u64) -> bool {
    (window.opens_at.0..window.closes_at.0).contains(&now)
}

fn is_for(window: &Window, birth: Date) -> bool {
    window.digits & 1 << (birth.civil().2 % 10) != 0
}

/// Whether the campaign takes new holds and moves at all.
pub(super) fn check_running(campaign: &Campaign) -> Result<(), Outcome> {
    if campaign.closed {
        return no(Reason::CampaignClosed);
    }
    if campaign.paused.is_some() { no(Reason::CampaignPaused) } else { Ok(()) }
}

impl Model {
    /// The campaign that a slot belongs to.
    #[must_use]
    pub fn campaign_of(&self, slot: SlotId) -> CampaignId {
        self.desks[self.slots[slot.0 as usize].desk].0
    }

    /// Holds, bookings and used places that meet a condition.
    pub fn taken(&self, counts: impl Fn(&Booking) -> bool) -> u64 {
        self.bookings.iter().filter(|booking| booking.state.is_active() && counts(booking)).count() as u64
    }

    pub(super) fn hold(&mut self, wish: &Wish, proxy: Option<PersonId>) -> Verdict {
        let Some(slot) = self.slots.get(wish.slot.0 as usize).cloned() else {
            return no(Reason::SlotUnknown);
        };
        let id = self.campaign_of(wish.slot);
        let share_ppm = self.check_person(&self.campaigns[&id], wish)?;
        let pass = self.check_pass(&self.campaigns[&id], wish, proxy)?;
        self.check_single(id, wish.person, wish.dose)?;
        self.check_interval(id, wish.person, wish.dose, slot.spec.starts_at.0)?;
        if slot.spec.starts_at.0 <= self.now {
            return no(Reason::SlotPast);
        }
        self.check_quotas(id, wish, slot.desk, share_ppm)?;
        self.check_free(wish.slot)?;
        self.check_proxy(proxy)?;
        self.check_ever(wish.person)?;
        let mut until = self.now + u64::from(self.campaigns[&id].config.hold_ms);
        if let Some((room, serial)) = pass {
            until = until.min(self.rooms[&room].inside[&serial].0);
        }
        self.bookings.push(Booking {
            person: wish.person,
            slot: wish.slot,
            dose: wish.dose,
            channel: wish.channel,
            state: BookingState::Held,
            until,
            pass,
            confirmed: false,
            reminded: false,
        });
        let booking = BookingId(self.bookings.len() as u32 - 1);
        Ok(Outcome::Held { booking, ends_at: Time(until) })
    }

    /// One place a person, campaign and dose.
    pub(super) fn check_single(&self, id: CampaignId, person: PersonId, dose: u8) -> Result<(), Outcome> {
        let same = self.bookings.iter().position(|booking| {
            booking.state.is_active()
                && (booking.person, booking.dose) == (person, dose)
                && self.campaign_of(booking.slot) == id
        });
        same.map_or(Ok(()), |same| no_with(Reason::AlreadyBooked, same as u64))
    }

    pub(super) fn check_ever(&self, person: PersonId) -> Result<(), Outcome> {
        let ever = self.bookings.iter().filter(|booking| booking.person == person).count();
        if ever >= BOOKINGS_PER_PERSON_MAX { no(Reason::TooManyBookings) } else { Ok(()) }
    }

    /// Who may book now; the share of the supply that may be gone.
    fn check_person(&self, campaign: &Campaign, wish: &Wish) -> Result<u32, Outcome> {
        check_running(campaign)?;
        let windows = &campaign.config.windows;
        match windows.first() {
            None => return no(Reason::BookingNotOpen),
            Some(first) if self.now < first.opens_at.0 => {
                return no_with(Reason::BookingNotOpen, first.opens_at.0);
            }
            Some(_) if windows.iter().all(|window| window.closes_at.0 <= self.now) => {
                return no(Reason::BookingOver);
            }
            Some(_) => {}
        }
        let rules = &campaign.config.rules;
        if !(rules.born_from..=rules.born_until).contains(&wish.birth) {
            return no(Reason::NotEligible);
        }
        let mine = windows.iter().filter(|window| is_for(window, wish.birth));
        let open = mine.clone().filter(|window| is_open(window, self.now));
        let Some(share_ppm) = open.map(|window| window.share_ppm).max() else {
            let next = mine.map(|window| window.opens_at.0).find(|opens| *opens > self.now);
            return no_with(Reason::NotYourDay, next.unwrap_or(0));
        };
        if !(1..=rules.doses).contains(&wish.dose) {
            return no(Reason::DoseUnknown);
        }
        Ok(share_ppm)
    }

    fn check_pass(
        &self,
        campaign: &Campaign,
        wish: &Wish,
        proxy: Option<PersonId>,
    ) -> Result<Option<Pass>, Outcome> {
        let Some(required) = campaign.config.room else { return Ok(None) };
        let Some((id, serial)) = wish.entry.filter(|(room, _)| *room == required) else {
            return no(Reason::PassRequired);
        };
        let Some(room) = self.rooms.get(&id) else { return no(Reason::PassEnded) };
        if !room.inside.contains_key(&serial) {
            return no(Reason::PassEnded);
        }
        if self.served((id, serial)) >= room.config.bookings_per_pass {
            return no(Reason::PassSpent);
        }
        let person = match room.person_of(serial) {
            None if room.config.identity_bound => Some(room.people[serial.0 as usize]),
            of_agent => of_agent,
        };
        if person.is_some_and(|person| person != wish.person && Some(person) != proxy) {
            return no(Reason::TicketForeign);
        }
        Ok(Some((id, serial)))
    }

    /// Days lie between doses, counted on the campaign's calendar.
    pub(super) fn check_interval(
        &self,
        id: CampaignId,
        person: PersonId,
        dose: u8,
        starts: u64,
    ) -> Result<(), Outcome> {
        let config = &self.campaigns[&id].config;
        let offset_ms = i64::from(config.utc_offset_min) * 60_000;
        let day = |at: u64| (at as i64 + offset_ms).div_euclid(DAY_MS);
        let distance = i64::from(config.rules.dose_interval_days);
        let dose_at = |dose: u8, held_counts: bool| {
            let found = self.bookings.iter().find(|booking| {
                booking.state.is_active()
                    && (held_counts || !matches!(booking.state, BookingState::Held | BookingState::Offered))
                    && (booking.person, booking.dose) == (person, dose)
                    && self.campaign_of(booking.slot) == id
            });
            found.map(|booking| self.slots[booking.slot.0 as usize].spec.starts_at.0)
        };
        let check = |one: u64, next: u64| {
            let earliest = day(one) + distance;
            if day(next) >= earliest {
                return Ok(());
            }
            no_with(Reason::DoseTooEarly, u64::try_from(earliest * DAY_MS - offset_ms).unwrap_or(0))
        };
        if dose > 1 {
            match dose_at(dose - 1, false) {
                None => return no(Reason::DoseTooEarly),
                Some(before) => check(before, starts)?,
            }
        }
        dose_at(dose + 1, true).map_or(Ok(()), |after| check(starts, after))
    }

    fn check_vaccine(&self, id: CampaignId, vaccine: VaccineId) -> Result<(), Outcome> {
        let taken = self.taken(|booking| {
            self.campaign_of(booking.slot) == id
                && self.slots[booking.slot.0 as usize].spec.vaccine == vaccine
        });
        let quota = self.campaigns[&id].config.vaccines[usize::from(vaccine.0)].quota;
        if taken >= u64::from(quota) { no(Reason::QuotaUsedUp) } else { Ok(()) }
    }

    /// The quotas of campaign and vaccine; gives the campaign's, and how much of it is taken.
    pub(super) fn check_quota(&self, id: CampaignId, slot: SlotId) -> Result<(u64, u64), Outcome> {
        let quota = u64::from(self.campaigns[&id].config.quota);
        let taken = self.taken(|booking| self.campaign_of(booking.slot) == id);
        if taken >= quota {
            return no(Reason::QuotaUsedUp);
        }
        self.check_vaccine(id, self.slots[slot.0 as usize].spec.vaccine)?;
        Ok((quota, taken))
    }

    fn check_quotas(&self, id: CampaignId, wish: &Wish, desk: usize, share_ppm: u32) -> Result<(), Outcome> {
        let (quota, taken) = self.check_quota(id, wish.slot)?;
        let config = &self.campaigns[&id].config;
        if taken < quota * u64::from(share_ppm) / WHOLE_PPM && self.desk_has_share(desk, share_ppm) {
            return Ok(());
        }
        let larger = config.windows.iter().find(|window| {
            window.opens_at.0 > self.now && window.share_ppm > share_ppm && is_for(window, wish.birth)
        });
        no_with(Reason::ShareUsedUp, larger.map_or(0, |window| window.opens_at.0))
    }

    fn desk_has_share(&self, desk: usize, share_ppm: u32) -> bool {
        let of_desk = |slot: SlotId| self.slots[slot.0 as usize].desk == desk;
        let taken = self.taken(|booking| of_desk(booking.slot));
        let places: u64 = self
            .slots
            .iter()
            .filter(|slot| slot.desk == desk)
            .map(|slot| u64::from(slot.spec.capacity))
            .sum();
        u64::from(share_ppm) == WHOLE_PPM || taken * WHOLE_PPM < places * u64::from(share_ppm)
    }

    pub(super) fn check_free(&self, id: SlotId) -> Result<(), Outcome> {
        let slot = &self.slots[id.0 as usize];
        let gone = self.taken(|booking| booking.slot == id) + u64::from(slot.withdrawn);
        if gone >= u64::from(slot.spec.capacity) { no(Reason::SlotFull) } else { Ok(()) }
    }

    /// When people are to be reminded of this booking, where its campaign reminds anybody.
    #[must_use]
    pub fn reminder_due(&self, booking: &Booking) -> Option<u64> {
        let before = u64::from(self.campaigns[&self.campaign_of(booking.slot)].config.reminder_ms);
        (before > 0).then(|| self.slots[booking.slot.0 as usize].spec.starts_at.0 - before)
    }

    /// Those whose reminder is due, by when it is and by number. A booking that was made or moved
    /// when it was due already gets none, and nobody is reminded of what has begun.
    pub(super) fn remind(&mut self) {
        let mut due = Vec::new();
        for (number, booking) in self.bookings.iter().enumerate() {
            let Some(at) = self.reminder_due(booking) else { continue };
            let waits = booking.state == BookingState::Booked && !booking.reminded && booking.until < at;
            if waits && at <= self.now {
                due.push((at, number));
            }
        }
        due.sort_unstable();
        for (_, number) in due {
            self.bookings[number].reminded = true;
            let slot = self.bookings[number].slot;
            if self.slots[slot.0 as usize].spec.starts_at.0 > self.now {
                self.tell(EffectKind::Reminder, BookingId(number as u32));
            }
        }
    }

    fn mine(&mut self, id: BookingId, person: PersonId) -> Result<&mut Booking, Outcome> {
        let reaches = self.reaching(id) == Some(person);
        let booking = self.bookings.get_mut(id.0 as usize);
        let booking = booking.filter(|booking| booking.person == person || reaches);
        booking.map_or_else(|| no(Reason::BookingUnknown), Ok)
    }

    pub(super) fn confirm(&mut self, id: BookingId, person: PersonId) -> Verdict {
        let now = self.now;
        let booking = self.mine(id, person)?.clone();
        match booking.state {
            BookingState::Held | BookingState::Offered => {}
            BookingState::Booked | BookingState::Used => return Ok(Outcome::Confirmed { booking: id }),
            BookingState::Cancelled => return no(Reason::BookingCancelled),
            BookingState::Lapsed => return no(Reason::HoldLapsed),
            BookingState::NoShow => return no(Reason::BookingMissed),
        }
        if let Some((room, serial)) = booking.pass {
            if !self.rooms[&room].inside.contains_key(&serial) {
                return no(Reason::PassEnded);
            }
            self.serve((room, serial));
        }
        let booking = &mut self.bookings[id.0 as usize];
        let (was, slot) = (booking.state, booking.slot);
        (booking.state, booking.until, booking.confirmed) = (BookingState::Booked, now, true);
        if was == BookingState::Offered {
            self.offer_taken(slot);
        }
        self.tell(EffectKind::BookingConfirmed, id);
        Ok(Outcome::Confirmed { booking: id })
    }

    pub(super) fn cancel(&mut self, id: BookingId, person: PersonId) -> Verdict {
        let now = self.now;
        let booking = self.mine(id, person)?;
        let was = booking.state;
        match was {
            BookingState::Used => return no(Reason::BookingUsed),
            BookingState::Lapsed => return no(Reason::HoldLapsed),
            BookingState::NoShow => return no(Reason::BookingMissed),
            BookingState::Cancelled => return Ok(Outcome::Cancelled { booking: id }),
            BookingState::Held | BookingState::Offered | BookingState::Booked => {}
        }
        (booking.state, booking.until) = (BookingState::Cancelled, now);
        let slot = booking.slot;
        if was == BookingState::Booked {
            self.tell(EffectKind::BookingCancelled, id);
        }
        if was == BookingState::Offered {
            self.pass_on(slot);
        }
        Ok(Outcome::Cancelled { booking: id })
    }

    pub(super) fn check_booked(booking: &Booking) -> Result<(), Outcome> {
        match booking.state {
            BookingState::Booked => Ok(()),
            BookingState::Held | BookingState::Offered => no(Reason::BookingNotConfirmed),
            BookingState::Used => no(Reason::BookingUsed),
            BookingState::Cancelled => no(Reason::BookingCancelled),
            BookingState::Lapsed => no(Reason::HoldLapsed),
            BookingState::NoShow => no(Reason::BookingMissed),
        }
    }

    pub(super) fn reschedule(&mut self, id: BookingId, person: PersonId, to: SlotId) -> Verdict {
        let booking = self.mine(id, person)?.clone();
        Model::check_booked(&booking)?;
        let Some(new) = self.slots.get(to.0 as usize).cloned() else { return no(Reason::SlotUnknown) };
        if to == booking.slot {
            return no(Reason::SameSlot);
        }
        let campaign = self.campaign_of(to);
        if campaign != self.campaign_of(booking.slot) {
            return no(Reason::OtherCampaign);
        }
        check_running(&self.campaigns[&campaign])?;
        self.check_interval(campaign, booking.person, booking.dose, new.spec.starts_at.0)?;
        if new.spec.starts_at.0 <= self.now {
            return no(Reason::SlotPast);
        }
        let old = &self.slots[booking.slot.0 as usize];
        if new.spec.vaccine != old.spec.vaccine {
            self.check_vaccine(campaign, new.spec.vaccine)?;
        }
        let windows = &self.campaigns[&campaign].config.windows;
        let opened = windows.iter().filter(|window| window.opens_at.0 <= self.now);
        let share_ppm = opened.map(|window| window.share_ppm).max().unwrap_or(0);
        if new.desk != old.desk && !self.desk_has_share(new.desk, share_ppm) {
            let larger =
                windows.iter().find(|window| window.opens_at.0 > self.now && window.share_ppm > share_ppm);
            return no_with(Reason::ShareUsedUp, larger.map_or(0, |window| window.opens_at.0));
        }
        self.check_free(to)?;
        let now = self.now;
        let booking = &mut self.bookings[id.0 as usize];
        (booking.slot, booking.until, booking.reminded) = (to, now, false);
        self.tell(EffectKind::BookingRescheduled, id);
        Ok(Outcome::Rescheduled { booking: id })
    }
}
