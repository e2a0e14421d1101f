//! Applying delivered records: own ones from the batch, others decoded; and comparing
//! checkpoints on the way.
//!
//! It must never apply a command that needs newer rules than this build knows, nor anything
//! after it. Start reading at [`Applier::apply`].

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use jari_core::rules::newer_needed;
use jari_core::{Body, Command, Outcome, Reason, State, checkpoint, step};
use jari_journal::{Entry, Position};
use jari_wire::record::{self, DecodeError, Record};

/// How many commands' memory is asked for together: what many thousands need would push
/// each other out of the caches again.
const WARM_LEN: usize = 64;
/// Own digests that are remembered for those of others: a node that was silent for longer
/// compares its next one.
const MARKS_MAX: usize = 64;
/// A checkpoint is due after so many commands, also under load.
const CHECKPOINT_EVERY: u64 = 20_000;

/// The batch of a turn on its way through the journal.
pub(crate) struct Own<'a> {
    pub commands: &'a [Command],
    /// Records handed over: their sequence numbers, and which commands they hold.
    records: VecDeque<(u64, Range<usize>)>,
    /// Commands that are in no record, and why they are refused.
    pub unfit: BTreeMap<usize, Reason>,
}

impl<'a> Own<'a> {
    pub fn new(commands: &'a [Command]) -> Own<'a> {
        Own { commands, records: VecDeque::new(), unfit: BTreeMap::new() }
    }

    /// A record with these commands is on its way.
    pub fn handed_over(&mut self, sequence: u64, commands: Range<usize>) {
        self.records.push_back((sequence, commands));
    }
}

/// Why a delivered record is not applied, or not to its end. Stop.
#[derive(Debug)]
pub(crate) enum Halt {
    Unreadable(DecodeError),
    /// This version of the rules is not known here.
    Rules(u32),
}

/// A checkpoint that says something else than this node's own state did.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Difference {
    /// The position that both speak of.
    pub at: u64,
    /// Who says otherwise.
    pub node: u16,
    pub theirs: u64,
    pub ours: u64,
}

/// See the module's documentation.
pub(crate) struct Applier {
    knows: u32,
    /// Positions of checkpoints, and the digest of this node's state after each.
    marks: VecDeque<(u64, u64)>,
    /// Commands since the last checkpoint.
    since: u64,
    /// Checkpoints that agreed, and that did not.
    compared: (u64, u64),
    difference: Option<Difference>,
}

impl Applier {
    /// For a build that knows rules up to `knows`.
    pub fn new(knows: u32) -> Applier {
        Applier { knows, marks: VecDeque::new(), since: 0, compared: (0, 0), difference: None }
    }

    /// Applies a delivered record: from the batch if it is this node's own, else decoded.
    pub fn apply(
        &mut self,
        state: &mut State,
        entry: Entry<'_>,
        node: u16,
        own: &mut Own<'_>,
        answer: &mut dyn FnMut(usize, Outcome),
    ) -> Result<(), Halt> {
        let head = record::decode_head(entry.payload).map_err(Halt::Unreadable)?;
        let next = own.records.front();
        let mine = head.node == node && next.is_some_and(|(sequence, _)| *sequence == head.sequence);
        if !mine {
            let record = record::decode(entry.payload).map_err(Halt::Unreadable)?;
            return self.replay(state, entry.position, &record).map_err(Halt::Rules);
        }
        state.advance(head.at);
        let (_, range) = own.records.pop_front().expect("the front was just seen");
        let mut marks = false;
        for from in range.clone().step_by(WARM_LEN) {
            let upto = range.end.min(from + WARM_LEN);
            state.warm(&own.commands[from..upto]);
            for index in from..upto {
                if let Some(reason) = own.unfit.get(&index) {
                    answer(index, Outcome::refused(*reason));
                } else {
                    let command = &own.commands[index];
                    marks |= self.look(state, command, node).map_err(Halt::Rules)?;
                    answer(index, step(state, command, head.at));
                }
            }
        }
        self.mark_if(marks, state, entry.position);
        Ok(())
    }

    /// Applies a record that nobody here waits for; an error is the version of the rules that
    /// this build does not know.
    pub fn replay(&mut self, state: &mut State, position: Position, record: &Record) -> Result<(), u32> {
        let at = record.head.at;
        state.advance(at);
        let mut marks = false;
        for commands in record.commands.chunks(WARM_LEN) {
            state.warm(commands);
            for command in commands {
                marks |= self.look(state, command, record.head.node)?;
                step(state, command, at);
            }
        }
        self.mark_if(marks, state, position);
        Ok(())
    }

    /// Looks at a command of a node's record before it is applied; says whether it is a
    /// checkpoint.
    fn look(&mut self, state: &State, command: &Command, node: u16) -> Result<bool, u32> {
        match command.body {
            Body::Upgrade { .. } => newer_needed(state, command, self.knows).map_or(Ok(false), Err),
            Body::Checkpoint { position, digest } => {
                self.compare(position, digest, node);
                Ok(true)
            }
            _ => {
                self.since += 1;
                Ok(false)
            }
        }
    }

    fn compare(&mut self, at: u64, theirs: u64, node: u16) {
        let Some((_, ours)) = self.marks.iter().find(|(position, _)| *position == at).copied() else {
            return;
        };
        if ours == theirs {
            self.compared.0 += 1;
            return;
        }
        self.compared.1 += 1;
        self.difference.get_or_insert(Difference { at, node, theirs, ours });
    }

    /// Remembers the state's digest after a record with a checkpoint.
    fn mark_if(&mut self, marks: bool, state: &State, position: Position) {
        if !marks {
            return;
        }
        if self.marks.len() == MARKS_MAX {
            self.marks.pop_front();
        }
        self.marks.push_back((position.0, checkpoint::digest(state.data())));
        self.since = 0;
    }

    /// The newest checkpoint and the digest after it; zeros before the first.
    pub fn last_mark(&self) -> (u64, u64) {
        self.marks.back().copied().unwrap_or_default()
    }

    /// See [`crate::Engine::checkpoint_due`].
    pub fn is_checkpoint_due(&self, idle: bool) -> bool {
        self.since >= if idle { 1 } else { CHECKPOINT_EVERY }
    }

    /// How many checkpoints agreed with this state, and how many did not.
    pub fn compared(&self) -> (u64, u64) {
        self.compared
    }

    /// The first checkpoint that differed since this was last asked.
    pub fn take_difference(&mut self) -> Option<Difference> {
        self.difference.take()
    }
}
