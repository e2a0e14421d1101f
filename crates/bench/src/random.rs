//! Numbers that look random and follow from a seed, so that a run can be repeated.

/// The generator splitmix64 (Steele, Lea and Flood, 2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

/// The finaliser of splitmix64: a bijection that looks random.
#[must_use]
pub fn spread(number: u64) -> u64 {
    let mixed = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// A 128-bit number of this name: the same for the same name, unlike any other's.
#[must_use]
pub fn spread_wide(number: u64) -> u128 {
    let low = spread(number.wrapping_add(0x9e37_79b9_7f4a_7c15));
    let high = spread(number ^ 0x5851_f42d_4c95_7f2d);
    u128::from(high) << 64 | u128::from(low)
}

impl Random {
    /// A generator that follows from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        spread(self.0)
    }

    /// A number below `bound`, which is not 0. The bias is below one in four billion for
    /// bounds of 32 bits.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from 0 up to 1.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// The time to the next of events that come by themselves `rate` times a second,
    /// seconds.
    pub fn pause_s(&mut self, rate: f64) -> f64 {
        -(1.0 - self.unit()).ln() / rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_have_the_mean_of_their_rate() {
        let mut random = Random::new(7);
        let total: f64 = (0..100_000).map(|_| random.pause_s(50.0)).sum();
        assert!((total / 100_000.0 - 0.02).abs() < 0.000_3, "{total}");
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers_within_the_bound() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            (0..50).map(|_| random.below(10)).collect::<Vec<_>>()
        };
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
        assert!((0..10).all(|digit| draw(3).contains(&digit)));
    }
}
