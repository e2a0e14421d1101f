//! How long things took, counted in buckets: recording costs one atomic addition.
//!
//! A duration falls into one of 80 buckets, each a quarter of an octave wide from 64
//! microseconds up, so that what is read from them is off by a fifth at the most. It must
//! never allocate or lock, for it stands in the way of every request. Start at
//! [`Durations::record`].

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const BUCKETS: usize = 80;

/// See the module's documentation.
#[derive(Debug)]
pub struct Durations([AtomicU32; BUCKETS]);

impl Default for Durations {
    fn default() -> Self {
        Durations(std::array::from_fn(|_| AtomicU32::new(0)))
    }
}

impl Durations {
    /// Counts one.
    pub fn record(&self, took: Duration) {
        self.0[bucket_of(took)].fetch_add(1, Ordering::Relaxed);
    }

    /// What was counted since this was last asked. What comes in meanwhile is counted in this
    /// answer or the next.
    #[must_use]
    pub fn take(&self) -> Taken {
        Taken(std::array::from_fn(|at| self.0[at].swap(0, Ordering::Relaxed)))
    }
}

/// What was counted in a while.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Taken([u32; BUCKETS]);

impl Taken {
    /// How many there were.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().map(|count| u64::from(*count)).sum()
    }

    /// The duration that so many in a hundred did not exceed, microseconds, rounded up to the
    /// end of its bucket; nothing if there was none.
    #[must_use]
    pub fn percentile_us(&self, percent: u64) -> Option<u64> {
        let total = self.total();
        let mut left = (total * percent).div_ceil(100).max(1);
        for (at, count) in self.0.iter().enumerate() {
            if left <= u64::from(*count) {
                return Some(upper_us(at));
            }
            left -= u64::from(*count);
        }
        None
    }

    /// How many took longer, to within a bucket: none is counted that took a fifth less.
    #[must_use]
    pub fn above(&self, limit: Duration) -> u64 {
        self.0[bucket_of(limit)..].iter().map(|count| u64::from(*count)).sum()
    }
}

/// Four buckets an octave, from 64 microseconds up.
fn bucket_of(took: Duration) -> usize {
    let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(64);
    let octave = us.ilog2();
    let quarter = (us >> (octave - 2) & 3) as usize;
    ((octave as usize - 6) * 4 + quarter).min(BUCKETS - 1)
}

/// The upper end of a bucket.
fn upper_us(bucket: usize) -> u64 {
    let (octave, quarter) = (bucket / 4 + 6, bucket as u64 % 4);
    (1 << octave) + ((quarter + 1) << (octave - 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_off_by_a_quarter_at_the_most() {
        let durations = Durations::default();
        assert_eq!(durations.take().percentile_us(99), None);
        for ms in 1..=100 {
            durations.record(Duration::from_millis(ms));
        }
        let taken = durations.take();
        assert_eq!(taken.total(), 100);
        for (percent, ms) in [(50, 50), (95, 95), (99, 99)] {
            let us = taken.percentile_us(percent).unwrap();
            assert!((ms * 1_000..=ms * 1_250).contains(&us), "p{percent} is {us} us");
        }
        assert_eq!(durations.take().total(), 0, "what was taken is gone");
    }

    #[test]
    fn the_slow_ones_are_counted_to_within_a_bucket() {
        let durations = Durations::default();
        for ms in [1, 79, 100, 101, 5_000] {
            durations.record(Duration::from_millis(ms));
        }
        assert_eq!(durations.take().above(Duration::from_millis(100)), 3);
    }

    #[test]
    fn the_shortest_and_the_longest_have_a_bucket() {
        assert_eq!(bucket_of(Duration::ZERO), 0);
        assert_eq!(bucket_of(Duration::MAX), BUCKETS - 1);
        assert!(upper_us(BUCKETS - 1) > 60_000_000, "a minute fits");
    }
}
