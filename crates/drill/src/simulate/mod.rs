//! The simulated drill: a country in virtual time, the real engine and journal, one thread, one
//! seed.
//!
//! What is real: the engine, the state machine, the file journal and its recovery, snapshots, the
//! public document. What is modelled, and said so in the report: the network (a delay for each
//! device), the people, the capacity of a node, and the service behind the room. HTTP, TLS and
//! pages are not run; the live drill does that.
//!
//! Must never read a wall clock for anything but when the run began, iterate a hash map, or let
//! two runs of one seed differ. Start at [`simulate`], then `visit` (what devices do), `door` (the
//! node's mailbox and turns), `answers`, `script` (the operator, crashes) and `verdicts`.

mod answers;
pub mod crowd;
mod door;
mod host;
mod meter;
mod page;
mod plots;
pub(crate) mod random;
mod script;
mod service;
mod summary;
mod verdicts;
mod visit;
mod wheel;

use std::collections::{BTreeMap, VecDeque};

use anyhow::Context;
use jari_core::command::Text;
use jari_core::ids::{ClinicId, DeskId};
use jari_core::time::Date;
use jari_core::{Body, Command, Outcome, Time};
use jari_wire::KeyRing;
use sha2::{Digest, Sha256};

use crate::auditor::{Auditor, Terms};
use crate::report::{Mark, Report};
use crate::scenario::{CAMPAIGN, Crash, ROOM, Rehearsal, Scenario, describe};
use crowd::{Crowd, NONE, Trick, ticks};
use host::Host;
use meter::{Meter, SECOND_TICKS};
use page::Facts;
use random::Random;
use service::Protected;
use wheel::{TICK_MS, Wheel};

/// Ticks between two publications of the document, as the node does.
const PUBLISH_TICKS: u32 = 40;
/// Ticks after which a node that has seen no record lets time pass.
const IDLE_TICKS: u32 = 50;

/// How to run a drill.
pub struct SimulateOptions<'a> {
    /// The part of the historical crowd that comes: 1 is all. Everything that carries is made
    /// smaller alike, so that waits stay what they are.
    pub scale: f64,
    /// Decides everything that chance decides.
    pub seed: u64,
    /// Called once for each minute of virtual time.
    pub progress: &'a dyn Fn(Progress),
    /// The command that repeats the run, for the report.
    pub command: String,
}

/// Where a run is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Seconds after the opening.
    pub at_s: f64,
    /// When it ends.
    pub ends_s: f64,
    /// People in line.
    pub waiting: u32,
    /// People with a booking.
    pub booked: u32,
}

/// A fault planted on purpose, so that tests can see verdicts fail.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Planted {
    /// None.
    #[default]
    Nothing,
    /// Some confirmations are answered and never carried out.
    ForgetsBookings,
    /// Some holds are answered with another person's number.
    GivesTwice,
    /// Some who are not called are let in.
    LetsIn,
    /// The auditor is shown another seed than the one drawn with.
    OtherSeed,
    /// The operator pauses and shows no reason.
    HidesPause,
}

/// Replays the evening `name`.
///
/// # Errors
///
/// An unknown name, a scale that is not above 0 and at most 1, and what must stop any drill: an
/// invariant that broke, a recovery that failed.
pub fn simulate(name: &str, options: &SimulateOptions<'_>) -> anyhow::Result<Report> {
    simulate_planted(name, options, Planted::Nothing)
}

/// [`simulate`] with a fault planted.
///
/// # Errors
///
/// As [`simulate`].
#[doc(hidden)]
pub fn simulate_planted(
    name: &str,
    options: &SimulateOptions<'_>,
    planted: Planted,
) -> anyhow::Result<Report> {
    let scenario = describe(name).with_context(|| format!("there is no simulated drill called {name}"))?;
    play(scenario, options, planted)
}

/// Simulates an opening that is still to come.
///
/// # Errors
///
/// As [`simulate`].
pub fn rehearse(rehearsal: &Rehearsal, options: &SimulateOptions<'_>) -> anyhow::Result<Report> {
    play(rehearsal.scenario(), options, Planted::Nothing)
}

