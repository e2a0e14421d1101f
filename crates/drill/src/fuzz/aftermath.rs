//! After the last restart time goes on: what is to end by itself ends, on every node alike.
//!
//! What a restart does not bring back shows only when its time comes, and that is mostly after a
//! run is over. It must never ask for anything. Start reading at [`World::outlive`].

use super::auditor::{Promise, Violation, broken};
use super::country::DAY_MS;
use super::world::World;

/// So many offers are waited for, one after the other.
const OFFERS: usize = 3;

impl World {
    /// About half of the nodes take a snapshot, so that they start from what it holds.
    ///
    /// # Errors
    ///
    /// A snapshot fails without a fault.
    pub fn snapshots_before_end(&mut self) -> Result<(), Violation> {
        for node in 0..self.nodes.len() {
            if self.random.chance(0.5) && !self.nodes[node].take_snapshot() {
                let words = format!("node {node} cannot take a snapshot");
                return broken(Promise::Alone, "every node runs", words);
            }
        }
        Ok(())
    }

    /// The next offers end, and then a night passes or a day.
    ///
    /// # Errors
    ///
    /// A node differs from the others or from the model.
    pub fn outlive(&mut self) -> Result<(), Violation> {
        for _ in 0..OFFERS {
            let Some(ends_at) = self.auditor.offers().into_iter().map(|(_, _, ends_at)| ends_at).min() else {
                break;
            };
            self.wait_until(ends_at)?;
        }
        let ms = u64::from(self.random.below(DAY_MS as u32));
        self.wait_until(self.clock() + ms)
    }

    fn wait_until(&mut self, at: u64) -> Result<(), Violation> {
        self.skipped_ms += at.saturating_sub(self.clock());
        self.note(14, at, || format!("nothing is asked until {at}"));
        self.compare_all()
    }
}
