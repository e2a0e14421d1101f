//! The node's door: a bounded mailbox, early refusal, batches, and what a crash does to those who
//! wait for an answer.
//!
//! Must never answer anyone whose command is not durable. Start at [`Simulation::arrive`].

use jari_core::booking::BookingState;
use jari_core::effect::EffectKind;
use jari_core::ids::{BookingId, ChannelId, CommandId, Serial, SlotId};
use jari_core::waiting_room::Phase;
use jari_core::{Body, Command, Outcome, command};

use super::crowd::{NONE, Op, Repeat, Step, Trick};
use super::meter::SECOND_TICKS;
use super::{IDLE_TICKS, Planted, Request, Simulation, ticks};
use crate::auditor::Breach;
use crate::scenario::{CAMPAIGN, Crash, ROOM};

/// Who is answered by a command of a batch.
enum Asked {
    One(Request),
    Joins(Vec<u32>),
    Nobody,
}

impl Simulation {
    /// Everyone whose appointment is now, and the flood between them.
    pub(super) fn arrive(&mut self, due: &[u32]) {
        let Some((until, per_tick)) = self.flood.filter(|(until, _)| self.tick < *until) else {
            due.iter().for_each(|device| self.act(*device));
            return;
        };
        if self.tick + 1 == until {
            self.flood = None;
        }
        // Everyone in a random order: who comes first within these milliseconds is luck.
        let mut order: Vec<u32> = due.to_vec();
        order.extend((0..per_tick as u32).map(|_| NONE));
        for last in (1..order.len()).rev() {
            order.swap(last, self.random.below(last as u32 + 1) as usize);
        }
        for device in order {
            match device {
                NONE => self.flood_once(),
                device => self.act(device),
            }
        }
    }

    /// Someone who is not called yet presses "enter" again, or makes up a number.
    fn flood_once(&mut self) {
        let issued = self.meter.now.called.max(self.facts.called);
        let serial = self.random.below(u32::MAX - 1);
        let far = |place: u32| place > issued.saturating_add(issued / 2).saturating_add(100_000);
        let serial = match self.auditor.place(serial % self.known_tickets()) {
            Some(place) if far(place) => serial % self.known_tickets(),
            _ => u32::MAX - 1 - serial % 1_000,
        };
        self.meter.now.offered += 1;
        if self.is_down() {
            self.meter.now.unanswered += 1;
        } else if self.mailbox.len() >= self.mailbox_max {
            self.turn_away();
        } else {
            self.mailbox.push_back(Request::Flood(serial));
        }
    }

    fn known_tickets(&self) -> u32 {
        self.facts.lobby.unwrap_or(1).max(1)
    }

    fn turn_away(&mut self) {
        self.meter.now.refused += 1;
        self.credit -= self.scenario.node.refusal_cost;
    }

    /// A device's request reaches the door.
    pub(super) fn ask(&mut self, device: u32, op: Op) {
        let tick = self.tick;
        let kept = &mut self.crowd.devices[device as usize];
        if op == Op::Join && kept.knocked == NONE {
            kept.knocked = tick;
        }
        self.meter.now.offered += 1;
        if self.is_down() {
            self.meter.now.unanswered += 1;
            self.totals.unanswered += 1;
            self.try_later(device, 1_000.0);
        } else if self.mailbox.len() >= self.mailbox_max {
            self.turn_away();
            // The node's hint: the time in which what waits is worked off.
            let rate = f64::from(self.scenario.node.commands_per_s) * self.scale;
            let hint_ms = (self.mailbox_max as f64 / rate * 1e3).clamp(500.0, 30_000.0);
            self.try_later(device, hint_ms);
        } else {
            self.mailbox.push_back(Request::Device(device));
        }
    }

    /// The same request again, each time twice as late, up to half a minute.
    fn try_later(&mut self, device: u32, base_ms: f64) {
        let kept = &mut self.crowd.devices[device as usize];
        let doubled = base_ms * f64::from(1_u32 << kept.failed.min(5));
        kept.failed = kept.failed.saturating_add(1);
        let after_ms = doubled.min(30_000.0) * self.random.between(0.5, 1.5);
        self.wheel.at(device, self.tick + ticks(after_ms / 1e3).max(1));
    }

    /// A turn of the engine, when there is work or nothing has happened for a while.
    pub(super) fn turn_if_due(&mut self) -> anyhow::Result<()> {
        let per_tick = f64::from(self.scenario.node.commands_per_s) * self.scale / f64::from(SECOND_TICKS);
        self.credit = (self.credit + per_tick).min((2.0 * per_tick).max(2.0));
        if self.is_down() {
            return Ok(());
        }
        let idle = self.tick.is_multiple_of(IDLE_TICKS) && self.crash_due.is_none();
        let busy = !self.mailbox.is_empty() && self.credit >= 1.0;
        if !idle && !busy && self.operator.is_empty() {
            return Ok(());
        }
        if let Some(crash) = self.crash_due.filter(|_| busy) {
            if crash == Crash::PowerBetween {
                return self.crash(crash, &[]);
            }
            self.host.prepare(crash);
        }
        let (commands, asked) = self.batch();
        let mut outcomes = std::mem::take(&mut self.outcomes);
        let running = self.host.turn(&commands, self.now(), &mut outcomes)?;
        let killed = self.crash_due == Some(Crash::KillBeforeAnswers) && busy;
        if !running || killed {
            let crash = self.crash_due.unwrap_or(Crash::SyncFails);
            // Who sent these gets no answer and asks again; the operator does, too.
            let again = commands.into_iter().filter(|command| command.id.0 >> 120 == 1);
            self.operator.extend(again);
            self.outcomes = outcomes;
            return self.crash(crash, &asked);
        }
        self.meter.now.served += asked.iter().map(Asked::people).sum::<u32>();
        self.hear(&asked, &outcomes);
        self.outcomes = outcomes;
        self.draw_if_due();
        Ok(())
    }

