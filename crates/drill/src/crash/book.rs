//! What each person was told, and what they asked and have not been answered yet.
//!
//! The crash drill's own model of the service, as small as it can be: a person has places, each
//! held, booked or cancelled; one question may be open. Whatever was acknowledged must be there
//! exactly; an open question may have been carried out or not, and nothing else may be. Must never
//! be told anything but answers that came over the wire. Start at [`Book`], then [`judge`].

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;

use crate::live::{
    api,
    auditor::{Faults, Ledger},
    crowd::people::Random,
};

/// Answers kept to be asked for again.
const ANSWERS_MAX: usize = 4_000;

/// What became of a place, as acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Held.
    Held,
    /// Booked.
    Booked,
    /// Given back.
    Cancelled,
}

impl Kept {
    /// As the API says it.
    fn word(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Booked => "booked",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A question that was sent and is not answered: carried out or not, and nothing between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// A place in this slot.
    Hold(u32),
    /// To book what is held.
    Confirm(u32),
    /// To give a booking back.
    Cancel(u32),
    /// To move a booking to a slot.
    Move(u32, u32),
    /// To delete the contact.
    Forget,
    /// A turn inside.
    Enter,
}

/// Whether the service keeps a person's contact, as acknowledged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Contact {
    /// Nothing was acknowledged.
    #[default]
    Unknown,
    /// It is kept.
    Kept,
    /// It was deleted.
    Forgotten,
}

/// One person, as acknowledged.
#[derive(Debug, Clone, Default)]
pub struct Person {
    /// The session.
    pub session: Option<Arc<str>>,
    /// The ticket and its number.
    pub ticket: Option<(Arc<str>, u32)>,
    /// A pass was given.
    pub entered: bool,
    /// When they first asked for a number, and when they were let in.
    pub came: (Option<Instant>, Option<Instant>),
    /// Their contact.
    pub contact: Contact,
    /// Places by number: slot and what became of it.
    pub places: BTreeMap<u32, (u32, Kept)>,
    /// The open question.
    pub asked: Option<Asked>,
}

/// An answer that must come again for the same key.
#[derive(Debug, Clone)]
pub struct Answered {
    /// Whose it was.
    pub person: u32,
    /// The request, key included.
    pub request: Arc<[u8]>,
    /// The status.
    pub status: u16,
    /// The hold or booking it named.
    pub booking: u32,
}

/// Everything that was acknowledged.
#[derive(Debug)]
pub struct Book {
    /// By number.
    pub people: BTreeMap<u32, Person>,
    /// Knows at once of tickets and places that are given twice.
    pub ledger: Ledger,
    /// Numbers given in the room that is not bound to people, with their tickets.
    pub walked_in: BTreeMap<u32, Arc<str>>,
    /// Public changes by the operator: asked for, and acknowledged.
    pub changes: (u32, u32),
    /// People whose record changed since the last audit.
    pub touched: BTreeSet<u32>,
    answers: Vec<Answered>,
    random: Random,
}

/// A book that the crowd writes and the auditor reads.
#[derive(Debug, Clone)]
pub struct SharedBook(Arc<Mutex<Book>>);

