//! The state and the step from one state to the next.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use hashbrown::HashTable;

use crate::booking::{
    self, Agenda, Booking, BookingState, Campaign, Clinic, Desk, Lapses, Proxied, ProxyIndex, Reminded,
    Reminders, Slot, StandbyIndex, Standbys,
};
use crate::checkpoint;
use crate::chunked::Chunked;
use crate::command::{Body, Command};
use crate::effect::Effect;
pub use crate::event::{Event, EventKind};
use crate::ids::{BookingId, CampaignId, CommandId, PersonId, RoomId, Serial};
use crate::invariants::{self, Violation, violation};
use crate::lease::{self, Lease};
use crate::limits;
use crate::outcome::{Outcome, Reason};
use crate::recent::{Recent, RecentIndex, digest};
use crate::rules::{self, RULES_FIRST, RULES_LEASES};
use crate::shards::Shards;
use crate::time::Time;
use crate::waiting_room::{self, Mark, Places, Room};

/// What is kept: everything that a snapshot holds. A clone is a full copy;
/// [`State::freeze`] gives a cheap one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Data {
    /// The version of the rules in force; see [`crate::rules`].
    pub rules: u32,
    /// The latest instant seen. Never runs backwards.
    pub time: Time,
    /// Waiting rooms.
    pub rooms: BTreeMap<RoomId, Room>,
    /// Campaigns.
    pub campaigns: BTreeMap<CampaignId, Campaign>,
    /// The directory of clinics.
    pub clinics: Chunked<Clinic>,
    /// Clinics' parts in campaigns.
    pub desks: Chunked<Desk>,
    /// Slots.
    pub slots: Chunked<Slot>,
    /// Holds and bookings ever made.
    pub bookings: Chunked<Booking>,
    /// Sealed contacts. A dropped one leaves an empty place.
    pub contacts: Chunked<Contact>,
    /// Outcomes of recent commands.
    pub recent: Chunked<Recent>,
    /// Effects not yet reported done.
    pub effects: Chunked<Effect>,
    /// The newest public events.
    pub events: Chunked<Event>,
    /// Who performs effects; nobody under rules 1.
    pub lease: Option<Lease>,
    /// All answers since rules 2 began to count, as one number; see [`crate::checkpoint`].
    pub answers: u64,
    /// How far reminders have come; at the beginning of all under rules 1 and 2.
    pub reminded: Reminded,
    /// Who stands by for leftover places, and what is offered; nothing under rules 1 to 3.
    pub standbys: Standbys,
    /// Who made which bookings for somebody else, in their order; nothing under rules 1 to 4.
    pub proxies: Chunked<Proxied>,
}

/// A person's sealed contact.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Contact {
    /// Whose it is.
    pub person: PersonId,
    /// Encrypted bytes; empty once dropped.
    pub sealed: Box<[u8]>,
}

/// What finds things in [`Data`] fast. Derived from it, never stored.
#[derive(Clone, Debug)]
pub struct Index {
    /// A person's newest booking.
    pub(crate) newest_booking: Shards,
    /// Each identity-bound room's serial by person.
    pub(crate) tickets: BTreeMap<RoomId, HashTable<u32>>,
    /// A person's contact.
    pub(crate) contacts: Shards,
    /// Recent commands by id.
    pub(crate) recent: RecentIndex,
    /// Holds by when they lapse.
    pub(crate) lapses: Lapses,
    /// Bookings that wait for their reminder.
    pub(crate) reminders: Reminders,
    /// Who is expected at each slot.
    pub(crate) agenda: Agenda,
    /// Those who stand by, and offers.
    pub(crate) standbys: StandbyIndex,
    /// Bookings made for somebody else.
    pub(crate) proxies: ProxyIndex,
    /// The desk of a campaign at a clinic.
    pub(crate) desks: BTreeMap<(CampaignId, u32), u32>,
}

/// The state machine's state.
#[derive(Clone, Debug)]
pub struct State {
    pub(crate) data: Data,
    pub(crate) index: Index,
}

impl Default for State {
    fn default() -> Self {
        State::new()
    }
}

