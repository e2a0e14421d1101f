//! Entries counted against the announced pace.
//!
//! Must never average: every ten seconds are looked at. Start at [`Pacer`].

use std::collections::VecDeque;

use jari_core::Time;

/// The strictest reading of a pace: within any ten seconds no more than ten seconds' worth and
/// the announced burst of two.
#[derive(Debug, Default)]
pub(super) struct Pacer {
    recent: VecDeque<(u64, u32)>,
    sum: u32,
}

pub(super) const WINDOW_MS: u64 = 10_000;
pub(super) const BURST_MS: u64 = 2_000;

impl Pacer {
    /// Entries within the last ten seconds, one at `now` included.
    pub(super) fn entered(&mut self, now: Time) -> u32 {
        while let Some((at, count)) = self.recent.front().copied().filter(|(at, _)| at + WINDOW_MS <= now.0) {
            debug_assert!(at < now.0);
            self.sum -= count;
            self.recent.pop_front();
        }
        match self.recent.back_mut() {
            Some((at, count)) if *at == now.0 => *count += 1,
            _ => self.recent.push_back((now.0, 1)),
        }
        self.sum += 1;
        self.sum
    }
}
