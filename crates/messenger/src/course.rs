//! What became of one letter so far: which carrier is next, when, and when to give up.
//!
//! A letter is given up for its own faults only. While a receiver takes nobody's letters, each
//! waits for it, however long that is; once it takes others', a failure counts against the letter
//! that failed. So neither an outage loses messages, nor can one message hold up the rest for ever.
//!
//! It must never draw a carrier that has given this letter up, nor wait longer than
//! [`Policy::retry_max`], but for a receiver that asks for it.

use std::time::Duration;

use crate::{Blame, Fault};

/// Carriers of a messenger at the most.
pub const CARRIERS_MAX: usize = 2;
/// A receiver that asks to be left alone is obeyed for so long at the most.
const AFTER_MAX: Duration = Duration::from_secs(300);

/// How often and how long.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// Before the second try; twice as long before each further one.
    pub retry_min: Duration,
    /// And never longer than this.
    pub retry_max: Duration,
    /// A carrier is asked so often that refuses the letter.
    pub refusals_max: u32,
    /// A carrier is asked so often that fails with this letter while it takes others.
    pub failures_max: u32,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            retry_min: Duration::from_secs(1),
            retry_max: Duration::from_secs(60),
            refusals_max: 3,
            failures_max: 20,
        }
    }
}

/// What comes next for a letter.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Next {
    /// Another try, after so long.
    After(Duration),
    /// No carrier is left.
    GiveUp,
}

#[derive(Copy, Clone, Debug, Default)]
struct Strikes {
    refusals: u32,
    failures: u32,
    /// What the carrier had taken in all when it failed last.
    taken: Option<u64>,
    is_out: bool,
}

/// See the module's documentation.
#[derive(Clone, Debug)]
pub struct Course {
    tries: u32,
    carrier: usize,
    carriers: usize,
    strikes: [Strikes; CARRIERS_MAX],
}

impl Course {
    /// The course of a letter that was not tried, with a messenger of so many carriers.
    #[must_use]
    pub fn new(carriers: usize) -> Course {
        Course {
            tries: 0,
            carrier: 0,
            carriers: carriers.clamp(1, CARRIERS_MAX),
            strikes: [Strikes::default(); CARRIERS_MAX],
        }
    }

    /// The carrier to be asked next.
    #[must_use]
    pub fn carrier(&self) -> usize {
        self.carrier
    }

    /// How often it was tried.
    #[must_use]
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// A try failed. `taken` is how many letters the carrier has taken in all; `jitter` is random.
    pub fn failed(&mut self, fault: &Fault, taken: u64, jitter: u32, policy: &Policy) -> Next {
        self.tries = self.tries.saturating_add(1);
        let strikes = &mut self.strikes[self.carrier];
        let takes_others = strikes.taken.is_some_and(|before| taken > before);
        strikes.taken = Some(taken);
        match fault.blame {
            Blame::Letter => strikes.refusals += 1,
            Blame::Service | Blame::Receiver if takes_others => strikes.failures += 1,
            Blame::Service | Blame::Receiver => {}
        }
        strikes.is_out = strikes.refusals >= policy.refusals_max || strikes.failures >= policy.failures_max;
        let others = (1..=self.carriers).map(|step| (self.carrier + step) % self.carriers);
        match others.into_iter().find(|carrier| !self.strikes[*carrier].is_out) {
            Some(carrier) => self.carrier = carrier,
            None => return Next::GiveUp,
        }
        let asked = fault.after.unwrap_or_default().min(AFTER_MAX);
        Next::After(self.back_off(jitter, policy).max(asked))
    }

    /// Twice as long each time, of which half is drawn: those that failed together do not come
    /// back together.
    fn back_off(&self, jitter: u32, policy: &Policy) -> Duration {
        let doublings = self.tries.saturating_sub(1).min(20);
        let whole = policy.retry_min.saturating_mul(1 << doublings).min(policy.retry_max);
        whole / 2 + (whole / 2).mul_f64(f64::from(jitter) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(blame: Blame) -> Fault {
        Fault::new(blame, "x")
    }

    /// Tries until it is given up, the carrier taking `others` letters between two tries.
    fn tries(carriers: usize, blame: Blame, others: u64) -> Option<u32> {
        let mut course = Course::new(carriers);
        for taken in 0..1_000 {
            if course.failed(&fault(blame), taken * others, 0, &Policy::default()) == Next::GiveUp {
                return Some(course.tries());
            }
        }
        None
    }

    #[test]
    fn a_letter_is_given_up_for_its_own_faults_only() {
        for (carriers, blame, others, given_up) in [
            (1, Blame::Letter, 0, Some(3)),
            (2, Blame::Letter, 0, Some(6)),
            // An outage, or a wrong secret: nobody's letters are taken.
            (1, Blame::Receiver, 0, None),
            (1, Blame::Service, 0, None),
            // The first failure tells nothing of others.
            (1, Blame::Receiver, 1, Some(21)),
            (1, Blame::Service, 1, Some(21)),
            (2, Blame::Receiver, 1, Some(42)),
        ] {
            assert_eq!(tries(carriers, blame, others), given_up, "{carriers} {blame:?} {others}");
        }
    }

    #[test]
    fn waits_double_to_a_bound_and_half_of_each_is_drawn() {
        let policy = Policy::default();
        let waits = |jitter: u32| -> Vec<u64> {
            let mut course = Course::new(1);
            let mut wait = || match course.failed(&fault(Blame::Receiver), 0, jitter, &policy) {
                Next::After(wait) => u64::try_from(wait.as_millis()).unwrap(),
                Next::GiveUp => unreachable!("an outage gives nothing up"),
            };
            (0..8).map(|_| wait()).collect()
        };
        assert_eq!(waits(0), [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        assert_eq!(waits(u32::MAX), [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
    }

    #[test]
    fn a_receiver_that_asks_for_more_time_gets_it_within_reason() {
        for (asked_s, wait_s) in [(10, 10), (100_000, 300)] {
            let busy = Fault { after: Some(Duration::from_secs(asked_s)), ..fault(Blame::Receiver) };
            let next = Course::new(1).failed(&busy, 0, 0, &Policy::default());
            assert_eq!(next, Next::After(Duration::from_secs(wait_s)));
        }
    }

    #[test]
    fn the_carriers_take_turns_and_one_that_refused_three_times_is_left_out() {
        let mut course = Course::new(2);
        let mut asked = Vec::new();
        for _ in 0..8 {
            asked.push(course.carrier());
            let blame = if course.carrier() == 0 { Blame::Letter } else { Blame::Receiver };
            course.failed(&fault(blame), 0, 0, &Policy::default());
        }
        assert_eq!(asked, [0, 1, 0, 1, 0, 1, 1, 1]);
    }
}
