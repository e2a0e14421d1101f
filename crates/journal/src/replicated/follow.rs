//! Bringing the node's own files up to the stream.
//!
//! It must never put a record into the files that does not follow the one before it, or
//! whose writer had another history. Start reading at [`Follower::take_upto`].

use std::collections::VecDeque;
use std::ops::ControlFlow;

use crate::contract::{AppendError, Chain, Entry, Journal, Position, SettleError};
use crate::file::FileJournal;
use crate::replicated::envelope;
use crate::replicated::stream::{Stream, TakeError};

/// How many chains are remembered to compare writers' with. A writer that was further
/// behind when it offered its record is not compared.
const CHAINS_MAX: usize = 4096;

/// Why the files could not be brought up to the stream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The stream does not answer, however often it is asked.
    #[error("the stream cannot be reached: {0}")]
    Away(String),
    /// Stop.
    #[error("{0}")]
    Broken(String),
    /// The disk of the files is full.
    #[error("no room in the node's own files")]
    FilesFull,
}

/// The chains after the last records, to compare with those of other writers.
pub(crate) struct Chains {
    /// The position of the last one in `recent`.
    last: Position,
    recent: VecDeque<Chain>,
}

impl Chains {
    /// Knows nothing but the head.
    pub(crate) fn new(head: (Position, Chain)) -> Self {
        Chains { last: head.0, recent: VecDeque::from([head.1]) }
    }

    fn push(&mut self, chain: Chain) {
        if self.recent.len() == CHAINS_MAX {
            self.recent.pop_front();
        }
        self.last = self.last.next();
        self.recent.push_back(chain);
    }

    /// `None` if it is not remembered.
    fn at(&self, position: Position) -> Option<Chain> {
        let back = usize::try_from(self.last.0.checked_sub(position.0)?).ok()?;
        let index = self.recent.len().checked_sub(back + 1)?;
        self.recent.get(index).copied()
    }
}

/// Puts records of a stream into the files and gives them to `visit` once they are flushed.
pub(crate) struct Follower<'a> {
    pub file: &'a mut FileJournal,
    pub chains: &'a mut Chains,
    /// A record whose place is known: what stands there must be this.
    pub own: Option<(Position, &'a [u8])>,
    pub visit: &'a mut dyn FnMut(Entry<'_>),
}

impl Follower<'_> {
    /// Takes all there is, at least up to `at_least`; asks `tries_max` times before giving
    /// up. What was taken is flushed and delivered even if it was not enough.
    pub(crate) fn take_upto(
        &mut self,
        stream: &mut dyn Stream,
        at_least: Position,
        tries_max: u32,
    ) -> Result<(), Fault> {
        let mut away = String::new();
        for _ in 0..tries_max {
            let mut fault = None;
            let reached = self.chains.last;
            let taken =
                stream.take(reached, at_least, &mut |position, bytes| match self.append(position, bytes) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(error) => {
                        fault = Some(error);
                        ControlFlow::Break(())
                    }
                });
            if let Some(fault) = fault {
                return Err(fault);
            }
            match taken {
                Ok(()) if self.chains.last >= at_least => return self.flush(),
                Ok(()) => away = format!("it ends at {}, but has acknowledged {at_least}", self.chains.last),
                Err(TakeError::Away { reason }) => away = reason,
                Err(error) => return Err(Fault::Broken(error.to_string())),
            }
        }
        self.flush()?;
        Err(Fault::Away(away))
    }

    /// Puts one record into the files' buffer; when that is full, flushes it first.
    pub(crate) fn append(&mut self, position: Position, bytes: &[u8]) -> Result<(), Fault> {
        let expected = self.chains.last.next();
        if position != expected {
            return Err(Fault::Broken(format!(
                "the stream has a gap: position {expected} was expected, {position} came; stop every node \
                 and compare them, then make the stream anew from the one that has most (`jari journal \
                 rebuild stream`)"
            )));
        }
        if self.own.is_some_and(|(place, own)| place == position && own != bytes) {
            return Err(Fault::Broken(format!(
                "the stream acknowledged a record at position {position}, but another one stands there"
            )));
        }
        let envelope = envelope::decode(bytes).map_err(|why| {
            Fault::Broken(format!("the stream's record at position {position} is none of ours: {why}"))
        })?;
        let (stood, chain) = envelope.head;
        if stood >= position || self.chains.at(stood).is_some_and(|own| own != chain) {
            return Err(Fault::Broken(format!(
                "the node that wrote position {position} had another history up to position {stood} than \
                 this node: the stream has lost records or changed them; stop every node, compare them \
                 with `jari journal verify`, and make stream and files anew from the right one (`jari \
                 journal rebuild`)"
            )));
        }
        let mut kept = self.file.append(envelope.record);
        if matches!(kept, Err(AppendError::SettleFirst { .. })) {
            self.flush()?;
            kept = self.file.append(envelope.record);
        }
        kept.map_err(|error| Fault::Broken(format!("position {position} cannot be kept: {error}")))?;
        // The files have hashed the record already; for large ones that is dear.
        let (head, chain) = self.file.pending.after();
        assert_eq!(head, position, "the files follow the stream");
        self.chains.push(chain);
        Ok(())
    }

    /// Flushes what is in the files' buffer, then delivers it.
    pub(crate) fn flush(&mut self) -> Result<(), Fault> {
        self.file.settle(self.visit).map_err(|error| match error {
            SettleError::Full => Fault::FilesFull,
            SettleError::Broken { reason } => Fault::Broken(reason),
        })
    }
}