impl State {
    /// The state before the first record.
    #[must_use]
    pub fn new() -> State {
        let data = Data {
            rules: RULES_FIRST,
            time: Time(0),
            rooms: BTreeMap::new(),
            campaigns: BTreeMap::new(),
            clinics: Chunked::default(),
            desks: Chunked::default(),
            slots: Chunked::default(),
            bookings: Chunked::default(),
            contacts: Chunked::default(),
            recent: Chunked::default(),
            effects: Chunked::default(),
            events: Chunked::default(),
            lease: None,
            answers: 0,
            reminded: Reminded::default(),
            standbys: Standbys::default(),
            proxies: Chunked::default(),
        };
        State { data, index: Index::default() }
    }

    /// Brings a state back from what a snapshot held. The invariants are checked.
    ///
    /// # Errors
    ///
    /// The first invariant that does not hold: the snapshot must not be used.
    pub fn restore(data: Data) -> Result<State, Violation> {
        invariants::check_counts(&data)?;
        let index = Index::of(&data)?;
        Ok(State { data, index })
    }

    /// What is kept, for reading.
    #[must_use]
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// What is kept, for a snapshot. Long sequences are shared until they are written to,
    /// see [`Chunked::freeze`]: ten million bookings take about a millisecond.
    #[must_use]
    pub fn freeze(&mut self) -> Data {
        let data = &mut self.data;
        Data {
            rules: data.rules,
            time: data.time,
            rooms: data.rooms.iter_mut().map(|(id, room)| (*id, room.freeze())).collect(),
            campaigns: data.campaigns.clone(),
            clinics: data.clinics.freeze(),
            desks: data.desks.freeze(),
            slots: data.slots.freeze(),
            bookings: data.bookings.freeze(),
            contacts: data.contacts.freeze(),
            recent: data.recent.freeze(),
            effects: data.effects.freeze(),
            events: data.events.freeze(),
            lease: data.lease,
            answers: data.answers,
            reminded: data.reminded,
            standbys: data.standbys.clone(),
            proxies: data.proxies.freeze(),
        }
    }

    /// Lets time pass: holds lapse, reminders fall due, passes end, rooms open and call. Earlier instants
    /// change nothing.
    pub fn advance(&mut self, at: Time) {
        if at <= self.data.time {
            return;
        }
        self.data.time = at;
        booking::advance(&mut self.data, &mut self.index, at);
        let (mut events, rules) = (Vec::new(), self.data.rules);
        for (id, room) in &mut self.data.rooms {
            let places = room.config.campaign.and_then(|id| {
                let campaign = self.data.campaigns.get(&id)?;
                Some(Places::of(campaign, rules, self.index.standbys.offered(id), at))
            });
            events.extend(waiting_room::advance(room, places, rules, at).map(|event| (*id, event)));
        }
        for (id, (kind, value)) in events {
            self.data.publish(kind, id.0, value, "");
        }
    }

    /// Touches what a batch of commands will need, so that the memory of all of them is
    /// fetched at the same time instead of one after the other. Changes nothing; call it
    /// before stepping through a batch of dozens to hundreds.
    pub fn warm(&self, commands: &[Command]) {
        let mut touched = 0_u64;
        for command in commands {
            touched ^= self.index.recent.touch(command.id);
            touched ^= booking::touch(&self.data, &self.index, &command.body);
        }
        core::hint::black_box(touched);
    }

    /// A person's holds and bookings, newest first.
    pub fn bookings_of(&self, person: PersonId) -> impl Iterator<Item = (BookingId, &Booking)> {
        self.index.bookings_of(&self.data, person)
    }

    /// Whether a command with this id has been answered lately: a repeat changes nothing.
    #[must_use]
    pub fn remembers(&self, id: CommandId) -> bool {
        id.0 != 0 && self.index.recent.find(&self.data.recent, id).is_some()
    }

    /// Bytes that finding bookings by person and slot takes, and by what time does to them.
    #[must_use]
    pub fn index_bytes(&self) -> usize {
        self.index.newest_booking.bytes()
            + self.index.lapses.bytes()
            + self.index.reminders.bytes()
            + self.index.agenda.bytes()
            + self.index.proxies.bytes()
    }

    /// A person's sealed contact, if one is kept.
    #[must_use]
    pub fn contact_of(&self, person: PersonId) -> Option<&[u8]> {
        let place = self.index.contact_of(&self.data, person)?;
        let contact = self.data.contacts.get(place)?;
        (!contact.sealed.is_empty()).then_some(&*contact.sealed)
    }
}

