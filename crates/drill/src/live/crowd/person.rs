//! One person as a state machine: which request comes next, and what its answer means.
//!
//! Between two requests a person is this structure and an entry in the crowd's queue of times,
//! and nothing else, so that a hundred thousand of them fit. Must never send a request again under
//! a new key when the first may have been carried out. Start at `Person::request` and
//! `Person::answered`.

use std::{sync::Arc, time::Duration};

use super::super::{
    api::{self, Now},
    http::{Done, HttpError, Request},
};
use super::{
    Scene,
    people::{Habits, Random, claim},
    tally::Kind,
};

/// A slot is chosen so often before a person gives up.
pub(super) const CHOICES_MAX: u8 = 40;
/// A request that fails is sent so often.
const TRIES_MAX: u16 = 400;

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// Has a place.
    Booked,
    /// Had a place and gave it back.
    Cancelled,
    /// Left while waiting.
    GaveUp,
    /// Left when told that the supply would not reach.
    Told,
    /// Waited in vain.
    SoldOut,
    /// The room or campaign was over.
    Closed,
    /// Something answered what it should not: see the answers by kind.
    Stuck,
}

/// When to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// After so long.
    After(Duration),
    /// Never.
    End(End),
}

/// What is asked next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Identify,
    Join,
    JoinAgain,
    Push,
    Poll,
    Draw,
    Place,
    Enter,
    Clinics,
    Slots,
    Hold,
    Confirm,
    ConfirmAgain,
    Cancel,
}

/// A person.
#[derive(Debug, Clone)]
pub struct Person {
    pub(super) number: u32,
    pub(super) step: Step,
    /// What they do beside waiting.
    pub habits: Habits,
    pub(super) choices: u8,
    pub(super) tries: u16,
    pub(super) keys: u16,
    /// Requests made while waiting.
    pub waiting_requests: u32,
    /// Bytes sent and received while waiting.
    pub waiting_bytes: u32,
    pub(super) serial: u32,
    pub(super) position: Option<u32>,
    /// The supply was said to be unsure to reach them, while there still was some.
    pub warned: bool,
    /// The supply was said not to reach them, while there still was some.
    pub told: bool,
    pub(super) entered: bool,
    pub(super) desk: u32,
    pub(super) slot: u32,
    pub(super) booking: u32,
    pub(super) session: Option<Arc<str>>,
    pub(super) ticket: Option<Arc<str>>,
    pub(super) pass: Option<Box<str>>,
    pub(super) slip: Option<Box<str>>,
}

impl Person {
    /// Person `number` of the crowd, about to come.
    pub fn new(number: u32, habits: Habits, identity_bound: bool) -> Self {
        Self {
            number,
            step: if identity_bound { Step::Identify } else { Step::Join },
            habits,
            choices: 0,
            tries: 0,
            keys: 0,
            waiting_requests: 0,
            waiting_bytes: 0,
            serial: u32::MAX,
            position: None,
            warned: false,
            told: false,
            entered: false,
            desk: 0,
            slot: 0,
            booking: 0,
            session: None,
            ticket: None,
            pass: None,
            slip: None,
        }
    }

    /// Whether they hold a ticket.
    pub fn has_ticket(&self) -> bool {
        self.ticket.is_some()
    }

    /// Whether they have come in.
    pub fn has_entered(&self) -> bool {
        self.entered
    }

    /// The next request.
    pub(super) fn request(&self, scene: &Scene) -> (Kind, Request) {
        let room = scene.options.room;
        let session = self.session.as_deref().unwrap_or_default();
        let ticket = self.ticket.as_deref().unwrap_or_default();
        match self.step {
            Step::Identify => {
                let who = claim(scene.options.seed, self.number);
                (Kind::Identify, api::identify(&scene.options.partner_secret, &who))
            }
            Step::Join | Step::JoinAgain => {
                (Kind::Join, api::join(room, self.session.as_deref(), self.slip.as_deref()))
            }
            Step::Poll => (Kind::Poll, api::now(room)),
            Step::Draw => (Kind::Draw, api::draw(room)),
            Step::Place => (Kind::Place, api::place(room, ticket)),
            Step::Push | Step::Enter => (Kind::Enter, api::enter(room, ticket)),
            Step::Clinics => {
                let campaign = scene.options.campaign;
                let skip = self.desk as usize % scene.desks.len().max(1);
                (Kind::Clinics, api::clinics(campaign, skip / 4, 10, true))
            }
            Step::Slots => (Kind::Slots, api::slots(self.desk)),
            Step::Hold => {
                (Kind::Hold, api::hold(session, self.pass.as_deref(), self.slot, &self.key(scene, 'h')))
            }
            Step::Confirm | Step::ConfirmAgain => {
                (Kind::Confirm, api::confirm(session, self.booking, &self.key(scene, 'c')))
            }
            Step::Cancel => (Kind::Cancel, api::cancel(session, self.booking, &self.key(scene, 'x'))),
        }
    }

