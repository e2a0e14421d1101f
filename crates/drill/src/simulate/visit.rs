//! What a device does by itself: open the page, look at the document, decide, come back.
//!
//! Must never know more than its page shows. Start at [`Simulation::act`].

use super::crowd::{Device, End, Habit, NONE, Op, Repeat, Step, Trick};
use super::page::{self, Reach, Shows, State};
use super::{Planted, Simulation, is_some, random, ticks};

/// Nobody goes away for a wait as short as this.
const SHORT_WAIT_MS: f64 = 180_000.0;
/// Looks at random slots before trusting to luck.
const SLOT_LOOKS_MAX: u32 = 20;

impl Simulation {
    pub(super) fn device(&mut self, device: u32) -> &mut Device {
        &mut self.crowd.devices[device as usize]
    }

    fn person_of(&self, device: u32) -> u32 {
        self.crowd.devices[device as usize].person
    }

    pub(super) fn habit(&self, device: u32) -> Habit {
        self.crowd.people[self.person_of(device) as usize].habit
    }

    /// An appointment after the network's delay and `after_ms` more.
    pub(super) fn then(&mut self, device: u32, step: Step, after_ms: f64) {
        let tick = self.tick;
        let kept = self.device(device);
        kept.step = step;
        let at = tick + u32::from(kept.delay) + ticks(after_ms / 1e3);
        if matches!(step, Step::Ask(_)) {
            kept.asked = at;
        }
        self.wheel.at(device, at);
    }

    /// Sends a new request after `after_ms`; it has an id of its own.
    pub(super) fn send(&mut self, device: u32, op: Op, after_ms: f64) {
        if !matches!(op, Op::Again(_) | Op::Try(Trick::ReuseId)) {
            self.device(device).sequence += 1;
        }
        if let Op::Try(trick) = op {
            *self.totals.tricks.entry(trick).or_default() += 1;
        }
        self.then(device, Step::Ask(op), after_ms);
    }

    /// The device has no more to do; `end` is how it ended for its owner, if it did.
    pub(super) fn leave(&mut self, device: u32, end: Option<End>) {
        self.device(device).step = Step::Done;
        let tick = self.tick;
        let person = self.person_of(device) as usize;
        let kept = &mut self.crowd.people[person];
        if kept.inside == device {
            kept.inside = NONE;
        }
        kept.alive = kept.alive.saturating_sub(1);
        let resigned = kept.alive == 0 && kept.end == End::Open && kept.resigned;
        let Some(end) = end.or(resigned.then_some(End::NoSupply)) else { return };
        let final_already = matches!(kept.end, End::Booked | End::Cancelled) && end != End::Cancelled;
        if final_already {
            return;
        }
        (kept.end, kept.ended) = (end, tick);
        if std::mem::take(&mut kept.in_line) {
            self.waiting -= 1;
        }
    }

    /// Keeps a device's appointment.
    pub(super) fn act(&mut self, device: u32) {
        match self.crowd.devices[device as usize].step {
            Step::Open => self.open(device),
            Step::Ask(op) => self.ask(device, op),
            Step::Serve(op) => self.serve(device, op),
            Step::Shown => self.choose(device),
            Step::Look | Step::Back => self.look(device),
            Step::Done => {}
        }
    }

    fn open(&mut self, device: u32) {
        let person = self.person_of(device) as usize;
        if self.crowd.people[person].end != End::Open {
            return self.leave(device, None);
        }
        if self.crowd.people[person].first_device == device && self.crowd.devices[device as usize].failed == 0
        {
            self.meter.now.arrived += 1;
        }
        if self.is_down() {
            return self.find_nobody(device);
        }
        if self.facts.state == State::Closed {
            return self.leave(device, Some(End::NoSupply));
        }
        self.send(device, Op::Join, 0.0);
    }

    /// The document or page could not be had: ask again, less and less often.
    fn find_nobody(&mut self, device: u32) {
        let failed = self.device(device).failed.saturating_add(1);
        self.device(device).failed = failed;
        self.meter.now.unanswered += 1;
        self.totals.unanswered += 1;
        let step = self.device(device).step;
        let after_ms = page::after_failure_ms(failed, &mut self.random);
        self.then(device, step, after_ms as f64);
    }

    /// The page asks for the document and shows what it says.
    fn look(&mut self, device: u32) {
        let person = self.person_of(device) as usize;
        if self.crowd.people[person].end != End::Open {
            return self.leave(device, None);
        }
        if self.is_down() {
            return self.find_nobody(device);
        }
        self.meter.now.looks += 1;
        self.totals.looks += 1;
        let (serial, place) = {
            let (document, kept) = (self.facts.bytes, self.device(device));
            kept.failed = 0;
            if kept.entered == NONE {
                kept.requests = kept.requests.saturating_add(1);
                kept.bytes += document + page::HEADER_BYTES;
            }
            (kept.serial, is_some(kept.place).then_some(kept.place))
        };
        let (shows, next_ms) = page::look(&self.facts, serial, place, &mut self.random);
        let next_ms = next_ms as f64;
        match shows {
            Shows::Lobby => self.in_lobby(device, next_ms),
            Shows::Drawing => self.then(device, Step::Look, next_ms),
            Shows::Reveal => self.compute_place(device),
            Shows::Line(reach) => self.in_line(device, reach, next_ms),
            Shows::Called => self.called(device),
            Shows::Closed => self.leave(device, Some(End::NoSupply)),
        }
    }

