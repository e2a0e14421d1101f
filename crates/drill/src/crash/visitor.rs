//! One connection's visitors, one after another: each takes a number, comes in, holds, books,
//! moves, cancels, is forgotten, as chance has it.
//!
//! A question without an answer is asked again, with the same key, until there is one. Must never
//! tell the book of an answer that did not come, and never ask two things at once. Start at
//! [`visit`].

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::{
    book::{Answered, Asked, SharedBook},
    gate::Gate,
    nodes::{Caller, Nodes},
};
use crate::live::{
    api::{self, Request},
    crowd::people::{Random, claim},
    http::Answer,
};

/// A turn is asked for so often; then the visitor leaves without one.
const ENTER_TRIES_MAX: u32 = 200;
/// Full slots that a visitor tries.
const SLOT_TRIES_MAX: u32 = 4;

/// What everyone knows.
#[derive(Debug)]
pub struct Scene {
    /// Where the service is.
    pub nodes: Nodes,
    /// See [`Gate`].
    pub gate: Gate,
    /// See [`SharedBook`].
    pub book: SharedBook,
    /// The partner channel's secret.
    pub partner_secret: String,
    /// The drill's seed.
    pub seed: u64,
    /// The room bound to people, and the one that is not.
    pub rooms: (u32, u32),
    /// Slots behind the bound room: plenty.
    pub slots: Vec<u32>,
    /// Slots behind no room: few places, many who want them.
    pub scarce_slots: Vec<u32>,
    /// The next visitor's number.
    pub next: AtomicU32,
}

/// The visitors of one connection, until last calls.
pub async fn visit(scene: Arc<Scene>, number: u64) {
    let mut caller = Caller::new(scene.nodes.clone(), Random::new(scene.seed, 0x2000 + number));
    let mut random = Random::new(scene.seed, 0x1000 + number);
    while scene.gate.pass().await && !scene.gate.is_ending() {
        let person = scene.next.fetch_add(1, Ordering::Relaxed);
        let part = u64::from(random.bits() as u32);
        let mut visitor = Visitor {
            scene: &scene,
            caller: &mut caller,
            random: Random::new(scene.seed ^ part, u64::from(person)),
            person,
            keys: 0,
        };
        // `None` says that the gate is gone, and the drill with it.
        if visitor.live().await.is_none() {
            return;
        }
    }
}

struct Visitor<'a> {
    scene: &'a Scene,
    caller: &'a mut Caller,
    random: Random,
    person: u32,
    keys: u32,
}

