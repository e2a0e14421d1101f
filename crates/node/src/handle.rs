//! A way to the node: submits commands, reads the state, says how the node is.
//!
//! It must never wait for the mailbox: a full one refuses at once, with a hint.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use jari_core::ids::{RoomId, Serial};
use jari_core::{Command, Outcome, Refusal, State, Time};
use metrics::counter;
use tokio::sync::{mpsc, oneshot, watch};

use crate::batch::{Reply, Request};
use crate::clock::Clock;
use crate::durations::Durations;
use crate::duty::Identity;
use crate::stall::Stall;
use crate::views::Views;

/// A node that has seen no record for so long appends an empty one.
pub(crate) const TICK: Duration = Duration::from_millis(250);
/// When the disk is full: come back after so long.
pub(crate) const FULL_RETRY_MS: u32 = 5_000;
/// When the journal does not answer: come back after so long.
const STALLED_RETRY_MS: u32 = 2_000;
/// How long a read waits for records of other nodes before it says that something is unknown.
const HEAR_MORE: Duration = Duration::from_millis(300);

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
    /// The version of the rules that counts.
    pub rules: u32,
    /// The newest version that this node's build knows.
    pub rules_known: u32,
}

impl Status {
    /// Why a change would be turned away at this moment, if it would.
    #[must_use]
    pub fn refusal(&self) -> Option<Rejected> {
        if self.stopped {
            Some(Rejected::Stopping)
        } else if self.disk_full {
            Some(Rejected::DiskFull { retry_after_ms: FULL_RETRY_MS })
        } else {
            self.stalled.then_some(Rejected::Stalled { retry_after_ms: STALLED_RETRY_MS })
        }
    }
}

/// What the thread and the handles share.
pub(crate) struct Shared {
    pub state: Arc<RwLock<State>>,
    pub views: ArcSwap<Views>,
    pub clock: Arc<dyn Clock>,
    pub position: AtomicU64,
    pub time: AtomicU64,
    pub disk_full: AtomicBool,
    pub stall: Stall,
    pub stopped: watch::Sender<bool>,
    /// How long records took to become durable.
    pub flushes: Durations,
    /// Microseconds that a request spent in the loop lately: the base of retry hints.
    pub turn_us: AtomicU64,
    pub mailbox_max: usize,
    pub batch_max: usize,
    pub identity: Identity,
    pub knows: u32,
    /// Whether others write into the same journal.
    pub follows: bool,
    /// The last position that the journal told of by itself.
    pub told: AtomicU64,
    /// A look for records of others waits in the mailbox: one is enough.
    pub hearing: AtomicBool,
    pub last_record: LastRecord,
    /// The position, for those who wait for more. Sent only where others write.
    pub heard: watch::Sender<u64>,
}

/// No record was seen yet.
const NEVER: u64 = u64::MAX;

/// When the last record was seen, and whose it was.
pub(crate) struct LastRecord {
    base: Instant,
    ms: AtomicU64,
    own: AtomicBool,
}

impl LastRecord {
    /// None was seen in this life: a tick is due at once.
    pub fn none() -> LastRecord {
        LastRecord { base: Instant::now(), ms: AtomicU64::new(NEVER), own: AtomicBool::new(true) }
    }

    /// A record was applied just now.
    pub fn seen(&self, own: bool) {
        let ms = u64::try_from(self.base.elapsed().as_millis()).unwrap_or(NEVER - 1);
        self.ms.store(ms, Ordering::Relaxed);
        self.own.store(own, Ordering::Relaxed);
    }

    /// How long until a tick is due. Whoever wrote last goes on, and the others step in only when
    /// it is silent: else every idle node would append at the same moment.
    pub fn until_tick(&self) -> Duration {
        let ms = self.ms.load(Ordering::Relaxed);
        if ms == NEVER {
            return Duration::ZERO;
        }
        let apart = if self.own.load(Ordering::Relaxed) { TICK } else { TICK + TICK / 2 };
        (Duration::from_millis(ms) + apart).saturating_sub(self.base.elapsed())
    }
}

/// A way to the node. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    pub(crate) mailbox: mpsc::Sender<Request>,
    pub(crate) shared: Arc<Shared>,
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
            // A disk of one's own either answers or has failed; watching it would cost every request.
            Ok(()) if !self.shared.follows => answer.await.unwrap_or(Err(Rejected::Stopping)),
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

    /// Looks for something in the state. Where other nodes write into the same journal, what
    /// somebody was just told by one of them may not have come here yet: then this looks again
    /// with every record that comes, for some 300 ms, before it gives up.
    ///
    /// # Panics
    ///
    /// As [`Handle::read`].
    pub async fn find<T>(&self, look: impl Fn(&State) -> Option<T>) -> Option<T> {
        let found = self.read(&look);
        if found.is_some() || !self.shared.follows {
            return found;
        }
        let mut heard = self.shared.heard.subscribe();
        let more = async {
            loop {
                // Looked at first: what came before the subscription is not told of again.
                if let Some(found) = self.read(&look) {
                    return Some(found);
                }
                heard.changed().await.ok()?;
            }
        };
        tokio::time::timeout(HEAR_MORE, more).await.ok().flatten()
    }

    /// Who this node is to the others.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.shared.identity
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

    /// How long this node's records took to become durable, ticks included: the flush of its own
    /// file, and the stream's acknowledgement where there is one. For one reader, who takes.
    #[must_use]
    pub fn flushes(&self) -> &Durations {
        &self.shared.flushes
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
            rules: self.read(|state| state.data().rules),
            rules_known: self.shared.knows,
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

/// Lets time pass when nobody comes.
pub(crate) async fn tick(handle: Handle) {
    let mut stopped = handle.shared.stopped.subscribe();
    let mut wait = Duration::ZERO;
    loop {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = stopped.wait_for(|stopped| *stopped) => return,
        }
        handle.shared.stall.look();
        let due = handle.shared.last_record.until_tick();
        if due.is_zero() {
            // A full mailbox means that records are coming anyway.
            let _ = handle.mailbox.try_send(Request::Tick);
        }
        // Where no record comes of it, as on a full disk, the next try is not at once.
        wait = if due.is_zero() { TICK } else { due };
    }
}

/// Wakes the loop when the journal tells of records that it has not applied.
pub(crate) fn wake(mailbox: &mpsc::WeakSender<Request>, shared: &Shared, position: u64) {
    shared.told.fetch_max(position, Ordering::AcqRel);
    if position <= shared.position.load(Ordering::Acquire) || shared.hearing.swap(true, Ordering::AcqRel) {
        return;
    }
    let sent = mailbox.upgrade().is_some_and(|mailbox| mailbox.try_send(Request::Hear).is_ok());
    if !sent {
        // A full mailbox means that a turn is coming, and hears as well.
        shared.hearing.store(false, Ordering::Release);
    }
}
