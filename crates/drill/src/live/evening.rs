//! The live evening: the stage is set, the crowd comes, the operator acts, the service is killed
//! and comes back, ten times too many come, and everything is read back.
//!
//! Must never judge: it records what happened, and `verdicts` says what that means. Start at
//! [`run`].

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::{sync::watch, task::spawn_blocking, time::Instant};

use super::{
    api::{self, Request},
    auditor::{Found, ReadBack, SharedLedger, read_back},
    crowd::{self, CrowdOptions, CrowdOutcome, OnProgress, Polls},
    http::{Connection, Target},
    load::Visitor,
    overload::{self, Overload, OverloadOptions},
    plan::Plan,
    rubbish::{Probe, Rubbish},
    service::{Service, Usage, usage},
    stage::{Desk, NewCampaign, NewRoom, Operator, clock, desks_of, published, slots_of},
};

/// The evening's room and campaign; the load's campaign; the open room whose passes are foreign.
/// A service that is not ours may have others: its numbers start higher.
#[derive(Debug, Clone, Copy)]
pub struct Numbers {
    /// The evening's room.
    pub room: u32,
    /// The evening's campaign.
    pub campaign: u32,
    /// The campaign of the load, without a room.
    pub load_campaign: u32,
    /// An open room, for passes that are foreign elsewhere.
    pub other_room: u32,
}

/// The shortest that the API takes.
const PASS_TTL_MS: u32 = 10_000;
const HOLD_MS: u32 = 12_000;
/// People read back after the kill, and at the end.
const READ_BACK_AFTER_KILL: usize = 400;
const READ_BACK_AT_END: usize = 200_000;
/// People who visit under load.
const VISITORS_MAX: usize = 20_000;
const CAMPAIGN_PATH: &str = "/api/v1/campaigns/";

/// What to run against.
#[derive(Debug)]
pub struct Ground {
    /// The service, if it is ours.
    pub service: Option<Service>,
    /// Where it is.
    pub target: Target,
    /// The operator's password.
    pub password: String,
    /// The partner channel's secret.
    pub partner_secret: String,
    /// The drill's seed.
    pub seed: u64,
    /// See [`Numbers`].
    pub numbers: Numbers,
}

/// What was measured in a second.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// When.
    pub at: Instant,
    /// The service's memory and processor time; none while it is away or not ours.
    pub service: Option<Usage>,
    /// This process's.
    pub generator: Usage,
    /// The campaign's places, if they could be read.
    pub supply: Option<api::Supply>,
}

/// The kill.
#[derive(Debug, Clone)]
pub struct Kill {
    /// When.
    pub at: Instant,
    /// Until the first answer.
    pub away: Duration,
    /// What was read back at once.
    pub found: Found,
}

/// Everything that happened.
#[derive(Debug)]
pub struct Evening {
    /// The crowd's side.
    pub crowd: CrowdOutcome,
    /// Everything acknowledged.
    pub ledger: SharedLedger,
    /// Second by second.
    pub samples: Vec<Sample>,
    /// What happened when.
    pub marks: Vec<(Instant, String)>,
    /// The kill, if there was one.
    pub kill: Option<Kill>,
    /// What was read back at the end.
    pub found: Found,
    /// The requests that had to be refused.
    pub probes: Vec<Probe>,
    /// The overload, if there was anyone to make it.
    pub overload: Option<Overload>,
    /// The campaign at the end of the evening.
    pub campaign: api::Campaign,
    /// The room before anyone came, and at the end.
    pub rooms: (api::Room, api::Room),
    /// The public events.
    pub events: Vec<api::Event>,
    /// Bytes in the data directory.
    pub data_bytes: u64,
}

/// Who hears how far it is.
pub type OnPhase = Arc<dyn Fn(&str) + Send + Sync>;

