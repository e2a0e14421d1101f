//! Reads back what was acknowledged, through the API that people use, while nobody else sends.
//!
//! Must never count what got no answer as checked, and never take the service's totals for proof:
//! they are compared with what each person was told. Start at [`audit`].

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::Context as _;
use tokio::time::Instant;

use super::{
    book::{Answered, Asked, Book, Contact, Kept, judge},
    visitor::Scene,
};
use crate::live::{
    api::{self, Request},
    auditor::Faults,
    crowd::ask,
    http::{Answer, Connection, Done, Job, Workers},
};

const REQUEST_TIME_MAX: Duration = Duration::from_secs(20);
const CONNECTIONS: usize = 16;
/// What is not answered is asked again for so long: an election takes up to nine seconds.
const ASKED_FOR: Duration = Duration::from_secs(15);
const AGAIN_AFTER: Duration = Duration::from_millis(250);
/// The service shows so many public events at the most.
const EVENTS_SHOWN: u32 = 150;

/// What an audit found.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// People looked at.
    pub people: u64,
    /// Tickets read back.
    pub tickets: u64,
    /// Lists of bookings read back.
    pub bookings: u64,
    /// Contacts read back.
    pub contacts: u64,
    /// Requests that were sent again with their key.
    pub repeats: u64,
    /// Slots whose places were counted.
    pub slots: u64,
    /// Operator's changes looked for among the public events.
    pub changes: u64,
    /// Questions of the audit without an answer.
    pub unanswered: u64,
    /// What was acknowledged and is not there.
    pub lost: Faults,
    /// What is there and was never given, or more than once.
    pub twice: Faults,
    /// Keys that answered differently the second time.
    pub differs: Faults,
    /// Places that do not add up.
    pub sums: Faults,
}

impl Found {
    /// Adds another audit.
    pub fn take(&mut self, other: Found) {
        self.people += other.people;
        self.tickets += other.tickets;
        self.bookings += other.bookings;
        self.contacts += other.contacts;
        self.repeats += other.repeats;
        self.slots += other.slots;
        self.changes += other.changes;
        self.unanswered += other.unanswered;
        self.lost.take(other.lost);
        self.twice.take(other.twice);
        self.differs.take(other.differs);
        self.sums.take(other.sums);
    }
}

/// How much to look at.
#[derive(Debug, Clone, Copy)]
pub struct Reach {
    /// People whose record changed since the last audit, at the most.
    pub touched_max: usize,
    /// Others, at the most.
    pub others_max: usize,
    /// Answers that are asked for again.
    pub repeats: usize,
}

impl Reach {
    /// After each restart.
    pub const QUICK: Self = Self { touched_max: 300, others_max: 60, repeats: 30 };
    /// At the end.
    pub const ALL: Self = Self { touched_max: usize::MAX, others_max: usize::MAX, repeats: 2_000 };
}

#[derive(Debug, Clone)]
enum What {
    Ticket(u32),
    Bookings(u32),
    Contact(u32),
    WalkedIn(u32),
    Again(Answered),
}

/// Reads back a part of the book; nobody else may be sending.
pub async fn audit(scene: &Scene, desks: &[u32], reach: Reach) -> anyhow::Result<Found> {
    audit_at(scene, 0, desks, reach).await
}

/// Reads back a part of the book at one node, which has heard everything the others have.
pub async fn audit_at(scene: &Scene, node: usize, desks: &[u32], reach: Reach) -> anyhow::Result<Found> {
    let mut found = Found::default();
    let target = scene.nodes.target(node);
    let questions = questions(scene, reach, &mut found);
    let mut workers: Workers<What> = Workers::start(target, CONNECTIONS);
    let mut again = ask_all(&mut workers, questions, scene, &mut found).await;
    let asked_until = Instant::now() + ASKED_FOR;
    while !again.is_empty() && Instant::now() < asked_until {
        // A service that says "later" means it: servers may be electing a leader just now.
        tokio::time::sleep(AGAIN_AFTER).await;
        let questions = again.into_iter().filter_map(|done| {
            let request = request_of(scene, &done.about)?;
            Some((done.about, request))
        });
        again = ask_all(&mut workers, questions.collect(), scene, &mut found).await;
    }
    again.iter().for_each(|done| unanswered(done, &mut found));
    let mut connection = Connection::new(target.clone());
    count_places(scene, desks, &mut connection, &mut found).await?;
    count_numbers(scene, &mut connection, &mut found).await?;
    look_for_changes(scene, &mut connection, &mut found).await?;
    let book = scene.book.lock();
    found.twice.take(book.ledger.given_twice.clone());
    found.lost.take(book.ledger.taken_back.clone());
    Ok(found)
}

