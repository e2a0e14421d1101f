//! What is measured second by second.
//!
//! Must never influence the run. Start at [`Meter`].

use hdrhistogram::Histogram;
use jari_core::booking::Supply;

use super::wheel::TICK_MS;

/// Ticks of a second.
pub const SECOND_TICKS: u32 = (1_000 / TICK_MS) as u32;

/// One second of the evening.
#[derive(Debug, Clone, Copy, Default)]
pub struct Second {
    /// People who came.
    pub arrived: u32,
    /// Requests that reached the node's door, others' floods included.
    pub offered: u32,
    /// Requests carried out.
    pub served: u32,
    /// Requests told to come back later.
    pub refused: u32,
    /// Requests that found nobody.
    pub unanswered: u32,
    /// Looks at the document.
    pub looks: u32,
    /// People in line, not called yet.
    pub waiting: u32,
    /// Positions called.
    pub called: u32,
    /// Tickets that entered.
    pub entered: u32,
    /// The campaign's places.
    pub supply: Supply,
    /// Free by the quota.
    pub free: u32,
    /// The quota.
    pub quota: u32,
    /// Half of the answers came within, milliseconds.
    pub p50_ms: f64,
    /// 99 of 100 came within.
    pub p99_ms: f64,
    /// The service's 95th percentile.
    pub service_p95_ms: u32,
    /// The service's steps.
    pub steps: u32,
    /// The controller's part of the pace, per million.
    pub factor_ppm: u32,
    /// Whether the process was down at some time of it.
    pub down: bool,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Meter {
    /// All seconds, from the lobby's opening on.
    pub seconds: Vec<Second>,
    /// The running one.
    pub now: Second,
    /// Answers of the running second, milliseconds from the first attempt on.
    answers: Histogram<u64>,
    /// Answers of the whole run.
    pub all_answers: Histogram<u64>,
}

impl Meter {
    /// Nothing measured yet.
    ///
    /// # Errors
    ///
    /// Never in practice: the histogram's bounds are fixed.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self {
            seconds: Vec::new(),
            now: Second::default(),
            answers: Histogram::new_with_bounds(1, 3_600_000, 2)?,
            all_answers: Histogram::new_with_bounds(1, 3_600_000, 2)?,
        })
    }

    /// An answer came after so many milliseconds.
    pub fn answered(&mut self, ms: u64) {
        self.answers.saturating_record(ms.max(1));
        self.all_answers.saturating_record(ms.max(1));
    }

    /// The running second is over.
    pub fn close_second(&mut self) {
        if !self.answers.is_empty() {
            self.now.p50_ms = self.answers.value_at_quantile(0.5) as f64;
            self.now.p99_ms = self.answers.value_at_quantile(0.99) as f64;
            self.answers.reset();
        } else {
            (self.now.p50_ms, self.now.p99_ms) = (f64::NAN, f64::NAN);
        }
        let next = Second {
            waiting: self.now.waiting,
            called: self.now.called,
            entered: self.now.entered,
            supply: self.now.supply,
            free: self.now.free,
            quota: self.now.quota,
            factor_ppm: self.now.factor_ppm,
            ..Second::default()
        };
        self.seconds.push(std::mem::replace(&mut self.now, next));
    }
}
