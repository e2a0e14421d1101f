//! Sheds writes that could not be served in time, before anything is spent on them.
//!
//! So many writes may be in flight; the number follows what was measured. While answers
//! take about as long as they do at ease, it grows; when they take twice as long it
//! shrinks by a tenth (after TCP Vegas and Netflix's gradient limit). Whoever is over it
//! is told at once to come back; nothing is parsed for them. Reads are never shed here.
//!
//! A decision costs two atomic additions; a completion one more and, every 64th time,
//! the adaptation.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

/// Completions that one adaptation looks at.
const WINDOW: u32 = 64;
/// Latencies within this of twice the baseline are no sign of anything, microseconds.
const SLACK_US: u64 = 4_000;

/// Settings.
#[derive(Copy, Clone, Debug)]
pub struct ShedOptions {
    /// Writes in flight that are always let through.
    pub writes_min: u32,
    /// Writes in flight at the start.
    pub writes_first: u32,
    /// Writes in flight at the most.
    pub writes_max: u32,
}

impl Default for ShedOptions {
    fn default() -> Self {
        ShedOptions { writes_min: 64, writes_first: 512, writes_max: 8_192 }
    }
}

/// See the module's documentation.
pub struct Shed {
    options: ShedOptions,
    in_flight: AtomicU32,
    limit: AtomicU32,
    /// The most that were in flight since the last adaptation.
    peak: AtomicU32,
    /// Completions since the last adaptation, and their latencies' sum.
    completed: AtomicU32,
    sum_us: AtomicU64,
    /// What answers take at ease: falls at once, rises slowly.
    baseline_us: AtomicU64,
}

/// Leave to do one write. Dropping it ends the write.
pub struct Permit<'a> {
    shed: &'a Shed,
    started: Instant,
}

impl Shed {
    /// A limit that has learnt nothing yet.
    #[must_use]
    pub fn new(options: ShedOptions) -> Shed {
        Shed {
            limit: AtomicU32::new(options.writes_first.clamp(options.writes_min, options.writes_max)),
            options,
            in_flight: AtomicU32::new(0),
            peak: AtomicU32::new(0),
            completed: AtomicU32::new(0),
            sum_us: AtomicU64::new(0),
            baseline_us: AtomicU64::new(0),
        }
    }

    /// Leave to do one write, or none if too many are in flight.
    #[must_use]
    pub fn admit(&self) -> Option<Permit<'_>> {
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        if before >= self.limit.load(Ordering::Relaxed) {
            self.in_flight.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        self.peak.fetch_max(before + 1, Ordering::Relaxed);
        Some(Permit { shed: self, started: Instant::now() })
    }

    /// How many writes may be in flight now.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit.load(Ordering::Relaxed)
    }

    /// How many are.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    fn complete(&self, took_us: u64) {
        self.sum_us.fetch_add(took_us, Ordering::Relaxed);
        if self.completed.fetch_add(1, Ordering::Relaxed) + 1 == WINDOW {
            // Completions that slip in between are counted in the next window: the mean
            // is a little off, which an average forgives.
            self.completed.store(0, Ordering::Relaxed);
            let mean_us = self.sum_us.swap(0, Ordering::Relaxed) / u64::from(WINDOW);
            let peak = self.peak.swap(0, Ordering::Relaxed);
            self.adapt(mean_us, peak);
        }
    }

    fn adapt(&self, mean_us: u64, peak: u32) {
        let known = self.baseline_us.load(Ordering::Relaxed);
        let risen = known + known / 256 + 1;
        let baseline = if known == 0 { mean_us } else { mean_us.min(risen) };
        self.baseline_us.store(baseline, Ordering::Relaxed);
        let limit = self.limit.load(Ordering::Relaxed);
        let next = if mean_us > 2 * baseline + SLACK_US {
            limit - limit.div_ceil(10)
        } else if peak >= limit - limit / 8 {
            limit + limit.isqrt()
        } else {
            limit
        };
        self.limit.store(next.clamp(self.options.writes_min, self.options.writes_max), Ordering::Relaxed);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.shed.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.shed.complete(u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shed() -> Shed {
        Shed::new(ShedOptions { writes_min: 4, writes_first: 16, writes_max: 64 })
    }

    #[test]
    fn beyond_the_limit_nobody_is_let_in_until_someone_leaves() {
        let shed = shed();
        let mut permits: Vec<_> = (0..16).map(|_| shed.admit()).collect();
        assert!(permits.iter().all(Option::is_some));
        assert!(shed.admit().is_none());
        permits.pop();
        assert!(shed.admit().is_some());
    }

    #[test]
    fn the_limit_shrinks_when_answers_take_long_and_grows_when_they_do_not() {
        let shed = shed();
        shed.adapt(5_000, 16);
        assert_eq!(shed.limit(), 20);
        for _ in 0..100 {
            shed.adapt(100_000, 16);
        }
        assert_eq!(shed.limit(), 4);
        for _ in 0..100 {
            shed.adapt(5_000, shed.limit());
        }
        assert_eq!(shed.limit(), 64);
        shed.adapt(5_000, 3);
        assert_eq!(shed.limit(), 64);
    }
}
