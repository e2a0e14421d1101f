//! The end of a run: faults stop, everyone is answered, everything is compared.
//!
//! First safety under faults, then liveness without them. It must never wait for what an
//! operator would have to do by hand. Start reading at [`World::make_peace`].

use jari_core::Command;
use jari_core::ids::RoomId;
use jari_core::waiting_room::{Phase, Room};
use jari_journal::CrashFate;

use super::auditor::{Promise, Violation, broken};
use super::node::Envelope;
use super::world::World;

/// Within this much virtual time after the last fault everyone has been answered.
const ANSWERED_WITHIN_MS: u64 = 20_000;
/// Within this much virtual time a message that waits is sent: two leases, and a turn to ask.
const SENT_WITHIN_MS: u64 = 14_000;
/// Within this much virtual time a room calls, though those it called before do not come.
const CALLED_WITHIN_MS: u64 = 90_000;
/// Below this pace it may take longer.
const PACE_MIN: u32 = 30;
/// Answers asked for again at the end, at the most.
const ASKED_AGAIN_MAX: usize = 400;
const ASKED_TOGETHER: usize = 16;

/// Whether neither operator, health nor supply keeps a room from calling.
fn is_free_to_call(room: &Room) -> bool {
    let drawn = room.phase == Phase::Open && room.draw.is_some() && room.paused.is_none();
    let healthy = room.controller.factor_ppm == 1_000_000;
    drawn && healthy && room.config.campaign.is_none() && room.config.pace.entries_per_minute_max >= PACE_MIN
}

impl World {
    /// Ends all faults and gives everyone the time that was promised.
    ///
    /// # Errors
    ///
    /// Somebody was not answered.
    pub fn make_peace(&mut self) -> Result<(), Violation> {
        self.troubled = false;
        self.note(9, 0, || "all faults end".to_owned());
        if let Some(stream) = &self.stream {
            let mut service = stream.service();
            (service.unsure, service.full) = (0.0, false);
            service.cut_off.clear();
            service.cut_after_ack.clear();
        }
        for node in 0..self.nodes.len() {
            self.nodes[node].disk.limit_room(None);
            (self.nodes[node].disk_ms, self.nodes[node].skew_ms, self.nodes[node].mute) = (3, 0, false);
            // A fault that is arranged and has not shown yet goes with the process.
            if self.nodes[node].fate.is_some() {
                self.crash(node, CrashFate::KeepAll);
            }
        }
        let upto = self.now + ANSWERED_WITHIN_MS;
        self.run_until(upto)?;
        for (number, client) in self.clients.iter().enumerate() {
            if let Some(asked) = &client.asking {
                let words = format!(
                    "client {number} has asked {:?} since {} ms, and is not answered at {} ms",
                    asked.command, client.since, self.now
                );
                return broken(Promise::Alone, "everyone is answered", words);
            }
        }
        let pushed = self.pushed();
        if self.check_sent(pushed).is_err() {
            // Some may have fallen due this moment: reminders come by themselves.
            let upto = self.now + SENT_WITHIN_MS;
            self.run_until(upto)?;
            self.check_sent(pushed)?;
        }
        if self.plan.long_peace { self.lines_move() } else { Ok(()) }
    }

    /// Where nothing holds a room back, somebody is called while nobody comes.
    fn lines_move(&mut self) -> Result<(), Violation> {
        let rooms = &self.auditor.witness().data().rooms;
        let waiting: Vec<(RoomId, u32)> = rooms
            .iter()
            .filter(|(_, room)| is_free_to_call(room) && room.called < room.issued)
            .map(|(id, room)| (*id, room.called))
            .collect();
        if waiting.is_empty() {
            return Ok(());
        }
        let upto = self.now + CALLED_WITHIN_MS;
        self.run_until(upto)?;
        for (id, called) in waiting {
            let room = &self.auditor.witness().data().rooms[&id];
            if room.called == called {
                let words = format!(
                    "room {} has called {called} of {} for {CALLED_WITHIN_MS} ms: {:?}",
                    id.0, room.issued, room.controller
                );
                return broken(Promise::Order, "the line moves", words);
            }
        }
        Ok(())
    }

    /// The last questions: every answer again, every state, every restart, and what comes after.
    ///
    /// # Errors
    ///
    /// The first promise broken.
    pub fn conclude(&mut self) -> Result<(), Violation> {
        self.compare_all()?;
        let answered: Vec<Command> = self
            .auditor
            .acknowledged()
            .iter()
            .take(ASKED_AGAIN_MAX)
            .map(|(id, (body, _))| Command { id: *id, body: body.clone() })
            .collect();
        for (number, commands) in answered.chunks(ASKED_TOGETHER).enumerate() {
            self.ask_again(number % self.nodes.len(), commands)?;
        }
        self.snapshots_before_end()?;
        for node in 0..self.nodes.len() {
            self.nodes[node].down();
            self.nodes[node].disk.crash(CrashFate::LoseUnsynced);
            self.boot(node)?;
        }
        self.compare_all()?;
        self.outlive()
    }

    /// Brings every node to the end of the order and compares its state with the model's.
    ///
    /// # Errors
    ///
    /// The first difference.
    pub fn compare_all(&mut self) -> Result<(), Violation> {
        // In the first round each node adds a tick that those before it have not heard of; in the
        // second, each hears of all but the ticks of those after it. So they are compared in turn.
        for node in 0..self.nodes.len() {
            self.ask_again(node, &[])?;
        }
        for node in 0..self.nodes.len() {
            self.ask_again(node, &[])?;
            let Some(engine) = &self.nodes[node].engine else {
                return broken(Promise::Alone, "every node runs", format!("node {node} is down at the end"));
            };
            let (position, _) = engine.applied();
            engine.read(|state| self.auditor.compare_state(position.0, state))?;
        }
        Ok(())
    }

    /// Asks a node at once, without network or clock, and judges the answers.
    fn ask_again(&mut self, node: usize, commands: &[Command]) -> Result<(), Violation> {
        if !self.nodes[node].is_up() {
            return broken(Promise::Alone, "every node runs", format!("node {node} is down at the end"));
        }
        let clock = self.clock();
        let (turned, answers) = self.nodes[node].turn(commands, clock);
        self.note(10, commands.len() as u64, || {
            format!("node {node} is asked again: {turned:?} {answers:?}")
        });
        let envelope = |command: &Command| Envelope { client: usize::MAX, command: command.clone() };
        let batch: Vec<Envelope> = commands.iter().map(envelope).collect();
        self.audit_turn(node, &batch, &turned, &answers)?;
        match turned {
            Ok(()) => Ok(()),
            Err(error) => broken(
                Promise::Alone,
                "every node runs",
                format!("node {node} fails without a fault: {error}"),
            ),
        }
    }
}
