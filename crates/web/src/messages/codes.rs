//! One-time codes on their way. A code is no effect: it is of use for five minutes, its person can ask for another,
//! and it must come at once. So each is tried by itself until it is taken or its end has come, and is dropped then.
//!
//! It must never take on more than it has room for: whoever asks for a code then is told to come back.

use std::sync::{Arc, Mutex, PoisonError};

use jari_core::Time;
use jari_messenger::{Course, Letter, Messenger, Next};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

use super::{Failed, MessageOptions, jitter, last_two, render};
use crate::language::Language;
use crate::outbox::{Draft, Purpose};
use crate::problem::Problem;
use crate::random;
use crate::site::Site;

/// A code that is to go out.
pub(crate) struct Code<'a> {
    pub(crate) to: &'a str,
    pub(crate) language: Language,
    pub(crate) digits: &'a str,
    pub(crate) ends_at: Time,
}

/// Room for one code until it is taken or dropped.
pub(crate) struct Room(Option<OwnedSemaphorePermit>);

struct Waiting {
    letter: Letter,
    ends_at: Time,
    room: OwnedSemaphorePermit,
}

/// See the module's documentation.
pub(crate) struct CodeDesk {
    room: Arc<Semaphore>,
    codes_max: usize,
    at_once: Semaphore,
    /// Bounded by the room.
    waiting: mpsc::UnboundedSender<Waiting>,
    taken_from: Mutex<Option<mpsc::UnboundedReceiver<Waiting>>>,
}

impl CodeDesk {
    pub(crate) fn new(options: &MessageOptions) -> CodeDesk {
        let (waiting, taken_from) = mpsc::unbounded_channel();
        let codes_max = options.codes_max.min(Semaphore::MAX_PERMITS);
        CodeDesk {
            room: Arc::new(Semaphore::new(codes_max)),
            codes_max,
            at_once: Semaphore::new(options.in_flight_max),
            waiting,
            taken_from: Mutex::new(Some(taken_from)),
        }
    }

    /// Codes that were not taken yet.
    pub(crate) fn count(&self) -> usize {
        self.codes_max.saturating_sub(self.room.available_permits())
    }
}

/// Room for a code, before it is made.
///
/// # Errors
///
/// `messages_full` when too many wait for the receiver.
pub(crate) fn room(site: &Site) -> Result<Room, Problem> {
    if site.messages.messenger.is_none() {
        return Ok(Room(None));
    }
    Arc::clone(&site.messages.codes.room).try_acquire_owned().map(|permit| Room(Some(permit))).map_err(|_| {
        Problem::busy(
            "messages_full",
            "Codes cannot be sent at this moment",
            "The service that carries messages does not keep up. No code was sent, and nothing was changed; your \
             place is safe. Try again shortly.",
            10_000,
        )
    })
}

/// Sends a code, or puts it into the outbox where there is no messenger.
///
/// # Errors
///
/// When the system has no randomness to give.
pub(crate) fn send(site: &Site, room: Room, code: &Code<'_>) -> Result<(), Problem> {
    let text = render::code(code.language, code.digits);
    if site.keeps_outbox() {
        let (at, to, purpose, text) = (site.node.now(), code.to.to_owned(), Purpose::Code, text.clone());
        site.outbox.push(Draft { at, to, purpose, text, effect: None });
    }
    let Room(Some(room)) = room else { return Ok(()) };
    let letter = Letter {
        key: site.messages.code_key(u64::from_le_bytes(random::bytes()?)),
        purpose: Purpose::Code.word(),
        to: code.to.to_owned(),
        language: code.language.tag(),
        subject: render::subject(code.language),
        text,
        expires_at_ms: Some(code.ends_at.0),
    };
    // Nobody listens any more when the service stops; then nobody waits for the code either.
    let _ = site.messages.codes.waiting.send(Waiting { letter, ends_at: code.ends_at, room });
    Ok(())
}

/// Carries codes until it is dropped, and all that are under way with it.
pub(crate) async fn run(site: Arc<Site>) {
    let codes = &site.messages.codes;
    let taken_from = codes.taken_from.lock().unwrap_or_else(PoisonError::into_inner).take();
    let (Some(mut waiting), Some(messenger)) = (taken_from, site.messages.messenger.clone()) else { return };
    let mut flights = JoinSet::new();
    loop {
        tokio::select! {
            next = waiting.recv() => match next {
                Some(code) => drop(flights.spawn(carry(Arc::clone(&site), Arc::clone(&messenger), code))),
                None => return,
            },
            Some(_) = flights.join_next() => {}
        }
    }
}

async fn carry(site: Arc<Site>, messenger: Arc<Messenger>, code: Waiting) {
    let Waiting { letter, ends_at, room: _room } = code;
    let messages = &site.messages;
    let mut course = Course::new(messenger.count());
    let said = loop {
        // It is closed by nobody.
        let Ok(permit) = messages.codes.at_once.acquire().await else { return };
        let now = site.node.now();
        if now >= ends_at {
            break "it was of no use any more".to_owned();
        }
        let carrier = course.carrier();
        let carried = messenger.carry(carrier, &letter, now.0).await;
        drop(permit);
        let Err(fault) = carried else { return messages.count_taken(carrier, Purpose::Code) };
        messages.count_failure(carrier, &fault, site.node.now().0);
        match course.failed(&fault, messages.taken_by(carrier), jitter(), &messages.options.code_policy) {
            Next::After(wait) => tokio::time::sleep(wait).await,
            Next::GiveUp => break fault.said,
        }
    };
    let (at_ms, to, tries) = (site.node.now().0, last_two(&letter.to), course.tries());
    messages.give_up(Failed { at_ms, purpose: Purpose::Code, about: None, to, tries, said });
}
