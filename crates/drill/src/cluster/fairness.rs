//! The order in which people were given numbers and let in, against the order in which they first
//! asked. Must never ask the service for an order. Start at [`order_of`].

use tokio::time::Instant;

use crate::{crash::book::Book, report::stats::kendall_tau};

/// Kendall's tau of those who came while something was going on.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// What was going on.
    pub during: String,
    /// People who were given a number.
    pub people: u64,
    /// When they first asked, against their number.
    pub numbers_tau: Option<f64>,
    /// When they first asked, against when they were let in.
    pub entries_tau: Option<f64>,
}

/// The order of those who first asked within these spans of time.
pub fn order_of(during: &str, book: &Book, spans: &[(Instant, Instant)]) -> Order {
    let (mut numbers, mut entries) = (Vec::new(), Vec::new());
    let first = book.people.values().filter_map(|person| person.came.0).min();
    for person in book.people.values() {
        let (Some(asked_at), Some(first)) = (person.came.0, first) else { continue };
        if !spans.iter().any(|(from, to)| (*from..*to).contains(&asked_at)) {
            continue;
        }
        let us = |at: Instant| u64::try_from(at.duration_since(first).as_micros()).unwrap_or(u64::MAX);
        if let Some((_, serial)) = &person.ticket {
            numbers.push((us(asked_at), u64::from(*serial)));
        }
        if let Some(entered_at) = person.came.1 {
            entries.push((us(asked_at), us(entered_at)));
        }
    }
    Order {
        during: during.into(),
        people: numbers.len() as u64,
        numbers_tau: kendall_tau(&numbers),
        entries_tau: kendall_tau(&entries),
    }
}
