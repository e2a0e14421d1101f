//! A crowd of people against a running service, over HTTP.
//!
//! Open loop: people come when the seed says, whatever the service does, and every latency counts
//! from the instant at which a request ought to have been sent. One loop drives them all: a person
//! who waits costs an entry in a queue, not a task. Their connections are fewer than they are (a
//! front of proxies has as many), bounded by [`CrowdOptions::connections`].
//!
//! Must never run without a bound in time, and never leave a request unaccounted for. Start at
//! [`run`]; [`person`] says what people do, [`people`] who they are.

use std::{
    borrow::Cow,
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use tokio::{sync::watch, time::Instant};

use super::{
    api::{self, Now},
    auditor::{Booked, Faults, SharedLedger},
    http::{Connection, Done, Job, Target, Workers},
    report_points::Second,
    shuffle::{Shuffle, from_hex},
};
use people::{Arrivals, Habits, Random};
use person::{Next, Person};
use tally::{Kind, Tally};

mod inside;
pub mod people;
pub mod person;
mod scene;
pub mod tally;

pub use person::End;
use scene::Scene;
pub use tally::Counts;

/// Clinics known to a crowd.
const DESKS_MAX: usize = 5_000;
const DESKS_PER_REQUEST: usize = 100;
/// Requests started before the loop looks at answers again.
const STARTS_AT_ONCE: usize = 256;

/// How often those who wait look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Polls {
    /// The shortest interval at full length, ms.
    pub interval_ms_min: u64,
    /// The longest, ms.
    pub interval_ms_max: u64,
    /// How many times faster than the real evening the drill runs: the longest interval shrinks.
    pub compression: f64,
}

impl Default for Polls {
    fn default() -> Self {
        Self { interval_ms_min: 2_000, interval_ms_max: 600_000, compression: 1.0 }
    }
}

impl Polls {
    /// A third of the expected wait within the bounds, spread by 20 %, as the page does it. The
    /// shortest interval does not shrink with the compression beyond a quarter: the crowd would ask
    /// more often than any real one, and measure itself.
    fn interval(&self, wait_ms: u64, random: &mut Random) -> Duration {
        let shortest = (self.interval_ms_min as f64 / self.compression.clamp(1.0, 4.0)) as u64;
        let longest = ((self.interval_ms_max as f64 / self.compression.max(1.0)) as u64).max(shortest);
        let interval_ms = (wait_ms / 3).clamp(shortest, longest);
        Duration::from_secs_f64(interval_ms as f64 / 1000.0 * (0.8 + 0.4 * random.fraction()))
    }
}

/// Who comes, and against what.
#[derive(Debug, Clone)]
pub struct CrowdOptions {
    /// The service.
    pub target: Target,
    /// The secret of the partner channel that vouches for people.
    pub partner_secret: String,
    /// The room.
    pub room: u32,
    /// The campaign behind it.
    pub campaign: u32,
    /// How many people.
    pub size: u32,
    /// When they come.
    pub arrivals: Arrivals,
    /// All that is random follows from it.
    pub seed: u64,
    /// How often those who wait look.
    pub polls: Polls,
    /// How long a person looks at a page before the next step inside, ms.
    pub thinking_ms: f64,
    /// Connections at the most.
    pub connections: usize,
    /// A request without an answer is given up after this.
    pub request_time_max: Duration,
    /// Everything ends after this.
    pub duration_max: Duration,
    /// Everything ends when this becomes true.
    pub stop: watch::Receiver<bool>,
}

/// What is told every second.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// The second that ended.
    pub second: Second,
    /// People in the crowd.
    pub size: u32,
}

/// Who hears of it.
pub type OnProgress = Arc<dyn Fn(&Progress) + Send + Sync>;

/// What became of everyone.
#[derive(Debug)]
pub struct CrowdOutcome {
    /// What was felt.
    pub tally: Tally,
    /// People by how it ended; those still there at the end are in none.
    pub ends: BTreeMap<End, u32>,
    /// The people themselves.
    pub people: Vec<Person>,
    /// When the crowd came together: instants in the ledger count from here.
    pub came_together: Instant,
    /// When the room opens or opened.
    pub opens_at: Instant,
    /// Answers to those who tried to get in before their turn, by code.
    pub pushes: BTreeMap<String, u32>,
    /// Places compared with the service's own answer, and what differed.
    pub compared: (u64, Faults),
    /// The first and last moment at which the document said that nothing is free.
    pub sold_out_at: Option<Instant>,
    /// When people first called for a shuffle of this draw.
    pub draw: Option<api::Draw>,
    /// The most people waiting at once.
    pub waiting_max: u32,
}

