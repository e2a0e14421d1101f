//! Who comes, when, and with which habits: all of it from the seed.
//!
//! Must never depend on what the service does: an arrival is decided before the first request.
//! Start at [`Arrivals`], then [`Habits`].

use super::super::api::Claim;

/// A stream of numbers from a seed (SplitMix64, Steele, Lea and Flood, 2014): small, and good
/// enough to draw arrivals from.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The stream of a seed and a part of it.
    pub fn new(seed: u64, part: u64) -> Self {
        let mut random = Self(seed ^ part.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        random.bits();
        random
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ bits >> 31
    }

    /// From 0 to 1, 1 excluded.
    pub fn fraction(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Below `bound`; 0 for a bound of 0.
    pub fn below(&mut self, bound: usize) -> usize {
        ((self.fraction() * bound as f64) as usize).min(bound.saturating_sub(1))
    }

    /// Exponentially distributed with this mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.fraction()).ln()
    }
}

/// When people come, in seconds from the opening. Given how many come in all, the arrivals of a
/// Poisson process are independent draws from its normalised rate, which is how they are made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arrivals {
    /// The part that comes before the opening, the more the nearer it is.
    pub lobby_share: f64,
    /// From so long before the opening.
    pub lobby_s: f64,
    /// The part that comes in the spike after it.
    pub spike_share: f64,
    /// The spike's mean delay.
    pub spike_s: f64,
    /// The rest comes evenly for so long.
    pub tail_s: f64,
}

impl Arrivals {
    /// One arrival.
    pub fn draw(&self, random: &mut Random) -> f64 {
        let kind = random.fraction();
        if kind < self.lobby_share {
            -self.lobby_s * random.fraction().powf(1.5)
        } else if kind < self.lobby_share + self.spike_share {
            random.exponential(self.spike_s)
        } else {
            random.fraction() * self.tail_s
        }
    }
}

/// What a person does beside waiting for their turn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Habits(u16);

impl Habits {
    /// Loads the page again now and then.
    pub const RELOADS: Self = Self(1);
    /// Leaves for good while waiting.
    pub const GIVES_UP: Self = Self(2);
    /// Goes away while waiting and comes back.
    pub const RETURNS: Self = Self(4);
    /// Joins from a second device, too.
    pub const TWO_DEVICES: Self = Self(8);
    /// Tries to get in before their turn.
    pub const PUSHES: Self = Self(16);
    /// Sends the same confirmation twice, as an impatient finger does.
    pub const TAPS_TWICE: Self = Self(32);
    /// Cancels after booking.
    pub const CANCELS: Self = Self(64);
    /// Stays to the end when told that the supply will not reach them.
    pub const STAYS: Self = Self(128);

    /// Whether this is one of them.
    pub fn has(self, habit: Self) -> bool {
        self.0 & habit.0 != 0
    }

    /// Without one of them.
    pub fn without(self, habit: Self) -> Self {
        Self(self.0 & !habit.0)
    }

    /// A person's habits: each by its share of people. The shares are guesses; the report says so.
    pub fn draw(random: &mut Random) -> Self {
        let shares = [
            (Self::RELOADS, 0.25),
            (Self::GIVES_UP, 0.04),
            (Self::RETURNS, 0.05),
            (Self::TWO_DEVICES, 0.15),
            (Self::PUSHES, 0.02),
            (Self::TAPS_TWICE, 0.05),
            (Self::CANCELS, 0.01),
            (Self::STAYS, 0.5),
        ];
        let with = |bits: u16, (habit, share): (Self, f64)| {
            if random.fraction() < share { bits | habit.0 } else { bits }
        };
        Self(shares.into_iter().fold(0, with))
    }
}

/// A made-up person of the campaign's age: number `person` of the crowd of this seed.
pub fn claim(seed: u64, person: u32) -> Claim {
    const SURNAMES: [&str; 8] = ["김", "이", "박", "최", "정", "강", "조", "윤"];
    const NAMES: [&str; 8] = ["하늘", "지우", "서연", "민준", "도윤", "예린", "수아", "현우"];
    let mut random = Random::new(seed, u64::from(person) << 8 | 1);
    let name = format!("{}{}", SURNAMES[random.below(8)], NAMES[random.below(8)]);
    let (year, month, day) = (1962 + random.below(5), 1 + random.below(12), 1 + random.below(28));
    // The seed's own block of numbers keeps the crowds of two runs on one service apart.
    let telephone = format!("010{:03}{person:08}", seed % 1000);
    Claim {
        name,
        birth: format!("{year:04}-{month:02}-{day:02}"),
        telephone: telephone[..14.min(telephone.len())].into(),
    }
}
