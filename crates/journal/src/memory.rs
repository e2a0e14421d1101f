//! A journal in memory: nothing survives the process.
//!
//! What it does: models a stream that several writers share. Each
//! [`MemoryJournal`] is one writer's handle on a [`MemoryStream`]; what a
//! handle settles is ordered behind whatever others settled before, and every
//! handle is delivered all of it. It must never be used where P1 counts.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::contract::{AppendError, Chain, Entry, Journal, Position, ReadError, ReleaseError, SettleError};

/// Limits of a [`MemoryStream`].
#[derive(Copy, Clone, Debug)]
pub struct MemoryOptions {
    /// Largest payload in bytes.
    pub record_bytes_max: usize,
    /// Most payload bytes one handle buffers before it must settle.
    pub pending_bytes_max: usize,
}

impl Default for MemoryOptions {
    fn default() -> Self {
        MemoryOptions { record_bytes_max: 4 << 20, pending_bytes_max: 16 << 20 }
    }
}

/// The shared, ordered log. Cloning gives another reference to the same one.
#[derive(Clone)]
pub struct MemoryStream {
    options: MemoryOptions,
    log: Arc<Mutex<Log>>,
}

struct Log {
    records: Vec<(Chain, Arc<[u8]>)>,
    /// Position of `records[0]`.
    first: Position,
    head: (Position, Chain),
    bytes: u64,
    /// Total payload bytes the stream may hold.
    room_bytes: Option<u64>,
}

impl MemoryStream {
    /// An empty stream.
    #[must_use]
    pub fn new(options: MemoryOptions) -> Self {
        let log = Log {
            records: Vec::new(),
            first: Position(1),
            head: (Position::ZERO, Chain::ZERO),
            bytes: 0,
            room_bytes: None,
        };
        MemoryStream { options, log: Arc::new(Mutex::new(log)) }
    }

    /// A new writer. Its head is the present end of the stream.
    #[must_use]
    pub fn open(&self) -> MemoryJournal {
        let head = self.lock().head;
        MemoryJournal { stream: self.clone(), pending: Vec::new(), pending_bytes: 0, head }
    }

    /// Lets the stream hold at most `bytes` of payload; `None` lifts the limit.
    pub fn limit_room(&self, bytes: Option<u64>) {
        self.lock().room_bytes = bytes;
    }

    /// A panic elsewhere cannot leave the log half changed: every change ends
    /// in one assignment. So a poisoned lock is still good.
    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    fn push(&mut self, payload: Vec<u8>) {
        let position = self.head.0.next();
        let chain = self.head.1.after(position, &payload);
        self.bytes += payload.len() as u64;
        self.records.push((chain, payload.into()));
        self.head = (position, chain);
    }

    /// Records after `after`, up to `upto`. They leave the lock behind, so that
    /// whoever is visited may use the stream again.
    fn entries(&self, after: Position, upto: Position) -> Vec<(Position, Chain, Arc<[u8]>)> {
        let index = |position: Position| {
            let index = usize::try_from(position.next().0.saturating_sub(self.first.0));
            index.unwrap_or(usize::MAX).min(self.records.len())
        };
        let (from, to) = (index(after), index(upto));
        let positions = (self.first.0 + from as u64..).map(Position);
        let kept = self.records.get(from..to).unwrap_or_default();
        positions
            .zip(kept)
            .map(|(position, (chain, payload))| (position, *chain, Arc::clone(payload)))
            .collect()
    }
}

/// One writer's handle on a [`MemoryStream`].
pub struct MemoryJournal {
    stream: MemoryStream,
    pending: Vec<Vec<u8>>,
    pending_bytes: usize,
    head: (Position, Chain),
}

impl MemoryJournal {
    /// The only writer of a new stream.
    #[must_use]
    pub fn new(options: MemoryOptions) -> Self {
        MemoryStream::new(options).open()
    }

    /// The stream, to open more writers on it.
    #[must_use]
    pub fn stream(&self) -> &MemoryStream {
        &self.stream
    }
}

impl Journal for MemoryJournal {
    fn append(&mut self, payload: &[u8]) -> Result<(), AppendError> {
        let (bytes, bytes_max) = (payload.len(), self.stream.options.record_bytes_max);
        if bytes > bytes_max {
            return Err(AppendError::RecordTooLarge { bytes, bytes_max });
        }
        // An empty buffer takes any record, so that settling always helps.
        let pending_bytes_max = self.stream.options.pending_bytes_max;
        if !self.pending.is_empty() && self.pending_bytes + bytes > pending_bytes_max {
            return Err(AppendError::SettleFirst { bytes: self.pending_bytes });
        }
        self.pending.push(payload.to_vec());
        self.pending_bytes += bytes;
        Ok(())
    }

    fn settle(&mut self, visit: &mut dyn FnMut(Entry<'_>)) -> Result<(), SettleError> {
        let pending = std::mem::take(&mut self.pending);
        let bytes = std::mem::take(&mut self.pending_bytes) as u64;
        let mut log = self.stream.lock();
        if !pending.is_empty() && log.room_bytes.is_some_and(|room| log.bytes + bytes > room) {
            return Err(SettleError::Full);
        }
        if self.head.0.next() < log.first {
            let reason = "records were released before this writer saw them".to_string();
            return Err(SettleError::Broken { reason });
        }
        pending.into_iter().for_each(|payload| log.push(payload));
        let after = std::mem::replace(&mut self.head, log.head).0;
        let entries = log.entries(after, self.head.0);
        drop(log);
        for (position, chain, payload) in &entries {
            visit(Entry { position: *position, chain: *chain, payload });
        }
        Ok(())
    }

    fn read(
        &self,
        after: Position,
        visit: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let log = self.stream.lock();
        if after > self.head.0 {
            return Err(ReadError::BeyondHead { after, head: self.head.0 });
        }
        if after.next() < log.first {
            return Err(ReadError::Released { after, first: log.first });
        }
        let entries = log.entries(after, self.head.0);
        drop(log);
        for (position, chain, payload) in &entries {
            if visit(Entry { position: *position, chain: *chain, payload }).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn head(&self) -> (Position, Chain) {
        self.head
    }

    fn first(&self) -> Position {
        self.stream.lock().first
    }

    fn release(&mut self, upto: Position) -> Result<(), ReleaseError> {
        let mut log = self.stream.lock();
        let upto = upto.min(self.head.0);
        let count = usize::try_from(upto.next().0.saturating_sub(log.first.0)).unwrap_or(0);
        let removed: u64 = log.records.drain(..count).map(|(_, payload)| payload.len() as u64).sum();
        log.bytes -= removed;
        log.first = Position(log.first.0 + count as u64);
        Ok(())
    }

    fn record_bytes_max(&self) -> usize {
        self.stream.options.record_bytes_max
    }

    fn room_bytes(&self) -> Option<u64> {
        let log = self.stream.lock();
        log.room_bytes.map(|room| room.saturating_sub(log.bytes))
    }
}
