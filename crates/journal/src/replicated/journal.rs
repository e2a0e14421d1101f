//! The open journal of one node among several. Start reading at `settle`.
//!
//! It must never report a record as not kept that the stream may have, and never offer a
//! second record before the first one's place is known.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::contract::{
    AppendError, Chain, Entry, Journal, Position, ReadError, ReleaseError, SettleError, Told,
};
use crate::file::FileJournal;
use crate::replicated::envelope::{self, ENVELOPE_BYTES};
use crate::replicated::follow::{Chains, Fault, Follower};
use crate::replicated::stream::{OfferError, Stream};

/// What can be chosen about a replicated journal.
#[derive(Copy, Clone, Debug)]
pub struct ReplicatedOptions {
    /// Drawn at random for each opening: it makes the keys of this opening's records
    /// unlike those of any other, so that the stream takes none for a repetition, even of
    /// the same bytes.
    pub life: u64,
    /// How often a record is offered, and the stream asked for its records, before the
    /// journal gives up and breaks. All tries together must take less time than the
    /// stream remembers keys.
    pub tries_max: u32,
}

/// One node's journal: a stream for the order, files of its own. See
/// [`mod@crate::replicated`].
///
/// It takes one record between two settles: two might be kept apart, and a settle is all
/// or nothing. If the node's own disk is full after the stream took a record, the record
/// stands in the order and the journal is broken: the process must end, and opening the
/// journal when there is room finds the record. Other nodes are not concerned.
pub struct ReplicatedJournal<S> {
    pub(crate) stream: S,
    pub(crate) file: FileJournal,
    pub(crate) chains: Chains,
    pub(crate) options: ReplicatedOptions,
    /// The record handed over, in its envelope, while `is_pending`.
    pub(crate) pending: Vec<u8>,
    pub(crate) is_pending: bool,
    /// Records offered in this life.
    pub(crate) offered: u64,
    /// The last position that the stream told of by itself.
    pub(crate) told: Arc<AtomicU64>,
    pub(crate) broken: Option<String>,
}

/// Where an offer led.
enum Placed {
    At(Position),
    Nowhere,
}

impl<S: Stream> ReplicatedJournal<S> {
    /// The stream.
    pub fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Offers the pending record until its place is known. A refusal counts only if no
    /// earlier try may have been stored.
    fn offer(&mut self) -> Result<Placed, String> {
        let key = envelope::key(self.options.life, self.offered, &self.pending);
        self.offered += 1;
        let mut unknown = None;
        for _ in 0..self.options.tries_max {
            match self.stream.offer(key, &self.pending) {
                Ok(position) => return Ok(Placed::At(position)),
                Err(OfferError::Full) if unknown.is_none() => return Ok(Placed::Nowhere),
                Err(OfferError::Full) => {}
                Err(OfferError::Unknown { reason }) => {
                    tracing::warn!(%reason, "offering a record again");
                    unknown = Some(reason);
                }
                Err(OfferError::Broken { reason }) => return Err(reason),
            }
        }
        let reason = unknown.unwrap_or_else(|| "it was never tried".into());
        Err(format!("the stream does not acknowledge; whether it has the last record is unknown: {reason}"))
    }

    fn break_down(&mut self, reason: String) -> SettleError {
        tracing::error!(%reason, "replicated journal broken");
        self.broken = Some(reason.clone());
        SettleError::Broken { reason }
    }

    /// Brings the files up to where the own record stands, or to what there is.
    fn follow(&mut self, placed: Option<Position>, visit: &mut dyn FnMut(Entry<'_>)) -> Result<(), Fault> {
        let head = self.file.head().0;
        let told = Position(self.told.load(Ordering::Acquire));
        let own = placed.map(|position| (position, &self.pending[..]));
        let mut follower = Follower { file: &mut self.file, chains: &mut self.chains, own, visit };
        match own {
            Some((position, _)) if position <= head => Err(Fault::Broken(format!(
                "the stream acknowledged position {position}, which is taken: this node's files reach {head}"
            ))),
            // Nothing lies between: what stands there need not be fetched to be known.
            Some((position, record)) if position == head.next() => {
                follower.append(position, record)?;
                follower.flush()
            }
            Some((position, _)) => follower.take_upto(&mut self.stream, position, self.options.tries_max),
            // What the stream told of is there, though a part of it that lags may not show it yet.
            None => match follower.take_upto(&mut self.stream, head.max(told), 1) {
                // Nobody waits for an answer; what others wrote comes when it can.
                Err(Fault::Away(reason)) => {
                    tracing::warn!(%reason, "records of other nodes are not heard");
                    Ok(())
                }
                other => other,
            },
        }
    }
}

impl<S: Stream> Journal for ReplicatedJournal<S> {
    fn append(&mut self, payload: &[u8]) -> Result<(), AppendError> {
        if let Some(reason) = self.broken.clone() {
            return Err(AppendError::Broken { reason });
        }
        let (bytes, bytes_max) = (payload.len(), self.record_bytes_max());
        if bytes > bytes_max {
            return Err(AppendError::RecordTooLarge { bytes, bytes_max });
        }
        if self.is_pending {
            return Err(AppendError::SettleFirst { bytes: self.pending.len() });
        }
        envelope::encode(self.file.head(), payload, &mut self.pending);
        self.is_pending = true;
        Ok(())
    }

    fn settle(&mut self, visit: &mut dyn FnMut(Entry<'_>)) -> Result<(), SettleError> {
        if let Some(reason) = self.broken.clone() {
            return Err(SettleError::Broken { reason });
        }
        let (mut placed, mut full) = (None, false);
        if std::mem::take(&mut self.is_pending) {
            match self.offer() {
                Ok(Placed::At(position)) => placed = Some(position),
                // What others wrote before the stream was full is delivered all the same.
                Ok(Placed::Nowhere) => full = true,
                Err(reason) => return Err(self.break_down(reason)),
            }
        }
        match self.follow(placed, visit) {
            Ok(()) if full => Err(SettleError::Full),
            Ok(()) => Ok(()),
            Err(Fault::FilesFull) => Err(self.break_down(
                "this node's disk is full, and the stream has a record that is not in its files: make room \
                 and start it again; nothing is lost"
                    .into(),
            )),
            Err(fault) => Err(self.break_down(fault.to_string())),
        }
    }

    fn read(
        &self,
        after: Position,
        visit: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.file.read(after, visit)
    }

    fn head(&self) -> (Position, Chain) {
        self.file.head()
    }

    fn first(&self) -> Position {
        self.file.first()
    }

    /// Removes from the node's own files only: what the stream keeps, other nodes need.
    fn release(&mut self, upto: Position) -> Result<(), ReleaseError> {
        self.file.release(upto)
    }

    fn watch(&mut self, told: Told) -> bool {
        let last = Arc::clone(&self.told);
        self.stream.watch(Arc::new(move |position| {
            last.fetch_max(position.0, Ordering::Release);
            told(position);
        }));
        true
    }

    fn record_bytes_max(&self) -> usize {
        let carried = self.stream.record_bytes_max().saturating_sub(ENVELOPE_BYTES);
        self.file.record_bytes_max().min(carried)
    }

    fn room_bytes(&self) -> Option<u64> {
        self.file.room_bytes()
    }
}
