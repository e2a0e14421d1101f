//! One machine of the simulated cluster: the real engine and file journal on a faulty disk.
//!
//! Snapshots are kept as the service keeps them (two, written aside and renamed, the newest that
//! is whole counts), but on the same faulty disk. It must never serve what does not agree with
//! the order that the auditor knows. Start reading at [`SimNode::boot`].

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jari_core::rules::RULES_FIRST;
use jari_core::{Body, Command, Data, Outcome, Time};
use jari_journal::{
    Chain, CrashFate, Disk, FaultyDisk, FileJournal, FileOptions, Journal, Position, Recovery,
    ReplicatedJournal, ReplicatedOptions, read_file, replace_file,
};
use jari_node::{Engine, EngineOptions, RecoverError, TurnError};
use jari_wire::snapshot::{self, SnapshotMeta};

use super::auditor::{Auditor, Promise, Violation, broken};
use super::faults::{Counts, Fault};
use super::plan::Plan;
use super::stream::SimStream;
use super::tap::{Ear, Tap};

const JOURNAL_DIR: &str = "/journal";
const SNAPSHOTS_DIR: &str = "/snapshots";
/// The longest text or byte string that a record carries.
const RECORD_TEXT_BYTES_MAX: usize = 4_096;
const SNAPSHOT_BYTES_MAX: u64 = 64 << 20;
/// As the service keeps them: the newest, and one to fall back on.
const SNAPSHOTS_KEPT: usize = 2;

type Snapshot = (SnapshotMeta, Data);

/// A request on its way or in a mailbox.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// Who asks.
    pub client: usize,
    /// What.
    pub command: Command,
}

impl Envelope {
    /// Whether the engine of a node refuses it without a record: it is beyond what one may carry,
    /// or beyond the rules in force or those that the node's build knows.
    #[must_use]
    pub fn is_unfit(&self, node: &SimNode) -> bool {
        let beyond = matches!(self.command.body, Body::Upgrade { rules } if rules > node.turned_knowing);
        beyond || self.command.body.rules_min() > node.turned_under || self.is_too_long()
    }

    /// Whether no record can carry it.
    #[must_use]
    pub fn is_too_long(&self) -> bool {
        matches!(&self.command.body, Body::KeepContact { sealed, .. } if sealed.len() > RECORD_TEXT_BYTES_MAX)
    }
}

/// See the module's documentation.
pub struct SimNode {
    /// Its number, which its records carry.
    pub number: u16,
    /// Its disk.
    pub disk: FaultyDisk,
    /// What its engine hands over and is delivered.
    pub ear: Ear,
    /// Its engine, while it runs.
    pub engine: Option<Engine>,
    /// Grows with every start and end.
    pub life: u32,
    /// Requests that wait.
    pub mailbox: Vec<Envelope>,
    /// A turn is due or under way.
    pub turning: bool,
    /// How far its clock is ahead, milliseconds.
    pub skew_ms: i64,
    /// How long a turn takes at the most, milliseconds.
    pub disk_ms: u32,
    /// Commands since its last snapshot.
    pub since_snapshot: u32,
    /// The last position that its journal delivered: flushed on its own disk.
    pub flushed: u64,
    /// Records handed over whose fate is unknown: all of them are kept, or none.
    pub unreported: Vec<Vec<u8>>,
    /// A bit was flipped, and this is the disk before it.
    pub intact: Option<FaultyDisk>,
    /// The disk will fail; what it keeps then, and as which trouble that counts.
    pub fate: Option<(CrashFate, Fault)>,
    /// It will end after its next turn, before anyone is answered.
    pub mute: bool,
    /// The newest rules that its build knows.
    pub knows: u32,
    /// The rules in force when its last turn began.
    pub turned_under: u32,
    /// The newest rules that the build knew which had that turn.
    pub turned_knowing: u32,
}

/// What a start came to, with what was said.
pub enum Boot {
    /// It runs.
    Up,
    /// Not now.
    Later(String),
    /// Never on this disk: it is damaged.
    Damaged(String),
    /// Not with this build: these rules count.
    TooOld(u32),
}

impl SimNode {
    /// A machine with an empty disk.
    #[must_use]
    pub fn new(number: u16, seed: u64, knows: u32) -> SimNode {
        SimNode {
            number,
            disk: FaultyDisk::new(seed),
            ear: Ear::default(),
            engine: None,
            life: 0,
            mailbox: Vec::new(),
            turning: false,
            skew_ms: 0,
            disk_ms: 3,
            since_snapshot: 0,
            flushed: 0,
            unreported: Vec::new(),
            intact: None,
            fate: None,
            mute: false,
            knows,
            turned_under: RULES_FIRST,
            turned_knowing: knows,
        }
    }

