//! What the crowd felt: latency by kind of request, and one line a second.
//!
//! A latency runs from the instant at which a request ought to have been sent to the end of its
//! answer, so a generator or a service that falls behind shows up (no coordinated omission). Must
//! never keep more than a bounded number of seconds. Start at [`Tally`].

use hdrhistogram::Histogram;
use tokio::time::Instant;

use super::super::{http::Done, report_points::Second};

/// Microseconds beyond which a latency counts as this.
const LATENCY_US_MAX: u64 = 600_000_000;
const SECONDS_MAX: usize = 7_200;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Say who one is, through a partner.
    Identify,
    /// Take a place in line.
    Join,
    /// The room's public document.
    Poll,
    /// The revealed draw.
    Draw,
    /// One's place, from the service.
    Place,
    /// Come in.
    Enter,
    /// Clinics that have places.
    Clinics,
    /// The slots of a clinic.
    Slots,
    /// Hold a place.
    Hold,
    /// Book it.
    Confirm,
    /// Give it back.
    Cancel,
    /// See one's bookings.
    List,
}

impl Kind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Kind; 12] = [
        Kind::Identify,
        Kind::Join,
        Kind::Poll,
        Kind::Draw,
        Kind::Place,
        Kind::Enter,
        Kind::Clinics,
        Kind::Slots,
        Kind::Hold,
        Kind::Confirm,
        Kind::Cancel,
        Kind::List,
    ];

    /// In one word, as in figures' keys.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Identify => "identify",
            Kind::Join => "join",
            Kind::Poll => "poll",
            Kind::Draw => "draw",
            Kind::Place => "place",
            Kind::Enter => "enter",
            Kind::Clinics => "clinics",
            Kind::Slots => "slots",
            Kind::Hold => "hold",
            Kind::Confirm => "confirm",
            Kind::Cancel => "cancel",
            Kind::List => "list",
        }
    }

    /// Whether it belongs to waiting, and not to booking.
    pub fn is_waiting(self) -> bool {
        matches!(self, Kind::Join | Kind::Poll | Kind::Draw | Kind::Place)
    }
}

/// A histogram of microseconds with two significant digits.
pub fn histogram() -> Histogram<u64> {
    // The bounds are constants that fit.
    Histogram::new_with_bounds(1, LATENCY_US_MAX, 2).expect("fixed bounds of a histogram")
}

/// How many people are where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Have come.
    pub arrived: u32,
    /// Hold a ticket and have not come in or left.
    pub waiting: u32,
    /// Have come in and not finished.
    pub inside: u32,
    /// Have come in at all.
    pub entered: u32,
    /// Have booked at all.
    pub booked: u32,
    /// Are through, with or without a place.
    pub over: u32,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Tally {
    /// Latency of everything that was answered as it should, by [`Kind`].
    pub latency: Vec<Histogram<u64>>,
    /// How late requests were handed to a connection, microseconds: the generator's own part.
    pub lag: Histogram<u64>,
    /// Second by second.
    pub seconds: Vec<Second>,
    /// Answers by kind and status or error; bounded by what there is of both.
    pub answers: std::collections::BTreeMap<(Kind, String), u64>,
    current: Histogram<u64>,
    second: Second,
    came_together: Instant,
}

impl Tally {
    /// Nothing yet; seconds count from `came_together`.
    pub fn new(came_together: Instant) -> Self {
        Self {
            latency: Kind::ALL.iter().map(|_| histogram()).collect(),
            lag: histogram(),
            seconds: Vec::new(),
            answers: std::collections::BTreeMap::new(),
            current: histogram(),
            second: Second::default(),
            came_together,
        }
    }

    /// One request is done. `word` is its problem's code, `ok`, or what broke.
    pub fn record<T>(&mut self, kind: Kind, done: &Done<T>, word: &str) {
        let us = |from: Instant, to: Instant| {
            u64::try_from(to.saturating_duration_since(from).as_micros())
                .unwrap_or(u64::MAX)
                .clamp(1, LATENCY_US_MAX)
        };
        let latency_us = us(done.intended_at, done.done_at);
        self.lag.saturating_record(us(done.intended_at, done.sent_at));
        self.second.requests += 1;
        match &done.result {
            Ok(answer) if matches!(answer.status, 429 | 500..) => self.second.shed += 1,
            Ok(_) => {
                self.latency[kind as usize].saturating_record(latency_us);
                self.current.saturating_record(latency_us);
            }
            Err(_) => self.second.failed += 1,
        }
        match self.answers.get_mut(&(kind, word.to_string())) {
            Some(count) => *count += 1,
            None => drop(self.answers.insert((kind, word.to_string()), 1)),
        }
    }

    /// Closes the current second, if it is over.
    pub fn turn(&mut self, now: Instant, counts: Counts) -> Option<Second> {
        let at_s = now.saturating_duration_since(self.came_together).as_secs();
        if at_s <= self.second.at_s {
            return None;
        }
        let mut second = std::mem::take(&mut self.second);
        second.p50_ms = self.current.value_at_quantile(0.5) as f64 / 1000.0;
        second.p99_ms = self.current.value_at_quantile(0.99) as f64 / 1000.0;
        second.answered = self.current.len();
        second.counts = counts;
        self.current.reset();
        self.second.at_s = at_s;
        if self.seconds.len() < SECONDS_MAX {
            self.seconds.push(second.clone());
        }
        Some(second)
    }
}
