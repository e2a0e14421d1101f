//! What the service acknowledged to each person, in the drill's own words.
//!
//! Must never be told anything but answers that came over the wire, and never asks the service
//! what it thinks. What is wrong by itself (one ticket for two people, a slot with more bookings
//! than places) is a fault at once. Start at [`Ledger`].

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Faults kept in words; all are counted.
const FAULTS_SHOWN: usize = 20;

/// How far a person came, as acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Booked {
    /// No place.
    Nothing,
    /// A place is held.
    Held {
        /// Its number.
        booking: u32,
        /// Its slot.
        slot: u32,
    },
    /// A place is booked.
    Yes {
        /// Its number.
        booking: u32,
        /// Its slot.
        slot: u32,
    },
    /// It was booked and given back.
    Cancelled {
        /// Its number.
        booking: u32,
    },
}

/// One person, as acknowledged. Instants are milliseconds since the crowd came together.
#[derive(Debug, Clone)]
pub struct Record {
    /// The session.
    pub session: Option<Arc<str>>,
    /// The signed ticket.
    pub ticket: Option<Arc<str>>,
    /// The ticket's number.
    pub serial: Option<u32>,
    /// When the join was sent, and when its answer came.
    pub joined_ms: (u32, u32),
    /// When the first pass came.
    pub entered_ms: Option<u32>,
    /// The place.
    pub booked: Booked,
    /// A confirmation or cancellation was sent and has had no answer yet.
    pub unanswered: bool,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            session: None,
            ticket: None,
            serial: None,
            joined_ms: (0, 0),
            entered_ms: None,
            booked: Booked::Nothing,
            unanswered: false,
        }
    }
}

/// Something that must not be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults {
    /// How many.
    pub count: u64,
    /// The first of them, in words.
    pub shown: Vec<String>,
}

impl Faults {
    /// One more.
    pub fn add(&mut self, fault: String) {
        self.count += 1;
        if self.shown.len() < FAULTS_SHOWN {
            self.shown.push(fault);
        }
    }

    /// The first of them, to stand beside a verdict.
    pub fn first(&self) -> String {
        match self.shown.first() {
            Some(first) => format!("the first: {first}"),
            None => "no fault".into(),
        }
    }

    /// Those of another check.
    pub fn take(&mut self, other: Faults) {
        self.count += other.count;
        let room = FAULTS_SHOWN.saturating_sub(self.shown.len());
        self.shown.extend(other.shown.into_iter().take(room));
    }
}

/// Everything that was acknowledged.
#[derive(Debug, Default)]
pub struct Ledger {
    /// By person.
    pub people: Vec<Record>,
    /// Tickets, places or passes that were given twice.
    pub given_twice: Faults,
    /// Answers that took back what was acknowledged before.
    pub taken_back: Faults,
    owner_of_serial: HashMap<u32, u32>,
    owner_of_booking: HashMap<u32, u32>,
    capacity: HashMap<u32, u32>,
    in_use: HashMap<u32, u32>,
}

impl Ledger {
    /// A ledger for so many people.
    pub fn new(people: usize) -> Self {
        Self { people: vec![Record::default(); people], ..Self::default() }
    }

    /// How many places a slot has, as published.
    pub fn slot(&mut self, slot: u32, capacity: u32) {
        self.capacity.insert(slot, capacity);
    }

    /// A session was given.
    pub fn session(&mut self, person: u32, session: &Arc<str>) {
        self.of(person).session = Some(Arc::clone(session));
    }

    /// A ticket was given, or found again.
    pub fn ticket(&mut self, person: u32, serial: u32, ticket: &Arc<str>, joined_ms: (u32, u32)) {
        let owner = *self.owner_of_serial.entry(serial).or_insert(person);
        if owner != person {
            self.given_twice
                .add(format!("ticket {serial} was given to person {owner} and to person {person}"));
        }
        let record = self.of(person);
        match record.serial {
            Some(known) if known != serial => {
                self.given_twice.add(format!("person {person} has tickets {known} and {serial}"));
            }
            Some(_) => {}
            None => {
                record.serial = Some(serial);
                record.joined_ms = joined_ms;
                record.ticket = Some(Arc::clone(ticket));
            }
        }
    }

