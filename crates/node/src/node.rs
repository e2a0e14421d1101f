//! The engine on a thread, with a bounded mailbox in front of it.
//!
//! Whoever holds a [`Handle`] submits commands and reads the state. While the disk
//! flushes one batch the next gathers in the mailbox, so the batch adapts to the disk by
//! itself. A request whose sender has gone away is dropped before it costs anything. A
//! full mailbox refuses at once, with a hint when to come back.
//!
//! It must never answer from anything but the engine, and never go on after the journal
//! broke: the process ends, and the restart recovers.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use jari_core::ids::{CommandId, RoomId, Serial};
use jari_core::waiting_room::{Phase, RoomConfig};
use jari_core::{Body, Command, Outcome, Refusal, State, Time};
use metrics::{counter, gauge, histogram};
use tokio::sync::{mpsc, oneshot, watch};

use crate::batch::{Reply, Request, Waiting, answer, batch_of};
use crate::clock::Clock;
use crate::engine::{Engine, TurnError};
use crate::snapshots::Snapshots;
use crate::stall::Stall;
use crate::views::{Publisher, Views};

/// A node that has seen no record for so long appends an empty one.
const TICK: Duration = Duration::from_millis(250);
/// Turns begin this far apart under load: a thousand flushes a second.
const TURN_APART: Duration = Duration::from_millis(1);
/// When the journal does not answer: come back after so long.
const STALLED_RETRY_MS: u32 = 2_000;
/// Views are published this often at the most.
const PUBLISH_EVERY: Duration = Duration::from_millis(200);

/// Finds the seed that a room's commitment was made from: keys are not the node's.
pub type SeedSource = Arc<dyn Fn(RoomId, &RoomConfig) -> Option<[u8; 32]> + Send + Sync>;

/// Settings of a node.
#[derive(Clone)]
pub struct NodeOptions {
    /// Requests that may wait; beyond it they are refused.
    pub mailbox_max: usize,
    /// Commands in one batch.
    pub batch_max: usize,
    /// A snapshot is taken after so many commands.
    pub snapshot_every_commands: u64,
    /// A turn that takes longer than this keeps nobody waiting any more: they are told to come back.
    pub stalled_after: Duration,
    /// Where snapshots are kept; none are taken without it.
    pub snapshots: Option<Snapshots>,
    /// Finds the seeds of lobbies.
    pub seeds: SeedSource,
}

impl Default for NodeOptions {
    fn default() -> Self {
        NodeOptions {
            mailbox_max: 16_384,
            batch_max: 8_192,
            snapshot_every_commands: 2_000_000,
            stalled_after: Duration::from_secs(2),
            snapshots: None,
            seeds: Arc::new(|_, _| None),
        }
    }
}

/// Why a request was turned away before it reached the machine. Nothing was changed.
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Rejected {
    /// Too many wait; come back later.
    #[error("too many requests wait; try again in {retry_after_ms} ms")]
    Full {
        /// When.
        retry_after_ms: u32,
    },
    /// The disk is full; reads go on, and writes will when there is room.
    #[error("the journal's disk is full; try again in {retry_after_ms} ms")]
    DiskFull {
        /// When.
        retry_after_ms: u32,
    },
    /// The journal keeps everyone waiting; reads go on, and writes will when it answers. What was
    /// asked may still come to be.
    #[error("the journal does not answer; try again in {retry_after_ms} ms")]
    Stalled {
        /// When.
        retry_after_ms: u32,
    },
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping,
}

/// What health checks want to know.
#[derive(Copy, Clone, Debug)]
pub struct Status {
    /// The position of the last record applied.
    pub position: u64,
    /// Requests waiting.
    pub waiting: usize,
    /// Requests that may wait.
    pub waiting_max: usize,
    /// Whether the journal's disk is full.
    pub disk_full: bool,
    /// Whether the journal keeps everyone waiting.
    pub stalled: bool,
    /// Whether the node has stopped or is stopping.
    pub stopped: bool,
    /// The last instant stamped: how old the answers are.
    pub time: Time,
}

/// What the thread and the handles share.
struct Shared {
    state: Arc<RwLock<State>>,
    views: ArcSwap<Views>,
    clock: Arc<dyn Clock>,
    position: AtomicU64,
    time: AtomicU64,
    disk_full: AtomicBool,
    stall: Stall,
    stopped: watch::Sender<bool>,
    /// Microseconds that a request spent in the loop lately: the base of retry hints.
    turn_us: AtomicU64,
    mailbox_max: usize,
    batch_max: usize,
}