/// Asks all of these and judges what is answered; gives back what has to be asked again.
async fn ask_all(
    workers: &mut Workers<What>,
    questions: Vec<(What, Vec<u8>)>,
    scene: &Scene,
    found: &mut Found,
) -> Vec<Done<What>> {
    let under_way = questions.len();
    for (what, request) in questions {
        workers.submit(job(what, request));
    }
    let mut again = Vec::new();
    for _ in 0..under_way {
        let done = workers.next().await;
        match &done.result {
            Ok(answer) if !matches!(answer.status, 429 | 500..) => {
                judge_answer(&done.about, answer, &mut scene.book.lock(), found);
            }
            _ => again.push(done),
        }
    }
    again
}

fn unanswered(done: &Done<What>, found: &mut Found) {
    found.unanswered += 1;
    tracing::warn!(about = ?done.about, result = ?done.result.as_ref().map(|answer| answer.status), "no answer to the audit");
}

fn job(what: What, request: Vec<u8>) -> Job<What> {
    Job { about: what, intended_at: Instant::now(), time_max: REQUEST_TIME_MAX, bytes: request }
}

/// Whom to look at, and what to ask.
fn questions(scene: &Scene, reach: Reach, found: &mut Found) -> Vec<(What, Vec<u8>)> {
    let mut book = scene.book.lock();
    let touched = std::mem::take(&mut book.touched);
    let mut chosen: BTreeSet<u32> = touched.iter().rev().take(reach.touched_max).copied().collect();
    let step = book.people.len().div_ceil(reach.others_max.max(1)).max(1);
    chosen.extend(book.people.keys().step_by(step));
    found.people = chosen.len() as u64;
    let walked_in = book.walked_in.keys().rev().take(reach.others_max).copied();
    let mut all: Vec<What> = walked_in.map(What::WalkedIn).collect();
    for person in chosen {
        all.extend([What::Ticket(person), What::Bookings(person), What::Contact(person)]);
    }
    all.extend(book.some_answers(reach.repeats).into_iter().map(What::Again));
    drop(book);
    all.into_iter().filter_map(|what| Some((what.clone(), request_of(scene, &what)?))).collect()
}

fn request_of(scene: &Scene, what: &What) -> Option<Vec<u8>> {
    let book = scene.book.lock();
    let session = |person: &u32| book.people.get(person)?.session.clone();
    let request: Request = match what {
        What::Ticket(person) => api::place(scene.rooms.0, &book.people.get(person)?.ticket.as_ref()?.0),
        What::Bookings(person) => api::bookings(&session(person)?),
        What::Contact(person) => api::me(&session(person)?),
        What::WalkedIn(serial) => api::place(scene.rooms.1, book.walked_in.get(serial)?),
        What::Again(answered) => return Some(answered.request.to_vec()),
    };
    Some(request.into_bytes())
}

fn judge_answer(what: &What, answer: &Answer, book: &mut Book, found: &mut Found) {
    match what {
        What::Ticket(number) => {
            found.tickets += 1;
            let Some(person) = book.people.get(number) else { return };
            let serial = person.ticket.as_ref().map(|(_, serial)| *serial);
            let place: Option<api::Place> = api::read(answer);
            if place.as_ref().map(|place| place.serial) != serial {
                found.lost.add(format!("ticket {serial:?} of person {number} is gone: {}", answer.status));
            } else if person.entered && place.is_some_and(|place| !place.inside && !place.spent) {
                found.lost.add(format!("person {number} was let in, and is outside"));
            }
        }
        What::WalkedIn(serial) => {
            found.tickets += 1;
            if api::read::<api::Place>(answer).map(|place| place.serial) != Some(*serial) {
                found.lost.add(format!("ticket {serial} of the open room is gone: {}", answer.status));
            }
        }
        What::Bookings(number) => {
            found.bookings += 1;
            let Some(person) = book.people.get(number) else { return };
            match api::read::<Vec<api::Booking>>(answer) {
                Some(shown) => judge(*number, person, &shown, &mut found.lost, &mut found.twice),
                None => found
                    .lost
                    .add(format!("the bookings of person {number} cannot be read: {}", answer.status)),
            }
        }
        What::Contact(number) => {
            found.contacts += 1;
            let Some(person) = book.people.get(number) else { return };
            let has_name = api::read::<api::Me>(answer).map(|me| me.name.is_some());
            let expected = match (person.asked, person.contact) {
                (Some(Asked::Forget), _) | (_, Contact::Unknown) => return,
                (_, contact) => contact == Contact::Kept,
            };
            if has_name != Some(expected) {
                let what = if expected { "gone" } else { "still there" };
                found.lost.add(format!("the contact of person {number} is {what}: {}", answer.status));
            }
        }
        What::Again(before) => {
            found.repeats += 1;
            let booking = api::read::<api::Booking>(answer).map(|booking| booking.booking);
            let booking = booking.or_else(|| api::read::<api::Held>(answer).map(|held| held.booking));
            if (answer.status, booking.unwrap_or(0)) != (before.status, before.booking) {
                found.differs.add(format!(
                    "person {}: first {} for {}, then {} for {booking:?}",
                    before.person, before.status, before.booking, answer.status
                ));
            }
        }
    }
}

