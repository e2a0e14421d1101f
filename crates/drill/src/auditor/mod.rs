//! An independent witness: it hears every answer that a person gets, keeps what was promised in a
//! simple model of its own, and compares the service's public state with it.
//!
//! Must never use the service's rules to judge the service: its counts, its draw and its limits
//! are its own. It looks at the state only to compare. Start at [`Auditor`].

pub mod order;
mod pacer;
pub mod shuffle;

use std::collections::BTreeMap;

use jari_core::booking::BookingState;
use jari_core::ids::{PersonId, Serial};
use jari_core::waiting_room::Mark;
use jari_core::{Data, Time};

use crate::report::Promise;
use pacer::Pacer;

/// Examples kept of each kind of breach.
const EXAMPLES_MAX: usize = 5;
const NOBODY: u64 = 0;

/// What must hold, as the campaign announced it.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Nothing is given before.
    pub opens_at: Time,
    /// Places of every slot.
    pub slot_places: u32,
    /// How many slots there are.
    pub slots: u32,
    /// Bookings that one ticket may make.
    pub bookings_per_ticket: u8,
    /// Entries a minute at the most.
    pub entries_per_minute_max: u32,
    /// Active passes at the most.
    pub passes_max: u32,
    /// One ticket a person.
    pub identity_bound: bool,
    /// The part of the quota that may be gone by the end of this evening, in tenths.
    pub share_tenths: u8,
}

/// A promise that was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Breach {
    /// A ticket that someone has seen is not there.
    TicketLost,
    /// An entry that someone has seen is not there.
    EntryLost,
    /// A hold or booking that someone has seen is not there, or is another.
    BookingLost,
    /// A booking that nobody was told of.
    BookingUntold,
    /// A message spoke of a booking that does not exist.
    FalseMessage,
    /// One ticket number for two.
    TicketTwice,
    /// More people in a slot than places.
    Oversold,
    /// Two active bookings of one person.
    BookedTwice,
    /// More bookings with one ticket than allowed.
    PassOverused,
    /// The published supply does not add up, or is not what was acknowledged.
    SupplyWrong,
    /// Something was given before the opening.
    TooEarly,
    /// Someone entered before their place was called.
    OutOfTurn,
    /// Someone whose place was called was told that it was not.
    TurnDenied,
    /// More entries than the pace allows.
    TooFast,
    /// A drawn place is not the one that follows from the seed.
    DrawWrong,
    /// Repeating a request gave another answer.
    RepeatDiffers,
    /// A way round the queue or the rules that worked.
    WayRound,
    /// A change without a public reason.
    Unannounced,
}

impl Breach {
    /// The promise it breaks.
    #[must_use]
    pub fn promise(self) -> Promise {
        match self {
            Breach::TicketLost
            | Breach::EntryLost
            | Breach::BookingLost
            | Breach::BookingUntold
            | Breach::FalseMessage
            | Breach::RepeatDiffers => Promise::P1,
            Breach::TicketTwice | Breach::Oversold | Breach::BookedTwice | Breach::PassOverused => {
                Promise::P2
            }
            Breach::TooEarly
            | Breach::OutOfTurn
            | Breach::TurnDenied
            | Breach::TooFast
            | Breach::DrawWrong
            | Breach::WayRound => Promise::P3,
            Breach::SupplyWrong | Breach::Unannounced => Promise::P6,
        }
    }
}

/// What was promised of a hold or booking.
#[derive(Debug, Clone, Copy)]
struct Promised {
    /// Lower half of the person's id; 0 when nothing was acknowledged.
    person: u64,
    until: Time,
    slot: u32,
    serial: u32,
    state: Stage,
    cancel_asked: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Held,
    Booked,
    Cancelled,
}

const NOTHING: Promised = Promised {
    person: NOBODY,
    until: Time(0),
    slot: 0,
    serial: u32::MAX,
    state: Stage::Held,
    cancel_asked: false,
};

/// See the module's documentation.
#[derive(Debug)]
pub struct Auditor {
    terms: Terms,
    /// Lower half of the owner's id by serial; 0 for tickets nobody was told of.
    tickets: Vec<u64>,
    entered: Vec<bool>,
    bookings_by_ticket: Vec<u8>,
    bookings: Vec<Promised>,
    /// The newest acknowledged booking of each person.
    newest: BTreeMap<u64, u32>,
    booked: u32,
    places: Vec<u32>,
    lobby: u32,
    is_drawn: bool,
    pace: Pacer,
    breaches: BTreeMap<Breach, (u64, Vec<String>)>,
    /// Answers heard.
    pub acknowledged: u64,
    /// Promises compared with the state, all times added up.
    pub compared: u64,
}

