//! Compares what a node holds with what the model believes, field by field.
//!
//! It must never leave out a field that the model knows: a snapshot that loses one is found here.
//! Start reading at [`Model::compare`].

use jari_core::State;
use jari_core::booking::{BookingState, Supply};
use jari_core::ids::{BookingId, Serial, SlotId};

use super::rooms::Room;
use super::{Campaign, Model};

/// Says what differs.
fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    number: impl Into<u64>,
    has: T,
    should: T,
) -> Result<(), String> {
    if has == should {
        return Ok(());
    }
    Err(format!("{what} {}: the node has {has:?}, the model {should:?}", number.into()))
}

impl Model {
    /// Compares everything that the model knows.
    ///
    /// # Errors
    ///
    /// In words, the first difference.
    pub fn compare(&self, state: &State) -> Result<(), String> {
        let data = state.data();
        same("the time", 0_u64, data.time.0, self.now)?;
        same("rules version", 0_u64, data.rules, 1 + self.upgrades)?;
        let lease = data.lease.map(|lease| (lease.node, lease.life, lease.until.0));
        same("lease", 0_u64, lease, self.lease)?;
        same("clinics", 0_u64, data.clinics.len(), self.clinics.len())?;
        for (number, (clinic, config)) in (0_u64..).zip(data.clinics.iter().zip(&self.clinics)) {
            same("clinic", number, &clinic.config, config)?;
        }
        self.compare_places(state)?;
        self.compare_bookings(state)?;
        self.compare_standbys(state)?;
        self.compare_proxies(state)?;
        same("rooms", 0_u64, data.rooms.len(), self.rooms.len())?;
        for (id, (has, room)) in data.rooms.keys().zip(data.rooms.values().zip(self.rooms.values())) {
            compare_room(id.0, has, room, self)?;
        }
        self.compare_memory(state)
    }

    /// Compares what became of each booking: little enough to be done after every record.
    ///
    /// # Errors
    ///
    /// In words, the first difference.
    pub fn compare_states(&self, state: &State) -> Result<(), String> {
        let bookings = &state.data().bookings;
        same("bookings", 0_u64, bookings.len(), self.bookings.len())?;
        for (number, (has, booking)) in (0_u32..).zip(bookings.iter().zip(&self.bookings)) {
            if has.state != booking.state {
                same("booking", number, has.state, booking.state)?;
            }
        }
        Ok(())
    }

    /// Places counted anew from the bookings that have them.
    fn supply(&self, counts: impl Fn(SlotId) -> bool) -> Supply {
        let mut supply = Supply::default();
        for (number, slot) in (0..).zip(&self.slots) {
            if counts(SlotId(number)) {
                supply.capacity += slot.spec.capacity;
                supply.withdrawn += slot.withdrawn;
            }
        }
        for booking in self.bookings.iter().filter(|booking| counts(booking.slot)) {
            match booking.state {
                BookingState::Held | BookingState::Offered => supply.held += 1,
                BookingState::Booked => supply.booked += 1,
                BookingState::Used => supply.used += 1,
                BookingState::Cancelled | BookingState::Lapsed | BookingState::NoShow => {}
            }
        }
        supply
    }