/// Runs the evening.
pub async fn run(
    plan: &Plan,
    ground: Ground,
    say: OnPhase,
    on_progress: OnProgress,
) -> anyhow::Result<Evening> {
    say("setting the stage: clinics, slots, room");
    let mut director = Director::prepare(plan, ground, say).await?;
    let ledger = SharedLedger::new(plan.people as usize + 1);
    let (stop_crowd, stop) = watch::channel(false);
    let options = director.crowd_options(stop);
    let crowd = tokio::spawn(crowd::run(options, ledger.clone(), Some(on_progress)));
    let sampler =
        tokio::spawn(sample(director.target.clone(), director.numbers.campaign, director.watched.clone()));
    let played = director.play(&ledger).await;
    if played.is_err() {
        let _ = stop_crowd.send(true);
    }
    let crowd = crowd.await.context("the crowd panicked")??;
    let kill = played?;
    director.mark("crowd is through");
    let evening_ends = (director.campaign().await?, director.room().await?);
    (director.say)("reading back everything that was acknowledged");
    let found = read_back(&director.read_back(READ_BACK_AT_END), &ledger).await;
    director.rubbish.after_expiry().await;
    let overload = director.overload(&ledger).await?;
    let events = director.events().await?;
    // The sampler ends with its watch.
    let data_bytes = director.ground.service.as_ref().map_or(0, Service::data_bytes);
    director.watched.send_replace(Watched::Nothing);
    let samples = sampler.await.context("the sampler panicked")?;
    Ok(Evening {
        crowd,
        samples,
        marks: std::mem::take(&mut director.marks),
        kill,
        found,
        probes: std::mem::take(&mut director.rubbish.probes),
        overload,
        campaign: evening_ends.0,
        rooms: (director.room_before.clone(), evening_ends.1),
        events,
        data_bytes,
        ledger,
    })
}

/// Which process is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Watched {
    Process(u32),
    Away,
    Nothing,
}

struct Director<'a> {
    plan: &'a Plan,
    ground: Ground,
    target: Target,
    numbers: Numbers,
    operator: Operator,
    connection: Connection,
    rubbish: Rubbish,
    opens_at: Instant,
    load_desks: Vec<Desk>,
    room_before: api::Room,
    marks: Vec<(Instant, String)>,
    watched: watch::Sender<Watched>,
    say: OnPhase,
}

impl<'a> Director<'a> {
    async fn prepare(plan: &'a Plan, ground: Ground, say: OnPhase) -> anyhow::Result<Self> {
        let (target, numbers) = (ground.target.clone(), ground.numbers);
        let mut operator = Operator::sign_in(&target, &ground.password, ground.seed).await?;
        let mut connection = Connection::new(target.clone());
        let (first_slot, load_desks) = campaigns(plan, numbers, &mut operator, &mut connection).await?;
        let opens_at = rooms(plan, numbers, &mut operator, &mut connection).await?;
        published(&mut connection, numbers.room).await?;
        let both = (numbers.room, numbers.other_room);
        let rubbish = Rubbish::arrive(&target, &ground.partner_secret, both, first_slot).await?;
        let room_before = room_of(&mut connection, numbers.room).await?;
        let watched = ground.service.as_ref().map_or(Watched::Away, |service| Watched::Process(service.id()));
        Ok(Self {
            plan,
            target,
            numbers,
            operator,
            connection,
            rubbish,
            opens_at,
            load_desks,
            room_before,
            marks: vec![(opens_at, "opening".into())],
            watched: watch::channel(watched).0,
            say,
            ground,
        })
    }

    fn crowd_options(&self, stop: watch::Receiver<bool>) -> CrowdOptions {
        CrowdOptions {
            target: self.target.clone(),
            partner_secret: self.ground.partner_secret.clone(),
            room: self.numbers.room,
            campaign: self.numbers.campaign,
            size: self.plan.people,
            arrivals: self.plan.arrivals,
            seed: self.ground.seed,
            polls: Polls { compression: self.plan.compression, ..Polls::default() },
            thinking_ms: self.plan.thinking_ms,
            connections: self.plan.connections,
            request_time_max: self.plan.request_time_max,
            duration_max: Duration::from_secs_f64(self.plan.lobby_s() + self.plan.ends_s),
            stop,
        }
    }

