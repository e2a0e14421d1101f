//! The loop without threads, clocks or sockets: batch, journal, step, answer.
//!
//! It must never step a command whose record is not final and durable, and never apply
//! records in another order than they are delivered. Records of other nodes are applied
//! like its own; only its own are answered.

use std::collections::{BTreeSet, VecDeque};
use std::ops::{ControlFlow, Range};
use std::sync::{Arc, RwLock};

use jari_core::invariants::{self, Violation};
use jari_core::{Command, Data, Outcome, Reason, State, Time, step};
use jari_journal::{AppendError, Chain, Entry, Journal, Position, ReadError, ReleaseError, SettleError};
use jari_wire::record::{self, DecodeError, Record, RecordWriter};
use jari_wire::snapshot::SnapshotMeta;

/// How many commands' memory is asked for together: what many thousands need would push
/// each other out of the caches again.
const WARM_LEN: usize = 64;

/// Settings of an engine.
#[derive(Copy, Clone, Debug)]
pub struct EngineOptions {
    /// This node's number: records carry it, so that a node knows its own.
    pub node: u16,
    /// Drawn at random for each start where several nodes share the journal: it makes this
    /// life's sequence numbers unlike those of any other. A record that was handed over
    /// before a crash may come into the order after the restart, and must not be taken for
    /// one of this life. 0 where only this node writes: numbers go on where they ended.
    pub life: u32,
    /// A record is closed when it reaches this size.
    pub record_bytes_max: usize,
}

impl Default for EngineOptions {
    fn default() -> Self {
        EngineOptions { node: 0, life: 0, record_bytes_max: 256 * 1024 }
    }
}

/// See the module's documentation.
pub struct Engine {
    journal: Box<dyn Journal>,
    state: Arc<RwLock<State>>,
    writer: RecordWriter,
    options: EngineOptions,
    /// The next record's sequence number within this node.
    sequence: u64,
    applied: Position,
    chain: Chain,
}

/// What recovery found.
#[derive(Copy, Clone, Debug, Default)]
pub struct Recovered {
    /// The position of the snapshot it started from; 0 without one.
    pub snapshot: u64,
    /// Records replayed after it.
    pub records: u64,
    /// Commands in them.
    pub commands: u64,
}

/// Why an engine could not start. All of them: stop, and look.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The journal cannot be read.
    #[error("the journal cannot be read back: {0}")]
    Journal(#[from] ReadError),
    /// A record is whole but says nothing this build understands.
    #[error(
        "the record at position {position} cannot be understood ({error}); was it written by a newer version?"
    )]
    Record {
        /// Where.
        position: Position,
        /// What is wrong.
        error: DecodeError,
    },
    /// The snapshot breaks an invariant.
    #[error("the snapshot breaks invariant {}: {} (subject {})", .0.invariant, .0.says, .0.subject)]
    Snapshot(Violation),
    /// The snapshot belongs to another history.
    #[error(
        "the snapshot at position {position} belongs to another journal: the chains differ; move one of them away"
    )]
    OtherHistory {
        /// Where they differ.
        position: Position,
    },
}

/// Why a turn did not happen.
#[derive(Debug, thiserror::Error)]
pub enum TurnError {
    /// Try later: the disk is full, and nothing of the batch is kept.
    #[error("the journal has no room; nothing was changed")]
    Full,
    /// Stop: whether the batch is kept shows only when the journal is opened again.
    #[error("the journal is broken: {0}")]
    Broken(String),
    /// Stop: a record cannot be understood.
    #[error("the record at position {position} cannot be understood: {error}")]
    Record {
        /// Where.
        position: Position,
        /// What is wrong.
        error: DecodeError,
    },
}