    /// The same until the request is answered: sent again, it must not be carried out again.
    fn key(&self, scene: &Scene, what: char) -> String {
        format!("crowd-{:016x}-{:08x}-{what}{:04x}", scene.options.seed, self.number, self.keys)
    }

    /// Whether the answer to the next request decides about a booking.
    pub fn is_about_to_change_a_booking(&self) -> bool {
        matches!(self.step, Step::Confirm | Step::ConfirmAgain | Step::Cancel)
    }

    /// What an answer means. `word` is `ok`, a problem's code, or what broke.
    pub(super) fn answered(&mut self, scene: &mut Scene, kind: Kind, done: &Done<u32>, word: &str) -> Next {
        if kind.is_waiting() {
            self.waiting_requests += 1;
            if let Ok(answer) = &done.result {
                self.waiting_bytes += answer.sent_bytes + answer.received_bytes;
            }
        }
        let again = match &done.result {
            Ok(answer) if matches!(answer.status, 429 | 500..) => api::problem(answer).1,
            Ok(answer) if answer.status == 202 => None,
            Ok(_) => {
                self.tries = 0;
                return self.settled(scene, done, word);
            }
            Err(HttpError::Timeout) => Some(0),
            Err(_) => Some(300),
        };
        if word == "ok" {
            return self.settled(scene, done, word);
        }
        self.tries += 1;
        if self.tries > TRIES_MAX {
            return Next::End(End::Stuck);
        }
        // Whoever is told to come back does so a little later each time, and not all at once.
        let base_ms = again.unwrap_or(1_000).clamp(100, 30_000) as f64;
        let spread = scene.random.fraction() + 0.5;
        Next::After(Duration::from_millis((base_ms * spread * f64::from(self.tries.min(4))) as u64))
    }

    /// What a definite answer means.
    fn settled(&mut self, scene: &mut Scene, done: &Done<u32>, word: &str) -> Next {
        match self.step {
            Step::Identify => self.identified(scene, done),
            Step::Join | Step::JoinAgain => self.joined(scene, done, word),
            Step::Push => self.pushed(scene, word),
            Step::Poll => self.polled(scene, done),
            Step::Draw => self.drawn(scene, done),
            Step::Place => self.placed(scene, done),
            Step::Enter => self.came_in(scene, done, word),
            Step::Clinics => self.saw_clinics(scene, done),
            Step::Slots => self.saw_slots(scene, done),
            Step::Hold => self.held(scene, done, word),
            Step::Confirm | Step::ConfirmAgain => self.confirmed(scene, word),
            Step::Cancel => {
                if word == "ok" {
                    scene.ledger.lock().cancelled(self.number);
                    return Next::End(End::Cancelled);
                }
                scene.ledger.lock().refused(self.number, false);
                Next::End(End::Booked)
            }
        }
    }

    pub(super) fn go(&mut self, step: Step, scene: &mut Scene, thinking_ms: f64) -> Next {
        self.step = step;
        Next::After(Duration::from_secs_f64(thinking_ms / 1000.0 * (0.5 + scene.random.fraction())))
    }

    fn identified(&mut self, scene: &mut Scene, done: &Done<u32>) -> Next {
        let Some(given) = read::<api::Session>(done) else {
            return Next::End(End::Stuck);
        };
        let session: Arc<str> = given.session_token.into();
        if self.session.is_none() {
            scene.ledger.lock().session(self.number, &session);
        }
        self.session = Some(session);
        match (&self.pass, &self.ticket) {
            (Some(_), _) => self.go(Step::Slots, scene, scene.options.thinking_ms),
            (None, Some(_)) => self.go(Step::JoinAgain, scene, 50.0),
            (None, None) => self.go(Step::Join, scene, 20.0),
        }
    }

    fn joined(&mut self, scene: &mut Scene, done: &Done<u32>, word: &str) -> Next {
        let given = read::<api::Joined>(done);
        if let Some(api::Joined { slip: Some(slip), not_before_ms, .. }) = &given {
            self.slip = Some(slip.as_str().into());
            let wait_ms = not_before_ms.map_or(1_000, |at| at.saturating_sub(scene.service_ms()));
            return Next::After(Duration::from_millis(wait_ms.clamp(100, 60_000)));
        }
        let Some(api::Joined { ticket_token: Some(ticket), serial: Some(serial), .. }) = given else {
            return Next::End(if word == "room_closed" { End::Closed } else { End::Stuck });
        };
        let ticket: Arc<str> = ticket.into();
        let instants = (scene.ms(done.intended_at), scene.ms(done.done_at));
        scene.ledger.lock().ticket(self.number, serial, &ticket, instants);
        self.serial = serial;
        self.ticket = Some(ticket);
        if self.habits.has(Habits::TWO_DEVICES) && scene.identity_bound {
            // The other device says who it belongs to and finds the same place.
            self.habits = self.habits.without(Habits::TWO_DEVICES);
            return self.go(Step::Identify, scene, 500.0);
        }
        if self.habits.has(Habits::PUSHES) {
            return self.go(Step::Push, scene, 50.0);
        }
        self.go(Step::Poll, scene, 100.0)
    }

