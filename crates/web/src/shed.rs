//! Sheds writes that could not be served in time, before anything is spent on them.
//!
//! So many writes may be in flight; the number follows what was measured. While answers
//! take about as long as they do at ease, it grows; when they take twice as long it
//! shrinks by a tenth (after TCP Vegas and Netflix's gradient limit). Whoever is over it
//! is told to come back; nothing is parsed for them. Reads are never shed here.
//!
//! Two things keep the work done from being wasted when very many come. Whoever holds a
//! place and finishes (confirms, gives back) has twice the room: a hold whose confirmation
//! is turned away was work for nothing. And those turned away hear it after a second or
//! so, not at once: a caller whose every refusal is instant asks again at once, and
//! refusing would become the whole work.
//!
//! A decision costs two atomic additions; a completion one more and, every 64th time,
//! the adaptation. A refusal that waits costs its connection and a timer.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Completions that one adaptation looks at.
const WINDOW: u32 = 64;
/// Latencies within this of twice the baseline are no sign of anything, microseconds: nobody
/// feels them, and many at once share a flush.
const SLACK_US: u64 = 20_000;

/// Refusals that wait at once; beyond it they are instant.
const PARKED_MAX: u32 = 16_384;
/// How long a refusal waits: this, and up to as much again.
const PARK_MS: u64 = 500;

/// What a write does for the one who sends it.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// It begins something: a number, a hold.
    Begin,
    /// It finishes what was begun: a confirmation, a cancellation.
    Finish,
}

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
    /// Refusals that wait now, and all there ever were.
    parked: AtomicU32,
    refused: AtomicU64,
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
            parked: AtomicU32::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Leave to do one write, or none if too many are in flight.
    #[must_use]
    pub fn admit(&self, step: Step) -> Option<Permit<'_>> {
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        let limit = self.limit.load(Ordering::Relaxed);
        let limit = if step == Step::Finish { limit.saturating_mul(2) } else { limit };
        if before >= limit {
            self.in_flight.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        self.peak.fetch_max(before + 1, Ordering::Relaxed);
        Some(Permit { shed: self, started: Instant::now() })
    }

    /// Lets a refusal wait, so that refusing stays cheap however many ask again.
    pub async fn park(&self) {
        let number = self.refused.fetch_add(1, Ordering::Relaxed);
        if self.parked.fetch_add(1, Ordering::Relaxed) < PARKED_MAX {
            // Neighbours in the count wake apart (Knuth's multiplicative hash).
            let spread = (number.wrapping_mul(2_654_435_761) >> 16) % PARK_MS;
            let _parked = Parked(&self.parked);
            tokio::time::sleep(Duration::from_millis(PARK_MS + spread)).await;
        } else {
            self.parked.fetch_sub(1, Ordering::Relaxed);
        }
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

/// A refusal that waits; its caller may go away meanwhile.
struct Parked<'a>(&'a AtomicU32);

impl Drop for Parked<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
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
        let mut permits: Vec<_> = (0..16).map(|_| shed.admit(Step::Begin)).collect();
        assert!(permits.iter().all(Option::is_some));
        assert!(shed.admit(Step::Begin).is_none());
        assert!(shed.admit(Step::Finish).is_some(), "whoever finishes has more room");
        permits.pop();
        assert!(shed.admit(Step::Begin).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_waits_and_a_caller_who_leaves_frees_its_room() {
        let shed = shed();
        let began = tokio::time::Instant::now();
        shed.park().await;
        let waited_ms = began.elapsed().as_millis() as u64;
        assert!((PARK_MS..=2 * PARK_MS).contains(&waited_ms), "{waited_ms} ms");
        let left = tokio::time::timeout(Duration::from_millis(1), shed.park()).await;
        assert!(left.is_err(), "the caller went away first");
        assert_eq!(shed.parked.load(Ordering::Relaxed), 0);
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