    fn in_lobby(&mut self, device: u32, next_ms: f64) {
        if self.habit(device) == Habit::EarlyBird && !self.device(device).tried {
            self.device(device).tried = true;
            return self.send(device, Op::Try(Trick::EnterEarly), 1_000.0);
        }
        let reloads = self.habit(device) == Habit::Reloads;
        let next_ms = if reloads { next_ms.min(self.reload(device)) } else { next_ms };
        self.then(device, Step::Look, next_ms);
    }

    /// Someone loads the page again; gives milliseconds until the next time.
    fn reload(&mut self, device: u32) -> f64 {
        self.totals.reloads += 1;
        let kept = self.device(device);
        kept.requests = kept.requests.saturating_add(1);
        kept.bytes += page::RELOAD_BYTES;
        self.random.between(20_000.0, 90_000.0)
    }

    /// The browser fetches the revealed draw and computes its place: not with the service's code.
    fn compute_place(&mut self, device: u32) {
        let serial = self.device(device).serial;
        let Some(place) = self.auditor.place(serial) else {
            return self.then(device, Step::Look, 3_000.0);
        };
        let kept = self.device(device);
        kept.place = place;
        kept.requests = kept.requests.saturating_add(1);
        kept.bytes += page::DRAW_BYTES + page::HEADER_BYTES;
        self.then(device, Step::Look, 0.0);
    }

    fn in_line(&mut self, device: u32, reach: Reach, next_ms: f64) {
        let tick = self.tick;
        if self.device(device).place == NONE {
            let serial = self.device(device).serial;
            self.device(device).place = serial;
        }
        let place = self.device(device).place;
        let expected_ms = page::expected_ms(&self.facts, place);
        let person = self.person_of(device);
        let kept = &mut self.crowd.people[person as usize];
        match reach {
            Reach::Sure => (kept.was_sure, kept.told_at) = (true, NONE),
            Reach::Maybe | Reach::Unlikely => kept.told_at = kept.told_at.min(tick),
        }
        let patience_over = tick > kept.arrives.saturating_add(kept.patience);
        if reach == Reach::Unlikely && !self.stays(person) {
            // Another device of theirs may stand further ahead.
            self.crowd.people[person as usize].resigned = true;
            return self.leave(device, None);
        }
        let tried = self.device(device).tried;
        match self.habit(device) {
            Habit::Pushes if !tried => {
                self.device(device).tried = true;
                self.send(device, Op::Try(Trick::Push), 500.0);
            }
            Habit::Forges if !tried => {
                self.device(device).tried = true;
                self.forge_token(device);
                self.send(device, Op::Try(Trick::Forge), 500.0);
            }
            Habit::GivesUp if patience_over && expected_ms > SHORT_WAIT_MS => self.give_up(device),
            Habit::Returns if patience_over && !tried && expected_ms > SHORT_WAIT_MS => {
                self.device(device).tried = true;
                let away_ms = self.random.between(600_000.0, 2_400_000.0);
                self.come_back(device, away_ms);
            }
            Habit::ComesWhenCalled if !tried && expected_ms > SHORT_WAIT_MS => {
                self.device(device).tried = true;
                let late_ms = self.random.between(0.0, 300_000.0);
                let about = self.random.between(0.9, 1.3);
                self.come_back(device, expected_ms * about + late_ms);
            }
            Habit::Reloads => {
                let next_ms = next_ms.min(self.reload(device));
                self.then(device, Step::Look, next_ms);
            }
            _ => self.then(device, Step::Look, next_ms),
        }
    }

    /// Closes the page; comes back in time to be answered before the drill ends.
    fn come_back(&mut self, device: u32, away_ms: f64) {
        let left_ms = f64::from(self.end.saturating_sub(self.tick)) * 5.0 - 1_800_000.0;
        self.then(device, Step::Back, away_ms.min(left_ms.max(1_000.0)));
    }

    fn give_up(&mut self, device: u32) {
        if self.random.chance(0.3) {
            return self.send(device, Op::Leave, 500.0);
        }
        self.leave(device, Some(End::GaveUp));
    }

    /// Whether someone stays in line after being told that it is of no use.
    fn stays(&self, person: u32) -> bool {
        let chance = random::mixed(u64::from(person) ^ 0x57_a7) >> 11;
        (chance as f64 / (1_u64 << 53) as f64) < self.scenario.habits.stays_when_told
    }

