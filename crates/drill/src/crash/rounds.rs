//! Round after round: load, kill, restart, audit.
//!
//! Must never judge: it records what happened, and `verdicts` says what that means. Start at
//! [`Rounds::run`].

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, atomic::AtomicU32},
    time::Duration,
};

use anyhow::Context as _;
use tokio::{
    task::{JoinSet, spawn_blocking},
    time::Instant,
};

use super::{
    CrashOptions,
    audit::{Found, Reach, audit, change_reason},
    book::SharedBook,
    disk::DiskOutcome,
    gate::{Counted, Gate},
    nodes::Nodes,
    plan::{Moment, Plan},
    plant::Cutting,
    torn::tear,
    visitor::{Scene, visit},
};
use crate::live::{
    api::Request,
    http::{Connection, Target},
    service::{Scratch, Service, ServiceOptions},
    stage::{NewCampaign, NewRoom, Operator, clock, published, slots_of},
};

/// Connections that load the service.
const CONNECTIONS: u64 = 48;
/// The longest that any moment is waited for.
const MOMENT_MAX: Duration = Duration::from_secs(3);
/// A start that takes longer has failed.
const READY_MAX: Duration = Duration::from_secs(30);
/// The journal is verified after every so many kills, and at the end.
const VERIFY_EVERY: u64 = 5;
/// The quota that the operator's changes count up from.
const QUOTA: u32 = 1_000_000;
const HOUR_MS: u32 = 3_600_000;
/// What is going on when a start is killed before its end.
pub const ON_THE_WAY_UP: &str = "on its way up";

/// A kill and what came of it.
#[derive(Debug, Clone)]
pub struct Kill {
    /// Since the first load.
    pub at: Duration,
    /// What was going on.
    pub during: &'static str,
    /// Requests that were out at that moment.
    pub in_flight: u64,
    /// From starting the process again to its first `ready`; none when it was killed on its way up.
    pub ready_in: Option<Duration>,
}

/// Everything that happened.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Each kill, in order.
    pub kills: Vec<Kill>,
    /// Kills that left a snapshot half-written.
    pub snapshots_cut: u64,
    /// Restarts that found a write cut off, as by a power cut, behind the last seal.
    pub torn: u64,
    /// Journals verified while the service was down.
    pub verified: u64,
    /// What the verification found.
    pub verify_faults: Vec<String>,
    /// Why the service did not come up again, if it did not.
    pub stayed_down: Option<String>,
    /// All audits together.
    pub found: Found,
    /// The last audit alone: everyone, with no question open.
    pub last: Found,
    /// Questions left open at the end.
    pub left_open: usize,
    /// At the crowd's gate.
    pub counted: Counted,
    /// Visitors in all.
    pub visitors: u32,
    /// Numbers, places, and the operator's changes that were acknowledged.
    pub known: (u64, u64, u64),
    /// Bytes in the data directory at the end.
    pub data_bytes: u64,
    /// What came of disks without room.
    pub disks: Vec<DiskOutcome>,
    /// How long all of it took.
    pub took: Duration,
}

/// The rounds of one run.
pub struct Rounds<'a> {
    options: &'a CrashOptions,
    service: Service,
    scene: Arc<Scene>,
    desks: Vec<u32>,
    operator: Option<Operator>,
    plan: Plan,
    start_takes: Duration,
    cutting: Option<Cutting>,
    parts_left: BTreeSet<String>,
    scratch: &'a Scratch,
    outcome: Outcome,
}

impl<'a> Rounds<'a> {
    /// Starts the service and sets the stage.
    pub async fn prepare(options: &'a CrashOptions, scratch: &'a Scratch) -> anyhow::Result<Self> {
        let secret = format!("crash-{:032x}", u128::from(options.seed) << 64 | 7);
        // Small segments and frequent snapshots, so that kills fall into their making. The whole
        // journal is kept with every other seed: both ways of letting go of segments are tried.
        let config_more = format!(
            "[journal]\nkeep_all = {}\nsegment_bytes_max = 300000\nsnapshot_every_commands = {}\n",
            options.seed.is_multiple_of(2),
            options.snapshot_every_commands,
        );
        let service_options = ServiceOptions {
            config_more,
            ..ServiceOptions::new(options.jari.clone(), scratch.0.clone(), secret.clone())
        };
        let service = spawn_blocking(move || Service::start(service_options)).await??;
        let target = Target::new(service.address);
        let nodes = Nodes::alone(target);
        let (scene, desks, operator) = stage(options.seed, nodes, secret, &service.password).await?;
        Ok(Self {
            options,
            start_takes: service.started_in,
            service,
            scene: Arc::new(scene),
            desks,
            operator: Some(operator),
            plan: Plan::new(options.seed),
            cutting: None,
            parts_left: BTreeSet::new(),
            scratch,
            outcome: Outcome::default(),
        })
    }

