//! What clients ask for somebody else.

use jari_core::Body;
use jari_core::ids::{BookingId, PersonId};

use super::{Workload, pick, pick_late};
use crate::simulate::random::Random;

impl Workload {
    /// Whoever would hold a place holds it for somebody else, with the ticket that they have, or
    /// somebody else holds it for them. Often it is the same one who books for everybody.
    pub(super) fn for_somebody(&self, hold: Body, random: &mut Random) -> Body {
        let Body::Hold { slot, person, birth, dose, entry, channel } = hold else { return hold };
        let other = if random.chance(0.4) { self.country.people[0] } else { self.person(random) };
        let (person, birth, proxy) =
            if random.chance(0.5) { (other.0, other.1, person) } else { (person, birth, other.0) };
        Body::HoldFor { slot, person, birth, dose, entry, channel, proxy }
    }

    /// Who asks for something about a booking of `person`: they, or who made it for them.
    pub(super) fn asks(&self, booking: BookingId, person: PersonId, random: &mut Random) -> PersonId {
        let made = self.proxied.iter().find(|(other, _)| *other == booking);
        made.filter(|_| random.chance(0.5)).map_or(person, |(_, proxy)| *proxy)
    }

    /// The reach of somebody who made a booking is to end, mostly by one of the two.
    pub(super) fn end_proxy(&self, random: &mut Random) -> Body {
        let made = pick_late(&self.proxied, random).filter(|_| !random.chance(0.2));
        let Some((booking, proxy)) = made.or_else(|| pick(&self.bookings, random)) else {
            return Body::EndProxy { booking: BookingId(0), person: self.person(random).0 };
        };
        let owner = self.bookings.iter().find(|(other, _)| *other == booking);
        let person = match random.below(10) {
            0 => self.person(random).0,
            1..4 => proxy,
            _ => owner.map_or(proxy, |(_, owner)| *owner),
        };
        Body::EndProxy { booking, person }
    }
}
