//! What booking feels: latencies and errors of holds and confirmations, second by second.
//!
//! Rooms in front of a campaign hear of it and slow down before it hurts. Recording costs
//! two atomic additions.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use jari_core::Body;
use jari_core::ids::RoomId;
use jari_node::Durations;

use crate::actions::submit_plain;
use crate::site::Site;

/// See the module's documentation.
#[derive(Default)]
pub struct Health {
    /// Answers by latency.
    answers: Durations,
    errors: AtomicU32,
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
        self.answers.record(took);
        if error {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What was felt since the last look; nothing if nobody came.
    #[must_use]
    pub fn take(&self) -> Option<Felt> {
        let answers = self.answers.take();
        let errors = u64::from(self.errors.swap(0, Ordering::Relaxed));
        let p95_us = answers.percentile_us(95)?;
        let error_ppm = u32::try_from(errors * 1_000_000 / answers.total()).unwrap_or(1_000_000);
        Some(Felt { latency_p95_ms: u32::try_from(p95_us.div_ceil(1_000)).unwrap_or(u32::MAX), error_ppm })
    }
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
}
