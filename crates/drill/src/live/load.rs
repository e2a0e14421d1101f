//! Booking at full load: visits from the campaign's page to a confirmed booking, closed-loop to find
//! what the service carries, open-loop to offer it more.
//!
//! Each visit comes over a connection of its own, as a crowd does: it reads the campaign, lists of
//! clinics, days and times of a few of them, holds a place and confirms it. Whoever has no
//! connection or no answer within their patience leaves at once and costs nothing further. A cancel
//! ends the visit and frees its person for another, and counts for nothing else.
//!
//! One loop on one thread looks for answers, without a task or a channel a request: whoever offers
//! ten times as much must be much cheaper than whoever serves it. Must never offer without bound in
//! time or in connections, and never let anyone queue for a connection here: it would be the
//! generator that kept them waiting. Start at [`run`].

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use mio::{Events, Interest, Poll, Token, event::Event, net::TcpStream};

use super::{
    api,
    crowd::{people::Random, tally::histogram, word_of},
    http::{Answer, HttpError},
    stage::Desk,
};

mod seat;

pub use seat::Visitor;
use seat::{CLINICS_LOOKED_AT, Seat, Step};

/// Holds that one person may ever make, less a few.
const VISITS_PER_PERSON_MAX: u32 = 100;
/// So many people come at once before answers are looked at again.
const STARTS_AT_ONCE: usize = 16;
/// Answers looked at in one go.
const EVENTS_MAX: usize = 32;
const BUFFER_BYTES: usize = 64 * 1024;
/// Clinics on a list.
const CLINICS_LISTED: usize = 50;
/// What somebody reads before they hold: the campaign and two lists of clinics, then days and times
/// of each clinic that they look at.
const LOOKS: u8 = LISTS + 2 * CLINICS_LOOKED_AT as u8;
const LISTS: u8 = 3;
/// The system's own waiting is no finer than that; for less the loop looks again and again.
const SLEEP: Duration = Duration::from_millis(1);

/// How visits come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Offer {
    /// So many at any time: the next comes when one is over.
    Closed {
        /// How many.
        visits: usize,
    },
    /// So many a second, with exponential gaps, whatever the service does.
    Open {
        /// How many.
        visits_per_s: f64,
    },
}

/// A load.
#[derive(Debug, Clone)]
pub struct Load {
    /// The service.
    pub target: SocketAddr,
    /// How visits come.
    pub offer: Offer,
    /// So long it runs before it counts.
    pub run_in: Duration,
    /// For how long after that; then those under way have their patience to end.
    pub duration: Duration,
    /// Connections at the most.
    pub connections: usize,
    /// A person waits no longer for a connection and its first answer, or for a later answer.
    pub patience: Duration,
    /// The campaign that they come for.
    pub campaign: u32,
    /// Its clinics, with places for everyone.
    pub desks: Vec<Desk>,
    /// All that is random follows from it; two loads on one service need two.
    pub seed: u64,
}

/// What came of a load.
#[derive(Debug)]
pub struct LoadOutcome {
    /// Visits that began: attempts to connect.
    pub offered: u64,
    /// Bookings acknowledged before the load's end.
    pub booked: u64,
    /// Visits that could not begin because of the generator: no connection, port, file or person
    /// was free.
    pub not_offered: u64,
    /// People who left without having been connected.
    pub kept_out: u64,
    /// What came of all that was asked, by word: of connecting only what failed.
    pub answers: BTreeMap<String, u64>,
    /// Everything that was answered up to the confirmation, µs: the first from when its person began
    /// to connect, the others from when they were sent. Whoever was not let in at once has left, so
    /// being kept out is not in it.
    pub served: Histogram<u64>,
    /// The same of the run-in, of which nothing else is counted.
    pub served_in_run_in: Histogram<u64>,
    /// Requests that told people to come back: the same.
    pub refused: Histogram<u64>,
    /// From when a person meant to come to when they began to connect, µs.
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

