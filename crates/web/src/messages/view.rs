//! What waits and what failed, as the operator may see it: no names, and the last two digits of a number.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jari_core::Time;
use jari_core::booking::Booking;
use jari_core::ids::{BookingId, PersonId};
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::ledger::waits_since;
use super::purpose_of;
use crate::code;
use crate::outbox::Purpose;
use crate::site::Site;

/// Messages shown that failed once or more and wait.
const SHOWN_MAX: usize = 50;
/// Whatever waits longer than this is late.
const LATE_MS: u64 = 60_000;
/// The last digits of whom a code did not reach are shown for so long.
const CODE_SHOWN_MS: u64 = 24 * 60 * 60 * 1_000;
/// Gauges are set this often.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// How messages to people are.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct MessagesView {
    /// How they are carried, the best way first; none: they stay in the outbox.
    pub carriers: Vec<String>,
    /// Messages about bookings that were not reported done, at all nodes.
    pub waiting: u64,
    /// How long the oldest of them has waited at least, milliseconds; 0 where none waits.
    pub oldest_ms: u64,
    /// It waits for more than a minute.
    pub late: bool,
    /// One-time codes that this node has not got rid of yet.
    pub codes_waiting: usize,
    /// Messages that were taken from this node since it started.
    pub taken: u64,
    /// Tries of this node that failed since it started.
    pub tries_failed: u64,
    /// The try of this node that failed last: also of a code, which is in no list while it is tried.
    pub last_failure: Option<LastFailureView>,
    /// Messages that this node gave up since it started.
    pub given_up: u64,
    /// Those about bookings that failed at this node at least once and are tried again, the oldest first; fifty at
    /// the most.
    pub failing: Vec<WaitingView>,
    /// The newest that this node gave up, newest first; two hundred at the most.
    pub failed: Vec<FailedView>,
}

/// A try that failed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct LastFailureView {
    /// When.
    pub at_ms: u64,
    /// How it was carried.
    #[schema(example = "webhook")]
    pub carrier: String,
    /// What happened.
    #[schema(example = "http 401")]
    pub said: String,
}

/// A message that is tried again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct WaitingView {
    /// The number of the effect, as in the message's key.
    pub effect: u64,
    /// What it is for.
    pub purpose: Purpose,
    /// The booking's public code.
    pub booking: String,
    /// The last two digits of the number; nothing once its person was forgotten.
    #[schema(example = "··78")]
    pub to: String,
    /// How often it was tried.
    pub tries: u32,
    /// What happened the last time.
    #[schema(example = "http 503")]
    pub said: String,
    /// The next try is due in so long, milliseconds; none while one is under way.
    pub next_in_ms: Option<u64>,
}

/// A message that was given up.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct FailedView {
    /// When.
    pub at_ms: u64,
    /// The number of the effect, as in the message's key; codes have none.
    pub effect: Option<u64>,
    /// What it was for.
    pub purpose: Purpose,
    /// The booking's public code.
    pub booking: Option<String>,
    /// The last two digits of the number; nothing once its person was forgotten, or a day after a code.
    #[schema(example = "··78")]
    pub to: String,
    /// How often it was tried.
    pub tries: u32,
    /// What happened the last time.
    #[schema(example = "http 422")]
    pub said: String,
}

/// How many messages wait at all nodes, and for how long the oldest has, at least. The same at every node.
pub(crate) fn lateness(site: &Site) -> (u64, u64) {
    let (waiting, since) = site.node.read(|state| {
        let effects = &state.data().effects;
        (effects.len() as u64, waits_since(state.data(), effects.first()))
    });
    let oldest_ms = since.map_or(0, |since: Time| site.node.now().since_ms(since));
    (waiting, if waiting == 0 { 0 } else { oldest_ms })
}

/// Whether messages are late, of the age of the oldest.
pub(crate) fn is_late(oldest_ms: u64) -> bool {
    oldest_ms > LATE_MS
}

/// See [`MessagesView`].
#[must_use]
pub fn view(site: &Site) -> MessagesView {
    let messages = &site.messages;
    let (waiting, oldest_ms) = lateness(site);
    let now = Instant::now();
    let booking = |id| code::encode(&site.keys, id);
    // Nothing is shown of the number of somebody who was forgotten meanwhile, at whichever node.
    let digits = |to: String, person: Option<PersonId>| {
        let is_kept = person.is_some_and(|person| site.node.read(|state| state.contact_of(person).is_some()));
        if is_kept { to } else { String::new() }
    };
    let person_of = |id: BookingId| {
        site.node.read(|state| state.data().bookings.get(u64::from(id.0)).map(Booking::person))
    };
    let wall = site.node.now();
    let failing = messages.ledger().failing(SHOWN_MAX).into_iter().map(|(effect, entry)| WaitingView {
        effect,
        purpose: purpose_of(entry.effect.kind),
        booking: booking(entry.effect.booking),
        to: digits(entry.to, Some(entry.effect.person)),
        tries: entry.course.tries(),
        said: entry.said,
        next_in_ms: entry.due.map(|due| due.saturating_duration_since(now).as_millis() as u64),
    });
    let failed = messages.failures();
    let failed = failed.iter().rev().map(|failed| FailedView {
        at_ms: failed.at_ms,
        effect: failed.about.map(|(effect, _)| effect),
        purpose: failed.purpose,
        booking: failed.about.map(|(_, id)| booking(id)),
        to: match failed.about {
            Some((_, id)) => digits(failed.to.clone(), person_of(id)),
            // Whose a code was is not kept.
            None if wall.since_ms(Time(failed.at_ms)) < CODE_SHOWN_MS => failed.to.clone(),
            None => String::new(),
        },
        tries: failed.tries,
        said: failed.said.clone(),
    });
    let names = messages.messenger.iter().flat_map(|messenger| messenger.names());
    MessagesView {
        carriers: names.map(str::to_owned).collect(),
        waiting,
        oldest_ms,
        late: is_late(oldest_ms),
        codes_waiting: messages.codes.count(),
        taken: messages.taken.iter().map(|taken| taken.load(Ordering::Relaxed)).sum(),
        tries_failed: messages.tries_failed.load(Ordering::Relaxed),
        last_failure: messages.last_failure().clone(),
        given_up: messages.given_up.load(Ordering::Relaxed),
        failing: failing.collect(),
        failed: failed.collect(),
    }
}

/// Tells the metrics how messages are, and the log when they begin to be late and when that is over.
pub(crate) async fn watch(site: Arc<Site>) {
    let mut interval = tokio::time::interval(WATCH_EVERY);
    let mut late = false;
    loop {
        interval.tick().await;
        let (waiting, oldest_ms) = lateness(&site);
        metrics::gauge!("jari_messages_waiting").set(waiting as f64);
        metrics::gauge!("jari_messages_oldest_seconds").set(oldest_ms as f64 / 1_000.0);
        metrics::gauge!("jari_codes_waiting").set(site.messages.codes.count() as f64);
        match (late, is_late(oldest_ms)) {
            (false, true) => tracing::warn!(waiting, oldest_ms, "messages to people are late"),
            (true, false) => tracing::info!("messages to people are late no more"),
            _ => {}
        }
        late = is_late(oldest_ms);
    }
}
