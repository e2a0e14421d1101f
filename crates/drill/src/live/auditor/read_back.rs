//! Reads back what was acknowledged, through the same public API that people use.
//!
//! Must never count a person whose last question is unanswered as lost: either outcome is right
//! for them. Start at [`read_back`].

use std::time::Duration;

use tokio::time::Instant;

use super::{Booked, Faults, Record, SharedLedger};
use crate::live::{
    api,
    http::{Job, Target, Workers},
};

const REQUEST_TIME_MAX: Duration = Duration::from_secs(20);
/// Everything is asked again so often when there is no answer.
const TRIES_MAX: u8 = 4;

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// People whose ticket was read back.
    pub tickets: u64,
    /// People whose bookings were read back.
    pub bookings: u64,
    /// People who got no answer.
    pub unanswered: u64,
    /// What was acknowledged and is not there.
    pub lost: Faults,
    /// What is there more than once.
    pub twice: Faults,
}

/// How to read back.
#[derive(Debug, Clone)]
pub struct ReadBack {
    /// The service.
    pub target: Target,
    /// The room.
    pub room: u32,
    /// People looked at, at the most, spread over all of them.
    pub people_max: usize,
    /// Connections at once.
    pub connections: usize,
    /// Ends after this, whatever is left.
    pub duration_max: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Ticket,
    Bookings,
}

/// Reads back a spread of people, the same for the same ledger.
pub async fn read_back(options: &ReadBack, ledger: &SharedLedger) -> Found {
    let chosen = choose(ledger, options.people_max);
    let mut found = Found::default();
    let mut workers: Workers<(usize, What, u8)> = Workers::start(&options.target, options.connections);
    let deadline = Instant::now() + options.duration_max;
    let mut under_way = 0_usize;
    for (at, (_, record)) in chosen.iter().enumerate() {
        for what in [What::Ticket, What::Bookings] {
            if let Some(job) = job(options, record, (at, what, 0)) {
                workers.submit(job);
                under_way += 1;
            }
        }
    }
    while under_way > 0 {
        let Ok(done) = tokio::time::timeout_at(deadline, workers.next()).await else {
            break;
        };
        under_way -= 1;
        let (at, what, tries) = done.about;
        let (person, record) = &chosen[at];
        match &done.result {
            Ok(answer) if !matches!(answer.status, 429 | 500..) => match what {
                What::Ticket => judge_ticket(*person, record, answer, &mut found),
                // While a crowd goes on, a confirmation may have come between: then what was
                // read is of another moment than what is compared.
                What::Bookings if has_changed(record, &ledger.lock().people[*person]) => {}
                What::Bookings => {
                    let bookings = api::read::<Vec<api::Booking>>(answer);
                    judge_bookings(*person, record, bookings.as_deref(), &mut found);
                }
            },
            _ if tries < TRIES_MAX => {
                if let Some(job) = job(options, record, (at, what, tries + 1)) {
                    workers.submit(job);
                    under_way += 1;
                }
            }
            _ => found.unanswered += 1,
        }
    }
    found.unanswered += under_way as u64;
    found
}

fn choose(ledger: &SharedLedger, people_max: usize) -> Vec<(usize, Record)> {
    let ledger = ledger.lock();
    let known: Vec<usize> = (0..ledger.people.len())
        .filter(|person| ledger.people[*person].ticket.is_some() || ledger.people[*person].session.is_some())
        .collect();
    let step = known.len().div_ceil(people_max.max(1)).max(1);
    known.into_iter().step_by(step).map(|person| (person, ledger.people[person].clone())).collect()
}

fn job(options: &ReadBack, record: &Record, about: (usize, What, u8)) -> Option<Job<(usize, What, u8)>> {
    let request = match about.1 {
        What::Ticket => api::place(options.room, record.ticket.as_deref()?),
        What::Bookings => api::bookings(record.session.as_deref()?),
    };
    let intended_at = Instant::now();
    Some(Job { about, intended_at, time_max: REQUEST_TIME_MAX, bytes: request.into_bytes() })
}

fn judge_ticket(person: usize, record: &Record, answer: &crate::live::http::Answer, found: &mut Found) {
    found.tickets += 1;
    let place: Option<api::Place> = api::read(answer);
    match (record.serial, place) {
        (Some(serial), Some(place)) if place.serial == serial => {}
        (Some(serial), _) => {
            let code = api::problem(answer).0;
            found.lost.add(format!("ticket {serial} of person {person} is gone: {} {code}", answer.status));
        }
        (None, _) => {}
    }
}

/// Whether what a person was told has changed since, or may be changing.
fn has_changed(before: &Record, now: &Record) -> bool {
    before.booked != now.booked || (now.unanswered && !before.unanswered)
}

/// Judges one person's bookings against what was acknowledged. `None` is an answer that cannot be
/// read.
pub fn judge_bookings(person: usize, record: &Record, bookings: Option<&[api::Booking]>, found: &mut Found) {
    found.bookings += 1;
    let Some(bookings) = bookings else {
        found.lost.add(format!("the bookings of person {person} cannot be read"));
        return;
    };
    let live: Vec<&api::Booking> =
        bookings.iter().filter(|booking| matches!(booking.status.as_str(), "booked" | "used")).collect();
    if live.len() > 1 {
        let numbers: Vec<u32> = live.iter().map(|booking| booking.booking).collect();
        found.twice.add(format!("person {person} has bookings {numbers:?}"));
    }
    match record.booked {
        Booked::Yes { booking, slot } => {
            let kept = live.iter().any(|kept| kept.booking == booking && kept.slot.slot == slot);
            if !kept && !record.unanswered {
                found.lost.add(format!("booking {booking} of person {person} in slot {slot} is not there"));
            }
        }
        Booked::Cancelled { booking } if live.iter().any(|kept| kept.booking == booking) => {
            found.lost.add(format!("the cancellation of booking {booking} of person {person} is not there"));
        }
        Booked::Nothing | Booked::Held { .. } if !live.is_empty() && !record.unanswered => {
            found.twice.add(format!("person {person} has a booking that they never asked for"));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_books_while_they_are_read_back_is_not_judged_by_what_was_before() {
        let held = Record { booked: Booked::Held { booking: 1, slot: 2 }, ..Record::default() };
        let asking = Record { unanswered: true, ..held.clone() };
        let booked = Record { booked: Booked::Yes { booking: 1, slot: 2 }, ..Record::default() };
        assert!(has_changed(&held, &asking) && has_changed(&held, &booked));
        assert!(!has_changed(&held, &held.clone()) && !has_changed(&asking, &asking.clone()));
        let supply = r#"{"capacity":1,"free":0,"held":0,"booked":1,"used":0,"withdrawn":0}"#;
        let json = format!(r#"[{{"booking":1,"status":"booked","slot":{{"slot":2,"supply":{supply}}}}}]"#);
        let live: Vec<api::Booking> = serde_json::from_str(&json).expect("it is a booking");
        let mut found = Found::default();
        judge_bookings(7, &held, Some(&live), &mut found);
        assert_eq!(found.twice.count, 1, "unless nothing has changed");
    }
}