/// A way to the node. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    mailbox: mpsc::Sender<Request>,
    shared: Arc<Shared>,
}

/// A running node.
pub struct Node {
    handle: Handle,
    thread: JoinHandle<Result<(), TurnError>>,
}

impl Node {
    /// Starts the loop on a thread of its own. Needs a tokio runtime around it for the
    /// tick.
    ///
    /// # Errors
    ///
    /// As the system says when it has no thread to give.
    pub fn start(engine: Engine, clock: Arc<dyn Clock>, options: NodeOptions) -> io::Result<Node> {
        let (mailbox, requests) = mpsc::channel(options.mailbox_max);
        let mut publisher = Publisher::default();
        let first = engine.read(|state| publisher.publish(state, engine.applied().0.0));
        let shared = Arc::new(Shared {
            state: engine.state(),
            views: ArcSwap::from_pointee(first),
            clock,
            position: AtomicU64::new(engine.applied().0.0),
            time: AtomicU64::new(engine.read(|state| state.data().time.0)),
            disk_full: AtomicBool::new(false),
            stall: Stall::new(options.stalled_after),
            stopped: watch::Sender::new(false),
            turn_us: AtomicU64::new(500),
            mailbox_max: options.mailbox_max,
            batch_max: options.batch_max,
        });
        let handle = Handle { mailbox, shared: Arc::clone(&shared) };
        tokio::spawn(tick(handle.clone()));
        let looped = Loop { engine, publisher, requests, shared, options, since_snapshot: 0, snapshot: None };
        let thread = thread::Builder::new().name("jari-node".into()).spawn(move || looped.run())?;
        Ok(Node { handle, thread })
    }

    /// A way to the node.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Answers what waits, takes a last snapshot, and ends. Blocks.
    ///
    /// # Errors
    ///
    /// What ended the loop before its time, if something did.
    ///
    /// # Panics
    ///
    /// If the loop panicked: a bug, passed on.
    pub fn stop(self) -> Result<(), TurnError> {
        // A full mailbox must not keep a node from stopping, so this waits for room.
        let _ = self.handle.mailbox.blocking_send(Request::Stop);
        match self.thread.join() {
            Ok(ended) => ended,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// Lets time pass when nobody comes.
async fn tick(handle: Handle) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut stopped = handle.shared.stopped.subscribe();
    loop {
        tokio::select! {
            _ = interval.tick() => handle.shared.stall.look(),
            _ = stopped.wait_for(|stopped| *stopped) => return,
        }
        let idle_ms = handle.now().since_ms(Time(handle.shared.time.load(Ordering::Relaxed)));
        if u128::from(idle_ms) >= TICK.as_millis() / 2 {
            // A full mailbox means that records are coming anyway.
            let _ = handle.mailbox.try_send(Request::Tick);
        }
    }
}

impl Handle {
    /// Takes a command through the journal and gives its outcome.
    ///
    /// # Errors
    ///
    /// See [`Rejected`]. After `Stopping` the command may still have been taken: ask again
    /// with the same id.
    pub async fn submit(&self, command: Command) -> Result<Outcome, Rejected> {
        self.ask(|reply| Request::Submit(command, reply)).await
    }

    /// Issues one ticket of a room that is not bound to identities. Joins that arrive
    /// together become one command.
    ///
    /// # Errors
    ///
    /// See [`Rejected`]; the inner error is the machine's refusal.
    pub async fn join(&self, room: RoomId) -> Result<Result<Serial, Refusal>, Rejected> {
        self.ask(|reply| Request::Join(room, reply)).await
    }

    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, Rejected> {
        let stalled = Rejected::Stalled { retry_after_ms: STALLED_RETRY_MS };
        if self.shared.stall.is_stalled() {
            counter!("jari_rejected_total", "why" => "stalled").increment(1);
            return Err(stalled);
        }
        let (reply, answer) = oneshot::channel();
        match self.mailbox.try_send(request(reply)) {
            Ok(()) => tokio::select! {
                biased;
                answer = answer => answer.unwrap_or(Err(Rejected::Stopping)),
                () = self.shared.stall.begins() => Err(stalled),
            },
            Err(mpsc::error::TrySendError::Full(_)) => {
                counter!("jari_rejected_total", "why" => "full").increment(1);
                Err(Rejected::Full { retry_after_ms: self.retry_after_ms() })
            }
            Err(mpsc::error::TrySendError::Closed(_)) => Err(Rejected::Stopping),
        }
    }

    /// Reads the state. Keep it short: writes wait meanwhile.
    ///
    /// # Panics
    ///
    /// If a panic has left the state half changed.
    pub fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.shared.state.read().expect("no panic left the state half changed"))
    }