fn play(
    scenario: &'static Scenario,
    options: &SimulateOptions<'_>,
    planted: Planted,
) -> anyhow::Result<Report> {
    anyhow::ensure!(options.scale > 0.0 && options.scale <= 1.0, "the scale lies above 0 and is at most 1");
    let started = jiff::Zoned::now();
    let mut simulation = Simulation::new(scenario, options, planted)?;
    simulation.set_up()?;
    simulation.run(options)?;
    simulation.finish()?;
    let replay = format!("{} (seed {}, scale {})", scenario.name, options.seed, options.scale);
    verdicts::report(&simulation, options, &started).with_context(|| format!("reporting on {replay}"))
}

/// A request in the mailbox.
#[derive(Debug, Clone, Copy)]
enum Request {
    /// Of a device.
    Device(u32),
    /// Of the flood, with this ticket.
    Flood(u32),
}

/// Sums over the run.
#[derive(Debug, Default)]
struct Totals {
    crashes: Vec<(f64, Crash, u64)>,
    down_ticks: u32,
    unanswered: u64,
    messages: u64,
    repeats: u64,
    reloads: u64,
    tricks: BTreeMap<Trick, u64>,
    forged_tokens: u64,
    forged_opened: u64,
    turned_away_inside: u64,
    busy: u64,
    looks: u64,
    places_wrong: u64,
    events_checked: u64,
    in_flight_lost: u64,
}

/// Everything of a run.
struct Simulation {
    scenario: &'static Scenario,
    scale: f64,
    planted: Planted,
    random: Random,
    wheel: Wheel,
    crowd: Crowd,
    host: Host,
    service: Protected,
    auditor: Auditor,
    meter: Meter,
    facts: Facts,
    keys: KeyRing,
    seed: [u8; 32],
    commitment: [u8; 32],
    tick: u32,
    opening: u32,
    end: u32,
    mailbox: VecDeque<Request>,
    mailbox_max: usize,
    credit: f64,
    /// Until when nobody answers.
    down_until: u32,
    crash_due: Option<Crash>,
    flood: Option<(u32, f64)>,
    operator: Vec<Command>,
    operator_ids: u128,
    script_next: usize,
    /// Reasons that must become public.
    announced: Vec<(f64, &'static str)>,
    slots: u32,
    free_slots: Vec<u32>,
    /// When each position was called, by position.
    called_at: Vec<u32>,
    drawn: bool,
    sold_out_at: Option<u32>,
    waiting: u32,
    marks: Vec<Mark>,
    totals: Totals,
    outcomes: Vec<Outcome>,
}

impl Simulation {
    fn new(
        scenario: &'static Scenario,
        options: &SimulateOptions<'_>,
        planted: Planted,
    ) -> anyhow::Result<Self> {
        let (scale, seed) = (options.scale, options.seed);
        let secret = std::array::from_fn(|byte| random::mixed(seed ^ byte as u64) as u8);
        let keys = KeyRing::generate(1, secret, Date::from_civil(2021, 7, 1).unwrap_or_default());
        let room_seed = keys.room_seed(ROOM, scenario.name.as_bytes());
        let commitment: [u8; 32] = Sha256::digest(room_seed).into();
        let opening = scenario.lobby_s * SECOND_TICKS;
        let end = opening + scenario.ends_s * SECOND_TICKS;
        let crowd = Crowd::new(scenario, scale, seed);
        let slots = scenario.clinics(scale) * scenario.places.slots;
        let room = scenario.room(scale, commitment);
        let terms = Terms {
            share_tenths: if scenario.places.digit.is_some() { 1 } else { 10 },
            opens_at: scenario.opens_at,
            slot_places: scenario.places.slot_places,
            slots,
            bookings_per_ticket: room.bookings_per_pass,
            entries_per_minute_max: room.pace.entries_per_minute_max,
            passes_max: room.pace.passes_max,
            identity_bound: scenario.identity_bound,
        };
        let service = &scenario.service;
        Ok(Self {
            scenario,
            scale,
            planted,
            random: Random::new(seed),
            wheel: Wheel::new(end + 1, crowd.devices.len() as u32),
            crowd,
            host: Host::start(seed)?,
            service: Protected::new(
                f64::from(service.steps_per_s) * scale,
                service.step_ms,
                service.patience_ms,
            ),
            auditor: Auditor::new(terms),
            meter: Meter::new()?,
            facts: Facts::default(),
            keys,
            seed: room_seed,
            commitment,
            tick: 0,
            opening,
            end,
            mailbox: VecDeque::new(),
            mailbox_max: ((f64::from(scenario.node.mailbox_max) * scale) as usize).max(32),
            credit: 0.0,
            down_until: 0,
            crash_due: None,
            flood: None,
            operator: Vec::new(),
            operator_ids: 1 << 120,
            script_next: 0,
            announced: Vec::new(),
            slots,
            free_slots: Vec::new(),
            called_at: Vec::new(),
            drawn: false,
            sold_out_at: None,
            waiting: 0,
            marks: vec![Mark::new(0.0, "opening")],
            totals: Totals::default(),
            outcomes: Vec::new(),
        })
    }