    fn compare_places(&self, state: &State) -> Result<(), String> {
        let data = state.data();
        same("slots", 0_u64, data.slots.len(), self.slots.len())?;
        for (number, (has, slot)) in (0..).zip(data.slots.iter().zip(&self.slots)) {
            same("slot", number, has.desk.0 as usize, slot.desk)?;
            same("slot", number, (has.starts_at, has.vaccine), (slot.spec.starts_at, slot.spec.vaccine))?;
            let supply = self.supply(|other| other == SlotId(number));
            same("places of slot", number, has.supply, supply)?;
            let gone = supply.taken() + supply.withdrawn;
            if gone > supply.capacity {
                return Err(format!("slot {number} gave {gone} of {} places", supply.capacity));
            }
        }
        same("desks", 0_u64, data.desks.len(), self.desks.len())?;
        for (number, (has, desk)) in (0..).zip(data.desks.iter().zip(&self.desks)) {
            same("desk", number as u64, (has.campaign, has.clinic), *desk)?;
            let supply = self.supply(|slot| self.slots[slot.0 as usize].desk == number);
            same("places of desk", number as u64, has.supply, supply)?;
        }
        same("campaigns", 0_u64, data.campaigns.len(), self.campaigns.len())?;
        for (id, campaign) in &self.campaigns {
            let Some(has) = data.campaigns.get(id) else {
                return Err(format!("campaign {} is not there", id.0));
            };
            let Campaign { config, paused, closed } = campaign;
            same("settings of campaign", id.0, &has.config, config)?;
            same("pause of campaign", id.0, (&has.paused, has.closed), (paused, *closed))?;
            same("places of campaign", id.0, has.supply, self.supply(|slot| self.campaign_of(slot) == *id))?;
            for (vaccine, has) in has.by_vaccine.iter().enumerate() {
                let of_it = |slot: SlotId| {
                    let spec = &self.slots[slot.0 as usize].spec;
                    self.campaign_of(slot) == *id && usize::from(spec.vaccine.0) == vaccine
                };
                same("places of vaccine", vaccine as u64, *has, self.supply(of_it))?;
            }
            let of_it = |booking: &&super::Booking| self.campaign_of(booking.slot) == *id;
            let mine = self.bookings.iter().filter(of_it);
            let confirmed = mine.clone().filter(|booking| booking.confirmed).count() as u64;
            let lapsed = mine.filter(|booking| booking.state == BookingState::Lapsed).count() as u64;
            same("confirmed and lapsed of campaign", id.0, (has.confirmed, has.lapsed), (confirmed, lapsed))?;
        }
        Ok(())
    }

    fn compare_bookings(&self, state: &State) -> Result<(), String> {
        let data = state.data();
        same("bookings", 0_u64, data.bookings.len(), self.bookings.len())?;
        for (number, (has, booking)) in (0_u32..).zip(data.bookings.iter().zip(&self.bookings)) {
            let serial = booking.pass.map_or(Serial(u32::MAX), |(_, serial)| serial);
            same("person of booking", number, has.person(), booking.person)?;
            same(
                "booking",
                number,
                (has.slot, has.dose, has.state, has.until.0, has.channel, has.serial),
                (booking.slot, booking.dose, booking.state, booking.until, booking.channel, serial),
            )?;
            let found: Vec<BookingId> = state.bookings_of(booking.person).map(|(id, _)| id).collect();
            let mine = |id: &u32| self.bookings[*id as usize].person == booking.person;
            let should = (0..self.bookings.len() as u32).rev().filter(mine).map(BookingId).collect();
            same("bookings of the person of booking", number, found, should)?;
            let who = state.proxy_of(BookingId(number)).map(|proxied| (proxied.proxy(), proxied.ended));
            let made = self.proxies.iter().find(|(id, ..)| id.0 == number);
            same("proxy of booking", number, who, made.map(|(_, proxy, ended)| (*proxy, *ended)))?;
        }
        Ok(())
    }

    fn compare_proxies(&self, state: &State) -> Result<(), String> {
        same("bookings for others", 0_u64, state.data().proxies.len(), self.proxies.len())?;
        for (made, proxy, _) in &self.proxies {
            let found: Vec<BookingId> = state.bookings_for_others(*proxy).map(|(id, _)| id).collect();
            let theirs = self.proxies.iter().rev().filter(|(_, other, ended)| other == proxy && !ended);
            let should: Vec<BookingId> = theirs.map(|(id, ..)| *id).collect();
            same("bookings for others by who made booking", made.0, found, should)?;
        }
        Ok(())
    }

