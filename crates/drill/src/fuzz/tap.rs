//! A tap between the engine and its journal: hears what is handed over and what is delivered.
//!
//! It must never change what passes through it. Start reading at [`Tap`].

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jari_journal::{AppendError, Chain, Entry, Journal, Position, ReadError, ReleaseError, SettleError};

/// What was heard.
#[derive(Default)]
pub struct Heard {
    /// Records handed over and not delivered, in their order.
    pub handed_over: VecDeque<Vec<u8>>,
    /// Records delivered: position, chain after it, bytes.
    pub delivered: Vec<(u64, [u8; 32], Vec<u8>)>,
}

impl Heard {
    /// Whether a delivered record is the next of those handed over here; it is none from then on.
    pub fn is_own(&mut self, payload: &[u8]) -> bool {
        let own = self.handed_over.front().is_some_and(|handed_over| handed_over == payload);
        if own {
            self.handed_over.pop_front();
        }
        own
    }
}

/// Where the tap leads to. Clones lead to the same place.
#[derive(Clone, Default)]
pub struct Ear(Arc<Mutex<Heard>>);

impl Ear {
    /// What was heard so far.
    pub fn heard(&self) -> MutexGuard<'_, Heard> {
        // A panic while it was held has ended the run already.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See the module's documentation.
pub struct Tap {
    /// The journal itself.
    pub inner: Box<dyn Journal>,
    /// Who listens.
    pub ear: Ear,
}

impl Journal for Tap {
    fn append(&mut self, payload: &[u8]) -> Result<(), AppendError> {
        self.inner.append(payload)?;
        self.ear.heard().handed_over.push_back(payload.to_vec());
        Ok(())
    }

    fn settle(&mut self, visit: &mut dyn FnMut(Entry<'_>)) -> Result<(), SettleError> {
        let ear = self.ear.clone();
        self.inner.settle(&mut |entry| {
            ear.heard().delivered.push((entry.position.0, entry.chain.0, entry.payload.to_vec()));
            visit(entry);
        })
    }

    fn read(
        &self,
        after: Position,
        visit: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.inner.read(after, visit)
    }

    fn head(&self) -> (Position, Chain) {
        self.inner.head()
    }

    fn first(&self) -> Position {
        self.inner.first()
    }

    fn release(&mut self, upto: Position) -> Result<(), ReleaseError> {
        self.inner.release(upto)
    }

    fn record_bytes_max(&self) -> usize {
        self.inner.record_bytes_max()
    }

    fn room_bytes(&self) -> Option<u64> {
        self.inner.room_bytes()
    }
}
