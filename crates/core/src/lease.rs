//! The lease: which node performs the effects.
//!
//! It lasts a few seconds and is renewed only while effects wait. Whoever holds it performs
//! effects only while enough of it is left ([`Lease::is_held_by`]), so that two nodes do not
//! perform the same effect unless their clocks are far apart or one of them stood still in
//! the middle of it. Even then a receiver drops the repeat by the effect's number.
//!
//! It must never be granted while somebody else holds it.

use crate::limits;
use crate::outcome::{Outcome, Reason};
use crate::rules::RULES_LEASES;
use crate::state::Data;
use crate::time::Time;

/// A holder and the end of its lease.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct Lease {
    /// The node that holds it.
    pub node: u16,
    /// The life of that node's process: a restarted one is another holder.
    pub life: u32,
    /// When it ends by itself.
    pub until: Time,
}

impl Lease {
    /// Whether `node`, in this life, may begin to perform an effect at `now`: the lease is
    /// its own, and a margin of it is left.
    #[must_use]
    pub fn is_held_by(&self, node: u16, life: u32, now: Time) -> bool {
        let own = self.node == node && self.life == life;
        own && now.plus_ms(limits::LEASE_MARGIN_MS) < self.until
    }

    /// Whether it has ended at `now`.
    #[must_use]
    pub fn is_over(&self, now: Time) -> bool {
        self.until <= now
    }
}

/// Checks: do the rules know leases; is it free, over or the asker's own.
pub(crate) fn take(data: &mut Data, node: u16, life: u32) -> Outcome {
    if data.rules < RULES_LEASES {
        return Outcome::refused(Reason::RulesUnknown);
    }
    let taken = data.lease.filter(|lease| !lease.is_over(data.time));
    if let Some(lease) = taken.filter(|lease| (lease.node, lease.life) != (node, life)) {
        return Outcome::refused_with(Reason::LeaseHeld, detail_of(lease));
    }
    let until = data.time.plus_ms(limits::LEASE_MS);
    data.lease = Some(Lease { node, life, until });
    Outcome::Leased { until }
}

/// Instants below this fit beside a node's number: they reach to the year 10889.
const UNTIL_BITS: u32 = 48;

/// The detail of [`Reason::LeaseHeld`].
fn detail_of(lease: Lease) -> u64 {
    let until = lease.until.0.min((1 << UNTIL_BITS) - 1);
    u64::from(lease.node) << UNTIL_BITS | until
}
