//! What is done to the cluster: by name, and what that means for machines and ways between them.
//!
//! Everything here is decided beforehand, from a seed and from who leads at that moment. Must never
//! do anything. Start at [`Fault`], then [`Fault::deed`].

use std::time::Duration;

use super::net::{EACH, Machine, Way, ways};
use crate::live::crowd::people::Random;

/// A fault of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each variant is said in words by `words`")]
pub enum Fault {
    NodeKill,
    NodeTerm,
    NodePause,
    NodeCut,
    NodeMute,
    NodeDeaf,
    ServerKill,
    LeaderKill,
    ServerPause,
    LeaderPause,
    ServerCut,
    LeaderCut,
    ServerMute,
    ServerDeaf,
    LeaderMute,
    Halves,
    HalvesLeader,
    Bridge,
    StreamAway,
    KillAll,
    SlowLinks,
}

/// Who is who when a fault begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles {
    /// The server that leads the stream.
    pub leader: usize,
    /// The follower that things are done to.
    pub follower: usize,
    /// The other follower.
    pub other: usize,
    /// The node that things are done to.
    pub node: usize,
}

/// What a fault comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// These programs are killed, and started again at the end.
    Kill(Vec<Machine>),
    /// A node is asked to end, and started again.
    Terminate(usize),
    /// These programs stand still until the end.
    Pause(Vec<Machine>),
    /// What goes these ways is lost until the end.
    Cut {
        /// See [`Way`].
        ways: Vec<Way>,
        /// Who cannot come any further meanwhile.
        frozen: Vec<Machine>,
        /// Whether the others must come further meanwhile: nobody has to be elected for it.
        others_move: bool,
    },
    /// The links of these are slow until the end.
    Slow(Vec<Machine>),
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 21] = [
        Self::NodeKill,
        Self::NodeTerm,
        Self::NodePause,
        Self::NodeCut,
        Self::NodeMute,
        Self::NodeDeaf,
        Self::ServerKill,
        Self::LeaderKill,
        Self::ServerPause,
        Self::LeaderPause,
        Self::ServerCut,
        Self::LeaderCut,
        Self::ServerMute,
        Self::ServerDeaf,
        Self::LeaderMute,
        Self::Halves,
        Self::HalvesLeader,
        Self::Bridge,
        Self::StreamAway,
        Self::KillAll,
        Self::SlowLinks,
    ];

    /// Its name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::NodeKill => "node-kill",
            Self::NodeTerm => "node-term",
            Self::NodePause => "node-pause",
            Self::NodeCut => "node-cut",
            Self::NodeMute => "node-mute",
            Self::NodeDeaf => "node-deaf",
            Self::ServerKill => "server-kill",
            Self::LeaderKill => "leader-kill",
            Self::ServerPause => "server-pause",
            Self::LeaderPause => "leader-pause",
            Self::ServerCut => "server-cut",
            Self::LeaderCut => "leader-cut",
            Self::ServerMute => "server-mute",
            Self::ServerDeaf => "server-deaf",
            Self::LeaderMute => "leader-mute",
            Self::Halves => "halves",
            Self::HalvesLeader => "halves-leader",
            Self::Bridge => "bridge",
            Self::StreamAway => "stream-away",
            Self::KillAll => "kill-all",
            Self::SlowLinks => "slow-links",
        }
    }

    /// What it is, in a few words.
    pub fn words(self) -> &'static str {
        match self {
            Self::NodeKill => "a node is killed (kill -9) and started again",
            Self::NodeTerm => "a node is asked to end (SIGTERM) and started again",
            Self::NodePause => "a node stands still (SIGSTOP)",
            Self::NodeCut => "a node is cut off from the servers, not from the people",
            Self::NodeMute => "what a node says does not reach the servers",
            Self::NodeDeaf => "what the servers say does not reach a node",
            Self::ServerKill => "a server that follows is killed and started again",
            Self::LeaderKill => "the server that leads is killed and started again",
            Self::ServerPause => "a server that follows stands still",
            Self::LeaderPause => "the server that leads stands still",
            Self::ServerCut => "a server that follows is cut off from the other two",
            Self::LeaderCut => "the server that leads is cut off from the other two",
            Self::ServerMute => "what a server that follows says does not reach the other two",
            Self::ServerDeaf => "what the other two say does not reach a server that follows",
            Self::LeaderMute => "what the server that leads says does not reach the other two",
            Self::Halves => "a server that follows and a node on one side, the rest on the other",
            Self::HalvesLeader => "the server that leads and a node on one side, the rest on the other",
            Self::Bridge => "two servers do not see each other, and both see the third",
            Self::StreamAway => "no node reaches any server",
            Self::KillAll => "everything is killed and started again",
            Self::SlowLinks => "the servers' links are slow and lose packets",
        }
    }

    /// The fault of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }

    /// How long it lasts, if this long is usual. Where servers have to elect another leader it is
    /// given the time for it: they wait four to nine seconds before they begin.
    pub fn lasts(self, usual: Duration) -> Duration {
        match self {
            Self::LeaderKill
            | Self::LeaderPause
            | Self::LeaderCut
            | Self::LeaderMute
            | Self::HalvesLeader => usual.max(Duration::from_secs(10)),
            _ => usual,
        }
    }

    /// What it comes to, for these.
    pub fn deed(self, roles: Roles) -> Deed {
        let Roles { leader, follower, other, node } = roles;
        let (one, chief, third) =
            (Machine::Server(follower), Machine::Server(leader), Machine::Server(other));
        let node_at = Machine::Node(node);
        let cut = |ways: Vec<Way>, frozen: &[Machine], others_move| Deed::Cut {
            ways,
            frozen: frozen.to_vec(),
            others_move,
        };
        match self {
            Self::NodeKill => Deed::Kill(vec![node_at]),
            Self::NodeTerm => Deed::Terminate(node),
            Self::NodePause => Deed::Pause(vec![node_at]),
            Self::NodeCut => cut(both(&[node_at], &servers()), &[node_at], true),
            Self::NodeMute => cut(from_to(&[node_at], &servers()), &[node_at], true),
            Self::NodeDeaf => cut(from_to(&servers(), &[node_at]), &[node_at], true),
            Self::ServerKill => Deed::Kill(vec![one]),
            Self::LeaderKill => Deed::Kill(vec![chief]),
            Self::ServerPause => Deed::Pause(vec![one]),
            Self::LeaderPause => Deed::Pause(vec![chief]),
            Self::ServerCut => cut(both(&[one], &[chief, third]), &[one], true),
            Self::LeaderCut => cut(both(&[chief], &[one, third]), &[chief], false),
            Self::ServerMute => cut(from_to(&[one], &[chief, third]), &[], false),
            Self::ServerDeaf => cut(from_to(&[chief, third], &[one]), &[], false),
            Self::LeaderMute => cut(from_to(&[chief], &[one, third]), &[], false),
            Self::Halves => cut(around(&[one, node_at]), &[one, node_at], true),
            Self::HalvesLeader => cut(around(&[chief, node_at]), &[chief, node_at], false),
            Self::Bridge => cut(both(&[chief], &[one]), &[], false),
            Self::StreamAway => cut(both(&nodes(), &servers()), &nodes(), false),
            Self::KillAll => Deed::Kill(Machine::all().collect()),
            Self::SlowLinks => Deed::Slow(servers()),
        }
    }
}

