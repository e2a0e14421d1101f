//! Anonymous joins, slowed per network prefix: a crowd behind one prefix is spread over
//! time, and nobody is refused.
//!
//! Each prefix (IPv4 /24, IPv6 /48) has a bucket by the hash of it: the instant at which
//! its next join is due (the generic cell rate algorithm). A join within the burst goes
//! through; a later one gets its own reserved instant, so that slips that are brought back
//! on time arrive at exactly the rate. The table never grows: prefixes that share a bucket
//! share a rate, which at 65,536 buckets is rare and costs a wait, never a place.
//!
//! Each node has a table of its own, so a prefix whose joins are spread over N nodes gets N
//! times the rate.
//!
//! One lookup costs a keyed hash of 8 bytes (SipHash) and one compare-and-swap: some 30 ns.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use jari_core::Time;

/// Reserved instants lie at most so far ahead; beyond it a slip takes its chance again.
const AHEAD_MS_MAX: u64 = 300_000;

/// Settings.
#[derive(Copy, Clone, Debug)]
pub struct PrefixOptions {
    /// Joins a second that a prefix may make.
    pub joins_per_second: u32,
    /// Joins that may come at once.
    pub burst: u32,
    /// Buckets; a power of two serves best.
    pub buckets: usize,
}

impl Default for PrefixOptions {
    fn default() -> Self {
        PrefixOptions { joins_per_second: 50, burst: 500, buckets: 65_536 }
    }
}

/// When a join may go through.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Turn {
    /// At once.
    Now,
    /// Later.
    From {
        /// From when.
        not_before: Time,
        /// Whether that instant is reserved: a slip for it goes straight through.
        reserved: bool,
    },
}

/// See the module's documentation.
pub struct Prefixes {
    /// When each bucket's next join is due, microseconds since 1970.
    due_us: Box<[AtomicU64]>,
    /// Keyed at random: nobody can choose prefixes that collide with another's.
    hash: RandomState,
    every_us: u64,
    burst_us: u64,
}

impl Prefixes {
    /// A table with no debts.
    #[must_use]
    pub fn new(options: PrefixOptions) -> Prefixes {
        let every_us = 1_000_000 / u64::from(options.joins_per_second.max(1));
        let burst_us = every_us * u64::from(options.burst.max(1));
        let due_us = (0..options.buckets.max(1)).map(|_| AtomicU64::new(0)).collect();
        Prefixes { due_us, hash: RandomState::new(), every_us, burst_us }
    }

    /// When a join from this address may go through; counts it.
    #[must_use]
    pub fn turn(&self, network: IpAddr, now: Time) -> Turn {
        let bucket = &self.due_us[self.bucket_of(network)];
        let now_us = now.0.saturating_mul(1000);
        let latest_us = now_us + self.burst_us + AHEAD_MS_MAX * 1000;
        let mut seen = bucket.load(Ordering::Relaxed);
        loop {
            let due = seen.max(now_us);
            if due >= latest_us {
                return Turn::From { not_before: now.plus_ms(AHEAD_MS_MAX), reserved: false };
            }
            match bucket.compare_exchange_weak(
                seen,
                due + self.every_us,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) if due < now_us + self.burst_us => return Turn::Now,
                Ok(_) => {
                    let not_before = Time((due - self.burst_us).div_ceil(1000).max(now.0 + 1));
                    return Turn::From { not_before, reserved: true };
                }
                Err(current) => seen = current,
            }
        }
    }

    fn bucket_of(&self, network: IpAddr) -> usize {
        (self.hash.hash_one(prefix_of(network)) % self.due_us.len() as u64) as usize
    }
}

/// The /24 of an IPv4 address or the /48 of an IPv6 address. An IPv4 address in IPv6
/// clothing counts as IPv4.
#[must_use]
pub fn prefix_of(network: IpAddr) -> [u8; 8] {
    match network.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            [4, a, b, c, 0, 0, 0, 0]
        }
        IpAddr::V6(address) => {
            let [a, b, c, d, e, f, ..] = address.octets();
            [6, a, b, c, d, e, f, 0]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Prefixes {
        Prefixes::new(PrefixOptions { joins_per_second: 10, burst: 3, buckets: 1024 })
    }

    #[test]
    fn beyond_the_burst_each_join_gets_an_instant_of_its_own() {
        let table = table();
        let network: IpAddr = [203, 0, 113, 9].into();
        let now = Time(1_000_000);
        let turns: Vec<Turn> = (0..6).map(|_| table.turn(network, now)).collect();
        let later = |ms: u64| Turn::From { not_before: Time(1_000_000 + ms), reserved: true };
        assert_eq!(turns, [Turn::Now, Turn::Now, Turn::Now, later(1), later(100), later(200)]);
        assert_eq!(table.turn([198, 51, 100, 1].into(), now), Turn::Now);
    }

    #[test]
    fn a_prefix_that_waits_earns_its_burst_again() {
        let table = table();
        let network: IpAddr = [203, 0, 113, 9].into();
        for _ in 0..6 {
            let _ = table.turn(network, Time(1_000_000));
        }
        assert_eq!(table.turn(network, Time(1_001_000)), Turn::Now);
    }

    #[test]
    fn the_debt_of_a_prefix_is_bounded() {
        let table = table();
        let network: IpAddr = [203, 0, 113, 9].into();
        for _ in 0..10_000 {
            let _ = table.turn(network, Time(1_000_000));
        }
        let last = table.turn(network, Time(1_000_000));
        assert_eq!(last, Turn::From { not_before: Time(1_000_000 + AHEAD_MS_MAX), reserved: false });
    }

    #[test]
    fn neighbours_share_a_prefix_and_mapped_addresses_are_ipv4() {
        let mapped: IpAddr = std::net::Ipv4Addr::new(203, 0, 113, 200).to_ipv6_mapped().into();
        assert_eq!(prefix_of(mapped), prefix_of([203, 0, 113, 9].into()));
        assert_ne!(prefix_of([203, 0, 114, 9].into()), prefix_of([203, 0, 113, 9].into()));
    }
}
