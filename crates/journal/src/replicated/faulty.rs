//! A stream in memory that fails on purpose, for tests and simulations.
//!
//! What it does: keeps one order for all its clones, and loses acknowledgements, delays
//! records, fills up, goes away or loses what it had acknowledged, exactly when told to.
//! What it must never do: use a clock or randomness. Start reading at [`FaultyStream`].

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::contract::{Position, Told};
use crate::replicated::stream::{OfferError, Stream, TakeError};

/// What becomes of an offer that is not acknowledged.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum AckFate {
    /// It is stored; the acknowledgement is lost.
    Stored,
    /// It never arrived.
    Lost,
    /// It is on its way, and stored when [`FaultyStream::let_arrive`] is called.
    Late,
}

/// The stream. Clones are the same stream.
#[derive(Clone)]
pub struct FaultyStream {
    state: Arc<Mutex<State>>,
}

struct State {
    /// By position. There is a hole only where one was made on purpose.
    records: BTreeMap<u64, Vec<u8>>,
    keys: BTreeMap<u128, Position>,
    first: Position,
    last: Position,
    /// Fates of the next offers.
    fates: VecDeque<Option<AckFate>>,
    late: Vec<(u128, Vec<u8>)>,
    room_bytes: Option<u64>,
    record_bytes_max: usize,
    /// No call gets an answer.
    away: bool,
    offers: u64,
    watchers: Vec<Told>,
}

impl FaultyStream {
    /// An empty stream that takes records of up to so many bytes.
    #[must_use]
    pub fn new(record_bytes_max: usize) -> Self {
        let state = State {
            records: BTreeMap::new(),
            keys: BTreeMap::new(),
            first: Position(1),
            last: Position::ZERO,
            fates: VecDeque::new(),
            late: Vec::new(),
            room_bytes: None,
            record_bytes_max,
            away: false,
            offers: 0,
            watchers: Vec::new(),
        };
        FaultyStream { state: Arc::new(Mutex::new(state)) }
    }

    /// The next offers are not acknowledged and meet these fates; `None` lets one pass.
    pub fn lose_acks(&self, fates: impl IntoIterator<Item = Option<AckFate>>) {
        self.lock().fates.extend(fates);
    }

    /// Stores what is on its way, unless its key was stored meanwhile.
    pub fn let_arrive(&self) {
        let mut state = self.lock();
        for (key, record) in std::mem::take(&mut state.late) {
            state.store(key, record);
        }
    }

    /// Takes at most so many bytes more; `None` lifts the limit.
    pub fn limit_room(&self, bytes: Option<u64>) {
        self.lock().room_bytes = bytes;
    }

    /// Whether calls get no answer.
    pub fn set_away(&self, away: bool) {
        self.lock().away = away;
    }

    /// Forgets records after `last`, which were acknowledged.
    pub fn lose_after(&self, last: Position) {
        let mut state = self.lock();
        state.records.split_off(&last.next().0);
        state.keys.retain(|_, position| *position <= last);
        state.last = last.min(state.last);
    }

    /// Forgets one record, leaving a hole.
    pub fn lose(&self, position: Position) {
        self.lock().records.remove(&position.0);
    }

    /// Removes old records up to and including `upto`, as a stream with limits does.
    pub fn release(&self, upto: Position) {
        let mut state = self.lock();
        state.records = state.records.split_off(&upto.next().0);
        state.first = upto.next().max(state.first);
    }

    /// Flips the lowest bit of the last byte of a record.
    ///
    /// # Panics
    ///
    /// If there is no such record, or it is empty.
    pub fn flip_bit(&self, position: Position) {
        let mut state = self.lock();
        let record = state.records.get_mut(&position.0).expect("there is such a record");
        *record.last_mut().expect("it is not empty") ^= 1;
    }

    /// Forgets all keys, as a stream does after its duplicate window.
    pub fn forget_keys(&self) {
        self.lock().keys.clear();
    }

    /// Offers made so far, the unacknowledged ones included.
    #[must_use]
    pub fn offers(&self) -> u64 {
        self.lock().offers
    }

    /// A panic elsewhere leaves nothing half done that a test would not notice.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn store(&mut self, key: u128, record: Vec<u8>) -> Position {
        if let Some(position) = self.keys.get(&key) {
            return *position;
        }
        self.room_bytes = self.room_bytes.map(|room| room.saturating_sub(record.len() as u64));
        self.last = self.last.next();
        self.records.insert(self.last.0, record);
        self.keys.insert(key, self.last);
        self.watchers.iter().for_each(|told| told(self.last));
        self.last
    }
}

fn away() -> TakeError {
    TakeError::Away { reason: "told to be away".into() }
}

impl Stream for FaultyStream {
    fn offer(&mut self, key: u128, record: &[u8]) -> Result<Position, OfferError> {
        let mut state = self.lock();
        state.offers += 1;
        if state.away {
            return Err(OfferError::Unknown { reason: "told to be away".into() });
        }
        let fits = state.room_bytes.is_none_or(|room| record.len() as u64 <= room);
        if !fits && !state.keys.contains_key(&key) {
            return Err(OfferError::Full);
        }
        match state.fates.pop_front().flatten() {
            None => return Ok(state.store(key, record.to_vec())),
            Some(AckFate::Stored) => drop(state.store(key, record.to_vec())),
            Some(AckFate::Lost) => {}
            Some(AckFate::Late) => state.late.push((key, record.to_vec())),
        }
        Err(OfferError::Unknown { reason: "told to lose the acknowledgement".into() })
    }

    fn take(
        &mut self,
        after: Position,
        at_least: Position,
        visit: &mut dyn FnMut(Position, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), TakeError> {
        let state = self.lock();
        if state.away {
            return Err(away());
        }
        if after.next() < state.first {
            return Err(TakeError::Released { after, first: state.first });
        }
        let last = state.last;
        let records: Vec<(u64, Vec<u8>)> =
            state.records.range(after.next().0..).map(|(at, record)| (*at, record.clone())).collect();
        drop(state);
        for (position, record) in records {
            if visit(Position(position), &record).is_break() {
                return Ok(());
            }
        }
        if last < at_least {
            return Err(TakeError::Away { reason: format!("it ends at {last}, not at {at_least}") });
        }
        Ok(())
    }

    fn ends(&mut self, _at_least: Position) -> Result<(Position, Position), TakeError> {
        let state = self.lock();
        if state.away { Err(away()) } else { Ok((state.first, state.last)) }
    }

    fn watch(&mut self, told: Told) {
        self.lock().watchers.push(told);
    }

    fn record_bytes_max(&self) -> usize {
        self.lock().record_bytes_max
    }
}