    /// Starts from what the disk holds, and from the stream if there is one.
    ///
    /// # Errors
    ///
    /// The broken promise. That a start stops is none if a bit was flipped, if the disk is full,
    /// or if `excused`: the stream is away, or the power is about to go.
    pub fn boot(
        &mut self,
        plan: &Plan,
        stream: Option<&SimStream>,
        excused: bool,
        auditor: &mut Auditor,
        counts: &mut Counts,
    ) -> Result<Boot, Violation> {
        let journal = match self.open(plan, stream, counts) {
            Ok(journal) => journal,
            Err(error) => return self.stopped(excused, &error),
        };
        if let Some(stopped) = self.check_journal(&*journal, stream.is_some(), auditor, counts)? {
            return self.stopped(excused, &stopped);
        }
        let (snapshot, damaged) = self.newest_snapshot();
        if !damaged.is_empty() && self.intact.is_none() {
            return self.stopped(excused, &format!("a snapshot that nobody touched: {damaged:?}"));
        }
        for (path, _) in &damaged {
            counts.happened(Fault::SnapshotBitNoticed);
            // Whoever is told of it takes it away.
            self.forget(path);
        }
        let ear = Ear::default();
        let tap = Tap { inner: journal, ear: ear.clone() };
        // A life of its own in a cluster, as the service draws one; alone, numbers go on.
        let life = if stream.is_some() { 1 + self.life } else { 0 };
        let record_bytes_max = plan.record_bytes_max;
        let options = EngineOptions { node: self.number, life, record_bytes_max, knows: self.knows };
        let (engine, recovered) = match Engine::recover(Box::new(tap), snapshot, options) {
            Ok(recovered) => recovered,
            Err(RecoverError::Rules { needs, .. }) => return Ok(Boot::TooOld(needs)),
            Err(error) => return self.stopped(excused, &error.to_string()),
        };
        if recovered.snapshot > 0 {
            counts.happened(Fault::FromSnapshot);
        }
        let (position, _) = engine.applied();
        engine.read(|state| auditor.compare_hash(position.0, state))?;
        self.intact = None;
        self.flushed = position.0;
        self.since_snapshot = 0;
        (self.ear, self.engine) = (ear, Some(engine));
        Ok(Boot::Up)
    }

    /// A start that stopped, and why that is no wonder; else a broken promise.
    fn stopped(&self, excused: bool, why: &str) -> Result<Boot, Violation> {
        if excused || self.is_limited() {
            return Ok(Boot::Later(why.to_owned()));
        }
        if self.intact.is_some() {
            return Ok(Boot::Damaged(why.to_owned()));
        }
        let words = format!("node {} does not start, though its disk only lost power: {why}", self.number);
        broken(Promise::Lost, "restart", words)
    }

    fn open(
        &self,
        plan: &Plan,
        stream: Option<&SimStream>,
        counts: &mut Counts,
    ) -> Result<Box<dyn Journal>, String> {
        let mut options = FileOptions::new(JOURNAL_DIR);
        options.segment_bytes_max = plan.segment_bytes_max;
        options.check_all = plan.check_all;
        let disk = Arc::new(self.disk.clone());
        let said = |error: &dyn std::fmt::Display| format!("the journal cannot be opened: {error}");
        let (journal, recovery): (Box<dyn Journal>, Recovery) = match stream {
            None => {
                let (journal, recovery) =
                    FileJournal::open_on(disk, options).map_err(|error| said(&error))?;
                (Box::new(journal), recovery)
            }
            Some(stream) => {
                let line = stream.line(usize::from(self.number), self.life);
                let life = u64::from(self.number) << 32 | u64::from(self.life);
                let replicated = ReplicatedOptions { life, tries_max: 3 };
                let (journal, caught_up) = ReplicatedJournal::open_on(disk, line, options, replicated)
                    .map_err(|error| said(&error))?;
                (Box::new(journal), caught_up.files)
            }
        };
        if recovery.torn_bytes > 0 {
            counts.happened(Fault::TornWriteDropped);
        }
        Ok(journal)
    }

    /// Reads all that the journal kept and compares it with the order that is known; says why
    /// it cannot be read, if it cannot.
    fn check_journal(
        &mut self,
        journal: &dyn Journal,
        in_cluster: bool,
        auditor: &mut Auditor,
        counts: &mut Counts,
    ) -> Result<Option<String>, Violation> {
        let mut found = Vec::new();
        let read = journal.read(Position(journal.first().0 - 1), &mut |entry| {
            found.push((entry.position.0, entry.chain.0, entry.payload.to_vec()));
            ControlFlow::Continue(())
        });
        if let Err(error) = read {
            return Ok(Some(format!("the journal cannot be read: {error}")));
        }
        let head = journal.head().0.0;
        if head < self.flushed {
            let words =
                format!("node {} had flushed {}, and its journal ends at {head}", self.number, self.flushed);
            return broken(Promise::Lost, "flushed records kept", words);
        }
        let known = auditor.head();
        let unknown: Vec<_> = found.iter().filter(|(position, ..)| *position > known).collect();
        let unreported = std::mem::take(&mut self.unreported);
        if !unknown.is_empty() {
            if in_cluster || !unknown.iter().map(|(.., payload)| payload).eq(&unreported) {
                let words = format!("{} records nobody was told of are there after {known}", unknown.len());
                return broken(Promise::Lost, "all of a group or none", words);
            }
            counts.happened(Fault::UnreportedWriteKept);
        }
        for (position, chain, payload) in &found {
            auditor.learn(*position, payload, Some(*chain))?;
        }
        Ok(None)
    }

