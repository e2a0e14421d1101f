//! Those who wait for leave: the oldest first, or the newest if they are many.
//!
//! Whoever gives up leaves a closed channel behind, which is dropped when it is met. It must
//! never hold more than its bound, and never drop a permit while it is locked.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::Permit;

type Caller = oneshot::Sender<Permit>;

/// Who is next.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Order {
    OldestFirst,
    NewestFirst,
}

/// See the module's documentation.
pub(super) struct Line {
    callers: Mutex<VecDeque<Caller>>,
    /// How many stand there, for a look without the lock.
    count: AtomicUsize,
    max: usize,
}

impl Line {
    pub(super) fn new(max: usize) -> Line {
        Line { callers: Mutex::default(), count: AtomicUsize::new(0), max }
    }

    /// Stands in line; none if it is full. The permit comes through what is given back.
    pub(super) fn join(&self) -> Option<oneshot::Receiver<Permit>> {
        let (call, called) = oneshot::channel();
        let mut callers = self.lock();
        // The oldest give up first.
        while callers.front().is_some_and(Caller::is_closed) {
            callers.pop_front();
        }
        if callers.len() >= self.max {
            return None;
        }
        callers.push_back(call);
        self.count.store(callers.len(), Ordering::SeqCst);
        Some(called)
    }

    /// Whether anyone may be waiting.
    pub(super) fn anyone(&self) -> bool {
        self.count.load(Ordering::SeqCst) > 0
    }

    /// The order for a room of that size: as they came, while no more wait than it holds.
    pub(super) fn order(&self, room: u32) -> Order {
        if self.count.load(Ordering::SeqCst) <= room as usize {
            Order::OldestFirst
        } else {
            Order::NewestFirst
        }
    }

    /// Gives a permit to whoever is next.
    ///
    /// # Errors
    ///
    /// The permit, if nobody is there.
    pub(super) fn call(&self, mut permit: Permit, order: Order) -> Result<(), Permit> {
        let mut callers = self.lock();
        loop {
            let next = match order {
                Order::OldestFirst => callers.pop_front(),
                Order::NewestFirst => callers.pop_back(),
            };
            self.count.store(callers.len(), Ordering::SeqCst);
            let Some(next) = next else { return Err(permit) };
            match next.send(permit) {
                Ok(()) => return Ok(()),
                Err(unwanted) => permit = unwanted,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Caller>> {
        self.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