impl Engine {
    /// Brings the state back from a snapshot, if there is one, and the records after it.
    ///
    /// # Errors
    ///
    /// See [`RecoverError`]; nothing is written in any case.
    pub fn recover(
        journal: Box<dyn Journal>,
        snapshot: Option<(SnapshotMeta, Data)>,
        options: EngineOptions,
    ) -> Result<(Engine, Recovered), RecoverError> {
        let mut recovered = Recovered::default();
        let mut state = State::new();
        let mut applied = Position::ZERO;
        let mut chain = Chain::ZERO;
        if let Some((meta, data)) = snapshot {
            applied = Position(meta.position);
            chain = Chain(meta.chain);
            check_same_history(&*journal, applied, chain)?;
            state = State::restore(data).map_err(RecoverError::Snapshot)?;
            recovered.snapshot = meta.position;
        }
        let mut sequence = u64::from(options.life) << 32;
        let mut unreadable = None;
        journal.read(applied, &mut |entry| {
            let record = match record::decode(entry.payload) {
                Ok(record) => record,
                Err(error) => {
                    unreadable = Some(RecoverError::Record { position: entry.position, error });
                    return ControlFlow::Break(());
                }
            };
            if record.head.node == options.node && options.life == 0 {
                sequence = record.head.sequence + 1;
            }
            recovered.records += 1;
            recovered.commands += record.commands.len() as u64;
            replay(&mut state, &record);
            applied = entry.position;
            chain = entry.chain;
            ControlFlow::Continue(())
        })?;
        if let Some(error) = unreadable {
            return Err(error);
        }
        let state = Arc::new(RwLock::new(state));
        let writer = RecordWriter::new();
        Ok((Engine { journal, state, writer, options, sequence, applied, chain }, recovered))
    }

    /// Takes a batch through the journal and the state machine. `answer` is called once
    /// for each command, with its index, after its record is durable and applied.
    ///
    /// `now` is the batch's one time stamp; an instant before the state's is replaced by
    /// the state's. An empty batch lets time pass.
    ///
    /// # Errors
    ///
    /// See [`TurnError`]; `answer` has not been called for any command that is not
    /// durable.
    pub fn turn(
        &mut self,
        commands: &[Command],
        now: Time,
        answer: &mut dyn FnMut(usize, Outcome),
    ) -> Result<(), TurnError> {
        let at = now.max(self.read(|state| state.data().time));
        let mut own = Own { commands, records: VecDeque::new(), unfit: BTreeSet::new() };
        let mut from = 0;
        loop {
            let upto = self.write_record(&mut own, from, at);
            own.records.push_back((self.sequence, from..upto));
            self.sequence += 1;
            match self.journal.append(self.writer.finish()) {
                Ok(()) => {}
                Err(AppendError::SettleFirst { .. }) => {
                    self.settle(&mut own, answer)?;
                    self.journal.append(self.writer.finish()).map_err(turn_error)?;
                }
                Err(error) => {
                    // What was handed over before must not linger in the buffer.
                    self.settle(&mut own, answer)?;
                    return Err(turn_error(error));
                }
            }
            from = upto;
            if from >= commands.len() {
                break;
            }
        }
        self.settle(&mut own, answer)
    }

    /// Applies what other nodes have made final meanwhile, without adding anything.
    ///
    /// # Errors
    ///
    /// See [`TurnError`].
    pub fn hear(&mut self) -> Result<(), TurnError> {
        let mut own = Own { commands: &[], records: VecDeque::new(), unfit: BTreeSet::new() };
        self.settle(&mut own, &mut |_, _| {})
    }

    /// The state, to be read by others; the engine alone writes to it.
    #[must_use]
    pub fn state(&self) -> Arc<RwLock<State>> {
        Arc::clone(&self.state)
    }

