//! The machine under test: the real engine on the real file journal, on a disk that fails on
//! purpose; snapshots in memory; crashes and recoveries.
//!
//! Must never keep anything over a crash but what is on the disk and the last whole snapshot.
//! Start at [`Host::turn`] and [`Host::crash`].

use std::sync::Arc;

use anyhow::{Context, bail};
use jari_core::{Command, Data, Outcome, State, Time, invariants};
use jari_journal::{CrashFate, FaultyDisk, FileJournal, FileOptions};
use jari_node::views::Publisher;
use jari_node::{Engine, EngineOptions, TurnError};
use jari_wire::snapshot;

use super::page::Facts;
use crate::scenario::{Crash, ROOM};

/// Small, so that an evening rolls over and releases many segments.
const SEGMENT_BYTES_MAX: u64 = 16 << 20;
/// Invariants are recounted in full after a recovery of a state no larger than this; a larger
/// one is recounted at the end.
const RECOUNT_BOOKINGS_MAX: usize = 200_000;

/// See the module's documentation.
pub struct Host {
    disk: FaultyDisk,
    engine: Option<Engine>,
    snapshot: Option<Vec<u8>>,
    publisher: Publisher,
    random: super::random::Random,
    /// Commands applied since the last snapshot.
    pub since_snapshot: u64,
    /// Commands applied in all.
    pub commands: u64,
    /// Bytes that crashes tore off the journal.
    pub torn_bytes: u64,
    /// Snapshots taken.
    pub snapshots: u32,
    /// The largest state at a snapshot, encoded, bytes.
    pub snapshot_bytes_max: u64,
}

fn options() -> FileOptions {
    FileOptions { segment_bytes_max: SEGMENT_BYTES_MAX, ..FileOptions::new("/journal") }
}

impl Host {
    /// A machine with an empty disk.
    ///
    /// # Errors
    ///
    /// If the engine does not start.
    pub fn start(seed: u64) -> anyhow::Result<Self> {
        let mut host = Self {
            disk: FaultyDisk::new(seed),
            engine: None,
            snapshot: None,
            publisher: Publisher::default(),
            random: super::random::Random::new(seed ^ 0x40_57),
            since_snapshot: 0,
            commands: 0,
            torn_bytes: 0,
            snapshots: 0,
            snapshot_bytes_max: 0,
        };
        host.recover()?;
        Ok(host)
    }

    /// Takes a batch through the engine; `Ok(false)` means that the process has ended, and
    /// nobody is to be answered.
    ///
    /// # Errors
    ///
    /// An invariant that does not hold, or a journal that cannot be understood: a bug.
    pub fn turn(
        &mut self,
        commands: &[Command],
        now: Time,
        outcomes: &mut Vec<Outcome>,
    ) -> anyhow::Result<bool> {
        outcomes.clear();
        let Some(engine) = &mut self.engine else { return Ok(false) };
        match engine.turn(commands, now, &mut |_, outcome| outcomes.push(outcome)) {
            Ok(()) => {}
            Err(TurnError::Broken(_)) => {
                outcomes.clear();
                self.engine = None;
                return Ok(false);
            }
            Err(error) => return Err(error).context("the engine's turn"),
        }
        self.commands += commands.len() as u64;
        self.since_snapshot += commands.len() as u64;
        if let Err(violation) = engine.check() {
            bail!(
                "invariant {} broken: {} (subject {})",
                violation.invariant,
                violation.says,
                violation.subject
            );
        }
        Ok(true)
    }

    /// Reads the state.
    ///
    /// # Panics
    ///
    /// If the process does not run: a bug of the simulation.
    pub fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        self.engine.as_ref().expect("only a running process is read").read(look)
    }

    /// The room's public document, as a browser reads it.
    ///
    /// # Errors
    ///
    /// If it is no document.
    pub fn publish(&mut self) -> anyhow::Result<Facts> {
        let Self { engine, publisher, .. } = self;
        let engine = engine.as_ref().context("only a running process publishes")?;
        let views = engine.read(|state| publisher.publish(state, engine.applied().0.0));
        let view = views.rooms.get(&ROOM).context("the room is published")?;
        Facts::parse(&view.document).context("the room's document can be read")
    }

    /// Makes the coming turn fail as `crash` says. The process ends by itself in that turn, or in
    /// [`Host::crash`].
    pub fn prepare(&mut self, crash: Crash) {
        match crash {
            // A batch is a write and a sync, at times with zeros ahead: cut one of the first.
            Crash::PowerDuring => self.disk.power_off_after(Some(1 + u64::from(self.random.below(2)))),
            Crash::SyncFails => self.disk.fail_sync_after(0),
            Crash::PowerBetween | Crash::KillBeforeAnswers => {}
        }
    }

    /// Ends the process and decides what the disk has kept.
    pub fn crash(&mut self, crash: Crash) {
        self.engine = None;
        self.publisher = Publisher::default();
        self.disk.crash(match crash {
            Crash::PowerBetween => CrashFate::KeepPrefix,
            Crash::PowerDuring => CrashFate::KeepSectors,
            Crash::KillBeforeAnswers => CrashFate::KeepAll,
            Crash::SyncFails => CrashFate::LoseUnsynced,
        });
    }

    /// Starts the process from the last snapshot and the journal; gives the commands replayed.
    ///
    /// # Errors
    ///
    /// If it cannot: then something acknowledged is lost.
    pub fn recover(&mut self) -> anyhow::Result<u64> {
        let (journal, opened) = FileJournal::open_on(Arc::new(self.disk.clone()), options())?;
        let snapshot = match &self.snapshot {
            Some(bytes) => Some(snapshot::read(&mut bytes.as_slice()).context("reading the snapshot")?),
            None => None,
        };
        let (engine, recovered) = Engine::recover(Box::new(journal), snapshot, EngineOptions::default())?;
        let recount = |state: &State| {
            let data = state.data();
            if data.bookings.len() > RECOUNT_BOOKINGS_MAX { Ok(()) } else { invariants::check(data) }
        };
        if let Err(violation) = engine.read(recount) {
            bail!("recovery broke invariant {}: {}", violation.invariant, violation.says);
        }
        self.engine = Some(engine);
        self.torn_bytes += opened.torn_bytes;
        Ok(recovered.commands)
    }

    /// Writes a snapshot and lets the journal drop what it covers.
    ///
    /// # Errors
    ///
    /// As the journal says.
    pub fn take_snapshot(&mut self) -> anyhow::Result<()> {
        let Some(engine) = &mut self.engine else { return Ok(()) };
        let (position, chain, data): (_, _, Data) = engine.freeze();
        let mut bytes = Vec::new();
        snapshot::write(&data, position.0, chain.0, &mut bytes)?;
        self.snapshot_bytes_max = self.snapshot_bytes_max.max(bytes.len() as u64);
        self.snapshot = Some(bytes);
        self.since_snapshot = 0;
        self.snapshots += 1;
        engine.release(position)?;
        Ok(())
    }

    /// Counts everything again.
    ///
    /// # Errors
    ///
    /// The first invariant that does not hold.
    pub fn recount(&self) -> Result<(), invariants::Violation> {
        self.read(|state| invariants::check(state.data()))
    }
}