    /// The newest snapshot that is whole, and what is wrong with newer ones.
    fn newest_snapshot(&self) -> (Option<Snapshot>, Vec<(PathBuf, String)>) {
        let mut damaged = Vec::new();
        for path in self.snapshots().into_iter().rev() {
            let read = read_file(&self.disk, &path, SNAPSHOT_BYTES_MAX).map_err(|error| error.to_string());
            match read.and_then(|bytes| snapshot::read(&mut &*bytes).map_err(|error| error.to_string())) {
                Ok(found) => return (Some(found), damaged),
                Err(error) => damaged.push((path, error)),
            }
        }
        (None, damaged)
    }

    /// The snapshots on the disk, oldest first.
    #[must_use]
    pub fn snapshots(&self) -> Vec<PathBuf> {
        let names = self.disk.list(Path::new(SNAPSHOTS_DIR)).unwrap_or_default();
        let whole = names.iter().filter(|name| name.ends_with(".snapshot"));
        whole.map(|name| Path::new(SNAPSHOTS_DIR).join(name)).collect()
    }

    /// The journal's segments on the disk, oldest first.
    #[must_use]
    pub fn segments(&self) -> Vec<PathBuf> {
        let names = self.disk.list(Path::new(JOURNAL_DIR)).unwrap_or_default();
        let segments = names.iter().filter(|name| name.ends_with(".segment"));
        segments.map(|name| Path::new(JOURNAL_DIR).join(name)).collect()
    }

    /// Whether it could start from the snapshot before the newest: one loss is to be survived,
    /// not two in a row.
    #[must_use]
    pub fn can_fall_back(&self) -> bool {
        let number = |path: &PathBuf| path.file_stem()?.to_str()?.parse::<u64>().ok();
        let snapshots = self.snapshots();
        let before = snapshots.len().checked_sub(2).and_then(|index| number(&snapshots[index]));
        let first = self.segments().first().and_then(number);
        before.zip(first).is_some_and(|(before, first)| before + 1 >= first)
    }

    /// Takes a snapshot away for good.
    pub fn forget(&self, snapshot: &Path) {
        let removed = self.disk.remove(snapshot).and_then(|()| self.disk.sync_dir(Path::new(SNAPSHOTS_DIR)));
        // The power may be about to go: then it is still there, and found again.
        drop(removed);
    }

    /// Takes a snapshot and lets the journal go; `false` if the disk failed.
    pub fn take_snapshot(&mut self) -> bool {
        let Some(engine) = &mut self.engine else { return true };
        let (position, Chain(chain), data) = engine.freeze();
        self.since_snapshot = 0;
        let mut bytes = Vec::new();
        snapshot::write(&data, position.0, chain, &mut bytes).expect("memory takes what is written to it");
        let path = Path::new(SNAPSHOTS_DIR).join(format!("{:020}.snapshot", position.0));
        let is_another = !self.snapshots().contains(&path);
        match replace_file(&self.disk, &path, &bytes) {
            Ok(()) => {}
            // The journal keeps everything.
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => return true,
            Err(_) => {
                // Its name may not last, so it is none to fall back on.
                if is_another {
                    drop(self.disk.remove(&path));
                }
                return false;
            }
        }
        let mut kept = self.snapshots();
        while kept.len() > SNAPSHOTS_KEPT {
            if self.disk.remove(&kept.remove(0)).is_err() {
                return false;
            }
        }
        let oldest = kept[0].file_stem().and_then(|name| name.to_str()?.parse().ok()).unwrap_or(0);
        let Some(engine) = &mut self.engine else { return true };
        engine.release(Position(oldest)).is_ok()
    }

    /// One turn of the engine at the node's own clock.
    pub fn turn(&mut self, commands: &[Command], now: u64) -> (Result<(), TurnError>, Vec<(usize, Outcome)>) {
        let now = Time(now.saturating_add_signed(self.skew_ms));
        let mut answers = Vec::with_capacity(commands.len());
        let engine = self.engine.as_mut().expect("only a running node has turns");
        // An empty journal gets the newest rules before anything else.
        let begins = engine.applied().0 == Position::ZERO;
        // A newer build on the disk is not the one that runs.
        self.turned_knowing = engine.knows();
        self.turned_under =
            if begins { self.turned_knowing } else { engine.read(|state| state.data().rules) };
        let turned = engine.turn(commands, now, &mut |index, outcome| answers.push((index, outcome)));
        (turned, answers)
    }

    /// The node is gone, and what waited in it.
    pub fn down(&mut self) {
        self.engine = None;
        self.mailbox.clear();
        (self.turning, self.fate, self.mute) = (false, None, false);
        self.life += 1;
    }

    /// Whether its disk is, or will soon be, full.
    fn is_limited(&self) -> bool {
        self.disk.room_bytes(Path::new(JOURNAL_DIR)).is_some()
    }

    /// Whether it runs.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.engine.is_some()
    }
}
