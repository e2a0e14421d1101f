//! Booking at full load: visits of hold, confirm and cancel, closed-loop to find what the service
//! carries, open-loop to offer it more.
//!
//! A visit belongs to a person with a session, who comes again and again. Whoever is refused or
//! hears nothing in time leaves at once and costs nothing further. Must never offer without bound
//! in time, in requests or in connections. Start at [`run`].

use std::{collections::BTreeMap, collections::VecDeque, sync::Arc, time::Duration};

use hdrhistogram::Histogram;
use tokio::time::Instant;

use super::{
    api,
    crowd::{
        people::Random,
        tally::{Kind, histogram},
        word_of,
    },
    http::{Done, Job, Target, Workers},
};

/// Holds that one person may ever make, less a few.
const VISITS_PER_PERSON_MAX: u32 = 100;
/// Whoever holds a place and is told to come back does so after this, under the same key.
const AGAIN: Duration = Duration::from_millis(250);
const TRIES_MAX: u8 = 20;
const STARTS_AT_ONCE: usize = 256;

/// How visits come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Offer {
    /// So many at any time: the next comes when one is over.
    Closed {
        /// How many.
        visits: usize,
    },
    /// So many a second, whatever the service does.
    Open {
        /// How many.
        visits_per_s: f64,
    },
}

/// A load.
#[derive(Debug, Clone)]
pub struct Load {
    /// The service.
    pub target: Target,
    /// How visits come.
    pub offer: Offer,
    /// For how long; then those under way have `request_time_max` to end.
    pub duration: Duration,
    /// Connections at the most.
    pub connections: usize,
    /// A person waits no longer for an answer.
    pub request_time_max: Duration,
    /// Slots with places for everyone.
    pub slots: Vec<u32>,
    /// All that is random follows from it; two loads on one service need two.
    pub seed: u64,
}

/// A person who visits.
#[derive(Debug, Clone)]
pub struct Visitor {
    session: Arc<str>,
    visits: u32,
    slot: u32,
    booking: u32,
    key: u64,
    tries: u8,
}

impl Visitor {
    /// Who has this session.
    pub fn new(session: Arc<str>) -> Self {
        Self { session, visits: 0, slot: 0, booking: 0, key: 0, tries: 0 }
    }
}

/// What came of a load.
#[derive(Debug)]
pub struct LoadOutcome {
    /// Visits that began.
    pub offered: u64,
    /// Bookings acknowledged before the load's end.
    pub booked: u64,
    /// Visits that could not begin because every visitor was on one.
    pub not_offered: u64,
    /// Answers by word.
    pub answers: BTreeMap<String, u64>,
    /// Holds and confirmations that were carried out: from when their connection stood, µs. What
    /// lies before that is being kept out, or the generator's own lateness, in `lag`.
    pub served: Histogram<u64>,
    /// Requests that told people to come back: the same.
    pub refused: Histogram<u64>,
    /// From when a request ought to have been sent to a free connection, µs.
    pub lag: Histogram<u64>,
    /// How long the load lasted.
    pub lasted_s: f64,
    /// Bookings acknowledged in each second.
    pub booked_by_second: Vec<u64>,
}

impl LoadOutcome {
    /// Bookings a second.
    pub fn booked_per_s(&self) -> f64 {
        self.booked as f64 / self.lasted_s.max(0.001)
    }
}

struct Running<'a> {
    load: &'a Load,
    workers: Workers<(Kind, Box<Visitor>)>,
    free: VecDeque<Visitor>,
    /// In order of time: all wait equally long.
    again: VecDeque<(Instant, Kind, Visitor)>,
    random: Random,
    outcome: LoadOutcome,
    began: Instant,
    ends: Instant,
    /// When the next visit of an open load ought to begin.
    next: Instant,
    under_way: usize,
}

/// Offers a load with these visitors, and gives back those who can come again.
pub async fn run(load: &Load, visitors: Vec<Visitor>) -> (LoadOutcome, Vec<Visitor>) {
    let began = Instant::now();
    let outcome = LoadOutcome {
        offered: 0,
        booked: 0,
        not_offered: 0,
        answers: BTreeMap::new(),
        served: histogram(),
        refused: histogram(),
        lag: histogram(),
        lasted_s: load.duration.as_secs_f64(),
        booked_by_second: vec![0; load.duration.as_secs() as usize + 1],
    };
    let mut running = Running {
        workers: Workers::start(&load.target, load.connections),
        free: visitors.into(),
        again: VecDeque::new(),
        random: Random::new(load.seed, 4),
        outcome,
        began,
        ends: began + load.duration,
        next: began,
        under_way: 0,
        load,
    };
    running.drive().await;
    (running.outcome, running.free.into())
}

