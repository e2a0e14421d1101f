//! The nodes of a service, as a crowd meets them: one, or several that are all the same.
//!
//! A person goes to any node, and to another one when that one does not answer: what did not answer
//! a moment ago is asked last, as behind any balancer. Must never ask twice by itself: whoever asks
//! decides, and keeps the key. Start at [`Caller::send`].

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::live::{
    crowd::people::Random,
    http::{Answer, Connection, HttpError, Target},
};

/// A node that did not answer is asked last for so long.
const SHUNNED_FOR: Duration = Duration::from_millis(1_500);
/// How long a person waits before they press again, where there is no other node to go to.
const PATIENCE_ALONE: Duration = Duration::from_secs(20);
/// Exchanges that broke off, kept for each node.
const CUT_OFF_MAX: usize = 1_000;

/// All nodes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Nodes {
    all: Arc<[Node]>,
    patience: Duration,
}

#[derive(Debug)]
struct Node {
    target: Target,
    shunned_until: Mutex<Instant>,
    out: AtomicU64,
    cut_off: Mutex<Vec<CutOff>>,
}

/// A request whose connection broke before its answer was complete.
#[derive(Debug, Clone, Copy)]
pub struct CutOff {
    /// When it was sent.
    pub sent_at: Instant,
    /// When the connection broke.
    pub ended_at: Instant,
}

impl Nodes {
    /// Nodes at these places; a request waits so long for its answer.
    pub fn new(targets: Vec<Target>, patience: Duration) -> Self {
        let node = |target| Node {
            target,
            shunned_until: Mutex::new(Instant::now()),
            out: AtomicU64::new(0),
            cut_off: Mutex::default(),
        };
        Self { all: targets.into_iter().map(node).collect(), patience }
    }

    /// The one node of a service that has no other: whoever waits for it has nowhere else to go.
    pub fn alone(target: Target) -> Self {
        Self::new(vec![target], PATIENCE_ALONE)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Where one of them is.
    pub fn target(&self, node: usize) -> &Target {
        &self.all[node].target
    }

    /// Whether a node has not failed to answer a moment ago.
    pub fn answers(&self, node: usize) -> bool {
        *lock(&self.all[node].shunned_until) <= Instant::now()
    }

    /// Requests that are out at a node.
    pub fn out(&self, node: usize) -> u64 {
        self.all[node].out.load(Ordering::Relaxed)
    }

    /// Takes what broke off at a node since the last time.
    pub fn take_cut_off(&self, node: usize) -> Vec<CutOff> {
        std::mem::take(&mut *lock(&self.all[node].cut_off))
    }

    /// Any node, of those that answer if there are such.
    pub fn any(&self, random: &mut Random) -> usize {
        let answering: Vec<usize> = (0..self.len()).filter(|node| self.answers(*node)).collect();
        if answering.is_empty() { random.below(self.len()) } else { answering[random.below(answering.len())] }
    }
}

/// One person's connections, one to each node.
#[derive(Debug)]
pub struct Caller {
    nodes: Nodes,
    connections: Vec<Connection>,
    random: Random,
}

impl Caller {
    /// Nothing is connected yet.
    pub fn new(nodes: Nodes, random: Random) -> Self {
        let connections = nodes.all.iter().map(|node| Connection::new(node.target.clone())).collect();
        Self { nodes, connections, random }
    }

    /// Sends a request to any node and waits for its answer.
    ///
    /// # Errors
    ///
    /// Why there is no answer.
    pub async fn send(&mut self, request: &[u8]) -> Result<Answer, HttpError> {
        let at = self.nodes.any(&mut self.random);
        let (node, sent_at) = (&self.nodes.all[at], Instant::now());
        node.out.fetch_add(1, Ordering::Relaxed);
        let sent = self.connections[at].send(request, self.nodes.patience).await;
        node.out.fetch_sub(1, Ordering::Relaxed);
        if let Err(HttpError::Broken(_)) = sent {
            let mut cut_off = lock(&node.cut_off);
            if cut_off.len() < CUT_OFF_MAX {
                cut_off.push(CutOff { sent_at, ended_at: Instant::now() });
            }
        }
        // Told to come back is told to go elsewhere, where there is elsewhere.
        if !sent.as_ref().is_ok_and(|answer| answer.status < 500) {
            *lock(&node.shunned_until) = Instant::now() + SHUNNED_FOR;
        }
        sent
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
