//! What came of it: counts by status, latencies, how busy the cores were.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use jari_bench::answer::Answer;
use jari_bench::cores;
use serde_json::{Value, json};

/// Latencies above it count as it, microseconds.
const LATENCY_US_MAX: u64 = 120_000_000;

/// See the module's documentation. Only what happens in the window counts.
pub struct Tally {
    from: Instant,
    until: Instant,
    before: Vec<cores::Ticks>,
    cores: Vec<(f64, f64)>,
    /// Time in which the generator had nothing to do.
    idle: Duration,
    statuses: BTreeMap<u16, u64>,
    /// Answers with the status that was wanted, by step.
    good: Vec<u64>,
    /// The same, before and after the window too: what the server's own books must show.
    good_ever: Vec<u64>,
    by_step: Vec<Histogram<u64>>,
    /// People who got through all steps, from when they meant to come.
    whole: Histogram<u64>,
    /// How late people were seated: the generator's own part in their latency.
    late: Histogram<u64>,
    people: u64,
    arrived: u64,
    gave_up: u64,
    unseated: u64,
    broken: u64,
    bytes: u64,
    state: State,
}

#[derive(Copy, Clone, PartialEq, Eq)]
enum State {
    Before,
    Counting,
    After,
}

impl Tally {
    /// Counts between two instants.
    pub fn new(from: Instant, until: Instant, steps: usize) -> anyhow::Result<Tally> {
        let histogram = || Histogram::new_with_bounds(1, LATENCY_US_MAX, 3);
        Ok(Tally {
            from,
            until,
            before: Vec::new(),
            cores: Vec::new(),
            idle: Duration::ZERO,
            statuses: BTreeMap::new(),
            good: vec![0; steps],
            good_ever: vec![0; steps],
            by_step: (0..steps).map(|_| histogram()).collect::<Result<_, _>>()?,
            whole: histogram()?,
            late: histogram()?,
            people: 0,
            arrived: 0,
            gave_up: 0,
            unseated: 0,
            broken: 0,
            bytes: 0,
            state: State::Before,
        })
    }

    /// Looks at the clock; call it often.
    pub fn at(&mut self, now: Instant) {
        if self.state == State::Before && now >= self.from {
            self.state = State::Counting;
            self.before = cores::now();
        }
        if self.state == State::Counting && now >= self.until {
            self.state = State::After;
            self.cores = cores::since(&self.before);
        }
    }

    fn counts(&self, at: Instant) -> bool {
        self.from <= at && at < self.until
    }

    /// An answer to a request that was due at `due`.
    pub fn answer(&mut self, step: usize, answer: &Answer, good: bool, due: Instant, now: Instant) {
        self.good_ever[step] += u64::from(good);
        if self.counts(now) {
            *self.statuses.entry(answer.status).or_default() += 1;
            self.bytes += answer.bytes as u64;
            self.good[step] += u64::from(good);
        }
        if good && self.counts(due) {
            self.by_step[step].saturating_record(microseconds(now - due));
        }
    }

    /// Someone got through all steps.
    pub fn person(&mut self, due: Instant, now: Instant) {
        self.people += u64::from(self.counts(now));
        if self.counts(due) {
            self.whole.saturating_record(microseconds(now - due));
        }
    }

    /// Someone came, whether or not there was a connection for them.
    pub fn arrival(&mut self, due: Instant) {
        self.arrived += u64::from(self.counts(due));
    }

    /// The generator looked for something to do from `began` to `ended`, and found nothing.
    pub fn looked_in_vain(&mut self, began: Instant, ended: Instant) {
        if self.counts(began) {
            self.idle += ended - began;
        }
    }

    /// A person's first request was handed to a connection.
    pub fn seated(&mut self, due: Instant, now: Instant) {
        if self.counts(due) {
            self.late.saturating_record(microseconds(now - due));
        }
    }

    /// Someone waited for too long and left.
    pub fn gave_up(&mut self, due: Instant) {
        self.gave_up += u64::from(self.counts(due));
    }

    /// Someone came, and the generator had no connection left for them.
    pub fn unseated(&mut self, due: Instant) {
        self.unseated += u64::from(self.counts(due));
    }

    /// A connection failed under a request.
    pub fn broken(&mut self, now: Instant) {
        self.broken += u64::from(self.counts(now));
    }

    /// Everything, as JSON.
    pub fn report(&self) -> Value {
        let seconds = (self.until - self.from).as_secs_f64();
        let good: u64 = self.good.iter().sum();
        json!({
            "seconds": seconds,
            "requests_per_s": good as f64 / seconds,
            "people_per_s": self.people as f64 / seconds,
            "arrived_per_s": self.arrived as f64 / seconds,
            "good": self.good,
            "good_ever": self.good_ever,
            "people": self.people,
            "arrived": self.arrived,
            "gave_up": self.gave_up,
            "unseated": self.unseated,
            "broken": self.broken,
            "statuses": self.statuses,
            "bytes_per_answer": self.bytes as f64 / self.statuses.values().sum::<u64>().max(1) as f64,
            "latency": quantiles(&self.whole),
            "late": quantiles(&self.late),
            "latency_by_step": self.by_step.iter().map(quantiles).collect::<Vec<_>>(),
            "generator_busy_percent": round(100.0 * (1.0 - self.idle.as_secs_f64() / seconds)),
            "cores_busy_percent": self.cores.iter().map(|(busy, _)| round(*busy)).collect::<Vec<_>>(),
            "cores_stolen_percent": self.cores.iter().map(|(_, stolen)| round(*stolen)).collect::<Vec<_>>(),
        })
    }
}

fn quantiles(latencies: &Histogram<u64>) -> Value {
    let at = |quantile| latencies.value_at_quantile(quantile);
    json!({ "count": latencies.len(), "p50_us": at(0.5), "p90_us": at(0.9), "p99_us": at(0.99),
        "p999_us": at(0.999), "max_us": latencies.max() })
}

fn microseconds(latency: Duration) -> u64 {
    u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).max(1)
}

fn round(share: f64) -> f64 {
    (share * 10.0).round() / 10.0
}