impl SharedBook {
    /// An empty book.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Book {
            people: BTreeMap::new(),
            ledger: Ledger::new(0),
            walked_in: BTreeMap::new(),
            changes: (0, 0),
            touched: BTreeSet::new(),
            answers: Vec::new(),
            random: Random::new(seed, 0xb00c),
        })))
    }

    /// The book, for a moment: never across an await.
    pub fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    /// A person's record, to be changed.
    pub fn person(&mut self, person: u32) -> &mut Person {
        self.touched.insert(person);
        self.people.entry(person).or_default()
    }

    /// A question goes out.
    pub fn asks(&mut self, person: u32, asked: Asked) {
        self.person(person).asked = Some(asked);
    }

    /// It was refused: nothing has changed.
    pub fn refused(&mut self, person: u32) {
        self.person(person).asked = None;
    }

    /// A session was given: the contact is kept.
    pub fn identified(&mut self, person: u32, session: Arc<str>) {
        let record = self.person(person);
        record.session = Some(session);
        record.contact = Contact::Kept;
    }

    /// A ticket of the room bound to people was given, or found again.
    pub fn ticket(&mut self, person: u32, serial: u32, ticket: Arc<str>, asked_at: Instant) {
        self.ledger.ticket(person, serial, &ticket, (0, 0));
        let record = self.person(person);
        record.ticket = Some((ticket, serial));
        record.came.0.get_or_insert(asked_at);
    }

    /// A ticket of the other room was given.
    pub fn walked_in(&mut self, serial: u32, ticket: Arc<str>) {
        if self.walked_in.insert(serial, ticket).is_some() {
            self.ledger.given_twice.add(format!("ticket {serial} of the open room was given twice"));
        }
    }

    /// The open question was answered with success, and the answer named `booking`.
    pub fn done(&mut self, person: u32, booking: u32) {
        let record = self.person(person);
        match record.asked.take() {
            Some(Asked::Hold(slot)) => {
                record.places.insert(booking, (slot, Kept::Held));
                self.ledger.held(person, booking, slot);
            }
            Some(Asked::Confirm(booking)) => {
                if let Some(place) = record.places.get_mut(&booking) {
                    place.1 = Kept::Booked;
                    let slot = place.0;
                    self.ledger.booked(person, booking, slot);
                }
            }
            Some(Asked::Cancel(booking)) => {
                if let Some(place) = record.places.get_mut(&booking) {
                    place.1 = Kept::Cancelled;
                    self.ledger.cancelled(person);
                }
            }
            Some(Asked::Move(booking, to)) => {
                if let Some(place) = record.places.get_mut(&booking) {
                    place.0 = to;
                    self.ledger.moved(person, to);
                }
            }
            Some(Asked::Forget) => record.contact = Contact::Forgotten,
            Some(Asked::Enter) => {
                record.entered = true;
                record.came.1.get_or_insert_with(Instant::now);
            }
            None => {}
        }
    }

    /// Keeps an answer; when there are many, in the place of any other.
    pub fn keep_answer(&mut self, answered: Answered) {
        if self.answers.len() < ANSWERS_MAX {
            self.answers.push(answered);
        } else {
            let at = self.random.below(ANSWERS_MAX);
            self.answers[at] = answered;
        }
    }

    /// Some answers to be asked for again: the newest, and any others.
    pub fn some_answers(&mut self, count: usize) -> Vec<Answered> {
        let newest = self.answers.iter().rev().take(count / 2).cloned();
        let mut chosen: Vec<Answered> = newest.collect();
        for _ in 0..count.saturating_sub(chosen.len()).min(self.answers.len()) {
            let at = self.random.below(self.answers.len());
            chosen.push(self.answers[at].clone());
        }
        chosen
    }

    /// Places per slot that are held and booked, as acknowledged.
    pub fn in_use(&self) -> BTreeMap<u32, (u32, u32)> {
        let mut in_use: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
        for (slot, kept) in self.people.values().flat_map(|person| person.places.values()) {
            let counts = in_use.entry(*slot).or_default();
            match kept {
                Kept::Held => counts.0 += 1,
                Kept::Booked => counts.1 += 1,
                Kept::Cancelled => {}
            }
        }
        in_use
    }

    /// How many questions are open.
    pub fn open_questions(&self) -> usize {
        self.people.values().filter(|person| person.asked.is_some()).count()
    }
}

/// What is wrong with a person's bookings as the service shows them now.
pub fn judge(number: u32, person: &Person, shown: &[api::Booking], lost: &mut Faults, twice: &mut Faults) {
    let mut strangers = 0;
    for (booking, (slot, kept)) in &person.places {
        let found: Vec<&api::Booking> = shown.iter().filter(|one| one.booking == *booking).collect();
        match found[..] {
            [] => lost.add(format!("person {number}: {} {booking} is not there", kept.word())),
            [one] => {
                if !may_be(person.asked, *booking, (*slot, *kept), one) {
                    lost.add(format!(
                        "person {number}: {booking} was {} in slot {slot}, and is {} in slot {}",
                        kept.word(),
                        one.status,
                        one.slot.slot
                    ));
                }
            }
            _ => twice.add(format!("person {number}: {booking} is listed {} times", found.len())),
        }
    }
    for one in shown.iter().filter(|one| !person.places.contains_key(&one.booking)) {
        strangers += 1;
        let asked_for = person.asked == Some(Asked::Hold(one.slot.slot)) && one.status == "held";
        if !asked_for || strangers > 1 {
            let (booking, status, slot) = (one.booking, &one.status, one.slot.slot);
            twice.add(format!("person {number}: {status} {booking} in slot {slot} was never asked for"));
        }
    }
    let active = shown.iter().filter(|one| matches!(one.status.as_str(), "held" | "booked" | "used")).count();
    if active > 1 {
        twice.add(format!("person {number} has {active} active places"));
    }
    if shown.iter().any(|one| !one.slot.supply.adds_up()) {
        twice.add(format!("the slots of person {number} do not add up"));
    }
}

/// Whether a place may be as it is shown: as acknowledged, or as after the open question.
fn may_be(asked: Option<Asked>, booking: u32, (slot, kept): (u32, Kept), shown: &api::Booking) -> bool {
    let is = |slot: u32, kept: Kept| shown.slot.slot == slot && shown.status == kept.word();
    is(slot, kept)
        || match asked {
            Some(Asked::Confirm(one)) if one == booking => is(slot, Kept::Booked),
            Some(Asked::Cancel(one)) if one == booking => is(slot, Kept::Cancelled),
            Some(Asked::Move(one, to)) if one == booking => is(to, kept),
            _ => false,
        }
}
