//! The crowd: who comes when, over which connection, and when they give up.
//!
//! *Closed loop*: each connection sends its next request as soon as the last one was
//! answered. It finds the most that a server can do; its latencies say little.
//!
//! *Open loop*: people come by themselves, `rate` a second, however slow the server is.
//! A latency counts from the instant at which the person meant to come, so that a server
//! that stalls cannot hide it (no coordinated omission). Who is not served within their
//! patience leaves and counts as lost.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use jari_bench::answer::{Parsed, parse};
use jari_bench::random::Random;
use jari_bench::scenario::{Person, Scenario};
use mio::{Events, Poll, Token};

use crate::connection::Connection;
use crate::tally::Tally;

/// Broken connections are opened again, and patience is looked at, this often.
const TICK: Duration = Duration::from_millis(10);

/// How the crowd comes.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server.
    pub target: SocketAddr,
    /// Connections at the most.
    pub connections: usize,
    /// Requests under way on one connection.
    pub pipeline: usize,
    /// People a second; a closed loop without it.
    pub rate: Option<f64>,
    /// A connection for each person instead of one after another over the same.
    pub fresh: bool,
    /// Spreads connections over so many networks of 127.0.0.0/8.
    pub networks: u32,
    /// How long a person waits.
    pub patience: Duration,
    /// Before anything counts.
    pub warm: Duration,
    /// While it counts.
    pub window: Duration,
    /// Where arrivals come from.
    pub seed: u64,
}

/// A place for a connection.
#[derive(Default)]
struct Seat {
    connection: Option<Connection>,
    under_way: VecDeque<UnderWay>,
    /// Whether it is in the list of free seats.
    is_free: bool,
}

/// A request that was sent.
struct UnderWay {
    person: Person,
    /// When the person meant to come.
    came: Instant,
    /// When this request was due.
    due: Instant,
}

/// See the module's documentation.
pub struct Crowd {
    settings: Settings,
    scenario: Scenario,
    poll: Poll,
    seats: Vec<Seat>,
    /// Open loop: seats with nothing under way.
    free: Vec<usize>,
    /// Open loop: people who came and found no free seat.
    waiting: VecDeque<Instant>,
    next_due: Instant,
    opened: u32,
    random: Random,
    tally: Tally,
}

impl Crowd {
    /// A crowd that comes from now on.
    pub fn new(settings: Settings, scenario: Scenario) -> anyhow::Result<Crowd> {
        let from = Instant::now() + settings.warm;
        let tally = Tally::new(from, from + settings.window, scenario.steps())?;
        let seat = || Seat { is_free: settings.fresh, ..Seat::default() };
        let seats: Vec<Seat> = (0..settings.connections).map(|_| seat()).collect();
        let free = if settings.fresh { (0..seats.len()).collect() } else { Vec::with_capacity(seats.len()) };
        let random = Random::new(settings.seed ^ 0xc0de);
        Ok(Crowd {
            poll: Poll::new()?,
            free,
            seats,
            waiting: VecDeque::new(),
            next_due: Instant::now(),
            opened: 0,
            random,
            tally,
            settings,
            scenario,
        })
    }

    /// Lets it happen; gives what came of it.
    pub fn run(mut self) -> anyhow::Result<Tally> {
        let until = Instant::now() + self.settings.warm + self.settings.window;
        // Who came in the window may still be answered, or give up.
        let drain = if self.settings.rate.is_some() { self.settings.patience } else { Duration::ZERO };
        let mut events = Events::with_capacity(2_048);
        let mut next_tick = Instant::now();
        loop {
            let now = Instant::now();
            self.tally.at(now);
            if now >= until + drain {
                return Ok(self.tally);
            }
            if now >= next_tick {
                self.tick(now)?;
                next_tick = now + TICK;
            }
            if now < until {
                self.arrivals(now)?;
            }
            // It looks without ever sleeping: waking it would be paid on the server's core.
            let looks = Instant::now();
            self.poll.poll(&mut events, Some(Duration::ZERO))?;
            if events.is_empty() {
                self.tally.looked_in_vain(looks, Instant::now());
            }
            for event in &events {
                self.event(
                    event.token().0,
                    event.is_writable(),
                    event.is_readable() || event.is_read_closed(),
                )?;
            }
        }
    }

    /// Opens what is closed and sends home whose patience is over.
    fn tick(&mut self, now: Instant) -> anyhow::Result<()> {
        if !self.settings.fresh {
            for at in 0..self.seats.len() {
                if self.seats[at].connection.is_none() {
                    self.open(at)?;
                    self.begin(at, now)?;
                }
            }
        } else {
            for at in 0..self.seats.len() {
                if self.seats[at].connection.is_none() {
                    self.set_free(at);
                }
            }
        }
        if self.settings.rate.is_none() {
            return Ok(());
        }
        let patience = self.settings.patience;
        while self.waiting.front().is_some_and(|came| now - *came > patience) {
            if let Some(came) = self.waiting.pop_front() {
                self.tally.gave_up(came);
            }
        }
        for at in 0..self.seats.len() {
            if self.seats[at].under_way.front().is_some_and(|first| now - first.came > patience) {
                for gone in self.close(at) {
                    self.tally.gave_up(gone.came);
                }
            }
        }
        Ok(())
    }