    /// Reads the state.
    ///
    /// # Panics
    ///
    /// If a panic has left it half changed.
    pub fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.read().expect("no panic left the state half changed"))
    }

    /// The last record applied and the chain after it.
    #[must_use]
    pub fn applied(&self) -> (Position, Chain) {
        (self.applied, self.chain)
    }

    /// What a snapshot of this moment holds. Takes about a millisecond with ten
    /// million bookings; encode it elsewhere.
    ///
    /// # Panics
    ///
    /// As [`Engine::read`].
    #[must_use]
    pub fn freeze(&self) -> (Position, Chain, Data) {
        let mut state = self.state.write().expect("no panic left the state half changed");
        (self.applied, self.chain, state.freeze())
    }

    /// Checks the invariants that are cheap to check.
    ///
    /// # Errors
    ///
    /// The first one that does not hold: a bug. Stop before it spreads.
    pub fn check(&self) -> Result<(), Violation> {
        self.read(|state| invariants::check_light(state.data()))
    }

    /// Lets the journal drop records that a snapshot covers.
    ///
    /// # Errors
    ///
    /// As the journal says.
    pub fn release(&mut self, upto: Position) -> Result<(), ReleaseError> {
        self.journal.release(upto)
    }

    /// Room left in the journal, in bytes, if it can tell.
    #[must_use]
    pub fn room_bytes(&self) -> Option<u64> {
        self.journal.room_bytes()
    }

    /// Writes commands from `from` on into one record; gives one past the last written.
    fn write_record(&mut self, own: &mut Own<'_>, from: usize, at: Time) -> usize {
        self.writer.begin(self.options.node, self.sequence, at);
        let mut upto = from;
        while upto < own.commands.len() && self.writer.len() < self.options.record_bytes_max {
            if self.writer.push(&own.commands[upto]).is_err() {
                own.unfit.insert(upto);
            }
            upto += 1;
        }
        upto
    }

    fn settle(&mut self, own: &mut Own<'_>, answer: &mut dyn FnMut(usize, Outcome)) -> Result<(), TurnError> {
        let Engine { journal, state, options, applied, chain, .. } = self;
        let mut unreadable = None;
        let mut visit = |entry: Entry<'_>| {
            if unreadable.is_some() {
                return;
            }
            let mut state = state.write().expect("no panic left the state half changed");
            match apply_entry(&mut state, entry, options.node, own, answer) {
                Ok(()) => {
                    *applied = entry.position;
                    *chain = entry.chain;
                }
                Err(error) => unreadable = Some(TurnError::Record { position: entry.position, error }),
            }
        };
        let settled = journal.settle(&mut visit);
        match (unreadable, settled) {
            (Some(error), _) => Err(error),
            (None, Ok(())) => Ok(()),
            (None, Err(SettleError::Full)) => Err(TurnError::Full),
            (None, Err(SettleError::Broken { reason })) => Err(TurnError::Broken(reason)),
        }
    }
}

/// The batch of a turn on its way through the journal.
struct Own<'a> {
    commands: &'a [Command],
    /// Records handed over: their sequence numbers, and which commands they hold.
    records: VecDeque<(u64, Range<usize>)>,
    /// Commands too long for any record. They are in none, and refused.
    unfit: BTreeSet<usize>,
}

/// Applies a delivered record: from the batch if it is this node's own, else decoded.
fn apply_entry(
    state: &mut State,
    entry: Entry<'_>,
    node: u16,
    own: &mut Own<'_>,
    answer: &mut dyn FnMut(usize, Outcome),
) -> Result<(), DecodeError> {
    let head = record::decode_head(entry.payload)?;
    state.advance(head.at);
    let mine =
        head.node == node && own.records.front().is_some_and(|(sequence, _)| *sequence == head.sequence);
    if !mine {
        replay(state, &record::decode(entry.payload)?);
        return Ok(());
    }
    let (_, range) = own.records.pop_front().expect("the front was just seen");
    for from in range.clone().step_by(WARM_LEN) {
        let upto = range.end.min(from + WARM_LEN);
        state.warm(&own.commands[from..upto]);
        for index in from..upto {
            if own.unfit.contains(&index) {
                answer(index, Outcome::refused(Reason::Full));
            } else {
                answer(index, step(state, &own.commands[index], head.at));
            }
        }
    }
    Ok(())
}

/// Applies a record that nobody here waits for.
fn replay(state: &mut State, record: &Record) {
    state.advance(record.head.at);
    for commands in record.commands.chunks(WARM_LEN) {
        state.warm(commands);
        for command in commands {
            step(state, command, record.head.at);
        }
    }
}

fn turn_error(error: AppendError) -> TurnError {
    match error {
        AppendError::Full => TurnError::Full,
        other => TurnError::Broken(other.to_string()),
    }
}

/// A snapshot and a journal fit if the journal's chain at the snapshot's position is the
/// snapshot's. A record that was released cannot be compared; the next one's own check
/// against the chain covers it.
fn check_same_history(journal: &dyn Journal, position: Position, chain: Chain) -> Result<(), RecoverError> {
    let (head, head_chain) = journal.head();
    let differs = if head == position {
        head_chain != chain
    } else if position.0 >= journal.first().0 && position.0 > 0 {
        let mut there = chain;
        journal.read(Position(position.0 - 1), &mut |entry| {
            there = entry.chain;
            ControlFlow::Break(())
        })?;
        there != chain
    } else {
        false
    };
    if differs { Err(RecoverError::OtherHistory { position }) } else { Ok(()) }
}
