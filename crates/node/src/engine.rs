//! The loop without threads, clocks or sockets: batch, journal, step, answer.
//!
//! It must never step a command whose record is not final and durable, and never apply
//! records in another order than they are delivered. Records of other nodes are applied
//! like its own; only its own are answered.

use std::ops::ControlFlow;
use std::sync::{Arc, RwLock};

use jari_core::ids::CommandId;
use jari_core::invariants::{self, Violation};
use jari_core::rules::{RULES_FIRST, RULES_LEASES, RULES_NEWEST};
use jari_core::{Body, Command, Data, Outcome, Reason, State, Time};
use jari_journal::{
    AppendError, Chain, Entry, Journal, Position, ReadError, ReleaseError, SettleError, Told,
};
use jari_wire::record::{self, DecodeError, RecordWriter};
use jari_wire::snapshot::SnapshotMeta;

use crate::apply::{Applier, Halt, Own};
use crate::duty::Identity;

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
    /// The newest rules that this node takes part in: what its build knows. Less stands for
    /// an older build, in simulations.
    pub knows: u32,
}

impl Default for EngineOptions {
    fn default() -> Self {
        EngineOptions { node: 0, life: 0, record_bytes_max: 256 * 1024, knows: RULES_NEWEST }
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
    applier: Applier,
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
    /// Checkpoints in them that this state agrees with, and that it does not.
    pub checkpoints: (u64, u64),
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
    /// This build is too old for what stands there. Install a newer one.
    #[error(
        "position {position} needs version {needs} of the rules, and this build knows rules up to {knows}; \
         install a newer one and start again: it goes on from the files of this one"
    )]
    Rules {
        /// Where: the record that makes the version count, or the snapshot under it.
        position: Position,
        /// The version.
        needs: u32,
        /// What this build knows.
        knows: u32,
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
    /// Stop: this build is too old for the rules that count from here on.
    #[error(
        "the record at position {position} makes version {needs} of the rules count, and this build knows \
         rules up to {knows}; install a newer one and start again: it goes on from the files of this one"
    )]
    Rules {
        /// Where.
        position: Position,
        /// The version.
        needs: u32,
        /// What this build knows.
        knows: u32,
    },
    /// Stop: from the same records another node came to another state.
    #[error(
        "after position {at} node {node} says its state is {theirs:016x}, and that of this node, {me}, is \
         {ours:016x}: one of them is wrong though both have the same records. Stop every node; compare \
         their `jari journal verify`; move the snapshots of the wrong one away and start again"
    )]
    Differs {
        /// The position of the checkpoint.
        at: Position,
        /// Who said otherwise.
        node: u16,
        /// This node.
        me: u16,
        /// Their state's digest.
        theirs: u64,
        /// This one's.
        ours: u64,
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
            let (needs, knows) = (data.rules, options.knows);
            if needs > knows {
                return Err(RecoverError::Rules { position: applied, needs, knows });
            }
            check_same_history(&*journal, applied, chain)?;
            state = State::restore(data).map_err(RecoverError::Snapshot)?;
            recovered.snapshot = meta.position;
        }
        let mut sequence = u64::from(options.life) << 32;
        let mut applier = Applier::new(options.knows);
        let mut halted = None;
        journal.read(applied, &mut |entry| {
            let record = match record::decode(entry.payload) {
                Ok(record) => record,
                Err(error) => {
                    halted = Some(RecoverError::Record { position: entry.position, error });
                    return ControlFlow::Break(());
                }
            };
            if record.head.node == options.node && options.life == 0 {
                sequence = record.head.sequence + 1;
            }
            recovered.records += 1;
            recovered.commands += record.commands.len() as u64;
            if let Err(needs) = applier.replay(&mut state, entry.position, &record) {
                let (position, knows) = (entry.position, options.knows);
                halted = Some(RecoverError::Rules { position, needs, knows });
                return ControlFlow::Break(());
            }
            applied = entry.position;
            chain = entry.chain;
            ControlFlow::Continue(())
        })?;
        if let Some(error) = halted {
            return Err(error);
        }
        recovered.checkpoints = applier.compared();
        // What the journal says counts; a snapshot or an earlier life that differed from it was
        // wrong. So this is no reason to stay down, and a reason to look.
        if let Some(difference) = applier.take_difference() {
            tracing::error!(
                ?difference,
                "the replay came to another state than a checkpoint in the journal says"
            );
        }
        let state = Arc::new(RwLock::new(state));
        let writer = RecordWriter::new();
        Ok((Engine { journal, state, writer, options, sequence, applied, chain, applier }, recovered))
    }

    /// Who this node is to the others.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity { node: self.options.node, life: self.options.life }
    }

    /// The newest rules that this node takes part in.
    #[must_use]
    pub fn knows(&self) -> u32 {
        self.options.knows
    }

    /// Asks the journal to tell when others may have written; gives whether there are others.
    pub fn watch(&mut self, told: Told) -> bool {
        self.journal.watch(told)
    }

    /// Takes a batch through the journal and the state machine. `answer` is called once
    /// for each command, with its index, after its record is durable and applied.
    ///
    /// `now` is the batch's one time stamp; an instant before the state's is replaced by
    /// the state's. An empty batch lets time pass.
    ///
    /// A journal that is empty gets a record of its own first, which makes the newest rules
    /// count that this build knows: so a new service has them, and whoever replays it knows.
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
        if self.applied == Position::ZERO && self.options.knows > RULES_FIRST {
            let upgrade = |rules| Command { id: CommandId(0), body: Body::Upgrade { rules } };
            let upgrades: Vec<Command> = (RULES_FIRST + 1..=self.options.knows).map(upgrade).collect();
            // Of several nodes that begin at once one comes first, and the others are refused.
            self.take_through(&upgrades, now, &mut |_, _| {})?;
        }
        self.take_through(commands, now, answer)
    }

    fn take_through(
        &mut self,
        commands: &[Command],
        now: Time,
        answer: &mut dyn FnMut(usize, Outcome),
    ) -> Result<(), TurnError> {
        let (time, rules) = self.read(|state| (state.data().time, state.data().rules));
        let at = now.max(time);
        let mut own = Own::new(commands);
        let mut from = 0;
        loop {
            let upto = self.write_record(&mut own, from, at, rules);
            own.handed_over(self.sequence, from..upto);
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
        self.settle(&mut Own::new(&[]), &mut |_, _| {})
    }

    /// What this node should say of its state now, if it is time to: after so many commands,
    /// or, where time is at hand (`idle`), as soon as there was one. Goes into the next turn.
    #[must_use]
    pub fn checkpoint_due(&self, idle: bool) -> Option<Command> {
        if !self.applier.is_checkpoint_due(idle) || self.read(|state| state.data().rules) < RULES_LEASES {
            return None;
        }
        let (position, digest) = self.applier.last_mark();
        Some(Command { id: CommandId(0), body: Body::Checkpoint { position, digest } })
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

    /// Writes commands from `from` on into one record; gives one past the last written. What the
    /// rules in force, or this build, do not know goes into no record: others could not read it.
    fn write_record(&mut self, own: &mut Own<'_>, from: usize, at: Time, rules: u32) -> usize {
        self.writer.begin(self.options.node, self.sequence, at);
        let mut upto = from;
        while upto < own.commands.len() && self.writer.len() < self.options.record_bytes_max {
            let body = &own.commands[upto].body;
            let beyond = matches!(body, Body::Upgrade { rules } if *rules > self.options.knows);
            if beyond || body.rules_min() > rules {
                own.unfit.insert(upto, Reason::RulesUnknown);
            } else if self.writer.push(&own.commands[upto]).is_err() {
                own.unfit.insert(upto, Reason::Full);
            }
            upto += 1;
        }
        upto
    }

    fn settle(&mut self, own: &mut Own<'_>, answer: &mut dyn FnMut(usize, Outcome)) -> Result<(), TurnError> {
        let Engine { journal, state, options, applied, chain, applier, .. } = self;
        let mut halted = None;
        let mut visit = |entry: Entry<'_>| {
            if halted.is_some() {
                return;
            }
            let mut state = state.write().expect("no panic left the state half changed");
            match applier.apply(&mut state, entry, options.node, own, answer) {
                Ok(()) => {
                    *applied = entry.position;
                    *chain = entry.chain;
                }
                Err(halt) => halted = Some((entry.position, halt)),
            }
        };
        let settled = journal.settle(&mut visit);
        if let Some((position, halt)) = halted {
            let knows = options.knows;
            return Err(match halt {
                Halt::Unreadable(error) => TurnError::Record { position, error },
                Halt::Rules(needs) => TurnError::Rules { position, needs, knows },
            });
        }
        if let Some(difference) = self.applier.take_difference() {
            self.object(difference.at, difference.ours);
            let (at, me) = (Position(difference.at), self.options.node);
            let crate::apply::Difference { node, theirs, ours, .. } = difference;
            return Err(TurnError::Differs { at, node, me, theirs, ours });
        }
        match settled {
            Ok(()) => Ok(()),
            Err(SettleError::Full) => Err(TurnError::Full),
            Err(SettleError::Broken { reason }) => Err(TurnError::Broken(reason)),
        }
    }

    /// Says what this node's state was where another one's differs, so that the other stops as
    /// well: which of them is wrong, neither can know. If it cannot be said, the next checkpoint
    /// of whoever goes on meets the same difference.
    fn object(&mut self, position: u64, digest: u64) {
        let at = self.read(|state| state.data().time);
        self.writer.begin(self.options.node, self.sequence, at);
        self.sequence += 1;
        let body = Body::Checkpoint { position, digest };
        let written = self.writer.push(&Command { id: CommandId(0), body });
        if written.is_ok() && self.journal.append(self.writer.finish()).is_ok() {
            // This node stops, whatever comes of it.
            let _ = self.journal.settle(&mut |_| {});
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