impl Default for Index {
    fn default() -> Self {
        Index {
            newest_booking: Shards::new(10),
            tickets: BTreeMap::new(),
            contacts: Shards::new(10),
            recent: RecentIndex::default(),
            lapses: Lapses::default(),
            reminders: Reminders::default(),
            agenda: Agenda::default(),
            standbys: StandbyIndex::default(),
            proxies: ProxyIndex::default(),
            desks: BTreeMap::new(),
        }
    }
}

impl Index {
    /// Builds the index of `data`. Room is reserved up front: a restart with tens of
    /// millions of bookings must take seconds.
    ///
    /// # Errors
    ///
    /// Where two things claim the same key, or a person's bookings do not form a chain.
    pub(crate) fn of(data: &Data) -> Result<Index, Violation> {
        let recent = RecentIndex::of(&data.recent).map_err(|number| violation(14, number))?;
        let standbys = StandbyIndex::of(&data.standbys);
        let proxies = ProxyIndex::of(&data.proxies);
        let mut index = Index { recent, standbys, proxies, ..Index::default() };
        index.find_bookings(data)?;
        index.find_reminders(data);
        index.find_contacts(data)?;
        for (id, room) in &data.rooms {
            if room.config.identity_bound {
                let tickets = tickets_of(room).map_err(|serial| violation(24, u64::from(serial)))?;
                index.tickets.insert(*id, tickets);
            }
        }
        for (number, desk) in data.desks.iter().enumerate() {
            if index.desks.insert((desk.campaign, desk.clinic.0), number as u32).is_some() {
                return Err(violation(5, number as u64));
            }
        }
        Ok(index)
    }