    /// All rounds, and the last audit.
    pub async fn run(mut self) -> anyhow::Result<Outcome> {
        let begun = Instant::now();
        let mut crowd = JoinSet::new();
        for number in 0..CONNECTIONS {
            crowd.spawn(visit(Arc::clone(&self.scene), number));
        }
        if let Some(operator) = self.operator.take() {
            crowd.spawn(operate(Arc::clone(&self.scene), operator));
        }
        while (self.outcome.kills.len() as u64) < self.options.kills && self.outcome.stayed_down.is_none() {
            self.round(begun).await?;
        }
        if self.outcome.stayed_down.is_none() {
            self.end(crowd).await?;
        }
        let scene = &self.scene;
        self.outcome.took = begun.elapsed();
        self.outcome.counted = scene.gate.counted();
        self.outcome.visitors = scene.next.load(std::sync::atomic::Ordering::Relaxed);
        let book = scene.book.lock();
        self.outcome.left_open = book.open_questions();
        let tickets = book.people.values().filter(|person| person.ticket.is_some()).count();
        let places = book.people.values().map(|person| person.places.len() as u64).sum();
        self.outcome.known = ((tickets + book.walked_in.len()) as u64, places, u64::from(book.changes.1));
        drop(book);
        self.outcome.data_bytes = self.service.data_bytes();
        Ok(self.outcome)
    }

    async fn round(&mut self, begun: Instant) -> anyhow::Result<()> {
        let moment = self.plan.next_moment();
        self.wait_for(moment).await;
        self.kill(begun, moment.word())?;
        self.plant()?;
        while (self.outcome.kills.len() as u64) < self.options.kills
            && let Some(after) = self.plan.next_on_the_way_up(self.start_takes)
        {
            self.service.begin_restart()?;
            tokio::time::sleep(after).await;
            self.kill(begun, ON_THE_WAY_UP)?;
        }
        if let Some(mut random) = self.plan.next_torn() {
            let journal = self.service.data_dir().join("journal");
            let torn = tear(&journal, &mut random).context("cannot write into the journal")?;
            self.outcome.torn += u64::from(torn);
        }
        if (self.outcome.kills.len() as u64).is_multiple_of(VERIFY_EVERY) {
            self.verify().await?;
        }
        if let Err(error) = self.restart().await {
            self.outcome.stayed_down = Some(format!("{error:#}"));
            return Ok(());
        }
        let found = audit(&self.scene, &self.desks, Reach::QUICK).await?;
        (self.options.progress)(self.outcome.kills.len() as u64, &self.scene.gate.counted());
        self.outcome.found.take(found);
        Ok(())
    }

    /// Lets the crowd send until the moment has come.
    async fn wait_for(&self, moment: Moment) {
        let before = self.scene.gate.counted().answered;
        self.scene.gate.open();
        let deadline = Instant::now() + MOMENT_MAX;
        match moment {
            Moment::UnderLoad(after) => tokio::time::sleep(after).await,
            Moment::AfterBurst(answers) => {
                while self.scene.gate.counted().answered < before + answers && Instant::now() < deadline {
                    tokio::time::sleep(Duration::from_micros(200)).await;
                }
            }
            Moment::InSnapshot(after) => {
                let snapshots = self.service.data_dir().join("snapshots");
                // What earlier kills left lies there until the next snapshot is begun.
                let known = parts(&snapshots);
                while parts(&snapshots).is_subset(&known) && Instant::now() < deadline {
                    tokio::time::sleep(Duration::from_micros(300)).await;
                }
                tokio::time::sleep(after).await;
            }
        }
    }

    fn kill(&mut self, begun: Instant, during: &'static str) -> anyhow::Result<()> {
        let in_flight = self.scene.gate.in_flight();
        self.service.kill()?;
        self.scene.gate.shut();
        let left = parts(&self.service.data_dir().join("snapshots"));
        self.outcome.snapshots_cut += u64::from(!left.is_subset(&self.parts_left));
        self.parts_left = left;
        self.outcome.kills.push(Kill { at: begun.elapsed(), during, in_flight, ready_in: None });
        Ok(())
    }

    /// Half-way through, loses something if that was asked for.
    fn plant(&mut self) -> anyhow::Result<()> {
        let Some(plant) = self.options.plant else { return Ok(()) };
        let data = self.service.data_dir();
        match &self.cutting {
            None if self.outcome.kills.len() as u64 * 2 >= self.options.kills => {
                let copy = self.scratch.0.join("cutting");
                self.cutting = Some(Cutting::take(plant, &data, copy).context("cannot copy the journal")?);
            }
            Some(cutting) => cutting.put_back(&data).context("cannot put the copy back")?,
            None => {}
        }
        Ok(())
    }

    /// Starts the service again and waits until it is ready.
    async fn restart(&mut self) -> anyhow::Result<()> {
        let begun = Instant::now();
        // Starting blocks, and the crowd has nothing to do meanwhile.
        self.service.restart()?;
        let target = self.scene.nodes.target(0);
        target.moved_to(self.service.address);
        ready(target).await?;
        let took = begun.elapsed();
        self.start_takes = (self.start_takes * 3 + took) / 4;
        if let Some(kill) = self.outcome.kills.last_mut() {
            kill.ready_in = Some(took);
        }
        Ok(())
    }

