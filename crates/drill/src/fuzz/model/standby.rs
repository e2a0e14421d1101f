//! Those who stand by, and the leftover places that they are offered.

use std::collections::BTreeMap;

use jari_core::booking::BookingState;
use jari_core::effect::EffectKind;
use jari_core::ids::{BookingId, CampaignId, ChannelId, DeskId, PersonId, SlotId};
use jari_core::time::Date;
use jari_core::{Outcome, Reason, Time};

use super::bookings::{Wish, check_running};
use super::{Booking, Model, Verdict, no, no_with};

const DAY_MS: u64 = 86_400_000;
const MINUTE_MS: u32 = 60_000;

/// Somebody who stands by at a desk.
#[derive(Clone, Debug)]
pub struct Standby {
    /// The desk's number.
    pub desk: usize,
    /// Who.
    pub person: PersonId,
    /// Born when.
    pub birth: Date,
    /// For which dose.
    pub dose: u8,
    /// Minutes of way.
    pub minutes: u16,
    /// The how-manieth ever to stand by.
    pub number: u64,
    /// Until when.
    pub ends: u64,
}

/// What is offered of a slot.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Offering {
    /// Places that are offered, or still to be.
    pub places: u32,
    /// How long each has to answer.
    pub offer_ms: u32,
}

/// Who stands by, and what is offered.
#[derive(Clone, Debug, Default)]
pub struct Standbys {
    /// Those who stand by, in no order.
    pub people: Vec<Standby>,
    /// How often somebody stood by.
    pub made: u64,
    /// Slots of which places are offered.
    pub offerings: BTreeMap<SlotId, Offering>,
}

impl Model {
    /// How many places of a slot are offered to somebody now.
    pub fn open_offers(&self, slot: SlotId) -> u32 {
        self.taken(|booking| booking.slot == slot && booking.state == BookingState::Offered) as u32
    }

    fn desk_named(&self, desk: DeskId) -> Result<CampaignId, Outcome> {
        self.desks.get(desk.0 as usize).map_or_else(|| no(Reason::DeskUnknown), |(campaign, _)| Ok(*campaign))
    }

    pub(super) fn stand_by(&mut self, desk: DeskId, wish: &Wish, minutes: u16) -> Verdict {
        self.check_desk_rules()?;
        let id = self.desk_named(desk)?;
        self.check_patient(&self.campaigns[&id], wish)?;
        if minutes == 0 || minutes > 180 {
            return no_with(Reason::SettingUnfit, 1);
        }
        self.check_single(id, wish.person, wish.dose)?;
        self.check_interval(id, wish.person, wish.dose, self.now)?;
        let desk = desk.0 as usize;
        let (mine, others): (Vec<_>, Vec<_>) =
            self.standbys.people.iter().partition(|standby| standby.person == wish.person);
        let before = mine.iter().find(|standby| standby.desk == desk).map(|standby| standby.number);
        if before.is_none() && mine.len() == 3 {
            return no(Reason::TooManyStandbys);
        }
        if before.is_none() && others.iter().filter(|standby| standby.desk == desk).count() >= 200 {
            return no(Reason::Full);
        }
        let number = before.unwrap_or(self.standbys.made);
        self.standbys.made += u64::from(before.is_none());
        let offset = i64::from(self.campaigns[&id].config.utc_offset_min) * i64::from(MINUTE_MS);
        let local = self.now.saturating_add_signed(offset);
        let ends = (local / DAY_MS * DAY_MS + DAY_MS).saturating_add_signed(-offset);
        self.standbys.people.retain(|standby| (standby.desk, standby.person) != (desk, wish.person));
        let Wish { person, birth, dose, .. } = *wish;
        self.standbys.people.push(Standby { desk, person, birth, dose, minutes, number, ends });
        Ok(Outcome::StandingBy { ends_at: Time(ends) })
    }

    pub(super) fn stand_down(&mut self, desk: DeskId, person: PersonId) -> Verdict {
        self.check_desk_rules()?;
        self.desk_named(desk)?;
        let before = self.standbys.people.len();
        self.standbys.people.retain(|standby| (standby.desk, standby.person) != (desk.0 as usize, person));
        if self.standbys.people.len() == before { no(Reason::StandbyUnknown) } else { Ok(Outcome::Done) }
    }