    /// What the operator does, and the kill, at their times.
    async fn play(&mut self, ledger: &SharedLedger) -> anyhow::Result<Option<Kill>> {
        let plan = self.plan;
        let at = |s: f64| self.opens_at + Duration::from_secs_f64(s);
        let (pause_at, resume_at) = (at(plan.pause_s.0), at(plan.pause_s.0 + plan.pause_s.1));
        let (kill_at, raise_at) = (at(plan.kill_s), at(plan.raise_s));
        (self.say)("the lobby is open");
        self.rubbish.before_opening().await;
        tokio::time::sleep_until(self.opens_at).await;
        (self.say)("the room has opened");
        tokio::time::sleep_until(at(1.0)).await;
        self.rubbish.while_open().await;
        tokio::time::sleep_until(pause_at).await;
        (self.say)("the operator pauses the room");
        self.operator.pause(self.numbers.room, plan.pause_reason).await?;
        self.mark("pause");
        tokio::time::sleep_until(resume_at).await;
        self.operator.resume(self.numbers.room).await?;
        self.mark("goes on");
        let kill = if self.ground.service.is_some() {
            tokio::time::sleep_until(kill_at).await;
            (self.say)("kill -9, and a restart on the same data");
            Some(self.kill(ledger).await?)
        } else {
            None
        };
        if let Some((quota, reason)) = plan.raise {
            tokio::time::sleep_until(raise_at).await;
            self.operator.set_quota(self.numbers.campaign, quota, reason).await?;
            self.mark("more places");
        }
        Ok(kill)
    }

