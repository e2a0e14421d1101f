//! Sheds writes that could not be served in time, before anything is spent on them.
//!
//! So many writes may be in flight; the number follows what was measured. While answers
//! take about as long as they do at ease, it grows; when they take half as long again it
//! shrinks (after TCP Vegas and Netflix's gradient limit). At ease means that no more were
//! in flight than are always let through: nothing else moves the baseline up, or a long
//! overload would pass for ease in the end. Reads are never shed here. More in flight than
//! needed would not only wait: with thousands, what one request touches has left the
//! processor's caches when its answer is due.
//!
//! Whoever is over the limit waits, with nothing parsed for them, and is told after some
//! seconds to come back. A caller whose every refusal is instant asks again at once, and
//! refusing would become the whole work. While no more wait than there is room for, they are
//! let in as they came and nobody passes them: each waits about as long as an answer takes.
//! Beyond it, when half of the room is free because those inside went away and nobody new
//! came, it is given to whoever came last (adaptive LIFO: Maurer, "Fail at Scale", ACM Queue
//! 13(8), 2015): in the order of their coming everyone would be served just when they have
//! turned away. No person's turn hangs on it: their place is their ticket's number. Whoever
//! finishes (confirms, gives back) has twice as much room of their own: a hold whose confirmation
//! is turned away was work for nothing, and were the room one, those who begin would starve behind
//! those who finish.
//!
//! A decision costs an atomic addition, a completion some more and, twenty times a second,
//! the adaptation. A wait costs its connection, a timer and a lock held for a push.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

mod line;

use line::{Line, Order};

/// What one adaptation looks at: so many completions at least, over so long at least. Shorter
/// ones mistake one slow flush, or a processor lent to others for a moment, for the rule.
const WINDOW: u32 = 64;
const WINDOW_TIME: Duration = Duration::from_millis(50);
/// So much above the baseline and a half is no sign of anything, microseconds: nobody feels it, and
/// many at once share a flush.
const SLACK_US: u64 = 1_000;
/// What answers take at ease is a running mean over about so many windows.
const EASE_WINDOWS: u64 = 8;

/// How long someone waits for leave: this, and up to as much again.
const WAIT_MS: u64 = 1_500;

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
    /// Writes in flight that are always let through, of those who begin.
    pub writes_min: u32,
    /// Writes in flight at the start.
    pub writes_first: u32,
    /// Writes in flight at the most.
    pub writes_max: u32,
    /// Writes of each kind that may wait; beyond it they are refused at once.
    pub waiting_max: usize,
}

impl Default for ShedOptions {
    fn default() -> Self {
        ShedOptions { writes_min: 64, writes_first: 256, writes_max: 8_192, waiting_max: 16_384 }
    }
}

/// See the module's documentation.
pub struct Shed {
    options: ShedOptions,
    limit: AtomicU32,
    begin: Lane,
    finish: Lane,
    /// The most that began at a time since the last adaptation.
    peak: AtomicU32,
    /// Completions since the last adaptation, and their latencies' sum.
    completed: AtomicU32,
    sum_us: AtomicU64,
    /// When that was, microseconds after `began`.
    adapted_us: AtomicU64,
    began: Instant,
    /// What answers take at ease.
    baseline_us: AtomicU64,
    /// All who ever waited.
    waited: AtomicU64,
}

/// Writes of one kind: those in flight, and those who wait.
struct Lane {
    in_flight: AtomicU32,
    line: Line,
}

/// Leave to do one write. Dropping it ends the write.
pub struct Permit {
    shed: Arc<Shed>,
    step: Step,
    /// None once it is clear that nobody will use it.
    started: Option<Instant>,
}

impl Shed {
    /// A limit that has learnt nothing yet.
    #[must_use]
    pub fn new(options: ShedOptions) -> Arc<Shed> {
        Arc::new(Shed {
            limit: AtomicU32::new(options.writes_first.clamp(options.writes_min, options.writes_max)),
            options,
            begin: Lane::new(options.waiting_max),
            finish: Lane::new(options.waiting_max),
            peak: AtomicU32::new(0),
            completed: AtomicU32::new(0),
            sum_us: AtomicU64::new(0),
            adapted_us: AtomicU64::new(0),
            began: Instant::now(),
            baseline_us: AtomicU64::new(0),
            waited: AtomicU64::new(0),
        })
    }

    /// Leave to do one write, or none if so many are in flight that it has to wait.
    #[must_use]
    pub fn admit(self: &Arc<Self>, step: Step) -> Option<Permit> {
        let (line, room) = (&self.lane(step).line, self.room(step));
        if line.anyone() && line.order(room) == Order::OldestFirst {
            return None;
        }
        self.enter(step, room).then(|| self.permit(step))
    }