    pub(super) fn offer_leftover(&mut self, slot: SlotId, places: u32, offer_ms: u32) -> Verdict {
        self.check_desk_rules()?;
        if slot.0 as usize >= self.slots.len() {
            return no(Reason::SlotUnknown);
        }
        let id = self.campaign_of(slot);
        check_running(&self.campaigns[&id])?;
        self.check_begun(&self.campaigns[&id])?;
        let before = self.standbys.offerings.get(&slot).map_or(0, |offering| offering.places);
        if places == 0 || u64::from(places) + u64::from(before) > 64 {
            return no_with(Reason::SettingUnfit, 1);
        }
        if !(3 * MINUTE_MS..=60 * MINUTE_MS).contains(&offer_ms) {
            return no_with(Reason::SettingUnfit, 2);
        }
        self.check_today(slot)?;
        self.check_quota(id, slot)?;
        self.check_free(slot)?;
        let free = self.slots[slot.0 as usize].spec.capacity
            - self.slots[slot.0 as usize].withdrawn
            - self.taken(|booking| booking.slot == slot) as u32;
        self.standbys.offerings.insert(slot, Offering { places: before + places.min(free), offer_ms });
        self.pass_on(slot);
        Ok(Outcome::Offered { offers: self.open_offers(slot) })
    }

    /// Standing by ends with the day, and places that came back are passed on.
    pub(super) fn standbys_time_passes(&mut self) {
        let now = self.now;
        self.standbys.people.retain(|standby| standby.ends > now);
        for slot in self.standbys.offerings.keys().copied().collect::<Vec<_>>() {
            self.pass_on(slot);
        }
    }

    /// A place that was offered was taken.
    pub(super) fn offer_taken(&mut self, slot: SlotId) {
        if let Some(offering) = self.standbys.offerings.get_mut(&slot) {
            offering.places -= 1;
        }
        self.pass_on(slot);
    }

    /// Offers what is to be offered, until nobody is left.
    pub(super) fn pass_on(&mut self, slot: SlotId) {
        while let Some(offering) = self.standbys.offerings.get(&slot).copied() {
            let open = self.open_offers(slot);
            if open < offering.places
                && let Some(standby) = self.next_standby(slot)
            {
                self.make_offer(slot, &standby, offering.offer_ms);
            } else if open == 0 {
                self.standbys.offerings.remove(&slot);
            } else {
                self.standbys.offerings.insert(slot, Offering { places: open, ..offering });
                return;
            }
        }
    }

    /// Who is asked next; those before who can have no place are taken out of the list.
    fn next_standby(&mut self, slot: SlotId) -> Option<Standby> {
        let id = self.campaign_of(slot);
        check_running(&self.campaigns[&id]).ok()?;
        self.check_today(slot).ok()?;
        self.check_quota(id, slot).ok()?;
        self.check_free(slot).ok()?;
        let desk = self.slots[slot.0 as usize].desk;
        let mut list: Vec<Standby> =
            self.standbys.people.iter().filter(|standby| standby.desk == desk).cloned().collect();
        list.sort_by_key(|standby| (standby.minutes, standby.number));
        for standby in list {
            let has = self.bookings.iter().find(|booking| {
                booking.state.is_active()
                    && (booking.person, booking.dose) == (standby.person, standby.dose)
                    && self.campaign_of(booking.slot) == id
            });
            let holds =
                has.is_some_and(|has| matches!(has.state, BookingState::Held | BookingState::Offered));
            let fits = has.is_none() && self.fits_offer(id, slot, &standby);
            if !holds {
                self.standbys.people.retain(|other| other.number != standby.number);
            }
            if fits {
                return Some(standby);
            }
        }
        None
    }

    fn fits_offer(&self, id: CampaignId, slot: SlotId, standby: &Standby) -> bool {
        let rules = &self.campaigns[&id].config.rules;
        let starts = self.slots[slot.0 as usize].spec.starts_at.0;
        (rules.born_from..=rules.born_until).contains(&standby.birth)
            && standby.dose <= rules.doses
            && self.check_interval(id, standby.person, standby.dose, starts).is_ok()
            && self.check_ever(standby.person).is_ok()
    }

    fn make_offer(&mut self, slot: SlotId, standby: &Standby, offer_ms: u32) {
        let id = BookingId(self.bookings.len() as u32);
        self.bookings.push(Booking {
            person: standby.person,
            slot,
            dose: standby.dose,
            channel: ChannelId::CLINIC,
            state: BookingState::Offered,
            until: self.now + u64::from(offer_ms),
            pass: None,
            confirmed: false,
            reminded: false,
        });
        self.message(EffectKind::Offer, id, standby.person);
    }
}
