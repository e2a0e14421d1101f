//! The past in three grains: seconds for a quarter of an hour, ten of them for six hours, minutes
//! for a week. What is older is forgotten, so memory is bounded: some 13,000 samples of at most
//! 2 kB (`SUBJECTS_MAX`), and of 200 bytes with one room.
//!
//! Start at [`Tiers::push`] and [`Tiers::since`].

use std::collections::VecDeque;

use super::sample::Sample;

/// Points of one answer at the most.
pub const POINTS_MAX: u64 = 1_024;
/// The longest step that makes sense, seconds.
const STEP_S_MAX: u64 = 3_600;
/// Seconds of a sample, and how many of them are kept.
const GRAINS: [(u64, usize); 3] = [(1, 900), (10, 2_160), (60, 10_080)];
/// What a clock is set back by without the past being taken for wrong, ms.
const SET_BACK_MS: u64 = 60_000;

/// See the module's documentation.
#[derive(Debug)]
pub struct Tiers([Tier; 3]);

#[derive(Debug)]
struct Tier {
    step_ms: u64,
    kept_max: usize,
    samples: VecDeque<Sample>,
}

impl Default for Tiers {
    fn default() -> Self {
        Tiers(GRAINS.map(|(step_s, kept_max)| Tier {
            step_ms: step_s * 1_000,
            kept_max,
            samples: VecDeque::new(),
        }))
    }
}

impl Tiers {
    /// Takes a sample into every grain. One that is older than the newest counts with the newest:
    /// clocks are set back a little, and the past is not written again.
    pub fn push(&mut self, sample: &Sample) {
        for tier in &mut self.0 {
            tier.push(sample);
        }
    }

    /// Forgets what was recorded later than `now_ms`, if the clock was set back by more than a
    /// minute: it was wrong before, and nothing could be added until it was that late again.
    pub fn forget_future(&mut self, now_ms: u64) {
        for tier in &mut self.0 {
            if tier.samples.back().is_some_and(|newest| newest.at_ms > now_ms + SET_BACK_MS) {
                tier.samples.retain(|sample| sample.at_ms <= now_ms);
            }
        }
    }

    /// Takes a minute of an earlier life of the process.
    pub fn push_minute(&mut self, sample: &Sample) {
        self.0[2].push(sample);
    }

    /// The newest seconds, the newest last.
    #[must_use]
    pub fn seconds(&self, count: usize) -> Vec<&Sample> {
        let samples = &self.0[0].samples;
        samples.range(samples.len().saturating_sub(count)..).collect()
    }

    /// The newest minute that is over.
    #[must_use]
    pub fn last_whole_minute(&self) -> Option<&Sample> {
        let samples = &self.0[2].samples;
        samples.len().checked_sub(2).and_then(|at| samples.get(at))
    }

    /// The step, in seconds, in which everything from `from_ms` to `now_ms` is shown if `step_s`
    /// was asked for: so long that the answer stays within [`POINTS_MAX`].
    #[must_use]
    pub fn step_s(from_ms: u64, now_ms: u64, step_s: u64) -> u64 {
        let least = now_ms.saturating_sub(from_ms).div_ceil(1_000).div_ceil(POINTS_MAX - 1);
        step_s.max(least).clamp(1, STEP_S_MAX)
    }

    /// What is known from `from_ms` on, in steps of at least `step_s`, the oldest first. Where the
    /// grain of that step does not reach, coarser ones stand in. At most [`POINTS_MAX`].
    #[must_use]
    pub fn since(&self, from_ms: u64, step_s: u64) -> Vec<Sample> {
        let step_ms = step_s.max(1) * 1_000;
        let fine = self.0.iter().rposition(|tier| tier.step_ms <= step_ms).unwrap_or(0);
        let mut points: Vec<Sample> = Vec::new();
        for at in (fine..self.0.len()).rev() {
            let finer = &self.0[fine..at];
            let upto = finer.iter().filter_map(Tier::begins_ms).min().unwrap_or(u64::MAX);
            let known = self.0[at].samples.iter();
            for sample in known.filter(|sample| sample.at_ms > from_ms && sample.at_ms <= upto) {
                match points.last_mut() {
                    Some(last) if last.at_ms / step_ms == sample.at_ms / step_ms => last.merge(sample),
                    _ => points.push(sample.clone()),
                }
            }
        }
        let over = points.len().saturating_sub(POINTS_MAX as usize);
        points.drain(..over);
        points
    }
}

impl Tier {
    fn push(&mut self, sample: &Sample) {
        match self.samples.back_mut() {
            Some(newest) if newest.at_ms / self.step_ms >= sample.at_ms / self.step_ms => {
                let at_ms = newest.at_ms.max(sample.at_ms);
                newest.merge(sample);
                newest.at_ms = at_ms;
            }
            _ => {
                if self.samples.len() == self.kept_max {
                    self.samples.pop_front();
                }
                self.samples.push_back(sample.clone());
            }
        }
    }

