//! The simulated stream: one order for all nodes, kept by a service that never tells all.
//!
//! It loses acknowledgements, stores records long after the offer gave up, is cut off from single
//! nodes, fills up. It never loses what it acknowledged, unless told to: that no node can
//! survive, and every node that could know must notice. It must never give two nodes different
//! records. Start reading at [`Line`].

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jari_journal::{FaultyDisk, OfferError, Position, Stream, TakeError};

use super::faults::Fault;
use crate::simulate::random::Random;

/// Bytes that travel before a record.
const ENVELOPE_BYTES: usize = 41;
const RECORD_BYTES_MAX: usize = 1 << 20;

/// What the service knows.
pub struct Service {
    records: Vec<Vec<u8>>,
    keys: BTreeMap<u128, u64>,
    /// On their way: who offered them, in which life, and what.
    pub late: Vec<(usize, u32, u128, Vec<u8>)>,
    /// Nodes that it cannot be reached from.
    pub cut_off: BTreeSet<usize>,
    /// It takes nothing more.
    pub full: bool,
    /// How likely an offer's acknowledgement is lost, and a record stored late.
    pub unsure: f64,
    /// Nodes whose power goes when they are acknowledged next.
    pub cut_after_ack: BTreeMap<usize, FaultyDisk>,
    /// What happened since it was last asked.
    pub happened: Vec<(Fault, usize)>,
    random: Random,
}

/// One node's line to the stream, in one of its lives.
pub struct Line {
    service: SimStream,
    node: usize,
    life: u32,
}

/// The stream. Clones are the same stream.
#[derive(Clone)]
pub struct SimStream(Arc<Mutex<Service>>);

impl SimStream {
    /// An empty stream.
    #[must_use]
    pub fn new(random: Random) -> SimStream {
        SimStream(Arc::new(Mutex::new(Service {
            records: Vec::new(),
            keys: BTreeMap::new(),
            late: Vec::new(),
            cut_off: BTreeSet::new(),
            full: false,
            unsure: 0.0,
            cut_after_ack: BTreeMap::new(),
            happened: Vec::new(),
            random,
        })))
    }

    /// A node's line.
    #[must_use]
    pub fn line(&self, node: usize, life: u32) -> Line {
        Line { service: self.clone(), node, life }
    }

    /// The service itself.
    pub fn service(&self) -> MutexGuard<'_, Service> {
        // A panic while it was held has ended the run already.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service {
    /// Records after a position, as they will stand in every node's files.
    #[must_use]
    pub fn after(&self, position: u64) -> Vec<(u64, Vec<u8>)> {
        let from = usize::try_from(position).unwrap_or(usize::MAX).min(self.records.len());
        let records = self.records[from..].iter().map(|bytes| bytes[ENVELOPE_BYTES..].to_vec());
        (position + 1..).zip(records).collect()
    }

    /// The last position.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.records.len() as u64
    }

    /// Stores a record under a key, once; gives its position, and whether it is new.
    pub fn store(&mut self, key: u128, bytes: Vec<u8>) -> (u64, bool) {
        if let Some(position) = self.keys.get(&key) {
            return (*position, false);
        }
        self.records.push(bytes);
        self.keys.insert(key, self.last());
        (self.last(), true)
    }

    /// Loses acknowledged records.
    pub fn lose_after(&mut self, last: u64) {
        self.records.truncate(last as usize);
        self.keys.retain(|_, position| *position <= last);
    }

    /// Stores what a newer build wrote: the record's first byte is its format.
    pub fn store_newer(&mut self, head: (u64, [u8; 32])) {
        let bytes = [&[1][..], &head.0.to_le_bytes(), &head.1, &[2; 30]].concat();
        self.store(u128::MAX, bytes);
    }
}

impl Stream for Line {
    fn offer(&mut self, key: u128, record: &[u8]) -> Result<Position, OfferError> {
        let service = &mut *self.service.service();
        let unknown = |reason: &str| Err(OfferError::Unknown { reason: reason.to_owned() });
        if service.cut_off.contains(&self.node) {
            service.happened.push((Fault::Partitioned, self.node));
            return unknown("the stream cannot be reached");
        }
        let full = service.full && !service.keys.contains_key(&key);
        if service.random.chance(service.unsure) {
            match service.random.below(3) {
                0 => return unknown("the offer was lost"),
                1 if full => return unknown("its refusal was lost"),
                1 => {
                    service.store(key, record.to_vec());
                    service.happened.push((Fault::AckLost, self.node));
                    return unknown("the acknowledgement was lost");
                }
                _ => {
                    service.late.push((self.node, self.life, key, record.to_vec()));
                    return unknown("the offer is on its way");
                }
            }
        }
        if full {
            return Err(OfferError::Full);
        }
        let (position, _) = service.store(key, record.to_vec());
        if let Some(disk) = service.cut_after_ack.remove(&self.node) {
            disk.power_off_after(Some(1));
            service.happened.push((Fault::PowerCutAfterAck, self.node));
        }
        Ok(Position(position))
    }

    fn take(
        &mut self,
        after: Position,
        at_least: Position,
        visit: &mut dyn FnMut(Position, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), TakeError> {
        let service = self.service.service();
        if service.cut_off.contains(&self.node) {
            return Err(TakeError::Away { reason: "the stream cannot be reached".to_owned() });
        }
        let from = (after.0 as usize).min(service.records.len());
        for (position, bytes) in (after.0 + 1..).zip(&service.records[from..]) {
            if visit(Position(position), bytes).is_break() {
                return Ok(());
            }
        }
        if service.last() < at_least.0 {
            return Err(TakeError::Away { reason: format!("it ends at {}", service.last()) });
        }
        Ok(())
    }

    fn ends(&mut self, _at_least: Position) -> Result<(Position, Position), TakeError> {
        let service = self.service.service();
        if service.cut_off.contains(&self.node) {
            return Err(TakeError::Away { reason: "the stream cannot be reached".to_owned() });
        }
        Ok((Position(1), Position(service.last())))
    }

    fn record_bytes_max(&self) -> usize {
        RECORD_BYTES_MAX
    }
}