    /// The instant of the running tick.
    fn now(&self) -> Time {
        let since_ms = u64::from(self.tick) * TICK_MS;
        Time(self.scenario.opens_at.0 + since_ms - u64::from(self.opening) * TICK_MS)
    }

    /// A tick as seconds after the opening.
    fn seconds(&self, tick: u32) -> f64 {
        (f64::from(tick) - f64::from(self.opening)) * TICK_MS as f64 / 1e3
    }

    fn is_down(&self) -> bool {
        self.tick < self.down_until
    }

    /// An operator's command, with an id that survives a crash.
    fn order(&mut self, body: Body) {
        self.operator_ids += 1;
        self.operator.push(Command { id: jari_core::ids::CommandId(self.operator_ids), body });
    }

    /// A command of the node itself.
    fn own(&mut self, body: Body) {
        self.operator.push(Command { id: jari_core::ids::CommandId(0), body });
    }

    /// Campaign, room, clinics and slots, before anyone comes; and everyone's first appointment.
    fn set_up(&mut self) -> anyhow::Result<()> {
        let scenario = self.scenario;
        self.order(Body::CreateCampaign {
            campaign: CAMPAIGN,
            config: Box::new(scenario.campaign(self.scale)),
        });
        let config = Box::new(scenario.room(self.scale, self.commitment));
        self.order(Body::CreateRoom { room: ROOM, config });
        let slots = scenario.slots();
        for number in 0..scenario.clinics(self.scale) {
            self.own(Body::AddClinic { config: Box::new(scenario.clinic(number)) });
            self.own(Body::AddDesk { campaign: CAMPAIGN, clinic: ClinicId(number) });
            self.own(Body::AddSlots { desk: DeskId(number), slots: slots.clone() });
        }
        let commands = std::mem::take(&mut self.operator);
        let mut outcomes = Vec::new();
        anyhow::ensure!(self.host.turn(&commands, self.now(), &mut outcomes)?, "the set-up was not written");
        let refused = outcomes.iter().find_map(Outcome::refusal);
        anyhow::ensure!(refused.is_none(), "the set-up was refused: {refused:?}");
        self.host.take_snapshot()?;
        self.facts = self.host.publish()?;
        for device in 0..self.crowd.devices.len() as u32 {
            let person = self.crowd.people[self.crowd.devices[device as usize].person as usize];
            // Further devices follow the first within four seconds.
            let later = if device == person.first_device { 0 } else { ticks(self.random.between(0.0, 4.0)) };
            self.wheel.at(device, person.arrives + later);
        }
        Ok(())
    }