impl Running<'_> {
    async fn drive(&mut self) {
        let deadline = self.ends + self.load.request_time_max * 2;
        loop {
            let now = Instant::now();
            while let Some((at, kind, visitor)) = self.again.pop_front_if(|(at, ..)| *at <= now) {
                self.send(kind, visitor, at);
            }
            if now < self.ends {
                self.begin(now);
            } else if (self.under_way == 0 && self.again.is_empty()) || now >= deadline {
                return;
            }
            let mut absorbed = false;
            while let Some(done) = self.workers.try_next() {
                self.absorb(done);
                absorbed = true;
            }
            if absorbed {
                tokio::task::yield_now().await;
                continue;
            }
            let wake = match self.load.offer {
                Offer::Open { .. } if now < self.ends => self.next.max(now + Duration::from_micros(200)),
                _ => now + Duration::from_millis(20),
            };
            tokio::select! {
                done = self.workers.next(), if self.under_way > 0 => self.absorb(done),
                () = tokio::time::sleep_until(wake.min(deadline)) => {}
            }
        }
    }

    fn begin(&mut self, now: Instant) {
        match self.load.offer {
            Offer::Closed { visits } => while self.under_way < visits && self.visit(now) {},
            Offer::Open { visits_per_s } => {
                for _ in 0..STARTS_AT_ONCE {
                    if self.next > now {
                        return;
                    }
                    let at = self.next;
                    let gap_s = self.random.exponential(1.0 / visits_per_s.max(0.001));
                    self.next += Duration::from_secs_f64(gap_s);
                    if !self.visit(at) {
                        self.outcome.not_offered += 1;
                    }
                }
            }
        }
    }

    fn visit(&mut self, at: Instant) -> bool {
        let Some(mut visitor) = self.free.pop_front() else {
            return false;
        };
        visitor.slot = self.load.slots[self.random.below(self.load.slots.len())];
        self.outcome.offered += 1;
        self.ask(Kind::Hold, visitor, at);
        true
    }

    /// A request under a key of its own.
    fn ask(&mut self, kind: Kind, mut visitor: Visitor, at: Instant) {
        visitor.key = self.random.bits();
        visitor.tries = 0;
        self.send(kind, visitor, at);
    }

    fn send(&mut self, kind: Kind, visitor: Visitor, at: Instant) {
        let (session, booking) = (&*visitor.session, visitor.booking);
        let key = format!("load-{:016x}-{:016x}", self.load.seed, visitor.key);
        let request = match kind {
            Kind::Hold => api::hold(session, None, visitor.slot, &key),
            Kind::Confirm => api::confirm(session, booking, &key),
            _ => api::cancel(session, booking, &key),
        };
        self.under_way += 1;
        self.workers.submit(Job {
            about: (kind, Box::new(visitor)),
            intended_at: at,
            time_max: self.load.request_time_max,
            bytes: request.into_bytes(),
        });
    }

    fn absorb(&mut self, done: Done<(Kind, Box<Visitor>)>) {
        self.under_way -= 1;
        let word = word_of(&done);
        let us = |from: Instant, to: Instant| to.saturating_duration_since(from).as_micros() as u64;
        self.outcome.lag.saturating_record(us(done.intended_at, done.sent_at).max(1));
        let latency_us = us(done.ready_at, done.done_at).max(1);
        let (kind, mut visitor) = (done.about.0, (*done.about.1).clone());
        let ok = word == "ok";
        if ok && kind != Kind::Cancel {
            self.outcome.served.saturating_record(latency_us);
        } else if done.result.as_ref().is_ok_and(|answer| matches!(answer.status, 429 | 500..)) {
            self.outcome.refused.saturating_record(latency_us);
        }
        match self.outcome.answers.get_mut(&word) {
            Some(count) => *count += 1,
            None => drop(self.outcome.answers.insert(word.clone(), 1)),
        }
        match (kind, ok) {
            (Kind::Hold, true) => {
                let held: Option<api::Held> = done.result.as_ref().ok().and_then(api::read);
                if let Some(held) = held {
                    visitor.booking = held.booking;
                    visitor.visits += 1;
                    self.ask(Kind::Confirm, visitor, done.done_at);
                }
            }
            (Kind::Confirm, true) => {
                if done.done_at < self.ends {
                    self.outcome.booked += 1;
                    let second = done.done_at.saturating_duration_since(self.began).as_secs() as usize;
                    self.outcome.booked_by_second[second] += 1;
                }
                self.ask(Kind::Cancel, visitor, done.done_at);
            }
            // A place that is held or booked would stand in the next visit's way.
            (Kind::Confirm | Kind::Cancel, false) if is_passing(&done) && visitor.tries < TRIES_MAX => {
                visitor.tries += 1;
                self.again.push_back((Instant::now() + AGAIN, kind, visitor));
            }
            (Kind::Confirm | Kind::Cancel, false) => {}
            // Without an answer the place may be held: its person comes no more.
            (_, false) if done.result.is_err() => {}
            _ if visitor.visits < VISITS_PER_PERSON_MAX => self.free.push_back(visitor),
            _ => {}
        }
    }
}

/// Whether the same request may be answered otherwise in a moment.
fn is_passing<T>(done: &Done<T>) -> bool {
    done.result.as_ref().map_or(true, |answer| matches!(answer.status, 429 | 500..))
}