impl Visitor<'_> {
    /// A visit from beginning to end.
    async fn live(&mut self) -> Option<()> {
        let scene = self.scene;
        if self.random.fraction() < 0.3 {
            self.walk_in().await?;
        }
        let who = claim(scene.seed, self.person);
        let answer = self.ask(api::identify(&scene.partner_secret, &who)).await?;
        let Some(given) = api::read::<api::Session>(&answer) else { return Some(()) };
        let session: Arc<str> = given.session_token.into();
        scene.book.lock().identified(self.person, Arc::clone(&session));
        let wants_scarce = self.random.fraction() < 0.35;
        let pass = if wants_scarce {
            None
        } else {
            let Some(pass) = self.come_in(&session).await? else { return Some(()) };
            Some(pass)
        };
        let slots = if wants_scarce { &scene.scarce_slots } else { &scene.slots };
        let Some((booking, slot)) = self.hold(&session, pass.as_deref(), slots).await? else {
            return Some(());
        };
        if self.random.fraction() < 0.1 {
            // Stays held: that, too, must survive.
            return Some(());
        }
        if !self.change(Asked::Confirm(booking), |key| api::confirm(&session, booking, key)).await? {
            return Some(());
        }
        if self.random.fraction() < 0.25 {
            let to = slots[self.random.below(slots.len())];
            if to != slot {
                let asked = Asked::Move(booking, to);
                self.change(asked, |key| api::reschedule(&session, booking, to, key)).await?;
            }
        }
        if self.random.fraction() < if wants_scarce { 0.7 } else { 0.25 } {
            self.change(Asked::Cancel(booking), |key| api::cancel(&session, booking, key)).await?;
        }
        if self.random.fraction() < 0.1 {
            scene.book.lock().asks(self.person, Asked::Forget);
            let answer = self.ask(api::forget(&session)).await?;
            self.settle(&answer, 0);
        }
        Some(())
    }

    /// A number in the room that asks nobody who they are. Asked again it may give another.
    async fn walk_in(&mut self) -> Option<()> {
        let answer = self.ask(api::join(self.scene.rooms.1, None, None)).await?;
        if let Some(api::Joined { ticket_token: Some(ticket), serial: Some(serial), .. }) = api::read(&answer)
        {
            self.scene.book.lock().walked_in(serial, ticket.into());
        }
        Some(())
    }

    /// A ticket and a pass; no pass if the turn does not come.
    async fn come_in(&mut self, session: &str) -> Option<Option<String>> {
        let scene = self.scene;
        let asked_at = Instant::now();
        let answer = self.ask(api::join(scene.rooms.0, Some(session), None)).await?;
        let Some(api::Joined { ticket_token: Some(ticket), serial: Some(serial), .. }) = api::read(&answer)
        else {
            return Some(None);
        };
        let ticket: Arc<str> = ticket.into();
        scene.book.lock().ticket(self.person, serial, Arc::clone(&ticket), asked_at);
        for _ in 0..ENTER_TRIES_MAX {
            scene.book.lock().asks(self.person, Asked::Enter);
            let answer = self.ask(api::enter(scene.rooms.0, &ticket)).await?;
            self.settle(&answer, 0);
            if let Some(entered) = api::read::<api::Entered>(&answer) {
                return Some(Some(entered.pass_token));
            }
            if !matches!(api::problem(&answer).0.as_str(), "not_called" | "room_not_open" | "busy") {
                return Some(None);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Some(None)
    }

    /// A place in one of the slots, with its number.
    async fn hold(&mut self, session: &str, pass: Option<&str>, slots: &[u32]) -> Option<Option<(u32, u32)>> {
        for _ in 0..SLOT_TRIES_MAX {
            let slot = slots[self.random.below(slots.len())];
            let key = self.key();
            self.scene.book.lock().asks(self.person, Asked::Hold(slot));
            let request = api::hold(session, pass, slot, &key);
            let answer = self.ask(request.clone()).await?;
            let held: Option<api::Held> = api::read(&answer);
            self.settle(&answer, held.as_ref().map_or(0, |held| held.booking));
            if let Some(held) = held.filter(|_| answer.is_success()) {
                self.keep(request, &answer, held.booking);
                return Some(Some((held.booking, slot)));
            }
        }
        Some(None)
    }

    /// Changes a booking; says whether that was done.
    async fn change(&mut self, asked: Asked, request: impl FnOnce(&str) -> Request) -> Option<bool> {
        let request = request(&self.key());
        self.scene.book.lock().asks(self.person, asked);
        let answer = self.ask(request.clone()).await?;
        let booking = api::read::<api::Booking>(&answer).map_or(0, |booking| booking.booking);
        self.settle(&answer, booking);
        if answer.is_success() {
            self.keep(request, &answer, booking);
        }
        Some(answer.is_success())
    }

    fn settle(&self, answer: &Answer, booking: u32) {
        let mut book = self.scene.book.lock();
        if answer.is_success() { book.done(self.person, booking) } else { book.refused(self.person) }
    }

    fn keep(&self, request: Request, answer: &Answer, booking: u32) {
        let request = request.into_bytes().into();
        let answered = Answered { person: self.person, request, status: answer.status, booking };
        self.scene.book.lock().keep_answer(answered);
    }

    /// A key for a question, the same however often it is asked.
    fn key(&mut self) -> String {
        self.keys += 1;
        format!("crash-{:016x}-{:08x}-{:04x}", self.scene.seed, self.person, self.keys)
    }

    /// Asks until there is a definite answer, at any node.
    async fn ask(&mut self, request: Request) -> Option<Answer> {
        let request = request.into_bytes();
        let mut tries = 0_u32;
        loop {
            if !self.scene.gate.pass().await {
                return None;
            }
            self.scene.gate.sends();
            let sent = self.caller.send(&request).await;
            self.scene.gate.ends();
            if let Ok(answer) = sent
                && !matches!(answer.status, 429 | 500..)
            {
                self.scene.gate.answered(tries, !answer.is_success());
                return Some(answer);
            }
            tries += 1;
            self.scene.gate.unanswered();
            let pause_ms = 3 + self.random.below(20) as u64;
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        }
    }
}