    /// The same load once more.
    pub fn add(&mut self, more: LoadOutcome) {
        self.offered += more.offered;
        self.booked += more.booked;
        self.not_offered += more.not_offered;
        self.kept_out += more.kept_out;
        for (word, count) in more.answers {
            *self.answers.entry(word).or_default() += count;
        }
        for (mine, other) in [
            (&mut self.served, &more.served),
            (&mut self.served_in_run_in, &more.served_in_run_in),
            (&mut self.refused, &more.refused),
            (&mut self.lag, &more.lag),
        ] {
            // They have the same bounds.
            *mine += other;
        }
        self.lasted_s += more.lasted_s;
        self.booked_by_second.extend(more.booked_by_second);
    }

    fn new(load: &Load) -> Self {
        Self {
            offered: 0,
            booked: 0,
            not_offered: 0,
            kept_out: 0,
            answers: BTreeMap::new(),
            served: histogram(),
            served_in_run_in: histogram(),
            refused: histogram(),
            lag: histogram(),
            lasted_s: load.duration.as_secs_f64(),
            booked_by_second: vec![0; load.duration.as_secs() as usize + 1],
        }
    }
}

/// Offers a load with these visitors, and gives back those who can come again. Blocks.
///
/// # Errors
///
/// When the system gives no means to wait for connections at all.
pub fn run(load: &Load, visitors: Vec<Visitor>) -> io::Result<(LoadOutcome, Vec<Visitor>)> {
    let began = Instant::now();
    let mut crowd = Crowd {
        poll: Poll::new()?,
        seats: (0..load.connections.max(1)).map(|_| Seat::new()).collect(),
        free: (0..load.connections.max(1)).rev().collect(),
        visitors: visitors.into(),
        doubtful: Vec::new(),
        patience: VecDeque::new(),
        random: Random::new(load.seed, 4),
        outcome: LoadOutcome::new(load),
        is_run_in: load.run_in.is_zero(),
        began,
        ends: began + load.run_in + load.duration,
        next: began,
        buffer: vec![0; BUFFER_BYTES],
        load,
    };
    crowd.drive()?;
    for seat in 0..crowd.seats.len() {
        crowd.leave(seat);
    }
    crowd.visitors.extend(crowd.doubtful);
    Ok((crowd.outcome, crowd.visitors.into()))
}

struct Crowd<'a> {
    load: &'a Load,
    poll: Poll,
    seats: Vec<Seat>,
    free: Vec<usize>,
    visitors: VecDeque<Visitor>,
    /// People whose hold got no answer: they may have it, and come again when nobody else is left.
    doubtful: Vec<Visitor>,
    /// When somebody's patience ends: in order of time, as all have the same. Which seat, which
    /// visit there, and the last step that it covers.
    patience: VecDeque<(Instant, usize, u32, Step)>,
    random: Random,
    outcome: LoadOutcome,
    is_run_in: bool,
    began: Instant,
    ends: Instant,
    /// When the next visit of an open load ought to begin.
    next: Instant,
    buffer: Vec<u8>,
}

