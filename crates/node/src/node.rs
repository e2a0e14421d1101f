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
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use jari_core::ids::{CommandId, RoomId};
use jari_core::waiting_room::{Phase, RoomConfig};
use jari_core::{Body, Command, Time};
use metrics::{counter, gauge, histogram};
use tokio::sync::{mpsc, watch};

use crate::batch::{Batch, Request, Waiting, answer, batch_of};
use crate::clock::Clock;
use crate::durations::Durations;
use crate::engine::{Engine, TurnError};
use crate::handle::{Handle, LastRecord, Shared, TICK, tick, wake};
use crate::snapshots::Snapshots;
use crate::stall::Stall;
use crate::views::Publisher;

/// Turns begin this far apart under load: a thousand flushes a second.
const TURN_APART: Duration = Duration::from_millis(1);
/// Views are published this often at the most.
const PUBLISH_EVERY: Duration = Duration::from_millis(200);
/// As above, on a node that hears others: what they changed is shown here as soon as there.
const PUBLISH_HEARD_EVERY: Duration = Duration::from_millis(20);

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
    pub fn start(mut engine: Engine, clock: Arc<dyn Clock>, options: NodeOptions) -> io::Result<Node> {
        let (mailbox, requests) = mpsc::channel(options.mailbox_max);
        // The journal lives as long as the loop, and its promise to tell must not keep the loop's
        // own mailbox open.
        let weak = mailbox.downgrade();
        let told: Arc<std::sync::OnceLock<Weak<Shared>>> = Arc::default();
        let whom = Arc::clone(&told);
        let follows = engine.watch(Arc::new(move |position| {
            if let Some(shared) = whom.get().and_then(Weak::upgrade) {
                wake(&weak, &shared, position.0);
            }
        }));
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
            flushes: Durations::default(),
            turn_us: AtomicU64::new(500),
            mailbox_max: options.mailbox_max,
            batch_max: options.batch_max,
            identity: engine.identity(),
            knows: engine.knows(),
            follows,
            told: AtomicU64::new(0),
            hearing: AtomicBool::new(false),
            last_record: LastRecord::none(),
            heard: watch::Sender::new(engine.applied().0.0),
        });
        told.get_or_init(|| Arc::downgrade(&shared));
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
            let batch = batch_of(&mut gathered);
            let stop = batch.stop;
            let heard = self.work(batch)?;
            let draws = self.draws_due();
            if !draws.is_empty() {
                let nobody = draws.iter().map(|_| Waiting::Nobody).collect();
                self.turn(draws, nobody)?;
            }
            if published.elapsed() >= if heard { PUBLISH_HEARD_EVERY } else { PUBLISH_EVERY } {
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

    /// Takes a batch through the journal; or only hears what others wrote, where there is nothing
    /// to write. Says whether it heard something and wrote nothing.
    fn work(&mut self, batch: Batch) -> Result<bool, TurnError> {
        let Batch { mut commands, mut waiting, stop, tick } = batch;
        // Whoever finds this set has stored what it was told of before, and it is seen below.
        self.shared.hearing.swap(false, Ordering::AcqRel);
        let nothing = commands.is_empty();
        if nothing && !stop && !(tick && self.is_tick_due()) {
            // At a tick a node looks also if it was told of nothing: it may have missed it.
            return self.hear(tick);
        }
        if let Some(checkpoint) = self.engine.checkpoint_due(nothing) {
            commands.push(checkpoint);
            waiting.push(Waiting::Nobody);
        }
        self.turn(commands, waiting).map(|()| false)
    }

    /// Whether nobody has written for so long that time would stand still.
    fn is_tick_due(&self) -> bool {
        let time = Time(self.shared.time.load(Ordering::Relaxed));
        let idle_ms = u128::from(self.shared.clock.now().since_ms(time));
        idle_ms >= TICK.as_millis() / 2 && self.shared.last_record.until_tick().is_zero()
    }

    /// Applies what others wrote, if there is something that this node has not heard.
    fn hear(&mut self, always: bool) -> Result<bool, TurnError> {
        let (before, _) = self.engine.applied();
        let told = self.shared.told.load(Ordering::Acquire) > before.0;
        if !self.shared.follows || !(told || always) {
            return Ok(false);
        }
        self.shared.stall.begin();
        let heard = self.engine.hear();
        self.shared.stall.end();
        heard.inspect_err(log_end)?;
        self.check();
        let (after, _) = self.engine.applied();
        if after > before {
            self.applied(false);
            counter!("jari_records_heard_total").increment(after.0 - before.0);
        }
        Ok(after > before)
    }

    /// Lets everyone know how far this node has come.
    fn applied(&self, own: bool) {
        let shared = &self.shared;
        let (position, _) = self.engine.applied();
        shared.position.store(position.0, Ordering::Release);
        shared.time.store(self.engine.read(|state| state.data().time.0), Ordering::Relaxed);
        shared.last_record.seen(own);
        if shared.follows {
            shared.heard.send_replace(position.0);
        }
    }

    fn check(&self) {
        self.engine.check().unwrap_or_else(|violation| {
            panic!(
                "invariant {} broken: {} (subject {})",
                violation.invariant, violation.says, violation.subject
            )
        });
    }

    fn turn(&mut self, commands: Vec<Command>, waiting: Vec<Waiting>) -> Result<(), TurnError> {
        let started = Instant::now();
        let now = self.shared.clock.now();
        let mut outcomes = Vec::with_capacity(commands.len());
        self.shared.stall.begin();
        // The first command is applied as soon as its record is durable, and there is nothing to
        // apply in a tick.
        let mut durable_after = None;
        let turned = self.engine.turn(&commands, now, &mut |_, outcome| {
            durable_after.get_or_insert_with(|| started.elapsed());
            outcomes.push(outcome);
        });
        self.shared.stall.end();
        if turned.is_ok() {
            self.shared.flushes.record(durable_after.unwrap_or_else(|| started.elapsed()));
        }
        match turned {
            Ok(()) | Err(TurnError::Full) => {}
            Err(error) => {
                log_end(&error);
                return Err(error);
            }
        }
        let disk_full = turned.is_err();
        if self.shared.disk_full.swap(disk_full, Ordering::Relaxed) != disk_full {
            tracing::warn!(disk_full, "whether the journal has room has changed");
        }
        self.check();
        if !disk_full {
            self.applied(true);
        }
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

/// Says why the loop ends.
fn log_end(error: &TurnError) {
    match error {
        TurnError::Rules { .. } | TurnError::Differs { .. } => {
            tracing::error!(%error, "this node must not go on");
        }
        _ => tracing::error!(%error, "the journal cannot go on; the process ends, and a restart recovers"),
    }
}

/// Tells everyone that the loop has ended, however it ended.
struct StopSignal(Arc<Shared>);

impl Drop for StopSignal {
    fn drop(&mut self) {
        self.0.stopped.send_replace(true);
    }
}