/// Lets the crowd come, and waits until everyone is through, the time is over, or it is stopped.
pub async fn run(
    options: CrowdOptions,
    ledger: SharedLedger,
    on_progress: Option<OnProgress>,
) -> anyhow::Result<CrowdOutcome> {
    let mut crowd = Crowd::gather(options, ledger).await?;
    crowd.drive(on_progress).await;
    Ok(crowd.end())
}

/// The loop's state.
struct Crowd {
    scene: Scene,
    people: Vec<Person>,
    due: BinaryHeap<Reverse<(Instant, u32)>>,
    workers: Workers<(u32, Kind)>,
    tally: Tally,
    counts: Counts,
    ends: BTreeMap<End, u32>,
    waiting_max: u32,
}

impl Crowd {
    async fn gather(options: CrowdOptions, ledger: SharedLedger) -> anyhow::Result<Self> {
        let mut connection = Connection::new(options.target.clone());
        let came_together = Instant::now();
        let answer = ask(&mut connection, api::now(options.room)).await?;
        let now: Now = api::read(&answer).context("the room's document cannot be read")?;
        let room = ask(&mut connection, api::Request::new("GET", &format!("/api/v1/rooms/{}", options.room)))
            .await?;
        let identity_bound = api::read::<scene::Binding>(&room).is_some_and(|room| room.identity_bound);
        let mut desks = Vec::new();
        while desks.len() < DESKS_MAX {
            let request = api::clinics(options.campaign, desks.len(), DESKS_PER_REQUEST, false);
            let page: Vec<api::Clinic> = api::read(&ask(&mut connection, request).await?)
                .context("the list of clinics cannot be read")?;
            desks.extend(page.iter().map(|clinic| clinic.desk));
            if page.len() < DESKS_PER_REQUEST {
                break;
            }
        }
        ensure!(!desks.is_empty(), "campaign {} has no clinics", options.campaign);
        let lobby_s = now.o.map_or(0.0, |opens_at| opens_at.saturating_sub(now.t) as f64 / 1000.0);
        let opens_at = came_together + Duration::from_secs_f64(lobby_s);
        let arrivals = Arrivals { lobby_s: options.arrivals.lobby_s.min(lobby_s), ..options.arrivals };
        let mut crowd = Self {
            due: BinaryHeap::with_capacity(options.size as usize),
            people: Vec::with_capacity(options.size as usize),
            workers: Workers::start(&options.target, options.connections),
            tally: Tally::new(came_together),
            counts: Counts::default(),
            ends: BTreeMap::new(),
            waiting_max: 0,
            scene: Scene::new(options, ledger, desks, identity_bound, came_together, opens_at),
        };
        crowd.scene.saw(&now, came_together);
        crowd.invite(&arrivals, lobby_s);
        Ok(crowd)
    }

    fn invite(&mut self, arrivals: &Arrivals, lobby_s: f64) {
        for number in 0..self.scene.options.size {
            let mut random = person::random_of(self.scene.options.seed, number);
            let at_s = arrivals.draw(&mut random).max(-lobby_s);
            self.people.push(Person::new(number, Habits::draw(&mut random), self.scene.identity_bound));
            let at = self.scene.came_together + Duration::from_secs_f64((lobby_s + at_s).max(0.0));
            self.due.push(Reverse((at, number)));
        }
    }

    async fn drive(&mut self, on_progress: Option<OnProgress>) {
        let deadline = self.scene.came_together + self.scene.options.duration_max;
        let mut stop = self.scene.options.stop.clone();
        let mut stoppable = true;
        while self.counts.over < self.scene.options.size {
            let now = Instant::now();
            if now >= deadline || *stop.borrow() {
                return;
            }
            if let Some(second) = self.tally.turn(now, self.counts)
                && let Some(on_progress) = &on_progress
            {
                on_progress(&Progress { second, size: self.scene.options.size });
            }
            self.start_due(now);
            let mut absorbed = false;
            while let Some(done) = self.workers.try_next() {
                self.absorb(done);
                absorbed = true;
            }
            if absorbed || self.is_due() {
                // Connections share this thread with the loop: let them work.
                tokio::task::yield_now().await;
                continue;
            }
            let second = now + Duration::from_millis(250);
            let next = self.due.peek().map_or(second, |Reverse((at, _))| (*at).min(second)).min(deadline);
            tokio::select! {
                done = self.workers.next(), if self.workers.in_flight() > 0 => self.absorb(done),
                () = tokio::time::sleep_until(next) => {}
                // Once whoever could stop it is gone, the deadline still holds.
                changed = stop.changed(), if stoppable => stoppable = changed.is_ok(),
            }
        }
        self.tally.turn(Instant::now() + Duration::from_secs(1), self.counts);
    }