    fn find_bookings(&mut self, data: &Data) -> Result<(), Violation> {
        self.newest_booking.reserve(data.bookings.len());
        for (id, booking) in data.bookings.iter().enumerate() {
            let id = BookingId(id as u32);
            let first = booking.earlier == Booking::NONE;
            if first && self.newest_booking_of(data, booking.person()).is_some() {
                return Err(violation(7, u64::from(id.0)));
            }
            if !self.add_booking(id, booking) {
                return Err(violation(7, u64::from(id.0)));
            }
            if booking::is_listed(booking.state) {
                self.agenda.add(booking.slot, id);
            }
            match booking.state {
                BookingState::Held => self.lapses.add(booking.until, id),
                BookingState::Offered => {
                    let campaign = booking::campaign_of_slot(data, booking.slot);
                    self.standbys.find_offer(campaign, id, booking.until);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Makes `id` its person's newest booking; false if the one before it was not.
    #[must_use]
    pub(crate) fn add_booking(&mut self, id: BookingId, booking: &Booking) -> bool {
        let hash = booking.person[0];
        if booking.earlier != Booking::NONE {
            return self.newest_booking.replace(hash, booking.earlier, id.0);
        }
        self.newest_booking.insert(hash, id.0);
        true
    }

    fn find_contacts(&mut self, data: &Data) -> Result<(), Violation> {
        self.contacts.reserve(data.contacts.len());
        for (place, contact) in (data.contacts.first()..).zip(data.contacts.iter()) {
            if self.contact_of(data, contact.person).is_some() {
                return Err(violation(13, place));
            }
            self.add_contact(place, contact.person);
        }
        Ok(())
    }

    /// Remembers where a person's contact is kept.
    pub(crate) fn add_contact(&mut self, place: u64, person: PersonId) {
        self.contacts.insert(person.0 as u64, place as u32);
    }

    /// The place of a person's contact in [`Data::contacts`], dropped ones included.
    pub(crate) fn contact_of(&self, data: &Data, person: PersonId) -> Option<u64> {
        let place = self.contacts.find(person.0 as u64, |short| {
            data.contacts.get(u64::from(short)).is_some_and(|contact| contact.person == person)
        })?;
        Some(u64::from(place))
    }

    /// A person's newest hold or booking.
    pub(crate) fn newest_booking_of(&self, data: &Data, person: PersonId) -> Option<BookingId> {
        let halves = Booking::halves(person);
        let short = self.newest_booking.find(halves[0], |short| {
            data.bookings.get(u64::from(short)).is_some_and(|booking| booking.person == halves)
        })?;
        Some(BookingId(short))
    }

    /// A person's holds and bookings, newest first.
    pub(crate) fn bookings_of<'a>(
        &self,
        data: &'a Data,
        person: PersonId,
    ) -> impl Iterator<Item = (BookingId, &'a Booking)> + use<'a> {
        let mut next = self.newest_booking_of(data, person);
        core::iter::from_fn(move || {
            let id = next?;
            let booking = data.bookings.get(u64::from(id.0))?;
            next = (booking.earlier != Booking::NONE).then_some(BookingId(booking.earlier));
            Some((id, booking))
        })
    }
}

/// The newest serials of an identity-bound room by person, or the first whose person has an
/// unspent one already.
fn tickets_of(room: &Room) -> Result<HashTable<u32>, u32> {
    let mut tickets: HashTable<u32> = HashTable::with_capacity(room.people.len());
    let person_of = |serial: &u32| room.people.get(u64::from(*serial));
    for (serial, person) in (0..).zip(room.people.iter()) {
        let hash = person.0 as u64;
        match tickets.find_mut(hash, |other| person_of(other) == Some(person)) {
            None => {
                let hash_of = |other: &u32| person_of(other).map_or(0, |person| person.0 as u64);
                tickets.insert_unique(hash, serial, hash_of);
            }
            // Whoever comes back after their ticket was spent has a newer one.
            Some(older) if room.marks.get(Serial(*older)) == Mark::Spent => *older = serial,
            Some(_) => return Err(serial),
        }
    }
    Ok(tickets)
}

/// Applies one command at the instant its record was stamped with.
///
/// The checks run in this order: the id (a repeat answers the first outcome, or is
/// refused if its content differs), then the domain's checks in the order that its
/// handler specifies. A refusal changes nothing but what is remembered of the id.
///
/// # Panics
///
/// If the command needs newer rules than this build knows: ask
/// [`rules::newer_needed`] first.
pub fn step(state: &mut State, command: &Command, at: Time) -> Outcome {
    state.advance(at);
    let outcome = answer(state, command);
    if state.data.rules >= RULES_LEASES {
        state.data.answers = checkpoint::after(state.data.answers, &outcome);
    }
    outcome
}

fn answer(state: &mut State, command: &Command) -> Outcome {
    let remembered = command.id.0 != 0;
    let mut content = 0;
    if remembered {
        content = digest(&command.body);
        if let Some(recent) = state.index.recent.find(&state.data.recent, command.id) {
            return if recent.digest == content {
                recent.outcome
            } else {
                Outcome::refused(Reason::IdReused)
            };
        }
    }
    let outcome = apply(&mut state.data, &mut state.index, &command.body);
    if remembered {
        let recent = Recent { id: command.id, digest: content, outcome };
        state.index.recent.remember(&mut state.data.recent, recent);
    }
    outcome
}

fn apply(data: &mut Data, index: &mut Index, body: &Body) -> Outcome {
    match body {
        Body::Upgrade { rules } => rules::upgrade(data, *rules),
        Body::AckEffects { upto } => ack_effects(data, *upto),
        Body::TakeLease { node, life } => lease::take(data, *node, *life),
        // Whoever applies it compares; the state itself has nothing to change.
        Body::Checkpoint { .. } => Outcome::Done,
        Body::CreateRoom { .. }
        | Body::ScheduleRoom { .. }
        | Body::DrawRoom { .. }
        | Body::PauseRoom { .. }
        | Body::ResumeRoom { .. }
        | Body::CloseRoom { .. }
        | Body::SetPace { .. }
        | Body::ReportHealth { .. }
        | Body::SetNotices { .. }
        | Body::Join { .. }
        | Body::JoinAs { .. }
        | Body::Enter { .. }
        | Body::Leave { .. }
        | Body::SetAgentShare { .. }
        | Body::EnterByAgent { .. } => waiting_room::handle(data, index, body),
        _ => booking::handle(data, index, body),
    }
}

fn ack_effects(data: &mut Data, upto: u64) -> Outcome {
    while data.effects.first() < upto && data.effects.pop_front().is_some() {}
    Outcome::Done
}

impl Data {
    /// Publishes an event, forgetting the oldest beyond the limit.
    pub(crate) fn publish(&mut self, kind: EventKind, subject: u32, value: u64, reason: &str) {
        if self.events.len() as u64 >= limits::EVENTS_MAX {
            self.events.pop_front();
        }
        let event = Event { at: self.time, kind, subject, value, reason: Box::from(reason) };
        self.events.push(event);
    }
}

/// Whether a public text is within bounds and says something.
pub(crate) fn text_fits(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= limits::TEXT_BYTES_MAX
}