    /// The next batch, as the node makes it: joins without identity become one command.
    fn batch(&mut self) -> (Vec<Command>, Vec<Asked>) {
        let mut commands = std::mem::take(&mut self.operator);
        let mut asked: Vec<Asked> = commands.iter().map(|_| Asked::Nobody).collect();
        let mut joins = Vec::new();
        while self.credit >= 1.0 {
            let Some(request) = self.mailbox.pop_front() else { break };
            self.credit -= 1.0;
            match request {
                Request::Device(device) if self.is_plain_join(device) => joins.push(device),
                request => {
                    commands.push(self.command(request));
                    asked.push(Asked::One(request));
                }
            }
        }
        if !joins.is_empty() {
            let count = joins.len() as u32;
            commands.push(Command { id: CommandId(0), body: Body::Join { room: ROOM, count } });
            asked.push(Asked::Joins(joins));
        }
        (commands, asked)
    }

    fn is_plain_join(&self, device: u32) -> bool {
        !self.scenario.identity_bound && self.crowd.devices[device as usize].step == Step::Ask(Op::Join)
    }

    fn command(&self, request: Request) -> Command {
        let nature = CommandId(0);
        match request {
            Request::Flood(serial) => {
                Command { id: nature, body: Body::Enter { room: ROOM, serial: Serial(serial) } }
            }
            Request::Device(device) => {
                let kept = &self.crowd.devices[device as usize];
                let Step::Ask(op) = kept.step else {
                    unreachable!("a device in the mailbox asks for something")
                };
                let id = CommandId(1 << 127 | u128::from(device) << 16 | u128::from(kept.sequence));
                let body = self.body(device, op);
                let by_nature = matches!(body, Body::Enter { .. } | Body::JoinAs { .. } | Body::Leave { .. });
                Command { id: if by_nature { nature } else { id }, body }
            }
        }
    }

    fn body(&self, device: u32, op: Op) -> Body {
        let kept = &self.crowd.devices[device as usize];
        let person = self.crowd.id(kept.person, false);
        let friend = self.crowd.id(kept.person, true);
        let hold = |person, slot| Body::Hold {
            slot: SlotId(slot),
            person,
            birth: self.crowd.birth(kept.person, self.scenario),
            dose: 1,
            entry: Some(command::Entry { room: ROOM, serial: Serial(kept.serial) }),
            channel: ChannelId::OWN_SITE,
        };
        match op {
            Op::Join => Body::JoinAs { room: ROOM, person },
            Op::Enter | Op::Try(Trick::EnterEarly | Trick::Push) => {
                Body::Enter { room: ROOM, serial: Serial(kept.serial) }
            }
            Op::Try(Trick::Forge) => {
                Body::Enter { room: ROOM, serial: Serial(u32::MAX - kept.serial % 1_000) }
            }
            Op::Leave => Body::Leave { room: ROOM, serial: Serial(kept.serial) },
            Op::List => unreachable!("the list of slots is not asked of the node"),
            Op::Hold | Op::Again(Repeat::Hold) => hold(person, kept.slot),
            Op::Try(Trick::ReuseId) => hold(person, (kept.slot + 1) % self.slots),
            Op::Try(Trick::Replay | Trick::ShareHold) => hold(friend, kept.slot),
            Op::Try(Trick::ShareCancel) => Body::Cancel { booking: BookingId(kept.friend), person: friend },
            Op::Confirm | Op::Again(Repeat::Confirm) | Op::Try(Trick::ConfirmLate) => {
                Body::Confirm { booking: BookingId(kept.booking), person }
            }
            Op::Cancel => Body::Cancel { booking: BookingId(kept.booking), person },
            Op::Try(_) => hold(person, kept.slot),
        }
    }