impl Crowd<'_> {
    fn drive(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        let deadline = self.ends + self.load.patience * 4;
        loop {
            let now = Instant::now();
            if !self.is_run_in && now >= self.began + self.load.run_in {
                self.begin_to_count(now);
            }
            if now < self.ends {
                self.begin(now);
            } else if self.under_way() == 0 || now >= deadline {
                return Ok(());
            }
            self.lose_patience(now);
            let sleep = match self.load.offer {
                Offer::Open { .. } if now < self.ends && self.next < Instant::now() + SLEEP => Duration::ZERO,
                _ => SLEEP,
            };
            match self.poll.poll(&mut events, Some(sleep)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                self.event(event);
            }
        }
    }

    /// What came of the run-in is set aside.
    fn begin_to_count(&mut self, now: Instant) {
        let run_in = std::mem::replace(&mut self.outcome, LoadOutcome::new(self.load));
        self.outcome.served_in_run_in = run_in.served;
        (self.began, self.is_run_in) = (now, true);
    }

    fn under_way(&self) -> usize {
        self.seats.len() - self.free.len()
    }

    fn begin(&mut self, now: Instant) {
        for _ in 0..STARTS_AT_ONCE {
            match self.load.offer {
                Offer::Closed { visits } => {
                    if self.under_way() >= visits || !self.visit(now, now) {
                        return;
                    }
                }
                Offer::Open { visits_per_s } => {
                    if self.next > now {
                        return;
                    }
                    let came = self.next;
                    let gap_s = self.random.exponential(1.0 / visits_per_s.max(0.001));
                    self.next += Duration::from_secs_f64(gap_s);
                    self.visit(came, now);
                }
            }
        }
    }

    /// Somebody comes; `false` if the generator cannot let them.
    fn visit(&mut self, came: Instant, now: Instant) -> bool {
        let Some(number) = self.free.pop() else {
            self.outcome.not_offered += 1;
            return false;
        };
        let seat = &mut self.seats[number];
        let token = Token(token_of(number, seat.visit));
        let connecting = TcpStream::connect(self.load.target).and_then(|mut stream| {
            self.poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
            Ok(stream)
        });
        match connecting {
            Ok(stream) => seat.open(stream, now),
            Err(_) => {
                self.free.push(number);
                self.outcome.not_offered += 1;
                return false;
            }
        }
        self.outcome.offered += 1;
        self.outcome.lag.saturating_record(us(came, now));
        self.patience.push_back((now + self.load.patience, number, seat.visit, Step::Look(0)));
        true
    }

    fn lose_patience(&mut self, now: Instant) {
        while let Some((_, number, visit, step)) = self.patience.pop_front_if(|(ends, ..)| *ends <= now) {
            let seat = &self.seats[number];
            if seat.visit == visit && seat.step <= step && seat.stream.is_some() {
                self.leave(number);
            }
        }
    }

    /// Somebody leaves without an answer.
    fn leave(&mut self, number: usize) {
        if self.seats[number].stream.is_none() {
            return;
        }
        if self.seats[number].step == Step::Connect {
            self.outcome.kept_out += 1;
            self.count("no_connection");
            self.close(number);
        } else {
            self.fail(number, HttpError::Timeout);
        }
    }

    fn event(&mut self, event: &Event) {
        let (number, visit) = seat_of(event.token().0);
        if self.seats.get(number).is_none_or(|seat| seat.visit != visit || seat.stream.is_none()) {
            return;
        }
        if self.seats[number].step == Step::Connect && (event.is_writable() || event.is_error()) {
            self.connected(number);
        }
        if event.is_readable() || event.is_read_closed() {
            self.receive(number, visit);
        }
    }

    fn connected(&mut self, number: usize) {
        let Some(mut visitor) = self.visitors.pop_front().or_else(|| self.doubtful.pop()) else {
            self.outcome.not_offered += 1;
            self.close(number);
            return;
        };
        for desk in &mut visitor.desks {
            let chosen = &self.load.desks[self.random.below(self.load.desks.len())];
            *desk = chosen.desk;
            visitor.slot = chosen.slots[self.random.below(chosen.slots.len())];
        }
        self.seats[number].visitor = Some(visitor);
        self.ask(number, Step::Look(0));
    }

    /// Sends a step's request; a change has a key of its own.
    fn ask(&mut self, number: usize, step: Step) {
        let seat = &mut self.seats[number];
        let Some(visitor) = &seat.visitor else { return };
        let (seed, random) = (self.load.seed, &mut self.random);
        let mut key = || format!("load-{seed:016x}-{:016x}", random.bits());
        let (session, booking) = (&*visitor.session, visitor.booking);
        let request = match step {
            Step::Connect | Step::Look(0) => api::campaign(self.load.campaign),
            Step::Look(1..LISTS) => {
                let skip = random.below(self.load.desks.len());
                api::clinics(self.load.campaign, skip, CLINICS_LISTED, true)
            }
            Step::Look(read) => {
                let read = usize::from(read - LISTS);
                let desk = visitor.desks[read / 2];
                if read.is_multiple_of(2) { api::days(desk) } else { api::slots(desk) }
            }
            Step::Hold => api::hold(session, None, visitor.slot, &key()),
            Step::Confirm => api::confirm(session, booking, &key()),
            Step::Cancel => api::cancel(session, booking, &key()).header("Connection", "close"),
        };
        seat.step = step;
        if let Err(error) = seat.send(&request.into_bytes()) {
            let is_refused = error.kind() == io::ErrorKind::ConnectionRefused;
            self.fail(number, if is_refused { HttpError::Connect(error) } else { HttpError::Broken(error) });
            return;
        }
        if step > Step::Look(0) {
            let now = Instant::now();
            let seat = &mut self.seats[number];
            seat.since = now;
            self.patience.push_back((now + self.load.patience, number, seat.visit, step));
        }
    }

    fn receive(&mut self, number: usize, visit: u32) {
        // The next answer may be there already: what is told only once must be read to its end.
        while self.seats[number].visit == visit {
            match self.seats[number].receive(&mut self.buffer) {
                Ok(Some(answer)) => self.answered(number, &answer),
                Ok(None) => return,
                Err(error) => self.fail(number, error),
            }
        }
    }

    fn answered(&mut self, number: usize, answer: &Answer) {
        let now = Instant::now();
        let seat = &mut self.seats[number];
        let (step, latency_us) = (seat.step, us(seat.since, now));
        let word = word_of(Ok(answer));
        let ok = answer.is_success();
        let is_passing = matches!(answer.status, 429 | 500..);
        if ok && step != Step::Cancel {
            self.outcome.served.saturating_record(latency_us);
        } else if is_passing {
            self.outcome.refused.saturating_record(latency_us);
        }
        self.count(&word);
        match step {
            Step::Look(read) if ok => {
                let read = read + 1;
                self.ask(number, if read < LOOKS { Step::Look(read) } else { Step::Hold });
            }
            Step::Hold if ok => {
                let held: Option<api::Held> = api::read(answer);
                match (held, &mut self.seats[number].visitor) {
                    (Some(held), Some(visitor)) => {
                        visitor.booking = held.booking;
                        visitor.visits += 1;
                        self.ask(number, Step::Confirm);
                    }
                    _ => drop(self.close(number)),
                }
            }
            Step::Confirm if ok => {
                if now < self.ends {
                    self.outcome.booked += 1;
                    let second = now.saturating_duration_since(self.began).as_secs() as usize;
                    self.outcome.booked_by_second[second] += 1;
                }
                self.ask(number, Step::Cancel);
            }
            // A place that stays held or booked would stand in the next visit's way.
            Step::Confirm | Step::Cancel if !ok => drop(self.close(number)),
            _ => match self.close(number) {
                Some(visitor) if (ok || is_passing) && visitor.visits < VISITS_PER_PERSON_MAX => {
                    self.visitors.push_back(visitor);
                }
                _ => {}
            },
        }
    }

    /// A request without an answer: it may have been carried out.
    fn fail(&mut self, number: usize, error: HttpError) {
        let step = self.seats[number].step;
        match (&error, step) {
            (HttpError::Timeout, Step::Connect | Step::Look(_)) => self.count("timeout_look"),
            (HttpError::Timeout, Step::Hold) => self.count("timeout_hold"),
            (HttpError::Timeout, Step::Confirm) => self.count("timeout_confirm"),
            (HttpError::Timeout, Step::Cancel) => self.count("timeout_cancel"),
            _ => self.count(&word_of(Err(&error))),
        }
        match (self.close(number), step) {
            (Some(visitor), Step::Hold) => self.doubtful.push(visitor),
            (Some(visitor), Step::Connect | Step::Look(_)) => self.visitors.push_back(visitor),
            _ => {}
        }
    }

    fn close(&mut self, number: usize) -> Option<Visitor> {
        self.free.push(number);
        self.seats[number].close()
    }

    fn count(&mut self, word: &str) {
        match self.outcome.answers.get_mut(word) {
            Some(count) => *count += 1,
            None => drop(self.outcome.answers.insert(word.to_string(), 1)),
        }
    }
}

fn us(from: Instant, to: Instant) -> u64 {
    (to.saturating_duration_since(from).as_micros() as u64).max(1)
}

/// A seat and its visit in one number.
fn token_of(number: usize, visit: u32) -> usize {
    (visit as usize) << 20 | number
}

fn seat_of(token: usize) -> (usize, u32) {
    (token & ((1 << 20) - 1), (token >> 20) as u32)
}