fn half(person: PersonId) -> u64 {
    (person.0 as u64).max(1)
}

fn grow<T: Clone>(list: &mut Vec<T>, at: usize, empty: T) {
    if list.len() <= at {
        list.resize(at + 1, empty);
    }
}

impl Auditor {
    /// A witness who has heard nothing yet.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        Self {
            terms,
            tickets: Vec::new(),
            entered: Vec::new(),
            bookings_by_ticket: Vec::new(),
            bookings: Vec::new(),
            newest: BTreeMap::new(),
            booked: 0,
            places: Vec::new(),
            lobby: 0,
            is_drawn: false,
            pace: Pacer::default(),
            breaches: BTreeMap::new(),
            acknowledged: 0,
            compared: 0,
        }
    }

    /// Notes a breach; `what` says which.
    pub fn breach(&mut self, breach: Breach, what: impl FnOnce() -> String) {
        let (count, examples) = self.breaches.entry(breach).or_default();
        *count += 1;
        if examples.len() < EXAMPLES_MAX {
            examples.push(what());
        }
    }

    /// How often any of these was seen.
    #[must_use]
    pub fn count(&self, of: &[Breach]) -> u64 {
        of.iter().filter_map(|breach| self.breaches.get(breach)).map(|(count, _)| count).sum()
    }

    /// All breaches with their numbers and some examples.
    pub fn breaches(&self) -> impl Iterator<Item = (Breach, u64, &[String])> {
        self.breaches.iter().map(|(breach, (count, examples))| (*breach, *count, examples.as_slice()))
    }

    /// The opening's draw was revealed: all places are computed here, and the seed is compared.
    pub fn drawn(&mut self, count: u32, seed: &[u8; 32], beacon: &[u8; 32], commitment: &[u8; 32]) {
        if !shuffle::seed_matches(seed, commitment) {
            self.breach(Breach::DrawWrong, || "the revealed seed is not the committed one".into());
        }
        self.lobby = count;
        self.is_drawn = true;
        self.places = shuffle::places(count, &shuffle::mixed(seed, beacon));
    }

    /// The place of a ticket as anyone can compute it; `None` before the draw.
    #[must_use]
    pub fn place(&self, serial: u32) -> Option<u32> {
        match self.places.get(serial as usize) {
            Some(place) => Some(*place),
            None => self.is_drawn.then_some(serial),
        }
    }

    /// Compares the service's own computation of places with ours; gives how many differ.
    pub fn compare_places(&mut self, place_of: impl Fn(u32) -> Option<u32>) -> u64 {
        let wrong = (0..self.lobby).filter(|serial| place_of(*serial) != Some(self.places[*serial as usize]));
        let wrong: Vec<u32> = wrong.collect();
        for serial in &wrong {
            self.breach(Breach::DrawWrong, || format!("ticket {serial}"));
        }
        wrong.len() as u64
    }

    /// Someone was told their ticket.
    pub fn joined(&mut self, serial: u32, owner: PersonId) {
        self.acknowledged += 1;
        let at = serial as usize;
        grow(&mut self.tickets, at, NOBODY);
        let before = self.tickets[at];
        let again = self.terms.identity_bound && before == half(owner);
        if before != NOBODY && !again {
            self.breach(Breach::TicketTwice, || format!("ticket {serial}"));
        }
        self.tickets[at] = half(owner);
    }

    /// Someone was let in. `called` is what was published no later than the answer.
    pub fn entered(&mut self, serial: u32, called: u32, now: Time) {
        self.acknowledged += 1;
        if now < self.terms.opens_at {
            self.breach(Breach::TooEarly, || format!("ticket {serial} entered at {}", now.0));
        }
        let at = serial as usize;
        grow(&mut self.entered, at, false);
        if !self.entered[at] && self.place(serial).is_none_or(|place| place >= called) {
            self.breach(Breach::OutOfTurn, || format!("ticket {serial} with {called} called"));
        }
        self.entered[at] = true;
    }

    /// A new pass was given, not one found again.
    pub fn admitted(&mut self, now: Time) {
        let recent = self.pace.entered(now);
        let per_minute = u64::from(self.terms.entries_per_minute_max);
        let most = per_minute * (pacer::WINDOW_MS + pacer::BURST_MS) / 60_000 + 1;
        if u64::from(recent) > most {
            self.breach(Breach::TooFast, || format!("{recent} entries in ten seconds at {}", now.0));
        }
    }

    /// Someone was told that their place was not called yet.
    pub fn told_not_called(&mut self, serial: u32, called: u32) {
        if self.place(serial).is_some_and(|place| place < called) {
            self.breach(Breach::TurnDenied, || format!("ticket {serial} with {called} called"));
        }
    }

    /// Someone was told that a place is held.
    pub fn held(&mut self, booking: u32, person: PersonId, slot: u32, serial: u32, until: Time, now: Time) {
        self.acknowledged += 1;
        if now < self.terms.opens_at {
            self.breach(Breach::TooEarly, || format!("booking {booking} held at {}", now.0));
        }
        if !self.entered.get(serial as usize).copied().unwrap_or(false) {
            self.breach(Breach::WayRound, || {
                format!("booking {booking} held with ticket {serial}, which never entered")
            });
        }
        let at = booking as usize;
        grow(&mut self.bookings, at, NOTHING);
        let before = self.bookings[at];
        if before.person != NOBODY && (before.person, before.slot) != (half(person), slot) {
            self.breach(Breach::BookedTwice, || format!("booking {booking} given to two"));
            return;
        }
        if before.person != NOBODY {
            return;
        }
        let earlier =
            self.newest.insert(half(person), booking).map(|earlier| self.bookings[earlier as usize]);
        let active = |promised: &Promised| match promised.state {
            Stage::Booked => !promised.cancel_asked,
            Stage::Held => promised.until > now && !promised.cancel_asked,
            Stage::Cancelled => false,
        };
        if earlier.as_ref().is_some_and(active) {
            self.breach(Breach::BookedTwice, || format!("booking {booking} beside an active one"));
        }
        let state = Stage::Held;
        self.bookings[at] =
            Promised { person: half(person), until, slot, serial, state, cancel_asked: false };
    }

    /// Someone was told that they have a booking.
    pub fn confirmed(&mut self, booking: u32, person: PersonId, now: Time) {
        self.acknowledged += 1;
        let Some(promised) = self.known(booking, person) else { return };
        if promised.state == Stage::Booked {
            return;
        }
        let lapsed = promised.until < now;
        promised.state = Stage::Booked;
        let serial = promised.serial as usize;
        self.booked += 1;
        grow(&mut self.bookings_by_ticket, serial, 0);
        self.bookings_by_ticket[serial] += 1;
        if lapsed {
            self.breach(Breach::WayRound, || {
                format!("booking {booking} confirmed after its hold had lapsed")
            });
        }
        if self.bookings_by_ticket[serial] > self.terms.bookings_per_ticket {
            self.breach(Breach::PassOverused, || format!("ticket {serial}"));
        }
    }

    /// Someone asks to cancel: from now on it may be gone.
    pub fn cancel_asked(&mut self, booking: u32) {
        if let Some(promised) = self.bookings.get_mut(booking as usize) {
            promised.cancel_asked = true;
        }
    }

    /// Someone was told that their booking is cancelled.
    pub fn cancelled(&mut self, booking: u32, person: PersonId) {
        self.acknowledged += 1;
        let Some(promised) = self.known(booking, person) else { return };
        let was = std::mem::replace(&mut promised.state, Stage::Cancelled);
        self.booked -= u32::from(was == Stage::Booked);
    }

    fn known(&mut self, booking: u32, person: PersonId) -> Option<&mut Promised> {
        let found =
            self.bookings.get(booking as usize).is_some_and(|promised| promised.person == half(person));
        if !found {
            self.breach(Breach::BookingLost, || format!("booking {booking} was never held by this person"));
            return None;
        }
        self.bookings.get_mut(booking as usize)
    }

    /// Bookings acknowledged and not cancelled.
    #[must_use]
    pub fn booked(&self) -> u32 {
        self.booked
    }

    /// Compares everything acknowledged with the state. `settled`: nobody waits for an answer, so
    /// there must be no booking that nobody was told of either.
    pub fn compare(&mut self, data: &Data, room: jari_core::ids::RoomId, settled: bool) {
        self.compare_tickets(data, room);
        self.compare_bookings(data, settled);
        self.compare_slots(data.time);
    }

    fn compare_tickets(&mut self, data: &Data, room: jari_core::ids::RoomId) {
        let Some(room) = data.rooms.get(&room) else {
            self.breach(Breach::TicketLost, || "the whole room".into());
            return;
        };
        let tickets = std::mem::take(&mut self.tickets);
        for (serial, owner) in (0_u32..).zip(&tickets).filter(|(_, owner)| **owner != NOBODY) {
            self.compared += 1;
            let person = room.people.get(u64::from(serial)).copied();
            if serial >= room.issued || person.is_some_and(|person| half(person) != *owner) {
                self.breach(Breach::TicketLost, || format!("ticket {serial}"));
            }
            let entered = self.entered.get(serial as usize).copied().unwrap_or(false);
            if entered && room.marks.get(Serial(serial)) == Mark::Waiting {
                self.breach(Breach::EntryLost, || format!("ticket {serial}"));
            }
        }
        self.tickets = tickets;
    }

    fn compare_bookings(&mut self, data: &Data, settled: bool) {
        let promises = std::mem::take(&mut self.bookings);
        for (id, promised) in (0_u64..).zip(&promises).filter(|(_, promised)| promised.person != NOBODY) {
            self.compared += 1;
            if !data.bookings.get(id).is_some_and(|kept| is_kept(promised, kept)) {
                self.breach(Breach::BookingLost, || format!("booking {id}, promised {:?}", promised.state));
            }
        }
        let untold = (0_usize..).zip(data.bookings.iter()).filter(|(id, kept)| {
            let promised = promises.get(*id).copied().unwrap_or(NOTHING);
            settled && kept.state == BookingState::Booked && promised.state != Stage::Booked
        });
        for (id, _) in untold {
            self.breach(Breach::BookingUntold, || format!("booking {id}"));
        }
        self.bookings = promises;
    }

    /// Counts the acknowledged people of each slot.
    fn compare_slots(&mut self, now: Time) {
        let mut taken = vec![0_u32; self.terms.slots as usize];
        for promised in
            self.bookings.iter().filter(|promised| promised.person != NOBODY && !promised.cancel_asked)
        {
            let active = match promised.state {
                Stage::Booked => true,
                Stage::Held => promised.until > now,
                Stage::Cancelled => false,
            };
            if let Some(count) = taken.get_mut(promised.slot as usize) {
                *count += u32::from(active);
            }
        }
        let places = self.terms.slot_places;
        for (slot, count) in (0..).zip(taken).filter(|(_, count)| *count > places) {
            self.breach(Breach::Oversold, || format!("slot {slot}: {count} people"));
        }
    }

    /// Looks at the published totals: they must add up, and contain what was acknowledged.
    pub fn look(&mut self, supply: &jari_core::booking::Supply, free: u32, quota: u32, inside: u32) {
        let parts = [supply.held, supply.booked, supply.used, supply.withdrawn].map(u64::from);
        let announced = u64::from(self.terms.slots) * u64::from(self.terms.slot_places);
        let unused = u64::from(supply.capacity).saturating_sub(parts.iter().sum());
        let share = u64::from(quota) * u64::from(self.terms.share_tenths) / 10;
        let share_left = share.saturating_sub(parts[..3].iter().sum());
        if u64::from(supply.capacity) != announced || u64::from(free) != unused.min(share_left) {
            self.breach(Breach::SupplyWrong, || format!("{supply:?}, {free} free, {announced} announced"));
        }
        if parts[..3].iter().sum::<u64>() > share {
            self.breach(Breach::Oversold, || format!("{supply:?} beyond {quota}"));
        }
        if inside > self.terms.passes_max {
            self.breach(Breach::TooFast, || format!("{inside} inside"));
        }
    }
}

/// Whether what is kept can be what was promised, given what was asked for since.
fn is_kept(promised: &Promised, kept: &jari_core::booking::Booking) -> bool {
    if half(kept.person()) != promised.person || kept.slot.0 != promised.slot {
        return false;
    }
    match (promised.state, kept.state) {
        (Stage::Held, BookingState::Held | BookingState::Booked) => true,
        // A hold may not end before its time.
        (Stage::Held, BookingState::Lapsed) => kept.until >= promised.until,
        (Stage::Held | Stage::Booked, BookingState::Cancelled) => promised.cancel_asked,
        (Stage::Booked, BookingState::Booked | BookingState::Used) => true,
        (Stage::Cancelled, state) => state == BookingState::Cancelled,
        (Stage::Held | Stage::Booked, _) => false,
    }
}