    /// Where the oldest sample begins.
    fn begins_ms(&self) -> Option<u64> {
        self.samples.front().map(|oldest| oldest.at_ms.saturating_sub(oldest.ms.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::sample::{CampaignSample, NodeSample, RoomSample};

    const START: u64 = 1_626_256_800_000;

    fn second(at_s: u64) -> Sample {
        Sample { at_ms: START + at_s * 1_000, ms: 1_000, ..Sample::default() }
    }

    #[test]
    fn counts_are_added_up_latencies_are_the_worst_and_levels_the_last() {
        let sample = |at_s, served, p99, inside| Sample {
            node: NodeSample { served, latency_p99_us: p99, mailbox: served, ..NodeSample::default() },
            rooms: vec![RoomSample { room: 7, arrivals: served, inside, ..RoomSample::default() }],
            campaigns: vec![CampaignSample { campaign: 1, free: inside, ..CampaignSample::default() }],
            ..second(at_s)
        };
        let mut merged = sample(0, 5, Some(900), 3);
        merged.merge(&sample(1, 2, None, 1));
        let node = NodeSample { served: 7, latency_p99_us: Some(900), mailbox: 5, ..NodeSample::default() };
        assert_eq!((merged.at_ms, merged.ms, merged.node), (START + 1_000, 2_000, node));
        assert_eq!(merged.rooms, [RoomSample { room: 7, arrivals: 7, inside: 1, ..RoomSample::default() }]);
        assert_eq!(merged.campaigns[0].free, 1);
    }

    #[test]
    fn a_room_that_comes_or_goes_keeps_what_it_counted() {
        let room = |room, arrivals| RoomSample { room, arrivals, ..RoomSample::default() };
        let mut merged = Sample { rooms: vec![room(2, 4), room(9, 1)], ..second(0) };
        merged.merge(&Sample { rooms: vec![room(1, 3), room(9, 5)], ..second(1) });
        assert_eq!(merged.rooms, [room(1, 3), room(2, 4), room(9, 6)]);
        let many = (0..100).map(|number| room(number, 1)).collect();
        merged.merge(&Sample { rooms: many, ..second(2) });
        assert_eq!(merged.rooms.len(), crate::series::sample::SUBJECTS_MAX);
    }

    #[test]
    fn a_week_is_kept_in_grains_and_no_more() {
        let mut tiers = Tiers::default();
        let week_s = 7 * 86_400;
        for at_s in 1..=week_s + 3_600 {
            let node = NodeSample { served: 1, ..NodeSample::default() };
            tiers.push(&Sample { node, ..second(at_s) });
        }
        assert_eq!(tiers.0.each_ref().map(|tier| tier.samples.len()), [900, 2_160, 10_080]);
        let now = START + (week_s + 3_600) * 1_000;
        for (back_s, asked) in [(900, 1), (6 * 3_600, 10), (week_s, 60), (week_s, 600)] {
            let from = now - back_s * 1_000;
            let step_s = Tiers::step_s(from, now, asked);
            let points = tiers.since(from, step_s);
            assert!(points.len() <= POINTS_MAX as usize, "{} points", points.len());
            let served: u64 = points.iter().map(|point| u64::from(point.node.served)).sum();
            assert!(served.abs_diff(back_s) <= 60, "{served} of {back_s} seconds in steps of {step_s}");
            assert!(points.windows(2).all(|pair| pair[0].at_ms < pair[1].at_ms));
        }
    }

    #[test]
    fn coarser_grains_stand_in_for_what_a_finer_one_has_not_kept() {
        let mut tiers = Tiers::default();
        for minute in 0..30 {
            tiers.push_minute(&Sample { ms: 60_000, ..second(minute * 60 + 59) });
        }
        for at_s in 1_800..1_900 {
            tiers.push(&second(at_s));
        }
        let points = tiers.since(START + 600_000, 1);
        let covered: u64 = points.iter().map(|point| u64::from(point.ms)).sum();
        assert_eq!((points.len(), covered), (20 + 100, 20 * 60_000 + 100_000));
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_write_the_past_again() {
        let mut tiers = Tiers::default();
        for at_s in [100, 101, 40, 41, 102] {
            tiers.push(&second(at_s));
        }
        let times: Vec<u64> = tiers.seconds(9).iter().map(|sample| (sample.at_ms - START) / 1_000).collect();
        assert_eq!(times, [100, 101, 102]);
        assert_eq!(tiers.seconds(9)[1].ms, 3_000);
    }

    #[test]
    fn after_a_clock_that_was_far_ahead_the_record_goes_on_at_the_right_time() {
        let mut tiers = Tiers::default();
        for at_s in (0..100).chain(7_200..7_300) {
            tiers.push(&second(at_s));
        }
        for at_s in 100..200 {
            tiers.forget_future(START + at_s * 1_000);
            tiers.push(&second(at_s));
        }
        let times: Vec<u64> = tiers.seconds(999).iter().map(|one| (one.at_ms - START) / 1_000).collect();
        assert_eq!(times, (0..200).collect::<Vec<u64>>());
        assert!(tiers.since(0, 60).iter().all(|point| point.at_ms <= START + 200_000));
    }
}