    /// A ticket with a changed number must not open.
    fn forge_token(&mut self, device: u32) {
        let kept = self.crowd.devices[device as usize];
        let serial = jari_core::ids::Serial(kept.serial);
        let person = self.scenario.identity_bound.then(|| self.crowd.id(kept.person, false));
        let ticket = jari_wire::token::Ticket { room: crate::scenario::ROOM, serial, person };
        let mut sealed = ticket.seal(&self.keys).into_bytes();
        let at = self.random.below(sealed.len() as u32) as usize;
        sealed[at] = if sealed[at] == b'A' { b'B' } else { b'A' };
        self.totals.forged_tokens += 1;
        let forged = String::from_utf8(sealed).unwrap_or_default();
        if jari_wire::token::Ticket::open(&forged, &self.keys).is_ok() {
            self.totals.forged_opened += 1;
        }
    }

    /// The page says that it is their turn: they press "enter".
    fn called(&mut self, device: u32) {
        let person = self.person_of(device) as usize;
        let inside = self.crowd.people[person].inside;
        if is_some(inside) && inside != device && self.habit(device) != Habit::BooksTwice {
            return self.leave(device, None);
        }
        if inside == NONE {
            self.crowd.people[person].inside = device;
        }
        let notices_ms = 500.0 + self.random.exponential(4_000.0).min(60_000.0);
        self.send(device, Op::Enter, notices_ms);
    }

    /// A request reaches the service behind the room.
    fn serve(&mut self, device: u32, op: Op) {
        match self.service.serve(self.tick) {
            None => {
                let after_ms = self.random.between(4_000.0, 12_000.0);
                self.then(device, Step::Serve(op), after_ms);
            }
            Some(latency_ms) if op == Op::List => self.then(device, Step::Shown, latency_ms as f64),
            Some(latency_ms) => self.send(device, op, latency_ms as f64),
        }
    }

    /// The slots are shown: the person thinks, and picks one that looked free.
    fn choose(&mut self, device: u32) {
        if self.is_down() {
            return self.find_nobody(device);
        }
        let slot = self.free_slot();
        self.device(device).slot = slot;
        let thinks_ms = 5_000.0 + self.random.exponential(15_000.0).min(120_000.0);
        let person = self.person_of(device) as usize;
        let second = self.crowd.people[person].inside != device;
        let op = match self.habit(device) {
            Habit::WrongAge => Op::Try(Trick::WrongAge),
            Habit::WrongDay => Op::Try(Trick::WrongDay),
            Habit::BooksTwice if second => Op::Try(Trick::BookTwice),
            Habit::Shares if !self.device(device).tried || self.device(device).friend == NONE => {
                self.device(device).tried = true;
                Op::Try(Trick::ShareHold)
            }
            _ => Op::Hold,
        };
        self.then(device, Step::Serve(op), thinks_ms);
    }

    /// A slot that shows a free place: some are sought after more than others.
    fn free_slot(&mut self) -> u32 {
        for _ in 0..SLOT_LOOKS_MAX {
            if self.free_slots.is_empty() {
                break;
            }
            let wanted = self.random.unit().powi(2) * self.free_slots.len() as f64;
            let at = (wanted as usize).min(self.free_slots.len() - 1);
            let slot = self.free_slots[at];
            let is_free = self.host.read(|state| {
                state.data().slots.get(u64::from(slot)).is_some_and(|slot| slot.supply.free() > 0)
            });
            if is_free {
                return slot;
            }
            self.free_slots.swap_remove(at);
        }
        self.random.below(self.slots)
    }

    /// After a hold: look at it, then confirm.
    pub(super) fn confirm_soon(&mut self, device: u32) {
        let thinks_ms = 4_000.0 + self.random.exponential(10_000.0).min(90_000.0);
        self.then(device, Step::Serve(Op::Confirm), thinks_ms);
    }

    /// What follows a booking: a repetition, a trick, a cancellation; else nothing.
    pub(super) fn after_booking(&mut self, device: u32, repeated: bool) {
        match self.habit(device) {
            Habit::Repeats if !repeated => {
                self.totals.repeats += 1;
                self.send(device, Op::Again(Repeat::Confirm), 300.0);
            }
            Habit::Replays if !repeated => self.send(device, Op::Try(Trick::Replay), 3_000.0),
            _ if self.random.chance(self.scenario.habits.cancels) => {
                let later_ms = self.random.between(300_000.0, 1_800_000.0);
                self.send(device, Op::Cancel, later_ms);
            }
            _ => self.leave(device, None),
        }
    }

    pub(super) fn plants(&mut self, planted: Planted, one_in: u32) -> bool {
        self.planted == planted && self.random.below(one_in) == 0
    }
}