    /// Verifies the journal of a service that is down.
    async fn verify(&mut self) -> anyhow::Result<()> {
        let (jari, data) = (self.options.jari.clone(), self.service.data_dir());
        let said = spawn_blocking(move || verify_journal(&jari, &data)).await??;
        self.outcome.verified += 1;
        let holds = said.contains("all hold");
        if !holds {
            self.outcome.verify_faults.push(said);
        }
        Ok(())
    }

    /// The crowd finishes, everyone is read back, and once more after a last kill.
    async fn end(&mut self, mut crowd: JoinSet<()>) -> anyhow::Result<()> {
        self.scene.gate.last_calls();
        while let Some(ended) = crowd.join_next().await {
            ended.context("a visitor panicked")?;
        }
        self.scene.gate.shut();
        self.service.kill()?;
        self.verify().await?;
        if let Err(error) = self.restart().await {
            self.outcome.stayed_down = Some(format!("{error:#}"));
            return Ok(());
        }
        let last = audit(&self.scene, &self.desks, Reach::ALL).await?;
        self.outcome.found.take(last.clone());
        self.outcome.last = last;
        Ok(())
    }
}

/// Waits until `/readyz` says so.
pub async fn ready(target: &Target) -> anyhow::Result<()> {
    let mut connection = Connection::new(target.clone());
    let request = Request::new("GET", "/readyz").into_bytes();
    let deadline = Instant::now() + READY_MAX;
    let mut last = String::new();
    while Instant::now() < deadline {
        match connection.send(&request, Duration::from_secs(2)).await {
            Ok(answer) if answer.is_success() => return Ok(()),
            Ok(answer) => last = format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body)),
            Err(error) => last = error.to_string(),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    anyhow::bail!("the service is up and does not get ready: {last}")
}

/// What `jari journal verify` says of a data directory.
pub fn verify_journal(jari: &Path, data: &Path) -> anyhow::Result<String> {
    let mut verify = Command::new(jari);
    verify.args(["journal", "verify"]).arg(data).stdin(Stdio::null());
    let output = verify.output().context("cannot run jari journal verify")?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}

/// Names of half-written snapshots.
fn parts(snapshots: &Path) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(snapshots) else { return BTreeSet::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| name.ends_with(".part")).collect()
}

/// Changes the quota again and again, each time for a public reason of its own.
pub async fn operate(scene: Arc<Scene>, mut operator: Operator) {
    while scene.gate.pass().await && !scene.gate.is_ending() {
        let change = {
            let mut book = scene.book.lock();
            book.changes.0 += 1;
            book.changes.0
        };
        let quota = QUOTA + change;
        if let Err(error) = operator.set_quota(1, quota, &change_reason(change)).await {
            tracing::error!(%error, "the operator's change was refused");
            return;
        }
        scene.book.lock().changes.1 = change;
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

/// Two rooms, a campaign with plenty behind the first, and a small one behind none.
pub async fn stage(
    seed: u64,
    nodes: Nodes,
    partner_secret: String,
    password: &str,
) -> anyhow::Result<(Scene, Vec<u32>, Operator)> {
    let mut operator = Operator::sign_in(nodes.target(0), password, seed).await?;
    let mut connection = Connection::new(nodes.target(0).clone());
    let plenty = NewCampaign {
        campaign: 1,
        room: Some(1),
        quota: QUOTA,
        opens_at_ms: clock(&mut connection).await?,
        clinics: 6,
        slots: 8,
        slot_places: 20_000,
        hold_ms: HOUR_MS,
    };
    let mut desks = operator.create_campaign(&plenty).await?;
    let slots = slots_of(&mut connection, &desks).await?;
    let scarce = NewCampaign { campaign: 2, room: None, clinics: 1, slots: 4, slot_places: 60, ..plenty };
    let scarce_desks = operator.create_campaign(&scarce).await?;
    let scarce_slots = slots_of(&mut connection, &scarce_desks).await?;
    desks.extend(scarce_desks);
    let room = NewRoom {
        room: 1,
        opens_at_ms: clock(&mut connection).await?,
        campaign: Some(1),
        identity_bound: true,
        entries_per_minute_max: 6_000_000,
        passes_max: 1_000_000,
        pass_ttl_ms: 2 * HOUR_MS,
    };
    operator.create_room(&room).await?;
    operator.create_room(&NewRoom { room: 2, campaign: None, identity_bound: false, ..room }).await?;
    published(&mut connection, 1).await?;
    published(&mut connection, 2).await?;
    let scene = Scene {
        nodes,
        gate: Gate::default(),
        book: SharedBook::new(seed),
        partner_secret,
        seed,
        rooms: (1, 2),
        slots,
        scarce_slots,
        next: AtomicU32::new(0),
    };
    Ok((scene, desks, operator))
}
