//! Who is expected at a slot: what the clinic's desk looks at.
//!
//! Every booking that was confirmed, used, missed or offered is in the list of its slot; holds are
//! not, since they come and go by the thousand while a country books, and those that were given back
//! or lapsed are not any more. The lists follow from the bookings and are never stored: each is a
//! chain of booking numbers, so adding, removing and moving cost a few writes, however long it is.
//!
//! It must never hold a booking twice, nor one of another slot. Start reading at [`Agenda::add`].

use super::standby::standbys_at;
use crate::booking::{Booking, BookingState, Standby, StandbyKey};
use crate::chunked::Chunked;
use crate::ids::{BookingId, CampaignId, ClinicId, DeskId, PersonId, SlotId};
use crate::state::State;

/// "No such booking."
const NONE: u32 = Booking::NONE;

/// The lists of all slots.
#[derive(Clone, Debug, Default)]
pub(crate) struct Agenda {
    /// The newest in each slot's list; slots that never had one may be missing at the end.
    heads: Chunked<u32>,
    /// The neighbours of each booking in its list; those that never were in one may be missing at
    /// the end.
    links: Chunked<Link>,
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
struct Link {
    newer: u32,
    older: u32,
}

const UNLINKED: Link = Link { newer: NONE, older: NONE };

/// Whether a booking is in the list of its slot.
pub(crate) const fn is_listed(state: BookingState) -> bool {
    matches!(state, BookingState::Booked | BookingState::Used | BookingState::NoShow | BookingState::Offered)
}

impl Agenda {
    /// Puts a booking that is in no list into that of a slot.
    pub(crate) fn add(&mut self, slot: SlotId, id: BookingId) {
        while self.heads.end() <= u64::from(slot.0) {
            self.heads.push(NONE);
        }
        while self.links.end() <= u64::from(id.0) {
            self.links.push(UNLINKED);
        }
        let head = self.heads.get_mut(u64::from(slot.0)).expect("the slot was just given a list");
        let older = core::mem::replace(head, id.0);
        *self.link_mut(id.0) = Link { newer: NONE, older };
        if older != NONE {
            self.link_mut(older).newer = id.0;
        }
    }

    /// Takes a booking out of its slot's list.
    pub(crate) fn remove(&mut self, slot: SlotId, id: BookingId) {
        let Link { newer, older } = core::mem::replace(self.link_mut(id.0), UNLINKED);
        if older != NONE {
            self.link_mut(older).newer = newer;
        }
        if newer != NONE {
            self.link_mut(newer).older = older;
        } else {
            let head = self.heads.get_mut(u64::from(slot.0)).expect("a booking's list is there");
            assert!(*head == id.0, "a booking is in the list of its slot");
            *head = older;
        }
    }

    /// A slot's bookings, the one that was added last first.
    pub(crate) fn of(&self, slot: SlotId) -> impl Iterator<Item = BookingId> {
        let mut next = self.heads.get(u64::from(slot.0)).copied().unwrap_or(NONE);
        core::iter::from_fn(move || {
            let id = (next != NONE).then_some(BookingId(next))?;
            next = self.links.get(u64::from(id.0))?.older;
            Some(id)
        })
    }

    /// Bytes that the lists take.
    pub(crate) fn bytes(&self) -> usize {
        self.heads.len() * size_of::<u32>() + self.links.len() * size_of::<Link>()
    }

    fn link_mut(&mut self, id: u32) -> &mut Link {
        self.links.get_mut(u64::from(id)).expect("a booking of a list has neighbours")
    }
}

/// What the desks ask.
impl State {
    /// Who is expected at a slot: what is booked there, used, missed or offered. The one that came to
    /// be last is first.
    pub fn bookings_at(&self, slot: SlotId) -> impl Iterator<Item = (BookingId, &Booking)> {
        let listed = self.index.agenda.of(slot);
        listed.filter_map(|id| self.data.bookings.get(u64::from(id.0)).map(|booking| (id, booking)))
    }

    /// Where a person stands by, until the end of the day.
    pub fn standbys_of(&self, person: PersonId) -> impl Iterator<Item = (StandbyKey, &Standby)> {
        let keys = self.index.standbys.of_person(person).iter();
        let counts = |standby: &&Standby| standby.ends_at > self.data.time;
        keys.filter_map(move |key| {
            let standby = self.data.standbys.people.get(key).filter(counts)?;
            Some((*key, standby))
        })
    }

    /// A clinic's part in a campaign, if it takes part.
    #[must_use]
    pub fn desk_of(&self, campaign: CampaignId, clinic: ClinicId) -> Option<DeskId> {
        self.index.desks.get(&(campaign, clinic.0)).copied().map(DeskId)
    }

    /// How many stand by at a desk; counted, so at most as long as a desk's list.
    #[must_use]
    pub fn standbys_at(&self, desk: DeskId) -> usize {
        standbys_at(&self.data, desk)
    }
}
