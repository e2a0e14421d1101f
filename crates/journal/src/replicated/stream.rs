//! What a service must offer that keeps one order for several writers.
//!
//! Start reading at [`Stream`].

use std::ops::ControlFlow;

use crate::contract::{Position, Told};

/// One writer's way to a log that a service keeps: durable, totally ordered, gapless.
///
/// Every call may take as long as the implementation finds reasonable for one try; the
/// caller tries again a bounded number of times. Implementations must check what they can
/// of the service's answers, and must never give records out of order.
pub trait Stream: Send {
    /// Offers a record under a key; gives its position once it is durable on the service.
    /// The same key offered again, after `Unknown`, is stored once: its position is given,
    /// whichever offer stored it.
    fn offer(&mut self, key: u128, record: &[u8]) -> Result<Position, OfferError>;

    /// Gives every final record after `after` to `visit`, in order, until it breaks. Does
    /// not wait for more than are there, but where a part of the service lags behind it
    /// looks again until it shows `at_least`, which the caller knows is stored; after a
    /// reasonable time that is [`TakeError::Away`].
    fn take(
        &mut self,
        after: Position,
        at_least: Position,
        visit: &mut dyn FnMut(Position, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), TakeError>;

    /// The oldest record kept (the position after the last, if none is) and the last one.
    /// A last position before `at_least`, which the caller knows was stored, is given only
    /// after looking again for a reasonable time: it means that the tail was lost.
    fn ends(&mut self, at_least: Position) -> Result<(Position, Position), TakeError>;

    /// Asks to be told of records as they become final, each time with the last position known.
    /// A hint: a service may miss some, or have no way to tell.
    fn watch(&mut self, told: Told) {
        drop(told);
    }

    /// Largest record that `offer` takes, in bytes.
    fn record_bytes_max(&self) -> usize;
}

/// Why an offer was not acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum OfferError {
    /// There is no room. The record is certainly not stored, now or later.
    #[error("the stream has no room")]
    Full,
    /// It may or may not be stored, now or later: offer the same key again.
    #[error("whether the record is stored is unknown: {reason}")]
    Unknown {
        /// What is known.
        reason: String,
    },
    /// It may or may not be stored, and offering again does not help. Stop.
    #[error("the stream is broken: {reason}")]
    Broken {
        /// What is wrong, and what to do.
        reason: String,
    },
}

/// Why records could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// The service does not answer; try again.
    #[error("the stream cannot be reached: {reason}")]
    Away {
        /// What was tried.
        reason: String,
    },
    /// The records asked for are no longer there.
    #[error("records after {after} were asked for, but the oldest that the stream keeps is {first}")]
    Released {
        /// What was asked for.
        after: Position,
        /// The oldest kept.
        first: Position,
    },
    /// The service answers something that cannot be. Stop.
    #[error("the stream is broken: {reason}")]
    Broken {
        /// What is wrong, and what to do.
        reason: String,
    },
}
