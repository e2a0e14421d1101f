//! Fault after fault under load: done, undone, everyone read back; at the end all nodes are compared.
//!
//! Must never judge: it records what happened, and `verdicts` says what that means. Start at
//! [`run`].

use std::{
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, bail};
use tokio::{
    task::{JoinHandle, JoinSet, spawn_blocking},
    time::{Instant, timeout},
};

use super::{
    ClusterOptions,
    agree::{Agreement, compare_answers, compare_journals, heads_of},
    fairness::{Order, order_of},
    faults::Fault,
    inject::{Injection, Stage, inject},
    net::{EACH, Machine, Net},
    programs::{OwnEnd, ProgramOptions, Programs, service_of},
    watch,
};
use crate::{
    crash::{
        audit::{Found, Reach, audit_at},
        gate::Counted,
        nodes::Nodes,
        rounds::{operate, ready, stage as set_stage},
        visitor::visit,
    },
    live::{crowd::people::Random, http::Target},
};

/// Connections of the crowd, each to every node.
const CONNECTIONS: u64 = 24;
/// A person presses again after so long, at another node.
const PATIENCE: Duration = Duration::from_secs(3);
/// The crowd at work before the first fault, for comparison, and between faults.
const CALM: Duration = Duration::from_secs(5);
const BETWEEN: Duration = Duration::from_millis(1_000);
/// What is on its way ends within this.
const DRAINED_MAX: Duration = Duration::from_secs(30);
/// Nodes that hear each other are at one position within this.
const LEVEL_MAX: Duration = Duration::from_secs(20);
const STOP_MAX: Duration = Duration::from_secs(40);
const LOOK_EVERY: Duration = Duration::from_millis(50);
const SAMPLED_EVERY: Duration = Duration::from_millis(100);

/// Everything that happened.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Each fault, in order.
    pub injections: Vec<Injection>,
    /// How long the crowd was at work before the first one, and what was answered then.
    pub calm: (Duration, u64),
    /// All audits between faults.
    pub found: Found,
    /// The last audit at each node: everyone, with no question open.
    pub last: Vec<Found>,
    /// After everything was stopped and started again, at each node.
    pub after_restart: Vec<Found>,
    /// Whether nodes and journals are the same.
    pub agreement: Agreement,
    /// Times that the nodes did not come to one position.
    pub uneven: Vec<String>,
    /// Why it had to end early, if it had to.
    pub stayed_down: Option<String>,
    /// Nodes that did not end well when they were asked to at the end.
    pub ended_badly: Vec<String>,
    /// Programs that ended by themselves outside of faults.
    pub own_ends: Vec<OwnEnd>,
    /// Questions left open at the end.
    pub left_open: usize,
    /// At the crowd's gate.
    pub counted: Counted,
    /// Visitors in all.
    pub visitors: u32,
    /// Numbers, places, and the operator's changes that were acknowledged.
    pub known: (u64, u64, u64),
    /// Fairness by what was going on.
    pub orders: Vec<Order>,
    /// Requests answered until then, ten times a second.
    pub samples: Vec<(f64, u64)>,
    /// How long all of it took.
    pub took: Duration,
}

/// The drill from the first start to the last comparison.
pub async fn run(options: &ClusterOptions, dir: &Path) -> anyhow::Result<Outcome> {
    let begun = Instant::now();
    let (mut drive, operator) = Drive::prepare(options, dir, begun).await?;
    let crowd = drive.crowd(operator);
    let sampler = drive.sample();
    let mut result = drive.faults().await;
    if result.is_ok() && drive.outcome.stayed_down.is_none() {
        result = drive.end(crowd).await;
    }
    sampler.abort();
    drive.keeper.abort();
    result?;
    drive.count();
    drive.outcome.took = begun.elapsed();
    Ok(drive.outcome)
}

