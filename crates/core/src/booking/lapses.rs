//! Which hold lapses next. Derived from the holds themselves, never stored.
//!
//! Nearly all holds are made in the order in which they end, and wait in a plain
//! queue. One whose pass ends sooner, or that another campaign gives less time, goes to
//! a heap beside it. A hold that was confirmed or cancelled stays until its end comes
//! and is skipped then, so taking it out costs nothing.

use alloc::collections::{BinaryHeap, VecDeque};
use core::cmp::Reverse;

use crate::ids::BookingId;
use crate::time::Time;

/// See the module's documentation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lapses {
    queue: VecDeque<(Time, BookingId)>,
    early: BinaryHeap<Reverse<(Time, BookingId)>>,
}

impl Lapses {
    /// Notes that a hold lapses at `ends_at` unless something becomes of it.
    pub(crate) fn add(&mut self, ends_at: Time, booking: BookingId) {
        if self.queue.back().is_none_or(|(last, _)| *last <= ends_at) {
            self.queue.push_back((ends_at, booking));
        } else {
            self.early.push(Reverse((ends_at, booking)));
        }
    }

    /// Bytes that the queue takes, whether filled or not.
    pub(crate) fn bytes(&self) -> usize {
        (self.queue.capacity() + self.early.capacity()) * size_of::<(Time, BookingId)>()
    }

    /// Takes out a hold whose end has come by `now`, earliest first.
    pub(crate) fn pop_due(&mut self, now: Time) -> Option<(Time, BookingId)> {
        let queued = self.queue.front().copied().filter(|(ends_at, _)| *ends_at <= now);
        let early = self.early.peek().map(|Reverse(lapse)| *lapse).filter(|(ends_at, _)| *ends_at <= now);
        match (queued, early) {
            (Some(queued), Some(early)) if early < queued => self.early.pop().map(|Reverse(lapse)| lapse),
            (None, Some(_)) => self.early.pop().map(|Reverse(lapse)| lapse),
            _ => queued.and_then(|_| self.queue.pop_front()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_come_out_by_their_ends_and_not_before() {
        let mut lapses = Lapses::default();
        for (booking, ends_at) in [50, 60, 20, 60, 55, 70, 20].into_iter().enumerate() {
            lapses.add(Time(ends_at), BookingId(booking as u32));
        }
        let mut out = alloc::vec::Vec::new();
        while let Some((ends_at, booking)) = lapses.pop_due(Time(60)) {
            out.push((ends_at.0, booking.0));
        }
        assert_eq!(out, [(20, 2), (20, 6), (50, 0), (55, 4), (60, 1), (60, 3)]);
        assert_eq!(lapses.pop_due(Time(70)), Some((Time(70), BookingId(5))));
        assert_eq!(lapses.pop_due(Time(u64::MAX)), None);
    }
}
