//! How often those who wait ask again. The same rule stands in `assets/wait.js` (`interval`).
//!
//! The interval is a third of the expected wait, so that it shrinks as the turn comes
//! near and a wait of hours costs tens of requests. A sixth would cost 25 kB in a wait of
//! 3 h 36 min, a third costs under 20; a turn is not lost by being seen a little later.

/// The shortest interval, milliseconds.
pub const INTERVAL_MS_MIN: u64 = 2_000;
/// The longest interval, milliseconds.
pub const INTERVAL_MS_MAX: u64 = 600_000;

/// Milliseconds until the next request. `jitter` from 0 to 1 spreads people over 80 %
/// to 120 % of the interval, so that those who came together do not ask together.
#[must_use]
pub fn interval_ms(expected_wait_ms: u64, jitter: f64) -> u64 {
    let interval = (expected_wait_ms / 3).clamp(INTERVAL_MS_MIN, INTERVAL_MS_MAX);
    (interval as f64 * (0.8 + 0.4 * jitter.clamp(0.0, 1.0))) as u64
}

/// Seconds until a page without scripts loads again: the same rule, but never so often
/// that a reader loses the line, and spread by the ticket's number.
#[must_use]
pub fn refresh_s(expected_wait_ms: u64, serial: u32) -> u64 {
    (interval_ms(expected_wait_ms, jitter_of(serial)) / 1_000).max(10)
}

/// A ticket's own jitter, from 0 to 1: a multiplicative hash (Knuth) of its number, by
/// which neighbours in line are far apart.
#[must_use]
pub fn jitter_of(serial: u32) -> f64 {
    f64::from(serial.wrapping_mul(2_654_435_761) >> 16) / 65_536.0
}

/// The wait to expect for `people` at a pace (low, high) of people a minute; three
/// minutes, to ask again, where no pace is known.
#[must_use]
pub fn expected_wait_ms(people: u64, pace: (u32, u32)) -> u64 {
    let twice = u64::from(pace.0) + u64::from(pace.1);
    people.saturating_mul(120_000).checked_div(twice).unwrap_or(180_000)
}
