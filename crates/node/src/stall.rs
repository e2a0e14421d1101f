//! Whether the journal keeps the loop waiting: a turn that began long ago and has not ended.
//!
//! A stream whose servers are out of reach blocks the loop for as long as that lasts. People must not
//! wait with it: they are told to come back, those who come and those who wait already. Whatever is
//! on its way may still be carried out, as after any answer that did not come. Must never end a turn:
//! only the journal knows what became of it. Start at [`Stall::look`].

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// No turn is under way.
const IDLE: u64 = u64::MAX;

/// See the module's documentation.
pub(crate) struct Stall {
    /// Instants are counted from here.
    origin: Instant,
    /// When the present turn began, ms.
    turn_began_ms: AtomicU64,
    after: Duration,
    stalled: watch::Sender<bool>,
}

impl Stall {
    /// A turn that lasts longer than this is one.
    pub(crate) fn new(after: Duration) -> Stall {
        let stalled = watch::Sender::new(false);
        Stall { origin: Instant::now(), turn_began_ms: AtomicU64::new(IDLE), after, stalled }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(IDLE - 1)
    }

    /// A turn begins.
    pub(crate) fn begin(&self) {
        self.turn_began_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    /// It has ended.
    pub(crate) fn end(&self) {
        self.turn_began_ms.store(IDLE, Ordering::Relaxed);
        self.set(false);
    }

    /// Looks at the present turn; to be called several times a second.
    pub(crate) fn look(&self) {
        let began = self.turn_began_ms.load(Ordering::Relaxed);
        // A turn that ends at this moment is seen by the next look.
        self.set(began != IDLE && u128::from(self.now_ms().saturating_sub(began)) > self.after.as_millis());
    }

    fn set(&self, stalled: bool) {
        let changed = self.stalled.send_if_modified(|now| std::mem::replace(now, stalled) != stalled);
        if changed && stalled {
            tracing::warn!("the journal does not answer: changes are refused until it does");
        } else if changed {
            tracing::info!("the journal answers again");
        }
    }

    /// Whether the loop is kept waiting.
    pub(crate) fn is_stalled(&self) -> bool {
        *self.stalled.borrow()
    }

    /// Waits until the loop is kept waiting.
    pub(crate) async fn begins(&self) {
        let mut stalled = self.stalled.subscribe();
        // The sender is this one's own: there is always one.
        let _ = stalled.wait_for(|stalled| *stalled).await;
    }
}