    fn is_due(&self) -> bool {
        self.due.peek().is_some_and(|Reverse((at, _))| *at <= Instant::now())
    }

    fn start_due(&mut self, now: Instant) {
        for _ in 0..STARTS_AT_ONCE {
            let Some(Reverse((at, number))) = self.due.peek().copied().filter(|Reverse((at, _))| *at <= now)
            else {
                return;
            };
            self.due.pop();
            let person = &self.people[number as usize];
            if person.waiting_requests == 0 && !person.has_ticket() && !self.scene.has_come(number) {
                self.counts.arrived += 1;
            }
            let (kind, request) = person.request(&self.scene);
            if person.is_about_to_change_a_booking() {
                self.scene.ledger.lock().asked(number);
            }
            self.workers.submit(Job {
                about: (number, kind),
                intended_at: at,
                time_max: self.scene.options.request_time_max,
                bytes: request.into_bytes(),
            });
        }
    }

    fn absorb(&mut self, done: Done<(u32, Kind)>) {
        let (number, kind) = done.about;
        let word = word_of(done.result.as_ref()).into_owned();
        self.tally.record(kind, &done, &word);
        let person = &mut self.people[number as usize];
        let before = (person.has_ticket(), person.has_entered());
        let done = Done {
            about: number,
            intended_at: done.intended_at,
            sent_at: done.sent_at,
            ready_at: done.ready_at,
            done_at: done.done_at,
            result: done.result,
        };
        let next = person.answered(&mut self.scene, kind, &done, &word);
        let after = (person.has_ticket(), person.has_entered());
        self.count(before, after, next);
        if let Next::After(wait) = next {
            self.due.push(Reverse((Instant::now() + wait, number)));
        }
    }

    /// Keeps the counts of where people are.
    fn count(&mut self, before: (bool, bool), after: (bool, bool), next: Next) {
        let counts = &mut self.counts;
        counts.waiting += u32::from(!before.0 && after.0);
        if !before.1 && after.1 {
            counts.waiting -= 1;
            counts.inside += 1;
            counts.entered += 1;
        }
        if let Next::End(end) = next {
            counts.over += 1;
            match after {
                (_, true) => counts.inside -= 1,
                (true, false) => counts.waiting -= 1,
                (false, false) => {}
            }
            counts.booked += u32::from(matches!(end, End::Booked | End::Cancelled));
            *self.ends.entry(end).or_default() += 1;
        }
        self.waiting_max = self.waiting_max.max(self.counts.waiting);
    }

    fn end(self) -> CrowdOutcome {
        let scene = self.scene;
        CrowdOutcome {
            tally: self.tally,
            ends: self.ends,
            people: self.people,
            came_together: scene.came_together,
            opens_at: scene.opens_at,
            pushes: scene.pushes,
            compared: scene.compared,
            sold_out_at: scene.sold_out_at,
            draw: scene.draw,
            waiting_max: self.waiting_max,
        }
    }
}

/// `ok`, a problem's code, or what broke.
pub(super) fn word_of(result: Result<&super::http::Answer, &super::http::HttpError>) -> Cow<'static, str> {
    use super::http::HttpError;
    match result {
        Ok(answer) if answer.is_success() => "ok".into(),
        Ok(answer) => match api::problem(answer).0 {
            code if code.is_empty() => format!("status_{}", answer.status).into(),
            code => code.into(),
        },
        Err(HttpError::Timeout) => "timeout".into(),
        Err(HttpError::Connect(_)) => "no_connection".into(),
        Err(HttpError::Broken(_)) => "broken".into(),
        Err(HttpError::NotUnderstood(_)) => "not_understood".into(),
    }
}

/// Asks once, and expects an answer that is a success.
pub(crate) async fn ask(
    connection: &mut Connection,
    request: api::Request,
) -> anyhow::Result<super::http::Answer> {
    let bytes = request.into_bytes();
    let line = String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().to_string();
    let answer = connection.send(&bytes, Duration::from_secs(30)).await.with_context(|| line.clone())?;
    ensure!(answer.is_success(), "{line}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
    Ok(answer)
}