    /// A pass was given.
    pub fn entered(&mut self, person: u32, at_ms: u32) {
        self.of(person).entered_ms.get_or_insert(at_ms);
    }

    /// A place is held.
    pub fn held(&mut self, person: u32, booking: u32, slot: u32) {
        let owner = *self.owner_of_booking.entry(booking).or_insert(person);
        if owner != person {
            self.given_twice
                .add(format!("hold {booking} was given to person {owner} and to person {person}"));
        }
        let record = self.of(person);
        match record.booked {
            Booked::Yes { booking: known, .. } => {
                self.given_twice.add(format!("person {person} has booking {known} and holds {booking}"));
            }
            _ => record.booked = Booked::Held { booking, slot },
        }
    }

    /// A confirmation or cancellation goes out: until it is answered, either may be true.
    pub fn asked(&mut self, person: u32) {
        self.of(person).unanswered = true;
    }

    /// It was refused: nothing has changed.
    pub fn refused(&mut self, person: u32, lapsed: bool) {
        let record = self.of(person);
        record.unanswered = false;
        if lapsed && matches!(record.booked, Booked::Held { .. }) {
            record.booked = Booked::Nothing;
        }
    }

    /// A booking was acknowledged.
    pub fn booked(&mut self, person: u32, booking: u32, slot: u32) {
        let record = self.of(person);
        record.unanswered = false;
        match record.booked {
            Booked::Yes { booking: known, .. } if known == booking => return,
            Booked::Yes { booking: known, .. } => {
                self.given_twice.add(format!("person {person} has bookings {known} and {booking}"));
                return;
            }
            Booked::Held { booking: held, .. } if held != booking => {
                self.taken_back.add(format!("person {person} held {held} and got booking {booking}"));
            }
            _ => {}
        }
        self.of(person).booked = Booked::Yes { booking, slot };
        self.take_place(slot);
    }

    /// A move to another slot was acknowledged.
    pub fn moved(&mut self, person: u32, to: u32) {
        let record = self.of(person);
        record.unanswered = false;
        if let Booked::Yes { booking, slot } = record.booked {
            record.booked = Booked::Yes { booking, slot: to };
            self.give_back(slot);
            self.take_place(to);
        }
    }

    /// A cancellation was acknowledged.
    pub fn cancelled(&mut self, person: u32) {
        let record = self.of(person);
        record.unanswered = false;
        if let Booked::Yes { booking, slot } = record.booked {
            record.booked = Booked::Cancelled { booking };
            self.give_back(slot);
        }
    }

    /// People with an acknowledged booking, and those with an unanswered question beside.
    pub fn booked_count(&self) -> (u64, u64) {
        let booked = self.people.iter().filter(|record| matches!(record.booked, Booked::Yes { .. }));
        let unanswered = self.people.iter().filter(|record| record.unanswered);
        (booked.count() as u64, unanswered.count() as u64)
    }

    fn take_place(&mut self, slot: u32) {
        let in_use = self.in_use.entry(slot).or_default();
        *in_use += 1;
        if let Some(capacity) = self.capacity.get(&slot)
            && *in_use > *capacity
        {
            let fault = format!("slot {slot} has {capacity} places and {in_use} acknowledged bookings");
            self.given_twice.add(fault);
        }
    }

    fn give_back(&mut self, slot: u32) {
        if let Some(in_use) = self.in_use.get_mut(&slot) {
            *in_use = in_use.saturating_sub(1);
        }
    }

    fn of(&mut self, person: u32) -> &mut Record {
        let person = person as usize;
        if person >= self.people.len() {
            self.people.resize(person + 1, Record::default());
        }
        &mut self.people[person]
    }
}

/// A ledger that the crowd writes and the auditor reads.
#[derive(Debug, Clone, Default)]
pub struct SharedLedger(Arc<Mutex<Ledger>>);

impl SharedLedger {
    /// A ledger for so many people.
    pub fn new(people: usize) -> Self {
        Self(Arc::new(Mutex::new(Ledger::new(people))))
    }

    /// The ledger, for a moment: never across an await.
    pub fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