struct Drive<'a> {
    options: &'a ClusterOptions,
    stage: Stage,
    desks: Vec<u32>,
    random: Random,
    begun: Instant,
    calm_until: Instant,
    samples: Arc<Mutex<Vec<(f64, u64)>>>,
    /// Starts again what ends by itself.
    keeper: JoinHandle<()>,
    outcome: Outcome,
}

impl<'a> Drive<'a> {
    async fn prepare(
        options: &'a ClusterOptions,
        dir: &Path,
        begun: Instant,
    ) -> anyhow::Result<(Self, crate::live::stage::Operator)> {
        let secret = format!("cluster-{:032x}", u128::from(options.seed) << 64 | 9);
        let net = Net::build()?;
        let programs = Programs::prepare(ProgramOptions {
            jari: options.jari.clone(),
            nats_server: options.nats_server.clone(),
            dir: dir.to_owned(),
            logs: options.logs.clone(),
            partner_secret: secret.clone(),
            snapshot_every_commands: options.snapshot_every_commands,
        })?;
        let (net, programs) = (Arc::new(Mutex::new(net)), Arc::new(Mutex::new(programs)));
        let password = bring_up(&net, &programs).await?;
        let targets = (0..EACH).map(|node| Target::new(service_of(node))).collect();
        let nodes = Nodes::new(targets, PATIENCE);
        let (scene, desks, operator) = set_stage(options.seed, nodes, secret, &password).await?;
        let keeper = tokio::spawn(keep_up(Arc::clone(&net), Arc::clone(&programs)));
        let stage = Stage { net, programs, scene: Arc::new(scene), plants_nothing: options.plants_nothing };
        let drive = Self {
            options,
            stage,
            desks,
            random: Random::new(options.seed, 0xc1),
            begun,
            calm_until: begun,
            samples: Arc::default(),
            keeper,
            outcome: Outcome::default(),
        };
        Ok((drive, operator))
    }

    fn crowd(&self, operator: crate::live::stage::Operator) -> JoinSet<()> {
        let mut crowd = JoinSet::new();
        for number in 0..CONNECTIONS {
            crowd.spawn(visit(Arc::clone(&self.stage.scene), number));
        }
        crowd.spawn(operate(Arc::clone(&self.stage.scene), operator));
        crowd
    }

    fn sample(&self) -> JoinHandle<()> {
        let (samples, scene, begun) = (Arc::clone(&self.samples), Arc::clone(&self.stage.scene), self.begun);
        tokio::spawn(async move {
            let mut every = tokio::time::interval(SAMPLED_EVERY);
            loop {
                every.tick().await;
                let sample = (begun.elapsed().as_secs_f64(), scene.gate.counted().answered);
                samples.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
            }
        })
    }

    async fn faults(&mut self) -> anyhow::Result<()> {
        let gate = self.stage.scene.gate.clone();
        gate.open();
        tokio::time::sleep(CALM).await;
        self.outcome.calm = (CALM, gate.counted().answered);
        self.calm_until = Instant::now();
        for (number, fault) in self.options.faults.iter().enumerate() {
            gate.open();
            tokio::time::sleep(BETWEEN).await;
            (self.options.progress)(number, *fault, &gate.counted());
            self.outcome.own_ends.extend(self.stage.programs().take_own_ends());
            let injection =
                inject(&self.stage, *fault, self.options.lasts, self.begun, &mut self.random).await?;
            let is_back = injection.back_in.iter().all(Option::is_some);
            self.outcome.injections.push(injection);
            if !is_back {
                self.outcome.stayed_down = Some(format!("after {} a node takes no writes", fault.name()));
                return Ok(());
            }
            self.read_back(number % EACH).await?;
        }
        Ok(())
    }

    /// Everyone whose record changed, at one node, while nobody sends.
    async fn read_back(&mut self, node: usize) -> anyhow::Result<()> {
        self.stage.scene.gate.shut();
        self.drain().await?;
        self.level().await;
        let found = audit_at(&self.stage.scene, node, &self.desks, Reach::QUICK).await?;
        self.outcome.found.take(found);
        Ok(())
    }