    fn pushed(&mut self, scene: &mut Scene, word: &str) -> Next {
        self.habits = self.habits.without(Habits::PUSHES);
        scene.pushed(word);
        self.go(Step::Poll, scene, 100.0)
    }

    fn polled(&mut self, scene: &mut Scene, done: &Done<u32>) -> Next {
        let Some(now) = read::<Now>(done) else {
            return Next::End(End::Stuck);
        };
        scene.saw(&now, done.done_at);
        if now.s == "closed" {
            return Next::End(End::Closed);
        }
        if self.position.is_none() && now.l.is_some_and(|lobby| self.serial >= lobby) {
            self.position = Some(self.serial);
        }
        if self.position.is_none() && now.d == 1 {
            return self.go(Step::Draw, scene, 1.0);
        }
        if let Some(position) = self.position {
            if position < now.c && now.s == "open" {
                return self.called(scene, &now);
            }
            if let Some(end) = self.looks_for_supply(&now, position) {
                return Next::End(end);
            }
        }
        if let Some(next) = self.follows_habits(scene) {
            return next;
        }
        let wait_ms = expected_wait_ms(&now, self.position);
        Next::After(scene.options.polls.interval(wait_ms, &mut scene.random))
    }

    fn called(&mut self, scene: &mut Scene, now: &Now) -> Next {
        if now.f == Some(0) && !self.habits.has(Habits::STAYS) {
            return Next::End(End::SoldOut);
        }
        self.go(Step::Enter, scene, 50.0)
    }

    /// Whether there is any sense in waiting on, by what is public.
    fn looks_for_supply(&mut self, now: &Now, position: u32) -> Option<End> {
        if now.f == Some(0) {
            return Some(End::SoldOut);
        }
        self.warned |= now.r.is_some_and(|(sure, _)| position >= sure);
        if now.r.is_some_and(|(_, most)| position >= most) {
            self.told = true;
            if !self.habits.has(Habits::STAYS) {
                return Some(End::Told);
            }
        }
        None
    }

    /// Loads the page again, goes away for a while, leaves.
    fn follows_habits(&mut self, scene: &mut Scene) -> Option<Next> {
        if self.habits.has(Habits::RELOADS) && scene.random.fraction() < 0.3 {
            return Some(self.go(Step::Place, scene, 20.0));
        }
        if self.habits.has(Habits::GIVES_UP) && scene.random.fraction() < 0.1 {
            return Some(Next::End(End::GaveUp));
        }
        if self.habits.has(Habits::RETURNS) && scene.random.fraction() < 0.2 {
            self.habits = self.habits.without(Habits::RETURNS);
            let away_s = scene.options.polls.interval(600_000, &mut scene.random);
            return Some(Next::After(away_s));
        }
        None
    }

    fn drawn(&mut self, scene: &mut Scene, done: &Done<u32>) -> Next {
        if let Some(draw) = read::<api::Draw>(done) {
            self.position = scene.position(&draw, self.serial);
        }
        // One in twenty asks the service as well, and compares.
        let compares = scene.random.fraction() < 0.05;
        self.go(if compares { Step::Place } else { Step::Poll }, scene, 100.0)
    }

    fn placed(&mut self, scene: &mut Scene, done: &Done<u32>) -> Next {
        if let Some(place) = read::<api::Place>(done) {
            scene.compared(self.number, self.serial, self.position, &place);
        }
        self.go(Step::Poll, scene, 200.0)
    }
}

pub(super) fn read<T: serde::de::DeserializeOwned>(done: &Done<u32>) -> Option<T> {
    done.result.as_ref().ok().and_then(api::read)
}

/// The wait that a page computes from the document; see `crates/web/src/pages/poll.rs`.
fn expected_wait_ms(now: &Now, position: Option<u32>) -> u64 {
    if let Some(opens_at) = now.o {
        return opens_at.saturating_sub(now.t);
    }
    let ahead = position.map_or(0, |position| position.saturating_sub(now.c));
    let (low, high) = now.p.unwrap_or((0, 0));
    match u64::from(low) + u64::from(high) {
        0 => 180_000,
        twice => u64::from(ahead) * 120_000 / twice,
    }
}

/// The random stream of one person's habits.
pub fn random_of(seed: u64, person: u32) -> Random {
    Random::new(seed, u64::from(person) << 8 | 2)
}
