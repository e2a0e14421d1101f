//! Who was let in, how many of them are new, and how many may be.
//!
//! A visit is many requests, and each caller let in brings the rest of theirs. So while everything
//! that is ready to run takes longer than [`LAP`] for one lap, fewer may be new at a time, but only
//! while it is the young who fill the laps. Where most answers go to connections that stay, keeping
//! callers out would not shorten anything, and they would starve: half of what is served is theirs.
//!
//! It must never keep a place for somebody who has their answer, or is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// Callers who are new at a time. Beyond it nobody is accepted: they wait in the kernel's queue.
const NEW_MIN: u32 = 2;
const NEW_MAX: u32 = 256;
/// See the module's documentation.
const LAP: Duration = Duration::from_millis(1);
/// A connection is young until so many answers: more than a visit of somebody who books takes, fewer
/// than a proxy sends over one that it keeps.
const YOUNG: u32 = 64;
/// Answers that say whether the young have most of them.
const ANSWERS: u32 = 256;

/// All who are let in at one door.
pub(super) struct Guests {
    new: AtomicU32,
    new_max: AtomicU32,
    /// The accepting loop alone waits here.
    one_left: Notify,
    answers: Tally,
    are_mostly_new: AtomicBool,
}

/// Answers of late: all, and those on connections that are young.
#[derive(Default)]
struct Tally {
    all: AtomicU32,
    young: AtomicU32,
}

/// A connection that was let in. It is new until its first answer, and when it is dropped.
pub(crate) struct Guest {
    guests: Arc<Guests>,
    is_new: AtomicBool,
    answers: AtomicU32,
}

impl Guests {
    pub(super) fn new() -> Arc<Guests> {
        Arc::new(Guests {
            new: AtomicU32::new(0),
            new_max: AtomicU32::new(NEW_MAX),
            one_left: Notify::new(),
            answers: Tally::default(),
            are_mostly_new: AtomicBool::new(true),
        })
    }

    /// A place for somebody new, when there is one.
    pub(super) async fn enter(self: &Arc<Self>) -> Guest {
        while self.new.load(Ordering::SeqCst) >= self.new_max.load(Ordering::Relaxed) {
            self.one_left.notified().await;
        }
        self.enter_at_once()
    }

    /// A place for somebody new, whoever else is.
    pub(super) fn enter_at_once(self: &Arc<Self>) -> Guest {
        self.new.fetch_add(1, Ordering::SeqCst);
        Guest { guests: Arc::clone(self), is_new: AtomicBool::new(true), answers: AtomicU32::new(0) }
    }

    /// Whether the young have most of the answers.
    pub(super) fn are_mostly_new(&self) -> bool {
        self.are_mostly_new.load(Ordering::Relaxed)
    }

    /// Fewer at a time if it is they who make a lap long, one more if not.
    pub(super) fn adapt(&self, lap: Duration) {
        let max = self.new_max.load(Ordering::Relaxed);
        let are_too_many = lap > LAP && self.are_mostly_new();
        let next = if are_too_many { max - max.div_ceil(8) } else { max + 1 };
        self.new_max.store(next.clamp(NEW_MIN, NEW_MAX), Ordering::Relaxed);
    }

    fn count_answer(&self, is_young: bool) {
        let young =
            self.answers.young.fetch_add(u32::from(is_young), Ordering::Relaxed) + u32::from(is_young);
        if self.answers.all.fetch_add(1, Ordering::Relaxed) + 1 != ANSWERS {
            return;
        }
        // Those that slip in between are counted with the next ones.
        self.are_mostly_new.store(young > ANSWERS / 2, Ordering::Relaxed);
        self.answers.all.store(0, Ordering::Relaxed);
        self.answers.young.store(0, Ordering::Relaxed);
    }
}

impl Guest {
    /// A request of theirs needs no more work.
    pub(crate) fn is_answered(&self) {
        let answers = self.answers.load(Ordering::Relaxed);
        if answers < YOUNG {
            // A connection's requests come one after the other.
            self.answers.store(answers + 1, Ordering::Relaxed);
        }
        self.guests.count_answer(answers < YOUNG);
        self.is_no_longer_new();
    }

    /// Lets the next one be accepted.
    pub(crate) fn is_no_longer_new(&self) {
        // Asked after every answer: those after the first cost one load.
        if self.is_new.load(Ordering::Relaxed) && self.is_new.swap(false, Ordering::SeqCst) {
            self.guests.new.fetch_sub(1, Ordering::SeqCst);
            self.guests.one_left.notify_one();
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.is_no_longer_new();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    const LONG: Duration = Duration::from_millis(9);

    #[test]
    fn as_many_as_may_be_enter_and_the_next_when_one_is_not_new_any_more() {
        let guests = Guests::new();
        guests.new_max.store(2, Ordering::Relaxed);
        let (first, _second) = (enter(&guests).unwrap(), enter(&guests).unwrap());
        let mut third = pin!(guests.enter());
        let mut context = Context::from_waker(Waker::noop());
        assert!(third.as_mut().poll(&mut context).is_pending());
        first.is_answered();
        let Poll::Ready(third) = third.as_mut().poll(&mut context) else { panic!("it is their turn") };
        assert!(enter(&guests).is_none(), "no place is given twice");
        first.is_answered();
        drop(first);
        assert!(enter(&guests).is_none(), "a place is given back once");
        drop(third);
        assert!(enter(&guests).is_some());
    }

    #[test]
    fn a_long_lap_keeps_callers_out_while_the_young_fill_it_and_not_while_others_do() {
        let guests = Guests::new();
        for _ in 0..100 {
            guests.adapt(LONG);
        }
        assert_eq!(guests.new_max.load(Ordering::Relaxed), NEW_MIN);
        let stays = guests.enter_at_once();
        for _ in 0..YOUNG + 2 * ANSWERS {
            stays.is_answered();
        }
        for _ in 0..100 {
            guests.adapt(LONG);
        }
        assert_eq!(guests.new_max.load(Ordering::Relaxed), NEW_MIN + 100);
        // Half of the answers go to new ones again.
        for _ in 0..2 * ANSWERS {
            guests.enter_at_once().is_answered();
        }
        guests.adapt(LONG);
        assert!(guests.new_max.load(Ordering::Relaxed) < NEW_MIN + 100);
    }

    fn enter(guests: &Arc<Guests>) -> Option<Guest> {
        match pin!(guests.enter()).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(guest) => Some(guest),
            Poll::Pending => None,
        }
    }
}