    /// Open loop: whoever is due comes, and takes a free seat if there is one.
    fn arrivals(&mut self, now: Instant) -> anyhow::Result<()> {
        let Some(rate) = self.settings.rate else { return Ok(()) };
        while self.next_due <= now {
            self.tally.arrival(self.next_due);
            if self.settings.fresh && self.free.is_empty() {
                // Nobody queues for a connection of their own: it would be the generator that
                // kept them waiting, and not the server.
                self.tally.unseated(self.next_due);
            } else {
                self.waiting.push_back(self.next_due);
            }
            self.next_due += Duration::from_secs_f64(self.random.pause_s(rate));
            self.seat_waiting()?;
        }
        Ok(())
    }

    fn seat_waiting(&mut self) -> anyhow::Result<()> {
        while !self.waiting.is_empty() {
            let Some(at) = self.free.pop() else { return Ok(()) };
            self.seats[at].is_free = false;
            if self.settings.fresh {
                self.open(at)?;
            }
            if self.seats[at].connection.is_none() {
                // It broke while it was free, or could not be opened; the tick tries again.
                continue;
            }
            if let Some(came) = self.waiting.pop_front() {
                let person = self.scenario.person();
                self.tally.seated(came, Instant::now());
                self.send(at, person, came, came);
                self.flush(at)?;
            }
        }
        Ok(())
    }

    /// Gives a seat that has just been opened, or is idle, its next work.
    fn begin(&mut self, at: usize, now: Instant) -> anyhow::Result<()> {
        if self.settings.rate.is_some() {
            self.set_free(at);
            return Ok(());
        }
        while self.seats[at].under_way.len() < self.settings.pipeline {
            let person = self.scenario.person();
            self.send(at, person, now, now);
        }
        self.flush(at)
    }

    fn set_free(&mut self, at: usize) {
        if !self.seats[at].is_free {
            self.seats[at].is_free = true;
            self.free.push(at);
        }
    }

    fn send(&mut self, at: usize, person: Person, came: Instant, due: Instant) {
        let seat = &mut self.seats[at];
        if let Some(connection) = &mut seat.connection {
            self.scenario.render(&person, connection.out());
            seat.under_way.push_back(UnderWay { person, came, due });
        }
    }

    fn flush(&mut self, at: usize) -> anyhow::Result<()> {
        let flushed = self.seats[at].connection.as_mut().map(Connection::flush);
        if let Some(Err(_)) = flushed {
            self.lose(at);
        }
        Ok(())
    }

    fn event(&mut self, at: usize, writable: bool, readable: bool) -> anyhow::Result<()> {
        let Some(connection) = &mut self.seats[at].connection else { return Ok(()) };
        if writable {
            connection.set_writable();
            self.flush(at)?;
        }
        if readable {
            self.receive(at)?;
        }
        Ok(())
    }

    fn receive(&mut self, at: usize) -> anyhow::Result<()> {
        let Some(connection) = &mut self.seats[at].connection else { return Ok(()) };
        let open = match connection.fill() {
            Ok(open) => open,
            Err(_) => {
                self.lose(at);
                return Ok(());
            }
        };
        let mut closes = !open;
        let now = Instant::now();
        while let Some(connection) = &mut self.seats[at].connection {
            let Parsed::Whole(answer) = parse(connection.received()) else {
                if parse(connection.received()) == Parsed::Unknown {
                    closes = true;
                }
                break;
            };
            let Some(mut done) = self.seats[at].under_way.pop_front() else {
                // An answer that nobody asked for: the server is closing.
                closes = true;
                break;
            };
            let good = self.scenario.succeeds(&done.person, answer.status);
            self.tally.answer(done.person.step, &answer, good, done.due, now);
            let last = done.person.step + 1 == self.scenario.steps();
            let Some(connection) = &mut self.seats[at].connection else { break };
            let captured = self.scenario.capture(&mut done.person, &connection.received()[..answer.bytes]);
            connection.consume(answer.bytes);
            closes |= answer.closes;
            let good = good && captured;
            if good && last {
                self.tally.person(done.came, now);
            } else if good && !closes {
                done.person.step += 1;
                self.send(at, done.person, done.came, now);
            }
        }
        self.go_on(at, closes, now)
    }

    fn go_on(&mut self, at: usize, closes: bool, now: Instant) -> anyhow::Result<()> {
        if closes {
            self.lose(at);
        } else if !self.seats[at].under_way.is_empty()
            && (self.settings.pipeline == 1 || self.settings.rate.is_some())
        {
            self.flush(at)?;
        } else if self.settings.fresh {
            self.close(at);
        } else {
            self.begin(at, now)?;
        }
        self.seat_waiting()
    }

    /// A connection that ended by itself.
    fn lose(&mut self, at: usize) {
        let now = Instant::now();
        for _ in self.close(at) {
            self.tally.broken(now);
        }
    }

    /// Closes a seat's connection; gives what was under way on it.
    fn close(&mut self, at: usize) -> Vec<UnderWay> {
        self.seats[at].connection = None;
        if self.settings.fresh {
            self.set_free(at);
        }
        self.seats[at].under_way.drain(..).collect()
    }

    fn open(&mut self, at: usize) -> anyhow::Result<()> {
        self.opened = self.opened.wrapping_add(1);
        let source = (self.settings.networks > 0).then(|| {
            let network = self.opened % self.settings.networks;
            // 127.1.0.0/24 and up: what a limit by network sees as so many networks.
            let [high, low] = (network as u16).to_be_bytes();
            IpAddr::V4(Ipv4Addr::new(
                127,
                high + 1,
                low,
                (self.opened / self.settings.networks % 250) as u8 + 1,
            ))
        });
        match Connection::open(self.settings.target, source, self.poll.registry(), Token(at)) {
            Ok(connection) => self.seats[at].connection = Some(connection),
            Err(error) if is_passing(&error) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

/// Refused or out of ports for a moment: tried again at the next tick.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse
    )
}