    async fn kill(&mut self, ledger: &SharedLedger) -> anyhow::Result<Kill> {
        let mut service = self.ground.service.take().context("there is no service to kill")?;
        let at = Instant::now();
        self.mark("kill -9");
        self.watched.send_replace(Watched::Away);
        // Starting and waiting block; the crowd goes on meanwhile.
        let restarted = spawn_blocking(move || {
            service.kill()?;
            service.restart()?;
            anyhow::Ok(service)
        });
        let service = restarted.await.context("the restart panicked")??;
        self.target.moved_to(service.address);
        self.watched.send_replace(Watched::Process(service.id()));
        let ready = Request::new("GET", "/readyz").into_bytes();
        for _ in 0..200 {
            let answer = self.connection.send(&ready, Duration::from_secs(2)).await;
            if answer.is_ok_and(|answer| answer.is_success()) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let away = at.elapsed();
        self.mark("back");
        self.ground.service = Some(service);
        let found = read_back(&self.read_back(READ_BACK_AFTER_KILL), ledger).await;
        Ok(Kill { at, away, found })
    }

    async fn overload(&mut self, ledger: &SharedLedger) -> anyhow::Result<Option<Overload>> {
        (self.say)("measuring the service's best, then offering ten times as much");
        self.mark("load");
        let sessions = |limit: usize| -> Vec<Arc<str>> {
            let ledger = ledger.lock();
            ledger.people.iter().filter_map(|record| record.session.clone()).take(limit).collect()
        };
        let visitors: Vec<Visitor> = sessions(VISITORS_MAX).into_iter().map(Visitor::new).collect();
        let options = OverloadOptions {
            target: self.target.clone(),
            campaign: self.numbers.load_campaign,
            desks: self.load_desks.clone(),
            capacity_s: self.plan.overload_s.0,
            overload_s: self.plan.overload_s.1,
            seed: self.ground.seed,
        };
        let measured = spawn_blocking(move || overload::measure(&options, visitors));
        measured.await.context("the load panicked")?.context("the load could not be made")
    }

    fn read_back(&self, people_max: usize) -> ReadBack {
        ReadBack {
            target: self.target.clone(),
            room: self.numbers.room,
            people_max,
            connections: 32,
            duration_max: Duration::from_secs(60),
        }
    }

    fn mark(&mut self, label: &str) {
        self.marks.push((Instant::now(), label.to_string()));
    }

    async fn campaign(&mut self) -> anyhow::Result<api::Campaign> {
        let path = format!("{CAMPAIGN_PATH}{}", self.numbers.campaign);
        let answer = crowd::ask(&mut self.connection, Request::new("GET", &path)).await?;
        api::read(&answer).context("the campaign cannot be read")
    }

    async fn room(&mut self) -> anyhow::Result<api::Room> {
        room_of(&mut self.connection, self.numbers.room).await
    }

    async fn events(&mut self) -> anyhow::Result<Vec<api::Event>> {
        let answer = crowd::ask(&mut self.connection, Request::new("GET", "/api/v1/events")).await?;
        api::read(&answer).context("the events cannot be read")
    }
}

/// Makes the evening's campaign and the load's; gives a slot of the first and all of the second.
async fn campaigns(
    plan: &Plan,
    numbers: Numbers,
    operator: &mut Operator,
    connection: &mut Connection,
) -> anyhow::Result<(u32, Vec<Desk>)> {
    let now_ms = clock(connection).await?;
    let campaign = NewCampaign {
        campaign: numbers.campaign,
        room: Some(numbers.room),
        quota: plan.quota,
        opens_at_ms: now_ms,
        clinics: plan.clinics,
        slots: plan.slots,
        slot_places: plan.slot_places,
        hold_ms: HOLD_MS,
    };
    let desks = operator.create_campaign(&campaign).await?;
    anyhow::ensure!(!desks.is_empty(), "the campaign has no clinics");
    let load_desks = operator.create_campaign(&overload::campaign(numbers.load_campaign, now_ms)).await?;
    let load_desks = desks_of(connection, &load_desks).await?;
    let first_slot = slots_of(connection, &desks[..1]).await?[0];
    Ok((first_slot, load_desks))
}

/// Makes a room that is open and the evening's; gives the evening's opening.
async fn rooms(
    plan: &Plan,
    numbers: Numbers,
    operator: &mut Operator,
    connection: &mut Connection,
) -> anyhow::Result<Instant> {
    let now_ms = clock(connection).await?;
    let room = NewRoom {
        room: numbers.other_room,
        opens_at_ms: now_ms,
        campaign: None,
        identity_bound: false,
        entries_per_minute_max: 6_000,
        passes_max: 1_000,
        pass_ttl_ms: PASS_TTL_MS,
    };
    operator.create_room(&room).await?;
    let now_ms = clock(connection).await?;
    let lobby = Duration::from_secs_f64(plan.lobby_s());
    let opens_at = Instant::now() + lobby;
    let room = NewRoom {
        room: numbers.room,
        opens_at_ms: now_ms + lobby.as_millis() as u64,
        campaign: Some(numbers.campaign),
        identity_bound: plan.identity_bound,
        entries_per_minute_max: plan.entries_per_minute_max,
        passes_max: plan.people.max(100),
        ..room
    };
    operator.create_room(&room).await?;
    Ok(opens_at)
}

async fn room_of(connection: &mut Connection, room: u32) -> anyhow::Result<api::Room> {
    let answer = crowd::ask(connection, Request::new("GET", &format!("/api/v1/rooms/{room}"))).await?;
    api::read(&answer).context("the room cannot be read")
}

/// Once a second: memory, processor time, places.
async fn sample(target: Target, campaign: u32, watched: watch::Sender<Watched>) -> Vec<Sample> {
    const SAMPLES_MAX: usize = 3_600;
    let mut connection = Connection::new(target);
    let mut samples = Vec::new();
    let mut every = tokio::time::interval(Duration::from_secs(1));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let ask = Request::new("GET", &format!("{CAMPAIGN_PATH}{campaign}")).into_bytes();
    while samples.len() < SAMPLES_MAX {
        every.tick().await;
        let process = *watched.borrow();
        let service = match process {
            Watched::Nothing => break,
            Watched::Process(id) => usage(id),
            Watched::Away => None,
        };
        let answer = connection.send(&ask, Duration::from_secs(1)).await;
        let supply =
            answer.ok().as_ref().and_then(api::read::<api::Campaign>).map(|campaign| campaign.supply);
        let generator = usage(std::process::id()).unwrap_or_default();
        samples.push(Sample { at: Instant::now(), service, generator, supply });
    }
    samples
}
