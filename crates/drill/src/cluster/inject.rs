//! One fault: done, looked at, undone, and the time until everyone is served again.
//!
//! Must never leave anything of a fault behind, and never report one that was not seen. Start at
//! [`inject`].

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use tokio::{
    task::{JoinSet, spawn_blocking},
    time::Instant,
};

use super::{
    evidence::{self, Evidence, Reached},
    faults::{Deed, Fault, Roles},
    net::{EACH, Machine, Net, Slowness, Way},
    probes::{Refused, first_writes, refusal_of},
    programs::{OwnEnd, Programs, monitor_of, service_of},
    watch,
};
use crate::{
    crash::visitor::Scene,
    live::{crowd::people::Random, service::stopped_and_ticks},
};

/// What was on its way when a way was cut has arrived by then.
const SETTLED_AFTER: Duration = Duration::from_millis(700);
/// A leader is looked for so long: an election and a little more.
const LEADER_MAX: Duration = Duration::from_secs(20);
/// A node that is asked to end has this time: as long as systemd gives it in the examples.
const END_MAX: Duration = Duration::from_secs(30);
/// A request that is sent as the connection is closed meets nobody: one that was sent this long
/// before had been taken.
const TAKEN_AFTER: Duration = Duration::from_millis(20);
/// Nodes that were connected to a server on the other side find out, and find another, within this.
const FOUND_MAX: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Round trips that are measured on a link.
const ROUND_TRIPS: usize = 12;

/// What a fault is done with.
#[derive(Debug, Clone)]
pub struct Stage {
    /// The network.
    pub net: Arc<Mutex<Net>>,
    /// The programs.
    pub programs: Arc<Mutex<Programs>>,
    /// The crowd.
    pub scene: Arc<Scene>,
    /// Faults are announced and not done: the test of the test.
    pub plants_nothing: bool,
}

/// What a fault was and came to.
#[derive(Debug, Clone)]
pub struct Injection {
    /// Which.
    pub fault: Fault,
    /// When it began and when it ended, since the drill began.
    pub at: (Duration, Duration),
    /// The same on the clock of the crowd.
    pub instants: (Instant, Instant),
    /// What was seen of it.
    pub evidence: Vec<Evidence>,
    /// From the fault's end to the first acknowledged write through each node.
    pub back_in: Vec<Option<Duration>>,
    /// What a node that could not write said meanwhile, and whether it could be read.
    pub refused: Vec<Refused>,
    /// Requests answered while it lasted.
    pub answered: u64,
    /// Requests that were out at a node that was asked to end, and how many of them broke off.
    pub asked_to_end: Option<(u64, u64)>,
    /// From the fault to another leader among the rest.
    pub elected_in: Option<Duration>,
    /// Programs that ended by themselves.
    pub own_ends: Vec<OwnEnd>,
    /// What a slow link was.
    pub slowness: Option<Slowness>,
}

/// What was seen while it lasted.
#[derive(Debug, Default)]
struct Seen {
    evidence: Vec<Evidence>,
    refused: Vec<Refused>,
    asked_to_end: Option<(u64, u64)>,
    elected_in: Option<Duration>,
    slowness: Option<Slowness>,
}

/// Does one fault while the crowd goes on, and waits until each node takes writes again.
pub async fn inject(
    stage: &Stage,
    fault: Fault,
    usual: Duration,
    begun: Instant,
    random: &mut Random,
) -> anyhow::Result<Injection> {
    let leader = leader().await.context("the stream has no leader")?;
    let roles = Roles::draw(leader, random);
    let lasts = fault.lasts(usual);
    let before = stage.scene.gate.counted().answered;
    let started = Instant::now();
    let seen = match fault.deed(roles) {
        Deed::Kill(machines) => stage.kill(&machines, roles, lasts).await?,
        Deed::Terminate(node) => stage.terminate(node, lasts).await?,
        Deed::Pause(machines) => stage.pause(&machines, roles, lasts).await?,
        Deed::Cut { ways, frozen, others_move } => {
            stage.cut(ways, &frozen, others_move, roles, lasts).await?
        }
        Deed::Slow(machines) => stage.slow(machines, lasts).await?,
    };
    let ended = Instant::now();
    let answered = stage.scene.gate.counted().answered - before;
    let back_in = first_writes(&stage.scene, ended).await;
    Ok(Injection {
        fault,
        at: (started - begun, ended - begun),
        instants: (started, ended),
        evidence: seen.evidence,
        back_in,
        refused: seen.refused,
        answered,
        asked_to_end: seen.asked_to_end,
        elected_in: seen.elected_in,
        own_ends: stage.programs().take_own_ends(),
        slowness: seen.slowness,
    })
}

