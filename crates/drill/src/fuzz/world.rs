//! One seed's world: nodes, clients, the messages between them, and one clock for all.
//!
//! Everything happens as an event at an instant of virtual time; events of one instant happen in
//! the order in which they were planned. It must never read a real clock, start a thread or
//! draw chance from anywhere but its own streams: the same seed is the same run. Start reading
//! at [`World::run`].

use std::collections::{BTreeMap, VecDeque};

use jari_core::ids::CommandId;
use jari_core::rules::{RULES_FIRST, RULES_NEWEST};
use jari_core::waiting_room::Phase;
use jari_core::{Body, Command, Outcome};
use jari_journal::{CrashFate, FaultyDisk};
use jari_node::TurnError;

use super::auditor::{Auditor, Promise, Violation, broken};
use super::clients::{Client, PATIENCE_MS};
use super::country::{START_MS, seed_of};
use super::doom::Doom;
use super::faults::{Counts, Fault};
use super::node::{Boot, Envelope, SimNode};
use super::plan::Plan;
use super::stream::SimStream;
use super::workload::Workload;
use super::workload::scenes::Scene;
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
    /// A record that was on its way reaches the stream.
    Arrives(usize, u32, u128, Vec<u8>),
    /// A newer build is installed on a node, which is started anew for it.
    Install(usize),
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
    /// The stream, in a cluster.
    pub stream: Option<SimStream>,
    /// A fault that nobody survives has happened.
    pub doom: Option<Doom>,
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
        let mut plan = Plan::draw(&mut random);
        let (scene, mut of_scene) = Scene::of(seed);
        scene.shape(&mut plan, &mut of_scene);
        let mut wishes = Random::new(random.bits());
        let workload = Workload::draw(&plan, &mut wishes, &mut of_scene);
        let mut node = |number| {
            let is_old = plan.old_builds && (number == 0 || random.chance(0.6));
            let knows =
                if is_old { RULES_FIRST + random.below(RULES_NEWEST - RULES_FIRST) } else { RULES_NEWEST };
            SimNode::new(number, random.bits(), knows)
        };
        let nodes = (0..plan.nodes).map(&mut node).collect();
        let stream = plan.cluster.then(|| SimStream::new(Random::new(random.bits())));
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
            stream,
            doom: None,
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
        self.boot(0)?;
        // The others join while the first serves already.
        for node in 1..self.nodes.len() {
            let ms = u64::from(self.random.below(5_000));
            self.after(ms, Event::Boot(node, 0));
        }
        for client in 0..self.clients.len() {
            self.after(1 + client as u64, Event::Wake(client, 0));
        }
        self.after(500, Event::Mischief);
        self.plan_installations();
        let busy_ms = self.plan.busy_ms;
        self.run_until(busy_ms)?;
        if let Some(fault) = self.plan.doom {
            self.doom(fault);
        }
        if self.doom.is_some() {
            return self.await_doom();
        }
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
            Event::Install(node) => self.install(node),
            Event::Mischief if self.troubled => return self.mischief(),
            Event::Relief(node, fault) => self.relieve(node, fault),
            Event::Arrives(node, life, key, bytes) => self.arrives_late(node, life, key, bytes),
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
        if self.nodes[node].is_up() || self.doom.is_some() {
            return Ok(());
        }
        self.learn_stream()?;
        let flipped = self.nodes[node].intact.is_some();
        let noticed = self.counts.of(Fault::SnapshotBitNoticed);
        let in_danger = self.troubled && self.plan.troubles.contains(&Fault::PowerCutInStart);
        let cut = in_danger && !flipped && self.random.chance(0.2);
        if cut {
            let operations = 1 + u64::from(self.random.below(12));
            self.nodes[node].disk.power_off_after(Some(operations));
        }
        let away = self.stream.as_ref().is_some_and(|stream| stream.service().cut_off.contains(&node));
        let stream = self.stream.clone();
        let this = &mut self.nodes[node];
        let booted =
            this.boot(&self.plan, stream.as_ref(), cut || away, &mut self.auditor, &mut self.counts)?;
        match booted {
            Boot::Up if self.stream.is_none() => {
                self.nodes[node].disk.power_off_after(None);
                self.auditor.may_be_written_again();
            }
            Boot::Up => self.nodes[node].disk.power_off_after(None),
            Boot::Later(why) => {
                self.note(2, node as u64, || format!("node {node} does not start yet: {why}"));
                self.happened(if cut { Fault::PowerCutInStart } else { Fault::StartDelayed }, node);
                let fate = if cut { self.any_fate() } else { CrashFate::KeepAll };
                self.crash(node, fate);
                return Ok(());
            }
            Boot::TooOld(needs) => {
                self.nodes[node].disk.power_off_after(None);
                return self.too_old(node, needs);
            }
            Boot::Damaged(why) => {
                self.note(2, node as u64, || format!("node {node} does not start: {why}"));
                self.rebuild(node);
                return self.boot(node);
            }
        }
        if flipped && noticed == self.counts.of(Fault::SnapshotBitNoticed) {
            self.happened(Fault::JournalBitHarmless, node);
        }
        let position = self.nodes[node].flushed;
        self.note(3, position, || format!("node {node} runs from position {position}"));
        let life = self.nodes[node].life;
        self.after(TICK_MS, Event::Tick(node, life));
        Ok(())
    }

    /// A damaged disk is replaced by an intact copy, or by an empty one and the stream.
    fn rebuild(&mut self, node: usize) {
        self.happened(Fault::JournalBitNoticed, node);
        self.happened(Fault::Rebuilt, node);
        let intact = self.nodes[node].intact.take();
        if self.stream.is_some() && self.random.chance(0.5) {
            self.nodes[node].disk = FaultyDisk::new(self.random.bits());
            self.nodes[node].flushed = 0;
        } else {
            self.nodes[node].disk = intact.expect("only a flip damages a disk");
        }
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
        batch.extend(self.duties(node)?);
        let commands: Vec<Command> = batch.iter().map(|envelope| envelope.command.clone()).collect();
        let (turned, answers) = self.nodes[node].turn(&commands, clock);
        self.hear_of_stream();
        self.note(5, batch.len() as u64, || {
            format!("node {node} turns {commands:?}: {turned:?} {answers:?}")
        });
        if self.doom.is_some() {
            self.nodes[node].turning = false;
            return self.doomed_turn(node, &turned);
        }
        self.audit_turn(node, &batch, &turned, &answers)?;
        match turned {
            Ok(()) => {}
            Err(TurnError::Full) => {
                let full = if self.stream.is_some() { Fault::StreamFull } else { Fault::DiskFull };
                self.happened(full, node);
                for envelope in batch.iter().skip(answers.len()) {
                    self.send_answer(envelope.client, envelope.command.clone(), None);
                }
            }
            Err(TurnError::Rules { needs, .. }) => return self.too_old(node, needs),
            Err(error @ TurnError::Differs { .. }) => {
                return broken(Promise::Lost, "checkpoints agree", error.to_string());
            }
            Err(error) => {
                self.turn_failed(node, &error);
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
    fn turn_failed(&mut self, node: usize, error: &TurnError) {
        let handed_over = std::mem::take(&mut self.nodes[node].ear.heard().handed_over);
        if self.stream.is_none() {
            self.nodes[node].unreported = handed_over.into();
        }
        // What the disk says when it was told to fail, and nothing else does.
        let by_disk = error.to_string().contains("os error 5");
        if !by_disk {
            self.nodes[node].fate = None;
        }
        self.disk_failed(node);
    }

    /// A disk failed as it was arranged, and the node ends.
    pub fn disk_failed(&mut self, node: usize) {
        let fate = match self.nodes[node].fate.take() {
            Some((fate, trouble)) => {
                self.happened(trouble, node);
                fate
            }
            None => CrashFate::KeepAll,
        };
        self.crash(node, fate);
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