    /// Waits for leave; none if there is still none after some seconds, or too many wait.
    pub async fn wait(self: &Arc<Self>, step: Step) -> Option<Permit> {
        let leave = self.lane(step).line.join()?;
        // Someone may have left in between, before they could see who waits.
        self.call_next(step);
        // Neighbours in the count give up apart (Knuth's multiplicative hash).
        let number = self.waited.fetch_add(1, Ordering::Relaxed);
        let spread_ms = (number.wrapping_mul(2_654_435_761) >> 16) % WAIT_MS;
        tokio::time::timeout(Duration::from_millis(WAIT_MS + spread_ms), leave).await.ok()?.ok()
    }

    /// How many writes may be in flight now.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit.load(Ordering::Relaxed)
    }

    /// How many are.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        [&self.begin, &self.finish].map(|lane| lane.in_flight.load(Ordering::Relaxed)).iter().sum()
    }

    fn lane(&self, step: Step) -> &Lane {
        match step {
            Step::Begin => &self.begin,
            Step::Finish => &self.finish,
        }
    }

    fn room(&self, step: Step) -> u32 {
        match step {
            Step::Begin => self.limit(),
            Step::Finish => self.limit().saturating_mul(2),
        }
    }

    /// Counts one more in flight, if fewer than `room` are.
    fn enter(&self, step: Step, room: u32) -> bool {
        let in_flight = &self.lane(step).in_flight;
        let before = in_flight.fetch_add(1, Ordering::SeqCst);
        if before >= room {
            in_flight.fetch_sub(1, Ordering::SeqCst);
            return false;
        }
        if step == Step::Begin {
            self.peak.fetch_max(before + 1, Ordering::Relaxed);
        }
        true
    }

    /// Lets in those who wait, until the room is taken, or half of it if many wait. Whoever leaves
    /// counts themselves out before they look who waits, and whoever waits stands in line before
    /// they look for room: one of the two sees the other.
    fn call_next(self: &Arc<Self>, step: Step) {
        let line = &self.lane(step).line;
        while line.anyone() {
            let room = self.room(step);
            let order = line.order(room);
            if !self.enter(step, if order == Order::OldestFirst { room } else { room.div_ceil(2) }) {
                return;
            }
            if let Err(mut permit) = line.call(self.permit(step), order) {
                permit.started = None;
                return;
            }
        }
    }

    fn permit(self: &Arc<Self>, step: Step) -> Permit {
        Permit { shed: Arc::clone(self), step, started: Some(Instant::now()) }
    }

    fn complete(&self, took_us: u64) {
        self.sum_us.fetch_add(took_us, Ordering::Relaxed);
        let completed = self.completed.fetch_add(1, Ordering::Relaxed) + 1;
        if !completed.is_multiple_of(WINDOW) {
            return;
        }
        let now_us = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let since = self.adapted_us.load(Ordering::Relaxed);
        let due = now_us.saturating_sub(since) >= WINDOW_TIME.as_micros() as u64;
        let (order, otherwise) = (Ordering::Relaxed, Ordering::Relaxed);
        if due && self.adapted_us.compare_exchange(since, now_us, order, otherwise).is_ok() {
            // Completions that slip in between are counted in the next window: the mean is a
            // little off, which an average forgives.
            let completed = self.completed.swap(0, Ordering::Relaxed).max(1);
            let mean_us = self.sum_us.swap(0, Ordering::Relaxed) / u64::from(completed);
            self.adapt(mean_us, self.peak.swap(0, Ordering::Relaxed));
        }
    }

    fn adapt(&self, mean_us: u64, peak: u32) {
        let known = self.baseline_us.load(Ordering::Relaxed);
        let baseline = match known {
            0 => mean_us,
            _ if mean_us > known && peak <= self.options.writes_min => {
                known + (mean_us - known).div_ceil(EASE_WINDOWS)
            }
            _ => mean_us.min(known),
        };
        self.baseline_us.store(baseline, Ordering::Relaxed);
        let limit = self.limit();
        let step = limit.div_ceil(8);
        let next = if mean_us > baseline + baseline / 2 + SLACK_US {
            limit.saturating_sub(step)
        } else if peak >= limit - limit / 8 {
            limit.saturating_add(step)
        } else {
            limit
        };
        self.limit.store(next.clamp(self.options.writes_min, self.options.writes_max), Ordering::Relaxed);
    }
}

impl Lane {
    fn new(waiting_max: usize) -> Lane {
        Lane { in_flight: AtomicU32::new(0), line: Line::new(waiting_max) }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shed.lane(self.step).in_flight.fetch_sub(1, Ordering::SeqCst);
        if let Some(started) = self.started {
            self.shed.complete(u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX));
            self.shed.call_next(self.step);
        }
    }
}

#[cfg(test)]
mod tests;
