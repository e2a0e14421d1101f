//! Whether this node performs effects now.
//!
//! Under rules 1 every node does. From rules 2 on only the holder of the lease does, while a
//! margin of it is left by the later of the node's own clock and the state's time; a node asks
//! for the lease only while effects wait, so an idle service writes nothing.
//!
//! It must never begin an effect on a lease that is somebody else's, or about to end.

use jari_core::rules::RULES_LEASES;
use jari_core::{Body, Data, Time, limits};

/// Who a node is to the others: its number and the life of its process.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Its number.
    pub node: u16,
    /// Its life; 0 where only this node writes.
    pub life: u32,
}

/// What to do about the effects that wait.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Duty {
    /// Nothing: there are none, or another node performs them.
    Rest,
    /// Submit [`Identity::ask`], then look again.
    Ask,
    /// Perform them, and begin none from `until` on by the node's own clock.
    Perform {
        /// When to look again.
        until: Time,
    },
}

impl Identity {
    /// The command that asks for the lease.
    #[must_use]
    pub fn ask(self) -> Body {
        Body::TakeLease { node: self.node, life: self.life }
    }

    /// What this node should do about effects at `now`, by its own clock.
    #[must_use]
    pub fn duty(self, data: &Data, now: Time) -> Duty {
        if data.effects.is_empty() { Duty::Rest } else { self.turn(data, now) }
    }

    /// The same of whatever else one node is to do for all, effects or none. Ask only where there is
    /// something to be done.
    #[must_use]
    pub fn turn(self, data: &Data, now: Time) -> Duty {
        if data.rules < RULES_LEASES {
            return Duty::Perform { until: Time(u64::MAX) };
        }
        let now = now.max(data.time);
        match data.lease {
            Some(lease) if lease.is_held_by(self.node, self.life, now) => {
                Duty::Perform { until: Time(lease.until.0.saturating_sub(limits::LEASE_MARGIN_MS)) }
            }
            Some(lease) if !lease.is_over(now) && (lease.node, lease.life) != (self.node, self.life) => {
                Duty::Rest
            }
            _ => Duty::Ask,
        }
    }
}

#[cfg(test)]
mod tests {
    use jari_core::effect::Effect;
    use jari_core::lease::Lease;
    use jari_core::{Data, State};

    use super::*;

    const ME: Identity = Identity { node: 1, life: 11 };

    fn waiting(rules: u32, lease: Option<Lease>) -> Data {
        let mut data = State::new().data().clone();
        data.effects.push(Effect::default());
        (data.rules, data.lease, data.time) = (rules, lease, Time(10_000));
        data
    }

    #[test]
    fn the_holder_performs_and_others_rest_until_the_lease_ends() {
        let until = 10_000 + limits::LEASE_MS;
        let margin = until - limits::LEASE_MARGIN_MS;
        let mine = Some(Lease { node: 1, life: 11, until: Time(until) });
        let theirs = Some(Lease { node: 2, life: 11, until: Time(until) });
        let earlier_life = Some(Lease { node: 1, life: 10, until: Time(until) });
        let perform = Duty::Perform { until: Time(margin) };
        for (lease, now, duty) in [
            (None, 10_000, Duty::Ask),
            (mine, 10_000, perform),
            // A clock that runs behind does not make a lease longer.
            (mine, 0, perform),
            (mine, margin - 1, perform),
            (mine, margin, Duty::Ask),
            (mine, until, Duty::Ask),
            (theirs, 10_000, Duty::Rest),
            (theirs, until - 1, Duty::Rest),
            (theirs, until, Duty::Ask),
            (earlier_life, 10_000, Duty::Rest),
        ] {
            assert_eq!(ME.duty(&waiting(2, lease), Time(now)), duty, "{lease:?} at {now}");
        }
    }

    #[test]
    fn under_the_first_rules_everyone_performs_and_with_nothing_to_do_nobody_asks() {
        let always = Duty::Perform { until: Time(u64::MAX) };
        assert_eq!(ME.duty(&waiting(1, None), Time(1)), always);
        let mut idle = waiting(2, None);
        idle.effects.pop_front();
        assert_eq!(ME.duty(&idle, Time(1)), Duty::Rest);
        assert_eq!(ME.turn(&idle, Time(1)), Duty::Ask, "whatever else there is to do");
    }
}
