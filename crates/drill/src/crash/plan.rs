//! When the service is killed: drawn from the seed, one moment after another.
//!
//! Must never depend on what the service does, but for how long it has taken to start so far.
//! Start at [`Plan::next_moment`].

use std::time::Duration;

use crate::live::crowd::people::Random;

/// A kill while the service is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// After so long under load.
    UnderLoad(Duration),
    /// The moment after so many answers of a crowd that was let in all at once.
    AfterBurst(u64),
    /// So long after a snapshot was seen half-written.
    InSnapshot(Duration),
}

impl Moment {
    /// For the report.
    pub fn word(self) -> &'static str {
        match self {
            Self::UnderLoad(_) => "under load",
            Self::AfterBurst(_) => "after a burst",
            Self::InSnapshot(_) => "in a snapshot",
        }
    }
}

/// Draws the kills.
#[derive(Debug, Clone)]
pub struct Plan {
    random: Random,
}

impl Plan {
    /// The plan of a seed.
    pub fn new(seed: u64) -> Self {
        Self { random: Random::new(seed, 0xdead) }
    }

    /// The next kill of a service that is up.
    pub fn next_moment(&mut self) -> Moment {
        match self.random.below(10) {
            0..=3 => Moment::UnderLoad(Duration::from_millis(50 + self.random.below(900) as u64)),
            4..=6 => Moment::AfterBurst(1 + self.random.below(200) as u64),
            _ => Moment::InSnapshot(Duration::from_micros(self.random.below(3_000) as u64)),
        }
    }

    /// Whether the next start is killed on its way up, and after how long: anywhere from the first
    /// instant to a little beyond the time that a start has taken.
    pub fn next_on_the_way_up(&mut self, start_takes: Duration) -> Option<Duration> {
        let part = self.random.fraction() * 1.2;
        (self.random.fraction() < 0.3).then(|| start_takes.mul_f64(part))
    }

    /// Chance for a write that was cut off, if there is to be one.
    pub fn next_torn(&mut self) -> Option<Random> {
        let random = Random::new(self.random.bits(), 1);
        (self.random.fraction() < 0.3).then_some(random)
    }
}
