//! One seed's world: nodes, clients, the messages between them, and one clock for all.
//!
//! Everything happens as an event at an instant of virtual time; events of one instant happen in
//! the order in which they were planned. It must never read a real clock, start a thread or
//! draw chance from anywhere but its own streams: the same seed is the same run. Start reading
//! at [`World::run`].

use std::collections::{BTreeMap, VecDeque};

use jari_core::ids::CommandId;
use jari_core::waiting_room::Phase;
use jari_core::{Body, Command, Outcome};
use jari_journal::CrashFate;
use jari_node::TurnError;

use super::auditor::{Auditor, Promise, Violation, broken};
use super::clients::{Client, PATIENCE_MS};
use super::country::{START_MS, seed_of};
use super::faults::{Counts, Fault};
use super::node::{Envelope, SimNode};
use super::plan::Plan;
use super::workload::Workload;
use crate::simulate::random::Random;

/// A node that has seen no record for so long appends an empty one.
const TICK_MS: u64 = 1_500;
/// Commands in one turn at the most.
const BATCH_MAX: usize = 16;
/// Lines of the trace that are kept.
const TRACE_LEN: usize = 60;
/// Characters of a line.
const TRACE_CHARS: usize = 400;

/// What happens at an instant.
#[derive(Debug)]
pub enum Event {
    /// A request arrives at a node.
    Arrive(usize, Envelope),
    /// A node takes what waits in its mailbox.
    Turn(usize, u32),
    /// A node's turn is over, and its answers leave.
    Answers(usize, u32, Vec<(Envelope, Outcome)>),
    /// An answer arrives at a client; `None`: the node has no room.
    Hear(usize, Command, Option<Outcome>),
    /// A client looks whether it has been answered, or asks the next.
    Wake(usize, u64),
    /// A node starts.
    Boot(usize, u32),
    /// A node has been idle.
    Tick(usize, u32),
    /// Trouble.
    Mischief,
    /// A slow disk, a full disk, a wrong clock: over.
    Relief(usize, Fault),
}

/// See the module's documentation.
pub struct World {
    /// What the seed decided.
    pub plan: Plan,
    /// Milliseconds since the run began.
    pub now: u64,
    /// Hours that passed without events, milliseconds.
    pub skipped_ms: u64,
    /// Chance for the network and the nodes.
    pub random: Random,
    /// Chance for what clients ask: the same requests whatever the faults do to chance.
    pub wishes: Random,
    calendar: BTreeMap<(u64, u64), Event>,
    planned: u64,
    /// The nodes.
    pub nodes: Vec<SimNode>,
    /// The clients.
    pub clients: Vec<Client>,
    /// What they ask.
    pub workload: Workload,
    /// Who judges.
    pub auditor: Auditor,
    /// What happened of all that could.
    pub counts: Counts,
    /// Whether faults still happen.
    pub troubled: bool,
    digest: blake3::Hasher,
    trace: Option<VecDeque<String>>,
}

impl World {
    /// The world of a seed; with a trace of its last events if one is wanted.
    #[must_use]
    pub fn new(seed: u64, traced: bool) -> World {
        let mut random = Random::new(seed);
        let plan = Plan::draw(&mut random);
        let mut wishes = Random::new(random.bits());
        let workload = Workload::draw(&plan, &mut wishes);
        let nodes = (0..plan.nodes).map(|number| SimNode::new(number, random.bits())).collect();
        let clients = (0..plan.clients).map(|_| Client::default()).collect();
        World {
            plan,
            now: 0,
            skipped_ms: 0,
            random,
            wishes,
            calendar: BTreeMap::new(),
            planned: 0,
            nodes,
            clients,
            workload,
            auditor: Auditor::default(),
            counts: Counts::default(),
            troubled: true,
            digest: blake3::Hasher::new(),
            trace: traced.then(VecDeque::new),
        }
    }

    /// Runs the world to its end: trouble first, then peace, then the last questions.
    ///
    /// # Errors
    ///
    /// The first promise broken.
    pub fn run(&mut self) -> Result<(), Violation> {
        for node in 0..self.nodes.len() {
            self.boot(node)?;
        }
        for client in 0..self.clients.len() {
            self.after(1 + client as u64, Event::Wake(client, 0));
        }
        self.after(500, Event::Mischief);
        let busy_ms = self.plan.busy_ms;
        self.run_until(busy_ms)?;
        self.make_peace()?;
        self.conclude()
    }