    /// Everyone of a batch hears the answer.
    fn hear(&mut self, asked: &[Asked], outcomes: &[Outcome]) {
        for (asked, outcome) in asked.iter().zip(outcomes) {
            match (asked, *outcome) {
                (Asked::One(Request::Device(device)), outcome) => self.answer(*device, outcome),
                (Asked::One(Request::Flood(serial)), Outcome::Entered { .. }) => {
                    let called =
                        self.host.read(|state| state.data().rooms.get(&ROOM).map_or(0, |room| room.called));
                    let now = self.now();
                    self.auditor.entered(*serial, called, now);
                }
                (Asked::Joins(devices), Outcome::Joined { first, .. }) => {
                    for (serial, device) in (first.0..).zip(devices) {
                        self.answer(*device, Outcome::Joined { first: Serial(serial), count: 1 });
                    }
                }
                (Asked::Joins(devices), outcome) => {
                    devices.iter().for_each(|device| self.answer(*device, outcome));
                }
                (Asked::One(Request::Flood(_)) | Asked::Nobody, _) => {}
            }
        }
    }

    /// The process ends. Those who wait for an answer get none and ask again with the same ids.
    fn crash(&mut self, crash: Crash, asked: &[Asked]) -> anyhow::Result<()> {
        self.crash_due = None;
        self.host.crash(crash);
        let replayed = self.host.recover()?;
        let node = &self.scenario.node;
        let replay_ms = replayed as f64 / (f64::from(node.replays_per_s) * self.scale) * 1e3;
        let down = ticks((f64::from(node.restart_ms) + replay_ms) / 1e3);
        self.down_until = self.tick + down;
        self.totals.down_ticks += down;
        let at_s = self.seconds(self.tick);
        self.totals.crashes.push((at_s, crash, replayed));
        self.marks.push(crate::report::Mark::new(at_s, crash.words()));
        let mut left: Vec<u32> = Vec::new();
        for request in self.mailbox.drain(..) {
            left.extend(Asked::One(request).devices());
        }
        asked.iter().for_each(|asked| left.extend(asked.devices()));
        self.totals.in_flight_lost += left.len() as u64;
        for device in left {
            self.meter.now.unanswered += 1;
            // The browser gives up on an answer after some seconds.
            let after = ticks(self.random.between(2.0, 6.0));
            self.wheel.at(device, self.tick + after);
        }
        let Self { host, auditor, .. } = self;
        host.read(|state| auditor.compare(state.data(), ROOM, false));
        Ok(())
    }

    /// Reveals the seed once the room has opened, as the node does.
    fn draw_if_due(&mut self) {
        if self.drawn || self.tick < self.opening {
            return;
        }
        let (phase, drawn) = self.host.read(|state| {
            let room = state.data().rooms.get(&ROOM);
            room.map_or((Phase::Lobby, None), |room| {
                (room.phase, room.draw.as_ref().map(|draw| (room.lobby, draw.seed, draw.beacon)))
            })
        });
        match drawn {
            Some((lobby, mut seed, beacon)) => {
                seed[0] ^= u8::from(self.planted == Planted::OtherSeed);
                self.auditor.drawn(lobby.unwrap_or(0), &seed, &beacon, &self.commitment);
                self.drawn = true;
            }
            None if phase == Phase::Open => {
                let body = Body::DrawRoom { room: ROOM, seed: self.seed, beacon: [0; 32] };
                self.own(body);
            }
            None => {}
        }
    }

    /// Sends the messages that are due, checks that each speaks of a booking that exists, and
    /// reports them done.
    pub(super) fn send_messages(&mut self) {
        let Self { host, auditor, .. } = self;
        let (count, upto) = host.read(|state| {
            let data = state.data();
            for effect in data.effects.iter() {
                let booking = data.bookings.get(u64::from(effect.booking.0));
                let is_booked = booking.is_some_and(|kept| {
                    let confirmed = effect.kind != EffectKind::BookingConfirmed
                        || !matches!(kept.state, BookingState::Held | BookingState::Lapsed);
                    kept.person() == effect.person && confirmed
                });
                if !is_booked {
                    auditor.breach(Breach::FalseMessage, || format!("{effect:?}"));
                }
            }
            (data.effects.len() as u64, data.effects.end())
        });
        if count > 0 {
            self.totals.messages += count;
            self.own(Body::AckEffects { upto });
        }
    }

    /// The slots that show a free place.
    pub(super) fn list_free_slots(&mut self) {
        let Self { host, free_slots, .. } = self;
        free_slots.clear();
        host.read(|state| {
            let sold_out = state.data().campaigns.get(&CAMPAIGN).is_none_or(|campaign| campaign.free() == 0);
            if sold_out {
                return;
            }
            let slots = (0_u32..).zip(state.data().slots.iter());
            free_slots.extend(slots.filter(|(_, slot)| slot.supply.free() > 0).map(|(number, _)| number));
        });
        // In the list's order some slots would be everyone's first choice: some are, not by number.
        for last in (1..free_slots.len()).rev() {
            free_slots.swap(last, self.random.below(last as u32 + 1) as usize);
        }
    }
}

impl Asked {
    fn people(&self) -> u32 {
        match self {
            Asked::One(_) => 1,
            Asked::Joins(devices) => devices.len() as u32,
            Asked::Nobody => 0,
        }
    }

    fn devices(&self) -> Vec<u32> {
        match self {
            Asked::One(Request::Device(device)) => vec![*device],
            Asked::Joins(devices) => devices.clone(),
            Asked::One(Request::Flood(_)) | Asked::Nobody => Vec::new(),
        }
    }
}