    /// What was last published.
    #[must_use]
    pub fn views(&self) -> Arc<Views> {
        self.shared.views.load_full()
    }

    /// The present instant, by the service's clock.
    #[must_use]
    pub fn now(&self) -> Time {
        self.shared.clock.now()
    }

    /// How the node is.
    #[must_use]
    pub fn status(&self) -> Status {
        Status {
            position: self.shared.position.load(Ordering::Relaxed),
            waiting: self.shared.mailbox_max - self.mailbox.capacity(),
            waiting_max: self.shared.mailbox_max,
            disk_full: self.shared.disk_full.load(Ordering::Relaxed),
            stalled: self.shared.stall.is_stalled(),
            stopped: self.mailbox.is_closed() || *self.shared.stopped.borrow(),
            time: Time(self.shared.time.load(Ordering::Relaxed)),
        }
    }

    /// Waits until the loop has ended, for whatever reason.
    pub async fn stopped(&self) {
        let mut stopped = self.shared.stopped.subscribe();
        // An error means that the sender is gone, and the loop with it.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    }

    /// The time in which what waits now should be worked off, between 0.5 s and 30 s.
    fn retry_after_ms(&self) -> u32 {
        let turns = self.shared.mailbox_max.div_ceil(self.shared.batch_max) as u64;
        let us = turns * self.shared.turn_us.load(Ordering::Relaxed);
        u32::try_from(us / 1000).unwrap_or(u32::MAX).clamp(500, 30_000)
    }
}

/// The thread's own part.
struct Loop {
    engine: Engine,
    publisher: Publisher,
    requests: mpsc::Receiver<Request>,
    shared: Arc<Shared>,
    options: NodeOptions,
    since_snapshot: u64,
    snapshot: Option<JoinHandle<Option<jari_journal::Position>>>,
}

impl Loop {
    fn run(mut self) -> Result<(), TurnError> {
        let _stopped = StopSignal(Arc::clone(&self.shared));
        let mut gathered = Vec::with_capacity(self.options.batch_max);
        let mut published = Instant::now();
        let mut turned = published;
        loop {
            let count = self.requests.blocking_recv_many(&mut gathered, self.options.batch_max);
            self.gather_more(&mut gathered, turned);
            turned = Instant::now();
            let (commands, waiting, stop) = batch_of(&mut gathered);
            self.turn(commands, waiting)?;
            let draws = self.draws_due();
            if !draws.is_empty() {
                let nobody = draws.iter().map(|_| Waiting::Nobody).collect();
                self.turn(draws, nobody)?;
            }
            if published.elapsed() >= PUBLISH_EVERY {
                published = Instant::now();
                self.publish();
            }
            self.snapshot_if_due();
            if stop || count == 0 {
                self.finish();
                return Ok(());
            }
        }
    }

    /// When turns follow one another closely, lets requests gather: a flush costs the same
    /// for one command as for a thousand. Whoever comes alone is taken at once.
    fn gather_more(&mut self, gathered: &mut Vec<Request>, turned: Instant) {
        let early = TURN_APART.saturating_sub(turned.elapsed());
        if early.is_zero() || gathered.is_empty() {
            return;
        }
        thread::park_timeout(early);
        while gathered.len() < self.options.batch_max
            && let Ok(request) = self.requests.try_recv()
        {
            gathered.push(request);
        }
    }