/// Who leads; waits for an election.
async fn leader() -> Option<usize> {
    let deadline = Instant::now() + LEADER_MAX;
    while Instant::now() < deadline {
        if let Some(leader) = watch::leader().await {
            return Some(leader);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    None
}

impl Stage {
    /// The programs, for a moment: never across an await.
    pub fn programs(&self) -> MutexGuard<'_, Programs> {
        self.programs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The network, for a moment.
    pub fn net(&self) -> MutexGuard<'_, Net> {
        self.net.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn kill(&self, machines: &[Machine], roles: Roles, lasts: Duration) -> anyhow::Result<Seen> {
        let (mut seen, begun) = (Seen::default(), Instant::now());
        if !self.plants_nothing {
            let killed: anyhow::Result<Vec<_>> = {
                let mut programs = self.programs();
                machines.iter().map(|machine| Ok((*machine, programs.kill(*machine)?))).collect()
            };
            seen.evidence.extend(killed?.into_iter().map(|(machine, id)| evidence::of_kill(machine, id)));
        }
        for machine in machines {
            seen.evidence.push(silence_of(*machine).await);
        }
        self.watch_election(machines, roles, begun, lasts, &mut seen).await;
        if !self.plants_nothing {
            let (net, mut programs) = (self.net(), self.programs());
            for machine in machines {
                programs.start(&net, *machine)?;
            }
        }
        Ok(seen)
    }

    async fn pause(&self, machines: &[Machine], roles: Roles, lasts: Duration) -> anyhow::Result<Seen> {
        let (mut seen, begun) = (Seen::default(), Instant::now());
        let mut before = Vec::new();
        for machine in machines {
            if !self.plants_nothing {
                self.programs().pause(*machine, true)?;
            }
            let id = self.programs().id(*machine).with_context(|| format!("{} is down", machine.name()))?;
            // The signal is delivered a moment later, on whatever processor it runs.
            tokio::time::sleep(LOOK_EVERY).await;
            before.push((*machine, id, stopped_and_ticks(id)));
            seen.evidence.push(silence_of(*machine).await);
        }
        self.watch_election(machines, roles, begun, lasts, &mut seen).await;
        for (machine, id, before) in before {
            seen.evidence.push(evidence::of_pause(machine, before, stopped_and_ticks(id)));
            if !self.plants_nothing {
                self.programs().pause(machine, false)?;
            }
        }
        Ok(seen)
    }

    async fn terminate(&self, node: usize, lasts: Duration) -> anyhow::Result<Seen> {
        let (mut seen, machine) = (Seen::default(), Machine::Node(node));
        let nodes = &self.scene.nodes;
        nodes.take_cut_off(node);
        // Somebody has to be there whose request is under way.
        let deadline = Instant::now() + lasts;
        while nodes.out(node) == 0 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        let (out, asked_at) = (nodes.out(node), Instant::now());
        let id = self.programs().id(machine);
        if !self.plants_nothing {
            self.programs().terminate(machine)?;
        }
        let mut status = None;
        while status.is_none() && asked_at.elapsed() < END_MAX && !self.plants_nothing {
            status = self.programs().ended(machine)?;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let took = asked_at.elapsed();
        let good = status.is_some_and(|status| status.success());
        seen.evidence.push(Evidence::new(
            good,
            format!("{} ended with {status:?} after {} ms", machine.name(), took.as_millis()),
        ));
        seen.evidence.push(evidence::of_kill(machine, id));
        let broke = nodes.take_cut_off(node).into_iter();
        let broke = broke.filter(|one| one.sent_at + TAKEN_AFTER < asked_at && one.ended_at >= asked_at);
        seen.asked_to_end = Some((out, broke.count() as u64));
        tokio::time::sleep(lasts.saturating_sub(asked_at.elapsed())).await;
        if !self.plants_nothing {
            // Whoever was not gone by then is ended as a service manager would.
            let (net, mut programs) = (self.net(), self.programs());
            programs.kill(machine)?;
            programs.start(&net, machine)?;
        }
        Ok(seen)
    }

    async fn cut(
        &self,
        ways: Vec<Way>,
        frozen: &[Machine],
        others_move: bool,
        roles: Roles,
        lasts: Duration,
    ) -> anyhow::Result<Seen> {
        let (mut seen, begun) = (Seen::default(), Instant::now());
        if !self.plants_nothing {
            self.net().cut(&ways)?;
        }
        tokio::time::sleep(SETTLED_AFTER).await;
        let before = reached().await;
        seen.evidence.push(evidence::of_ways("at the beginning", &ways, &self.open_ways().await?));
        let mut asked = JoinSet::new();
        for machine in frozen {
            if let Machine::Node(node) = *machine {
                asked.spawn(refusal_of(Arc::clone(&self.scene), node));
            }
        }
        let leader_is_cut = ways.iter().any(|(from, _)| *from == Machine::Server(roles.leader));
        let suspects = if leader_is_cut { vec![Machine::Server(roles.leader)] } else { Vec::new() };
        self.watch_election(&suspects, roles, begun, lasts, &mut seen).await;
        seen.refused = asked.join_all().await;
        let mut after = reached().await;
        let nobody_moved = |after: &Reached| evidence::moved_on(frozen, &before, after) == 0;
        while others_move && nobody_moved(&after) && begun.elapsed() < FOUND_MAX {
            tokio::time::sleep(LOOK_EVERY).await;
            after = reached().await;
        }
        seen.evidence.push(evidence::of_ways("at the end", &ways, &self.open_ways().await?));
        seen.evidence.extend(evidence::of_progress(frozen, others_move, &before, &after));
        self.net().heal()?;
        Ok(seen)
    }

    async fn slow(&self, machines: Vec<Machine>, lasts: Duration) -> anyhow::Result<Seen> {
        let (mut seen, begun) = (Seen::default(), Instant::now());
        let way = (machines[0], machines[1]);
        let before = self.round_trips(way).await?;
        if !self.plants_nothing {
            seen.slowness = Some(self.net().slow(&machines)?);
        }
        tokio::time::sleep(SETTLED_AFTER).await;
        seen.evidence.push(evidence::of_slowness(&before, &self.round_trips(way).await?));
        tokio::time::sleep(lasts.saturating_sub(begun.elapsed())).await;
        if !self.plants_nothing {
            self.net().quicken(&machines)?;
        }
        Ok(seen)
    }

    /// Waits for the end of a fault; if the leader is among these, notes when there is another.
    async fn watch_election(
        &self,
        machines: &[Machine],
        roles: Roles,
        begun: Instant,
        lasts: Duration,
        seen: &mut Seen,
    ) {
        let lost = machines.contains(&Machine::Server(roles.leader)) && machines.len() == 1;
        while lost && seen.elected_in.is_none() && begun.elapsed() < lasts {
            for server in [roles.follower, roles.other] {
                let leader = watch::stream_of(server).await.and_then(|stream| stream.leader);
                if leader.is_some_and(|leader| leader != roles.leader) {
                    seen.elected_in = Some(begun.elapsed());
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        tokio::time::sleep(lasts.saturating_sub(begun.elapsed())).await;
    }

    async fn open_ways(&self) -> anyhow::Result<std::collections::BTreeSet<Way>> {
        let net = Arc::clone(&self.net);
        spawn_blocking(move || net.lock().unwrap_or_else(PoisonError::into_inner).open_ways()).await?
    }

    async fn round_trips(&self, way: Way) -> anyhow::Result<Vec<Option<Duration>>> {
        let net = Arc::clone(&self.net);
        let measure =
            move || net.lock().unwrap_or_else(PoisonError::into_inner).round_trips(way, ROUND_TRIPS);
        spawn_blocking(measure).await?
    }
}

async fn silence_of(machine: Machine) -> Evidence {
    let silent = match machine {
        Machine::Server(server) => watch::is_silent(monitor_of(server), "/varz").await,
        Machine::Node(node) => watch::is_silent(service_of(node), "/healthz").await,
    };
    Evidence::new(silent, format!("{} {}", machine.name(), if silent { "is silent" } else { "answers" }))
}

/// How far every machine has come.
pub async fn reached() -> Reached {
    let mut reached = Reached::new();
    for server in 0..EACH {
        reached.push((Machine::Server(server), watch::stream_of(server).await.map(|seen| seen.last)));
    }
    for node in 0..EACH {
        reached.push((Machine::Node(node), watch::position_of(node).await));
    }
    reached
}
