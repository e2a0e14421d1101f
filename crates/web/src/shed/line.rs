//! Those who wait for leave, the newest first; whoever finishes before those who begin.
//!
//! Whoever gives up leaves a closed channel behind, which is dropped when it is met. It must
//! never hold more than its bound, and never drop a permit while it is locked.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::{Permit, Step};

type Caller = oneshot::Sender<Permit>;

/// See the module's documentation.
pub(super) struct Line {
    callers: Mutex<Callers>,
    /// How many stand there, for a look without the lock.
    count: AtomicUsize,
    max: usize,
}

#[derive(Default)]
struct Callers {
    finish: VecDeque<Caller>,
    begin: VecDeque<Caller>,
}

impl Line {
    pub(super) fn new(max: usize) -> Line {
        Line { callers: Mutex::default(), count: AtomicUsize::new(0), max }
    }

    /// Stands in line; none if it is full. The permit comes through what is given back.
    pub(super) fn join(&self, step: Step) -> Option<oneshot::Receiver<Permit>> {
        let (call, called) = oneshot::channel();
        let mut callers = self.lock();
        callers.forget_gone();
        if callers.len() >= self.max {
            return None;
        }
        callers.of(step).push_back(call);
        self.count.store(callers.len(), Ordering::SeqCst);
        Some(called)
    }

    /// Whether anyone may be waiting.
    pub(super) fn anyone(&self) -> bool {
        self.count.load(Ordering::SeqCst) > 0
    }

    /// Gives a permit to whoever is next.
    ///
    /// # Errors
    ///
    /// The permit, if nobody is there.
    pub(super) fn call(&self, mut permit: Permit) -> Result<(), Permit> {
        let mut callers = self.lock();
        while let Some(next) = callers.next() {
            match next.send(permit) {
                Ok(()) => {
                    self.count.store(callers.len(), Ordering::SeqCst);
                    return Ok(());
                }
                Err(unwanted) => permit = unwanted,
            }
        }
        self.count.store(0, Ordering::SeqCst);
        Err(permit)
    }

    fn lock(&self) -> MutexGuard<'_, Callers> {
        self.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Callers {
    fn of(&mut self, step: Step) -> &mut VecDeque<Caller> {
        match step {
            Step::Finish => &mut self.finish,
            Step::Begin => &mut self.begin,
        }
    }

    fn next(&mut self) -> Option<Caller> {
        self.finish.pop_back().or_else(|| self.begin.pop_back())
    }

    fn len(&self) -> usize {
        self.finish.len() + self.begin.len()
    }

    /// The oldest give up first.
    fn forget_gone(&mut self) {
        for callers in [&mut self.finish, &mut self.begin] {
            while callers.front().is_some_and(Caller::is_closed) {
                callers.pop_front();
            }
        }
    }
}