    fn run(&mut self, options: &SimulateOptions<'_>) -> anyhow::Result<()> {
        let mut due = Vec::new();
        for tick in 0..self.end {
            self.tick = tick;
            self.play_script()?;
            self.wheel.take(tick, &mut due);
            self.arrive(&due);
            self.turn_if_due()?;
            if tick.is_multiple_of(PUBLISH_TICKS) && !self.is_down() {
                self.publish()?;
            }
            if tick % SECOND_TICKS == SECOND_TICKS - 1 {
                self.close_second()?;
            }
            if tick.is_multiple_of(60 * SECOND_TICKS) {
                let (waiting, booked) = (self.waiting, self.auditor.booked());
                let ends_s = f64::from(self.scenario.ends_s);
                (options.progress)(Progress { at_s: self.seconds(tick), ends_s, waiting, booked });
            }
        }
        Ok(())
    }

    /// Takes the newest document, and looks at what it says.
    fn publish(&mut self) -> anyhow::Result<()> {
        self.facts = self.host.publish()?;
        let (supply, quota, entered, inside, factor_ppm) = self.host.read(|state| {
            let room = state.data().rooms.get(&ROOM).context("the room is there")?;
            let campaign = state.data().campaigns.get(&CAMPAIGN).context("the campaign is there")?;
            let (inside, factor) = (room.inside.len() as u32, room.controller.factor_ppm);
            anyhow::Ok((campaign.supply, campaign.config.quota, room.entered, inside, factor))
        })?;
        self.auditor.look(&supply, self.facts.free, quota, inside);
        let called = self.facts.called as usize;
        if called > self.called_at.len() {
            self.called_at.resize(called, self.tick);
        }
        if self.facts.free == 0 && self.sold_out_at.is_none() && self.tick > self.opening {
            self.sold_out_at = Some(self.tick);
            self.marks.push(Mark::new(self.seconds(self.tick), "no place left"));
        }
        let now = &mut self.meter.now;
        (now.supply, now.free, now.quota) = (supply, self.facts.free, quota);
        (now.called, now.entered, now.factor_ppm) = (self.facts.called, entered, factor_ppm);
        Ok(())
    }

    /// Once a second: health, messages, and now and then a snapshot and a list of free slots.
    fn close_second(&mut self) -> anyhow::Result<()> {
        let health = self.service.report();
        self.meter.now.service_p95_ms = health.latency_p95_ms;
        self.meter.now.steps = health.steps;
        self.meter.now.waiting = self.waiting;
        self.meter.now.down |= self.is_down();
        self.meter.close_second();
        if self.is_down() {
            return Ok(());
        }
        self.own(Body::ReportHealth {
            room: ROOM,
            latency_p95_ms: health.latency_p95_ms,
            error_ppm: health.error_ppm,
        });
        self.send_messages();
        let second = self.tick / SECOND_TICKS;
        if second.is_multiple_of(10) || self.free_slots.is_empty() {
            self.list_free_slots();
        }
        let snapshot_every = (600_000.0 * self.scale).max(20_000.0) as u64;
        if self.host.since_snapshot > snapshot_every && self.crash_due.is_none() {
            self.host.take_snapshot()?;
        }
        Ok(())
    }

    /// The last comparison, once nobody is served any more.
    fn finish(&mut self) -> anyhow::Result<()> {
        self.publish()?;
        let Self { host, auditor, totals, .. } = self;
        if let Err(violation) = host.recount() {
            anyhow::bail!("at the end invariant {} is broken: {}", violation.invariant, violation.says);
        }
        host.read(|state| {
            auditor.compare(state.data(), ROOM, true);
            if let Some(room) = state.data().rooms.get(&ROOM) {
                let position = |serial| room.position(jari_core::ids::Serial(serial));
                totals.places_wrong = auditor.compare_places(position);
            }
        });
        self.check_announcements();
        Ok(())
    }
}

/// A public text.
fn text(words: &str) -> Text {
    Text::from(words)
}

/// A person of the crowd that a device belongs to; [`NONE`] has none.
const fn is_some(number: u32) -> bool {
    number != NONE
}