    /// The digest of all that happened.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        *self.digest.clone().update(&self.auditor.chain()).finalize().as_bytes()
    }

    /// The last events, oldest first.
    #[must_use]
    pub fn trace(&self) -> Vec<String> {
        self.trace.iter().flatten().cloned().collect()
    }

    /// Notes what happened, for the digest and the trace.
    pub fn note(&mut self, kind: u8, subject: u64, words: impl FnOnce() -> String) {
        self.digest.update(&[kind]).update(&self.now.to_le_bytes()).update(&subject.to_le_bytes());
        let Some(trace) = &mut self.trace else { return };
        if trace.len() == TRACE_LEN {
            trace.pop_front();
        }
        let words: String = words().chars().take(TRACE_CHARS).collect();
        trace.push_back(format!("{:>9.3} s  {words}", self.now as f64 / 1_000.0));
    }

    /// A fault happened.
    pub fn happened(&mut self, fault: Fault, node: usize) {
        self.counts.happened(fault);
        self.note(1, fault as u64 * 64 + node as u64, || format!("FAULT node {node}: {}", fault.words()));
    }

    /// Plans an event.
    pub fn after(&mut self, ms: u64, event: Event) {
        self.planned += 1;
        self.calendar.insert((self.now + ms, self.planned), event);
    }

    /// Lets all happen that is due until `upto`.
    pub fn run_until(&mut self, upto: u64) -> Result<(), Violation> {
        while let Some(next) = self.calendar.first_entry() {
            let at = next.key().0;
            if at > upto {
                break;
            }
            let event = next.remove();
            self.now = at;
            self.happen(event)?;
        }
        self.now = upto;
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Arrive(node, envelope) => self.arrive(node, envelope),
            Event::Turn(node, life) if self.nodes[node].life == life => return self.turn(node),
            Event::Answers(node, life, answers) if self.nodes[node].life == life => {
                return self.answers_leave(node, answers);
            }
            Event::Hear(client, command, outcome) => return self.hear(client, &command, outcome),
            Event::Wake(client, attempt) => self.wake(client, attempt),
            Event::Boot(node, life) if self.nodes[node].life == life => return self.boot(node),
            Event::Tick(node, life) if self.nodes[node].life == life => {
                self.schedule_turn(node);
                self.after(TICK_MS, Event::Tick(node, life));
            }
            Event::Mischief if self.troubled => return self.mischief(),
            Event::Relief(node, fault) => self.relieve(node, fault),
            // It was meant for an earlier life, or for times of trouble.
            Event::Turn(..) | Event::Answers(..) | Event::Boot(..) | Event::Tick(..) | Event::Mischief => {}
        }
        Ok(())
    }

    /// The instant that a right clock shows.
    #[must_use]
    pub fn clock(&self) -> u64 {
        START_MS + self.now + self.skipped_ms
    }

    /// Starts a node; one that finds damage is rebuilt and started again.
    pub fn boot(&mut self, node: usize) -> Result<(), Violation> {
        if self.nodes[node].is_up() {
            return Ok(());
        }
        let flipped = self.nodes[node].intact.is_some();
        let before = self.counts.of(Fault::SnapshotBitNoticed);
        let booted = self.nodes[node].boot(&self.plan, &mut self.auditor, &mut self.counts)?;
        if let Err(stopped) = booted {
            self.note(2, node as u64, || format!("node {node} does not start: {}", stopped.0));
            self.happened(Fault::JournalBitNoticed, node);
            let intact = self.nodes[node].intact.take();
            self.nodes[node].disk = intact.expect("a start stops only after a flip");
            self.happened(Fault::Rebuilt, node);
            return self.boot(node);
        }
        if flipped && before == self.counts.of(Fault::SnapshotBitNoticed) {
            self.happened(Fault::JournalBitHarmless, node);
        }
        let position = self.nodes[node].flushed;
        self.note(3, position, || format!("node {node} runs from position {position}"));
        let life = self.nodes[node].life;
        self.after(TICK_MS, Event::Tick(node, life));
        Ok(())
    }

    /// A node ends, leaving of its unflushed writes what `fate` says, and starts again later.
    pub fn crash(&mut self, node: usize, fate: CrashFate) {
        self.note(4, node as u64, || format!("node {node} ends: {fate:?}"));
        self.nodes[node].down();
        self.nodes[node].disk.crash(fate);
        let (life, away_ms) = (self.nodes[node].life, 100 + u64::from(self.random.below(3_000)));
        self.after(away_ms, Event::Boot(node, life));
    }

    /// What the power leaves of unflushed writes.
    pub fn any_fate(&mut self) -> CrashFate {
        let fates =
            [CrashFate::LoseUnsynced, CrashFate::KeepAll, CrashFate::KeepPrefix, CrashFate::KeepSectors];
        fates[self.random.below(4) as usize]
    }

    fn arrive(&mut self, node: usize, envelope: Envelope) {
        if self.nodes[node].is_up() {
            self.nodes[node].mailbox.push(envelope);
            self.schedule_turn(node);
        }
    }

    fn schedule_turn(&mut self, node: usize) {
        if self.nodes[node].is_up() && !self.nodes[node].turning {
            self.nodes[node].turning = true;
            let life = self.nodes[node].life;
            self.after(1, Event::Turn(node, life));
        }
    }

    /// One turn: the engine works at once, its answers leave when the disk is done.
    fn turn(&mut self, node: usize) -> Result<(), Violation> {
        let clock = self.clock();
        let waiting = self.nodes[node].mailbox.len().min(BATCH_MAX);
        let mut batch: Vec<Envelope> = self.nodes[node].mailbox.drain(..waiting).collect();
        batch.extend(self.draws_due(node));
        let commands: Vec<Command> = batch.iter().map(|envelope| envelope.command.clone()).collect();
        let (turned, answers) = self.nodes[node].turn(&commands, clock);
        self.note(5, batch.len() as u64, || {
            format!("node {node} turns {commands:?}: {turned:?} {answers:?}")
        });
        self.audit_turn(node, &batch, &turned, &answers)?;
        match turned {
            Ok(()) => {}
            Err(TurnError::Full) => {
                self.happened(Fault::DiskFull, node);
                for envelope in batch.iter().skip(answers.len()) {
                    self.send_answer(envelope.client, envelope.command.clone(), None);
                }
            }
            Err(_) => {
                self.turn_failed(node);
                return Ok(());
            }
        }
        self.nodes[node].since_snapshot += answers.len() as u32;
        if self.nodes[node].mute {
            self.happened(Fault::CrashBeforeAnswers, node);
            let fate = self.any_fate();
            self.crash(node, fate);
            return Ok(());
        }
        let answered = answers.iter().map(|(index, outcome)| (batch[*index].clone(), *outcome)).collect();
        let ms = 1 + u64::from(self.random.below(self.nodes[node].disk_ms));
        let life = self.nodes[node].life;
        self.after(ms, Event::Answers(node, life, answered));
        Ok(())
    }

    /// The journal broke: the process ends, and what the disk kept shows at the restart.
    fn turn_failed(&mut self, node: usize) {
        let handed_over = std::mem::take(&mut self.nodes[node].ear.heard().handed_over);
        self.nodes[node].unreported = handed_over.into();
        self.disk_failed(node);
    }

    /// A disk failed as it was arranged, and the node ends.
    fn disk_failed(&mut self, node: usize) {
        let fate = match self.nodes[node].fate.take() {
            Some((fate, trouble)) => {
                self.happened(trouble, node);
                fate
            }
            None => CrashFate::KeepAll,
        };
        self.crash(node, fate);
    }

    /// Compares a turn with the order and the model.
    pub fn audit_turn(
        &mut self,
        node: usize,
        batch: &[Envelope],
        turned: &Result<(), TurnError>,
        answers: &[(usize, Outcome)],
    ) -> Result<(), Violation> {
        let delivered = std::mem::take(&mut self.nodes[node].ear.heard().delivered);
        let mut expected: Vec<Option<Outcome>> = vec![None; batch.len()];
        let mut next = 0;
        for (position, chain, payload) in delivered {
            self.auditor.learn(position, &payload, Some(chain))?;
            if position != self.nodes[node].flushed + 1 {
                let words =
                    format!("node {node} was delivered {position} after {}", self.nodes[node].flushed);
                return broken(Promise::Lost, "gapless order", words);
            }
            self.nodes[node].flushed = position;
            if self.nodes[node].ear.heard().is_own(&payload) {
                self.expect(position, batch, &mut next, &mut expected)?;
            }
        }
        for (number, (index, has)) in answers.iter().enumerate() {
            let envelope = &batch[*index];
            let should = if envelope.is_unfit() { Some(*has) } else { expected[*index] };
            if *index != number {
                return broken(Promise::Lost, "answers in order", format!("answer {number} was for {index}"));
            }
            if envelope.is_unfit() && has.refusal().is_none() {
                return broken(
                    Promise::Rules,
                    "unfit is refused",
                    format!("{:?} came to {has:?}", envelope.command),
                );
            }
            if !envelope.is_unfit() {
                self.auditor.answered(&envelope.command, *has, should)?;
            }
        }
        if turned.is_ok() && answers.len() != batch.len() {
            let words = format!("{} of {} commands were answered", answers.len(), batch.len());
            return broken(Promise::Alone, "every command answered", words);
        }
        if matches!(turned, Ok(()) | Err(TurnError::Full)) {
            self.nodes[node].ear.heard().handed_over.clear();
        }
        let Some(engine) = &self.nodes[node].engine else { return Ok(()) };
        let (position, _) = engine.applied();
        if position.0 != self.nodes[node].flushed {
            let words = format!("node {node} applied {} of {}", position.0, self.nodes[node].flushed);
            return broken(Promise::Lost, "delivered is applied", words);
        }
        engine.read(|state| self.auditor.compare_sometimes(position.0, state))
    }

    /// What the commands of one of the node's own records must be answered.
    fn expect(
        &self,
        position: u64,
        batch: &[Envelope],
        next: &mut usize,
        expected: &mut [Option<Outcome>],
    ) -> Result<(), Violation> {
        for (command, answer) in self.auditor.answers(position) {
            while batch.get(*next).is_some_and(Envelope::is_unfit) {
                *next += 1;
            }
            if batch.get(*next).is_none_or(|envelope| envelope.command != *command) {
                let words = format!("the record at {position} holds {command:?}, which was not asked there");
                return broken(Promise::Lost, "record holds what was asked", words);
            }
            expected[*next] = Some(answer);
            *next += 1;
        }
        Ok(())
    }

    /// The node reveals the seeds of rooms whose time has come, as the service does.
    fn draws_due(&self, node: usize) -> Vec<Envelope> {
        let Some(engine) = &self.nodes[node].engine else { return Vec::new() };
        let rooms: Vec<_> = engine.read(|state| {
            let rooms = state.data().rooms.iter();
            let due = rooms.filter(|(_, room)| {
                room.phase == Phase::Open && room.draw.is_none() && !room.config.awaits_beacon
            });
            due.map(|(id, _)| *id).collect()
        });
        let draw = |room| Envelope {
            client: usize::MAX,
            command: Command {
                id: CommandId(0),
                body: Body::DrawRoom { room, seed: seed_of(room), beacon: [0; 32] },
            },
        };
        rooms.into_iter().map(draw).collect()
    }

    fn answers_leave(&mut self, node: usize, answers: Vec<(Envelope, Outcome)>) -> Result<(), Violation> {
        for (envelope, outcome) in answers {
            self.send_answer(envelope.client, envelope.command, Some(outcome));
        }
        self.nodes[node].turning = false;
        if self.nodes[node].since_snapshot >= self.plan.snapshot_every && !self.nodes[node].take_snapshot() {
            self.disk_failed(node);
            return Ok(());
        }
        if !self.nodes[node].mailbox.is_empty() {
            self.schedule_turn(node);
        }
        Ok(())
    }

    /// Sends a message; the network may lose, repeat or delay it.
    pub fn deliver(&mut self, event: Event, lost: Fault) {
        let mut ms = 1 + u64::from(self.random.below(8));
        if self.troubled && self.random.chance(self.plan.loss) {
            self.counts.happened(lost);
            return;
        }
        if self.troubled && self.random.chance(self.plan.delay) {
            self.counts.happened(Fault::MessageDelayed);
            ms += u64::from(self.random.below(2 * PATIENCE_MS as u32));
        }
        self.after(ms, event);
    }

    fn send_answer(&mut self, client: usize, command: Command, outcome: Option<Outcome>) {
        if client < self.clients.len() {
            self.deliver(Event::Hear(client, command, outcome), Fault::AnswerLost);
        }
    }
}
