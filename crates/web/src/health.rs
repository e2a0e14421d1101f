//! What booking feels: latencies and errors of holds and confirmations, second by second.
//!
//! Rooms in front of a campaign hear of it and slow down before it hurts. Recording costs
//! two atomic additions; a latency falls into one of 80 buckets, each a quarter of an
//! octave wide, so a percentile is off by a fifth at the most.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use jari_core::Body;
use jari_core::ids::RoomId;

use crate::actions::submit_plain;
use crate::site::Site;

const BUCKETS: usize = 80;

/// See the module's documentation.
pub struct Health {
    /// Answers by latency.
    answers: [AtomicU32; BUCKETS],
    errors: AtomicU32,
}

impl Default for Health {
    fn default() -> Self {
        Health { answers: std::array::from_fn(|_| AtomicU32::new(0)), errors: AtomicU32::new(0) }
    }
}

/// What was felt since the last look.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Felt {
    /// 95th percentile, milliseconds, rounded up.
    pub latency_p95_ms: u32,
    /// Errors per million answers.
    pub error_ppm: u32,
}

impl Health {
    /// Records an answer. An error is one of ours: a refusal is none.
    pub fn record(&self, took: Duration, error: bool) {
        self.answers[bucket_of(took)].fetch_add(1, Ordering::Relaxed);
        if error {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What was felt since the last look; nothing if nobody came.
    #[must_use]
    pub fn take(&self) -> Option<Felt> {
        let answers: [u32; BUCKETS] = std::array::from_fn(|at| self.answers[at].swap(0, Ordering::Relaxed));
        let errors = u64::from(self.errors.swap(0, Ordering::Relaxed));
        let total: u64 = answers.iter().map(|count| u64::from(*count)).sum();
        if total == 0 {
            return None;
        }
        let mut left = (total * 95).div_ceil(100);
        let mut p95 = BUCKETS - 1;
        for (at, count) in answers.iter().enumerate() {
            if left <= u64::from(*count) {
                p95 = at;
                break;
            }
            left -= u64::from(*count);
        }
        let error_ppm = u32::try_from(errors * 1_000_000 / total).unwrap_or(1_000_000);
        Some(Felt { latency_p95_ms: upper_ms(p95), error_ppm })
    }
}

/// Four buckets an octave, from 64 microseconds up.
fn bucket_of(took: Duration) -> usize {
    let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(64);
    let octave = us.ilog2();
    let quarter = (us >> (octave - 2) & 3) as usize;
    ((octave as usize - 6) * 4 + quarter).min(BUCKETS - 1)
}

/// The upper end of a bucket, milliseconds, rounded up.
fn upper_ms(bucket: usize) -> u32 {
    let (octave, quarter) = (bucket / 4 + 6, bucket as u64 % 4);
    let us = (1_u64 << octave) + ((quarter + 1) << (octave - 2));
    u32::try_from(us.div_ceil(1000)).unwrap_or(u32::MAX)
}

/// Tells the rooms in front of campaigns what booking felt since the last time. Every node tells
/// what it felt itself: a room moves at most once a second however many tell, and the worst counts
/// (`jari_core::waiting_room::pace`; tested there).
pub async fn report(site: &Site) {
    let Some(felt) = site.health.take() else {
        return;
    };
    let rooms: Vec<RoomId> = site.node.read(|state| {
        let rooms = state.data().rooms.iter().filter(|(_, room)| room.config.campaign.is_some());
        rooms.map(|(id, _)| *id).collect()
    });
    for room in rooms {
        let Felt { latency_p95_ms, error_ppm } = felt;
        // A report that is lost is followed by the next within a second.
        if let Err(problem) = submit_plain(site, Body::ReportHealth { room, latency_p95_ms, error_ppm }).await
        {
            tracing::debug!(code = problem.code, "a health report was not taken");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_percentile_is_off_by_a_quarter_at_the_most() {
        let health = Health::default();
        assert_eq!(health.take(), None);
        for ms in 1..=100_u64 {
            health.record(Duration::from_millis(ms), ms > 98);
        }
        let felt = health.take().unwrap();
        assert!((95..=120).contains(&felt.latency_p95_ms), "{felt:?}");
        assert_eq!(felt.error_ppm, 20_000);
        assert_eq!(health.take(), None);
    }

    #[test]
    fn the_shortest_and_the_longest_latency_have_a_bucket() {
        assert_eq!(bucket_of(Duration::ZERO), 0);
        assert_eq!(bucket_of(Duration::MAX), BUCKETS - 1);
    }
}
