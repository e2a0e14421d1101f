//! When the crowd may send, and what it has counted so far.
//!
//! While the service is away, or is being audited, nobody sends. Must never let a request go out
//! between a restart and the end of its audit: what is read back would change under the auditor.
//! Start at [`Gate`].

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::watch;

/// What the crowd may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Wait.
    Shut,
    /// Send.
    Open,
    /// Send, and come to an end.
    LastCalls,
}

/// Lets the crowd through, or not. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Gate {
    way: Arc<watch::Sender<Way>>,
    counts: Arc<Counts>,
}

/// What has happened at the gate.
#[derive(Debug, Default)]
struct Counts {
    in_flight: AtomicU64,
    answered: AtomicU64,
    unanswered: AtomicU64,
    asked_again: AtomicU64,
    refused: AtomicU64,
}

/// A reading of the counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Requests with a definite answer.
    pub answered: u64,
    /// Requests that got none, or were told to come back.
    pub unanswered: u64,
    /// Requests that were answered after they had been sent again under the same key.
    pub asked_again: u64,
    /// Definite answers that were refusals.
    pub refused: u64,
}

impl Default for Gate {
    fn default() -> Self {
        Self { way: Arc::new(watch::Sender::new(Way::Shut)), counts: Arc::default() }
    }
}

impl Gate {
    /// Lets everyone send.
    pub fn open(&self) {
        self.way.send_replace(Way::Open);
    }

    /// Lets nobody send.
    pub fn shut(&self) {
        self.way.send_replace(Way::Shut);
    }

    /// Lets everyone finish what they are about, and go.
    pub fn last_calls(&self) {
        self.way.send_replace(Way::LastCalls);
    }

    /// Whether nobody new should come.
    pub fn is_ending(&self) -> bool {
        *self.way.borrow() == Way::LastCalls
    }

    /// Waits until one may send; `false` when nobody will open any more.
    pub async fn pass(&self) -> bool {
        let mut way = self.way.subscribe();
        way.wait_for(|way| *way != Way::Shut).await.is_ok()
    }

    /// A request goes out.
    pub fn sends(&self) {
        self.counts.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// Its answer came, or will not come.
    pub fn ends(&self) {
        self.counts.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// Requests that are out.
    pub fn in_flight(&self) -> u64 {
        self.counts.in_flight.load(Ordering::Relaxed)
    }

    /// A definite answer came, after so many tries without one.
    pub fn answered(&self, tries: u32, is_refusal: bool) {
        self.counts.answered.fetch_add(1, Ordering::Relaxed);
        self.counts.asked_again.fetch_add(u64::from(tries > 0), Ordering::Relaxed);
        self.counts.refused.fetch_add(u64::from(is_refusal), Ordering::Relaxed);
    }

    /// No definite answer came.
    pub fn unanswered(&self) {
        self.counts.unanswered.fetch_add(1, Ordering::Relaxed);
    }

    /// The counts now.
    pub fn counted(&self) -> Counted {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counted {
            answered: read(&self.counts.answered),
            unanswered: read(&self.counts.unanswered),
            asked_again: read(&self.counts.asked_again),
            refused: read(&self.counts.refused),
        }
    }
}