    /// Waits until nothing is on its way any more.
    async fn drain(&self) -> anyhow::Result<()> {
        let gate = &self.stage.scene.gate;
        let drained = async {
            while gate.in_flight() > 0 {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        timeout(DRAINED_MAX, drained).await.context("requests do not come to an end")
    }

    /// Waits until every node has heard what any of them has by now.
    async fn level(&mut self) {
        let deadline = Instant::now() + LEVEL_MAX;
        let mut furthest = None;
        loop {
            let mut positions = Vec::new();
            for node in 0..EACH {
                positions.push(watch::position_of(node).await);
            }
            // A node that has just come up does not show its position at once.
            if positions.iter().all(Option::is_some) {
                furthest = furthest.or(positions.iter().flatten().max().copied());
            }
            let goal = furthest.unwrap_or(u64::MAX);
            if positions.iter().all(|position| position.is_some_and(|position| position >= goal)) {
                return;
            }
            if Instant::now() > deadline {
                self.outcome.uneven.push(format!("{positions:?}, and {goal} was reached by one"));
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The crowd finishes; everyone is read back at every node; journals are compared; and once more
    /// after everything was started again.
    async fn end(&mut self, mut crowd: JoinSet<()>) -> anyhow::Result<()> {
        let scene = Arc::clone(&self.stage.scene);
        scene.gate.last_calls();
        while let Some(ended) = crowd.join_next().await {
            ended.context("a visitor panicked")?;
        }
        scene.gate.shut();
        self.outcome.own_ends.extend(self.stage.programs().take_own_ends());
        self.outcome.last = self.read_everywhere(Reach::ALL).await?;
        self.outcome.agreement = compare_answers(&scene, &self.desks).await?;
        self.stop_nodes().await?;
        self.journals().await?;
        {
            let (net, mut programs) = (self.stage.net(), self.stage.programs());
            for node in 0..EACH {
                programs.start(&net, Machine::Node(node))?;
            }
        }
        for node in 0..EACH {
            if let Err(error) = ready(scene.nodes.target(node)).await {
                self.outcome.stayed_down =
                    Some(format!("node {} after the last restart: {error:#}", node + 1));
                return Ok(());
            }
        }
        self.outcome.after_restart = self.read_everywhere(Reach::QUICK).await?;
        Ok(())
    }

    async fn read_everywhere(&mut self, reach: Reach) -> anyhow::Result<Vec<Found>> {
        self.level().await;
        let mut found = Vec::new();
        for node in 0..EACH {
            found.push(audit_at(&self.stage.scene, node, &self.desks, reach).await?);
        }
        Ok(found)
    }

    async fn stop_nodes(&mut self) -> anyhow::Result<()> {
        for node in 0..EACH {
            let machine = Machine::Node(node);
            self.stage.programs().terminate(machine)?;
            let (deadline, mut status) = (Instant::now() + STOP_MAX, None);
            while status.is_none() && Instant::now() < deadline {
                tokio::time::sleep(LOOK_EVERY).await;
                status = self.stage.programs().ended(machine)?;
            }
            if !status.is_some_and(|status| status.success()) {
                self.outcome.ended_badly.push(format!("{}: {status:?}", machine.name()));
                self.stage.programs().kill(machine)?;
            }
        }
        Ok(())
    }

    /// Verifies each node's journal, then all of them up to where the shortest ends.
    async fn journals(&mut self) -> anyhow::Result<()> {
        let jari = self.options.jari.clone();
        let data: Vec<_> = (0..EACH).map(|node| self.stage.programs().data(Machine::Node(node))).collect();
        let verified = spawn_blocking(move || -> anyhow::Result<_> {
            let verify = |upto: Option<u64>| -> anyhow::Result<Vec<String>> {
                data.iter().map(|data| verify_journal(&jari, data, upto)).collect()
            };
            let whole = verify(None)?;
            let Some(shortest) = heads_of(&whole).into_iter().min().flatten() else {
                return Ok((whole, Vec::new()));
            };
            Ok((whole, verify(Some(shortest))?))
        });
        let (whole, common) = verified.await??;
        compare_journals(&whole, &common, &mut self.outcome.agreement);
        Ok(())
    }

    fn count(&mut self) {
        let scene = Arc::clone(&self.stage.scene);
        self.outcome.counted = scene.gate.counted();
        self.outcome.visitors = scene.next.load(std::sync::atomic::Ordering::Relaxed);
        let samples = std::mem::take(&mut *self.samples.lock().unwrap_or_else(PoisonError::into_inner));
        self.outcome.samples = samples;
        let book = scene.book.lock();
        self.outcome.left_open = book.open_questions();
        let tickets = book.people.values().filter(|person| person.ticket.is_some()).count();
        let places = book.people.values().map(|person| person.places.len() as u64).sum();
        self.outcome.known = ((tickets + book.walked_in.len()) as u64, places, u64::from(book.changes.1));
        let span = |name: &str, spans: &[(Instant, Instant)]| order_of(name, &book, spans);
        let is_kill = |injection: &&Injection| injection.fault == Fault::NodeKill;
        let during = |wanted: &dyn Fn(&&Injection) -> bool| -> Vec<(Instant, Instant)> {
            self.outcome.injections.iter().filter(wanted).map(|injection| injection.instants).collect()
        };
        self.outcome.orders = vec![
            span("without a fault", &[(self.begun, self.calm_until)]),
            span("while a node was killed", &during(&is_kill)),
            span("during any fault", &during(&|_| true)),
        ];
    }
}

/// Servers, then the first node, which makes stream and keys, then the others; gives the operator's
/// password at the first node.
async fn bring_up(net: &Mutex<Net>, programs: &Mutex<Programs>) -> anyhow::Result<String> {
    let start = |machine| -> anyhow::Result<()> {
        let net = net.lock().unwrap_or_else(PoisonError::into_inner);
        programs.lock().unwrap_or_else(PoisonError::into_inner).start(&net, machine)
    };
    for server in 0..EACH {
        start(Machine::Server(server))?;
    }
    for node in 0..EACH {
        start(Machine::Node(node))?;
        let target = Target::new(service_of(node));
        ready(&target).await.with_context(|| format!("node {} does not come up", node + 1))?;
        if node == 0 {
            programs.lock().unwrap_or_else(PoisonError::into_inner).share_keys()?;
        }
    }
    let password = programs.lock().unwrap_or_else(PoisonError::into_inner).password(Machine::Node(0));
    password.context("the first node printed no operator password")
}

/// Brings up again what ends by itself, until it is told to stop.
async fn keep_up(net: Arc<Mutex<Net>>, programs: Arc<Mutex<Programs>>) {
    let mut every = tokio::time::interval(SAMPLED_EVERY);
    loop {
        every.tick().await;
        // Whoever is busy with them will be done soon; this comes again.
        let (Ok(net), Ok(mut programs)) = (net.try_lock(), programs.try_lock()) else { continue };
        if let Err(error) = programs.mend(&net) {
            tracing::error!(%error, "a program that ended cannot be started again");
        }
    }
}

/// What `jari journal verify` says of a data directory, up to a position.
fn verify_journal(jari: &Path, data: &Path, upto: Option<u64>) -> anyhow::Result<String> {
    let mut verify = Command::new(jari);
    verify.args(["journal", "verify"]).arg(data).stdin(Stdio::null());
    if let Some(upto) = upto {
        verify.args(["--upto", &upto.to_string()]);
    }
    let output = verify.output().context("cannot run jari journal verify")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if said.is_empty() {
        bail!("jari journal verify: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(said)
}
