//! Booking for somebody else: a list of who made what, searched from its beginning.

use jari_core::booking::BookingState;
use jari_core::effect::EffectKind;
use jari_core::ids::{BookingId, PersonId};
use jari_core::{Outcome, Reason};

use super::bookings::Wish;
use super::{Model, Verdict, no, no_with};

/// For so many others at a time, and ever.
const PENDING_MAX: usize = 8;
const EVER_MAX: usize = 128;

impl Model {
    /// Rules 5 brought it.
    fn check_proxy_rules(&self) -> Result<(), Outcome> {
        if self.upgrades < 4 { no(Reason::RulesUnknown) } else { Ok(()) }
    }

    pub(super) fn hold_for(&mut self, wish: &Wish, proxy: PersonId) -> Verdict {
        self.check_proxy_rules()?;
        if wish.person == proxy {
            return no_with(Reason::SettingUnfit, 1);
        }
        let held = self.hold(wish, Some(proxy))?;
        self.proxies.push((BookingId(self.bookings.len() as u32 - 1), proxy, false));
        Ok(held)
    }

    /// Whether somebody may make one more for others.
    pub(super) fn check_proxy(&self, proxy: Option<PersonId>) -> Result<(), Outcome> {
        let Some(proxy) = proxy else { return Ok(()) };
        let made = self.proxies.iter().filter(|(_, other, _)| *other == proxy);
        let states = made.clone().map(|(id, ..)| self.bookings[id.0 as usize].state);
        let pending = states.filter(|state| matches!(state, BookingState::Held | BookingState::Booked));
        if pending.count() >= PENDING_MAX {
            return no_with(Reason::TooManyProxied, PENDING_MAX as u64);
        }
        if made.count() >= EVER_MAX { no_with(Reason::TooManyProxied, EVER_MAX as u64) } else { Ok(()) }
    }

    /// Who else than its person may change a booking.
    pub(super) fn reaching(&self, id: BookingId) -> Option<PersonId> {
        let mut made = self.proxies.iter().filter(|(other, _, ended)| *other == id && !ended);
        made.next().map(|(_, proxy, _)| *proxy)
    }

    pub(super) fn end_proxy(&mut self, id: BookingId, who: PersonId) -> Verdict {
        self.check_proxy_rules()?;
        let theirs = self.bookings.get(id.0 as usize).is_some_and(|booking| booking.person == who);
        if !theirs && self.reaching(id) != Some(who) {
            return no(Reason::BookingUnknown);
        }
        match self.proxies.iter_mut().find(|(other, ..)| *other == id) {
            None => no(Reason::ProxyUnknown),
            Some((.., ended)) => {
                *ended = true;
                Ok(Outcome::Done)
            }
        }
    }

    /// The person of a booking is told, and who made it for them as long as they reach it.
    pub(super) fn tell(&mut self, kind: EffectKind, id: BookingId) {
        let person = self.bookings[id.0 as usize].person;
        self.message(kind, id, person);
        if let Some(proxy) = self.reaching(id) {
            self.message(kind, id, proxy);
        }
    }
}
