//! The service behind the room, as a model: one queue, served in order, at a rate that can change.
//!
//! Must never be faster than its rate. What a real one does is for the live drill to measure.
//! Start at [`Protected::serve`].

use super::wheel::TICK_MS;

/// Answers of the last second, for the health report.
#[derive(Debug)]
pub struct Protected {
    per_step_us: f64,
    step_ms: u32,
    patience_ms: u32,
    /// The part of its best that it carries.
    pub factor: f64,
    /// Until when, in microseconds, it is busy.
    busy_until_us: f64,
    latencies_ms: Vec<u32>,
    errors: u32,
}

/// What was felt in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Health {
    /// 95th percentile.
    pub latency_p95_ms: u32,
    /// Errors per million.
    pub error_ppm: u32,
    /// Steps served.
    pub steps: u32,
}

impl Protected {
    /// A service that carries `steps_per_s`.
    #[must_use]
    pub fn new(steps_per_s: f64, step_ms: u32, patience_ms: u32) -> Self {
        Self {
            per_step_us: 1e6 / steps_per_s,
            step_ms,
            patience_ms,
            factor: 1.0,
            busy_until_us: 0.0,
            latencies_ms: Vec::new(),
            errors: 0,
        }
    }

    /// A step that comes at `tick`: milliseconds until it is served, or `None` where it would take
    /// too long and is turned away at once.
    pub fn serve(&mut self, tick: u32) -> Option<u64> {
        let now_us = f64::from(tick) * TICK_MS as f64 * 1e3;
        let begins_us = self.busy_until_us.max(now_us);
        let queued_ms = ((begins_us - now_us) / 1e3) as u32;
        if queued_ms > self.patience_ms {
            self.errors += 1;
            return None;
        }
        self.busy_until_us = begins_us + self.per_step_us / self.factor;
        let latency_ms = queued_ms + self.step_ms;
        self.latencies_ms.push(latency_ms);
        Some(u64::from(latency_ms))
    }

    /// What was felt since the last report.
    pub fn report(&mut self) -> Health {
        self.latencies_ms.sort_unstable();
        let steps = self.latencies_ms.len();
        let latency_p95_ms = self.latencies_ms.get(steps * 95 / 100).copied().unwrap_or(0);
        let all = steps as u64 + u64::from(self.errors);
        let error_ppm = (u64::from(self.errors) * 1_000_000).checked_div(all).unwrap_or(0) as u32;
        self.latencies_ms.clear();
        self.errors = 0;
        Health { latency_p95_ms, error_ppm, steps: steps as u32 }
    }
}