    fn turn(&mut self, commands: Vec<Command>, waiting: Vec<Waiting>) -> Result<(), TurnError> {
        let started = Instant::now();
        let now = self.shared.clock.now();
        let mut outcomes = Vec::with_capacity(commands.len());
        self.shared.stall.begin();
        let turned = self.engine.turn(&commands, now, &mut |_, outcome| outcomes.push(outcome));
        self.shared.stall.end();
        match turned {
            Ok(()) | Err(TurnError::Full) => {}
            Err(error) => {
                tracing::error!(%error, "the journal cannot go on; the process ends, and a restart recovers");
                return Err(error);
            }
        }
        let disk_full = turned.is_err();
        if self.shared.disk_full.swap(disk_full, Ordering::Relaxed) != disk_full {
            tracing::warn!(disk_full, "whether the journal has room has changed");
        }
        self.engine.check().unwrap_or_else(|violation| {
            panic!(
                "invariant {} broken: {} (subject {})",
                violation.invariant, violation.says, violation.subject
            )
        });
        let (position, _) = self.engine.applied();
        self.shared.position.store(position.0, Ordering::Relaxed);
        self.shared.time.store(self.engine.read(|state| state.data().time.0), Ordering::Relaxed);
        self.since_snapshot += outcomes.len() as u64;
        let took = started.elapsed();
        let smooth = (self.shared.turn_us.load(Ordering::Relaxed) * 7 + took.as_micros() as u64) / 8;
        self.shared.turn_us.store(smooth, Ordering::Relaxed);
        if !commands.is_empty() {
            counter!("jari_commands_total").increment(outcomes.len() as u64);
            histogram!("jari_batch_commands").record(commands.len() as f64);
            histogram!("jari_turn_seconds").record(took.as_secs_f64());
        }
        answer(waiting, &outcomes);
        Ok(())
    }

    /// Reveals seeds whose time has come.
    fn draws_due(&self) -> Vec<Command> {
        let due: BTreeMap<RoomId, RoomConfig> = self.engine.read(|state| {
            let rooms = state.data().rooms.iter();
            rooms
                .filter(|(_, room)| {
                    room.phase == Phase::Open && room.draw.is_none() && !room.config.awaits_beacon
                })
                .map(|(id, room)| (*id, room.config.clone()))
                .collect()
        });
        due.into_iter()
            .filter_map(|(room, config)| {
                let seed = (self.options.seeds)(room, &config)?;
                Some(Command { id: CommandId(0), body: Body::DrawRoom { room, seed, beacon: [0; 32] } })
            })
            .collect()
    }

    fn publish(&mut self) {
        let position = self.engine.applied().0.0;
        let views = self.engine.read(|state| self.publisher.publish(state, position));
        self.shared.views.store(Arc::new(views));
        gauge!("jari_mailbox_waiting").set(self.requests.len() as f64);
        gauge!("jari_position").set(position as f64);
    }

    /// Starts a snapshot when enough has happened, and lets the journal go when one ends.
    fn snapshot_if_due(&mut self) {
        if let Some(running) = self.snapshot.take_if(|running| running.is_finished()) {
            self.release(running);
        }
        let due = self.since_snapshot >= self.options.snapshot_every_commands;
        let Some(snapshots) = self.options.snapshots.clone().filter(|_| due && self.snapshot.is_none())
        else {
            return;
        };
        self.since_snapshot = 0;
        let (position, chain, data) = self.engine.freeze();
        let work = move || match snapshots.write(position, chain, &data) {
            Ok(upto) => Some(upto),
            Err(error) => {
                tracing::error!(%error, "a snapshot could not be written; the journal keeps everything");
                None
            }
        };
        match thread::Builder::new().name("jari-snapshot".into()).spawn(work) {
            Ok(running) => self.snapshot = Some(running),
            Err(error) => tracing::error!(%error, "no thread for a snapshot"),
        }
    }

    fn release(&mut self, ended: JoinHandle<Option<jari_journal::Position>>) {
        if let Ok(Some(upto)) = ended.join()
            && let Err(error) = self.engine.release(upto)
        {
            tracing::warn!(%error, "old journal segments could not be removed");
        }
    }

    /// The last things: publish, and snapshot so that the next start is quick.
    fn finish(&mut self) {
        self.publish();
        self.since_snapshot = self.options.snapshot_every_commands;
        if let Some(running) = self.snapshot.take() {
            self.release(running);
        }
        self.snapshot_if_due();
        if let Some(running) = self.snapshot.take() {
            self.release(running);
        }
    }
}

/// Tells everyone that the loop has ended, however it ended.
struct StopSignal(Arc<Shared>);

impl Drop for StopSignal {
    fn drop(&mut self) {
        self.0.stopped.send_replace(true);
    }
}