    fn compare_standbys(&self, state: &State) -> Result<(), String> {
        let has = &state.data().standbys;
        same("numbers of those who stood by", 0_u64, has.made, self.standbys.made)?;
        let mut people: Vec<_> = has
            .people
            .iter()
            .map(|(key, standby)| {
                let who = (standby.person, standby.birth, standby.dose, standby.ends_at.0);
                (key.number, key.desk.0 as usize, key.minutes, who)
            })
            .collect();
        people.sort_unstable_by_key(|(number, ..)| *number);
        let mut should: Vec<_> = self
            .standbys
            .people
            .iter()
            .map(|standby| {
                let who = (standby.person, standby.birth, standby.dose, standby.ends);
                (standby.number, standby.desk, standby.minutes, who)
            })
            .collect();
        should.sort_unstable_by_key(|(number, ..)| *number);
        same("those who stand by", 0_u64, people, should)?;
        let offered = |(slot, offering): (&SlotId, &jari_core::booking::Offering)| {
            (*slot, offering.places, offering.offer_ms, offering.open)
        };
        let has: Vec<_> = has.offerings.iter().map(offered).collect();
        let offered = |(slot, offering): (&SlotId, &super::standby::Offering)| {
            (*slot, offering.places, offering.offer_ms, self.open_offers(*slot))
        };
        let should: Vec<_> = self.standbys.offerings.iter().map(offered).collect();
        same("what is offered", 0_u64, has, should)
    }

    fn compare_memory(&self, state: &State) -> Result<(), String> {
        let data = state.data();
        same("ids remembered", 0_u64, data.recent.len(), self.answers.len())?;
        for (number, recent) in (0_u64..).zip(data.recent.iter()) {
            let first = self.answers.get(&recent.id).map(|(_, outcome)| *outcome);
            same("answer remembered", number, Some(recent.outcome), first)?;
        }
        same("effects done", 0_u64, data.effects.first(), self.effects_done as u64)?;
        let waiting: Vec<_> = data.effects.iter().copied().collect();
        same("effects", 0_u64, waiting.as_slice(), &self.effects[self.effects_done..])?;
        let events: Vec<_> = data.events.iter().cloned().collect();
        same("events", 0_u64, events.as_slice(), self.events.as_slice())?;
        let kept: Vec<_> = data.contacts.iter().filter(|contact| !contact.sealed.is_empty()).collect();
        same("contacts", 0_u64, kept.len(), self.contacts.len())?;
        for contact in kept {
            let should = self.contacts.get(&contact.person).map(|sealed| &**sealed);
            same("contact", 0_u64, state.contact_of(contact.person), should)?;
        }
        Ok(())
    }
}

fn compare_room(
    id: u32,
    has: &jari_core::waiting_room::Room,
    room: &Room,
    model: &Model,
) -> Result<(), String> {
    same("settings of room", id, &has.config, &room.config)?;
    same("phase of room", id, (has.phase, &has.paused), (room.phase, &room.paused))?;
    same("notices of room", id, &has.notices, &room.notices)?;
    same("tickets of room", id, (has.issued, has.lobby), (room.issued, room.lobby))?;
    same("draw of room", id, has.draw.map(|draw| (draw.seed, draw.beacon)), room.draw)?;
    same("entered and left of room", id, (has.entered, has.left), (room.entered, room.left))?;
    let people: Vec<_> = has.people.iter().copied().collect();
    same("people of room", id, &people, &room.people)?;
    for serial in (0..room.issued).map(Serial) {
        same("mark of ticket", serial.0, has.marks.get(serial), room.mark(serial))?;
    }
    let passes = |(serial, (ends, confirmed)): (&Serial, &(u64, u8))| {
        let pass = (jari_core::ids::RoomId(id), *serial);
        (*serial, *ends, *confirmed, model.served(pass))
    };
    let should: Vec<_> = room.inside.iter().map(passes).collect();
    let inside: Vec<_> = has
        .inside
        .iter()
        .map(|(serial, inside)| (*serial, inside.ends_at.0, inside.confirmed, inside.bookings))
        .collect();
    same("passes of room", id, inside, should)?;
    let agents = (u64::from(has.agents.share_permille), has.agents.issued as usize);
    same("agents of room", id, agents, (room.agents.permille, room.agents.people.len()))?;
    same("agents' passes of room", id, has.agents.passes(), &room.passes_of_agents())?;
    if has.called < room.called_min || has.called > has.issued {
        return Err(format!(
            "room {id} has called {}, but {} were called and {} issued",
            has.called, room.called_min, has.issued
        ));
    }
    Ok(())
}
