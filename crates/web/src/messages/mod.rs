//! Messages to people: one-time codes at once, and what became of bookings at least once.
//!
//! Messages about bookings are the machine's effects. The ledger knows what became of each that this node took
//! up, and its performer carries those that are due and reports them done (see [`crate::effects`]). Codes wait for
//! nobody: each is tried until it is taken or of no use any more (see `codes`). Without a messenger both go to
//! the outbox alone, which is the telephone of a demonstration.
//!
//! It must never show a name, a number or a text to the operator or a log; nor send a message to somebody who was
//! forgotten; nor let one message hold up all others for ever.
//!
//! Start reading at [`crate::effects::perform`], then `ledger`.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jari_core::effect::EffectKind;
use jari_core::ids::BookingId;
use jari_messenger::{CARRIERS_MAX, Fault, Messenger, Policy};
use jari_wire::KeyRing;

use crate::outbox::Purpose;

pub(crate) mod codes;
pub(crate) mod ledger;
pub(crate) mod render;
mod view;

use codes::CodeDesk;
use ledger::Ledger;
pub use view::{FailedView, LastFailureView, MessagesView, WaitingView, view};
pub(crate) use view::{is_late, lateness, watch};

/// Messages given up that are remembered for the operator.
const FAILED_MAX: usize = 200;

/// How messages are sent.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct MessageOptions {
    /// Messages about bookings that are on their way at once; and as many codes.
    pub in_flight_max: usize,
    /// When a message about a booking is tried again, and given up.
    pub policy: Policy,
    /// The same of codes, which are given up with their end at the latest.
    pub code_policy: Policy,
    /// Codes that may wait for the receiver.
    pub codes_max: usize,
}

impl Default for MessageOptions {
    fn default() -> Self {
        MessageOptions {
            in_flight_max: 16,
            policy: Policy::default(),
            code_policy: Policy {
                retry_min: Duration::from_millis(500),
                retry_max: Duration::from_secs(10),
                refusals_max: 1,
                failures_max: 10,
            },
            codes_max: 16_384,
        }
    }
}

/// A message that was given up.
#[derive(Clone)]
struct Failed {
    at_ms: u64,
    purpose: Purpose,
    /// The effect and its booking; a code has none.
    about: Option<(u64, BookingId)>,
    to: String,
    tries: u32,
    said: String,
}

/// See the module's documentation.
pub(crate) struct Messages {
    pub(crate) messenger: Option<Arc<Messenger>>,
    pub(crate) options: MessageOptions,
    pub(crate) codes: CodeDesk,
    /// Held by whoever performs effects: there is one at a time.
    pub(crate) turn: tokio::sync::Mutex<()>,
    ledger: Mutex<Ledger>,
    failed: Mutex<VecDeque<Failed>>,
    last_failure: Mutex<Option<LastFailureView>>,
    /// What begins every key.
    installation: String,
    /// What each carrier took since the start.
    taken: [AtomicU64; CARRIERS_MAX],
    given_up: AtomicU64,
    tries_failed: AtomicU64,
}

impl Messages {
    pub(crate) fn new(
        messenger: Option<Arc<Messenger>>,
        options: MessageOptions,
        keys: &KeyRing,
    ) -> Messages {
        Messages {
            ledger: Mutex::new(Ledger::new(messenger.as_ref().map_or(1, |messenger| messenger.count()))),
            codes: CodeDesk::new(&options),
            turn: tokio::sync::Mutex::new(()),
            failed: Mutex::default(),
            last_failure: Mutex::default(),
            installation: format!("{:016x}", keys.installation()),
            taken: Default::default(),
            given_up: AtomicU64::new(0),
            tries_failed: AtomicU64::new(0),
            messenger,
            options,
        }
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failures(&self) -> MutexGuard<'_, VecDeque<Failed>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn last_failure(&self) -> MutexGuard<'_, Option<LastFailureView>> {
        self.last_failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key of an effect's message: the same at every try, every start and every node.
    pub(crate) fn effect_key(&self, number: u64) -> String {
        format!("{}-e{number}", self.installation)
    }

    /// The key of a code's message.
    fn code_key(&self, random: u64) -> String {
        format!("{}-c{random:016x}", self.installation)
    }

    /// What a carrier took since the start.
    pub(crate) fn taken_by(&self, carrier: usize) -> u64 {
        self.taken.get(carrier).map_or(0, |taken| taken.load(Ordering::Relaxed))
    }

    /// A message was taken by a carrier.
    pub(crate) fn count_taken(&self, carrier: usize, purpose: Purpose) {
        if let Some(taken) = self.taken.get(carrier) {
            taken.fetch_add(1, Ordering::Relaxed);
        }
        metrics::counter!("jari_messages_total", "purpose" => purpose.word(), "became" => "taken")
            .increment(1);
    }

    /// A try failed.
    pub(crate) fn count_failure(&self, carrier: usize, fault: &Fault, at_ms: u64) {
        self.tries_failed.fetch_add(1, Ordering::Relaxed);
        let carrier = self.messenger.as_ref().map_or("none", |messenger| messenger.name(carrier));
        let blame = match fault.blame {
            jari_messenger::Blame::Letter => "message",
            jari_messenger::Blame::Service => "service",
            jari_messenger::Blame::Receiver => "receiver",
        };
        metrics::counter!("jari_message_tries_failed_total", "carrier" => carrier, "fault" => blame)
            .increment(1);
        *self.last_failure() =
            Some(LastFailureView { at_ms, carrier: carrier.to_owned(), said: fault.said.clone() });
    }

    /// A message was given up: it is remembered for the operator, and written to the log.
    fn give_up(&self, failed: Failed) {
        let Failed { purpose, tries, said, about, .. } = &failed;
        let effect = about.map(|(number, _)| number);
        tracing::warn!(purpose = purpose.word(), effect, tries, said, "a message was given up");
        metrics::counter!("jari_messages_total", "purpose" => purpose.word(), "became" => "given_up")
            .increment(1);
        self.given_up.fetch_add(1, Ordering::Relaxed);
        let mut kept = self.failures();
        if kept.len() == FAILED_MAX {
            kept.pop_front();
        }
        kept.push_back(failed);
    }

    /// The message of an effect was given up.
    pub(crate) fn give_up_effect(&self, number: u64, entry: &ledger::Entry, at_ms: u64) {
        self.give_up(Failed {
            at_ms,
            purpose: purpose_of(entry.effect.kind),
            about: Some((number, entry.effect.booking)),
            to: entry.to.clone(),
            tries: entry.course.tries(),
            said: entry.said.clone(),
        });
    }
}

/// What an effect's message is for.
pub(crate) fn purpose_of(kind: EffectKind) -> Purpose {
    match kind {
        EffectKind::BookingConfirmed => Purpose::Booked,
        EffectKind::BookingCancelled => Purpose::Cancelled,
        EffectKind::BookingRescheduled => Purpose::Moved,
        EffectKind::Reminder => Purpose::Reminder,
    }
}

/// The last two digits: what the operator may see of a number.
pub(crate) fn last_two(telephone: &str) -> String {
    let tail = telephone.len().saturating_sub(2);
    format!("··{}", telephone.get(tail..).unwrap_or_default())
}

/// Whatever the system gives; with nothing to give, the middle is as good.
pub(crate) fn jitter() -> u32 {
    crate::random::bytes().map_or(u32::MAX / 2, u32::from_le_bytes)
}