/// At least and at most so many.
#[derive(Debug, Clone, Copy, Default)]
struct Bounds {
    low: u32,
    high: u32,
}

impl Bounds {
    fn count(&mut self, is_sure: bool) {
        self.low += u32::from(is_sure);
        self.high += 1;
    }

    fn holds(self, count: u32) -> bool {
        (self.low..=self.high).contains(&count)
    }
}

/// Held and booked places of each slot by what people were told; exact when no question is open.
fn expected(book: &Book) -> BTreeMap<u32, (Bounds, Bounds)> {
    let mut slots: BTreeMap<u32, (Bounds, Bounds)> = BTreeMap::new();
    for person in book.people.values() {
        for (booking, (slot, kept)) in &person.places {
            let asked = person.asked.filter(|asked| {
                matches!(asked, Asked::Confirm(one) | Asked::Cancel(one) | Asked::Move(one, _) if one == booking)
            });
            let counts = slots.entry(*slot).or_default();
            match kept {
                Kept::Held => counts.0.count(asked.is_none()),
                Kept::Booked => counts.1.count(asked.is_none()),
                Kept::Cancelled => {}
            }
            match asked {
                Some(Asked::Confirm(_)) => counts.1.count(false),
                Some(Asked::Move(_, to)) => slots.entry(to).or_default().1.count(false),
                _ => {}
            }
        }
        if let Some(Asked::Hold(slot)) = person.asked {
            slots.entry(slot).or_default().0.count(false);
        }
    }
    slots
}

async fn count_places(
    scene: &Scene,
    desks: &[u32],
    connection: &mut Connection,
    found: &mut Found,
) -> anyhow::Result<()> {
    let expected = expected(&scene.book.lock());
    for desk in desks {
        let answer = ask(connection, api::slots(*desk)).await?;
        let slots: Vec<api::Slot> = api::read(&answer).context("the slots cannot be read")?;
        for api::Slot { slot, supply } in slots {
            found.slots += 1;
            let (held, booked) = expected.get(&slot).copied().unwrap_or_default();
            if !supply.adds_up() {
                found.sums.add(format!("slot {slot} does not add up: {supply:?}"));
            }
            if !held.holds(supply.held) || !booked.holds(supply.booked) {
                found.sums.add(format!(
                    "slot {slot} has {} held and {} booked; people were told of {held:?} and {booked:?}",
                    supply.held, supply.booked
                ));
            }
        }
    }
    Ok(())
}

/// The rooms have given at least the numbers that people have.
async fn count_numbers(scene: &Scene, connection: &mut Connection, found: &mut Found) -> anyhow::Result<()> {
    for (room, is_bound) in [(scene.rooms.0, true), (scene.rooms.1, false)] {
        let answer = ask(connection, Request::new("GET", &format!("/api/v1/rooms/{room}"))).await?;
        let issued = api::read::<api::Room>(&answer).context("the room cannot be read")?.issued;
        let book = scene.book.lock();
        let highest = if is_bound {
            book.people.values().filter_map(|person| person.ticket.as_ref()).map(|(_, serial)| *serial).max()
        } else {
            book.walked_in.keys().last().copied()
        };
        if highest.is_some_and(|highest| highest >= issued) {
            found.lost.add(format!("room {room} has given {issued} numbers, and {highest:?} is known"));
        }
    }
    Ok(())
}

/// Each acknowledged change of the operator is public once; one without an answer, at most once.
async fn look_for_changes(
    scene: &Scene,
    connection: &mut Connection,
    found: &mut Found,
) -> anyhow::Result<()> {
    let answer = ask(connection, Request::new("GET", "/api/v1/events")).await?;
    let events: Vec<api::Event> = api::read(&answer).context("the events cannot be read")?;
    let (asked, acknowledged) = scene.book.lock().changes;
    for change in acknowledged.saturating_sub(EVENTS_SHOWN) + 1..=asked {
        let reason = change_reason(change);
        let count = events.iter().filter(|event| event.reason == reason).count();
        found.changes += 1;
        if count > 1 {
            found.twice.add(format!("the operator's change {change} was made {count} times"));
        } else if count == 0 && change <= acknowledged {
            found.lost.add(format!("the operator's change {change} is gone"));
        }
    }
    Ok(())
}

/// The public reason of the operator's change of this number, by which it is known again.
pub fn change_reason(change: u32) -> String {
    format!("crash drill, change {change}")
}