impl Roles {
    /// Draws who it is done to.
    pub fn draw(leader: usize, random: &mut Random) -> Self {
        let step = 1 + random.below(EACH - 1);
        let (follower, other) = ((leader + step) % EACH, (leader + EACH - step) % EACH);
        Self { leader, follower, other, node: random.below(EACH) }
    }
}

/// The faults of a seed, so many: each comes once before any comes again.
pub fn plan(seed: u64, count: usize) -> Vec<Fault> {
    let mut random = Random::new(seed, 0xfa17);
    let mut planned = Vec::new();
    while planned.len() < count {
        let mut left = Fault::ALL.to_vec();
        while !left.is_empty() {
            planned.push(left.swap_remove(random.below(left.len())));
        }
    }
    planned.truncate(count);
    planned
}

fn servers() -> Vec<Machine> {
    (0..EACH).map(Machine::Server).collect()
}

fn nodes() -> Vec<Machine> {
    (0..EACH).map(Machine::Node).collect()
}

fn from_to(from: &[Machine], to: &[Machine]) -> Vec<Way> {
    from.iter().flat_map(|from| to.iter().map(move |to| (*from, *to))).collect()
}

fn both(some: &[Machine], others: &[Machine]) -> Vec<Way> {
    [from_to(some, others), from_to(others, some)].concat()
}

/// Every way between these and the rest.
fn around(some: &[Machine]) -> Vec<Way> {
    let all: Vec<Machine> = Machine::all().collect();
    ways(&all).into_iter().filter(|(from, to)| some.contains(from) != some.contains(to)).collect()
}
